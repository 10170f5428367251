//! Random messages by schema, as wire bytes that are legal but not tidy: fields in any order and more
//! than once, messages in pieces, lists packed and not, map entries in any shape, varints longer than
//! needed, unknown fields and groups.
//!
//! All randomness comes from a string of bytes: a shorter one and one with smaller bytes make a simpler
//! message, so that what `proptest` shrinks stays readable.

use transom::schema::enumeration::EnumValue;
use transom::schema::message::{Cardinality, Field, Kind, Message, WellKnown};
use transom::schema::{MessageId, Schema};
use transom::wire::WireType;
use transom::wire::writer::{self, Length};

/// Bytes to choose by. When they are used up every choice is the first one.
pub struct Choices<'a> {
    bytes: &'a [u8],
}

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        first
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn below(&mut self, count: usize) -> usize {
        let number = if count > 256 { usize::from(self.byte()) << 8 } else { 0 };
        (number + usize::from(self.byte())) % count.max(1)
    }

    /// True once in `count` times, never when the bytes are used up.
    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    pub fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }
}

/// What the messages may hold.
#[derive(Clone, Copy, Default)]
pub struct Shape {
    /// Each field in its place and only once, everything encoded as a writer would.
    pub is_tidy: bool,
    /// No unknown fields inside map entries: the reference implementation takes such an entry as unknown
    /// itself.
    pub has_pure_entries: bool,
}

/// The wire bytes of a random message.
pub fn message(schema: &Schema, id: MessageId, choices: &mut Choices<'_>, shape: Shape) -> Vec<u8> {
    let mut out = Vec::new();
    Generator { schema, shape }.body(id, choices, 0, &mut out);
    out
}

struct Generator<'s> {
    schema: &'s Schema,
    shape: Shape,
}

const MAX_DEPTH: usize = 6;
const TEXTS: [&str; 9] = [
    "",
    "a",
    "plain text of some length",
    "quote \" backslash \\ slash /",
    "line\nbreak\ttab\r\u{8}\u{c}",
    "\u{0}\u{1}\u{1f}\u{7f}",
    "\u{e4}\u{20ac}\u{1f601}",
    "<script>&\u{2028}\u{2029}",
    "12345678",
];
const INTEGERS: [u64; 10] = [
    0,
    1,
    127,
    128,
    300,
    i32::MAX as u64,
    i32::MIN as i64 as u64,
    u32::MAX as u64,
    i64::MIN as u64,
    u64::MAX,
];
const INT32S: [u64; 7] = [0, 1, 127, 128, i32::MAX as u64, i32::MIN as i64 as u64, u64::MAX];
const DOUBLES: [f64; 13] = [
    0.0,
    1.0,
    -1.5,
    0.1,
    1e21,
    1e-7,
    123_456_789.125,
    f64::MAX,
    f64::MIN_POSITIVE,
    5e-324,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
];
const FLOATS: [f32; 11] = [
    0.0,
    1.0,
    -1.5,
    0.1,
    1e21,
    f32::MAX,
    f32::MIN_POSITIVE,
    1e-45,
    f32::NAN,
    f32::INFINITY,
    f32::NEG_INFINITY,
];
/// How many of them, from the start, are finite.
const FINITE_DOUBLES: usize = 10;
const FINITE_FLOATS: usize = 8;
const ANY_TYPES: [&str; 5] = [
    "protobuf_test_messages.proto3.ForeignMessage",
    "protobuf_test_messages.proto3.TestAllTypesProto3",
    "google.protobuf.Timestamp",
    "google.protobuf.Int32Value",
    "google.protobuf.Struct",
];

