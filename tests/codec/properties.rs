//! Random messages and random JSON, with `prost-reflect` as the judge.
//!
//! Where this codec differs from it on purpose, the generator keeps away or the test says so:
//! - an enum number that the schema does not know is written as a number, of closed enums too;
//! - negative zero is no default, so a field without presence keeps it;
//! - NaN and the infinities in a wrapper are written as text and not as null;
//! - a Value without a kind is refused and not written as null;
//! - an Any without a type is `{}`;
//! - an Any of an unknown type is written with its bytes as base64 in `value`.

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use prost_reflect::DynamicMessage;
use prost_reflect::prost::Message;
use serde_json::Value;

use crate::generate::{self, Choices, Shape};
use crate::support::{BOTH, TYPES, to_json, to_wire, value};

fn config(cases: u32) -> Config {
    Config { cases, rng_seed: RngSeed::Fixed(20_261_124), failure_persistence: None, ..Config::default() }
}

/// Bytes that are shown in one line.
#[derive(Clone)]
struct Bytes(Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02x?}", self.0)
    }
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop::collection::vec(any::<u8>(), 0..400).prop_map(Bytes)
}

fn random_wire(name: &str, bytes: &[u8], shape: Shape) -> Vec<u8> {
    generate::message(&BOTH.schema, BOTH.id(name), &mut Choices::new(bytes), shape)
}

/// A message to compare: doubles that are no number are not equal to themselves, and the order of maps
/// is random.
fn as_json(message: &DynamicMessage) -> Result<Value, String> {
    let json = serde_json::to_string(message).map_err(|error| error.to_string())?;
    Ok(value(&json))
}

const TIDY: Shape = Shape { is_tidy: true, has_pure_entries: true };

proptest! {
    #![proptest_config(config(3000))]

    /// Any legal wire gives the JSON that `prost-reflect` gives, the same as the tidy form of the same
    /// message, and JSON that is read and written again is the same text.
    #[test]
    fn wire_to_json(kind in 0..TYPES.len(), bytes in bytes()) {
        let (name, id) = (TYPES[kind], BOTH.id(TYPES[kind]));
        let wire = random_wire(name, &bytes.0, Shape::default());
        let decoded = BOTH.decode(name, &wire).unwrap();
        let expected = serde_json::to_string(&decoded).map_err(|error| error.to_string());
        let json = to_json(&BOTH.schema, id, &wire);
        if expected.is_err() {
            prop_assert!(json.is_err(), "{expected:?} but {json:?}");
            return Ok(());
        }
        let (json, expected) = (json.unwrap(), expected.unwrap());
        prop_assert_eq!(value(&json), value(&expected));

        let tidy = decoded.encode_to_vec();
        prop_assert_eq!(value(&to_json(&BOTH.schema, id, &tidy).unwrap()), value(&json));

        let again = to_wire(&BOTH.schema, id, &json).unwrap();
        prop_assert_eq!(to_json(&BOTH.schema, id, &again).unwrap(), json);
    }

    /// JSON in any spelling gives the message that `prost-reflect` reads from it.
    #[test]
    fn json_to_wire(kind in 0..TYPES.len(), bytes in bytes(), style in bytes()) {
        let (name, id) = (TYPES[kind], BOTH.id(TYPES[kind]));
        let wire = random_wire(name, &bytes.0, TIDY);
        let message = BOTH.decode(name, &wire).unwrap();
        let Ok(plain) = serde_json::to_value(&message) else { return Ok(()) };
        let mut json = String::new();
        spell(&plain, &mut Choices::new(&style.0), &mut json);
        let wire = to_wire(&BOTH.schema, id, &json).map_err(|error| TestCaseError::fail(format!("{error}: {json}")))?;
        let expected = BOTH.parse(name, &json).unwrap();
        let found = BOTH.decode(name, &wire).unwrap();
        prop_assert_eq!(as_json(&found), as_json(&expected), "{}", json);
    }

    /// Text with something wrong in it is refused, or means the same to both.
    #[test]
    fn broken_json(
        kind in 0..TYPES.len(),
        bytes in bytes(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..4),
    ) {
        let (name, id) = (TYPES[kind], BOTH.id(TYPES[kind]));
        let wire = random_wire(name, &bytes.0, TIDY);
        let Ok(json) = to_json(&BOTH.schema, id, &wire) else { return Ok(()) };
        let mut text = json.into_bytes();
        for (at, byte, change) in changes {
            let at = at.index(text.len());
            match change {
                0 => text[at] = byte,
                1 => text.insert(at, *b"{}[]\",:0-e.\\ntf"[..].get(usize::from(byte) % 16).unwrap_or(&b' ')),
                2 if text.len() > 1 => drop(text.remove(at)),
                _ => text.truncate(at.max(1)),
            }
        }
        let Ok(text) = String::from_utf8(text) else { return Ok(()) };
        if let (Ok(wire), Ok(expected)) = (to_wire(&BOTH.schema, id, &text), BOTH.parse(name, &text)) {
            prop_assert_eq!(as_json(&BOTH.decode(name, &wire).unwrap()), as_json(&expected), "{}", text);
        }
    }

    /// Bytes that are no message at all are refused or read, by both alike.
    #[test]
    fn broken_wire(
        kind in 0..TYPES.len(),
        bytes in bytes(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (name, id) = (TYPES[kind], BOTH.id(TYPES[kind]));
        let mut wire = random_wire(name, &bytes.0, Shape::default());
        for (at, byte) in changes {
            if !wire.is_empty() {
                let at = at.index(wire.len());
                wire[at] ^= byte;
            }
        }
        if let Ok(json) = to_json(&BOTH.schema, id, &wire) {
            let again = to_wire(&BOTH.schema, id, &json)
                .map_err(|error| TestCaseError::fail(format!("{error} in {json} of {wire:02x?}")))?;
            prop_assert_eq!(to_json(&BOTH.schema, id, &again).unwrap(), json);
        }
    }
}

/// JSON text of a value with members in another order, white space, escapes and numbers in other
/// spellings.
pub fn spell(value: &Value, style: &mut Choices<'_>, out: &mut String) {
    space(style, out);
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            let turn = style.below(members.len().max(1));
            members.rotate_left(turn);
            out.push('{');
            for (at, (key, value)) in members.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                space(style, out);
                spell_text(key, style, out);
                space(style, out);
                out.push(':');
                spell(value, style, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                spell(item, style, out);
            }
            out.push(']');
        }
        Value::String(text) => spell_text(text, style, out),
        Value::Number(number) if number.is_f64() => out.push_str(&number.to_string()),
        Value::Number(number) => match style.below(4) {
            1 => out.push_str(&format!("{number}.0")),
            2 => out.push_str(&format!("{number}e0")),
            _ => out.push_str(&number.to_string()),
        },
        other => out.push_str(&other.to_string()),
    }
    space(style, out);
}

fn space(style: &mut Choices<'_>, out: &mut String) {
    if style.one_in(6) {
        let space: &&str = style.pick(&[" ", "\n", "\t", "\r\n  "]);
        out.push_str(space);
    }
}

fn spell_text(text: &str, style: &mut Choices<'_>, out: &mut String) {
    if !style.one_in(4) {
        out.push_str(&Value::from(text).to_string());
        return;
    }
    out.push('"');
    for char in text.chars() {
        if char < ' ' || matches!(char, '"' | '\\') || style.one_in(3) {
            for unit in char.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(char);
        }
    }
    out.push('"');
}
