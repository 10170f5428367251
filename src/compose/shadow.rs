//! Copies of calls for an upstream whose answers nobody gets.
//!
//! A copy is made of the message that the call itself has read, at the moment when it has it, and is sent by a task of the
//! same runtime. So the call waits for nothing of it, and whatever becomes of it is seen in metrics and in the debug log
//! alone. What copies can take up is bounded: how many there are at a time, the bytes of their messages, their time, and how
//! much is read of answers that are streams.

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use super::split::Part;
use crate::call::deadline::before;
use crate::call::service::CallService;
use crate::call::{self, Body, Call, Encodings, Message, Method, Origin, Reply, metadata};
use crate::status::{Code, Status};
use crate::telemetry::metrics::text::{Kind, line};
use crate::telemetry::metrics::{Count, Family, Series};
use crate::telemetry::random;
use crate::telemetry::trace::span;

/// How many bytes the messages of all copies for an upstream may have together.
const MAX_BYTES: u64 = 64 << 20;
/// How many bytes of an answer that is a stream are read.
const MAX_ANSWER: usize = 16 << 20;

static MARK: HeaderName = HeaderName::from_static(metadata::COPY);

/// Copies of calls, by what became of them.
pub static COPIES: Family<Count> = Family::new(
    "transom_shadow_calls_total",
    "Copies of calls for a shadow upstream, by what became of them.",
    &["upstream", "outcome"],
);

/// Copies that are on their way.
pub static IN_FLIGHT: Family<InFlight> = Family::new(
    "transom_shadow_calls_in_flight",
    "Copies of calls that are with a shadow upstream.",
    &["upstream"],
);

/// What became of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It was answered.
    Ok,
    /// It ended with an error.
    Failed,
    /// It was not answered in time.
    Late,
    /// Its answer was longer than is read of it.
    Cut,
    /// It was not sent, as there were too many.
    Unsent,
}

const OUTCOMES: [&str; 5] = ["ok", "failed", "late", "cut", "unsent"];

/// What is on its way to an upstream. The series is the bound itself, so that copies which go on while the configuration
/// changes are counted by the next one too.
#[derive(Debug, Default)]
pub struct InFlight {
    copies: AtomicU64,
    bytes: AtomicU64,
}

impl InFlight {
    /// Takes a place for a copy; `None` if there are `most` already, or their messages are too large together.
    fn take(self: &Arc<Self>, most: u64, bytes: u64) -> Option<Place> {
        let added =
            |limit: u64, more: u64| move |present: u64| present.checked_add(more).filter(|sum| *sum <= limit);
        self.copies.fetch_update(Relaxed, Relaxed, added(most, 1)).ok()?;
        if self.bytes.fetch_update(Relaxed, Relaxed, added(MAX_BYTES, bytes)).is_err() {
            self.copies.fetch_sub(1, Relaxed);
            return None;
        }
        Some(Place { of: Arc::clone(self), bytes })
    }
}

impl Series for InFlight {
    const KIND: Kind = Kind::Gauge;

    fn render(&self, name: &str, labels: &str, out: &mut String) {
        line(out, name, "", labels, self.copies.load(Relaxed));
    }
}

/// The place of a copy, until it is dropped.
struct Place {
    of: Arc<InFlight>,
    bytes: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.of.bytes.fetch_sub(self.bytes, Relaxed);
        self.of.copies.fetch_sub(1, Relaxed);
    }
}

/// An upstream that gets copies of the calls of a method.
pub struct Shadow {
    upstream: Box<str>,
    /// The method, which counts the calls. It is not idempotent, so that nothing is sent again that may have arrived.
    method: Arc<Method>,
    service: Arc<dyn CallService>,
    terms: Terms,
    in_flight: Arc<InFlight>,
    outcomes: [Arc<Count>; OUTCOMES.len()],
}

/// How many copies there are, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Of which part of the calls.
    pub part: Part,
    /// How many there may be at a time, for all methods of the upstream together.
    pub max_in_flight: u32,
    /// How long one may take.
    pub timeout: Duration,
}

impl Shadow {
    /// A shadow for the calls of `method`, which must not take a stream, at the upstream of this name.
    pub fn new(upstream: &str, method: Method, service: Arc<dyn CallService>, terms: Terms) -> Self {
        Self {
            upstream: upstream.into(),
            method: Arc::new(Method { idempotent: false, ..method }),
            service,
            terms,
            in_flight: IN_FLIGHT.series(&[upstream]),
            outcomes: OUTCOMES.map(|outcome| COPIES.series(&[upstream, outcome])),
        }
    }

