//! How long to wait after failures in a row.

use std::time::Duration;

/// A pause that doubles with each failure from `first` to `longest`: half of it, and a random part of the other half, so
/// that many gateways do not knock at a backend in step.
pub(in crate::upstream) fn pause(first: Duration, longest: Duration, failures: u32, random: u32) -> Duration {
    let full = first.saturating_mul(1 << failures.min(20)).min(longest);
    full / 2 + (full / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_with_jitter_over_the_upper_half() {
        let (first, longest) = (Duration::from_millis(20), Duration::from_secs(1));
        let table = [(0, 20), (1, 40), (2, 80), (5, 640), (6, 1000), (20, 1000), (u32::MAX, 1000)];
        for (failures, full) in table {
            let full = Duration::from_millis(full);
            assert_eq!(pause(first, longest, failures, 0), full / 2);
            assert_eq!(pause(first, longest, failures, u32::MAX), full);
        }
        assert_eq!(pause(Duration::ZERO, longest, 5, u32::MAX), Duration::ZERO);
        assert_eq!(pause(longest, first, 0, u32::MAX), first, "the bound holds for the first one too");
    }
}
