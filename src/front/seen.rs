//! What the front learns of a request, for whoever observes it.

use std::net::SocketAddr;
use std::sync::Arc;

use super::caller::Caller;
use super::meters::STREAMS;
use crate::call::Dialect;
use crate::call::identity::Noted;
use crate::call::parts::Parts;
use crate::snapshot::fixed::Fixed;
use crate::snapshot::meters::RouteMeter;
use crate::snapshot::{Cors, Route};
use crate::telemetry::metrics::Held;
use crate::telemetry::trace::span::Traced;

/// A record of one request. Whoever observes it makes it, lends it to the front, and keeps it to the end of the answer,
/// also where that never comes.
#[derive(Debug, Default)]
pub struct Seen {
    /// The route, once it was found, and the dialect that the caller speaks on it.
    pub route: Option<(Arc<Route>, Dialect)>,
    /// What was answered in place of a call, if that was found.
    pub fixed: Option<Arc<Fixed>>,
    /// The trace that the request belongs to, for the call. The observer sets it.
    pub trace: Option<Traced>,
    /// The address of the caller, as far as proxies that are trusted tell it.
    pub peer: Option<SocketAddr>,
    /// Where policy notes who calls, if the route has one, and which upstream is chosen where there are several.
    pub noted: Option<Arc<Noted>>,
    /// Whether anybody wants to know what becomes of the parts of a call.
    tells_parts: bool,
    /// Where that is noted, if anybody does and the route has parts.
    pub parts: Option<Arc<Parts>>,
    stream: Option<Held<1>>,
}

impl Seen {
    /// A record in which nothing is known yet, with what becomes of the parts of a call if that is wanted.
    pub fn new(tells_parts: bool) -> Self {
        Self { tells_parts, ..Self::default() }
    }

    /// Notes the route, and gives policy a place to note who the caller is, and whoever chooses among upstreams what that
    /// comes to.
    pub(super) fn found(&mut self, route: &Arc<Route>, dialect: Dialect, caller: &mut Caller) -> &Arc<Route> {
        if !route.endpoint.policies.is_empty() || route.endpoint.split.needs_head {
            let noted = self.noted.insert(Arc::default());
            caller.noted = Some(Arc::clone(noted));
        }
        if self.tells_parts && !route.endpoint.parts.is_empty() {
            caller.parts = Some(Arc::clone(self.parts.insert(Arc::default())));
        }
        if route.endpoint.method.is_streaming() {
            self.stream = Some(STREAMS.hold(0));
        }
        &self.route.insert((Arc::clone(route), dialect)).0
    }

    /// Whether its route is known and the caller speaks this dialect on it.
    pub(super) fn speaks(&self, dialect: Dialect) -> bool {
        self.route.as_ref().is_some_and(|(_, spoken)| *spoken == dialect)
    }

    /// What the service says of scripts of other origins, if its route is known.
    pub(super) fn cors(&self) -> Option<&Cors> {
        self.route.as_ref()?.0.endpoint.options.cors.as_deref()
    }

    /// Where the request is counted, if its route is known.
    pub fn meter(&self) -> Option<&RouteMeter> {
        match &self.route {
            Some((route, dialect)) => Some(route.meter(*dialect)),
            None => self.fixed.as_ref().map(|fixed| fixed.meter()),
        }
    }

    /// The path template, if a route is known.
    pub fn template(&self) -> Option<&str> {
        match &self.route {
            Some((route, _)) => Some(&route.template),
            None => self.fixed.as_ref().map(|fixed| &*fixed.template),
        }
    }
}
