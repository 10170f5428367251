//! Messages through translations as they are configured, held against prost-reflect.

use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::HeaderMap;
use prost_reflect::prost::Message as _;
use prost_reflect::{Cardinality, DescriptorPool, DynamicMessage, Kind, MapKey, MessageDescriptor, Value};
use serde_json::{Value as Json, json};

use super::*;
use crate::call::service::BoxFuture;
use crate::call::{Body, Call, Dialect, Encodings, Message, Origin, Part, Reply};
use crate::config::load::parse;
use crate::status::details::{FieldViolation, bad_request};
use crate::status::{Code, Status};

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

/// A translation, and what becomes of requests and of answers.
struct Case {
    name: &'static str,
    own: &'static str,
    other: &'static str,
    more: &'static str,
    requests: Vec<(Json, Json)>,
    answers: Vec<(Json, Json)>,
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "numbers of fields, messages in one another, lists and maps of them",
            own: "message Thing { string id = 1; repeated Thing list = 2; map<string, Thing> map = 3; repeated int32 packed = 4; bytes raw = 5; }",
            other: "message Thing { string id = 31; repeated Thing list = 5; map<string, Thing> map = 2; repeated int32 packed = 1; bytes raw = 4; }",
            more: "",
            requests: vec![
                (json!({}), json!({})),
                (
                    json!({ "id": "a", "list": [{}, { "id": "b", "packed": [1, -2] }], "map": { "": { "id": "c" }, "k": {} }, "raw": "AAE=" }),
                    json!({ "id": "a", "list": [{}, { "id": "b", "packed": [1, -2] }], "map": { "": { "id": "c" }, "k": {} }, "raw": "AAE=" }),
                ),
            ],
            answers: vec![(
                json!({ "map": { "k": { "map": { "l": { "id": "d" } } } } }),
                json!({ "map": { "k": { "map": { "l": { "id": "d" } } } } }),
            )],
        },
        Case {
            name: "fields that stand elsewhere",
            own: "message Thing { string city = 1; string street = 2; Contact contact = 3; string zone = 4; } message Contact { string email = 1; string phone = 2; }",
            other: "message Thing { string email = 1; Place place = 2; string phone = 9; } message Place { Address address = 1; } message Address { string town = 1; string street = 2; Zone zone = 3; } message Zone { string name = 1; }",
            more: "    messages: {v1.Thing: {fields: {city: place.address.town, street: place.address.street, zone: place.address.zone.name, contact.email: email, contact.phone: phone}}}\n",
            requests: vec![
                (
                    json!({ "city": "Linz", "contact": { "email": "e" } }),
                    json!({ "place": { "address": { "town": "Linz" } }, "email": "e" }),
                ),
                (
                    json!({ "city": "Linz", "street": "Weg", "zone": "z", "contact": { "email": "e", "phone": "1" } }),
                    json!({ "place": { "address": { "town": "Linz", "street": "Weg", "zone": { "name": "z" } } }, "email": "e", "phone": "1" }),
                ),
                (json!({ "contact": {} }), json!({})),
            ],
            answers: vec![(
                json!({ "place": { "address": { "town": "Linz", "zone": { "name": "z" } } }, "phone": "1" }),
                json!({ "city": "Linz", "zone": "z", "contact": { "phone": "1" } }),
            )],
        },
        Case {
            name: "a message as a whole, and a field beside it that moves into it",
            own: "message Thing { Address address = 1; string city = 2; } message Address { string street = 1; }",
            other: "message Thing { Address address = 7; } message Address { string city = 1; string street = 2; }",
            more: "    messages: {v1.Thing: {fields: {city: address.city}}}\n",
            requests: vec![
                (
                    json!({ "address": { "street": "s" }, "city": "c" }),
                    json!({ "address": { "street": "s", "city": "c" } }),
                ),
                (json!({ "address": {} }), json!({ "address": {} })),
                (json!({ "city": "c" }), json!({ "address": { "city": "c" } })),
            ],
            answers: vec![(
                json!({ "address": { "street": "s", "city": "c" } }),
                json!({ "address": { "street": "s" }, "city": "c" }),
            )],
        },
        Case {
            name: "constants and defaults",
            own: "message Thing { string id = 1; int32 level = 2; optional int32 size = 3; string kind = 4; }",
            other: "message Thing { string id = 1; int32 level = 2; optional int32 size = 3; string source = 4; Deep deep = 5; repeated string tags = 6; } message Deep { int32 a = 1; Deep b = 2; }",
            more: "    messages: {v1.Thing: {request: {drop: [kind], constants: {source: old, deep: {a: 1}, tags: [x, y]}, defaults: {level: 7, size: 9}}, answer: {drop: [source, deep, tags], constants: {kind: new}, defaults: {size: -1}}}}\n",
            requests: vec![
                (
                    json!({ "kind": "k" }),
                    json!({ "level": 7, "size": 9, "source": "old", "deep": { "a": 1 }, "tags": ["x", "y"] }),
                ),
                (
                    json!({ "level": 2, "size": 0 }),
                    json!({ "level": 2, "size": 0, "source": "old", "deep": { "a": 1 }, "tags": ["x", "y"] }),
                ),
            ],
            answers: vec![
                (json!({ "source": "s" }), json!({ "size": -1, "kind": "new" })),
                (json!({ "size": 4 }), json!({ "size": 4, "kind": "new" })),
            ],
        },
        Case {
            name: "enums by the names of their values, also where nothing is set",
            own: "message Thing { Role role = 1; repeated Role roles = 2; map<string, Role> by = 3; optional Role may = 4; oneof o { Role in = 5; string text = 6; } } enum Role { USER = 0; ADMIN = 5; OLD = 6; }",
            other: "message Thing { Role role = 1; repeated Role roles = 2; map<string, Role> by = 3; optional Role may = 4; oneof o { Role in = 5; string text = 6; } } enum Role { NONE = 0; ADMIN = 1; PERSON = 2; ROBOT = 5; }",
            more: "    enums: {v1.Role: {values: {USER: PERSON}, request: {OLD: ADMIN}, answer: {NONE: USER, ROBOT: USER}}}\n",
            requests: vec![
                (json!({}), json!({ "role": "PERSON" })),
                (
                    json!({ "role": "ADMIN", "roles": ["USER", "OLD"], "by": { "a": "USER", "b": "ADMIN" }, "may": "USER", "in": "USER" }),
                    json!({ "role": "ADMIN", "roles": ["PERSON", "ADMIN"], "by": { "a": "PERSON", "b": "ADMIN" }, "may": "PERSON", "in": "PERSON" }),
                ),
                (json!({ "role": 77, "text": "t" }), json!({ "role": 77, "text": "t" })),
            ],
            answers: vec![
                (json!({}), json!({})),
                (
                    json!({ "role": "ROBOT", "roles": ["ADMIN", "NONE", "PERSON"] }),
                    json!({ "roles": ["ADMIN", "USER", "USER"] }),
                ),
            ],
        },
        Case {
            name: "integers of every type, floats, text and bytes, one and many",
            own: "message Thing { int32 a = 1; sint32 b = 2; uint64 c = 3; sfixed32 d = 4; repeated uint32 e = 5; string f = 6; fixed64 g = 7; bool h = 8; }",
            other: "message Thing { int64 a = 1; int32 b = 2; int32 c = 3; sint64 d = 4; repeated fixed64 e = 5 [packed = false]; bytes f = 6; int32 g = 7; bool h = 9; }",
            more: "",
            requests: vec![(
                json!({ "a": -5, "b": -6, "c": 7, "d": -8, "e": [0, 4294967295_u32, 3], "f": "text", "g": 1, "h": true }),
                json!({ "a": -5, "b": -6, "c": 7, "d": -8, "e": [0, 4294967295_u32, 3], "f": "dGV4dA==", "g": 1, "h": true }),
            )],
            answers: vec![(
                json!({ "a": -2147483648, "b": 5, "c": 2147483647, "d": -1, "e": [4294967295_u32], "f": "w6Q=" }),
                json!({ "a": -2147483648, "b": 5, "c": 2147483647, "d": -1, "e": [4294967295_u32], "f": "ä" }),
            )],
        },
        Case {
            name: "one way only",
            own: "message Thing { float a = 1; string b = 2; optional string c = 3; }",
            other: "message Thing { double a = 1; repeated string b = 2; repeated string c = 3; }",
            more: "    messages: {v1.Thing: {answer: {drop: [a, b, c]}}}\n",
            requests: vec![
                (json!({ "a": 0.5, "b": "x", "c": "" }), json!({ "a": 0.5, "b": ["x"], "c": [""] })),
                (json!({ "b": "" }), json!({})),
            ],
            answers: vec![(json!({ "a": 0.1, "b": ["x", "y"] }), json!({}))],
        },
        Case {
            name: "what is known to all, and groups",
            own: "message Thing { google.protobuf.Timestamp at = 1; google.protobuf.Struct any = 2; Pair group = 3; } message Pair { string a = 1; }",
            other: "proto2 message Thing { optional google.protobuf.Timestamp at = 4; optional google.protobuf.Struct any = 3; optional group Group = 2 { optional string a = 5; } }",
            more: "",
            requests: vec![(
                json!({ "at": "2024-01-01T00:00:00Z", "any": { "x": [1, null] }, "group": { "a": "b" } }),
                json!({ "at": "2024-01-01T00:00:00Z", "any": { "x": [1.0, null] }, "group": { "a": "b" } }),
            )],
            answers: vec![(json!({ "group": { "a": "b" } }), json!({ "group": { "a": "b" } }))],
        },
        Case {
            name: "masks, whose paths move too",
            own: "message Thing { Inner inner = 1; google.protobuf.FieldMask mask = 2; google.protobuf.FieldMask whole = 3; } message Inner { string city = 1; string name = 2; Inner inner = 3; }",
            other: "message Thing { Inner inner = 1; google.protobuf.FieldMask mask = 2; google.protobuf.FieldMask whole = 3; } message Inner { Address address = 1; string title = 2; Inner sub = 3; } message Address { string city = 1; }",
            more: "    messages: {v1.Inner: {fields: {city: address.city, name: title, inner: sub}}, v1.Thing: {masks: {whole: v1.Thing}}}\n",
            requests: vec![(
                json!({ "mask": "city,inner.name,inner.inner", "whole": "mask,inner.city" }),
                json!({ "mask": "address.city,sub.title,sub.sub", "whole": "mask,inner.address.city" }),
            )],
            answers: vec![(json!({ "mask": "title,address.city,nothing" }), json!({ "mask": "name,city" }))],
        },
    ]
}

