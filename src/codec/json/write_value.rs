//! Values as JSON text: numbers, enums, strings and base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::scan::{ascii_end, push_plain};
use super::write::{Result, Stop, Writer};
use crate::codec::number;
use crate::schema::EnumId;
use crate::schema::enumeration::Enum;
use crate::schema::message::{Field, Kind};
use crate::wire::WireType;
use crate::wire::reader::{Reader, unzigzag};
use crate::wire::writer;

impl<'a> Writer<'a, '_> {
    /// A value whose tag was read; true if it is the default of its type.
    #[inline]
    pub(super) fn value(
        &mut self,
        field: &'a Field,
        wire_type: WireType,
        wire: &mut Reader<'_>,
    ) -> Result<bool> {
        Ok(match field.kind() {
            Kind::String => self.string(wire, field.verifies_utf8())?,
            Kind::Bytes => self.base64(wire.bytes()?),
            Kind::Message(id) => {
                let nested = match wire_type {
                    WireType::StartGroup => self.group_content(field.number(), wire)?,
                    _ => wire.nested()?,
                };
                self.message(id, nested)?;
                false
            }
            Kind::Enum(id) => self.enum_value(id, wire.varint()? as i32),
            Kind::Bool => {
                let value = wire.varint()? != 0;
                self.out.extend_from_slice(if value { b"true" } else { b"false" });
                !value
            }
            Kind::Int32 => self.integer(i64::from(wire.varint()? as i32)),
            Kind::Sint32 => self.integer(i64::from(unzigzag(u64::from(wire.varint()? as u32)) as i32)),
            Kind::Sfixed32 => self.integer(i64::from(wire.fixed32()? as i32)),
            Kind::Uint32 => self.integer(i64::from(wire.varint()? as u32)),
            Kind::Fixed32 => self.integer(i64::from(wire.fixed32()?)),
            Kind::Int64 => self.quoted_integer(wire.varint()? as i64),
            Kind::Sint64 => self.quoted_integer(unzigzag(wire.varint()?)),
            Kind::Sfixed64 => self.quoted_integer(wire.fixed64()? as i64),
            Kind::Uint64 => self.quoted_unsigned(wire.varint()?),
            Kind::Fixed64 => self.quoted_unsigned(wire.fixed64()?),
            Kind::Double => self.double(f64::from_bits(wire.fixed64()?)),
            Kind::Float => self.float(f32::from_bits(wire.fixed32()?)),
        })
    }

    #[inline]
    fn integer(&mut self, value: i64) -> bool {
        push_integer(self.out, value.unsigned_abs(), value < 0);
        value == 0
    }

    #[inline]
    fn quoted_integer(&mut self, value: i64) -> bool {
        self.out.push(b'"');
        push_integer(self.out, value.unsigned_abs(), value < 0);
        self.out.push(b'"');
        value == 0
    }

    #[inline]
    fn quoted_unsigned(&mut self, value: u64) -> bool {
        self.out.push(b'"');
        push_integer(self.out, value, false);
        self.out.push(b'"');
        value == 0
    }

    pub(super) fn double(&mut self, value: f64) -> bool {
        if value.is_finite() {
            push_short(self.out, zmij::Buffer::new().format_finite(value).as_bytes());
        } else {
            self.out.extend_from_slice(not_finite(value.is_nan(), value.is_sign_negative()));
        }
        value.to_bits() == 0
    }

    fn float(&mut self, value: f32) -> bool {
        if value.is_finite() {
            push_short(self.out, zmij::Buffer::new().format_finite(value).as_bytes());
        } else {
            self.out.extend_from_slice(not_finite(value.is_nan(), value.is_sign_negative()));
        }
        value.to_bits() == 0
    }

    pub(super) fn enum_value(&mut self, id: EnumId, number: i32) -> bool {
        let each: &Enum = self.schema.enumeration(id);
        if each.is_null() {
            // Whatever number it has is read back as the only one that there is.
            self.out.extend_from_slice(b"null");
            return true;
        }
        if let (false, Some(value)) = (self.options.enum_numbers, each.value(number)) {
            self.schema.append(self.out, value.quoted());
        } else {
            push_integer(self.out, number.unsigned_abs().into(), number < 0);
        }
        number == 0
    }

    /// The text of a string field in quotes. Where the schema does not ask for UTF-8, what is none is
    /// replaced by U+FFFD.
    #[inline]
    fn string(&mut self, wire: &mut Reader<'_>, verify_utf8: bool) -> Result<bool> {
        let length = wire.bytes()?.len();
        let (whole, end) = (wire.wire(), wire.position());
        let start = end - length;
        let plain = ascii_end(whole, start, end);
        self.out.push(b'"');
        writer::append(self.out, whole, start, plain);
        if plain < end {
            self.unusual_string(&whole[start..end], plain - start, verify_utf8)?;
        }
        self.out.push(b'"');
        Ok(length == 0)
    }

    /// The rest of a text from a byte on that is not ASCII or must be escaped.
    fn unusual_string(&mut self, bytes: &[u8], from: usize, verify_utf8: bool) -> Result<()> {
        match simdutf8::basic::from_utf8(bytes) {
            Ok(_) => push_escaped(self.out, bytes, from),
            Err(_) if verify_utf8 => return Err(Stop::error("the text is not UTF-8")),
            // The bytes before are ASCII, so that a character starts here.
            Err(_) => push_escaped(self.out, String::from_utf8_lossy(&bytes[from..]).as_bytes(), 0),
        }
        Ok(())
    }

    pub(super) fn base64(&mut self, bytes: &[u8]) -> bool {
        self.out.push(b'"');
        let start = self.out.len();
        let length = base64::encoded_len(bytes.len(), true).unwrap_or(0);
        self.out.resize(start + length, 0);
        // The room is exactly what the encoder says it needs.
        let written = STANDARD.encode_slice(bytes, &mut self.out[start..]).unwrap_or(0);
        self.out.truncate(start + written);
        self.out.push(b'"');
        bytes.is_empty()
    }
}

