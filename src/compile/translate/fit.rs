//! Whether the value of one field can become that of another, and how.

use super::super::aggregate::types::{Shape, Typed};
use super::draft::{Drafts, Filler, Fit, Key, Masked, Move, Paths, Wanted, dotted, field, full};
use super::written::Written;
use crate::compose::translate::number::{Convert, Integer};
use crate::config::problem::Problem;
use crate::schema::message::{Cardinality, Kind, WellKnown};
use crate::schema::{MessageId, Presence};
use crate::wire::WireType;
use crate::wire::writer;

/// What all well-known messages are called.
const WELL_KNOWN: &str = "google.protobuf.";

impl Drafts<'_, '_> {
    /// How a field becomes another one; nothing if it cannot, which has been said then.
    pub(super) fn fit(&mut self, key: &Key, wanted: &Wanted, taken: Paths, given: Paths) -> Option<Fit> {
        let (from, to) = (self.way.from, self.way.to);
        let source = Typed::of(from, field(from, key.from, &wanted.from));
        let target = Typed::of(to, field(to, key.to, &wanted.to));
        let is_shaped =
            source.shape == target.shape || (source.shape, target.shape) == (Shape::One, Shape::Many);
        let fit = if is_shaped { self.kinds(source.kind, target.kind, taken, given) } else { Err(()) };
        match fit {
            Ok(fit) => fit,
            Err(()) => {
                self.unfit(key, wanted);
                None
            }
        }
    }

    /// The same for single values. Nothing within where it has been said what is wrong.
    fn kinds(&mut self, from: Kind, to: Kind, taken: Paths, given: Paths) -> Result<Option<Fit>, ()> {
        if let (Kind::Message(from), Kind::Message(to)) = (from, to) {
            return self.messages(from, to, taken, given).map(Some).ok_or(());
        }
        if let (Kind::Enum(from), Kind::Enum(to)) = (from, to) {
            return Ok(self.values(from, to).map(Fit::Value));
        }
        if let (Some(from), Some(to)) = (integer(from), integer(to)) {
            let is_same = from == to;
            return Ok(Some(Fit::Value(if is_same { Convert::No } else { Convert::Integer(from, to) })));
        }
        Ok(Some(Fit::Value(match (from, to) {
            (Kind::Float, Kind::Double) => Convert::Double,
            (Kind::Bytes, Kind::String) => Convert::Text,
            (Kind::String, Kind::Bytes) => Convert::No,
            (from, to) if from == to => Convert::No,
            _ => return Err(()),
        })))
    }

    fn messages(&mut self, from: MessageId, to: MessageId, taken: Paths, given: Paths) -> Option<Fit> {
        let (source, target) = (self.way.from.message(from), self.way.to.message(to));
        let names = [self.way.from.text(source.name()), self.way.to.text(target.name())];
        let known = [source.well_known(), target.well_known()];
        let is_plain = taken.is_empty() && given.is_empty();
        if names[0] == names[1] && known[0].is_some_and(|known| known != WellKnown::Wrapper) && is_plain {
            return Some(match known[0] {
                // Whose fields it names is found out when all fields around it are known.
                Some(WellKnown::FieldMask) => Fit::Mask(Masked::Draft(usize::MAX)),
                _ => Fit::Value(Convert::No),
            });
        }
        let is_special = |at: usize| known[at].is_some() && known[at] != Some(WellKnown::Wrapper);
        let is_wrapper = |at: usize| known[at] == Some(WellKnown::Wrapper);
        let differs = names[0] != names[1] && names.iter().any(|name| name.starts_with(WELL_KNOWN));
        if is_plain && (is_special(0) || is_special(1) || (differs && is_wrapper(0) != is_wrapper(1))) {
            return None;
        }
        Some(Fit::Message(self.position(Key { from, to, taken, given })))
    }

