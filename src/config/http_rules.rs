//! The HTTP rules of a `google.api.Service` file, which `descriptors: [{http_rules: PATH}]` names.
//!
//! ```text
//! type: google.api.Service
//! config_version: 3
//! http:
//!   rules:
//!     - selector: shop.v1.Orders.GetOrder
//!       get: /v1/orders/{id}
//!       additional_bindings:
//!         - {post: "/v1/orders:get", body: "*"}
//! ```
//!
//! The form is that of `google/api/service.proto` and `google/api/http.proto` in YAML, or in JSON, which
//! YAML includes; keys are read in snake_case and in lowerCamelCase, as ProtoJSON reads them. Such files
//! are shared with other tools, so whatever else is at their top is passed over; within `http` a key that
//! is not known is an error. `${` is plain text here.

use super::files::read_named_text;
use super::node::{self, Node, Value};
use super::place::{Located, Place};
use super::problem::{Flaw, Problem, Problems, quote};
use super::schema::Shape;
use super::settings::read::{Reader, Section};
use super::settings::word::listed;
use super::value::name::{Verb, is_full_name};
use super::value::path::FilePath;

/// The largest file of HTTP rules, in bytes.
pub const MAX_FILE: u64 = 4 * 1024 * 1024;

const TYPE: &str = "google.api.Service";
const EXAMPLE: &str = "The smallest file is:\n\
                       type: google.api.Service\n\
                       http:\n\
                       \x20 rules:\n\
                       \x20   - selector: shop.v1.Orders.GetOrder\n\
                       \x20     get: /v1/orders/{id}";

const SELECTOR: &str = "the full name of a method such as shop.v1.Orders.GetOrder";
const TEMPLATE: &str = "a path such as /v1/orders/{id}";
const BODY: &str = "a field of the request, or \"*\" for the whole message";
const RESPONSE_BODY: &str = "a field of the response";

/// The keys of a rule that name an HTTP method and hold its path.
const VERBS: [&str; 5] = ["get", "put", "post", "delete", "patch"];
/// The keys of which a rule has exactly one.
const PATTERNS: [&str; 6] = ["get", "put", "post", "delete", "patch", "custom"];
/// The keys with more than one word, of which ProtoJSON knows a second spelling.
const SPELLINGS: [(&str, &str); 3] = [
    ("additionalBindings", "additional_bindings"),
    ("fullyDecodeReservedExpansion", "fully_decode_reserved_expansion"),
    ("responseBody", "response_body"),
];

static SERVICE: Shape = shape("Service", &["type", "http"]);
/// How reserved characters are decoded is the same for every rule of Transom.
static HTTP: Shape =
    Shape { example: Some(EXAMPLE), ..shape("Http", &["rules", "fully_decode_reserved_expansion"]) };
static RULE: Shape = shape(
    "HttpRule",
    &[
        "selector",
        "get",
        "put",
        "post",
        "delete",
        "patch",
        "custom",
        "body",
        "response_body",
        "additional_bindings",
    ],
);
static CUSTOM: Shape = shape("CustomHttpPattern", &["kind", "path"]);

const fn shape(name: &'static str, keys: &'static [&'static str]) -> Shape {
    Shape { name, description: &[], keys, later: &[], short: None, example: None }
}

/// A `google.api.HttpRule`: how one method is reached over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRule {
    /// The full name of the method, `package.Service.Method`. Whether there is one is not known here.
    pub selector: Located<String>,
    /// The rule's own binding, then its additional ones in the order of the file. Never empty.
    pub bindings: Vec<Binding>,
}

/// An HTTP method and a path, and what becomes of the bodies.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// The HTTP method, such as `GET` or a custom kind, or `*` for every one that no other binding has.
    pub verb: String,
    /// The path template as it was written; it is not empty, and not yet parsed.
    pub template: Located<String>,
    /// The request field that the body is, or `*` for the whole message; empty for no body.
    pub body: String,
    /// The response field that is answered; empty for the whole message.
    pub response_body: String,
    /// Where the binding begins.
    pub place: Place,
}

/// Reads the rules of a file of at most [`MAX_FILE`] bytes, in the order of the file.
///
/// When there is nothing, at least one error was added to `problems`. A file without rules is a warning.
pub fn load(path: &Located<FilePath>, problems: &mut Problems) -> Option<Vec<HttpRule>> {
    let text = read_named_text(path, MAX_FILE, problems)?;
    parse(&path.display().to_string(), &text, path.place, problems)
}

