//! Connect, calls without streams: the body is the message itself, in JSON or protobuf, and a failure is an
//! HTTP status with a JSON body.
//!
//! Specification: <https://connectrpc.com/docs/protocol/>.

use std::sync::Arc;

use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::super::answer::{Answer, AnswerBody};
use super::super::body::{self, RequestBody};
use super::super::classify::content_type;
use super::super::head::Head;
use super::super::view::View;
use super::super::{Caller, Seen, error, metadata, method, request_id, shown};
use super::error::write_error;
use super::{Codec, codec_of};
use crate::call::{Body, Dialect, Encodings, Message, Reply, encoding};
use crate::route::query::pairs;
use crate::snapshot::{Limits, Route};
use crate::status::{Code, Status};

const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");
/// What stands before the names of trailing metadata.
const TRAILER_PREFIX: &str = "trailer-";
/// A GET has five parameters of its own; others are passed over.
const MAX_PARAMETERS: usize = 100;

/// Whether a request says by its headers or its query that it is a Connect call without streams.
pub(in crate::front) fn is_spoken(head: &Head) -> bool {
    if head.method == Method::GET {
        return head.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "connect=v1"));
    }
    head.headers.contains_key(&VERSION) || codec_of(content_type(head)) == Some(Codec::Proto)
}

/// Calls the method that the path names.
pub(in crate::front) async fn answer<B: RequestBody>(
    view: View<'_>,
    head: &Head,
    body: B,
    mut caller: Caller,
    seen: &mut Seen,
) -> Answer {
    match method::find(view.surface, head.uri.path(), Dialect::Connect) {
        Ok(route) => {
            let route = seen.found(route, Dialect::Connect, &mut caller);
            call(route, head, body, caller, &view.snapshot.limits).await
        }
        Err(status) => failure(&view.snapshot.schema, &status),
    }
}

async fn call<B: RequestBody>(
    route: &Arc<Route>,
    head: &Head,
    body: B,
    caller: Caller,
    limits: &Limits,
) -> Answer {
    if let Some(allow) = refused_verb(route, &head.method) {
        let text = format!("The method is called with {allow}, not with {}.", head.method);
        let status = Status::caller(Code::Unimplemented, text).with_http(405);
        let mut answer = failure(&route.endpoint.schema, &status);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        return answer;
    }
    let (codec, body) = match request(route, head, body, limits) {
        Ok(request) => request,
        Err(status) => return refuse(route, head, caller, status).await,
    };
    let call = method::call(route, Dialect::Connect, head, Encodings::default(), caller, Ok(body));
    let reply = route.endpoint.service.call(call).await;
    write(route, codec, reply, request_id::of(&head.headers))
}

/// Answers a call with which something is wrong: whoever may not call learns that first.
pub(super) async fn refuse(route: &Route, head: &Head, caller: Caller, flaw: Status) -> Answer {
    let call = method::call(route, Dialect::Connect, head, Encodings::default(), caller, Err(flaw));
    let reply = route.endpoint.service.call(call).await;
    write(route, Codec::Json, reply, request_id::of(&head.headers))
}

/// The verbs that the method allows, if this is none of them.
fn refused_verb(route: &Route, verb: &Method) -> Option<&'static str> {
    match (verb, route.endpoint.method.safe) {
        (&Method::POST, _) | (&Method::GET, true) => None,
        (_, true) => Some("GET, POST"),
        (_, false) => Some("POST"),
    }
}

fn request<B: RequestBody>(
    route: &Arc<Route>,
    head: &Head,
    body: B,
    limits: &Limits,
) -> Result<(Codec, Body), Status> {
    if route.endpoint.method.is_streaming() {
        let text = "The method streams, so it is called with the content type application/connect+json or \
                    application/connect+proto.";
        return Err(Status::caller(Code::InvalidArgument, text).with_http(415));
    }
    let headers = &head.headers;
    if headers.get(VERSION).is_some_and(|version| version != "1") {
        let text = "The header connect-protocol-version is not valid: the only version is 1.";
        return Err(Status::caller(Code::InvalidArgument, text));
    }
    let (limits, route) = (limits.clone(), Arc::clone(route));
    if head.method == Method::GET {
        let query = head.uri.query().unwrap_or_default().to_owned();
        // An answer has to be in some codec, also where the query is not valid.
        let codec = codec_of_query(&query).unwrap_or(Codec::Json);
        let message = async move {
            let (codec, content) = of_query(&query, limits.body)?;
            codec.read(&route, content).map(Message::from)
        };
        return Ok((codec, Body::Pending(Box::pin(message))));
    }
    let codec = codec(headers)?;
    let message = async move {
        let content = body::read(body, &limits).await?;
        codec.read(&route, content).map(Message::from)
    };
    Ok((codec, Body::Pending(Box::pin(message))))
}

