//! What several modules of this test need.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::Value;
use transom::codec::json::read::{ReadOptions, read};
use transom::codec::json::write::{WriteOptions, write};
use transom::schema::{MessageId, Schema};

/// The messages of the conformance suite, which have every kind of field.
pub const TYPES: [&str; 2] =
    ["protobuf_test_messages.proto3.TestAllTypesProto3", "protobuf_test_messages.proto2.TestAllTypesProto2"];

/// Their descriptors, for this codec and for `prost-reflect`.
pub struct Both {
    pub schema: Schema,
    pub pool: DescriptorPool,
}

pub static BOTH: LazyLock<Both> = LazyLock::new(|| {
    let set = std::fs::read(test_messages()).unwrap();
    Both { schema: Schema::load(&[&set]).unwrap(), pool: DescriptorPool::decode(&*set).unwrap() }
});

pub fn test_messages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/codec/conformance/test_messages.binpb")
}

impl Both {
    pub fn id(&self, name: &str) -> MessageId {
        self.schema.find_message(name).unwrap()
    }

    pub fn decode(&self, name: &str, wire: &[u8]) -> Result<DynamicMessage, String> {
        let message = self.pool.get_message_by_name(name).unwrap();
        DynamicMessage::decode(message, wire).map_err(|error| error.to_string())
    }

    pub fn parse(&self, name: &str, json: &str) -> Result<DynamicMessage, String> {
        let message = self.pool.get_message_by_name(name).unwrap();
        let mut reader = serde_json::Deserializer::from_str(json);
        let parsed = DynamicMessage::deserialize(message, &mut reader).map_err(|error| error.to_string())?;
        reader.end().map_err(|error| error.to_string())?;
        Ok(parsed)
    }
}

pub fn to_wire(schema: &Schema, id: MessageId, json: &str) -> Result<Vec<u8>, String> {
    let mut wire = Vec::new();
    read(schema, id, json.as_bytes(), &ReadOptions::default(), &mut wire).map_err(|e| e.to_string())?;
    Ok(wire)
}

pub fn to_json(schema: &Schema, id: MessageId, wire: &[u8]) -> Result<String, String> {
    let mut json = Vec::new();
    write(schema, id, wire, &WriteOptions::default(), &mut json).map_err(|error| error.to_string())?;
    Ok(String::from_utf8(json).unwrap())
}

/// JSON text as a value in which numbers are doubles, so that `1` is `1.0`.
pub fn value(json: &str) -> Value {
    normal(serde_json::from_str(json).unwrap_or_else(|error| panic!("{error} in {json}")))
}

pub fn normal(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(normal).collect(),
        Value::Object(members) => members.into_iter().map(|(key, value)| (key, normal(value))).collect(),
        other => other,
    }
}

/// Random numbers that are the same in every run (xorshift64*).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    pub fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..self.below(count)).map(|_| self.next() as u8).collect()
    }
}
