//! Counters and levels whose labels are known when the program is built.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::text::{Head, Kind, line};
use super::{Metric, PerCore};

/// Counters or levels with a closed set of labels, in a static.
///
/// ```
/// use transom::telemetry::metrics::{Metric, Tally};
///
/// static MESSAGES: Tally<2> = Tally::counters(
///     "messages_total",
///     "Messages of streams.",
///     [r#"direction="received""#, r#"direction="sent""#],
/// );
/// MESSAGES.add(1, 3);
/// let mut text = String::new();
/// MESSAGES.render(&mut text);
/// assert!(text.ends_with("messages_total{direction=\"received\"} 0\nmessages_total{direction=\"sent\"} 3\n"));
/// ```
#[derive(Debug)]
pub struct Tally<const N: usize> {
    head: Head,
    labels: [&'static str; N],
    cells: PerCore<Cells<N>>,
}

#[derive(Debug)]
struct Cells<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Cells<N> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl<const N: usize> Tally<N> {
    /// Counters. `labels` are written as they stand in the text, such as `direction="sent"`; one without labels is
    /// the empty text.
    pub const fn counters(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self { head: Head { name, help, kind: Kind::Counter }, labels, cells: PerCore::new() }
    }

    /// Levels, which [`hold`](Self::hold) raises for a while.
    pub const fn levels(name: &'static str, help: &'static str, labels: [&'static str; N]) -> Self {
        Self { head: Head { name, help, kind: Kind::Gauge }, labels, cells: PerCore::new() }
    }

    /// Adds to the counter at `index`, counted from 0.
    pub fn add(&self, index: usize, amount: u64) {
        self.cells.mine().0[index].fetch_add(amount, Relaxed);
    }

    /// Takes from the level at `index`.
    pub fn subtract(&self, index: usize, amount: u64) {
        self.cells.mine().0[index].fetch_sub(amount, Relaxed);
    }

    /// Raises the level at `index` by one until what is returned is dropped, on whatever thread.
    pub fn hold(&'static self, index: usize) -> Held<N> {
        self.add(index, 1);
        Held { tally: self, index }
    }

    /// The present value of the counter or level at `index`.
    pub fn value(&self, index: usize) -> u64 {
        // A level may be lowered on another core than it was raised on.
        self.cells.all().fold(0, |sum, cells| sum.wrapping_add(cells.0[index].load(Relaxed)))
    }
}

impl<const N: usize> Metric for Tally<N> {
    fn render(&self, out: &mut String) {
        self.head.render(out);
        for (index, labels) in self.labels.iter().enumerate() {
            // While it is read, the core that lowers a level may be seen and the one that raised it not yet.
            let value = self.value(index);
            let value = if self.head.kind == Kind::Gauge { (value as i64).max(0) as u64 } else { value };
            line(out, self.head.name, "", labels, value);
        }
    }
}

/// A level that is raised by one.
#[derive(Debug)]
pub struct Held<const N: usize> {
    tally: &'static Tally<N>,
    index: usize,
}

impl<const N: usize> Drop for Held<N> {
    fn drop(&mut self) {
        self.tally.subtract(self.index, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::core;

    #[test]
    fn levels_are_lowered_wherever_they_are_dropped() {
        static LEVEL: Tally<2> = Tally::levels("level", "A level.", [r#"kind="a""#, r#"kind="b""#]);
        let (first, second) = (LEVEL.hold(0), LEVEL.hold(1));
        let other = || {
            core::enter(0);
            let third = LEVEL.hold(0);
            drop(first);
            third
        };
        let third = std::thread::spawn(other).join().unwrap();
        assert_eq!((LEVEL.value(0), LEVEL.value(1)), (1, 1));
        drop((second, third));
        let mut text = String::new();
        LEVEL.render(&mut text);
        assert_eq!(
            text,
            "# HELP level A level.\n# TYPE level gauge\nlevel{kind=\"a\"} 0\nlevel{kind=\"b\"} 0\n"
        );
    }
}
