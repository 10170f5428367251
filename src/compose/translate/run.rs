//! One message by its table.

use super::merge;
use super::names::MaskError;
use super::number::{Convert, Unfit};
use super::table::{Action, Field, Layout, Node, Table, Tables, To, Width};
use crate::compose::source::GROUPS;
use crate::wire::WireType;
use crate::wire::reader::{Error, Reader};
use crate::wire::writer::{self, Length};

/// What bounds messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// How long what is made may be, in bytes.
    pub(super) length: usize,
    /// How deep messages may lie in one another.
    pub(super) depth: usize,
}

/// Why a message cannot become another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// The names of the fields that lead to it, the innermost first.
    pub(super) path: Vec<Box<str>>,
    pub(super) flaw: Flaw,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The value of a field.
    Value(Unfit),
    /// A path of a field mask that has no counterpart.
    Mask(String),
    /// Messages lie too deep in one another.
    Deep,
    /// What is made is too long.
    Long,
}

/// Why writing stops.
enum Stop {
    /// The wire is unusual: it has to be looked over first.
    Unusual,
    Fault(Box<Fault>),
}

impl From<Flaw> for Stop {
    fn from(flaw: Flaw) -> Self {
        Self::Fault(Box::new(Fault { path: Vec::new(), flaw }))
    }
}

impl From<Unfit> for Stop {
    fn from(unfit: Unfit) -> Self {
        Flaw::Value(unfit).into()
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Unfit::Wire(error).into()
    }
}

impl Stop {
    /// The same with the name of the field that it was found in.
    fn within(mut self, field: &Field) -> Self {
        if let Self::Fault(fault) = &mut self {
            fault.path.push(field.name.clone());
        }
        self
    }
}

impl Tables {
    /// What a message becomes by the table at a position.
    pub(super) fn translate(&self, table: usize, wire: &[u8], bounds: Bounds) -> Result<Vec<u8>, Box<Fault>> {
        for is_careful in [false, true] {
            let mut run = Run { tables: self, bounds, is_careful };
            let mut out = Vec::with_capacity(wire.len().min(bounds.length) + 16);
            match run.message(table, wire, 0, &mut out) {
                Ok(()) => return Ok(out),
                // Only what is not looked over first can be unusual, so this is never longer than twice.
                Err(Stop::Unusual) => {}
                Err(Stop::Fault(fault)) => return Err(fault),
            }
        }
        Err(Box::new(Fault { path: Vec::new(), flaw: Flaw::Long }))
    }

    /// Whether the table at a position leaves messages as they are.
    pub(super) fn is_same(&self, table: usize) -> bool {
        self.0.get(table).is_some_and(|table| table.is_same)
    }
}

struct Run<'t> {
    tables: &'t Tables,
    bounds: Bounds,
    /// Whether each message is looked over before it is written.
    is_careful: bool,
}

/// What is kept while a message is made.
struct Frame {
    /// The contents of the slots; nothing while there is none.
    slots: Vec<Option<Vec<u8>>>,
    /// Which fillers were kept away.
    kept_away: Vec<bool>,
}

impl Frame {
    fn new(table: &Table) -> Self {
        Self { slots: vec![None; table.slots.len()], kept_away: vec![false; table.fillers.len()] }
    }

    /// The message that a field is written into.
    fn slot<'o>(&'o mut self, slot: usize, out: &'o mut Vec<u8>) -> &'o mut Vec<u8> {
        match slot.checked_sub(1).and_then(|at| self.slots.get_mut(at)) {
            Some(slot) => slot.get_or_insert_default(),
            None => out,
        }
    }

    fn keep_away(&mut self, to: &To, is_zero: bool) {
        if let Some(kept) = to.filler.and_then(|filler| self.kept_away.get_mut(filler)) {
            *kept = !(to.zero_is_none && is_zero);
        }
    }
}

