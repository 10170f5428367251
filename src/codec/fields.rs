//! Which fields a message has: as they lie on the wire, for whoever writes it as text, and as they come, for whoever reads it.

use super::error::{WriteError, shown};
use crate::schema::message::{Cardinality, Field, Kind, Message, WellKnown};
use crate::schema::{EnumId, MessageId, Schema};
use crate::wire::WireType;
use crate::wire::reader::{Error, Reader};

/// The message that a field holds a single one of.
pub(super) fn single_message(field: &Field) -> Option<MessageId> {
    match (field.cardinality(), field.kind()) {
        (Cardinality::Singular(_), Kind::Message(id)) => Some(id),
        _ => None,
    }
}

/// The key and the value of a map.
pub(super) fn entry_of<'s>(schema: &'s Schema, field: &Field) -> Option<(&'s Field, &'s Field)> {
    match field.kind() {
        Kind::Message(id) => schema.message(id).entry(),
        _ => None,
    }
}

/// Whether a value of this wire type can belong to the field; one that cannot is an unknown field.
#[inline]
pub(super) fn fits(field: &Field, wire_type: WireType) -> bool {
    match field.kind() {
        // A parser accepts both encodings of a message, whichever the schema says.
        Kind::Message(_) if field.cardinality() != Cardinality::Map => {
            matches!(wire_type, WireType::Len | WireType::StartGroup)
        }
        kind => {
            let is_packed = matches!(field.cardinality(), Cardinality::Repeated { .. })
                && kind.is_packable()
                && wire_type == WireType::Len;
            wire_type == kind.wire_type() || is_packed
        }
    }
}

/// One field on the wire, behind its tag.
#[derive(Clone, Copy)]
pub(super) struct Occurrence {
    pub(super) position: u16,
    pub(super) wire_type: WireType,
    offset: u32,
}

impl Occurrence {
    pub(super) fn reader<'w>(&self, wire: Reader<'w>) -> Reader<'w> {
        Reader::at(wire.wire(), self.offset as usize)
    }
}

/// The fields of a message that count, sorted by position and within one position as they came: of a oneof those of the
/// member that was set last. Groups may lie `groups` deep in one another.
pub(super) fn index(
    message: &Message,
    mut wire: Reader<'_>,
    groups: usize,
) -> Result<Vec<Occurrence>, Error> {
    let mut index: Vec<Occurrence> = Vec::new();
    // For each oneof the member that was set last, and where it began to be the only one.
    let mut chosen = vec![None; message.bits() - message.fields().len()];
    while !wire.is_at_end() {
        let (number, wire_type) = wire.tag()?;
        let offset = wire.position() as u32;
        wire.skip(number, wire_type, groups)?;
        let Some(position) = message.field_by_number(number) else { continue };
        let field = &message.fields()[position];
        if !fits(field, wire_type) {
            continue;
        }
        let chosen = field.oneof().and_then(|oneof| chosen.get_mut(oneof));
        if let Some(chosen) = chosen {
            match chosen {
                Some((member, _)) if *member == position => {}
                _ => *chosen = Some((position, index.len())),
            }
        }
        index.push(Occurrence { position: position as u16, wire_type, offset });
    }
    let mut at = 0;
    index.retain(|occurrence| {
        let field = &message.fields()[usize::from(occurrence.position)];
        let lives = match field.oneof().and_then(|oneof| chosen.get(oneof).copied().flatten()) {
            Some((member, from)) => member == usize::from(occurrence.position) && at >= from,
            None => true,
        };
        at += 1;
        lives
    });
    index.sort_by_key(|occurrence| occurrence.position);
    Ok(index)
}

/// Those of the occurrences that are of the field at `position`.
pub(super) fn only(mut index: Vec<Occurrence>, position: usize) -> Vec<Occurrence> {
    index.retain(|occurrence| usize::from(occurrence.position) == position);
    index
}

/// The one field that lies on the wire, if there is just one.
pub(super) fn lone(
    message: &Message,
    mut wire: Reader<'_>,
    groups: usize,
) -> Result<Option<Occurrence>, Error> {
    if wire.is_at_end() {
        return Ok(None);
    }
    let (number, wire_type) = wire.tag()?;
    let offset = wire.position() as u32;
    wire.skip(number, wire_type, groups)?;
    let position = message.field_by_number(number).filter(|&at| fits(&message.fields()[at], wire_type));
    Ok(position.filter(|_| wire.is_at_end()).map(|position| Occurrence {
        position: position as u16,
        wire_type,
        offset,
    }))
}

