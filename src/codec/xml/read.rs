//! XML text to wire bytes.

use super::error::{ReadError, Result, shown};
use super::lexer::{Leaf, Lexer, Limits};
use crate::codec::fields::{self, set};
use crate::codec::json::keys::Keys;
use crate::schema::message::{Cardinality, Field, Kind, Message};
use crate::schema::xml_name::{self, is_namespace, namespace, unescaped};
use crate::schema::{MessageId, Presence, Schema};
use crate::wire::WireType;
use crate::wire::writer::{self, Length};

/// How XML text is read.
#[derive(Clone, Debug, Default)]
pub struct ReadOptions {
    /// Skip elements, attributes and enum names that the schema does not know instead of refusing them.
    pub ignore_unknown: bool,
    /// What bounds the text.
    pub limits: Limits,
    /// Whether the message is the only child of the root, as [`split`](super::split) makes it of a stream. Errors count
    /// lines and columns from behind the root's tag then.
    pub is_wrapped: bool,
}

/// Appends the wire form of a message from the XML `text`, which is UTF-8 as
/// [`decode`](super::encoding::decode) makes it. Its root is the element that the message is by itself.
///
/// It is strict: elements of singular fields stand once, every value is in range. Elements may come in any order, with
/// or without their namespace. Required fields are not looked for, as path and query may still bring them. On an error
/// `wire` keeps what was appended so far.
///
/// # Errors
/// The first thing that is wrong, with the field's path, element, line and column.
pub fn read(
    schema: &Schema,
    message: MessageId,
    text: &[u8],
    options: &ReadOptions,
    wire: &mut Vec<u8>,
) -> Result<()> {
    read_root(schema, message, None, text, options, wire)
}

/// As [`read`], of a text that may set nothing but the field at `position`.
///
/// # Errors
/// As [`read`].
pub fn read_only(
    schema: &Schema,
    message: MessageId,
    position: usize,
    text: &[u8],
    options: &ReadOptions,
    wire: &mut Vec<u8>,
) -> Result<()> {
    read_root(schema, message, Some(position), text, options, wire)
}

fn read_root(
    schema: &Schema,
    message: MessageId,
    only: Option<usize>,
    text: &[u8],
    options: &ReadOptions,
    wire: &mut Vec<u8>,
) -> Result<()> {
    let mut lexer = Lexer::new(text, options.limits)?;
    lexer.root()?;
    if options.is_wrapped {
        lexer.count_from_here();
        if !lexer.child()? {
            return Err(lexer.refused("the root element holds no message"));
        }
    }
    wire.reserve(lexer.left() / 2 + 64);
    let mut reader = Reader::new(schema, &mut lexer, options.ignore_unknown, wire);
    reader.root(message, only)?;
    if options.is_wrapped && lexer.child()? {
        return Err(lexer.refused("the root element holds more than one message"));
    }
    lexer.finish()
}

/// Appends the wire form of a message from the innermost element of a lexer, which is the one that the message is by
/// itself, and goes behind its end.
///
/// # Errors
/// As [`read`]; when the element is another one, too.
pub fn read_element(
    schema: &Schema,
    message: MessageId,
    lexer: &mut Lexer<'_>,
    ignore_unknown: bool,
    wire: &mut Vec<u8>,
) -> Result<()> {
    Reader::new(schema, lexer, ignore_unknown, wire).root(message, None)
}

/// Appends the wire form of a message from the innermost element of a lexer, whatever its name, and goes behind its end.
/// The elements of the message's fields are in `namespace`, as [`write_as`](super::write::write_as) writes them.
///
/// # Errors
/// As [`read`].
pub fn read_content(
    schema: &Schema,
    message: MessageId,
    lexer: &mut Lexer<'_>,
    namespace: &str,
    ignore_unknown: bool,
    wire: &mut Vec<u8>,
) -> Result<()> {
    let mut reader = Reader::new(schema, lexer, ignore_unknown, wire);
    let message = schema.message(message);
    match message.well_known() {
        None => {
            reader.refuse_nil()?;
            reader.members(message, Space::Given(namespace), None)
        }
        Some(well_known) => reader.well_known(message, well_known),
    }
}

