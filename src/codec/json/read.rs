//! JSON text to wire bytes.

use base64::Engine;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use super::error::ReadError;
use super::keys::Keys;
use super::scan::{Result, plain_end, unescape};
use crate::codec::number::{self, NumberError};
use crate::schema::message::{Cardinality, Field, Kind, Message, WellKnown};
use crate::schema::{EnumId, MessageId, Presence, Schema};
use crate::wire::WireType;
use crate::wire::writer::{self, Length};

/// How JSON text is read.
#[derive(Clone, Debug)]
pub struct ReadOptions {
    /// Skip fields and enum names that the schema does not know instead of refusing them.
    pub ignore_unknown: bool,
    /// How many objects and lists may lie inside one another, the outermost included.
    pub max_depth: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { ignore_unknown: false, max_depth: 64 }
    }
}

/// Appends the wire form of the JSON `text` of a message.
///
/// It is strict: RFC 8259 without extensions, no key twice, every value in range. Members may come in
/// any order. Required fields are not looked for, as path and query may still bring them. On an error
/// `wire` keeps what was appended so far.
///
/// # Errors
/// The first thing that is wrong, with the field's path and the byte offset.
pub fn read(
    schema: &Schema,
    message: MessageId,
    text: &[u8],
    options: &ReadOptions,
    wire: &mut Vec<u8>,
) -> Result<()> {
    let mut reader = Reader::new(schema, text, options, wire)?;
    reader.body(message)?;
    reader.finish()
}

/// Appends the field `field` of a message, tag included, from the JSON `text` of its value: the form of
/// an HTTP body that a rule binds to one field. `null` appends nothing.
///
/// # Errors
/// As [`read`].
pub fn read_field(
    schema: &Schema,
    field: &Field,
    text: &[u8],
    options: &ReadOptions,
    wire: &mut Vec<u8>,
) -> Result<()> {
    let mut reader = Reader::new(schema, text, options, wire)?;
    reader.skip_space();
    reader.field(field).map_err(|error| reader.in_field(error, field))?;
    reader.finish()
}

