//! What is fuzzed: one function per kind of input that comes from outside. Each holds its input against
//! what must be true of any input; to panic is to find a bug.
//!
//! `./test fuzz` replays the corpora and mutates them on the stable toolchain; `cargo fuzz run NAME` goes
//! on from there.

use std::iter;
use std::sync::LazyLock;

use transom::codec::binding::{Binding, BindingOptions, BodyFormat, FormUpload, Rule, UploadLimits};
use transom::codec::json::write::{WriteOptions, write};
use transom::codec::multipart::{Event, Multipart, MultipartError};
use transom::route::location::Location;
use transom::route::prefix::Prefix;
use transom::route::table::{Found, Table};
use transom::route::template::Template;
use transom::schema::{MessageId, Schema};

pub mod codec;
#[cfg(feature = "gateway")]
pub mod http2;
#[cfg(feature = "gateway")]
pub mod redis;
#[cfg(feature = "gateway")]
pub mod soap;
#[cfg(feature = "gateway")]
pub mod translate;
pub mod websocket;

/// A target. It panics where it finds a bug.
pub type Target = fn(&[u8]);

/// The targets by name, which is also the folder of their corpus.
pub const TARGETS: &[(&str, Target)] = &[
    ("template", template),
    ("path", path),
    ("query", query),
    ("form", form),
    ("json_to_wire", codec::json_to_wire),
    ("wire_to_json", codec::wire_to_json),
    ("xml_to_wire", codec::xml_to_wire),
    ("descriptor_load", codec::descriptor_load),
    ("websocket", websocket::websocket),
    #[cfg(feature = "gateway")]
    ("http2", http2::http2),
    #[cfg(feature = "gateway")]
    ("redis", redis::redis),
    #[cfg(feature = "gateway")]
    ("soap", soap::soap),
    #[cfg(feature = "gateway")]
    ("translate", translate::translate),
];

/// The schema of the tests' echo service, whose messages have every type of field.
static ECHO: LazyLock<Schema> = LazyLock::new(|| {
    let set = include_bytes!("echo.binpb");
    Schema::load(&[set]).expect("the committed set is valid")
});

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

/// The path of a request: wherever it is sent on to, that is a path of the same host, or of one that is written.
pub fn path(input: &[u8]) {
    let Ok(path) = std::str::from_utf8(input) else { return };
    ROUTES.find("POST", path);
    let Found::Match { route, captures } = ROUTES.find("GET", path) else { return };
    let values = route.raw(path);
    assert_eq!(values.len(), captures.len());
    let Some(variable) = route.template().variables().first() else { return };
    for start in ["", "https://docs.example", "/to"] {
        let text = format!("{start}/{{{variable}}}?x={{{variable}}}");
        let location = Location::parse(&text, route.template()).expect("the variable is one of the template");
        let written = location.write(&values, Some(path));
        assert!(written.bytes().all(|byte| byte.is_ascii_graphic()), "{written:?}");
        let local = written.strip_prefix(location.origin()).expect("the host is the one that is written");
        assert!(local.starts_with('/') && !local.starts_with("/\\"), "{written:?}");
        assert!(!(location.origin().is_empty() && local.starts_with("//")), "{written:?}");
    }
    for prefix in ["/", "/v1", "/v1/shelves"] {
        let prefix = Prefix::parse(prefix).expect("it is a prefix");
        if let Some(rest) = prefix.rest(path) {
            assert!(path.ends_with(rest) && prefix.rest(&prefix.with(rest)) == Some(rest), "{path}");
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
        let written = write(&ECHO, everything(), &wire, &WriteOptions::default(), &mut Vec::new());
        assert!(written.is_ok(), "what was read cannot be written: {written:?}");
    }
}

/// A form as a body, of either type: the message that is made of it can be written as JSON, and the pieces in which a
/// multipart form comes do not matter. The first byte is the size of the pieces.
pub fn form(input: &[u8]) {
    let Some((&size, body)) = input.split_first() else { return };
    let rule = Rule { variables: &[], body: "*", response_body: "" };
    let binding = Binding::new(&ECHO, [everything(), everything()], rule, BindingOptions::default())
        .expect("the rule names no field");
    for format in [BodyFormat::Form, BodyFormat::Multipart { boundary: "b".to_owned() }] {
        if let Ok(wire) = binding.request_as(&ECHO, iter::empty(), "", body, &format) {
            let written = write(&ECHO, everything(), &wire, &WriteOptions::default(), &mut Vec::new());
            assert!(written.is_ok(), "what was read cannot be written: {written:?}");
        }
    }
    let whole = events(iter::once(body));
    let pieces = events(body.chunks(usize::from(size).max(1)));
    assert_eq!(whole.1, pieces.1, "the end depends on the pieces");
    // What was wrong at the end may be told before all that stands before it was given.
    assert!(whole.1.is_err() || whole.0 == pieces.0, "the parts depend on the pieces");
    let whole = uploaded(&binding, iter::once(body));
    let pieces = uploaded(&binding, body.chunks(usize::from(size).max(1)));
    assert_eq!(whole, pieces, "the messages depend on the pieces");
}

/// The messages that a form is for a method with client streaming, and how it ends.
fn uploaded<'p>(
    binding: &Binding,
    pieces: impl Iterator<Item = &'p [u8]>,
) -> (Vec<Vec<u8>>, Result<(), String>) {
    let limits = UploadLimits { chunk: 10, fields: 1000 };
    let mut form = FormUpload::new("b", false, limits).expect("it is a boundary");
    let mut messages = Vec::new();
    let read = || {
        for piece in pieces {
            form.push(piece);
            while let Some(message) = form.next(binding, &ECHO)? {
                let message = binding.request_around(&ECHO, iter::empty(), "", message)?;
                let written = write(&ECHO, everything(), &message, &WriteOptions::default(), &mut Vec::new());
                assert!(written.is_ok(), "what was read cannot be written: {written:?}");
                messages.push(message);
            }
        }
        form.finish()
    };
    let end = read().map_err(|status| status.message().to_owned());
    (messages, end)
}

/// The events of a body without the cuts of its data, and how it ends.
fn events<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> (Vec<Event>, Result<(), MultipartError>) {
    let mut multipart = Multipart::new("b").expect("it is a boundary");
    let mut events = Vec::new();
    for piece in pieces {
        multipart.push(piece);
        loop {
            match multipart.next_event() {
                Ok(Some(Event::Data(data))) => match events.last_mut() {
                    Some(Event::Data(before)) => *before = [&**before, &*data].concat().into(),
                    _ => events.push(Event::Data(data)),
                },
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(error) => return (events, Err(error)),
            }
        }
    }
    (events, multipart.finish())
}
