//! Finding the ends of JSON's tokens, many bytes at a time.

use super::error::ReadError;
use crate::wire::writer::append;

pub(super) type Result<T> = std::result::Result<T, Box<ReadError>>;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The position of the first byte from `at` on that ends a plain run inside a string: a quote, a
/// backslash or a control character. The length of `text` if there is none.
///
/// Short runs are the most, so words come first, and blocks of 32 bytes only behind two of them.
#[inline]
pub(super) fn plain_end(text: &[u8], at: usize) -> usize {
    let mut rest = text.get(at..).unwrap_or_default();
    for before in [0, 8] {
        let Some((chunk, behind)) = rest.split_first_chunk() else { return at + before + slow_end(rest) };
        match ends(*chunk) {
            0 => rest = behind,
            found => return at + before + (found.trailing_zeros() / 8) as usize,
        }
    }
    at + 16 + long_end(rest)
}

fn long_end(text: &[u8]) -> usize {
    let mut rest = text;
    while let Some((block, behind)) = rest.split_first_chunk::<32>() {
        // Without a branch for each byte, so that it becomes vector instructions.
        let is_special = block.iter().fold(false, |any, &byte| any | is_end(byte));
        if is_special {
            break;
        }
        rest = behind;
    }
    while let Some((chunk, behind)) = rest.split_first_chunk() {
        match ends(*chunk) {
            0 => rest = behind,
            found => return text.len() - rest.len() + (found.trailing_zeros() / 8) as usize,
        }
    }
    text.len() - rest.len() + slow_end(rest)
}

fn slow_end(text: &[u8]) -> usize {
    text.iter().position(|&byte| is_end(byte)).unwrap_or(text.len())
}

