//! What is fuzzed: one function per kind of input that comes from outside. Each holds its input against
//! what must be true of any input; to panic is to find a bug.
//!
//! `./test fuzz` replays the corpora and mutates them on the stable toolchain; `cargo fuzz run NAME` goes
//! on from there.

use std::iter;
use std::sync::LazyLock;

use transom::codec::binding::{Binding, BindingOptions, Rule};
use transom::codec::json::read::{ReadOptions, read};
use transom::codec::json::write::{WriteOptions, write};
use transom::route::table::Table;
use transom::route::template::Template;
use transom::schema::{MessageId, Schema};

/// A target. It panics where it finds a bug.
pub type Target = fn(&[u8]);

/// The targets by name, which is also the folder of their corpus.
pub const TARGETS: [(&str, Target); 6] = [
    ("template", template),
    ("path", path),
    ("query", query),
    ("json", json),
    ("wire", wire),
    ("descriptors", descriptors),
];

/// The schema of the tests' echo service, whose messages have every type of field.
static ECHO: LazyLock<Schema> = LazyLock::new(|| {
    let set = include_bytes!("echo.binpb");
    Schema::load(&[set]).expect("the committed set is valid")
});

/// For the text of messages that lie as deep as they may.
const DEEP: ReadOptions = ReadOptions { ignore_unknown: false, max_depth: 1_000 };

/// Some templates, one overlapping the other.
static ROUTES: LazyLock<Table<usize>> = LazyLock::new(|| {
    let mut table = Table::new();
    let templates = [
        "/v1/shelves",
        "/v1/{name=shelves/*}",
        "/v1/{name=shelves/*}:watch",
        "/v1/{name=shelves/*/books/*}",
        "/v1/{parent=shelves/*}/books",
        "/v1/catalog/{path=**}",
        "/v1/catalog/{path=**}:browse",
        "/{a}/{b=x/**/}",
        "/**",
    ];
    for (index, text) in templates.into_iter().enumerate() {
        if let Ok(template) = Template::parse(text) {
            let _ = table.insert("GET", template, index).expect("few templates fit into a table");
        }
    }
    table
});

fn everything() -> MessageId {
    ECHO.find_message("echo.v1.Everything").expect("the committed set declares it")
}

/// A path template: what is accepted is kept as it was written and can be routed to.
pub fn template(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(template) = Template::parse(text) else { return };
    assert_eq!(template.as_str(), text);
    for variable in template.variables() {
        assert!(!variable.field_path().is_empty());
        assert!(variable.span().end <= template.segments().len());
    }
    let mut table = Table::new();
    if table.insert("GET", template, ()).is_ok() {
        table.find("GET", text);
    }
}

/// The path of a request.
pub fn path(input: &[u8]) {
    if let Ok(path) = std::str::from_utf8(input) {
        for method in ["GET", "POST"] {
            ROUTES.find(method, path);
        }
    }
}

/// A query string: the message that is made of it can be written as JSON.
pub fn query(input: &[u8]) {
    let Ok(query) = std::str::from_utf8(input) else { return };
    let rule = Rule { variables: &[], body: "", response_body: "" };
    let binding = Binding::new(&ECHO, [everything(), everything()], rule, BindingOptions::default())
        .expect("the rule names no field");
    if let Ok(wire) = binding.request(&ECHO, iter::empty(), query, &[]) {
        must_write(&wire);
    }
}

/// The JSON of a request: what is accepted is JSON for others too, and its canonical form is read as the
/// same message.
pub fn json(input: &[u8]) {
    let mut wire = Vec::new();
    if read(&ECHO, everything(), input, &ReadOptions::default(), &mut wire).is_err() {
        return;
    }
    must_be_json(input);
    let text = must_write(&wire);
    assert_eq!(must_write(&must_read(&text)), text, "the canonical form is another message");
}

/// The wire bytes of an answer: what can be written as JSON is JSON and can be read again, except for an
/// Any whose type URL is none.
pub fn wire(input: &[u8]) {
    let mut text = Vec::new();
    if write(&ECHO, everything(), input, &WriteOptions::default(), &mut text).is_err() {
        assert!(text.is_empty(), "something is left of what could not be written");
        return;
    }
    must_be_json(&text);
    let mut wire = Vec::new();
    match read(&ECHO, everything(), &text, &DEEP, &mut wire) {
        Ok(()) => assert_eq!(must_write(&wire), text, "the text is another message"),
        Err(error) => assert!(error.message().contains("@type"), "what was written cannot be read: {error}"),
    }
}

/// A `FileDescriptorSet`.
pub fn descriptors(input: &[u8]) {
    if let Ok(schema) = Schema::load(&[input]) {
        for service in schema.services() {
            let _ = format!("{service:?}");
        }
    }
}

/// Asks another implementation, which goes no deeper than 128 levels.
fn must_be_json(text: &[u8]) {
    if let Err(error) = serde_json::from_slice::<serde_json::Value>(text) {
        let is_deep = error.to_string().starts_with("recursion limit exceeded");
        assert!(is_deep, "this is no JSON: {error}: {}", String::from_utf8_lossy(text));
    }
}

fn must_write(wire: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    // Reading allows for more than the writing of answers, as every message in an Any begins anew.
    let options = WriteOptions { max_depth: 1_000, ..WriteOptions::default() };
    write(&ECHO, everything(), wire, &options, &mut text)
        .unwrap_or_else(|error| panic!("what was read cannot be written: {error}"));
    text
}

fn must_read(text: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    read(&ECHO, everything(), text, &DEEP, &mut wire)
        .unwrap_or_else(|error| panic!("what was written cannot be read: {error}"));
    wire
}
