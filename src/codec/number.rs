//! Numbers as JSON writes them, read exactly, and written.

use super::decimal;

/// Why a text is not the number that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberError {
    /// It is no number in JSON's grammar.
    Syntax,
    /// It has a fractional part that is not zero.
    Fraction,
    /// It does not fit.
    Range,
}

impl NumberError {
    /// What is wrong, where the number that `name` says is needed.
    pub(super) fn text(self, name: &str) -> String {
        let found = match self {
            Self::Syntax => "text that is no number",
            Self::Fraction => "a number with a fraction",
            Self::Range => "a number that does not fit it",
        };
        format!("{name} is needed, found {found}")
    }
}

/// The length of the JSON number at the start of `text`, zero if there is none (RFC 8259, section 6):
/// `[ "-" ] ( "0" / digit1-9 *DIGIT ) [ "." 1*DIGIT ] [ ("e" / "E") [ "-" / "+" ] 1*DIGIT ]`.
pub(super) fn token_length(text: &[u8]) -> usize {
    let digits =
        |from: usize| text.get(from..).unwrap_or_default().iter().take_while(|b| b.is_ascii_digit()).count();
    let start = usize::from(text.first() == Some(&b'-'));
    let mut at = match text.get(start) {
        Some(b'0') => start + 1,
        Some(b'1'..=b'9') => start + digits(start),
        _ => return 0,
    };
    if text.get(at) == Some(&b'.') {
        match digits(at + 1) {
            0 => return 0,
            count => at += 1 + count,
        }
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        match digits(at + 1 + sign) {
            0 => return 0,
            count => at += 1 + sign + count,
        }
    }
    at
}

/// The integer that the whole of `text` stands for; `1.0` and `1e3` are integers too, and no digit is
/// lost on the way. The result fits 64 bits, signed or unsigned.
pub(super) fn integer(text: &[u8]) -> Result<i128, NumberError> {
    if text.is_empty() || token_length(text) != text.len() {
        return Err(NumberError::Syntax);
    }
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match text.iter().position(|&byte| byte | 0x20 == b'e') {
        Some(at) => (&text[..at], exponent(&text[at + 1..])),
        None => (text, 0),
    };
    let (whole, fraction) = match mantissa.iter().position(|&byte| byte == b'.') {
        Some(at) => (&mantissa[..at], &mantissa[at + 1..]),
        None => (mantissa, &b""[..]),
    };
    let magnitude = scale(whole, fraction, exponent)?;
    Ok(if negative { -magnitude } else { magnitude })
}

/// The value of an exponent; what is out of any use is cut at ten million.
fn exponent(text: &[u8]) -> i64 {
    const LIMIT: i64 = 10_000_000;
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    sign * digits.iter().fold(0, |value: i64, digit| (value * 10 + i64::from(digit - b'0')).min(LIMIT))
}

/// `whole.fraction` times ten to the power of `exponent`.
fn scale(whole: &[u8], fraction: &[u8], exponent: i64) -> Result<i128, NumberError> {
    // The digits left of the point after it has moved by `exponent`.
    let point = whole.len() as i64 + exponent;
    let digits = whole.iter().chain(fraction).copied().enumerate();
    let mut value: i128 = 0;
    for (index, digit) in digits {
        if (index as i64) < point {
            value = push_digit(value, digit)?;
        } else if digit != b'0' {
            return Err(NumberError::Fraction);
        }
    }
    let missing = point - (whole.len() + fraction.len()) as i64;
    if value != 0 {
        for _ in 0..missing {
            value = push_digit(value, b'0')?;
        }
    }
    Ok(value)
}

fn push_digit(value: i128, digit: u8) -> Result<i128, NumberError> {
    let value = value * 10 + i128::from(digit - b'0');
    if value > i128::from(u64::MAX) { Err(NumberError::Range) } else { Ok(value) }
}

/// Digits read from the start of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digits {
    /// Their value, meaningless for more than 19 of them.
    pub(super) value: u64,
    /// How many they are.
    pub(super) count: usize,
}