#[test]
fn messages_become_what_is_declared() {
    for case in cases() {
        let setting = Setting::new(case.own, case.other, case.more);
        for (request, expected) in &case.requests {
            let made = setting
                .request(wire(&setting.own, request))
                .unwrap_or_else(|status| panic!("{}: {status}", case.name));
            assert_eq!(json_of(&setting.other, &made), *expected, "{}", case.name);
        }
        for (answer, expected) in &case.answers {
            let made = setting
                .answer(wire(&setting.other, answer))
                .unwrap_or_else(|status| panic!("{}: {status}", case.name));
            assert_eq!(json_of(&setting.own, &made), *expected, "{}", case.name);
        }
    }
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

/// What comes later joins or replaces what came before, in whatever pieces it comes.
#[test]
fn unusual_wire_means_the_same() {
    let own = "message Thing { Inner inner = 1; string name = 2; oneof o { string a = 3; string b = 4; Inner c = 5; } repeated Thing things = 6; } message Inner { int32 x = 1; string y = 2; Inner z = 3; }";
    let other = "message Thing { Inner inner = 9; repeated string name = 2; oneof o { string a = 3; Inner c = 5; } repeated Thing things = 6; string y = 7; } message Inner { int32 x = 4; Inner z = 5; string y = 6; }";
    let more = "    messages: {v1.Thing: {fields: {inner.y: y}, request: {drop: [b]}, answer: {drop: [name]}}, v1.Inner: {request: {defaults: {x: 5}}}}\n";
    // The default lies in the message that is moved as a whole.
    let setting = Setting::new(own, other, more);
    let usual = |json: Json| wire(&setting.own, &json);
    let parts = [
        json!({ "inner": { "x": 1, "y": "one" }, "name": "first", "a": "a" }),
        json!({ "inner": { "z": { "x": 2 } }, "name": "second", "b": "b" }),
        json!({ "inner": { "y": "two", "z": { "y": "deep" } }, "c": { "x": 1 } }),
        json!({ "c": { "y": "c" }, "things": [{ "a": "1", "inner": {} }] }),
        json!({ "a": "again", "things": [{}] }),
        json!({ "b": "last" }),
    ];
    for first in &parts {
        for second in &parts {
            for third in &parts {
                let pieces = [first, second, third].map(|part| usual(part.clone())).concat();
                let once = DynamicMessage::decode(setting.own.clone(), &pieces[..]).unwrap().encode_to_vec();
                let [pieces, once] =
                    [pieces, once].map(|wire| json_of(&setting.other, &setting.request(wire).unwrap()));
                assert_eq!(pieces, once, "{first} {second} {third}");
            }
        }
    }
    // The same in messages of a list, one within the other.
    let nested = |content: Vec<u8>| [vec![0x32, u8::try_from(content.len()).unwrap()], content].concat();
    let content = [usual(parts[0].clone()), usual(parts[1].clone())].concat();
    let pieces = nested(nested(content));
    let once = DynamicMessage::decode(setting.own.clone(), &pieces[..]).unwrap().encode_to_vec();
    let [pieces, once] = [pieces, once].map(|wire| json_of(&setting.other, &setting.request(wire).unwrap()));
    assert_eq!(pieces, once);
}

/// More marks than bits: such messages are always looked over.
#[test]
fn large_messages() {
    let own: String = (1..=80).map(|at| format!("Inner f{at} = {at};")).collect();
    let other: String = (1..=80).map(|at| format!("Inner f{at} = {};", 100 - at)).collect();
    let setting = Setting::new(
        &format!("message Thing {{ {own} }} message Inner {{ string a = 1; }}"),
        &format!("message Thing {{ {other} }} message Inner {{ string a = 2; }}"),
        "",
    );
    let json: serde_json::Map<_, _> =
        (1..=80).map(|at| (format!("f{at}"), json!({ "a": at.to_string() }))).collect();
    let json = Json::Object(json);
    let made = setting.request(wire(&setting.own, &json).repeat(2)).unwrap();
    assert_eq!(json_of(&setting.other, &made), json);
}

const OWN: &str = "message Thing {
    string id = 1; Kind kind = 2; optional int32 size = 3; string city = 4; repeated Thing list = 5; map<int32, Part> parts = 6;
    oneof which { string word = 7; Part part = 8; int64 number = 9; } repeated sint32 numbers = 10; bytes raw = 11; Part one = 12;
    repeated Kind kinds = 13; double weight = 14; google.protobuf.Timestamp at = 15; optional bool may = 16; string zip = 17;
  } message Part { string name = 1; fixed32 count = 2; Thing thing = 3; } enum Kind { A = 0; B = 1; C = 2; }";
