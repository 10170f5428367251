//! The request of a part: what is written in the configuration, held against the message that it is to become.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::inferred::Fields;
use super::part::Part;
use super::types::{Shape, Typed, step};
use crate::codec::json::read::{ReadOptions, read_field};
use crate::compose::source::{Root, Source, Step, Target, Widen};
use crate::compose::template::Piece;
use crate::config::aggregate::{Reference, Template, TemplateValue as Value};
use crate::config::place::{Located, Place};
use crate::config::problem::{Problem, Problems, quote};
use crate::config::settings::word::nearest;
use crate::schema::message::{Cardinality, Field, Kind, Message, WellKnown};
use crate::schema::{MessageId, Schema};

/// What a part is called for.
#[derive(Clone, Copy)]
pub(super) enum Item<'a> {
    /// Nothing: it is called once.
    None,
    /// Items of this type.
    Known(Typed<'a>),
    /// Items of the list in the request of this name, whose type shows where they are written to.
    Inferred(&'a str),
}

/// Reads the request of one part.
pub(super) struct Reading<'a, 'r> {
    pub(super) parts: &'a [Part<'a>],
    /// The position of the part.
    pub(super) own: usize,
    pub(super) item: Item<'a>,
    pub(super) fields: &'r mut Fields<'a>,
    pub(super) problems: &'r mut Problems,
}

