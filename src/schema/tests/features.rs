//! What proto2, proto3 and editions make of a field.

use super::*;

/// A `FeatureSet` that sets one feature, inside an options message that holds it under `at`.
fn feature(at: u32, number: u32, value: u64) -> Part {
    node(at, &[int(number, value)])
}

const PRESENCE: u32 = 1;
const REPEATED_ENCODING: u32 = 3;
const UTF8: u32 = 4;
const ENCODING: u32 = 5;

/// Where a file, a message, a field and a oneof hold their options, and these their features.
const FILE: (u32, u32) = (8, 50);
const OF_MESSAGE: (u32, u32) = (7, 12);
const FIELD: (u32, u32) = (8, 21);
const ONEOF: (u32, u32) = (2, 1);

fn options((options, at): (u32, u32), number: u32, value: u64) -> Part {
    node(options, &[feature(at, number, value)])
}

fn presence(schema: &Schema, name: &str) -> Presence {
    match field_of(schema, "a.M", name).cardinality() {
        Cardinality::Singular(presence) => presence,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn each_syntax_has_its_defaults() {
    let table = [
        (syntax(""), Presence::Explicit, false, false),
        (syntax("proto2"), Presence::Explicit, false, false),
        (syntax("proto3"), Presence::Implicit, true, true),
        (edition(1000), Presence::Explicit, true, true),
        (edition(1001), Presence::Explicit, true, true),
    ];
    for (syntax, expected, packed, utf8) in table {
        let schema = load(&[
            syntax.clone(),
            message(
                "M",
                &[
                    field("plain", 1, STRING, &[label(OPTIONAL)]),
                    field("list", 2, INT32, &[label(REPEATED)]),
                    field("texts", 3, STRING, &[label(REPEATED)]),
                    field("child", 4, MESSAGE, &[type_name(".a.M")]),
                ],
            ),
        ]);
        assert_eq!(presence(&schema, "plain"), expected, "{syntax:?}");
        assert_eq!(field_of(&schema, "a.M", "plain").verifies_utf8(), utf8);
        assert_eq!(field_of(&schema, "a.M", "list").cardinality(), Cardinality::Repeated { packed });
        assert_eq!(field_of(&schema, "a.M", "texts").cardinality(), Cardinality::Repeated { packed: false });
        assert_eq!(presence(&schema, "child"), Presence::Explicit);
        assert!(!field_of(&schema, "a.M", "child").is_delimited());
    }
}

#[test]
fn an_inner_feature_wins_over_an_outer_one() {
    // File: implicit. Message: explicit in one, nothing in the other. Field: required or implicit.
    let schema = load(&[
        edition(1000),
        options(FILE, PRESENCE, 2),
        message("Plain", &[field("of_file", 1, INT32, &[])]),
        message(
            "M",
            &[
                options(OF_MESSAGE, PRESENCE, 1),
                field("of_message", 1, INT32, &[]),
                field("of_field", 2, INT32, &[options(FIELD, PRESENCE, 2)]),
                field("must", 3, INT32, &[options(FIELD, PRESENCE, 3)]),
            ],
        ),
    ]);
    let of_file = field_of(&schema, "a.Plain", "of_file").cardinality();
    assert_eq!(of_file, Cardinality::Singular(Presence::Implicit));
    assert_eq!(presence(&schema, "of_message"), Presence::Explicit);
    assert_eq!(presence(&schema, "of_field"), Presence::Implicit);
    assert_eq!(presence(&schema, "must"), Presence::Required);
    assert!(message_of(&schema, "a.M").requires());
}

#[test]
fn nested_messages_take_the_features_of_the_one_around_them() {
    let schema = load(&[
        edition(1001),
        message(
            "M",
            &[
                options(OF_MESSAGE, UTF8, 3),
                nested("N", &[field("text", 1, STRING, &[])]),
                nested("O", &[options(OF_MESSAGE, UTF8, 2), field("text", 1, STRING, &[])]),
            ],
        ),
    ]);
    assert!(!field_of(&schema, "a.M.N", "text").verifies_utf8());
    assert!(field_of(&schema, "a.M.O", "text").verifies_utf8());
}

#[test]
fn members_of_a_oneof_take_its_features_and_have_presence() {
    let member = |name, number, parts: &[Part]| field(name, number, STRING, &[&[int(9, 0)], parts].concat());
    let schema = load(&[
        edition(1000),
        options(FILE, PRESENCE, 2),
        message(
            "M",
            &[
                node(8, &[text(1, "choice"), options(ONEOF, UTF8, 3)]),
                member("inherits", 1, &[]),
                member("own", 2, &[options(FIELD, UTF8, 2)]),
            ],
        ),
    ]);
    assert!(!field_of(&schema, "a.M", "inherits").verifies_utf8());
    assert!(field_of(&schema, "a.M", "own").verifies_utf8());
    assert_eq!(presence(&schema, "inherits"), Presence::Explicit);
    assert_eq!(field_of(&schema, "a.M", "own").oneof(), Some(0));
}

#[test]
fn packing_is_said_by_the_feature_or_by_the_old_option() {
    let packed = |value| node(8, &[int(2, value)]);
    let list =
        |name, number, parts: &[Part]| field(name, number, INT32, &[&[label(REPEATED)], parts].concat());
    let check = |syntax: Part, expected: [(&str, bool); 4]| {
        let schema = load(&[
            syntax,
            message(
                "M",
                &[
                    list("plain", 1, &[]),
                    list("on", 2, &[packed(1)]),
                    list("off", 3, &[packed(0)]),
                    list("expanded", 4, &[options(FIELD, REPEATED_ENCODING, 2)]),
                ],
            ),
        ]);
        for (name, packed) in expected {
            assert_eq!(
                field_of(&schema, "a.M", name).cardinality(),
                Cardinality::Repeated { packed },
                "{name}"
            );
        }
    };
    check(syntax("proto2"), [("plain", false), ("on", true), ("off", false), ("expanded", false)]);
    check(syntax("proto3"), [("plain", true), ("on", true), ("off", false), ("expanded", false)]);
    check(edition(1000), [("plain", true), ("on", true), ("off", false), ("expanded", false)]);
}

#[test]
fn delimited_messages_are_groups_but_maps_are_not() {
    let entry = nested(
        "MapEntry",
        &[
            node(7, &[int(7, 1)]),
            field("key", 1, STRING, &[]),
            field("value", 2, MESSAGE, &[type_name(".a.M")]),
        ],
    );
    let schema = load(&[
        edition(1000),
        options(FILE, ENCODING, 2),
        message(
            "M",
            &[
                entry,
                field("child", 1, MESSAGE, &[type_name(".a.M")]),
                field("framed", 2, MESSAGE, &[type_name(".a.M"), options(FIELD, ENCODING, 1)]),
                field("map", 3, MESSAGE, &[type_name(".a.M.MapEntry"), label(REPEATED)]),
                field("old", 4, GROUP, &[type_name(".a.M")]),
            ],
        ),
    ]);
    for (name, delimited) in [("child", true), ("framed", false), ("map", false), ("old", true)] {
        assert_eq!(field_of(&schema, "a.M", name).is_delimited(), delimited, "{name}");
    }
    assert_eq!(field_of(&schema, "a.M", "map").cardinality(), Cardinality::Map);
    let (key, value) = message_of(&schema, "a.M.MapEntry").entry().unwrap();
    assert_eq!((key.number(), value.number(), value.is_delimited()), (1, 2, false));
}

#[test]
fn a_proto3_optional_field_has_presence_and_no_oneof() {
    let schema = load(&[
        syntax("proto3"),
        message("M", &[node(8, &[text(1, "_maybe")]), field("maybe", 1, INT32, &[int(9, 0), int(17, 1)])]),
    ]);
    assert_eq!(presence(&schema, "maybe"), Presence::Explicit);
    assert_eq!(field_of(&schema, "a.M", "maybe").oneof(), None);
}

#[test]
fn extensions_take_the_features_of_where_they_stand() {
    let schema = load(&[
        edition(1000),
        options(FILE, REPEATED_ENCODING, 2),
        message("M", &[]),
        extension(".a.M", "list", 100, INT32, &[label(REPEATED)]),
        message(
            "Holder",
            &[
                options(OF_MESSAGE, REPEATED_ENCODING, 1),
                node(
                    6,
                    &[field_parts("inner", 101, INT32, &[label(REPEATED)]), vec![text(2, ".a.M")]].concat(),
                ),
            ],
        ),
    ]);
    for (name, packed) in [("[a.list]", false), ("[a.Holder.inner]", true)] {
        assert_eq!(field_of(&schema, "a.M", name).cardinality(), Cardinality::Repeated { packed }, "{name}");
    }
}
