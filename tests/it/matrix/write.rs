//! How requests are written, by what others wrote: prost-reflect for protobuf, flate2 for gzip.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::write::GzEncoder;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::Value;

use super::{Cell, Codec, Compression, Exchange, Way, text};
use crate::support::root;

/// The descriptors of `echo.proto` and of the details of errors.
pub(super) struct Pool(DescriptorPool);

impl Pool {
    pub(super) fn new() -> Self {
        let mut pool = DescriptorPool::new();
        for file in ["descriptors/builtin.binpb", "fuzz/echo.binpb"] {
            pool.decode_file_descriptor_set(&*std::fs::read(root().join(file)).unwrap()).unwrap();
        }
        Self(pool)
    }

    fn message(&self, name: &str) -> MessageDescriptor {
        self.0.get_message_by_name(&format!("echo.v1.{name}")).unwrap()
    }

    fn wire(&self, name: &str, value: &Value) -> Vec<u8> {
        DynamicMessage::deserialize(self.message(name), value).unwrap().encode_to_vec()
    }

    /// A message as JSON.
    pub(super) fn json(&self, name: &str, wire: &[u8]) -> Value {
        serde_json::to_value(DynamicMessage::decode(self.message(name), wire).unwrap()).unwrap()
    }
}

/// The verb and the target.
pub(super) fn target(cell: Cell, exchange: &Exchange) -> (&'static str, String) {
    if cell.way == Way::Rest {
        exchange.rest.clone()
    } else {
        ("POST", format!("/echo.v1.{}", exchange.method))
    }
}

/// What says how the body is written, and metadata.
pub(super) fn headers(cell: Cell, verb: &str) -> Vec<(String, String)> {
    let codec = match cell.codec {
        Codec::Proto => "proto",
        Codec::Json => "json",
    };
    let (content_type, more, encoding): (_, &[(&str, &str)], _) = match cell.way {
        Way::Rest if cell.codec == Codec::Json && cell.kind.streams_requests() => {
            ("application/x-ndjson".to_owned(), &[], ["content-encoding", "accept-encoding"])
        }
        Way::Rest => (format!("application/{codec}"), &[], ["content-encoding", "accept-encoding"]),
        Way::Grpc => (
            format!("application/grpc+{codec}"),
            &[("te", "trailers")],
            ["grpc-encoding", "grpc-accept-encoding"],
        ),
        Way::GrpcWeb => (
            format!("application/grpc-web+{codec}"),
            &[("x-grpc-web", "1")],
            ["grpc-encoding", "grpc-accept-encoding"],
        ),
        Way::GrpcWebText => (
            format!("application/grpc-web-text+{codec}"),
            &[("x-grpc-web", "1")],
            ["grpc-encoding", "grpc-accept-encoding"],
        ),
        Way::Connect => (
            format!("application/{codec}"),
            &[("connect-protocol-version", "1")],
            ["content-encoding", "accept-encoding"],
        ),
        Way::ConnectStream => (
            format!("application/connect+{codec}"),
            &[("connect-protocol-version", "1")],
            ["connect-content-encoding", "connect-accept-encoding"],
        ),
    };
    let [sent, accepted] = encoding;
    let prefix = if cell.way == Way::Rest { "grpc-metadata-" } else { "" };
    let mut headers =
        vec![(format!("{prefix}x-long"), text()), (format!("{prefix}x-detail"), "R".to_owned())];
    if cell.passes_compressed() {
        headers.push(("x-compress".to_owned(), "gzip".to_owned()));
    }
    headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let is_zipped = cell.compression == Compression::Gzip;
    if is_zipped {
        headers.push((accepted.to_owned(), "gzip".to_owned()));
    }
    if verb != "GET" {
        headers.push(("content-type".to_owned(), content_type));
        if is_zipped {
            headers.push((sent.to_owned(), "gzip".to_owned()));
        }
    }
    headers
}

/// All messages of the request.
pub(super) fn body(pool: &Pool, cell: Cell, exchange: &Exchange) -> Vec<u8> {
    let messages: Vec<_> =
        exchange.requests.iter().map(|request| message(pool, cell, exchange, request)).collect();
    let is_zipped = cell.compression == Compression::Gzip;
    match cell.way {
        Way::Rest | Way::Connect => {
            let mut whole = messages.join(&b'\n');
            if cell.kind.streams_requests() {
                whole.push(b'\n');
            }
            if is_zipped { zip(&whole) } else { whole }
        }
        Way::Grpc | Way::GrpcWeb | Way::ConnectStream => enveloped(&messages, is_zipped),
        Way::GrpcWebText => STANDARD.encode(enveloped(&messages, is_zipped)).into_bytes(),
    }
}

fn message(pool: &Pool, cell: Cell, exchange: &Exchange, request: &Value) -> Vec<u8> {
    match cell.codec {
        Codec::Proto => pool.wire(exchange.input, request),
        Codec::Json => request.to_string().into_bytes(),
    }
}

fn enveloped(messages: &[Vec<u8>], is_zipped: bool) -> Vec<u8> {
    let mut data = Vec::new();
    for message in messages {
        let content = if is_zipped { zip(message) } else { message.clone() };
        data.push(is_zipped.into());
        data.extend_from_slice(&u32::try_from(content.len()).unwrap().to_be_bytes());
        data.extend_from_slice(&content);
    }
    data
}

fn zip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}
