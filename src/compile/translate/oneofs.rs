//! Oneofs: of their members at most one is set, so they cannot hold what can be set at the same time.

use std::collections::BTreeMap;

use super::draft::{Drafts, Key, Wanted, full, leaf};
use super::written::Written;
use crate::config::problem::Problem;
use crate::schema::{MessageId, Schema};

/// A oneof: the path to the message that it is in, itself or in a single message of it, and its position there.
type Oneof = (Vec<usize>, usize);
/// A oneof and the position of one of its members.
type Member = (Oneof, usize);

/// Reports fields that can be set together and would become members of one oneof.
pub(super) fn check(drafts: &mut Drafts<'_, '_>, key: &Key, written: &Written<'_>, wanted: &[Wanted]) {
    let way = drafts.way;
    let mut oneofs: BTreeMap<Oneof, Vec<(usize, &Wanted)>> = BTreeMap::new();
    for one in wanted {
        for (oneof, member) in members(way.to, key.to, &one.to) {
            oneofs.entry(oneof).or_default().push((member, one));
        }
    }
    for all in oneofs.values() {
        let clash = all.iter().enumerate().find_map(|(at, (member, one))| {
            let other = all[..at].iter().find(|(other, first)| {
                other != member && !are_exclusive(way.from, key.from, &first.from, &one.from)
            })?;
            Some((other.1, *one))
        });
        let Some((first, second)) = clash else { continue };
        let name = |one: &Wanted| full(way.from, key.from, &one.from);
        let other = |one: &Wanted| full(way.to, key.to, &one.to);
        let text = format!(
            "{} and {} can be set together, but of {} and {} only one can.",
            name(first),
            name(second),
            other(first),
            other(second)
        );
        let lost = super::draft::dotted(way.from, key.from, &second.from);
        let hint = format!("Lose one on purpose: {}.", way.dropping(key, &[lost]));
        let place = second.place.or(first.place).or(drafts.place(written));
        drafts.say(Problem::error(text).at(place).hint(hint));
    }
    for (fixed, is_default) in written
        .constants
        .iter()
        .map(|fixed| (fixed, false))
        .chain(written.defaults.iter().map(|fixed| (fixed, true)))
    {
        let all = members(way.to, key.to, &fixed.to);
        for (at, (oneof, member)) in all.iter().enumerate() {
            // A default in a oneof is for when none of its members is set.
            let may_be = is_default && at + 1 == all.len() && oneof.0.len() + 1 == fixed.to.len();
            let Some(others) = oneofs.get(oneof) else { continue };
            let Some((_, other)) = others.iter().find(|(other, _)| other != member && !may_be) else {
                continue;
            };
            let text = format!(
                "{} cannot have a value of its own beside {}: only one of them can be set.",
                full(way.to, key.to, &fixed.to),
                full(way.to, key.to, &other.to)
            );
            drafts
                .say(Problem::error(text).at(fixed.place).hint("Remove the value, or drop the other field."));
        }
    }
}

/// Whether two fields are never set together.
fn are_exclusive(schema: &Schema, message: MessageId, one: &[usize], other: &[usize]) -> bool {
    let others = members(schema, message, other);
    let is_other = |(oneof, member): &Member| {
        others.iter().any(|(other_oneof, other)| other_oneof == oneof && other != member)
    };
    members(schema, message, one).iter().any(is_other)
}

/// The oneofs that a path leads through.
fn members(schema: &Schema, message: MessageId, path: &[usize]) -> Vec<Member> {
    let member = |length: usize| {
        let (inside, position) = leaf(schema, message, &path[..length]);
        let oneof = inside.fields()[position].oneof()?;
        Some(((path[..length - 1].to_vec(), oneof), position))
    };
    (1..=path.len()).filter_map(member).collect()
}