/// What `encoding` in the query of a GET says.
fn codec_of_query(query: &str) -> Option<Codec> {
    let last =
        pairs(query, MAX_PARAMETERS).map_while(Result::ok).filter(|(name, _)| name == "encoding").last();
    last.and_then(|(_, value)| Codec::by_name(value.as_bytes()))
}

/// The codec that the content type names, JSON without any.
pub(in crate::front) fn codec(headers: &HeaderMap) -> Result<Codec, Status> {
    let Some(content_type) = headers.get(CONTENT_TYPE) else { return Ok(Codec::Json) };
    codec_of(content_type.as_bytes()).ok_or_else(|| {
        let text = format!(
            "The content type {:?} is not supported here. Send application/json or application/proto.",
            shown(content_type)
        );
        Status::caller(Code::InvalidArgument, text).with_http(415)
    })
}

/// The message in the query of a GET.
fn of_query(query: &str, limit: usize) -> Result<(Codec, Bytes), Status> {
    /// Base64 of either alphabet, with padding or without.
    const fn lenient(alphabet: &base64::alphabet::Alphabet) -> GeneralPurpose {
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        GeneralPurpose::new(alphabet, config)
    }
    const BASE64: [GeneralPurpose; 2] = [lenient(&URL_SAFE), lenient(&STANDARD)];

    let refuse =
        |text: String| Status::caller(Code::InvalidArgument, format!("The query is not valid: {text}."));
    let (mut codec, mut message, mut is_base64, mut compression) = (None, None, false, None);
    for pair in pairs(query, MAX_PARAMETERS) {
        let (name, value) = pair.map_err(|error| refuse(error.to_string()))?;
        match &*name {
            "encoding" => codec = Codec::by_name(value.as_bytes()),
            "message" => message = Some(value),
            "base64" => is_base64 = value == "1",
            "compression" => compression = Some(value),
            _ => {}
        }
    }
    let codec = codec.ok_or_else(|| refuse("`encoding` has to be json or proto".into()))?;
    let message = message.ok_or_else(|| refuse("`message` is missing".into()))?;
    let bytes = if is_base64 {
        let decoded = BASE64.iter().find_map(|engine| engine.decode(&*message).ok());
        decoded.ok_or_else(|| refuse("`message` is not base64".into()))?
    } else {
        message.into_owned().into_bytes()
    };
    let compression = compression.filter(|name| !name.is_empty() && name != "identity");
    let message = Message { bytes: bytes.into(), compressed: compression.is_some() };
    let name = compression.as_deref().map(str::as_bytes);
    Ok((codec, encoding::decode(message, name, limit)?))
}

/// The answer for a reply.
fn write(route: &Route, codec: Codec, reply: Reply, request_id: Option<&HeaderValue>) -> Answer {
    let Reply { metadata, message, status, trailers, hints, .. } = reply;
    let content = if status.is_ok() { codec.write(route, message.bytes) } else { Err(status) };
    let mut answer = match content {
        Ok(content) => {
            let mut answer = Response::new(AnswerBody::from(content));
            let content_type = HeaderValue::from_static(codec.content_type());
            answer.headers_mut().insert(CONTENT_TYPE, content_type);
            answer
        }
        Err(status) => {
            let mut fields = HeaderMap::new();
            let status = error::conceal(status, &route.endpoint, request_id, &mut fields);
            let mut answer = failure(&route.endpoint.schema, &status);
            answer.headers_mut().extend(fields);
            error::hint(hints, answer.headers_mut());
            answer
        }
    };
    let listed = &route.endpoint.options.response_metadata;
    metadata::pass(metadata, listed, answer.headers_mut());
    metadata::prefixed(trailers, TRAILER_PREFIX, listed, answer.headers_mut());
    answer
}

/// The answer for a call that failed.
pub(super) fn failure(schema: &crate::schema::Schema, status: &Status) -> Answer {
    let mut text = Vec::new();
    write_error(schema, status, &mut text);
    let mut answer = Response::new(AnswerBody::from(text).with_code(status.code()));
    // Every status of the table is valid.
    *answer.status_mut() = StatusCode::from_u16(status.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
