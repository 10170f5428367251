//! The located tree: a YAML document in which everything knows its place.
//!
//! Scalars keep the text as it was written; what it means is for the type that reads it to say. So a
//! header `on`, a version `1.10` and a name `null` cannot change on their way, and a value that comes
//! out of an environment variable is parsed exactly like one from the file.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, MergeKeyPolicy, NonFiniteFloatPolicy, Options, Spanned};

use super::place::{Place, SourceId};
use super::problem::{Problem, Problems};

/// Nested lists and mappings; the deepest key of the configuration lies at 7.
const MAX_DEPTH: usize = 32;
/// Nodes of a file, and as many again from aliases.
const MAX_NODES: usize = 200_000;

const SYNTAX_HINT: &str = "Check indentation, colons and quotes here and in the line before. A text needs quotes \
                           when it begins with a special character such as * & ! % @, contains `: `, or holds \
                           braces inside { } or [ ].";

/// One value of the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Where it stands. A list or mapping begins at its first entry; an alias stands where it is used.
    pub place: Place,
    /// What it is.
    pub value: Value,
}

/// What a [`Node`] holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing: `key:` with no value, or `null` or `~` without quotes.
    Null,
    /// A scalar as it was written, quotes and escapes resolved.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in order; a key may still stand twice.
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

impl Value {
    /// The kind of the value in words, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping of keys to values",
        }
    }
}

/// Reads the YAML text of a source. An error has been added to `problems` when there is no tree.
///
/// Depth, nodes, and what aliases multiply are bounded. Merge keys (`<<`) are resolved.
pub fn parse(source: SourceId, problems: &mut Problems) -> Option<Node> {
    let text = problems.sources.source(source)?.clone();
    let raw = match serde_saphyr::from_str_with_options::<Spanned<Raw>>(&text.text, options()) {
        Ok(raw) => raw,
        Err(error) => {
            problems.push(syntax(source, &text.text, &error));
            return None;
        }
    };
    Some(Converter { source, text: &text.text, problems }.node(raw))
}

fn options() -> Options {
    let mut options = Options::default();
    options.budget = serde_saphyr::budget! {
        max_depth: MAX_DEPTH,
        flow_nesting_limit: MAX_DEPTH,
        max_nodes: MAX_NODES,
        max_events: 3 * MAX_NODES,
        max_documents: 2,
    };
    options.alias_limits = serde_saphyr::alias_limits! {
        max_total_replayed_events: MAX_NODES,
        max_replay_stack_depth: MAX_DEPTH,
    };
    // Duplicates are found by the reader, which can report all of them with both places.
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    options.merge_keys = MergeKeyPolicy::Merge;
    options.non_finite_float_policy = NonFiniteFloatPolicy::PassThrough;
    options.strict_booleans = true;
    options.reject_unsupported_tags = true;
    options.with_snippet = false;
    options.emit_comments = false;
    options
}

/// Turns an error of the YAML reader into a problem.
fn syntax(source: SourceId, text: &str, error: &serde_saphyr::Error) -> Problem {
    use serde_saphyr::Error;
    let error = error.without_snippet();
    let place = error.location().map(|location| place_of(source, text, &location));
    let error = match error {
        Error::AliasError { error, .. } => error.without_snippet(),
        other => other,
    };
    let (message, hint) = match error {
        Error::MultipleDocuments { .. } => (
            "The file holds more than one YAML document.".to_owned(),
            "Keep one document, without a `---` line between its keys.",
        ),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => (
            format!("The file is larger or deeper than a configuration may be ({}).", one_line(error)),
            "Use fewer values, less nesting and fewer aliases.",
        ),
        Error::UnknownAnchor { .. } => (
            "A text that begins with `*` is an alias in YAML, and nothing has this name.".to_owned(),
            "Put quotes around the text: \"**\".",
        ),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            ("An alias stands inside what it repeats.".to_owned(), "Write the value out.")
        }
        Error::InvalidScalar { .. } => (
            "The value does not fit the tag before it.".to_owned(),
            "Remove the tag, which is the word that begins with `!`.",
        ),
        _ => {
            let message = one_line(error);
            let hint = match message.as_str() {
                message if message.contains("tabs") => "Indent with spaces.",
                message if message.contains("anchor or alias") => {
                    "Put quotes around a text that begins with `*` or `&`: \"*\"."
                }
                message if message.contains("tag") => {
                    "Remove the tag, which is the word that begins with `!`."
                }
                _ => SYNTAX_HINT,
            };
            (format!("The file is not valid YAML: {message}."), hint)
        }
    };
    Problem::error(message).at(place).hint(hint)
}

