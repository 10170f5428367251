//! Messages whose wire is legal but unusual, written by an index of their fields: what comes twice is
//! merged or replaced as the encoding's specification asks ("last one wins", messages are merged, lists
//! are joined).

use std::collections::HashMap;

use super::write::{Result, Stop, Writer};
use super::write_map::before_value;
use super::write_value::{Before, Written};
use crate::codec::fields::{Entry, Occurrence, index, only, values_of};
use crate::schema::Presence;
use crate::schema::message::{Cardinality, Field, Kind, Message};
use crate::wire::reader::Reader;

impl<'a> Writer<'a, '_> {
    /// The members of a message, in order of declaration.
    pub(super) fn indexed_members(&mut self, message: &'a Message, wire: Reader<'_>) -> Result<()> {
        let index = self.index(message, wire)?;
        let fields = message.fields();
        for group in index.chunk_by(|a, b| a.position == b.position) {
            let Some(field) = group.first().and_then(|first| fields.get(usize::from(first.position))) else {
                continue;
            };
            let start = self.out.len();
            self.member_key(field);
            let is_default = self.group(field, wire, group).map_err(|stop| self.in_field(stop, field))?;
            if is_default && !self.options.emit_defaults {
                self.out.truncate(start);
            }
        }
        if self.options.emit_defaults {
            self.defaults(fields, |_, position| {
                index.binary_search_by_key(&position, |occurrence| usize::from(occurrence.position)).is_ok()
            });
        }
        Ok(())
    }

    /// The value of one field of a message.
    pub(super) fn only_member(
        &mut self,
        message: &'a Message,
        position: usize,
        wire: Reader<'_>,
    ) -> Result<()> {
        let group = only(self.index(message, wire)?, position);
        let Some(field) = message.fields().get(position) else {
            return Err(Stop::error("the message has no such field"));
        };
        if group.is_empty() {
            self.default_value(field);
            return Ok(());
        }
        self.group(field, wire, &group).map(drop).map_err(|stop| self.in_field(stop, field))
    }

    pub(super) fn index(&self, message: &Message, wire: Reader<'_>) -> Result<Vec<Occurrence>> {
        Ok(index(message, wire, self.groups_left())?)
    }

    /// The value that all occurrences of a field make together; true if it is a default to be left out.
    pub(super) fn group(&mut self, field: &'a Field, wire: Reader<'_>, group: &[Occurrence]) -> Result<bool> {
        match field.cardinality() {
            Cardinality::Singular(presence) => {
                let written = self.last(Before::NOTHING, field, wire, group)?;
                Ok(written == Written::Default && presence == Presence::Implicit)
            }
            Cardinality::Repeated { .. } => {
                let content = self.out.len();
                let mut index = 0;
                for occurrence in group {
                    let mut reader = occurrence.reader(wire);
                    self.occurrence(field, occurrence.wire_type, &mut reader, &mut index)?;
                }
                let is_empty = self.out.len() == content;
                self.close(content, [b'[', b']']);
                Ok(is_empty)
            }
            Cardinality::Map => self.last_entries(field, wire, group).map(|()| false),
        }
    }

    /// The last value of a singular field; the pieces of a message joined, which merges them.
    fn last(
        &mut self,
        before: Before<'_>,
        field: &'a Field,
        wire: Reader<'_>,
        group: &[Occurrence],
    ) -> Result<Written> {
        let Kind::Message(id) = field.kind() else {
            let Some(last) = group.last() else { return Ok(Written::Default) };
            return self.value(before, field, last.wire_type, &mut last.reader(wire));
        };
        let mut joined = Vec::new();
        let content = self.groups.message(field, wire, group, self.groups_left(), &mut joined)?;
        self.out.start_of(before.chunk, before.length);
        self.message(id, content)?;
        Ok(Written::Value)
    }

    /// The entries of a map, of those with equal keys the last one.
    fn last_entries(&mut self, field: &'a Field, wire: Reader<'_>, group: &[Occurrence]) -> Result<()> {
        let (key_field, value_field) = self.entry_of(field)?;
        let mut last = HashMap::new();
        for (at, occurrence) in group.iter().enumerate() {
            let entry = self.entry(occurrence, wire, key_field, value_field)?;
            let start = self.out.len();
            self.map_key(key_field, entry.key)?;
            last.insert(self.out.text()[start..].to_vec(), at);
            self.out.truncate(start);
        }
        let mut kept: Vec<_> = last.into_iter().map(|(key, at)| (at, key)).collect();
        kept.sort_unstable_by_key(|&(at, _)| at);
        let content = self.out.len();
        for (at, key) in kept {
            self.out.extend(&key);
            let entry = self.entry(&group[at], wire, key_field, value_field)?;
            if entry.is_split {
                let values = values_of(self.schema, field, entry.content, self.groups_left())?;
                self.last(before_value(key_field), value_field, entry.content, &values)?;
            } else {
                self.map_value(key_field, value_field, &entry)?;
            }
            self.check_length()?;
        }
        self.close(content, [b'{', b'}']);
        Ok(())
    }

    fn entry<'w>(
        &self,
        occurrence: &Occurrence,
        wire: Reader<'w>,
        key: &Field,
        value: &Field,
    ) -> Result<Entry<'w>> {
        let content = occurrence.reader(wire).nested()?;
        Ok(Entry::read(content, key, value, self.groups_left())?)
    }
}