impl<'a> Reading<'a, '_> {
    /// The pieces of a message of these fields.
    pub(super) fn message(
        &mut self,
        schema: &'a Schema,
        id: MessageId,
        entries: &'a [(Located<String>, Template)],
    ) -> Vec<Piece> {
        let message = schema.message(id);
        let mut pieces = Vec::new();
        let mut set: HashMap<usize, &Located<String>> = HashMap::new();
        for (name, value) in entries {
            let Some(position) = message.field_by_name(schema, name.as_bytes()) else {
                let problem = unknown(schema, message, name).at(name.place);
                self.problems.push(problem);
                continue;
            };
            let field = &message.fields()[position];
            // Of a oneof the last member wins, which nobody means who writes two.
            let member = field.oneof().map_or(position, |oneof| message.fields().len() + oneof);
            if let Some(first) = set.insert(member, name) {
                let text = format!("Only one of {} and {} can be set.", quote(first), quote(name));
                let problem = Problem::error(text).at(name.place).related(first.place, "the other one");
                self.problems.push(problem.hint("Remove one of the two."));
                continue;
            }
            self.field(schema, field, value, &mut pieces);
        }
        joined(pieces)
    }

    fn field(
        &mut self,
        schema: &'a Schema,
        field: &'a Field,
        template: &'a Template,
        pieces: &mut Vec<Piece>,
    ) {
        let typed = Typed::of(schema, field);
        match &template.value {
            Value::Reference(reference) => {
                pieces.extend(self.copy(field, typed, template.place, reference));
            }
            Value::List(items) if typed.shape == Shape::Many && has_reference(template) => {
                for item in items {
                    self.element(schema, field, item, pieces);
                }
            }
            _ if typed.shape == Shape::Many && !matches!(template.value, Value::List(_) | Value::Null) => {
                let text = format!("The field {} holds a list.", quote(schema.text(field.name())));
                let problem = Problem::error(text).at(template.place);
                self.problems.push(problem.hint("Write its values between [ and ]."));
            }
            _ if typed.shape == Shape::Map && has_reference(template) => {
                let text =
                    format!("A reference cannot stand in the map {}.", quote(schema.text(field.name())));
                let hint = "Take a whole map from elsewhere, or write values that are always the same.";
                self.problems.push(Problem::error(text).at(first_reference(template)).hint(hint));
            }
            _ if typed.shape == Shape::One => self.value(schema, field, template, pieces),
            _ => pieces.extend(self.constant(schema, field, typed, template, false)),
        }
    }

    /// An element of a list.
    fn element(
        &mut self,
        schema: &'a Schema,
        field: &'a Field,
        template: &'a Template,
        pieces: &mut Vec<Piece>,
    ) {
        match &template.value {
            Value::Reference(reference) => {
                let typed = Typed::of(schema, field).element();
                pieces.extend(self.copy(field, typed, template.place, reference));
            }
            _ => self.value(schema, field, template, pieces),
        }
    }

    /// A single value, of a field that may be a list.
    fn value(
        &mut self,
        schema: &'a Schema,
        field: &'a Field,
        template: &'a Template,
        pieces: &mut Vec<Piece>,
    ) {
        let typed = Typed::of(schema, field);
        let plain = match field.kind() {
            Kind::Message(id) if schema.message(id).well_known().is_none() => Some(id),
            _ => None,
        };
        match (&template.value, plain) {
            (Value::Fields(entries), Some(id)) => {
                let inner = self.message(schema, id, entries);
                let (number, is_group) = (field.number(), field.is_delimited());
                pieces.push(Piece::Message { number, is_group, pieces: inner });
            }
            _ if has_reference(template) => {
                let name = typed.element().text();
                let text = format!("A reference cannot stand inside of {name} here.");
                let hint = "Take the whole value from elsewhere, or write one that is always the same.";
                self.problems.push(Problem::error(text).at(first_reference(template)).hint(hint));
            }
            _ => pieces.extend(self.constant(schema, field, typed, template, true)),
        }
    }

    /// A value that is always the same. `is_element` says that it is one of a field that may be a list.
    fn constant(
        &mut self,
        schema: &Schema,
        field: &Field,
        typed: Typed<'_>,
        template: &Template,
        is_element: bool,
    ) -> Option<Piece> {
        let is_list = is_element && typed.shape == Shape::Many;
        let mut json = if is_element { value_json(typed.element(), template) } else { json(typed, template) };
        if is_list {
            json = Json::Array(vec![json]);
        }
        let mut wire = Vec::new();
        match read_field(schema, field, json.to_string().as_bytes(), &ReadOptions::default(), &mut wire) {
            Ok(()) => Some(Piece::Constant(wire)),
            Err(error) => {
                let name = schema.text(field.name());
                let text = format!("The value of {} is not valid: {}.", quote(name), error.message());
                let hint = format!("The field is of type {}.", typed.text());
                self.problems.push(Problem::error(text).at(template.place).hint(hint));
                None
            }
        }
    }

    /// A field that takes its value from elsewhere. `typed` is what it takes: one element, where the field is a list
    /// and the reference stands in brackets.
    fn copy(
        &mut self,
        field: &'a Field,
        typed: Typed<'a>,
        place: Place,
        reference: &'a Reference,
    ) -> Option<Piece> {
        let (source, found) = self.find(reference, place, Some(typed))?;
        let Some(widen) = found.fits(&typed) else {
            let text =
                format!("{} is {}, but the field takes {}.", show(reference), found.text(), typed.text());
            let hint = match (found.shape, typed.shape) {
                (Shape::Many, Shape::One) => "A part can be called for each value of a list: `for_each`.",
                _ => {
                    "Take a value of the same type, or one that loses nothing: int32 for int64, uint32 for uint64, an \
                      enum for a number."
                }
            };
            self.problems.push(Problem::error(text).at(place).hint(hint));
            return None;
        };
        Some(Piece::Copy(source, target(field, typed, widen)))
    }

    /// Where a reference leads, and to what. `wanted` is what the field takes that it is written to, if it is.
    pub(super) fn find(
        &mut self,
        reference: &'a Reference,
        place: Place,
        wanted: Option<Typed<'a>>,
    ) -> Option<(Source, Typed<'a>)> {
        let root = reference.root();
        if root == "item" {
            return self.find_in_item(reference, place, wanted);
        }
        if let Some(at) = self.parts.iter().position(|part| part.name.value == root) {
            let part = &self.parts[at];
            if at == self.own {
                let text = format!("The part {} takes something from itself.", quote(root));
                let hint = "Take it from the request, `\"{name}\"`, or from another part.";
                self.problems.push(Problem::error(text).at(place).hint(hint));
                return None;
            }
            let shape = if part.is_list() { Shape::Many } else { Shape::One };
            let start = Typed::message(&part.endpoint.schema, part.output, shape);
            let (steps, typed) = self.walk(start, reference, place)?;
            return Some((Source { root: Root::Part(at), steps }, typed));
        }
        if !reference.fields().is_empty() {
            let names: Vec<_> = self.parts.iter().map(|part| part.name.as_str()).collect();
            let text = format!("There is no part {}.", quote(root));
            self.problems.push(Problem::error(text).at(place).hint(among("parts", root, &names)));
            return None;
        }
        let typed = wanted?;
        let source = self.fields.used(root, typed, place, self.problems)?;
        Some((source, typed))
    }

    fn find_in_item(
        &mut self,
        reference: &'a Reference,
        place: Place,
        wanted: Option<Typed<'a>>,
    ) -> Option<(Source, Typed<'a>)> {
        match self.item {
            Item::Known(start) => {
                let (steps, typed) = self.walk(start, reference, place)?;
                Some((Source { root: Root::Item, steps }, typed))
            }
            Item::Inferred(_) if !reference.fields().is_empty() => {
                let text =
                    format!("Nothing says which fields the items have that {} names.", show(reference));
                let hint =
                    "Write `\"{item}\"` into a field of their type, or take the list from another part.";
                self.problems.push(Problem::error(text).at(place).hint(hint));
                None
            }
            Item::Inferred(name) => {
                let typed = wanted?.element();
                let list = Typed { shape: Shape::Many, ..typed };
                self.fields.used(name, list, place, self.problems)?;
                Some((Source { root: Root::Item, steps: Box::default() }, typed))
            }
            Item::None => {
                let text = format!("There is no item here that {} could name.", show(reference));
                let hint =
                    "Write `for_each: \"{PART.LIST}\"` with the part that is to be called for each item.";
                self.problems.push(Problem::error(text).at(place).hint(hint));
                None
            }
        }
    }

    /// The way from a message to the field that a reference names.
    fn walk(
        &mut self,
        start: Typed<'a>,
        reference: &'a Reference,
        place: Place,
    ) -> Option<(Box<[Step]>, Typed<'a>)> {
        let (mut typed, mut steps) = (start, Vec::new());
        for name in reference.fields() {
            let Some((message, schema)) = inside(typed) else {
                let text = format!("{} leads into {}, which has no fields.", show(reference), typed.text());
                let hint = "End the reference before, or name another field.";
                self.problems.push(Problem::error(text).at(place).hint(hint));
                return None;
            };
            let Some(position) = message.field_by_name(schema, name.as_bytes()) else {
                let problem = unknown(schema, message, name).at(place);
                self.problems.push(problem);
                return None;
            };
            let next = Typed::of(schema, &message.fields()[position]);
            let shape = match (typed.shape, next.shape) {
                (Shape::One, shape) => shape,
                (_, Shape::Map) => {
                    let text = format!("{} leads to a map in each message of a list.", show(reference));
                    let hint = "Name a map of a single message, or another field.";
                    self.problems.push(Problem::error(text).at(place).hint(hint));
                    return None;
                }
                _ => Shape::Many,
            };
            steps.push(step(schema, message, position));
            typed = Typed { shape, ..next };
        }
        Some((steps.into(), typed))
    }
}

