//! What the dialects share that call a method by its own path, `/package.Service/Method`.

use std::sync::Arc;

use super::head::Head;
use super::{Caller, metadata, shown};
use crate::call::{Body, Call, Dialect, Encodings};
use crate::snapshot::Route;
use crate::snapshot::surface::Surface;
use crate::status::{Code, Status};

/// The method of a path, if it is served in the dialect.
pub(super) fn find<'s>(surface: &'s Surface, path: &str, dialect: Dialect) -> Result<&'s Arc<Route>, Status> {
    let route = path.strip_prefix('/').and_then(|name| surface.methods.get(name));
    route.filter(|route| route.endpoint.speaks(dialect)).ok_or_else(|| {
        let text = format!("There is no method {} for {dialect}.", shown(path));
        Status::caller(Code::Unimplemented, text).with_http(404)
    })
}

/// A call of the method, whose headers are metadata too. What is wrong with them, or was found wrong with the request
/// before (`body` is an error then), is told to who asks for the message.
pub(super) fn call(
    route: &Route,
    dialect: Dialect,
    head: &Head,
    encodings: Encodings,
    caller: Caller,
    body: Result<Body, Status>,
) -> Call {
    let metadata = metadata::custom(&head.headers, dialect != Dialect::Grpc);
    let request =
        |check: Result<(), Status>| check.and(body).unwrap_or_else(|status| Body::Refused(Box::new(status)));
    Call { encodings, ..caller.call(route, dialect, head, metadata, request) }
}
