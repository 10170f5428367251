//! A single value as plain text: a path variable, a query parameter, a form field.

use super::error::ReadError;
use super::read::{ReadOptions, Reader};
use super::write_value::push_string;
use crate::schema::message::{Field, Kind, WellKnown};
use crate::schema::{EnumId, Schema};
use crate::wire::WireType;
use crate::wire::writer;

/// Appends a field, tag included, from the text of one value, which is written as in JSON but without
/// quotes: numbers and bools, enum values by name or number, text, base64, and the well-known types
/// that JSON writes as one of these (Timestamp, Duration, FieldMask, the wrappers; Value takes text).
/// One element is appended to a repeated field. Returns false, and appends nothing, for an unknown name
/// of an enum value when those are to be ignored.
///
/// # Errors
/// When the text is no value of the field's type, or the type has no such form. Offset and path of the
/// error mean nothing.
pub fn read_text(
    schema: &Schema,
    field: &Field,
    text: &str,
    options: &ReadOptions,
    wire: &mut Vec<u8>,
) -> Result<bool, Box<ReadError>> {
    let mut json = Vec::with_capacity(text.len() + 2);
    match scalar_of(schema, field.kind()) {
        None => {
            let what = "this field holds a message, a list or a map; name a field inside it instead";
            return Err(ReadError::new(0, what));
        }
        Some(Scalar::Bool) if matches!(text, "true" | "false") => json.extend_from_slice(text.as_bytes()),
        Some(Scalar::Enum(id)) if is_number(text) || (text == "null" && schema.enumeration(id).is_null()) => {
            json.extend_from_slice(text.as_bytes());
        }
        Some(_) => push_string(&mut json, text),
    }
    let mut reader = Reader::new(schema, &json, options, wire)?;
    let is_known = reader.element(field, false)?;
    reader.finish()?;
    Ok(is_known)
}

/// Appends a piece of the message that a field holds, with an explicit default for each of its fields, so
/// that nothing of an earlier piece shows through the one that [`read_text`] appends: messages in pieces
/// are merged. Appends nothing for other fields, whose last value wins as it is.
pub fn reset(schema: &Schema, field: &Field, wire: &mut Vec<u8>) {
    let Kind::Message(id) = field.kind() else { return };
    let message = schema.message(id);
    if !matches!(message.well_known(), Some(WellKnown::Timestamp | WellKnown::Duration | WellKnown::Wrapper))
    {
        return;
    }
    let mut piece = Vec::with_capacity(16);
    for inner in message.fields() {
        let wire_type = inner.kind().wire_type();
        writer::tag(&mut piece, inner.number(), wire_type);
        let zeros = match wire_type {
            WireType::Fixed64 => 8,
            WireType::Fixed32 => 4,
            _ => 1,
        };
        piece.resize(piece.len() + zeros, 0);
    }
    if field.is_delimited() {
        writer::tag(wire, field.number(), WireType::StartGroup);
        wire.extend_from_slice(&piece);
        writer::tag(wire, field.number(), WireType::EndGroup);
    } else {
        writer::bytes(wire, field.number(), &piece);
    }
}

/// Whether the field's values can be written as plain text.
pub fn is_textual(schema: &Schema, kind: Kind) -> bool {
    scalar_of(schema, kind).is_some()
}

enum Scalar {
    Bool,
    Enum(EnumId),
    /// JSON writes it in quotes, or takes it in quotes too.
    Quoted,
}

fn scalar_of(schema: &Schema, kind: Kind) -> Option<Scalar> {
    Some(match kind {
        Kind::Bool => Scalar::Bool,
        Kind::Enum(id) => Scalar::Enum(id),
        Kind::Message(id) => {
            let message = schema.message(id);
            match message.well_known()? {
                WellKnown::Timestamp | WellKnown::Duration | WellKnown::FieldMask | WellKnown::Value => {
                    Scalar::Quoted
                }
                WellKnown::Wrapper => return scalar_of(schema, message.fields().first()?.kind()),
                WellKnown::Any | WellKnown::Struct | WellKnown::ListValue => return None,
            }
        }
        _ => Scalar::Quoted,
    })
}

fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}
