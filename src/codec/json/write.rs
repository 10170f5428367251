//! Wire bytes to JSON text.
//!
//! The fast way is one pass in wire order. Legal wire can be such that a later field changes what an
//! earlier one meant: a singular field twice, a message in pieces, a list with other fields in between,
//! two members of a oneof, a map key twice. Then the whole text is thrown away and written again by
//! the module `unusual`, so the cost of any input is at most one fast and one slow pass.

use super::error::WriteError;
use super::keys::Keys;
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
    // Names and digits make most texts about twice as long as the wire.
    text.reserve(2 * size + size / 2 + 64);
    for is_fast in [true, false] {
        let mut writer = Writer {
            schema,
            options,
            limit: start.saturating_add(options.max_text),
            groups: GROUPS * size + (1 << 20),
            out: text,
            depth: 0,
            is_fast,
            seen: Vec::new(),
            keys: Keys::default(),
        };
        let result = write(&mut writer).and_then(|()| writer.check_length());
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

/// What is inside groups may be looked through this many times for the end of each.
const GROUPS: usize = 16;

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
    /// How many bytes of groups may yet be looked through for their ends.
    groups: usize,
    depth: usize,
    pub(super) is_fast: bool,
    /// Which fields and oneofs are set, for the messages that are open and have more than 64.
    seen: Vec<u64>,
    pub(super) keys: Keys,
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
    fn too_long(&self) -> Stop {
        Stop::error(format!("its JSON text is longer than {} bytes", self.options.max_text))
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
            let Some((position, wire_type)) = self.next_field(message, guess, &mut wire)? else { continue };
            let field = &fields[position];
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

    /// Goes past the next tag and returns the position of its field, most often the one behind the last.
    /// An unknown field is skipped.
    #[inline]
    fn next_field(
        &self,
        message: &Message,
        guess: usize,
        wire: &mut Reader<'_>,
    ) -> Result<Option<(usize, WireType)>> {
        if let Some(field) = message.fields().get(guess)
            && wire.take_tag(field.tag())
            && let Some(wire_type) = WireType::of_tag(field.tag())
        {
            return Ok(Some((guess, wire_type)));
        }
        let (number, wire_type) = wire.tag()?;
        match message.field_by_number(number) {
            Some(position) if fits(&message.fields()[position], wire_type) => Ok(Some((position, wire_type))),
            _ => {
                wire.skip(number, wire_type, self.groups_left())?;
                Ok(None)
            }
        }
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
        self.schema.append(self.out, field.member(self.options.proto_names));
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
            if wire.take_tag(field.tag()) {
                wire_type = WireType::of_tag(field.tag()).unwrap_or(wire_type);
                continue;
            }
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
            let of_one = field.kind().wire_type();
            while !packed.is_at_end() {
                self.value(field, of_one, &mut packed)?;
                self.out.push(b',');
                self.check_length()?;
            }
            return Ok(());
        }
        self.value(field, wire_type, wire).map_err(|stop| in_element(stop, *index))?;
        self.out.push(b',');
        self.check_length()?;
        *index += 1;
        Ok(())
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

    /// The content of a group whose start tag was read.
    pub(super) fn group_content<'w>(&mut self, number: u32, wire: &mut Reader<'w>) -> Result<Reader<'w>> {
        let content = wire.group(number, self.groups_left())?;
        let length = content.wire().len() - content.position();
        self.groups = self
            .groups
            .checked_sub(length)
            .ok_or_else(|| Stop::error("groups are nested too deeply for their size"))?;
        Ok(content)
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
            wire_type == kind.wire_type() || is_packed
        }
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
