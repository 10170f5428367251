//! Numbers and enums that are written in another way.

use std::sync::Arc;

use super::table::Width;
use crate::wire::reader::{Error, Reader, unzigzag};
use crate::wire::writer;

/// What becomes of a value.
#[derive(Clone, Debug)]
pub enum Convert {
    /// Nothing: it is copied.
    No,
    /// An integer becomes one of another type.
    Integer(Integer, Integer),
    /// A float becomes a double.
    Double,
    /// Bytes become text, if they are UTF-8.
    Text,
    /// An enum becomes another one.
    Enum(Arc<Values>),
}

/// The types of integers. The names are protobuf's own; an enum is an [`Integer::Int32`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are protobuf's own")]
pub enum Integer {
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
}

/// What the numbers of an enum become.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// The numbers that are known, in their order, with what they become.
    pub pairs: Box<[(i32, i32)]>,
    /// The numbers that the other enum has, in their order.
    pub others: Box<[i32]>,
}

/// Why a value cannot be converted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is not valid protobuf.
    Wire(Error),
    /// It does not fit into the other type.
    Range(i128, Integer),
    /// It is no value of the enum, and the other one has another value of this number.
    Unknown(i32),
    /// It is not UTF-8.
    Text,
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Self {
        Self::Wire(error)
    }
}

impl Values {
    /// What a number becomes. One that neither enum knows stays as it is.
    pub fn of(&self, number: i32) -> Option<i32> {
        match self.pairs.binary_search_by_key(&number, |(from, _)| *from) {
            Ok(at) => Some(self.pairs[at].1),
            Err(_) => self.others.binary_search(&number).is_err().then_some(number),
        }
    }
}

impl Integer {
    /// How it lies on the wire.
    pub const fn width(self) -> Width {
        match self {
            Self::Fixed32 | Self::Sfixed32 => Width::Four,
            Self::Fixed64 | Self::Sfixed64 => Width::Eight,
            _ => Width::Varint,
        }
    }

    /// The smallest and the largest value.
    pub const fn range(self) -> (i128, i128) {
        match self {
            Self::Int32 | Self::Sint32 | Self::Sfixed32 => (i32::MIN as i128, i32::MAX as i128),
            Self::Int64 | Self::Sint64 | Self::Sfixed64 => (i64::MIN as i128, i64::MAX as i128),
            Self::Uint32 | Self::Fixed32 => (0, u32::MAX as i128),
            Self::Uint64 | Self::Fixed64 => (0, u64::MAX as i128),
        }
    }

    /// Its name in a proto file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Sint32 => "sint32",
            Self::Sint64 => "sint64",
            Self::Fixed32 => "fixed32",
            Self::Fixed64 => "fixed64",
            Self::Sfixed32 => "sfixed32",
            Self::Sfixed64 => "sfixed64",
        }
    }

    fn read(self, reader: &mut Reader<'_>) -> Result<i128, Error> {
        Ok(match self {
            // Of a varint that is too long for its type the lower bits count.
            Self::Int32 => i128::from(reader.varint()? as i32),
            Self::Int64 => i128::from(reader.varint()? as i64),
            Self::Uint32 => i128::from(reader.varint()? as u32),
            Self::Uint64 => i128::from(reader.varint()?),
            Self::Sint32 => i128::from(unzigzag(u64::from(reader.varint()? as u32)) as i32),
            Self::Sint64 => i128::from(unzigzag(reader.varint()?)),
            Self::Fixed32 => i128::from(reader.fixed32()?),
            Self::Sfixed32 => i128::from(reader.fixed32()? as i32),
            Self::Fixed64 => i128::from(reader.fixed64()?),
            Self::Sfixed64 => i128::from(reader.fixed64()? as i64),
        })
    }

    fn write(self, value: i128, out: &mut Vec<u8>) -> Result<(), Unfit> {
        let (least, most) = self.range();
        if value < least || value > most {
            return Err(Unfit::Range(value, self));
        }
        match self {
            // Negative ones are written with the bits of 64.
            Self::Int32 | Self::Int64 => writer::varint(out, value as i64 as u64),
            Self::Uint32 | Self::Uint64 => writer::varint(out, value as u64),
            Self::Sint32 | Self::Sint64 => writer::varint(out, writer::zigzag(value as i64)),
            Self::Fixed32 | Self::Sfixed32 => out.extend_from_slice(&(value as u32).to_le_bytes()),
            Self::Fixed64 | Self::Sfixed64 => out.extend_from_slice(&(value as u64).to_le_bytes()),
        }
        Ok(())
    }
}

impl Convert {
    /// How what it makes lies on the wire, if that is a number; `width` is how it comes.
    pub(super) const fn width(&self, width: Width) -> Width {
        match self {
            Self::Integer(_, to) => to.width(),
            Self::Double => Width::Eight,
            Self::No | Self::Text | Self::Enum(_) => width,
        }
    }

    /// Appends a number without its tag. Says whether it is zero.
    pub(super) fn number(
        &self,
        width: Width,
        reader: &mut Reader<'_>,
        out: &mut Vec<u8>,
    ) -> Result<bool, Unfit> {
        Ok(match self {
            Self::Integer(from, to) => {
                let value = from.read(reader)?;
                to.write(value, out)?;
                value == 0
            }
            Self::Double => {
                let value = f32::from_bits(reader.fixed32()?);
                out.extend_from_slice(&f64::from(value).to_le_bytes());
                value.to_bits() == 0
            }
            Self::Enum(values) => {
                let number = reader.varint()? as i32;
                let other = values.of(number).ok_or(Unfit::Unknown(number))?;
                writer::varint(out, i64::from(other) as u64);
                number == 0
            }
            Self::No | Self::Text => match width {
                Width::Varint => {
                    let value = reader.varint()?;
                    writer::varint(out, value);
                    value == 0
                }
                Width::Four => {
                    let value = reader.fixed32()?;
                    out.extend_from_slice(&value.to_le_bytes());
                    value == 0
                }
                Width::Eight => {
                    let value = reader.fixed64()?;
                    out.extend_from_slice(&value.to_le_bytes());
                    value == 0
                }
            },
        })
    }
}
