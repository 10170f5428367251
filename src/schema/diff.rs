//! What breaks for callers when one [`Schema`] takes the place of another.
//!
//! Callers are of two kinds: those that speak protobuf, which know numbers and types, and those that speak JSON, which
//! know names. Only what can be reached from methods in use counts: their request and answer messages and all that
//! those can hold. Something new breaks nobody. Directions matter: a value that only answers hold can become
//! unknown to old callers, one that only requests hold cannot be sent any more; both break.
//!
//! The rules for the wire follow <https://protobuf.dev/programming-guides/proto3/#updating>: types with the same
//! encoding and meaning may replace each other.

use std::collections::HashSet;
use std::fmt;

use super::enumeration::Enum;
use super::message::{Cardinality, Field, Kind, Message};
use super::method::Method;
use super::{EnumId, MessageId, Presence, Schema};

/// The most changes that are listed.
const MAX_CHANGES: usize = 200;

/// Whom a change breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Breaks {
    /// Callers that speak protobuf, and those that speak JSON.
    Calls,
    /// What lies on the wire means something else, for callers of either kind that keep their descriptors.
    Wire,
    /// Callers that speak JSON.
    Json,
}

impl fmt::Display for Breaks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Calls => "calls",
            Self::Wire => "wire",
            Self::Json => "json",
        })
    }
}

/// One thing that breaks callers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Change {
    /// The full name of the service, message or enum.
    pub element: String,
    /// The method, field or value in it.
    pub member: String,
    /// What it was, in words.
    pub old: String,
    /// What it is now, in words.
    pub new: String,
    /// Whom it breaks.
    pub breaks: Breaks,
    /// How, as a sentence without the end point.
    pub effect: &'static str,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { element, member, old, new, breaks, effect } = self;
        write!(f, "{element}.{member}: was {old}, is {new}. Breaks {breaks}: {effect}.")
    }
}

/// What breaks for callers of `methods`, each `package.Service/Method`, when `new` takes the place of `old`. Methods
/// that `old` does not have are new. At most 200 changes, in order of their elements.
pub fn diff<'m>(old: &Schema, new: &Schema, methods: impl IntoIterator<Item = &'m str>) -> Vec<Change> {
    let mut differ = Differ {
        old,
        new,
        changes: Vec::new(),
        seen: HashSet::new(),
        seen_enums: HashSet::new(),
        open: Vec::new(),
    };
    for name in methods {
        if let Some((_, method)) = old.method(name) {
            differ.method(name, method);
        }
        while let Some((old, new)) = differ.open.pop() {
            differ.message(old, new);
        }
    }
    let mut changes = differ.changes;
    changes.sort();
    changes.dedup();
    changes.truncate(MAX_CHANGES);
    changes
}

struct Differ<'a> {
    old: &'a Schema,
    new: &'a Schema,
    changes: Vec<Change>,
    /// Pairs of messages and of enums that were compared or are to be.
    seen: HashSet<(MessageId, MessageId)>,
    seen_enums: HashSet<(EnumId, EnumId)>,
    open: Vec<(MessageId, MessageId)>,
}

