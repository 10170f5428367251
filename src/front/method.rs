//! What the dialects share that call a method by its own path, `/package.Service/Method`.

use std::sync::Arc;

use http::request::Parts as Head;
use tokio::time::Instant;

use super::{Caller, deadline, metadata, shown};
use crate::call::{Body, Call, Dialect, Encodings};
use crate::snapshot::{Route, Snapshot};
use crate::status::{Code, Status};

/// The method of a path, if it is served in the dialect.
pub(super) fn find<'s>(
    snapshot: &'s Snapshot,
    path: &str,
    dialect: Dialect,
) -> Result<&'s Arc<Route>, Status> {
    let route = path.strip_prefix('/').and_then(|name| snapshot.methods.get(name));
    route.filter(|route| route.endpoint.speaks(dialect)).ok_or_else(|| {
        let text = format!("There is no method {} for {dialect}.", shown(path));
        Status::caller(Code::Unimplemented, text).with_http(404)
    })
}

/// A call of the method, whose headers are metadata too. What is wrong with them, or was found wrong with the request
/// before (`body` is an error then), is told to who asks for the message: whether the caller may call at all is decided
/// before.
pub(super) fn call(
    route: &Route,
    dialect: Dialect,
    head: &Head,
    encodings: Encodings,
    caller: Caller,
    body: Result<Body, Status>,
) -> Call {
    let endpoint = &route.endpoint;
    // What a layer in front of this one has found wrong.
    let mut check = head.extensions.get::<Status>().cloned().map_or(Ok(()), Err);
    let timeout = or_refusal(deadline::timeout(&head.headers), &mut check);
    let timeout = timeout.into_iter().chain(endpoint.options.timeout).min();
    let metadata = or_refusal(metadata::custom(&head.headers, dialect != Dialect::Grpc), &mut check);
    let body = check.and(body);
    Call {
        method: Arc::clone(&endpoint.method),
        trace: caller.trace.clone(),
        origin: caller.origin(route, dialect, head),
        metadata,
        deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        encodings,
        body: body.unwrap_or_else(|status| Body::refused(status, endpoint.method.client_streaming)),
    }
}

/// The value, or its default and the reason for which the request will be refused; the first one stays.
pub(super) fn or_refusal<T: Default>(result: Result<T, Status>, check: &mut Result<(), Status>) -> T {
    result.unwrap_or_else(|status| {
        if check.is_ok() {
            *check = Err(status);
        }
        T::default()
    })
}
