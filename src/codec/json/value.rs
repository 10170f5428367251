//! Values in JSON text: numbers, bools, enums, strings and base64.

use base64::Engine;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};

use super::error::ReadError;
use super::read::Reader;
use super::scan::{Result, plain_end, unescape};
use super::token::Text;
use crate::codec::fields;
use crate::codec::number::{self, Decimal, Digits, NumberError};
use crate::schema::EnumId;
use crate::schema::message::Kind;
use crate::wire::WireType;
use crate::wire::writer::{self, Length};

impl<'a> Reader<'a> {
    /// A number, bool or enum as the bits that go on the wire; none for an enum name to be ignored.
    #[inline(always)]
    pub(super) fn scalar(&mut self, kind: Kind) -> Result<Option<u64>> {
        Ok(Some(match kind {
            Kind::Bool => self.bool_value()?.into(),
            Kind::Double => self.double_value()?.to_bits(),
            Kind::Float => self.float_value()?.to_bits().into(),
            Kind::Enum(id) => return Ok(self.enum_value(id)?.map(|number| i64::from(number) as u64)),
            _ => self.integer_value(kind)?,
        }))
    }

    fn bool_value(&mut self) -> Result<bool> {
        match self.text.get(self.at) {
            Some(b't') => self.literal(b"true").map(|()| true),
            Some(b'f') => self.literal(b"false").map(|()| false),
            _ => Err(self.expected("true or false")),
        }
    }

    #[inline]
    fn integer_value(&mut self, kind: Kind) -> Result<u64> {
        // Digits with or without quotes and nothing else to consider: nearly every integer.
        let start = self.at;
        let is_quoted = self.text.get(start) == Some(&b'"');
        let negative = self.text.get(start + usize::from(is_quoted)) == Some(&b'-');
        let first = start + usize::from(is_quoted) + usize::from(negative);
        let Digits { value, count } = number::digits(self.text, first, Digits::default());
        let end = first + count;
        let ends_well = match self.text.get(end) {
            Some(b'"') => is_quoted,
            Some(b'.' | b'e' | b'E') => false,
            _ => !is_quoted,
        };
        let has_leading_zero = count > 1 && self.text.get(first) == Some(&b'0');
        if count == 0 || count > 19 || !ends_well || has_leading_zero {
            return self.unusual_integer(kind);
        }
        self.at = end + usize::from(is_quoted);
        let value = match i64::try_from(value) {
            Ok(value) => narrow(if negative { -value } else { value }, kind),
            Err(_) => narrowed(if negative { -i128::from(value) } else { value.into() }, kind),
        };
        value.ok_or_else(|| no_number(start, integer_name(kind), NumberError::Range))
    }

    /// An integer with a fraction or an exponent, very large, or out of range.
    #[cold]
    fn unusual_integer(&mut self, kind: Kind) -> Result<u64> {
        let start = self.at;
        let name = integer_name(kind);
        let text = self.number_text(name)?;
        integer(text.bytes(self), kind).map_err(|error| no_number(start, name, error))
    }

    /// Whether a number of this length has its end there.
    #[inline]
    fn ends_number(&self, length: usize) -> bool {
        !matches!(self.text.get(self.at + length), Some(b'0'..=b'9' | b'.' | b'a'..=b'z' | b'A'..=b'Z'))
    }

