//! The bounds of time of a call that streams.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::status::{Code, Status};

use super::fault::late;

/// Into how many parts the idle time is cut: a stream ends at most a part late, and a message costs no
/// reading of the clock.
const PARTS: u32 = 4;

/// Ends a stream at its deadline, or when neither side has sent anything for a while.
pub(super) struct Watch {
    started: Instant,
    deadline: Option<Instant>,
    idle: Duration,
    /// Since the last tick.
    activity: Activity,
    /// How many ticks in a row saw no activity.
    quiet: u32,
    /// How long the backend may take once the request is complete.
    answer_within: Option<Duration>,
    timer: Pin<Box<Sleep>>,
}

/// Where both directions of a stream note that something passed.
#[derive(Clone, Default)]
pub(super) struct Activity(Arc<AtomicBool>);

impl Activity {
    pub(super) fn touch(&self) {
        self.0.store(true, Relaxed);
    }
}

impl Watch {
    /// `answer_within` is for methods that answer with one message.
    pub(super) fn new(
        started: Instant,
        deadline: Option<Instant>,
        idle: Duration,
        answer_within: Option<Duration>,
    ) -> Self {
        let timer = Box::pin(sleep_until(started));
        let mut watch =
            Self { started, deadline, idle, activity: Activity::default(), quiet: 0, answer_within, timer };
        watch.arm(started);
        watch
    }

    pub(super) fn touch(&self) {
        self.activity.touch();
    }

    /// Where the other direction notes what passes.
    pub(super) fn activity(&self) -> Activity {
        self.activity.clone()
    }

    /// The request is complete.
    pub(super) fn uploaded(&mut self) {
        let now = Instant::now();
        if let Some(end) = self.answer_within.and_then(|time| now.checked_add(time)) {
            self.started = now;
            self.deadline = Some(self.deadline.map_or(end, |deadline| deadline.min(end)));
            self.arm(now);
        }
    }

    fn arm(&mut self, now: Instant) {
        let tick = now + self.idle / PARTS;
        let at = self.deadline.map_or(tick, |deadline| deadline.min(tick));
        self.timer.as_mut().reset(at);
    }

    /// Resolves when the stream has to end.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Status> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            if self.deadline.is_some_and(|deadline| deadline <= now) {
                return Poll::Ready(late(self.started, self.deadline));
            }
            self.quiet = if self.activity.0.swap(false, Relaxed) { 0 } else { self.quiet + 1 };
            if self.quiet >= PARTS {
                let text =
                    format!("No message passed for {} s, so the stream was ended.", self.idle.as_secs());
                return Poll::Ready(Status::backend(Code::DeadlineExceeded, text));
            }
            self.arm(now);
        }
    }
}
