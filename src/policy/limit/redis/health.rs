//! Whether the servers answer: said in the log once when that changes, and counted.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::OnError;
use crate::telemetry::metrics::Tally;

/// Demands of limits, by what came of asking a store that others share.
pub static DEMANDS: Tally<5> = Tally::counters(
    "transom_limit_store_demands_total",
    "Demands to the shared store of limits: answered by it, and not answered in time, as it was known to be away, as too many waited, or as it could not decide.",
    [
        r#"result="answered""#,
        r#"result="late""#,
        r#"result="away""#,
        r#"result="crowded""#,
        r#"result="failed""#,
    ],
);

/// Connections to the store.
pub static CONNECTIONS: Tally<2> = Tally::levels(
    "transom_limit_store_connections",
    "Connections of cores to the shared store of limits that answer in time, and that do not or cannot be made.",
    [r#"state="up""#, r#"state="down""#],
);

/// How long nothing is said of errors after one was.
const SILENCE: Duration = Duration::from_secs(10);

/// Why the store did not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    /// It did not answer in time.
    Late = 1,
    /// It is known to be away, and nobody waits for it.
    Away = 2,
    /// Too many wait for it.
    Crowded = 3,
    /// It said that it cannot.
    Failed = 4,
}

/// Counts a demand that the store decided, or why it did not.
pub(super) fn count<T>(decided: &Result<T, Lack>) {
    DEMANDS.add(decided.as_ref().map_or_else(|lack| *lack as usize, |_| 0), 1);
}

/// What is known of all connections of a store.
#[derive(Debug)]
pub(super) struct Health {
    on_error: OnError,
    down: AtomicUsize,
    /// Whether it was said that some are down.
    is_told: Mutex<bool>,
    /// Whether the store is not in use any more, so that nothing is to be said.
    is_over: AtomicBool,
    /// When an error was written to the log last.
    failed: Mutex<Option<Instant>>,
}

/// Whether a connection serves; it counts as long as it is held.
#[derive(Debug)]
pub(super) struct Mark {
    is_up: Option<bool>,
}

impl Health {
    pub(super) const fn new(on_error: OnError) -> Self {
        Self {
            on_error,
            down: AtomicUsize::new(0),
            is_told: Mutex::new(false),
            is_over: AtomicBool::new(false),
            failed: Mutex::new(None),
        }
    }

    /// Notes that the store is not in use any more.
    pub(super) fn end(&self) {
        self.is_over.store(true, Relaxed);
    }

    /// How many connections do not serve.
    pub(super) fn down(&self) -> usize {
        self.down.load(Relaxed)
    }

    /// Notes that a connection serves from now on.
    pub(super) fn up(&self, mark: &mut Mark, server: &str) {
        if mark.is_up == Some(true) {
            return;
        }
        self.forget(mark);
        mark.is_up = Some(true);
        CONNECTIONS.add(0, 1);
        self.tell(server, "");
    }

    /// Notes that a connection does not serve any more, and why.
    pub(super) fn lost(&self, mark: &mut Mark, server: &str, why: &str) {
        if mark.is_up == Some(false) {
            return;
        }
        self.forget(mark);
        mark.is_up = Some(false);
        CONNECTIONS.add(1, 1);
        self.down.fetch_add(1, Relaxed);
        self.tell(server, why);
    }

    /// Notes that a connection is given up.
    pub(super) fn drop(&self, mark: &mut Mark, server: &str) {
        if mark.is_up.is_some() {
            self.forget(mark);
            self.tell(server, "");
        }
    }

    /// Notes that a server answered that it cannot decide. That can happen for every call, so it is not said each time.
    pub(super) fn failed(&self, why: &str) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.is_none_or(|last| last.elapsed() >= SILENCE) {
            *failed = Some(Instant::now());
            tracing::warn!(why, "the store of limits answers, but cannot decide");
        }
    }

    fn forget(&self, mark: &mut Mark) {
        match mark.is_up.take() {
            Some(true) => CONNECTIONS.subtract(0, 1),
            Some(false) => {
                CONNECTIONS.subtract(1, 1);
                self.down.fetch_sub(1, Relaxed);
            }
            None => {}
        }
    }

    /// Says what has changed, once.
    fn tell(&self, server: &str, why: &str) {
        let mut is_told = self.is_told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_down = self.down() > 0;
        if is_down == *is_told || self.is_over.load(Relaxed) {
            return;
        }
        *is_told = is_down;
        match (is_down, self.on_error) {
            (true, OnError::Local) => tracing::warn!(
                server,
                why,
                "the store of limits does not answer; what it would decide is counted in this process alone"
            ),
            (true, OnError::Deny) => tracing::error!(
                server,
                why,
                "the store of limits does not answer; the calls that it would decide about are refused"
            ),
            (false, _) => tracing::info!("the store of limits answers again"),
        }
    }
}

impl Mark {
    pub(super) const fn new() -> Self {
        Self { is_up: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_down_is_counted_once() {
        let health = Health::new(OnError::Local);
        let (mut a, mut b) = (Mark::new(), Mark::new());
        health.up(&mut a, "a");
        assert_eq!(health.down(), 0);
        for _ in 0..2 {
            health.lost(&mut a, "a", "it does not answer");
            health.lost(&mut b, "b", "it does not answer");
        }
        assert_eq!((health.down(), *health.is_told.lock().unwrap()), (2, true));
        health.up(&mut a, "a");
        assert_eq!((health.down(), *health.is_told.lock().unwrap()), (1, true));
        health.drop(&mut b, "b");
        health.drop(&mut b, "b");
        assert_eq!((health.down(), *health.is_told.lock().unwrap()), (0, false));
    }
}
