//! gRPC over HTTP/2: messages pass as they are, compressed or not.
//!
//! Specification: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts as Head;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use hyper::body::Body as HttpBody;
use tokio::time::Instant;

use super::answer::{Answer, AnswerBody};
use super::body::BoxError;
use super::envelope::{Framed, Framing, Requests};
use super::grpc_status::{ACCEPT_ENCODING, ENCODING, encodings, insert};
use super::{deadline, error, metadata};
use crate::call::{Body, Call, Dialect, Message, Origin, Reply};
use crate::snapshot::{Route, Snapshot};
use crate::status::{Code, Status};
use crate::wire::envelope::{COMPRESSED, Envelope, prefix};

/// Whether a request speaks gRPC: what stands behind the dialect's name in its content type.
pub(super) fn subtype(content_type: &[u8]) -> Option<&[u8]> {
    let (name, rest) = content_type.split_at_checked("application/grpc".len())?;
    let is_whole = matches!(rest, [] | [b'+' | b';' | b' ', ..]);
    (is_whole && name.eq_ignore_ascii_case(b"application/grpc")).then_some(rest)
}

/// Calls the method that the path names. `subtype` is what the content type says of the messages.
pub(super) async fn answer<B>(
    snapshot: &Snapshot,
    head: Head,
    subtype: &[u8],
    body: B,
    peer: Option<SocketAddr>,
) -> Answer
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    if head.version < Version::HTTP_2 {
        let text = "gRPC needs HTTP/2. Over HTTP/1.1, gRPC-Web, Connect and REST reach the same methods.";
        let status = Status::caller(Code::Unimplemented, text).with_http(505);
        return error::answer(&snapshot.schema, &status, error::Form::Status);
    }
    if head.method != Method::POST {
        let text = format!("gRPC calls are sent with POST, not with {}.", head.method);
        let mut answer =
            without_message(Reply::from(Status::caller(Code::Unimplemented, text).with_http(405)), &[]);
        *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    let route = match find(snapshot, head.uri.path(), subtype) {
        Ok(route) => route,
        Err(status) => return without_message(Reply::from(status), &[]),
    };
    let (endpoint, listed) = (&route.endpoint, &route.endpoint.options.response_metadata);
    match call(route, &head.headers, body, peer, snapshot) {
        Ok(call) => success(endpoint.service.call(call).await, endpoint.method.server_streaming, listed),
        Err(status) => without_message(Reply::from(status), listed),
    }
}

/// The method of a path, if it is served in this dialect with these messages.
fn find<'s>(snapshot: &'s Snapshot, path: &str, subtype: &[u8]) -> Result<&'s Arc<Route>, Status> {
    let route = path.strip_prefix('/').and_then(|name| snapshot.methods.get(name));
    let Some(route) = route.filter(|route| route.endpoint.speaks(Dialect::Grpc)) else {
        let text = format!("There is no gRPC method {}.", super::shown(path));
        return Err(Status::caller(Code::Unimplemented, text));
    };
    let essence = subtype.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if !essence.is_empty() && !essence.eq_ignore_ascii_case(b"+proto") {
        let kind = String::from_utf8_lossy(essence.get(..100).unwrap_or(essence));
        let text =
            format!("gRPC messages are served as application/grpc+proto, not as application/grpc{kind}.");
        return Err(Status::caller(Code::Unimplemented, text));
    }
    Ok(route)
}

fn call<B>(
    route: &Route,
    headers: &HeaderMap,
    body: B,
    peer: Option<SocketAddr>,
    snapshot: &Snapshot,
) -> Result<Call, Status>
where
    B: HttpBody<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    let endpoint = &route.endpoint;
    let encodings = encodings(headers);
    let has_encoding = encodings.request.is_some();
    let timeout = deadline::timeout(headers)?.into_iter().chain(endpoint.options.timeout).min();
    let limits = &snapshot.limits;
    let requests =
        Requests::new(body, limits.message, COMPRESSED, move |envelope| message(envelope, has_encoding));
    Ok(Call {
        method: Arc::clone(&endpoint.method),
        origin: Origin { dialect: Dialect::Grpc, route: Arc::clone(&route.template), peer },
        metadata: metadata::custom(headers)?,
        deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        encodings,
        body: if endpoint.method.client_streaming {
            Body::Stream(Box::pin(requests))
        } else {
            Body::Pending(Box::pin(requests.one(limits.clone())))
        },
    })
}

