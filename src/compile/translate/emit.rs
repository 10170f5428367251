//! Tables by numbers of fields, out of what becomes of each field.

use std::sync::Arc;

use super::draft::{Draft, Drafted, Fit, Masked, Move, Path, field, leaf};
use crate::compose::translate::names::Renaming;
use crate::compose::translate::number::Convert;
use crate::compose::translate::table::{
    Action, Field, Filler, Layout, MAX_MARKS, Node, Slot, Table, Tables, To, Width,
};
use crate::schema::message::{self, Cardinality, Kind};
use crate::schema::{MessageId, Presence, Schema};

/// The tables of all messages of one direction.
pub(super) fn tables(drafted: &Drafted<'_>, mut mask: impl FnMut(&Masked) -> Option<Renaming>) -> Tables {
    let same = same(drafted);
    let tables = drafted.drafts.iter().zip(&same).map(|(draft, is_same)| match is_same {
        true => Table { is_same: true, ..Table::default() },
        false => Emitting::new(drafted, draft, &same).table(&mut mask),
    });
    Tables(tables.collect())
}

/// For each draft whether both messages are the same, with all that they can hold, so that one is the other as it is.
/// Neither has a field that the other does not know: nobody can send what is not shown.
fn same(drafted: &Drafted<'_>) -> Vec<bool> {
    let mut same: Vec<bool> = drafted.drafts.iter().map(|draft| looks_same(drafted, draft)).collect();
    loop {
        let holds = |draft: &Draft| {
            draft.moves.iter().all(|one| !matches!(one.fit, Fit::Message(inner) if !same[inner]))
        };
        let next: Vec<bool> =
            drafted.drafts.iter().zip(&same).map(|(draft, is_same)| *is_same && holds(draft)).collect();
        if next == same {
            return same;
        }
        same = next;
    }
}

fn looks_same(drafted: &Drafted<'_>, draft: &Draft) -> bool {
    let Draft { key, moves, fillers } = draft;
    let (from, to) = (drafted.way.from.message(key.from), drafted.way.to.message(key.to));
    let is_kept = |one: &Move| {
        let ([source], [target]) = (&*one.from, &*one.to) else { return false };
        let (source, target) = (&from.fields()[*source], &to.fields()[*target]);
        source.number() == target.number()
            && source.is_delimited() == target.is_delimited()
            && is_list(source) == is_list(target)
            && matches!(one.fit, Fit::Value(Convert::No) | Fit::Message(_))
    };
    key.taken.is_empty()
        && key.given.is_empty()
        && fillers.is_empty()
        && moves.len() == from.fields().len()
        && moves.len() == to.fields().len()
        && moves.iter().all(is_kept)
}

const fn is_list(field: &message::Field) -> bool {
    !matches!(field.cardinality(), Cardinality::Singular(_))
}

const fn is_message(field: &message::Field) -> bool {
    matches!(field.kind(), Kind::Message(_))
}

/// One table that is made.
struct Emitting<'e> {
    from: &'e Schema,
    to: &'e Schema,
    draft: &'e Draft,
    same: &'e [bool],
    /// The paths to the messages out of which fields are moved, in the order of nodes; the first one is empty.
    nodes: Vec<Path>,
    /// The paths to the messages into which fields are moved, in the order of slots.
    slots: Vec<Path>,
}

impl<'e> Emitting<'e> {
    fn new(drafted: &Drafted<'e>, draft: &'e Draft, same: &'e [bool]) -> Self {
        let add = |all: &mut Vec<Path>, path: &[usize]| {
            for length in 1..path.len() {
                let around = &path[..length];
                if !all.iter().any(|known| known == around) {
                    all.push(around.to_vec());
                }
            }
        };
        let (mut nodes, mut slots) = (vec![Path::new()], Vec::new());
        for one in &draft.moves {
            add(&mut nodes, &one.from);
            add(&mut slots, &one.to);
        }
        draft.fillers.iter().for_each(|filler| add(&mut slots, &filler.to));
        // Each behind the one that it is in.
        nodes.sort_by_key(Vec::len);
        slots.sort_by_key(Vec::len);
        Self { from: drafted.way.from, to: drafted.way.to, draft, same, nodes, slots }
    }

    fn table(&self, mask: &mut impl FnMut(&Masked) -> Option<Renaming>) -> Table {
        let slot = |path: &Path| {
            let field = field(self.to, self.draft.key.to, path);
            Slot { parent: self.slot_around(path), number: field.number(), is_group: field.is_delimited() }
        };
        let filler = |filler: &super::draft::Filler| Filler {
            slot: self.slot_around(&filler.to),
            wire: filler.wire.as_slice().into(),
            is_default: filler.is_default,
        };
        Table {
            nodes: self.nodes.iter().map(|path| self.node(path, mask)).collect(),
            slots: self.slots.iter().map(slot).collect(),
            fillers: self.draft.fillers.iter().map(filler).collect(),
            is_same: false,
        }
    }

    /// The number of the slot of the message that the last field of a path is in.
    fn slot_around(&self, path: &[usize]) -> usize {
        let around = &path[..path.len() - 1];
        self.slots.iter().position(|slot| slot == around).map_or(0, |slot| slot + 1)
    }

