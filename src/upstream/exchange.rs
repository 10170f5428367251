//! One request and its answer on one stream, and what becomes of it when the caller goes away.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::call::Reply;
use crate::status::{Code, Status};

use super::fault::{Again, Failure, stream_error};
use super::frames::Terms;
use super::group::Member;
use super::http2::engine::Event;
use super::http2::handle::Stream;
use super::links::Lease;
use super::response::{Reading, no_status};
use super::upload::Upload;
use super::watch::Watch;

/// How many calls of one connection may be cancelled at once, and how long each takes to be regained.
///
/// Servers defend themselves against floods of RST_STREAM: those on `h2` end the connection at 20
/// streams that were reset before they were looked at, those on Netty at 200 resets in 30 seconds.
const BURST: u32 = 20;
const INTERVAL: Duration = Duration::from_millis(200);
/// How many cancelled calls may wait for their turn. Each still takes one of the streams that the backend
/// allows on the connection, which are often no more than 100, so with more of them new calls use another
/// connection.
const MAX_WAITING: u32 = 40;
/// How long a backend may be silent at least before that is its fault: deadlines of callers may be as short as they like.
const SILENCE: Duration = Duration::from_millis(100);
/// A backend whose own timer for the deadline fires first resets the call up to this much earlier.
const CLOCK_SLACK: Duration = Duration::from_millis(5);

/// A call on its stream. When it is dropped before its end, the call is cancelled.
pub(super) struct Exchange {
    lease: Lease,
    bounds: Bounds,
    /// Absent once the call has ended.
    live: Option<Live>,
}

/// How long a call may take.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    pub(super) started: Instant,
    /// What the backend was told.
    pub(super) deadline: Option<Instant>,
    /// Whether the caller would wait longer, so that it is the time that a backend may take.
    pub(super) is_own: bool,
}

impl Exchange {
    /// `bounds` are those that the backend was told; `upload` is what sends a stream of messages; `watch` is for
    /// calls that nobody else keeps within a bound of time.
    pub(super) const fn new(
        lease: Lease,
        stream: Stream,
        upload: Option<Upload>,
        bounds: Bounds,
        watch: Option<Box<Watch>>,
    ) -> Self {
        let live = Live { stream, upload, is_answered: false, watch, given_up: false };
        Self { lease, bounds, live: Some(live) }
    }

    /// Where it goes.
    pub(super) fn member(&self) -> &Arc<Member> {
        self.lease.member()
    }

    /// Reads the answer of a method that gives one message.
    pub(super) async fn run(&mut self, terms: Terms) -> Result<Reply, Failure> {
        let outcome = self.read_one(terms).await;
        self.end();
        outcome
    }

    async fn read_one(&mut self, terms: Terms) -> Result<Reply, Failure> {
        let mut reading = None;
        loop {
            match self.event().await? {
                Event::Head(head) => reading = Some(Reading::start(head, terms)?),
                Event::Data(data) => {
                    if let Some(reading) = &mut reading {
                        reading.push(data)?;
                    }
                }
                Event::End(trailers) => {
                    let reading = reading.ok_or_else(no_status)?;
                    return Ok(reading.end(trailers)?);
                }
            }
        }
    }

    /// Whether nothing at all has come on its connection since it began.
    pub(super) fn is_silent(&self) -> bool {
        self.live.as_ref().is_some_and(|live| !live.is_answered && live.stream.is_silent())
    }

    pub(super) async fn event(&mut self) -> Result<Event, Failure> {
        poll_fn(|cx| self.poll_event(cx)).await
    }

    /// Waits for the next event of the answer.
    pub(super) fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Failure>> {
        let Some(live) = &mut self.live else { return Poll::Ready(Err(no_status().into())) };
        let event = match ready!(live.poll_event(cx)) {
            Ok(event) => event,
            Err(mut failure) => {
                if let Again::Lost { served } = &mut failure.again {
                    *served = self.lease.connection.has_served();
                }
                return Poll::Ready(Err(at_deadline(failure, self.bounds.deadline)));
            }
        };
        if matches!(event, Event::Head(_)) {
            self.lease.served();
        }
        Poll::Ready(Ok(event))
    }

