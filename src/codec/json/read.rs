//! JSON text to wire bytes.

use super::error::ReadError;
use super::keys::Keys;
use super::scan::{Result, plain_end};
use super::token::Text;
use super::value::{integer, integer_name, put};
use crate::codec::error::shown;
use crate::codec::fields::{self, set};
use crate::schema::message::{Cardinality, Field, Kind, Message};
use crate::schema::{MessageId, Presence, Schema};
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

/// How much room is made for the wire form of a text: few messages have one that is longer than their text, and hardly
/// any much longer.
pub(crate) const fn room(text: &[u8]) -> usize {
    text.len() + text.len() / 8 + 64
}

/// The text may be looked through this many times for the types of Anys inside Anys.
const LOOKAHEAD: usize = 8;

pub(super) struct Reader<'a> {
    pub(super) schema: &'a Schema,
    pub(super) options: &'a ReadOptions,
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    pub(super) out: &'a mut Vec<u8>,
    pub(super) depth: usize,
    /// Decoded text of the string that was read last, if it had escapes.
    pub(super) scratch: Vec<u8>,
    /// Which fields and oneofs are set, for the messages that are open and have more than 64.
    seen: Vec<u64>,
    keys: Keys,
    /// How many bytes may yet be looked through for the type of an Any.
    pub(super) lookahead: usize,
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
        out.reserve(room(text));
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
            lookahead: LOOKAHEAD * text.len(),
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
            None => self.object(message),
            Some(well_known) => self.well_known(message, well_known),
        }
    }

    fn object(&mut self, message: &'a Message) -> Result<()> {
        self.open(b'{', "an object")?;
        self.members(message, true, false)
    }

    /// The members of an open object, the first one or those behind it. In an Any whose member `@type` was
    /// read before from a later place it is passed over.
    pub(super) fn members(&mut self, message: &'a Message, mut is_first: bool, in_any: bool) -> Result<()> {
        let words = message.bits().div_ceil(64);
        let base = self.seen.len();
        let mut few = 0;
        if words > 1 {
            self.seen.resize(base + words, 0);
        }
        let fields = message.fields();
        let mut guess = 0;
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
            let is_set = self.inlined_field(field).map_err(|error| self.in_field(error, field))?;
            if let (true, Some(oneof)) = (is_set, field.oneof()) {
                let seen = if words > 1 { &mut self.seen[base..] } else { std::slice::from_mut(&mut few) };
                if set(seen, fields.len() + oneof) {
                    let seen = seen.to_vec();
                    return Err(self.second_member(message, position, &seen, start));
                }
            }
        }
        self.seen.truncate(base);
        Ok(())
    }

    /// The member of a oneof at `position` of which another member is set as well.
    #[cold]
    fn second_member(
        &self,
        message: &Message,
        position: usize,
        seen: &[u64],
        start: usize,
    ) -> Box<ReadError> {
        let text = fields::set_already(self.schema, message, position, seen);
        self.in_field(ReadError::new(start, text), &message.fields()[position])
    }

    /// The key of a member with its colon; the position of its field, none if the member was skipped.
    #[inline]
    fn member(&mut self, message: &'a Message, guess: usize, in_any: bool) -> Result<Option<usize>> {
        if let Some(field) = message.fields().get(guess) {
            let key = field.json_key();
            if self.schema.stands_at(self.text, self.at, key) {
                self.at += key.length();
                self.skip_space();
                return Ok(Some(guess));
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
        let shown = shown(name);
        let of = self.schema.text(message.name());
        let mut error = ReadError::new(start, format!("{of} has no field {shown:?}"));
        error.path.push_field(&shown);
        Err(error)
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
        self.inlined_field(field)
    }

    /// As [`Reader::field`], for where it is called most.
    #[inline(always)]
    fn inlined_field(&mut self, field: &'a Field) -> Result<bool> {
        if self.text.get(self.at) == Some(&b'n') && !self.takes_null(field) {
            self.literal(b"null")?;
            return Ok(false);
        }
        match field.cardinality() {
            Cardinality::Singular(presence) => self.inlined_element(field, presence == Presence::Implicit),
            Cardinality::Repeated { packed } => self.list(field, packed).map(|()| true),
            Cardinality::Map => self.map(field).map(|()| true),
        }
    }

    /// Whether null is a value of the field rather than its absence.
    fn takes_null(&self, field: &Field) -> bool {
        matches!(field.cardinality(), Cardinality::Singular(_))
            && fields::takes_null(self.schema, field.kind())
    }

    /// One value with its tag, or nothing where a default is left out; false if it is an unknown enum name
    /// to be ignored.
    #[inline(never)]
    pub(super) fn element(&mut self, field: &'a Field, leave_out: bool) -> Result<bool> {
        self.inlined_element(field, leave_out)
    }

    /// As [`Reader::element`], for where it is called most.
    #[inline(always)]
    fn inlined_element(&mut self, field: &'a Field, leave_out: bool) -> Result<bool> {
        let number = field.number();
        match field.kind() {
            Kind::String | Kind::Bytes => {
                let start = self.out.len();
                writer::tag(self.out, number, WireType::Len);
                let is_text = field.kind() == Kind::String;
                let is_empty = if is_text { self.text_value()? } else { self.bytes_value()? };
                if is_empty && leave_out {
                    self.out.truncate(start);
                }
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
                if value != 0 || !leave_out {
                    let wire_type = kind.wire_type();
                    writer::tag(self.out, number, wire_type);
                    put(self.out, wire_type, value);
                }
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
            length.end_unless_empty(self.out, start);
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
        let wire_type = kind.wire_type();
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
        if self.text.get(self.at) == Some(&b'n') && !fields::takes_null(self.schema, field.kind()) {
            return Err(self.error("null is not allowed in a list"));
        }
        self.element(field, false).map(drop)
    }

    // Maps.

    fn map(&mut self, field: &'a Field) -> Result<()> {
        match fields::entry_of(self.schema, field) {
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
            self.map_key(key, key_kind, start).map_err(|error| self.in_key(error, start))?;
            let key_length = self.out.len() - length.content();
            let is_set = self.map_value(value).map_err(|error| self.in_key(error, start))?;
            if !is_set {
                self.out.truncate(entry);
                continue;
            }
            let content = self.out.len() - length.content();
            length.end(self.out);
            let place = (self.out.len() - content, key_length);
            let left = self.text.len() - self.at;
            if !self.keys.insert(&mut map, self.out, place, left) {
                return Err(ReadError::new(start, "the key is there twice"));
            }
        }
        self.keys.close(&map);
        Ok(())
    }

    fn map_value(&mut self, value: &'a Field) -> Result<bool> {
        if self.text.get(self.at) == Some(&b'n') && !fields::takes_null(self.schema, value.kind()) {
            return Err(self.error("null is not allowed in a map"));
        }
        self.element(value, false)
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
            _ => integer(text, kind).map_err(|_| {
                ReadError::new(start, format!("the key must be {} in quotes", integer_name(kind)))
            })?,
        };
        let wire_type = kind.wire_type();
        writer::tag(self.out, 1, wire_type);
        put(self.out, wire_type, value);
        Ok(())
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

fn in_element(mut error: Box<ReadError>, index: usize) -> Box<ReadError> {
    error.path.push_index(index);
    error
}