impl Differ<'_> {
    fn add(
        &mut self,
        element: &str,
        member: &str,
        words: (String, String),
        breaks: Breaks,
        effect: &'static str,
    ) {
        // Enough to sort the first ones out of, however much there is.
        if self.changes.len() < 50 * MAX_CHANGES {
            let (old, new) = words;
            self.changes.push(Change {
                element: element.into(),
                member: member.into(),
                old,
                new,
                breaks,
                effect,
            });
        }
    }

    fn method(&mut self, name: &str, old: &Method) {
        let (service, member) = name.split_once('/').unwrap_or((name, ""));
        let Some((_, new)) = self.new.method(name) else {
            let words = ("a method".into(), "gone".into());
            return self.add(service, member, words, Breaks::Calls, "its callers get UNIMPLEMENTED");
        };
        if kind_of_call(old) != kind_of_call(new) {
            let words = (kind_of_call(old).into(), kind_of_call(new).into());
            self.add(service, member, words, Breaks::Calls, "requests and answers are made of other parts");
        }
        let types = [
            (old.input(), new.input(), "requests are of another message"),
            (old.output(), new.output(), "answers are of another message"),
        ];
        for (old, new, effect) in types {
            let names =
                [self.old.text(self.old.message(old).name()), self.new.text(self.new.message(new).name())];
            if names[0] != names[1] {
                let words = (names[0].to_owned(), names[1].to_owned());
                self.add(service, member, words, Breaks::Calls, effect);
            }
            // Another name may still be the same message.
            self.reach(old, new);
        }
    }

    fn reach(&mut self, old: MessageId, new: MessageId) {
        if self.seen.insert((old, new)) {
            self.open.push((old, new));
        }
    }

    fn message(&mut self, old: MessageId, new: MessageId) {
        let (old_schema, new_schema) = (self.old, self.new);
        let (old, new) = (old_schema.message(old), new_schema.message(new));
        let name = old_schema.text(old.name());
        if old.well_known().is_some() && old.well_known() == new.well_known() {
            return;
        }
        for field in old.fields() {
            self.field(name, (old, field), new);
        }
        for field in new.fields() {
            let is_required = field.cardinality() == Cardinality::Singular(Presence::Required);
            if is_required && old.field_by_number(field.number()).is_none() {
                let words = ("absent".into(), described(new_schema, field));
                let member = new_schema.text(field.name());
                self.add(name, member, words, Breaks::Wire, "requests without it are refused");
            }
        }
    }

    fn field(&mut self, message: &str, (was_in, old): (&Message, &Field), others: &Message) {
        let (old_schema, new_schema) = (self.old, self.new);
        let member = old_schema.text(old.name());
        let by_number = others.field_by_number(old.number()).map(|position| &others.fields()[position]);
        let json = old_schema.bytes(old.json_name());
        let by_name = others.field_by_name(new_schema, json).map(|position| &others.fields()[position]);
        let words = |new: &Field| (described(old_schema, old), described(new_schema, new));
        let Some(new) = by_number else {
            let (effect, words) = match by_name {
                Some(new) => ("its number is unknown to callers that speak protobuf", words(new)),
                None => (
                    "requests with it are refused and answers lack it",
                    (described(old_schema, old), "gone".into()),
                ),
            };
            let breaks = if by_name.is_some() { Breaks::Wire } else { Breaks::Json };
            return self.add(message, member, words, breaks, effect);
        };
        self.names(message, old, new);
        self.types(message, old, new);
        match (is_one_of_several(was_in, old), is_one_of_several(others, new)) {
            (false, true) => {
                let words =
                    (described(old_schema, old), format!("{} in a oneof", described(new_schema, new)));
                self.add(
                    message,
                    member,
                    words,
                    Breaks::Wire,
                    "it clears the other members, and they clear it",
                );
            }
            (true, false) => {
                let words =
                    (format!("{} in a oneof", described(old_schema, old)), described(new_schema, new));
                self.add(
                    message,
                    member,
                    words,
                    Breaks::Wire,
                    "it may be set beside what were the other members",
                );
            }
            _ => {}
        }
    }

    fn names(&mut self, message: &str, old: &Field, new: &Field) {
        let (old_schema, new_schema) = (self.old, self.new);
        let names = |schema: &Schema, field: &Field| {
            [schema.text(field.name()).to_owned(), schema.text(field.json_name()).to_owned()]
        };
        let [old_name, old_json] = names(old_schema, old);
        let [new_name, new_json] = names(new_schema, new);
        if old_json != new_json {
            let words = (format!("{old_json:?} in JSON"), format!("{new_json:?} in JSON"));
            self.add(
                message,
                &old_name,
                words,
                Breaks::Json,
                "requests with the old name are refused and answers have the new one",
            );
        } else if old_name != new_name {
            let words = (format!("named {old_name}"), format!("named {new_name}"));
            self.add(
                message,
                &old_name,
                words,
                Breaks::Json,
                "queries, paths and bodies with the old name are refused",
            );
        }
    }

    fn types(&mut self, message: &str, old: &Field, new: &Field) {
        let (old_schema, new_schema) = (self.old, self.new);
        let member = old_schema.text(old.name());
        let words = || (described(old_schema, old), described(new_schema, new));
        let (many, one) = (is_many(old), is_many(new));
        if many != one {
            return self.add(
                message,
                member,
                words(),
                Breaks::Wire,
                "a list becomes one value, or one value a list",
            );
        }
        if (old.cardinality() == Cardinality::Map) != (new.cardinality() == Cardinality::Map) {
            return self.add(
                message,
                member,
                words(),
                Breaks::Json,
                "a map is an object in JSON and a list is an array",
            );
        }
        let required = |field: &Field| field.cardinality() == Cardinality::Singular(Presence::Required);
        if required(new) && !required(old) {
            self.add(message, member, words(), Breaks::Wire, "requests without it are refused");
        }
        match (old.kind(), new.kind()) {
            (Kind::Message(old_id), Kind::Message(new_id)) => {
                if old.is_delimited() != new.is_delimited() {
                    self.add(
                        message,
                        member,
                        words(),
                        Breaks::Wire,
                        "a group and a message are written differently",
                    );
                }
                self.reach(old_id, new_id);
            }
            (Kind::Enum(old_id), Kind::Enum(new_id)) => self.enumeration(old_id, new_id),
            (old_kind, new_kind) if family(old_kind) != family(new_kind) => {
                self.add(
                    message,
                    member,
                    words(),
                    Breaks::Wire,
                    "what is written as the one is not read as the other",
                );
            }
            (old_kind, new_kind) if bits(new_kind) < bits(old_kind) => {
                self.add(message, member, words(), Breaks::Wire, "values that do not fit are cut");
            }
            (old_kind, new_kind) if json_form(old_kind) != json_form(new_kind) => {
                self.add(message, member, words(), Breaks::Json, "values have another form in JSON");
            }
            (old_kind, new_kind) if is_signed(old_kind) != is_signed(new_kind) => {
                self.add(
                    message,
                    member,
                    words(),
                    Breaks::Wire,
                    "negative values and very large ones change places",
                );
            }
            _ => {}
        }
    }

    fn enumeration(&mut self, old: EnumId, new: EnumId) {
        if !self.seen_enums.insert((old, new)) {
            return;
        }
        let (old_schema, new_schema) = (self.old, self.new);
        let (old, new) = (old_schema.enumeration(old), new_schema.enumeration(new));
        let name = old_schema.text(old.name());
        for value in old.values() {
            let member = old_schema.text(value.name());
            match new.number(new_schema, member.as_bytes()) {
                Some(number) if number == value.number() => {}
                Some(number) => {
                    let words = (format!("{}", value.number()), format!("{number}"));
                    self.add(name, member, words, Breaks::Wire, "the number means another value");
                }
                None => {
                    let words = (format!("{}", value.number()), renamed(new_schema, new, value.number()));
                    self.add(
                        name,
                        member,
                        words,
                        Breaks::Json,
                        "requests with the name are refused and answers lack it",
                    );
                }
            }
        }
        if old.default_number() != new.default_number() {
            let words = (old.default_number().to_string(), new.default_number().to_string());
            self.add(
                name,
                "(first value)",
                words,
                Breaks::Wire,
                "fields that are not set have another value",
            );
        }
    }
}

