//! What a file can hold, as traits: a [`Scalar`] is parsed from one text, a [`Setting`] is anything that
//! can be read from a node and describe itself as a JSON Schema.
//!
//! Sections are declared with the macro of [`declare`].

pub mod collection;
pub mod declare;
pub mod read;
pub mod word;

use std::ops::RangeInclusive;
use std::path::Path;

use serde_json::{Value as Json, json};

use self::read::{Reader, Section, Step};
use super::node::{Node, Value};
use super::place::Located;
use super::problem::{Flaw, Problem};
use super::schema::{Schemas, plain};

/// A value that a file can hold.
pub trait Setting: Sized {
    /// The kind of value with its article, for messages, such as `a list`.
    const WHAT: &'static str;

    /// Reads the value. When there is none, at least one error was reported.
    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self>;

    /// The JSON Schema of the value.
    fn schema(schemas: &mut Schemas) -> Json;

    /// How the value is written in a file; absent for what is written by leaving it out.
    fn written(&self) -> Option<Json>;
}

/// A value that is written as one scalar, parsed from its text.
pub trait Scalar: Sized {
    /// The kind of value with its article and an example.
    const WHAT: &'static str;

    /// Parses the text, in which variables have been replaced. Relative paths start at `base`.
    ///
    /// # Errors
    /// What is wrong with the text.
    fn parse(text: &str, base: &Path) -> Result<Self, Flaw>;

    /// The JSON Schema of the text as it is written, without variables.
    fn schema() -> Json;

    /// How the value is written.
    fn to_json(&self) -> Json;
}

impl<T: Scalar> Setting for T {
    const WHAT: &'static str = T::WHAT;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let text = reader.text(node, T::WHAT)?;
        match T::parse(&text, reader.base) {
            Ok(value) => Some(value),
            Err(flaw) => reader.flaw(flaw, node.place),
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        schemas.or_variable(T::schema())
    }

    fn written(&self) -> Option<Json> {
        Some(self.to_json())
    }
}

impl<T: Setting> Setting for Located<T> {
    const WHAT: &'static str = T::WHAT;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        T::read(node, reader).map(|value| Self::new(value, node.place))
    }

    fn schema(schemas: &mut Schemas) -> Json {
        T::schema(schemas)
    }

    fn written(&self) -> Option<Json> {
        self.value.written()
    }
}

impl<T: Setting> Setting for Option<T> {
    const WHAT: &'static str = T::WHAT;

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        T::read(node, reader).map(Some)
    }

    fn schema(schemas: &mut Schemas) -> Json {
        T::schema(schemas)
    }

    fn written(&self) -> Option<Json> {
        self.as_ref()?.written()
    }
}

impl<T: Setting> Setting for Vec<T> {
    const WHAT: &'static str = "a list";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        reader.list(node, T::read)
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({ "type": "array", "items": T::schema(schemas) })
    }

    fn written(&self) -> Option<Json> {
        self.iter().map(T::written).collect()
    }
}

/// A setting that bounds can be laid on.
pub trait Bounded {
    /// What the bounds are compared with.
    type Value: Scalar + PartialOrd;

    /// The value, when there is one.
    fn bounded(&self) -> Option<&Located<Self::Value>>;
}

impl<T: Scalar + PartialOrd> Bounded for Located<T> {
    type Value = T;

    fn bounded(&self) -> Option<&Self> {
        Some(self)
    }
}

impl<T: Scalar + PartialOrd> Bounded for Option<Located<T>> {
    type Value = T;

    fn bounded(&self) -> Option<&Located<T>> {
        self.as_ref()
    }
}

/// The smallest and the largest value as they are written.
pub(crate) fn edges<T: Scalar>(bounds: &RangeInclusive<T>) -> (Json, Json) {
    (bounds.start().to_json(), bounds.end().to_json())
}

impl Reader<'_> {
    /// Reads each entry of a list.
    pub(crate) fn list<T>(
        &mut self,
        node: &Node,
        mut read: impl FnMut(&Node, &mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Value::List(items) = &node.value else {
            let message = format!("{} must be a list, but here is {}.", self.path(), node.value.kind());
            let hint = "Write each entry on a line of its own after `- `, or all of them as [first, second].";
            return self.error(Problem::error(message).at(node.place).hint(hint));
        };
        let entry = |(index, item)| self.within(Step::Index(index), |reader| read(item, reader));
        // All entries are read before the first that failed ends it.
        let all: Vec<_> = items.iter().enumerate().map(entry).collect();
        all.into_iter().collect()
    }

    /// Holds a value against its bounds.
    pub fn bounds<T: Bounded>(
        &mut self,
        key: &str,
        value: T,
        bounds: &RangeInclusive<T::Value>,
    ) -> Option<T> {
        let Some(located) = value.bounded() else { return Some(value) };
        if bounds.contains(&located.value) {
            return Some(value);
        }
        let path = self.within(Step::Key(key.to_owned()), |reader| reader.path());
        let written = plain(&located.value.to_json());
        let problem =
            Problem::error(format!("{path} is out of bounds: {written}.")).at(located.place).hint(format!(
                "Write a value from {} to {}.",
                plain(&bounds.start().to_json()),
                plain(&bounds.end().to_json())
            ));
        self.error(problem)
    }
}

impl Section<'_> {
    /// Reads a key, or takes its default; without one, reports that the key is missing.
    pub fn read<T: Setting>(&self, reader: &mut Reader<'_>, key: &str, default: Option<T>) -> Option<T> {
        match self.read_with(reader, key, T::read) {
            Some(value) => value,
            None if default.is_some() => default,
            None => self.lacks(reader, key, T::WHAT),
        }
    }

    /// Reads a key in a way of its own. Absent when the key is not written; absent within when there is
    /// no value, and then at least one error was reported.
    pub(crate) fn read_with<T>(
        &self,
        reader: &mut Reader<'_>,
        key: &str,
        read: impl FnOnce(&Node, &mut Reader<'_>) -> Option<T>,
    ) -> Option<Option<T>> {
        let (_, node) = self.entries.iter().find(|(entry, _)| entry.text == key)?;
        Some(reader.within_short(self.short, |reader| {
            reader.within(Step::Key(key.to_owned()), |reader| read(node, reader))
        }))
    }

    /// Reports that a key is missing; `what` is the kind of its value with its article.
    pub(crate) fn lacks<T>(&self, reader: &mut Reader<'_>, key: &str, what: &str) -> Option<T> {
        let problem = Problem::error(format!("{} lacks the key `{key}`.", reader.path())).at(self.place);
        let hint = self.shape.example.map_or_else(|| format!("Add `{key}:` with {what}."), str::to_owned);
        reader.error(problem.hint(hint))
    }
}
