//! How old a connection gets.

use std::time::Duration;

/// The age at which a connection is replaced: up to a tenth less or more than is configured, so that the connections of
/// many cores and gateways, which began together, do not all end together.
pub(in crate::upstream) fn lifetime(age: Duration, random: u32) -> Duration {
    let tenth = age / 10;
    (age - tenth).saturating_add((2 * tenth).mul_f64(f64::from(random) / f64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_spread_over_a_tenth_around() {
        for (random, expected) in [(0, 27), (u32::MAX / 2, 30), (u32::MAX, 33)] {
            let lifetime = lifetime(Duration::from_secs(30), random);
            assert_eq!(lifetime.as_secs_f64().round() as u64, expected, "{random}");
        }
    }
}