impl Run<'_> {
    fn message(&mut self, table: usize, wire: &[u8], depth: usize, out: &mut Vec<u8>) -> Result<(), Stop> {
        let Some(table) = self.tables.0.get(table) else { return Ok(()) };
        if table.is_same {
            out.extend_from_slice(wire);
            return self.check(out);
        }
        if depth >= self.bounds.depth {
            return Err(Flaw::Deep.into());
        }
        let merged;
        let mut wire = wire;
        if self.is_careful && !merge::is_usual(table, 0, wire)? {
            merged = merge::merged(table, 0, wire)?;
            wire = &merged;
        }
        let mut frame = Frame::new(table);
        self.node(table, 0, wire, depth, &mut frame, out)?;
        Self::finish(table, frame, out);
        self.check(out)
    }

    fn check(&self, out: &[u8]) -> Result<(), Stop> {
        if out.len() > self.bounds.length { Err(Flaw::Long.into()) } else { Ok(()) }
    }

    fn node(
        &mut self,
        table: &Table,
        node: usize,
        wire: &[u8],
        depth: usize,
        frame: &mut Frame,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let Some(node) = table.nodes.get(node) else { return Ok(()) };
        if node.is_large && !self.is_careful {
            return Err(Stop::Unusual);
        }
        let (mut reader, mut seen, mut guess) = (Reader::new(wire), 0, 0);
        while !reader.is_at_end() {
            let (number, wire_type) = reader.tag()?;
            let Some(field) = node.find(number, &mut guess) else {
                reader.skip(number, wire_type, GROUPS)?;
                continue;
            };
            let start = reader;
            reader.skip(number, wire_type, GROUPS)?;
            if !fits(field, wire_type) {
                continue;
            }
            if seen & field.others != 0 {
                return Err(Stop::Unusual);
            }
            seen |= field.mark;
            let value = Found { reader: start, end: reader.position(), number, wire_type };
            for action in &field.actions {
                let done = self.action(table, field, action, value, depth, frame, out);
                done.map_err(|stop| stop.within(field))?;
            }
            self.check(out)?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "what is done with a field needs all of it")]
    fn action(
        &mut self,
        table: &Table,
        field: &Field,
        action: &Action,
        value: Found<'_>,
        depth: usize,
        frame: &mut Frame,
        out: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        match action {
            Action::Value(to, convert) => {
                let is_zero = copy(field, to, convert, value, frame.slot(to.slot, out))?;
                frame.keep_away(to, is_zero);
            }
            Action::Message(to, inner) => {
                let content = value.content()?;
                // What is moved into the message that this one becomes is joined with it.
                match table.slots.iter().position(|slot| slot.parent == to.slot && slot.number == to.number) {
                    Some(slot) => self.message(*inner, content, depth + 1, frame.slot(slot + 1, out))?,
                    None => {
                        let out = frame.slot(to.slot, out);
                        writer::tag(out, to.number, opening(to.is_group));
                        if to.is_group {
                            self.message(*inner, content, depth + 1, out)?;
                            writer::tag(out, to.number, WireType::EndGroup);
                        } else {
                            let length = Length::begin(out);
                            self.message(*inner, content, depth + 1, out)?;
                            length.end(out);
                        }
                    }
                }
                frame.keep_away(to, false);
            }
            Action::Inside(inner) => {
                if depth >= self.bounds.depth {
                    return Err(Flaw::Deep.into());
                }
                self.node(table, *inner, value.content()?, depth + 1, frame, out)?;
            }
            Action::Mask(to, renaming) => {
                let content = match renaming.mask(value.content()?, self.bounds.length) {
                    Ok(content) => content,
                    Err(MaskError::Wire(error)) => return Err(error.into()),
                    Err(MaskError::Path(path)) => return Err(Flaw::Mask(path).into()),
                    Err(MaskError::Long) => return Err(Flaw::Long.into()),
                };
                let out = frame.slot(to.slot, out);
                writer::bytes(out, to.number, &content);
                frame.keep_away(to, false);
            }
        }
        Ok(())
    }

    /// Writes what is always the same, and then the messages into which fields were moved, the innermost first.
    fn finish(table: &Table, mut frame: Frame, out: &mut Vec<u8>) {
        for (at, filler) in table.fillers.iter().enumerate() {
            let is_kept_away = frame.kept_away.get(at).copied().unwrap_or_default();
            if !(filler.is_default && is_kept_away) {
                frame.slot(filler.slot, out).extend_from_slice(&filler.wire);
            }
        }
        for (at, slot) in table.slots.iter().enumerate().rev() {
            let Some(content) = frame.slots.get_mut(at).and_then(Option::take) else { continue };
            let out = frame.slot(slot.parent, out);
            if slot.is_group {
                writer::tag(out, slot.number, WireType::StartGroup);
                out.extend_from_slice(&content);
                writer::tag(out, slot.number, WireType::EndGroup);
            } else {
                writer::bytes(out, slot.number, &content);
            }
        }
    }
}

