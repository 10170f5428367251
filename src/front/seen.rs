//! What the front learns of a request, for whoever observes it.

use std::sync::Arc;

use super::meters::STREAMS;
use crate::snapshot::Route;
use crate::telemetry::metrics::Held;
use crate::telemetry::trace::span::Traced;

/// A record of one request. Whoever observes it makes it, lends it to the front, and keeps it to the end of the answer,
/// also where that never comes.
#[derive(Debug, Default)]
pub struct Seen {
    /// The route, once it was found.
    pub route: Option<Arc<Route>>,
    /// The trace that the request belongs to, for the call. The observer sets it.
    pub trace: Option<Traced>,
    stream: Option<Held<1>>,
}

impl Seen {
    /// Notes the route.
    pub(super) fn found(&mut self, route: Arc<Route>) -> (&Arc<Route>, Option<&Traced>) {
        if route.endpoint.method.is_streaming() {
            self.stream = Some(STREAMS.hold(0));
        }
        (self.route.insert(route), self.trace.as_ref())
    }
}