const OTHER: &str = "message Thing {
    string key = 7; Kind kind = 1; optional int64 size = 9; Address address = 2; repeated Thing things = 3; map<int64, Piece> parts = 4;
    oneof which { Piece part = 21; string word = 22; sfixed64 number = 23; } repeated int64 numbers = 11; bytes raw = 10; Piece one = 30;
    repeated Kind kinds = 31; double weight = 32; google.protobuf.Timestamp at = 33; optional bool may = 34;
  } message Piece { Thing thing = 1; uint64 count = 2; string name = 3; } message Address { string city = 1; Zip zip = 2; }
  message Zip { string code = 1; } enum Kind { NONE = 0; B = 3; A = 2; C = 1; }";
const MORE: &str =
    "    messages: {v1.Thing: {fields: {id: key, list: things, city: address.city, zip: address.zip.code}}}
    enums: {v1.Kind: {answer: {NONE: A}}}\n";

/// A message out of random bytes.
fn random(
    descriptor: &MessageDescriptor,
    bytes: &mut impl Iterator<Item = u8>,
    depth: usize,
) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        if bytes.next().is_none_or(|byte| byte < 100) {
            continue;
        }
        let count = bytes.next().map_or(0, |byte| usize::from(byte % 4));
        let kind = field.kind();
        if field.is_map() {
            let Kind::Message(entry) = kind else { unreachable!() };
            let value = entry.map_entry_value_field().kind();
            let map = (0..count)
                .filter_map(|at| Some((MapKey::I32(at as i32 * 1000 - 7), scalar(&value, bytes, depth)?)));
            message.set_field(&field, Value::Map(map.collect()));
        } else if field.cardinality() == Cardinality::Repeated {
            let list = (0..count).filter_map(|_| scalar(&kind, bytes, depth));
            message.set_field(&field, Value::List(list.collect()));
        } else if let Some(value) = scalar(&kind, bytes, depth) {
            message.set_field(&field, value);
        }
    }
    message
}

