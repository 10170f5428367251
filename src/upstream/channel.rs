//! Unary calls to an upstream with one or several targets.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Version};
use tokio::time::Instant;
use tracing::field::display;

use crate::call::deadline::before;
use crate::call::service::{BoxFuture, CallService};
use crate::call::{self, Call, Reply};
use crate::status::{Code, Status};

use super::core;
use super::exchange::Exchange;
use super::fault::{Again, Failure, unopened, unreachable};
use super::pool::{Lease, Pool};
use super::request::{self, Outgoing, Piece};
use super::target::Target;

/// How often one call is sent at most, all reasons taken together.
const TRIES: usize = 3;
/// A backend whose own timer for the deadline fires first resets the call up to this much earlier.
const CLOCK_SLACK: Duration = Duration::from_millis(5);

/// What bounds the calls of a [`Channel`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How long a backend may take for one call, counted from when the request is complete. A call's
    /// own deadline may be earlier, never later. Default 15 s.
    pub timeout: Duration,
    /// How long connecting to one target may take, all its addresses and the name lookup together.
    /// Default 1 s.
    pub connect_timeout: Duration,
    /// The largest message in either direction, in bytes. Default 4 MiB.
    pub max_message: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(1),
            max_message: 4 * 1024 * 1024,
        }
    }
}

/// An upstream: carries unary calls to its targets in turn.
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
/// Streaming methods are refused with UNIMPLEMENTED. The futures run on tokio with time and I/O.
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
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.shared.pool.name()).finish_non_exhaustive()
    }
}

impl CallService for Channel {
    fn call(&self, call: Call) -> BoxFuture<Reply> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move { shared.answer(call).await.unwrap_or_else(Reply::from) })
    }
}

/// The parts of a call that each try needs.
struct Try<'a> {
    method: &'a call::Method,
    metadata: &'a HeaderMap,
    message: &'a Bytes,
    length: u32,
    started: Instant,
    deadline: Option<Instant>,
}

impl Try<'_> {
    /// What is left of the deadline. A call without any is not sent.
    fn timeout(&self) -> Result<Option<Duration>, Status> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            Err(late(self.started, self.deadline))
        } else {
            Ok(left)
        }
    }
}

impl Shared {
    async fn answer(&self, call: Call) -> Result<Reply, Status> {
        let Call { method, metadata, deadline, body, .. } = call;
        if method.is_streaming() {
            let text =
                "This method streams; only methods with one request and one answer can be called here.";
            return Err(Status::gateway(Code::Unimplemented, text));
        }
        let started = Instant::now();
        let message =
            before(deadline, body.message()).await.unwrap_or_else(|| Err(late(started, deadline)))?;
        let length = self.measure(&message)?;

        let started = Instant::now();
        let limit = started.checked_add(self.settings.timeout);
        let deadline = deadline.into_iter().chain(limit).min();
        let work = Try { method: &method, metadata: &metadata, message: &message, length, started, deadline };
        match before(deadline, self.send(&work)).await {
            Some(outcome) => outcome,
            None => Err(late(started, deadline)),
        }
    }

    /// The length for the frame of a request.
    fn measure(&self, message: &Bytes) -> Result<u32, Status> {
        let limit = self.settings.max_message;
        match u32::try_from(message.len()) {
            Ok(length) if message.len() <= limit => Ok(length),
            _ => {
                let size = message.len();
                let text = format!(
                    "The request of {size} bytes is larger than the limit of {limit} bytes; send less at once."
                );
                Err(Status::caller(Code::ResourceExhausted, text).with_http(413))
            }
        }
    }

    async fn send(&self, work: &Try<'_>) -> Result<Reply, Status> {
        let slot = core::slot(self.pool.cores());
        let mut refused = None;
        let mut tries = 1;
        loop {
            let lease = self.pool.acquire(slot, refused).await.ok_or_else(unreachable)?;
            let failure = match self.exchange(slot, &lease, work).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            let again = match failure.again {
                Again::No => false,
                Again::Refused => refused.replace(lease.target).is_none(),
                Again::Unsent => true,
                Again::Lost => work.method.idempotent,
            };
            let (upstream, target) = (self.pool.name(), self.pool.target(lease.target));
            let (method, cause) = (work.method.path.as_str(), failure.cause.as_ref().map(display));
            let status = failure.status;
            if !again || tries == TRIES {
                tracing::warn!(upstream, %target, method, tries, %status, cause, "a backend failed a call");
                return Err(status);
            }
            tracing::debug!(upstream, %target, method, tries, %status, cause, "a call is sent again");
            tries += 1;
        }
    }

    /// One try on one connection.
    async fn exchange(&self, slot: usize, lease: &Lease, work: &Try<'_>) -> Result<Reply, Failure> {
        let mut sender = lease.sender.lock().await;
        let ready = poll_fn(|cx| sender.poll_ready(cx)).await;
        let request = self.request(lease, work)?;
        let opened = ready.and_then(|()| sender.send_request(request, false));
        let (head, stream) = opened.map_err(|error| {
            self.pool.retire(slot, lease);
            unopened(error)
        })?;
        let outgoing = Outgoing::new(stream, Piece::message(work.length, work.message.clone()));
        let exchange = Exchange::new(lease, outgoing, head, work.deadline);
        // An error here is seen again by whoever reads the answer.
        let _ = poll_fn(|cx| sender.poll_ready(cx)).await;
        drop(sender);
        let outcome = exchange.run(self.settings.max_message).await;
        outcome.map_err(|failure| at_deadline(failure, work.deadline))
    }

    fn request(&self, lease: &Lease, work: &Try<'_>) -> Result<Request<()>, Status> {
        let timeout = work.timeout()?;
        let uri = self.pool.target(lease.target).uri(&work.method.path).map_err(|error| {
            Status::gateway(Code::Internal, format!("The path of the method is no HTTP path: {error}."))
        })?;
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = request::headers(work.metadata, timeout);
        Ok(request)
    }
}

fn late(started: Instant, deadline: Option<Instant>) -> Status {
    let allowed = deadline.map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(started));
    let millis = allowed.as_nanos().div_ceil(1_000_000);
    let text = format!("The call was not answered within its deadline of {millis} ms.");
    Status::backend(Code::DeadlineExceeded, text)
}

/// A backend cancels a call whose deadline has passed on its side.
fn at_deadline(mut failure: Failure, deadline: Option<Instant>) -> Failure {
    let Some(deadline) = deadline else { return failure };
    if failure.status.code() == Code::Cancelled && Instant::now() + CLOCK_SLACK >= deadline {
        failure.status =
            Status::backend(Code::DeadlineExceeded, "The backend cancelled the call at its deadline.");
    }
    failure
}