/// The message in an envelope.
fn message(envelope: Envelope, has_encoding: bool) -> Result<Option<Message>, Status> {
    let compressed = envelope.flags & COMPRESSED != 0;
    if compressed && !has_encoding {
        let text = "A message is marked as compressed, but the header grpc-encoding does not say how.";
        return Err(Status::caller(Code::Internal, text));
    }
    Ok(Some(Message { bytes: envelope.bytes, compressed }))
}

/// The answer for a reply. A method with server streaming may answer without any message.
fn success(reply: Reply, is_stream: bool, listed: &[HeaderName]) -> Answer {
    if !reply.status.is_ok() || (is_stream && reply.stream.is_none()) {
        return without_message(reply, listed);
    }
    let Reply { metadata, message, trailers, stream, .. } = reply;
    let body = match stream {
        Some(replies) => Framed::new(replies, Box::new(Native { listed: listed.into() })).into(),
        None => match frame(&message) {
            Some(data) => AnswerBody::trailed(Some(data), end(&Status::ok(), trailers, listed)),
            None => return without_message(Reply::from(too_long(&message)), listed),
        },
    };
    let mut answer = Response::new(body);
    initial(metadata, listed, answer.headers_mut());
    answer
}

/// The answer for a call that ended before a message came. What the backend had sent as initial metadata
/// stays apart from its trailers; without any the answer is trailers only.
fn without_message(reply: Reply, listed: &[HeaderName]) -> Answer {
    let Reply { metadata, status, trailers, .. } = reply;
    let end = end(&status, trailers, listed);
    if metadata.is_empty() {
        let mut answer = Response::new(AnswerBody::empty());
        *answer.headers_mut() = end;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        return answer;
    }
    let mut answer = Response::new(AnswerBody::trailed(None, end));
    initial(metadata, listed, answer.headers_mut());
    answer
}

fn initial(mut metadata: HeaderMap, listed: &[HeaderName], headers: &mut HeaderMap) {
    for name in [&ENCODING, &ACCEPT_ENCODING] {
        if let Some(value) = metadata.remove(name) {
            headers.insert(name, value);
        }
    }
    metadata::pass(metadata, listed, headers);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
}

/// The trailers that end a call.
fn end(status: &Status, trailers: HeaderMap, listed: &[HeaderName]) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(trailers.len() + 3);
    insert(status, &mut fields);
    metadata::pass(trailers, listed, &mut fields);
    fields
}

/// A message in its envelope; `None` if it is longer than the format can say.
fn frame(message: &Message) -> Option<Bytes> {
    let prefix = prefix(u8::from(message.compressed), message.bytes.len())?;
    let mut data = Vec::with_capacity(prefix.len() + message.bytes.len());
    data.extend_from_slice(&prefix);
    data.extend_from_slice(&message.bytes);
    Some(data.into())
}

fn too_long(message: &Message) -> Status {
    let text = format!("The backend's message of {} bytes is too long for gRPC.", message.bytes.len());
    Status::backend(Code::ResourceExhausted, text)
}

/// How the messages of a stream are written.
struct Native {
    listed: Box<[HeaderName]>,
}

impl Framing for Native {
    fn message(&mut self, message: Message, data: &mut BytesMut) -> Result<(), Status> {
        let prefix = prefix(u8::from(message.compressed), message.bytes.len());
        data.extend_from_slice(&prefix.ok_or_else(|| too_long(&message))?);
        data.extend_from_slice(&message.bytes);
        Ok(())
    }

    fn end(&mut self, status: Status, trailers: HeaderMap, _: &mut BytesMut) -> Option<HeaderMap> {
        Some(end(&status, trailers, &self.listed))
    }
}
