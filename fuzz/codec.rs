//! The targets of the codecs and of the schema loader.

#![allow(clippy::unwrap_used, reason = "the functions panic to report")]

use std::sync::LazyLock;

use transom::codec::json::read::{ReadOptions, read};
use transom::codec::json::write::{WriteOptions, write};
use transom::codec::xml;
use transom::codec::xml::encoding::decode;
use transom::codec::xml::lexer::Limits;
use transom::codec::xml::split::XmlSplitter;
use transom::schema::{MessageId, Schema};

/// Messages with every kind of field.
static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let set = include_bytes!("../tests/codec/conformance/test_messages.binpb");
    Schema::load(&[set]).unwrap()
});

const TYPES: [&str; 4] = [
    "protobuf_test_messages.proto3.TestAllTypesProto3",
    "protobuf_test_messages.proto2.TestAllTypesProto2",
    "google.protobuf.Value",
    "google.protobuf.Any",
];

/// A message of this depth has a JSON text of at most four times the depth (a map of an Any of a Value).
const WRITE_DEPTH: usize = 30;
const READ_DEPTH: usize = 4 * WRITE_DEPTH + 4;
/// The bit of the choice that writes defaults too.
const EMIT_DEFAULTS: u8 = 0x20;
const MAX_TEXT: usize = 1 << 20;

/// The first byte chooses the type and the options, the rest is JSON text.
pub fn json_to_wire(input: &[u8]) {
    let Some((&choice, text)) = input.split_first() else { return };
    let options = ReadOptions { ignore_unknown: choice & 0x80 != 0, max_depth: READ_DEPTH };
    let id = message_type(choice);
    let mut wire = Vec::new();
    match read(&SCHEMA, id, text, &options, &mut wire) {
        Ok(()) => {}
        Err(error) => {
            assert!(error.offset <= text.len(), "{error}");
            assert!(error.to_string().len() < 2_000 + text.len(), "{error}");
            return;
        }
    }
    // The widest is a list of fixed64 fields: two bytes of text for eleven on the wire.
    assert!(wire.len() <= 6 * text.len() + 16, "{} bytes of {} of text", wire.len(), text.len());
    if let Some(json) = written(id, &wire, choice) {
        agree(id, &json, choice);
    }
}

/// The first byte chooses the type and the options, the rest is wire bytes.
pub fn wire_to_json(input: &[u8]) {
    let Some((&choice, wire)) = input.split_first() else { return };
    let id = message_type(choice);
    if let Some(json) = written(id, wire, choice) {
        agree(id, &json, choice);
    }
    agree_in_xml(id, wire);
}

/// The first byte chooses the type and the options, the rest is XML in any encoding. The same text is cut as a stream.
pub fn xml_to_wire(input: &[u8]) {
    let Some((&choice, bytes)) = input.split_first() else { return };
    let mut splitter = XmlSplitter::new(1 << 10);
    for piece in bytes.chunks(usize::from(choice) + 1) {
        splitter.push(piece);
        while matches!(splitter.next(), Ok(Some(_))) {}
    }
    drop(splitter.finish());
    let charset = [None, Some("iso-8859-1"), Some("utf-16"), Some("utf-8")][usize::from(choice >> 2 & 3)];
    let text = match decode(bytes, charset) {
        Ok(text) => text,
        Err(error) => return assert!(error.to_string().len() < 2_000, "{error}"),
    };
    let limits = Limits { depth: 256, elements: 100_000 };
    let options = xml::read::ReadOptions { ignore_unknown: choice & 0x80 != 0, limits, is_wrapped: false };
    let id = message_type(choice);
    let mut wire = Vec::new();
    if let Err(error) = xml::read::read(&SCHEMA, id, &text, &options, &mut wire) {
        let lines = 1 + text.iter().filter(|&&byte| byte == b'\n' || byte == b'\r').count();
        assert!((1..=lines).contains(&error.line) && (1..=text.len() + 1).contains(&error.column), "{error}");
        assert!(error.to_string().len() < 2_000 + text.len(), "{error}");
        return;
    }
    assert!(wire.len() <= 6 * text.len() + 16, "{} bytes of {} of text", wire.len(), text.len());
    agree_in_xml(id, &wire);
}

