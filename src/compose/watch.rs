//! What is seen of the parts of a call from outside: their durations, their spans, and what the access log tells.

use std::sync::Arc;

use tokio::time::Instant;

use super::plan::Shared;
use crate::call::Call;
use crate::call::parts::Parts;
use crate::status::Code;
use crate::telemetry::metrics::Time;
use crate::telemetry::trace::span::{Kind, Open, Trace, Traced};

/// The parts of a call that are observed. Where it is dropped, those that are under way are cancelled.
pub(super) struct Watch {
    shared: Arc<Shared>,
    parts: Option<Arc<Parts>>,
    trace: Option<Traced>,
    /// The parts that are under way.
    open: Vec<Option<Begun>>,
}

struct Begun {
    at: Instant,
    /// Only in a trace that is sampled.
    span: Option<Open>,
}

impl Watch {
    pub(super) fn new(shared: Arc<Shared>, call: &Call) -> Self {
        let open = shared.parts.iter().map(|_| None).collect();
        Self { shared, parts: call.origin.parts.clone(), trace: call.trace.clone(), open }
    }

    /// A part begins: what it calls is within its span.
    pub(super) fn begin(&mut self, part: usize) {
        let span = self.trace.as_ref().and_then(Traced::sampled).map(|trace| self.span(trace, part));
        self.open[part] = Some(Begun { at: Instant::now(), span });
        if let Some(parts) = &self.parts {
            parts.begin(part);
        }
    }

    fn span(&self, trace: &Trace, part: usize) -> Open {
        let part = &self.shared.parts[part];
        let mut open = trace.begin(format!("part {}", part.name), Kind::Internal);
        let span = open.span();
        span.set("transom.part", part.name.to_string());
        span.set("rpc.system.name", "grpc");
        span.set("rpc.method", part.method.path.as_str().trim_start_matches('/').to_owned());
        open
    }

    /// The trace that the calls of a part belong to.
    pub(super) fn trace_of(&self, part: usize) -> Option<Traced> {
        let trace = self.trace.as_ref()?;
        let span = self.open[part].as_ref().and_then(|begun| begun.span.as_ref());
        match (trace.sampled(), span) {
            (Some(trace), Some(span)) => Some(Traced::Sampled(Box::new(trace.within(span)))),
            _ => Some(trace.clone()),
        }
    }

    /// A part has ended, with the code of its first failure if it was called for many items.
    pub(super) fn end(&mut self, part: usize, code: Code) {
        let Some(Begun { at, span }) = self.open[part].take() else { return };
        self.shared.parts[part].meter.record(code.number().into(), Time::from(at.elapsed()));
        if let Some(mut open) = span {
            let span = open.span();
            span.set("rpc.response.status_code", code.name());
            span.failed = code != Code::Ok;
            if span.failed {
                span.set("error.type", code.name());
            }
        }
        if let Some(parts) = &self.parts {
            parts.end(part, code);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        for part in 0..self.open.len() {
            self.end(part, Code::Cancelled);
        }
    }
}
