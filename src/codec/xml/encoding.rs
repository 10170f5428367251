//! From the bytes of an XML entity to UTF-8.
//!
//! What decides is, by RFC 7303 section 3, the byte order mark, then the charset of the media type, then the XML
//! declaration, then that text without any of these is UTF-8. UTF-16 without a mark is told by its first bytes, as XML
//! 1.0 appendix F has it.

use std::borrow::Cow;

use super::error::{ReadError, Result, shown};

/// A declaration is looked for in so many bytes.
const MAX_DECLARATION: usize = 256;

/// How characters are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Utf8,
    Utf16 { little: bool },
    Latin1,
    Ascii,
}

/// The text of an XML entity as UTF-8, without a byte order mark. `charset` is the parameter of its media type.
///
/// # Errors
/// When the encoding is none that is read here, or the bytes are not in it.
pub fn decode<'b>(bytes: &'b [u8], charset: Option<&str>) -> Result<Cow<'b, [u8]>> {
    let (encoding, bytes, by) = detect(bytes, charset)?;
    let wrong = |at: usize| {
        let text = format!("the text is not {}, which {by}", name(encoding));
        Err(ReadError::new(bytes, at, b"", text))
    };
    match encoding {
        Encoding::Utf8 => match simdutf8::compat::from_utf8(bytes) {
            Ok(_) => Ok(Cow::Borrowed(bytes)),
            Err(error) => wrong(error.valid_up_to()),
        },
        Encoding::Ascii => match bytes.iter().position(|byte| !byte.is_ascii()) {
            None => Ok(Cow::Borrowed(bytes)),
            Some(at) => wrong(at),
        },
        Encoding::Latin1 => {
            Ok(Cow::Owned(bytes.iter().map(|&byte| char::from(byte)).collect::<String>().into()))
        }
        Encoding::Utf16 { little } => match utf16(bytes, little) {
            Ok(text) => Ok(Cow::Owned(text.into())),
            Err(before) => Err(ReadError::new(
                before.as_bytes(),
                before.len(),
                b"",
                format!("the text is not {}, which {by}", name(encoding)),
            )),
        },
    }
}

/// The text, or as much of it as is UTF-16.
fn utf16(bytes: &[u8], little: bool) -> std::result::Result<String, String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units =
        pairs.iter().map(|&pair| if little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) });
    let mut text = String::with_capacity(bytes.len() / 2 + bytes.len() / 8);
    for char in char::decode_utf16(units) {
        match char {
            Ok(char) => text.push(char),
            Err(_) => return Err(text),
        }
    }
    if rest.is_empty() { Ok(text) } else { Err(text) }
}

/// The encoding, the bytes without a mark, and who says so.
fn detect<'b>(bytes: &'b [u8], charset: Option<&str>) -> Result<(Encoding, &'b [u8], &'static str)> {
    const MARK: &str = "its byte order mark says";
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => return Ok((Encoding::Utf8, rest, MARK)),
        [0xfe, 0xff, rest @ ..] => return Ok((Encoding::Utf16 { little: false }, rest, MARK)),
        [0xff, 0xfe, rest @ ..] => return Ok((Encoding::Utf16 { little: true }, rest, MARK)),
        _ => {}
    }
    // An entity begins with `<` or white space.
    let by_bytes = match bytes {
        [0, 1..=0x7f, ..] => Some(Encoding::Utf16 { little: false }),
        [1..=0x7f, 0, ..] => Some(Encoding::Utf16 { little: true }),
        _ => None,
    };
    let (encoding, by) = if let Some(charset) = charset {
        (named(charset, by_bytes, bytes)?, "the charset of its content type says")
    } else if let Some(encoding) = by_bytes {
        (encoding, "its first bytes say")
    } else if let Some(declared) = declared(bytes) {
        (named(declared, None, bytes)?, "its XML declaration says")
    } else {
        (Encoding::Utf8, "is what text without any other mark must be")
    };
    // Whether each character takes two bytes can be seen.
    if matches!(encoding, Encoding::Utf16 { .. }) != by_bytes.is_some() && !bytes.is_empty() {
        return Err(ReadError::new(bytes, 0, b"", format!("the text is not {}, which {by}", name(encoding))));
    }
    Ok((encoding, bytes, by))
}

/// The encoding of this name. UTF-16 of no stated order is what the first bytes are.
fn named(name: &str, by_bytes: Option<Encoding>, bytes: &[u8]) -> Result<Encoding> {
    let is = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    if is(&["utf-8", "utf8"]) {
        Ok(Encoding::Utf8)
    } else if is(&["utf-16", "utf16"]) {
        Ok(by_bytes.unwrap_or(Encoding::Utf16 { little: false }))
    } else if is(&["utf-16le"]) {
        Ok(Encoding::Utf16 { little: true })
    } else if is(&["utf-16be"]) {
        Ok(Encoding::Utf16 { little: false })
    } else if is(&["iso-8859-1", "iso_8859-1", "latin1", "latin-1", "l1"]) {
        Ok(Encoding::Latin1)
    } else if is(&["us-ascii", "ascii"]) {
        Ok(Encoding::Ascii)
    } else {
        let name = shown(name.as_bytes());
        let text = format!("the encoding {name:?} is not read here; send UTF-8, UTF-16 or ISO-8859-1");
        Err(ReadError::new(bytes, 0, b"", text))
    }
}