impl Generator<'_> {
    fn body(&self, id: MessageId, choices: &mut Choices<'_>, depth: usize, out: &mut Vec<u8>) {
        let message = self.schema.message(id);
        match message.well_known() {
            Some(WellKnown::Timestamp) => self.time(choices, 0, 253_402_300_799, out),
            Some(WellKnown::Duration) => self.time(choices, 0, 315_576_000_000, out),
            Some(WellKnown::FieldMask) => self.field_mask(choices, out),
            Some(WellKnown::Any) => self.any(choices, depth, out),
            Some(WellKnown::Value) => self.value(message, choices, depth, out),
            Some(WellKnown::Wrapper) => self.wrapper(message, choices, depth, out),
            _ => self.fields(message, choices, depth, out),
        }
    }

    /// A wrapper, of a finite number: the judge writes others as null.
    fn wrapper(&self, message: &Message, choices: &mut Choices<'_>, depth: usize, out: &mut Vec<u8>) {
        let field = &message.fields()[0];
        for _ in 0..choices.below(3) {
            match field.kind() {
                Kind::Double => {
                    self.tag(choices, 1, WireType::Fixed64, out);
                    out.extend_from_slice(&DOUBLES[choices.below(FINITE_DOUBLES)].to_le_bytes());
                }
                Kind::Float => {
                    self.tag(choices, 1, WireType::Fixed32, out);
                    out.extend_from_slice(&FLOATS[choices.below(FINITE_FLOATS)].to_le_bytes());
                }
                _ => self.element(field, choices, depth, out),
            }
        }
    }

    fn fields(&self, message: &Message, choices: &mut Choices<'_>, depth: usize, out: &mut Vec<u8>) {
        let fields = message.fields();
        if depth > MAX_DEPTH {
            return;
        }
        if self.shape.is_tidy {
            let mut at = choices.below(fields.len());
            let mut oneofs = Vec::new();
            while at < fields.len() && !choices.is_empty() {
                let is_taken = fields[at].oneof().is_some_and(|oneof| {
                    let is_taken = oneofs.contains(&oneof);
                    oneofs.push(oneof);
                    is_taken
                });
                if !is_taken {
                    self.occurrences(&fields[at], choices, depth, out);
                }
                at += 1 + choices.below(24);
            }
            return;
        }
        let count = if depth == 0 { 1 + choices.below(12) } else { choices.below(4) };
        for _ in 0..count {
            if choices.one_in(12) {
                unknown(message, choices, depth, out);
            }
            if !fields.is_empty() {
                // Of few fields so that some come again.
                let field = match choices.below(3) {
                    0 => &fields[choices.below(fields.len().min(5))],
                    _ => choices.pick(fields),
                };
                self.occurrences(field, choices, depth, out);
            }
        }
    }

    fn occurrences(&self, field: &Field, choices: &mut Choices<'_>, depth: usize, out: &mut Vec<u8>) {
        let count = match field.cardinality() {
            Cardinality::Singular(_) => 1,
            _ => 1 + choices.below(4),
        };
        let packed = match field.cardinality() {
            Cardinality::Repeated { packed } if field.kind().is_packable() => {
                if self.shape.is_tidy {
                    packed
                } else {
                    choices.one_in(2)
                }
            }
            _ => false,
        };
        // A list may be in runs, packed and not.
        let runs = if self.shape.is_tidy || !field.kind().is_packable() { 1 } else { 1 + choices.below(3) };
        for run in 0..runs {
            self.run(field, packed ^ (run % 2 == 1), count, choices, depth, out);
            if matches!(field.cardinality(), Cardinality::Singular(_)) {
                break;
            }
        }
    }

    fn run(
        &self,
        field: &Field,
        packed: bool,
        count: usize,
        choices: &mut Choices<'_>,
        depth: usize,
        out: &mut Vec<u8>,
    ) {
        if packed {
            self.tag(choices, field.number(), WireType::Len, out);
            self.nest(choices, out, |choices, out| {
                for _ in 0..count {
                    self.scalar(field.kind(), choices, out);
                }
            });
            return;
        }
        for _ in 0..count {
            self.element(field, choices, depth, out);
        }
    }

    fn element(&self, field: &Field, choices: &mut Choices<'_>, depth: usize, out: &mut Vec<u8>) {
        match field.kind() {
            Kind::Message(id) if field.cardinality() == Cardinality::Map => {
                self.tag(choices, field.number(), WireType::Len, out);
                self.nest(choices, out, |choices, out| self.entry(id, choices, depth, out));
            }
            Kind::Message(id) if field.is_delimited() => {
                self.tag(choices, field.number(), WireType::StartGroup, out);
                self.body(id, choices, depth + 1, out);
                self.tag(choices, field.number(), WireType::EndGroup, out);
            }
            Kind::Message(id) => {
                self.tag(choices, field.number(), WireType::Len, out);
                self.nest(choices, out, |choices, out| self.body(id, choices, depth + 1, out));
            }
            Kind::String | Kind::Bytes => {
                self.tag(choices, field.number(), WireType::Len, out);
                let text = choices.pick(&TEXTS).as_bytes();
                let repeat = if choices.one_in(8) { 20 } else { 1 };
                self.nest(choices, out, |_, out| out.extend_from_slice(&text.repeat(repeat)));
            }
            kind => {
                self.tag(choices, field.number(), wire_type(kind), out);
                self.scalar(kind, choices, out);
            }
        }
    }

    /// A map entry: key and value may be missing, reversed, or there twice.
    fn entry(&self, id: MessageId, choices: &mut Choices<'_>, depth: usize, out: &mut Vec<u8>) {
        let message = self.schema.message(id);
        let (key, value) = message.entry().unwrap();
        let shapes: [&[&Field]; 8] = [
            &[key, value],
            &[key, value],
            &[key, value],
            &[value, key],
            &[key],
            &[value],
            &[],
            &[key, value, key, value],
        ];
        // A Value must be there: one without a kind has no JSON form.
        let is_value = matches!(value.kind(), Kind::Message(id)
            if self.schema.message(id).well_known() == Some(WellKnown::Value));
        let parts = if self.shape.is_tidy || is_value { shapes[0] } else { choices.pick(&shapes) };
        for field in parts {
            self.element(field, choices, depth, out);
            if !self.shape.is_tidy && !self.shape.has_pure_entries && choices.one_in(16) {
                unknown(message, choices, depth, out);
            }
        }
    }

    fn scalar(&self, kind: Kind, choices: &mut Choices<'_>, out: &mut Vec<u8>) {
        match kind {
            Kind::Double => {
                let random = f64::from_bits(choices.word());
                let value = if choices.one_in(4) { random } else { *choices.pick(&DOUBLES) };
                out.extend_from_slice(&value.to_le_bytes());
            }
            Kind::Float => {
                let random = f32::from_bits(choices.word() as u32);
                let value = if choices.one_in(4) { random } else { *choices.pick(&FLOATS) };
                out.extend_from_slice(&value.to_le_bytes());
            }
            Kind::Bool => out.push(choices.below(2) as u8),
            Kind::Enum(id) => {
                let each = self.schema.enumeration(id);
                let number = choices.pick(each.values());
                self.varint(choices, i64::from(EnumValue::number(number)) as u64, out);
            }
            Kind::Fixed32 | Kind::Sfixed32 => {
                out.extend_from_slice(&(*choices.pick(&INTEGERS) as u32).to_le_bytes());
            }
            Kind::Fixed64 | Kind::Sfixed64 => out.extend_from_slice(&choices.pick(&INTEGERS).to_le_bytes()),
            Kind::Int32 => {
                let value = *choices.pick(&INT32S);
                self.varint(choices, value, out);
            }
            Kind::Uint32 | Kind::Sint32 => {
                let value = u64::from(*choices.pick(&INTEGERS) as u32);
                self.varint(choices, value, out);
            }
            _ => {
                let value = if choices.one_in(4) { choices.word() } else { *choices.pick(&INTEGERS) };
                self.varint(choices, value, out);
            }
        }
    }

    fn tag(&self, choices: &mut Choices<'_>, number: u32, wire_type: WireType, out: &mut Vec<u8>) {
        self.varint(choices, u64::from(number) << 3 | wire_type.bits(), out);
    }

    /// A varint, now and then with a byte more than it needs.
    fn varint(&self, choices: &mut Choices<'_>, value: u64, out: &mut Vec<u8>) {
        writer::varint(out, value);
        let is_short = value < 1 << 28;
        if !self.shape.is_tidy
            && is_short
            && choices.one_in(32)
            && let Some(last) = out.last_mut()
        {
            *last |= 0x80;
            out.push(0);
        }
    }

    fn nest(
        &self,
        choices: &mut Choices<'_>,
        out: &mut Vec<u8>,
        content: impl FnOnce(&mut Choices<'_>, &mut Vec<u8>),
    ) {
        let length = Length::begin(out);
        content(choices, out);
        length.end(out);
    }

    fn time(&self, choices: &mut Choices<'_>, min: u64, max: u64, out: &mut Vec<u8>) {
        let seconds = min + choices.word() % (max - min);
        let nanos = *choices.pick(&[0_u64, 1, 1_000, 1_000_000, 500_000_000, 999_999_999]);
        for (number, value) in [(1, seconds), (2, nanos)] {
            if value != 0 {
                self.tag(choices, number, WireType::Varint, out);
                self.varint(choices, value, out);
            }
        }
    }

    fn field_mask(&self, choices: &mut Choices<'_>, out: &mut Vec<u8>) {
        for _ in 0..choices.below(4) {
            let path = *choices.pick(&["a", "foo_bar", "foo.bar_baz", "a.b.c", "deep_field_name1"]);
            writer::bytes(out, 1, path.as_bytes());
        }
    }

    fn any(&self, choices: &mut Choices<'_>, depth: usize, out: &mut Vec<u8>) {
        let name = if depth > 2 { ANY_TYPES[3] } else { choices.pick(&ANY_TYPES) };
        let id = self.schema.find_message(name).unwrap();
        writer::bytes(out, 1, format!("type.googleapis.com/{name}").as_bytes());
        let mut value = Vec::new();
        self.body(id, choices, depth + 1, &mut value);
        writer::bytes(out, 2, &value);
    }

    /// A Value must have a kind, and no number that JSON cannot tell.
    fn value(&self, message: &Message, choices: &mut Choices<'_>, depth: usize, out: &mut Vec<u8>) {
        let kind = if depth > MAX_DEPTH - 1 { 0 } else { choices.below(6) };
        if kind == 1 {
            writer::tag(out, 2, WireType::Fixed64);
            out.extend_from_slice(&DOUBLES[choices.below(FINITE_DOUBLES)].to_le_bytes());
        } else {
            self.element(&message.fields()[kind], choices, depth, out);
        }
    }
}

/// A field that the message does not have.
fn unknown(message: &Message, choices: &mut Choices<'_>, depth: usize, out: &mut Vec<u8>) {
    let number = *choices.pick(&[3_000, 19, 536_870_911, 1_000_000]);
    if message.field_by_number(number).is_some() {
        return;
    }
    match choices.below(5) {
        0 => {
            writer::tag(out, number, WireType::Varint);
            writer::varint(out, choices.word());
        }
        1 => {
            writer::tag(out, number, WireType::Fixed64);
            out.extend_from_slice(&[1; 8]);
        }
        2 => writer::bytes(out, number, b"unknown"),
        3 if depth <= MAX_DEPTH => {
            writer::tag(out, number, WireType::StartGroup);
            unknown(message, choices, depth + 1, out);
            writer::tag(out, number, WireType::EndGroup);
        }
        _ => {
            writer::tag(out, number, WireType::Fixed32);
            out.extend_from_slice(&[1; 4]);
        }
    }
}

fn wire_type(kind: Kind) -> WireType {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => WireType::Fixed64,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => WireType::Fixed32,
        Kind::String | Kind::Bytes | Kind::Message(_) => WireType::Len,
        _ => WireType::Varint,
    }
}