const fn not_finite(is_nan: bool, is_negative: bool) -> &'static [u8] {
    match (is_nan, is_negative) {
        (true, _) => b"\"NaN\"",
        (false, false) => b"\"Infinity\"",
        (false, true) => b"\"-Infinity\"",
    }
}

/// Appends text as a JSON string.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    push_escaped(out, text.as_bytes(), 0);
    out.push(b'"');
}

/// Appends UTF-8 text from `at` on, with what JSON cannot hold escaped.
fn push_escaped(out: &mut Vec<u8>, text: &[u8], mut at: usize) {
    loop {
        // Escapes often come one behind the other.
        while let Some((escape, length)) =
            text.get(at).and_then(|&byte| ESCAPES.get(usize::from(byte))?.as_ref())
        {
            let start = out.len();
            out.extend_from_slice(escape);
            out.truncate(start + length);
            at += 1;
        }
        if at >= text.len() {
            return;
        }
        at = push_plain(text, at, out);
    }
}

/// What the first 128 characters are written as and how long that is; none for those that are plain.
static ESCAPES: [Option<([u8; 8], usize)>; 128] = {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut escapes = [None; 128];
    let mut byte = 0;
    while byte < 0x20 {
        let (high, low) = (HEX[byte >> 4], HEX[byte & 15]);
        escapes[byte] = Some(([b'\\', b'u', b'0', b'0', high, low, 0, 0], 6));
        byte += 1;
    }
    let short = [(8, b'b'), (9, b't'), (10, b'n'), (12, b'f'), (13, b'r'), (b'"', b'"'), (b'\\', b'\\')];
    let mut at = 0;
    while at < short.len() {
        escapes[short[at].0 as usize] = Some(([b'\\', short[at].1, 0, 0, 0, 0, 0, 0], 2));
        at += 1;
    }
    escapes
};

/// Appends a part of at most 32 bytes, as two copies of a fixed size that overlap.
#[inline]
fn push_short(out: &mut Vec<u8>, part: &[u8]) {
    let (start, length) = (out.len(), part.len());
    if let (Some(first), Some(last), true) = (part.first_chunk::<16>(), part.last_chunk::<16>(), length <= 32)
    {
        out.extend_from_slice(first);
        out.extend_from_slice(&[0; 16]);
        out[start + length - 16..start + length].copy_from_slice(last);
        out.truncate(start + length);
    } else if let (Some(first), Some(last), true) =
        (part.first_chunk::<8>(), part.last_chunk::<8>(), length <= 16)
    {
        out.extend_from_slice(first);
        out.extend_from_slice(&[0; 8]);
        out[start + length - 8..start + length].copy_from_slice(last);
        out.truncate(start + length);
    } else {
        for &byte in part {
            out.push(byte);
        }
    }
}

/// Appends a number with its sign.
#[inline]
pub(super) fn push_integer(out: &mut Vec<u8>, magnitude: u64, negative: bool) {
    if negative {
        out.push(b'-');
    }
    number::push_unsigned(out, magnitude);
}
