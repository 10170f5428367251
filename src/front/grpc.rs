//! gRPC over HTTP/2: messages pass as they are, compressed or not.
//!
//! Specification: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

use bytes::BytesMut;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};

use super::answer::{Answer, AnswerBody};
use super::body::RequestBody;
use super::classify::content_type;
use super::envelope::{self, Framed, Framing};
use super::grpc_fields::{check_subtype, end, initial};
use super::head::Head;
use super::view::View;
use super::{Caller, Seen, error, grpc_message, method};
use crate::call::{Dialect, Message, Reply};
use crate::status::{Code, Status};

/// Whether a request speaks gRPC: what stands behind the dialect's name in its content type.
pub(super) fn subtype(content_type: &[u8]) -> Option<&[u8]> {
    let (name, rest) = content_type.split_at_checked("application/grpc".len())?;
    let is_whole = matches!(rest, [] | [b'+' | b';' | b' ', ..]);
    (is_whole && name.eq_ignore_ascii_case(b"application/grpc")).then_some(rest)
}

/// Calls the method that the path names.
pub(super) async fn answer<B: RequestBody>(
    view: View<'_>,
    head: &Head,
    body: B,
    mut caller: Caller,
    seen: &mut Seen,
) -> Answer {
    if head.version < Version::HTTP_2 {
        let text = "gRPC needs HTTP/2. Over HTTP/1.1, gRPC-Web, Connect and REST reach the same methods.";
        let status = Status::caller(Code::Unimplemented, text).with_http(505);
        return error::answer(&view.snapshot.schema, &status, error::Form::Status);
    }
    if head.method != Method::POST {
        let text = format!("gRPC calls are sent with POST, not with {}.", head.method);
        let mut answer = without_message(Reply::from(Status::caller(Code::Unimplemented, text)), &[]);
        *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    let route = match method::find(view.surface, head.uri.path(), Dialect::Grpc) {
        Ok(route) => seen.found(route, Dialect::Grpc, &mut caller),
        Err(status) => return without_message(Reply::from(status), &[]),
    };
    let subtype = subtype(content_type(head)).unwrap_or_default();
    let body = check_subtype("application/grpc", subtype).map(|()| body);
    let (endpoint, listed) = (&route.endpoint, &route.endpoint.options.response_metadata);
    let is_stream = endpoint.method.server_streaming;
    let call = grpc_message::call(route, Dialect::Grpc, head, caller, body, &view.snapshot.limits);
    with_message(endpoint.service.call(call).await, is_stream, listed)
}

/// The answer for a reply. A method with server streaming may answer without any message.
fn with_message(reply: Reply, is_stream: bool, listed: &[HeaderName]) -> Answer {
    if !reply.status.is_ok() || (is_stream && reply.stream.is_none()) {
        return without_message(reply, listed);
    }
    let Reply { metadata, message, trailers, stream, .. } = reply;
    let body = match stream {
        Some(replies) => Framed::new(replies, Box::new(Native { listed: listed.into() })).into(),
        None => {
            let mut data = BytesMut::new();
            match envelope::write(&message, &mut data) {
                Ok(()) => AnswerBody::trailed(Some(data.freeze()), end(&Status::ok(), trailers, listed)),
                Err(status) => return without_message(Reply::from(status), listed),
            }
        }
    };
    let mut answer = Response::new(body);
    initial(metadata, listed, answer.headers_mut());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    answer
}

/// The answer for a call that ended before a message came. What the backend had sent as initial metadata
/// stays apart from its trailers; without any the answer is trailers only.
fn without_message(reply: Reply, listed: &[HeaderName]) -> Answer {
    let Reply { metadata, status, trailers, hints, .. } = reply;
    let end = end(&status, trailers, listed);
    let mut answer;
    if metadata.is_empty() {
        answer = Response::new(AnswerBody::empty().with_code(status.code()));
        *answer.headers_mut() = end;
    } else {
        answer = Response::new(AnswerBody::trailed(None, end).with_code(status.code()));
        initial(metadata, listed, answer.headers_mut());
    }
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    error::retry(hints.retry_after, answer.headers_mut());
    answer
}

/// How the messages of a stream are written.
struct Native {
    listed: Box<[HeaderName]>,
}

impl Framing for Native {
    fn message(&mut self, message: Message, data: &mut BytesMut) -> Result<(), Status> {
        envelope::write(&message, data)
    }

    fn end(&mut self, status: Status, trailers: HeaderMap, _: &mut BytesMut) -> Option<HeaderMap> {
        Some(end(&status, trailers, &self.listed))
    }
}