/// The namespace that elements are in; none at all is taken for it, too.
#[derive(Clone, Copy)]
pub(super) enum Space<'a> {
    Package(&'a str),
    Given(&'a str),
}

impl Space<'_> {
    #[inline]
    pub(super) fn includes(self, uri: &[u8]) -> bool {
        uri.is_empty()
            || match self {
                Self::Package(package) => is_namespace(uri, package.as_bytes()),
                Self::Given(given) => given.as_bytes() == uri,
            }
    }

    pub(super) fn shown(self) -> String {
        let uri = match self {
            Self::Package(package) => namespace(package),
            Self::Given(given) => given.to_owned(),
        };
        if uri.is_empty() { "no namespace".into() } else { format!("the namespace {uri:?}") }
    }
}

/// Where an element stands that was read.
#[derive(Clone, Copy)]
pub(super) struct Place<'t> {
    at: usize,
    name: &'t [u8],
}

/// How far into an element the lexer is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Before its start tag, which is the usual one of its field.
    Start,
    /// Behind its start tag.
    Content,
}

/// A packed run of values that is being written.
struct Run {
    position: usize,
    start: usize,
    length: Length,
}

pub(super) struct Reader<'a, 't, 'x> {
    pub(super) schema: &'a Schema,
    pub(super) lexer: &'x mut Lexer<'t>,
    pub(super) ignore_unknown: bool,
    pub(super) out: &'x mut Vec<u8>,
    /// The decoded text of the element that was read last, if it was no plain run.
    pub(super) scratch: Vec<u8>,
    /// Which fields and oneofs are set, for the messages that are open and have more than 64.
    seen: Vec<u64>,
    pub(super) keys: Keys,
}

impl<'a, 't, 'x> Reader<'a, 't, 'x> {
    pub(super) fn new(
        schema: &'a Schema,
        lexer: &'x mut Lexer<'t>,
        ignore_unknown: bool,
        out: &'x mut Vec<u8>,
    ) -> Self {
        let (scratch, seen) = (Vec::new(), Vec::new());
        Self { schema, lexer, ignore_unknown, out, scratch, seen, keys: Keys::default() }
    }

    // Messages.

    /// The innermost element, which must be the one that the message is by itself.
    pub(super) fn root(&mut self, id: MessageId, only: Option<usize>) -> Result<()> {
        let message = self.schema.message(id);
        let package = self.schema.text(message.package());
        let name = xml_name::spelled(xml_name::local(self.schema.text(message.name()), package));
        let space = Space::Package(package);
        if self.lexer.local() != name.as_bytes() || !space.includes(self.lexer.namespace()) {
            let found = match self.lexer.namespace() {
                [] => String::new(),
                uri => format!(" in the namespace {:?}", shown(uri)),
            };
            let local = shown(self.lexer.local());
            let text = format!("<{local}>{found} stands where <{name}> in {} is needed", space.shown());
            return Err(self.lexer.refused(text));
        }
        match message.well_known() {
            None => {
                self.refuse_nil()?;
                self.members(message, space, only)
            }
            Some(well_known) => self.well_known(message, well_known),
        }
    }

    /// The rest of an element that holds a message, of which the attributes were looked at unless it is well-known.
    pub(super) fn message(&mut self, id: MessageId) -> Result<()> {
        let message = self.schema.message(id);
        match message.well_known() {
            None => self.members(message, Space::Package(self.schema.text(message.package())), None),
            Some(well_known) => self.well_known(message, well_known),
        }
    }

