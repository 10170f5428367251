//! Which targets are left alone because calls to them fail.
//!
//! ```text
//!     failures, or too slow            its time is over, one call may try
//!   In ---------------------> Out ---------------------------------------> Probing
//!    ^                         ^                                              |  |
//!    |                         +----------------------------------------------+  |
//!    |                              it fails: out for longer                     |
//!    +---------------------------------------------------------------------------+
//!                                   it is answered
//! ```

use std::time::Duration;

use super::rates::{Seen, tick_of};

/// When targets are left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outliers {
    /// After how many failures in a row. Default 5.
    pub consecutive_failures: u32,
    /// When so many millionths of its calls fail in a `window`. Default: however many do.
    pub failure_rate: Option<u32>,
    /// When the answers of a `window` typically take so many times as long as those of the other targets. Default: however
    /// long they take.
    pub slower_than: Option<u32>,
    /// How long shares and times are looked back at. Default 10 s.
    pub window: Duration,
    /// How many calls of a target there must be in a window before shares and times say something. Default 50.
    pub min_calls: u32,
    /// For how long the first time. Each further time adds as much, up to [`LONGEST`] times, and each such time without
    /// a reason takes one off again. Default 30 s.
    pub eject_for: Duration,
    /// How many of the targets at most, in millionths. Default one half.
    pub max_ejected: u32,
}

impl Default for Outliers {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            failure_rate: None,
            slower_than: None,
            window: Duration::from_secs(10),
            min_calls: 50,
            eject_for: Duration::from_secs(30),
            max_ejected: 500_000,
        }
    }
}

impl Outliers {
    /// How many of so many targets may be left alone at a time.
    pub fn most(&self, targets: usize) -> usize {
        usize::try_from(targets as u64 * u64::from(self.max_ejected) / 1_000_000).unwrap_or(targets)
    }

    /// How long a tick of the window is, in milliseconds; 0 where neither shares nor times are asked for.
    pub(in crate::upstream) fn tick(&self) -> u32 {
        if self.failure_rate.is_some() || self.slower_than.is_some() { tick_of(self.window) } else { 0 }
    }

    /// Whether too large a share of these calls failed.
    pub(in crate::upstream) fn fails(&self, seen: Seen) -> bool {
        self.failure_rate.is_some_and(|millionths| seen.fails(millionths, self.min_calls))
    }
}

/// How many times the first time a target is left alone at most.
pub const LONGEST: u32 = 10;

/// How long a call may try a target that was left alone until another one does, in milliseconds.
const PATIENCE: u64 = 1_000;

/// What is known of one target.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Record {
    state: State,
    /// In a row.
    failures: u32,
    /// How often it was left alone, less what has been forgiven.
    ejections: u32,
    /// When it came back.
    returned: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    In,
    Out {
        until: u64,
    },
    Probing {
        until: u64,
    },
}

/// What changes by an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Change {
    None,
    /// It is left alone from now on, for the first time or again.
    Ejected {
        milliseconds: u64,
        why: Why,
    },
    /// It has its calls again.
    Returned,
}

/// Why a target is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Why {
    /// Calls failed one after the other.
    InARow,
    /// Too large a share of its calls failed.
    Rate,
    /// It takes much longer than the others.
    Slow,
    /// The call that tried it failed.
    Again,
}

impl Record {
    /// Whether it has its calls.
    pub(in crate::upstream) const fn is_in(&self) -> bool {
        matches!(self.state, State::In)
    }

    /// Failures in a row.
    pub(in crate::upstream) const fn failures(&self) -> u32 {
        self.failures
    }

    /// When the time that it is left alone is over, if it is.
    pub(in crate::upstream) const fn until(&self) -> Option<u64> {
        match self.state {
            State::In => None,
            State::Out { until } | State::Probing { until } => Some(until),
        }
    }

