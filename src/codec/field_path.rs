//! Paths such as `book.author.name` into a message, resolved once to positions in the tables.

use std::fmt;

use crate::schema::message::{Cardinality, Field, Kind};
use crate::schema::{MessageId, Schema};
use crate::wire::WireType;
use crate::wire::writer::{self, Length};

/// A path of fields, each but the last a singular message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldPath {
    /// The message that each field belongs to, and the field's position there. Never empty.
    steps: Vec<(MessageId, usize)>,
}

/// Why a path leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathError {
    /// A message has no field of this name.
    Unknown {
        /// The message's full name.
        message: String,
        /// The name that it does not have.
        name: String,
    },
    /// A field before the last one is no message, or a list or map of them.
    NotAMessage {
        /// The name of the field.
        name: String,
    },
    /// The path has more names than allowed.
    TooDeep {
        /// How many names a path may have.
        limit: usize,
    },
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { message, name } => write!(f, "{message} has no field {name:?}"),
            Self::NotAMessage { name } => {
                write!(f, "the field {name:?} is no single message, so no field inside it can be named")
            }
            Self::TooDeep { limit } => write!(f, "the path has more than {limit} names"),
        }
    }
}

impl std::error::Error for PathError {}

impl FieldPath {
    /// Resolves names that are joined by points, proto names or JSON names.
    ///
    /// # Errors
    /// When a name does not exist, or leads into something that is no singular message, or there are
    /// more than `limit` names.
    pub fn resolve(schema: &Schema, message: MessageId, path: &str, limit: usize) -> Result<Self, PathError> {
        Self { steps: Vec::new() }.extend(schema, Some(message), path, limit)
    }

    /// As [`Self::resolve`], from inside the message that the last field of this path holds.
    ///
    /// # Errors
    /// As [`Self::resolve`]; the limit is that of `path` alone.
    pub fn resolve_inside(&self, schema: &Schema, path: &str, limit: usize) -> Result<Self, PathError> {
        let field = self.leaf(schema);
        self.clone().extend(schema, message_of(field), path, limit)
    }

    fn extend(
        self,
        schema: &Schema,
        mut inside: Option<MessageId>,
        path: &str,
        limit: usize,
    ) -> Result<Self, PathError> {
        let mut steps = self.steps;
        let mut outer = "";
        for (depth, name) in path.split('.').enumerate() {
            if depth >= limit {
                return Err(PathError::TooDeep { limit });
            }
            let id = inside.ok_or_else(|| PathError::NotAMessage { name: outer.into() })?;
            let message = schema.message(id);
            let position =
                message.field_by_name(schema, name.as_bytes()).ok_or_else(|| PathError::Unknown {
                    message: schema.text(message.name()).into(),
                    name: name.chars().take(60).collect(),
                })?;
            steps.push((id, position));
            inside = message_of(&message.fields()[position]);
            outer = name;
        }
        Ok(Self { steps })
    }

    /// The message of each field and the field's position in it, from the outside in.
    pub fn steps(&self) -> &[(MessageId, usize)] {
        &self.steps
    }

    /// The last field.
    pub fn leaf<'s>(&self, schema: &'s Schema) -> &'s Field {
        field_at(schema, *self.steps.last().expect("a path is never empty"))
    }

    /// Whether `self` is `other` or leads to something inside it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.steps.starts_with(&other.steps)
    }

    /// Appends to a message what `write_leaf` appends for the last field, inside the messages that the
    /// path leads through. A parser merges them with what is there before: that is how protobuf reads a
    /// message in pieces. Returns what `write_leaf` returns.
    ///
    /// # Errors
    /// What `write_leaf` returns.
    pub fn write<'s, T, E>(
        &self,
        schema: &'s Schema,
        out: &mut Vec<u8>,
        write_leaf: impl FnOnce(&'s Field, &mut Vec<u8>) -> Result<T, E>,
    ) -> Result<T, E> {
        let (&leaf, outer) = self.steps.split_last().expect("a path is never empty");
        let mut open = Vec::with_capacity(outer.len());
        for &step in outer {
            let field = field_at(schema, step);
            if field.is_delimited() {
                writer::tag(out, field.number(), WireType::StartGroup);
                open.push((field, None));
            } else {
                writer::tag(out, field.number(), WireType::Len);
                open.push((field, Some(Length::begin(out))));
            }
        }
        let written = write_leaf(field_at(schema, leaf), out)?;
        for (field, length) in open.into_iter().rev() {
            match length {
                Some(length) => length.end(out),
                None => writer::tag(out, field.number(), WireType::EndGroup),
            }
        }
        Ok(written)
    }
}

/// The message that a field holds a single one of.
pub(super) fn message_of(field: &Field) -> Option<MessageId> {
    match (field.kind(), field.cardinality()) {
        (Kind::Message(id), Cardinality::Singular(_)) => Some(id),
        _ => None,
    }
}

fn field_at(schema: &Schema, (message, position): (MessageId, usize)) -> &Field {
    &schema.message(message).fields()[position]
}
