//! REST: a JSON request by a route of `google.api.http`, and the JSON answer.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts as Head;
use http::{HeaderValue, Response};
use http_body_util::Full;
use tokio::time::Instant;

use super::error::Form;
use super::{Answer, body, deadline, error, metadata};
use crate::call::{Body, Call, Dialect, Origin, Reply};
use crate::codec::binding;
use crate::snapshot::{EndpointOptions, Limits, Route};
use crate::status::{Code, Status};

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
    B::Error: std::fmt::Display,
{
    let options = &route.endpoint.options;
    let form = if options.problem_details { Form::Problem } else { parts.form };
    let request_id = request_id(parts.head).to_owned();
    let result = match call(&route, parts, body, limits) {
        Ok(call) => success(&route, route.endpoint.service.call(call).await),
        Err(status) => Err(Reply::from(status)),
    };
    result.unwrap_or_else(|reply| failure(&route, reply, form, &request_id))
}

fn request_id(head: &Head) -> &str {
    head.headers.get("x-request-id").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The call. Its message is read and decoded only when a layer asks for it.
fn call<B>(route: &Arc<Route>, parts: Parts<'_>, body: B, limits: &Limits) -> Result<Call, Status>
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let Parts { head, values, peer, .. } = parts;
    let endpoint = &route.endpoint;
    if endpoint.method.client_streaming || endpoint.method.server_streaming {
        let text =
            format!("{} is a streaming method, which this version does not serve.", endpoint.full_name);
        return Err(Status::caller(Code::Unimplemented, text));
    }
    let options = &endpoint.options;
    let timeout = [deadline::timeout(&head.headers)?, options.timeout].into_iter().flatten().min();
    let metadata = metadata::of_request(&head.headers, &options.request_metadata)?;
    let origin = Origin { dialect: Dialect::Rest, route: Arc::clone(&route.template), peer };
    Ok(Call {
        method: Arc::clone(&endpoint.method),
        origin,
        metadata,
        deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        body: request(Arc::clone(route), head, values, body, limits.clone()),
    })
}

fn request<B>(route: Arc<Route>, head: &Head, values: Vec<String>, body: B, limits: Limits) -> Body
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::fmt::Display,
{
    let query = head.uri.query().unwrap_or_default().to_owned();
    // A body that the rule does not bind is neither read nor looked at.
    let is_bound = *route.binding.body() != binding::Body::None && !body.is_end_stream();
    let check = if is_bound { body::check_headers(&head.headers, &limits) } else { Ok(()) };
    Body::Pending(Box::pin(async move {
        check?;
        let body = if is_bound { body::read(body, &limits).await? } else { Bytes::new() };
        let values = values.iter().map(String::as_str);
        let wire = route.binding.request(&route.endpoint.schema, values, &query, &body)?;
        Ok(Bytes::from(wire))
    }))
}

/// The answer for a reply with status OK; the reply of any other one, or of one that cannot be written.
fn success(route: &Route, reply: Reply) -> Result<Answer, Reply> {
    if !reply.status.is_ok() {
        return Err(reply);
    }
    let endpoint = &route.endpoint;
    let mut text = Vec::new();
    if let Err(error) =
        route.binding.answer(&endpoint.schema, &reply.message, &endpoint.options.write, &mut text)
    {
        tracing::warn!(method = endpoint.full_name, %error, "a backend's message cannot be written as JSON");
        return Err(Reply { status: error.into(), ..reply });
    }
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    add_metadata(&mut answer, reply, &endpoint.options);
    Ok(answer)
}

fn failure(route: &Route, mut reply: Reply, form: Form, request_id: &str) -> Answer {
    let endpoint = &route.endpoint;
    let status = std::mem::replace(&mut reply.status, Status::ok());
    let status = error::for_caller(status, &endpoint.options, request_id);
    let mut answer = error::answer(&endpoint.schema, &status, form);
    add_metadata(&mut answer, reply, &endpoint.options);
    answer
}

fn add_metadata(answer: &mut Answer, reply: Reply, options: &EndpointOptions) {
    metadata::to_answer(reply.metadata, reply.trailers, &options.response_metadata, answer.headers_mut());
}
