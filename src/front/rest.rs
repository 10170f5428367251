//! REST: a JSON request by a route of `google.api.http`, and the JSON answer.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts as Head;
use http::{HeaderName, HeaderValue, Response};
use http_body_util::Full;
use tokio::time::Instant;

use super::error::Form;
use super::{Answer, body, deadline, error, metadata};
use crate::call::{Body, Call, Dialect, Origin, Reply};
use crate::codec::binding::{self, BodyFormat};
use crate::snapshot::{Limits, Route};
use crate::status::{Code, Status};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request without its body, after its route was found.
pub(super) struct Parts<'a> {
    pub(super) head: &'a Head,
    /// The values of the path's variables.
    pub(super) values: Vec<String>,
    pub(super) peer: Option<SocketAddr>,
    pub(super) form: Form,
}

/// Calls the route's method and answers with its response.
pub(super) async fn answer<B>(route: Arc<Route>, parts: Parts<'_>, body: B, limits: &Limits) -> Answer
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<body::BoxError>,
{
    let options = &route.endpoint.options;
    let form = if options.problem_details { Form::Problem } else { parts.form };
    let request_id = parts.head.headers.get(&REQUEST_ID).cloned();
    let Reply { metadata, message, status, trailers } = match call(&route, parts, body, limits) {
        Ok(call) => route.endpoint.service.call(call).await,
        Err(status) => Reply::from(status),
    };
    let written = if status.is_ok() { text(&route, &message) } else { Err(status) };
    let (mut answer, hidden) = match written {
        Ok(text) => (success(text), None),
        Err(status) => {
            let (status, hidden) = error::for_caller(status, options);
            (error::answer(&route.endpoint.schema, &status, form), hidden)
        }
    };
    let headers = answer.headers_mut();
    metadata::to_answer(metadata, trailers, &options.response_metadata, headers);
    if let Some(hidden) = hidden {
        let id = request_id.or_else(|| headers.get(&REQUEST_ID).cloned()).unwrap_or_else(made_up_id);
        hidden.log(&route.endpoint.schema, &route.endpoint.full_name, id.to_str().unwrap_or_default());
        headers.insert(REQUEST_ID, id);
    }
    answer
}

/// A name for a request that has none: what is in the log about it can be found by what the caller got.
fn made_up_id() -> HeaderValue {
    let id = RandomState::new().hash_one(std::process::id());
    HeaderValue::from_str(&format!("{id:016x}")).unwrap_or(HeaderValue::from_static("-"))
}

fn success(text: Vec<u8>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// The call. Its message is read and decoded only when a layer asks for it, and only then the caller
/// learns what is wrong with its request: whether it may call at all is decided before.
fn call<B>(route: &Arc<Route>, parts: Parts<'_>, body: B, limits: &Limits) -> Result<Call, Status>
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<body::BoxError>,
{
    let Parts { head, values, peer, .. } = parts;
    let endpoint = &route.endpoint;
    if endpoint.method.is_streaming() {
        let text =
            format!("{} is a streaming method, which this version does not serve.", endpoint.full_name);
        return Err(Status::caller(Code::Unimplemented, text));
    }
    let options = &endpoint.options;
    let (headers, mut check) = (&head.headers, Ok(()));
    let timeout = or_refusal(deadline::timeout(headers), &mut check);
    let timeout = timeout.into_iter().chain(options.timeout).min();
    let metadata = or_refusal(metadata::of_request(headers, &options.request_metadata), &mut check);
    let origin = Origin { dialect: Dialect::Rest, route: Arc::clone(&route.template), peer };
    Ok(Call {
        method: Arc::clone(&endpoint.method),
        origin,
        metadata,
        deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        body: message(Arc::clone(route), check, head, values, body, limits.clone()),
    })
}

/// The value, or its default and the reason for which the request will be refused; the first one stays.
fn or_refusal<T: Default>(result: Result<T, Status>, check: &mut Result<(), Status>) -> T {
    result.unwrap_or_else(|status| {
        if check.is_ok() {
            *check = Err(status);
        }
        T::default()
    })
}

/// The request message, unless `check` found something wrong already.
fn message<B>(
    route: Arc<Route>,
    mut check: Result<(), Status>,
    head: &Head,
    values: Vec<String>,
    body: B,
    limits: Limits,
) -> Body
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<body::BoxError>,
{
    let query = head.uri.query().unwrap_or_default().to_owned();
    // A body that the rule does not bind is neither read nor looked at.
    let is_bound = *route.binding.body() != binding::Body::None && !body.is_end_stream();
    let format = if is_bound {
        or_refusal(body::check_headers(&head.headers, &limits), &mut check)
    } else {
        BodyFormat::Json
    };
    Body::Pending(Box::pin(async move {
        check?;
        let body = if is_bound { body::read(body, &limits).await? } else { Bytes::new() };
        let values = values.iter().map(String::as_str);
        let wire = route.binding.request_as(&route.endpoint.schema, values, &query, &body, &format)?;
        Ok(Bytes::from(wire))
    }))
}

/// The JSON of a reply's message.
fn text(route: &Route, message: &[u8]) -> Result<Vec<u8>, Status> {
    let endpoint = &route.endpoint;
    let mut text = Vec::new();
    match route.binding.answer(&endpoint.schema, message, &endpoint.options.write, &mut text) {
        Ok(()) => Ok(text),
        Err(error) => {
            tracing::warn!(method = endpoint.full_name, %error, "a backend's message cannot be written as JSON");
            Err(error.into())
        }
    }
}
