//! How large a share of the calls a target gets that has just come.

/// The least part of its share that a target gets from the beginning on, in thousandths.
pub const LEAST: u32 = 100;

/// All of a share, in thousandths.
pub(in crate::upstream) const WHOLE: u32 = 1_000;

/// Which part of its share a target gets at an age, in thousandths: it grows evenly until the target is `whole_at` old,
/// both in milliseconds. Caches, pools and compilers of a backend are cold when it starts, so that all of its share would
/// be too much.
pub(in crate::upstream) fn part(age: u64, whole_at: u64) -> u32 {
    if age >= whole_at {
        return WHOLE;
    }
    let part = u128::from(age) * u128::from(WHOLE) / u128::from(whole_at);
    u32::try_from(part).unwrap_or(WHOLE).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_grow_evenly_from_a_tenth() {
        for (age, whole_at, expected) in [
            (0, 30_000, 100),
            (2_999, 30_000, 100),
            (3_300, 30_000, 110),
            (15_000, 30_000, 500),
            (29_999, 30_000, 999),
            (30_000, 30_000, 1000),
            (u64::MAX, 30_000, 1000),
            (u64::MAX - 1, u64::MAX, 999),
            (0, 0, 1000),
        ] {
            assert_eq!(part(age, whole_at), expected, "{age} of {whole_at}");
        }
    }
}
