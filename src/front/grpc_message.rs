//! The messages of gRPC and gRPC-Web, which pass as they are.

use super::body::RequestBody;
use super::envelope::Requests;
use super::grpc_fields::encodings;
use super::head::Head;
use super::pulled::Pulled;
use super::{Caller, method};
use crate::call::{Body, Call, Dialect, Message};
use crate::snapshot::{Limits, Route};
use crate::status::{Code, Status};
use crate::wire::envelope::{COMPRESSED, Envelope};

/// A call with the messages of a body, or one with which something is wrong.
pub(super) fn call<B: RequestBody>(
    route: &Route,
    dialect: Dialect,
    head: &Head,
    caller: Caller,
    body: Result<B, Status>,
    limits: &Limits,
) -> Call {
    let encodings = encodings(&head.headers);
    let has_encoding = encodings.request.is_some();
    let body = body.map(|body| {
        let read = move |envelope| read(envelope, has_encoding);
        let requests = Requests::new(body, limits.message, COMPRESSED, read);
        if route.endpoint.method.client_streaming {
            Body::Stream(Pulled::messages(requests))
        } else {
            Body::Pending(Box::pin(requests.one(limits.clone())))
        }
    });
    method::call(route, dialect, head, encodings, caller, body)
}

fn read(envelope: Envelope, has_encoding: bool) -> Result<Option<Message>, Status> {
    let compressed = envelope.flags & COMPRESSED != 0;
    if compressed && !has_encoding {
        let text = "A message is marked as compressed, but the header grpc-encoding does not say how.";
        return Err(Status::caller(Code::Internal, text).with_http(400));
    }
    Ok(Some(Message { bytes: envelope.bytes, compressed }))
}
