//! What is measured of calls to backends: each try, from when it is begun to the end of its answer.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::Stream;
use tokio::time::Instant;

use super::target::{Place, Target};
use crate::call::{Method, Part, Replies};
use crate::status::Code;
use crate::telemetry::metrics::{Family, Level};
use crate::telemetry::trace::context::Context as TraceContext;
use crate::telemetry::trace::span::{Kind, Open, Trace};

/// Connections to backends that are open.
pub static CONNECTIONS: Family<Level> =
    Family::new("transom_upstream_connections", "Connections to backends that are open.", &["upstream"]);

/// A try that goes on. How it ends must be said; see [`Attempt::end`].
pub(super) struct Attempt {
    started: Instant,
    /// Only for calls that are sampled.
    span: Option<Open>,
}

impl Attempt {
    pub(super) fn begin(started: Instant, trace: Option<&Trace>, method: &Method, upstream: &str) -> Self {
        let span = trace.map(|trace| {
            let name = rpc_method(method).to_owned();
            let mut open = trace.begin(name.clone(), Kind::Client);
            let span = open.span();
            span.set("rpc.system.name", "grpc");
            span.set("rpc.method", name);
            span.set("transom.upstream", upstream.to_owned());
            open
        });
        Self { started, span }
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

    /// The try has ended.
    pub(super) fn end(self, method: &Method, code: Code) {
        method.meter.record(code.number().into(), self.started.elapsed());
        if let Some(mut open) = self.span {
            let span = open.span();
            span.set("rpc.response.status_code", code.name());
            span.failed = code != Code::Ok;
            if span.failed {
                span.set("error.type", code.name());
            }
        }
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
            attempt.end(&self.method, code);
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
