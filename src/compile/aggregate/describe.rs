//! The descriptor of what is aggregated: a file with a service, whose methods and messages are made of routes.

use super::inferred::Inferred;
use super::types::{Shape, Typed, number};
use crate::compose::plan::ERRORS;
use crate::wire::WireType;
use crate::wire::writer::{self, Length};

/// `FieldDescriptorProto.Label`.
const OPTIONAL: u64 = 1;
const REPEATED: u64 = 3;
/// `FieldDescriptorProto.Type`.
const INT32: u64 = 5;
const STRING: u64 = 9;
const MESSAGE: u64 = 11;

/// What a file is made of.
pub(super) struct File<'a> {
    pub(super) name: &'a str,
    pub(super) package: &'a str,
    /// The files that its types are in.
    pub(super) imports: Vec<String>,
    /// The name of the service without its package.
    pub(super) service: &'a str,
    pub(super) methods: Vec<Method<'a>>,
}

/// An aggregated route as a method.
pub(super) struct Method<'a> {
    pub(super) name: &'a str,
    pub(super) request: &'a [Inferred<'a>],
    /// The name and type of each part.
    pub(super) parts: Vec<(&'a str, Typed<'a>)>,
    /// `MethodOptions.IdempotencyLevel`.
    pub(super) idempotency: u64,
}

/// The name of the method that streams the parts of another as they come.
pub(super) fn streamed(name: &str) -> String {
    format!("{name}Parts")
}

impl Method<'_> {
    fn streamed_name(&self) -> String {
        streamed(self.name)
    }

    pub(super) fn request_name(&self) -> String {
        format!("{}Request", self.name)
    }

    pub(super) fn response_name(&self) -> String {
        format!("{}Response", self.name)
    }
}

/// A `FileDescriptorProto`. It is proto2, as only that may hold enums of proto2 and of proto3.
pub(super) fn file(file: &File<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    text(&mut out, 1, file.name);
    text(&mut out, 2, file.package);
    for import in &file.imports {
        text(&mut out, 3, import);
    }
    for method in &file.methods {
        nested(&mut out, 4, |out| request(out, file, method));
        nested(&mut out, 4, |out| response(out, file, method));
    }
    nested(&mut out, 6, |out| {
        text(out, 1, file.service);
        for each in &file.methods {
            nested(out, 2, |out| method(out, file, each, false));
            nested(out, 2, |out| method(out, file, each, true));
        }
    });
    out
}

/// A method, or the one that streams the same answer part by part.
fn method(out: &mut Vec<u8>, file: &File<'_>, method: &Method<'_>, streams: bool) {
    text(out, 1, &if streams { method.streamed_name() } else { method.name.to_owned() });
    text(out, 2, &absolute(file.package, &method.request_name()));
    text(out, 3, &absolute(file.package, &method.response_name()));
    if method.idempotency > 0 {
        nested(out, 4, |out| varint(out, 34, method.idempotency));
    }
    if streams {
        varint(out, 6, 1);
    }
}

fn request(out: &mut Vec<u8>, file: &File<'_>, method: &Method<'_>) {
    let message = method.request_name();
    text(out, 1, &message);
    let entry_of = |name: &str| format!("{}.{}", absolute(file.package, &message), entry_name(name));
    for (index, inferred) in method.request.iter().enumerate() {
        nested(out, 2, |out| {
            let entry = inferred.typed.entry().map(|_| entry_of(inferred.name));
            field(out, inferred.name, index as u64 + 1, &inferred.typed, entry);
        });
    }
    let maps = method.request.iter().filter_map(|field| Some((field.name, field.typed.entry()?)));
    for (name, [key, value]) in maps {
        nested(out, 3, |out| {
            text(out, 1, &entry_name(name));
            nested(out, 2, |out| field(out, "key", 1, &key, None));
            nested(out, 2, |out| field(out, "value", 2, &value, None));
            nested(out, 7, |out| varint(out, 7, 1));
        });
    }
}

fn response(out: &mut Vec<u8>, file: &File<'_>, method: &Method<'_>) {
    let name = method.response_name();
    text(out, 1, &name);
    for (index, (name, typed)) in method.parts.iter().enumerate() {
        nested(out, 2, |out| field(out, name, index as u64 + 1, typed, None));
    }
    let error = format!("{}.PartError", absolute(file.package, &name));
    nested(out, 2, |out| raw_field(out, "errors", ERRORS.into(), REPEATED, MESSAGE, Some(&error)));
    nested(out, 3, |out| {
        text(out, 1, "PartError");
        let any = ".google.protobuf.Any";
        for (index, (name, label, kind, type_name)) in [
            ("part", OPTIONAL, STRING, None),
            ("code", OPTIONAL, INT32, None),
            ("message", OPTIONAL, STRING, None),
            ("details", REPEATED, MESSAGE, Some(any)),
        ]
        .into_iter()
        .enumerate()
        {
            nested(out, 2, |out| raw_field(out, name, index as u64 + 1, label, kind, type_name));
        }
    });
}

/// A field of a type. `entry` is the name of the entries if it is a map.
fn field(out: &mut Vec<u8>, name: &str, at: u64, typed: &Typed<'_>, entry: Option<String>) {
    let label = if typed.shape == Shape::One { OPTIONAL } else { REPEATED };
    let type_name = entry.or_else(|| typed.name().map(|name| format!(".{name}")));
    raw_field(out, name, at, label, number(typed.kind), type_name.as_deref());
    if typed.shape == Shape::Many && typed.kind.is_packable() {
        nested(out, 8, |out| varint(out, 2, 1));
    }
}

fn raw_field(out: &mut Vec<u8>, name: &str, at: u64, label: u64, kind: u64, type_name: Option<&str>) {
    text(out, 1, name);
    varint(out, 3, at);
    varint(out, 4, label);
    varint(out, 5, kind);
    if let Some(type_name) = type_name {
        text(out, 6, type_name);
    }
}

/// The name that protoc gives to the entries of a map.
fn entry_name(field: &str) -> String {
    let mut name = String::new();
    for word in field.split('_') {
        let mut letters = word.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name + "Entry"
}

fn absolute(package: &str, name: &str) -> String {
    if package.is_empty() { format!(".{name}") } else { format!(".{package}.{name}") }
}

fn text(out: &mut Vec<u8>, number: u32, text: &str) {
    writer::bytes(out, number, text.as_bytes());
}

fn varint(out: &mut Vec<u8>, number: u32, value: u64) {
    writer::tag(out, number, WireType::Varint);
    writer::varint(out, value);
}

fn nested(out: &mut Vec<u8>, number: u32, write: impl FnOnce(&mut Vec<u8>)) {
    writer::tag(out, number, WireType::Len);
    let length = Length::begin(out);
    write(out);
    length.end(out);
}
