//! `translations`

use std::fmt;
use std::ops::Deref;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::aggregate::{Template, TemplateValue};
use super::descriptors::Descriptors;
use super::node::{Node, Value};
use super::place::Located;
use super::problem::{Flaw, Problem, quote};
use super::schema::Schemas;
use super::settings::collection::Pairs;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::settings::{Scalar, Setting};
use super::value::name::is_full_name;

/// How deep a value may be written.
const MAX_DEPTH: usize = 32;
/// How many names a path may have.
const MAX_PATH: usize = 32;

settings! {
    /// A service that callers know and no backend has: its methods are answered by those of another one.
    pub struct Translation {
        /// The service that callers know.
        service: Located<FullName>,
        /// The service that answers. It need not be exposed itself.
        by: Located<FullName>,
        /// The upstream that has the service that answers. It may be left out when only one has it.
        upstream: Option<Located<String>> = None,
        /// Where the descriptors of `service` come from. They may be left out when `descriptors` at the top or those of an
        /// upstream define it.
        descriptors: Vec<Descriptors> = Vec::new(),
        /// The methods that have another name, `CALLED: ANSWERING`. Methods of one name answer for each other.
        methods: Pairs<PlainName, Located<PlainName>> = Pairs::default(),
        /// The methods of `service` that are not offered any more.
        without: Vec<Located<PlainName>> = Vec::new(),
        /// What differs in messages, by the full names of those that callers know. Fields of one name and of types that
        /// fit become each other.
        messages: Pairs<FullName, MessageTranslations> = Pairs::default(),
        /// What differs in enums, by the full names of those that callers know. Values of one name become each other.
        enums: Pairs<FullName, EnumTranslation> = Pairs::default(),
    }
    check check(service, upstream)
    example "Write `{service: shop.v1.Users, by: shop.v2.Users}`."
}

settings! {
    /// What differs between a message that callers know and the one that stands for it.
    pub struct MessageTranslation default {
        /// The message that stands for it, where it is not the same everywhere. If this is left out, whichever is found.
        by: Option<Located<FullName>> = None,
        /// The fields that have another name or stand elsewhere, `FIELD: OTHER`, such as `{city: address.city}`. Paths lead
        /// through single messages.
        fields: Pairs<FieldName, Located<FieldName>> = Pairs::default(),
        /// The fields of type google.protobuf.FieldMask, with the full name of the message whose fields they name.
        masks: Pairs<FieldName, Located<FullName>> = Pairs::default(),
        /// What holds only where a message of callers becomes the other one.
        request: OneWay = OneWay::default(),
        /// What holds only where the other message becomes the one of callers.
        answer: OneWay = OneWay::default(),
    }
}

settings! {
    /// What holds in one direction.
    pub struct OneWay default {
        /// The fields that are lost on purpose: of the message that comes, or of the one that is made, which lacks them then.
        drop: Vec<Located<FieldName>> = Vec::new(),
        /// Fields of the message that is made that always have the same value.
        constants: Pairs<FieldName, Constant> = Pairs::default(),
        /// Fields of the message that is made that have this value when what they come from is not set.
        defaults: Pairs<FieldName, Constant> = Pairs::default(),
    }
}

settings! {
    /// What differs between an enum that callers know and the one that stands for it.
    pub struct EnumTranslation default {
        /// The values that have another name, `VALUE: OTHER`.
        values: Pairs<PlainName, Located<PlainName>> = Pairs::default(),
        /// What values of callers become: `VALUE: OTHER`, where that is not to be undone.
        request: Pairs<PlainName, Located<PlainName>> = Pairs::default(),
        /// What the other values become for callers: `OTHER: VALUE`, where that is not to be undone.
        answer: Pairs<PlainName, Located<PlainName>> = Pairs::default(),
    }
}

impl Translation {
    fn check(
        reader: &mut Reader<'_>,
        service: Option<&Located<FullName>>,
        upstream: Option<&Option<Located<String>>>,
    ) {
        if let Some(service) = service {
            reader.once("translated service", service);
        }
        if let Some(name) = upstream.and_then(Option::as_ref) {
            reader.refers_to_upstream(name);
        }
    }
}

/// What differs in a message: once, or for each of several messages that stand for it.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageTranslations(pub Vec<MessageTranslation>);

