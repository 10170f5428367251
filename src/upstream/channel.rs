//! Calls to an upstream with one or several targets.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use crate::call::deadline::before;
use crate::call::service::{BoxFuture, CallService};
use crate::call::{self, Body, Call, Encodings, Messages, Reply};
use crate::status::{Code, Status};
use crate::telemetry::trace::context::LENGTH;
use crate::telemetry::trace::span::Traced;

use super::exchange::Exchange;
use super::fault::{Again, Failure, Told, late, unopened, unreachable};
use super::frames::Terms;
use super::http2::handle::{Stream, Turn};
use super::http2::hpack::Request;
use super::http2::piece::Piece;
use super::http2::reason::Error;
use super::meters::Attempt;
use super::pool::{Lease, Pool};
use super::report::Report;
use super::request::{
    ACCEPT_ENCODING, CONSTANT, ENCODING, TIMEOUT, TRACEPARENT, Timeout, crosses, crosses_without_parent,
    framed,
};
use super::target::Target;
use super::upload::Upload;
use super::watch::Watch;
use super::{core, stream};

/// How often one call is sent at most, all reasons taken together.
const TRIES: usize = 3;

/// What bounds the calls of a [`Channel`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a backend may take for one call, counted from when the request is complete. A call's
    /// own deadline may be earlier, never later. It does not bound streaming answers. Default 15 s.
    pub timeout: Duration,
    /// How long connecting to one target may take, all its addresses and the name lookup together.
    /// Default 1 s.
    pub connect_timeout: Duration,
    /// The largest message in either direction, in bytes. Default 4 MiB.
    pub max_message: usize,
    /// How long a stream may go without a message in either direction. Default 15 min.
    pub idle: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(1),
            max_message: 4 * 1024 * 1024,
            idle: Duration::from_secs(15 * 60),
        }
    }
}

/// An upstream: carries calls to its targets in turn.
///
/// One channel serves all cores; it is cheap to clone. Each core opens one connection per target when
/// calls first need it (see [`core::enter`]) and replaces it when it ends. A target that cannot be
/// reached is left out for 20 ms to 1 s; when none can, calls fail at once with UNAVAILABLE. A call
/// is sent again, at most twice and within its deadline, only when the backend cannot have acted on it:
/// it was not sent, the stream was refused (once), or it lies above the last stream of a GOAWAY. A
/// method that is declared idempotent is also sent again when the connection broke before an answer.
///
/// Messages of statuses made here are for callers and name no address; those are in the log.
///
/// Dropping the future cancels the call at the backend. Backends take a flood of cancellations for an
/// attack, so beyond 20 at once and 5 a second on one connection they wait their turn, while the
/// answers are read and thrown away.
///
/// The reply of a method with server streaming comes with the backend's initial metadata; from there on it
/// is not sent again. What the caller does not pull stays with the backend, on its stream alone. Messages
/// of the caller are pulled one after the other as the backend takes them, on a task of their own.
///
/// The futures and streams run on tokio with time and I/O.
#[derive(Clone)]
pub struct Channel {
    shared: Arc<Shared>,
}

struct Shared {
    pool: Arc<Pool>,
    settings: Settings,
}

impl Channel {
    /// A channel to `targets` for an application with `cores` runtimes. Nothing is connected yet.
    /// `name` stands in the log.
    pub fn new(name: impl Into<Arc<str>>, targets: Vec<Target>, settings: Settings, cores: usize) -> Self {
        let pool = Arc::new(Pool::new(name.into(), targets, settings.connect_timeout, cores));
        Self { shared: Arc::new(Shared { pool, settings }) }
    }

    /// What its connections are doing now.
    pub fn report(&self) -> Report {
        self.shared.pool.report()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.shared.pool.name()).finish_non_exhaustive()
    }
}

impl CallService for Channel {
    fn call(&self, call: Call) -> BoxFuture<Reply> {
        let shared = Arc::clone(&self.shared);
        let Call { method, metadata, deadline, encodings, trace, body, .. } = call;
        let (started, input) = (Instant::now(), Input::Stream(None));
        let (parent, attempt) = (None, None);
        let mut work = Try { method, metadata, encodings, input, started, deadline, trace, parent, attempt };
        // A block, as the future of a function keeps what it is given twice, and this one is moved.
        Box::pin(async move { shared.answer(&mut work, body).await.unwrap_or_else(Reply::from) })
    }
}

