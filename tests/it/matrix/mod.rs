//! Every dialect with every codec, compression, kind of call and version of HTTP: a valid answer, a failure with
//! details, and a caller that leaves. What a dialect does not carry is refused in its own form.
//!
//! All cells are held against the same outcomes: there is one call, however it is spoken.

use std::net::SocketAddr;

use serde_json::{Value, json};
use transom::call::Dialect;

use crate::support::client::{self, Version};
use crate::support::gateway::Gateway;
use crate::support::{backend, stream};

mod read;
mod write;

use read::{Failure, Outcome};
use write::Pool;

/// How a dialect is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Rest,
    Grpc,
    GrpcWeb,
    GrpcWebText,
    /// The message is the body.
    Connect,
    /// Messages in envelopes.
    ConnectStream,
}

/// All the ways to speak a dialect. A new dialect does not compile without an answer.
const fn ways(dialect: Dialect) -> &'static [Way] {
    match dialect {
        Dialect::Rest => &[Way::Rest],
        Dialect::Grpc => &[Way::Grpc],
        Dialect::GrpcWeb => &[Way::GrpcWeb, Way::GrpcWebText],
        Dialect::Connect => &[Way::Connect, Way::ConnectStream],
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    Proto,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    /// In both directions.
    Gzip,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Unary,
    Server,
    Client,
    Bidi,
}

impl Kind {
    const fn streams_requests(self) -> bool {
        matches!(self, Self::Client | Self::Bidi)
    }

    const fn streams_answers(self) -> bool {
        matches!(self, Self::Server | Self::Bidi)
    }
}

/// One way to call.
#[derive(Clone, Copy, Debug)]
struct Cell {
    way: Way,
    codec: Codec,
    compression: Compression,
    kind: Kind,
    version: Version,
}

/// How a cell is refused that a dialect does not carry.
struct Refusal {
    http: u16,
    code: u32,
    /// In whose form.
    form: Way,
}

impl Cell {
    fn all() -> impl Iterator<Item = Self> {
        let ways = Dialect::ALL.into_iter().flat_map(|dialect| ways(dialect).iter().copied());
        ways.flat_map(|way| [Codec::Proto, Codec::Json].map(|codec| (way, codec)))
            .flat_map(|outer| [Compression::None, Compression::Gzip].map(|compression| (outer, compression)))
            .flat_map(|outer| [Kind::Unary, Kind::Server, Kind::Client, Kind::Bidi].map(|kind| (outer, kind)))
            .flat_map(|outer| [Version::Http1, Version::Http2].map(|version| (outer, version)))
            .map(|((((way, codec), compression), kind), version)| Self {
                way,
                codec,
                compression,
                kind,
                version,
            })
            // The rule of the method that streams answers is a GET. Without a body, there is no codec to refuse.
            .filter(|cell| {
                !(cell.way == Way::Rest && cell.codec == Codec::Proto && cell.kind == Kind::Server)
            })
    }

    /// How it is refused, unless the dialect carries it.
    fn refusal(self) -> Option<Refusal> {
        const INVALID_ARGUMENT: u32 = 3;
        const UNIMPLEMENTED: u32 = 12;
        let refusal = |http, code| Some(Refusal { http, code, form: self.way });
        match (self.way, self.codec, self.kind, self.version) {
            // Without trailers there is no gRPC, and without gRPC no form of its own.
            (Way::Grpc, _, _, Version::Http1) => {
                Some(Refusal { http: 505, code: UNIMPLEMENTED, form: Way::Rest })
            }
            // Always 200, with the status where the dialect has it.
            (Way::Grpc | Way::GrpcWeb | Way::GrpcWebText, Codec::Json, ..) => refusal(200, UNIMPLEMENTED),
            (Way::Rest, Codec::Proto, ..) => refusal(415, INVALID_ARGUMENT),
            (Way::Connect, _, Kind::Server | Kind::Client | Kind::Bidi, _) => refusal(415, INVALID_ARGUMENT),
            // Told as calls without streams are, so that whoever does not expect a stream can read it.
            (Way::ConnectStream, _, Kind::Unary, _) => {
                Some(Refusal { http: 415, code: UNIMPLEMENTED, form: Way::Connect })
            }
            _ => None,
        }
    }

    /// Whether messages pass as the backend has compressed them.
    fn passes_compressed(self) -> bool {
        self.compression == Compression::Gzip
            && self.codec == Codec::Proto
            && !matches!(self.way, Way::Rest | Way::Connect)
    }

    /// Whether its answers are to be compressed: by the backend, or where they are bodies of plain HTTP by the gateway.
    fn compresses_answers(self) -> bool {
        self.passes_compressed()
            || self.compression == Compression::Gzip && matches!(self.way, Way::Rest | Way::Connect)
    }
}

