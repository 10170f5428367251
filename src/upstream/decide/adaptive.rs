//! How many calls an upstream takes at a time, learnt from how long they take.
//!
//! A backend that has as many calls as it can work on takes for each as long as the work does (the base). What it gets
//! beyond that waits there, and each call takes longer by it. So the limit follows the ratio of the two, and a little
//! more is tried each time so that it grows where it may (the gradient of Netflix's concurrency-limits and of Envoy's
//! adaptive concurrency):
//!
//! ```text
//! limit' = limit * min(1, max(1/2, (1 + tolerance) * base / typical)) + sqrt(limit)
//! ```
//!
//! `typical` is the median of a window of at least 100 ms, and of the typical time itself: what comes of a limit is seen
//! when the calls before it have ended. A limit that was not made use of stays, unless calls take far longer than the base.
//!
//! The base must be found while calls come without an end. As long as the limit is not met, what is typical is the base
//! or less than it, and after `TRIAL_AFTER` without seeing the base what is typical is taken for it. Where calls are refused
//! then, a third of the limit is tried: if as many calls are answered in a second as before, the rest has only waited, and
//! a third of that is tried; if there are fewer, nothing waits any more, and what is typical then is the base. The same comparison tells, where the limit shrinks again and
//! again, a backend that has too much to do from one that has become slower by itself: that is no help to anybody if it
//! gets fewer calls.

#[cfg(test)]
mod tests;

/// The bounds within which a limit is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adaptive {
    /// The smallest limit. Default 5.
    pub min: u32,
    /// The largest limit. Default 1000.
    pub max: u32,
    /// By how much more than the base calls may take before the limit shrinks, in millionths. Default a half.
    pub tolerance: u32,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { min: 5, max: 1000, tolerance: 500_000 }
    }
}

/// How many calls a window has at least.
pub(in crate::upstream) const CALLS: u64 = 40;

/// How long a window is at least and at most, in milliseconds.
const WINDOW: std::ops::RangeInclusive<u64> = 100..=5_000;

/// After how many milliseconds without seeing the base it is looked for.
const TRIAL_AFTER: u64 = 15_000;

/// The limit before anything was learnt, within the bounds.
const FIRST: u32 = 100;

/// Which part of the limit is tried.
const TRIED: f64 = 3.0;

/// Of what part of the calls in a second it is said that they have become fewer.
const FEWER: f64 = 0.75;

/// What was seen in a window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct Seen {
    /// When it began and ended, in milliseconds.
    pub(in crate::upstream) began: u64,
    pub(in crate::upstream) ended: u64,
    /// How many calls were answered.
    pub(in crate::upstream) calls: u64,
    /// The median of their times, in microseconds.
    pub(in crate::upstream) typical: u64,
    /// The most calls that were in flight.
    pub(in crate::upstream) peak: u32,
    /// Whether calls were refused because of the limit.
    pub(in crate::upstream) is_met: bool,
}

impl Seen {
    /// How many calls were answered in a millisecond.
    fn rate(&self) -> f64 {
        self.calls as f64 / self.ended.saturating_sub(self.began).max(1) as f64
    }
}

/// A limit, and how many calls were answered in a millisecond with it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mark {
    limit: f64,
    rate: f64,
}

/// What is known of one upstream.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::upstream) struct Learner {
    limit: f64,
    /// How long a call takes that does not wait, in microseconds; absent before that is known.
    base: Option<f64>,
    /// When calls took no longer than that.
    confirmed: u64,
    /// What was typical in the last window; 0 before the first.
    typical: u64,
    /// Windows that began before this say nothing, as calls ended in them that began under another limit.
    settled: u64,
    /// A smaller limit that is tried, with the rate before.
    trial: Option<Mark>,
    /// Where the limit began to shrink.
    shrinking: Option<Mark>,
    has_shrunk: bool,
}

impl Learner {
    pub(in crate::upstream) fn new(rules: &Adaptive) -> Self {
        Self {
            limit: f64::from(FIRST.clamp(rules.min, rules.max)),
            base: None,
            confirmed: 0,
            typical: 0,
            settled: 0,
            trial: None,
            shrinking: None,
            has_shrunk: false,
        }
    }

    /// How many calls may be in flight now.
    pub(in crate::upstream) fn limit(&self) -> u32 {
        self.trial.map_or(self.limit, |trial| trial.limit).max(1.0) as u32
    }

    /// The same for calls that are refused last: what is tried is tried without them.
    pub(in crate::upstream) fn full(&self) -> u32 {
        self.limit as u32
    }

    /// How long a call takes that does not wait, in microseconds; 0 before that is known.
    pub(in crate::upstream) fn base(&self) -> u64 {
        self.base.unwrap_or_default() as u64
    }