/// The parts of a call that each try needs.
struct Try {
    method: Arc<call::Method>,
    metadata: HeaderMap,
    encodings: Encodings,
    input: Input,
    started: Instant,
    deadline: Option<Instant>,
    trace: Option<Traced>,
    /// The value of `traceparent`, if it is not among the metadata as it came.
    parent: Option<[u8; LENGTH]>,
    /// The try that goes on.
    attempt: Option<Attempt>,
}

/// What a try sends.
enum Input {
    Message(Piece),
    /// Absent before there are any, and once a try has begun to pull them: they cannot be sent again.
    Stream(Option<Messages>),
}

impl Try {
    fn begin(&mut self, started: Instant, upstream: &str) {
        let trace = self.trace.as_ref().and_then(Traced::sampled);
        self.attempt = Some(Attempt::begin(started, trace, &self.method, upstream));
    }

    /// Notes where the try goes, and tells the backend the place in the trace.
    fn sent_to(&mut self, target: &Target) {
        let context = match (&self.trace, &mut self.attempt) {
            (Some(Traced::Sampled(_)), Some(attempt)) => attempt.sent_to(target),
            (Some(Traced::Unsampled(context)), _) => Some(*context),
            _ => None,
        };
        self.parent = context.map(|context| context.text());
    }

    fn end(&mut self, code: Code) {
        if let Some(attempt) = self.attempt.take() {
            attempt.end(&self.method, code);
        }
    }

    /// A reply ends the try, at once or with its stream.
    fn replied(&mut self, reply: &mut Reply) {
        if reply.stream.is_none() {
            self.end(reply.status.code());
        } else if let Some((stream, attempt)) = reply.stream.take().zip(self.attempt.take()) {
            reply.stream = Some(attempt.follow(Arc::clone(&self.method), stream));
        }
    }

    /// What is left of the deadline. A call without any is not sent.
    fn timeout(&self) -> Result<Option<Duration>, Status> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            Err(late(self.started, self.deadline))
        } else {
            Ok(left)
        }
    }

    /// Whether there is something that another try could send.
    const fn is_whole(&self) -> bool {
        !matches!(self.input, Input::Stream(None))
    }
}

impl Drop for Try {
    /// A try that nobody waits for any more: its time is over, or its caller left.
    fn drop(&mut self) {
        if self.attempt.is_some() {
            let is_late = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
            self.end(if is_late { Code::DeadlineExceeded } else { Code::Cancelled });
        }
    }
}

impl Shared {
    async fn answer(&self, work: &mut Try, body: Body) -> Result<Reply, Status> {
        if let Body::Refused(status) = body {
            return Err(*status);
        }
        work.input = if work.method.client_streaming {
            Input::Stream(Some(body.messages()))
        } else {
            let message = before(work.deadline, pin!(body.message())).await;
            let message = message.unwrap_or_else(|| Err(late(work.started, work.deadline)))?;
            Input::Message(framed(message, self.settings.max_message)?)
        };
        if !work.method.is_streaming() {
            work.started = Instant::now();
            let latest = work.started.checked_add(self.settings.timeout);
            work.deadline = work.deadline.into_iter().chain(latest).min();
        }
        let (started, deadline) = (work.started, work.deadline);
        match before(deadline, pin!(self.send(work))).await {
            Some(outcome) => outcome,
            None => Err(late(started, deadline)),
        }
    }

