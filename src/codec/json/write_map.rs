//! Maps as JSON objects.

use super::keys::OpenMap;
use super::write::{Result, Stop, Writer};
use super::write_value::Before;
use crate::codec::fields::{Entry, entry_of};
use crate::schema::message::{Field, Kind};
use crate::wire::WireType;
use crate::wire::reader::Reader;

impl<'a> Writer<'a, '_> {
    /// A map from its first entry, whose tag was read, to the last one that follows without a gap.
    pub(super) fn map(&mut self, field: &'a Field, wire: &mut Reader<'_>) -> Result<()> {
        let (key, value) = self.entry_of(field)?;
        let content = self.out.len();
        let mut map = self.keys.open();
        loop {
            let mut entry = wire.nested()?;
            let left = wire.wire().len() - wire.position();
            if !self.usual_entry(key, value, &mut map, &mut entry, left)? {
                let entry = Entry::read(entry, key, value, self.groups_left())?;
                if entry.is_split {
                    return Err(Stop::Unusual);
                }
                let start = self.out.len();
                self.map_key(key, entry.key)?;
                self.new_key(&mut map, start, left)?;
                self.map_value(key, value, &entry)?;
            }
            self.check_length()?;
            if !wire.take_tag(field.tag()) {
                self.keys.close(&map);
                self.close(content, [b'{', b'}']);
                return Ok(());
            }
        }
    }

    /// An entry that is its key and its value and nothing else, as nearly all are. Returns false where it
    /// is another one; then nothing of it is read and written.
    fn usual_entry(
        &mut self,
        key: &'a Field,
        value: &'a Field,
        map: &mut OpenMap,
        entry: &mut Reader<'_>,
        left: usize,
    ) -> Result<bool> {
        let mut ahead = *entry;
        if !ahead.take_tag(key.tag()) {
            return Ok(false);
        }
        let start = self.out.len();
        self.value(before_key(key), key, key.wire_type(), &mut ahead)?;
        if !ahead.take_tag(value.tag()) {
            self.out.truncate(start);
            return Ok(false);
        }
        self.new_key(map, start, left)?;
        self.value(before_value(key), value, value.wire_type(), &mut ahead)?;
        if ahead.is_at_end() { Ok(true) } else { Err(Stop::Unusual) }
    }

    /// Remembers the key that was written behind `start`, which must not have been there before.
    #[inline]
    fn new_key(&mut self, map: &mut OpenMap, start: usize, left: usize) -> Result<()> {
        let place = (start + 1, self.out.len() - start - 1);
        if self.keys.insert(map, self.out.text(), place, left) { Ok(()) } else { Err(Stop::Unusual) }
    }

    pub(super) fn entry_of(&self, field: &Field) -> Result<(&'a Field, &'a Field)> {
        entry_of(self.schema, field).ok_or_else(|| Stop::error("the field is no map"))
    }

    /// A key behind a comma, with its quotes but for the last one where its value has none itself. Without
    /// one on the wire it is the default.
    pub(super) fn map_key(&mut self, field: &'a Field, key: Option<(WireType, Reader<'_>)>) -> Result<()> {
        let before = before_key(field);
        match key {
            Some((wire_type, mut wire)) => self.value(before, field, wire_type, &mut wire).map(drop)?,
            None => {
                self.out.start_of(before.chunk, before.length);
                self.default_value(field);
            }
        }
        Ok(())
    }

    /// What follows a key that [`Writer::map_key`] wrote.
    pub(super) fn map_value(&mut self, key: &Field, field: &'a Field, entry: &Entry<'_>) -> Result<()> {
        let before = before_value(key);
        if let Some((wire_type, mut wire)) = entry.value {
            return self.value(before, field, wire_type, &mut wire).map(drop);
        }
        self.out.start_of(before.chunk, before.length);
        match field.kind() {
            Kind::Message(id) => self.message(id, Reader::new(&[])),
            _ => {
                self.default_value(field);
                Ok(())
            }
        }
    }
}

/// Whether the key's text has quotes as any value of its type has.
const fn is_quoted(key: &Field) -> bool {
    matches!(
        key.kind(),
        Kind::String | Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64
    )
}

const fn before_key(key: &Field) -> Before<'static> {
    if is_quoted(key) { Before::COMMA } else { Before::COMMA_QUOTE }
}

pub(super) const fn before_value(key: &Field) -> Before<'static> {
    if is_quoted(key) { Before::COLON } else { Before::QUOTE_COLON }
}
