//! The second pass: the fields of every message, with types and features resolved.

use super::{Extension, Loader, MAX_MEMBERS, Scope, lower_camel, repeated};
use crate::schema::descriptor::{self, features as at};
use crate::schema::features::{Features, edition_number};
use crate::schema::message::{Cardinality, Field, Kind};
use crate::schema::names::FieldNames;
use crate::schema::{MessageId, Presence, TypeId, xml_name};
use crate::wire::{MAX_FIELD_NUMBER, WireType};

const TYPE_GROUP: u64 = 10;
const TYPE_MESSAGE: u64 = 11;
const TYPE_ENUM: u64 = 14;
const LABEL_REQUIRED: u64 = 2;
const LABEL_REPEATED: u64 = 3;

impl Loader {
    pub(super) fn define_file(&mut self, wire: &[u8]) {
        let Ok(file) = descriptor::File::read(wire) else { return };
        let Ok(edition) = edition_number(file.syntax, file.edition) else { return };
        let features = match Features::of_edition(edition).with_options(file.options, at::FILE) {
            Ok(features) => features,
            Err(error) => return self.broken(file.name, "", error),
        };
        let scope = Scope { file: file.name, package: file.package, name: file.package, features, depth: 0 };
        for message in file.messages {
            self.define_message(&scope, message);
        }
        for extension in file.extensions {
            self.define_extension(&scope, extension);
        }
        for service in file.services {
            self.define_service(&scope, service);
        }
    }

    fn define_message(&mut self, scope: &Scope<'_>, wire: &[u8]) {
        let Ok(message) = descriptor::Message::read(wire) else { return };
        let full_name = scope.join(message.name);
        let Some(TypeId::Message(id)) = self.lookup(&full_name) else { return };
        let features = match scope.features.with_options(message.options, at::MESSAGE) {
            Ok(features) => features,
            Err(error) => return self.broken(scope.file, &full_name, error),
        };
        let inner = Scope { name: &full_name, features, depth: scope.depth + 1, ..*scope };
        self.define_fields(&inner, id, &message);
        for nested in message.nested {
            self.define_message(&inner, nested);
        }
        for extension in message.extensions {
            self.define_extension(&inner, extension);
        }
    }

    fn define_fields(&mut self, scope: &Scope<'_>, id: MessageId, message: &descriptor::Message<'_>) {
        if message.fields.len() + message.oneofs.len() > MAX_MEMBERS {
            let text = format!("the message has more than {MAX_MEMBERS} fields and oneofs");
            return self.problems.add(scope.file, scope.name, text);
        }
        let is_map_entry = self.messages[id.0 as usize].is_map_entry;
        let mut fields = Vec::with_capacity(message.fields.len());
        for wire in &message.fields {
            fields.extend(self.field(scope, wire, message, is_map_entry));
        }
        self.check_unique(scope, &fields);
        if is_map_entry {
            fields.sort_by_key(Field::number);
            if !is_entry(&fields) {
                let text =
                    "a map entry needs the fields key = 1, of an integer, bool or string type, and value = 2";
                return self.problems.add(scope.file, scope.name, text);
            }
        }
        let target = &mut self.messages[id.0 as usize];
        target.oneofs = message.oneofs.len() as u16;
        target.fields = fields.into();
    }

    fn check_unique(&mut self, scope: &Scope<'_>, fields: &[Field]) {
        let mut numbers: Vec<_> = fields.iter().map(|field| (field.number(), field.name())).collect();
        numbers.sort_by_key(|&(number, _)| number);
        for pair in numbers.windows(2) {
            if let [(number, _), (next, name)] = pair
                && number == next
            {
                let element = scope.join(self.names.text(*name));
                self.problems.add(scope.file, &element, format!("the field number {number} is used twice"));
            }
        }
        for name in repeated(fields.iter().map(|field| self.names.text(field.name()))) {
            let element = scope.join(name);
            self.problems.add(scope.file, &element, "two fields of the message have this name");
        }
    }

