//! The JSON forms of well-known types, written.

use super::write::{Result, Stop, Writer};
use super::write_value::Before;
use crate::codec::fields::{fits, lone};
use crate::codec::mask;
use crate::codec::time::{self, Time};
use crate::codec::well_known::{any, value};
use crate::schema::message::{Field, Message, WellKnown};
use crate::wire::WireType;
use crate::wire::reader::Reader;

impl<'a> Writer<'a, '_> {
    #[inline(never)]
    pub(super) fn well_known(
        &mut self,
        message: &'a Message,
        well_known: WellKnown,
        wire: Reader<'_>,
    ) -> Result<()> {
        match well_known {
            WellKnown::Any => self.any(wire),
            WellKnown::Timestamp => {
                let what = "the Timestamp lies outside the years 1 to 9999";
                self.time(wire, time::put_timestamp, what)
            }
            WellKnown::Duration => {
                let what = "the Duration is out of range, or its two parts differ in sign";
                self.time(wire, time::put_duration, what)
            }
            WellKnown::FieldMask => self.field_mask(wire),
            WellKnown::Struct => self.struct_value(message, wire),
            WellKnown::Value => self.any_value(message, wire),
            WellKnown::ListValue => self.list_value(message, wire),
            WellKnown::Wrapper => self.wrapper(message, wire),
        }
    }

    #[inline(never)]
    fn time(
        &mut self,
        wire: Reader<'_>,
        put: fn(&mut [u8; time::TEXT], Time) -> Option<usize>,
        what: &str,
    ) -> Result<()> {
        let time = Time::read(wire, self.groups_left())?;
        let mut is_valid = true;
        self.out.put(|quoted: &mut [u8; time::TEXT + 2]| {
            let [quote, text @ .., _] = quoted;
            *quote = b'"';
            let length = put(text, time).unwrap_or_else(|| {
                is_valid = false;
                0
            });
            quoted[1 + length] = b'"';
            2 + length
        });
        if is_valid { Ok(()) } else { Err(Stop::error(what)) }
    }

    fn field_mask(&mut self, wire: Reader<'_>) -> Result<()> {
        let paths = mask::write(wire, self.groups_left())?;
        let paths = paths.ok_or_else(|| Stop::error(mask::UNWRITABLE))?;
        self.out.push(b'"');
        self.out.extend(&paths);
        self.out.push(b'"');
        Ok(())
    }

    /// A wrapper is written as the value that it holds.
    fn wrapper(&mut self, message: &'a Message, mut wire: Reader<'_>) -> Result<()> {
        let field = self.only_field(message)?;
        let mut ahead = wire;
        if ahead.take_tag(field.tag()) {
            let start = self.out.len();
            self.value(Before::NOTHING, field, field.wire_type(), &mut ahead)?;
            if ahead.is_at_end() {
                return Ok(());
            }
            self.out.truncate(start);
        }
        let mut last = None;
        while !wire.is_at_end() {
            let (number, wire_type) = wire.tag()?;
            let here = wire;
            wire.skip(number, wire_type, self.groups_left())?;
            if number == field.number() && fits(field, wire_type) {
                last = Some((wire_type, here));
            }
        }
        match last {
            Some((wire_type, mut wire)) => self.value(Before::NOTHING, field, wire_type, &mut wire).map(drop),
            None => {
                self.default_value(field);
                Ok(())
            }
        }
    }

    /// A Struct is written as its only field, the map `fields`.
    fn struct_value(&mut self, message: &'a Message, mut wire: Reader<'_>) -> Result<()> {
        if !self.is_fast {
            return self.only_member(message, 0, wire);
        }
        let field = self.only_field(message)?;
        let start = self.out.len();
        while !wire.is_at_end() {
            let (number, wire_type) = wire.tag()?;
            if (number, wire_type) != (field.number(), WireType::Len) {
                wire.skip(number, wire_type, self.groups_left())?;
            } else if self.out.len() > start {
                return Err(Stop::Unusual);
            } else {
                self.map(field, &mut wire)?;
            }
        }
        if self.out.len() == start {
            self.out.all(b"{}");
        }
        Ok(())
    }

    /// The only field of a Struct, a ListValue or a wrapper.
    fn only_field(&self, message: &'a Message) -> Result<&'a Field> {
        message.fields().first().ok_or_else(|| {
            let name = self.schema.text(message.name());
            Stop::error(format!("the schema's {name} is not the official one"))
        })
    }

    fn list_value(&mut self, message: &'a Message, mut wire: Reader<'_>) -> Result<()> {
        let field = self.only_field(message)?;
        let content = self.out.len();
        let mut index = 0;
        while !wire.is_at_end() {
            let (number, wire_type) = wire.tag()?;
            if (number, wire_type) == (field.number(), WireType::Len) {
                self.occurrence(field, wire_type, &mut wire, &mut index)?;
            } else {
                wire.skip(number, wire_type, self.groups_left())?;
            }
        }
        self.close(content, [b'[', b']']);
        Ok(())
    }

    /// A Value is written as the one member of its oneof that is set.
    fn any_value(&mut self, message: &'a Message, wire: Reader<'_>) -> Result<()> {
        let start = self.out.len();
        let number = match lone(message, wire, self.groups_left())? {
            Some(only) => {
                let field = &message.fields()[usize::from(only.position)];
                self.value(Before::NOTHING, field, only.wire_type, &mut only.reader(wire))?;
                field.number()
            }
            None => {
                let index = self.index(message, wire)?;
                let field = index.first().and_then(|first| message.fields().get(usize::from(first.position)));
                let field = field.ok_or_else(|| Stop::error("a Value has no kind set"))?;
                self.group(field, wire, &index)?;
                field.number()
            }
        };
        // NaN and the infinities are the only numbers in quotes.
        if number == value::NUMBER && self.out.text().get(start) == Some(&b'"') {
            return Err(Stop::error("a Value cannot hold NaN or an infinity"));
        }
        Ok(())
    }

    fn any(&mut self, wire: Reader<'_>) -> Result<()> {
        let (url, value) = any::read(wire, self.groups_left())?;
        let start = self.out.len();
        if !url.is_empty() || !value.is_empty() {
            let text =
                std::str::from_utf8(url).map_err(|_| Stop::error("the type of an Any is not UTF-8"))?;
            self.out.extend(b",\"@type\":");
            self.out.string(text);
            self.any_members(url, value)?;
        }
        self.close(start, [b'{', b'}']);
        Ok(())
    }

    fn any_members(&mut self, url: &[u8], value: &[u8]) -> Result<()> {
        let Some(id) = any::message_of(self.schema, url) else {
            // The rest of the message is worth more than a refusal.
            self.out.extend(b",\"value\":");
            self.base64(value);
            return Ok(());
        };
        let message = self.schema.message(id);
        if message.well_known().is_some() {
            self.out.extend(b",\"value\":");
            return self.message(id, Reader::new(value));
        }
        self.enter()?;
        self.members(message, Reader::new(value))?;
        self.leave();
        Ok(())
    }
}