    /// The call has ended. What the backend has not read is taken back, and of one that broke the protocol
    /// no more is read: the stream is reset at once. A call that was given up on this side waits for its turn
    /// like one whose caller left, since callers can bring that about as often as they like.
    pub(super) fn end(&mut self) {
        if self.live.as_ref().is_some_and(|live| !live.given_up) {
            self.live = None;
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let Some(live) = self.live.take() else { return };
        let now = Instant::now();
        if is_late(&self.bounds, &live, now) {
            self.lease.late();
        }
        let reset_at = self.lease.connection.resets.reserve(now);
        if reset_at <= now {
            // Dropping `live` resets the stream with CANCEL.
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let lease = self.lease.clone();
            runtime.spawn(async move {
                if timeout_at(reset_at, live.discard()).await.is_ok() {
                    lease.connection.resets.give_back();
                }
            });
        }
    }
}

/// Whether a backend did not answer in the time that it has, or was silent on the whole connection for as long as the
/// caller would wait. That it takes longer than a caller likes is no fault of it.
fn is_late(bounds: &Bounds, live: &Live, now: Instant) -> bool {
    let is_silent = || now.duration_since(bounds.started) >= SILENCE && live.stream.is_silent();
    bounds.deadline.is_some_and(|deadline| deadline <= now)
        && !live.is_answered
        && (bounds.is_own || is_silent())
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

/// A stream and what is needed until its end. Dropped before the answer has ended, it resets the stream.
struct Live {
    stream: Stream,
    upload: Option<Upload>,
    /// Whether the headers of the answer have come.
    is_answered: bool,
    watch: Option<Box<Watch>>,
    /// The caller's messages are wrong or the time is over, and the backend is still at work.
    given_up: bool,
}

impl Live {
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, Failure>> {
        if let Some(upload) = &mut self.upload
            && let Poll::Ready(outcome) = upload.poll(cx)
        {
            self.given_up = outcome.is_err();
            outcome?;
            if let Some(watch) = &mut self.watch {
                watch.uploaded();
            }
        }
        let polled = self.stream.poll_event(true, cx).map_err(|error| stream_error(error, self.is_answered));
        if let Poll::Ready(Ok(Event::Head(_))) = polled {
            self.is_answered = true;
        }
        let Some(watch) = &mut self.watch else { return polled };
        if polled.is_ready() {
            watch.touch();
            return polled;
        }
        let status = ready!(watch.poll(cx));
        self.given_up = true;
        Poll::Ready(Err(status.into()))
    }

    /// Reads on without sending on: a backend cannot act on a request that is not complete. Of a stream,
    /// which may have no end, it takes no more than was allowed already.
    async fn discard(self) {
        let Self { mut stream, upload, watch, .. } = self;
        drop(upload);
        stream.discard(watch.is_none());
        while let Ok(Event::Head(_) | Event::Data(_)) = poll_fn(|cx| stream.poll_event(false, cx)).await {}
    }
}

/// Paces the cancelled calls of one connection: a bucket of [`BURST`] that regains one each
/// [`INTERVAL`], kept as the time when it would be full again.
pub(super) struct Resets {
    full_at: Mutex<Instant>,
    crowded: AtomicBool,
}

impl Resets {
    pub(super) fn new() -> Self {
        Self { full_at: Mutex::new(Instant::now()), crowded: AtomicBool::new(false) }
    }

    /// Whether more cancelled calls have waited for their turn than the connection should bear.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded.load(Relaxed)
    }

    /// Takes one from the bucket and says when it will have been there.
    fn reserve(&self, now: Instant) -> Instant {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *full_at = (*full_at).max(now) + INTERVAL;
        if *full_at > now + INTERVAL * (BURST + MAX_WAITING) {
            self.crowded.store(true, Relaxed);
        }
        full_at.checked_sub(INTERVAL * BURST).map_or(now, |at| at.max(now))
    }

    /// Puts back one that was not used.
    fn give_back(&self) {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        *full_at -= INTERVAL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_resets_are_free_and_then_five_a_second() {
        let resets = Resets::new();
        let now = Instant::now();
        for _ in 0..20 {
            assert_eq!(resets.reserve(now), now);
        }
        assert_eq!(resets.reserve(now), now + Duration::from_millis(200));
        assert_eq!(resets.reserve(now), now + Duration::from_millis(400));
        resets.give_back();
        assert_eq!(resets.reserve(now), now + Duration::from_millis(400));
        assert!(!resets.is_crowded());
        for _ in 22..60 {
            resets.reserve(now);
        }
        assert!(!resets.is_crowded(), "40 wait");
        resets.reserve(now);
        assert!(resets.is_crowded());
        let later = now + Duration::from_secs(100);
        assert_eq!(resets.reserve(later), later);
    }
}
