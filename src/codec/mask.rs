//! `google.protobuf.FieldMask` paths: `snake_case` on the wire, `lowerCamelCase` in JSON, XML and queries.

use super::error::shown;
use crate::wire::WireType;
use crate::wire::reader::{Error, Reader};
use crate::wire::writer::{self, Length};

/// Appends the content of a message from its text, the paths with commas between them.
///
/// # Errors
/// What is wrong with the first path that cannot be turned back.
pub(super) fn read(out: &mut Vec<u8>, text: &[u8]) -> Result<(), String> {
    for path in text.split(|&byte| byte == b',').filter(|_| !text.is_empty()) {
        writer::tag(out, 1, WireType::Len);
        let length = Length::begin(out);
        if !push_snake(out, path) {
            let path = shown(path);
            return Err(format!(
                "{path:?} is no field path; lowerCamelCase names joined by points are needed"
            ));
        }
        length.end(out);
    }
    Ok(())
}

/// Why a mask cannot be written.
pub(super) const UNWRITABLE: &str = "a FieldMask path has no lowerCamelCase form";

/// The text for the content of a message, in which groups may lie `groups` deep in one another; none if a path could not
/// be turned back.
pub(super) fn write(mut wire: Reader<'_>, groups: usize) -> Result<Option<Vec<u8>>, Error> {
    let (mut text, mut is_first) = (Vec::new(), true);
    while !wire.is_at_end() {
        let (number, wire_type) = wire.tag()?;
        if (number, wire_type) != (1, WireType::Len) {
            wire.skip(number, wire_type, groups)?;
            continue;
        }
        if !is_first {
            text.push(b',');
        }
        is_first = false;
        if !push_camel(&mut text, wire.bytes()?) {
            return Ok(None);
        }
    }
    Ok(Some(text))
}

/// Appends the wire form of one path. Returns false if the path could not be turned back: it may hold
/// ASCII letters, digits and dots.
fn push_snake(out: &mut Vec<u8>, path: &[u8]) -> bool {
    for &byte in path {
        match byte {
            b'A'..=b'Z' => out.extend([b'_', byte.to_ascii_lowercase()]),
            b'a'..=b'z' | b'0'..=b'9' | b'.' => out.push(byte),
            _ => return false,
        }
    }
    true
}

/// Appends the text of one path. Returns false if the path could not be turned back: an upper
/// case letter, or an underscore that no lower case letter follows.
fn push_camel(out: &mut Vec<u8>, path: &[u8]) -> bool {
    let mut bytes = path.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'_' => match bytes.next() {
                Some(next @ b'a'..=b'z') => out.push(next.to_ascii_uppercase()),
                _ => return false,
            },
            b'a'..=b'z' | b'0'..=b'9' | b'.' => out.push(byte),
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(convert: fn(&mut Vec<u8>, &[u8]) -> bool, path: &str) -> Option<String> {
        let mut out = Vec::new();
        convert(&mut out, path.as_bytes()).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn paths_are_turned_and_turned_back() {
        for (snake, camel) in [("foo_bar", "fooBar"), ("a.b_c.d1", "a.bC.d1"), ("", ""), ("_a", "A")] {
            assert_eq!(run(push_camel, snake).as_deref(), Some(camel));
            assert_eq!(run(push_snake, camel).as_deref(), Some(snake));
        }
    }

    #[test]
    fn paths_that_would_change_are_refused() {
        for snake in ["fooBar", "foo_3_bar", "foo__bar", "foo_", "foo bar"] {
            assert_eq!(run(push_camel, snake), None, "{snake}");
        }
        for camel in ["foo_bar", "foo,bar", "f\u{f6}"] {
            assert_eq!(run(push_snake, camel), None, "{camel}");
        }
    }
}
