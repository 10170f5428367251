//! Braces without quotes, which YAML takes for a mapping: `path: {name}`, `{path: /v1/{name}}`.

use super::node::{Node, Value};

/// How much of a line is looked at, in bytes. A file can be one line of braces.
const MAX_LINE: usize = 1_000;

/// The longest text that is repeated with quotes, in bytes.
const MAX_TEXT: usize = 200;

/// What to write in place of a mapping that is a text in braces, when it looks like one.
pub(super) fn around(node: &Node, text: &str) -> Option<String> {
    let Value::Map(entries) = &node.value else { return None };
    if entries.is_empty() || entries.iter().any(|(_, value)| value.value != Value::Null) {
        return None;
    }
    let start = node.place.start();
    let window = text.floor_char_boundary(start.saturating_add(MAX_LINE));
    let written = text.get(start..window)?.lines().next()?;
    quoted(written.starts_with('{').then(|| &written[..token_end(written)])?)
}

/// What to write when the YAML reader stumbled at this byte, if a text in the line holds braces without
/// quotes.
pub(super) fn in_line(text: &str, at: usize) -> Option<String> {
    let before = text.get(..at)?;
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let window = text.floor_char_boundary(start.saturating_add(MAX_LINE));
    let line = text.get(start..window)?.lines().next()?;
    let held = |(brace, _): (usize, &str)| {
        let before = &line[..brace];
        let even = |quote| before.matches(quote).count() % 2 == 0;
        if !even('"') || !even('\'') || before.contains(" #") {
            return None;
        }
        let begin = before.rfind(DELIMITERS).map_or(0, |at| at + 1);
        let token = &line[begin..begin + token_end(&line[begin..])];
        // A mapping holds spaces, or nothing stands before and after its braces.
        let pair = token.starts_with('{') && token.ends_with('}') && token.matches('{').count() == 1;
        let more = !pair && !token.contains(char::is_whitespace);
        more.then(|| quoted(token)).flatten()
    };
    line.match_indices('{').find_map(held)
}

/// What ends a plain text within braces or brackets.
const DELIMITERS: [char; 6] = [' ', '\t', ',', '[', '{', '}'];

/// The end of a text without spaces, with all that its braces hold.
fn token_end(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' | ',' | ']' | ' ' | '\t' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

fn quoted(token: &str) -> Option<String> {
    let plain = token.contains('}') && token.len() <= MAX_TEXT && !token.contains(['"', '\\', '\'']);
    (plain && !token.contains(char::is_control)).then(|| format!("Put quotes around it: \"{token}\"."))
}
