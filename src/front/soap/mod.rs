//! SOAP 1.1 and 1.2 at `/soap/package.Service`, document/literal wrapped.
//!
//! ```text
//! version   what sets SOAP 1.1 and 1.2 apart, and what HTTP headers say of either
//! envelope  what stands before the content of the body: version, headers, the name of the method
//! security  credentials in the header
//! message   the content of the body as a message, and a message as that
//! list      the messages of a stream as one answer
//! write     envelopes
//! fault     failures
//! document  WSDL and XML Schema, by GET
//! ```
//!
//! The method is named by the element in the body, so that more has to be read than of other dialects before a call is
//! found: the envelope up to there, and no further than [`MAX_HEADER`]. All else is read and decoded when a layer asks
//! for the message.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use tokio::time::Instant;

use super::answer::{Answer, AnswerBody};
use super::body::{self, Begun, RequestBody};
use super::head::Head;
use super::upload::unreadable;
use super::view::View;
use super::{Caller, Seen, error, metadata, request_id, shown};
use crate::call::credential::Credential;
use crate::call::{Body, Call, Dialect, Message, Reply};
use crate::codec::xml::encoding;
use crate::codec::xml::lexer::Lexer;
use crate::schema::Schema;
use crate::schema::xml_name::{is_namespace, namespace};
use crate::snapshot::service::Service;
use crate::snapshot::surface::Surface;
use crate::snapshot::{Limits, Route};
use crate::status::{Code, Status};
use crate::telemetry::trace::span::{Kind as SpanKind, Traced};

mod document;
mod envelope;
mod fault;
mod list;
mod message;
mod security;
mod version;
mod write;

pub(super) use document::of_package as schema_of_package;
use envelope::{Header, Opened};
use fault::{Fault, Kind};
use version::{Announced, Version};
use write::Envelope;

/// How much of an envelope is read to find the method, in bytes: all that stands before the body has to be in it.
const MAX_HEADER: usize = 64 << 10;

/// The service that a path names, if it is served in SOAP.
pub(super) fn service_of<'s>(surface: &'s Surface, path: &str) -> Option<&'s Arc<Service>> {
    let service = surface.services.find(path.strip_prefix("/soap/")?)?;
    service.speaks(Dialect::Soap).then_some(service)
}

/// Answers a request to a service.
pub(super) async fn answer<B: RequestBody>(
    view: View<'_>,
    service: &Arc<Service>,
    head: Head,
    body: B,
    caller: Caller,
    seen: &mut Seen,
) -> Answer {
    match head.method {
        Method::POST => call(view, service, head, body, caller, seen).await,
        Method::GET | Method::HEAD => {
            document::answer(view, service, &head, caller.tls.is_some()).unwrap_or_else(|| {
                let name = &service.name;
                let description = match view.surface.documents {
                    Some(_) => format!(
                        "Its description is at /soap/{name}?wsdl, XML Schema of a package at /soap/{name}?xsd=PACKAGE."
                    ),
                    None => "Its description is not given out here.".to_owned(),
                };
                let text = format!("This is a SOAP service, which is called with POST. {description}");
                if head.uri.query().is_some() {
                    return refused(&service.schema, &Status::caller(Code::Unimplemented, text).with_http(404));
                }
                wrong_verb(&service.schema, text, "POST")
            })
        }
        _ => {
            let text = format!("SOAP is called with POST, not with {}.", head.method);
            wrong_verb(&service.schema, text, "GET, HEAD, POST")
        }
    }
}

/// Whether a request that reaches nothing is one for a service in SOAP, by its path and its content type.
pub(super) fn is_meant(head: &Head) -> bool {
    head.uri.path().starts_with("/soap/") && Announced::of(&head.headers).is_ok()
}

/// The answer to a request that is no message for a service.
pub(super) fn refused(schema: &Schema, status: &Status) -> Answer {
    Fault::from(status.clone()).answer(schema, Version::One, None)
}

fn wrong_verb(schema: &Schema, text: String, allow: &'static str) -> Answer {
    let mut answer = refused(schema, &Status::caller(Code::Unimplemented, text).with_http(405));
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    answer
}

/// How the answer to a message is written.
#[derive(Clone, Debug)]
struct Form {
    version: Version,
    /// The name of the message, if its sender gave it one.
    related: Option<String>,
}