    /// Lets a call try a target that is left alone, if its time is over. Calls that may be sent again go first; if there
    /// are none, another one does a second later.
    pub(in crate::upstream) fn probe(&mut self, now: u64, may_be_repeated: bool) -> bool {
        let wait = if may_be_repeated { 0 } else { PATIENCE };
        match self.state {
            State::Out { until } | State::Probing { until } if now >= until + wait => {
                self.state = State::Probing { until: now + PATIENCE };
                true
            }
            _ => false,
        }
    }

    /// A call was answered.
    pub(in crate::upstream) fn succeeded(&mut self, now: u64) -> Change {
        self.failures = 0;
        if !matches!(self.state, State::Probing { .. }) {
            // Of a target that is left alone, that is an answer to a call from before.
            return Change::None;
        }
        self.state = State::In;
        self.returned = now;
        Change::Returned
    }

    /// A call failed by the target's fault. `is_often` says whether too large a share of its calls does, `may_eject` whether
    /// another target may be left alone.
    pub(in crate::upstream) fn failed(
        &mut self,
        now: u64,
        rules: &Outliers,
        is_often: bool,
        may_eject: impl FnOnce() -> bool,
    ) -> Change {
        self.failures = self.failures.saturating_add(1);
        let why = match self.state {
            State::Out { .. } => return Change::None,
            State::Probing { .. } => Why::Again,
            State::In if self.failures >= rules.consecutive_failures => Why::InARow,
            State::In if is_often => Why::Rate,
            State::In => return Change::None,
        };
        if why == Why::Again || may_eject() { self.eject(now, rules, why) } else { Change::None }
    }

    /// Its answers take much longer than those of others.
    pub(in crate::upstream) fn slow(
        &mut self,
        now: u64,
        rules: &Outliers,
        may_eject: impl FnOnce() -> bool,
    ) -> Change {
        if self.is_in() && may_eject() { self.eject(now, rules, Why::Slow) } else { Change::None }
    }

    fn eject(&mut self, now: u64, rules: &Outliers, why: Why) -> Change {
        let first = u64::try_from(rules.eject_for.as_millis()).unwrap_or(u64::MAX).max(1);
        if why != Why::Again {
            let forgiven = now.saturating_sub(self.returned) / first;
            self.ejections = self.ejections.saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX));
        }
        self.ejections = (self.ejections + 1).min(LONGEST);
        let milliseconds = first.saturating_mul(self.ejections.into());
        self.state = State::Out { until: now.saturating_add(milliseconds) };
        Change::Ejected { milliseconds, why }
    }

    /// Gives it its calls back, whatever it did: targets are not left alone any more. True if it had none.
    pub(in crate::upstream) fn pardon(&mut self) -> bool {
        let was_in = self.is_in();
        *self = Self::default();
        !was_in
    }
}

#[cfg(test)]
mod tests {
    use super::super::rates::Outcomes;
    use super::*;

    const RULES: Outliers = Outliers {
        consecutive_failures: 3,
        failure_rate: None,
        slower_than: None,
        window: Duration::from_secs(10),
        min_calls: 20,
        eject_for: Duration::from_secs(30),
        max_ejected: 500_000,
    };

    fn fail(record: &mut Record, now: u64) -> Change {
        record.failed(now, &RULES, false, || true)
    }

    fn ejected(seconds: u64, why: Why) -> Change {
        Change::Ejected { milliseconds: seconds * 1000, why }
    }

    #[test]
    fn only_failures_in_a_row_count() {
        let mut record = Record::default();
        for _ in 0..10 {
            assert_eq!((fail(&mut record, 0), fail(&mut record, 0)), (Change::None, Change::None));
            assert_eq!(record.succeeded(0), Change::None);
        }
        assert_eq!((fail(&mut record, 0), fail(&mut record, 0)), (Change::None, Change::None));
        assert_eq!(fail(&mut record, 5), ejected(30, Why::InARow));
        assert_eq!((record.is_in(), record.until()), (false, Some(30_005)));
    }