/// What is asked, whatever the dialect.
struct Exchange {
    /// `Service/Method`.
    method: &'static str,
    /// The verb and the target of the method's rule.
    rest: (&'static str, String),
    input: &'static str,
    output: &'static str,
    requests: Vec<Value>,
}

impl Exchange {
    /// Two messages that come back, as far as there are two.
    fn valid(kind: Kind) -> Self {
        match kind {
            Kind::Unary => Self::unary("Echo", "/v1/echo".into(), "Everything", json!({"string": text()})),
            Kind::Server => Self::watch(json!({"id": "valid", "count": 2, "size": TEXT})),
            Kind::Client | Kind::Bidi => Self::upload(kind, "valid", &[json!({}), json!({})]),
        }
    }

    /// A call that fails, behind one message where the answers are a stream.
    fn failing(kind: Kind) -> Self {
        match kind {
            Kind::Unary => {
                let details = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "R"}]);
                let status = json!({"code": CODE, "message": message(kind), "details": details});
                Self::unary("Fail", "/v1/fail".into(), "FailRequest", json!({"status": status}))
            }
            Kind::Server => Self::watch(json!({"id": "failing", "count": 1, "size": TEXT, "code": CODE})),
            Kind::Client | Kind::Bidi => Self::upload(kind, "failing", &[json!({}), json!({"code": CODE})]),
        }
    }

    /// A call that does not end by itself. Of a request that is a stream it is the beginning.
    fn endless(kind: Kind, id: &str) -> Self {
        match kind {
            Kind::Unary => {
                let rest = ("GET", format!("/v1/wait/{id}?time=60s"));
                Self {
                    rest,
                    ..Self::unary("Wait", String::new(), "WaitRequest", json!({"id": id, "time": "60s"}))
                }
            }
            Kind::Server => Self::watch(json!({"id": id, "count": 1, "hang": true})),
            Kind::Client | Kind::Bidi => Self::upload(kind, id, &[json!({})]),
        }
    }

    fn unary(method: &'static str, target: String, input: &'static str, request: Value) -> Self {
        let method = match method {
            "Echo" => "Echo/Echo",
            "Fail" => "Echo/Fail",
            _ => "Echo/Wait",
        };
        Self { method, rest: ("POST", target), input, output: "Everything", requests: vec![request] }
    }

    fn watch(request: Value) -> Self {
        let fields = request.as_object().unwrap();
        let query = fields.iter().skip(1).map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        let target = format!("/v1/watch/{}?{}", request["id"].as_str().unwrap(), query.join("&"));
        let (rest, input) = (("GET", target), "WatchRequest");
        Self { method: "Streams/Watch", rest, input, output: "Item", requests: vec![request] }
    }

    /// Items, the first of which has the name.
    fn upload(kind: Kind, id: &str, items: &[Value]) -> Self {
        let mut requests = items.to_vec();
        for request in &mut requests {
            request["text"] = text().into();
        }
        requests[0]["id"] = id.into();
        let (method, name, output) = match kind {
            Kind::Client => ("Streams/Gather", "gather", "GatherResponse"),
            _ => ("Streams/Chat", "chat", "Item"),
        };
        Self { method, rest: ("POST", format!("/v1/{name}/{id}")), input: "Item", output, requests }
    }
}

/// The length of texts, long enough to be compressed.
const TEXT: usize = 2000;
const FAILED_PRECONDITION: u32 = 9;
const CODE: u32 = FAILED_PRECONDITION;

fn text() -> String {
    "x".repeat(TEXT)
}

/// What the backend says of a failure.
const fn message(kind: Kind) -> &'static str {
    match kind {
        Kind::Unary => "not ☺ now",
        Kind::Server => "Told to fail.",
        Kind::Client | Kind::Bidi => "Told to fail at message 2.",
    }
}

/// What comes of a valid call.
fn valid(kind: Kind) -> Vec<Value> {
    match kind {
        Kind::Unary => vec![json!({"string": text()})],
        Kind::Server | Kind::Bidi => [1, 2].map(|number| json!({"number": number, "text": text()})).to_vec(),
        Kind::Client => vec![json!({"count": 2, "size": (2 * TEXT).to_string()})],
    }
}

/// What comes of one that fails.
fn failed(kind: Kind) -> Outcome {
    let first = json!({"number": 1, "text": text()});
    let detail = ("google.rpc.ErrorInfo".to_owned(), b"\x0a\x01R".to_vec());
    Outcome {
        messages: if kind.streams_answers() { vec![first] } else { Vec::new() },
        failure: Some(Failure { code: CODE, message: message(kind).into(), details: vec![detail] }),
        compressed: None,
    }
}

struct Setting {
    gateway: Gateway,
    pool: Pool,
    /// The backend of the gateway.
    _backend: crate::support::process::Server,
}

