//! Required fields of `proto2` and of editions: whether a message has all of them.

use std::borrow::Cow;

use crate::schema::message::{Cardinality, Field, Kind, Message};
use crate::schema::{MessageId, Presence, Schema};
use crate::wire::WireType;
use crate::wire::reader::{Error, Reader};

/// The path of the first required field that is not set, if there is one. Messages in pieces are merged
/// before they are looked into, and what another member of a oneof replaces is not looked into. Costs
/// nothing for a type that can hold no required field.
///
/// # Errors
/// When `wire` is no valid protobuf, or messages are nested more than `depth` deep.
pub fn missing_field(
    schema: &Schema,
    id: MessageId,
    wire: &[u8],
    depth: usize,
) -> Result<Option<String>, Error> {
    let message = schema.message(id);
    if !message.requires() {
        return Ok(None);
    }
    let depth = depth.checked_sub(1).ok_or(Error::TOO_DEEP)?;
    let Contents { is_set, singular, mut missing } = collect(schema, message, wire, depth)?;
    for (field, _) in message.fields().iter().zip(is_set).filter(|(_, is_set)| !is_set) {
        if field.cardinality() == Cardinality::Singular(Presence::Required) {
            return Ok(Some(schema.text(field.name()).into()));
        }
    }
    for (position, content) in singular {
        if missing.is_some() {
            break;
        }
        missing = missing_inside(schema, &message.fields()[position], &content, depth)?;
    }
    Ok(missing)
}

fn missing_inside(
    schema: &Schema,
    field: &Field,
    content: &[u8],
    depth: usize,
) -> Result<Option<String>, Error> {
    let Kind::Message(id) = field.kind() else { return Ok(None) };
    let inner = missing_field(schema, id, content, depth)?;
    Ok(inner.map(|inner| format!("{}.{inner}", schema.text(field.name()))))
}

/// What there is in a message.
struct Contents<'w> {
    is_set: Vec<bool>,
    /// The singular messages to look into, merged, with the positions of their fields.
    singular: Vec<(usize, Cow<'w, [u8]>)>,
    /// What is missing in an element of a list or map.
    missing: Option<String>,
}

fn collect<'w>(
    schema: &Schema,
    message: &Message,
    wire: &'w [u8],
    depth: usize,
) -> Result<Contents<'w>, Error> {
    let fields = message.fields();
    let mut found = Contents { is_set: vec![false; fields.len()], singular: Vec::new(), missing: None };
    let mut wire = Reader::new(wire);
    while !wire.is_at_end() {
        let (number, wire_type) = wire.tag()?;
        let mut value = wire;
        wire.skip(number, wire_type, depth)?;
        let Some(position) = message.field_by_number(number) else { continue };
        let field = &fields[position];
        found.is_set[position] = true;
        if let Some(oneof) = field.oneof() {
            found.singular.retain(|&(other, _)| other == position || fields[other].oneof() != Some(oneof));
        }
        if !matches!(field.kind(), Kind::Message(id) if schema.message(id).requires()) {
            continue;
        }
        let content = match wire_type {
            WireType::Len => value.nested()?,
            WireType::StartGroup => value.group(number, depth)?,
            _ => continue,
        };
        let content = &content.wire()[content.position()..];
        if !matches!(field.cardinality(), Cardinality::Singular(_)) {
            // Elements are not collected: there may be a million of them.
            if found.missing.is_none() {
                found.missing = missing_inside(schema, field, content, depth)?;
            }
        } else if let Some((_, merged)) = found.singular.iter_mut().find(|(other, _)| *other == position) {
            merged.to_mut().extend_from_slice(content);
        } else {
            found.singular.push((position, Cow::Borrowed(content)));
        }
    }
    Ok(found)
}
