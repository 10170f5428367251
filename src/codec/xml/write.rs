//! Wire bytes to XML text.
//!
//! The elements stand in order of declaration. A message is looked over before it is written: if its fields lie on the
//! wire in that order and each singular one once, which is how writers put them, it is written as it is read, else by an
//! index of its fields, which merges and replaces what comes twice. No text is ever written twice.

use super::error::WriteError;
use crate::codec::fields::Groups;
use crate::codec::json::out::Out;
pub use crate::codec::json::write::WriteOptions;
use crate::schema::message::Field;
use crate::schema::xml_name::{self, NAMESPACE};
use crate::schema::{MessageId, Name, Schema};
use crate::wire::reader::Reader;

pub(super) type Result<T, E = Box<WriteError>> = std::result::Result<T, E>;

/// Appends a message as the element that it is by itself: of its name, in the namespace of its package.
///
/// Of the options only the limits count. Fields that the schema does not know are left out, as are those whose wire type
/// does not fit. Where the text cannot be written, `text` is as before.
///
/// # Errors
/// When `wire` is not valid protobuf, or holds a value that XML has no form for, with the field's path.
pub fn write(
    schema: &Schema,
    message: MessageId,
    wire: &[u8],
    options: &WriteOptions,
    text: &mut Vec<u8>,
) -> Result<()> {
    with_writer(schema, options, text, wire.len(), |writer| writer.root(message, Reader::new(wire), true))
}

/// As [`write()`], with no more than the field at `position`: the form of an HTTP answer that a rule binds to a field. A
/// field that holds a single message is the element that this message is by itself; of any other the element is that of the
/// message which holds it. A message that is not set is an empty element, or nil where its type is written as plain text
/// or as one of several kinds.
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
) -> Result<()> {
    with_writer(schema, options, text, wire.len(), |writer| {
        writer.only_member(message, position, Reader::new(wire))
    })
}

/// Appends a message as an element of any name. The elements of its fields are in the namespace of that element.
///
/// # Errors
/// As [`write()`].
pub fn write_as(
    schema: &Schema,
    message: MessageId,
    wire: &[u8],
    element: Element<'_>,
    options: &WriteOptions,
    text: &mut Vec<u8>,
) -> Result<()> {
    with_writer(schema, options, text, wire.len(), |writer| {
        let space = Space::Given(element.namespace);
        writer.scope = Scope { space, how: How::Default };
        let how = if element.namespace.is_empty() { How::Default } else { How::Root(space) };
        let tag = Tag { name: TagName::Text(element.name.as_bytes()), how };
        let message = schema.message(message);
        match message.well_known() {
            None => writer.composite(tag, space, b"", |writer| writer.members(message, Reader::new(wire))),
            Some(well_known) => writer.well_known(tag, message, well_known, Reader::new(wire)),
        }
    })
}

/// Appends the text of an element. What XML cannot hold, and what reads as an escape, is escaped as in messages.
pub fn push_text(out: &mut Vec<u8>, text: &str) {
    let mut escaped = Out::new(std::mem::take(out), text.len());
    escaped.escaped_text(text);
    *out = escaped.finish();
}

/// Appends the value of an attribute, without the double quotes around it. What XML cannot hold is escaped.
pub fn push_attribute(out: &mut Vec<u8>, value: &str) {
    let mut escaped = Out::new(std::mem::take(out), value.len());
    escaped.attribute_text(value);
    *out = escaped.finish();
}

/// What an element is called.
#[derive(Clone, Copy, Debug)]
pub struct Element<'a> {
    /// The local name, which is an `NCName`.
    pub name: &'a str,
    /// The namespace; empty for none.
    pub namespace: &'a str,
}

pub(super) fn with_writer<'s>(
    schema: &'s Schema,
    options: &WriteOptions,
    text: &mut Vec<u8>,
    size: usize,
    write: impl FnOnce(&mut Writer<'s, '_>) -> Result<()>,
) -> Result<()> {
    let start = text.len();
    let mut writer = Writer {
        schema,
        options,
        limit: start.saturating_add(options.max_text),
        // What is inside of a group is looked through for the end of each: when it is looked over, and when it is read.
        groups: Groups(48 * size + (1 << 20)),
        // Tags make most texts three to four times as long as the wire.
        out: Out::new(std::mem::take(text), 4 * size + 128),
        depth: 0,
        scope: Scope { space: Space::Given(""), how: How::Default },
        prefixes: 0,
        keeps_broken: false,
    };
    let result = write(&mut writer).and_then(|()| writer.check_length());
    if result.is_err() {
        writer.out.truncate(start);
    }
    *text = writer.out.finish();
    result
}

