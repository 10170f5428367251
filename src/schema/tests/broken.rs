//! Broken descriptor sets, each with the whole text of its problems.

use super::*;

fn check(parts: &[Part], expected: &[&str]) {
    let found = problems(Schema::load(&[&set(parts)]));
    assert_eq!(found.lines().collect::<Vec<_>>(), expected);
}

fn entry(parts: &[Part]) -> Part {
    nested("E", &[&[node(7, &[int(7, 1)])], parts].concat())
}

#[test]
fn types_that_are_missing_or_of_the_wrong_kind() {
    let missing = "the type b.Missing is not in the descriptors; build the set with its imports \
                   (protoc --include_imports, buf build)";
    check(
        &[
            message("M", &[field("f", 1, MESSAGE, &[type_name(".b.Missing")])]),
            extension(".b.Missing", "x", 100, INT32, &[]),
            service("S", &[("Call", ".b.Missing", ".a.M")]),
        ],
        &[
            &format!("a.proto: a.M.f: {missing}"),
            &format!("a.proto: a.x: {missing}"),
            &format!("a.proto: a.S.Call: {missing}"),
        ],
    );
    check(
        &[
            enumeration("E", &[("ZERO", 0)]),
            message(
                "M",
                &[
                    field("f", 1, MESSAGE, &[type_name(".a.E")]),
                    field("g", 2, ENUM, &[type_name(".a.M")]),
                    field("h", 3, MESSAGE, &[]),
                    field("i", 4, 99, &[]),
                    field("j", 5, 0, &[]),
                ],
            ),
            service("S", &[("Call", ".a.M", ".a.E")]),
        ],
        &[
            "a.proto: a.M.f: a.E is an enum; a message is needed here",
            "a.proto: a.M.g: a.M is a message; an enum is needed here",
            "a.proto: a.M.h: its type has no name",
            "a.proto: a.M.i: its type has the unknown number 99",
            "a.proto: a.M.j: its type has the unknown number 0",
            "a.proto: a.S.Call: a.E is an enum; a message is needed here",
        ],
    );
}

#[test]
fn names_that_come_twice_or_are_missing() {
    check(
        &[message("M", &[]), message("M", &[]), enumeration("M", &[("ZERO", 0)])],
        &[
            "a.proto: a.M: this name is defined twice in the descriptors",
            "a.proto: a.M: this name is defined twice in the descriptors",
        ],
    );
    check(
        &[message("M", &[]), service("S", &[]), service("S", &[])],
        &["a.proto: a.S: this service is defined twice in the descriptors"],
    );
    check(
        &[message("M", &[]), service("S", &[("Call", ".a.M", ".a.M"), ("Call", ".a.M", ".a.M")])],
        &["a.proto: a.S.Call: two methods of the service have this name"],
    );
    check(
        &[enumeration("E", &[("ZERO", 0), ("ONE", 1), ("ZERO", 2)])],
        &["a.proto: a.E: two values of the enum have the name ZERO"],
    );
    check(
        &[message("M", &[field("f", 1, INT32, &[]), field("f", 2, INT32, &[])])],
        &["a.proto: a.M.f: two fields of the message have this name"],
    );
    check(&[message("", &[])], &["a.proto: a.: a message or an enum has no name"]);
    check(&[message("M", &[field("", 1, INT32, &[])])], &["a.proto: a.M.: the field has no name"]);
    let long = "x".repeat(8_001);
    check(
        &[message("M", &[field("a\"b", 1, INT32, &[]), field("f", 2, INT32, &[text(10, &long)])])],
        &[
            "a.proto: a.M.a\"b: its name has characters other than ASCII letters, digits and underscores",
            "a.proto: a.M.f: its name is longer than 8000 bytes",
        ],
    );
    check(
        &[message("M", &[]), service("", &[]), service("S", &[("", ".a.M", ".a.M")])],
        &["a.proto: a.: the service has no name", "a.proto: a.S.: the method has no name"],
    );
}

#[test]
fn numbers_out_of_range_or_twice() {
    let at = |number| message("M", &[field("f", number, INT32, &[])]);
    check(&[at(0)], &["a.proto: a.M.f: the field number 0 is out of range"]);
    check(&[at(u64::MAX)], &["a.proto: a.M.f: the field number -1 is out of range"]);
    check(&[at(1 << 29)], &["a.proto: a.M.f: the field number 536870912 is out of range"]);
    check(
        &[message("M", &[field("f", 3, INT32, &[]), field("g", 3, INT32, &[])])],
        &["a.proto: a.M.g: the field number 3 is used twice"],
    );
    check(
        &[message("M", &[field("f", 100, INT32, &[])]), extension(".a.M", "x", 100, INT32, &[])],
        &["a.proto: a.x: the field number 100 is used twice in a.M"],
    );
}

#[test]
fn map_entries_of_the_wrong_shape() {
    let wrong = "a.proto: a.M.E: a map entry needs the fields key = 1, of an integer, bool or string type, and value = 2";
    let key = |kind| field("key", 1, kind, &[]);
    let value = |number| field("value", number, INT32, &[]);
    for parts in [
        vec![],
        vec![key(STRING)],
        vec![key(STRING), value(3)],
        vec![key(1), value(2)],
        vec![key(12), value(2)],
        vec![key(STRING), value(2), field("more", 3, INT32, &[])],
    ] {
        check(&[message("M", &[entry(&parts)])], &[wrong]);
    }
    let list = field("value", 2, INT32, &[label(REPEATED)]);
    check(&[message("M", &[entry(&[key(STRING), list])])], &[wrong]);
}

