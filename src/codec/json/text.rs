//! A single value as plain text: a path variable, a query parameter, a form field.

use super::error::ReadError;
use super::read::{ReadOptions, Reader};
use super::write_value::push_string;
use crate::schema::message::{Field, Kind, WellKnown};
use crate::schema::{EnumId, Schema};

/// Appends a field, tag included, from the text of one value, which is written as in JSON but without
/// quotes: numbers and bools, enum values by name or number, text, base64, and the well-known types
/// that JSON writes as one of these (Timestamp, Duration, FieldMask, the wrappers; Value takes text).
/// One element is appended to a repeated field.
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
) -> Result<(), Box<ReadError>> {
    let mut json = Vec::with_capacity(text.len() + 2);
    match scalar_of(schema, field.kind()) {
        None => {
            let what = "this field holds a message, a list or a map; name a field inside it instead";
            return Err(ReadError::new(0, what));
        }
        Some(Scalar::Bool) => json.extend_from_slice(text.as_bytes()),
        Some(Scalar::Enum(id)) if is_number(text) || (text == "null" && schema.enumeration(id).is_null()) => {
            json.extend_from_slice(text.as_bytes());
        }
        Some(_) => push_string(&mut json, text),
    }
    let mut reader = Reader::new(schema, &json, options, wire)?;
    reader.element(field, false)?;
    reader.finish()
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
