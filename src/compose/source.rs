//! A value in a message, however it lies on the wire, and where it is written.

use crate::wire::WireType;
use crate::wire::reader::{Error, Reader};
use crate::wire::writer::{self, Length};

/// Groups that are skipped may lie so deep in one another.
pub(super) const GROUPS: usize = 100;
/// How many values are taken out of one message: a packed list holds millions in a few megabytes.
pub(super) const MAX_VALUES: usize = 1 << 18;

/// Why values cannot be taken out of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is no valid protobuf.
    Wire(Error),
    /// There are more than [`MAX_VALUES`].
    TooMany,
}

impl From<Error> for Flaw {
    fn from(error: Error) -> Self {
        Self::Wire(error)
    }
}

/// Where a source begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// The request of the whole.
    Request,
    /// The answer, or the answers, of the part at this position.
    Part(usize),
    /// The item of the list that a part is called for.
    Item,
}

/// A field on the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number.
    pub number: u32,
    /// How its values lie on the wire.
    pub layout: Layout,
    /// Whether it holds a list, or a map, whose entries are its values then.
    pub is_list: bool,
    /// The numbers of the other members of its oneof.
    pub others: Box<[u32]>,
}

/// How a value lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A number that is not fixed in size, which lists may pack.
    Varint,
    /// Four bytes, which lists may pack.
    Fixed32,
    /// Eight bytes, which lists may pack.
    Fixed64,
    /// Text or bytes.
    Bytes,
    /// A message or the entry of a map.
    Message,
}

/// A value, or many, of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Where it begins.
    pub root: Root,
    /// The fields from there on; none for the message, or the item, itself.
    pub steps: Box<[Step]>,
}

/// A value as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value<'w> {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
    Bytes(&'w [u8]),
    /// A message, which may come in pieces that are one behind the other.
    Message(Pieces<'w>),
}

/// The pieces of one message, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pieces<'w> {
    One(&'w [u8]),
    Many(Vec<&'w [u8]>),
}

impl<'w> Pieces<'w> {
    pub(super) fn all(&self) -> &[&'w [u8]] {
        match self {
            Self::One(piece) => std::slice::from_ref(piece),
            Self::Many(pieces) => pieces,
        }
    }

    fn add(pieces: &mut Option<Self>, piece: &'w [u8]) {
        match pieces {
            None => *pieces = Some(Self::One(piece)),
            Some(Self::One(first)) => *pieces = Some(Self::Many(vec![first, piece])),
            Some(Self::Many(all)) => all.push(piece),
        }
    }
}

/// What sources begin with.
pub(super) trait Roots<'w> {
    /// Calls `each` with every message of a root that is one.
    fn messages(&self, root: Root, each: &mut Each<'_, 'w>) -> Result<(), Flaw>;

    /// The item, where it is no message.
    fn item(&self) -> Option<Value<'w>>;
}

/// What is done with each message.
pub(super) type Each<'e, 'w> = dyn FnMut(&Pieces<'w>) -> Result<(), Flaw> + 'e;

impl Source {
    /// All values in their order; of a field that holds a single one the last, unless the member of a oneof that comes
    /// behind it takes its place.
    pub(super) fn values<'w>(&self, roots: &impl Roots<'w>) -> Result<Vec<Value<'w>>, Flaw> {
        let mut values = Vec::new();
        if self.root == Root::Item && self.steps.is_empty() {
            values.extend(roots.item());
            return Ok(values);
        }
        roots.messages(self.root, &mut |message| walk(&self.steps, message, &mut values))?;
        Ok(values)
    }

    /// Whether there is a value that is neither false nor zero nor empty. A message is such a value if it is there.
    pub(super) fn is_true<'w>(&self, roots: &impl Roots<'w>) -> Result<bool, Flaw> {
        let is_true = |value: &Value<'_>| match value {
            Value::Varint(value) => *value != 0,
            Value::Fixed32(value) => *value != 0,
            Value::Fixed64(value) => *value != 0,
            Value::Bytes(bytes) => !bytes.is_empty(),
            Value::Message(_) => true,
        };
        let values = self.values(roots)?;
        let is_list = self.steps.iter().any(|step| step.is_list);
        Ok(if is_list { !values.is_empty() } else { values.last().is_some_and(is_true) })
    }
}

/// Adds what the steps lead to in a message.
fn walk<'w>(steps: &[Step], message: &Pieces<'w>, values: &mut Vec<Value<'w>>) -> Result<(), Flaw> {
    let Some((step, rest)) = steps.split_first() else {
        return add(values, Value::Message(message.clone()));
    };
    let start = values.len();
    let mut inner = None;
    for piece in message.all() {
        let mut reader = Reader::new(piece);
        while !reader.is_at_end() {
            let (number, wire_type) = reader.tag()?;
            if number != step.number {
                reader.skip(number, wire_type, GROUPS)?;
                if step.others.contains(&number) {
                    values.truncate(start);
                    inner = None;
                }
                continue;
            }
            if step.layout == Layout::Message {
                let Some(content) = content(&mut reader, number, wire_type)? else { continue };
                if step.is_list {
                    walk(rest, &Pieces::One(content), values)?;
                } else {
                    Pieces::add(&mut inner, content);
                }
                continue;
            }
            if !step.is_list && wire_type == step.layout.wire_type() {
                values.truncate(start);
            }
            scalars(&mut reader, step, wire_type, values)?;
        }
    }
    inner.map_or(Ok(()), |inner| walk(rest, &inner, values))
}

