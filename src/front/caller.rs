//! Who sends a request, and the call that is made for it.

use std::net::SocketAddr;
use std::sync::Arc;

use http::HeaderMap;
use tokio::time::Instant;

use super::deadline;
use super::head::Head;
use super::version::Gone;
use crate::call::credential::Credential;
use crate::call::identity::Noted;
use crate::call::parts::Parts;
use crate::call::{Body, Call, Dialect, Encodings, Origin};
use crate::snapshot::Route;
use crate::status::Status;
use crate::telemetry::trace::span::Traced;
use crate::tls::session::Session;

/// Who sends a request.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The address, if the transport has one.
    pub(super) peer: Option<SocketAddr>,
    /// What TLS told, if the connection has it.
    pub(super) tls: Option<Arc<Session>>,
    /// What the caller offers beside its headers to show who it is.
    pub(super) credentials: Vec<Credential>,
    /// The trace that the request belongs to.
    pub(super) trace: Option<Traced>,
    /// Where policy notes who it is, once a route was found that has one.
    pub(super) noted: Option<Arc<Noted>>,
    /// What it is told if the version has ended that it asks for.
    pub(super) gone: Option<Box<Gone>>,
    /// Where it is noted what becomes of the parts of what it calls, once a route was found that has parts.
    pub(super) parts: Option<Arc<Parts>>,
}

impl Caller {
    /// A call of the route's method, with what goes upstream of the headers. `request` makes its body: the first thing
    /// that is wrong with the head, or that a layer in front of this one has found wrong, is what whoever asks for the
    /// message is to be told, as whether the caller may call at all is decided before.
    pub(super) fn call(
        self,
        route: &Route,
        dialect: Dialect,
        head: &Head,
        metadata: Result<HeaderMap, Status>,
        request: impl FnOnce(Result<(), Status>) -> Body,
    ) -> Call {
        let endpoint = &route.endpoint;
        let gone = self.gone.as_ref().and_then(|gone| gone.of(endpoint));
        let mut check = gone.or_else(|| head.extensions.get::<Status>()).cloned().map_or(Ok(()), Err);
        let timeout = or_refusal(deadline::timeout(&head.headers), &mut check);
        let timeout = timeout.into_iter().chain(endpoint.options.timeout).min();
        let metadata = or_refusal(metadata, &mut check);
        Call {
            method: Arc::clone(&endpoint.method),
            metadata,
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            encodings: Encodings::default(),
            trace: self.trace.clone(),
            body: request(check),
            origin: self.origin(route, dialect, head),
        }
    }

    fn origin(self, route: &Route, dialect: Dialect, head: &Head) -> Origin {
        let needs_uri = route.endpoint.split.needs_head;
        let needs_headers =
            needs_uri || !route.endpoint.policies.is_empty() || route.endpoint.options.keep_headers;
        Origin {
            peer: self.peer,
            tls: self.tls,
            credentials: self.credentials,
            headers: needs_headers.then(|| Arc::clone(&head.headers)),
            uri: needs_uri.then(|| Arc::new(head.uri.clone())),
            noted: self.noted,
            parts: self.parts,
            proven: Vec::new(),
            ..Origin::new(dialect, Arc::clone(&route.template))
        }
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
