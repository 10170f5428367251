//! Messages and their fields.

use super::names::{FieldNames, NameIndex, NumberIndex};
use super::{EnumId, MessageId, Name, Presence, Schema};
use crate::wire::WireType;

/// A message: its fields and how they are found.
#[derive(Debug)]
pub struct Message {
    pub(super) name: Name,
    pub(super) package: Name,
    pub(super) fields: Box<[Field]>,
    pub(super) by_name: NameIndex,
    pub(super) by_number: NumberIndex,
    pub(super) oneofs: u16,
    pub(super) is_map_entry: bool,
    /// The old message set encoding, which stays unknown here: its members are skipped.
    pub(super) is_message_set: bool,
    pub(super) well_known: Option<WellKnown>,
    pub(super) requires: bool,
}

impl Message {
    /// The full name, without a leading dot.
    pub const fn name(&self) -> Name {
        self.name
    }

    /// The package that it is declared in, empty without one. Equal packages are equal names.
    #[inline]
    pub const fn package(&self) -> Name {
        self.package
    }

    /// The fields in order of declaration, known extensions behind them.
    #[inline]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// How many bits tell which fields and which oneofs are set: one for each field, then one for each
    /// oneof.
    #[inline]
    pub fn bits(&self) -> usize {
        self.fields.len() + self.oneofs as usize
    }

    /// Which of the well-known types it is, if it is one: they have forms of their own as JSON and XML.
    #[inline]
    pub const fn well_known(&self) -> Option<WellKnown> {
        self.well_known
    }

    /// Whether this message or one that it can hold has required fields.
    pub const fn requires(&self) -> bool {
        self.requires
    }

    /// The position of the field with this number.
    #[inline]
    pub fn field_by_number(&self, number: u32) -> Option<usize> {
        self.by_number.find(number as i32).map(usize::from)
    }

    /// The position of the field with this name: the proto name or the JSON name, or
    /// `[package.extension]` for an extension.
    #[inline]
    pub fn field_by_name(&self, schema: &Schema, name: &[u8]) -> Option<usize> {
        self.by_name
            .find(name, |position| {
                let field = &self.fields[position as usize];
                schema.bytes(field.json_name()) == name
                    || (!field.names.are_same() && schema.bytes(field.name()) == name)
            })
            .map(usize::from)
    }

    /// Whether it is the entry of a map, whose key and value mean their defaults when they are not there.
    pub const fn is_map_entry(&self) -> bool {
        self.is_map_entry
    }

    /// The key and value fields of a map entry.
    #[inline]
    pub fn entry(&self) -> Option<(&Field, &Field)> {
        match &*self.fields {
            [key, value] => Some((key, value)),
            _ => None,
        }
    }
}

/// A field of a message.
#[derive(Debug)]
pub struct Field {
    /// The number, and the wire type as a writer encodes the field.
    pub(super) tag: u32,
    pub(super) wire_type: WireType,
    pub(super) kind: Kind,
    pub(super) cardinality: Cardinality,
    pub(super) delimited: bool,
    pub(super) verify_utf8: bool,
    pub(super) plain_in_xml: bool,
    /// Position of the oneof in its message plus one; zero for a field outside any.
    pub(super) oneof: u16,
    pub(super) names: FieldNames,
}

impl Field {
    /// The field number.
    #[inline]
    pub const fn number(&self) -> u32 {
        self.tag >> 3
    }

    /// The type of its value, or of one element.
    #[inline]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Whether it holds one value, a list or a map.
    #[inline]
    pub const fn cardinality(&self) -> Cardinality {
        self.cardinality
    }

    /// Whether its message is written as a group.
    #[inline]
    pub const fn is_delimited(&self) -> bool {
        self.delimited
    }

    /// Whether its text must be UTF-8 on the wire.
    #[inline]
    pub const fn verifies_utf8(&self) -> bool {
        self.verify_utf8
    }

    /// Whether the JSON name is the name of an element as it is, which nearly all are. Others are
    /// [spelled](super::xml_name::spelled) in XML.
    #[inline]
    pub const fn is_plain_in_xml(&self) -> bool {
        self.plain_in_xml
    }

