//! Doubles from decimal digits, by one multiplication of 128 bits.
//!
//! The method is that of D. Lemire, "Number Parsing at a Gigabyte per Second" (2021): the digits, as 64 bits,
//! times the power of ten, as its 128 highest bits, are exact enough to round by, but for few cases that can
//! be told and are left to the standard library. Only exponents for which every case is proven are taken.

/// The smallest exponent: below it the power's reciprocal has no exact remainder in 64 bits.
const MIN: i64 = -27;
/// The largest exponent: above it the power of five is longer than 128 bits.
const MAX: i64 = 55;

/// The double next to `digits * 10^exponent`, unless it is one of the cases that this method leaves out.
#[inline]
pub(super) fn double(digits: u64, exponent: i64) -> Option<f64> {
    if digits == 0 {
        return Some(0.0);
    }
    let power = *POWERS.get(usize::try_from(exponent - MIN).ok()?)?;
    let zeros = digits.leading_zeros();
    let (high, low) = product(digits << zeros, power);
    let upper = high >> 63;
    // 52 bits of fraction, the leading one, and one to round by.
    let shift = upper + 9;
    let mut mantissa = high >> shift;
    let binary = ((exponent * 217_706) >> 16) + 63 + upper as i64 - i64::from(zeros) + 1023;
    if !(1..2046).contains(&binary) {
        return None;
    }
    // Exactly half way goes to the even one.
    if low <= 1 && (-4..=23).contains(&exponent) && mantissa & 3 == 1 && mantissa << shift == high {
        mantissa &= !1;
    }
    mantissa = (mantissa + (mantissa & 1)) >> 1;
    // A mantissa that was rounded up to the next power of two carries into the exponent.
    Some(f64::from_bits(mantissa.wrapping_add(((binary - 1) as u64) << 52)))
}

/// The 128 highest bits of `digits * power`, exact in those that rounding needs.
#[inline]
const fn product(digits: u64, power: u128) -> (u64, u64) {
    const NOT_NEEDED: u64 = 0x1ff;
    let first = digits as u128 * (power >> 64);
    let mut sum = first;
    if (first >> 64) as u64 & NOT_NEEDED == NOT_NEEDED {
        let second = digits as u128 * (power & u64::MAX as u128);
        sum = first.wrapping_add(second >> 64);
    }
    ((sum >> 64) as u64, sum as u64)
}

/// The powers of five from `MIN` to `MAX`, each moved so that its highest bit is the highest of 128; the
/// reciprocals, which do not end, are rounded up.
static POWERS: [u128; (MAX - MIN + 1) as usize] = {
    let mut powers = [0; (MAX - MIN + 1) as usize];
    let mut five: u128 = 1;
    let mut exponent = 0;
    while exponent <= MAX {
        powers[(exponent - MIN) as usize] = five << five.leading_zeros();
        if exponent > 0 && exponent <= -MIN {
            powers[(-exponent - MIN) as usize] = reciprocal(five);
        }
        if exponent < MAX {
            five *= 5;
        }
        exponent += 1;
    }
    powers
};

/// The 128 highest bits of 1 / `five`, rounded up.
const fn reciprocal(five: u128) -> u128 {
    // 2^(127 + bits) / five in two steps of long division.
    let bits = 128 - five.leading_zeros();
    let start = (1_u128 << bits) << (127 - 64 - 1);
    let (high, rest) = (start / five, start % five);
    let start = rest << 65;
    (high << 65) + start / five + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(digits: u64, exponent: i64) -> bool {
        let expected: f64 = format!("{digits}e{exponent}").parse().unwrap();
        match double(digits, exponent) {
            Some(found) => {
                assert_eq!(
                    found.to_bits(),
                    expected.to_bits(),
                    "{digits}e{exponent}: {found:e} {expected:e}"
                );
                true
            }
            None => false,
        }
    }

    #[test]
    fn doubles_are_those_of_the_standard_library() {
        let edges = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1]);
        for digits in edges.chain([u64::MAX, 9_007_199_254_740_993, 17_976_931_348_623_157, 5, 15, 25]) {
            for exponent in MIN - 2..=MAX + 2 {
                let is_taken = check(digits, exponent);
                assert_eq!(is_taken, digits == 0 || (MIN..=MAX).contains(&exponent), "{digits}e{exponent}");
            }
        }
        let mut state = 1_u64;
        for _ in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let exponent = MIN + (state >> 33) as i64 % (MAX - MIN + 1);
            check(state.rotate_left(17) >> (state % 64), exponent);
        }
    }

    #[test]
    fn half_way_goes_to_the_even_one() {
        // 2^53 + 1 and the like, as whole numbers and with decimals that say the same.
        for digits in (0..1000).map(|step| (1 << 53) + 2 * step + 1) {
            assert!(check(digits, 0));
            assert!(check(digits * 10, -1));
            assert!(check(digits * 100, -2));
            assert!(check(digits * 1000 + 1, -3));
            assert!(check(digits * 1000 - 1, -3));
        }
    }
}
