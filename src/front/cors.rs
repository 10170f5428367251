//! Calls from scripts of other origins, by the Fetch standard: <https://fetch.spec.whatwg.org/#http-cors-protocol>.
//!
//! Who may call is a setting of the service; without it no answer carries a word of this, and browsers keep scripts of
//! other origins out. It protects the browser's user, not the service: a request without an origin is answered as ever.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::answer::{Answer, AnswerBody};
use super::head::Head;
use super::soap;
use crate::route::table::Found;
use crate::snapshot::surface::Surface;
use crate::snapshot::{Cors, Endpoint};

/// Response headers that a script may read anyway.
const SAFELISTED: [&str; 7] = [
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
];

/// Completes the headers of an answer to a request from `origin`, or from none.
pub(super) fn complete(cors: &Cors, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
    if !cors.any {
        // Caches must not give one origin what another one got.
        headers.append(VARY, HeaderValue::from_name(ORIGIN));
    }
    let Some(allowed) = origin.and_then(|origin| allowed(cors, origin)) else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if cors.credentials {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    let exposed: BTreeSet<&str> =
        headers.keys().map(HeaderName::as_str).filter(|name| is_exposed(name)).collect();
    let exposed: Vec<_> = exposed.into_iter().collect();
    if !exposed.is_empty()
        && let Ok(names) = HeaderValue::try_from(exposed.join(", "))
    {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, names);
    }
}

/// How an origin that may call is told so.
fn allowed(cors: &Cors, origin: &HeaderValue) -> Option<HeaderValue> {
    if cors.any { Some(HeaderValue::from_static("*")) } else { cors.origins.get(origin).cloned() }
}

fn is_exposed(name: &str) -> bool {
    !SAFELISTED.contains(&name)
        && !name.starts_with("access-control-")
        && !matches!(name, "vary" | "set-cookie")
}

/// The answer to a browser that asks whether a script may send a request; `None` if it is no such question, or its
/// method's service says nothing of origins.
pub(super) fn preflight(surface: &Surface, head: &Head) -> Option<Answer> {
    if head.method != Method::OPTIONS {
        return None;
    }
    let origin = head.headers.get(ORIGIN)?;
    let wanted = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    let cors = cors_of(surface, wanted.to_str().ok()?, head.uri.path())?;
    let mut answer = Response::new(AnswerBody::empty());
    let headers = answer.headers_mut();
    if allowed(&cors, origin).is_some() {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, wanted.clone());
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(cors.max_age.as_secs()));
        // Which headers mean something is for the call to say.
        if let Some(names) = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
    }
    complete(&cors, Some(origin), headers);
    headers.append(
        VARY,
        HeaderValue::from_static("access-control-request-method, access-control-request-headers"),
    );
    *answer.status_mut() = StatusCode::NO_CONTENT;
    Some(answer)
}

/// What the service of the method says that a request reaches.
fn cors_of(surface: &Surface, verb: &str, path: &str) -> Option<Arc<Cors>> {
    let of = |endpoint: &Endpoint| endpoint.options.cors.clone();
    if let Some(own) = path.strip_prefix('/').and_then(|name| surface.methods.get(name)) {
        return of(&own.endpoint);
    }
    if let Some(service) = soap::service_of(surface, path) {
        return of(&service.routes.first()?.endpoint);
    }
    match surface.routes.find(verb, path) {
        Found::Match { route, .. } => of(&route.target().endpoint),
        _ => None,
    }
}
