//! WebSocket: a call on each socket, by RFC 6455 over HTTP/1.1 and RFC 8441 over HTTP/2.
//!
//! ```text
//! handshake  what a request that asks for a socket must be, and what is agreed on
//! session    the open socket: reads into the pipe, writes what the call answers
//! pipe       messages on their way to the call
//! messages   the requests of the call, read when they are pulled
//! answers    messages and the end of the call as frames
//! clock      pings, idle time, the end of the server
//! places     how many are open
//! close      codes and reasons; the frames themselves are in `wire`
//! ```
//!
//! The call begins with the handshake, so that whoever may not call, or asks for what there is not, gets an ordinary
//! answer of HTTP. The socket is opened when the call asks for its first message, which it does once it was let through.

use std::sync::Arc;

use http::header::{CONNECTION, UPGRADE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version};
use hyper::upgrade::OnUpgrade;
use tokio::sync::oneshot;

use super::answer::{Answer, AnswerBody};
use super::head::Head;
use super::representation::Text;
use super::upload::Outside;
use super::view::View;
use super::{Caller, Seen, Stopping, error, metadata, request_id, shown};
use crate::call::{Body, Call, Dialect, Reply};
use crate::codec::binding::Body as BoundBody;
use crate::route::table::Found;
use crate::snapshot::Route;
use crate::snapshot::surface::Surface;
use crate::status::{Code, Status};

mod answers;
mod clock;
mod close;
mod handshake;
mod messages;
mod pipe;
mod places;
pub(super) mod session;

use answers::Answers;
use clock::Clock;
use handshake::{Agreed, Refused};
use messages::Requests;
use session::{Parts, Session, Source};

pub(super) use handshake::is_asked;

/// Where every exposed method is reached.
const OWN: &str = "/ws/";

/// A route that was found for a socket.
struct Reached {
    route: Arc<Route>,
    /// The values of the path's variables.
    values: Vec<String>,
    /// Whether it was found by the name of the method.
    is_own: bool,
}

/// Answers a handshake.
pub(super) async fn answer(view: View<'_>, head: Head, caller: Caller, seen: &mut Seen) -> Answer {
    let form = error::Form::of_request(&head.headers, Text::Json);
    match open(view, head, caller, seen).await {
        Ok(answer) => answer,
        Err(refused) => {
            let route = seen.route.as_ref().map(|(route, _)| route);
            let form = match route {
                Some(route) if route.endpoint.options.problem_details => error::Form::Problem,
                _ => form,
            };
            let schema = route.map_or(&view.snapshot.schema, |route| &route.endpoint.schema);
            let mut answer = error::answer(schema, &refused.status, form);
            answer.headers_mut().extend(refused.headers);
            answer
        }
    }
}

