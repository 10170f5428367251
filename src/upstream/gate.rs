//! Lets as many unary calls be with an upstream as it takes, which is learnt from how long they take.
//!
//! A call costs some relaxed atomics, most of them of its core alone. One call in a tenth of a second finds that a window
//! has ended, and learns from it, unless another one does so already.
//!
//! What counts is a call from when it is let in to its end, however often it is sent meanwhile. Streams neither count nor
//! tell anything: how long they are is no latency, and those that are open and silent keep nobody busy.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::core;
use super::decide::adaptive::{Adaptive, CALLS, Learner, Seen};
use super::decide::latency::{self, Latencies};
use super::meters::{LIMIT, LIMITED, SHED};
use super::report::AdaptiveReport;
use crate::call::priority::Priority;
use crate::status::Code;
use crate::telemetry::metrics::{Count, Gauge};

/// What an upstream takes.
pub(super) struct Gate {
    epoch: Instant,
    /// From how many calls on a priority is refused.
    most: [AtomicU64; 3],
    /// From how many microseconds on a call took longer than it should.
    slow_from: AtomicU64,
    /// When the window ends, in milliseconds.
    due: AtomicU64,
    /// The most calls at a time in this window.
    peak: AtomicU32,
    /// Whether a call was refused in this window.
    is_met: AtomicBool,
    /// The times of the calls of each core that ended in this window.
    latencies: Box<[Latencies]>,
    learnt: Mutex<Learnt>,
    limit: Arc<Gauge>,
    in_flight: Arc<Gauge>,
    shed: [Arc<Count>; 3],
}

struct Learnt {
    learner: Learner,
    rules: Adaptive,
    /// When the window began, in milliseconds.
    began: u64,
}

impl Gate {
    /// The gate of an upstream for so many slots of cores.
    pub(super) fn new(upstream: &str, rules: Adaptive, slots: usize) -> Self {
        let learner = Learner::new(&rules);
        let gate = Self {
            epoch: Instant::now(),
            most: Default::default(),
            slow_from: AtomicU64::new(u64::MAX),
            due: AtomicU64::new(learner.window()),
            peak: AtomicU32::new(0),
            is_met: AtomicBool::new(false),
            latencies: (0..slots).map(|_| Latencies::default()).collect(),
            limit: LIMIT.series(&[upstream]),
            in_flight: LIMITED.series(&[upstream]),
            shed: Priority::ALL.map(|priority| SHED.series(&[upstream, priority.name()])),
            learnt: Mutex::new(Learnt { learner, rules, began: 0 }),
        };
        gate.with(|learnt| gate.follow(&learnt.learner, &learnt.rules));
        gate
    }

    /// Goes on by other bounds, with what was learnt.
    pub(super) fn retune(&self, rules: Adaptive) {
        self.with(|learnt| {
            if learnt.rules != rules {
                learnt.rules = rules;
                learnt.learner.retune(&rules);
                self.follow(&learnt.learner, &rules);
            }
        });
    }

