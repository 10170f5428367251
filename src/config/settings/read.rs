//! What all readers share: where they are, what they report, and how a section is opened.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value as Json;

use super::facts::Facts;
use super::word::listed;
use crate::config::braces;
use crate::config::interpolate::{Environment, interpolate, without_braces};
use crate::config::node::{Key, Node, Value};
use crate::config::place::{Located, Place};
use crate::config::problem::{Flaw, Problem, Problems, quote};
use crate::config::schema::Shape;

/// The longest name that a user may choose, in bytes.
pub(super) const MAX_NAME: usize = 64;

/// Where in the document a reader is.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// What readers share: where they are, where problems go, and what variables and paths mean.
pub struct Reader<'a> {
    pub(in crate::config) problems: &'a mut Problems,
    /// Absent where `${` is plain text.
    environment: Option<&'a Environment<'a>>,
    pub(super) base: &'a Path,
    pub(super) steps: Vec<Step>,
    /// Makes the JSON Schema of the whole document, which knows where every key belongs.
    pub(super) document: Option<fn() -> Json>,
    pub(super) facts: Facts,
    /// Inside the short form of a section, whose path is that of the section: the keys and indexes of
    /// the long form are not in the file.
    short: bool,
}

impl<'a> Reader<'a> {
    /// A reader at the root of a document with this JSON Schema.
    pub fn new(
        problems: &'a mut Problems,
        environment: &'a Environment<'a>,
        base: &'a Path,
        document: fn() -> Json,
    ) -> Self {
        Self { environment: Some(environment), base, document: Some(document), ..Self::verbatim(problems) }
    }

    /// A reader of a document in which `${` is plain text and paths of files do not occur.
    pub fn verbatim(problems: &'a mut Problems) -> Self {
        Self {
            problems,
            environment: None,
            base: Path::new(""),
            steps: Vec::new(),
            document: None,
            facts: Facts::default(),
            short: false,
        }
    }

