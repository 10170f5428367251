//! What the calls of one target, or of a whole upstream, came to in a window of time.

use std::time::Duration;

use super::window::{CELLS, Window};

/// How much slower a target is at least, in microseconds, before it is left alone for that: where everything is quick,
/// several times as slow is quick still.
pub const NOTICEABLE: u64 = 10_000;

/// Outcomes of calls. Any thread may count and add up.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Outcomes {
    answered: Window,
    failed: Window,
    /// Answers whose times are known, and the sum of the [`octaves`] of those.
    timed: Window,
    times: Window,
}

/// What outcomes came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::upstream) struct Seen {
    /// All calls.
    pub(in crate::upstream) calls: u64,
    /// Those that failed by the target's fault.
    pub(in crate::upstream) failed: u64,
    timed: u64,
    times: u64,
}

/// How long a tick of a window is, in milliseconds; at least one.
pub(in crate::upstream) fn tick_of(window: Duration) -> u32 {
    u32::try_from(window.as_millis() / u128::from(CELLS)).unwrap_or(u32::MAX).max(1)
}

impl Outcomes {
    /// Counts an answer, with the microseconds that it took if they are those of the target. Says whether it is the first
    /// one of its tick.
    pub(in crate::upstream) fn answered(&self, tick: u64, micros: Option<u64>) -> bool {
        if let Some(micros) = micros {
            self.timed.add(tick);
            self.times.add_amount(tick, octaves(micros));
        }
        self.answered.add(tick)
    }

    /// Counts a failure.
    pub(in crate::upstream) fn failed(&self, tick: u64) {
        self.failed.add(tick);
    }

    /// What there was in this tick and those before it.
    pub(in crate::upstream) fn seen(&self, tick: u64) -> Seen {
        let failed = self.failed.sum(tick);
        let calls = failed + self.answered.sum(tick);
        Seen { calls, failed, timed: self.timed.sum(tick), times: self.times.sum(tick) }
    }

    /// Forgets everything.
    pub(in crate::upstream) fn clear(&self) {
        [&self.answered, &self.failed, &self.timed, &self.times].into_iter().for_each(Window::clear);
    }
}

impl Seen {
    /// Whether at least so many millionths of the calls failed, and there were enough of them to tell.
    pub(in crate::upstream) fn fails(&self, millionths: u32, min_calls: u32) -> bool {
        self.failed > 0
            && self.calls >= min_calls.into()
            && self.failed * 1_000_000 >= self.calls * u64::from(millionths)
    }

    /// The time of an answer in microseconds: the geometric mean, which a few that take very long do not move as they
    /// move the mean. `None` where there are fewer than `min_calls`.
    pub(in crate::upstream) fn typical(&self, min_calls: u32) -> Option<u64> {
        (self.timed >= u64::from(min_calls).max(1)).then(|| micros(self.times as f64 / self.timed as f64))
    }
}

/// Whether a target that takes so long is at least so many `times` slower than the median of the others, and by more than
/// [`NOTICEABLE`]. Not if there are no others.
pub(in crate::upstream) fn is_slow(typical: u64, others: &mut [u64], times: u32) -> bool {
    others.sort_unstable();
    let (Some(&upper), lower) = (others.get(others.len() / 2), others.len().saturating_sub(1) / 2) else {
        return false;
    };
    let median = others[lower].midpoint(upper);
    typical >= median.saturating_mul(times.into()) && typical - median >= NOTICEABLE
}

/// How finely an octave is divided.
const STEPS: u32 = 16;

/// The logarithm of a time to the base 2, in [`STEPS`] of one. Between powers of two it is taken for a straight line.
fn octaves(micros: u64) -> u32 {
    let micros = micros.max(1);
    let whole = micros.ilog2();
    // The bits behind the first one.
    let rest = (micros << (63 - whole) >> (63 - STEPS.ilog2())) as u32 % STEPS;
    whole * STEPS + rest
}

