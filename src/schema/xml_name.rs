//! Names in XML: how the names of the tables are spelled there, and the namespaces they belong to.
//!
//! What a message, field or method is called stands in XML as it is if it is an `NCName`
//! (<https://www.w3.org/TR/xml-names/#NT-NCName>). A character that may not stand there is written `_xHHHH_`, its UTF-16
//! code units in upper case hexadecimal digits, and so is the `_` of what would be read as such an escape. Text that
//! XML cannot carry is written in the same way.

use std::borrow::Cow;
use std::fmt::Write;

/// What stands before a package in its namespace.
pub const NAMESPACE: &str = "urn:";

/// The namespace of a package: `urn:` and its name; none, which is empty, for names without a package.
pub fn namespace(package: &str) -> String {
    if package.is_empty() { String::new() } else { format!("{NAMESPACE}{package}") }
}

/// Whether a namespace is the one of a package.
#[inline]
pub fn is_namespace(namespace: &[u8], package: &[u8]) -> bool {
    match namespace.strip_prefix(NAMESPACE.as_bytes()) {
        Some(rest) => !package.is_empty() && rest == package,
        None => package.is_empty() && namespace.is_empty(),
    }
}

/// The package of a namespace; empty for none.
pub fn package_of(namespace: &[u8]) -> Option<&str> {
    match namespace {
        [] => Some(""),
        _ => std::str::from_utf8(namespace.strip_prefix(NAMESPACE.as_bytes())?)
            .ok()
            .filter(|of| !of.is_empty()),
    }
}

/// The local name of the element that a message is by itself: its full name without the package.
pub fn local<'n>(full_name: &'n str, package: &str) -> &'n str {
    full_name.strip_prefix(package).map_or(full_name, |rest| rest.strip_prefix('.').unwrap_or(rest))
}

/// Whether a name stands in XML as it is.
pub fn is_plain(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(is_start) && chars.all(is_part) && !has_escape(name.as_bytes())
}

/// A name as XML spells it.
pub fn spelled(name: &str) -> Cow<'_, str> {
    if is_plain(name) {
        return Cow::Borrowed(name);
    }
    let mut spelled = String::with_capacity(name.len() + 8);
    for (at, char) in name.char_indices() {
        let may_stand = if at == 0 { is_start(char) } else { is_part(char) };
        if may_stand && !(char == '_' && begins_escape(name.as_bytes().get(at..).unwrap_or_default())) {
            spelled.push(char);
        } else {
            push_escape(&mut spelled, char);
        }
    }
    Cow::Owned(spelled)
}

/// Appends the escape of a character.
fn push_escape(text: &mut String, char: char) {
    for unit in char.encode_utf16(&mut [0; 2]) {
        // Writing to a string cannot fail.
        let _ = write!(text, "_x{unit:04X}_");
    }
}

/// Whether `text` begins with what a reader could take for an escape once something follows it: `_x` and four
/// hexadecimal digits.
#[inline]
pub fn begins_escape(text: &[u8]) -> bool {
    matches!(text, [b'_', b'x', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()))
}

/// Whether there is something in `text` that [`begins_escape`].
#[inline]
pub fn has_escape(text: &[u8]) -> bool {
    memchr::memchr(b'_', text).is_some() && text.windows(6).any(begins_escape)
}

/// What a name or a text stands for; `_x` that begins no escape stands for itself.
pub fn unescaped(text: &str) -> Cow<'_, str> {
    if !has_escape(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("_x") {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        match escape(rest) {
            Some((char, length)) => {
                plain.push(char);
                rest = &rest[length..];
            }
            None => {
                plain.push('_');
                rest = &rest[1..];
            }
        }
    }
    plain.push_str(rest);
    Cow::Owned(plain)
}

/// The character that an escape stands for, and the length of the escape. A pair of surrogates is one character.
fn escape(text: &str) -> Option<(char, usize)> {
    let first = unit(text.as_bytes())?;
    if let Some(char) = char::from_u32(first.into()) {
        return Some((char, UNIT));
    }
    let second = unit(text.as_bytes().get(UNIT..)?)?;
    let char = char::decode_utf16([first, second]).next()?.ok()?;
    Some((char, 2 * UNIT))
}

/// The length of `_xHHHH_`.
const UNIT: usize = 7;

fn unit(text: &[u8]) -> Option<u16> {
    if !begins_escape(text) || text.get(UNIT - 1) != Some(&b'_') {
        return None;
    }
    let digits = std::str::from_utf8(text.get(2..6)?).ok()?;
    u16::from_str_radix(digits, 16).ok()
}

/// Whether a name may begin with this character: `NameStartChar` of XML without the colon.
pub const fn is_start(char: char) -> bool {
    matches!(char,
        'A'..='Z' | 'a'..='z' | '_'
        | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}'
        | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}'
        | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

/// Whether a name may hold this character: `NameChar` of XML without the colon.
pub const fn is_part(char: char) -> bool {
    is_start(char)
        || matches!(char,
            '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_and_read_back() {
        for (name, expected) in [
            ("title", "title"),
            ("pageSize", "pageSize"),
            ("Outer.Inner", "Outer.Inner"),
            ("größe", "größe"),
            ("@type", "_x0040_type"),
            ("1st", "_x0031_st"),
            ("a b:c", "a_x0020_b_x003A_c"),
            ("[shop.v1.extra]", "_x005B_shop.v1.extra_x005D_"),
            ("_x0041_", "_x005F_x0041_"),
            ("tax_x0041", "tax_x005F_x0041"),
            ("tax_xray_x", "tax_xray_x"),
            ("_x_x0041_", "_x_x005F_x0041_"),
            ("_x0041\u{1}", "_x005F_x0041_x0001_"),
            ("a\u{f0000}", "a_xDB80__xDC00_"),
            ("-", "_x002D_"),
        ] {
            assert_eq!(spelled(name), expected);
            assert_eq!(unescaped(expected), name);
            assert_eq!(is_plain(name), name == expected, "{name}");
        }
        assert!(!is_plain(""));
    }

    #[test]
    fn what_is_no_escape_stands_for_itself() {
        for text in ["_x", "_x00", "_x004g_", "_x0041", "_xd83d_", "_xD83D__x0041", "__", "_X0041_", "_x_x"] {
            assert_eq!(unescaped(text), text);
        }
        assert_eq!(unescaped("_xD83D__x0041_"), "_xD83D_A");
        assert_eq!(unescaped("_x005F_x0041_"), "_x0041_");
    }

    #[test]
    fn namespaces_are_those_of_packages() {
        assert_eq!((namespace("shop.v1"), namespace("")), ("urn:shop.v1".into(), String::new()));
        for (uri, package, expected) in [
            ("urn:a", "a", true),
            ("urn:a", "b", false),
            ("urn:", "", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(is_namespace(uri.as_bytes(), package.as_bytes()), expected, "{uri} {package}");
        }
        assert_eq!(package_of(b"urn:a.b"), Some("a.b"));
        assert_eq!((package_of(b""), package_of(b"urn:"), package_of(b"http://a")), (Some(""), None, None));
        assert_eq!((local("a.b.C.D", "a.b"), local("C.D", "")), ("C.D", "C.D"));
    }
}
