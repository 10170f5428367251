//! What holds for all messages, also for those that are written in unusual ways.

use prost_reflect::prost::Message as _;
use prost_reflect::{Cardinality, DynamicMessage, Kind, MapKey, MessageDescriptor, Value};
use serde_json::{Value as Json, json};

use super::{Setting, json_of, wire};

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
