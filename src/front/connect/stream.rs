//! Connect, calls that stream: messages in envelopes, and how the call ended in the last one.
//!
//! Specification: <https://connectrpc.com/docs/protocol/>.

use std::sync::Arc;

use bytes::BytesMut;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};

use super::super::answer::Answer;
use super::super::body::RequestBody;
use super::super::classify::content_type;
use super::super::envelope::{self, Framed, Framing, Requests};
use super::super::head::Head;
use super::super::pulled::Pulled;
use super::super::view::View;
use super::super::{Caller, Seen, error, metadata, method, request_id};
use super::Codec;
use super::error::write_error;
use super::unary::{self, failure};
use crate::call::{Body, Call, Dialect, Encodings, Message, Part, Reply, encoding};
use crate::snapshot::{Limits, Route};
use crate::status::{Code, Status};
use crate::wire::envelope::{COMPRESSED, Envelope, prefix};

static ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");
static ACCEPT_ENCODING: HeaderName = HeaderName::from_static("connect-accept-encoding");
static GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// The flag of the envelope that ends a stream.
const END: u8 = 2;

/// Whether a request speaks this: the codec that its content type names, which may be an unknown one.
pub(in crate::front) fn codec(content_type: &[u8]) -> Option<Option<Codec>> {
    let (name, codec) = content_type.split_at_checked("application/connect+".len())?;
    name.eq_ignore_ascii_case(b"application/connect+").then(|| Codec::by_name(codec))
}

/// Calls the method that the path names.
pub(in crate::front) async fn answer<B: RequestBody>(
    view: View<'_>,
    head: &Head,
    body: B,
    mut caller: Caller,
    seen: &mut Seen,
) -> Answer {
    let route = match method::find(view.surface, head.uri.path(), Dialect::Connect) {
        Ok(route) => seen.found(route, Dialect::Connect, &mut caller),
        Err(status) => return failure(&view.snapshot.schema, &status),
    };
    if head.method != Method::POST {
        let text = format!("Streams are called with POST, not with {}.", head.method);
        let status = Status::caller(Code::Unimplemented, text).with_http(405);
        return failure(&view.snapshot.schema, &status);
    }
    let codec = match checked(route, codec(content_type(head)).flatten()) {
        Ok(codec) => codec,
        // There is no stream to write the answer as.
        Err(status) => return unary::refuse(route, head, caller, status).await,
    };
    let call = call(route, codec, head, body, caller, &view.snapshot.limits);
    let reply = route.endpoint.service.call(call).await;
    let framing =
        Stream { route: Arc::clone(route), codec, request_id: request_id::of(&head.headers).cloned() };
    write(reply, framing)
}

/// The codec of a call that streams.
fn checked(route: &Route, codec: Option<Codec>) -> Result<Codec, Status> {
    let text = match codec {
        Some(codec) if route.endpoint.method.is_streaming() => return Ok(codec),
        Some(_) => {
            "The method does not stream, so it is called with the content type application/json or \
             application/proto."
        }
        None => {
            "The content type is not supported here. Send application/connect+json or \
             application/connect+proto."
        }
    };
    Err(Status::caller(Code::Unimplemented, text).with_http(415))
}

fn call<B: RequestBody>(
    route: &Arc<Route>,
    codec: Codec,
    head: &Head,
    body: B,
    caller: Caller,
    limits: &Limits,
) -> Call {
    let headers = &head.headers;
    let encoding = headers.get(&ENCODING).filter(|encoding| *encoding != "identity").cloned();
    // Messages pass as they are in protobuf only.
    let encodings = match codec {
        Codec::Proto => {
            Encodings { request: encoding.clone(), accepted: headers.get(&ACCEPT_ENCODING).cloned() }
        }
        Codec::Json => Encodings::default(),
    };
    let (owned, limit) = (Arc::clone(route), limits.message);
    let mut number = 0;
    let read = move |envelope| {
        number += 1;
        read(&owned, codec, encoding.as_ref(), limit, envelope)
            .map_err(|status| error::numbered(&status, number))
    };
    let requests = Requests::new(body, limit, COMPRESSED | END, read);
    let body = if route.endpoint.method.client_streaming {
        Body::Stream(Pulled::messages(requests))
    } else {
        Body::Pending(Box::pin(requests.one(limits.clone())))
    };
    method::call(route, Dialect::Connect, head, encodings, caller, Ok(body))
}

