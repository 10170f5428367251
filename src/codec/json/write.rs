//! Wire bytes to JSON text.
//!
//! The fast way is one pass in wire order. Legal wire can be such that a later field changes what an
//! earlier one meant: a singular field twice, a message in pieces, a list with other fields in between,
//! two members of a oneof, a map key twice. Then the whole text is thrown away and written again by
//! `unusual`, so the cost of any input is at most one fast and one slow pass.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::WriteError;
use super::keys::Keys;
use super::read::wire_type as wire_type_of;
use super::scan::plain_end;
use crate::schema::enumeration::Enum;
use crate::schema::message::{Cardinality, Field, Kind, Message};
use crate::schema::{EnumId, MessageId, Presence, Schema};
use crate::wire::WireType;
use crate::wire::reader::{self, Reader, unzigzag};

/// How JSON text is written.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// Proto field names instead of lowerCamelCase.
    pub proto_names: bool,
    /// Write unset fields without presence, empty lists and empty maps too.
    pub emit_defaults: bool,
    /// Enum values as numbers.
    pub enum_numbers: bool,
    /// How many messages may lie inside one another, the outermost included.
    pub max_depth: usize,
    /// The longest text in bytes, as few wire bytes can stand for much text.
    pub max_text: usize,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            proto_names: false,
            emit_defaults: false,
            enum_numbers: false,
            max_depth: 100,
            max_text: 64 << 20,
        }
    }
}

/// Appends the JSON text of a message.
///
/// Fields that the schema does not know are left out, as are those whose wire type does not fit. Where
/// the text cannot be written, `text` is as before.
///
/// # Errors
/// When `wire` is not valid protobuf, or holds a value that JSON has no form for, with the field's path.
pub fn write(
    schema: &Schema,
    message: MessageId,
    wire: &[u8],
    options: &WriteOptions,
    text: &mut Vec<u8>,
) -> Result<(), Box<WriteError>> {
    in_either_way(schema, options, text, wire.len(), |writer| writer.message(message, Reader::new(wire)))
}

/// Appends the JSON text of the field at `position` of a message, its default if it is not set: the form
/// of an HTTP answer that a rule binds to one field. An unset message is `null`.
///
/// # Errors
/// As [`write()`].
pub fn write_field(
    schema: &Schema,
    message: MessageId,
    position: usize,
    wire: &[u8],
    options: &WriteOptions,
    text: &mut Vec<u8>,
) -> Result<(), Box<WriteError>> {
    let message = schema.message(message);
    in_either_way(schema, options, text, wire.len(), |writer| {
        writer.only_member(message, position, Reader::new(wire))
    })
}

fn in_either_way<'s>(
    schema: &'s Schema,
    options: &WriteOptions,
    text: &mut Vec<u8>,
    size: usize,
    write: impl Fn(&mut Writer<'s, '_>) -> Result<(), Stop>,
) -> Result<(), Box<WriteError>> {
    let start = text.len();
    text.reserve(size + size / 2 + 16);
    for is_fast in [true, false] {
        let mut writer = Writer {
            schema,
            options,
            limit: start.saturating_add(options.max_text),
            out: text,
            depth: 0,
            is_fast,
            seen: Vec::new(),
            keys: Keys::default(),
        };
        let result = write(&mut writer);
        if result.is_err() {
            text.truncate(start);
        }
        match result {
            Ok(()) => return Ok(()),
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Unusual) => {}
        }
    }
    Err(WriteError::new("the message cannot be read"))
}

/// Why writing stops.
pub(super) enum Stop {
    /// The wire is legal, but not for the fast way.
    Unusual,
    /// The wire cannot be written at all.
    Error(Box<WriteError>),
}

impl Stop {
    pub(super) fn error(message: impl Into<String>) -> Self {
        Self::Error(WriteError::new(message))
    }
}

impl From<reader::Error> for Stop {
    #[cold]
    fn from(error: reader::Error) -> Self {
        Self::error(format!("this is no valid protobuf: {error}"))
    }
}

pub(super) type Result<T, E = Stop> = std::result::Result<T, E>;

pub(super) struct Writer<'a, 'o> {
    pub(super) schema: &'a Schema,
    pub(super) options: &'o WriteOptions,
    pub(super) out: &'o mut Vec<u8>,
    limit: usize,
    depth: usize,
    pub(super) is_fast: bool,
    /// Which fields and oneofs are set, for the messages that are open and have more than 64.
    seen: Vec<u64>,
    keys: Keys,
}

