//! From an HTTP request to a [`Call`](crate::call::Call) and from the reply to an HTTP answer.
//!
//! A [`Front`] takes the current snapshot once, finds the route, and lets the dialect that the caller
//! speaks do the rest. It never fails: what is wrong is answered in the caller's dialect.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::header::{ALLOW, ORIGIN};
use http::{HeaderValue, Method, Request, Response, StatusCode};

use crate::call::Dialect;
use crate::call::service::BoxFuture;
use crate::route::rewrite::Rewrites;
use crate::route::table::Found;
use crate::snapshot::case::{Action, Case};
use crate::snapshot::handle::Handle;
use crate::status::{Code, Status};
use crate::tls::session::Session;

mod accept;
mod answer;
mod body;
mod caller;
mod classify;
mod connect;
mod cors;
mod deadline;
mod envelope;
mod error;
mod fixed;
mod forwarded;
mod grpc;
mod grpc_fields;
mod grpc_message;
mod grpc_web;
mod head;
mod key;
mod maintenance;
mod metadata;
pub mod meters;
mod method;
mod pulled;
mod representation;
pub mod request_id;
mod rest;
mod seen;
mod soap;
mod stream;
mod target;
mod upload;
mod version;
mod view;
mod websocket;

#[cfg(test)]
mod tests;

use caller::Caller;
use classify::Spoken;
use head::Head;
use representation::Wish;
use version::Asked;
use view::View;

use body::RequestBody;

pub use answer::{Answer, AnswerBody, Cut, Socket};
pub use seen::Seen;

/// Answers HTTP requests by the current snapshot.
#[derive(Clone, Debug)]
pub struct Front {
    handle: Arc<Handle>,
}

impl Front {
    /// A front for the snapshots of `handle`.
    pub const fn new(handle: Arc<Handle>) -> Self {
        Self { handle }
    }

    /// Answers one request from `peer`, about which TLS told `tls`. What is learnt of it is noted in `seen` at once. A
    /// [`Status`] among its extensions is what a layer in front of this one has found wrong with it: who may call is
    /// answered with that in place of the call.
    pub fn answer<B: RequestBody>(
        &self,
        request: Request<B>,
        peer: Option<SocketAddr>,
        tls: Option<Arc<Session>>,
        seen: &mut Seen,
    ) -> impl Future<Output = Answer> + Send {
        let snapshot = self.handle.load();
        let (head, body) = request.into_parts();
        let mut head = Head::from(head);
        let access = &snapshot.access;
        let peer = forwarded::caller(&access.proxies, peer, &head.headers);
        seen.peer = peer;
        let credentials = match &access.key_query {
            Some(name) => key::take(name, &mut head.uri),
            None => Vec::new(),
        };
        if !snapshot.rewrites.is_empty() {
            rewrite(&snapshot.rewrites, &mut head);
        }
        let maintenance = self.handle.maintenance();
        let is_closed = maintenance.is_on();
        let trace = seen.trace.clone();
        let mut caller = Caller { peer, tls, credentials, trace, noted: None, gone: None, parts: None };
        // A block, as the future of a function keeps what it is given twice.
        async move {
            let versions = snapshot.versions.as_deref();
            let asked =
                versions.map(|versions| Box::new(version::asked(versions, &mut head, SystemTime::now)));
            let view = version::view(&snapshot, asked.as_deref());
            if let Some(mut answer) = cors::preflight(view, &head) {
                if let Some(asked) = view.asked {
                    asked.tell(seen, answer.headers_mut());
                }
                return answer;
            }
            caller.gone = view.asked.and_then(Asked::gone);
            let origin = head.headers.get(ORIGIN).cloned();
            if is_closed && let Some(mut answer) = maintenance::answer(maintenance, view, &head, peer) {
                if let Some(cors) = cors::of_request(view.surface, &head) {
                    cors::complete(&cors, origin.as_ref(), answer.headers_mut());
                }
                return answer;
            }
            let mut answer = match Spoken::by(view, &head) {
                // Apart, so that the others do not carry their state along.
                Spoken::WebSocket => {
                    let mut answer = Box::pin(websocket::answer(view, head, caller, seen)).await;
                    view.tell(seen, answer.headers_mut());
                    error::cookies(seen.noted.as_ref(), answer.headers_mut());
                    return answer;
                }
                Spoken::Soap(service) => {
                    Box::pin(soap::answer(view, service, head, body, caller, seen)).await
                }
                Spoken::Grpc => grpc::answer(view, &head, body, caller, seen).await,
                Spoken::GrpcWeb => grpc_web::answer(view, &head, body, caller, seen).await,
                Spoken::Connect => connect::unary::answer(view, &head, body, caller, seen).await,
                Spoken::ConnectStream => connect::stream::answer(view, &head, body, caller, seen).await,
                Spoken::Rest => Self::rest(view, &head, body, caller, seen).await,
            };
            view.tell(seen, answer.headers_mut());
            // To clients of gRPC it would be metadata, which they do not keep.
            if seen.noted.is_some() && !seen.speaks(Dialect::Grpc) {
                error::cookies(seen.noted.as_ref(), answer.headers_mut());
            }
            if let Some(cors) = seen.cors() {
                cors::complete(cors, origin.as_ref(), answer.headers_mut());
            }
            answer
        }
    }

