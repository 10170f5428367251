//! The vectors of the protobuf JSON conformance suite, with an empty list of failures.
//!
//! A line is one test: input (JSON or wire), whether it must be accepted, and what the reference
//! implementation makes of it: canonical wire bytes and JSON.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use transom::codec::json::read::{ReadOptions, read};
use transom::codec::json::write::{WriteOptions, write};
use transom::schema::{MessageId, Schema};

/// Vectors, how many they are, and the descriptor set of their messages.
const VECTORS: [(&str, usize, &str); 4] = [
    ("vectors.jsonl", 1399, "test_messages.binpb"),
    ("vectors_extra.jsonl", 4, "test_messages.binpb"),
    ("vectors_editions2023.jsonl", 2804, "conformance.binpb"),
    ("vectors_editions2023_extra.jsonl", 8, "conformance.binpb"),
];

fn file(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/codec/conformance").join(name)).unwrap()
}

#[test]
fn every_vector_passes() {
    let mut failures = Vec::new();
    for (name, count, set) in VECTORS {
        let schema = Schema::load(&[&file(set)]).unwrap();
        let text = String::from_utf8(file(name)).unwrap();
        assert_eq!(text.lines().count(), count, "{name}");
        for line in text.lines() {
            let vector: Value = serde_json::from_str(line).unwrap();
            if let Err(failure) = run(&schema, &vector) {
                failures.push(format!("{}: {failure}", vector["name"]));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

fn run(schema: &Schema, vector: &Value) -> Result<(), String> {
    let text = |key: &str| vector[key].as_str();
    let bytes = |key: &str| text(key).map(|text| STANDARD.decode(text).unwrap());
    let id =
        schema.find_message(text("message_type").unwrap()).ok_or("the message type is not in the set")?;
    let input = bytes("input_b64").unwrap();
    let wire = match text("input_format").unwrap() {
        "json" => {
            let ignore_unknown = vector["ignore_unknown"].as_bool().unwrap();
            match to_wire(schema, id, &input, ignore_unknown) {
                Err(_) if vector["expect"] == "parse_error" => return Ok(()),
                Err(error) => return Err(error),
                Ok(_) if vector["expect"] == "parse_error" => return Err("it was accepted".into()),
                Ok(wire) => wire,
            }
        }
        _ => input,
    };
    let written = to_json(schema, id, &wire);
    if vector["expect"] == "serialize_error" {
        return written.map_or(Ok(()), |json| Err(format!("it was written as {json}")));
    }
    let expected_wire = bytes("output_wire_b64").or_else(|| bytes("expected_wire_b64"));
    if let Some(expected) = text("output_json") {
        let json = written?;
        let [found, wanted] = [&json, expected].map(|json| normal(serde_json::from_str(json).unwrap()));
        if found != wanted {
            return Err(format!("JSON is {found}, not {wanted}"));
        }
        if let Some(expected) = expected_wire {
            let back = to_wire(schema, id, json.as_bytes(), false)?;
            same_wire(schema, id, &back, &expected)?;
        }
    } else if let Some(expected) = expected_wire {
        same_wire(schema, id, &wire, &expected)?;
    } else {
        return Err("the vector expects nothing".into());
    }
    Ok(())
}

fn to_wire(schema: &Schema, id: MessageId, json: &[u8], ignore_unknown: bool) -> Result<Vec<u8>, String> {
    let mut wire = Vec::new();
    let options = ReadOptions { ignore_unknown, ..ReadOptions::default() };
    read(schema, id, json, &options, &mut wire).map_err(|error| error.to_string())?;
    Ok(wire)
}

fn to_json(schema: &Schema, id: MessageId, wire: &[u8]) -> Result<String, String> {
    let mut json = Vec::new();
    write(schema, id, wire, &WriteOptions::default(), &mut json).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(json).unwrap())
}

/// Fields and map entries may come in any order, so other bytes are the same message if their JSON is
/// the same and they are as many.
fn same_wire(schema: &Schema, id: MessageId, found: &[u8], expected: &[u8]) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let value =
        |wire: &[u8]| to_json(schema, id, wire).map(|json| serde_json::from_str::<Value>(&json).unwrap());
    if found.len() == expected.len() && value(found)? == value(expected)? {
        return Ok(());
    }
    Err(format!("wire is {found:02x?}, not {expected:02x?}"))
}

/// JSON numbers compare as doubles, so that `1` is `1.0`.
fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, normal(value))).collect(),
        other => other,
    }
}