impl<'a> Writer<'a, '_> {
    /// A message: an object, or the form of a well-known type.
    pub(super) fn message(&mut self, id: MessageId, wire: Reader<'_>) -> Result<()> {
        let message = self.schema.message(id);
        self.enter()?;
        match message.well_known() {
            None => {
                let start = self.out.len();
                self.members(message, wire)?;
                self.close_object(start);
            }
            Some(well_known) => self.well_known(message, well_known, wire)?,
        }
        self.depth -= 1;
        Ok(())
    }

    pub(super) fn enter(&mut self) -> Result<()> {
        if self.depth >= self.options.max_depth {
            let text = format!("messages are nested more than {} deep", self.options.max_depth);
            return Err(Stop::error(text));
        }
        if self.out.len() > self.limit {
            let text = format!("its JSON text is longer than {} bytes", self.options.max_text);
            return Err(Stop::error(text));
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// Turns the comma before the first member into the opening brace.
    pub(super) fn close_object(&mut self, start: usize) {
        match self.out.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    /// The members of a message, each with a comma before it.
    pub(super) fn members(&mut self, message: &'a Message, wire: Reader<'_>) -> Result<()> {
        if !self.is_fast {
            return self.indexed_members(message, wire);
        }
        let words = message.bits().div_ceil(64);
        let base = self.seen.len();
        let mut few = 0;
        if words > 1 {
            self.seen.resize(base + words, 0);
        }
        let mut wire = wire;
        let fields = message.fields();
        let mut guess = 0;
        while !wire.is_at_end() {
            let (number, wire_type) = wire.tag()?;
            let position = match fields.get(guess) {
                Some(field) if field.number() == number => guess,
                _ => match message.field_by_number(number) {
                    Some(position) => position,
                    None => {
                        wire.skip(number, wire_type, self.groups_left())?;
                        continue;
                    }
                },
            };
            let field = &fields[position];
            if !fits(field, wire_type) {
                wire.skip(number, wire_type, self.groups_left())?;
                continue;
            }
            guess = position + 1;
            let seen = if words > 1 { &mut self.seen[base..] } else { std::slice::from_mut(&mut few) };
            let is_repeated =
                mark(seen, position) || field.oneof().is_some_and(|oneof| mark(seen, fields.len() + oneof));
            if is_repeated {
                return Err(Stop::Unusual);
            }
            self.field(field, wire_type, &mut wire).map_err(|stop| self.in_field(stop, field))?;
        }
        if self.options.emit_defaults {
            self.defaults(fields, |writer, position| match words {
                0 | 1 => few & (1 << position) != 0,
                _ => writer.seen[base + position / 64] & (1 << (position % 64)) != 0,
            });
        }
        self.seen.truncate(base);
        Ok(())
    }

    /// A field whose first tag was read; a list or map with all that follows of it.
    fn field(&mut self, field: &'a Field, wire_type: WireType, wire: &mut Reader<'_>) -> Result<()> {
        let start = self.out.len();
        self.member_key(field);
        match field.cardinality() {
            Cardinality::Singular(presence) => {
                let is_default = self.value(field, wire_type, wire)?;
                if is_default && presence == Presence::Implicit && !self.options.emit_defaults {
                    self.out.truncate(start);
                }
            }
            Cardinality::Repeated { .. } => {
                self.out.push(b'[');
                let content = self.out.len();
                self.elements(field, wire_type, wire)?;
                self.close_list(content);
                if self.out.len() == content + 1 && !self.options.emit_defaults {
                    self.out.truncate(start);
                }
            }
            Cardinality::Map => {
                self.map(field, wire)?;
            }
        }
        Ok(())
    }

    /// A comma and the key of a member.
    #[inline]
    pub(super) fn member_key(&mut self, field: &Field) {
        let key = if self.options.proto_names { field.name_key() } else { field.json_key() };
        self.out.push(b',');
        self.out.extend_from_slice(self.schema.text(key).as_bytes());
    }

    /// Closes a list whose elements, from `content` on, each end with a comma.
    pub(super) fn close_list(&mut self, content: usize) {
        if self.out.len() > content {
            self.out.pop();
        }
        self.out.push(b']');
    }

    fn elements(&mut self, field: &'a Field, wire_type: WireType, wire: &mut Reader<'_>) -> Result<()> {
        let mut wire_type = wire_type;
        let mut index = 0;
        loop {
            self.occurrence(field, wire_type, wire, &mut index)?;
            let mut ahead = *wire;
            if ahead.is_at_end() {
                return Ok(());
            }
            let (number, next) = ahead.tag()?;
            if number != field.number() || !fits(field, next) {
                return Ok(());
            }
            wire_type = next;
            *wire = ahead;
        }
    }

    /// One occurrence of a repeated field: an element, or a packed run of them.
    pub(super) fn occurrence(
        &mut self,
        field: &'a Field,
        wire_type: WireType,
        wire: &mut Reader<'_>,
        index: &mut usize,
    ) -> Result<()> {
        if wire_type == WireType::Len && field.kind().is_packable() {
            let mut packed = wire.nested()?;
            let of_one = wire_type_of(field.kind());
            while !packed.is_at_end() {
                self.value(field, of_one, &mut packed)?;
                self.out.push(b',');
            }
            return Ok(());
        }
        self.value(field, wire_type, wire).map_err(|stop| in_element(stop, *index))?;
        self.out.push(b',');
        *index += 1;
        Ok(())
    }

    // Maps.

    /// A map from its first entry, whose tag was read, to the last one that follows without a gap.
    pub(super) fn map(&mut self, field: &'a Field, wire: &mut Reader<'_>) -> Result<()> {
        let (key_field, value_field) = self.entry_of(field)?;
        self.out.push(b'{');
        let mut map = self.keys.open();
        loop {
            let entry = Entry::read(wire.nested()?, key_field, value_field, self.groups_left())?;
            if entry.is_split {
                return Err(Stop::Unusual);
            }
            let start = self.out.len();
            self.map_key(key_field, entry.key)?;
            let place = (start, self.out.len() - start);
            if !self.keys.insert(&mut map, self.out, place) {
                return Err(Stop::Unusual);
            }
            self.map_value(value_field, &entry)?;
            self.out.push(b',');
            let mut ahead = *wire;
            if ahead.is_at_end() || ahead.tag()? != (field.number(), WireType::Len) {
                self.keys.close(&map);
                self.close_map();
                return Ok(());
            }
            *wire = ahead;
        }
    }

    pub(super) fn entry_of(&self, field: &Field) -> Result<(&'a Field, &'a Field)> {
        match field.kind() {
            Kind::Message(id) => self.schema.message(id).entry(),
            _ => None,
        }
        .ok_or_else(|| Stop::error("the field is no map"))
    }

    pub(super) fn close_map(&mut self) {
        match self.out.last_mut() {
            Some(comma @ b',') => *comma = b'}',
            _ => self.out.push(b'}'),
        }
    }

    /// A key in quotes; without one on the wire it is the default.
    pub(super) fn map_key(&mut self, field: &'a Field, key: Option<(WireType, Reader<'_>)>) -> Result<()> {
        let is_quoted = matches!(
            field.kind(),
            Kind::String | Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64
        );
        if !is_quoted {
            self.out.push(b'"');
        }
        match key {
            Some((wire_type, mut wire)) => self.value(field, wire_type, &mut wire).map(drop)?,
            None => self.default_value(field),
        }
        if !is_quoted {
            self.out.push(b'"');
        }
        self.out.push(b':');
        Ok(())
    }

    pub(super) fn map_value(&mut self, field: &'a Field, entry: &Entry<'_>) -> Result<()> {
        match (entry.value, field.kind()) {
            (Some((wire_type, mut wire)), _) => self.value(field, wire_type, &mut wire).map(drop),
            (None, Kind::Message(id)) => self.message(id, Reader::new(&[])),
            (None, _) => {
                self.default_value(field);
                Ok(())
            }
        }
    }

    // Values.

    /// A value whose tag was read; true if it is the default of its type.
    #[inline]
    pub(super) fn value(
        &mut self,
        field: &'a Field,
        wire_type: WireType,
        wire: &mut Reader<'_>,
    ) -> Result<bool> {
        Ok(match field.kind() {
            Kind::String => self.string(wire.bytes()?, field.verifies_utf8())?,
            Kind::Bytes => self.base64(wire.bytes()?),
            Kind::Message(id) => {
                let nested = match wire_type {
                    WireType::StartGroup => wire.group(field.number(), self.groups_left())?,
                    _ => wire.nested()?,
                };
                self.message(id, nested)?;
                false
            }
            Kind::Enum(id) => self.enum_value(id, wire.varint()? as i32),
            Kind::Bool => {
                let value = wire.varint()? != 0;
                self.out.extend_from_slice(if value { b"true" } else { b"false" });
                !value
            }
            Kind::Int32 => self.integer(i64::from(wire.varint()? as i32)),
            Kind::Sint32 => self.integer(i64::from(unzigzag(u64::from(wire.varint()? as u32)) as i32)),
            Kind::Sfixed32 => self.integer(i64::from(wire.fixed32()? as i32)),
            Kind::Uint32 => self.integer(i64::from(wire.varint()? as u32)),
            Kind::Fixed32 => self.integer(i64::from(wire.fixed32()?)),
            Kind::Int64 => self.quoted_integer(wire.varint()? as i64),
            Kind::Sint64 => self.quoted_integer(unzigzag(wire.varint()?)),
            Kind::Sfixed64 => self.quoted_integer(wire.fixed64()? as i64),
            Kind::Uint64 => self.quoted_integer(wire.varint()?),
            Kind::Fixed64 => self.quoted_integer(wire.fixed64()?),
            Kind::Double => self.double(f64::from_bits(wire.fixed64()?)),
            Kind::Float => self.float(f32::from_bits(wire.fixed32()?)),
        })
    }

    #[inline]
    fn integer(&mut self, value: i64) -> bool {
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        value == 0
    }

    #[inline]
    fn quoted_integer<I: itoa::Integer + PartialEq + Default + Copy>(&mut self, value: I) -> bool {
        self.out.push(b'"');
        self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
        self.out.push(b'"');
        value == I::default()
    }

    pub(super) fn double(&mut self, value: f64) -> bool {
        if value.is_finite() {
            self.out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
        } else {
            self.out.extend_from_slice(not_finite(value.is_nan(), value.is_sign_negative()));
        }
        value.to_bits() == 0
    }

    fn float(&mut self, value: f32) -> bool {
        if value.is_finite() {
            self.out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
        } else {
            self.out.extend_from_slice(not_finite(value.is_nan(), value.is_sign_negative()));
        }
        value.to_bits() == 0
    }

    fn enum_value(&mut self, id: EnumId, number: i32) -> bool {
        let each: &Enum = self.schema.enumeration(id);
        if each.is_null() {
            // Whatever number it has is read back as the only one that there is.
            self.out.extend_from_slice(b"null");
            return true;
        }
        if let (false, Some(value)) = (self.options.enum_numbers, each.value(number)) {
            self.out.extend_from_slice(self.schema.text(value.quoted()).as_bytes());
        } else {
            self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
        }
        number == 0
    }

    /// Text in quotes. Where the schema does not ask for UTF-8, what is none is replaced by U+FFFD.
    pub(super) fn string(&mut self, bytes: &[u8], verify_utf8: bool) -> Result<bool> {
        match simdutf8::basic::from_utf8(bytes) {
            Ok(text) => push_string(self.out, text),
            Err(_) if verify_utf8 => return Err(Stop::error("the text is not UTF-8")),
            Err(_) => push_string(self.out, &String::from_utf8_lossy(bytes)),
        }
        Ok(bytes.is_empty())
    }

    pub(super) fn base64(&mut self, bytes: &[u8]) -> bool {
        self.out.push(b'"');
        let start = self.out.len();
        let length = base64::encoded_len(bytes.len(), true).unwrap_or(0);
        self.out.resize(start + length, 0);
        // The room is exactly what the encoder says it needs.
        let written = STANDARD.encode_slice(bytes, &mut self.out[start..]).unwrap_or(0);
        self.out.truncate(start + written);
        self.out.push(b'"');
        bytes.is_empty()
    }

    // Defaults.

    /// The members for unset fields without presence.
    pub(super) fn defaults(&mut self, fields: &'a [Field], is_set: impl Fn(&Self, usize) -> bool) {
        for (position, field) in fields.iter().enumerate() {
            if is_set(self, position) {
                continue;
            }
            match field.cardinality() {
                Cardinality::Singular(Presence::Implicit) => {
                    self.member_key(field);
                    self.default_value(field);
                }
                Cardinality::Singular(_) => {}
                Cardinality::Repeated { .. } | Cardinality::Map => {
                    self.member_key(field);
                    self.default_value(field);
                }
            }
        }
    }

    /// The text of a field that is not set.
    pub(super) fn default_value(&mut self, field: &Field) {
        let text: &[u8] = match (field.cardinality(), field.kind()) {
            (Cardinality::Repeated { .. }, _) => b"[]",
            (Cardinality::Map, _) => b"{}",
            (_, Kind::String | Kind::Bytes) => b"\"\"",
            (_, Kind::Bool) => b"false",
            (_, Kind::Double | Kind::Float) => b"0.0",
            (_, Kind::Int64 | Kind::Uint64 | Kind::Sint64 | Kind::Fixed64 | Kind::Sfixed64) => b"\"0\"",
            (_, Kind::Message(_)) => b"null",
            (_, Kind::Enum(id)) => {
                self.enum_value(id, self.schema.enumeration(id).default_number());
                return;
            }
            _ => b"0",
        };
        self.out.extend_from_slice(text);
    }

    pub(super) const fn groups_left(&self) -> usize {
        self.options.max_depth.saturating_sub(self.depth)
    }

    pub(super) fn in_field(&self, stop: Stop, field: &Field) -> Stop {
        match stop {
            Stop::Error(mut error) => {
                error.path.push_field(self.schema.text(field.json_name()));
                Stop::Error(error)
            }
            Stop::Unusual => Stop::Unusual,
        }
    }
}

/// Sets a bit and tells whether it was set before.
#[inline]
fn mark(words: &mut [u64], bit: usize) -> bool {
    let mask = 1 << (bit % 64);
    words.get_mut(bit / 64).is_some_and(|word| {
        let was_set = *word & mask != 0;
        *word |= mask;
        was_set
    })
}

/// Whether a value of this wire type can belong to the field; one that cannot is an unknown field.
#[inline]
pub(super) fn fits(field: &Field, wire_type: WireType) -> bool {
    match field.kind() {
        // A parser accepts both encodings of a message, whichever the schema says.
        Kind::Message(_) if field.cardinality() != Cardinality::Map => {
            matches!(wire_type, WireType::Len | WireType::StartGroup)
        }
        kind => {
            let is_packed = matches!(field.cardinality(), Cardinality::Repeated { .. })
                && kind.is_packable()
                && wire_type == WireType::Len;
            wire_type == wire_type_of(kind) || is_packed
        }
    }
}

const fn not_finite(is_nan: bool, is_negative: bool) -> &'static [u8] {
    match (is_nan, is_negative) {
        (true, _) => b"\"NaN\"",
        (false, false) => b"\"Infinity\"",
        (false, true) => b"\"-Infinity\"",
    }
}

