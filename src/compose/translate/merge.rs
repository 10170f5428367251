//! Unusual wire: single messages in pieces, several members of a oneof, single values that become lists and come more
//! than once. By protobuf's rules what comes later joins or replaces what came before; here that is done beforehand.

use std::collections::hash_map::{Entry, HashMap};

use super::run::fits;
use super::table::{Action, Field, Layout, Table};
use crate::compose::source::GROUPS;
use crate::wire::WireType;
use crate::wire::reader::{Error, Reader};
use crate::wire::writer;

/// Whether nothing in a message changes what came before it. Messages in it are not looked into, unless fields are
/// moved out of them.
pub(super) fn is_usual(table: &Table, node: usize, wire: &[u8]) -> Result<bool, Error> {
    let Some(node) = table.nodes.get(node) else { return Ok(true) };
    if node.is_large {
        return Ok(false);
    }
    if !node.has_marks() {
        return Ok(true);
    }
    let (mut reader, mut seen, mut guess) = (Reader::new(wire), 0, 0);
    while !reader.is_at_end() {
        let (number, wire_type) = reader.tag()?;
        let content = content(&mut reader, number, wire_type)?;
        let Some(field) = node.find(number, &mut guess).filter(|field| fits(field, wire_type)) else {
            continue;
        };
        if seen & field.others != 0 {
            return Ok(false);
        }
        seen |= field.mark;
        if let (Some(inner), Some(content)) = (inside(field), content)
            && !is_usual(table, inner, content)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The same message as it is usually written.
pub(super) fn merged(table: &Table, node: usize, wire: &[u8]) -> Result<Vec<u8>, Error> {
    let Some(node) = table.nodes.get(node) else { return Ok(wire.to_vec()) };
    let mut single: HashMap<u32, Gathered<'_>> = HashMap::new();
    let mut out = Vec::with_capacity(wire.len());
    let (mut reader, mut guess) = (Reader::new(wire), 0);
    while !reader.is_at_end() {
        let start = reader.position();
        let (number, wire_type) = reader.tag()?;
        let content = content(&mut reader, number, wire_type)?;
        let raw = wire.get(start..reader.position()).unwrap_or_default();
        let Some(field) = node.find(number, &mut guess).filter(|field| fits(field, wire_type)) else {
            continue;
        };
        if field.is_list {
            out.extend_from_slice(raw);
            continue;
        }
        if field.oneof != 0 {
            let is_other = |other: &Field| other.oneof == field.oneof && other.number != field.number;
            single.retain(|_, gathered| !is_other(gathered.field));
        }
        let piece = if field.layout == Layout::Message { content.unwrap_or_default() } else { raw };
        match single.entry(number) {
            Entry::Occupied(mut gathered) if field.layout == Layout::Message => {
                gathered.get_mut().pieces.push(piece);
            }
            Entry::Occupied(mut gathered) => gathered.get_mut().pieces = vec![piece],
            Entry::Vacant(place) => drop(place.insert(Gathered { field, pieces: vec![piece] })),
        }
    }
    let mut gathered: Vec<_> = single.into_values().collect();
    gathered.sort_by_key(|gathered| gathered.field.number);
    for Gathered { field, pieces } in gathered {
        if field.layout != Layout::Message {
            out.extend(pieces.concat());
            continue;
        }
        let whole = pieces.concat();
        let whole = match inside(field) {
            Some(inner) => merged(table, inner, &whole)?,
            None => whole,
        };
        writer::bytes(&mut out, field.number, &whole);
    }
    Ok(out)
}

/// What comes of a field that holds a single value.
struct Gathered<'w> {
    field: &'w Field,
    /// All pieces of a message, or the field as it came last.
    pieces: Vec<&'w [u8]>,
}

/// The node whose fields are moved out of a message.
fn inside(field: &Field) -> Option<usize> {
    field.actions.iter().find_map(|action| match action {
        Action::Inside(node) => Some(*node),
        _ => None,
    })
}

/// Reads a value whose tag was read; the content of a text, a message or a group.
fn content<'w>(reader: &mut Reader<'w>, number: u32, wire_type: WireType) -> Result<Option<&'w [u8]>, Error> {
    Ok(match wire_type {
        WireType::Len => Some(reader.bytes()?),
        WireType::StartGroup => {
            let group = reader.group(number, GROUPS)?;
            group.wire().get(group.position()..)
        }
        _ => {
            reader.skip(number, wire_type, GROUPS)?;
            None
        }
    })
}