impl Setting for MessageTranslations {
    const WHAT: &'static str = "a mapping of keys to values, or a list of such";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match node.value {
            Value::List(_) => Vec::read(node, reader).map(Self),
            _ => MessageTranslation::read(node, reader).map(|only| Self(vec![only])),
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        let one = MessageTranslation::schema(schemas);
        json!({ "anyOf": [one, { "type": "array", "items": one }] })
    }

    fn written(&self) -> Option<Json> {
        match &*self.0 {
            [only] => only.written(),
            all => all.iter().map(Setting::written).collect(),
        }
    }
}

/// The full name of a service, a message or an enum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FullName(String);

/// The name of a method in its service, or of a value in its enum.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlainName(String);

/// The name of a field, or names of fields that lead to it, joined by dots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldName(String);

macro_rules! text {
    ($($name:ident),+) => {$(
        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}
text!(FullName, PlainName, FieldName);

/// The pattern of a name.
const NAME: &str = "[A-Za-z_][A-Za-z0-9_]*";

impl Scalar for FullName {
    const WHAT: &'static str = "a full name such as shop.v1.Users";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let meant = text.trim_start_matches('.');
        if is_full_name(text) {
            return Ok(Self(text.to_owned()));
        }
        let hint = match is_full_name(meant) {
            true => format!("Did you mean `{meant}`?"),
            false => "Write the package and the name, for example shop.v1.Users.".to_owned(),
        };
        Err(Flaw::new(format!("{} is not a full name.", quote(text)), hint))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": format!("^{NAME}(\\.{NAME})*$") })
    }

    fn to_json(&self) -> Json {
        self.0.as_str().into()
    }
}

impl Scalar for PlainName {
    const WHAT: &'static str = "a name such as GetUser";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        if is_full_name(text) && !text.contains('.') {
            return Ok(Self(text.to_owned()));
        }
        let last = text.rsplit(['.', '/']).next().unwrap_or_default();
        let hint = match is_full_name(last) {
            true => format!("Did you mean `{last}`?"),
            false => "Write it in letters, digits and `_`.".to_owned(),
        };
        Err(Flaw::new(format!("{} is not a name without a package.", quote(text)), hint))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": format!("^{NAME}$") })
    }

    fn to_json(&self) -> Json {
        self.0.as_str().into()
    }
}

impl Scalar for FieldName {
    const WHAT: &'static str = "a field such as address.city";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        if is_full_name(text) && text.split('.').count() <= MAX_PATH {
            return Ok(Self(text.to_owned()));
        }
        let hint =
            "Write the names of fields as the proto file has them, joined by dots, such as address.city.";
        Err(Flaw::new(format!("{} is not the name of a field.", quote(text)), hint))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": format!("^{NAME}(\\.{NAME})*$") })
    }

    fn to_json(&self) -> Json {
        self.0.as_str().into()
    }
}

/// A value that a field always has, as JSON has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant(pub Template);

impl Setting for Constant {
    const WHAT: &'static str = "a value";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        literal(node, reader, 0).map(Self)
    }

    fn schema(_: &mut Schemas) -> Json {
        json!({ "type": ["string", "number", "boolean", "array", "object"] })
    }

    fn written(&self) -> Option<Json> {
        Some(self.0.json())
    }
}

fn literal(node: &Node, reader: &mut Reader<'_>, depth: usize) -> Option<Template> {
    if depth >= MAX_DEPTH {
        let text = format!("{} lies too deep.", reader.path());
        let hint = format!("A value may have {MAX_DEPTH} messages in one another.");
        return reader.error(Problem::error(text).at(node.place).hint(hint));
    }
    let value = match &node.value {
        Value::Null => {
            let text = format!("{} has no value.", reader.path());
            let hint = "Write a value, or remove the key: what has no value is not set.";
            return reader.error(Problem::error(text).at(node.place).hint(hint));
        }
        Value::Text(_) => TemplateValue::Text(reader.text(node, "a value")?.into_owned()),
        Value::List(items) => {
            let read = |(index, item)| reader.within_index(index, |reader| literal(item, reader, depth + 1));
            let items: Vec<_> = items.iter().enumerate().map(read).collect();
            TemplateValue::List(items.into_iter().collect::<Option<_>>()?)
        }
        Value::Map(entries) => {
            reader.unique(entries);
            let entries: Vec<_> = entries
                .iter()
                .map(|(key, value)| {
                    let name = Located::new(key.text.clone(), key.place);
                    let value = reader.within_key(&key.text, |reader| literal(value, reader, depth + 1))?;
                    Some((name, value))
                })
                .collect();
            TemplateValue::Fields(entries.into_iter().collect::<Option<_>>()?)
        }
    };
    Some(Template { place: node.place, value })
}