/// The message in an envelope; `None` if it is the end of the stream.
fn read(
    route: &Route,
    codec: Codec,
    encoding: Option<&HeaderValue>,
    limit: usize,
    envelope: Envelope,
) -> Result<Option<Message>, Status> {
    if envelope.flags & END != 0 {
        return Ok(None);
    }
    let message = Message { bytes: envelope.bytes, compressed: envelope.flags & COMPRESSED != 0 };
    if message.compressed && encoding.is_none() {
        let text =
            "A message is marked as compressed, but the header connect-content-encoding does not say how.";
        return Err(Status::caller(Code::InvalidArgument, text));
    }
    if codec == Codec::Proto {
        return Ok(Some(message));
    }
    let text = encoding::decode(message, encoding.map(HeaderValue::as_bytes), limit)?;
    codec.read(route, text).map(|wire| Some(wire.into()))
}

/// The answer for a reply: always 200, as how the call ended is the last envelope.
fn write(reply: Reply, framing: Stream) -> Answer {
    let Reply { mut metadata, message, status, trailers, stream, hints } = reply;
    let is_stream = framing.route.endpoint.method.server_streaming;
    let replies = stream.unwrap_or_else(|| {
        let message = (status.is_ok() && !is_stream).then_some(Part::Message(message));
        Box::pin(stream::iter(message.into_iter().chain([Part::End(status, trailers)])))
    });
    let encoding = metadata.remove(&GRPC_ENCODING);
    let content_type = match framing.codec {
        Codec::Json => "application/connect+json",
        Codec::Proto => "application/connect+proto",
    };
    let mut fields = HeaderMap::new();
    metadata::pass(metadata, &framing.route.endpoint.options.response_metadata, &mut fields);
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    error::retry(hints.retry_after, &mut fields);
    if let Some(encoding) = encoding {
        fields.insert(&ENCODING, encoding);
    }
    let mut answer = Response::new(Framed::new(replies, Box::new(framing)).into());
    *answer.headers_mut() = fields;
    answer
}

/// How the parts of an answer are written.
struct Stream {
    route: Arc<Route>,
    codec: Codec,
    request_id: Option<HeaderValue>,
}

impl Framing for Stream {
    fn message(&mut self, message: Message, data: &mut BytesMut) -> Result<(), Status> {
        let content = self.codec.write(&self.route, message.bytes)?;
        envelope::write(&Message { bytes: content, compressed: message.compressed }, data)
    }

    fn end(&mut self, status: Status, trailers: HeaderMap, data: &mut BytesMut) -> Option<HeaderMap> {
        let endpoint = &self.route.endpoint;
        let mut fields = HeaderMap::new();
        metadata::pass(trailers, &endpoint.options.response_metadata, &mut fields);
        let mut text = b"{".to_vec();
        if !status.is_ok() {
            let status = error::conceal(status, endpoint, self.request_id.as_ref(), &mut fields);
            text.extend_from_slice(b"\"error\":");
            write_error(&endpoint.schema, &status, &mut text);
        }
        if !fields.is_empty() {
            text.extend_from_slice(if text.len() > 1 { b",\"metadata\":" } else { b"\"metadata\":" });
            metadata::write_json(&fields, &mut text);
        }
        text.push(b'}');
        // The status and the metadata came within the bounds of headers.
        data.extend_from_slice(&prefix(END, text.len()).unwrap_or_default());
        data.extend_from_slice(&text);
        None
    }
}
