//! What is counted.

use std::error::Error;
use std::fs;
use std::path::Path;

use transom::codec::xml::write::{Element, WriteOptions, write, write_as};
use transom::schema::Schema;

use crate::backend::Answer;

/// Messages of the codec's corpus: small, middle and large ones of mixed content, and one of a map; and how many
/// times the shorter of two runs takes each.
pub(crate) const MESSAGES: [(&str, u64); 4] =
    [("mixed_200", 1000), ("mixed_1k", 1000), ("mixed_64k", 50), ("string_map", 50)];

/// The gateway alone, with traces of 1 % of its calls, and with an access log besides.
const PLAIN: &str = "transom.yaml";
const TRACED: &str = "traced.yaml";
const SEEN: &str = "seen.yaml";
/// The same as the first, for callers with an API key.
const GUARDED: &str = "guarded.yaml";
/// The same without a word to the backend about the caller.
const KEYED: &str = "keyed.yaml";
/// That again, with two rates that the caller does not reach.
const LIMITED: &str = "limited.yaml";
/// For callers with a token.
const TOKEN: &str = "token.yaml";
/// With a route that is made of three.
const AGGREGATE: &str = "aggregate.yaml";

/// One kind of request.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) request: Vec<u8>,
    pub(crate) answer: Answer,
    /// The answer of the gateway.
    expected: Vec<u8>,
    /// The configuration of the gateway.
    pub(crate) config: &'static str,
    /// How many requests the shorter of two runs sends.
    pub(crate) times: u64,
}

impl Case {
    /// Whether an answer is what the gateway has to make of the backend's.
    pub(crate) fn check(&self, answer: &[u8]) -> Result<(), Box<dyn Error>> {
        if answer == self.expected {
            return Ok(());
        }
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(300)]);
        Err(format!("{} is answered with {} bytes, which are wrong: {shown}", self.name, answer.len()).into())
    }
}

/// The requests, with messages of the corpus in this folder.
pub(crate) fn requests(corpus: &Path) -> Result<Vec<Case>, Box<dyn Error>> {
    let file = |name: &str| fs::read(corpus.join(name)).map_err(|error| format!("{name}: {error}"));
    let get = |path: &str| head("GET", path, "").into_bytes();
    let post = |path: &str, json: &[u8]| {
        let fields = format!("content-type: application/json\r\ncontent-length: {}\r\n", json.len());
        [head("POST", path, &fields).as_bytes(), json].concat()
    };
    Ok(vec![
        Case {
            name: "small GET",
            request: get("/v1/shops/central/orders/3538602242"),
            answer: Answer::Message(file("mixed_200.wire")?),
            expected: file("mixed_200.json")?,
            config: PLAIN,
            times: 1000,
        },
        Case {
            name: "small GET, traced",
            request: get("/v1/shops/central/orders/3538602242"),
            answer: Answer::Message(file("mixed_200.wire")?),
            expected: file("mixed_200.json")?,
            config: TRACED,
            times: 1000,
        },
        Case {
            name: "small GET, logged and traced",
            request: get("/v1/shops/central/orders/3538602242"),
            answer: Answer::Message(file("mixed_200.wire")?),
            expected: file("mixed_200.json")?,
            config: SEEN,
            times: 1000,
        },
        Case {
            name: "small GET, with a key",
            request: head("GET", "/v1/shops/central/orders/3538602242", &format!("x-api-key: {KEY}\r\n"))
                .into_bytes(),
            answer: Answer::Message(file("mixed_200.wire")?),
            expected: file("mixed_200.json")?,
            config: GUARDED,
            times: 1000,
        },
        Case {
            name: "small GET, with a key alone",
            request: head("GET", "/v1/shops/central/orders/3538602242", &format!("x-api-key: {KEY}\r\n"))
                .into_bytes(),
            answer: Answer::Message(file("mixed_200.wire")?),
            expected: file("mixed_200.json")?,
            config: KEYED,
            times: 1000,
        },
        Case {
            name: "small GET, with a key and a limit",
            request: head("GET", "/v1/shops/central/orders/3538602242", &format!("x-api-key: {KEY}\r\n"))
                .into_bytes(),
            answer: Answer::Message(file("mixed_200.wire")?),
            expected: file("mixed_200.json")?,
            config: LIMITED,
            times: 1000,
        },
        Case {
            // The same token each time, so that its signature is checked once.
            name: "small GET, with a token",
            request: head("GET", "/v1/shops/central/orders/3538602242", &bearer()).into_bytes(),
            answer: Answer::Message(file("mixed_200.wire")?),
            expected: file("mixed_200.json")?,
            config: TOKEN,
            times: 1000,
        },
        Case {
            // To be compared with three of "small GET": at most 0.8 of them.
            name: "aggregate of three",
            request: get("/v1/shops/central/boards/3538602242"),
            answer: Answer::Message(file("mixed_200.wire")?),
            expected: aggregated(&file("mixed_200.json")?),
            config: AGGREGATE,
            times: 1000,
        },
        Case {
            name: "1 KB POST",
            request: post("/v1/orders", &file("mixed_1k.json")?),
            answer: Answer::Echo,
            expected: file("mixed_1k.json")?,
            config: PLAIN,
            times: 1000,
        },
        Case {
            name: "1 KB SOAP",
            request: soap(&envelope(corpus, &file("mixed_1k.wire")?, "CreateOrder")?),
            answer: Answer::Echo,
            expected: envelope(corpus, &file("mixed_1k.wire")?, "CreateOrderResponse")?,
            config: PLAIN,
            times: 1000,
        },
        Case {
            name: "1 KB XML POST",
            request: post_xml("/v1/orders", &xml(corpus, "mixed_1k.wire")?),
            answer: Answer::Echo,
            expected: xml(corpus, "mixed_1k.wire")?,
            config: PLAIN,
            times: 1000,
        },
        Case {
            name: "64 KB POST",
            request: post("/v1/orders", &file("mixed_64k.json")?),
            answer: Answer::Echo,
            expected: file("mixed_64k.json")?,
            config: PLAIN,
            times: 100,
        },
        Case {
            name: "64 KB list",
            request: get("/v1/shops/central/orders?pageSize=64&orderBy=create_time"),
            answer: Answer::Message(list(&file("mixed_1k.wire")?)),
            expected: listed(&file("mixed_1k.json")?),
            config: PLAIN,
            times: 100,
        },
        Case {
            name: "stream, a frame each",
            request: get("/v1/shops/central/orders:watch"),
            answer: Answer::Stream(file("mixed_200.wire")?, STREAMED),
            expected: streamed(&file("mixed_200.json")?),
            config: PLAIN,
            times: 20,
        },
        Case {
            name: "stream, packed",
            request: get("/v1/shops/central/orders:watch"),
            answer: Answer::Packed(file("mixed_200.wire")?, STREAMED),
            expected: streamed(&file("mixed_200.json")?),
            config: PLAIN,
            times: 20,
        },
        Case {
            name: "upload",
            request: post("/v1/orders:import", &streamed(&file("mixed_200.json")?)),
            answer: Answer::Message(file("mixed_200.wire")?),
            expected: file("mixed_200.json")?,
            config: PLAIN,
            times: 20,
        },
    ])
}

