//! `google.rpc.Status` in wire form, as `grpc-status-details-bin` carries it.

use bytes::Bytes;
use prost::Message;

use super::{Detail, Status};

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RpcStatus {
    /// The number of a `google.rpc.Code`.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// The text for the caller.
    #[prost(string, tag = "2")]
    pub message: String,
    /// The typed details.
    #[prost(message, repeated, tag = "3")]
    pub details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Any {
    /// The type URL.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The message in wire form.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

impl From<&Status> for RpcStatus {
    fn from(status: &Status) -> Self {
        let any = |detail: &Detail| Any { type_url: detail.type_url.clone(), value: detail.value.clone() };
        let details = status.details().iter().map(any).collect();
        Self { code: status.code().number().into(), message: status.message().to_owned(), details }
    }
}
