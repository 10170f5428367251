//! Whether two files say the same, whoever has written them.

use super::SOURCE;
use crate::schema::descriptor::Fields;
use crate::schema::load::lower_camel;
use crate::wire::writer;

/// `FieldDescriptorProto.name` and `json_name`.
const NAME: u32 = 1;
const JSON_NAME: u32 = 10;
/// `FileDescriptorProto.syntax`.
const SYNTAX: u32 = 12;

/// A descriptor, as far as it holds names of fields in JSON.
#[derive(Clone, Copy)]
enum Level {
    File,
    Message,
    Field,
}

impl Level {
    const fn inside(self, number: u32) -> Option<Self> {
        match (self, number) {
            (Self::File, 4) | (Self::Message, 3) => Some(Self::Message),
            (Self::File, 7) | (Self::Message, 2 | 6) => Some(Self::Field),
            _ => None,
        }
    }
}

/// Whether two files, `FileDescriptorProto`s, say the same. Some compilers write the names that fields have in JSON
/// anyway, and the syntax that holds without a word, and others do not.
pub fn are_same(one: &[u8], other: &[u8]) -> bool {
    one == other || normal(one, Level::File) == normal(other, Level::File)
}

fn normal(wire: &[u8], level: Level) -> Vec<u8> {
    let mut out = Vec::with_capacity(wire.len());
    let (mut fields, mut start, mut name) = (Fields::new(wire), 0, &b""[..]);
    while let Some(Ok(field)) = fields.next() {
        let end = fields.position();
        let bytes = field.bytes();
        let is_left_out = match (level, field.number) {
            (Level::File, SOURCE) => true,
            (Level::File, SYNTAX) => bytes == b"proto2",
            (Level::Field, JSON_NAME) => {
                std::str::from_utf8(name).is_ok_and(|name| lower_camel(name).as_bytes() == bytes)
            }
            _ => false,
        };
        if field.number == NAME {
            name = bytes;
        }
        match level.inside(field.number) {
            Some(inner) => writer::bytes(&mut out, field.number, &normal(bytes, inner)),
            None if is_left_out => {}
            None => out.extend_from_slice(&wire[start..end]),
        }
        start = end;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with a message `M`, whose field is called so in JSON.
    fn file(json_name: Option<&str>, syntax: &str, field: &str) -> Vec<u8> {
        let (mut member, mut message, mut file) = (Vec::new(), Vec::new(), Vec::new());
        writer::bytes(&mut member, NAME, field.as_bytes());
        if let Some(name) = json_name {
            writer::bytes(&mut member, JSON_NAME, name.as_bytes());
        }
        writer::bytes(&mut message, 1, b"M");
        writer::bytes(&mut message, 2, &member);
        writer::bytes(&mut file, 4, &message);
        if !syntax.is_empty() {
            writer::bytes(&mut file, SYNTAX, syntax.as_bytes());
        }
        file
    }

    #[test]
    fn what_is_the_same_without_a_word_makes_no_difference() {
        let plain = file(None, "", "user_id");
        for (other, expected) in [
            (file(None, "", "user_id"), true),
            (file(Some("userId"), "proto2", "user_id"), true),
            (file(Some("user_id"), "", "user_id"), false),
            (file(None, "proto3", "user_id"), false),
            (file(None, "", "user"), false),
        ] {
            assert_eq!(are_same(&plain, &other), expected);
        }
    }
}
