//! What becomes of messages, as JSON.

use serde_json::{Value as Json, json};

use super::{Setting, json_of, wire};

/// A translation, and what becomes of requests and of answers.
struct Case {
    name: &'static str,
    own: &'static str,
    other: &'static str,
    more: &'static str,
    requests: Vec<(Json, Json)>,
    answers: Vec<(Json, Json)>,
}

/// What is moved, added and renamed.
fn moved() -> Vec<Case> {
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
    ]
}

/// What is of another type.
fn converted() -> Vec<Case> {
    vec![
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
    for case in moved().into_iter().chain(converted()) {
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