/// Reads the rules of a text. `name` is what problems call it, `named` is where it was named.
pub(super) fn parse(
    name: &str,
    text: &str,
    named: Option<Place>,
    problems: &mut Problems,
) -> Option<Vec<HttpRule>> {
    let source = problems.sources.add(name, text.strip_prefix('\u{feff}').unwrap_or(text));
    let before = problems.errors();
    let mut root = node::parse(source, problems)?;
    keep_known(&mut root);
    let rules = match root.value {
        Value::Null => Vec::new(),
        Value::Map(_) => file(&root, &mut Reader::verbatim(problems))?,
        other => {
            let message =
                format!("The file must be a mapping of keys to values, but here is {}.", other.kind());
            problems.push(Problem::error(message).at(root.place).hint(EXAMPLE));
            return None;
        }
    };
    if problems.errors() > before {
        return None;
    }
    if rules.is_empty() {
        let message = format!("The file {name} holds no HTTP rules, so it adds no routes.");
        problems.push(Problem::warning(message).at(named).hint(EXAMPLE));
    }
    Some(rules)
}

/// Takes out the keys at the top that say nothing about HTTP, and settles the spelling of the others.
fn keep_known(root: &mut Node) {
    if let Value::Map(entries) = &mut root.value {
        entries.retain(|(key, _)| SERVICE.keys.contains(&key.text.as_str()));
        entries.iter_mut().for_each(|(_, value)| respell(value));
    }
}

/// Spells the keys as the proto file does. The depth is that of a parsed document, which is bounded.
fn respell(node: &mut Node) {
    match &mut node.value {
        Value::Null | Value::Text(_) => {}
        Value::List(items) => items.iter_mut().for_each(respell),
        Value::Map(entries) => {
            for (key, value) in entries {
                if let Some((_, proto)) = SPELLINGS.iter().find(|(json, _)| *json == key.text) {
                    key.text = (*proto).to_owned();
                }
                respell(value);
            }
        }
    }
}

/// Reads the top of a file.
fn file(root: &Node, reader: &mut Reader<'_>) -> Option<Vec<HttpRule>> {
    let section = reader.section(root, &SERVICE)?;
    // Of a file of another type nothing is understood.
    section.read_with(reader, "type", check_type).unwrap_or(Some(()))?;
    section.read_with(reader, "http", http).unwrap_or(Some(Vec::new()))
}

fn check_type(node: &Node, reader: &mut Reader<'_>) -> Option<()> {
    let text = reader.text(node, TYPE)?;
    if text == TYPE {
        return Some(());
    }
    let message = format!("The file is of the type {}, but must be a {TYPE}.", quote(&text));
    let hint = format!("Name a file with `type: {TYPE}`, or correct the type.");
    reader.error(Problem::error(message).at(node.place).hint(hint))
}

fn http(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<HttpRule>> {
    let section = reader.section(node, &HTTP)?;
    let list = |node: &Node, reader: &mut Reader<'_>| reader.list(node, rule);
    section.read_with(reader, "rules", list).unwrap_or(Some(Vec::new()))
}

fn rule(node: &Node, reader: &mut Reader<'_>) -> Option<HttpRule> {
    let section = reader.section(node, &RULE)?;
    // Everything is read before the first failure ends it.
    let selector = section
        .read_with(reader, "selector", selector)
        .unwrap_or_else(|| section.lacks(reader, "selector", SELECTOR));
    let own = binding(&section, reader);
    let list = |node: &Node, reader: &mut Reader<'_>| reader.list(node, additional);
    let others = section.read_with(reader, "additional_bindings", list).unwrap_or(Some(Vec::new()));
    let bindings = std::iter::once(own?).chain(others?).collect();
    Some(HttpRule { selector: selector?, bindings })
}

fn selector(node: &Node, reader: &mut Reader<'_>) -> Option<Located<String>> {
    let text = reader.text(node, SELECTOR)?;
    let legal = |text: &str| is_full_name(text) && text.contains('.');
    if legal(&text) {
        return Some(Located::new(text.into_owned(), node.place));
    }
    let meant = text.trim_matches(['.', '/']).replace('/', ".");
    let hint = if legal(&meant) {
        format!("Did you mean `{meant}`?")
    } else {
        "Write package.Service.Method, for example shop.v1.Orders.GetOrder; each rule is for one method."
            .to_owned()
    };
    reader.flaw(Flaw::new(format!("{} is not the full name of a method.", quote(&text)), hint), node.place)
}

/// An additional binding has the keys of a rule, but belongs to the method of the rule around it.
fn additional(node: &Node, reader: &mut Reader<'_>) -> Option<Binding> {
    let section = reader.section(node, &RULE)?;
    for key in ["selector", "additional_bindings"] {
        // Tools that write out every field write these empty.
        let filled = |node: &Node, _: &mut Reader<'_>| Some(!is_empty(node));
        if section.read_with(reader, key, filled).flatten().unwrap_or(false) {
            let message = format!("{} has the key `{key}`, which only a whole rule has.", reader.path());
            let hint = "Remove it, or make the binding an entry of `rules`.";
            let _: Option<()> = reader.error(Problem::error(message).at(section.key(key)).hint(hint));
        }
    }
    binding(&section, reader)
}

fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Null | Value::Map(_) => false,
    }
}

