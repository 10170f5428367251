//! The JSON Schema (draft 2020-12) of the configuration, for editors and for checks without Transom.
//!
//! It comes from the same declarations as the readers ([`mod@super::settings`]), with the documentation of
//! each key as its description. It is as strict as a schema can be; what one key says about another,
//! and bounds of values with units, only Transom itself checks.

use serde_json::{Map, Value as Json, json};

/// A whole schema: that of the root with everything it refers to.
pub fn document(title: &str, root: impl FnOnce(&mut Schemas) -> Json) -> Json {
    let mut schemas = Schemas::default();
    let root = root(&mut schemas);
    let mut document = Map::new();
    document.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    document.insert("title".to_owned(), title.into());
    if let Json::Object(root) = root {
        document.extend(root);
    }
    document.insert("$defs".to_owned(), Json::Object(schemas.definitions));
    Json::Object(document)
}

/// The keys of a section.
#[derive(Debug)]
pub struct Shape {
    /// The type, which names the section in the schema.
    pub name: &'static str,
    /// What the section is.
    pub description: &'static [&'static str],
    /// The keys that this version knows.
    pub keys: &'static [&'static str],
    /// The keys that are designed and not supported yet.
    pub later: &'static [&'static str],
    /// The key that a scalar stands for, and whether as an element of its list.
    pub short: Option<(&'static str, bool)>,
    /// What a smallest section looks like, for the hint about a missing key.
    pub example: Option<&'static str>,
}

/// The definitions that schemas refer to.
#[derive(Debug, Default)]
pub struct Schemas {
    definitions: Map<String, Json>,
}

/// One key of a section.
#[derive(Debug)]
pub struct Property {
    /// The key.
    pub key: &'static str,
    /// Its documentation, line by line.
    pub description: &'static [&'static str],
    /// What its value may be.
    pub schema: Json,
    /// Whether it must be written.
    pub required: bool,
    /// What holds when it is not written.
    pub default: Option<Json>,
    /// The smallest and the largest value.
    pub bounds: Option<(Json, Json)>,
}

impl Schemas {
    /// A section, defined once and referred to by name.
    pub fn section(&mut self, shape: &Shape, properties: impl FnOnce(&mut Self) -> Vec<Property>) -> Json {
        self.define(shape.name, |schemas| {
            let properties = properties(schemas);
            let short = shape.short.and_then(|(key, list)| {
                let schema = &properties.iter().find(|property| property.key == key)?.schema;
                Some(if list { schema.get("items")?.clone() } else { schema.clone() })
            });
            let object = object(shape.description, properties);
            match short {
                None => object,
                Some(short) => json!({ "anyOf": [short, object] }),
            }
        })
    }

    /// A mapping with exactly one of several keys.
    pub fn choice(&mut self, shape: &Shape, keys: impl FnOnce(&mut Self) -> Vec<Property>) -> Json {
        self.define(shape.name, |schemas| {
            let each = |key: Property| object(key.description, vec![key]);
            let choices: Vec<_> = keys(schemas).into_iter().map(each).collect();
            json!({ "description": text(shape.description), "oneOf": choices })
        })
    }

    /// A scalar, or a text with a variable in it.
    pub fn or_variable(&mut self, scalar: Json) -> Json {
        if scalar == json!({ "type": "string" }) {
            return scalar;
        }
        let variable = self.define("Variable", |_| {
            json!({
                "description": "A text in which ${VAR} or ${VAR:-default} stands for an environment variable.",
                "type": "string",
                "pattern": "\\$\\{",
            })
        });
        json!({ "anyOf": [scalar, variable] })
    }

    fn define(&mut self, name: &str, schema: impl FnOnce(&mut Self) -> Json) -> Json {
        if !self.definitions.contains_key(name) {
            // Holds the name while the schema is made, which keeps the order of first use.
            self.definitions.insert(name.to_owned(), Json::Null);
            let schema = schema(self);
            self.definitions.insert(name.to_owned(), schema);
        }
        json!({ "$ref": format!("#/$defs/{name}") })
    }
}

/// One of several words, each with its documentation.
pub fn words(words: &[(&str, &[&str])]) -> Json {
    let word = |(word, doc): &(&str, &[&str])| json!({ "const": word, "description": text(doc) });
    json!({ "oneOf": words.iter().map(word).collect::<Vec<_>>() })
}

fn object(description: &[&str], properties: Vec<Property>) -> Json {
    let required: Vec<_> =
        properties.iter().filter(|property| property.required).map(|property| property.key).collect();
    let mut object = json!({
        "type": "object",
        "description": text(description),
        "additionalProperties": false,
    });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    let properties: Map<_, _> =
        properties.into_iter().map(|property| (property.key.to_owned(), described(property))).collect();
    object["properties"] = Json::Object(properties);
    object
}

/// The schema of a property with what is said about it.
fn described(property: Property) -> Json {
    let mut description = text(property.description);
    let mut schema = property.schema;
    if let Some((least, most)) = &property.bounds {
        description.push_str(&format!(" From {} to {}.", plain(least), plain(most)));
        if let Some(number) = schema.pointer_mut("/anyOf/0").filter(|_| least.is_number()) {
            number["minimum"] = least.clone();
            number["maximum"] = most.clone();
        }
    }
    let mut described = json!({ "description": description });
    if let Some(default) = property.default {
        described["default"] = default;
    }
    if let (Json::Object(described), Json::Object(schema)) = (&mut described, schema) {
        described.extend(schema);
    }
    described
}

/// A JSON scalar as it is written in YAML.
pub(crate) fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Documentation lines as one text.
fn text(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}
