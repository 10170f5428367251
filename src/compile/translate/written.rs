//! What the configuration says of two messages, as positions of fields.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::aggregate::request::{json, unknown};
use super::super::aggregate::types::{Shape, Typed};
use super::draft::{Drafts, Filler, Key, Path, Paths, Wanted, Way, dotted, field, full};
use crate::codec::json::read::{ReadOptions, read_field};
use crate::config::place::{Located, Place};
use crate::config::problem::{Problem, Problems, quote};
use crate::config::translation::{Constant, FieldName, FullName, MessageTranslation, Translation};
use crate::schema::message::Kind;
use crate::schema::{MessageId, Schema, TypeId};

/// What is written of two messages, in one direction.
#[derive(Default)]
pub(super) struct Written<'c> {
    pub(super) moves: Vec<Wanted>,
    /// Fields of the message that comes that are lost on purpose.
    pub(super) drops: Paths,
    /// Fields of the message that is made that are left unset on purpose.
    pub(super) unset: Paths,
    /// Fields of callers that requests lose on purpose, so that answers may lack them.
    pub(super) given_up: Paths,
    pub(super) constants: Vec<Fixed<'c>>,
    pub(super) defaults: Vec<Fixed<'c>>,
    /// Field masks of the message that comes, with the message whose fields they name.
    pub(super) masks: Vec<(Path, &'c Located<FullName>)>,
    pub(super) place: Option<Place>,
}

/// A field that has a value of its own.
pub(super) struct Fixed<'c> {
    pub(super) to: Path,
    pub(super) place: Option<Place>,
    value: &'c Constant,
}

impl<'c> Drafts<'_, 'c> {
    /// What the configuration says of two messages.
    pub(super) fn written(&mut self, key: &Key) -> Written<'c> {
        let way = self.way;
        let Some((name, entry)) = entry(&way, key) else { return Written::default() };
        self.used.extend(name.place);
        let (own, other) = (way.own(key), way.other(key));
        let (own_schema, other_schema) = (way.own_schema(), way.other_schema());
        let mut written = Written { place: name.place, ..Written::default() };
        for (mine, theirs) in entry.fields.iter() {
            let mine = self.resolve(own_schema, own, mine).map(|path| (path, mine.place));
            let theirs = self.resolve(other_schema, other, theirs);
            if let (Some((mine, place)), Some(theirs)) = (mine, theirs) {
                let (from, to) = if way.is_request { (mine, theirs) } else { (theirs, mine) };
                written.moves.push(Wanted { from, to, place });
            }
        }
        for (mask, whose) in entry.masks.iter() {
            let Some(path) = self.resolve(own_schema, own, mask) else { continue };
            if way.is_request {
                written.masks.push((path, whose));
                continue;
            }
            // The mask of the other message that becomes it.
            let moved = written.moves.iter().find(|wanted| wanted.to == path);
            let from = moved.map(|wanted| wanted.from.clone());
            let from = from.or_else(|| {
                let name = own_schema.bytes(field(own_schema, own, &path).name());
                other_schema.message(other).field_by_name(other_schema, name).map(|at| vec![at])
            });
            written.masks.extend(from.map(|from| (from, whose)));
        }
        let section = if way.is_request { &entry.request } else { &entry.answer };
        for name in &section.drop {
            // A name is that of the message that comes, if it has it.
            match (find(way.from, key.from, name), find(way.to, key.to, name)) {
                (Ok(path), _) => drop(written.drops.insert(path)),
                (Err(_), Ok(path)) => drop(written.unset.insert(path)),
                (Err(problem), Err(_)) => self.say(problem.at(name.place)),
            }
        }
        let given_up = entry.request.drop.iter().filter_map(|name| find(own_schema, own, name).ok());
        written.given_up = given_up.collect();
        let fixed = |drafts: &mut Self, values: &'c [(Located<FieldName>, Constant)]| -> Vec<Fixed<'c>> {
            let resolved = values.iter().filter_map(|(name, value)| {
                let to = drafts.resolve(way.to, key.to, name)?;
                Some(Fixed { to, place: name.place, value })
            });
            resolved.collect()
        };
        written.constants = fixed(self, &section.constants);
        written.defaults = fixed(self, &section.defaults);
        written
    }

    /// The positions that a path of names leads to.
    fn resolve(&mut self, schema: &Schema, message: MessageId, path: &Located<FieldName>) -> Option<Path> {
        match find(schema, message, path) {
            Ok(path) => Some(path),
            Err(problem) => {
                self.say(problem.at(path.place));
                None
            }
        }
    }

    /// The wire form of values that are always the same.
    pub(super) fn fillers(&mut self, key: &Key, written: &Written<'c>) -> Vec<Filler> {
        let constants = written.constants.iter().map(|fixed| (fixed, false));
        let defaults = written.defaults.iter().map(|fixed| (fixed, true));
        let mut fillers = Vec::new();
        for (fixed, is_default) in constants.chain(defaults) {
            let schema = self.way.to;
            let field = field(schema, key.to, &fixed.to);
            let typed = Typed::of(schema, field);
            let text = json(typed, &fixed.value.0).to_string();
            let mut wire = Vec::new();
            match read_field(schema, field, text.as_bytes(), &ReadOptions::default(), &mut wire) {
                Ok(()) => fillers.push(Filler { to: fixed.to.clone(), wire, is_default }),
                Err(error) => {
                    let name = full(schema, key.to, &fixed.to);
                    let text = format!("The value of {name} is not valid: {}.", error.message());
                    let hint = format!("The field is of type {}.", typed.text());
                    self.say(Problem::error(text).at(fixed.value.0.place).hint(hint));
                }
            }
        }
        fillers
    }
}

