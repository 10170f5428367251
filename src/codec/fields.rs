//! Which fields a message has: as they lie on the wire, for whoever writes it as text, and as they come, for whoever reads it.

use crate::schema::message::{Cardinality, Field, Kind, Message};
use crate::wire::WireType;
use crate::wire::reader::{Error, Reader};

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
