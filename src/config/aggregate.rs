//! `routes[].aggregate`

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};

use super::braces;
use super::limits::DAY;
use super::node::{Node, Value};
use super::place::{Located, Place};
use super::problem::{Flaw, Problem, quote};
use super::schema::Schemas;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::settings::{Scalar, Setting};
use super::value::name::MethodName;

settings! {
    /// A part of an aggregated answer: a call, and what becomes of its answer.
    pub struct AggregatePart {
        /// The gRPC method that is called: `package.Service/Method`.
        call: Located<MethodName>,
        /// The request, as JSON has it. `"{name}"` takes a value from the request of the route, `"{part.field}"` from the
        /// answer of another part, `"{item}"` and `"{item.field}"` from the item of `for_each`.
        request: Option<Request> = None,
        /// Whether the route answers without this part if it fails.
        optional: Located<bool> = false.into(),
        /// How long a call may take, when shorter than all of the route may.
        timeout: Option<Located<Duration>> = None => Duration::from_millis(1)..=DAY,
        /// A value without which the part is left out, such as `"{user.premium}"`: one that is not there, false, zero or
        /// empty.
        when: Option<Located<Reference>> = None,
        /// A list for each item of which the part is called, such as `"{orders.items}"`.
        for_each: Option<Located<Reference>> = None,
        /// How many calls for items are made at a time.
        at_once: Located<u32> = 8.into() => 1..=100,
        /// How many items there may be.
        max_items: Located<u32> = 100.into() => 1..=10_000,
        /// The fields of the answer that are kept, such as `[name, address.city]`. All of them if this is left out.
        select: Vec<Located<String>> = Vec::new(),
    }
    check check(for_each, at_once, max_items)
    example "Write `NAME: {call: package.Service/Method, request: {field: \"{name}\"}}`."
}

impl AggregatePart {
    fn check(
        reader: &mut Reader<'_>,
        for_each: Option<&Option<Located<Reference>>>,
        at_once: Option<&Located<u32>>,
        max_items: Option<&Located<u32>>,
    ) {
        if for_each != Some(&None) {
            return;
        }
        for (key, value) in [("at_once", at_once), ("max_items", max_items)] {
            if let Some(place) = value.and_then(|value| value.place) {
                let text = format!("`{key}` says something about items, but {} has none.", reader.path());
                let hint = "Write `for_each: \"{PART.LIST}\"`, or remove it.";
                let _: Option<()> = reader.error(Problem::error(text).at(place).hint(hint));
            }
        }
    }
}

/// A place that a value is taken from: names between braces, joined by dots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference(Vec<String>);

impl Reference {
    /// The first name, which says where to look.
    pub fn root(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// The fields from there on.
    pub fn fields(&self) -> &[String] {
        self.0.get(1..).unwrap_or_default()
    }

    /// A text that is a reference as a whole.
    fn read(text: &str) -> Option<Self> {
        let inside = text.strip_prefix('{')?.strip_suffix('}')?;
        let names: Vec<_> = inside.split('.').map(str::to_owned).collect();
        (text.len() <= MAX_REFERENCE && names.iter().all(|name| is_name(name))).then_some(Self(names))
    }
}

/// The longest reference, in bytes.
const MAX_REFERENCE: usize = 500;
/// How deep a request may be written.
const MAX_DEPTH: usize = 32;

/// Whether a text can be the name of a field.
pub fn is_name(text: &str) -> bool {
    text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{{{}}}", self.0.join("."))
    }
}

impl Scalar for Reference {
    const WHAT: &'static str = "a reference such as \"{user.premium}\"";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        Self::read(text).ok_or_else(|| {
            let message = format!("{} is not a reference.", quote(text));
            Flaw::new(message, "Write names of fields between braces and quotes, such as \"{user.premium}\".")
        })
    }

    fn schema() -> Json {
        let name = "[A-Za-z_][A-Za-z0-9_]*";
        json!({ "type": "string", "pattern": format!("^\\{{{name}(\\.{name})*\\}}$") })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

/// The fields of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request(pub Vec<(Located<String>, Template)>);

/// A value in a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Where it stands.
    pub place: Place,
    /// What it is.
    pub value: TemplateValue,
}

