//! Descriptor sets are built here field by field, as `prost-types` drops what editions added. The
//! numbers are those of `google/protobuf/descriptor.proto`.

use super::load::LoadError;
use super::message::{Cardinality, Field, Kind, Message};
use super::{Presence, Schema, TypeId};
use crate::wire::WireType;
use crate::wire::writer;

mod broken;
mod comments;
mod features;

/// A field of a descriptor as it lies on the wire.
type Part = Vec<u8>;

fn text(number: u32, value: &str) -> Part {
    let mut out = Vec::new();
    writer::bytes(&mut out, number, value.as_bytes());
    out
}

fn int(number: u32, value: u64) -> Part {
    let mut out = Vec::new();
    writer::tag(&mut out, number, WireType::Varint);
    writer::varint(&mut out, value);
    out
}

fn node(number: u32, parts: &[Part]) -> Part {
    let mut out = Vec::new();
    writer::bytes(&mut out, number, &parts.concat());
    out
}

/// A `FileDescriptorSet` of one file, `a.proto` in package `a`.
fn set(parts: &[Part]) -> Vec<u8> {
    set_of(&[("a.proto", "a", parts)])
}

fn set_of(files: &[(&str, &str, &[Part])]) -> Vec<u8> {
    let file = |&(name, package, parts): &(&str, &str, &[Part])| {
        node(1, &[&[text(1, name), text(2, package)], parts].concat())
    };
    files.iter().flat_map(file).collect()
}

fn syntax(name: &str) -> Part {
    text(12, name)
}

fn edition(number: u64) -> Part {
    [syntax("editions"), int(14, number)].concat()
}

/// A message of a file; inside a message the number is 3 in place of 4.
fn message(name: &str, parts: &[Part]) -> Part {
    node(4, &[&[text(1, name)], parts].concat())
}

fn nested(name: &str, parts: &[Part]) -> Part {
    node(3, &[&[text(1, name)], parts].concat())
}

/// An enum of a file with the values `(name, number)`.
fn enumeration(name: &str, values: &[(&str, i64)]) -> Part {
    let value = |&(name, number): &(&str, i64)| node(2, &[text(1, name), int(2, number as u64)]);
    node(5, &[vec![text(1, name)], values.iter().map(value).collect()].concat())
}

const OPTIONAL: u64 = 1;
const REPEATED: u64 = 3;
const INT32: u64 = 5;
const STRING: u64 = 9;
const GROUP: u64 = 10;
const MESSAGE: u64 = 11;
const ENUM: u64 = 14;

/// A field of a message with its name, number, type and what else `parts` say.
fn field(name: &str, number: u64, kind: u64, parts: &[Part]) -> Part {
    node(2, &field_parts(name, number, kind, parts))
}

/// An extension of a file.
fn extension(extendee: &str, name: &str, number: u64, kind: u64, parts: &[Part]) -> Part {
    let parts = [field_parts(name, number, kind, parts), vec![text(2, extendee)]].concat();
    node(7, &parts)
}

fn field_parts(name: &str, number: u64, kind: u64, parts: &[Part]) -> Vec<Part> {
    [&[text(1, name), int(3, number), int(5, kind)], parts].concat()
}

fn label(label: u64) -> Part {
    int(4, label)
}

fn type_name(name: &str) -> Part {
    text(6, name)
}

/// A service of a file with the methods `(name, input, output)`.
fn service(name: &str, methods: &[(&str, &str, &str)]) -> Part {
    let method = |&(name, input, output): &(&str, &str, &str)| {
        node(2, &[text(1, name), text(2, input), text(3, output)])
    };
    node(6, &[vec![text(1, name)], methods.iter().map(method).collect()].concat())
}

fn load(parts: &[Part]) -> Schema {
    Schema::load(&[&set(parts)]).unwrap()
}

fn problems(result: Result<Schema, LoadError>) -> String {
    result.expect_err("the set is broken").to_string()
}

fn message_of<'s>(schema: &'s Schema, name: &str) -> &'s Message {
    schema.message(schema.find_message(name).unwrap_or_else(|| panic!("{name} is not there")))
}

