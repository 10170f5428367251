//! What is taken out of messages, and plans of scripted services: what is called when, and what comes of it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::oneshot;

use super::plan::{ForEach, Part, Plan, Settings};
use super::source::{Layout, Root, Source, Step, Target, Widen};
use super::template::{Piece, Template};
use crate::call::service::{BoxFuture, CallService};
use crate::call::{Body, Call, Dialect, Encodings, Method, Origin, Reply};
use crate::schema::Schema;
use crate::status::exposure::Exposure;
use crate::status::{Code, Status};
use crate::wire::WireType;
use crate::wire::reader::Reader;
use crate::wire::writer;

mod runs;
mod shadows;
mod sources;
mod splits;
mod streams;

/// A service that answers as the test says.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Vec<Asked>>>);

/// A call that was made.
struct Asked {
    request: Bytes,
    route: Arc<str>,
    /// Gone once it is answered.
    answer: Option<oneshot::Sender<Reply>>,
}

impl Script {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The requests so far.
    fn requests(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().iter().map(|asked| asked.request.clone()).collect()
    }

    fn answer(&self, call: usize, wire: impl Into<Bytes>) {
        self.end(call, Reply { message: wire.into().into(), ..Reply::from(Status::ok()) });
    }

    fn fail(&self, call: usize, status: Status) {
        self.end(call, status.into());
    }

    fn end(&self, call: usize, reply: Reply) {
        let sender = self.0.lock().unwrap()[call].answer.take().unwrap();
        assert!(sender.send(reply).is_ok(), "nobody waits for call {call}");
    }

    /// Whether nobody waits for a call any more.
    fn is_left(&self, call: usize) -> bool {
        self.0.lock().unwrap()[call].answer.as_ref().unwrap().is_closed()
    }
}

impl CallService for Script {
    fn call(&self, call: Call) -> BoxFuture<Reply> {
        let Body::Message(message) = call.body else { panic!("{:?}", call.body) };
        let (sender, receiver) = oneshot::channel();
        let asked = Asked { request: message.bytes, route: call.origin.route, answer: Some(sender) };
        self.0.lock().unwrap().push(asked);
        Box::pin(async { receiver.await.unwrap_or_else(|_| Status::gateway(Code::Internal, "").into()) })
    }
}

fn method(name: &str, server_streaming: bool) -> Method {
    Method {
        path: format!("/test.v1.Service/{name}").parse().unwrap(),
        client_streaming: false,
        server_streaming,
        idempotent: false,
        safe: false,
        meter: Arc::default(),
    }
}

/// A required part that is called once, with the request of the whole.
fn part(name: &str, number: u32, script: &Script) -> Part {
    Part {
        name: name.into(),
        number,
        method: Arc::new(method(name, false)),
        service: Arc::new(script.clone()),
        route: format!("/test.v1.Service/{name}").into(),
        request: Template::default(),
        is_optional: false,
        timeout: None,
        when: None,
        for_each: None,
        select: None,
        meter: Arc::default(),
    }
}

fn settings(limit: usize) -> Settings {
    Settings {
        method: "test.v1.Routes/Get".into(),
        limit,
        patience: None,
        exposure: Exposure::default(),
        schema: Arc::new(Schema::load(&[]).unwrap()),
    }
}

fn call(request: impl Into<Bytes>) -> Call {
    Call {
        method: Arc::new(method("Whole", false)),
        origin: Origin::new(Dialect::Rest, "/whole".into()),
        metadata: HeaderMap::new(),
        deadline: None,
        encodings: Encodings::default(),
        trace: None,
        body: Body::Message(request.into().into()),
    }
}

/// A field of text on the way.
fn text_step(number: u32) -> Step {
    Step { number, layout: Layout::Bytes, is_list: false, others: Box::default() }
}

fn step(number: u32, layout: Layout, is_list: bool) -> Step {
    Step { number, layout, is_list, others: Box::default() }
}

fn source(root: Root, steps: impl IntoIterator<Item = Step>) -> Source {
    Source { root, steps: steps.into_iter().collect() }
}

/// Writes a source into the field 1 of a request.
fn copy(source: Source) -> Template {
    let target = Target { number: 1, is_group: false, is_packed: false, widen: Widen::No };
    Template(vec![Piece::Copy(source, target)])
}

fn for_each(list: Source, at_once: usize, max_items: usize) -> Option<ForEach> {
    Some(ForEach { list, at_once, max_items })
}

/// A message with one field of text.
fn text(number: u32, text: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    writer::bytes(&mut wire, number, text.as_bytes());
    wire
}

/// What lies in a message: numbers and contents of its fields, all of which are length-delimited but one number.
fn fields(wire: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let mut reader = Reader::new(wire);
    let mut fields = Vec::new();
    while !reader.is_at_end() {
        let (number, wire_type) = reader.tag().unwrap();
        let content = match wire_type {
            WireType::Len => reader.bytes().unwrap().to_vec(),
            WireType::Varint => vec![u8::try_from(reader.varint().unwrap()).unwrap()],
            other => panic!("{other:?}"),
        };
        fields.push((number, content));
    }
    fields
}

/// The errors in an answer: part, code and message.
fn errors(wire: &[u8]) -> Vec<(String, u8, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let errors = fields(wire).into_iter().filter(|(number, _)| *number == super::plan::ERRORS);
    errors
        .map(|(_, error)| {
            let fields = fields(&error);
            (text(&fields[0].1), fields[1].1[0], text(&fields[2].1))
        })
        .collect()
}

/// An error in an answer, as [`errors`] reads it.
fn error(part: &str, code: Code, message: &str) -> (String, u8, String) {
    (part.to_owned(), code.number(), message.to_owned())
}