    pub(super) fn within<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        if self.short {
            return read(self);
        }
        self.steps.push(step);
        let result = read(self);
        self.steps.pop();
        result
    }

    /// Reads the value of a key.
    pub(crate) fn within_key<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.within(Step::Key(key.to_owned()), read)
    }

    /// Reads an entry of a list.
    pub(crate) fn within_index<T>(&mut self, index: usize, read: impl FnOnce(&mut Self) -> T) -> T {
        self.within(Step::Index(index), read)
    }

    pub(super) fn within_short<T>(&mut self, short: bool, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.short;
        self.short |= short;
        let result = read(self);
        self.short = outer;
        result
    }

    /// The path of the value that is being read, quoted: `services[0].timeout`.
    pub(crate) fn path(&self) -> String {
        let mut path = String::new();
        for step in &self.steps {
            let dot = if path.is_empty() { "" } else { "." };
            let written = match step {
                Step::Key(key) => write!(path, "{dot}{key}"),
                Step::Index(index) => write!(path, "[{index}]"),
            };
            written.expect("a String takes everything");
        }
        if path.is_empty() { "The configuration".to_owned() } else { quote(&path) }
    }

    pub(crate) fn error<T>(&mut self, problem: Problem) -> Option<T> {
        self.problems.push(problem);
        None
    }

    pub(crate) fn flaw<T>(&mut self, flaw: Flaw, place: Place) -> Option<T> {
        let message = format!("{}: {}", self.path(), flaw.message);
        self.error(Problem::error(message).at(place).hint(flaw.hint))
    }

    /// A flaw of a scalar that was written like this.
    pub(super) fn flaw_of<T>(&mut self, mut flaw: Flaw, node: &Node) -> Option<T> {
        if let (Some(_), Value::Text(text)) = (self.environment, &node.value)
            && let Some(name) = without_braces(text).filter(|name| name.len() <= MAX_NAME)
        {
            flaw.hint = format!("Did you mean `${{{name}}}`? Environment variables are written with braces.");
        }
        self.flaw(flaw, node.place)
    }

    /// The text of a scalar with its variables replaced.
    pub(crate) fn text<'n>(&mut self, node: &'n Node, what: &str) -> Option<Cow<'n, str>> {
        let text = match &node.value {
            Value::Text(text) => text,
            Value::Null => {
                let message = format!("{} has no value.", self.path());
                let hint = format!("Write {what} after the colon.");
                return self.error(Problem::error(message).at(node.place).hint(hint));
            }
            other => {
                let message = format!("{} must be {what}, but here is {}.", self.path(), other.kind());
                let quotes = self.problems.sources.source(node.place.source());
                let quotes = quotes.and_then(|source| braces::around(node, &source.text));
                let hint = quotes.unwrap_or_else(|| format!("Write {what} on the same line."));
                return self.error(Problem::error(message).at(node.place).hint(hint));
            }
        };
        let Some(environment) = self.environment else { return Some(Cow::Borrowed(text)) };
        match interpolate(text, environment) {
            Ok(text) => Some(text),
            Err(flaws) => {
                for flaw in flaws {
                    let _: Option<()> = self.flaw(flaw, node.place);
                }
                None
            }
        }
    }

    /// The entries of a mapping.
    pub(crate) fn entries<'n>(&mut self, node: &'n Node, hint: &str) -> Option<&'n [(Key, Node)]> {
        let path = self.path();
        let message = match &node.value {
            Value::Map(entries) => return Some(entries),
            Value::Null => format!("{path} has no value."),
            other => format!("{path} must be a mapping of keys to values, but here is {}.", other.kind()),
        };
        self.error(Problem::error(message).at(node.place).hint(hint))
    }

    /// Reports the keys that stand twice.
    pub(crate) fn unique(&mut self, entries: &[(Key, Node)]) -> bool {
        let mut seen = HashMap::new();
        let mut unique = true;
        for (key, _) in entries {
            if let Some(first) = seen.insert(key.text.as_str(), key.place) {
                let message = format!("The key {} stands twice in the same mapping.", quote(&key.text));
                let problem = Problem::error(message).at(key.place).related(first, "first here");
                self.problems.push(problem.hint("Keep one of the two."));
                unique = false;
            }
        }
        unique
    }

    /// A name that the user chose.
    pub(in crate::config) fn name(&mut self, key: &Key) -> Option<Located<String>> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let first = key.text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if first && key.text.len() <= MAX_NAME && key.text.bytes().all(legal) {
            return Some(Located::new(key.text.clone(), key.place));
        }
        let message = format!("{} is not a valid name.", quote(&key.text));
        let hint = "Use letters, digits, `-`, `_` and `.`, 64 characters at most, a letter or digit first.";
        self.error(Problem::error(message).at(key.place).hint(hint))
    }

    /// Opens a section: reports keys that are unknown, unsupported or written twice.
    pub fn section<'n>(&mut self, node: &'n Node, shape: &'static Shape) -> Option<Section<'n>> {
        let short = shape.short.filter(|_| matches!(node.value, Value::Text(_)));
        let entries = match short {
            Some((key, list)) => Cow::Owned(long(node, key, list)),
            None => {
                let keys =
                    || format!("Write `key: value` with keys of this section: {}.", listed(shape.keys));
                Cow::Borrowed(self.entries(node, &shape.example.map_or_else(keys, str::to_owned))?)
            }
        };
        self.unique(&entries);
        let mut entries = entries;
        let strange = self.strange(&mut entries, shape);
        Some(Section { place: node.place, entries, shape, short: short.is_some(), strange })
    }

    /// Reports a section that must hold exactly one of its keys.
    pub fn one_of(&mut self, section: &Section<'_>) {
        if section.strange && section.shape.keys.iter().all(|key| !section.has(key)) {
            // The unknown key was reported; most likely it is the one that is missing.
            return;
        }
        let message = format!("{} must have exactly one key.", self.path());
        let hint =
            format!("Keep one of: {}. Each entry of a list begins with `- `.", listed(section.shape.keys));
        self.problems.push(Problem::error(message).at(section.place).hint(hint));
    }
}

/// A section that is being read.
pub struct Section<'n> {
    pub(super) place: Place,
    pub(super) entries: Cow<'n, [(Key, Node)]>,
    pub(super) shape: &'static Shape,
    /// Written as one value.
    pub(super) short: bool,
    /// With a key that is not of this section.
    pub(super) strange: bool,
}

impl Section<'_> {
    /// Whether a key is written.
    pub fn has(&self, key: &str) -> bool {
        self.key(key).is_some()
    }

    /// Where a key is written; the first time, when it stands twice.
    pub fn key(&self, key: &str) -> Option<Place> {
        self.entries.iter().find(|(entry, _)| entry.text == key).map(|(entry, _)| entry.place)
    }

    /// Whether a key that is not of this section was reported, which may be a missing one misspelt.
    pub fn is_strange(&self) -> bool {
        self.strange
    }

    /// Where the section is written.
    pub fn place(&self) -> Place {
        self.place
    }
}

/// The long form of a section that was written as one value.
fn long(node: &Node, key: &str, list: bool) -> Vec<(Key, Node)> {
    let value = if list { Value::List(vec![node.clone()]) } else { node.value.clone() };
    vec![(Key { text: key.to_owned(), place: node.place }, Node { place: node.place, value })]
}