pub(super) struct Reader<'a> {
    pub(super) schema: &'a Schema,
    options: &'a ReadOptions,
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    pub(super) out: &'a mut Vec<u8>,
    depth: usize,
    /// Decoded text of the string that was read last, if it had escapes.
    scratch: Vec<u8>,
    /// Which fields and oneofs are set, for the messages that are open and have more than 64.
    seen: Vec<u64>,
    keys: Keys,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        schema: &'a Schema,
        text: &'a [u8],
        options: &'a ReadOptions,
        out: &'a mut Vec<u8>,
    ) -> Result<Self> {
        simdutf8::compat::from_utf8(text)
            .map_err(|error| ReadError::new(error.valid_up_to(), "the text is not UTF-8"))?;
        out.reserve(text.len() / 2 + 16);
        Ok(Self {
            schema,
            options,
            text,
            at: 0,
            out,
            depth: 0,
            scratch: Vec::new(),
            seen: Vec::new(),
            keys: Keys::default(),
        })
    }

    pub(super) fn finish(&mut self) -> Result<()> {
        self.skip_space();
        match self.text.get(self.at) {
            None => Ok(()),
            Some(_) => Err(self.error("the text goes on after the end of the value")),
        }
    }

    // Messages.

    /// A message without its tag and length.
    pub(super) fn body(&mut self, id: MessageId) -> Result<()> {
        self.skip_space();
        let message = self.schema.message(id);
        match message.well_known() {
            None => self.object(message, false),
            Some(well_known) => self.well_known(message, well_known),
        }
    }

    /// The members of an object. In an Any the member `@type` was read before and is passed over.
    pub(super) fn object(&mut self, message: &'a Message, in_any: bool) -> Result<()> {
        let words = message.bits().div_ceil(64);
        let base = self.seen.len();
        let mut few = 0;
        if words > 1 {
            self.seen.resize(base + words, 0);
        }
        let fields = message.fields();
        let mut guess = 0;
        self.open(b'{', "an object")?;
        let mut is_first = true;
        while self.next_member(b'}', &mut is_first)? {
            let start = self.at;
            let Some(position) = self.member(message, guess, in_any)? else { continue };
            guess = position + 1;
            let field = &fields[position];
            let seen = if words > 1 { &mut self.seen[base..] } else { std::slice::from_mut(&mut few) };
            if set(seen, position) {
                let error = ReadError::new(start, "the field is there twice");
                return Err(self.in_field(error, field));
            }
            let is_set = self.field(field).map_err(|error| self.in_field(error, field))?;
            if let (true, Some(oneof)) = (is_set, field.oneof()) {
                let seen = if words > 1 { &mut self.seen[base..] } else { std::slice::from_mut(&mut few) };
                if set(seen, fields.len() + oneof) {
                    let error = ReadError::new(start, "another member of the same oneof is set already");
                    return Err(self.in_field(error, field));
                }
            }
        }
        self.seen.truncate(base);
        Ok(())
    }

    /// The key of a member with its colon; the position of its field, none if the member was skipped.
    #[inline]
    fn member(&mut self, message: &'a Message, guess: usize, in_any: bool) -> Result<Option<usize>> {
        if let Some(field) = message.fields().get(guess) {
            let rest = self.text.get(self.at..).unwrap_or_default();
            for key in [field.json_key(), field.name_key()] {
                let key = self.schema.text(key).as_bytes();
                if rest.starts_with(key) {
                    self.at += key.len();
                    self.skip_space();
                    return Ok(Some(guess));
                }
            }
        }
        self.named_member(message, in_any)
    }

    fn named_member(&mut self, message: &'a Message, in_any: bool) -> Result<Option<usize>> {
        let start = self.at;
        let key = self.key()?;
        let name = key.bytes(self);
        if let Some(position) = message.field_by_name(self.schema, name) {
            return Ok(Some(position));
        }
        if in_any && name == b"@type" {
            self.skip_value()?;
            return Ok(None);
        }
        if self.options.ignore_unknown {
            self.skip_value()?;
            return Ok(None);
        }
        let shown = String::from_utf8_lossy(name.get(..60).unwrap_or(name)).into_owned();
        let of = self.schema.text(message.name());
        Err(ReadError::new(start, format!("{of} has no field {shown:?}")))
    }

    /// A key and its colon.
    pub(super) fn key(&mut self) -> Result<Text<'a>> {
        if self.text.get(self.at) != Some(&b'"') {
            return Err(self.expected("a key in double quotes"));
        }
        let key = self.string()?;
        self.skip_space();
        if self.text.get(self.at) != Some(&b':') {
            return Err(self.expected("a colon"));
        }
        self.at += 1;
        self.skip_space();
        Ok(key)
    }

    // Fields.

    /// The value of a field; false if it is null and so absent.
    pub(super) fn field(&mut self, field: &'a Field) -> Result<bool> {
        if self.text.get(self.at) == Some(&b'n') && !self.takes_null(field) {
            self.literal(b"null")?;
            return Ok(false);
        }
        match field.cardinality() {
            Cardinality::Singular(presence) => self.singular(field, presence),
            Cardinality::Repeated { packed } => self.list(field, packed).map(|()| true),
            Cardinality::Map => self.map(field).map(|()| true),
        }
    }

    /// Whether null is a value of the field rather than its absence.
    fn takes_null(&self, field: &Field) -> bool {
        matches!(field.cardinality(), Cardinality::Singular(_)) && self.is_nullable(field.kind())
    }

    fn is_nullable(&self, kind: Kind) -> bool {
        match kind {
            Kind::Enum(id) => self.schema.enumeration(id).is_null(),
            Kind::Message(id) => self.schema.message(id).well_known() == Some(WellKnown::Value),
            _ => false,
        }
    }

    fn singular(&mut self, field: &'a Field, presence: Presence) -> Result<bool> {
        let start = self.out.len();
        let is_set = self.element(field)?;
        if presence == Presence::Implicit && is_set {
            // The value lies behind the tag; a default is the same as no value.
            let value = self.out[start..].iter().skip_while(|&&byte| byte >= 0x80).skip(1);
            if value.copied().all(|byte| byte == 0) {
                self.out.truncate(start);
            }
        }
        Ok(is_set)
    }

    /// One value with its tag; false if it is an unknown enum name to be ignored.
    #[inline]
    pub(super) fn element(&mut self, field: &'a Field) -> Result<bool> {
        let number = field.number();
        match field.kind() {
            Kind::String => {
                writer::tag(self.out, number, WireType::Len);
                self.text_value()?;
            }
            Kind::Bytes => {
                writer::tag(self.out, number, WireType::Len);
                self.bytes_value()?;
            }
            Kind::Message(id) if field.is_delimited() => {
                writer::tag(self.out, number, WireType::StartGroup);
                self.body(id)?;
                writer::tag(self.out, number, WireType::EndGroup);
            }
            Kind::Message(id) => {
                writer::tag(self.out, number, WireType::Len);
                let length = Length::begin(self.out);
                self.body(id)?;
                length.end(self.out);
            }
            kind => {
                let Some(value) = self.scalar(kind)? else { return Ok(false) };
                let wire_type = wire_type(kind);
                writer::tag(self.out, number, wire_type);
                put(self.out, wire_type, value);
            }
        }
        Ok(true)
    }

    fn list(&mut self, field: &'a Field, packed: bool) -> Result<()> {
        self.open(b'[', "a list")?;
        let start = self.out.len();
        let mut index = 0;
        if packed {
            writer::tag(self.out, field.number(), WireType::Len);
            let length = Length::begin(self.out);
            self.packed(field.kind(), &mut index).map_err(|error| in_element(error, index))?;
            if self.out.len() == length.content() {
                self.out.truncate(start);
            } else {
                length.end(self.out);
            }
            return Ok(());
        }
        let mut is_first = true;
        while self.next_member(b']', &mut is_first)? {
            self.list_element(field).map_err(|error| in_element(error, index))?;
            index += 1;
        }
        Ok(())
    }

    fn packed(&mut self, kind: Kind, index: &mut usize) -> Result<()> {
        let wire_type = wire_type(kind);
        let mut is_first = true;
        while self.next_member(b']', &mut is_first)? {
            if let Some(value) = self.scalar(kind)? {
                put(self.out, wire_type, value);
            }
            *index += 1;
        }
        Ok(())
    }

    fn list_element(&mut self, field: &'a Field) -> Result<()> {
        if self.text.get(self.at) == Some(&b'n') && !self.is_nullable(field.kind()) {
            return Err(self.error("null is not allowed in a list"));
        }
        self.element(field).map(drop)
    }

    // Maps.

    fn map(&mut self, field: &'a Field) -> Result<()> {
        let Kind::Message(id) = field.kind() else { return Err(self.error("the field is no map")) };
        match self.schema.message(id).entry() {
            Some((key, value)) => self.entries(field.number(), key.kind(), value),
            None => Err(self.error("the field is no map")),
        }
    }

    /// The entries of a map, each an embedded message under `number` with its key under 1 and its value
    /// under 2.
    pub(super) fn entries(&mut self, number: u32, key_kind: Kind, value: &'a Field) -> Result<()> {
        let mut map = self.keys.open();
        self.open(b'{', "an object")?;
        let mut is_first = true;
        while self.next_member(b'}', &mut is_first)? {
            let start = self.at;
            let entry = self.out.len();
            writer::tag(self.out, number, WireType::Len);
            let length = Length::begin(self.out);
            let key = self.key()?;
            self.map_key(key, key_kind, start)?;
            let key_length = self.out.len() - length.content();
            let is_set = self.map_value(value).map_err(|error| self.in_key(error, start))?;
            if !is_set {
                self.out.truncate(entry);
                continue;
            }
            let content = self.out.len() - length.content();
            length.end(self.out);
            let place = (self.out.len() - content, key_length);
            if !self.keys.insert(&mut map, self.out, place) {
                return Err(ReadError::new(start, "the key is there twice"));
            }
        }
        self.keys.close(&map);
        Ok(())
    }

    fn map_value(&mut self, value: &'a Field) -> Result<bool> {
        if self.text.get(self.at) == Some(&b'n') && !self.is_nullable(value.kind()) {
            return Err(self.error("null is not allowed in a map"));
        }
        self.element(value)
    }

    fn map_key(&mut self, key: Text<'a>, kind: Kind, start: usize) -> Result<()> {
        if kind == Kind::String {
            writer::tag(self.out, 1, WireType::Len);
            let Self { out, scratch, .. } = self;
            let text = key.of(scratch);
            writer::varint(out, text.len() as u64);
            out.extend_from_slice(text);
            return Ok(());
        }
        let text = key.bytes(self);
        let value = match (kind, text) {
            (Kind::Bool, b"true") => 1,
            (Kind::Bool, b"false") => 0,
            (Kind::Bool, _) => return Err(ReadError::new(start, "the key must be \"true\" or \"false\"")),
            _ => integer(text, kind).map_err(|error| no_number(start, integer_name(kind), error))?,
        };
        let wire_type = wire_type(kind);
        writer::tag(self.out, 1, wire_type);
        put(self.out, wire_type, value);
        Ok(())
    }

    // Values.

    /// A number, bool or enum as the bits that go on the wire; none for an enum name to be ignored.
    #[inline]
    fn scalar(&mut self, kind: Kind) -> Result<Option<u64>> {
        Ok(Some(match kind {
            Kind::Bool => self.bool_value()?.into(),
            Kind::Double => self.double_value()?.to_bits(),
            Kind::Float => self.float_value()?.to_bits().into(),
            Kind::Enum(id) => return Ok(self.enum_value(id)?.map(|number| i64::from(number) as u64)),
            _ => self.integer_value(kind)?,
        }))
    }

    fn bool_value(&mut self) -> Result<bool> {
        match self.text.get(self.at) {
            Some(b't') => self.literal(b"true").map(|()| true),
            Some(b'f') => self.literal(b"false").map(|()| false),
            _ => Err(self.expected("true or false")),
        }
    }

    #[inline]
    fn integer_value(&mut self, kind: Kind) -> Result<u64> {
        // Up to 18 digits and nothing else to consider: nearly every integer.
        let digits = self.text.get(self.at..).unwrap_or_default();
        let (negative, digits) = match digits {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let mut value = 0_i64;
        let mut length = 0;
        while let Some(digit @ b'0'..=b'9') = digits.get(length).copied()
            && length < 18
        {
            value = value * 10 + i64::from(digit - b'0');
            length += 1;
        }
        let is_plain = !matches!(digits.get(length), Some(b'0'..=b'9' | b'.' | b'e' | b'E'));
        let has_leading_zero = length > 1 && digits.first() == Some(&b'0');
        if length == 0 || !is_plain || has_leading_zero {
            return self.unusual_integer(kind);
        }
        let start = self.at;
        self.at += length + usize::from(negative);
        let value = if negative { -value } else { value };
        narrow(value.into(), kind).ok_or_else(|| no_number(start, integer_name(kind), NumberError::Range))
    }

    /// An integer in quotes, with a fraction or an exponent, or out of range.
    fn unusual_integer(&mut self, kind: Kind) -> Result<u64> {
        let start = self.at;
        let name = integer_name(kind);
        let text = self.number_text(name)?;
        integer(text.bytes(self), kind).map_err(|error| no_number(start, name, error))
    }

    /// A number as it stands in the text, or the text of a string.
    fn number_text(&mut self, what: &str) -> Result<Text<'a>> {
        let start = self.at;
        match self.text.get(start) {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => {
                let rest = &self.text[start..];
                let length = number::token_length(rest);
                if length == 0
                    || matches!(rest.get(length), Some(b'0'..=b'9' | b'.' | b'a'..=b'z' | b'A'..=b'Z'))
                {
                    return Err(self.error("this is no number as JSON writes it"));
                }
                self.at += length;
                Ok(Text::Plain(&rest[..length]))
            }
            _ => Err(self.expected(what)),
        }
    }

    pub(super) fn double_value(&mut self) -> Result<f64> {
        let start = self.at;
        let text = self.number_text("a number")?;
        match text.bytes(self) {
            b"NaN" => Ok(f64::NAN),
            b"Infinity" => Ok(f64::INFINITY),
            b"-Infinity" => Ok(f64::NEG_INFINITY),
            bytes => number::double(bytes).map_err(|error| no_number(start, "a double", error)),
        }
    }

    fn float_value(&mut self) -> Result<f32> {
        let start = self.at;
        let text = self.number_text("a number")?;
        match text.bytes(self) {
            b"NaN" => Ok(f32::NAN),
            b"Infinity" => Ok(f32::INFINITY),
            b"-Infinity" => Ok(f32::NEG_INFINITY),
            bytes => number::float(bytes).map_err(|error| no_number(start, "a float", error)),
        }
    }

    /// An enum's number; none for an unknown name that is to be ignored.
    fn enum_value(&mut self, id: EnumId) -> Result<Option<i32>> {
        let each = self.schema.enumeration(id);
        let start = self.at;
        match self.text.get(start) {
            Some(b'"') => {}
            Some(b'n') if each.is_null() => {
                self.literal(b"null")?;
                return Ok(Some(0));
            }
            Some(b'-' | b'0'..=b'9') => {
                return self.integer_value(Kind::Int32).map(|value| Some(value as i32));
            }
            _ => return Err(self.expected("the name of an enum value")),
        }
        let text = self.string()?;
        let name = text.bytes(self);
        if let Some(number) = each.number(self.schema, name) {
            return Ok(Some(number));
        }
        if self.options.ignore_unknown {
            return Ok(None);
        }
        let shown = String::from_utf8_lossy(name.get(..60).unwrap_or(name)).into_owned();
        let of = self.schema.text(each.name());
        Err(ReadError::new(start, format!("{of} has no value {shown:?}")))
    }

    /// A string with its length.
    #[inline]
    pub(super) fn text_value(&mut self) -> Result<()> {
        if self.text.get(self.at) != Some(&b'"') {
            return Err(self.expected("a string"));
        }
        let start = self.at + 1;
        let end = plain_end(self.text, start);
        if self.text.get(end) == Some(&b'"') {
            self.at = end + 1;
            writer::varint(self.out, (end - start) as u64);
            self.out.extend_from_slice(&self.text[start..end]);
            return Ok(());
        }
        let length = Length::begin(self.out);
        self.at = unescape(self.text, start, self.out)?;
        length.end(self.out);
        Ok(())
    }

    /// Base64 with its length: either alphabet, with or without padding.
    fn bytes_value(&mut self) -> Result<()> {
        if self.text.get(self.at) != Some(&b'"') {
            return Err(self.expected("a string with base64"));
        }
        let start = self.at;
        let text = self.string()?;
        let Self { out, scratch, .. } = self;
        let length = Length::begin(out);
        if !decode_base64(text.of(scratch), out) {
            return Err(ReadError::new(start, "this is no base64"));
        }
        length.end(out);
        Ok(())
    }

    // Tokens.

    /// A string; its text stays valid until the next one is read.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Text<'a>> {
        let start = self.at + 1;
        let end = plain_end(self.text, start);
        if self.text.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Text::Plain(&self.text[start..end]));
        }
        self.scratch.clear();
        self.at = unescape(self.text, start, &mut self.scratch)?;
        Ok(Text::Unescaped)
    }

    pub(super) fn literal(&mut self, word: &[u8]) -> Result<()> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) || rest.get(word.len()).is_some_and(u8::is_ascii_alphanumeric) {
            return Err(self.error("this is no JSON value"));
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    pub(super) fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    /// Enters an object or a list.
    #[inline]
    pub(super) fn open(&mut self, bracket: u8, what: &str) -> Result<()> {
        if self.text.get(self.at) != Some(&bracket) {
            return Err(self.expected(what));
        }
        if self.depth >= self.options.max_depth {
            let text = format!("objects and lists are nested more than {} deep", self.options.max_depth);
            return Err(self.error(text));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Goes to the next member or element; false behind the last one, whose bracket is passed.
    #[inline]
    pub(super) fn next_member(&mut self, bracket: u8, is_first: &mut bool) -> Result<bool> {
        self.skip_space();
        let is_first = std::mem::replace(is_first, false);
        match self.text.get(self.at) {
            Some(&byte) if byte == bracket => {
                self.depth -= 1;
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !is_first => {
                self.at += 1;
                self.skip_space();
                if self.text.get(self.at) == Some(&bracket) {
                    return Err(self.error("a comma stands before the closing bracket"));
                }
                Ok(true)
            }
            Some(_) if is_first => Ok(true),
            _ => Err(self.expected(if bracket == b'}' { "a comma or }" } else { "a comma or ]" })),
        }
    }

    /// Passes over a value, checking that it is JSON.
    pub(super) fn skip_value(&mut self) -> Result<()> {
        self.skip_space();
        match self.text.get(self.at) {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => {
                self.open(b'{', "an object")?;
                let mut is_first = true;
                while self.next_member(b'}', &mut is_first)? {
                    self.key()?;
                    self.skip_value()?;
                }
                Ok(())
            }
            Some(b'[') => {
                self.open(b'[', "a list")?;
                let mut is_first = true;
                while self.next_member(b']', &mut is_first)? {
                    self.skip_value()?;
                }
                Ok(())
            }
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => self.number_text("a value").map(drop),
        }
    }

    pub(super) fn error(&self, message: impl Into<String>) -> Box<ReadError> {
        ReadError::new(self.at, message)
    }

    pub(super) fn expected(&self, what: &str) -> Box<ReadError> {
        let found = match self.text.get(self.at) {
            None => "the end of the text",
            Some(b'"') => "a string",
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b't' | b'f') => "a bool",
            Some(b'n') => "null",
            Some(b'-' | b'0'..=b'9') => "a number",
            Some(&byte) if byte.is_ascii_graphic() => {
                return self.error(format!("{what} is needed, found {:?}", char::from(byte)));
            }
            Some(_) => "something that is no JSON",
        };
        self.error(format!("{what} is needed, found {found}"))
    }

    /// Names the map key that stands at `start`, as the text spells it.
    fn in_key(&self, mut error: Box<ReadError>, start: usize) -> Box<ReadError> {
        let end = plain_end(self.text, start + 1);
        error.path.push_key(self.text.get(start + 1..end).unwrap_or_default());
        error
    }

    pub(super) fn in_field(&self, mut error: Box<ReadError>, field: &Field) -> Box<ReadError> {
        error.path.push_field(self.schema.text(field.json_name()));
        error
    }
}

/// The text of a string: a part of the input, or what [`Reader::scratch`] holds.
#[derive(Clone, Copy)]
pub(super) enum Text<'a> {
    Plain(&'a [u8]),
    Unescaped,
}

impl<'a> Text<'a> {
    pub(super) fn bytes<'r>(self, reader: &'r Reader<'a>) -> &'r [u8] {
        self.of(&reader.scratch)
    }

    fn of<'r>(self, scratch: &'r [u8]) -> &'r [u8]
    where
        'a: 'r,
    {
        match self {
            Self::Plain(text) => text,
            Self::Unescaped => scratch,
        }
    }
}

/// Sets a bit and tells whether it was set before.
#[inline]
fn set(words: &mut [u64], bit: usize) -> bool {
    let mask = 1 << (bit % 64);
    words.get_mut(bit / 64).is_some_and(|word| {
        let was_set = *word & mask != 0;
        *word |= mask;
        was_set
    })
}

#[inline]
pub(super) const fn wire_type(kind: Kind) -> WireType {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => WireType::Fixed64,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => WireType::Fixed32,
        Kind::String | Kind::Bytes | Kind::Message(_) => WireType::Len,
        _ => WireType::Varint,
    }
}