fn scalar(kind: &Kind, bytes: &mut impl Iterator<Item = u8>, depth: usize) -> Option<Value> {
    let byte = bytes.next()?;
    Some(match kind {
        Kind::Message(_) if depth == 0 => return None,
        // JSON has no words for times of no year.
        Kind::Message(inner) if inner.full_name().starts_with("google.") => {
            let mut time = DynamicMessage::new(inner.clone());
            time.set_field_by_name("seconds", Value::I64(i64::from(byte)));
            Value::Message(time)
        }
        Kind::Message(inner) => Value::Message(random(inner, bytes, depth - 1)),
        Kind::String => Value::String("ä".repeat(usize::from(byte))),
        Kind::Bytes => Value::Bytes(vec![byte; usize::from(byte)].into()),
        Kind::Enum(_) => Value::EnumNumber(i32::from(byte % 3)),
        Kind::Bool => Value::Bool(byte > 127),
        Kind::Double => Value::F64(f64::from(byte) - 100.5),
        Kind::Int64 => Value::I64(i64::from(byte) * 0x0001_0203_0405_0607 - (1 << 40)),
        Kind::Fixed32 => Value::U32(u32::from(byte) * 0x0101_0101),
        Kind::Int32 | Kind::Sint32 => Value::I32(i32::from(byte) * 0x0080_8080 - (1 << 30)),
        other => panic!("{other:?}"),
    })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    /// Nothing is lost on the way there and back.
    #[test]
    fn what_loses_nothing_comes_back(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        thread_local!(static SETTING: Setting = Setting::new(OWN, OTHER, MORE));
        SETTING.with(|setting| {
            assert_eq!(setting.said, "");
            let message = random(&setting.own, &mut bytes.iter().copied(), 4);
            let other = setting.request(message.encode_to_vec()).unwrap();
            // It is valid for the other side.
            json_of(&setting.other, &other);
            let back = setting.answer(other).unwrap();
            assert_eq!(json_of(&setting.own, &back), json_of(&setting.own, &message.encode_to_vec()));
        });
    }

    /// Any bytes are refused, or mean the same as when prost-reflect has written them.
    #[test]
    fn any_wire_is_refused_or_means_what_it_should(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
        flips in proptest::collection::vec((proptest::prelude::any::<usize>(), proptest::prelude::any::<u8>()), 0..6),
    ) {
        thread_local!(static SETTING: Setting = Setting::new(OWN, OTHER, MORE));
        SETTING.with(|setting| {
            let mut wire = random(&setting.own, &mut bytes.iter().copied(), 3).encode_to_vec();
            wire.extend(random(&setting.own, &mut bytes.iter().rev().copied(), 3).encode_to_vec());
            for (at, byte) in flips {
                let length = wire.len().max(1);
                if let Some(place) = wire.get_mut(at % length) {
                    *place = byte;
                }
            }
            let made = setting.request(wire.clone());
            let Ok(message) = DynamicMessage::decode(setting.own.clone(), &wire[..]) else { return };
            let Ok(made) = made else { return };
            let Ok(again) = setting.request(message.encode_to_vec()) else { return };
            let decoded = |wire: &[u8]| DynamicMessage::decode(setting.other.clone(), wire).unwrap();
            assert_eq!(known(&decoded(&made)), known(&decoded(&again)));
        });
    }
}

/// The message without what its type does not know. Nothing where JSON cannot say it, such as times of no year.
fn known(message: &DynamicMessage) -> Option<Json> {
    serde_json::to_value(message).ok()
}
