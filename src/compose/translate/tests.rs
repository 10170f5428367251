//! Names and numbers by themselves. Messages are held against prost-reflect where tables are made (`compile/translate`).

use std::sync::Arc;

use super::names::{Name, Names, Renamed, Renaming, Scope};
use super::number::{Convert, Integer, Unfit, Values};
use super::table::Width;
use crate::wire::reader::Reader;

fn path(names: &str) -> Box<[Name]> {
    let name = |name: &str| {
        let json = match name.split_once('_') {
            Some((first, rest)) => format!("{first}{}{}", rest[..1].to_uppercase(), &rest[1..]),
            None => name.to_owned(),
        };
        Name { proto: name.into(), json: json.into() }
    };
    names.split('.').map(name).collect()
}

fn renamed(from: &str, to: &str, inside: Option<usize>) -> Renamed {
    Renamed { from: path(from), to: path(to), inside }
}

fn renaming() -> Renaming {
    let user = Scope(Box::new([
        renamed("city", "home_address.city_name", None),
        renamed("contact.email", "email", None),
        renamed("contact.phone", "phones", None),
        renamed("friends", "all_friends", Some(0)),
        renamed("extra", "extra", None),
        renamed("place", "where_at", Some(1)),
        renamed("place.zip", "zip", None),
    ]));
    let place = Scope(Box::new([renamed("x", "y", None)]));
    Renaming { names: Arc::new(Names(Box::new([user, place]))), scope: 0, is_strict: true }
}

#[test]
fn paths_are_those_of_the_other_side() {
    let renaming = renaming();
    for (path, expected) in [
        ("city", &["home_address.city_name"][..]),
        ("friends", &["all_friends"]),
        ("friends[3]", &["all_friends[3]"]),
        ("friends[3].friends[0].city", &["all_friends[3].all_friends[0].home_address.city_name"]),
        ("friends.nobody", &[]),
        ("contact", &["email", "phones"]),
        ("contact.phone[1]", &["phones[1]"]),
        ("contact.fax", &[]),
        // What lies in a message that is the same on both sides keeps its names.
        ("extra[\"a.b]\"].deep.er", &[]),
        ("extra[\"a.b\"].deep.er", &["extra[\"a.b\"].deep.er"]),
        ("place", &["where_at", "zip"]),
        ("place.x", &["where_at.y"]),
        ("place.zip", &["zip"]),
        ("", &[]),
        (".city", &[]),
        ("city.", &[]),
        ("city]", &[]),
        ("city[", &[]),
    ] {
        assert_eq!(renaming.all(path), expected, "{path}");
    }
    assert_eq!(renaming.one("contact").as_deref(), Some("email"));
    assert!(renaming.all(&"friends.".repeat(600)).is_empty(), "too long");
    // Spelled as JSON has them where they were written so.
    let back = Scope(Box::new([renamed("all_friends", "some_friends", None)]));
    let back = Renaming { names: Arc::new(Names(Box::new([back]))), scope: 0, is_strict: true };
    assert_eq!(back.all("allFriends"), ["someFriends"]);
    assert_eq!(back.all("all_friends"), ["some_friends"]);
}

#[test]
fn integers_become_others_or_do_not_fit() {
    use Integer::{Fixed32, Fixed64, Int32, Int64, Sfixed32, Sfixed64, Sint32, Sint64, Uint32, Uint64};
    const MINUS_ONE: &[u8] = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    for (from, wire, to, expected) in [
        (Int32, MINUS_ONE, Int64, Ok(MINUS_ONE)),
        // Five bytes are minus one for an int32 as well.
        (Int32, b"\xff\xff\xff\xff\x0f", Int64, Ok(MINUS_ONE)),
        (Int32, MINUS_ONE, Sint32, Ok(b"\x01")),
        (Int32, MINUS_ONE, Sfixed32, Ok(b"\xff\xff\xff\xff")),
        (Int32, MINUS_ONE, Sfixed64, Ok(b"\xff\xff\xff\xff\xff\xff\xff\xff")),
        (Int32, MINUS_ONE, Uint64, Err(Unfit::Range(-1, Uint64))),
        (Int64, b"\x80\x80\x80\x80\x08", Int32, Err(Unfit::Range(1 << 31, Int32))),
        (Int64, b"\x80\x80\x80\x80\x08", Uint32, Ok(b"\x80\x80\x80\x80\x08")),
        (Int64, b"\x80\x80\x80\x80\x08", Fixed32, Ok(b"\x00\x00\x00\x80")),
        (Uint64, MINUS_ONE, Fixed64, Ok(b"\xff\xff\xff\xff\xff\xff\xff\xff")),
        (Uint64, MINUS_ONE, Int64, Err(Unfit::Range(u64::MAX as i128, Int64))),
        (Sint64, b"\x03", Int32, Ok(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01")),
        (Sint32, b"\x04", Uint32, Ok(b"\x02")),
        (Sfixed32, b"\xfe\xff\xff\xff", Sint64, Ok(b"\x03")),
        (Fixed32, b"\xff\xff\xff\xff", Sfixed32, Err(Unfit::Range(u32::MAX as i128, Sfixed32))),
        (Sfixed64, b"\x00\x00\x00\x00\x00\x00\x00\x80", Sint64, Ok(MINUS_ONE)),
    ] {
        let mut out = Vec::new();
        let is_zero = Convert::Integer(from, to).number(from.width(), &mut Reader::new(wire), &mut out);
        let found = is_zero.map(|_| &*out);
        assert_eq!(found, expected, "{from:?} {wire:x?} {to:?}");
    }
    let mut out = Vec::new();
    let half = 0.5_f32.to_le_bytes();
    assert_eq!(Convert::Double.number(Width::Four, &mut Reader::new(&half), &mut out), Ok(false));
    assert_eq!(out, 0.5_f64.to_le_bytes());
}

#[test]
fn enums_by_number() {
    let values = Values { pairs: Box::new([(0, 2), (1, 1), (5, 0)]), others: Box::new([0, 1, 2, 7]) };
    let found = [0, 1, 5, 2, 7, 9, -1].map(|number| values.of(number));
    assert_eq!(found, [Some(2), Some(1), Some(0), None, None, Some(9), Some(-1)]);
}