/// What is written as XML is read, and written again as the same text; and it has an XML form if it has a JSON form.
fn agree_in_xml(id: MessageId, wire: &[u8]) {
    let options = WriteOptions { max_depth: WRITE_DEPTH, max_text: MAX_TEXT, ..WriteOptions::default() };
    let mut text = b"before".to_vec();
    let written = xml::write::write(&SCHEMA, id, wire, &options, &mut text);
    let json = write(&SCHEMA, id, wire, &options, &mut Vec::new());
    if let Err(error) = written {
        assert_eq!(text, b"before", "what was there before stays as it was");
        let is_long = error.to_string().contains("longer than");
        assert!(json.is_err() || is_long, "{error}");
        return;
    }
    let text = text.split_off(6);
    let limits = Limits { depth: 1024, elements: 1 << 20 };
    let reading = xml::read::ReadOptions { limits, ..xml::read::ReadOptions::default() };
    let mut back = Vec::new();
    if let Err(error) = xml::read::read(&SCHEMA, id, &text, &reading, &mut back) {
        // An Any of a type URL that is none is shown, but not taken.
        let is_any = error.message().starts_with("<type> is no type URL");
        assert!(is_any, "{error} in {}", String::from_utf8_lossy(&text));
        return;
    }
    let mut again = Vec::new();
    xml::write::write(&SCHEMA, id, &back, &options, &mut again).unwrap();
    assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&text));
}

/// Bytes of a descriptor set, and of a single file.
pub fn descriptor_load(input: &[u8]) {
    for result in [Schema::load(&[input]), Schema::load_files(&[input])] {
        let schema = match result {
            Ok(schema) => schema,
            Err(error) => {
                assert!((1..=100).contains(&error.problems.len()));
                assert!(!error.to_string().is_empty());
                continue;
            }
        };
        for service in schema.services() {
            let service_name = schema.text(service.name());
            for method in service.methods() {
                let name = format!("{service_name}/{}", schema.text(method.name()));
                assert!(schema.method(&name).is_some(), "{name}");
                for id in [method.input(), method.output()] {
                    look_up_fields(&schema, id);
                    drop(write_with(&schema, id, input, &WriteOptions::default()));
                }
            }
        }
    }
}

fn look_up_fields(schema: &Schema, id: MessageId) {
    let message = schema.message(id);
    for (position, field) in message.fields().iter().enumerate() {
        assert_eq!(message.field_by_number(field.number()), Some(position));
        let name = schema.text(field.name());
        assert_eq!(message.field_by_name(schema, name.as_bytes()), Some(position), "{name}");
        assert!(message.field_by_name(schema, schema.text(field.json_name()).as_bytes()).is_some());
        assert_eq!(schema.text(field.name_key()), format!("\"{name}\":"));
    }
}

fn message_type(choice: u8) -> MessageId {
    SCHEMA.find_message(TYPES[usize::from(choice) % TYPES.len()]).unwrap()
}

fn write_with(schema: &Schema, id: MessageId, wire: &[u8], options: &WriteOptions) -> Option<Vec<u8>> {
    let mut json = b"before".to_vec();
    match write(schema, id, wire, options, &mut json) {
        Ok(()) => Some(json.split_off(6)),
        Err(error) => {
            assert_eq!(json, b"before", "what was there before stays as it was");
            assert!(!error.to_string().is_empty());
            None
        }
    }
}

fn written(id: MessageId, wire: &[u8], choice: u8) -> Option<Vec<u8>> {
    let options = WriteOptions {
        outer_nulls: false,
        proto_names: choice & 0x40 != 0,
        emit_defaults: choice & EMIT_DEFAULTS != 0,
        enum_numbers: choice & 0x10 != 0,
        max_depth: WRITE_DEPTH,
        max_text: MAX_TEXT,
    };
    let json = write_with(&SCHEMA, id, wire, &options)?;
    // A value is written before the limit is looked at again.
    assert!(json.len() <= MAX_TEXT + 8 * wire.len() + 64 * 1024, "{} bytes of text", json.len());
    Some(json)
}

/// What was written is read, and written again as the same text.
fn agree(id: MessageId, json: &[u8], choice: u8) {
    let options = ReadOptions { ignore_unknown: false, max_depth: READ_DEPTH };
    let mut wire = Vec::new();
    if let Err(error) = read(&SCHEMA, id, json, &options, &mut wire) {
        // An Any of a type URL that is none is shown, but not taken.
        let is_any = error.message().starts_with("@type is no type URL");
        assert!(is_any, "{error} in {}", String::from_utf8_lossy(json));
        return;
    }
    let again = written(id, &wire, choice).unwrap();
    if choice & EMIT_DEFAULTS != 0 && again.len() == json.len() {
        // Defaults that were on the wire stood in their place there and now come last.
        return;
    }
    assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(json));
}
