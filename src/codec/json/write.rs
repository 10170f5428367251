//! Wire bytes to JSON text.
//!
//! The fast way is one pass in wire order. Legal wire can be such that a later field changes what an
//! earlier one meant: a singular field twice, a message in pieces, a list with other fields in between,
//! two members of a oneof, a map key twice. Then the whole text is thrown away and written again by
//! the module `unusual`, so the cost of any input is at most one fast and one slow pass.

use super::error::WriteError;
use super::keys::Keys;
use super::out::Out;
use super::write_value::{Before, Written};
use crate::codec::fields::{Groups, fits};
use crate::schema::message::{Cardinality, Field, Kind, Message};
use crate::schema::{MessageId, Presence, Schema};
use crate::wire::WireType;
use crate::wire::reader::{self, Reader};

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
    let mut writer = Writer {
        schema,
        options,
        limit: start.saturating_add(options.max_text),
        groups: groups(size),
        // Names and digits make most texts about twice as long as the wire.
        out: Out::new(std::mem::take(text), 2 * size + size / 2 + 64),
        depth: 0,
        is_fast: true,
        seen: Vec::new(),
        keys: Keys::default(),
    };
    let mut result = write(&mut writer);
    if matches!(result, Err(Stop::Unusual)) {
        writer.start_again(start, size);
        result = write(&mut writer);
    }
    let result = result.and_then(|()| writer.check_length());
    if result.is_err() {
        writer.out.truncate(start);
    }
    *text = writer.out.finish();
    result.map_err(|stop| match stop {
        Stop::Error(error) => error,
        Stop::Unusual => WriteError::new("the message cannot be read"),
    })
}