/// What a [`Template`] holds.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplateValue {
    /// Nothing.
    Null,
    /// A text, a number or a truth value, as it is written.
    Text(String),
    /// A value from elsewhere.
    Reference(Reference),
    /// A list.
    List(Vec<Template>),
    /// A message or a map.
    Fields(Vec<(Located<String>, Template)>),
}

impl Setting for Request {
    const WHAT: &'static str = "a mapping of fields to values";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        fields(node, reader, 0).map(Self)
    }

    fn schema(_: &mut Schemas) -> Json {
        json!({ "type": "object" })
    }

    fn written(&self) -> Option<Json> {
        Some(object(&self.0))
    }
}

fn object(fields: &[(Located<String>, Template)]) -> Json {
    let fields = fields.iter().map(|(name, value)| (name.value.clone(), value.json()));
    Json::Object(fields.collect::<Map<_, _>>())
}

impl Template {
    pub(super) fn json(&self) -> Json {
        match &self.value {
            TemplateValue::Null => Json::Null,
            TemplateValue::Text(text) => text.as_str().into(),
            TemplateValue::Reference(reference) => reference.to_json(),
            TemplateValue::List(list) => list.iter().map(Self::json).collect(),
            TemplateValue::Fields(fields) => object(fields),
        }
    }
}

fn fields(node: &Node, reader: &mut Reader<'_>, depth: usize) -> Option<Vec<(Located<String>, Template)>> {
    let entries = reader.entries(node, "Write `field: value` for each field that is to be set.")?;
    reader.unique(entries);
    let entries: Vec<_> = entries
        .iter()
        .map(|(key, value)| {
            let name = Located::new(key.text.clone(), key.place);
            Some((name, reader.within_key(&key.text, |reader| template(value, reader, depth))?))
        })
        .collect();
    entries.into_iter().collect()
}

fn template(node: &Node, reader: &mut Reader<'_>, depth: usize) -> Option<Template> {
    if depth >= MAX_DEPTH {
        let text = format!("{} lies too deep.", reader.path());
        let hint = format!("A request may have {MAX_DEPTH} messages in one another.");
        return reader.error(Problem::error(text).at(node.place).hint(hint));
    }
    let value = match &node.value {
        Value::Null => TemplateValue::Null,
        Value::Text(text) => self::text(text, node, reader)?,
        Value::List(items) => {
            let read = |(index, item)| reader.within_index(index, |reader| template(item, reader, depth + 1));
            let items: Vec<_> = items.iter().enumerate().map(read).collect();
            TemplateValue::List(items.into_iter().collect::<Option<_>>()?)
        }
        Value::Map(_) => {
            let source = reader.problems.sources.source(node.place.source());
            if let Some(hint) = source.and_then(|source| braces::around(node, &source.text)) {
                let text = format!("{} is a mapping for YAML, as its braces have no quotes.", reader.path());
                return reader.error(Problem::error(text).at(node.place).hint(hint));
            }
            TemplateValue::Fields(fields(node, reader, depth + 1)?)
        }
    };
    Some(Template { place: node.place, value })
}

/// What a text stands for. Where it holds a variable, its value is meant as it is.
fn text(text: &str, node: &Node, reader: &mut Reader<'_>) -> Option<TemplateValue> {
    if text.contains("${") {
        return reader.text(node, "a value").map(|text| TemplateValue::Text(text.into_owned()));
    }
    if let Some(reference) = Reference::read(text) {
        return Some(TemplateValue::Reference(reference));
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if !(from.starts_with("{{") || from.starts_with("}}")) {
            let message = format!("{} holds a brace that is no reference.", reader.path());
            let hint = "A reference is the whole text: \"{name}\" or \"{part.field}\", with nothing before or behind it. \
                        A brace that is meant as it is stands twice: {{ or }}.";
            return reader.error(Problem::error(message).at(node.place).hint(hint));
        }
        out.push_str(&from[..1]);
        rest = &from[2..];
    }
    out.push_str(rest);
    Some(TemplateValue::Text(out))
}
