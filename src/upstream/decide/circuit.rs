//! How many calls of an upstream there may be at a time, and whether there may be any while most of them fail.
//!
//! ```text
//!           too large a share fails               its time is over
//!   Closed -----------------------> Open ----------------------> Trying
//!    ^                               ^                            |  |
//!    |                               +----------------------------+  |
//!    |                                     a call fails              |
//!    +---------------------------------------------------------------+
//!                         as many calls as tried are answered
//! ```

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use super::rates::Seen;

/// The bounds of an upstream, all cores together. A call beyond them fails at once with UNAVAILABLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// Calls that are with the backends. Default: no bound.
    pub max_in_flight: u32,
    /// Calls that wait for a connection, or for a backend that takes no more of them at a time. Default: no bound.
    pub max_pending: u32,
    /// When no calls are let through for a while, as most of them fail. Default: never.
    pub trip: Option<Trip>,
}

impl Default for Circuit {
    fn default() -> Self {
        Self { max_in_flight: u32::MAX, max_pending: u32::MAX, trip: None }
    }
}

/// When all calls of an upstream fail at once for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trip {
    /// When so many millionths of the calls to all its targets fail.
    pub failure_rate: u32,
    /// How long is looked back at.
    pub window: Duration,
    /// How many calls there must be in a window before the share says something.
    pub min_calls: u32,
    /// For how long.
    pub open_for: Duration,
}

/// How many calls try whether it is over, and must be answered.
pub const TRIES: u32 = 3;

/// How long calls may try until others do, in milliseconds.
const PATIENCE: u64 = 1_000;

/// Whether calls are let through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::upstream) enum Breaker {
    #[default]
    Closed,
    Open {
        until: u64,
    },
    Trying {
        /// When others may try.
        until: u64,
        /// How many may now.
        left: u32,
        /// How many have been answered.
        answered: u32,
    },
}

impl Breaker {
    /// Lets a call through, or says for how many milliseconds none is.
    pub(in crate::upstream) fn admit(&mut self, now: u64) -> Result<(), u64> {
        let answered = match self {
            Self::Closed => return Ok(()),
            Self::Trying { left, .. } if *left > 0 => {
                *left -= 1;
                return Ok(());
            }
            Self::Open { until } | Self::Trying { until, .. } if now < *until => return Err(*until - now),
            Self::Trying { answered, .. } => *answered,
            Self::Open { .. } => 0,
        };
        *self = Self::Trying { until: now + PATIENCE, left: TRIES - 1, answered };
        Ok(())
    }

    /// A call was answered. Says whether all are let through from now on that were not.
    pub(in crate::upstream) fn answered(&mut self) -> bool {
        // While it is open, that is an answer to a call from before.
        let Self::Trying { answered, .. } = self else { return false };
        *answered += 1;
        let is_over = *answered >= TRIES;
        if is_over {
            *self = Self::Closed;
        }
        is_over
    }

    /// A call failed by a target's fault, and these are all of them. Says whether none is let through from now on that was.
    pub(in crate::upstream) fn failed(&mut self, now: u64, rules: &Trip, seen: Seen) -> bool {
        let opens = match self {
            Self::Closed => seen.fails(rules.failure_rate, rules.min_calls),
            Self::Trying { .. } => true,
            Self::Open { .. } => false,
        };
        if opens {
            let time = u64::try_from(rules.open_for.as_millis()).unwrap_or(u64::MAX);
            *self = Self::Open { until: now.saturating_add(time) };
        }
        opens
    }

    /// For how many milliseconds it is open still, if it is; none while calls try.
    pub(in crate::upstream) const fn left(&self, now: u64) -> Option<u64> {
        match self {
            Self::Closed => None,
            Self::Open { until } => Some(until.saturating_sub(now)),
            Self::Trying { .. } => Some(0),
        }
    }
}

/// How many there are of something that is bounded.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Gauge(AtomicU32);

impl Gauge {
    /// Adds one unless there are so many already.
    pub(in crate::upstream) fn enter(&self, most: u32) -> bool {
        if self.0.fetch_add(1, Relaxed) < most {
            return true;
        }
        self.leave();
        false
    }

    /// Takes one away.
    pub(in crate::upstream) fn leave(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// How many there are.
    pub(in crate::upstream) fn value(&self) -> u32 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rates::Outcomes;
    use super::*;

    #[test]
    fn no_more_enter_than_may() {
        let gauge = Gauge::default();
        let entered = |most| (0..10).filter(|_| gauge.enter(most)).count();
        assert_eq!((entered(3), gauge.value()), (3, 3));
        gauge.leave();
        assert_eq!((entered(3), gauge.value()), (1, 3));
        assert_eq!((entered(0), entered(Circuit::default().max_in_flight)), (0, 10));
        assert_eq!(gauge.value(), 13);
    }

    const RULES: Trip = Trip {
        failure_rate: 500_000,
        window: Duration::from_secs(10),
        min_calls: 4,
        open_for: Duration::from_secs(5),
    };

    /// A breaker that has opened at 0.
    fn opened() -> Breaker {
        let (mut breaker, outcomes) = (Breaker::default(), Outcomes::default());
        for (answered, opens) in [(true, false), (false, false), (true, false), (false, true)] {
            assert_eq!(breaker.admit(0), Ok(()));
            if answered {
                outcomes.answered(0, None);
                assert!(!breaker.answered());
            } else {
                outcomes.failed(0);
                assert_eq!(breaker.failed(0, &RULES, outcomes.seen(0)), opens);
            }
        }
        breaker
    }

    #[test]
    fn no_call_is_let_through_until_its_time_is_over_and_then_three_are() {
        let mut breaker = opened();
        assert_eq!((breaker.admit(1), breaker.admit(4_999)), (Err(4_999), Err(1)));
        assert_eq!(breaker.left(1), Some(4_999));
        assert!(!breaker.answered() && !breaker.failed(1, &RULES, Seen::default()), "calls from before");
        let admitted = (0..5).map(|_| breaker.admit(5_000)).collect::<Vec<_>>();
        assert_eq!(admitted, [Ok(()), Ok(()), Ok(()), Err(1_000), Err(1_000)]);
        assert_eq!(breaker.left(5_000), Some(0));
        assert_eq!([breaker.answered(), breaker.answered(), breaker.answered()], [false, false, true]);
        assert_eq!((breaker, breaker.left(5_001)), (Breaker::Closed, None));
    }

    #[test]
    fn one_that_fails_opens_it_again() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(5_000), Ok(()));
        assert!(!breaker.answered());
        assert!(breaker.failed(5_100, &RULES, Seen::default()), "however few there are");
        assert_eq!(breaker.admit(5_200), Err(4_900));
    }

    #[test]
    fn calls_that_are_never_heard_of_make_room_for_others() {
        let mut breaker = opened();
        (0..3).for_each(|_| assert_eq!(breaker.admit(5_000), Ok(())));
        assert!(!breaker.answered());
        assert_eq!(breaker.admit(5_999), Err(1));
        assert_eq!(breaker.admit(6_000), Ok(()));
        assert!(!breaker.answered() && breaker.answered(), "three in all");
    }
}