async fn call<B: RequestBody>(
    view: View<'_>,
    service: &Arc<Service>,
    head: Head,
    body: B,
    mut caller: Caller,
    seen: &mut Seen,
) -> Answer {
    let limits = &view.snapshot.limits;
    let mut form = Form { version: Version::One, related: None };
    let fault =
        |fault: &Fault, form: &Form| fault.answer(&service.schema, form.version, form.related.as_deref());
    let announced = match announced(&head, limits) {
        Ok(announced) => announced,
        Err(status) => return fault(&status.into(), &form),
    };
    form.version = announced.version;
    let mut begun = Begun::new(body, limits);
    let opened = match open(&mut begun, &announced, limits, caller.tls.is_some()).await {
        Ok(opened) => opened,
        Err(found) => return fault(&found, &form),
    };
    form = Form { version: opened.version, related: opened.header.message_id.clone() };
    let route = match find(view.surface, service, &opened) {
        Ok(route) => seen.found(route, Dialect::Soap, &mut caller),
        Err(status) => return fault(&status.into(), &form),
    };
    // Whoever may not call at all learns that first. What else it learns has a form of its own.
    let flaw = check(&opened, &announced).err();
    let refused = flaw.as_ref().map(|flaw| flaw.status.clone());
    let parts = Parts { head: &head, caller, charset: announced.charset, header: opened.header, refused };
    let reply = route.endpoint.service.call(request(route, parts, begun, limits)).await;
    if let Some(flaw) = flaw.filter(|flaw| flaw.status == reply.status) {
        return fault(&flaw, &form);
    }
    respond(route, reply, &form, limits, request_id::of(&head.headers)).await
}

fn announced(head: &Head, limits: &Limits) -> Result<Announced, Status> {
    let announced = Announced::of(&head.headers)?;
    body::check_encoding(&head.headers)?;
    body::check_length(&head.headers, limits)?;
    Ok(announced)
}

/// Reads as much as is needed to know what is called.
async fn open<B: RequestBody>(
    begun: &mut Begun<B>,
    announced: &Announced,
    limits: &Limits,
    is_secure: bool,
) -> Result<Opened, Fault> {
    begun.fill(MAX_HEADER, limits).await?;
    let read = begun.data();
    let is_whole = begun.is_whole() && read.len() <= MAX_HEADER;
    let read = if is_whole { read } else { cut(read.get(..MAX_HEADER).unwrap_or(read)) };
    let opened = opened(read, announced, is_secure);
    opened.map_err(|mut fault| {
        if !is_whole {
            let text = format!(
                "No method was found in the first {MAX_HEADER} bytes of the envelope. {}",
                fault.status.message()
            );
            fault.status = Status::caller(fault.status.code(), text);
        }
        fault
    })
}

fn opened(text: &[u8], announced: &Announced, is_secure: bool) -> Result<Opened, Fault> {
    let text = encoding::decode(text, announced.charset.as_deref()).map_err(envelope::invalid)?;
    let mut lexer = Lexer::new(&text, message::HEADER).map_err(envelope::invalid)?;
    envelope::open(&mut lexer, is_secure)
}

/// The beginning of a text without what may be a part of a character at its end.
fn cut(text: &[u8]) -> &[u8] {
    let is_wide = matches!(text, [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0, ..] | [_, 0, ..]);
    if is_wide {
        // The first half of a pair of surrogates is behind one of these, in either order.
        let even = text.len() & !1;
        let is_half = |byte: &u8| (0xd8..0xdc).contains(byte);
        let ends_in_half = text[..even].iter().rev().take(2).any(is_half);
        return &text[..if ends_in_half { even - 2 } else { even }];
    }
    let end = memchr::memrchr(b'>', text).map_or(0, |at| at + 1);
    &text[..end]
}

/// The method that the element in the body names.
fn find<'s>(surface: &'s Surface, service: &Service, opened: &Opened) -> Result<&'s Arc<Route>, Status> {
    let Opened { namespace: found, name, .. } = opened;
    if !is_namespace(found.as_bytes(), service.name.as_bytes()) {
        let text = format!(
            "The element {:?} in the body is in {}, but the methods of this service are in the namespace {:?}.",
            shown(name),
            if found.is_empty() {
                "no namespace".into()
            } else {
                format!("the namespace {:?}", shown(found))
            },
            namespace(&service.name)
        );
        return Err(Status::caller(Code::InvalidArgument, text));
    }
    let route = surface.methods.get(&format!("{}/{name}", service.name)).ok_or_else(|| {
        let text = format!("The service {} has no method {:?}.", service.name, shown(name));
        Status::caller(Code::Unimplemented, text)
    })?;
    if route.endpoint.method.client_streaming {
        let text = format!(
            "The method {name} takes a stream of messages, which SOAP does not have. Call it as REST, Connect or gRPC."
        );
        return Err(Status::caller(Code::Unimplemented, text));
    }
    Ok(route)
}

