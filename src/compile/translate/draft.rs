//! What becomes of each field of each message in one direction, before tables are made of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use super::super::aggregate::types::Typed;
use super::written::Written;
use super::{loss, oneofs};
use crate::compose::translate::number::Convert;
use crate::config::place::Place;
use crate::config::problem::{Problem, Problems};
use crate::config::translation::Translation;
use crate::schema::message::{Field, Kind, Message};
use crate::schema::{EnumId, MessageId, Schema};

/// How many pairs of messages may be held against one another.
const MAX_PAIRS: usize = 20_000;

/// The positions of fields that lead into a message, each but the last that of a single message.
pub(super) type Path = Vec<usize>;
pub(super) type Paths = BTreeSet<Path>;

/// A translation in one direction.
#[derive(Clone, Copy)]
pub(super) struct Way<'c> {
    pub(super) translation: &'c Translation,
    /// The schema of the messages that come.
    pub(super) from: &'c Arc<Schema>,
    /// The schema of those that are made.
    pub(super) to: &'c Arc<Schema>,
    /// Whether messages of callers come.
    pub(super) is_request: bool,
}

/// Two messages, of which one becomes the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) from: MessageId,
    pub(super) to: MessageId,
    /// What is taken out of the one that comes by those around it, or is dropped there.
    pub(super) taken: Paths,
    /// What is moved into the one that is made from elsewhere, or is left unset there.
    pub(super) given: Paths,
}

/// What becomes of the fields of a message.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) key: Key,
    pub(super) moves: Vec<Move>,
    pub(super) fillers: Vec<Filler>,
}

/// A field that becomes another one.
#[derive(Clone, Debug)]
pub(super) struct Move {
    pub(super) from: Path,
    pub(super) to: Path,
    pub(super) fit: Fit,
}

/// How a value becomes another one.
#[derive(Clone, Debug)]
pub(super) enum Fit {
    /// A value of its own; messages as they are.
    Value(Convert),
    /// A message, by the draft at this position.
    Message(usize),
    /// A field mask.
    Mask(Masked),
}

/// Whose fields a mask names.
#[derive(Clone, Debug)]
pub(super) enum Masked {
    /// Those of the message that callers know by this name.
    Named(String, Option<Place>),
    /// Those of the message with the draft at this position.
    Draft(usize),
}

/// Fields that are always the same.
#[derive(Clone, Debug)]
pub(super) struct Filler {
    pub(super) to: Path,
    pub(super) wire: Vec<u8>,
    pub(super) is_default: bool,
}

/// A field that is to become another one, as it is written or as its name says.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) from: Path,
    pub(super) to: Path,
    pub(super) place: Option<Place>,
}

/// What is to become of the fields of a message.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) wanted: Vec<Wanted>,
    /// Fields of the message that comes that would only become what is left unset on purpose.
    pub(super) lost: Paths,
    /// Fields of the message that is made that would only come of what is lost on purpose.
    pub(super) lacking: Paths,
}

/// All messages of one direction.
pub(super) struct Drafted<'c> {
    pub(super) way: Way<'c>,
    pub(super) drafts: Vec<Draft>,
}

/// Finds out what becomes of messages.
pub(super) struct Drafts<'d, 'c> {
    pub(super) way: Way<'c>,
    pub(super) enums: HashMap<(EnumId, EnumId), Option<Convert>>,
    /// The sections of the configuration that say something of what was found, by their places.
    pub(super) used: &'d mut HashSet<Place>,
    problems: &'d mut Problems,
    /// What was said already: much is the same in both directions.
    said: &'d mut HashSet<String>,
    keys: BTreeMap<Key, usize>,
    open: VecDeque<(usize, Key)>,
    drafts: Vec<Draft>,
}

impl<'c> Way<'c> {
    /// The schema that callers know.
    pub(super) fn own_schema(&self) -> &'c Schema {
        if self.is_request { self.from } else { self.to }
    }

    /// That of the service that answers.
    pub(super) fn other_schema(&self) -> &'c Schema {
        if self.is_request { self.to } else { self.from }
    }

    /// The message of a pair that callers know.
    pub(super) fn own(&self, key: &Key) -> MessageId {
        if self.is_request { key.from } else { key.to }
    }

    /// The one that stands for it.
    pub(super) fn other(&self, key: &Key) -> MessageId {
        if self.is_request { key.to } else { key.from }
    }

    /// The full name of the message of a pair that callers know.
    pub(super) fn own_name(&self, key: &Key) -> &'c str {
        self.own_schema().text(self.own_schema().message(self.own(key)).name())
    }

    /// The word of the configuration for it.
    pub(super) const fn word(&self) -> &'static str {
        if self.is_request { "request" } else { "answer" }
    }

    /// The configuration that drops fields of a message.
    pub(super) fn dropping(&self, key: &Key, names: &[String]) -> String {
        format!(
            "`messages: {{{}: {{{}: {{drop: [{}]}}}}}}`",
            self.own_name(key),
            self.word(),
            names.join(", ")
        )
    }
}

/// Whether a path, or a message on its way, is among these.
pub(super) fn covers(paths: &Paths, path: &[usize]) -> bool {
    (1..=path.len()).any(|length| paths.contains(&path[..length]))
}

