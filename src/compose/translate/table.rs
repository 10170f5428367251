//! What becomes of the fields of a message, by their numbers.

use std::sync::Arc;

use super::names::Renaming;
use super::number::Convert;

/// The most fields of a message in which something may come later that changes what came before. Messages with more are
/// always looked over first.
pub const MAX_MARKS: usize = 64;

/// The tables of all messages that can be reached from those of a service, in one direction. They refer to one another by
/// their positions.
#[derive(Debug, Default)]
pub struct Tables(pub Box<[Table]>);

/// A message.
#[derive(Debug, Default)]
pub struct Table {
    /// The message itself, and single messages in it out of which fields are moved: each behind the one that it is in.
    pub nodes: Box<[Node]>,
    /// Messages in the one that is made into which fields are moved, each behind the one that it is in. The message that
    /// is made is number 0 and not in here, so the first one is number 1.
    pub slots: Box<[Slot]>,
    /// What is written in any case, or where nothing else is.
    pub fillers: Box<[Filler]>,
    /// Whether both messages are the same, so that it is taken as it is.
    pub is_same: bool,
}

/// The fields of a message that comes.
#[derive(Debug, Default)]
pub struct Node {
    /// In order of their numbers. What is not here is left out.
    pub fields: Box<[Field]>,
    /// Whether there are more marks than [`MAX_MARKS`], so that none is used.
    pub is_large: bool,
}

/// A field of a message that comes.
#[derive(Debug)]
pub struct Field {
    /// Its number.
    pub number: u32,
    /// Its name, for errors.
    pub name: Box<str>,
    /// How its values lie on the wire.
    pub layout: Layout,
    /// Whether it holds a list or a map.
    pub is_list: bool,
    /// What is marked when it is there. Zero for a field that may be there as often as it likes.
    pub mark: u64,
    /// The marks that may not be there before: then the wire is unusual.
    pub others: u64,
    /// The oneof that it is in, counted from one; zero for none.
    pub oneof: u16,
    /// What is done with it; nothing where it is left out.
    pub actions: Box<[Action]>,
}

/// How the values of a field lie on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A number, which lists may pack.
    Number(Width),
    /// Text or bytes.
    Bytes,
    /// A message, a group, or the entry of a map.
    Message,
}

/// The size of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// As many bytes as it needs.
    Varint,
    /// Four bytes.
    Four,
    /// Eight bytes.
    Eight,
}

/// What is done with a field.
#[derive(Debug)]
pub enum Action {
    /// It becomes another field; messages as they are.
    Value(To, Convert),
    /// It is a message, which becomes another one by the table at this position.
    Message(To, usize),
    /// Fields are moved out of it: those of the node at this position.
    Inside(usize),
    /// It is a google.protobuf.FieldMask, whose paths become others.
    Mask(To, Arc<Renaming>),
}

/// A field of the message that is made.
#[derive(Clone, Debug, Default)]
pub struct To {
    /// The message that it is in: 0 for the one that is made, or the number of a slot.
    pub slot: usize,
    /// Its number.
    pub number: u32,
    /// Whether its message is written as a group.
    pub is_group: bool,
    /// Whether a value that is false, zero or empty is the same as none: it is left out of a list, and does not keep
    /// fillers away.
    pub zero_is_none: bool,
    /// Whether a single value becomes a list of one.
    pub is_one_of_list: bool,
    /// The filler that it keeps away.
    pub filler: Option<usize>,
}

/// A single message in the one that is made, into which fields are moved.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The message that it is in: 0 for the one that is made, or the number of a slot.
    pub parent: usize,
    /// Its number.
    pub number: u32,
    /// Whether it is written as a group.
    pub is_group: bool,
}

/// Fields that are always the same.
#[derive(Clone, Debug)]
pub struct Filler {
    /// The message that they are in, as in [`To`].
    pub slot: usize,
    /// Their wire form.
    pub wire: Box<[u8]>,
    /// Whether they are written only where nothing has kept them away.
    pub is_default: bool,
}

impl Node {
    /// The field with a number. `guess` is where it is looked for first.
    pub(super) fn find(&self, number: u32, guess: &mut usize) -> Option<&Field> {
        let is_it = |at: usize| self.fields.get(at).is_some_and(|field| field.number == number);
        // Fields come in the order of their numbers in most cases.
        let at = if is_it(*guess) {
            *guess
        } else if is_it(*guess + 1) {
            *guess + 1
        } else {
            self.fields.binary_search_by_key(&number, |field| field.number).ok()?
        };
        *guess = at;
        self.fields.get(at)
    }
}