    fn node(&self, path: &[usize], mask: &mut impl FnMut(&Masked) -> Option<Renaming>) -> Node {
        let id = message_at(self.from, self.draft.key.from, path);
        let table = self.from.message(id);
        let mut fields: Vec<(usize, Field)> = Vec::with_capacity(table.fields().len());
        for (position, source) in table.fields().iter().enumerate() {
            let path = [path, &[position]].concat();
            let moves = self.draft.moves.iter().filter(|one| one.from == path);
            let mut actions: Vec<Action> = moves.filter_map(|one| self.action(one, source, mask)).collect();
            actions.extend(self.nodes.iter().position(|node| *node == path).map(Action::Inside));
            let field = Field {
                number: source.number(),
                name: self.from.text(source.name()).into(),
                layout: layout(source.kind()),
                is_list: is_list(source),
                mark: 0,
                others: 0,
                oneof: source.oneof().map_or(0, |oneof| oneof as u16 + 1),
                actions: actions.into(),
            };
            fields.push((position, field));
        }
        fields.sort_by_key(|(_, field)| field.number);
        let mut fields: Vec<Field> = fields.into_iter().map(|(_, field)| field).collect();
        let is_large = !mark(&mut fields);
        Node { fields: fields.into(), is_large }
    }

    fn action(
        &self,
        one: &Move,
        source: &message::Field,
        mask: &mut impl FnMut(&Masked) -> Option<Renaming>,
    ) -> Option<Action> {
        let key = &self.draft.key;
        let target = field(self.to, key.to, &one.to);
        let to = To {
            slot: self.slot_around(&one.to),
            number: target.number(),
            is_group: target.is_delimited(),
            zero_is_none: source.cardinality() == Cardinality::Singular(Presence::Implicit)
                && !is_message(source),
            is_one_of_list: !is_list(source) && is_list(target),
            filler: self.filler_of(&one.to),
        };
        let has_slot = self.slots.contains(&one.to);
        Some(match &one.fit {
            Fit::Value(convert) => Action::Value(to, convert.clone()),
            Fit::Message(inner) if self.same[*inner] && !has_slot => Action::Value(to, Convert::No),
            Fit::Message(inner) => Action::Message(to, *inner),
            Fit::Mask(masked) => Action::Mask(to, Arc::new(mask(masked)?)),
        })
    }

    /// The default that a field keeps away: its own, or that of another member of its oneof.
    fn filler_of(&self, path: &[usize]) -> Option<usize> {
        let to = self.draft.key.to;
        let oneof = |path: &[usize]| {
            let (inside, position) = leaf(self.to, to, path);
            inside.fields()[position].oneof()
        };
        self.draft.fillers.iter().position(|filler| {
            let is_beside = || {
                filler.to.len() == path.len()
                    && filler.to[..path.len() - 1] == path[..path.len() - 1]
                    && oneof(path).is_some_and(|own| oneof(&filler.to) == Some(own))
            };
            filler.is_default && (filler.to == path || is_beside())
        })
    }
}

/// Gives marks to the fields of a node. Says whether there were enough.
fn mark(fields: &mut [Field]) -> bool {
    let is_moved = |field: &Field| !field.actions.is_empty();
    let is_member: Vec<bool> = fields
        .iter()
        .map(|field| {
            let beside = |other: &&Field| field.oneof != 0 && other.oneof == field.oneof;
            fields.iter().filter(beside).count() > 1 && fields.iter().filter(beside).any(is_moved)
        })
        .collect();
    let is_once: Vec<bool> = fields.iter().map(is_once).collect();
    let mut marks = 0;
    for (at, field) in fields.iter_mut().enumerate() {
        if is_member[at] || is_once[at] {
            field.mark = 1_u64.checked_shl(marks).unwrap_or_default();
            marks += 1;
        }
    }
    if marks as usize > MAX_MARKS {
        fields.iter_mut().for_each(|field| field.mark = 0);
        return false;
    }
    let all: Vec<(u16, u64)> = fields.iter().map(|field| (field.oneof, field.mark)).collect();
    for (at, field) in fields.iter_mut().enumerate() {
        let own = if is_once[at] { field.mark } else { 0 };
        let beside = all
            .iter()
            .filter(|(oneof, mark)| field.oneof != 0 && *oneof == field.oneof && *mark != field.mark);
        field.others = beside.fold(own, |others, (_, mark)| others | mark);
    }
    true
}

/// Whether it matters that a field comes more than once: a message that is looked into, or a value that becomes a list.
fn is_once(field: &Field) -> bool {
    let matters = |action: &Action| match action {
        Action::Value(to, _) => to.is_one_of_list,
        Action::Message(..) | Action::Inside(_) | Action::Mask(..) => true,
    };
    !field.is_list && field.actions.iter().any(matters)
}

/// The message that a path leads to.
fn message_at(schema: &Schema, message: MessageId, path: &[usize]) -> MessageId {
    path.iter().fold(message, |inside, position| match schema.message(inside).fields()[*position].kind() {
        Kind::Message(next) => next,
        _ => inside,
    })
}

const fn layout(kind: Kind) -> Layout {
    match kind {
        Kind::Message(_) => Layout::Message,
        Kind::String | Kind::Bytes => Layout::Bytes,
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Layout::Number(Width::Eight),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Layout::Number(Width::Four),
        _ => Layout::Number(Width::Varint),
    }
}
