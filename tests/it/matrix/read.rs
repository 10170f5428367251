//! How answers are read: what came of a call, whatever the dialect.

use std::io::Read as _;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::read::GzDecoder;
use hyper::HeaderMap;
use prost_reflect::prost::Message as _;
use serde_json::Value;

use super::write::Pool;
use super::{Cell, Codec, Exchange, Way};
use crate::support::client::Answer;

/// What came of a call.
#[derive(Debug, PartialEq)]
pub(super) struct Outcome {
    pub(super) messages: Vec<Value>,
    pub(super) failure: Option<Failure>,
    /// Whether all messages came compressed, or none of them; absent if there are none.
    pub(super) compressed: Option<bool>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Failure {
    pub(super) code: u32,
    pub(super) message: String,
    /// Type and content.
    pub(super) details: Vec<(String, Vec<u8>)>,
}

/// Base64 with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The flags of envelopes.
const COMPRESSED: u8 = 1;
const CONNECT_END: u8 = 2;
const WEB_TRAILERS: u8 = 0x80;

/// What an answer says.
pub(super) fn outcome(pool: &Pool, cell: Cell, exchange: &Exchange, answer: &Answer) -> Outcome {
    let context = format!("{cell:?}: {answer:?}");
    match cell.way {
        Way::Rest => of_rest(cell, answer, &context),
        Way::Connect => of_connect(pool, cell, exchange, answer, &context),
        Way::Grpc => {
            let end =
                if answer.headers.contains_key("grpc-status") { &answer.headers } else { &answer.trailers };
            let encoding = answer.header("grpc-encoding");
            let envelopes = Envelopes::read(&answer.body, encoding, &context);
            assert!(envelopes.special.is_empty(), "{context}");
            envelopes.outcome(pool, Codec::Proto, exchange, of_trailers(end, &context))
        }
        Way::GrpcWeb | Way::GrpcWebText => {
            let is_text = cell.way == Way::GrpcWebText;
            let expected =
                if is_text { "application/grpc-web-text+proto" } else { "application/grpc-web+proto" };
            assert_eq!(answer.header("content-type"), Some(expected), "{context}");
            let body = if is_text { unpadded(&answer.body) } else { answer.body.to_vec() };
            let envelopes = Envelopes::read(&body, answer.header("grpc-encoding"), &context);
            let end = fields(envelopes.last(WEB_TRAILERS, &context), &context);
            envelopes.outcome(pool, Codec::Proto, exchange, of_trailers(&end, &context))
        }
        Way::ConnectStream => {
            let encoding = answer.header("connect-content-encoding");
            let envelopes = Envelopes::read(&answer.body, encoding, &context);
            let end: Value = serde_json::from_slice(envelopes.last(CONNECT_END, &context)).unwrap();
            let failure = end.get("error").map(|error| of_connect_error(error, &context));
            envelopes.outcome(pool, cell.codec, exchange, failure)
        }
    }
}

fn of_rest(cell: Cell, answer: &Answer, context: &str) -> Outcome {
    let (body, is_zipped) = content(answer, context);
    let answered: Value = serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {context}"));
    if answer.status != 200 {
        return Outcome { messages: vec![], failure: Some(of_status(&answered, context)), compressed: None };
    }
    let mut messages = if cell.kind.streams_answers() {
        answered.as_array().unwrap_or_else(|| panic!("{context}")).clone()
    } else {
        vec![answered]
    };
    let failure = messages.pop_if(|last| last.get("error").is_some());
    let failure = failure.map(|last| of_status(&last["error"], context));
    let compressed = (!messages.is_empty()).then_some(is_zipped);
    Outcome { messages, failure, compressed }
}

/// A `google.rpc.Status` in JSON.
fn of_status(status: &Value, context: &str) -> Failure {
    let details = status["details"].as_array().unwrap_or_else(|| panic!("{context}"));
    let details = details.iter().map(|detail| {
        let kind = detail["@type"].as_str().unwrap().strip_prefix("type.googleapis.com/").unwrap();
        // The only details here are of ErrorInfo with a short reason.
        let reason = detail["reason"].as_str().unwrap_or_else(|| panic!("{context}"));
        let length = u8::try_from(reason.len()).unwrap();
        (kind.to_owned(), [&[0x0a, length][..], reason.as_bytes()].concat())
    });
    Failure { code: number(&status["code"]), message: string(&status["message"]), details: details.collect() }
}

fn of_connect(pool: &Pool, cell: Cell, exchange: &Exchange, answer: &Answer, context: &str) -> Outcome {
    let (body, is_zipped) = content(answer, context);
    if answer.status != 200 {
        assert_eq!(answer.header("content-type"), Some("application/json"), "{context}");
        let error = serde_json::from_slice(&body).unwrap();
        return Outcome {
            messages: vec![],
            failure: Some(of_connect_error(&error, context)),
            compressed: None,
        };
    }
    let messages = vec![message(pool, cell.codec, exchange, &body)];
    Outcome { messages, failure: None, compressed: Some(is_zipped) }
}

/// The names of the codes from 1.
const CODES: [&str; 16] = [
    "canceled",
    "unknown",
    "invalid_argument",
    "deadline_exceeded",
    "not_found",
    "already_exists",
    "permission_denied",
    "resource_exhausted",
    "failed_precondition",
    "aborted",
    "out_of_range",
    "unimplemented",
    "internal",
    "unavailable",
    "data_loss",
    "unauthenticated",
];

fn of_connect_error(error: &Value, context: &str) -> Failure {
    let code = CODES.iter().position(|name| error["code"] == *name);
    let code = code.unwrap_or_else(|| panic!("{context}")) + 1;
    let details = error.get("details").and_then(Value::as_array).into_iter().flatten().map(|detail| {
        let value = BASE64.decode(detail["value"].as_str().unwrap()).unwrap();
        (string(&detail["type"]), value)
    });
    Failure {
        code: u32::try_from(code).unwrap(),
        message: string(&error["message"]),
        details: details.collect(),
    }
}

/// `google.rpc.Status` as its proto has it.
#[derive(Clone, PartialEq, prost::Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// The end of a call of gRPC.
fn of_trailers(fields: &HeaderMap, context: &str) -> Option<Failure> {
    let text = |name: &str| fields.get(name).map(|value| value.to_str().unwrap());
    let code = text("grpc-status").unwrap_or_else(|| panic!("{context}")).parse().unwrap();
    let details = text("grpc-status-details-bin").map(|details| {
        let status = RpcStatus::decode(&*BASE64.decode(details).unwrap()).unwrap();
        assert_eq!(u32::try_from(status.code).unwrap(), code, "{context}");
        status.details.into_iter().map(|any| {
            let kind =
                any.type_url.strip_prefix("type.googleapis.com/").unwrap_or_else(|| panic!("{context}"));
            (kind.to_owned(), any.value)
        })
    });
    let details = details.into_iter().flatten().collect();
    let message = unescaped(text("grpc-message").unwrap_or_default());
    (code != 0).then_some(Failure { code, message, details })
}

/// The fields of gRPC-Web's trailers.
fn fields(block: &[u8], context: &str) -> HeaderMap {
    let block = std::str::from_utf8(block).unwrap();
    assert!(block.ends_with("\r\n"), "{context}");
    let lines = block.split_terminator("\r\n").map(|line| line.split_once(": ").unwrap());
    lines.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

/// A text without its percent signs.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        rest = more;
        if *first == b'%' {
            let (digits, more) = rest.split_at(2);
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
            rest = more;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Base64 in pieces that may each be padded.
fn unpadded(text: &[u8]) -> Vec<u8> {
    text.chunks(4).flat_map(|group| BASE64.decode(group).unwrap()).collect()
}

/// The messages of a body, and what else is in envelopes.
struct Envelopes {
    messages: Vec<(bool, Vec<u8>)>,
    /// Flags and content of what is no message.
    special: Vec<(u8, Vec<u8>)>,
}

impl Envelopes {
    fn read(mut body: &[u8], encoding: Option<&str>, context: &str) -> Self {
        let mut found = Self { messages: Vec::new(), special: Vec::new() };
        while let Some((&flags, rest)) = body.split_first() {
            let (length, rest) = rest.split_at(4);
            let length = u32::from_be_bytes(length.try_into().unwrap());
            let (content, rest) = rest.split_at(length.try_into().unwrap());
            body = rest;
            assert!(found.special.is_empty(), "something is behind the end: {context}");
            match flags {
                0 => found.messages.push((false, content.to_vec())),
                COMPRESSED => {
                    assert_eq!(encoding, Some("gzip"), "{context}");
                    found.messages.push((true, unzip(content)));
                }
                _ => found.special.push((flags, content.to_vec())),
            }
        }
        found
    }

    /// The content of the envelope that ends everything.
    fn last(&self, wanted: u8, context: &str) -> &[u8] {
        match &*self.special {
            [(flags, content)] if *flags == wanted => content,
            other => panic!("{other:?}: {context}"),
        }
    }

    fn outcome(&self, pool: &Pool, codec: Codec, exchange: &Exchange, failure: Option<Failure>) -> Outcome {
        let compressed = self.messages.first().map(|(is_zipped, _)| *is_zipped);
        assert!(self.messages.iter().all(|(is_zipped, _)| Some(*is_zipped) == compressed));
        let messages = self.messages.iter().map(|(_, content)| message(pool, codec, exchange, content));
        Outcome { messages: messages.collect(), failure, compressed }
    }
}

fn message(pool: &Pool, codec: Codec, exchange: &Exchange, content: &[u8]) -> Value {
    match codec {
        Codec::Proto => pool.json(exchange.output, content),
        Codec::Json => serde_json::from_slice(content).unwrap(),
    }
}

/// A body without HTTP's own encoding, and whether it had one.
fn content(answer: &Answer, context: &str) -> (Vec<u8>, bool) {
    match answer.header("content-encoding") {
        None => (answer.body.to_vec(), false),
        Some("gzip") => (unzip(&answer.body), true),
        Some(_) => panic!("{context}"),
    }
}

fn unzip(data: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(data).read_to_end(&mut plain).unwrap();
    plain
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