fn field_of<'s>(schema: &'s Schema, message: &str, name: &str) -> &'s Field {
    let message = message_of(schema, message);
    &message.fields()[message.field_by_name(schema, name.as_bytes()).unwrap()]
}

#[test]
fn relative_names_are_searched_from_the_inside_out() {
    // As in descriptors that were never linked: no leading dot, and a type left to the name.
    let schema = load(&[
        message("T", &[]),
        enumeration("E", &[("E_ZERO", 0)]),
        message(
            "M",
            &[
                nested("T", &[nested("U", &[])]),
                field("inner", 1, MESSAGE, &[type_name("T")]),
                field("outer", 2, MESSAGE, &[type_name("a.T")]),
                field("absolute", 3, MESSAGE, &[type_name(".a.T")]),
                field("deep", 4, MESSAGE, &[type_name("T.U")]),
                node(2, &[text(1, "untyped"), int(3, 5), type_name("T")]),
                node(2, &[text(1, "untyped_enum"), int(3, 6), type_name("E")]),
            ],
        ),
    ]);
    let table = [
        ("inner", "a.M.T"),
        ("outer", "a.T"),
        ("absolute", "a.T"),
        ("deep", "a.M.T.U"),
        ("untyped", "a.M.T"),
        ("untyped_enum", "a.E"),
    ];
    for (name, expected) in table {
        let found = match field_of(&schema, "a.M", name).kind() {
            Kind::Message(id) => TypeId::Message(id),
            Kind::Enum(id) => TypeId::Enum(id),
            other => panic!("{name} is {other:?}"),
        };
        assert_eq!(schema.find(expected), Some(found), "{name}");
    }
}

