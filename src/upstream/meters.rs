//! What is measured of calls to backends: each try, from when it is begun to the end of its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::Stream;
use tokio::time::Instant;

use super::decide::outlier::Why;
use super::decide::retry::Cause;
use super::target::{Place, Target};
use crate::call::{Method, Part, Replies};
use crate::status::Code;
use crate::telemetry::metrics::{Count, Family, Gauge, Level};
use crate::telemetry::trace::context::Context as TraceContext;
use crate::telemetry::trace::span::{Kind, Open, Trace};

/// Connections to backends that are open.
pub static CONNECTIONS: Family<Level> =
    Family::new("transom_upstream_connections", "Connections to backends that are open.", &["upstream"]);

/// Calls that were sent again.
pub static RETRIES: Family<Count> = Family::new(
    "transom_upstream_retries_total",
    "Calls that were sent again to a backend, by why.",
    &["upstream", "reason"],
);

/// Calls that were not.
pub static DENIED: Family<Count> = Family::new(
    "transom_upstream_retries_denied_total",
    "Calls that were not sent again because the budget for that was used up.",
    &["upstream"],
);

/// How often a target was left alone.
pub static EJECTIONS: Family<Count> = Family::new(
    "transom_upstream_ejections_total",
    "How often a target was left alone because calls to it failed or took much longer than those to others, by why.",
    &["upstream", "reason"],
);

/// Targets that are left alone.
pub static EJECTED: Family<Level> = Family::new(
    "transom_upstream_targets_ejected",
    "Targets that are left alone because calls to them failed or took much longer than those to others.",
    &["upstream"],
);

/// Targets that are not well.
pub static UNHEALTHY: Family<Level> = Family::new(
    "transom_upstream_targets_unhealthy",
    "Targets that are left out because of what they say of their health.",
    &["upstream"],
);

/// Calls that failed at once.
pub static TRIPPED: Family<Count> = Family::new(
    "transom_upstream_circuit_open_total",
    "Calls that failed at once because there were too many, or too many failed, by the bound that was met.",
    &["upstream", "bound"],
);

/// Targets of now.
pub static TARGETS: Family<Level> =
    Family::new("transom_upstream_targets", "Targets that calls may go to, however they are.", &["upstream"]);

/// Answers of those who say where targets are.
pub static RESOLUTIONS: Family<Count> = Family::new(
    "transom_upstream_resolutions_total",
    "How often name servers were asked or files read for targets, by what came of it.",
    &["upstream", "result"],
);

/// Changes of the lists of targets.
pub static MOVES: Family<Count> = Family::new(
    "transom_upstream_target_changes_total",
    "How often a name server or a file gave other targets than before.",
    &["upstream"],
);

/// What is counted of one source of targets.
pub(super) struct Found {
    pub(super) answered: Arc<Count>,
    pub(super) failed: Arc<Count>,
    pub(super) changes: Arc<Count>,
}

impl Found {
    pub(super) fn new(upstream: &str) -> Self {
        Self {
            answered: RESOLUTIONS.series(&[upstream, "answered"]),
            failed: RESOLUTIONS.series(&[upstream, "failed"]),
            changes: MOVES.series(&[upstream]),
        }
    }
}
/// Calls whose answer came from a target that was asked because the first did not answer soon.
pub static HEDGES_WON: Family<Count> = Family::new(
    "transom_upstream_hedges_won_total",
    "Calls that were answered first by a target that was asked because another one did not answer soon.",
    &["upstream"],
);

/// The limit that was learnt.
pub static LIMIT: Family<Gauge> = Family::new(
    "transom_upstream_adaptive_limit",
    "How many unary calls may be with an upstream at a time, as it was learnt.",
    &["upstream"],
);

/// What counts for it.
pub static LIMITED: Family<Gauge> = Family::new(
    "transom_upstream_adaptive_in_flight",
    "Unary calls that are with an upstream whose limit is learnt.",
    &["upstream"],
);

/// Calls beyond it.
pub static SHED: Family<Count> = Family::new(
    "transom_upstream_adaptive_refused_total",
    "Calls that were refused because an upstream had as many as it takes, by the priority of the call.",
    &["upstream", "priority"],
);

/// Upstreams of which all targets are used.
pub static PANICS: Family<Level> = Family::new(
    "transom_upstream_panics",
    "1 while all targets are used because too few are neither left alone nor unwell.",
    &["upstream"],
);

/// What is counted of one upstream beside its calls.
pub(super) struct Meters {
    pub(super) connections: Arc<Level>,
    pub(super) denied: Arc<Count>,
    ejections: [Arc<Count>; WHYS.len()],
    pub(super) ejected: Arc<Level>,
    pub(super) unhealthy: Arc<Level>,
    pub(super) targets: Arc<Level>,
    /// By the bound of calls in flight, of those that wait, and of those that fail.
    pub(super) tripped: [Arc<Count>; 3],
    pub(super) panics: Arc<Level>,
    pub(super) hedges_won: Arc<Count>,
    retries: [Arc<Count>; REASONS.len()],
}

