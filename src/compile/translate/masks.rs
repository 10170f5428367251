//! What fields are called on the other side, for field masks and errors, and the tables of both directions.

use std::collections::HashSet;
use std::sync::Arc;

use super::draft::{Draft, Drafted, Fit, Masked, Move, field};
use super::emit;
use crate::compose::translate::names::{Name, Names, Renamed, Renaming, Scope};
use crate::compose::translate::table::Tables;
use crate::config::problem::{Problem, Problems};
use crate::config::translation::Translation;
use crate::schema::message::Cardinality;
use crate::schema::{MessageId, Schema};

/// What callers call the fields of the messages that are made of theirs.
pub(super) fn flipped(drafted: &Drafted<'_>) -> Names {
    names(drafted, true)
}

/// The names of the fields of all messages, a scope for each draft: from those that come to those that are made, or the
/// other way round.
fn names(drafted: &Drafted<'_>, is_flipped: bool) -> Names {
    let scope = |draft: &Draft| {
        let renamed = draft.moves.iter().map(|one| {
            let from = name_of(drafted.way.from, draft.key.from, &one.from);
            let to = name_of(drafted.way.to, draft.key.to, &one.to);
            let (from, to) = if is_flipped { (to, from) } else { (from, to) };
            Renamed { from, to, inside: inside(drafted, draft, one) }
        });
        Scope(renamed.collect())
    };
    Names(drafted.drafts.iter().map(scope).collect())
}

/// The draft of the messages that a field holds; of a map those that are its values.
fn inside(drafted: &Drafted<'_>, draft: &Draft, one: &Move) -> Option<usize> {
    let Fit::Message(position) = one.fit else { return None };
    let holder = field(drafted.way.from, draft.key.from, &one.from);
    if holder.cardinality() != Cardinality::Map {
        return Some(position);
    }
    let values = drafted.drafts.get(position)?.moves.iter().find_map(|entry| match entry.fit {
        Fit::Message(value) => Some(value),
        _ => None,
    });
    // One that is not there says that nothing in it has another name.
    values
}

fn name_of(schema: &Schema, message: MessageId, path: &[usize]) -> Box<[Name]> {
    let name = |length: usize| {
        let field = field(schema, message, &path[..length]);
        Name { proto: schema.text(field.name()).into(), json: schema.text(field.json_name()).into() }
    };
    (1..=path.len()).map(name).collect()
}

/// The tables of both directions, with masks that know the names of the messages that they are for. Nothing if one is
/// for a message that is not known, which has been said then.
pub(super) fn resolved(
    request: &Drafted<'_>,
    answer: &Drafted<'_>,
    translation: &Translation,
    problems: &mut Problems,
) -> Option<[Tables; 2]> {
    let forward = [request, answer].map(|drafted| Arc::new(names(drafted, false)));
    let backward = [request, answer].map(|drafted| Arc::new(names(drafted, true)));
    let before = problems.errors();
    let both = [request, answer];
    let mut said = HashSet::new();
    let tables = [0, 1].map(|at| {
        emit::tables(both[at], |masked| {
            let is_strict = at == 0;
            let (names, scope) = match masked {
                Masked::Draft(scope) => (&forward[at], *scope),
                Masked::Named(name, place) => {
                    let own = both[at].way.own_schema().find_message(name);
                    let here = own.and_then(|own| scope_of(both[at], own));
                    let there = own.and_then(|own| scope_of(both[1 - at], own));
                    match (here, there) {
                        (Some(scope), _) => (&forward[at], scope),
                        (None, Some(scope)) => (&backward[1 - at], scope),
                        (None, None) if !said.insert(name.clone()) => return None,
                        (None, None) => {
                            let text = match own {
                                None => format!("There is no message {name}."),
                                Some(_) => format!(
                                    "No method of {} takes or answers {name}.",
                                    translation.service.value
                                ),
                            };
                            let hint = "Name the message that callers know whose fields the mask names.";
                            problems.push(Problem::error(text).at(*place).hint(hint));
                            return None;
                        }
                    }
                }
            };
            Some(Renaming { names: Arc::clone(names), scope, is_strict })
        })
    });
    (problems.errors() == before).then_some(tables)
}

/// The position of the draft of a message that callers know, as a whole.
fn scope_of(drafted: &Drafted<'_>, own: MessageId) -> Option<usize> {
    drafted.drafts.iter().position(|draft| {
        drafted.way.own(&draft.key) == own && draft.key.taken.is_empty() && draft.key.given.is_empty()
    })
}