#[test]
fn json_names_are_made_or_taken_and_quoted() {
    let schema = load(&[message(
        "M",
        &[
            field("some_long_name", 1, INT32, &[]),
            field("_lead__double_", 2, INT32, &[]),
            field("quoted", 3, INT32, &[text(10, "say \"hi\"\\\n")]),
            field("digit_2x", 4, INT32, &[]),
        ],
    )]);
    let table = [
        ("some_long_name", "someLongName", r#""someLongName":"#),
        ("_lead__double_", "LeadDouble", r#""LeadDouble":"#),
        ("quoted", "say \"hi\"\\\n", r#""say \"hi\"\\\u000a":"#),
        ("digit_2x", "digit2x", r#""digit2x":"#),
    ];
    for (name, json_name, key) in table {
        let field = field_of(&schema, "a.M", name);
        assert_eq!(schema.text(field.json_name()), json_name);
        assert_eq!(schema.text(field.json_key()), key);
        assert_eq!(schema.text(field.name_key()), format!("\"{name}\":"));
        assert!(std::ptr::eq(field, field_of(&schema, "a.M", json_name)));
    }
}

#[test]
fn a_proto_name_wins_over_the_json_name_of_another_field() {
    let schema = load(&[message(
        "M",
        &[field("first", 1, INT32, &[text(10, "second")]), field("second", 2, INT32, &[text(10, "third")])],
    )]);
    for (name, number) in [("first", 1), ("second", 2), ("third", 2)] {
        assert_eq!(field_of(&schema, "a.M", name).number(), number, "{name}");
    }
}

#[test]
fn extensions_join_their_message_under_their_full_name() {
    let schema = load(&[
        message("M", &[field("own", 1, INT32, &[])]),
        extension(".a.M", "more", 100, INT32, &[]),
        message(
            "Holder",
            &[node(6, &[field_parts("inner", 101, STRING, &[label(REPEATED)]), vec![text(2, "M")]].concat())],
        ),
    ]);
    let message = message_of(&schema, "a.M");
    assert_eq!(message.fields().len(), 3);
    assert_eq!(message.field_by_number(100), message.field_by_name(&schema, b"[a.more]"));
    let inner = field_of(&schema, "a.M", "[a.Holder.inner]");
    assert_eq!(inner.cardinality(), Cardinality::Repeated { packed: false });
    assert_eq!(field_of(&schema, "a.M", "[a.more]").cardinality(), Cardinality::Singular(Presence::Explicit));
    assert_eq!(message.field_by_name(&schema, b"more"), None);
}

#[test]
fn built_in_files_are_there_and_give_way_to_those_of_the_set() {
    let schema = Schema::load(&[]).unwrap();
    for name in ["google.protobuf.Any", "google.protobuf.Struct", "google.rpc.Status", "google.api.HttpBody"]
    {
        assert!(schema.find_message(name).is_some(), "{name}");
    }
    let own = [field("own", 7, STRING, &[])];
    let files: [(&str, &str, &[Part]); 2] = [
        ("google/protobuf/any.proto", "google.protobuf", &[message("Any", &own)]),
        // The same type from a file of another name, as vendored copies have it.
        ("vendor/date.proto", "google.type", &[message("Date", &own)]),
    ];
    let schema = Schema::load(&[&set_of(&files)]).unwrap();
    for name in ["google.protobuf.Any", "google.type.Date"] {
        let message = message_of(&schema, name);
        assert_eq!((message.fields().len(), message.field_by_number(7)), (1, Some(0)), "{name}");
    }
    assert!(schema.find_message("google.protobuf.Timestamp").is_some());
}

#[test]
fn sets_are_joined_and_a_file_may_come_again() {
    let a: &[Part] = &[message("A", &[])];
    let b: &[Part] = &[message("B", &[field("a", 1, MESSAGE, &[type_name(".a.A")])])];
    let first = set_of(&[("b.proto", "b", b)]);
    let second = set_of(&[("a.proto", "a", a), ("b.proto", "b", b)]);
    let schema = Schema::load(&[&first, &second]).unwrap();
    assert!(matches!(field_of(&schema, "b.B", "a").kind(), Kind::Message(_)));
}

#[test]
fn methods_are_found_by_their_full_name() {
    let services: Vec<_> = (0..50)
        .map(|at| service(&format!("S{at}"), &[("One", ".a.M", ".a.N"), ("Two", ".a.N", ".a.M")]))
        .collect();
    let schema = load(&[vec![message("M", &[]), message("N", &[])], services].concat());
    assert_eq!(schema.services().len(), 50);
    for at in 0..50 {
        let (service, method) = schema.method(&format!("a.S{at}/Two")).unwrap();
        assert_eq!(schema.text(service.name()), format!("a.S{at}"));
        assert_eq!(schema.text(method.name()), "Two");
        assert_eq!(
            (Some(method.input()), Some(method.output())),
            (schema.find_message("a.N"), schema.find_message("a.M"))
        );
    }
    for name in ["a.S1/Three", "a.S50/One", "a.S1.One", "/One", "a.S1/", ""] {
        assert!(schema.method(name).is_none(), "{name}");
    }
}

#[test]
fn annotations_and_streaming_are_read() {
    let rule = [text(2, "/v1/{name}"), text(7, "*"), node(11, &[text(4, "/v1/more")])];
    let method = [
        text(1, "Call"),
        text(2, ".a.M"),
        text(3, ".a.M"),
        node(4, &[int(34, 1), node(72_295_728, &rule)]),
        int(5, 0),
        int(6, 1),
    ];
    let schema = load(&[message("M", &[]), node(6, &[text(1, "S"), node(2, &method)])]);
    let (_, method) = schema.method("a.S/Call").unwrap();
    assert_eq!(
        (method.client_streaming(), method.server_streaming(), method.is_idempotent(), method.is_safe()),
        (false, true, true, true)
    );
    let rule = method.rule().unwrap();
    assert_eq!(rule.verb_and_template(), Some(("GET", "/v1/{name}")));
    assert_eq!(rule.body, "*");
    assert_eq!(rule.additional_bindings[0].verb_and_template(), Some(("POST", "/v1/more")));
}

#[test]
fn messages_that_can_hold_required_fields_are_known() {
    let held = |name| [field("held", 1, MESSAGE, &[type_name(name)])];
    let schema = load(&[
        message("Deep", &held(".a.Mid")),
        message("Mid", &held(".a.Needs")),
        message("Needs", &[field("must", 1, INT32, &[label(2)])]),
        message("Free", &held(".a.Free")),
    ]);
    for (name, requires) in [("a.Deep", true), ("a.Mid", true), ("a.Needs", true), ("a.Free", false)] {
        assert_eq!(message_of(&schema, name).requires(), requires, "{name}");
    }
}
