//! A part of an aggregated route, and the plan that they make.

use std::sync::Arc;

use super::inferred::Fields;
use super::request::{Item, Reading, unknown};
use super::types::{Shape, Typed};
use crate::call::meters::PARTS;
use crate::compose::mask::Mask;
use crate::compose::plan::{self, ForEach};
use crate::compose::source::Source;
use crate::compose::template::Template;
use crate::config::aggregate::{AggregatePart, Reference};
use crate::config::place::Located;
use crate::config::problem::{Problem, Problems, quote};
use crate::schema::MessageId;
use crate::schema::message::Kind;
use crate::snapshot::Endpoint;

/// A part whose method is known.
pub(super) struct Part<'a> {
    pub(super) name: &'a Located<String>,
    pub(super) settings: &'a AggregatePart,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) input: MessageId,
    pub(super) output: MessageId,
    /// The position of the upstream.
    pub(super) upstream: usize,
}

impl Part<'_> {
    /// Whether its answer is a list.
    pub(super) fn is_list(&self) -> bool {
        self.settings.for_each.is_some() || self.endpoint.method.server_streaming
    }

    /// What its field in the answer holds.
    pub(super) fn typed(&self) -> Typed<'_> {
        let shape = if self.is_list() { Shape::Many } else { Shape::One };
        Typed::message(&self.endpoint.schema, self.output, shape)
    }
}

/// The parts of a method as they are called.
pub(super) fn parts<'a>(
    whole: &str,
    parts: &'a [Part<'a>],
    fields: &mut Fields<'a>,
    problems: &mut Problems,
) -> Vec<plan::Part> {
    let requests: Vec<_> = (0..parts.len()).map(|own| request(parts, own, fields, problems)).collect();
    // Conditions and lists of the request come last, as they say nothing of their type themselves.
    let planned = requests.into_iter().enumerate().map(|(own, (request, list))| {
        let Part { name, settings, endpoint, .. } = &parts[own];
        let list = list.or_else(|| inferred_list(settings.for_each.as_ref()?, fields, problems));
        let when = settings.when.as_ref().and_then(|when| condition(parts, own, when, fields, problems));
        plan::Part {
            name: name.as_str().into(),
            number: own as u32 + 1,
            method: Arc::clone(&endpoint.method),
            service: Arc::clone(&endpoint.service),
            route: endpoint.method.path.as_str().into(),
            request,
            is_optional: settings.optional.value,
            timeout: settings.timeout.as_ref().map(|timeout| timeout.value),
            when,
            for_each: list.map(|list| ForEach {
                list,
                at_once: settings.at_once.value as usize,
                max_items: settings.max_items.value as usize,
            }),
            select: select(&parts[own], problems),
            meter: PARTS.series(&[whole, name]),
        }
    });
    planned.collect()
}

/// The request of a part, and the list that it is called for if that is known now.
fn request<'a>(
    parts: &'a [Part<'a>],
    own: usize,
    fields: &mut Fields<'a>,
    problems: &mut Problems,
) -> (Template, Option<Source>) {
    let Part { settings, endpoint, input, .. } = &parts[own];
    let mut reading = Reading { parts, own, item: Item::None, fields, problems };
    let mut list = None;
    if let Some(each) = &settings.for_each {
        match is_of_request(parts, each) {
            true => reading.item = Item::Inferred(each.root()),
            false => match reading.list(each) {
                Some((source, item)) => {
                    list = Some(source);
                    reading.item = Item::Known(item);
                }
                // What the items are is not known, so nothing can be said about them.
                None => return (Template::default(), None),
            },
        }
    }
    let written = settings.request.as_ref().map_or(&[][..], |request| &request.0);
    (Template(reading.message(&endpoint.schema, *input, written)), list)
}

fn is_of_request(parts: &[Part<'_>], reference: &Reference) -> bool {
    reference.fields().is_empty()
        && reference.root() != "item"
        && !parts.iter().any(|part| part.name.value == reference.root())
}

impl<'a> Reading<'a, '_> {
    /// The list that `for_each` names, and the type of its items.
    fn list(&mut self, each: &'a Located<Reference>) -> Option<(Source, Typed<'a>)> {
        let place = each.place?;
        let (source, typed) = self.find(&each.value, place, None)?;
        if typed.shape != Shape::Many {
            let text = format!("{} is {}, which is no list.", quote(&each.to_string()), typed.text());
            let hint = "Name a repeated field, or leave `for_each` out and the part is called once.";
            self.problems.push(Problem::error(text).at(place).hint(hint));
            return None;
        }
        Some((source, typed.element()))
    }
}

/// The list of the request that `for_each` names.
fn inferred_list(each: &Located<Reference>, fields: &Fields<'_>, problems: &mut Problems) -> Option<Source> {
    if each.fields().is_empty() && fields.find(each.root()).is_none() && each.root() != "item" {
        let text = format!("Nothing says what the items of {} are.", quote(&each.to_string()));
        let hint = "Write `\"{item}\"` into the field of the part's request that they are for.";
        problems.push(Problem::error(text).at(each.place).hint(hint));
    }
    fields.source(each.root())
}

/// The value that decides whether a part is called.
fn condition<'a>(
    parts: &'a [Part<'a>],
    own: usize,
    when: &'a Located<Reference>,
    fields: &mut Fields<'a>,
    problems: &mut Problems,
) -> Option<Source> {
    let place = when.place?;
    if is_of_request(parts, when) {
        let bool = Typed { schema: &parts[own].endpoint.schema, kind: Kind::Bool, shape: Shape::One };
        let name = when.root();
        let typed = fields.find(name).map_or(bool, |field| field.typed);
        return fields.used(name, typed, place, problems);
    }
    let mut reading = Reading { parts, own, item: Item::None, fields, problems };
    let (mut source, typed) = reading.find(when, place, None)?;
    // Whether a wrapper is there says less than what is in it.
    if let (Kind::Message(id), Shape::One) = (typed.kind, typed.shape) {
        let message = typed.schema.message(id);
        if message.well_known() == Some(crate::schema::message::WellKnown::Wrapper) {
            let inner = super::types::step(typed.schema, message, 0);
            source.steps = source.steps.iter().cloned().chain([inner]).collect();
        }
    }
    Some(source)
}

/// What is kept of the answer.
fn select(part: &Part<'_>, problems: &mut Problems) -> Option<Mask> {
    let schema = &part.endpoint.schema;
    if part.settings.select.is_empty() {
        return None;
    }
    let mut mask = Mask::default();
    for path in &part.settings.select {
        let (mut inside, mut numbers) = (Some(part.output), Vec::new());
        for name in path.split('.') {
            let Some(id) = inside else {
                let text = format!("{} leads into a field that has no fields.", quote(path));
                problems.push(Problem::error(text).at(path.place).hint("End the path before."));
                numbers.clear();
                break;
            };
            let message = schema.message(id);
            let Some(position) = message.field_by_name(schema, name.as_bytes()) else {
                problems.push(unknown(schema, message, name).at(path.place));
                numbers.clear();
                break;
            };
            let field = &message.fields()[position];
            numbers.push(field.number());
            inside = match (field.kind(), Typed::of(schema, field).shape) {
                (Kind::Message(id), Shape::One | Shape::Many) => Some(id),
                _ => None,
            };
        }
        mask.add(&numbers);
    }
    Some(mask)
}
