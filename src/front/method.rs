//! What the dialects share that call a method by its own path, `/package.Service/Method`.

use std::future;
use std::sync::Arc;

use futures_util::stream;
use http::request::Parts as Head;
use tokio::time::Instant;

use super::{Caller, deadline, metadata, shown};
use crate::call::{Body, Call, Dialect, Encodings, Origin};
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

/// A call of the method, whose headers are metadata too.
///
/// # Errors
/// What is wrong with the headers. What a layer in front of this one has found wrong is what its message turns out to be,
/// so that whoever may not call at all learns that first.
pub(super) fn call(
    route: &Route,
    dialect: Dialect,
    head: &Head,
    encodings: Encodings,
    caller: Caller,
    body: Body,
) -> Result<Call, Status> {
    let body = match head.extensions.get::<Status>() {
        None => body,
        Some(found) => refused(found.clone(), route),
    };
    let (endpoint, headers) = (&route.endpoint, &head.headers);
    let timeout = deadline::timeout(headers)?.into_iter().chain(endpoint.options.timeout).min();
    Ok(Call {
        method: Arc::clone(&endpoint.method),
        origin: Origin {
            dialect,
            route: Arc::clone(&route.template),
            peer: caller.peer,
            tls: caller.tls,
            credential: None,
        },
        metadata: metadata::custom(headers, dialect != Dialect::Grpc)?,
        deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        encodings,
        trace: caller.trace,
        body,
    })
}

/// The body of a request that cannot be served.
fn refused(status: Status, route: &Route) -> Body {
    let refusal = future::ready(Err(status));
    if route.endpoint.method.client_streaming {
        Body::Stream(Box::pin(stream::once(refusal)))
    } else {
        Body::Pending(Box::pin(refusal))
    }
}