/// Whether the encoding with this name is read.
pub fn is_known(name: &str) -> bool {
    named(name, None, &[]).is_ok()
}

const fn name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Utf8 => "UTF-8",
        Encoding::Utf16 { .. } => "UTF-16",
        Encoding::Latin1 => "ISO-8859-1",
        Encoding::Ascii => "US-ASCII",
    }
}

/// The value of `encoding` in an XML declaration. Whether the declaration is valid is for the lexer to say.
pub(super) fn declared(bytes: &[u8]) -> Option<&str> {
    let text = bytes.get(..MAX_DECLARATION).unwrap_or(bytes).strip_prefix(b"<?xml")?;
    let end = text.windows(2).position(|pair| pair == b"?>")?;
    let text = std::str::from_utf8(&text[..end]).ok()?;
    let (_, rest) = text.split_once("encoding")?;
    let rest = rest.trim_ascii_start().strip_prefix('=')?.trim_ascii_start();
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (value, _) = rest[1..].split_once(quote)?;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, little: bool) -> Vec<u8> {
        text.encode_utf16()
            .flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() })
            .collect()
    }

    #[test]
    fn the_mark_decides_and_then_the_charset_and_then_the_declaration() {
        let text = "<a>é</a>";
        let latin = |declaration: &str| [declaration.as_bytes(), b"<a>\xe9</a>"].concat();
        let marked = |mark: &[u8], text: &[u8]| [mark, text].concat();
        let declared = |name: &str| format!("<?xml version='1.0' encoding = \"{name}\"?>");
        let table: Vec<(Vec<u8>, Option<&str>, String)> = vec![
            (text.into(), None, text.into()),
            (text.into(), Some("UTF-8"), text.into()),
            (marked(b"\xef\xbb\xbf", text.as_bytes()), Some("iso-8859-1"), text.into()),
            (marked(b"\xff\xfe", &utf16(text, true)), Some("utf-8"), text.into()),
            (marked(b"\xfe\xff", &utf16(text, false)), None, text.into()),
            (utf16(text, true), None, text.into()),
            (utf16(text, false), Some("utf-16"), text.into()),
            (utf16(text, true), Some("utf-16"), text.into()),
            (utf16(text, true), Some("UTF-16LE"), text.into()),
            (latin(""), Some("ISO-8859-1"), text.into()),
            (latin(&declared("iso-8859-1")), None, declared("iso-8859-1") + text),
            // The charset outweighs a declaration, as whoever re-encodes the text does not look into it.
            (latin(&declared("utf-8")), Some("latin1"), declared("utf-8") + text),
            (
                [declared("latin1").as_bytes(), text.as_bytes()].concat(),
                Some("utf-8"),
                declared("latin1") + text,
            ),
            (b"<a/>".into(), Some("us-ascii"), "<a/>".into()),
            (Vec::new(), None, String::new()),
        ];
        for (bytes, charset, expected) in table {
            let found = decode(&bytes, charset).map(|text| String::from_utf8(text.into_owned()).unwrap());
            assert_eq!(found, Ok(expected), "{charset:?} {bytes:02x?}");
        }
    }

    #[test]
    fn an_encoding_that_lies_is_named() {
        let declared = |name: &str| format!("<?xml version=\"1.0\" encoding=\"{name}\"?>\n<a>");
        let latin = |text: String| [text.as_bytes(), b"\xe9</a>"].concat();
        let unknown = "is not read here; send UTF-8, UTF-16 or ISO-8859-1, at line 1, column 1";
        let table: Vec<(Vec<u8>, Option<&str>, String)> = vec![
            (latin(declared("utf-8")), None, "the text is not UTF-8, which its XML declaration says, at line 2, column 4".into()),
            (latin("<a>".into()), None, "the text is not UTF-8, which is what text without any other mark must be, at line 1, column 4".into()),
            (latin("<a>".into()), Some("utf-8"), "the text is not UTF-8, which the charset of its content type says, at line 1, column 4".into()),
            (latin("<a>".into()), Some("us-ascii"), "the text is not US-ASCII, which the charset of its content type says, at line 1, column 4".into()),
            (b"\xef\xbb\xbf<a>\xff".into(), None, "the text is not UTF-8, which its byte order mark says, at line 1, column 4".into()),
            (b"<\0a\0>".into(), None, "the text is not UTF-16, which its first bytes say, at line 1, column 3".into()),
            (b"<\0\0\xd8a\0".into(), None, "the text is not UTF-16, which its first bytes say, at line 1, column 2".into()),
            (declared("utf-16").into(), None, "the text is not UTF-16, which its XML declaration says, at line 1, column 1".into()),
            (b"<a/>".into(), Some("utf-16"), "the text is not UTF-16, which the charset of its content type says, at line 1, column 1".into()),
            (b"<\0a\0".into(), Some("utf-8"), "the text is not UTF-8, which the charset of its content type says, at line 1, column 1".into()),
            (declared("ebcdic-cp-us").into(), None, format!("the encoding \"ebcdic-cp-us\" {unknown}")),
            (b"<a/>".into(), Some("shift_jis"), format!("the encoding \"shift_jis\" {unknown}")),
        ];
        for (bytes, charset, expected) in table {
            assert_eq!(
                decode(&bytes, charset).unwrap_err().to_string(),
                expected,
                "{charset:?} {bytes:02x?}"
            );
        }
        assert!(is_known("Utf-8") && is_known("ISO-8859-1") && !is_known("koi8-r"));
    }
}