impl Setting {
    fn new() -> Self {
        let backend = backend::python_server("tests/python/echo_server.py");
        Self { gateway: Gateway::in_front_of(&[backend.address()]), pool: Pool::new(), _backend: backend }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    async fn ask(&self, cell: Cell, exchange: &Exchange) -> client::Answer {
        let (verb, target) = write::target(cell, exchange);
        let headers = write::headers(cell, verb);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let body = if verb == "GET" { Vec::new() } else { write::body(&self.pool, cell, exchange) };
        client::send(self.address(), cell.version, verb, &target, &headers, body).await
    }

    async fn is_refused(&self, cell: Cell, refusal: &Refusal) {
        let exchange = Exchange::valid(cell.kind);
        let answer = self.ask(cell, &exchange).await;
        assert_eq!(answer.status, refusal.http, "{cell:?}: {answer:?}");
        let outcome = read::outcome(&self.pool, Cell { way: refusal.form, ..cell }, &exchange, &answer);
        let failure = outcome.failure.unwrap_or_else(|| panic!("{cell:?} is not refused: {answer:?}"));
        assert_eq!((failure.code, outcome.messages.len()), (refusal.code, 0), "{cell:?}: {failure:?}");
        assert!(failure.message.ends_with('.'), "{cell:?}: {failure:?}");
    }

    async fn is_answered(&self, cell: Cell) {
        let exchange = Exchange::valid(cell.kind);
        let answer = self.ask(cell, &exchange).await;
        let mut outcome = read::outcome(&self.pool, cell, &exchange, &answer);
        assert_eq!((answer.status.as_u16(), outcome.failure.take()), (200, None), "{cell:?}: {answer:?}");
        assert_eq!(outcome.compressed, Some(cell.compresses_answers()), "{cell:?}: {answer:?}");
        for message in &mut outcome.messages {
            // Metadata crosses too.
            if let Some(received) = message.as_object_mut().unwrap().remove("received") {
                let expected = json!({"key": "x-long", "text": text()});
                assert!(received.as_array().unwrap().contains(&expected), "{cell:?}: {received}");
            }
        }
        assert_eq!(outcome.messages, valid(cell.kind), "{cell:?}");
    }

    async fn fails(&self, cell: Cell) {
        let exchange = Exchange::failing(cell.kind);
        let answer = self.ask(cell, &exchange).await;
        // FAILED_PRECONDITION, where HTTP says it at all and is not yet said to be 200.
        let told = matches!(cell.way, Way::Rest | Way::Connect) && !cell.kind.streams_answers();
        assert_eq!(answer.status, if told { 400 } else { 200 }, "{cell:?}: {answer:?}");
        let outcome = read::outcome(&self.pool, cell, &exchange, &answer);
        assert_eq!(Outcome { compressed: None, ..outcome }, failed(cell.kind), "{cell:?}");
    }

    /// A caller that leaves ends the call at the backend.
    async fn is_cancelled(&self, cell: Cell, id: &str) {
        let exchange = Exchange::endless(cell.kind, id);
        let (verb, target) = write::target(cell, &exchange);
        let headers = write::headers(cell, verb);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        if verb == "GET" {
            let get = stream::get(self.address(), cell.version, &target, &headers);
            tokio::select! {
                biased;
                // It begins when it is asked first; the answer does not end.
                () = async { let _begun = get.await; std::future::pending().await } => {}
                () = self.reaches("STARTED", id, cell) => {}
            }
        } else {
            let (upload, answer) = stream::upload(self.address(), cell.version, &target, &headers).await;
            assert!(upload.send(write::body(&self.pool, cell, &exchange)).await, "{cell:?}");
            let open = cell.kind.streams_requests().then_some(upload);
            self.reaches("STARTED", id, cell).await;
            // The connection, while the request is still open.
            drop(answer);
            drop(open);
        }
        self.reaches("CANCELLED", id, cell).await;
    }

    async fn reaches(&self, state: &str, id: &str, cell: Cell) {
        let answer = client::get(self.address(), &format!("/v1/await/{state}/{id}")).await;
        assert_eq!(answer.json()["reached"], true, "{cell:?} is not {state}: {answer:?}");
    }
}

#[tokio::test]
async fn every_cell() {
    let setting = Setting::new();
    let (mut carried, mut refused) = (0, 0);
    for cell in Cell::all() {
        if let Some(refusal) = cell.refusal() {
            setting.is_refused(cell, &refusal).await;
            refused += 1;
        } else {
            setting.is_answered(cell).await;
            setting.fails(cell).await;
            setting.is_cancelled(cell, &format!("cell-{carried}")).await;
            carried += 1;
        }
    }
    // REST and JSON: 8; gRPC: 8, over HTTP/2 alone; gRPC-Web: 8 each; Connect: 4 and 12. The rest of 6 * 2 * 2 * 4 * 2
    // without 4 of REST is refused.
    assert_eq!((carried, refused), (2 * (8 + 8 + 8 + 4 + 12) + 8, 188 - 88));
}