    fn unfit(&mut self, key: &Key, wanted: &Wanted) {
        let way = self.way;
        let [source, target] = self.types(key, wanted);
        let own = full(way.from, key.from, &wanted.from);
        let other = full(way.to, key.to, &wanted.to);
        let effect = if way.is_request { "requests cannot pass it on" } else { "answers cannot show it" };
        let text = format!("{own} is {source}, but {other} is {target}, so {effect}.");
        let lost = dotted(way.from, key.from, &wanted.from);
        let hint = match (source.as_str(), target.as_str()) {
            ("double", "float") => "A float holds less than a double. ",
            (source, _) if source.starts_with("repeated ") && !target.starts_with("repeated ") => {
                "A single value cannot hold a list. "
            }
            _ => "Fields of one type fit, and those that lose nothing, such as int32 and int64. ",
        };
        let hint = format!("{hint}Lose it on purpose: {}.", way.dropping(key, &[lost]));
        let place = wanted.place.or(self
            .way
            .translation
            .messages
            .iter()
            .find_map(|(name, _)| (*name.value == *way.own_name(key)).then_some(name.place).flatten()));
        let place = place.or(way.translation.service.place);
        self.say(Problem::error(text).at(place).hint(hint));
    }

    /// Finds out whose fields masks name.
    pub(super) fn masks(&mut self, key: &Key, written: &Written<'_>, moves: &mut [Move]) {
        let messages: Vec<_> = moves
            .iter()
            .filter(|one| {
                let field = field(self.way.from, key.from, &one.from);
                matches!(field.cardinality(), Cardinality::Singular(_))
            })
            .filter_map(|one| match one.fit {
                Fit::Message(draft) => Some(draft),
                _ => None,
            })
            .collect();
        for one in moves.iter_mut().filter(|one| matches!(one.fit, Fit::Mask(_))) {
            let named = written.masks.iter().find(|(path, _)| *path == one.from);
            one.fit = match (named, &*messages) {
                (Some((_, name)), _) => Fit::Mask(Masked::Named(name.value.to_string(), name.place)),
                // The resource beside an update mask (AIP-134).
                (None, [only]) => Fit::Mask(Masked::Draft(*only)),
                (None, _) => {
                    if self.way.is_request {
                        let name = full(self.way.from, key.from, &one.from);
                        let text = format!("{name} names fields, and nothing says of which message.");
                        let mask = dotted(self.way.from, key.from, &one.from);
                        let own = self.way.own_name(key);
                        let hint = format!(
                            "Write `messages: {{{own}: {{masks: {{{mask}: package.Message}}}}}}`, with the message that callers know."
                        );
                        self.say(Problem::error(text).at(self.place(written)).hint(hint));
                    }
                    Fit::Value(Convert::No)
                }
            };
        }
    }

    /// What is written where a field that is not set stands for a value that is not zero on the other side.
    pub(super) fn zeros(&self, key: &Key, moves: &[Move], fillers: &[Filler]) -> Vec<Filler> {
        let mut zeros = Vec::new();
        for one in moves {
            let Fit::Value(Convert::Enum(values)) = &one.fit else { continue };
            let source = field(self.way.from, key.from, &one.from);
            let target = field(self.way.to, key.to, &one.to);
            let is_implicit = source.cardinality() == Cardinality::Singular(Presence::Implicit)
                || self.way.from.message(key.from).is_map_entry();
            let is_single =
                matches!(target.cardinality(), Cardinality::Singular(_)) && target.oneof().is_none();
            let number = values.of(0).unwrap_or_default();
            let is_filled = fillers.iter().any(|filler| filler.to == one.to);
            if !is_implicit || !is_single || number == 0 || is_filled {
                continue;
            }
            let mut wire = Vec::new();
            writer::tag(&mut wire, target.number(), WireType::Varint);
            writer::varint(&mut wire, i64::from(number) as u64);
            zeros.push(Filler { to: one.to.clone(), wire, is_default: true });
        }
        zeros
    }
}

/// The integer that a type is; an enum is its number.
const fn integer(kind: Kind) -> Option<Integer> {
    Some(match kind {
        Kind::Int32 | Kind::Enum(_) => Integer::Int32,
        Kind::Int64 => Integer::Int64,
        Kind::Uint32 => Integer::Uint32,
        Kind::Uint64 => Integer::Uint64,
        Kind::Sint32 => Integer::Sint32,
        Kind::Sint64 => Integer::Sint64,
        Kind::Fixed32 => Integer::Fixed32,
        Kind::Fixed64 => Integer::Fixed64,
        Kind::Sfixed32 => Integer::Sfixed32,
        Kind::Sfixed64 => Integer::Sfixed64,
        _ => return None,
    })
}