fn renamed(schema: &Schema, new: &Enum, number: i32) -> String {
    match new.value(number) {
        Some(value) => format!("named {}", schema.text(value.name())),
        None => "gone".into(),
    }
}

const fn kind_of_call(method: &Method) -> &'static str {
    match (method.client_streaming(), method.server_streaming()) {
        (false, false) => "unary",
        (true, false) => "client streaming",
        (false, true) => "server streaming",
        (true, true) => "streaming both ways",
    }
}

/// Whether a field excludes others: a oneof with one member is like `optional`.
fn is_one_of_several(message: &Message, field: &Field) -> bool {
    field.oneof().is_some()
        && message.fields().iter().filter(|other| other.oneof() == field.oneof()).count() > 1
}

fn is_many(field: &Field) -> bool {
    !matches!(field.cardinality(), Cardinality::Singular(_))
}

/// A field in words: number, cardinality, type.
fn described(schema: &Schema, field: &Field) -> String {
    let kind = match field.kind() {
        Kind::Message(id) => schema.text(schema.message(id).name()).to_owned(),
        Kind::Enum(id) => schema.text(schema.enumeration(id).name()).to_owned(),
        other => format!("{other:?}").to_lowercase(),
    };
    let before = match field.cardinality() {
        Cardinality::Singular(Presence::Required) => "required ",
        Cardinality::Singular(_) => "",
        Cardinality::Repeated { .. } => "repeated ",
        Cardinality::Map => return format!("{}: map of {kind}", field.number()),
    };
    format!("{}: {before}{kind}", field.number())
}

/// Types that read what the others of their family write.
const fn family(kind: Kind) -> u8 {
    match kind {
        Kind::Int32 | Kind::Int64 | Kind::Uint32 | Kind::Uint64 | Kind::Bool | Kind::Enum(_) => 0,
        Kind::Sint32 | Kind::Sint64 => 1,
        Kind::Fixed32 | Kind::Sfixed32 => 2,
        Kind::Fixed64 | Kind::Sfixed64 => 3,
        Kind::String | Kind::Bytes => 4,
        Kind::Float => 5,
        Kind::Double => 6,
        Kind::Message(_) => 7,
    }
}

/// Types that look alike in JSON: numbers, numbers in quotes, texts, and so on.
const fn json_form(kind: Kind) -> u8 {
    match kind {
        Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Fixed32 | Kind::Sfixed32 => 0,
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => 1,
        Kind::Bool => 2,
        Kind::Enum(_) => 3,
        Kind::String => 4,
        Kind::Bytes => 5,
        Kind::Float | Kind::Double => 6,
        Kind::Message(_) => 7,
    }
}

/// How much a number can hold, within its family.
const fn bits(kind: Kind) -> u8 {
    match kind {
        Kind::Bool => 1,
        Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64 => 64,
        Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Fixed32 | Kind::Sfixed32 | Kind::Enum(_) => 32,
        _ => 0,
    }
}

const fn is_signed(kind: Kind) -> bool {
    !matches!(kind, Kind::Uint32 | Kind::Uint64 | Kind::Fixed32 | Kind::Fixed64)
}

// Their protos are compiled by a crate that the pure rooms alone do not have.
#[cfg(test)]
#[cfg(feature = "gateway")]
mod tests;