/// The section about two messages.
fn entry<'c>(way: &Way<'c>, key: &Key) -> Option<(&'c Located<FullName>, &'c MessageTranslation)> {
    let own = way.own_name(key);
    let other = way.other_schema();
    let other = other.text(other.message(way.other(key)).name());
    let (name, entries) = way.translation.messages.iter().find(|(name, _)| *name.value == *own)?;
    let fits = |entry: &&MessageTranslation| entry.by.as_ref().is_none_or(|by| *by.value == *other);
    // One that says which message it is for goes first.
    let named = entries.0.iter().filter(|entry| entry.by.is_some()).find(fits);
    Some((name, named.or_else(|| entries.0.iter().find(fits))?))
}

/// The positions that a path of names leads to, or what is wrong with it.
fn find(schema: &Schema, message: MessageId, path: &FieldName) -> Result<Path, Problem> {
    let (mut inside, mut positions) = (Some(message), Vec::new());
    for name in path.split('.') {
        let Some(id) = inside else {
            let before = dotted(schema, message, &positions);
            let typed = Typed::of(schema, field(schema, message, &positions)).text();
            let text = format!("{} leads into {}, which is {typed}.", quote(path), quote(&before));
            return Err(Problem::error(text).hint("A path leads through single messages."));
        };
        let table = schema.message(id);
        let position = table.field_by_name(schema, name.as_bytes());
        let Some(position) = position else { return Err(unknown(schema, table, name)) };
        positions.push(position);
        let field = &table.fields()[position];
        inside = match (field.kind(), Typed::of(schema, field).shape) {
            (Kind::Message(id), Shape::One) => Some(id),
            _ => None,
        };
    }
    Ok(positions)
}

/// Reports sections that say something of what nobody has met: spelling mistakes in most cases.
pub(super) fn unused(
    translation: &Translation,
    [own, _]: [&Arc<Schema>; 2],
    used: &HashSet<Place>,
    problems: &mut Problems,
) {
    let messages = translation.messages.iter().map(|(name, _)| (name, "message"));
    let enums = translation.enums.iter().map(|(name, _)| (name, "enum"));
    for (name, what) in messages.chain(enums) {
        if name.place.is_none_or(|place| used.contains(&place)) {
            continue;
        }
        let is_known = match own.find(&name.value) {
            Some(TypeId::Message(_)) => what == "message",
            Some(TypeId::Enum(_)) => what == "enum",
            None => false,
        };
        problems.push(if is_known {
            let text =
                format!("Nothing that is translated holds the {what} {} as it is written here.", name.value);
            let hint = "Remove it, or check its `by`.";
            Problem::warning(text).at(name.place).hint(hint)
        } else {
            let text = format!("There is no {what} {}.", name.value);
            let hint = format!(
                "The names are those that callers know, of the descriptors that define {}.",
                translation.service.value
            );
            Problem::error(text).at(name.place).hint(hint)
        });
    }
}
