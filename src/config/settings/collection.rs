//! Lists that are not empty, and mappings whose keys the user chooses.

use std::ops::Deref;

use serde_json::{Map, Value as Json, json};

use super::Setting;
use super::read::{Reader, Step};
use crate::config::node::{Key, Node};
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
pub struct Named<T>(Vec<(Located<String>, T)>);

impl<T> Named<T> {
    /// A mapping of these entries.
    pub fn new(entries: Vec<(Located<String>, T)>) -> Self {
        Self(entries)
    }

    /// The value of a name.
    pub fn find(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(key, _)| key.value == name).map(|(_, value)| value)
    }
}

impl<T> Deref for Named<T> {
    type Target = [(Located<String>, T)];

    fn deref(&self) -> &Self::Target {
        &self.0
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
        let read = |(key, value): &(Key, Node)| {
            let named = reader.name(key);
            let value = reader.within(Step::Key(key.text.clone()), |reader| T::read(value, reader));
            Some((named?, value?))
        };
        let all: Vec<_> = entries.iter().map(read).collect();
        let unique = reader.unique(entries);
        all.into_iter().collect::<Option<_>>().filter(|_| unique).map(Self)
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
        self.0.iter().map(entry).collect::<Option<Map<_, _>>>().map(Json::Object)
    }
}