    /// A field of a message, or nothing after a problem.
    fn field(
        &mut self,
        scope: &Scope<'_>,
        wire: &[u8],
        message: &descriptor::Message<'_>,
        in_map_entry: bool,
    ) -> Option<Field> {
        let parsed = self.read_field(scope, wire)?;
        let element = scope.join(parsed.name);
        let oneof = match parsed.oneof.map(|index| (index, usize::try_from(index))) {
            None => None,
            Some((_, Ok(position))) if position < message.oneofs.len() => Some(position),
            Some((index, _)) => {
                let index = index as i32;
                let text = format!("it is a member of oneof number {index}, which the message does not have");
                self.problems.add(scope.file, &element, text);
                return None;
            }
        };
        let features = oneof.map_or(scope.features, |at| oneof_features(scope.features, message.oneofs[at]));
        let made;
        let json_name = if parsed.json_name.is_empty() {
            made = lower_camel(parsed.name);
            &made
        } else {
            parsed.json_name
        };
        let names = [parsed.name, json_name];
        let mut field = self.typed_field(&Scope { features, ..*scope }, &element, &parsed, names)?;
        // The oneof of a proto3 optional field exists only for old code generators.
        if let Some(at) = oneof.filter(|_| parsed.proto3_optional == 0) {
            field.oneof = at as u16 + 1;
        }
        if in_map_entry && matches!(field.cardinality, Cardinality::Singular(_)) {
            // Key and value count even where they are not on the wire; a map's message is never a group.
            field.cardinality = Cardinality::Singular(Presence::Explicit);
            field.delimited = false;
        }
        if oneof.is_some() {
            field.make_explicit();
        }
        Some(field)
    }

    fn read_field<'a>(&mut self, scope: &Scope<'_>, wire: &'a [u8]) -> Option<descriptor::Field<'a>> {
        descriptor::Field::read(wire).map_err(|error| self.broken(scope.file, scope.name, error)).ok()
    }

    /// All of a field that does not depend on the message around it.
    fn typed_field(
        &mut self,
        scope: &Scope<'_>,
        element: &str,
        parsed: &descriptor::Field<'_>,
        [name, json_name]: [&str; 2],
    ) -> Option<Field> {
        let read = scope.features.with_options(parsed.options, at::FIELD);
        let (features, options) = read
            .and_then(|features| Ok((features, descriptor::FieldOptions::read(parsed.options)?)))
            .map_err(|error| self.broken(scope.file, element, error))
            .ok()?;
        if let Some(problem) = name_problem(parsed.name, name, json_name) {
            self.problems.add(scope.file, element, problem);
            return None;
        }
        if parsed.number == 0 || parsed.number > u64::from(MAX_FIELD_NUMBER) {
            // Numbers are signed in descriptor.proto.
            let text = format!("the field number {} is out of range", parsed.number as i32);
            self.problems.add(scope.file, element, text);
            return None;
        }
        let kind = self.kind(scope, element, parsed)?;
        let cardinality = self.cardinality(parsed, &options, features, kind);
        let is_message = matches!(kind, Kind::Message(_)) && cardinality != Cardinality::Map;
        Some(Field {
            tag: (parsed.number as u32) << 3,
            wire_type: WireType::Varint,
            kind,
            cardinality,
            delimited: is_message && (parsed.kind == TYPE_GROUP || features.delimited),
            verify_utf8: features.verify_utf8,
            plain_in_xml: xml_name::is_plain(json_name),
            oneof: 0,
            names: FieldNames::intern(&mut self.names, name, json_name),
        })
    }

    fn cardinality(
        &self,
        parsed: &descriptor::Field<'_>,
        options: &descriptor::FieldOptions,
        features: Features,
        kind: Kind,
    ) -> Cardinality {
        match (parsed.label, kind) {
            (LABEL_REPEATED, Kind::Message(id)) if self.messages[id.0 as usize].is_map_entry => {
                Cardinality::Map
            }
            (LABEL_REPEATED, _) => Cardinality::Repeated {
                packed: kind.is_packable() && options.packed.map_or(features.packed, |packed| packed != 0),
            },
            (LABEL_REQUIRED, _) => Cardinality::Singular(Presence::Required),
            _ if features.presence == Presence::Required => Cardinality::Singular(Presence::Required),
            (_, Kind::Message(_)) => Cardinality::Singular(Presence::Explicit),
            _ if parsed.proto3_optional != 0 => Cardinality::Singular(Presence::Explicit),
            _ => Cardinality::Singular(features.presence),
        }
    }

