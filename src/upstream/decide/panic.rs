//! When so many targets are left out that all are used.

/// Whether fewer than so many millionths of the targets are usable. The calls of all would be too much for the rest, and
/// what says that so many are not well is perhaps wrong itself. Where none is usable all are used in any case, so that is
/// no matter of this.
pub(in crate::upstream) fn is_panic(usable: usize, all: usize, millionths: u32) -> bool {
    usable > 0 && (usable as u64) * 1_000_000 < all as u64 * u64::from(millionths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_used_when_few_are_left() {
        for (usable, all, millionths, expected) in [
            (1, 4, 250_000, false),
            (1, 5, 250_000, true),
            (2, 5, 250_000, false),
            (1, 3, 500_000, true),
            (2, 4, 500_000, false),
            (3, 4, 1_000_000, true),
            (4, 4, 1_000_000, false),
            (1, 1000, 0, false),
            (0, 3, 500_000, false),
            (0, 0, 500_000, false),
        ] {
            assert_eq!(is_panic(usable, all, millionths), expected, "{usable} of {all}, {millionths}");
        }
    }
}