    async fn rest<B: RequestBody>(
        view: View<'_>,
        head: &Head,
        body: B,
        mut caller: Caller,
        seen: &mut Seen,
    ) -> Answer {
        let wish = Wish::of_request(&head.headers);
        let refuse = |status: &Status| {
            error::answer(&view.snapshot.schema, status, error::Form::of_request(&head.headers, wish.text))
        };
        let is_over = view.over().is_some();
        let holds = |case: &Case| case.is_for(|condition| condition.holds(&head.asked()));
        match view.surface.routes.find_where(head.method.as_str(), head.uri.path(), holds) {
            Found::Match { route, captures } => {
                let found = match &route.target().action {
                    Action::Call(found) => found,
                    Action::Fixed(fixed) => {
                        if let Some(status) = caller.gone.as_ref().and_then(|gone| gone.of_shared()) {
                            return refuse(status);
                        }
                        let answer = fixed::answer(fixed, head, &route.raw(head.uri.path()));
                        seen.fixed = Some(Arc::clone(fixed));
                        return answer;
                    }
                };
                let values = captures.into_iter().map(|capture| capture.value.into_owned()).collect();
                let route = match &found.streamed {
                    Some(streamed) if stream::is_wanted(&head.headers) => streamed,
                    _ => found,
                };
                let dialect = wish.dialect(&route.endpoint);
                let route = seen.found(route, dialect, &mut caller);
                let parts = rest::Parts { head, values, caller, wish, dialect };
                rest::answer(route, parts, body, &view.snapshot.limits).await
            }
            Found::MethodNotAllowed { allow } if head.method == Method::OPTIONS => no_content(&allow),
            Found::MethodNotAllowed { .. } if is_over => refuse(&view.nothing(String::new)),
            Found::MethodNotAllowed { allow } => {
                let allow = allow.join(", ");
                let text = format!("This path does not answer {}. It answers {allow}.", head.method);
                let mut answer = refuse(&Status::caller(Code::Unimplemented, text).with_http(405));
                set_allow(&mut answer, &allow);
                answer
            }
            Found::NotFound => {
                if let Some(answer) = soap::schema_of_package(view.surface, head).filter(|_| !is_over) {
                    return answer;
                }
                if let Some(answer) = websocket::hint(view, head).filter(|_| !is_over) {
                    return answer;
                }
                let status = view
                    .nothing(|| format!("There is no route for {} {}.", head.method, shown(head.uri.path())));
                if soap::is_meant(head) {
                    soap::refused(&view.snapshot.schema, &status, &head.headers)
                } else {
                    refuse(&status)
                }
            }
            Found::BadPath(error) => refuse(&Status::caller(Code::InvalidArgument, error.to_string())),
        }
    }

    /// The answer to a request that cannot be served at all, where no route is known.
    pub fn refuse(&self, status: &Status) -> Answer {
        error::answer(&self.handle.load().schema, status, error::Form::Status)
    }
}

/// Lets another path stand for that of a request, whose query stays.
fn rewrite(rewrites: &Rewrites, head: &mut Head) {
    let Some(path) = rewrites.apply(head.uri.path(), &head.asked()) else { return };
    let query: Vec<&str> = head.uri.query().into_iter().collect();
    let left = target::joined(&path, &query);
    target::put(&mut head.uri, left);
}

/// Tells whoever serves something without an end when the server is to stop.
pub trait Stop: Send + Sync {
    /// Whether it is. This takes no lock that is shared.
    fn is_given(&self) -> bool;

    /// Resolves when it is.
    fn given(&self) -> BoxFuture<()>;
}

/// An extension of a request that asks for a WebSocket.
#[derive(Clone)]
pub struct Stopping(pub Arc<dyn Stop>);

impl std::fmt::Debug for Stopping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stopping")
    }
}

fn no_content(allow: &[&str]) -> Answer {
    let mut answer = Response::new(AnswerBody::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    set_allow(&mut answer, &allow.join(", "));
    answer
}

fn set_allow(answer: &mut Answer, allow: &str) {
    // Methods are tokens, which are all valid in a header.
    if let Ok(value) = HeaderValue::from_str(allow) {
        answer.headers_mut().insert(ALLOW, value);
    }
}

/// A text of the caller's for an error text: it is cut.
fn shown(text: impl AsRef<[u8]>) -> String {
    /// In characters.
    const MOST: usize = 100;
    let text = String::from_utf8_lossy(text.as_ref());
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