    fn kind(&mut self, scope: &Scope<'_>, element: &str, parsed: &descriptor::Field<'_>) -> Option<Kind> {
        Some(match parsed.kind {
            1 => Kind::Double,
            2 => Kind::Float,
            3 => Kind::Int64,
            4 => Kind::Uint64,
            5 => Kind::Int32,
            6 => Kind::Fixed64,
            7 => Kind::Fixed32,
            8 => Kind::Bool,
            9 => Kind::String,
            12 => Kind::Bytes,
            13 => Kind::Uint32,
            15 => Kind::Sfixed32,
            16 => Kind::Sfixed64,
            17 => Kind::Sint32,
            18 => Kind::Sint64,
            TYPE_GROUP | TYPE_MESSAGE => {
                Kind::Message(self.resolve_message(scope, element, parsed.type_name)?)
            }
            TYPE_ENUM => match self.resolve(scope, element, parsed.type_name)? {
                TypeId::Enum(id) => Kind::Enum(id),
                TypeId::Message(_) => {
                    let name = parsed.type_name.trim_start_matches('.');
                    let text = format!("{name} is a message; an enum is needed here");
                    self.problems.add(scope.file, element, text);
                    return None;
                }
            },
            // A descriptor that was never linked leaves the type to the name.
            0 if !parsed.type_name.is_empty() => match self.resolve(scope, element, parsed.type_name)? {
                TypeId::Message(id) => Kind::Message(id),
                TypeId::Enum(id) => Kind::Enum(id),
            },
            other => {
                self.problems.add(scope.file, element, format!("its type has the unknown number {other}"));
                return None;
            }
        })
    }

    fn define_extension(&mut self, scope: &Scope<'_>, wire: &[u8]) {
        let Some(parsed) = self.read_field(scope, wire) else { return };
        let element = scope.join(parsed.name);
        let Some(extendee) = self.resolve_message(scope, &element, parsed.extendee) else { return };
        let name = format!("[{element}]");
        let Some(mut field) = self.typed_field(scope, &element, &parsed, [&name, &name]) else { return };
        field.make_explicit();
        if !self.messages[extendee.0 as usize].is_message_set {
            let file = self.names.intern(scope.file);
            self.extensions.push(Extension { message: extendee, file, field });
        }
    }
}

impl Field {
    /// Members of oneofs and extensions tell "unset" from "default" whatever the file says.
    fn make_explicit(&mut self) {
        if self.cardinality == Cardinality::Singular(Presence::Implicit) {
            self.cardinality = Cardinality::Singular(Presence::Explicit);
        }
    }
}

/// What is wrong with the names of a field: its own, the one that it is known by, and the JSON name.
fn name_problem(own: &str, name: &str, json_name: &str) -> Option<String> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'[' | b']');
    if own.is_empty() {
        Some("the field has no name".into())
    } else if !name.bytes().all(is_part) {
        Some("its name has characters other than ASCII letters, digits and underscores".into())
    } else if name.len().max(json_name.len()) > FieldNames::MAX {
        Some(format!("its name is longer than {} bytes", FieldNames::MAX))
    } else {
        None
    }
}

fn is_entry(fields: &[Field]) -> bool {
    let [key, value] = fields else { return false };
    let is_key =
        !matches!(key.kind, Kind::Double | Kind::Float | Kind::Bytes | Kind::Message(_) | Kind::Enum(_));
    let is_single = |field: &Field| matches!(field.cardinality, Cardinality::Singular(_));
    is_key && is_single(key) && is_single(value) && key.number() == 1 && value.number() == 2
}

/// The features inside a oneof: those around it with what its own options set.
fn oneof_features(around: Features, oneof: &[u8]) -> Features {
    descriptor::Oneof::read(oneof)
        .and_then(|oneof| around.with_options(oneof.options, at::ONEOF))
        .unwrap_or(around)
}
