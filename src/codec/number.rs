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