/// The message whose fields can be named.
fn inside(typed: Typed<'_>) -> Option<(&Message, &Schema)> {
    match typed.kind {
        Kind::Message(id) if typed.shape != Shape::Map => Some((typed.schema.message(id), typed.schema)),
        _ => None,
    }
}

fn target(field: &Field, typed: Typed<'_>, widen: Widen) -> Target {
    let is_list = typed.shape == Shape::Many;
    let is_packed = is_list && field.cardinality() == Cardinality::Repeated { packed: true };
    Target { number: field.number(), is_group: field.is_delimited(), is_packed, widen }
}

/// The pieces with those in one that are always the same, also inside of messages.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let piece = match piece {
            Piece::Message { number, is_group, pieces }
                if pieces.iter().all(|piece| matches!(piece, Piece::Constant(_))) =>
            {
                Piece::Constant(Piece::Message { number, is_group, pieces }.written())
            }
            piece => piece,
        };
        match (joined.last_mut(), piece) {
            (Some(Piece::Constant(wire)), Piece::Constant(more)) => wire.extend(more),
            (_, piece) => joined.push(piece),
        }
    }
    joined
}

fn has_reference(template: &Template) -> bool {
    match &template.value {
        Value::Null | Value::Text(_) => false,
        Value::Reference(_) => true,
        Value::List(items) => items.iter().any(has_reference),
        Value::Fields(fields) => fields.iter().any(|(_, value)| has_reference(value)),
    }
}

