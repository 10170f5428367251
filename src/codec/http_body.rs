//! `google.api.HttpBody`: a body of any kind, which is no message as JSON or XML but stands for itself.

use crate::schema::{MessageId, Schema};
use crate::wire::reader::{Error, Reader};
use crate::wire::{WireType, writer};

const NAME: &str = "google.api.HttpBody";
const CONTENT_TYPE: u32 = 1;
const DATA: u32 = 2;

/// A body and its media type. `extensions` are not part of what HTTP carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpBody<'a> {
    /// The value of the Content-Type header; empty if there is none.
    pub content_type: &'a [u8],
    /// The bytes.
    pub data: &'a [u8],
}

/// Whether a message is `google.api.HttpBody`.
pub(super) fn is_http_body(schema: &Schema, message: MessageId) -> bool {
    schema.text(schema.message(message).name()) == NAME
}

impl<'a> HttpBody<'a> {
    /// Reads the message, or the one in the field of this number.
    ///
    /// # Errors
    /// When it is not valid protobuf.
    pub(super) fn read(wire: &'a [u8], field: Option<u32>) -> Result<Self, Error> {
        let mut body = Self::default();
        match field {
            None => body.merge(Reader::new(wire))?,
            Some(wanted) => {
                let mut reader = Reader::new(wire);
                while !reader.is_at_end() {
                    match reader.tag()? {
                        (number, WireType::Len) if number == wanted => body.merge(reader.nested()?)?,
                        (number, wire_type) => reader.skip(number, wire_type, MAX_GROUPS)?,
                    }
                }
            }
        }
        Ok(body)
    }

    fn merge(&mut self, mut reader: Reader<'a>) -> Result<(), Error> {
        while !reader.is_at_end() {
            match reader.tag()? {
                (CONTENT_TYPE, WireType::Len) => self.content_type = reader.bytes()?,
                (DATA, WireType::Len) => self.data = reader.bytes()?,
                (number, wire_type) => reader.skip(number, wire_type, MAX_GROUPS)?,
            }
        }
        Ok(())
    }

    /// Appends the message.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.content_type.len() + self.data.len() + 16);
        for (number, value) in [(CONTENT_TYPE, self.content_type), (DATA, self.data)] {
            if !value.is_empty() {
                writer::bytes(out, number, value);
            }
        }
    }
}

/// How deep groups of unknown fields may be nested.
const MAX_GROUPS: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_back_and_pieces_are_merged() {
        let body = HttpBody { content_type: b"text/plain", data: b"hello" };
        let mut wire = Vec::new();
        body.write(&mut wire);
        assert_eq!(wire, b"\x0a\x0atext/plain\x12\x05hello");
        assert_eq!(HttpBody::read(&wire, None), Ok(body));

        // Field 3 holds it in two pieces, among others: 1 is a varint, 4 a group.
        let pieces = b"\x08\x05\x1a\x0c\x0a\x0atext/plain\x23\x24\x1a\x07\x12\x05hello";
        assert_eq!(HttpBody::read(pieces, Some(3)), Ok(body));
        assert_eq!(HttpBody::read(pieces, Some(7)), Ok(HttpBody::default()));
        assert!(HttpBody::read(b"\x0a\x05a", None).is_err());
    }
}