/// A value whose tag was read.
#[derive(Clone, Copy)]
struct Found<'w> {
    /// Where it begins.
    reader: Reader<'w>,
    /// Where it ends.
    end: usize,
    number: u32,
    wire_type: WireType,
}

impl<'w> Found<'w> {
    /// Its bytes as they are, without the tag.
    fn raw(&self) -> &'w [u8] {
        self.reader.wire().get(self.reader.position()..self.end).unwrap_or_default()
    }

    /// The content of a text or a message.
    fn content(mut self) -> Result<&'w [u8], Error> {
        match self.wire_type {
            WireType::StartGroup => {
                let group = self.reader.group(self.number, GROUPS)?;
                Ok(group.wire().get(group.position()..).unwrap_or_default())
            }
            _ => self.reader.bytes(),
        }
    }
}

const fn opening(is_group: bool) -> WireType {
    if is_group { WireType::StartGroup } else { WireType::Len }
}

/// Whether a value of a field can look like this. One that cannot is unknown, and left out.
pub(super) fn fits(field: &Field, wire_type: WireType) -> bool {
    match (field.layout, wire_type) {
        (Layout::Message, WireType::Len | WireType::StartGroup) | (Layout::Bytes, WireType::Len) => true,
        (Layout::Number(_), WireType::Len) => field.is_list,
        (Layout::Number(width), wire_type) => of_width(width) == wire_type,
        _ => false,
    }
}

const fn of_width(width: Width) -> WireType {
    match width {
        Width::Varint => WireType::Varint,
        Width::Four => WireType::Fixed32,
        Width::Eight => WireType::Fixed64,
    }
}

/// Appends a value as another field. Says whether it is false, zero or empty.
fn copy(
    field: &Field,
    to: &To,
    convert: &Convert,
    value: Found<'_>,
    out: &mut Vec<u8>,
) -> Result<bool, Stop> {
    let start = out.len();
    let is_zero = match (field.layout, value.wire_type) {
        (Layout::Number(width), WireType::Len) => {
            packed(to, convert, width, value, out)?;
            false
        }
        (Layout::Number(width), _) => {
            let mut reader = value.reader;
            writer::tag(out, to.number, of_width(convert.width(width)));
            convert.number(width, &mut reader, out)?
        }
        (Layout::Bytes, _) => {
            let content = value.content()?;
            if matches!(convert, Convert::Text) && std::str::from_utf8(content).is_err() {
                return Err(Unfit::Text.into());
            }
            writer::bytes(out, to.number, content);
            content.is_empty()
        }
        (Layout::Message, wire_type) => {
            let is_group = wire_type == WireType::StartGroup;
            writer::tag(out, to.number, opening(to.is_group));
            if is_group == to.is_group && !is_group {
                out.extend_from_slice(value.raw());
            } else {
                let content = value.content()?;
                if to.is_group {
                    out.extend_from_slice(content);
                    writer::tag(out, to.number, WireType::EndGroup);
                } else {
                    writer::varint(out, content.len() as u64);
                    out.extend_from_slice(content);
                }
            }
            false
        }
    };
    if is_zero && to.zero_is_none && to.is_one_of_list {
        out.truncate(start);
    }
    Ok(is_zero)
}

/// Appends a packed list, which stays one.
fn packed(to: &To, convert: &Convert, width: Width, value: Found<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
    writer::tag(out, to.number, WireType::Len);
    if matches!(convert, Convert::No) {
        out.extend_from_slice(value.raw());
        return Ok(());
    }
    let mut values = Reader::new(value.content()?);
    let length = Length::begin(out);
    while !values.is_at_end() {
        convert.number(width, &mut values, out)?;
    }
    length.end(out);
    Ok(())
}

impl Node {
    /// Whether what comes later can change what came before.
    pub(super) fn has_marks(&self) -> bool {
        self.is_large || self.fields.iter().any(|field| field.mark != 0)
    }
}