    async fn send(&self, work: &mut Try) -> Result<Reply, Status> {
        let slot = core::slot(self.pool.cores());
        let mut refused = None;
        let mut tries = 1;
        work.begin(work.started, self.pool.name());
        loop {
            let lease = match self.pool.acquire(slot, refused) {
                Some(lease) => Some(lease),
                // What seldom happens is kept apart, so that the future of a call is small.
                None => Box::pin(Arc::clone(&self.pool).wait(slot, refused)).await,
            };
            let Some(lease) = lease else {
                work.end(Code::Unavailable);
                return Err(unreachable());
            };
            let target = lease.target;
            work.sent_to(self.pool.target(target));
            let failure = match self.exchange(slot, lease, work).await {
                Ok(mut reply) => {
                    work.replied(&mut reply);
                    return Ok(reply);
                }
                Err(failure) => failure,
            };
            work.end(failure.status.code());
            let again = match failure.again {
                Again::No => false,
                Again::Refused => refused.replace(target).is_none(),
                Again::Unsent => true,
                Again::Lost => work.method.idempotent,
            };
            let told = self.told(target, work);
            if !again || tries == TRIES || !work.is_whole() {
                told.warn(&failure, tries);
                return Err(failure.status);
            }
            told.again(&failure, tries);
            tries += 1;
            work.begin(Instant::now(), self.pool.name());
        }
    }

    fn told(&self, target: usize, work: &Try) -> Told {
        Told { pool: Arc::clone(&self.pool), target, method: Arc::clone(&work.method) }
    }

    /// One try on one connection.
    async fn exchange(&self, slot: usize, lease: Lease, work: &mut Try) -> Result<Reply, Failure> {
        let target = lease.target;
        let mut exchange = self.open(slot, lease, work).await?;
        let terms = Terms { limit: self.settings.max_message, compressed: work.encodings.accepted.is_some() };
        if work.method.server_streaming {
            Box::pin(stream::open(exchange, terms, self.told(target, work))).await
        } else {
            exchange.run(terms).await
        }
    }

    /// Opens a stream and begins to send.
    async fn open(&self, slot: usize, lease: Lease, work: &mut Try) -> Result<Exchange, Failure> {
        let sender = &lease.connection.sender;
        let turn = match sender.try_turn() {
            Ok(Some(turn)) => Ok(turn),
            Ok(None) => Box::pin(sender.turn()).await,
            Err(error) => Err(error),
        };
        let turn = turn.map_err(|error| self.unopened(slot, &lease, error))?;
        let stream = self.begin(turn, &lease, work)?.map_err(|error| self.unopened(slot, &lease, error))?;
        let watch = work.method.is_streaming().then(|| Box::new(self.watch(work)));
        let upload = match &mut work.input {
            Input::Message(_) => None,
            Input::Stream(messages) => {
                // Only the first try gets here with them.
                let messages = messages.take().unwrap_or_else(|| Box::pin(futures_util::stream::empty()));
                let activity = watch.as_ref().map(|watch| watch.activity()).unwrap_or_default();
                Some(Upload::start(stream.sink(), messages, self.settings.max_message, activity))
            }
        };
        Ok(Exchange::new(lease, stream, upload, work.deadline, watch))
    }

    fn unopened(&self, slot: usize, lease: &Lease, error: Error) -> Failure {
        if !matches!(error, Error::HeadersTooLarge { .. }) {
            self.pool.retire(slot, lease);
        }
        unopened(error)
    }

    /// Sends the headers, and the message if there is one.
    fn begin(&self, turn: Turn, lease: &Lease, work: &Try) -> Result<Result<Stream, Error>, Status> {
        let timeout = work.timeout()?.map(Timeout::new);
        let request = Request {
            secure: self.pool.target(lease.target).tls().is_some(),
            authority: self.pool.target(lease.target).authority(),
            path: work.method.path.as_str(),
            constant: CONSTANT,
            varying: [
                timeout.as_ref().map(|timeout| (TIMEOUT, timeout.as_bytes())),
                work.encodings.request.as_ref().map(|encoding| (ENCODING, encoding.as_bytes())),
                work.encodings.accepted.as_ref().map(|accepted| (ACCEPT_ENCODING, accepted.as_bytes())),
                work.parent.as_ref().map(|parent| (TRACEPARENT, &parent[..])),
            ],
            metadata: &work.metadata,
            keep: if work.parent.is_some() { crosses_without_parent } else { crosses },
        };
        let message = match &work.input {
            Input::Message(piece) => Some(piece.clone()),
            Input::Stream(_) => None,
        };
        Ok(turn.open(&request, message))
    }

    fn watch(&self, work: &Try) -> Watch {
        let answer_within = (!work.method.server_streaming).then_some(self.settings.timeout);
        Watch::new(work.started, work.deadline, self.settings.idle, answer_within)
    }
}