/// Reads the digits that stand at `at`, behind others that were read before: up to eight at once, without
/// a branch for each, as nobody can foretell how many there are.
#[inline]
pub(super) fn digits(text: &[u8], at: usize, before: Digits) -> Digits {
    const POWERS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
    let Digits { mut value, mut count } = before;
    let mut rest = text.get(at..).unwrap_or_default();
    while let Some((chunk, behind)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*chunk) ^ 0x3030_3030_3030_3030;
        // The high bit of each byte that is no digit; right up to the first of them.
        let others = (word.wrapping_add(0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080;
        if others == 0 {
            value = value.wrapping_mul(100_000_000).wrapping_add(eight_digits(word));
            (rest, count) = (behind, count + 8);
            continue;
        }
        let few = (others.trailing_zeros() / 8) as usize;
        if few > 0 {
            // Zeros move in from the front.
            let last = eight_digits(word << (64 - 8 * few));
            value = value.wrapping_mul(POWERS[few]).wrapping_add(last);
        }
        return Digits { value, count: count + few };
    }
    while let [digit @ b'0'..=b'9', behind @ ..] = rest {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        (rest, count) = (behind, count + 1);
    }
    Digits { value, count }
}

/// The number of eight digits, the first in the lowest byte: pairs, then fours, then all are joined by
/// multiplications of the whole word.
#[inline]
const fn eight_digits(word: u64) -> u64 {
    let pairs = word.wrapping_mul(10 << 8 | 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 << 16 | 1) >> 16 & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000 << 32 | 1) >> 32
}

/// The eight digits of a number below 10^8, the first in the lowest byte: fours, then pairs, then single
/// digits are parted by multiplications of the whole word.
#[inline]
const fn to_eight_digits(value: u64) -> u64 {
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    // 10,486 / 2^20 and 103 / 2^10 are 1/100 and 1/10 for numbers of four and two digits.
    let hundreds = (fours * 10_486) >> 20 & 0x0000_007f_0000_007f;
    let pairs = hundreds | (fours - 100 * hundreds) << 16;
    let tens = (pairs * 103) >> 10 & 0x000f_000f_000f_000f;
    tens | (pairs - 10 * tens) << 8
}

/// Room for any number of 64 bits, which is written in parts of eight digits.
pub(super) const DIGITS: usize = 24;

/// Puts a number in decimal digits and returns how many they are.
#[inline]
pub(super) fn put_unsigned(text: &mut [u8; DIGITS], value: u64) -> usize {
    const EIGHT: u64 = 100_000_000;
    if value < EIGHT {
        put_first_digits(text, value)
    } else if value < EIGHT * EIGHT {
        let count = put_first_digits(text, value / EIGHT);
        put_eight_digits(text, count, value % EIGHT);
        count + 8
    } else {
        let count = put_first_digits(text, value / EIGHT / EIGHT);
        put_eight_digits(text, count, value / EIGHT % EIGHT);
        put_eight_digits(text, count + 8, value % EIGHT);
        count + 16
    }
}

/// Puts a number below 10^8 without leading zeros.
#[inline]
fn put_first_digits(text: &mut [u8; DIGITS], value: u64) -> usize {
    let digits = to_eight_digits(value);
    // Zero is one digit too.
    let zeros = (digits | 1 << 56).trailing_zeros() / 8;
    text[..8].copy_from_slice(&((digits | ASCII) >> (8 * zeros)).to_le_bytes());
    8 - zeros as usize
}

#[inline]
fn put_eight_digits(text: &mut [u8; DIGITS], at: usize, value: u64) {
    text[at..at + 8].copy_from_slice(&(to_eight_digits(value) | ASCII).to_le_bytes());
}

const ASCII: u64 = 0x3030_3030_3030_3030;

/// A number of JSON's grammar as `mantissa * 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    /// How many bytes it takes.
    pub(super) length: usize,
    negative: bool,
    digits: Digits,
    exponent: i64,
}