#[inline]
fn put(out: &mut Vec<u8>, wire_type: WireType, bits: u64) {
    match wire_type {
        WireType::Fixed32 => out.extend_from_slice(&(bits as u32).to_le_bytes()),
        WireType::Fixed64 => out.extend_from_slice(&bits.to_le_bytes()),
        _ => writer::varint(out, bits),
    }
}

/// The bits of an integer on the wire, if it fits its type.
#[inline]
fn narrow(value: i128, kind: Kind) -> Option<u64> {
    Some(match kind {
        Kind::Int32 => i64::from(i32::try_from(value).ok()?) as u64,
        Kind::Sfixed32 => u64::from(i32::try_from(value).ok()? as u32),
        Kind::Sint32 => u64::from(writer::zigzag(i32::try_from(value).ok()?.into()) as u32),
        Kind::Uint32 | Kind::Fixed32 => u32::try_from(value).ok()?.into(),
        Kind::Int64 | Kind::Sfixed64 => i64::try_from(value).ok()? as u64,
        Kind::Sint64 => writer::zigzag(i64::try_from(value).ok()?),
        _ => u64::try_from(value).ok()?,
    })
}

fn integer(text: &[u8], kind: Kind) -> std::result::Result<u64, NumberError> {
    narrow(number::integer(text)?, kind).ok_or(NumberError::Range)
}

