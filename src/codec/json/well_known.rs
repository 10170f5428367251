//! The JSON forms of well-known types, read.

use super::any;
use super::error::ReadError;
use super::read::Reader;
use super::scan::Result;
use crate::codec::fields::entry_of;
use crate::codec::well_known::value;
use crate::codec::{mask, time};
use crate::schema::message::{Kind, Message, WellKnown};
use crate::wire::WireType;
use crate::wire::writer::{self, Length};

impl<'a> Reader<'a> {
    /// The content of a message with a JSON form of its own.
    pub(super) fn well_known(&mut self, message: &'a Message, well_known: WellKnown) -> Result<()> {
        match well_known {
            WellKnown::Any => any::read(self),
            WellKnown::Timestamp => {
                const WHAT: &str =
                    "an RFC 3339 time between the years 1 and 9999, such as \"2006-01-02T15:04:05Z\"";
                self.time(WHAT, time::parse_timestamp)
            }
            WellKnown::Duration => {
                self.time("a duration of at most 10,000 years, such as \"1.5s\"", time::parse_duration)
            }
            WellKnown::FieldMask => self.field_mask(),
            WellKnown::Struct => self.struct_value(message),
            WellKnown::Value => self.value(),
            WellKnown::ListValue => self.list_value(),
            WellKnown::Wrapper => match message.fields().first() {
                Some(field) => self.field(field).map(drop),
                None => Err(self.error("the message has no value field")),
            },
        }
    }

    fn time(&mut self, what: &str, parse: fn(&[u8]) -> Option<time::Time>) -> Result<()> {
        let start = self.at;
        if self.text.get(start) != Some(&b'"') {
            return Err(self.expected(what));
        }
        let text = self.string()?;
        let wrong = || ReadError::new(start, format!("{what} is needed"));
        parse(text.bytes(self)).ok_or_else(wrong)?.write(self.out);
        Ok(())
    }

    fn field_mask(&mut self) -> Result<()> {
        let start = self.at;
        if self.text.get(start) != Some(&b'"') {
            return Err(self.expected("a string with field paths, such as \"name,author.name\""));
        }
        let text = self.string()?;
        let Self { out, scratch, .. } = self;
        mask::read(out, text.of(scratch)).map_err(|text| ReadError::new(start, text))
    }

    fn struct_value(&mut self, message: &'a Message) -> Result<()> {
        // Struct is map<string, Value> fields = 1.
        match message.fields().first().and_then(|fields| entry_of(self.schema, fields)) {
            Some((_, value)) => self.entries(1, Kind::String, value),
            None => Err(self.error("the schema's google.protobuf.Struct is not the official one")),
        }
    }

    fn value(&mut self) -> Result<()> {
        match self.text.get(self.at) {
            Some(b'n') => {
                self.literal(b"null")?;
                writer::tag(self.out, value::NULL, WireType::Varint);
                self.out.push(0);
            }
            Some(b'"') => {
                writer::tag(self.out, value::STRING, WireType::Len);
                self.text_value()?;
            }
            Some(&byte @ (b't' | b'f')) => {
                self.literal(if byte == b't' { b"true" } else { b"false" })?;
                writer::tag(self.out, value::BOOL, WireType::Varint);
                self.out.push((byte == b't').into());
            }
            Some(b'{') => return self.nested(value::STRUCT, Self::dynamic_struct),
            Some(b'[') => return self.nested(value::LIST, Self::list_value),
            Some(b'-' | b'0'..=b'9') => {
                let number = self.double_value()?;
                writer::tag(self.out, value::NUMBER, WireType::Fixed64);
                self.out.extend_from_slice(&number.to_le_bytes());
            }
            _ => return Err(self.expected("a JSON value")),
        }
        Ok(())
    }

    fn nested(&mut self, number: u32, content: fn(&mut Self) -> Result<()>) -> Result<()> {
        writer::tag(self.out, number, WireType::Len);
        let length = Length::begin(self.out);
        content(self)?;
        length.end(self.out);
        Ok(())
    }

    /// A Struct inside a Value, found by name as the Value's own table may lack it.
    fn dynamic_struct(&mut self) -> Result<()> {
        match self.schema.find_message("google.protobuf.Struct") {
            Some(id) => self.struct_value(self.schema.message(id)),
            None => Err(self.error("the schema has no google.protobuf.Struct")),
        }
    }

    fn list_value(&mut self) -> Result<()> {
        self.open(b'[', "a list")?;
        let mut is_first = true;
        while self.next_member(b']', &mut is_first)? {
            self.nested(1, Self::value)?;
        }
        Ok(())
    }
}