    #[test]
    fn one_call_tries_when_the_time_is_over() {
        let mut record = Record::default();
        (0..3).for_each(|_| _ = fail(&mut record, 0));
        assert_eq!(fail(&mut record, 10), Change::None, "a call from before changes nothing");
        assert_eq!(record.succeeded(10), Change::None, "nor does an answer to one");
        assert!(!record.probe(29_999, true));
        assert!(!record.probe(30_500, false), "calls that may be repeated go first");
        assert!(record.probe(30_500, true));
        assert!(!record.probe(31_499, true), "one at a time");
        assert!(record.probe(31_500, true), "that one was never heard of again");
        assert!(!record.probe(33_499, false) && record.probe(33_500, false));
        assert_eq!(record.succeeded(33_600), Change::Returned);
        assert!(record.is_in() && record.until().is_none());
        assert!(!record.probe(99_000, true), "there is nothing to try");
    }

    #[test]
    fn each_time_is_longer_and_calm_is_rewarded() {
        let mut record = Record::default();
        let mut now = 0;
        (0..3).for_each(|_| _ = fail(&mut record, now));
        for times in 2..=14 {
            now = record.until().unwrap();
            assert!(record.probe(now, true));
            assert_eq!(fail(&mut record, now), ejected(30 * times.min(10), Why::Again), "{times}");
        }
        now = record.until().unwrap();
        assert!(record.probe(now, true));
        assert_eq!(record.succeeded(now), Change::Returned);
        // Four times the first time passes: four are forgiven.
        now += 4 * 30_000 + 1;
        (0..2).for_each(|_| assert_eq!(fail(&mut record, now), Change::None));
        assert_eq!(fail(&mut record, now), ejected(30 * 7, Why::InARow));
    }

    #[test]
    fn only_a_share_is_left_alone() {
        let mut record = Record::default();
        for _ in 0..10 {
            assert_eq!(record.failed(0, &RULES, false, || false), Change::None);
        }
        assert!(record.is_in());
        assert_eq!(record.failures(), 10);
        assert_eq!(fail(&mut record, 0), ejected(30, Why::InARow), "as soon as it may be");
        assert!(record.pardon() && record.is_in() && !record.pardon());
        for (targets, millionths, expected) in [
            (1, 500_000, 0),
            (2, 500_000, 1),
            (3, 500_000, 1),
            (4, 500_000, 2),
            (3, 340_000, 1),
            (3, 1_000_000, 3),
            (10, 0, 0),
        ] {
            let rules = Outliers { max_ejected: millionths, ..RULES };
            assert_eq!(rules.most(targets), expected, "{millionths} of {targets}");
        }
    }

    #[test]
    fn shares_and_times_are_reasons_as_well() {
        let rates = Outliers { failure_rate: Some(200_000), ..RULES };
        let outcomes = Outcomes::default();
        let mut record = Record::default();
        // Every fifth call fails, never two in a row.
        for call in 1..=19 {
            if call % 5 != 0 {
                outcomes.answered(7, None);
                record.succeeded(call);
                continue;
            }
            outcomes.failed(7);
            let is_often = rates.fails(outcomes.seen(7));
            assert_eq!(record.failed(call, &rates, is_often, || true), Change::None, "call {call}");
        }
        outcomes.failed(7);
        assert!(rates.fails(outcomes.seen(7)) && !RULES.fails(outcomes.seen(7)));
        assert_eq!(record.failed(20, &rates, true, || false), Change::None, "as many as may be are out");
        record.succeeded(21);
        assert_eq!(record.failed(22, &rates, true, || true), ejected(30, Why::Rate));
        assert_eq!(record.slow(23, &rates, || true), Change::None, "it is left alone already");

        let mut record = Record::default();
        assert_eq!(record.slow(5, &RULES, || false), Change::None);
        assert_eq!(record.slow(5, &RULES, || true), ejected(30, Why::Slow));
        assert!(record.probe(30_005, true));
        assert_eq!(record.succeeded(30_006), Change::Returned);
        assert_eq!(record.slow(30_007, &RULES, || true), ejected(60, Why::Slow));
        assert_eq!((RULES.tick(), rates.tick()), (0, 1000));
        assert_eq!(Outliers { slower_than: Some(5), ..RULES }.tick(), 1000);
    }
}
