//! `google.rpc.Status` as JSON: the body of an error.

use super::write::{WriteOptions, write};
use super::write_value::push_string;
use crate::schema::Schema;
use crate::status::{Detail, Status};
use crate::wire::writer;

/// Appends `{"code":…,"message":…,"details":[…]}`. A detail whose type the schema does not know, or whose
/// bytes are broken, keeps its `@type` beside its bytes as base64 in `value`.
pub fn write_status(schema: &Schema, status: &Status, options: &WriteOptions, text: &mut Vec<u8>) {
    text.extend_from_slice(b"{\"code\":");
    text.extend_from_slice(itoa::Buffer::new().format(status.code().number()).as_bytes());
    text.extend_from_slice(b",\"message\":");
    push_string(text, status.message());
    text.extend_from_slice(b",\"details\":");
    write_details(schema, status.details(), options, text);
    text.push(b'}');
}

/// Appends the details of a status as a list.
pub fn write_details(schema: &Schema, details: &[Detail], options: &WriteOptions, text: &mut Vec<u8>) {
    text.push(b'[');
    for (index, detail) in details.iter().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        let any = schema.find_message("google.protobuf.Any");
        let mut wire = Vec::with_capacity(detail.type_url.len() + detail.value.len() + 16);
        writer::bytes(&mut wire, 1, detail.type_url.as_bytes());
        writer::bytes(&mut wire, 2, &detail.value);
        let written = any.is_some_and(|any| write(schema, any, &wire, options, text).is_ok());
        if !written {
            write_opaque(detail, text);
        }
    }
    text.push(b']');
}

/// The details of a status as a list, cut after so many bytes: for the log.
pub fn details_text(schema: &Schema, details: &[Detail], most: usize) -> String {
    let mut text = Vec::new();
    write_details(schema, details, &WriteOptions::default(), &mut text);
    String::from_utf8_lossy(text.get(..most).unwrap_or(&text)).into_owned()
}

fn write_opaque(detail: &Detail, text: &mut Vec<u8>) {
    use base64::Engine;

    text.extend_from_slice(b"{\"@type\":");
    push_string(text, &detail.type_url);
    text.extend_from_slice(b",\"value\":\"");
    text.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(&detail.value).as_bytes());
    text.extend_from_slice(b"\"}");
}
