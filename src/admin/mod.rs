//! What operators and their programs ask: is it alive, is it ready, what does it serve, with which configuration,
//! what do its upstreams do; and the order to reload. Nothing here speaks gRPC or touches a call.
//!
//! | path | answer |
//! |---|---|
//! | `GET /livez` | 200 while the process can answer at all |
//! | `GET /readyz` | 200, or 503 while nothing is served or the process stops; says which upstreams are missing |
//! | `GET /routes` | every route |
//! | `GET /versions` | the versions of the API: when they end, how much they are used, and by whom if they do |
//! | `GET /config` | the effective configuration, with the places of secrets in place of them |
//! | `GET /upstreams` | targets and what the connections to them do |
//! | `GET /identity` | where keys of issuers are asked for, how many there are, and who does not answer |
//! | `GET /metrics` | what Prometheus scrapes, as text |
//! | `GET /log`, `PUT /log` | what is logged; a filter such as `info,transom::upstream=debug` as body holds at once |
//! | `GET`, `POST` and `DELETE /maintenance` | whether requests are answered with 503; an operator begins that and ends it |
//! | `POST /reload` | loads the configuration anew: 200, or 422 with everything that is wrong |
//!
//! All other answers are JSON. [`guard`] says who may ask; `/livez` and `/readyz` are for everybody, without details.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, StatusCode};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value as Json, json};

use crate::call::service::BoxFuture;
use crate::policy::introspection;
use crate::policy::jwt::source;
use crate::snapshot::Snapshot;
use crate::snapshot::handle::Handle;
use crate::telemetry::metrics::text;
use crate::upstream::report::Report;

pub mod guard;
pub mod routes;

mod health;
mod identity;
mod log;
mod maintenance;
mod reload;
mod upstreams;
mod versions;

pub use reload::{Outcome, Said};

use guard::Token;

/// What the admin side asks the application.
pub trait Gateway: Send + Sync + 'static {
    /// Where what is served is found, and whether it is.
    fn handle(&self) -> &Handle;

    /// What is served now.
    fn snapshot(&self) -> Arc<Snapshot> {
        self.handle().load()
    }

    /// How often the configuration was loaded with success, the start included.
    fn generation(&self) -> u64;

    /// Whether the process is stopping.
    fn is_draining(&self) -> bool;

    /// The effective configuration, without secrets.
    fn configuration(&self) -> Json;

    /// What each upstream tells about its connections, by its name.
    fn upstreams(&self) -> Vec<(String, Report)>;

    /// What is told of issuers of tokens, and of those who are asked about tokens.
    fn identities(&self) -> (Vec<source::Report>, Vec<introspection::Report>);

    /// All metrics in the text format of Prometheus.
    fn metrics(&self) -> String;

    /// What callers have to show.
    fn token(&self) -> Option<Arc<Token>>;

    /// Loads the configuration anew.
    fn reload(&self) -> BoxFuture<Outcome>;
}

/// Answers the requests of operators.
#[derive(Clone)]
pub struct Admin {
    gateway: Arc<dyn Gateway>,
    router: TowerToHyperService<Router>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").finish_non_exhaustive()
    }
}

/// Set on requests that may see details.
#[derive(Clone, Copy)]
struct Trusted;

impl Admin {
    /// Answers for an application.
    pub fn new(gateway: Arc<dyn Gateway>) -> Self {
        let router = Router::new()
            .route("/livez", get(health::live))
            .route("/readyz", get(health::ready))
            .route("/routes", get(routes::answer))
            .route("/versions", get(versions::answer))
            .route("/config", get(config))
            .route("/upstreams", get(upstreams::answer))
            .route("/identity", get(identity::answer))
            .route("/metrics", get(metrics))
            .route("/log", get(log::show).put(log::change))
            .route("/maintenance", get(maintenance::show).post(maintenance::begin).delete(maintenance::end))
            .route("/reload", post(reload::answer))
            .fallback(nowhere)
            .method_not_allowed_fallback(not_so)
            .with_state(Arc::clone(&gateway));
        Self { gateway, router: TowerToHyperService::new(router) }
    }

    /// Answers one request.
    pub async fn answer<B>(&self, request: Request<B>) -> Response
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (mut head, body) = request.into_parts();
        tracing::debug!(path = head.uri.path(), "an operator asks");
        match guard::check(&head, self.gateway.token().as_deref()) {
            Ok(()) => {
                head.extensions.insert(Trusted);
            }
            Err(_) if health::PATHS.contains(&head.uri.path()) => {}
            Err(refusal) => {
                tracing::warn!(path = head.uri.path(), %refusal, "a request to the admin listener was refused");
                return refused(refusal.status(), &refusal.to_string());
            }
        }
        let answer: Result<Response, Infallible> =
            self.router.call(Request::from_parts(head, Body::new(body))).await;
        answer.unwrap_or_else(|never| match never {})
    }
}

async fn metrics(State(gateway): State<Arc<dyn Gateway>>) -> Response {
    let mut answer = Response::new(Body::from(gateway.metrics()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(text::CONTENT_TYPE));
    answer
}

/// An answer that says why there is no other.
pub fn refused(status: u16, message: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = answer(status, &json!({ "message": message }));
    if status == StatusCode::UNAUTHORIZED {
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    answer
}

fn answer(status: StatusCode, json: &Json) -> Response {
    let mut answer = Response::new(Body::from(format!("{json:#}\n")));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

async fn config(State(gateway): State<Arc<dyn Gateway>>) -> Response {
    answer(StatusCode::OK, &gateway.configuration())
}

async fn nowhere() -> Response {
    refused(
        404,
        "There is nothing here. There are /livez, /readyz, /routes, /versions, /config, /upstreams, /identity, /metrics, /log, /maintenance and /reload.",
    )
}

async fn not_so() -> Response {
    refused(
        405,
        "This is not asked for by that method: /reload by POST, /log by GET or PUT, /maintenance by GET, POST or DELETE, \
         everything else by GET.",
    )
}

#[cfg(test)]
mod tests;
