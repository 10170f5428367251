//! The XML forms of well-known types, written.

use super::error::WriteError;
use super::lexer::XSI;
use super::write::{Result, Space, Tag, Writer};
use crate::codec::fields::{fits, lone};
use crate::codec::mask;
use crate::codec::time::{self, Time};
use crate::codec::well_known::{any, value};
use crate::schema::message::{Field, Kind, Message, WellKnown};
use crate::wire::WireType;
use crate::wire::reader::Reader;

/// What a Value that is null says beside nil.
pub(super) const NULL: &[u8] = b" kind=\"null\"";

impl<'a> Writer<'a, '_> {
    #[inline(never)]
    pub(super) fn well_known(
        &mut self,
        tag: Tag<'a>,
        message: &'a Message,
        well_known: WellKnown,
        wire: Reader<'_>,
    ) -> Result<()> {
        match well_known {
            WellKnown::Any => self.any(tag, message, wire),
            WellKnown::Timestamp => {
                let what = "the Timestamp lies outside the years 1 to 9999";
                self.time(tag, wire, time::put_timestamp, what)
            }
            WellKnown::Duration => {
                let what = "the Duration is out of range, or its two parts differ in sign";
                self.time(tag, wire, time::put_duration, what)
            }
            WellKnown::FieldMask => self.field_mask(tag, wire),
            WellKnown::Struct => self.struct_value(tag, b"", message, wire),
            WellKnown::Value => self.value(tag, message, wire),
            WellKnown::ListValue => self.list_value(tag, b"", message, wire),
            WellKnown::Wrapper => self.wrapper(tag, message, wire),
        }
    }

    fn time(
        &mut self,
        tag: Tag<'a>,
        wire: Reader<'_>,
        put: fn(&mut [u8; time::TEXT], Time) -> Option<usize>,
        what: &str,
    ) -> Result<()> {
        let time = Time::read(wire, self.groups_left())?;
        self.start(tag);
        let mut is_valid = true;
        self.out.put(|text: &mut [u8; time::TEXT]| {
            put(text, time).unwrap_or_else(|| {
                is_valid = false;
                0
            })
        });
        self.end(tag);
        if is_valid { Ok(()) } else { Err(WriteError::new(what)) }
    }

    fn field_mask(&mut self, tag: Tag<'a>, wire: Reader<'_>) -> Result<()> {
        let paths = mask::write(wire, self.groups_left())?;
        let paths = paths.ok_or_else(|| WriteError::new(mask::UNWRITABLE))?;
        self.start(tag);
        self.out.extend(&paths);
        self.end(tag);
        Ok(())
    }

    /// A wrapper is written as the value that it holds.
    fn wrapper(&mut self, tag: Tag<'a>, message: &'a Message, wire: Reader<'_>) -> Result<()> {
        let field = self.only_field(message)?;
        let mut last = None;
        self.each(field, wire, |_, wire_type, value| {
            last = Some((wire_type, value));
            Ok(())
        })?;
        match last {
            Some((wire_type, mut value)) => self.element(tag, field, wire_type, &mut value, false),
            None => self.default_element(tag, field),
        }
    }

    /// Hands out each occurrence of the only field of a message.
    fn each<'w>(
        &mut self,
        field: &Field,
        mut wire: Reader<'w>,
        mut take: impl FnMut(&mut Self, WireType, Reader<'w>) -> Result<()>,
    ) -> Result<()> {
        while !wire.is_at_end() {
            let (number, wire_type) = wire.tag()?;
            let here = wire;
            wire.skip(number, wire_type, self.groups_left())?;
            if number == field.number() && fits(field, wire_type) {
                take(self, wire_type, here)?;
            }
        }
        Ok(())
    }

    /// The only field of a Struct, a ListValue or a wrapper.
    fn only_field(&self, message: &'a Message) -> Result<&'a Field> {
        message.fields().first().ok_or_else(|| {
            let name = self.schema.text(message.name());
            WriteError::new(format!("the schema's {name} is not the official one"))
        })
    }

    /// A Struct holds the entries of its only field, the map `fields`.
    fn struct_value(
        &mut self,
        tag: Tag<'a>,
        attributes: &[u8],
        message: &'a Message,
        wire: Reader<'_>,
    ) -> Result<()> {
        let field = self.only_field(message)?;
        let mut entries = Vec::new();
        self.each(field, wire, |_, _, mut entry| {
            entries.push(entry.nested()?);
            Ok(())
        })?;
        self.map(tag, Space::Package(message.package()), attributes, field, &entries)
    }

    fn list_value(
        &mut self,
        tag: Tag<'a>,
        attributes: &[u8],
        message: &'a Message,
        wire: Reader<'_>,
    ) -> Result<()> {
        let field = self.only_field(message)?;
        self.composite(tag, Space::Package(message.package()), attributes, |writer| {
            let item = writer.fixed("item");
            let mut index = 0;
            writer.each(field, wire, |writer, wire_type, mut value| {
                writer.element(item, field, wire_type, &mut value, false).map_err(|mut error| {
                    error.path.push_index(index);
                    error
                })?;
                index += 1;
                writer.check_length()
            })
        })
    }

    /// A Value is written as the one member of its oneof that is set, whose name stands in an attribute.
    fn value(&mut self, tag: Tag<'a>, message: &'a Message, wire: Reader<'_>) -> Result<()> {
        let lone = lone(message, wire, self.groups_left())?;
        let index = if lone.is_some() { Vec::new() } else { self.index(message, wire)? };
        let group = lone.as_ref().map_or(&*index, std::slice::from_ref);
        let field = group.first().and_then(|first| message.fields().get(usize::from(first.position)));
        let (Some(field), Some(last)) = (field, group.last()) else {
            return Err(WriteError::new("a Value has no kind set"));
        };
        if let Kind::Message(id) = field.kind() {
            let inner = self.schema.message(id);
            let mut joined = Vec::new();
            let content = self.groups.message(field, wire, group, self.groups_left(), &mut joined)?;
            if self.depth >= self.options.max_depth {
                let text = format!("messages are nested more than {} deep", self.options.max_depth);
                return Err(WriteError::new(text));
            }
            self.depth += 1;
            if field.number() == value::STRUCT {
                self.struct_value(tag, b" kind=\"struct\"", inner, content)?;
            } else {
                self.list_value(tag, b" kind=\"list\"", inner, content)?;
            }
            self.depth -= 1;
            return Ok(());
        }
        self.simple_value(tag, field, last.wire_type, last.reader(wire))
    }

    fn simple_value(
        &mut self,
        tag: Tag<'a>,
        field: &'a Field,
        wire_type: WireType,
        mut wire: Reader<'_>,
    ) -> Result<()> {
        if field.number() == value::NULL {
            self.nil(tag, NULL);
            return Ok(());
        }
        self.begin(tag);
        match field.number() {
            value::NUMBER => {
                let bits = wire.fixed64()?;
                if !f64::from_bits(bits).is_finite() {
                    return Err(WriteError::new("a Value cannot hold NaN or an infinity"));
                }
                self.out.extend(b" kind=\"number\">");
                self.number(Kind::Double, bits);
            }
            value::STRING => {
                self.out.extend(b" kind=\"string\">");
                self.text(wire.bytes()?, field.verifies_utf8())?;
            }
            value::BOOL if wire_type == WireType::Varint => {
                self.out.extend(b" kind=\"bool\">");
                let raw = wire.varint()?;
                self.number(Kind::Bool, raw);
            }
            _ => return Err(WriteError::new("the schema's google.protobuf.Value is not the official one")),
        }
        self.end(tag);
        Ok(())
    }

    /// An element that says that it holds nothing.
    pub(super) fn nil(&mut self, tag: Tag<'a>, attributes: &[u8]) {
        self.begin(tag);
        self.out.extend(attributes);
        self.out.extend(b" xmlns:xsi=\"");
        self.out.extend(XSI.as_bytes());
        self.out.extend(b"\" xsi:nil=\"true\"/>");
    }

    fn any(&mut self, tag: Tag<'a>, message: &'a Message, wire: Reader<'_>) -> Result<()> {
        let (url, value) = any::read(wire, self.groups_left())?;
        self.any_of(tag, Space::Package(message.package()), url, value)
    }

    /// An Any of a type URL and bytes.
    pub(super) fn any_of(&mut self, tag: Tag<'a>, space: Space<'a>, url: &[u8], value: &[u8]) -> Result<()> {
        self.composite(tag, space, b"", |writer| {
            if url.is_empty() && value.is_empty() {
                return Ok(());
            }
            if std::str::from_utf8(url).is_err() {
                return Err(WriteError::new("the type of an Any is not UTF-8"));
            }
            let tag = writer.fixed("type");
            writer.start(tag);
            writer.text(url, true)?;
            writer.end(tag);
            writer.any_content(url, value)
        })
    }

    fn any_content(&mut self, url: &[u8], value: &[u8]) -> Result<()> {
        if let Some(id) = any::message_of(self.schema, url) {
            let (length, scope, prefixes, depth) = (self.out.len(), self.scope, self.prefixes, self.depth);
            let written = self.root(id, Reader::new(value), false);
            if written.is_ok() || !self.keeps_broken {
                return written;
            }
            self.out.truncate(length);
            (self.scope, self.prefixes, self.depth) = (scope, prefixes, depth);
        }
        // The rest of the message is worth more than a refusal.
        let tag = self.fixed("value");
        self.start(tag);
        self.base64(value);
        self.end(tag);
        Ok(())
    }
}