/// The message of the YAML reader without the position, which the excerpt shows.
fn one_line(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    let text = text.split_once(" at line ").map_or(text, |(message, _)| message);
    text.trim_end_matches([':', '.', ' ']).to_owned()
}

/// A scalar's bytes; an empty place where the reader knows only a line, or nothing.
fn place_of(source: SourceId, text: &str, location: &Location) -> Place {
    let span = location.span();
    let (Some(start), Some(len)) = (span.byte_offset(), span.byte_len()) else {
        return Place::new(source, offset_of(text, location), 0);
    };
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(text.len());
    let end = start.saturating_add(usize::try_from(len).unwrap_or(usize::MAX)).min(text.len());
    let start = text.floor_char_boundary(start);
    let end = text.floor_char_boundary(end).max(start);
    Place::new(source, start, text[start..end].trim_end().len())
}

/// The byte at a line and column.
fn offset_of(text: &str, location: &Location) -> usize {
    let line = usize::try_from(location.line()).unwrap_or(0).saturating_sub(1);
    let column = usize::try_from(location.column()).unwrap_or(0).saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = &text[start..];
    start + rest.char_indices().nth(column).map_or(rest.len(), |(at, _)| at)
}

/// A node as the YAML reader hands it over, before texts and places are settled.
enum Raw {
    Null,
    /// A plain scalar that YAML takes for a number or a truth value, in YAML's own spelling. What the
    /// user wrote is still in the file.
    Inferred(String),
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<Self>, Spanned<Self>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Inferred(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Inferred(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Inferred(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Inferred(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

struct Converter<'a> {
    source: SourceId,
    text: &'a str,
    problems: &'a mut Problems,
}

impl Converter<'_> {
    fn node(&mut self, raw: Spanned<Raw>) -> Node {
        let mut place = place_of(self.source, self.text, &raw.referenced);
        let value = match raw.value {
            Raw::Null => Value::Null,
            Raw::Text(text) => Value::Text(text),
            Raw::Inferred(text) => Value::Text(self.written(&raw.defined, text)),
            Raw::List(items) => {
                let items: Vec<_> = items.into_iter().map(|item| self.node(item)).collect();
                place = begins(place, items.first().map(|item| item.place));
                Value::List(items)
            }
            Raw::Map(entries) => {
                let entries: Vec<_> =
                    entries.into_iter().filter_map(|(key, value)| self.entry(key, value)).collect();
                place = begins(place, entries.first().map(|(key, _)| key.place));
                Value::Map(entries)
            }
        };
        Node { place, value }
    }

    fn entry(&mut self, key: Spanned<Raw>, value: Spanned<Raw>) -> Option<(Key, Node)> {
        let key = self.node(key);
        let value = self.node(value);
        match key.value {
            Value::Text(text) => Some((Key { text, place: key.place }, value)),
            other => {
                let message = format!("A key must be a name, but here is {}.", other.kind());
                let hint = "Write `name: value`, and put quotes around a text that begins with { or [.";
                self.problems.push(Problem::error(message).at(key.place).hint(hint));
                None
            }
        }
    }

    /// What the user wrote for a scalar that YAML takes for a number or a truth value.
    fn written(&self, defined: &Location, inferred: String) -> String {
        let place = place_of(self.source, self.text, defined);
        match self.text.get(place.start()..place.start() + place.len()) {
            Some(plain) if plain.starts_with(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c)) => {
                plain.to_owned()
            }
            _ => inferred,
        }
    }
}

/// Block collections have no bytes of their own, so they are shown by what they begin with.
fn begins(own: Place, first: Option<Place>) -> Place {
    if own.is_empty() { first.unwrap_or(own) } else { own }
}