/// What of these lies in the message that a path leads to, from there on.
pub(super) fn inside<'p>(paths: impl IntoIterator<Item = &'p Path>, path: &[usize]) -> Paths {
    let inside = |other: &&'p Path| other.len() > path.len() && other.starts_with(path);
    paths.into_iter().filter(inside).map(|other| other[path.len()..].to_vec()).collect()
}

/// The message that a path leads into, and the position of the field in it.
pub(super) fn leaf<'s>(schema: &'s Schema, message: MessageId, path: &[usize]) -> (&'s Message, usize) {
    let mut inside = schema.message(message);
    for (at, position) in path.iter().enumerate() {
        match inside.fields()[*position].kind() {
            Kind::Message(next) if at + 1 < path.len() => inside = schema.message(next),
            _ => return (inside, *position),
        }
    }
    (inside, 0)
}

/// The field that a path leads to.
pub(super) fn field<'s>(schema: &'s Schema, message: MessageId, path: &[usize]) -> &'s Field {
    let (message, position) = leaf(schema, message, path);
    &message.fields()[position]
}

/// The names of a path, joined by dots.
pub(super) fn dotted(schema: &Schema, message: MessageId, path: &[usize]) -> String {
    let name = |length: usize| schema.text(field(schema, message, &path[..length]).name());
    (1..=path.len()).map(name).collect::<Vec<_>>().join(".")
}

/// The full name of the field that a path leads to.
pub(super) fn full(schema: &Schema, message: MessageId, path: &[usize]) -> String {
    format!("{}.{}", schema.text(schema.message(message).name()), dotted(schema, message, path))
}

impl<'d, 'c> Drafts<'d, 'c> {
    pub(super) fn new(
        way: Way<'c>,
        problems: &'d mut Problems,
        said: &'d mut HashSet<String>,
        used: &'d mut HashSet<Place>,
    ) -> Self {
        Self {
            way,
            enums: HashMap::new(),
            used,
            problems,
            said,
            keys: BTreeMap::new(),
            open: VecDeque::new(),
            drafts: Vec::new(),
        }
    }

    /// Adds the messages of a method, and all that they can hold. Returns the position of theirs.
    pub(super) fn root(&mut self, from: MessageId, to: MessageId) -> usize {
        let key = Key { from, to, taken: Paths::new(), given: Paths::new() };
        let root = self.position(key);
        // One after the other, however deep types lie in one another.
        while let Some((position, key)) = self.open.pop_front() {
            let draft = self.draft(key);
            debug_assert_eq!(position, self.drafts.len(), "drafts are made in the order of their positions");
            self.drafts.push(draft);
        }
        root
    }