    /// The elements of a message's fields, to the end of the innermost element. With `only` no other field may be set.
    pub(super) fn members(
        &mut self,
        message: &'a Message,
        space: Space<'a>,
        only: Option<usize>,
    ) -> Result<()> {
        let words = message.bits().div_ceil(64);
        let base = self.seen.len();
        let mut few = 0;
        if words > 1 {
            self.seen.resize(base + words, 0);
        }
        let is_usual = space.includes(self.lexer.default_namespace());
        let fields = message.fields();
        let (mut guess, mut run) = (0, None);
        while let Some((position, at)) = self.next_member(message, space, guess, is_usual)? {
            let field = &fields[position];
            let place = self.place(field, at);
            if let Some(run) = run.take_if(|run: &mut Run| run.position != position) {
                run.length.end_unless_empty(self.out, run.start);
            }
            if only.is_some_and(|only| only != position) {
                let error = self.error(place, "another field is the body of the request, and only that");
                return Err(self.in_field(error, field));
            }
            guess = position;
            if let Cardinality::Repeated { packed } = field.cardinality() {
                if packed && run.is_none() {
                    let start = self.out.len();
                    writer::tag(self.out, field.number(), WireType::Len);
                    run = Some(Run { position, start, length: Length::begin(self.out) });
                }
                self.list_element(field, at, packed).map_err(|error| self.in_field(error, field))?;
                continue;
            }
            guess += 1;
            let seen = if words > 1 { &mut self.seen[base..] } else { std::slice::from_mut(&mut few) };
            if set(seen, position) {
                let error = self.error(place, "the field is there twice");
                return Err(self.in_field(error, field));
            }
            let is_set = self.single(field, at, space).map_err(|error| self.in_field(error, field))?;
            if let (true, Some(oneof)) = (is_set, field.oneof()) {
                let seen = if words > 1 { &mut self.seen[base..] } else { std::slice::from_mut(&mut few) };
                if set(seen, fields.len() + oneof) {
                    let seen = seen.to_vec();
                    return Err(self.second_member(message, position, &seen, place));
                }
            }
        }
        if let Some(run) = run {
            run.length.end_unless_empty(self.out, run.start);
        }
        self.seen.truncate(base);
        Ok(())
    }

    /// The next field, which is most often the one at `guess` or the one behind it; none at the end of the element.
    #[inline]
    fn next_member(
        &mut self,
        message: &'a Message,
        space: Space<'a>,
        guess: usize,
        is_usual: bool,
    ) -> Result<Option<(usize, At)>> {
        if is_usual {
            let fields = message.fields().get(guess..).unwrap_or_default();
            for (at, field) in fields.iter().take(2).enumerate() {
                if field.is_plain_in_xml() && self.lexer.is_at(self.schema, field.json_name()) {
                    return Ok(Some((guess + at, At::Start)));
                }
            }
        }
        self.named_member(message, space)
    }

    fn named_member(&mut self, message: &'a Message, space: Space<'a>) -> Result<Option<(usize, At)>> {
        while self.lexer.child()? {
            let name = self.lexer.local();
            let text = std::str::from_utf8(name).unwrap_or_default();
            let position = message.field_by_name(self.schema, unescaped(text).as_bytes());
            let is_here = space.includes(self.lexer.namespace());
            match position {
                Some(position) if is_here => return Ok(Some((position, At::Content))),
                _ if self.ignore_unknown => self.lexer.skip()?,
                _ => return Err(self.unknown(message, space, position.is_some())),
            }
        }
        Ok(None)
    }

    #[cold]
    fn unknown(&self, message: &Message, space: Space<'_>, is_named: bool) -> Box<ReadError> {
        let name = shown(self.lexer.local());
        let of = self.schema.text(message.name());
        let text = if is_named {
            let found = shown(self.lexer.namespace());
            format!("<{name}> is in the namespace {found:?}, but the fields of {of} are in {}", space.shown())
        } else {
            format!("{of} has no field {name:?}")
        };
        let mut error = self.lexer.refused(text);
        error.path.push_field(&name);
        error
    }

    /// The member of a oneof at `position` of which another member is set as well.
    #[cold]
    fn second_member(
        &self,
        message: &Message,
        position: usize,
        seen: &[u64],
        place: Place<'t>,
    ) -> Box<ReadError> {
        let text = fields::set_already(self.schema, message, position, seen);
        self.in_field(self.error(place, text), &message.fields()[position])
    }

    // Fields.