    /// Lets a call in, if there is a place for one of this priority.
    pub(super) fn enter(self: &Arc<Self>, priority: Priority) -> Option<Inside> {
        let before = self.in_flight.raise();
        // Dropped at once if it is one too many.
        let inside = Inside(Arc::clone(self));
        if before >= self.most[priority as usize].load(Relaxed) {
            self.shed[priority as usize].add(1);
            if !self.is_met.load(Relaxed) {
                self.is_met.store(true, Relaxed);
            }
            return None;
        }
        let now = u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1);
        if now > self.peak.load(Relaxed) {
            self.peak.fetch_max(now, Relaxed);
        }
        Some(inside)
    }

    pub(super) fn report(&self) -> AdaptiveReport {
        self.with(|learnt| AdaptiveReport {
            limit: learnt.learner.limit(),
            in_flight: self.in_flight.value(),
            base: Duration::from_micros(learnt.learner.base()),
            typical: Duration::from_micros(learnt.learner.typical()),
        })
    }

    /// A try has ended.
    fn ended(&self, code: Code, time: Duration, now: Instant) {
        // What failed or was given up tells how long calls take only if that was too long.
        let is_slow = || time.as_micros() >= self.slow_from.load(Relaxed).into();
        if code != Code::Ok && !is_slow() {
            return;
        }
        self.latencies[core::slot(self.latencies.len() - 1)].add(time);
        let now = now.saturating_duration_since(self.epoch).as_millis() as u64;
        if now >= self.due.load(Relaxed) {
            self.learn(now);
        }
    }

    /// The window has lasted long enough.
    fn learn(&self, now: u64) {
        let Ok(mut learnt) = self.learnt.try_lock() else { return };
        if now < self.due.load(Relaxed) {
            return;
        }
        if latency::count(&self.latencies) < CALLS {
            // Not looked at again for each of them.
            self.due.store(now + 10, Relaxed);
            return;
        }
        let (calls, typical) = latency::take(&self.latencies);
        let in_flight = u32::try_from(self.in_flight.value()).unwrap_or(u32::MAX);
        let peak = self.peak.swap(in_flight, Relaxed);
        let is_met = self.is_met.swap(false, Relaxed);
        let seen = Seen { began: learnt.began, ended: now, calls, typical, peak, is_met };
        let rules = learnt.rules;
        learnt.learner.learn(&seen, &rules);
        learnt.began = now;
        self.due.store(now + learnt.learner.window(), Relaxed);
        self.follow(&learnt.learner, &rules);
    }

    /// Lets hold what was learnt.
    fn follow(&self, learner: &Learner, rules: &Adaptive) {
        self.limit.set(learner.limit().into());
        for (most, priority) in self.most.iter().zip(Priority::ALL) {
            let limit = if priority == Priority::High { learner.full() } else { learner.limit() };
            most.store(priority.share(limit.into()), Relaxed);
        }
        self.slow_from.store(learner.slow_from(rules), Relaxed);
    }

    fn with<T>(&self, work: impl FnOnce(&mut Learnt) -> T) -> T {
        work(&mut self.learnt.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A call that was let in, until this is dropped.
pub(super) struct Inside(Arc<Gate>);

impl Inside {
    /// A try of it has ended with this code after this time.
    pub(super) fn ended(&self, code: Code, time: Duration, now: Instant) {
        self.0.ended(code, time, now);
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.in_flight.lower();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Series with the same labels are the same.
    fn gate(name: &str, min: u32, max: u32) -> Arc<Gate> {
        Arc::new(Gate::new(name, Adaptive { min, max, ..Adaptive::default() }, 2))
    }

    #[test]
    fn who_matters_less_is_refused_first() {
        let gate = gate("a", 10, 10);
        let mut held = Vec::new();
        for (priority, expected) in Priority::ALL.into_iter().zip([8, 9, 10]) {
            held.extend(std::iter::from_fn(|| gate.enter(priority)));
            assert_eq!(held.len(), expected, "{priority:?}");
        }
        assert_eq!(gate.shed.each_ref().map(|count| count.value()), [1, 1, 1]);
        held.pop();
        assert!(gate.enter(Priority::Normal).is_none() && gate.enter(Priority::High).is_some());
        drop(held);
        assert_eq!(gate.report().in_flight, 0);
        assert_eq!(gate.peak.load(Relaxed), 10);
    }

    #[test]
    fn the_limit_follows_the_times_of_calls_that_were_answered() {
        let gate = gate("b", 5, 1000);
        let mut now = gate.epoch;
        let mut window = |code, time| {
            // As many as there are.
            let all: Vec<_> = (0..80).map_while(|_| gate.enter(Priority::High)).collect();
            now += Duration::from_millis(200);
            all.iter().for_each(|call| call.ended(code, time, now));
            gate.report()
        };
        let (quick, slow) = (Duration::from_millis(10), Duration::from_millis(80));
        let report = (0..5).map(|_| window(Code::Ok, quick)).last().unwrap();
        assert!(report.limit > 100 && (9..=10).contains(&report.base.as_millis()), "{report:?}");
        let before = window(Code::Unavailable, quick);
        assert_eq!(window(Code::NotFound, quick), before, "what fails tells nothing");
        // Unless it takes longer than it should.
        let report = (0..3).map(|_| window(Code::DeadlineExceeded, slow)).last().unwrap();
        assert!(report.limit < before.limit && report.typical.as_millis() >= 76, "{report:?}");
    }

    #[test]
    fn other_bounds_keep_what_was_learnt() {
        let gate = gate("c", 5, 1000);
        gate.retune(Adaptive { min: 5, max: 60, ..Adaptive::default() });
        assert_eq!(gate.report().limit, 60);
        gate.retune(Adaptive::default());
        assert_eq!((gate.report().limit, gate.limit.value()), (60, 60));
    }
}
