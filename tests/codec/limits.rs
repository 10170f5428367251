//! The limits hold, and what they allow fits a stack of 2 MiB without optimisation.

use transom::codec::json::read::{ReadOptions, read};
use transom::codec::json::write::{WriteOptions, write};
use transom::wire::WireType;
use transom::wire::writer;

use crate::support::{BOTH, TYPES};

const DEPTH: usize = 200;
/// The stack of a thread as tokio makes them.
const STACK: usize = 2 << 20;

fn read_deep(name: &str, json: &str) -> Result<Vec<u8>, String> {
    let options = ReadOptions { ignore_unknown: true, max_depth: DEPTH };
    let mut wire = Vec::new();
    read(&BOTH.schema, BOTH.id(name), json.as_bytes(), &options, &mut wire).map_err(|e| e.to_string())?;
    Ok(wire)
}

fn write_deep(name: &str, wire: &[u8]) -> Result<Vec<u8>, String> {
    let options = WriteOptions { max_depth: DEPTH, ..WriteOptions::default() };
    let mut json = Vec::new();
    write(&BOTH.schema, BOTH.id(name), wire, &options, &mut json).map_err(|error| error.to_string())?;
    Ok(json)
}

fn on_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
}

#[test]
fn the_deepest_json_is_read() {
    // Opening, innermost, closing, how many levels one turn makes, and how many the innermost is.
    let table = [
        (0, r#"{"recursiveMessage":"#, "{}", "}", 1, 1),
        (0, r#"{"nope":"#, "{}", "}", 1, 1),
        (0, r#"{"optionalStruct":{"a":"#, "1", "}}", 2, 0),
        (0, r#"{"repeatedNestedMessage":[{"corecursive":"#, "{}", "}]}", 3, 1),
        (0, r#"{"mapStringNestedMessage":{"key":{"corecursive":"#, "{}", "}}}", 3, 1),
        (1, r#"{"optionalNestedMessage":{"corecursive":"#, "{}", "}}", 2, 1),
        (2, r#"{"a":"#, "1", "}", 1, 0),
        (2, "[", "1", "]", 1, 0),
        (
            3,
            r#"{"@type":"t/google.protobuf.Any","value":"#,
            r#"{"@type":"t/google.protobuf.Empty"}"#,
            "}",
            1,
            1,
        ),
        (
            3,
            r#"{"@type":"t/protobuf_test_messages.proto3.TestAllTypesProto3","optionalAny":"#,
            "{}",
            "}",
            1,
            1,
        ),
    ];
    on_small_stack(move || {
        let names = [TYPES[0], TYPES[1], "google.protobuf.Value", "google.protobuf.Any"];
        for (kind, open, inner, close, levels, innermost) in table {
            let text = |turns: usize| [&open.repeat(turns), inner, &close.repeat(turns)].concat();
            let turns = (DEPTH - innermost) / levels;
            let read = |turns| match (open, read_deep(names[kind], &text(turns))) {
                // A Struct inside a message takes what is in it as its own.
                (r#"{"optionalStruct":{"a":"#, Ok(_)) => Ok(()),
                (_, result) => result.map(drop),
            };
            assert_eq!(read(turns), Ok(()), "{open}");
            let error = read(turns + 1 + innermost).unwrap_err();
            assert!(error.contains("objects and lists are nested more than 200 deep"), "{open}: {error}");
        }
    });
}

/// One message around another as field `number`.
fn around(number: u32, inner: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::bytes(&mut out, number, inner);
    out
}

/// The same as a group.
fn group(number: u32, inner: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    writer::tag(&mut out, number, WireType::StartGroup);
    out.extend_from_slice(inner);
    writer::tag(&mut out, number, WireType::EndGroup);
    out
}

/// Makes a message from the one inside it.
type Wrap = Box<dyn Fn(&[u8]) -> Vec<u8> + Send>;

/// A message of `levels`, each made by `wrap` from the one inside.
fn nested(levels: usize, wrap: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    (0..levels).fold(Vec::new(), |inner, _| wrap(&inner))
}

#[test]
fn the_deepest_wire_is_written() {
    const RECURSIVE: u32 = 27;
    let any = |inner: &[u8]| [around(1, b"t/google.protobuf.Any"), around(2, inner)].concat();
    // Each makes one level, or two where a Value holds a list.
    let table: [(&str, usize, Wrap); 6] = [
        (TYPES[0], 1, Box::new(|inner| around(RECURSIVE, inner))),
        (TYPES[0], 1, Box::new(|inner| group(RECURSIVE, inner))),
        // Twice is unusual, and the pieces are merged on each level.
        (TYPES[0], 1, Box::new(|inner| [around(RECURSIVE, inner), around(RECURSIVE, b"")].concat())),
        (TYPES[1], 1, Box::new(|inner| around(RECURSIVE, inner))),
        ("google.protobuf.ListValue", 2, Box::new(|inner| around(1, &around(6, inner)))),
        ("google.protobuf.Any", 1, Box::new(any)),
    ];
    on_small_stack(move || {
        for (at, (name, levels, wrap)) in table.iter().enumerate() {
            let turns = (DEPTH - 1) / levels;
            assert_eq!(write_deep(name, &nested(turns, wrap)).map(drop), Ok(()), "{at}");
            let error = write_deep(name, &nested(turns + 1, wrap)).unwrap_err();
            assert!(error.contains("nested"), "{at}: {error}");
        }
        // Groups that nobody knows are skipped to the same depth.
        let unknown = nested(DEPTH - 1, |inner| group(3000, inner));
        assert_eq!(write_deep(TYPES[0], &unknown), Ok(b"{}".to_vec()));
        let error = write_deep(TYPES[0], &nested(DEPTH + 1, |inner| group(3000, inner))).unwrap_err();
        assert!(error.contains("groups are nested too deeply"), "{error}");
    });
}

#[test]
fn the_ends_of_groups_are_not_looked_for_again_and_again() {
    // Each level looks for its end through all that is inside: 90 levels around 200 KB.
    let text = around(14, &[b'a'; 100]).repeat(2_000);
    let deep = |levels| (0..levels).fold(text.clone(), |inner, _| group(27, &inner));
    assert!(write_deep(TYPES[0], &deep(10)).is_ok());
    let error = write_deep(TYPES[0], &deep(90)).unwrap_err();
    assert!(error.ends_with("groups are nested too deeply for their size"), "{error}");
}

#[test]
fn the_text_is_bounded_whatever_makes_it_long() {
    let limit = 64 << 10;
    let options = WriteOptions { max_text: limit, emit_defaults: true, ..WriteOptions::default() };
    let names: [(&str, Vec<u8>); 4] = [
        // Enum values of one byte with a name of eleven characters.
        ("packed enums", around(52, &vec![0; 1 << 20])),
        ("bools", around(43, &vec![0; 1 << 20])),
        ("empty messages with all their defaults", around(48, b"\x12\x00").repeat(1 << 16)),
        ("control characters", around(14, &vec![1; 1 << 20])),
    ];
    for (what, wire) in names {
        let mut json = Vec::new();
        let error = write(&BOTH.schema, BOTH.id(TYPES[0]), &wire, &options, &mut json).unwrap_err();
        assert!(error.to_string().ends_with("its JSON text is longer than 65536 bytes"), "{what}: {error}");
        assert!(json.is_empty() && json.capacity() < 16 << 20, "{what}: {}", json.capacity());
    }
}