const fn integer_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "a signed 32-bit integer",
        Kind::Uint32 | Kind::Fixed32 => "an unsigned 32-bit integer",
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "a signed 64-bit integer",
        _ => "an unsigned 64-bit integer",
    }
}

fn no_number(offset: usize, name: &str, error: NumberError) -> Box<ReadError> {
    let text = match error {
        NumberError::Syntax => format!("{name} is needed, found text that is no number"),
        NumberError::Fraction => format!("{name} is needed, found a number with a fraction"),
        NumberError::Range => format!("{name} is needed, found a number that does not fit it"),
    };
    ReadError::new(offset, text)
}

fn in_element(mut error: Box<ReadError>, index: usize) -> Box<ReadError> {
    error.path.push_index(index);
    error
}

const STANDARD: GeneralPurpose = base64_engine(&base64::alphabet::STANDARD);
const URL_SAFE: GeneralPurpose = base64_engine(&base64::alphabet::URL_SAFE);

const fn base64_engine(alphabet: &base64::alphabet::Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(alphabet, config)
}

/// Appends what base64 `text` of either alphabet stands for; false if it is none.
pub(super) fn decode_base64(text: &[u8], out: &mut Vec<u8>) -> bool {
    let engine = if memchr::memchr2(b'-', b'_', text).is_some() { URL_SAFE } else { STANDARD };
    let start = out.len();
    out.resize(start + base64::decoded_len_estimate(text.len()), 0);
    match engine.decode_slice(text, &mut out[start..]) {
        Ok(length) => {
            out.truncate(start + length);
            true
        }
        Err(_) => {
            out.truncate(start);
            false
        }
    }
}
