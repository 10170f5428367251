//! What happens on a connection, as far as its timers need to know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Counts and times of one connection. The reading and writing side, the calls and the keeper of the timers
/// share it; they take turns, so relaxed operations are enough.
pub(super) struct Activity {
    start: Instant,
    calls: AtomicUsize,
    /// Calls that were taken back, less those that were completed.
    resets: AtomicUsize,
    /// Frames of HTTP/2 beyond what is allowed of those that carry nothing.
    floods: AtomicUsize,
    /// Whether bytes that come without a call belong to a request's head. On HTTP/2 they may be anything.
    heads: AtomicBool,
    /// When the first byte of a head came, in milliseconds after the start and plus one; 0 for none.
    head_since: AtomicU64,
    /// When the last call ended, in milliseconds after the start.
    idle_since: AtomicU64,
    idle: Notify,
}

/// What a connection without calls waits for, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// The rest of a request's head, or of the preface of HTTP/2.
    Head(Instant),
    /// A request.
    Idle(Instant),
}

impl Activity {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
            calls: AtomicUsize::new(0),
            resets: AtomicUsize::new(0),
            floods: AtomicUsize::new(0),
            heads: AtomicBool::new(true),
            head_since: AtomicU64::new(0),
            idle_since: AtomicU64::new(0),
            idle: Notify::new(),
        }
    }

    /// When the connection was accepted.
    pub(super) const fn start(&self) -> Instant {
        self.start
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn instant(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    /// Bytes came from the peer.
    pub(super) fn received(&self) {
        if self.calls.load(Relaxed) == 0 && self.heads.load(Relaxed) && self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.now() + 1, Relaxed);
        }
    }

    /// The connection speaks HTTP/2: bytes without a call are no head any more.
    pub(super) fn is_multiplexed(&self) {
        self.heads.store(false, Relaxed);
        self.head_since.store(0, Relaxed);
    }

    /// A part of a request's head has come on HTTP/2.
    pub(super) fn head_begins(&self) {
        if self.head_since.load(Relaxed) == 0 {
            self.head_since.store(self.now() + 1, Relaxed);
        }
    }

    /// The head is complete, whatever becomes of it.
    pub(super) fn head_ends(&self) {
        self.head_since.store(0, Relaxed);
    }

    /// A frame came that is one too many of those that carry nothing.
    pub(super) fn flooded(&self) {
        self.floods.fetch_add(1, Relaxed);
    }

    /// How many frames were too many.
    pub(super) fn floods(&self) -> usize {
        self.floods.load(Relaxed)
    }

    /// A request's head is complete. The call lasts as long as the guard.
    pub(super) fn begin(self: &Arc<Self>) -> CallGuard {
        if self.heads.load(Relaxed) {
            self.head_since.store(0, Relaxed);
        }
        self.calls.fetch_add(1, Relaxed);
        CallGuard { activity: self.clone(), completed: false }
    }

    fn end(&self, completed: bool) {
        let resets = self.resets.load(Relaxed);
        let resets = if completed { resets.saturating_sub(1) } else { resets.saturating_add(1) };
        self.resets.store(resets, Relaxed);
        if self.calls.fetch_sub(1, Relaxed) == 1 {
            self.idle_since.store(self.now(), Relaxed);
            self.idle.notify_waiters();
        }
    }

    /// How many more calls were taken back than completed.
    pub(super) fn resets(&self) -> usize {
        self.resets.load(Relaxed)
    }

    /// What the connection waits for; `None` while it has calls and no head of another has begun.
    pub(super) fn waiting(&self) -> Option<Waiting> {
        match self.head_since.load(Relaxed) {
            0 if self.calls.load(Relaxed) > 0 => None,
            0 => Some(Waiting::Idle(self.instant(self.idle_since.load(Relaxed)))),
            since => Some(Waiting::Head(self.instant(since - 1))),
        }
    }

    /// Resolves once there are no calls.
    pub(super) async fn quiet(&self) {
        loop {
            let idle = self.idle.notified();
            if self.calls.load(Relaxed) == 0 {
                return;
            }
            idle.await;
        }
    }
}

/// A call in flight, until its answer is handed over or it is taken back.
pub(super) struct CallGuard {
    activity: Arc<Activity>,
    completed: bool,
}

impl CallGuard {
    /// The whole answer was handed over.
    pub(super) const fn complete(&mut self) {
        self.completed = true;
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.activity.end(self.completed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_waits_for_heads_and_for_requests() {
        let second = Duration::from_secs(1);
        let activity = Arc::new(Activity::new());
        let start = activity.start();
        assert_eq!(activity.waiting(), Some(Waiting::Idle(start)));
        tokio::time::advance(second).await;
        activity.received();
        tokio::time::advance(second).await;
        activity.received();
        assert_eq!(activity.waiting(), Some(Waiting::Head(start + second)));
        let call = activity.begin();
        activity.received();
        assert_eq!(activity.waiting(), None);
        tokio::time::advance(second).await;
        drop(call);
        assert_eq!(activity.waiting(), Some(Waiting::Idle(start + 3 * second)));
        activity.is_multiplexed();
        activity.received();
        assert_eq!(activity.waiting(), Some(Waiting::Idle(start + 3 * second)));
    }

    #[tokio::test]
    async fn completed_calls_make_up_for_resets() {
        let activity = Arc::new(Activity::new());
        for _ in 0..3 {
            drop(activity.begin());
        }
        assert_eq!(activity.resets(), 3);
        for _ in 0..5 {
            activity.begin().complete();
        }
        assert_eq!(activity.resets(), 0);
        activity.quiet().await;
    }
}
