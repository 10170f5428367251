//! `${VAR}` in the values of a file.
//!
//! ```text
//! ${VAR}             the value of VAR; an error when it is not set
//! ${VAR:-default}    the default when VAR is not set or empty
//! $${                a literal ${
//! ```
//!
//! A variable fills in text within one value. It is put in after the YAML was read, so whatever it
//! holds it cannot add keys or entries.

use std::borrow::Cow;
use std::env::VarError;

use super::problem::{Flaw, quote};

/// Looks up an environment variable; `std::env::var` in production.
pub type Environment<'a> = dyn Fn(&str) -> Result<String, VarError> + 'a;

/// The longest text that variables may make of one value, in bytes.
const MAX_LENGTH: usize = 64 * 1024;

/// Replaces the variables in a text, or says everything that is wrong with them.
///
/// # Errors
/// A flaw for each variable that is not set, is not Unicode or is misspelt.
pub fn interpolate<'t>(text: &'t str, environment: &Environment<'_>) -> Result<Cow<'t, str>, Vec<Flaw>> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = String::new();
    let mut flaws = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &from[2..];
            continue;
        }
        out.push_str(before);
        let Some(end) = from.find('}') else {
            flaws.push(unclosed());
            rest = "";
            break;
        };
        match lookup(&from[2..end], environment) {
            Ok(value) if out.len() + value.len() <= MAX_LENGTH => out.push_str(&value),
            Ok(_) => flaws.push(too_long(&from[2..end])),
            Err(flaw) => flaws.push(flaw),
        }
        rest = &from[end + 1..];
    }
    out.push_str(rest);
    if flaws.is_empty() { Ok(Cow::Owned(out)) } else { Err(flaws) }
}

/// The name in the first `$NAME` of a text, which other tools take for a variable.
pub(crate) fn without_braces(text: &str) -> Option<&str> {
    let dollars = text.match_indices('$').filter(|(at, _)| !text[..*at].ends_with('$'));
    dollars.map(|(at, _)| &text[at + 1..]).find_map(|rest| {
        let end = rest.bytes().position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_');
        let name = &rest[..end.unwrap_or(rest.len())];
        (!name.is_empty() && !name.starts_with(|first: char| first.is_ascii_digit())).then_some(name)
    })
}

fn lookup(inside: &str, environment: &Environment<'_>) -> Result<String, Flaw> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    if !first || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(Flaw::new(
            format!("{} does not name an environment variable.", quote(name)),
            "Write ${NAME} or ${NAME:-default}, with letters, digits and underscores in the name, or $${ \
             for a literal ${.",
        ));
    }
    if default.is_some_and(|default| default.contains("${")) {
        return Err(Flaw::new(
            format!("The default of the environment variable `{name}` holds another variable."),
            "Write the default as plain text.",
        ));
    }
    match (environment(name), default) {
        (Ok(value), None) => Ok(value),
        (Ok(value), Some(_)) if !value.is_empty() => Ok(value),
        (Ok(_) | Err(VarError::NotPresent), Some(default)) => Ok(default.to_owned()),
        (Err(VarError::NotPresent), None) => Err(Flaw::new(
            format!("The environment variable `{name}` is not set."),
            format!("Set it, or write a default: ${{{name}:-default}}."),
        )),
        (Err(VarError::NotUnicode(_)), _) => Err(Flaw::new(
            format!("The environment variable `{name}` does not hold valid UTF-8."),
            "Set it to a text in UTF-8.",
        )),
    }
}

fn unclosed() -> Flaw {
    Flaw::new("A `${` is not closed with `}`.", "Write ${NAME}, or $${ for a literal ${.")
}

fn too_long(inside: &str) -> Flaw {
    Flaw::new(
        format!("With {} the value is longer than 64 KiB.", quote(inside)),
        "Set the environment variable to a shorter text.",
    )
}

#[cfg(test)]
mod tests {
    use std::env::VarError;

    use super::{interpolate, without_braces};

    fn environment(name: &str) -> Result<String, VarError> {
        match name {
            "HOST" => Ok("backend".to_owned()),
            "EMPTY" => Ok(String::new()),
            "BRACE" => Ok("${HOST}".to_owned()),
            "LONG" => Ok("x".repeat(40_000)),
            "RAW" => Err(VarError::NotUnicode("x".into())),
            _ => Err(VarError::NotPresent),
        }
    }

    #[test]
    fn variables_are_replaced() {
        for (text, expected) in [
            ("plain $HOST {x} $", "plain $HOST {x} $"),
            ("http://${HOST}:1", "http://backend:1"),
            ("${HOST}${HOST}", "backendbackend"),
            ("${NONE:-d:-e}", "d:-e"),
            ("${NONE:-}", ""),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY}", ""),
            ("${HOST:-d}", "backend"),
            ("$${HOST}", "${HOST}"),
            ("a$${b$${c", "a${b${c"),
            ("$$${HOST}", "$${HOST}"),
            ("${BRACE}", "${HOST}"),
        ] {
            assert_eq!(interpolate(text, &environment).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn every_wrong_variable_is_reported() {
        for (text, expected) in [
            (
                "${NONE} ${OTHER}",
                "The environment variable `NONE` is not set.|The environment variable `OTHER` is not set.",
            ),
            ("${RAW:-x}", "The environment variable `RAW` does not hold valid UTF-8."),
            ("${}", "`` does not name an environment variable."),
            ("${1A}", "`1A` does not name an environment variable."),
            ("${a b}", "`a b` does not name an environment variable."),
            ("${A-b}", "`A-b` does not name an environment variable."),
            ("${HOST", "A `${` is not closed with `}`."),
            ("${A:-${B}}", "The default of the environment variable `A` holds another variable."),
            ("${LONG}${LONG}", "With `LONG` the value is longer than 64 KiB."),
        ] {
            let flaws = interpolate(text, &environment).unwrap_err();
            let messages: Vec<_> = flaws.into_iter().map(|flaw| flaw.message).collect();
            assert_eq!(messages.join("|"), expected, "{text}");
        }
    }
    #[test]
    fn what_looks_like_a_variable_is_found() {
        for (text, expected) in [
            ("127.0.0.1:$PORT", Some("PORT")),
            ("http://$HOST:$PORT", Some("HOST")),
            ("$_a1-b", Some("_a1")),
            ("${A}$B", Some("B")),
            ("$$A", None),
            ("${A}", None),
            ("$1", None),
            ("$", None),
            ("$ä", None),
            ("", None),
        ] {
            assert_eq!(without_braces(text), expected, "{text}");
        }
    }
}
