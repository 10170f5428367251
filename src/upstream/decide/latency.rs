//! How long calls take, counted by any thread.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Each power of two is cut into so many parts, so that a time is known to an eighth.
const PARTS: usize = 8;
/// The powers of two of microseconds that are told apart: from 32 µs to 134 s. What is shorter or longer counts as those.
const FIRST: u32 = 5;
const LAST: u32 = 26;
const BUCKETS: usize = (LAST - FIRST + 1) as usize * PARTS;

/// The times of one core.
#[derive(Debug)]
#[repr(align(128))]
pub(in crate::upstream) struct Latencies([AtomicU32; BUCKETS]);

impl Default for Latencies {
    fn default() -> Self {
        Self([const { AtomicU32::new(0) }; BUCKETS])
    }
}

impl Latencies {
    /// Counts a time.
    pub(in crate::upstream) fn add(&self, time: Duration) {
        self.0[bucket(time)].fetch_add(1, Relaxed);
    }
}

/// How many times were counted by all of them.
pub(in crate::upstream) fn count(all: &[Latencies]) -> u64 {
    all.iter().flat_map(|one| &one.0).map(|count| u64::from(count.load(Relaxed))).sum()
}

/// Takes what was counted away: how many there were, and the time that half of them took no longer than, in microseconds.
pub(in crate::upstream) fn take(all: &[Latencies]) -> (u64, u64) {
    let mut counts = [0_u64; BUCKETS];
    for one in all {
        for (sum, count) in counts.iter_mut().zip(&one.0) {
            *sum += u64::from(count.swap(0, Relaxed));
        }
    }
    let total: u64 = counts.iter().sum();
    let mut seen = 0;
    let reaches = |count: &u64| {
        seen += count;
        seen * 2 >= total
    };
    let median = counts.iter().position(reaches).map_or(0, middle);
    (total, if total == 0 { 0 } else { median })
}

fn bucket(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let micros = micros.clamp(1 << FIRST, (1 << (LAST + 1)) - 1);
    let power = micros.ilog2();
    let part = (micros >> (power - 3)) as usize % PARTS;
    (power - FIRST) as usize * PARTS + part
}

/// The time in the middle of a bucket.
const fn middle(bucket: usize) -> u64 {
    let power = FIRST + (bucket / PARTS) as u32;
    let part = 1 << (power - 3);
    (1 << power) + (bucket % PARTS) as u64 * part + part / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_known_to_an_eighth() {
        let mut micros = 32_u64;
        while micros < 134_000_000 {
            let found = middle(bucket(Duration::from_micros(micros)));
            assert!(found.abs_diff(micros) * 8 <= micros, "{micros} is taken for {found}");
            micros += micros / 5 + 1;
        }
        for (time, expected) in
            [(Duration::ZERO, 0), (Duration::from_micros(32), 0), (Duration::MAX, BUCKETS - 1)]
        {
            assert_eq!(bucket(time), expected, "{time:?}");
        }
    }

    #[test]
    fn the_median_of_all_cores_is_taken_once() {
        let all = [Latencies::default(), Latencies::default()];
        assert_eq!(take(&all), (0, 0));
        for milliseconds in [1, 1, 1, 50] {
            all[0].add(Duration::from_millis(milliseconds));
        }
        for _ in 0..5 {
            all[1].add(Duration::from_millis(4));
        }
        assert_eq!(count(&all), 9);
        let (count, median) = take(&all);
        assert_eq!(count, 9);
        assert!((3_500..4_500).contains(&median), "{median}");
        assert_eq!(take(&all), (0, 0));
    }
}