fn first_reference(template: &Template) -> Place {
    let inner = match &template.value {
        Value::List(items) => items.iter().find(|item| has_reference(item)),
        Value::Fields(fields) => fields.iter().map(|(_, value)| value).find(|value| has_reference(value)),
        Value::Null | Value::Text(_) | Value::Reference(_) => None,
    };
    inner.map_or(template.place, first_reference)
}

/// A value as JSON has it for a field of this type: YAML does not say what is a text and what a number.
pub(in crate::compile) fn json(typed: Typed<'_>, template: &Template) -> Json {
    match (&template.value, typed.shape) {
        (Value::List(items), Shape::Many) => {
            items.iter().map(|item| value_json(typed.element(), item)).collect()
        }
        (Value::Fields(fields), Shape::Map) => {
            let Some([_, value]) = typed.entry() else { return Json::Null };
            object(fields, |_| Some(value))
        }
        _ => value_json(typed.element(), template),
    }
}

fn value_json(typed: Typed<'_>, template: &Template) -> Json {
    let message = match typed.kind {
        Kind::Message(id) => Some(typed.schema.message(id)),
        _ => None,
    };
    let well_known = message.and_then(Message::well_known);
    match &template.value {
        Value::Null => Json::Null,
        Value::Reference(reference) => reference.to_string().into(),
        Value::List(items) => items.iter().map(guessed).collect(),
        Value::Fields(fields) => match message.filter(|_| well_known.is_none()) {
            Some(message) => object(fields, |name| {
                let position = message.field_by_name(typed.schema, name.as_bytes())?;
                Some(Typed::of(typed.schema, &message.fields()[position]))
            }),
            None => guessed(template),
        },
        Value::Text(text) => match (typed.kind, well_known) {
            (_, Some(WellKnown::Wrapper)) => {
                let value = message.and_then(|message| message.fields().first());
                value.map_or(Json::Null, |value| value_json(Typed::of(typed.schema, value), template))
            }
            (_, Some(WellKnown::Value | WellKnown::Struct | WellKnown::ListValue | WellKnown::Any)) => {
                guessed(template)
            }
            (Kind::Bool, _) => text.parse::<bool>().map_or_else(|_| text.as_str().into(), Json::Bool),
            (Kind::Enum(_), _) => text.parse::<i32>().map_or_else(|_| text.as_str().into(), Json::from),
            _ => text.as_str().into(),
        },
    }
}

fn object<'t>(fields: &[(Located<String>, Template)], typed: impl Fn(&str) -> Option<Typed<'t>>) -> Json {
    let member = |(name, value): &(Located<String>, Template)| {
        let value = typed(name).map_or_else(|| guessed(value), |typed| json(typed, value));
        (name.value.clone(), value)
    };
    Json::Object(fields.iter().map(member).collect::<Map<_, _>>())
}

/// A value where anything may stand.
fn guessed(template: &Template) -> Json {
    match &template.value {
        Value::Null => Json::Null,
        Value::Reference(reference) => reference.to_string().into(),
        Value::List(items) => items.iter().map(guessed).collect(),
        Value::Fields(fields) => object(fields, |_| None),
        Value::Text(text) => match serde_json::from_str::<Json>(text) {
            Ok(json @ (Json::Bool(_) | Json::Number(_))) => json,
            _ => text.as_str().into(),
        },
    }
}

fn show(reference: &Reference) -> String {
    quote(&reference.to_string())
}

/// A message that has no field of this name.
pub(in crate::compile) fn unknown(schema: &Schema, message: &Message, name: &str) -> Problem {
    let names: Vec<_> = message.fields().iter().map(|field| schema.text(field.name())).collect();
    let text = format!("{} has no field {}.", schema.text(message.name()), quote(name));
    Problem::error(text).hint(among("fields", name, &names))
}

/// The name that was probably meant, and those that there are.
pub(in crate::compile) fn among(what: &str, name: &str, known: &[&str]) -> String {
    const MOST: usize = 20;
    if known.is_empty() {
        return format!("There are no {what}.");
    }
    let more = if known.len() > MOST { ", ..." } else { "" };
    let listed = format!("The {what} are: {}{more}.", known[..known.len().min(MOST)].join(", "));
    match nearest(name, known) {
        Some(near) => format!("Did you mean `{near}`? {listed}"),
        None => listed,
    }
}