fn in_element(stop: Stop, index: usize) -> Stop {
    match stop {
        Stop::Error(mut error) => {
            error.path.push_index(index);
            Stop::Error(error)
        }
        Stop::Unusual => Stop::Unusual,
    }
}

/// Appends text as a JSON string.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut at = 0;
    loop {
        let end = plain_end(bytes, at);
        out.extend_from_slice(&bytes[at..end]);
        let Some(&byte) = bytes.get(end) else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            _ => {
                let [high, low] = [byte >> 4, byte & 15].map(|nibble| HEX[usize::from(nibble)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
        at = end + 1;
    }
    out.push(b'"');
}

/// A map entry as it lies on the wire: the last key and the last value.
pub(super) struct Entry<'w> {
    pub(super) key: Option<(WireType, Reader<'w>)>,
    pub(super) value: Option<(WireType, Reader<'w>)>,
    /// Whether the value is a message in pieces.
    pub(super) is_split: bool,
}

impl<'w> Entry<'w> {
    pub(super) fn read(mut wire: Reader<'w>, key: &Field, value: &Field, groups: usize) -> Result<Self> {
        let mut entry = Entry { key: None, value: None, is_split: false };
        while !wire.is_at_end() {
            let (number, wire_type) = wire.tag()?;
            let here = Some((wire_type, wire));
            wire.skip(number, wire_type, groups)?;
            if number == key.number() && fits(key, wire_type) {
                entry.key = here;
            } else if number == value.number() && fits(value, wire_type) {
                entry.is_split = entry.value.is_some() && matches!(value.kind(), Kind::Message(_));
                entry.value = here;
            }
        }
        Ok(entry)
    }
}
