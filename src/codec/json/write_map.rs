//! Maps as JSON objects.

use super::write::{Result, Stop, Writer, fits};
use crate::schema::message::{Field, Kind};
use crate::wire::WireType;
use crate::wire::reader::Reader;

impl<'a> Writer<'a, '_> {
    /// A map from its first entry, whose tag was read, to the last one that follows without a gap.
    pub(super) fn map(&mut self, field: &'a Field, wire: &mut Reader<'_>) -> Result<()> {
        let (key_field, value_field) = self.entry_of(field)?;
        self.out.push(b'{');
        let mut map = self.keys.open();
        loop {
            let entry = Entry::read(wire.nested()?, key_field, value_field, self.groups_left())?;
            if entry.is_split {
                return Err(Stop::Unusual);
            }
            let start = self.out.len();
            self.map_key(key_field, entry.key)?;
            let place = (start, self.out.len() - start);
            if !self.keys.insert(&mut map, self.out, place, wire.wire().len() - wire.position()) {
                return Err(Stop::Unusual);
            }
            self.map_value(value_field, &entry)?;
            self.out.push(b',');
            self.check_length()?;
            if !wire.take_tag(field.tag()) {
                self.keys.close(map);
                self.close_map();
                return Ok(());
            }
        }
    }

    pub(super) fn entry_of(&self, field: &Field) -> Result<(&'a Field, &'a Field)> {
        match field.kind() {
            Kind::Message(id) => self.schema.message(id).entry(),
            _ => None,
        }
        .ok_or_else(|| Stop::error("the field is no map"))
    }

    pub(super) fn close_map(&mut self) {
        match self.out.last_mut() {
            Some(comma @ b',') => *comma = b'}',
            _ => self.out.push(b'}'),
        }
    }

    /// A key in quotes; without one on the wire it is the default.
    pub(super) fn map_key(&mut self, field: &'a Field, key: Option<(WireType, Reader<'_>)>) -> Result<()> {
        let is_quoted = matches!(
            field.kind(),
            Kind::String | Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64
        );
        if !is_quoted {
            self.out.push(b'"');
        }
        match key {
            Some((wire_type, mut wire)) => self.value(field, wire_type, &mut wire).map(drop)?,
            None => self.default_value(field),
        }
        if !is_quoted {
            self.out.push(b'"');
        }
        self.out.push(b':');
        Ok(())
    }

    pub(super) fn map_value(&mut self, field: &'a Field, entry: &Entry<'_>) -> Result<()> {
        match (entry.value, field.kind()) {
            (Some((wire_type, mut wire)), _) => self.value(field, wire_type, &mut wire).map(drop),
            (None, Kind::Message(id)) => self.message(id, Reader::new(&[])),
            (None, _) => {
                self.default_value(field);
                Ok(())
            }
        }
    }
}

/// A map entry as it lies on the wire: the last key and the last value.
pub(super) struct Entry<'w> {
    pub(super) key: Option<(WireType, Reader<'w>)>,
    pub(super) value: Option<(WireType, Reader<'w>)>,
    /// Whether the value is a message in pieces.
    pub(super) is_split: bool,
}

impl<'w> Entry<'w> {
    pub(super) fn read(mut wire: Reader<'w>, key: &Field, value: &Field, groups: usize) -> Result<Self> {
        if let Some(entry) = Self::usual(wire, key, value) {
            return Ok(entry);
        }
        let mut entry = Entry { key: None, value: None, is_split: false };
        while !wire.is_at_end() {
            let (number, wire_type) = wire.tag()?;
            let here = Some((wire_type, wire));
            wire.skip(number, wire_type, groups)?;
            if number == key.number() && fits(key, wire_type) {
                entry.key = here;
            } else if number == value.number() && fits(value, wire_type) {
                entry.is_split = entry.value.is_some() && matches!(value.kind(), Kind::Message(_));
                entry.value = here;
            }
        }
        Ok(entry)
    }

    /// An entry that is its key and its value and nothing else, as nearly all are.
    #[inline]
    fn usual(mut wire: Reader<'w>, key: &Field, value: &Field) -> Option<Self> {
        let mut part = |field: &Field| {
            let wire_type = WireType::of_tag(field.tag()).filter(|_| wire.take_tag(field.tag()))?;
            let here = wire;
            wire.skip(field.number(), wire_type, 0).ok()?;
            Some((wire_type, here))
        };
        let (key, value) = (part(key)?, part(value)?);
        wire.is_at_end().then_some(Self { key: Some(key), value: Some(value), is_split: false })
    }
}
