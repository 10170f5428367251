//! Messages in pieces: a backend gets each message whole, as not every parser merges them.

use super::*;
use crate::codec::pieces::join;

#[test]
fn pieces_are_joined() {
    let schema = shop();
    let order = schema.find_message(ORDER).unwrap();
    // item (2) with name (1) "a" or count (2) 2; the group box (4); the oneof of one (5) and none (6).
    let table: [(&str, &[u8], &[u8]); 9] = [
        ("nothing", b"", b""),
        ("one piece", b"\x12\x03\x0a\x01a", b"\x12\x03\x0a\x01a"),
        ("two", b"\x12\x03\x0a\x01a\x12\x02\x10\x02", b"\x12\x05\x0a\x01a\x10\x02"),
        (
            "the last piece's place",
            b"\x12\x03\x0a\x01a\x0a\x01x\x12\x02\x10\x02\x32\x00",
            b"\x0a\x01x\x12\x05\x0a\x01a\x10\x02\x32\x00",
        ),
        (
            "groups, and what is in them",
            b"\x23\x08\x01\x24\x23\x12\x03\x0a\x01a\x24\x23\x12\x02\x10\x02\x24",
            b"\x23\x08\x01\x12\x05\x0a\x01a\x10\x02\x24",
        ),
        ("within a oneof", b"\x2a\x03\x0a\x01a\x2a\x02\x10\x02", b"\x2a\x05\x0a\x01a\x10\x02"),
        (
            "what another member of the oneof has replaced does not come back",
            b"\x2a\x03\x0a\x01a\x32\x01z\x2a\x02\x10\x02",
            b"\x2a\x03\x0a\x01a\x32\x01z\x2a\x02\x10\x02",
        ),
        (
            "elements of a list are no pieces",
            b"\x1a\x03\x0a\x01a\x1a\x02\x10\x02",
            b"\x1a\x03\x0a\x01a\x1a\x02\x10\x02",
        ),
        ("fields that are not known", b"\xfa\x01\x01a\xfa\x01\x01b", b"\xfa\x01\x01a\xfa\x01\x01b"),
    ];
    for (what, wire, expected) in table {
        assert_eq!(join(&schema, order, wire.to_vec(), 8).unwrap(), expected, "{what}");
    }
    let deep = b"\x23\x12\x03\x0a\x01a\x24\x23\x12\x02\x10\x02\x24";
    assert!(join(&schema, order, deep.to_vec(), 1).is_err(), "pieces are joined no deeper than allowed");
    assert!(join(&schema, order, b"\x12\x05a".to_vec(), 8).is_err());
}

#[test]
fn path_query_and_body_make_one_message() {
    let ruled = Ruled::new(shop(), ORDER, &["item.name"], "item");
    let wire = ruled.bind(&["a"], "id=x", r#"{"count": 2}"#).unwrap();
    assert_eq!(wire, b"\x0a\x01x\x12\x05\x10\x02\x0a\x01a");
    let ruled = Ruled::new(shop(), ORDER, &["one.name"], "");
    for query in ["id=x&one.count=2", "id=x&one%2ecount=2"] {
        assert_eq!(ruled.bind(&["a"], query, "").unwrap(), b"\x0a\x01x\x2a\x05\x10\x02\x0a\x01a");
    }
    let ruled = Ruled::new(shop(), ORDER, &[], "");
    let wire = ruled.bind(&[], "id=x&item.name=a&item.count=2", "").unwrap();
    assert_eq!(wire, b"\x0a\x01x\x12\x05\x0a\x01a\x10\x02");
}