impl Decimal {
    /// Reads the number that stands at `at` (RFC 8259, section 6), as [`token_length`] does.
    #[inline]
    pub(super) fn read(text: &[u8], start: usize) -> Option<Self> {
        let negative = text.get(start) == Some(&b'-');
        let mut at = start + usize::from(negative);
        let first = text.get(at);
        let mut number = digits(text, at, Digits::default());
        if number.count == 0 || (number.count > 1 && first == Some(&b'0')) {
            return None;
        }
        at += number.count;
        let mut shift = 0;
        if text.get(at) == Some(&b'.') {
            let whole = number.count;
            number = digits(text, at + 1, number);
            let fraction = number.count - whole;
            if fraction == 0 {
                return None;
            }
            at += 1 + fraction;
            shift = -(fraction as i64);
        }
        if let Some(b'e' | b'E') = text.get(at) {
            let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
            let digits = digits(text, at + 1 + sign, Digits::default());
            if digits.count == 0 {
                return None;
            }
            let end = at + 1 + sign + digits.count;
            shift += exponent(&text[at + 1..end]);
            at = end;
        }
        Some(Self { length: at - start, negative, digits: number, exponent: shift })
    }

    /// The double next to it, unless that takes more than a multiplication.
    #[inline]
    pub(super) fn simple_double(self) -> Option<f64> {
        if self.digits.count > 19 {
            return None;
        }
        let value = decimal::double(self.digits.value, self.exponent)?;
        Some(if self.negative { -value } else { value })
    }
}

impl Decimal {
    /// The float next to it, by way of the double. Rounding twice goes wrong only where the double lies
    /// half way between two floats, to which it may itself have been rounded.
    #[inline]
    pub(super) fn simple_float(self) -> Option<f32> {
        const HALF: u64 = 1 << 28;
        let double = self.simple_double()?;
        let is_half_way = double.to_bits() & (2 * HALF - 1) == HALF;
        let is_normal = (f64::from(f32::MIN_POSITIVE)..f64::from(f32::MAX)).contains(&double.abs());
        (double == 0.0 || (is_normal && !is_half_way)).then_some(double as f32)
    }
}

/// The double that the whole of `text` stands for, correctly rounded.
pub(super) fn double(text: &[u8]) -> Result<f64, NumberError> {
    let value: f64 = float_text(text)?.parse().map_err(|_| NumberError::Syntax)?;
    if value.is_finite() { Ok(value) } else { Err(NumberError::Range) }
}

/// The float that the whole of `text` stands for, correctly rounded.
pub(super) fn float(text: &[u8]) -> Result<f32, NumberError> {
    let value: f32 = float_text(text)?.parse().map_err(|_| NumberError::Syntax)?;
    if value.is_finite() { Ok(value) } else { Err(NumberError::Range) }
}