/// The time of which [`octaves`] makes this.
fn micros(octaves: f64) -> u64 {
    let octaves = octaves / f64::from(STEPS);
    let whole = octaves.floor();
    (whole.exp2() * (1.0 + octaves - whole)).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_kept_to_a_sixteenth() {
        for (time, expected) in
            [(0, 0), (1, 0), (2, 16), (3, 24), (4, 32), (1024, 160), (1535, 167), (1536, 168)]
        {
            assert_eq!(octaves(time), expected, "{time} us");
        }
        assert_eq!(octaves(u64::MAX), 63 * 16 + 15);
        for time in [1_u64, 7, 40, 999, 1_000_000, 3_600_000_000] {
            let kept = micros(octaves(time).into());
            assert!(kept <= time && time - kept <= time / 16 + 1, "{kept} for {time}");
        }
    }

    #[test]
    fn outcomes_are_counted_and_forgotten() {
        let outcomes = Outcomes::default();
        assert!(outcomes.answered(5, Some(1000)) && !outcomes.answered(5, Some(1000)));
        outcomes.failed(5);
        assert!(outcomes.answered(6, None));
        let seen = outcomes.seen(6);
        assert_eq!((seen.calls, seen.failed, seen.timed), (4, 1, 2));
        assert_eq!(outcomes.seen(15), Seen { calls: 1, ..Seen::default() });
        outcomes.clear();
        assert_eq!(outcomes.seen(6), Seen::default());
    }

    #[test]
    fn a_share_of_enough_calls_is_asked_for() {
        let seen = |calls, failed| Seen { calls, failed, ..Seen::default() };
        for (calls, failed, millionths, expected) in [
            (9, 9, 500_000, false),
            (10, 5, 500_000, true),
            (10, 4, 500_000, false),
            (1000, 999, 1_000_000, false),
            (1000, 1000, 1_000_000, true),
            (1000, 10, 10_000, true),
            (1000, 9, 10_000, false),
            (10, 0, 0, false),
        ] {
            assert_eq!(seen(calls, failed).fails(millionths, 10), expected, "{failed} of {calls}");
        }
    }

    #[test]
    fn a_few_long_calls_do_not_make_a_target_slow() {
        let outcomes = Outcomes::default();
        (0..97).for_each(|_| _ = outcomes.answered(0, Some(1024)));
        assert_eq!(outcomes.seen(0).typical(97), Some(1024));
        assert_eq!(outcomes.seen(0).typical(98), None);
        // The mean is 31 times as much.
        (0..3).for_each(|_| _ = outcomes.answered(0, Some(1 << 20)));
        let typical = outcomes.seen(0).typical(100).unwrap();
        assert!((1024..1400).contains(&typical), "{typical}");
        assert_eq!(Seen::default().typical(0), None);
    }

    #[test]
    fn slow_is_what_is_slower_than_the_median_of_the_others() {
        for (typical, others, times, expected) in [
            (50_000, &[10_000, 10_000][..], 5, true),
            (49_999, &[10_000, 10_000], 5, false),
            (50_000, &[10_000], 5, true),
            (50_000, &[], 5, false),
            // One other that is slow as well is not what is usual.
            (60_000, &[10_000, 900_000, 10_000], 5, true),
            // The middle of two.
            (50_000, &[4_000, 16_000], 5, true),
            (49_999, &[16_000, 4_000], 5, false),
            // Quick still.
            (9_000, &[100, 100], 5, false),
            (10_100, &[100, 100], 5, true),
        ] {
            assert_eq!(is_slow(typical, &mut others.to_vec(), times), expected, "{typical} of {others:?}");
        }
    }

    #[test]
    fn a_window_has_ten_ticks() {
        for (milliseconds, expected) in [(10_000, 1000), (1000, 100), (1, 1), (0, 1)] {
            assert_eq!(tick_of(Duration::from_millis(milliseconds)), expected);
        }
        assert_eq!(tick_of(Duration::MAX), u32::MAX);
    }
}
