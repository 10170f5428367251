//! What would be lost.

use super::draft::{Drafts, Key, Paths, Plan, covers, dotted, full};
use super::written::Written;
use crate::config::problem::Problem;
use crate::schema::message::{Cardinality, Kind};
use crate::schema::{MessageId, Presence, Schema};

/// How many fields a problem names.
const MAX_NAMED: usize = 10;

/// Reports the fields that would be lost. Those of requests, and those that answers would lack, are errors, as callers
/// rely on them. What answers hold and callers cannot see is a warning: a newer service has more.
pub(super) fn check(drafts: &mut Drafts<'_, '_>, key: &Key, written: &Written<'_>, plan: &Plan) {
    let way = drafts.way;
    let mut known: Paths = plan.wanted.iter().map(|wanted| wanted.from.clone()).collect();
    known.extend(key.taken.iter().chain(&written.drops).chain(&plan.lost).cloned());
    let lost = unknown(way.from, key.from, &known, |_| true);
    let place = drafts.place(written);
    if !lost.is_empty() {
        let (names, paths) = named(way.from, key.from, &lost);
        let it = if paths.len() == 1 { "it" } else { "them" };
        let other = way.to.text(way.to.message(key.to).name());
        let dropping = way.dropping(key, &paths);
        let problem = if way.is_request {
            let text = format!("Requests would lose {names}: {other} has no place for {it}.");
            let hint = format!(
                "Say where it goes, `messages: {{{}: {{fields: {{{}: FIELD}}}}}}`, or lose it on purpose: {dropping}.",
                way.own_name(key),
                paths[0]
            );
            Problem::error(text).hint(hint)
        } else {
            let text = format!("Answers lose {names}: {other} has no place for {it}.");
            Problem::warning(text).hint(format!("If that is meant, write {dropping}."))
        };
        drafts.say(problem.at(place));
    }
    let mut known: Paths = plan.wanted.iter().map(|wanted| wanted.to.clone()).collect();
    known.extend(key.given.iter().chain(&written.unset).cloned());
    if !way.is_request {
        known.extend(plan.lacking.iter().chain(&written.given_up).cloned());
    }
    known.extend(written.constants.iter().chain(&written.defaults).map(|fixed| fixed.to.clone()));
    let is_needed = |cardinality| !way.is_request || cardinality == Cardinality::Singular(Presence::Required);
    let unset = unknown(way.to, key.to, &known, is_needed);
    if !unset.is_empty() {
        let (names, paths) = named(way.to, key.to, &unset);
        let (it, is) = if paths.len() == 1 { ("it", "is") } else { ("them", "are") };
        let other = way.from.text(way.from.message(key.from).name());
        let (text, hint) = if way.is_request {
            let text =
                format!("Requests would lack {names}, which {is} required: {other} has nothing for {it}.");
            let hint = format!(
                "Give it a value: `messages: {{{}: {{request: {{constants: {{{}: VALUE}}}}}}}}`.",
                way.own_name(key),
                paths[0]
            );
            (text, hint)
        } else {
            let text = format!("Answers would lack {names}: {other} has nothing for {it}.");
            let hint = format!(
                "Say where it comes from, `messages: {{{}: {{fields: {{{}: FIELD}}}}}}`, or leave it unset on purpose: {}.",
                way.own_name(key),
                paths[0],
                way.dropping(key, &paths)
            );
            (text, hint)
        };
        drafts.say(Problem::error(text).at(place).hint(hint));
    }
}

/// The fields of a message that are not known; inside of single messages, where something in them is known.
fn unknown(
    schema: &Schema,
    message: MessageId,
    known: &Paths,
    counts: impl Fn(Cardinality) -> bool,
) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    let mut open = vec![(message, Vec::new())];
    while let Some((id, before)) = open.pop() {
        for (position, field) in schema.message(id).fields().iter().enumerate() {
            let path = [&*before, &[position]].concat();
            if covers(known, &path) {
                continue;
            }
            let is_around = known.iter().any(|known| known.len() > path.len() && known.starts_with(&path));
            match field.kind() {
                Kind::Message(inner) if is_around => open.push((inner, path)),
                _ if counts(field.cardinality()) => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// The full names of fields, and their paths.
fn named(schema: &Schema, message: MessageId, paths: &[Vec<usize>]) -> (String, Vec<String>) {
    let names: Vec<_> = paths.iter().take(MAX_NAMED).map(|path| full(schema, message, path)).collect();
    let more = paths.len().saturating_sub(MAX_NAMED);
    let names = match (&*names, more) {
        ([only], 0) => only.clone(),
        ([all @ .., last], 0) => format!("{} and {last}", all.join(", ")),
        (all, more) => format!("{} and {more} more", all.join(", ")),
    };
    (names, paths.iter().map(|path| dotted(schema, message, path)).collect())
}