/// What is inside of a group is looked through once.
const fn groups(size: usize) -> Groups {
    Groups(16 * size + (1 << 20))
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

impl From<Box<WriteError>> for Stop {
    fn from(error: Box<WriteError>) -> Self {
        Self::Error(error)
    }
}

impl From<reader::Error> for Stop {
    #[cold]
    fn from(error: reader::Error) -> Self {
        Self::Error(error.into())
    }
}

pub(super) type Result<T, E = Stop> = std::result::Result<T, E>;

pub(super) struct Writer<'a, 'o> {
    pub(super) schema: &'a Schema,
    pub(super) options: &'o WriteOptions,
    pub(super) out: Out,
    pub(super) limit: usize,
    pub(super) groups: Groups,
    depth: usize,
    pub(super) is_fast: bool,
    /// Which fields and oneofs are set, for the messages that are open and have more than 64.
    seen: Vec<u64>,
    pub(super) keys: Keys,
}

impl<'a> Writer<'a, '_> {
    /// Forgets what was written, for the slow way.
    #[cold]
    fn start_again(&mut self, start: usize, size: usize) {
        self.out.truncate(start);
        self.groups = groups(size);
        self.depth = 0;
        self.is_fast = false;
        self.seen.clear();
        self.keys = Keys::default();
    }

    /// A message: an object, or the form of a well-known type.
    pub(super) fn message(&mut self, id: MessageId, wire: Reader<'_>) -> Result<()> {
        let message = self.schema.message(id);
        self.enter()?;
        match message.well_known() {
            None => {
                let start = self.out.len();
                self.members(message, wire)?;
                self.close(start, [b'{', b'}']);
            }
            Some(well_known) => self.well_known(message, well_known, wire)?,
        }
        self.depth -= 1;
        Ok(())
    }

    #[inline]
    pub(super) fn enter(&mut self) -> Result<()> {
        if self.depth >= self.options.max_depth {
            return Err(self.too_deep());
        }
        self.check_length()?;
        self.depth += 1;
        Ok(())
    }

    /// To be asked wherever few bytes can make much text: once for each message, element and entry.
    #[inline]
    pub(super) fn check_length(&self) -> Result<()> {
        if self.out.len() > self.limit { Err(self.too_long()) } else { Ok(()) }
    }

    #[cold]
    fn too_deep(&self) -> Stop {
        Stop::error(format!("messages are nested more than {} deep", self.options.max_depth))
    }

    #[cold]
    fn too_long(&self) -> Stop {
        Stop::error(format!("its JSON text is longer than {} bytes", self.options.max_text))
    }

    pub(super) fn leave(&mut self) {
        self.depth -= 1;
    }

    /// The members of a message, each with a comma before it.
    pub(super) fn members(&mut self, message: &'a Message, wire: Reader<'_>) -> Result<()> {
        if !self.is_fast {
            return self.indexed_members(message, wire);
        }
        let are_many = message.bits() > 64;
        let base = self.seen.len();
        let mut few = 0;
        if are_many {
            self.seen.resize(base + message.bits().div_ceil(64), 0);
        }
        let mut wire = wire;
        let fields = message.fields();
        let mut guess = 0;
        while !wire.is_at_end() {
            let Some((position, field, wire_type)) = self.next_field(message, guess, &mut wire)? else {
                continue;
            };
            guess = position + 1;
            let mut mark = |bit: usize| {
                let mask = 1 << (bit % 64);
                let word = if are_many { &mut self.seen[base + bit / 64] } else { &mut few };
                let was_set = *word & mask != 0;
                *word |= mask;
                was_set
            };
            let is_repeated = mark(position) || field.oneof().is_some_and(|oneof| mark(fields.len() + oneof));
            if is_repeated {
                return Err(Stop::Unusual);
            }
            self.field(field, wire_type, &mut wire).map_err(|stop| self.in_field(stop, field))?;
        }
        if self.options.emit_defaults {
            self.defaults(fields, |writer, position| {
                let word = if are_many { writer.seen[base + position / 64] } else { few };
                word & (1 << (position % 64)) != 0
            });
        }
        self.seen.truncate(base);
        Ok(())
    }

    /// Goes past the next tag and returns the position of its field, most often the one behind the last.
    /// An unknown field is skipped.
    #[inline]
    fn next_field(
        &self,
        message: &'a Message,
        guess: usize,
        wire: &mut Reader<'_>,
    ) -> Result<Option<(usize, &'a Field, WireType)>> {
        if let Some(field) = message.fields().get(guess)
            && wire.take_tag(field.tag())
        {
            return Ok(Some((guess, field, field.wire_type())));
        }
        let mut ahead = *wire;
        let found = self.other_field(message, &mut ahead)?;
        wire.seek(ahead.position());
        Ok(found)
    }

    fn other_field(
        &self,
        message: &'a Message,
        wire: &mut Reader<'_>,
    ) -> Result<Option<(usize, &'a Field, WireType)>> {
        let (number, wire_type) = wire.tag()?;
        if let Some(position) = message.field_by_number(number)
            && let Some(field) = message.fields().get(position)
            && fits(field, wire_type)
        {
            return Ok(Some((position, field, wire_type)));
        }
        wire.skip(number, wire_type, self.groups_left())?;
        Ok(None)
    }

    /// A field whose first tag was read; a list or map with all that follows of it.
    #[inline(always)]
    fn field(&mut self, field: &'a Field, wire_type: WireType, wire: &mut Reader<'_>) -> Result<()> {
        let start = self.out.len();
        let before = self.before(field);
        match field.cardinality() {
            Cardinality::Singular(presence) => {
                let written = self.inlined_value(before, field, wire_type, wire)?;
                if written == Written::Default
                    && presence == Presence::Implicit
                    && !self.options.emit_defaults
                {
                    self.out.truncate(start);
                }
            }
            Cardinality::Repeated { .. } => {
                self.out.start_of(before.chunk, before.length);
                let content = self.out.len();
                let mut ahead = *wire;
                self.elements(field, wire_type, &mut ahead)?;
                wire.seek(ahead.position());
                if self.out.len() == content && !self.options.emit_defaults {
                    self.out.truncate(start);
                } else {
                    self.close(content, [b'[', b']']);
                }
            }
            Cardinality::Map => {
                self.out.start_of(before.chunk, before.length);
                let mut ahead = *wire;
                self.map(field, &mut ahead)?;
                wire.seek(ahead.position());
            }
        }
        Ok(())
    }

    /// A comma and the key of a member, to be written before its value.
    #[inline]
    pub(super) fn before(&mut self, field: &Field) -> Before<'a> {
        let name = field.member(self.options.proto_names);
        match self.schema.chunk(name) {
            Some(chunk) => Before { chunk, length: name.length() },
            None => {
                self.out.extend(self.schema.bytes(name));
                Before::NOTHING
            }
        }
    }

    /// A comma and the key of a member.
    pub(super) fn member_key(&mut self, field: &Field) {
        let before = self.before(field);
        self.out.start_of(before.chunk, before.length);
    }

    /// Turns the comma before the first of some elements, which began at `start`, into the first of two
    /// brackets and appends the other.
    #[inline]
    pub(super) fn close(&mut self, start: usize, brackets: [u8; 2]) {
        if self.out.len() == start {
            self.out.all(&brackets);
        } else {
            self.out.set(start, brackets[0]);
            self.out.push(brackets[1]);
        }
    }

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
                self.enum_value(Before::NOTHING, id, self.schema.enumeration(id).default_number());
                return;
            }
            _ => b"0",
        };
        self.out.extend(text);
    }

    /// The content of a group whose start tag was read.
    pub(super) fn group_content<'w>(&mut self, number: u32, wire: &mut Reader<'w>) -> Result<Reader<'w>> {
        Ok(self.groups.content(number, wire, self.groups_left())?)
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