    /// A number as it stands in the text, or the text of a string.
    pub(super) fn number_text(&mut self, what: &str) -> Result<Text<'a>> {
        let start = self.at;
        match self.text.get(start) {
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => {
                let rest = &self.text[start..];
                let length = number::token_length(rest);
                if length == 0 || !self.ends_number(length) {
                    return Err(self.error("this is no number as JSON writes it"));
                }
                self.at += length;
                Ok(Text::Plain(&rest[..length]))
            }
            _ => Err(self.expected(what)),
        }
    }

    #[inline]
    pub(super) fn double_value(&mut self) -> Result<f64> {
        if let Some(decimal) = Decimal::read(self.text, self.at)
            && self.ends_number(decimal.length)
        {
            let start = self.at;
            self.at += decimal.length;
            return match decimal.simple_double() {
                Some(value) => Ok(value),
                None => number::double(&self.text[start..self.at])
                    .map_err(|error| no_number(start, "a double", error)),
            };
        }
        self.unusual_double()
    }

    /// A double in quotes, or none.
    fn unusual_double(&mut self) -> Result<f64> {
        let start = self.at;
        let text = self.number_text("a number")?;
        match text.bytes(self) {
            b"NaN" => Ok(f64::NAN),
            b"Infinity" => Ok(f64::INFINITY),
            b"-Infinity" => Ok(f64::NEG_INFINITY),
            bytes => number::double(bytes).map_err(|error| no_number(start, "a double", error)),
        }
    }

    #[inline]
    fn float_value(&mut self) -> Result<f32> {
        if let Some(decimal) = Decimal::read(self.text, self.at)
            && self.ends_number(decimal.length)
        {
            let start = self.at;
            self.at += decimal.length;
            return match decimal.simple_float() {
                Some(value) => Ok(value),
                None => number::float(&self.text[start..self.at])
                    .map_err(|error| no_number(start, "a float", error)),
            };
        }
        self.unusual_float()
    }

    /// A float in quotes, or none.
    fn unusual_float(&mut self) -> Result<f32> {
        let start = self.at;
        let text = self.number_text("a number")?;
        match text.bytes(self) {
            b"NaN" => Ok(f32::NAN),
            b"Infinity" => Ok(f32::INFINITY),
            b"-Infinity" => Ok(f32::NEG_INFINITY),
            bytes => number::float(bytes).map_err(|error| no_number(start, "a float", error)),
        }
    }

    /// An enum's number; none for an unknown name that is to be ignored.
    fn enum_value(&mut self, id: EnumId) -> Result<Option<i32>> {
        let each = self.schema.enumeration(id);
        let start = self.at;
        match self.text.get(start) {
            Some(b'"') => {}
            Some(b'n') if each.is_null() => {
                self.literal(b"null")?;
                return Ok(Some(0));
            }
            Some(b'-' | b'0'..=b'9') => {
                return self.integer_value(Kind::Int32).map(|value| Some(value as i32));
            }
            _ => return Err(self.expected("the name of an enum value")),
        }
        let text = self.string()?;
        let name = text.bytes(self);
        if let Some(number) = each.number(self.schema, name) {
            return Ok(Some(number));
        }
        if self.options.ignore_unknown {
            return Ok(None);
        }
        Err(ReadError::new(start, fields::no_value(self.schema, id, name)))
    }

    /// A string with its length; true if it is empty.
    #[inline]
    pub(super) fn text_value(&mut self) -> Result<bool> {
        if self.text.get(self.at) != Some(&b'"') {
            return Err(self.expected("a string"));
        }
        let start = self.at + 1;
        let end = plain_end(self.text, start);
        if self.text.get(end) != Some(&b'"') {
            return self.escaped_text(start);
        }
        self.at = end + 1;
        writer::varint(self.out, (end - start) as u64);
        writer::append(self.out, self.text, start, end);
        Ok(start == end)
    }

    fn escaped_text(&mut self, start: usize) -> Result<bool> {
        let length = Length::begin(self.out);
        self.at = unescape(self.text, start, self.out)?;
        let is_empty = self.out.len() == length.content();
        length.end(self.out);
        Ok(is_empty)
    }

    /// Base64 with its length: either alphabet, with or without padding; true if it is empty.
    pub(super) fn bytes_value(&mut self) -> Result<bool> {
        if self.text.get(self.at) != Some(&b'"') {
            return Err(self.expected("a string with base64"));
        }
        let start = self.at;
        let text = self.string()?;
        let Self { out, scratch, .. } = self;
        let text = text.of(scratch);
        writer::varint(out, decoded_length(text) as u64);
        if decode_base64(text, out) {
            Ok(text.is_empty())
        } else {
            Err(ReadError::new(start, "base64 text is needed"))
        }
    }
}

#[inline]
pub(in crate::codec) fn put(out: &mut Vec<u8>, wire_type: WireType, bits: u64) {
    match wire_type {
        WireType::Fixed32 => out.extend_from_slice(&(bits as u32).to_le_bytes()),
        WireType::Fixed64 => out.extend_from_slice(&bits.to_le_bytes()),
        _ => writer::varint(out, bits),
    }
}

/// The bits of an integer on the wire, if it fits its type.
#[inline]
pub(in crate::codec) fn narrowed(value: i128, kind: Kind) -> Option<u64> {
    match (i64::try_from(value), kind) {
        (Ok(value), _) => narrow(value, kind),
        (Err(_), Kind::Uint64 | Kind::Fixed64) => u64::try_from(value).ok(),
        _ => None,
    }
}

#[inline]
fn narrow(value: i64, kind: Kind) -> Option<u64> {
    let signed = || i32::try_from(value).ok();
    let unsigned = || u32::try_from(value).ok();
    Some(match kind {
        Kind::Int32 => i64::from(signed()?) as u64,
        Kind::Sfixed32 => u64::from(signed()? as u32),
        Kind::Sint32 => u64::from(writer::zigzag(signed()?.into()) as u32),
        Kind::Uint32 | Kind::Fixed32 => unsigned()?.into(),
        Kind::Int64 | Kind::Sfixed64 => value as u64,
        Kind::Sint64 => writer::zigzag(value),
        _ => u64::try_from(value).ok()?,
    })
}

pub(in crate::codec) fn integer(text: &[u8], kind: Kind) -> std::result::Result<u64, NumberError> {
    narrowed(number::integer(text)?, kind).ok_or(NumberError::Range)
}

pub(in crate::codec) const fn integer_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "a signed 32-bit integer",
        Kind::Uint32 | Kind::Fixed32 => "an unsigned 32-bit integer",
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "a signed 64-bit integer",
        _ => "an unsigned 64-bit integer",
    }
}

pub(super) fn no_number(offset: usize, name: &str, error: NumberError) -> Box<ReadError> {
    ReadError::new(offset, error.text(name))
}

const STANDARD: GeneralPurpose = base64_engine(&base64::alphabet::STANDARD);
const URL_SAFE: GeneralPurpose = base64_engine(&base64::alphabet::URL_SAFE);

const fn base64_engine(alphabet: &base64::alphabet::Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(alphabet, config)
}

/// How many bytes base64 `text` stands for, if it is base64.
const fn decoded_length(text: &[u8]) -> usize {
    let digits = match text {
        [digits @ .., b'=', b'='] | [digits @ .., b'='] => digits,
        digits => digits,
    };
    digits.len() / 4 * 3 + digits.len() % 4 * 3 / 4
}

/// Appends what base64 `text` of either alphabet stands for; false if it is none.
pub(in crate::codec) fn decode_base64(text: &[u8], out: &mut Vec<u8>) -> bool {
    let engine = if memchr::memchr2(b'-', b'_', text).is_some() { URL_SAFE } else { STANDARD };
    let start = out.len();
    let length = decoded_length(text);
    out.resize(start + length, 0);
    engine.decode_slice(text, &mut out[start..]) == Ok(length)
}