    /// How long half of the calls took in the last window, in microseconds; 0 before the first.
    pub(in crate::upstream) const fn typical(&self) -> u64 {
        self.typical
    }

    /// How long the next window is at least, in milliseconds.
    pub(in crate::upstream) fn window(&self) -> u64 {
        (self.typical / 1_000).clamp(*WINDOW.start(), *WINDOW.end())
    }

    /// From how many microseconds on a call took longer than it should, whatever came of it.
    pub(in crate::upstream) fn slow_from(&self, rules: &Adaptive) -> u64 {
        self.base.map_or(u64::MAX, |base| (base * tolerated(rules)) as u64)
    }

    /// Keeps within other bounds from now on.
    pub(in crate::upstream) fn retune(&mut self, rules: &Adaptive) {
        self.limit = self.limit.clamp(rules.min.into(), rules.max.into());
    }

    /// Learns from a window.
    pub(in crate::upstream) fn learn(&mut self, seen: &Seen, rules: &Adaptive) {
        let is_first = std::mem::replace(&mut self.typical, seen.typical) == 0;
        if is_first {
            // Those that take long have not ended yet.
            self.settle(seen, 2.0);
            return;
        }
        if seen.began < self.settled {
            return;
        }
        if let Some(trial) = self.trial {
            self.judge(trial, seen, rules);
            return;
        }
        let typical = seen.typical as f64;
        let Some(base) = self.base else {
            self.rebase(seen);
            if seen.is_met {
                self.attempt(seen);
            }
            return;
        };
        let base = if typical < base { base + (typical - base) / 5.0 } else { base };
        self.base = Some(base);
        if typical <= base * 1.1 {
            self.confirmed = seen.ended;
        }
        if f64::from(seen.peak) * 2.0 >= self.limit || typical > 2.0 * tolerated(rules) * base {
            self.follow(seen, rules);
        }
        if seen.ended.saturating_sub(self.confirmed) >= TRIAL_AFTER {
            if seen.is_met {
                self.attempt(seen);
            } else {
                self.rebase(seen);
            }
        }
    }

    /// Takes another step with the limit.
    fn follow(&mut self, seen: &Seen, rules: &Adaptive) {
        let base = self.base.unwrap_or_default();
        let mut gradient = (tolerated(rules) * base / (seen.typical as f64).max(1.0)).clamp(0.5, 1.0);
        let mark = Mark { limit: self.limit, rate: seen.rate() };
        match self.shrinking {
            _ if gradient >= 1.0 || !seen.is_met => self.shrinking = None,
            Some(from) if mark.limit <= from.limit * 0.6 => {
                if mark.rate < from.rate * FEWER {
                    self.rebase(seen);
                    gradient = 1.0;
                } else {
                    self.shrinking = Some(mark);
                }
            }
            _ => {}
        }
        let limit = (self.limit * gradient + self.limit.sqrt()).clamp(rules.min.into(), rules.max.into());
        let shrinks = limit < self.limit * 0.9;
        if shrinks {
            // In the first window in which it shrinks, the backend may have changed in its middle.
            if self.shrinking.is_none() && seen.is_met && self.has_shrunk {
                self.shrinking = Some(mark);
            }
            self.settle(seen, 1.5);
        }
        self.has_shrunk = shrinks;
        self.limit = limit;
    }

    /// Tries a smaller limit.
    fn attempt(&mut self, seen: &Seen) {
        self.trial = Some(Mark { limit: self.limit / TRIED, rate: seen.rate() });
        self.settle(seen, 2.0);
    }

    /// Sees what has come of a smaller limit.
    fn judge(&mut self, trial: Mark, seen: &Seen, rules: &Adaptive) {
        if f64::from(seen.peak) > 1.0 + trial.limit * 1.5 {
            // Those for whom it did not hold are too many themselves.
            self.trial = None;
            self.confirmed = seen.ended;
        } else if seen.is_met && seen.rate() >= trial.rate * FEWER && trial.limit > 1.0 {
            self.limit = trial.limit.max(rules.min.into());
            self.trial = Some(Mark { limit: trial.limit / TRIED, ..trial });
        } else {
            self.trial = None;
            self.rebase(seen);
        }
        self.settle(seen, 2.0);
    }

    fn rebase(&mut self, seen: &Seen) {
        self.base = Some(seen.typical as f64);
        self.confirmed = seen.ended;
        self.shrinking = None;
    }

    /// Lets the calls end that are in flight, which takes so many times what is typical.
    fn settle(&mut self, seen: &Seen, times: f64) {
        self.settled = seen.ended + (seen.typical as f64 * times / 1_000.0) as u64;
    }
}

fn tolerated(rules: &Adaptive) -> f64 {
    1.0 + f64::from(rules.tolerance) / 1_000_000.0
}
