//! Requests and answers that a rule binds to a field.

use super::*;
use crate::wire::{WireType, writer};

#[test]
fn one_field_is_written_alone() {
    let schema = schema();
    let (book, table) = (id(&schema, BOOK), schema.message(id(&schema, BOOK)));
    let position = |name: &str| table.field_by_name(&schema, name.as_bytes()).unwrap();
    let wire = wire_of(&schema, BOOK, r#"{"title":"T","authors":["a","b"],"paper":{"pages":3}}"#);
    for (name, expected) in [
        ("authors", "<Book xmlns=\"urn:bookstore.v1\"><authors>a</authors><authors>b</authors></Book>"),
        ("title", "<Book xmlns=\"urn:bookstore.v1\"><title>T</title></Book>"),
        ("paper", "<Paper xmlns=\"urn:bookstore.v1\"><pages>3</pages></Paper>"),
        ("audio", "<Audio xmlns=\"urn:bookstore.v1\"/>"),
    ] {
        let mut xml = Vec::new();
        write_field(&schema, book, position(name), &wire, &WriteOptions::default(), &mut xml).unwrap();
        assert_eq!(String::from_utf8(xml).unwrap(), expected);
    }
}

/// What JSON writes of one field, and XML.
#[test]
fn one_field_is_written_as_the_whole_message_would() {
    const TYPES: &str = "protobuf_test_messages.proto3.TestAllTypesProto3";
    let schema = schema();
    let types = id(&schema, TYPES);
    let number = |name: &str| {
        let table = schema.message(types);
        let position = table.field_by_name(&schema, name.as_bytes()).unwrap();
        (position, table.fields()[position].number())
    };
    let root = |content: &str| match content {
        "" => "<TestAllTypesProto3 xmlns=\"urn:protobuf_test_messages.proto3\"/>".to_owned(),
        _ => format!(
            "<TestAllTypesProto3 xmlns=\"urn:protobuf_test_messages.proto3\">{content}</TestAllTypesProto3>"
        ),
    };
    let well_known = |name: &str, rest: &str| format!("<{name} xmlns=\"urn:google.protobuf\"{rest}");
    let nil = " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:nil=\"true\"/>";
    let own = |name: &str, rest: &str| format!("<{name} xmlns=\"urn:protobuf_test_messages.proto3\"{rest}");
    let tagged = |name: &str, content: &[u8]| {
        let mut wire = Vec::new();
        writer::bytes(&mut wire, number(name).1, content);
        wire
    };
    let varint = |name: &str, value: u64| {
        let mut wire = Vec::new();
        writer::tag(&mut wire, number(name).1, WireType::Varint);
        writer::varint(&mut wire, value);
        wire
    };
    let nested = |name: &str, value: u8| tagged(name, &[0x08, value]);
    let table: Vec<(&str, Vec<u8>, &str, String)> = vec![
        // Not set.
        ("optionalTimestamp", vec![], "null", well_known("Timestamp", nil)),
        ("optionalDuration", vec![], "null", well_known("Duration", nil)),
        ("optionalFieldMask", vec![], "null", well_known("FieldMask", nil)),
        ("optionalInt32Wrapper", vec![], "null", well_known("Int32Value", nil)),
        ("optionalValue", vec![], "null", well_known("Value", &format!(" kind=\"null\"{nil}"))),
        ("optionalStruct", vec![], "null", well_known("Struct", "/>")),
        ("optionalAny", vec![], "null", well_known("Any", "/>")),
        ("optionalNestedMessage", vec![], "null", own("TestAllTypesProto3.NestedMessage", "/>")),
        ("optionalInt32", vec![], "0", root("")),
        ("repeatedInt32", vec![], "[]", root("")),
        // Set to nothing.
        (
            "optionalTimestamp",
            tagged("optionalTimestamp", &[]),
            "\"1970-01-01T00:00:00Z\"",
            well_known("Timestamp", ">1970-01-01T00:00:00Z</Timestamp>"),
        ),
        (
            "optionalInt32Wrapper",
            tagged("optionalInt32Wrapper", &[]),
            "0",
            well_known("Int32Value", ">0</Int32Value>"),
        ),
        (
            "optionalNestedMessage",
            tagged("optionalNestedMessage", &[]),
            "{}",
            own("TestAllTypesProto3.NestedMessage", "/>"),
        ),
        // In pieces: merged, and the last one wins.
        (
            "optionalDuration",
            [
                tagged("optionalDuration", &[0x08, 1]),
                varint("optionalInt32", 5),
                tagged("optionalDuration", &[0x08, 2]),
            ]
            .concat(),
            "\"2s\"",
            well_known("Duration", ">2s</Duration>"),
        ),
        (
            "optionalInt32",
            [varint("optionalInt32", 5), varint("optionalInt32", 6)].concat(),
            "6",
            root("<optionalInt32>6</optionalInt32>"),
        ),
        // Of a oneof the member that was set last.
        (
            "oneofNestedMessage",
            [nested("oneofNestedMessage", 1), varint("oneofUint32", 7)].concat(),
            "null",
            own("TestAllTypesProto3.NestedMessage", "/>"),
        ),
        ("oneofUint32", [varint("oneofUint32", 7), nested("oneofNestedMessage", 1)].concat(), "0", root("")),
        (
            "oneofUint32",
            [nested("oneofNestedMessage", 1), varint("oneofUint32", 0)].concat(),
            "0",
            root("<oneofUint32>0</oneofUint32>"),
        ),
        (
            "oneofNestedMessage",
            [nested("oneofNestedMessage", 1), varint("oneofUint32", 7), nested("oneofNestedMessage", 2)]
                .concat(),
            "{\"a\":2}",
            own("TestAllTypesProto3.NestedMessage", "><a>2</a></TestAllTypesProto3.NestedMessage>"),
        ),
    ];
    let options = WriteOptions::default();
    for (name, wire, json, expected) in table {
        let (mut found, mut xml) = (Vec::new(), Vec::new());
        json::write::write_field(&schema, types, number(name).0, &wire, &options, &mut found).unwrap();
        assert_eq!(String::from_utf8(found).unwrap(), json, "{name} {wire:x?}");
        write_field(&schema, types, number(name).0, &wire, &options, &mut xml).unwrap();
        assert_eq!(String::from_utf8(xml).unwrap(), expected, "{name} {wire:x?}");
    }
    let error = write_field(
        &schema,
        types,
        number("optionalTimestamp").0,
        &tagged("optionalTimestamp", &[0x07]),
        &options,
        &mut Vec::new(),
    );
    assert!(error.unwrap_err().to_string().starts_with("optionalTimestamp: this is no valid protobuf: "));
}

#[test]
fn one_field_is_read_alone() {
    let schema = schema();
    let (book, table) = (id(&schema, BOOK), schema.message(id(&schema, BOOK)));
    let position = |name: &str| table.field_by_name(&schema, name.as_bytes()).unwrap();
    let mut only = Vec::new();
    let text = in_book("<authors>a</authors>");
    read_only(&schema, book, position("authors"), text.as_bytes(), &ReadOptions::default(), &mut only)
        .unwrap();
    assert_eq!(json_of(&schema, BOOK, &only), r#"{"authors":["a"]}"#);
    let text = in_book("<title>a</title>");
    let error =
        read_only(&schema, book, position("authors"), text.as_bytes(), &ReadOptions::default(), &mut only);
    let expected =
        "title: another field is the body of the request, and only that, in <title> at line 1, column 32";
    assert_eq!(error.unwrap_err().to_string(), expected);
}