#[inline]
const fn is_end(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// The high bit of each byte that is a quote, a backslash or a control character. The bits above the
/// lowest one that is set may be wrong; the lowest one never is.
#[inline]
const fn ends(chunk: [u8; 8]) -> u64 {
    let word = u64::from_le_bytes(chunk);
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let is_control = word.wrapping_sub(ONES * 0x20) & !word;
    let is_quote = quote.wrapping_sub(ONES) & !quote;
    let is_backslash = backslash.wrapping_sub(ONES) & !backslash;
    (is_control | is_quote | is_backslash) & HIGHS
}

/// How many of the first bytes belong to a plain run.
#[inline]
pub(super) const fn plain_start(chunk: &[u8; 8]) -> usize {
    (ends(*chunk).trailing_zeros() / 8) as usize
}

/// Appends the plain run that starts at `at` and returns its end. Between escapes runs are short, so the
/// first word is copied before it is known how much of it is plain.
#[inline]
pub(super) fn push_plain(text: &[u8], at: usize, out: &mut Vec<u8>) -> usize {
    let mut copied = at;
    if let Some(chunk) = text.get(at..).and_then(<[u8]>::first_chunk) {
        let plain = plain_start(chunk);
        let start = out.len();
        out.extend_from_slice(chunk);
        out.truncate(start + plain);
        if plain < chunk.len() {
            return at + plain;
        }
        copied += 8;
    }
    let end = plain_end(text, copied);
    append(out, text, copied, end);
    end
}

/// Appends the text of a string whose opening quote lies before `at` and returns the position behind
/// its closing quote. The text is UTF-8 already; what escapes stand for is checked here.
pub(super) fn unescape(text: &[u8], mut at: usize, out: &mut Vec<u8>) -> Result<usize> {
    loop {
        let end = push_plain(text, at, out);
        match text.get(end) {
            Some(b'"') => return Ok(end + 1),
            Some(b'\\') => at = escape(text, end, out)?,
            Some(_) => return Err(ReadError::new(end, "a control character in a string must be escaped")),
            None => return Err(ReadError::new(end, "the text ends inside a string")),
        }
    }
}

/// Appends what the escape at `at` stands for and returns the position behind it.
#[inline]
fn escape(text: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize> {
    // A table, as a branch for each of the letters would be foretold wrongly.
    let letter = text.get(at + 1).copied().unwrap_or_default();
    match ESCAPES[usize::from(letter)] {
        0 => unusual_escape(text, at, out),
        byte => {
            out.push(byte);
            Ok(at + 2)
        }
    }
}

fn unusual_escape(text: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize> {
    match text.get(at + 1) {
        Some(b'u') => unicode_escape(text, at, out),
        Some(_) => Err(ReadError::new(at, "a string holds an escape that JSON does not know")),
        None => Err(ReadError::new(at, "the text ends inside a string")),
    }
}

/// What the letters behind a backslash stand for, zero for all other bytes.
static ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let letters = *b"\"\\/bfnrt";
    let bytes = *b"\"\\/\x08\x0c\n\r\t";
    let mut at = 0;
    while at < letters.len() {
        escapes[letters[at] as usize] = bytes[at];
        at += 1;
    }
    escapes
};

fn unicode_escape(text: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize> {
    let wrong = || ReadError::new(at, "a \\u escape needs four hexadecimal digits");
    let unpaired =
        || ReadError::new(at, "a \\u escape is half of a surrogate pair; the other half is missing");
    let first = hex4(text, at + 2).ok_or_else(wrong)?;
    let (code, end) = match first {
        0xd800..=0xdbff => {
            if text.get(at + 6..at + 8) != Some(b"\\u") {
                return Err(unpaired());
            }
            let second = hex4(text, at + 8).ok_or_else(wrong)?;
            if !(0xdc00..=0xdfff).contains(&second) {
                return Err(unpaired());
            }
            (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), at + 12)
        }
        code => (code, at + 6),
    };
    if let Ok(ascii @ 0..0x80) = u8::try_from(code) {
        out.push(ascii);
        return Ok(end);
    }
    let char = char::from_u32(code).ok_or_else(unpaired)?;
    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(end)
}

fn hex4(text: &[u8], at: usize) -> Option<u32> {
    let digits: &[u8; 4] = text.get(at..)?.first_chunk()?;
    let [a, b, c, d] = digits.map(|digit| u32::from(HEX[usize::from(digit)]));
    // What is no digit has bits above the lowest four.
    (a | b | c | d < 16).then_some(a << 12 | b << 8 | c << 4 | d)
}

/// The values of hexadecimal digits, 255 for all other bytes.
static HEX: [u8; 256] = {
    let mut values = [255; 256];
    let mut digit = 0;
    while digit < 16 {
        values[b"0123456789abcdef"[digit as usize] as usize] = digit;
        values[b"0123456789ABCDEF"[digit as usize] as usize] = digit;
        digit += 1;
    }
    values
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_plain_run_is_found_at_every_place() {
        for length in 0..120 {
            for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
                for place in 0..length {
                    let mut text = vec![b'a'; length];
                    text[length / 2] = 0xc3;
                    text[place] = special;
                    assert_eq!(plain_end(&text, 0), place, "{special} at {place} of {length}");
                }
            }
            for byte in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0x9f, 0xa2, 0xdc, 0xff] {
                assert_eq!(plain_end(&vec![byte; length], 0), length, "{byte}");
            }
        }
    }

    #[test]
    fn escapes() {
        let check = |text: &str, expected: std::result::Result<&str, &str>| {
            let mut out = Vec::new();
            let found = unescape(text.as_bytes(), 0, &mut out).map_err(|error| error.to_string());
            match expected {
                Ok(plain) => {
                    assert_eq!(found, Ok(text.len()), "{text}");
                    assert_eq!(String::from_utf8(out).unwrap(), plain);
                }
                Err(message) => assert_eq!(found, Err(message.into()), "{text}"),
            }
        };
        check(r#"\"\\\/\b\f\n\r\t""#, Ok("\"\\/\u{8}\u{c}\n\r\t"));
        check(r#"a\u0041\u00e9\u8C37\ud83d\ude01z""#, Ok("aA\u{e9}\u{8c37}\u{1f601}z"));
        check(r#"\x""#, Err("a string holds an escape that JSON does not know, at byte 0"));
        check(r#"\u12g4""#, Err("a \\u escape needs four hexadecimal digits, at byte 0"));
        check(r#"\u123"#, Err("a \\u escape needs four hexadecimal digits, at byte 0"));
        let unpaired = "a \\u escape is half of a surrogate pair; the other half is missing, at byte 0";
        for text in [r#"\ud83d""#, r#"\ude01\ud83d""#, r#"\ud83d\u0041""#, r#"\ud83dxy""#] {
            check(text, Err(unpaired));
        }
        check("a\nb\"", Err("a control character in a string must be escaped, at byte 1"));
        check("abc", Err("the text ends inside a string, at byte 3"));
        check("abc\\", Err("the text ends inside a string, at byte 3"));
    }
}
