//! The details that Transom itself attaches to an error: the messages of
//! `google/rpc/error_details.proto` that it needs, in wire form.

use bytes::Bytes;
use prost::Message;

use super::{Detail, Status};

/// One wrong field of a request.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct FieldViolation {
    /// The field's path in the request, by proto or JSON names, for example `book.authors[2].name`.
    #[prost(string, tag = "1")]
    pub field: String,
    /// What is wrong with it, as a sentence for a developer.
    #[prost(string, tag = "2")]
    pub description: String,
}

/// `google.rpc.BadRequest`: which fields of the request are wrong.
#[derive(Clone, PartialEq, Eq, Message)]
struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    field_violations: Vec<FieldViolation>,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Eq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Eq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// A status as the message `google.rpc.Status`, in wire form.
pub fn rpc_status(status: &Status) -> Vec<u8> {
    let any = |detail: &Detail| Any { type_url: detail.type_url.clone(), value: detail.value.clone() };
    let (code, message) = (i32::from(status.code().number()), status.message().to_owned());
    RpcStatus { code, message, details: status.details().iter().map(any).collect() }.encode_to_vec()
}

/// A `google.rpc.BadRequest` detail.
pub fn bad_request(field_violations: Vec<FieldViolation>) -> Detail {
    Detail {
        type_url: "type.googleapis.com/google.rpc.BadRequest".into(),
        value: Bytes::from(BadRequest { field_violations }.encode_to_vec()),
    }
}