#[cold]
pub(super) fn in_field(schema: &Schema, mut error: Box<WriteError>, field: &Field) -> Box<WriteError> {
    error.path.push_field(schema.text(field.json_name()));
    error
}

/// A namespace. Those of packages are compared by name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space<'a> {
    Package(Name),
    Given(&'a str),
}

/// How an element tells its namespace.
#[derive(Clone, Copy, Debug)]
pub(super) enum How<'a> {
    /// By the default namespace.
    Default,
    /// By the prefix of this number.
    Prefix(u32),
    /// By declaring it the default.
    Root(Space<'a>),
}

/// What the elements are in that are written next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    pub(super) space: Space<'a>,
    pub(super) how: How<'a>,
}

/// The name of an element.
#[derive(Clone, Copy, Debug)]
pub(super) enum TagName<'a> {
    /// A short one, and what lies behind it.
    Chunk(&'a [u8; 32], usize),
    Text(&'a [u8]),
    /// One that is spelled in another way.
    Odd(&'a str),
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Tag<'a> {
    pub(super) name: TagName<'a>,
    pub(super) how: How<'a>,
}

pub(super) struct Writer<'a, 'o> {
    pub(super) schema: &'a Schema,
    pub(super) options: &'o WriteOptions,
    pub(super) out: Out,
    limit: usize,
    pub(super) groups: Groups,
    pub(super) depth: usize,
    pub(super) scope: Scope<'a>,
    /// How many prefixes are declared around.
    pub(super) prefixes: u32,
    /// Whether an Any whose content is broken is written with its bytes.
    pub(super) keeps_broken: bool,
}

impl<'a> Writer<'a, '_> {
    // Messages.

    /// A message as the element that it is by itself.
    pub(super) fn root(&mut self, id: MessageId, wire: Reader<'_>, is_outermost: bool) -> Result<()> {
        self.as_root(id, is_outermost, |writer, tag| writer.message(tag, id, wire))
    }

    /// What is in the element that a message is by itself.
    pub(super) fn as_root(
        &mut self,
        id: MessageId,
        is_outermost: bool,
        write: impl FnOnce(&mut Self, Tag<'a>) -> Result<()>,
    ) -> Result<()> {
        let message = self.schema.message(id);
        let package = self.schema.text(message.package());
        let name = xml_name::local(self.schema.text(message.name()), package);
        let space = Space::Package(message.package());
        let how = if is_outermost && package.is_empty() { How::Default } else { How::Root(space) };
        let around = std::mem::replace(&mut self.scope, Scope { space, how: How::Default });
        write(self, Tag { name: TagName::Odd(name), how })?;
        self.scope = around;
        Ok(())
    }

    /// A message as an element.
    pub(super) fn message(&mut self, tag: Tag<'a>, id: MessageId, wire: Reader<'_>) -> Result<()> {
        let message = self.schema.message(id);
        self.enter()?;
        match message.well_known() {
            None => self.composite(tag, Space::Package(message.package()), b"", |writer| {
                writer.members(message, wire)
            })?,
            Some(well_known) => self.well_known(tag, message, well_known, wire)?,
        }
        self.depth -= 1;
        Ok(())
    }

    fn enter(&mut self) -> Result<()> {
        if self.depth >= self.options.max_depth {
            let text = format!("messages are nested more than {} deep", self.options.max_depth);
            return Err(WriteError::new(text));
        }
        self.check_length()?;
        self.depth += 1;
        Ok(())
    }

    /// To be asked wherever few bytes can make much text: once for each message, element and entry.
    #[inline]
    pub(super) fn check_length(&self) -> Result<()> {
        if self.out.len() > self.limit {
            let text = format!("its XML text is longer than {} bytes", self.options.max_text);
            return Err(WriteError::new(text));
        }
        Ok(())
    }

    /// An element with child elements of a namespace, which is declared if it is another than the one around.
    pub(super) fn composite(
        &mut self,
        tag: Tag<'a>,
        space: Space<'a>,
        attributes: &[u8],
        content: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let (scope, prefixes) = (self.scope, self.prefixes);
        if attributes.is_empty() && space == scope.space {
            self.start(tag);
        } else {
            self.begin(tag);
            if space != scope.space {
                self.declare(space);
            }
            self.out.extend(attributes);
            self.out.push(b'>');
        }
        let start = self.out.len();
        content(self)?;
        if self.out.len() == start {
            self.out.truncate(start - 1);
            self.out.all(b"/>");
        } else {
            self.end(tag);
        }
        (self.scope, self.prefixes) = (scope, prefixes);
        Ok(())
    }

    /// Declares the namespace of the elements that follow inside of the tag that is open.
    fn declare(&mut self, space: Space<'a>) {
        let is_none = match space {
            Space::Package(name) => name.length() == 0,
            Space::Given(uri) => uri.is_empty(),
        };
        let how = if is_none {
            // No prefix can stand for none.
            How::Root(space)
        } else {
            self.prefixes += 1;
            self.out.all(b" xmlns:n");
            self.out.extend(itoa::Buffer::new().format(self.prefixes).as_bytes());
            self.uri(space);
            How::Prefix(self.prefixes)
        };
        self.scope = Scope { space, how };
    }

    /// `="`, a namespace and a quote.
    fn uri(&mut self, space: Space<'a>) {
        self.out.all(b"=\"");
        match space {
            Space::Package(name) if name.length() == 0 => {}
            Space::Package(name) => {
                self.out.extend(NAMESPACE.as_bytes());
                self.out.attribute_text(self.schema.text(name));
            }
            Space::Given(uri) => self.out.attribute_text(uri),
        }
        self.out.push(b'"');
    }

    // Tags.

    /// The tag of a field's element.
    #[inline]
    pub(super) fn tag(&self, field: &Field) -> Tag<'a> {
        let name = field.json_name();
        let name = match self.schema.chunk(name) {
            Some(chunk) if field.is_plain_in_xml() => TagName::Chunk(chunk, name.length()),
            _ => TagName::Odd(self.schema.text(name)),
        };
        Tag { name, how: self.scope.how }
    }

    /// A tag of the same namespace as the elements here.
    pub(super) const fn fixed(&self, name: &'static str) -> Tag<'a> {
        Tag { name: TagName::Text(name.as_bytes()), how: self.scope.how }
    }

    /// A start tag.
    #[inline]
    pub(super) fn start(&mut self, tag: Tag<'a>) {
        if let Tag { name: TagName::Chunk(chunk, length), how: How::Default } = tag {
            self.out.put(|text: &mut [u8; 40]| {
                text[0] = b'<';
                text[1..33].copy_from_slice(chunk);
                text[1 + length] = b'>';
                length + 2
            });
        } else {
            self.begin(tag);
            self.out.push(b'>');
        }
    }

    /// An end tag.
    #[inline]
    pub(super) fn end(&mut self, tag: Tag<'a>) {
        if let Tag { name: TagName::Chunk(chunk, length), how: How::Default | How::Root(_) } = tag {
            self.out.put(|text: &mut [u8; 40]| {
                text[0] = b'<';
                text[1] = b'/';
                text[2..34].copy_from_slice(chunk);
                text[2 + length] = b'>';
                length + 3
            });
        } else {
            self.out.all(b"</");
            self.name(tag);
            self.out.push(b'>');
        }
    }

    /// A start tag without its end, to put attributes into.
    pub(super) fn begin(&mut self, tag: Tag<'a>) {
        self.out.push(b'<');
        self.name(tag);
        if let How::Root(space) = tag.how {
            self.out.all(b" xmlns");
            self.uri(space);
        }
    }

    fn name(&mut self, tag: Tag<'a>) {
        if let How::Prefix(number) = tag.how {
            self.out.push(b'n');
            self.out.extend(itoa::Buffer::new().format(number).as_bytes());
            self.out.push(b':');
        }
        match tag.name {
            TagName::Chunk(chunk, length) => self.out.start_of(chunk, length),
            TagName::Text(name) => self.out.extend(name),
            TagName::Odd(name) => self.out.extend(xml_name::spelled(name).as_bytes()),
        }
    }
}