/// The answer to a request for a path of sockets that does not ask for one; `None` if it is no such path.
pub(super) fn hint(view: View<'_>, head: &Head) -> Option<Answer> {
    let route = view.surface.methods.get(head.uri.path().strip_prefix(OWN)?)?;
    if !route.endpoint.speaks(Dialect::WebSocket) {
        return None;
    }
    let text = "This path is for WebSockets, and the request does not ask for one. If there is a proxy in front, let it \
                pass the headers Connection and Upgrade on.";
    let status = Status::caller(Code::Unimplemented, text);
    // HTTP/2 has no Upgrade.
    let is_upgradable = head.version == Version::HTTP_11;
    let status = status.with_http(if is_upgradable { 426 } else { 400 });
    let mut answer =
        error::answer(&view.snapshot.schema, &status, error::Form::of_request(&head.headers, Text::Json));
    if is_upgradable {
        let headers = answer.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    Some(answer)
}

async fn open(
    view: View<'_>,
    mut head: Head,
    mut caller: Caller,
    seen: &mut Seen,
) -> Result<Answer, Refused> {
    let reached = reach(view.surface, head.uri.path())?;
    let route = Arc::clone(seen.found(&reached.route, Dialect::WebSocket, &mut caller));
    handshake::check_origin(&head, route.endpoint.options.cors.as_deref())?;
    let Agreed { form, headers, bearer } = handshake::check(&head)?;
    let (query, words) = handshake::query(head.uri.query().unwrap_or_default());
    handshake::authorize(Arc::make_mut(&mut head.headers), bearer.or(query.access_token).as_deref())?;
    let upgrade = head
        .extensions
        .remove::<OnUpgrade>()
        .ok_or_else(|| Status::gateway(Code::Internal, "This connection cannot become a WebSocket."))?;
    let place = places::take(caller.peer, &view.snapshot.sockets)?;

    // A request with one message has begun where nothing but path and query makes it.
    let has_none = *route.binding.body() == BoundBody::None || (reached.is_own && !query.rest.is_empty());
    let starts_at_once = has_none && !route.endpoint.method.client_streaming;
    let (pipe, receiver) = pipe::pipe();
    let (sender, accepted) = oneshot::channel();
    let metadata = metadata::of_request(&head.headers, &route.endpoint.options.request_metadata);
    let outside = (Outside { values: reached.values, query: query.rest }, reached.is_own);
    let call = caller.call(&route, Dialect::WebSocket, &head, metadata, |check| {
        if let Err(status) = check.and(words) {
            return Body::Refused(Box::new(status));
        }
        Requests::new(Arc::clone(&route), form, receiver, outside, sender).into_body(starts_at_once)
    });
    let request_id = request_id::of(&head.headers).cloned();
    let answers = Answers { route, form, trailers: query.trailers, request_id };
    let source = begin(&answers, call, accepted).await?;
    let clock = Clock::new(view.snapshot.sockets, head.extensions.remove::<Stopping>());
    let limit = view.snapshot.sockets.message;
    let parts = Parts { upgrade, answers, source, pipe, clock, limit, is_complete: starts_at_once, place };
    let mut answer = Response::new(AnswerBody::from(Session::new(parts)));
    *answer.headers_mut() = headers;
    if head.method != Method::CONNECT {
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    }
    Ok(answer)
}

/// Finds the method: by its name, or by a route whatever the route's verb is, as a socket is always opened with GET.
fn reach(surface: &Surface, path: &str) -> Result<Reached, Status> {
    let own = path.strip_prefix(OWN).and_then(|name| surface.methods.get(name));
    if let Some(route) = own.filter(|route| route.endpoint.speaks(Dialect::WebSocket)) {
        return Ok(Reached { route: Arc::clone(route), values: Vec::new(), is_own: true });
    }
    let mut verbs = vec!["GET", "POST"];
    if let Found::MethodNotAllowed { allow } = surface.routes.find("GET", path) {
        verbs = allow;
        verbs.sort_by_key(|verb| *verb != "POST");
    }
    for verb in verbs {
        match surface.routes.find(verb, path) {
            Found::Match { route, captures } if route.target().endpoint.speaks(Dialect::WebSocket) => {
                let values = captures.into_iter().map(|capture| capture.value.into_owned()).collect();
                return Ok(Reached { route: Arc::clone(route.target()), values, is_own: false });
            }
            Found::BadPath(error) => return Err(Status::caller(Code::InvalidArgument, error.to_string())),
            _ => {}
        }
    }
    let text = format!("There is no method for a WebSocket at {}.", shown(path));
    Err(Status::caller(Code::Unimplemented, text).with_http(404))
}

/// Makes the call, and waits until it asks for its first message.
///
/// # Errors
/// How it failed before.
async fn begin(answers: &Answers, call: Call, accepted: oneshot::Receiver<()>) -> Result<Source, Refused> {
    let endpoint = &answers.route.endpoint;
    let mut reply = endpoint.service.call(call);
    let reply: Reply = tokio::select! {
        biased;
        reply = &mut reply => reply,
        Ok(()) = accepted => return Ok(Source::Waiting(reply)),
    };
    if reply.status.is_ok() {
        return Ok(Source::of(reply, endpoint.method.server_streaming));
    }
    let mut headers = HeaderMap::new();
    metadata::to_answer(reply.metadata, reply.trailers, &endpoint.options.response_metadata, &mut headers);
    let status = error::conceal(reply.status, endpoint, answers.request_id.as_ref(), &mut headers);
    error::hint(reply.hints, &mut headers);
    Err(Refused { status: Box::new(status), headers })
}
