//! Which dialect a request speaks.

use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};

use super::head::Head;
use super::representation::{Text, Wish};
use super::{connect, grpc, grpc_web, method, soap, websocket};
use crate::call::Dialect;
use crate::snapshot::service::Service;
use crate::snapshot::surface::Surface;

/// What a request speaks, with what its content type says of it.
pub(super) enum Spoken<'s> {
    Grpc,
    GrpcWeb,
    Connect,
    ConnectStream,
    /// A request that asks for a socket.
    WebSocket,
    /// SOAP, with the service of its path.
    Soap(&'s Arc<Service>),
    /// REST, or nothing that is known.
    Rest,
}

impl<'s> Spoken<'s> {
    /// By the path of a service in SOAP, then by the content type where that is of one dialect alone. What is left names a method by its path: Connect
    /// says so in a header or in the query, and a service that offers Connect answers plain JSON with it too.
    pub(super) fn by(surface: &'s Surface, head: &Head) -> Self {
        if websocket::is_asked(head) {
            return Self::WebSocket;
        }
        if let Some(service) = soap::service_of(surface, head.uri.path()) {
            return Self::Soap(service);
        }
        let content_type = content_type(head);
        match content_type.get(..15) {
            Some(start) if start.eq_ignore_ascii_case(b"application/grp") => {
                if grpc::subtype(content_type).is_some() {
                    return Self::Grpc;
                }
                if grpc_web::form(content_type).is_some() {
                    return Self::GrpcWeb;
                }
            }
            Some(start)
                if start.eq_ignore_ascii_case(b"application/con")
                    && connect::stream::codec(content_type).is_some() =>
            {
                return Self::ConnectStream;
            }
            _ => {}
        }
        let is_connect =
            is_method_path(head.uri.path()) && (connect::unary::is_spoken(head) || is_offered(surface, head));
        if is_connect { Self::Connect } else { Self::Rest }
    }
}

pub(super) fn content_type(head: &Head) -> &[u8] {
    head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default()
}

/// Whether a path can be `/package.Service/Method`, which most others are not by the first look.
fn is_method_path(path: &str) -> bool {
    let service = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    service.is_some_and(|(service, _)| service.contains('.'))
}

/// Whether a request in JSON, to be answered in JSON, is for a method without streams that is served as Connect.
fn is_offered(surface: &Surface, head: &Head) -> bool {
    head.method == Method::POST
        && connect::unary::codec(&head.headers).is_ok()
        && Wish::of_request(&head.headers).text == Text::Json
        && method::find(surface, head.uri.path(), Dialect::Connect)
            .is_ok_and(|route| !route.endpoint.method.is_streaming())
}
