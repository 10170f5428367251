//! Messages through translations as they are configured, held against prost-reflect.

use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Value as Json, json};

use super::*;
use crate::call::service::BoxFuture;
use crate::call::{Body, Call, Dialect, Encodings, Message, Origin, Part, Reply};
use crate::config::load::parse;
use crate::status::details::{FieldViolation, bad_request};
use crate::status::{Code, Status};

mod cases;
mod properties;

/// The longest message of the tests.
const LENGTH: usize = 1 << 20;
const DEPTH: usize = 20;

/// A service that is called as the other one, and answers with what the test gives it.
#[derive(Clone, Default)]
struct Backend(Arc<Mutex<(Vec<Bytes>, Vec<Reply>)>>);

impl CallService for Backend {
    fn call(&self, call: Call) -> BoxFuture<Reply> {
        let this = self.clone();
        assert_eq!(call.method.path, "/v2.Things/Put");
        Box::pin(async move {
            let mut messages = call.body.messages();
            while let Some(message) = messages.next().await {
                match message {
                    Ok(message) => this.0.lock().unwrap().0.push(message.bytes),
                    Err(status) => return status.into(),
                }
            }
            this.0.lock().unwrap().1.pop().unwrap()
        })
    }
}

/// A translation of `v1.Things/Put` by `v2.Things/Put`, both of which take and answer a `Thing`.
struct Setting {
    own: MessageDescriptor,
    other: MessageDescriptor,
    backend: Backend,
    translated: Translated,
    said: String,
}

