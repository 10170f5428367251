//! Comments lie apart from what they stand at, under its path.

use super::*;

fn location(path: &[u8], parts: &[Part]) -> Part {
    let mut own = Vec::new();
    writer::bytes(&mut own, 1, path);
    node(1, &[&[own], parts].concat())
}

#[test]
fn comments_are_found_by_full_name() {
    let leading = |path: &[u8], comment: &str| location(path, &[text(3, comment)]);
    let parts = [
        message("M", &[field("x", 1, 9, &[]), nested("N", &[field("y", 1, 5, &[])])]),
        node(5, &[text(1, "E"), node(2, &[text(1, "A"), int(2, 0)])]),
        node(6, &[text(1, "S"), node(2, &[text(1, "Go"), text(2, ".a.M"), text(3, ".a.M")])]),
        node(
            9,
            &[
                leading(&[4, 0], " A message.\n"),
                location(&[4, 0, 2, 0], &[text(4, " Behind it.\n")]),
                location(&[4, 0, 3, 0], &[text(3, " Above.\n"), text(4, " Behind.\n")]),
                leading(&[4, 0, 3, 0, 2, 0], " Deep.\n"),
                leading(&[5, 0], " An enum.\n"),
                leading(&[5, 0, 2, 0], " A value.\n"),
                leading(&[6, 0], " A service.\n Its second line.\n"),
                leading(&[6, 0, 2, 0], " A method.\n"),
                // What is nowhere, or nothing.
                leading(&[4, 7], "Nowhere."),
                leading(&[], "The file."),
                location(&[4, 0, 1], &[]),
                node(1, &[vec![0x0a, 0xff]]),
            ],
        ),
    ];
    let schema = Schema::load(&[&set(&parts)]).unwrap();
    for (name, expected) in [
        ("a.M", Some("A message.")),
        ("a.M.x", Some("Behind it.")),
        ("a.M.N", Some("Above.")),
        ("a.M.N.y", Some("Deep.")),
        ("a.E", Some("An enum.")),
        ("a.E.A", Some("A value.")),
        ("a.S", Some("A service.\nIts second line.")),
        ("a.S.Go", Some("A method.")),
        ("a", None),
        ("a.M.z", None),
    ] {
        assert_eq!(schema.comment(name), expected, "{name}");
    }
}