#[test]
fn editions_and_syntaxes_that_are_not_known() {
    check(
        &[edition(1002)],
        &["a.proto: it uses an edition (number 1002) that is not supported; editions 2023 and 2024 are"],
    );
    check(
        &[syntax("editions")],
        &["a.proto: it uses an edition (number 0) that is not supported; editions 2023 and 2024 are"],
    );
    check(
        &[syntax("proto4")],
        &["a.proto: its syntax \"proto4\" is not supported; proto2, proto3 and editions are"],
    );
}

#[test]
fn enums_without_values_and_oneofs_that_are_not_there() {
    check(&[enumeration("E", &[])], &["a.proto: a.E: the enum has no values; it needs at least one"]);
    let member = |index| message("M", &[node(8, &[text(1, "o")]), field("f", 1, INT32, &[int(9, index)])]);
    let text = |index: i32| {
        format!("a.proto: a.M.f: it is a member of oneof number {index}, which the message does not have")
    };
    check(&[member(1)], &[&text(1)]);
    check(&[member(u64::MAX)], &[&text(-1)]);
}

#[test]
fn nesting_and_counts_are_bounded() {
    let mut inner = nested("D64", &[]);
    for depth in (1..64).rev() {
        inner = nested(&format!("D{depth}"), &[inner]);
    }
    let found = problems(Schema::load(&[&set(&[message("D0", &[inner])])]));
    assert!(found.starts_with("a.proto: a.D0.D1."), "{found}");
    assert!(found.ends_with(".D64: messages are nested more than 64 deep"), "{found}");

    let many: Vec<_> = (1..=65_535).map(|at| field(&format!("f{at}"), at, INT32, &[])).collect();
    check(&[message("M", &many)], &["a.proto: a.M: the message has more than 65534 fields and oneofs"]);
    let names: Vec<_> = (0..65_535).map(|at| format!("V{at}")).collect();
    let values: Vec<_> = names.iter().enumerate().map(|(at, name)| (&**name, at as i64)).collect();
    check(&[enumeration("E", &values)], &["a.proto: a.E: the enum has more than 65534 values"]);

    // One problem for each field, and the first hundred are told.
    let many: Vec<_> = (1..=200).map(|at| field(&format!("f{at}"), at, 99, &[])).collect();
    let error = Schema::load(&[&set(&[message("M", &many)])]).unwrap_err();
    assert_eq!(error.problems.len(), 100);
}

#[test]
fn files_that_come_twice_must_be_equal() {
    let two: [(&str, &str, &[Part]); 2] = [("a.proto", "a", &[message("M", &[])]), ("a.proto", "a", &[])];
    assert_eq!(
        problems(Schema::load(&[&set_of(&two)])),
        "a.proto: this file comes twice with different contents; load only one version of it"
    );
}

#[test]
fn bytes_that_are_no_descriptors() {
    let table: [(&[u8], &str); 5] = [
        (b"{\"json\":1}", "this is not a FileDescriptorSet: "),
        (
            &[0x0a, 0x05, 0x0a],
            "this is not a FileDescriptorSet: a value goes on after the end of the message, at byte 1",
        ),
        (
            &[0x0a, 0x02, 0x0a, 0x05],
            "the descriptor is not valid protobuf: a value goes on after the end of the message, at byte 1",
        ),
        (
            &[0x0a, 0x03, 0x0a, 0x01, 0xff],
            "the descriptor is not valid protobuf: a text is not UTF-8, at byte 0",
        ),
        (&[0x0a, 0x00], "the file has no name"),
    ];
    for (bytes, expected) in table {
        let found = problems(Schema::load(&[bytes]));
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn every_cut_of_a_set_is_refused_or_loaded_and_never_panics() {
    let rule = node(4, &[node(72_295_728, &[text(2, "/v1/{name}")])]);
    let whole = set(&[
        edition(1000),
        enumeration("Enum", &[("ZERO", 0), ("MINUS", -1)]),
        message(
            "M",
            &[
                entry(&[field("key", 1, STRING, &[]), field("value", 2, INT32, &[])]),
                field("map", 1, MESSAGE, &[type_name(".a.M.E"), label(REPEATED)]),
                field("e", 2, ENUM, &[type_name("Enum")]),
            ],
        ),
        node(6, &[text(1, "S"), node(2, &[text(1, "C"), text(2, ".a.M"), text(3, ".a.M"), rule])]),
    ]);
    assert!(Schema::load(&[&whole]).is_ok());
    for end in 1..whole.len() {
        assert!(Schema::load(&[&whole[..end]]).is_err(), "cut at {end}");
    }
    for at in 0..whole.len() {
        for flip in [0x01, 0x80] {
            let mut changed = whole.clone();
            changed[at] ^= flip;
            drop(Schema::load(&[&changed]));
        }
    }
}

#[test]
fn an_annotation_that_is_broken_is_told() {
    let options = node(4, &[text(72_295_728, "\u{1}")]);
    let method = node(2, &[text(1, "Call"), text(2, ".a.M"), text(3, ".a.M"), options]);
    check(
        &[message("M", &[]), node(6, &[text(1, "S"), method])],
        &["a.proto: a.S.Call: its google.api.http annotation is not a valid HttpRule"],
    );
}