/// What else must be right before there is a call.
fn check(opened: &Opened, announced: &Announced) -> Result<(), Fault> {
    let Opened { header, name, .. } = opened;
    if !header.not_understood.is_empty() {
        let names: Vec<_> =
            header.not_understood.iter().map(|(_, name)| format!("{:?}", shown(name))).collect();
        let text =
            format!("The envelope has headers that must be understood and are not: {}.", names.join(", "));
        let status = Status::caller(Code::InvalidArgument, text);
        return Err(Fault { status, kind: Kind::MustUnderstand(header.not_understood.clone()) });
    }
    if !version::agrees(&announced.action, name) {
        let text = format!(
            "The action {:?} is not that of {name}, which is in the body. Send the one that the WSDL names, or none.",
            shown(&announced.action)
        );
        return Err(Status::caller(Code::InvalidArgument, text).into());
    }
    Ok(())
}

/// A message, without the rest of its body.
struct Parts<'a> {
    head: &'a Head,
    caller: Caller,
    charset: Option<String>,
    header: Header,
    /// What is wrong with the envelope so far.
    refused: Option<Status>,
}

/// The call. What is wrong with the headers of the request or of the envelope is told to who asks for the message.
fn request<B: RequestBody>(route: &Arc<Route>, parts: Parts<'_>, body: Begun<B>, limits: &Limits) -> Call {
    let Parts { head, mut caller, charset, header, refused } = parts;
    let endpoint = &route.endpoint;
    let metadata = match header.refused {
        None => metadata::of_request(&head.headers, &endpoint.options.request_metadata),
        Some(status) => Err(status),
    };
    let metadata = metadata.and_then(|metadata| offer(header.credential.as_ref(), metadata));
    caller.credentials.extend(header.credential);
    let trace = caller.trace.as_ref().and_then(Traced::sampled).cloned().map(Box::new);
    let (owned, bounds) = (Arc::clone(route), limits.clone());
    let mut call = caller.call(route, Dialect::Soap, head, metadata, |check| {
        if let Err(status) = check.and(refused.map_or(Ok(()), Err)) {
            return Body::Refused(Box::new(status));
        }
        Body::Pending(Box::pin(async move {
            let mut span = trace.map(|trace| trace.begin("decode", SpanKind::Internal));
            let bytes = body.finish(&bounds).await?;
            let wire = message::read(&owned, &bytes, charset.as_deref());
            let wire = wire.map_err(|fault| unreadable(fault.status))?;
            if let Some(span) = &mut span {
                span.span().set("rpc.message.uncompressed_size", wire.len() as i64);
            }
            Ok(Message::from(Bytes::from(wire)))
        }))
    });
    if endpoint.method.server_streaming {
        // A list is one answer, and does not take longer than a request may.
        let latest = Instant::now() + limits.request;
        call.deadline = Some(call.deadline.map_or(latest, |deadline| deadline.min(latest)));
    }
    call
}

/// Sends a credential of the envelope on as a header.
fn offer(credential: Option<&Credential>, mut metadata: HeaderMap) -> Result<HeaderMap, Status> {
    let Some(value) = credential.and_then(Credential::authorization) else { return Ok(metadata) };
    if metadata.contains_key(AUTHORIZATION) {
        let text = "The request offers a credential in its header authorization and another one in its envelope. Offer one.";
        return Err(Status::caller(Code::Unauthenticated, text));
    }
    metadata.insert(AUTHORIZATION, value);
    Ok(metadata)
}

/// The answer for a reply.
async fn respond(
    route: &Route,
    mut reply: Reply,
    form: &Form,
    limits: &Limits,
    request_id: Option<&HeaderValue>,
) -> Answer {
    let mut envelope = Envelope::begin(form.version, form.related.as_deref(), None);
    let written = if reply.status.is_ok() {
        message::write(route, &mut reply, limits, envelope.text()).await
    } else {
        Ok(())
    };
    let Reply { metadata: initial, status, trailers, hints, .. } = reply;
    let failed = match written {
        Ok(()) if status.is_ok() => None,
        Ok(()) => Some(status),
        Err(status) => Some(status),
    };
    let mut fields = HeaderMap::new();
    let mut answer = match failed {
        None => {
            let mut answer = Answer::new(AnswerBody::from(envelope.end()));
            let content_type = HeaderValue::from_static(form.version.content_type());
            answer.headers_mut().insert(CONTENT_TYPE, content_type);
            answer
        }
        Some(status) => {
            let status = error::conceal(status, &route.endpoint, request_id, &mut fields);
            Fault::from(status).answer(&route.endpoint.schema, form.version, form.related.as_deref())
        }
    };
    metadata::to_answer(initial, trailers, &route.endpoint.options.response_metadata, answer.headers_mut());
    answer.headers_mut().extend(fields);
    error::hint(hints, answer.headers_mut());
    answer
}
