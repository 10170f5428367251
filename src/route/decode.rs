//! Percent-decoding of paths (RFC 3986 section 2.1), done exactly once and without forgiveness.

use std::borrow::Cow;
use std::fmt;

use memchr::memchr;

/// What becomes of an encoded slash, `%2F` or `%2f`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slash {
    /// It becomes `/` like every other escape: the value of a variable of one segment.
    Decode,
    /// It stays as it was sent, so that it differs from the slashes between segments: the value of a
    /// variable of several segments.
    Keep,
}

/// Why a path cannot be matched. The position is a byte offset into the text that was given, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathError {
    position: usize,
    fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Escape,
    Utf8,
    Nul,
    DotSegment,
    TooLong,
}

impl PathError {
    pub(super) const fn new(position: usize, fault: Fault) -> Self {
        Self { position, fault }
    }

    /// The byte offset of the fault in the text that was given, from 0.
    pub const fn position(&self) -> usize {
        self.position
    }

    pub(super) const fn fault(&self) -> Fault {
        self.fault
    }

    /// The same fault seen from a text in which this one begins at `start`.
    pub(super) const fn shifted(self, start: usize) -> Self {
        Self { position: self.position + start, fault: self.fault }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, fault } = self;
        match fault {
            Fault::Escape => write!(
                f,
                "The path has a percent sign at byte {position} without two hexadecimal digits after it. \
                 Write a percent sign that is meant as such as %25."
            ),
            Fault::Utf8 => write!(
                f,
                "The escapes in the path at byte {position} are not UTF-8 once they are decoded. \
                 Encode text as UTF-8 before percent-encoding it."
            ),
            Fault::Nul => {
                write!(
                    f,
                    "The path has a NUL character at byte {position}. Leave it out: a path cannot carry it."
                )
            }
            Fault::DotSegment => write!(
                f,
                "The path has a segment `.` or `..` at byte {position}. Resolve relative paths before the \
                 request is sent; percent-encoding the dots does not make them data."
            ),
            Fault::TooLong => {
                write!(f, "The path is longer than {position} bytes. Send the data in the request's body.")
            }
        }
    }
}

impl std::error::Error for PathError {}

/// Decodes every escape of `text` once; text without escapes is borrowed.
///
/// A plus sign is a plus sign: that it means a space is a rule for queries, not for paths.
///
/// # Errors
/// An escape that is not `%` and two hexadecimal digits; bytes that are not UTF-8 once decoded; a NUL
/// character, escaped or not, because servers that end strings at a NUL would see another path.
pub fn decode(text: &str, slash: Slash) -> Result<Cow<'_, str>, PathError> {
    if let Some(at) = memchr(0, text.as_bytes()) {
        return Err(PathError::new(at, Fault::Nul));
    }
    let Some(first) = memchr(b'%', text.as_bytes()) else {
        return Ok(Cow::Borrowed(text));
    };
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    out.extend_from_slice(&bytes[..first]);
    let mut at = first;
    loop {
        // `at` is the offset of a percent sign.
        let byte = escaped_byte(bytes, at)?;
        if byte == b'/' && slash == Slash::Keep {
            out.extend_from_slice(&bytes[at..at + 3]);
        } else {
            out.push(byte);
        }
        let plain = at + 3;
        let Some(next) = memchr(b'%', &bytes[plain..]) else {
            out.extend_from_slice(&bytes[plain..]);
            break;
        };
        out.extend_from_slice(&bytes[plain..plain + next]);
        at = plain + next;
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|error| {
        let position = encoded_offset(bytes, error.utf8_error().valid_up_to(), slash);
        PathError::new(position, Fault::Utf8)
    })
}

/// The byte that the escape at `at` stands for.
fn escaped_byte(bytes: &[u8], at: usize) -> Result<u8, PathError> {
    let digit = |offset: usize| bytes.get(at + offset).and_then(|&byte| char::from(byte).to_digit(16));
    match digit(1).zip(digit(2)) {
        Some((0, 0)) => Err(PathError::new(at, Fault::Nul)),
        Some((high, low)) => Ok((high * 16 + low) as u8),
        None => Err(PathError::new(at, Fault::Escape)),
    }
}

/// Where in the encoded text the byte at `target` of the decoded text comes from.
fn encoded_offset(bytes: &[u8], target: usize, slash: Slash) -> usize {
    let (mut at, mut decoded) = (0, 0);
    while decoded < target && at < bytes.len() {
        let kept =
            slash == Slash::Keep && bytes[at..].get(1..3).is_some_and(|hex| hex.eq_ignore_ascii_case(b"2f"));
        at += if bytes[at] == b'%' && !kept { 3 } else { 1 };
        decoded += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_escape_is_decoded_once() {
        let table = [
            ("", "", ""),
            ("plain", "plain", "plain"),
            ("a+b", "a+b", "a+b"),
            ("%41", "A", "A"),
            ("%c3%A9t%C3%a9", "été", "été"),
            ("é%20", "é ", "é "),
            ("a%2Fb%2fc", "a/b/c", "a%2Fb%2fc"),
            ("%252F", "%2F", "%2F"),
            ("%2525", "%25", "%25"),
            ("x%3Ay", "x:y", "x:y"),
        ];
        for (text, decoded, kept) in table {
            assert_eq!(decode(text, Slash::Decode).as_deref(), Ok(decoded), "{text}");
            assert_eq!(decode(text, Slash::Keep).as_deref(), Ok(kept), "{text}");
        }
    }

    #[test]
    fn text_without_escapes_is_borrowed() {
        assert!(matches!(decode("shelves", Slash::Decode), Ok(Cow::Borrowed("shelves"))));
    }

    #[test]
    fn faults_are_found_where_they_are() {
        let table = [
            ("%zz", Fault::Escape, 0),
            ("ab%", Fault::Escape, 2),
            ("ab%4", Fault::Escape, 2),
            ("%41%4g", Fault::Escape, 3),
            ("%+1", Fault::Escape, 0),
            ("%%41", Fault::Escape, 0),
            ("%é", Fault::Escape, 0),
            ("%C3", Fault::Utf8, 0),
            ("a%20%ff", Fault::Utf8, 4),
            ("%2F%2f%C3%28", Fault::Utf8, 6),
            ("%ED%A0%80", Fault::Utf8, 0),
            ("%C0%AF", Fault::Utf8, 0),
            ("a%00", Fault::Nul, 1),
            ("ab\0", Fault::Nul, 2),
        ];
        for (text, fault, position) in table {
            for slash in [Slash::Decode, Slash::Keep] {
                assert_eq!(decode(text, slash), Err(PathError::new(position, fault)), "{text} {slash:?}");
            }
        }
    }

    #[test]
    fn errors_say_what_to_do() {
        let table = [
            (
                Fault::Escape,
                "The path has a percent sign at byte 7 without two hexadecimal digits after it. Write a percent \
                 sign that is meant as such as %25.",
            ),
            (
                Fault::Utf8,
                "The escapes in the path at byte 7 are not UTF-8 once they are decoded. Encode text as UTF-8 \
                 before percent-encoding it.",
            ),
            (Fault::Nul, "The path has a NUL character at byte 7. Leave it out: a path cannot carry it."),
            (
                Fault::DotSegment,
                "The path has a segment `.` or `..` at byte 7. Resolve relative paths before the request is \
                 sent; percent-encoding the dots does not make them data.",
            ),
            (Fault::TooLong, "The path is longer than 7 bytes. Send the data in the request's body."),
        ];
        for (fault, text) in table {
            assert_eq!(PathError::new(7, fault).to_string(), text);
        }
    }
}
