//! How many calls of an upstream there may be at a time.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// The bounds of an upstream, all cores together. A call beyond them fails at once with UNAVAILABLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Circuit {
    /// Calls that are with the backends. Default: no bound.
    pub max_in_flight: u32,
    /// Calls that wait for a connection, or for a backend that takes no more of them at a time. Default: no bound.
    pub max_pending: u32,
}

impl Default for Circuit {
    fn default() -> Self {
        Self { max_in_flight: u32::MAX, max_pending: u32::MAX }
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
}
