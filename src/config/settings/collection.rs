//! Lists that are not empty, and mappings whose keys are no words of the file's own.

use std::ops::Deref;

use serde_json::{Map, Value as Json, json};

use super::read::{MAX_NAME, Reader, Step};
use super::{Scalar, Setting};
use crate::config::node::Node;
use crate::config::place::Located;
use crate::config::problem::Problem;
use crate::config::schema::Schemas;

/// A list with at least one entry.
#[derive(Clone, Debug, PartialEq)]
pub struct NonEmpty<T>(Vec<T>);

impl<T> NonEmpty<T> {
    /// A list that begins with `first`.
    pub fn new(first: T, rest: impl IntoIterator<Item = T>) -> Self {
        Self(std::iter::once(first).chain(rest).collect())
    }
}

impl<T> Deref for NonEmpty<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Setting> Setting for NonEmpty<T> {
    const WHAT: &'static str = "a list";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let list = Vec::read(node, reader)?;
        if list.is_empty() {
            let message = format!("The list {} is empty.", reader.path());
            return reader.error(Problem::error(message).at(node.place).hint("Write at least one entry."));
        }
        Some(Self(list))
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({ "type": "array", "items": T::schema(schemas), "minItems": 1 })
    }

    fn written(&self) -> Option<Json> {
        self.0.written()
    }
}

/// A mapping whose keys are names that the user chooses, in the order of the file.
#[derive(Clone, Debug, PartialEq)]
pub struct Named<T> {
    entries: Vec<(Located<String>, T)>,
    /// Names whose values are wrong. A file with any is refused, but nobody is told that they are not there.
    broken: Vec<String>,
}

impl<T> Named<T> {
    /// A mapping of these entries.
    pub fn new(entries: Vec<(Located<String>, T)>) -> Self {
        Self { entries, broken: Vec::new() }
    }

    /// The value of a name.
    pub fn find(&self, name: &str) -> Option<&T> {
        self.entries.iter().find(|(key, _)| key.value == name).map(|(_, value)| value)
    }

    /// All names, those with wrong values last.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(name, _)| name.as_str()).chain(self.broken.iter().map(String::as_str))
    }
}

impl<T> Deref for Named<T> {
    type Target = [(Located<String>, T)];

    fn deref(&self) -> &Self::Target {
        &self.entries
    }
}

impl<T: Setting> Setting for Named<T> {
    const WHAT: &'static str = "a mapping of names to values";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let entries = reader.entries(node, "Write `name: value`, with a name of your choice.")?;
        if entries.is_empty() {
            let message = format!("The mapping {} is empty.", reader.path());
            let hint = "Write at least one `name: value`.";
            return reader.error(Problem::error(message).at(node.place).hint(hint));
        }
        let mut named = Self::new(Vec::new());
        for (key, value) in entries {
            let name = reader.name(key);
            let value = reader.within(Step::Key(key.text.clone()), |reader| T::read(value, reader));
            match (name, value) {
                (Some(name), Some(value)) => named.entries.push((name, value)),
                _ if key.text.len() <= MAX_NAME => named.broken.push(key.text.clone()),
                _ => {}
            }
        }
        reader.unique(entries);
        Some(named)
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$" },
            "additionalProperties": T::schema(schemas),
        })
    }

    fn written(&self) -> Option<Json> {
        let entry = |(name, value): &(Located<String>, T)| Some((name.value.clone(), value.written()?));
        self.entries.iter().map(entry).collect::<Option<Map<_, _>>>().map(Json::Object)
    }
}

/// A mapping whose keys are parsed, in the order of the file. It may be empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Pairs<K, V>(Vec<(Located<K>, V)>);

impl<K, V> Default for Pairs<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K, V> Deref for Pairs<K, V> {
    type Target = [(Located<K>, V)];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<K: Scalar, V: Setting> Setting for Pairs<K, V> {
    const WHAT: &'static str = "a mapping";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let hint = format!("Write `KEY: VALUE`, where the key is {}.", K::WHAT);
        let entries = reader.entries(node, &hint)?;
        let mut pairs: Vec<Option<_>> = Vec::new();
        for (key, value) in entries {
            let name = match K::parse(&key.text, reader.base) {
                Ok(name) => Some(Located::new(name, key.place)),
                Err(flaw) => reader.flaw(flaw, key.place),
            };
            let value = reader.within(Step::Key(key.text.clone()), |reader| V::read(value, reader));
            pairs.push(name.zip(value));
        }
        reader.unique(entries);
        pairs.into_iter().collect::<Option<_>>().map(Self)
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({ "type": "object", "propertyNames": K::schema(), "additionalProperties": V::schema(schemas) })
    }

    fn written(&self) -> Option<Json> {
        let entry = |(name, value): &(Located<K>, V)| {
            Some((name.value.to_json().as_str()?.to_owned(), value.written()?))
        };
        self.0.iter().map(entry).collect::<Option<Map<_, _>>>().map(Json::Object)
    }
}