/// How many bytes of groups may yet be looked through for their ends: what is inside is looked through for the end of
/// each.
#[derive(Clone, Copy)]
pub(super) struct Groups(pub(super) usize);

impl Groups {
    /// The content of a group whose start tag was read. Others may lie `depth` deep in it.
    pub(super) fn content<'w>(
        &mut self,
        number: u32,
        wire: &mut Reader<'w>,
        depth: usize,
    ) -> Result<Reader<'w>, Box<WriteError>> {
        let content = wire.group(number, depth)?;
        let length = content.wire().len() - content.position();
        self.0 = self
            .0
            .checked_sub(length)
            .ok_or_else(|| WriteError::new("groups are nested too deeply for their size"))?;
        Ok(content)
    }

    /// The content of a single message from all its occurrences: of several it is `joined`, which merges them.
    pub(super) fn message<'w>(
        &mut self,
        field: &Field,
        wire: Reader<'w>,
        group: &[Occurrence],
        depth: usize,
        joined: &'w mut Vec<u8>,
    ) -> Result<Reader<'w>, Box<WriteError>> {
        let mut piece = |occurrence: &Occurrence| {
            let mut reader = occurrence.reader(wire);
            match occurrence.wire_type {
                WireType::StartGroup => self.content(field.number(), &mut reader, depth),
                _ => Ok(reader.nested()?),
            }
        };
        if let [only] = group {
            return piece(only);
        }
        for occurrence in group {
            let piece = piece(occurrence)?;
            joined.extend_from_slice(piece.wire().get(piece.position()..).unwrap_or_default());
        }
        Ok(Reader::new(joined))
    }
}

/// A map entry as it lies on the wire: the last key and the last value.
pub(super) struct Entry<'w> {
    pub(super) key: Option<(WireType, Reader<'w>)>,
    pub(super) value: Option<(WireType, Reader<'w>)>,
    /// Whether the value is a message in pieces.
    pub(super) is_split: bool,
    pub(super) content: Reader<'w>,
}

impl<'w> Entry<'w> {
    pub(super) fn read(
        content: Reader<'w>,
        key: &Field,
        value: &Field,
        groups: usize,
    ) -> Result<Self, Error> {
        let mut entry = Entry { key: None, value: None, is_split: false, content };
        let mut wire = content;
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
}

/// The occurrences of the value of an entry, where it [is split](Entry::is_split).
pub(super) fn values_of(
    schema: &Schema,
    map: &Field,
    content: Reader<'_>,
    groups: usize,
) -> Result<Vec<Occurrence>, Error> {
    match map.kind() {
        // The key is the first of the two fields.
        Kind::Message(id) => Ok(only(index(schema.message(id), content, groups)?, 1)),
        _ => Ok(Vec::new()),
    }
}

/// Whether null is a value of this kind rather than its absence.
pub(super) fn takes_null(schema: &Schema, kind: Kind) -> bool {
    match kind {
        Kind::Enum(id) => schema.enumeration(id).is_null(),
        Kind::Message(id) => schema.message(id).well_known() == Some(WellKnown::Value),
        _ => false,
    }
}

/// What is wrong with the member of a oneof at `position` where `seen` has another one.
#[cold]
pub(super) fn set_already(schema: &Schema, message: &Message, position: usize, seen: &[u64]) -> String {
    let fields = message.fields();
    let oneof = fields[position].oneof();
    let other = fields.iter().enumerate().find(|(at, field)| {
        *at != position && field.oneof() == oneof && seen[at / 64] & (1 << (at % 64)) != 0
    });
    let other = other.map_or("another member", |(_, field)| schema.text(field.json_name()));
    format!("{other} of the same oneof is set already, and only one of them can be")
}

/// What is wrong with a name that an enum does not have.
#[cold]
pub(super) fn no_value(schema: &Schema, id: EnumId, name: &[u8]) -> String {
    let each = schema.enumeration(id);
    let known = each.values().iter().map(|value| schema.text(value.name()));
    let known = match each.values().len() {
        0..=8 => format!("; its values are {}", known.collect::<Vec<_>>().join(", ")),
        _ => String::new(),
    };
    format!("{} has no value {:?}{known}", schema.text(each.name()), shown(name))
}

/// Sets the bit of a field that was read and tells whether it was set before.
#[inline]
pub(super) fn set(words: &mut [u64], bit: usize) -> bool {
    let mask = 1 << (bit % 64);
    words.get_mut(bit / 64).is_some_and(|word| {
        let was_set = *word & mask != 0;
        *word |= mask;
        was_set
    })
}
