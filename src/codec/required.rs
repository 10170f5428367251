//! Required fields of `proto2` and of editions: whether a message has all of them.

use crate::schema::message::{Cardinality, Kind, Message};
use crate::schema::{MessageId, Presence, Schema};
use crate::wire::WireType;
use crate::wire::reader::{Error, Reader};

/// The path of the first required field that is not set, if there is one. Messages in pieces are merged
/// before they are looked into. Costs nothing for a type that can hold no required field.
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
    let (is_set, pieces) = collect(schema, message, wire, depth)?;
    for (field, _) in message.fields().iter().zip(is_set).filter(|(_, is_set)| !is_set) {
        if field.cardinality() == Cardinality::Singular(Presence::Required) {
            return Ok(Some(schema.text(field.name()).into()));
        }
    }
    for (position, content) in pieces {
        let field = &message.fields()[position];
        let Kind::Message(id) = field.kind() else { continue };
        if let Some(inner) = missing_field(schema, id, &content, depth)? {
            return Ok(Some(format!("{}.{inner}", schema.text(field.name()))));
        }
    }
    Ok(None)
}

type Pieces = Vec<(usize, Vec<u8>)>;

/// Which fields are set, and the messages to look into: each element of a list, a singular one merged.
fn collect(
    schema: &Schema,
    message: &Message,
    wire: &[u8],
    depth: usize,
) -> Result<(Vec<bool>, Pieces), Error> {
    let mut is_set = vec![false; message.fields().len()];
    let mut pieces: Pieces = Vec::new();
    let mut wire = Reader::new(wire);
    while !wire.is_at_end() {
        let (number, wire_type) = wire.tag()?;
        let mut value = wire;
        wire.skip(number, wire_type, depth)?;
        let Some(position) = message.field_by_number(number) else { continue };
        is_set[position] = true;
        let field = &message.fields()[position];
        let is_relevant = matches!(field.kind(), Kind::Message(id) if schema.message(id).requires());
        if !is_relevant {
            continue;
        }
        let content = match wire_type {
            WireType::Len => value.nested()?,
            WireType::StartGroup => value.group(number, depth)?,
            _ => continue,
        };
        let content = &content.wire()[content.position()..];
        let is_singular = matches!(field.cardinality(), Cardinality::Singular(_));
        match pieces.iter_mut().find(|(known, _)| is_singular && *known == position) {
            Some((_, merged)) => merged.extend_from_slice(content),
            None => pieces.push((position, content.to_vec())),
        }
    }
    Ok((is_set, pieces))
}