    /// The name of the upstream.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// Has a copy made of a call, if chance wills, once its message is there. A call that has none is not copied.
    pub(super) fn follow(self: &Arc<Self>, call: &mut Call) {
        if matches!(call.body, Body::Stream(_) | Body::Refused(_))
            || !self.terms.part.includes(random::next())
        {
            return;
        }
        let copy = Copy {
            shadow: Arc::clone(self),
            call: Call {
                method: Arc::clone(&self.method),
                origin: Origin { noted: None, ..call.origin.clone() },
                metadata: marked(&call.metadata),
                deadline: None,
                encodings: Encodings { request: call.encodings.request.clone(), accepted: None },
                trace: call.trace.clone(),
                body: Body::Message(Message::default()),
            },
        };
        let body = mem::replace(&mut call.body, Body::Message(Message::default()));
        call.body = Body::Pending(Box::pin(async move {
            let message = body.message().await?;
            copy.send(message.clone());
            Ok(message)
        }));
    }

    fn count(&self, outcome: Outcome) {
        self.outcomes[outcome as usize].add(1);
    }
}

impl fmt::Debug for Shadow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shadow").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

/// The metadata of a copy.
fn marked(metadata: &HeaderMap) -> HeaderMap {
    let mut marked = metadata.clone();
    marked.insert(MARK.clone(), HeaderValue::from_static("1"));
    marked
}

/// The copy of a call that has no message yet.
struct Copy {
    shadow: Arc<Shadow>,
    call: Call,
}

impl Copy {
    /// Sends it by a task of its own, unless there are too many.
    fn send(mut self, message: Message) {
        let Shadow { terms, in_flight, .. } = &*self.shadow;
        let Some(place) = in_flight.take(terms.max_in_flight.into(), message.bytes.len() as u64) else {
            return self.shadow.count(Outcome::Unsent);
        };
        // A time that cannot be said never comes.
        self.call.deadline = Instant::now().checked_add(terms.timeout);
        self.call.body = Body::Message(message);
        tokio::spawn(async move {
            self.run().await;
            drop(place);
        });
    }

    async fn run(self) {
        let Self { shadow, call } = self;
        let deadline = call.deadline;
        let mut span = call.trace.as_ref().and_then(|trace| trace.sampled()).map(|trace| {
            let mut open = trace.begin("shadow", span::Kind::Internal);
            open.span().set("transom.upstream", shadow.upstream.to_string());
            open
        });
        let answer = before(deadline, async { read(shadow.service.call(call).await).await }).await;
        let is_late = deadline.is_some_and(|deadline| deadline <= Instant::now());
        let (outcome, status) = match answer {
            None => (Outcome::Late, None),
            Some(Err(TooLong)) => (Outcome::Cut, None),
            Some(Ok(status)) if status.is_ok() => (Outcome::Ok, None),
            // Who carries it keeps the time as well.
            Some(Ok(status)) if status.code() == Code::DeadlineExceeded && is_late => (Outcome::Late, None),
            Some(Ok(status)) => (Outcome::Failed, Some(status)),
        };
        let name = OUTCOMES[outcome as usize];
        if let Some(span) = &mut span {
            span.span().set("transom.shadow.outcome", name);
        }
        if outcome != Outcome::Ok {
            let (upstream, method) = (&*shadow.upstream, shadow.method.path.as_str());
            let code = status.as_ref().map(|status| status.code().name());
            let message = status.as_ref().map(Status::message);
            tracing::debug!(upstream, method, outcome = name, code, message, "the copy of a call has failed");
        }
        shadow.count(outcome);
    }
}

/// An answer is longer than is read of it.
struct TooLong;

/// Reads an answer to its end and keeps nothing of it.
async fn read(reply: Reply) -> Result<Status, TooLong> {
    let Some(mut replies) = reply.stream else { return Ok(reply.status) };
    let mut left = MAX_ANSWER;
    while let Some(part) = replies.next().await {
        match part {
            // An empty one takes time as well.
            call::Part::Message(message) => {
                left = left.checked_sub(message.bytes.len().max(1)).ok_or(TooLong)?;
            }
            call::Part::End(status, _) => return Ok(status),
        }
    }
    Ok(Status::backend(Code::Internal, "A stream ended without a status."))
}
