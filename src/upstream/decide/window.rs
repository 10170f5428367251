//! How much there was of something in the last while.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many ticks are looked back at.
pub(in crate::upstream) const CELLS: u64 = 10;

/// How much there was in the last [`CELLS`] ticks, this one included. How long a tick is, is the business of whoever
/// counts. Any thread may count and add up; what another thread counts at the turn of a tick may be lost.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Window([AtomicU64; CELLS as usize]);

/// A tick in the upper half, and the amount of it in the lower.
const AMOUNT_BITS: u32 = 32;

impl Window {
    /// Counts one in this tick. Says whether it is the first.
    pub(in crate::upstream) fn add(&self, tick: u64) -> bool {
        self.add_amount(tick, 1)
    }

    /// Counts so much in this tick. Says whether it is the first.
    pub(in crate::upstream) fn add_amount(&self, tick: u64, amount: u32) -> bool {
        let cell = &self.0[(tick % CELLS) as usize];
        let present = cell.load(Relaxed);
        if present >> AMOUNT_BITS == tick && present as u32 != 0 {
            cell.fetch_add(amount.into(), Relaxed);
            return false;
        }
        // Whoever else began the tick has counted at least one.
        let first = tick << AMOUNT_BITS | u64::from(amount);
        cell.compare_exchange(present, first, Relaxed, Relaxed).is_ok()
    }

    /// Takes one of this tick back.
    pub(in crate::upstream) fn take_back(&self, tick: u64) {
        let cell = &self.0[(tick % CELLS) as usize];
        let present = cell.load(Relaxed);
        if present >> AMOUNT_BITS == tick && present as u32 > 0 {
            let _ = cell.compare_exchange(present, present - 1, Relaxed, Relaxed);
        }
    }

    /// How much there was in this tick and those before it.
    pub(in crate::upstream) fn sum(&self, tick: u64) -> u64 {
        let is_recent = |at: u64| at <= tick && tick - at < CELLS;
        let cells = self.0.iter().map(|cell| cell.load(Relaxed));
        cells.filter(|cell| is_recent(cell >> AMOUNT_BITS)).map(|cell| u64::from(cell as u32)).sum()
    }

    /// Forgets everything.
    pub(in crate::upstream) fn clear(&self) {
        self.0.iter().for_each(|cell| cell.store(0, Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_forgotten_one_after_the_other() {
        let window = Window::default();
        assert_eq!(window.sum(0), 0);
        for (tick, is_first) in [(0, true), (0, false), (0, false), (1, true), (9, true)] {
            assert_eq!(window.add(tick), is_first, "tick {tick}");
        }
        for (tick, expected) in [(0, 3), (1, 4), (8, 4), (9, 5), (10, 2), (11, 1), (18, 1), (19, 0), (500, 0)]
        {
            assert_eq!(window.sum(tick), expected, "tick {tick}");
        }
        assert!(window.add(19), "the cell of tick 9 is that of tick 19");
        assert_eq!(window.sum(19), 1);
        window.take_back(19);
        window.take_back(19);
        window.take_back(20);
        assert_eq!(window.sum(20), 0);
        assert!(window.add_amount(21, 500) && !window.add_amount(21, 70));
        assert_eq!(window.sum(30), 570);
        window.clear();
        assert_eq!(window.sum(30), 0);
    }
}