/// Reads what rules and additional bindings have in common.
fn binding(section: &Section<'_>, reader: &mut Reader<'_>) -> Option<Binding> {
    let mut field = |key, what| {
        let text =
            |node: &Node, reader: &mut Reader<'_>| reader.text(node, what).map(|text| text.into_owned());
        section.read_with(reader, key, text).unwrap_or(Some(String::new()))
    };
    let body = field("body", BODY);
    let response_body = field("response_body", RESPONSE_BODY);
    let (verb, template) = pattern(section, reader)?;
    Some(Binding { verb, template, body: body?, response_body: response_body?, place: section.place() })
}

/// Reads the HTTP method and the path, of which there must be exactly one.
fn pattern(section: &Section<'_>, reader: &mut Reader<'_>) -> Option<(String, Located<String>)> {
    let named = VERBS.map(|key| {
        let template = section.read_with(reader, key, template)?;
        Some(template.map(|template| (key.to_ascii_uppercase(), template)))
    });
    let custom = section.read_with(reader, "custom", custom);
    let mut found: Vec<_> = named.into_iter().chain([custom]).flatten().collect();
    if found.len() > 1 {
        return several(section, reader);
    }
    if found.is_empty() && !section.is_strange() {
        let message = format!("{} has no HTTP method.", reader.path());
        let hint = format!("Add one of {}, such as `get: /v1/orders/{{id}}`.", listed(&PATTERNS));
        return reader.error(Problem::error(message).at(section.place()).hint(hint));
    }
    found.pop().flatten()
}

/// Reports the HTTP methods of a binding that has more than one.
fn several<T>(section: &Section<'_>, reader: &mut Reader<'_>) -> Option<T> {
    let mut keys: Vec<_> = PATTERNS.iter().filter_map(|key| Some((section.key(key)?, *key))).collect();
    keys.sort_unstable();
    let names: Vec<_> = keys.iter().map(|(_, key)| *key).collect();
    let message = format!("{} has more than one HTTP method: {}.", reader.path(), listed(&names));
    let hint = "Keep one, and write each other as an entry of the rule's `additional_bindings`.";
    let (first, second) = (keys.first().map(|key| key.0), keys.get(1).map(|key| key.0));
    reader.error(Problem::error(message).at(second).related(first, "the first").hint(hint))
}

fn template(node: &Node, reader: &mut Reader<'_>) -> Option<Located<String>> {
    let text = reader.text(node, TEMPLATE)?;
    if text.is_empty() {
        let flaw = Flaw::new("The path is empty.", "Write a path such as /v1/orders/{id}.");
        return reader.flaw(flaw, node.place);
    }
    Some(Located::new(text.into_owned(), node.place))
}

fn custom(node: &Node, reader: &mut Reader<'_>) -> Option<(String, Located<String>)> {
    let section = reader.section(node, &CUSTOM)?;
    let kind = section.read::<Verb>(reader, "kind", None);
    let path = section
        .read_with(reader, "path", template)
        .unwrap_or_else(|| section.lacks(reader, "path", TEMPLATE));
    let verb = match kind? {
        Verb::Any => "*".to_owned(),
        Verb::Is(verb) => verb,
    };
    Some((verb, path?))
}
