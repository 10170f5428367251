//! Numbers as JSON writes them, read exactly.

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

/// Reads the digits that stand at `at`, behind others that were read before. Eight are read at once where
/// they are.
#[inline]
pub(super) fn digits(text: &[u8], mut at: usize, before: Digits) -> Digits {
    let Digits { mut value, mut count } = before;
    while let Some(eight) =
        text.get(at..).and_then(<[u8]>::first_chunk).and_then(|chunk| eight_digits(*chunk))
    {
        value = value.wrapping_mul(100_000_000).wrapping_add(eight);
        (at, count) = (at + 8, count + 8);
    }
    while let Some(digit @ b'0'..=b'9') = text.get(at).copied() {
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
        (at, count) = (at + 1, count + 1);
    }
    Digits { value, count }
}

/// The value of eight digits, if that is what they are: pairs, then fours, then all are joined by
/// multiplications of the whole word.
#[inline]
const fn eight_digits(chunk: [u8; 8]) -> Option<u64> {
    const HIGH: u64 = 0xf0f0_f0f0_f0f0_f0f0;
    let word = u64::from_le_bytes(chunk);
    // A digit is 0x30 to 0x39: it has the high half 3, and still has it with 6 more.
    let is_digits = word & HIGH & (word.wrapping_add(0x0606_0606_0606_0606)) == 0x3030_3030_3030_3030
        && (word | word.wrapping_add(0x0606_0606_0606_0606)) & HIGH == 0x3030_3030_3030_3030;
    if !is_digits {
        return None;
    }
    let pairs = (word & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul(10 << 8 | 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(100 << 16 | 1) >> 16;
    let all = (fours & 0x0000_ffff_0000_ffff).wrapping_mul(10_000 << 32 | 1) >> 32;
    Some(all)
}

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

    /// The double next to it, if it follows from one exact operation: both the digits and the power of
    /// ten are exact doubles then, and the rounding of the operation is the only one.
    #[inline]
    pub(super) fn simple_double(self) -> Option<f64> {
        const EXACT: u64 = 1 << 53;
        const POWERS: [f64; 23] = [
            1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
            1e18, 1e19, 1e20, 1e21, 1e22,
        ];
        if self.digits.count > 19 || self.digits.value > EXACT {
            return None;
        }
        let power = *POWERS.get(usize::try_from(self.exponent.unsigned_abs()).ok()?)?;
        let value = self.digits.value as f64;
        let value = if self.exponent < 0 { value / power } else { value * power };
        Some(if self.negative { -value } else { value })
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
        for text in ["9007199254740993", "1e23", "0.12345678901234567890", "1e-23"] {
            assert_eq!(Decimal::read(text.as_bytes(), 0).unwrap().simple_double(), None, "{text}");
        }
    }

    #[test]
    fn eight_digits_are_read_at_once() {
        for value in [0, 1, 12_345_678, 99_999_999, 90_000_009] {
            assert_eq!(eight_digits(*format!("{value:08}").as_bytes().first_chunk().unwrap()), Some(value));
        }
        for place in 0..8 {
            for byte in (0..=255).filter(|byte: &u8| !byte.is_ascii_digit()) {
                let mut chunk = *b"12345678";
                chunk[place] = byte;
                assert_eq!(eight_digits(chunk), None, "{byte} at {place}");
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
