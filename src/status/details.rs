//! The details that Transom itself attaches to an error: the messages of
//! `google/rpc/error_details.proto` that it needs, in wire form.

use bytes::Bytes;
use prost::Message;

use super::Detail;

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

/// A `google.rpc.BadRequest` detail.
pub fn bad_request(field_violations: Vec<FieldViolation>) -> Detail {
    Detail {
        type_url: "type.googleapis.com/google.rpc.BadRequest".into(),
        value: Bytes::from(BadRequest { field_violations }.encode_to_vec()),
    }
}