fn soap(envelope: &[u8]) -> Vec<u8> {
    let fields = format!("content-type: text/xml; charset=utf-8\r\ncontent-length: {}\r\n", envelope.len());
    [head("POST", "/soap/bench.Orders", &fields).as_bytes(), envelope].concat()
}

/// An order in wire form as the content of an element in an envelope.
fn envelope(corpus: &Path, order: &[u8], name: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let schema = Schema::load(&[&fs::read(corpus.join("corpus.binpb"))?])?;
    let id = schema.find_message("bench.Order").ok_or("the corpus has no orders")?;
    let mut text = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soap:Envelope \
        xmlns:soap=\"http://schemas.xmlsoap.org/soap/envelope/\"><soap:Body>"
        .to_vec();
    let element = Element { name, namespace: "urn:bench.Orders" };
    write_as(&schema, id, order, element, &WriteOptions::default(), &mut text)?;
    text.extend_from_slice(b"</soap:Body></soap:Envelope>\n");
    Ok(text)
}

/// An order as XML.
fn xml(corpus: &Path, name: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let schema = Schema::load(&[&fs::read(corpus.join("corpus.binpb"))?])?;
    let order = schema.find_message("bench.Order").ok_or("the corpus has no bench.Order")?;
    let mut text = Vec::new();
    write(&schema, order, &fs::read(corpus.join(name))?, &WriteOptions::default(), &mut text)?;
    Ok(text)
}

fn post_xml(path: &str, xml: &[u8]) -> Vec<u8> {
    let fields = format!("content-type: application/xml\r\ncontent-length: {}\r\n", xml.len());
    [head("POST", path, &fields).as_bytes(), xml].concat()
}

/// An order as each of three parts.
fn aggregated(order: &[u8]) -> Vec<u8> {
    let part = |name: &str| [b"\"", name.as_bytes(), b"\":", order].concat();
    [b"{", &["first", "second", "third"].map(part).join(&b","[..])[..], b"}"].concat()
}

/// The head of a request, with what clients usually send.
fn head(method: &str, path: &str, fields: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: shops.example.com\r\nuser-agent: instructions/1\r\naccept: */*\r\n\
         {fields}\r\n"
    )
}

/// A key as `transom keys new` makes it; its hash is in `keys.yaml`.
const KEY: &str = "trk_5vVNb1jVBgbxV1yXGBJjI0YCn1WHnUw3rP0J4YrPqEd000000";

/// A token of the key in `jwks.json`, for somebody with the role of a buyer, until the year 9999.
fn bearer() -> String {
    const HEADER: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImJlbmNoIiwidHlwIjoiSldUIn0";
    const CLAIMS: &str = "eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUiLCJhdWQiOiJzaG9wIiwic3ViIjoic29tZWJvZHkiLCJleHAiOjI1\
        MzQwMjMwMDc5OSwiaWF0IjoxNzUwMDAwMDAwLCJyb2xlcyI6WyJidXllciJdfQ";
    const SIGNATURE: &str =
        "JCKutDiBuZrvP-EkK33xYMlSXFpIjxdr5QCp3yAfREdXAeRZCY39UIF5O740NQiL8SAsRpqGu1m2CTIl2VLbzQ";
    format!("authorization: Bearer {HEADER}.{CLAIMS}.{SIGNATURE}\r\n")
}

/// How many messages a stream has.
const STREAMED: usize = 1000;

/// A stream of the same message as JSON.
fn streamed(message: &[u8]) -> Vec<u8> {
    [b"[", &vec![message; STREAMED].join(&b",\n"[..])[..], b"]\n"].concat()
}

/// How many orders a list has.
const LISTED: usize = 64;

/// A `ListOrdersResponse` of the same order several times.
fn list(order: &[u8]) -> Vec<u8> {
    // Field 1, length-delimited; the length takes two bytes.
    let length = order.len();
    assert!((128..1 << 14).contains(&length), "the order is of {length} bytes");
    let prefix = [0x0a, length as u8 | 0x80, (length >> 7) as u8];
    [&prefix, order].concat().repeat(LISTED)
}

/// The same as JSON.
fn listed(order: &[u8]) -> Vec<u8> {
    [&b"{\"orders\":["[..], &vec![order; LISTED].join(&b","[..]), b"]}"].concat()
}
