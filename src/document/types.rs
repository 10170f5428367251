//! Which messages and enums a document describes.

use std::collections::{BTreeMap, BTreeSet};

use crate::schema::message::{Cardinality, Field, Kind, WellKnown};
use crate::schema::{MessageId, Schema, TypeId};

/// Types by their package. Those of a package are in the order of their declaration, messages first.
pub type Types = BTreeMap<String, BTreeSet<TypeId>>;

/// How a value is written, by the type of its field.
pub(super) enum Form<'s> {
    /// As text, of a type that XML Schema has.
    Simple(&'static str),
    /// The same, and it may be nil.
    Nillable(&'static str),
    /// As a type of a package.
    Named(TypeId, &'s str),
}

/// The types that values of these messages can hold, and the messages.
pub(super) fn reachable(schema: &Schema, roots: impl IntoIterator<Item = MessageId>) -> Types {
    let mut types = Types::new();
    let mut open: Vec<_> = roots.into_iter().collect();
    while let Some(id) = open.pop() {
        if !add(schema, &mut types, TypeId::Message(id)) {
            continue;
        }
        for field in described_fields(schema, id) {
            match form(schema, value_of(schema, field)) {
                Form::Named(TypeId::Message(held), _) => open.push(held),
                Form::Named(held @ TypeId::Enum(_), _) => drop(add(schema, &mut types, held)),
                Form::Simple(_) | Form::Nillable(_) => {}
            }
        }
        if is_dynamic(schema, id) {
            // The three hold each other.
            open.extend(DYNAMIC.iter().filter_map(|name| schema.find_message(name)));
        }
    }
    types
}

const DYNAMIC: [&str; 3] = ["google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue"];

fn is_dynamic(schema: &Schema, id: MessageId) -> bool {
    let well_known = schema.message(id).well_known();
    matches!(well_known, Some(WellKnown::Struct | WellKnown::Value | WellKnown::ListValue))
}

fn add(schema: &Schema, types: &mut Types, id: TypeId) -> bool {
    let package = schema.package_of(id);
    match types.get_mut(package) {
        Some(members) => members.insert(id),
        None => types.entry(package.to_owned()).or_default().insert(id),
    }
}

/// The fields that stand in the description of a message. Those of messages with a form of their own do not.
pub(super) fn described_fields(schema: &Schema, id: MessageId) -> &[Field] {
    let message = schema.message(id);
    if message.well_known().is_some() { &[] } else { message.fields() }
}

/// The field that holds the value itself: for a map that of its entries.
pub(super) fn value_of<'s>(schema: &'s Schema, field: &'s Field) -> &'s Field {
    match (field.cardinality(), field.kind()) {
        (Cardinality::Map, Kind::Message(entry)) => {
            schema.message(entry).entry().map_or(field, |(_, value)| value)
        }
        _ => field,
    }
}

/// How one value of a field is written.
pub(super) fn form<'s>(schema: &'s Schema, field: &'s Field) -> Form<'s> {
    match field.kind() {
        Kind::Message(id) => form_of_message(schema, id),
        Kind::Enum(id) => named(schema, TypeId::Enum(id)),
        kind => Form::Simple(simple(kind)),
    }
}

/// How a message is written.
pub(super) fn form_of_message(schema: &Schema, id: MessageId) -> Form<'_> {
    let message = schema.message(id);
    match message.well_known() {
        Some(WellKnown::Timestamp) => Form::Simple("xs:dateTime"),
        Some(WellKnown::Duration | WellKnown::FieldMask) => Form::Simple("xs:string"),
        Some(WellKnown::Wrapper) => {
            let kind = message.fields().first().map_or(Kind::String, Field::kind);
            Form::Nillable(simple(kind))
        }
        Some(WellKnown::Any | WellKnown::Struct | WellKnown::Value | WellKnown::ListValue) | None => {
            named(schema, TypeId::Message(id))
        }
    }
}

fn named(schema: &Schema, id: TypeId) -> Form<'_> {
    Form::Named(id, schema.package_of(id))
}

/// The type of XML Schema for a scalar.
const fn simple(kind: Kind) -> &'static str {
    match kind {
        Kind::Double => "xs:double",
        Kind::Float => "xs:float",
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "xs:long",
        Kind::Uint64 | Kind::Fixed64 => "xs:unsignedLong",
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "xs:int",
        Kind::Uint32 | Kind::Fixed32 => "xs:unsignedInt",
        Kind::Bool => "xs:boolean",
        Kind::Bytes => "xs:base64Binary",
        Kind::String | Kind::Message(_) | Kind::Enum(_) => "xs:string",
    }
}