const WHYS: [&str; 4] = ["in_a_row", "failure_rate", "slow", "again"];

const REASONS: [&str; 6] = ["unsent", "refused", "lost", "answered", "hung", "hedged"];

impl Meters {
    pub(super) fn new(upstream: &str) -> Self {
        Self {
            connections: CONNECTIONS.series(&[upstream]),
            denied: DENIED.series(&[upstream]),
            ejections: WHYS.map(|reason| EJECTIONS.series(&[upstream, reason])),
            ejected: EJECTED.series(&[upstream]),
            unhealthy: UNHEALTHY.series(&[upstream]),
            targets: TARGETS.series(&[upstream]),
            tripped: ["in_flight", "pending", "failure_rate"].map(|bound| TRIPPED.series(&[upstream, bound])),
            hedges_won: HEDGES_WON.series(&[upstream]),
            panics: PANICS.series(&[upstream]),
            retries: REASONS.map(|reason| RETRIES.series(&[upstream, reason])),
        }
    }

    /// A target is left alone.
    pub(super) fn ejected_for(&self, why: Why) {
        let reason = match why {
            Why::InARow => 0,
            Why::Rate => 1,
            Why::Slow => 2,
            Why::Again => 3,
        };
        self.ejections[reason].add(1);
    }

    /// A call is sent again.
    pub(super) fn sent_again(&self, cause: Cause) {
        let reason = match cause {
            Cause::Unsent => 0,
            Cause::Refused => 1,
            Cause::Lost { .. } => 2,
            Cause::Answered(..) => 3,
            Cause::Hung => 4,
        };
        self.retries[reason].add(1);
    }

    /// A call is sent to another target as well.
    pub(super) fn hedged(&self) {
        self.retries[5].add(1);
    }
}

/// A try that goes on. How it ends must be said; see [`Attempt::end`].
pub(super) struct Attempt {
    started: Instant,
    /// Only for calls that are sampled.
    span: Option<Open>,
}

impl Attempt {
    /// `before` says how many tries of the call there were.
    pub(super) fn begin(
        started: Instant,
        trace: Option<&Trace>,
        method: &Method,
        upstream: &str,
        before: u32,
    ) -> Self {
        let span = trace.map(|trace| {
            let name = rpc_method(method).to_owned();
            let mut open = trace.begin(name.clone(), Kind::Client);
            let span = open.span();
            span.set("rpc.system.name", "grpc");
            span.set("rpc.method", name);
            span.set("transom.upstream", upstream.to_owned());
            if before > 0 {
                span.set("transom.resend_count", i64::from(before));
            }
            open
        });
        Self { started, span }
    }

    /// When it was begun.
    pub(super) const fn started(&self) -> Instant {
        self.started
    }

    /// Notes where the try goes, and gives its place in the trace.
    pub(super) fn sent_to(&mut self, target: &Target) -> Option<TraceContext> {
        let open = self.span.as_mut()?;
        let span = open.span();
        match target.place() {
            Place::Tcp { host, port } => {
                span.set("server.address", host.clone());
                span.set("server.port", i64::from(*port));
            }
            Place::Unix(path) => span.set("server.address", path.clone()),
        }
        Some(open.context())
    }

    /// Notes that it goes on beside another one, which did not answer soon.
    pub(super) fn hedges(&mut self) {
        if let Some(open) = &mut self.span {
            open.span().set("transom.hedged", true);
        }
    }

    /// Notes that the upstream has as many calls as it takes.
    pub(super) fn shed(&mut self) {
        if let Some(open) = &mut self.span {
            open.span().set("transom.refused", "adaptive");
        }
    }

    /// The try has ended. Says how long it took.
    pub(super) fn end(self, method: &Method, code: Code) -> Duration {
        let time = self.started.elapsed();
        method.meter.record(code.number().into(), time);
        if let Some(mut open) = self.span {
            let span = open.span();
            span.set("rpc.response.status_code", code.name());
            span.failed = code != Code::Ok;
            if span.failed {
                span.set("error.type", code.name());
            }
        }
        time
    }

    /// Lets the try end with the stream of its answer. One that is dropped before has been cancelled.
    pub(super) fn follow(self, method: Arc<Method>, replies: Replies) -> Replies {
        Box::pin(Followed { replies, attempt: Some(self), method })
    }
}

/// `package.Service/Method`
fn rpc_method(method: &Method) -> &str {
    method.path.path().trim_start_matches('/')
}

struct Followed {
    replies: Replies,
    /// Absent once the try has ended.
    attempt: Option<Attempt>,
    method: Arc<Method>,
}

impl Followed {
    fn end(&mut self, code: Code) {
        if let Some(attempt) = self.attempt.take() {
            let _ = attempt.end(&self.method, code);
        }
    }
}

impl Stream for Followed {
    type Item = Part;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        let part = ready!(self.replies.as_mut().poll_next(cx));
        if let Some(Part::End(status, _)) = &part {
            let code = status.code();
            self.end(code);
        }
        Poll::Ready(part)
    }
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.end(Code::Cancelled);
    }
}
