//! Types of fields, and which value may be written where.

use crate::compose::source::{Layout, Step, Widen};
use crate::schema::message::{Cardinality, Field, Kind, Message};
use crate::schema::{MessageId, Schema};

/// The type of what a field holds.
#[derive(Clone, Copy)]
pub(in crate::compile) struct Typed<'s> {
    pub(in crate::compile) schema: &'s Schema,
    pub(in crate::compile) kind: Kind,
    pub(in crate::compile) shape: Shape,
}

/// How many values there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::compile) enum Shape {
    One,
    Many,
    Map,
}

impl<'s> Typed<'s> {
    pub(in crate::compile) const fn of(schema: &'s Schema, field: &Field) -> Self {
        let shape = match field.cardinality() {
            Cardinality::Singular(_) => Shape::One,
            Cardinality::Repeated { .. } => Shape::Many,
            Cardinality::Map => Shape::Map,
        };
        Self { schema, kind: field.kind(), shape }
    }

    pub(super) const fn message(schema: &'s Schema, id: MessageId, shape: Shape) -> Self {
        Self { schema, kind: Kind::Message(id), shape }
    }

    /// One of its values.
    pub(super) const fn element(self) -> Self {
        Self { shape: Shape::One, ..self }
    }

    /// The name of a message or an enum.
    pub(super) fn name(&self) -> Option<&'s str> {
        match self.kind {
            Kind::Message(id) => Some(self.schema.text(self.schema.message(id).name())),
            Kind::Enum(id) => Some(self.schema.text(self.schema.enumeration(id).name())),
            _ => None,
        }
    }

    /// Key and value of a map.
    pub(super) fn entry(&self) -> Option<[Self; 2]> {
        let Kind::Message(id) = self.kind else { return None };
        let (key, value) = self.schema.message(id).entry().filter(|_| self.shape == Shape::Map)?;
        Some([key, value].map(|field| Self::of(self.schema, field)))
    }

    /// In words.
    pub(in crate::compile) fn text(&self) -> String {
        match (self.entry(), self.shape) {
            (Some([key, value]), _) => format!("map<{}, {}>", key.value_text(), value.value_text()),
            (None, Shape::Many) => format!("repeated {}", self.value_text()),
            (None, _) => self.value_text(),
        }
    }

    fn value_text(&self) -> String {
        match self.name() {
            Some(name) => name.to_owned(),
            None => format!("{:?}", self.kind).to_ascii_lowercase(),
        }
    }

    /// Whether both are the same type, in whichever schema.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        if self.shape != other.shape {
            return false;
        }
        match (self.entry(), other.entry()) {
            (Some([key, value]), Some([other_key, other_value])) => {
                key.is_same(&other_key) && value.is_same(&other_value)
            }
            _ => number(self.kind) == number(other.kind) && self.name() == other.name(),
        }
    }

    /// What becomes of values of this type in a field of another; nothing if they do not fit.
    pub(super) fn fits(&self, target: &Self) -> Option<Widen> {
        let shapes = (self.shape, target.shape);
        if self.shape == Shape::Map || target.shape == Shape::Map {
            return self.is_same(target).then_some(Widen::No);
        }
        if shapes == (Shape::Many, Shape::One) {
            return None;
        }
        match (self.kind, target.kind) {
            (Kind::Int32, Kind::Int64) | (Kind::Enum(_), Kind::Int32 | Kind::Int64) => Some(Widen::Signed),
            (Kind::Uint32, Kind::Uint64) | (Kind::Sint32, Kind::Sint64) => Some(Widen::Unsigned),
            _ => self.element().is_same(&target.element()).then_some(Widen::No),
        }
    }

    pub(super) const fn layout(&self) -> Layout {
        match self.kind {
            Kind::Message(_) => Layout::Message,
            Kind::String | Kind::Bytes => Layout::Bytes,
            Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Layout::Fixed64,
            Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Layout::Fixed32,
            _ => Layout::Varint,
        }
    }
}

/// The number of a type in `FieldDescriptorProto.Type`.
pub(super) const fn number(kind: Kind) -> u64 {
    match kind {
        Kind::Double => 1,
        Kind::Float => 2,
        Kind::Int64 => 3,
        Kind::Uint64 => 4,
        Kind::Int32 => 5,
        Kind::Fixed64 => 6,
        Kind::Fixed32 => 7,
        Kind::Bool => 8,
        Kind::String => 9,
        Kind::Message(_) => 11,
        Kind::Bytes => 12,
        Kind::Uint32 => 13,
        Kind::Enum(_) => 14,
        Kind::Sfixed32 => 15,
        Kind::Sfixed64 => 16,
        Kind::Sint32 => 17,
        Kind::Sint64 => 18,
    }
}

/// The step into a field.
pub(super) fn step(schema: &Schema, message: &Message, position: usize) -> Step {
    let field = &message.fields()[position];
    let others = message.fields().iter().enumerate().filter(|(other, member)| {
        *other != position && field.oneof().is_some() && member.oneof() == field.oneof()
    });
    Step {
        number: field.number(),
        layout: Typed::of(schema, field).layout(),
        is_list: !matches!(field.cardinality(), Cardinality::Singular(_)),
        others: others.map(|(_, member)| member.number()).collect(),
    }
}

/// The names of all types that can lie in a message, without the entries of maps.
pub(super) fn reachable(schema: &Schema, id: MessageId) -> Vec<String> {
    let mut open = vec![id];
    let mut seen = std::collections::HashSet::from([id]);
    let mut names = std::collections::BTreeSet::new();
    while let Some(id) = open.pop() {
        for field in schema.message(id).fields() {
            match field.kind() {
                Kind::Message(inner) => {
                    let message = schema.message(inner);
                    if field.cardinality() != Cardinality::Map {
                        names.insert(schema.text(message.name()).to_owned());
                    }
                    if seen.insert(inner) {
                        open.push(inner);
                    }
                }
                Kind::Enum(id) => drop(names.insert(schema.text(schema.enumeration(id).name()).to_owned())),
                _ => {}
            }
        }
    }
    names.into_iter().collect()
}