fn float_text(text: &[u8]) -> Result<&str, NumberError> {
    if text.is_empty() || token_length(text) != text.len() {
        return Err(NumberError::Syntax);
    }
    std::str::from_utf8(text).map_err(|_| NumberError::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_follow_the_grammar_of_rfc_8259() {
        let table = [
            ("0", 1),
            ("-0", 2),
            ("01", 1),
            ("12,", 2),
            ("1.5e+10]", 7),
            ("1E5", 3),
            ("1.", 0),
            (".5", 0),
            ("+1", 0),
            ("-", 0),
            ("1e", 0),
            ("1e+", 0),
            ("", 0),
        ];
        for (text, length) in table {
            assert_eq!(token_length(text.as_bytes()), length, "{text:?}");
        }
    }

    #[test]
    fn decimals_are_the_tokens_and_simple_ones_are_exact() {
        let table = [
            "0",
            "-0",
            "12,",
            "1.5e+10]",
            "1E5",
            "0.1",
            "123456789.125",
            "1e22",
            "9007199254740992",
            "1e-22",
            "-87654321.12345678",
            "12345678",
            "123456789012345678",
            "0.000001",
            "4.35",
            "3e2",
        ];
        for text in table {
            let decimal = Decimal::read(text.as_bytes(), 0).unwrap();
            assert_eq!(decimal.length, token_length(text.as_bytes()), "{text}");
            if let Some(value) = decimal.simple_double() {
                let expected: f64 = text[..decimal.length].parse().unwrap();
                assert_eq!(value.to_bits(), expected.to_bits(), "{text}");
            }
        }
        for text in ["01", "1.", ".5", "+1", "-", "1e", "1e+", "", "-a", "00000000000"] {
            assert_eq!(Decimal::read(text.as_bytes(), 0), None, "{text}");
        }
        for text in ["1e56", "1e-28", "0.12345678901234567890"] {
            assert_eq!(Decimal::read(text.as_bytes(), 0).unwrap().simple_double(), None, "{text}");
        }
    }

    #[test]
    fn digits_of_every_length_are_read_and_written() {
        for length in 0..=20 {
            for text in ["1".repeat(length), "9".repeat(length), "12345678901234567890"[..length].into()] {
                for behind in ["", "/", ":", " ", ",........", "a\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}", ".5"] {
                    let found = digits(format!("x{text}{behind}").as_bytes(), 1, Digits::default());
                    assert_eq!(found.count, length, "{text}{behind}");
                    if (1..20).contains(&length) {
                        assert_eq!(found.value.to_string(), text);
                    }
                }
            }
        }
        let edges =
            (0..20).flat_map(|power| [10_u64.pow(power) - 1, 10_u64.pow(power), 10_u64.pow(power) + 1]);
        for value in edges.chain([u64::MAX, 42, 90_909_090]) {
            let mut text = [0; DIGITS];
            let count = put_unsigned(&mut text, value);
            assert_eq!(str::from_utf8(&text[..count]).unwrap(), value.to_string());
        }
    }

    #[test]
    fn no_byte_but_a_digit_is_taken_for_one() {
        for place in 0..8 {
            for byte in (0..=255).filter(|byte: &u8| !byte.is_ascii_digit()) {
                let mut chunk = *b"12345678";
                chunk[place] = byte;
                assert_eq!(digits(&chunk, 0, Digits::default()).count, place, "{byte} at {place}");
            }
        }
    }

    #[test]
    fn floats_are_rounded_once() {
        // 2^24 + 1 lies half way; with a little more it is nearer to the next float, which a double of
        // the same text may no longer tell.
        for text in ["16777217", "16777217.000000001", "16777216.999999999", "0.1", "3.4028235e38", "1e-45"] {
            let decimal = Decimal::read(text.as_bytes(), 0).unwrap();
            if let Some(value) = decimal.simple_float() {
                assert_eq!(Ok(value.to_bits()), text.parse().map(f32::to_bits), "{text}");
            }
        }
        let mut state = 1_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let text = f32::from_bits((state >> 32) as u32).to_string();
            if let Some(value) = Decimal::read(text.as_bytes(), 0).and_then(Decimal::simple_float) {
                assert_eq!(Ok(value.to_bits()), text.parse().map(f32::to_bits), "{text}");
            }
        }
    }

    #[test]
    fn integers_are_exact() {
        let table = [
            ("0", Ok(0)),
            ("-0", Ok(0)),
            ("18446744073709551615", Ok(u64::MAX.into())),
            ("18446744073709551616", Err(NumberError::Range)),
            ("-9223372036854775808", Ok(i64::MIN.into())),
            ("1e5", Ok(100_000)),
            ("1.5e1", Ok(15)),
            ("1.0", Ok(1)),
            ("100e-2", Ok(1)),
            ("0e999999999999", Ok(0)),
            ("1e999999999999", Err(NumberError::Range)),
            ("1e-999999999999", Err(NumberError::Fraction)),
            ("1.5", Err(NumberError::Fraction)),
            ("0.000", Ok(0)),
            ("1e", Err(NumberError::Syntax)),
            (" 1", Err(NumberError::Syntax)),
            ("1 ", Err(NumberError::Syntax)),
            ("", Err(NumberError::Syntax)),
            ("0x10", Err(NumberError::Syntax)),
        ];
        for (text, expected) in table {
            assert_eq!(integer(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn floats_are_bounded() {
        assert_eq!(double(b"1.7976931348623157e308"), Ok(f64::MAX));
        assert_eq!(double(b"1.8e308"), Err(NumberError::Range));
        assert_eq!(float(b"3.4028235e38"), Ok(f32::MAX));
        assert_eq!(float(b"3.5e38"), Err(NumberError::Range));
        assert_eq!(double(b"inf"), Err(NumberError::Syntax));
        assert_eq!(double(b"-0").map(f64::to_bits), Ok((-0.0_f64).to_bits()));
    }
}