    /// The position in the message of the oneof that it is a member of.
    #[inline]
    pub const fn oneof(&self) -> Option<usize> {
        (self.oneof as usize).checked_sub(1)
    }

    /// The name in the proto file, `[package.extension]` for an extension.
    pub const fn name(&self) -> Name {
        self.names.name()
    }

    /// The name in JSON.
    pub const fn json_name(&self) -> Name {
        self.names.json_name()
    }

    /// What comes before the value of a member that is not the first: a comma, the proto name or the JSON
    /// name in quotes, and a colon.
    #[inline]
    pub const fn member(&self, proto_name: bool) -> Name {
        self.names.member(proto_name)
    }

    /// Whether the proto name and the JSON name are one.
    #[inline]
    pub const fn has_one_name(&self) -> bool {
        self.names.are_same()
    }

    /// The tag of its values as a writer encodes them; a packed list is one value.
    #[inline]
    pub const fn tag(&self) -> u64 {
        self.tag as u64
    }

    /// The wire type of that tag.
    #[inline]
    pub const fn wire_type(&self) -> WireType {
        self.wire_type
    }

    /// Puts the wire type into the tag, which has the number already.
    pub(super) const fn finish_tag(&mut self) {
        let wire_type = match self.cardinality {
            Cardinality::Repeated { packed: true } => WireType::Len,
            _ if self.delimited => WireType::StartGroup,
            _ => self.kind.wire_type(),
        };
        self.wire_type = wire_type;
        self.tag = self.number() << 3 | wire_type.bits() as u32;
    }

    /// The proto name as a JSON key: quoted, with the colon.
    #[inline]
    pub const fn name_key(&self) -> Name {
        self.names.name_key()
    }

    /// The JSON name as a JSON key: quoted, escaped, with the colon.
    #[inline]
    pub const fn json_key(&self) -> Name {
        self.names.json_key()
    }
}

/// The type of a value. The names are those of `FieldDescriptorProto.Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are protobuf's own")]
pub enum Kind {
    Double,
    Float,
    Int64,
    Uint64,
    Int32,
    Fixed64,
    Fixed32,
    Bool,
    String,
    Bytes,
    Uint32,
    Sfixed32,
    Sfixed64,
    Sint32,
    Sint64,
    Message(MessageId),
    Enum(EnumId),
}

impl Kind {
    /// How one value of it is laid out on the wire.
    #[inline]
    pub const fn wire_type(self) -> WireType {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => WireType::Fixed64,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => WireType::Fixed32,
            Self::String | Self::Bytes | Self::Message(_) => WireType::Len,
            _ => WireType::Varint,
        }
    }

    /// Whether a list of it may be packed on the wire.
    pub const fn is_packable(self) -> bool {
        !matches!(self, Self::String | Self::Bytes | Self::Message(_))
    }
}

/// How many values a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cardinality {
    /// One value at most.
    Singular(Presence),
    /// A list, written packed or not; both are read.
    Repeated {
        /// Whether it is written packed.
        packed: bool,
    },
    /// A map; the field's kind is its entry message.
    Map,
}

/// The messages with forms of their own: as JSON by <https://protobuf.dev/programming-guides/json/>, and as XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WellKnown {
    /// `google.protobuf.Any`.
    Any,
    /// `google.protobuf.Timestamp`.
    Timestamp,
    /// `google.protobuf.Duration`.
    Duration,
    /// `google.protobuf.FieldMask`.
    FieldMask,
    /// `google.protobuf.Struct`.
    Struct,
    /// `google.protobuf.Value`.
    Value,
    /// `google.protobuf.ListValue`.
    ListValue,
    /// `google.protobuf.Int32Value` and the other eight; the only field is the value.
    Wrapper,
}

impl WellKnown {
    pub(super) fn of(full_name: &str) -> Option<Self> {
        Some(match full_name.strip_prefix("google.protobuf.")? {
            "Any" => Self::Any,
            "Timestamp" => Self::Timestamp,
            "Duration" => Self::Duration,
            "FieldMask" => Self::FieldMask,
            "Struct" => Self::Struct,
            "Value" => Self::Value,
            "ListValue" => Self::ListValue,
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value"
            | "BoolValue" | "StringValue" | "BytesValue" => Self::Wrapper,
            _ => return None,
        })
    }
}
