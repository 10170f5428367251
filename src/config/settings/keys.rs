//! Keys that a section does not have: misspelt, of a later version, or at home in another section.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};

use serde_json::Value as Json;

use super::read::Reader;
use super::word::{listed, nearest};
use crate::config::node::{Key, Node};
use crate::config::problem::{Problem, quote};
use crate::config::schema::Shape;

/// How many sections a hint names that have a key.
const MAX_HOMES: usize = 3;

impl Reader<'_> {
    /// Reports the keys that are not of this section. One that is a missing key misspelt is renamed, so
    /// that its value is read too and nobody is told that the key is missing. Says whether any others
    /// are left.
    pub(super) fn strange(&mut self, entries: &mut Cow<'_, [(Key, Node)]>, shape: &'static Shape) -> bool {
        let mut strange = false;
        for index in 0..entries.len() {
            let key = &entries[index].0;
            if shape.keys.contains(&key.text.as_str()) {
                continue;
            }
            let meant = self.unknown(key, shape);
            match meant.filter(|meant| entries.iter().all(|(key, _)| key.text != *meant)) {
                Some(meant) => meant.clone_into(&mut entries.to_mut()[index].0.text),
                None => strange = true,
            }
        }
        strange
    }

    /// Reports a key that is not of this section. Returns the one that is meant, when it is clear.
    fn unknown(&mut self, key: &Key, shape: &'static Shape) -> Option<&'static str> {
        if self.problems.is_full() {
            // It is only counted; to find out what is meant would cost something.
            return self.error(Problem::error("").at(key.place));
        }
        let name = quote(&key.text);
        let all = listed(shape.keys);
        if shape.later.contains(&key.text.as_str()) {
            let message = format!("This version of Transom does not support the key {name} yet.");
            let hint = format!("Remove it. The keys that this version supports here are: {all}.");
            return self.error(Problem::error(message).at(key.place).hint(hint));
        }
        let meant = nearest(&key.text, shape.keys);
        let hint = match meant {
            Some(meant) => format!("Did you mean `{meant}`?"),
            None => match self.home(&key.text) {
                Some(home) if self.steps.is_empty() => home,
                // A key can have the name of another by chance.
                Some(home) => format!("{home} The keys here are: {all}."),
                None => format!("The keys here are: {all}."),
            },
        };
        let place = if self.steps.is_empty() { "the configuration".to_owned() } else { self.path() };
        let message = format!("There is no key {name} in {place}.");
        self.problems.push(Problem::error(message).at(key.place).hint(hint));
        meant
    }

    /// Says where a key belongs that is not of this section.
    fn home(&self, key: &str) -> Option<String> {
        let homes = homes(&self.document?(), key);
        let homes: Vec<_> = homes.into_iter().take(MAX_HOMES).collect();
        (!homes.is_empty()).then(|| format!("`{key}` belongs {}.", homes.join(", or ")))
    }
}

/// A step from the top of a document to one of its values.
#[derive(Clone, Copy)]
enum Step<'s> {
    Key(&'s str),
    /// Any entry of a list.
    Entry,
    /// Any name that the user chooses.
    Name,
}

/// Where a document with this JSON Schema may have a key, the highest place first: in words and as it is
/// written from the top. Each section is named once, however many keys may hold it.
fn homes(document: &Json, key: &str) -> Vec<String> {
    let mut homes = Vec::new();
    let mut seen = HashSet::new();
    let mut queue = VecDeque::from([(document, Vec::new())]);
    while let Some((schema, path)) = queue.pop_front() {
        let below = |step| path.iter().copied().chain([step]).collect::<Vec<_>>();
        if let Some(reference) = schema["$ref"].as_str().filter(|reference| seen.insert(*reference)) {
            let target = document.pointer(reference.trim_start_matches('#'));
            queue.extend(target.map(|target| (target, path.clone())));
        }
        for alternatives in ["anyOf", "oneOf"] {
            let alternatives = schema[alternatives].as_array().into_iter().flatten();
            queue.extend(alternatives.map(|schema| (schema, path.clone())));
        }
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            if name == key {
                homes.push(written(&path, key));
            }
            queue.push_back((schema, below(Step::Key(name))));
        }
        for (inner, step) in [("items", Step::Entry), ("additionalProperties", Step::Name)] {
            queue.extend(schema.get(inner).map(|schema| (schema, below(step))));
        }
    }
    homes
}

/// A place in words and as it is written: ``in `json`: `services: [{json: {names: ...}}]` ``.
fn written(path: &[Step<'_>], key: &str) -> String {
    let around = path.iter().rev().find_map(|step| match step {
        Step::Key(key) => Some(format!("in `{key}`")),
        Step::Entry | Step::Name => None,
    });
    let around = around.unwrap_or_else(|| "at the top of the file".to_owned());
    let mut text = format!("{key}: ...");
    for step in path.iter().rev() {
        let value = if text.starts_with('[') { text } else { format!("{{{text}}}") };
        text = match step {
            Step::Key(key) => format!("{key}: {value}"),
            Step::Entry => format!("[{value}]"),
            Step::Name => format!("NAME: {value}"),
        };
    }
    format!("{around}: `{text}`")
}