fn pool(package: &str, messages: &str) -> (DescriptorPool, Vec<u8>) {
    let (syntax, messages) = match messages.strip_prefix("proto2 ") {
        Some(messages) => ("proto2", messages),
        None => ("proto3", messages),
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("things.proto");
    let text = format!(
        "syntax = \"{syntax}\"; package {package}; import \"google/protobuf/field_mask.proto\"; import \
         \"google/protobuf/timestamp.proto\"; import \"google/protobuf/struct.proto\";\nservice Things {{ rpc Put(Thing) returns \
         (Thing); }}\n{messages}"
    );
    std::fs::write(&file, text).unwrap();
    let set = protox::compile([&file], [folder.path()]).unwrap().encode_to_vec();
    (DescriptorPool::decode(&set[..]).unwrap(), set)
}

impl Setting {
    fn new(own: &str, other: &str, more: &str) -> Self {
        let yaml = format!(
            "upstreams: {{a: \"http://127.0.0.1:1\"}}\nservices: [\"**\"]\ntranslations:\n  - service: v1.Things\n    by: v2.Things\n{more}"
        );
        let environment = |_: &str| Err(std::env::VarError::NotPresent);
        let (config, mut problems) = parse("transom.yaml", &yaml, std::path::Path::new(""), &environment)
            .unwrap_or_else(|problems| panic!("{problems}"));
        let ((own, own_set), (other, other_set)) = (pool("v1", own), pool("v2", other));
        let schema = |set: &[u8]| Arc::new(Schema::load(&[set]).unwrap());
        let settings = Settings::everything();
        let found = Found {
            translation: &config.translations[0],
            settings: &settings,
            schema: schema(&own_set),
            described: 0,
            answering: Answering { schema: schema(&other_set), upstream: None },
        };
        let pairs = pairs(&found, &mut problems).unwrap_or_default();
        let made = tables(&found, &pairs, &mut problems);
        let made = made.filter(|_| problems.errors() == 0).unwrap_or_else(|| panic!("{problems}"));
        let (request, answer) = made.roots[0];
        let backend = Backend::default();
        let translated = Translated::new(service::Settings {
            method: Arc::new(called(pairs[0].other, "v2.Things/Put", "a").unwrap()),
            name: "v2.Things/Put".into(),
            service: Arc::new(backend.clone()),
            route: None,
            request: Side { tables: made.request, table: request },
            answer: Side { tables: made.answer, table: answer },
            violations: Renaming { names: made.violations, scope: request, is_strict: false },
            length: LENGTH,
            depth: DEPTH,
        });
        let thing = |pool: DescriptorPool, name: &str| pool.get_message_by_name(name).unwrap();
        let (own, other) = (thing(own, "v1.Thing"), thing(other, "v2.Thing"));
        Self { own, other, backend, translated, said: problems.to_string() }
    }

    fn call(&self, body: Body, reply: Reply) -> Reply {
        *self.backend.0.lock().unwrap() = (Vec::new(), vec![reply]);
        let method = call::Method {
            path: "/v1.Things/Put".parse().unwrap(),
            client_streaming: false,
            server_streaming: false,
            idempotent: false,
            safe: false,
            meter: Arc::default(),
        };
        let call = Call {
            method: Arc::new(method),
            origin: Origin::new(Dialect::Grpc, "/".into()),
            metadata: HeaderMap::new(),
            deadline: None,
            encodings: Encodings::default(),
            trace: None,
            body,
        };
        finished(self.translated.call(call))
    }

    /// What the backend gets, or what the caller is told.
    fn request(&self, wire: impl Into<Bytes>) -> Result<Bytes, Status> {
        let reply = self.call(Body::Message(wire.into().into()), Status::ok().into());
        let mut seen = self.backend.0.lock().unwrap();
        seen.0.pop().ok_or(reply.status)
    }

    /// What the caller gets for an answer.
    fn answer(&self, wire: impl Into<Bytes>) -> Result<Bytes, Status> {
        let reply = Reply { message: wire.into().into(), ..Reply::from(Status::ok()) };
        let reply = self.call(Body::Message(Message::default()), reply);
        if reply.status.is_ok() { Ok(reply.message.bytes) } else { Err(reply.status) }
    }
}

fn finished<T>(mut future: BoxFuture<T>) -> T {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// The wire form of JSON, by prost-reflect.
fn wire(descriptor: &MessageDescriptor, json: &Json) -> Vec<u8> {
    DynamicMessage::deserialize(descriptor.clone(), json)
        .unwrap_or_else(|error| panic!("{json}: {error}"))
        .encode_to_vec()
}

/// The JSON of a wire form, by prost-reflect, with fields as the proto file calls them.
fn json_of(descriptor: &MessageDescriptor, wire: &[u8]) -> Json {
    let message = DynamicMessage::decode(descriptor.clone(), wire).unwrap();
    let options =
        prost_reflect::SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    message.serialize_with_options(serde_json::value::Serializer, &options).unwrap()
}

#[test]
fn what_cannot_be_translated_names_the_field() {
    let inner = "message Inner { int64 big = 1; Role role = 2; bytes raw = 3; Inner inner = 4; }";
    let own = format!(
        "message Thing {{ repeated Inner list = 1; google.protobuf.FieldMask mask = 2; }} {inner} enum Role {{ A = 0; B = 1; }}"
    );
    let other = format!(
        "message Thing {{ repeated Inner list = 1; google.protobuf.FieldMask mask = 2; }} {} enum Role {{ A = 0; B = 1; C = 2; }}",
        inner.replace("int64", "uint32").replace("bytes", "string")
    );
    let more =
        "    messages: {v1.Thing: {masks: {mask: v1.Inner}}}\n    enums: {v1.Role: {answer: {C: B}}}\n";
    let setting = Setting::new(&own, &other, more);
    for (request, text) in [
        (
            json!({ "list": [{}, { "big": -1 }] }),
            "The field \"list.big\" is -1, which does not fit into uint32.",
        ),
        (
            json!({ "list": [{ "inner": { "big": 4294967296_u64 } }] }),
            "The field \"list.inner.big\" is 4294967296, which does not fit into uint32.",
        ),
        (json!({ "list": [{ "role": 2 }] }), "The field \"list.role\" is 2, which is no value of its enum."),
        (json!({ "list": [{ "raw": "/w==" }] }), "The field \"list.raw\" is not UTF-8."),
        (
            json!({ "mask": "role,nothing" }),
            "The field \"mask\" names \"nothing\", which this service cannot change or show by itself.",
        ),
    ] {
        let status = setting.request(wire(&setting.own, &request)).unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, text));
        let field = text.split('"').nth(1).unwrap().to_owned();
        let violation = FieldViolation { field, description: text.to_owned() };
        assert_eq!(status.details(), [bad_request(vec![violation])]);
    }
    let deep = (0..DEPTH).fold(json!({}), |inner, _| json!({ "inner": inner }));
    let status = setting.request(wire(&setting.own, &json!({ "list": [deep] }))).unwrap_err();
    assert_eq!(status.message(), "Messages of the request lie more than 20 deep in one another.");
    let status = setting.request(&b"\x0a\x05"[..]).unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::InvalidArgument,
            "The request is not valid protobuf: a value goes on after the end of the message, at byte 1."
        )
    );
    let status = setting.answer(&b"\x0a\x05"[..]).unwrap_err();
    let text = "The answer of v2.Things/Put is not valid protobuf: a value goes on after the end of the message, at byte 1.";
    assert_eq!((status.code(), status.http(), status.message()), (Code::Internal, 502, text));

    let setting = Setting::new("message Thing { int32 a = 1; }", "message Thing { int64 a = 1; }", "");
    let status = setting.answer(wire(&setting.other, &json!({ "a": 2147483648_u64 }))).unwrap_err();
    let text = "The answer of v2.Things/Put cannot be shown: the field \"a\" is 2147483648, which does not fit into int32.";
    assert_eq!((status.code(), status.http(), status.message()), (Code::Internal, 502, text));
}

