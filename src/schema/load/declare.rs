//! The first pass: every message and enum gets its place and its name.

use super::{Loader, MAX_MEMBERS, Scope, repeated, text_of};
use crate::schema::descriptor;
use crate::schema::enumeration::{Enum, EnumValue};
use crate::schema::features::{Features, edition_number};
use crate::schema::message::{Message, WellKnown};
use crate::schema::names::{NameIndex, NumberIndex, push_quoted};
use crate::schema::{EnumId, MessageId, TypeId};
use crate::wire::reader::Error;

/// Messages nested in messages; `protoc` itself refuses more than 32.
pub(super) const MAX_NESTING: usize = 64;

impl Loader {
    pub(super) fn declare_file(&mut self, wire: &[u8]) {
        let Ok(file) = descriptor::File::read(wire) else { return };
        let features = match edition_number(file.syntax, file.edition) {
            Ok(edition) => Features::of_edition(edition),
            Err(message) => return self.problems.add(file.name, "", message),
        };
        let scope = Scope { file: file.name, package: file.package, name: file.package, features, depth: 0 };
        for message in file.messages {
            self.declare_message(&scope, message);
        }
        for wire in file.enums {
            self.declare_enum(&scope, wire);
        }
    }

    fn declare_message(&mut self, scope: &Scope<'_>, wire: &[u8]) {
        let (message, options) = match read_message(wire) {
            Ok(message) => message,
            Err(error) => return self.broken(scope.file, scope.name, error),
        };
        let full_name = scope.join(message.name);
        if scope.depth >= MAX_NESTING {
            return self.problems.add(
                scope.file,
                &full_name,
                format!("messages are nested more than {MAX_NESTING} deep"),
            );
        }
        let id = MessageId(self.messages.len() as u32);
        self.messages.push(Message {
            name: self.names.intern(&full_name),
            package: self.names.intern(scope.package),
            fields: Box::default(),
            by_name: NameIndex::default(),
            by_number: NumberIndex::default(),
            oneofs: 0,
            is_map_entry: options.map_entry != 0,
            is_message_set: options.message_set != 0,
            well_known: WellKnown::of(&full_name),
            requires: false,
        });
        self.declare_type(scope.file, &full_name, TypeId::Message(id));
        let inner = Scope { name: &full_name, depth: scope.depth + 1, ..*scope };
        for nested in message.nested {
            self.declare_message(&inner, nested);
        }
        for nested in message.enums {
            self.declare_enum(&inner, nested);
        }
    }

    fn declare_enum(&mut self, scope: &Scope<'_>, wire: &[u8]) {
        let parsed = match descriptor::Enum::read(wire) {
            Ok(parsed) => parsed,
            Err(error) => return self.broken(scope.file, scope.name, error),
        };
        let full_name = scope.join(parsed.name);
        let values = self.enum_values(scope.file, &full_name, &parsed.values);
        let id = EnumId(self.enums.len() as u32);
        self.enums.push(Enum {
            name: self.names.intern(&full_name),
            package: self.names.intern(scope.package),
            is_null: full_name == "google.protobuf.NullValue",
            by_name: NameIndex::default(),
            by_number: NumberIndex::new(values.iter().map(EnumValue::number)),
            values,
        });
        self.declare_type(scope.file, &full_name, TypeId::Enum(id));
    }

    fn enum_values(&mut self, file: &str, full_name: &str, values: &[&[u8]]) -> Box<[EnumValue]> {
        if values.is_empty() {
            self.problems.add(file, full_name, "the enum has no values; it needs at least one");
        }
        if values.len() > MAX_MEMBERS {
            self.problems.add(file, full_name, format!("the enum has more than {MAX_MEMBERS} values"));
            return Box::default();
        }
        let mut read = Vec::with_capacity(values.len());
        for wire in values {
            match descriptor::EnumValue::read(wire) {
                Ok(value) => read.push(EnumValue {
                    // Negative numbers lie on the wire as 64 bits.
                    number: value.number as i32,
                    name: self.names.intern(value.name),
                    quoted: self.names.intern_with(|text| push_quoted(text, value.name)),
                }),
                Err(error) => self.broken(file, full_name, error),
            }
        }
        for name in repeated(read.iter().map(|value| self.names.text(value.name))) {
            self.problems.add(file, full_name, format!("two values of the enum have the name {name}"));
        }
        read.into()
    }

    fn declare_type(&mut self, file: &str, full_name: &str, id: TypeId) {
        if full_name.is_empty() || full_name.ends_with('.') {
            self.problems.add(file, full_name, "a message or an enum has no name");
        }
        let Self { names, messages, enums, types, .. } = self;
        if !types.insert(id, |id| text_of(names, messages, enums, id)) {
            self.problems.add(file, full_name, "this name is defined twice in the descriptors");
        }
    }
}

fn read_message(wire: &[u8]) -> Result<(descriptor::Message<'_>, descriptor::MessageOptions), Error> {
    let message = descriptor::Message::read(wire)?;
    let options = descriptor::MessageOptions::read(message.options)?;
    Ok((message, options))
}