/// The content of a message whose tag was read; nothing if the tag is no message's.
fn content<'w>(reader: &mut Reader<'w>, number: u32, wire_type: WireType) -> Result<Option<&'w [u8]>, Error> {
    Ok(match wire_type {
        WireType::Len => Some(reader.bytes()?),
        WireType::StartGroup => {
            let group = reader.group(number, GROUPS)?;
            Some(&group.wire()[group.position()..])
        }
        _ => {
            reader.skip(number, wire_type, GROUPS)?;
            None
        }
    })
}

/// Adds the value behind a tag, or a packed list of them; what does not fit the field is skipped.
fn scalars<'w>(
    reader: &mut Reader<'w>,
    step: &Step,
    wire_type: WireType,
    values: &mut Vec<Value<'w>>,
) -> Result<(), Flaw> {
    if wire_type == step.layout.wire_type() {
        return add(values, scalar(reader, step.layout)?);
    }
    if step.is_list && wire_type == WireType::Len {
        let mut packed = reader.nested()?;
        while !packed.is_at_end() {
            add(values, scalar(&mut packed, step.layout)?)?;
        }
        return Ok(());
    }
    Ok(reader.skip(step.number, wire_type, GROUPS)?)
}

fn add<'w>(values: &mut Vec<Value<'w>>, value: Value<'w>) -> Result<(), Flaw> {
    if values.len() >= MAX_VALUES {
        return Err(Flaw::TooMany);
    }
    values.push(value);
    Ok(())
}

fn scalar<'w>(reader: &mut Reader<'w>, layout: Layout) -> Result<Value<'w>, Error> {
    Ok(match layout {
        Layout::Varint => Value::Varint(reader.varint()?),
        Layout::Fixed32 => Value::Fixed32(reader.fixed32()?),
        Layout::Fixed64 => Value::Fixed64(reader.fixed64()?),
        Layout::Bytes | Layout::Message => Value::Bytes(reader.bytes()?),
    })
}

impl Layout {
    const fn wire_type(self) -> WireType {
        match self {
            Self::Varint => WireType::Varint,
            Self::Fixed32 => WireType::Fixed32,
            Self::Fixed64 => WireType::Fixed64,
            Self::Bytes | Self::Message => WireType::Len,
        }
    }
}

/// How a varint becomes one of a wider type. Parsers cut what is too long for a type, so it is cut here too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Widen {
    /// It stays as it is.
    No,
    /// An int32 or an enum to an int64 or int32.
    Signed,
    /// A uint32 to a uint64.
    Unsigned,
}

/// The field that values are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its number.
    pub number: u32,
    /// Whether its messages are written as groups.
    pub is_group: bool,
    /// Whether its list is written packed.
    pub is_packed: bool,
    /// What becomes of varints.
    pub widen: Widen,
}

impl Target {
    /// Appends a field with these values; nothing if there is none.
    pub(super) fn write(&self, values: &[Value<'_>], out: &mut Vec<u8>) {
        if self.is_packed && !values.is_empty() {
            writer::tag(out, self.number, WireType::Len);
            let length = Length::begin(out);
            values.iter().for_each(|value| self.content(value, out));
            length.end(out);
            return;
        }
        for value in values {
            let wire_type = match value {
                Value::Message(_) if self.is_group => WireType::StartGroup,
                Value::Varint(_) => WireType::Varint,
                Value::Fixed32(_) => WireType::Fixed32,
                Value::Fixed64(_) => WireType::Fixed64,
                Value::Bytes(_) | Value::Message(_) => WireType::Len,
            };
            writer::tag(out, self.number, wire_type);
            self.content(value, out);
        }
    }

    fn content(&self, value: &Value<'_>, out: &mut Vec<u8>) {
        match value {
            Value::Varint(value) => writer::varint(out, self.widen.apply(*value)),
            Value::Fixed32(value) => out.extend_from_slice(&value.to_le_bytes()),
            Value::Fixed64(value) => out.extend_from_slice(&value.to_le_bytes()),
            Value::Bytes(bytes) => {
                writer::varint(out, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
            Value::Message(pieces) => {
                if !self.is_group {
                    let length: usize = pieces.all().iter().map(|piece| piece.len()).sum();
                    writer::varint(out, length as u64);
                }
                pieces.all().iter().for_each(|piece| out.extend_from_slice(piece));
                if self.is_group {
                    writer::tag(out, self.number, WireType::EndGroup);
                }
            }
        }
    }
}

impl Widen {
    const fn apply(self, value: u64) -> u64 {
        match self {
            Self::No => value,
            Self::Signed => value as i32 as i64 as u64,
            Self::Unsigned => value as u32 as u64,
        }
    }
}
