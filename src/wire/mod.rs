//! The protobuf wire format: reading it with absolute offsets and bounded depth, writing it with
//! length prefixes that are patched in place; the envelopes around messages in a stream, and the frames of WebSockets.
//!
//! Specification: <https://protobuf.dev/programming-guides/encoding/>.

pub mod envelope;
pub mod reader;
pub mod websocket;
pub mod writer;

/// How a field's value is laid out on the wire: the low three bits of its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireType {
    /// A base-128 integer of one to ten bytes.
    Varint,
    /// Eight bytes, little endian.
    Fixed64,
    /// A varint length and that many bytes.
    Len,
    /// The start of a group, which ends with an [`WireType::EndGroup`] of the same number.
    StartGroup,
    /// The end of a group.
    EndGroup,
    /// Four bytes, little endian.
    Fixed32,
}

/// The largest field number, 2^29 - 1.
pub const MAX_FIELD_NUMBER: u32 = (1 << 29) - 1;

impl WireType {
    /// The wire type in a tag, unless it is one of the two that do not exist.
    #[inline]
    pub const fn of_tag(tag: u64) -> Option<Self> {
        Some(match tag & 7 {
            0 => Self::Varint,
            1 => Self::Fixed64,
            2 => Self::Len,
            3 => Self::StartGroup,
            4 => Self::EndGroup,
            5 => Self::Fixed32,
            _ => return None,
        })
    }

    /// The three bits that stand for it in a tag.
    #[inline]
    pub const fn bits(self) -> u64 {
        self as u64
    }
}
