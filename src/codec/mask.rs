//! `google.protobuf.FieldMask` paths: `snake_case` on the wire, `lowerCamelCase` in JSON and queries.

/// Appends the wire form of one path. Returns false if the path could not be turned back: it may hold
/// ASCII letters, digits and dots.
pub(super) fn push_snake(out: &mut Vec<u8>, path: &[u8]) -> bool {
    for &byte in path {
        match byte {
            b'A'..=b'Z' => out.extend([b'_', byte.to_ascii_lowercase()]),
            b'a'..=b'z' | b'0'..=b'9' | b'.' => out.push(byte),
            _ => return false,
        }
    }
    true
}

/// Appends the JSON form of one path. Returns false if the path could not be turned back: an upper
/// case letter, or an underscore that no lower case letter follows.
pub(super) fn push_camel(out: &mut Vec<u8>, path: &[u8]) -> bool {
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