    /// The value of a field that is no list; false if it is nil and so absent.
    fn single(&mut self, field: &'a Field, at: At, space: Space<'a>) -> Result<bool> {
        let is_nil = at == At::Content && self.is_nil(field)?;
        if is_nil && !fields::takes_null(self.schema, field.kind()) {
            self.empty()?;
            return Ok(false);
        }
        let leave_out = match field.cardinality() {
            Cardinality::Map => {
                if at == At::Start {
                    self.lexer.enter(field.json_name())?;
                }
                return self.map(field, space).map(|()| true);
            }
            Cardinality::Singular(presence) => presence == Presence::Implicit,
            Cardinality::Repeated { .. } => false,
        };
        self.element(field, at, is_nil, leave_out)
    }

    fn list_element(&mut self, field: &'a Field, at: At, packed: bool) -> Result<()> {
        let is_nil = at == At::Content && self.is_nil(field)?;
        if is_nil && !fields::takes_null(self.schema, field.kind()) {
            return Err(self.lexer.refused("xsi:nil is not allowed in a list"));
        }
        if packed {
            let place = self.place(field, at);
            let leaf = self.leaf(field, at)?;
            if let Some(value) = self.scalar(field.kind(), is_nil, leaf, place)? {
                crate::codec::json::value::put(self.out, field.kind().wire_type(), value);
            }
            return Ok(());
        }
        self.element(field, at, is_nil, false).map(drop)
    }

    /// One value with its tag, or nothing where a default is left out; false if it is an unknown enum name to be ignored.
    #[inline]
    pub(super) fn element(
        &mut self,
        field: &'a Field,
        at: At,
        is_nil: bool,
        leave_out: bool,
    ) -> Result<bool> {
        let number = field.number();
        let kind = field.kind();
        if let Kind::Message(id) = kind {
            if at == At::Start {
                self.lexer.enter(field.json_name())?;
            }
            if field.is_delimited() {
                writer::tag(self.out, number, WireType::StartGroup);
                self.message(id)?;
                writer::tag(self.out, number, WireType::EndGroup);
            } else {
                writer::tag(self.out, number, WireType::Len);
                let length = Length::begin(self.out);
                self.message(id)?;
                length.end(self.out);
            }
            return Ok(true);
        }
        let place = self.place(field, at);
        let leaf = self.leaf(field, at)?;
        let start = self.out.len();
        match kind {
            Kind::String => {
                writer::tag(self.out, number, WireType::Len);
                if self.text(leaf) && leave_out {
                    self.out.truncate(start);
                }
            }
            Kind::Bytes => {
                writer::tag(self.out, number, WireType::Len);
                if self.bytes(leaf, place)? && leave_out {
                    self.out.truncate(start);
                }
            }
            kind => {
                let Some(value) = self.scalar(kind, is_nil, leaf, place)? else { return Ok(false) };
                if value != 0 || !leave_out {
                    let wire_type = kind.wire_type();
                    writer::tag(self.out, number, wire_type);
                    crate::codec::json::value::put(self.out, wire_type, value);
                }
            }
        }
        Ok(true)
    }

    /// The text of a field's element.
    #[inline]
    fn leaf(&mut self, field: &Field, at: At) -> Result<Leaf<'t>> {
        if at == At::Start {
            if let Some(text) = self.lexer.plain_leaf(self.schema, field.json_name()) {
                return Ok(Leaf::Plain(text));
            }
            self.lexer.enter(field.json_name())?;
        }
        self.lexer.leaf(&mut self.scratch)
    }

    // Places.

    /// Where a field's element stands.
    fn place(&self, field: &Field, at: At) -> Place<'t> {
        match at {
            At::Content => self.here(),
            At::Start => {
                let start = self.lexer.at;
                let name = self.lexer.text.get(start + 1..start + 1 + field.json_name().length());
                Place { at: start, name: name.unwrap_or_default() }
            }
        }
    }

    /// Where the innermost element stands.
    pub(super) fn here(&self) -> Place<'t> {
        Place { at: self.lexer.start(), name: self.lexer.name() }
    }

    #[cold]
    pub(super) fn error(&self, place: Place<'t>, message: impl Into<String>) -> Box<ReadError> {
        self.lexer.error_in(place.at, place.name, message)
    }

    #[cold]
    pub(super) fn in_field(&self, mut error: Box<ReadError>, field: &Field) -> Box<ReadError> {
        error.path.push_field(self.schema.text(field.json_name()));
        error
    }
}