/// Constants in each of many small messages.
#[test]
fn what_is_made_has_a_bound() {
    let own = "message Thing { repeated Inner list = 1; } message Inner {}";
    let other = "message Thing { repeated Inner list = 1; } message Inner { string a = 1; }";
    let constant = "x".repeat(1000);
    let more = format!(
        "    messages: {{v1.Inner: {{request: {{constants: {{a: {constant}}}}}, answer: {{drop: [a]}}}}}}\n"
    );
    let setting = Setting::new(own, other, &more);
    let status = setting.request([0x0a, 0x00].repeat(1000)).map(|wire| wire.len());
    assert_eq!(status, Ok(1000 * 1006));
    let status = setting.request([0x0a, 0x00].repeat(100_000)).unwrap_err();
    let text = "The request is longer than 1048576 bytes once it is translated.";
    assert_eq!((status.code(), status.http(), status.message()), (Code::ResourceExhausted, 413, text));
}

/// The messages of a stream become others one by one; one that cannot ends it.
#[test]
fn streams_and_errors() {
    let own = "message Thing { int32 a = 1; Inner inner = 2; } message Inner { string city = 1; }";
    let other = "message Thing { int64 a = 2; Inner sub = 1; } message Inner { Place place = 1; } message Place { string town = 1; }";
    let more = "    messages: {v1.Thing: {fields: {inner: sub}}, v1.Inner: {fields: {city: place.town}}}\n";
    let setting = Setting::new(own, other, more);
    let of = |descriptor: &MessageDescriptor, json: Json| Message::from(Bytes::from(wire(descriptor, &json)));
    let requests: Vec<_> = (1..4).map(|a| Ok(of(&setting.own, json!({ "a": a })))).collect();
    let answers = [
        Part::Message(of(&setting.other, json!({ "a": 1 }))),
        Part::Message(of(&setting.other, json!({ "a": 3000000000_u64 }))),
        Part::Message(of(&setting.other, json!({ "a": 2 }))),
    ];
    let reply = Reply { stream: Some(Box::pin(stream::iter(answers))), ..Reply::from(Status::ok()) };
    let reply = setting.call(Body::Stream(Box::pin(stream::iter(requests))), reply);
    let seen: Vec<_> =
        setting.backend.0.lock().unwrap().0.iter().map(|wire| json_of(&setting.other, wire)).collect();
    assert_eq!(seen, [json!({ "a": 1 }), json!({ "a": 2 }), json!({ "a": 3 })]);
    let parts: Vec<Part> = finished(Box::pin(reply.stream.unwrap().collect()));
    let [Part::Message(first), Part::End(status, _)] = &*parts else { panic!("{parts:?}") };
    assert_eq!(json_of(&setting.own, &first.bytes), json!({ "a": 1 }));
    assert_eq!(status.code(), Code::Internal);

    // Fields that errors name have the names that callers know.
    let violation =
        |field: &str| FieldViolation { field: field.to_owned(), description: "is wrong".to_owned() };
    let violations = |fields: &[&str]| bad_request(fields.iter().map(|field| violation(field)).collect());
    let told = violations(&["sub.place.town", "sub.place", "sub", "a", "other.x", "sub.place.town[3]"]);
    let expected = violations(&["inner.city", "inner.city", "inner", "a", "other.x", "inner.city[3]"]);
    let status = Status::backend(Code::InvalidArgument, "no").with_detail(told);
    let reply = setting.call(Body::Message(Message::default()), status.clone().into());
    assert_eq!(reply.status.details(), std::slice::from_ref(&expected));
    let end = Part::End(status, HeaderMap::new());
    let reply = Reply { stream: Some(Box::pin(stream::iter([end]))), ..Reply::from(Status::ok()) };
    let reply = setting.call(Body::Message(Message::default()), reply);
    let parts: Vec<Part> = finished(Box::pin(reply.stream.unwrap().collect()));
    let [Part::End(status, _)] = &*parts else { panic!("{parts:?}") };
    assert_eq!(status.details(), [expected]);
    // What the front found wrong is told as it is.
    let refused = Status::caller(Code::Unauthenticated, "who?");
    let reply = setting.call(Body::Refused(Box::new(refused.clone())), Status::ok().into());
    assert_eq!(reply.status, refused);
}