    pub(super) fn finish(self) -> Drafted<'c> {
        Drafted { way: self.way, drafts: self.drafts }
    }

    /// The position of the draft of two messages, which is made later if it is new.
    pub(super) fn position(&mut self, key: Key) -> usize {
        if let Some(known) = self.keys.get(&key) {
            return *known;
        }
        let position = self.keys.len();
        if position == MAX_PAIRS {
            let text = format!("More than {MAX_PAIRS} pairs of messages would have to be translated.");
            let hint = "Translate services with fewer types, or fewer of their methods.";
            self.say(Problem::error(text).at(self.way.translation.service.place).hint(hint));
        }
        if position >= MAX_PAIRS {
            return 0;
        }
        self.keys.insert(key.clone(), position);
        self.open.push_back((position, key));
        position
    }

    /// Reports a problem once.
    pub(super) fn say(&mut self, problem: Problem) {
        let place = problem.place.map(Place::start);
        if self.said.insert(format!("{place:?} {}", problem.message)) {
            self.problems.push(problem);
        }
    }

    fn draft(&mut self, key: Key) -> Draft {
        let written = self.written(&key);
        let plan = self.plan(&key, &written);
        let wanted = &plan.wanted;
        self.check_sources(&key, &written, wanted);
        let taken: Paths = wanted.iter().map(|wanted| &wanted.from).chain(&written.drops).cloned().collect();
        let given = wanted.iter().map(|wanted| &wanted.to).chain(&written.unset).cloned();
        let given: Paths = given.chain(self.counterparts(&key, &written, wanted)).collect();
        let mut moves = Vec::new();
        for one in wanted {
            let inner_taken = inside(taken.iter().chain(&key.taken), &one.from);
            let inner_given = inside(given.iter().chain(&key.given), &one.to);
            let fit = self.fit(&key, one, inner_taken, inner_given);
            moves.extend(fit.map(|fit| Move { from: one.from.clone(), to: one.to.clone(), fit }));
        }
        self.masks(&key, &written, &mut moves);
        let mut fillers = self.fillers(&key, &written);
        oneofs::check(self, &key, &written, wanted);
        loss::check(self, &key, &written, &plan);
        fillers.extend(self.zeros(&key, &moves, &fillers));
        Draft { key, moves, fillers }
    }

    /// The fields that are to become others: those that are written, and those of one name.
    fn plan(&self, key: &Key, written: &Written<'_>) -> Plan {
        let Way { from, to, .. } = self.way;
        let (source, target) = (from.message(key.from), to.message(key.to));
        let is_lost = |path: &[usize]| covers(&key.taken, path) || covers(&written.drops, path);
        let is_unset = |path: &[usize]| covers(&written.unset, path);
        let is_given = |path: &[usize]| {
            is_unset(path)
                || covers(&key.given, path)
                || written.constants.iter().any(|constant| constant.to == path)
        };
        let mut plan = Plan::default();
        let mut add = |wanted: Wanted, is_written: bool| {
            if is_lost(&wanted.from) {
                plan.lacking.extend(covers(&written.drops, &wanted.from).then_some(wanted.to));
            } else if is_unset(&wanted.to) {
                plan.lost.insert(wanted.from);
            } else if is_written || !is_given(&wanted.to) {
                plan.wanted.push(wanted);
            }
        };
        written.moves.iter().for_each(|wanted| add(wanted.clone(), true));
        let is_written = |position: usize, side: fn(&Wanted) -> &Path| {
            written.moves.iter().any(|wanted| *side(wanted) == [position])
        };
        for (position, field) in source.fields().iter().enumerate() {
            let Some(other) = target.field_by_name(to, from.bytes(field.name())) else { continue };
            let is_same = to.text(target.fields()[other].name()) == from.text(field.name());
            if is_same
                && !is_written(position, |wanted| &wanted.from)
                && !is_written(other, |wanted| &wanted.to)
            {
                add(Wanted { from: vec![position], to: vec![other], place: None }, false);
            }
        }
        plan.wanted.sort_by(|one, other| one.from.cmp(&other.from));
        plan
    }

    /// What would come of fields that are dropped inside of messages that become others as a whole.
    fn counterparts(&self, key: &Key, written: &Written<'_>, wanted: &[Wanted]) -> Vec<Path> {
        let Way { from, to, .. } = self.way;
        let mut found = Vec::new();
        for drop in &written.drops {
            let around =
                wanted.iter().filter(|one| drop.len() > one.from.len() && drop.starts_with(&one.from));
            for one in around {
                let names = (one.from.len() + 1..=drop.len())
                    .map(|length| from.bytes(field(from, key.from, &drop[..length]).name()));
                let mut path = one.to.clone();
                let is_there = names.into_iter().all(|name| {
                    let Kind::Message(inner) = field(to, key.to, &path).kind() else { return false };
                    let position = to.message(inner).field_by_name(to, name);
                    path.extend(position);
                    position.is_some()
                });
                found.extend(is_there.then_some(path));
            }
        }
        found
    }

    /// Reports fields that would be made of several.
    fn check_sources(&mut self, key: &Key, written: &Written<'_>, wanted: &[Wanted]) {
        let schema = self.way.to;
        let mut sources: BTreeMap<&Path, &Wanted> = BTreeMap::new();
        for one in wanted {
            let first = sources.insert(&one.to, one);
            let fixed = written.constants.iter().any(|constant| constant.to == one.to);
            if first.is_none() && !fixed && !covers(&key.given, &one.to) {
                continue;
            }
            let name = full(schema, key.to, &one.to);
            let of = first.map(|first| full(self.way.from, key.from, &first.from));
            let own = full(self.way.from, key.from, &one.from);
            let text = match of {
                Some(other) => format!("{name} would come of two fields: {other} and {own}."),
                None => format!("{name} would come of {own}, and has another source already."),
            };
            let lost = dotted(self.way.from, key.from, &one.from);
            let hint = format!("Lose one on purpose: {}.", self.way.dropping(key, &[lost]));
            let problem = Problem::error(text).at(one.place.or(self.place(written))).hint(hint);
            self.say(match first.and_then(|first| first.place) {
                Some(place) => problem.related(place, "the other one"),
                None => problem,
            });
        }
        for filler in written.constants.iter().chain(&written.defaults) {
            let is_in = |one: &&Wanted| filler.to.starts_with(&one.to) && filler.to.len() > one.to.len();
            let is_around = |one: &&Wanted| one.to.starts_with(&filler.to) && filler.to.len() < one.to.len();
            let Some(around) = wanted.iter().find(|one| is_in(one) || is_around(one)) else { continue };
            let name = full(schema, key.to, &filler.to);
            let other = full(schema, key.to, &around.to);
            let text = format!("{name} cannot have a value of its own, as {other} comes of another field.");
            let hint = "Write the value where the message is translated that holds the field: under `messages`, with the \
                        full name that callers have for it.";
            self.say(Problem::error(text).at(filler.place).hint(hint));
        }
    }

    /// Where something is said about two messages.
    pub(super) fn place(&self, written: &Written<'_>) -> Option<Place> {
        written.place.or(self.way.translation.service.place)
    }

    /// The types of two fields in words.
    pub(super) fn types(&self, key: &Key, wanted: &Wanted) -> [String; 2] {
        let from = Typed::of(self.way.from, field(self.way.from, key.from, &wanted.from)).text();
        let to = Typed::of(self.way.to, field(self.way.to, key.to, &wanted.to)).text();
        [from, to]
    }
}
