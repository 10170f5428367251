//! The fields of a message as elements, in order of declaration.

use super::error::WriteError;
use super::write::{Result, Space, Tag, Writer, in_field};
use super::write_well_known::NULL;
use crate::codec::fields::{Occurrence, fits, index, only, single_message};
use crate::schema::message::{Cardinality, Field, Kind, Message, WellKnown};
use crate::schema::{MessageId, Presence};
use crate::wire::WireType;
use crate::wire::reader::Reader;

impl<'a> Writer<'a, '_> {
    /// The elements of a message's fields.
    pub(super) fn members(&mut self, message: &'a Message, wire: Reader<'_>) -> Result<()> {
        if self.is_usual(message, wire)? {
            self.usual_members(message, wire)
        } else {
            self.indexed_members(message, wire)
        }
    }

    /// Whether the fields lie on the wire as they are to be written: in order of declaration, nothing twice that can be
    /// there once, no two members of a oneof, maps in one piece.
    fn is_usual(&mut self, message: &'a Message, mut wire: Reader<'_>) -> Result<bool> {
        let (mut next, mut last, mut oneofs, mut has_gap) = (0, None, 0_u64, false);
        while !wire.is_at_end() {
            let Some((position, field, wire_type)) = self.next_field(message, next, &mut wire)? else {
                has_gap = true;
                continue;
            };
            let is_map = field.cardinality() == Cardinality::Map;
            let is_single = matches!(field.cardinality(), Cardinality::Singular(_));
            let is_wrong = last.is_some_and(|last| {
                position < last || (position == last && (is_single || (is_map && has_gap)))
            });
            let oneof = field.oneof().map_or(0, |oneof| 1_u64.checked_shl(oneof as u32).unwrap_or(u64::MAX));
            if is_wrong || oneofs & oneof != 0 {
                return Ok(false);
            }
            oneofs |= oneof;
            has_gap = false;
            self.skip(field.number(), wire_type, &mut wire)?;
            // What is a list goes on.
            while !is_single && wire.take_tag(field.tag()) {
                self.skip(field.number(), field.wire_type(), &mut wire)?;
            }
            last = Some(position);
            next = position + 1;
        }
        Ok(true)
    }

    fn skip(&mut self, number: u32, wire_type: WireType, wire: &mut Reader<'_>) -> Result<()> {
        match wire_type {
            WireType::StartGroup => self.group_content(number, wire).map(drop),
            _ => Ok(wire.skip(number, wire_type, self.groups_left())?),
        }
    }

    /// Goes past the next tag and returns the position of its field, most often `guess`. An unknown field is skipped.
    #[inline]
    fn next_field(
        &mut self,
        message: &'a Message,
        guess: usize,
        wire: &mut Reader<'_>,
    ) -> Result<Option<(usize, &'a Field, WireType)>> {
        if let Some(field) = message.fields().get(guess)
            && wire.take_tag(field.tag())
        {
            return Ok(Some((guess, field, field.wire_type())));
        }
        let (number, wire_type) = wire.tag()?;
        if let Some(position) = message.field_by_number(number)
            && let Some(field) = message.fields().get(position)
            && fits(field, wire_type)
        {
            return Ok(Some((position, field, wire_type)));
        }
        self.skip(number, wire_type, wire)?;
        Ok(None)
    }

    fn usual_members(&mut self, message: &'a Message, mut wire: Reader<'_>) -> Result<()> {
        let mut guess = 0;
        let mut entries = Vec::new();
        let mut index = 0;
        while !wire.is_at_end() {
            let Some((position, field, wire_type)) = self.next_field(message, guess, &mut wire)? else {
                continue;
            };
            let tag = self.tag(field);
            let written = match field.cardinality() {
                Cardinality::Singular(presence) => {
                    self.element(tag, field, wire_type, &mut wire, presence == Presence::Implicit)
                }
                Cardinality::Repeated { .. } => {
                    if guess != position + 1 {
                        index = 0;
                    }
                    self.occurrences(tag, field, wire_type, &mut wire, &mut index)
                }
                Cardinality::Map => {
                    entries.clear();
                    Self::entries(field, &mut wire, &mut entries)
                        .and_then(|()| self.map(tag, self.scope.space, b"", field, &entries))
                }
            };
            written.map_err(|error| in_field(self.schema, error, field))?;
            guess = position + 1;
        }
        Ok(())
    }

    /// The occurrences of a list from one, whose tag was read, to the last one that follows without a gap.
    fn occurrences(
        &mut self,
        tag: Tag<'a>,
        field: &'a Field,
        wire_type: WireType,
        wire: &mut Reader<'_>,
        index: &mut usize,
    ) -> Result<()> {
        self.occurrence(tag, field, wire_type, wire, index)?;
        while wire.take_tag(field.tag()) {
            self.occurrence(tag, field, field.wire_type(), wire, index)?;
        }
        Ok(())
    }

    /// The entries of a map from the first one, whose tag was read.
    fn entries<'w>(field: &Field, wire: &mut Reader<'w>, entries: &mut Vec<Reader<'w>>) -> Result<()> {
        entries.push(wire.nested()?);
        while wire.take_tag(field.tag()) {
            entries.push(wire.nested()?);
        }
        Ok(())
    }

    /// One occurrence of a list: an element, or those of a packed run.
    fn occurrence(
        &mut self,
        tag: Tag<'a>,
        field: &'a Field,
        wire_type: WireType,
        wire: &mut Reader<'_>,
        index: &mut usize,
    ) -> Result<()> {
        if wire_type == WireType::Len && field.kind().is_packable() {
            let mut elements = wire.nested()?;
            while !elements.is_at_end() {
                self.element(tag, field, field.kind().wire_type(), &mut elements, false)?;
                self.check_length()?;
            }
            return Ok(());
        }
        self.element(tag, field, wire_type, wire, false).map_err(|mut error| {
            error.path.push_index(*index);
            error
        })?;
        *index += 1;
        self.check_length()
    }

    /// The elements of a message whose wire is legal but unusual: what comes twice is merged or replaced as the
    /// encoding's specification asks.
    fn indexed_members(&mut self, message: &'a Message, wire: Reader<'_>) -> Result<()> {
        let index = self.index(message, wire)?;
        for group in index.chunk_by(|a, b| a.position == b.position) {
            let Some(field) =
                group.first().and_then(|first| message.fields().get(usize::from(first.position)))
            else {
                continue;
            };
            self.group(field, wire, group).map_err(|error| in_field(self.schema, error, field))?;
        }
        Ok(())
    }

    /// No more than one field of a message, as the element that this message is by itself, or the message in the field
    /// if that is a single one.
    pub(super) fn only_member(&mut self, id: MessageId, position: usize, wire: Reader<'_>) -> Result<()> {
        let message = self.schema.message(id);
        if message.well_known().is_some() {
            return self.root(id, wire, true);
        }
        let Some(field) = message.fields().get(position) else {
            return Err(WriteError::new("the message has no such field"));
        };
        let group = only(self.index(message, wire)?, position);
        let written = match single_message(field) {
            Some(inner) if group.is_empty() => self.unset(inner),
            Some(inner) => {
                let mut joined = Vec::new();
                let content = self.groups.message(field, wire, &group, self.groups_left(), &mut joined)?;
                self.root(inner, content, true)
            }
            None => self.as_root(id, true, |writer, tag| {
                writer.composite(tag, Space::Package(message.package()), b"", |writer| {
                    if group.is_empty() { Ok(()) } else { writer.group(field, wire, &group) }
                })
            }),
        };
        written.map_err(|error| in_field(self.schema, error, field))
    }

    /// A message that is not there, as the element that it is by itself.
    fn unset(&mut self, id: MessageId) -> Result<()> {
        let attributes = match self.schema.message(id).well_known() {
            None | Some(WellKnown::Any | WellKnown::Struct | WellKnown::ListValue) => {
                return self.root(id, Reader::new(&[]), true);
            }
            Some(WellKnown::Value) => NULL,
            Some(WellKnown::Timestamp | WellKnown::Duration | WellKnown::FieldMask | WellKnown::Wrapper) => {
                b""
            }
        };
        self.as_root(id, true, |writer, tag| {
            writer.nil(tag, attributes);
            Ok(())
        })
    }

    pub(super) fn index(&self, message: &Message, wire: Reader<'_>) -> Result<Vec<Occurrence>> {
        Ok(index(message, wire, self.groups_left())?)
    }

    /// What all occurrences of a field make together.
    fn group(&mut self, field: &'a Field, wire: Reader<'_>, group: &[Occurrence]) -> Result<()> {
        let tag = self.tag(field);
        match field.cardinality() {
            Cardinality::Singular(presence) => {
                self.all(tag, field, wire, group, presence == Presence::Implicit)
            }
            Cardinality::Repeated { .. } => {
                let mut index = 0;
                for occurrence in group {
                    let mut reader = occurrence.reader(wire);
                    self.occurrence(tag, field, occurrence.wire_type, &mut reader, &mut index)?;
                }
                Ok(())
            }
            Cardinality::Map => {
                let entries = group.iter().map(|each| each.reader(wire).nested());
                let entries = entries.collect::<Result<Vec<_>, _>>()?;
                self.map(tag, self.scope.space, b"", field, &entries)
            }
        }
    }

    /// What all occurrences of a single value make together: the last one, or a message of all their content.
    pub(super) fn all(
        &mut self,
        tag: Tag<'a>,
        field: &'a Field,
        wire: Reader<'_>,
        group: &[Occurrence],
        leave_out: bool,
    ) -> Result<()> {
        if let Kind::Message(id) = field.kind() {
            let mut joined = Vec::new();
            let content = self.groups.message(field, wire, group, self.groups_left(), &mut joined)?;
            return self.message(tag, id, content);
        }
        let Some(last) = group.last() else { return Ok(()) };
        self.element(tag, field, last.wire_type, &mut last.reader(wire), leave_out)
    }

    /// The content of a group whose start tag was read.
    pub(super) fn group_content<'w>(&mut self, number: u32, wire: &mut Reader<'w>) -> Result<Reader<'w>> {
        self.groups.content(number, wire, self.groups_left())
    }

    pub(super) const fn groups_left(&self) -> usize {
        self.options.max_depth.saturating_sub(self.depth)
    }
}
