//! Enums, whose values become those of one name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::aggregate::request::among;
use super::draft::Drafts;
use crate::compose::translate::number::{Convert, Values};
use crate::config::place::Located;
use crate::config::problem::Problem;
use crate::config::settings::collection::Pairs;
use crate::config::translation::{EnumTranslation, PlainName};
use crate::schema::enumeration::Enum;
use crate::schema::{EnumId, Schema};

impl<'c> Drafts<'_, 'c> {
    /// What the values of an enum become; nothing if one has no counterpart, which has been said then.
    pub(super) fn values(&mut self, from: EnumId, to: EnumId) -> Option<Convert> {
        if let Some(known) = self.enums.get(&(from, to)) {
            return known.clone();
        }
        let values = self.find_values(from, to);
        self.enums.insert((from, to), values.clone());
        values
    }

    fn find_values(&mut self, from: EnumId, to: EnumId) -> Option<Convert> {
        let way = self.way;
        let (source, target) = (way.from.enumeration(from), way.to.enumeration(to));
        let own = way.own_schema().text(if way.is_request { source.name() } else { target.name() });
        let entry = way.translation.enums.iter().find(|(name, _)| *name.value == *own);
        if let Some((name, entry)) = entry {
            self.used.extend(name.place);
            let own_enum = (way.own_schema(), if way.is_request { source } else { target });
            let other_enum = (way.other_schema(), if way.is_request { target } else { source });
            self.check_names(entry, own_enum, other_enum);
        }
        let mut pairs: BTreeMap<i32, i32> = BTreeMap::new();
        let mut missing: BTreeMap<i32, &str> = BTreeMap::new();
        for value in source.values() {
            let name = way.from.text(value.name());
            let written = entry.and_then(|(_, entry)| self.becomes(entry, name));
            let other = target.number(way.to, written.unwrap_or(name).as_bytes());
            match other {
                // Of several names of one number the first that has a counterpart counts.
                Some(other) => drop(pairs.entry(value.number()).or_insert(other)),
                None => drop(missing.entry(value.number()).or_insert(name)),
            }
        }
        missing.retain(|number, _| !pairs.contains_key(number));
        if !missing.is_empty() {
            let names: Vec<_> = missing.into_values().collect();
            let (from, to) = (way.from.text(source.name()), way.to.text(target.name()));
            let text = format!("{from} has values that {to} has no counterpart for: {}.", names.join(", "));
            let hint = format!(
                "Say what they become: `enums: {{{own}: {{{}: {{{}: VALUE}}}}}}`. {}",
                way.word(),
                names[0],
                among("values", names[0], &names_of(way.to, target))
            );
            let place = entry.and_then(|(name, _)| name.place).or(way.translation.service.place);
            self.say(Problem::error(text).at(place).hint(hint));
            return None;
        }
        let mut others: Vec<i32> = target.values().iter().map(|value| value.number()).collect();
        others.sort_unstable();
        others.dedup();
        let is_same = pairs.iter().all(|(from, to)| from == to)
            && others.iter().all(|number| pairs.contains_key(number));
        if is_same {
            return Some(Convert::No);
        }
        Some(Convert::Enum(Arc::new(Values { pairs: pairs.into_iter().collect(), others: others.into() })))
    }

    /// What the configuration says that a value becomes.
    fn becomes(&self, entry: &'c EnumTranslation, name: &str) -> Option<&'c str> {
        let one_way = if self.way.is_request { &entry.request } else { &entry.answer };
        let find = |pairs: &'c Pairs<PlainName, Located<PlainName>>| {
            pairs.iter().find(|(from, _)| *from.value == *name).map(|(_, to)| &*to.value)
        };
        let back = || {
            let pair = entry.values.iter().find(|(_, other)| *other.value == *name);
            pair.map(|(own, _)| &*own.value)
        };
        find(one_way).or_else(|| if self.way.is_request { find(&entry.values) } else { back() })
    }

    fn check_names(&mut self, entry: &EnumTranslation, own: (&Schema, &Enum), other: (&Schema, &Enum)) {
        let pairs = entry.values.iter().chain(entry.request.iter()).map(|(own, other)| (own, other));
        let pairs = pairs.chain(entry.answer.iter().map(|(other, own)| (own, other)));
        for (mine, theirs) in pairs {
            for (name, (schema, table)) in [(mine, own), (theirs, other)] {
                if table.number(schema, name.value.as_bytes()).is_none() {
                    let text = format!("{} has no value {}.", schema.text(table.name()), name.value);
                    let hint = among("values", &name.value, &names_of(schema, table));
                    self.say(Problem::error(text).at(name.place).hint(hint));
                }
            }
        }
        for (at, (own, other)) in entry.values.iter().enumerate() {
            let first = entry.values[..at].iter().find(|(_, first)| first.value == other.value);
            if let Some((first, _)) = first {
                let text = format!(
                    "{} and {} would both become {}, which could become only one of them again.",
                    first.value, own.value, other.value
                );
                let hint = format!(
                    "Write the one that answers do not show under `request`: `request: {{{}: {}}}`.",
                    own.value, other.value
                );
                self.say(Problem::error(text).at(own.place).related(first.place, "the other one").hint(hint));
            }
        }
    }
}

fn names_of<'s>(schema: &'s Schema, table: &Enum) -> Vec<&'s str> {
    table.values().iter().map(|value| schema.text(value.name())).collect()
}
