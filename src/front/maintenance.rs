//! What requests are answered during maintenance: UNAVAILABLE in the form of each dialect, before anything is asked of
//! the caller and without a word of its body.

use std::net::SocketAddr;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};

use super::accept::preferred;
use super::answer::{Answer, AnswerBody};
use super::classify::Spoken;
use super::head::Head;
use super::representation::{Text, Wish};
use super::view::View;
use super::{connect, error, grpc, grpc_web, soap};
use crate::call::{Hints, Reply};
use crate::snapshot::maintenance::Maintenance;
use crate::status::details::retry_info;
use crate::status::{Code, Status};

/// The health service of gRPC, which says how the process fares: it is well, and answers what it should.
const HEALTH: &str = "grpc.health.v1.Health";

/// The answer to a request while maintenance is on; `None` for who is answered as ever.
pub(super) fn answer(
    maintenance: &Maintenance,
    view: View<'_>,
    head: &Head,
    peer: Option<SocketAddr>,
) -> Option<Answer> {
    let terms = &view.snapshot.maintenance;
    let state = maintenance.state();
    if !state.is_on() || terms.excepts(peer.map(|peer| peer.ip())) || asks_for_health(view, head) {
        return None;
    }
    let wait = state.retry_after().unwrap_or(terms.retry_after);
    let status = Status::gateway(Code::Unavailable, state.message()).with_detail(retry_info(wait));
    let hints = Hints { retry_after: Some(wait), ..Hints::default() };
    let mut answer = match &terms.page {
        Some(page) if is_for_people(head) => shown(page.clone()),
        _ => written(view, head, Reply { hints, ..Reply::from(status) }),
    };
    let headers = answer.headers_mut();
    if !headers.contains_key(RETRY_AFTER) {
        error::retry(Some(wait), headers);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(answer)
}

/// Whether the gateway is asked how it fares, rather than a backend.
fn asks_for_health(view: View<'_>, head: &Head) -> bool {
    let own = head.uri.path().strip_prefix('/').and_then(|name| view.surface.methods.get(name));
    let is_own = own.is_some_and(|own| own.endpoint.upstream().is_none() && own.endpoint.service() == HEALTH);
    // By the name of the method, and not by a route that fits its path by chance.
    let calls =
        |spoken| matches!(spoken, Spoken::Grpc | Spoken::GrpcWeb | Spoken::Connect | Spoken::ConnectStream);
    is_own && calls(Spoken::by(view, head))
}

/// Whether a browser asks for something to show.
fn is_for_people(head: &Head) -> bool {
    let names = ["text/html", "application/json", "application/problem+json", "application/xml"];
    matches!(head.method, Method::GET | Method::HEAD) && preferred(&head.headers, &names) == Some("text/html")
}

fn shown(page: bytes::Bytes) -> Answer {
    let mut answer = Response::new(AnswerBody::from(page).with_code(Code::Unavailable));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}

/// The reply in the form of the dialect that the request speaks.
fn written(view: View<'_>, head: &Head, reply: Reply) -> Answer {
    let schema = &view.snapshot.schema;
    match Spoken::by(view, head) {
        Spoken::Grpc if head.version >= Version::HTTP_2 => grpc::refused(reply),
        Spoken::GrpcWeb => grpc_web::refused(reply, head),
        Spoken::Connect | Spoken::ConnectStream => connect::unary::failure(schema, &reply.status),
        Spoken::Soap(_) if head.method == Method::POST => {
            closed(soap::refused(schema, &reply.status, &head.headers))
        }
        Spoken::Rest if soap::is_meant(head) => closed(soap::refused(schema, &reply.status, &head.headers)),
        Spoken::WebSocket => error::answer(schema, &reply.status, form(&head.headers, Text::Json)),
        Spoken::Grpc | Spoken::Soap(_) | Spoken::Rest => {
            let text = Wish::of_request(&head.headers).text;
            error::answer(schema, &reply.status, form(&head.headers, text))
        }
    }
}

fn form(headers: &HeaderMap, text: Text) -> error::Form {
    error::Form::of_request(headers, text)
}

/// SOAP has 500 for what goes wrong with a message. This one was not looked at, which whoever stands in between is to
/// understand too.
fn closed(mut answer: Answer) -> Answer {
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    answer
}
