//! What calls came to, where that is asked for: to say which targets are left alone, and whether calls are let through.
//!
//! Where nothing is counted, a call looks at two numbers here and goes on.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::decide::circuit::{Breaker, Trip};
use super::decide::rates::{Outcomes, tick_of};
use super::group::Rules;

/// What is counted of an upstream.
pub(super) struct Counting {
    /// How long a tick is for what is counted of each target, in milliseconds; 0 where nothing is.
    of_targets: AtomicU32,
    /// The same for all calls together.
    of_all: AtomicU32,
    all: Outcomes,
    breaker: Mutex<Breaker>,
    /// Whether the breaker has to be asked.
    is_open: AtomicBool,
}

impl Counting {
    pub(super) fn new(rules: &Rules) -> Self {
        let counting = Self {
            of_targets: AtomicU32::new(0),
            of_all: AtomicU32::new(0),
            all: Outcomes::default(),
            breaker: Mutex::default(),
            is_open: AtomicBool::new(false),
        };
        counting.retune(rules);
        counting
    }

    /// Counts by other rules. What was counted stays; calls are let through where that is not decided any more.
    pub(super) fn retune(&self, rules: &Rules) {
        self.of_targets.store(rules.outliers.map_or(0, |rules| rules.tick()), Relaxed);
        self.of_all.store(rules.circuit.trip.map_or(0, |trip| tick_of(trip.window)), Relaxed);
        if rules.circuit.trip.is_none() {
            let mut breaker = self.breaker();
            *breaker = Breaker::Closed;
            self.is_open.store(false, Relaxed);
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether anything is counted.
    pub(super) fn is_on(&self) -> bool {
        self.of_targets.load(Relaxed) != 0 || self.of_all.load(Relaxed) != 0
    }

    /// The tick in which the calls of a target count now, if they do.
    pub(super) fn tick(&self, now: u64) -> Option<u64> {
        tick(&self.of_targets, now)
    }

    /// Whether not all calls are let through.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Relaxed)
    }

    /// Lets a call through, or says for how many milliseconds none is.
    pub(super) fn admit(&self, now: u64) -> Result<(), u64> {
        self.breaker().admit(now)
    }

    /// A call was answered. Says whether all are let through from now on that were not.
    pub(super) fn answered(&self, now: u64) -> bool {
        let Some(tick) = tick(&self.of_all, now) else { return false };
        self.all.answered(tick, None);
        if !self.is_open() {
            return false;
        }
        let mut breaker = self.breaker();
        let closes = breaker.answered();
        if closes {
            // What had opened it says nothing any more.
            self.all.clear();
            self.is_open.store(false, Relaxed);
        }
        closes
    }

    /// A call failed by a target's fault. Says whether none is let through from now on that was.
    pub(super) fn failed(&self, now: u64, trip: &Trip) -> bool {
        let Some(tick) = tick(&self.of_all, now) else { return false };
        self.all.failed(tick);
        let mut breaker = self.breaker();
        let opens = breaker.failed(now, trip, self.all.seen(tick));
        if opens {
            self.is_open.store(true, Relaxed);
        }
        opens
    }

    /// For how many milliseconds calls are not let through still, if so; none while some try.
    pub(super) fn left(&self, now: u64) -> Option<u64> {
        self.breaker().left(now)
    }
}

fn tick(length: &AtomicU32, now: u64) -> Option<u64> {
    now.checked_div(length.load(Relaxed).into())
}
