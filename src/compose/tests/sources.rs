//! Values in messages, however they lie there.

use super::super::mask::Mask;
use super::super::source::{
    Each, Flaw, Layout, MAX_VALUES, Pieces, Root, Roots, Source, Step, Target, Value, Widen,
};
use super::{source, step};
use crate::wire::WireType;
use crate::wire::writer;

struct Message<'w>(&'w [u8]);

impl<'w> Roots<'w> for Message<'w> {
    fn messages(&self, _: Root, each: &mut Each<'_, 'w>) -> Result<(), Flaw> {
        each(&Pieces::One(self.0))
    }

    fn item(&self) -> Option<Value<'w>> {
        Some(Value::Bytes(b"item"))
    }
}

/// What is written to the field 9 of what the steps lead to.
fn copied(steps: &[Step], widen: Widen, is_packed: bool, wire: &[u8]) -> Vec<u8> {
    let source = source(Root::Request, steps.iter().cloned());
    let values = source.values(&Message(wire)).unwrap();
    let mut out = Vec::new();
    Target { number: 9, is_group: false, is_packed, widen }.write(&values, &mut out);
    out
}

/// A field: its number, wire type and content.
fn raw(fields: &[(u32, WireType, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, wire_type, content) in fields {
        writer::tag(&mut out, *number, *wire_type);
        if *wire_type == WireType::Len {
            writer::varint(&mut out, content.len() as u64);
        }
        out.extend_from_slice(content);
    }
    out
}

const VARINT: WireType = WireType::Varint;
const LEN: WireType = WireType::Len;

/// The way to a value, a message, what is copied of it, and what that is about.
type Case = (Vec<Step>, Vec<u8>, Vec<u8>, &'static str);

#[test]
fn values_are_found_however_they_lie() {
    let number = step(1, Layout::Varint, false);
    let numbers = step(1, Layout::Varint, true);
    let text = step(1, Layout::Bytes, false);
    let message = step(2, Layout::Message, false);
    let messages = step(2, Layout::Message, true);
    let one_of = Step { others: Box::new([3]), ..step(2, Layout::Message, false) };
    let inner = |content: &[u8]| raw(&[(1, LEN, content)]);
    let group =
        [raw(&[(2, WireType::StartGroup, b"")]), inner(b"g"), raw(&[(2, WireType::EndGroup, b"")])].concat();
    let nine = |content: &[u8]| raw(&[(9, LEN, content)]);
    let cases: [Case; 15] = [
        (vec![number.clone()], raw(&[(1, VARINT, &[5])]), raw(&[(9, VARINT, &[5])]), "a number"),
        (
            vec![number.clone()],
            raw(&[(1, VARINT, &[5]), (1, VARINT, &[6])]),
            raw(&[(9, VARINT, &[6])]),
            "the last one",
        ),
        (vec![number.clone()], raw(&[(2, VARINT, &[5])]), vec![], "absent"),
        (vec![number], raw(&[(1, LEN, b"x")]), vec![], "of another wire type"),
        (vec![text.clone()], raw(&[(1, LEN, b"")]), nine(b""), "empty and there"),
        (
            vec![numbers.clone()],
            raw(&[(1, VARINT, &[5]), (1, LEN, &[6, 7])]),
            [5_u8, 6, 7].map(|n| raw(&[(9, VARINT, &[n])])).concat(),
            "packed or not",
        ),
        (
            vec![message.clone(), text.clone()],
            raw(&[(2, LEN, &inner(b"a")), (2, LEN, &inner(b"b"))]),
            nine(b"b"),
            "the last of all pieces",
        ),
        (
            vec![message.clone(), text.clone()],
            raw(&[(2, LEN, &inner(b"a")), (2, LEN, b"")]),
            nine(b"a"),
            "in the first piece",
        ),
        (
            vec![message.clone()],
            raw(&[(2, LEN, b"\x08\x01"), (7, VARINT, &[1]), (2, LEN, b"\x10\x02")]),
            nine(b"\x08\x01\x10\x02"),
            "both pieces",
        ),
        (vec![message], group, nine(&inner(b"g")), "a group"),
        (
            vec![messages.clone(), text.clone()],
            raw(&[(2, LEN, &inner(b"a")), (2, LEN, b""), (2, LEN, &inner(b"c"))]),
            [nine(b"a"), nine(b"c")].concat(),
            "in each message",
        ),
        (
            vec![messages.clone()],
            raw(&[(2, LEN, b""), (2, LEN, b"")]),
            [nine(b""), nine(b"")].concat(),
            "all messages",
        ),
        (
            vec![messages, numbers],
            raw(&[(2, LEN, &raw(&[(1, LEN, &[1, 2])])), (2, LEN, &raw(&[(1, VARINT, &[3])]))]),
            [1_u8, 2, 3].map(|n| raw(&[(9, VARINT, &[n])])).concat(),
            "lists in lists",
        ),
        (
            vec![one_of.clone(), text.clone()],
            raw(&[(2, LEN, &inner(b"a")), (3, VARINT, &[1])]),
            vec![],
            "replaced",
        ),
        (
            vec![one_of, text],
            raw(&[(2, LEN, &inner(b"a")), (3, VARINT, &[1]), (2, LEN, b"")]),
            vec![],
            "replaced and begun anew",
        ),
    ];
    for (steps, wire, expected, name) in cases {
        assert_eq!(copied(&steps, Widen::No, false, &wire), expected, "{name}");
    }
}

#[test]
fn numbers_are_widened_as_their_types_say() {
    let number = [step(1, Layout::Varint, false)];
    let varint = |value: u64| {
        let mut out = Vec::new();
        writer::varint(&mut out, value);
        out
    };
    for (widen, value, expected) in [
        (Widen::No, u64::MAX, u64::MAX),
        (Widen::Signed, 7, 7),
        // Minus one as an int32, in ten bytes and in the five that some writers take.
        (Widen::Signed, u64::MAX, u64::MAX),
        (Widen::Signed, 0xffff_ffff, u64::MAX),
        (Widen::Unsigned, 0xffff_ffff, 0xffff_ffff),
        (Widen::Unsigned, 0x1_0000_0001, 1),
    ] {
        let found = copied(&number, widen, false, &raw(&[(1, VARINT, &varint(value))]));
        assert_eq!(found, raw(&[(9, VARINT, &varint(expected))]), "{widen:?} {value:#x}");
    }
}

#[test]
fn lists_are_packed_where_their_field_is() {
    let numbers = [step(1, Layout::Fixed32, true)];
    let wire = raw(&[(1, WireType::Fixed32, &[1, 0, 0, 0]), (1, LEN, &[2, 0, 0, 0, 3, 0, 0, 0])]);
    let expected = raw(&[(9, LEN, &[1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0])]);
    assert_eq!(copied(&numbers, Widen::No, true, &wire), expected);
    assert_eq!(copied(&numbers, Widen::No, true, b""), b"", "an empty list is no field");
}

#[test]
fn what_is_no_message_is_refused_and_so_is_too_much() {
    let text = source(Root::Request, [step(1, Layout::Bytes, false)]);
    assert!(matches!(text.values(&Message(&[0x0a, 5, b'x'])), Err(Flaw::Wire(_))));
    let numbers = source(Root::Request, [step(1, Layout::Varint, true)]);
    let wire = raw(&[(1, LEN, &vec![0; MAX_VALUES])]);
    assert_eq!(numbers.values(&Message(&wire)).unwrap().len(), MAX_VALUES);
    let wire = raw(&[(1, LEN, &vec![0; MAX_VALUES + 1])]);
    assert_eq!(numbers.values(&Message(&wire)), Err(Flaw::TooMany));
    // The item itself, which is no message.
    let item = Source { root: Root::Item, steps: Box::default() };
    assert_eq!(item.values(&Message(b"")), Ok(vec![Value::Bytes(b"item")]));
}

#[test]
fn conditions_hold_by_what_is_there() {
    let number = step(1, Layout::Varint, false);
    let message = step(2, Layout::Message, false);
    for (steps, wire, expected) in [
        (vec![number.clone()], raw(&[(1, VARINT, &[1])]), true),
        (vec![number.clone()], raw(&[(1, VARINT, &[1]), (1, VARINT, &[0])]), false),
        (vec![number], vec![], false),
        (vec![step(1, Layout::Bytes, false)], raw(&[(1, LEN, b"")]), false),
        (vec![step(1, Layout::Bytes, false)], raw(&[(1, LEN, b"x")]), true),
        (vec![step(1, Layout::Fixed64, false)], raw(&[(1, WireType::Fixed64, &[0; 8])]), false),
        (vec![message], raw(&[(2, LEN, b"")]), true),
        (vec![step(1, Layout::Varint, true)], raw(&[(1, LEN, &[0])]), true),
        (vec![step(1, Layout::Varint, true)], raw(&[(1, LEN, b"")]), false),
    ] {
        assert_eq!(source(Root::Request, steps.clone()).is_true(&Message(&wire)), Ok(expected), "{steps:?}");
    }
}

#[test]
fn masks_keep_what_they_name() {
    let mut mask = Mask::default();
    [&[1][..], &[2, 1], &[2, 4], &[5], &[5, 1]].into_iter().for_each(|path| mask.add(path));
    let inner = raw(&[(1, VARINT, &[1]), (2, VARINT, &[2]), (4, LEN, b"y")]);
    let kept = raw(&[(1, VARINT, &[1]), (4, LEN, b"y")]);
    let wire = raw(&[
        (1, LEN, b"x"),
        (2, LEN, &inner),
        (3, LEN, b"gone"),
        (2, WireType::StartGroup, &inner),
        (2, WireType::EndGroup, b""),
        (5, LEN, &inner),
        (2, VARINT, &[1]),
    ]);
    let expected = raw(&[
        (1, LEN, b"x"),
        (2, LEN, &kept),
        (2, WireType::StartGroup, &kept),
        (2, WireType::EndGroup, b""),
        (5, LEN, &inner),
    ]);
    assert_eq!(mask.apply(&wire).unwrap(), expected);
    assert_eq!(mask.apply(b"").unwrap(), b"");
    assert!(mask.apply(&[0x12, 1, 0x08]).is_err(), "what is looked into has to be valid");
}
