//! Values as JSON text: numbers, enums, strings and base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::out::Out;
use super::scan::{plain_end, plain_start};
use super::write::{Result, Stop, Writer};
use crate::codec::number::put_unsigned;
use crate::schema::EnumId;
use crate::schema::enumeration::Enum;
use crate::schema::message::{Field, Kind};
use crate::wire::WireType;
use crate::wire::reader::{Error, ErrorKind, Reader, unzigzag};

/// What a value was. As wide as a register, so that a result with it is returned in two.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(super) enum Written {
    /// The default of its type, which is left out where a field has no presence.
    Default,
    /// Another one.
    Value,
}

impl Written {
    #[inline]
    const fn default_if(is_default: bool) -> Self {
        if is_default { Self::Default } else { Self::Value }
    }
}

/// What is written before a value, together with it: the start of a chunk.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) chunk: &'a [u8; BEFORE],
    pub(super) length: usize,
}

/// The longest text before a value.
const BEFORE: usize = 32;

impl Before<'static> {
    pub(super) const NOTHING: Self = Self { chunk: &padded(b""), length: 0 };
    pub(super) const COMMA: Self = Self { chunk: &padded(b","), length: 1 };
    pub(super) const COMMA_QUOTE: Self = Self { chunk: &padded(b",\""), length: 2 };
    pub(super) const COLON: Self = Self { chunk: &padded(b":"), length: 1 };
    pub(super) const QUOTE_COLON: Self = Self { chunk: &padded(b"\":"), length: 2 };
}

impl Before<'_> {
    /// Puts it and returns where it ends and the room behind it.
    #[inline(always)]
    fn put<'t>(&self, text: &'t mut [u8; BEFORE + SHORT]) -> (usize, &'t mut [u8; SHORT]) {
        text[..BEFORE].copy_from_slice(self.chunk);
        let length = self.length.min(BEFORE);
        (length, text[length..].first_chunk_mut().expect("the room is long enough for both"))
    }
}

const fn padded(text: &[u8]) -> [u8; BEFORE] {
    let mut chunk = [0; BEFORE];
    chunk.split_at_mut(text.len()).0.copy_from_slice(text);
    chunk
}

/// Room for any value that is short: a number, a bool, a short name or text, all in quotes.
const SHORT: usize = 36;

impl<'a> Writer<'a, '_> {
    /// A value whose tag was read, and what comes before it.
    #[inline(never)]
    pub(super) fn value(
        &mut self,
        before: Before<'_>,
        field: &'a Field,
        wire_type: WireType,
        wire: &mut Reader<'_>,
    ) -> Result<Written> {
        self.inlined_value(before, field, wire_type, wire)
    }

    /// As [`Writer::value`], for where it is called most: the state of the reader stays in registers.
    #[inline(always)]
    pub(super) fn inlined_value(
        &mut self,
        before: Before<'_>,
        field: &'a Field,
        wire_type: WireType,
        wire: &mut Reader<'_>,
    ) -> Result<Written> {
        let start = wire.position();
        let truncated = || Error { offset: start, kind: ErrorKind::Truncated };
        let raw = if matches!(wire_type, WireType::Varint | WireType::Len) {
            wire.varint()?
        } else if wire_type == WireType::Fixed64 {
            wire.fixed64()?
        } else if wire_type == WireType::Fixed32 {
            u64::from(wire.fixed32()?)
        } else {
            0
        };
        match field.kind() {
            Kind::String => {
                let block = wire.chunk_at(wire.position());
                let text = wire.take(raw).ok_or_else(truncated)?;
                self.string(before, text, block, field.verifies_utf8())
            }
            Kind::Bytes => {
                let bytes = wire.take(raw).ok_or_else(truncated)?;
                self.out.start_of(before.chunk, before.length);
                self.base64(bytes);
                Ok(Written::default_if(bytes.is_empty()))
            }
            Kind::Message(id) => {
                let nested = match wire_type {
                    WireType::StartGroup => {
                        let mut ahead = *wire;
                        let content = self.group_content(field.number(), &mut ahead)?;
                        wire.seek(ahead.position());
                        content
                    }
                    _ => wire.take_nested(raw).ok_or_else(truncated)?,
                };
                self.out.start_of(before.chunk, before.length);
                self.message(id, nested)?;
                Ok(Written::Value)
            }
            Kind::Enum(id) => Ok(self.enum_value(before, id, raw as i32)),
            kind => Ok(self.number(before, kind, raw)),
        }
    }

    /// A number or a bool from its bits.
    #[inline(never)]
    fn number(&mut self, before: Before<'_>, kind: Kind, raw: u64) -> Written {
        self.out.put(|text: &mut [u8; BEFORE + SHORT]| {
            let (start, text) = before.put(text);
            start + put_number(text, kind, raw)
        });
        let is_default = match kind {
            Kind::Int32 | Kind::Uint32 | Kind::Sint32 => raw as u32 == 0,
            _ => raw == 0,
        };
        Written::default_if(is_default)
    }

    #[inline]
    pub(super) fn enum_value(&mut self, before: Before<'_>, id: EnumId, number: i32) -> Written {
        let each: &Enum = self.schema.enumeration(id);
        let value = each.value(number).filter(|_| !self.options.enum_numbers && !each.is_null());
        match value.and_then(|value| Some((value.quoted().length(), self.schema.chunk(value.quoted())?))) {
            Some((length, name)) => self.out.put(|text: &mut [u8; BEFORE + SHORT]| {
                let (start, text) = before.put(text);
                text[..name.len()].copy_from_slice(name);
                start + length
            }),
            None => self.unusual_enum(before, each, number),
        }
        // Whatever number the only value of NullValue has, it is read back as that value.
        Written::default_if(number == 0 || each.is_null())
    }

    fn unusual_enum(&mut self, before: Before<'_>, each: &Enum, number: i32) {
        match each.value(number) {
            _ if each.is_null() => {
                self.out.start_of(before.chunk, before.length);
                self.out.all(b"null");
            }
            Some(value) if !self.options.enum_numbers => {
                self.out.start_of(before.chunk, before.length);
                self.out.extend(self.schema.bytes(value.quoted()));
            }
            _ => _ = self.number(before, Kind::Int32, i64::from(number) as u64),
        }
    }

    /// A text in quotes. Where the schema does not ask for UTF-8, what is none is replaced by U+FFFD.
    /// `block` begins with the text, if so many bytes are there.
    #[inline(never)]
    fn string(
        &mut self,
        before: Before<'_>,
        text: &[u8],
        block: Option<&[u8; BLOCK]>,
        verify_utf8: bool,
    ) -> Result<Written> {
        let length = text.len();
        if length <= BLOCK
            && let Some(block) = block
            && is_plain(block, length)
        {
            self.out.put(|text: &mut [u8; BEFORE + SHORT]| {
                let (start, text) = before.put(text);
                text[0] = b'"';
                text[1..=BLOCK].copy_from_slice(block);
                text[1 + length] = b'"';
                start + length + 2
            });
        } else {
            self.out.start_of(before.chunk, before.length);
            self.long_string(text, verify_utf8)?;
        }
        Ok(Written::default_if(length == 0))
    }

    /// A text that is long, or not as plain as most are.
    #[inline(never)]
    fn long_string(&mut self, text: &[u8], verify_utf8: bool) -> Result<()> {
        self.out.push(b'"');
        let plain = self.out.plain(text);
        if plain < text.len() {
            match simdutf8::basic::from_utf8(text) {
                Ok(_) => self.out.escaped(text, plain),
                Err(_) if verify_utf8 => return Err(Stop::error("the text is not UTF-8")),
                // The bytes before are ASCII, so that a character starts here.
                Err(_) => self.out.escaped(String::from_utf8_lossy(&text[plain..]).as_bytes(), 0),
            }
        }
        self.out.push(b'"');
        Ok(())
    }

    pub(super) fn base64(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        let length = base64::encoded_len(bytes.len(), true).unwrap_or(0);
        // The room is exactly what the encoder says it needs.
        let written = STANDARD.encode_slice(bytes, self.out.space(length)).unwrap_or(0);
        self.out.advance(written);
        self.out.push(b'"');
    }
}

/// Puts a number or a bool and returns the length of its text.
#[inline]
fn put_number(text: &mut [u8; SHORT], kind: Kind, raw: u64) -> usize {
    match kind {
        Kind::Int32 | Kind::Sfixed32 => put_integer(text, i64::from(raw as i32)),
        Kind::Sint32 => put_integer(text, i64::from(unzigzag(u64::from(raw as u32)) as i32)),
        Kind::Uint32 | Kind::Fixed32 => put_integer(text, i64::from(raw as u32)),
        Kind::Int64 | Kind::Sfixed64 => put_quoted(text, (raw as i64).unsigned_abs(), (raw as i64) < 0),
        Kind::Sint64 => put_quoted(text, unzigzag(raw).unsigned_abs(), unzigzag(raw) < 0),
        Kind::Uint64 | Kind::Fixed64 => put_quoted(text, raw, false),
        Kind::Double => match f64::from_bits(raw) {
            value if value.is_finite() => {
                put_short(text, zmij::Buffer::new().format_finite(value).as_bytes())
            }
            value => put_short(text, not_finite(value.is_nan(), value.is_sign_negative())),
        },
        Kind::Float => match f32::from_bits(raw as u32) {
            value if value.is_finite() => {
                put_short(text, zmij::Buffer::new().format_finite(value).as_bytes())
            }
            value => put_short(text, not_finite(value.is_nan(), value.is_sign_negative())),
        },
        Kind::Bool => {
            text[..5].copy_from_slice(if raw == 0 { b"false" } else { b"true " });
            5 - usize::from(raw != 0)
        }
        Kind::String | Kind::Bytes | Kind::Enum(_) | Kind::Message(_) => 0,
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
    let mut quoted = Out::new(std::mem::take(out), text.len() + 2);
    quoted.string(text);
    *out = quoted.finish();
}

impl Out {
    /// Appends text as a JSON string.
    pub(super) fn string(&mut self, text: &str) {
        self.push(b'"');
        self.escaped(text.as_bytes(), 0);
        self.push(b'"');
    }

    /// Appends text as long as it is plain ASCII, in blocks. Returns a place up to which it is, and behind
    /// which what is not plain is near.
    fn plain(&mut self, text: &[u8]) -> usize {
        let room = self.space(text.len());
        if text.len() < BLOCK {
            // It lies at the end of the whole message.
            room.copy_from_slice(text);
            let plain = text.iter().position(|&byte| is_special(byte)).unwrap_or(text.len());
            self.advance(plain);
            return plain;
        }
        let mut at = 0;
        for (block, to) in text.as_chunks::<BLOCK>().0.iter().zip(room.as_chunks_mut::<BLOCK>().0) {
            if !is_plain(block, BLOCK) {
                self.advance(at);
                return at;
            }
            *to = *block;
            at += BLOCK;
        }
        // The last block may overlap the one before.
        if let (Some(block), Some(to)) = (text.last_chunk::<BLOCK>(), room.last_chunk_mut::<BLOCK>())
            && is_plain(block, BLOCK)
        {
            *to = *block;
            at = text.len();
        }
        self.advance(at);
        at
    }

    /// Appends UTF-8 text from `at` on, with what JSON cannot hold escaped.
    fn escaped(&mut self, text: &[u8], mut at: usize) {
        while let Some(&byte) = text.get(at) {
            if let Some(Some((escape, length))) = ESCAPES.get(usize::from(byte)) {
                self.start_of(escape, *length);
                at += 1;
                continue;
            }
            // Between escapes runs are short, so the first word is copied before it is known how much of
            // it is plain.
            let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk) else {
                self.push(byte);
                at += 1;
                continue;
            };
            let plain = plain_start(word);
            self.start_of(word, plain);
            at += plain;
            if plain == word.len() {
                let end = plain_end(text, at);
                self.extend(&text[at..end]);
                at = end;
            }
        }
    }
}

/// How many bytes are looked at and copied at once.
const BLOCK: usize = 32;

/// Whether the first bytes of a block, at most all, are ASCII that needs no escape. Without a branch for each
/// byte, so that it becomes vector instructions.
#[inline(always)]
fn is_plain(block: &[u8; BLOCK], length: usize) -> bool {
    let counted = &COUNTED[length];
    !block.iter().zip(counted).fold(false, |any, (&byte, &counts)| any | (counts & is_special(byte)))
}

/// Whether a byte is not ASCII, or must be escaped.
#[inline(always)]
const fn is_special(byte: u8) -> bool {
    (byte.cast_signed() < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// For each length which bytes of a block belong to a text of that length.
static COUNTED: [[bool; BLOCK]; BLOCK + 1] = {
    let mut counted = [[false; BLOCK]; BLOCK + 1];
    let mut length = 0;
    while length <= BLOCK {
        let mut at = 0;
        while at < length {
            counted[length][at] = true;
            at += 1;
        }
        length += 1;
    }
    counted
};

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

/// Puts a number in quotes and returns how long that is.
#[inline]
fn put_quoted(text: &mut [u8; SHORT], magnitude: u64, negative: bool) -> usize {
    text[0] = b'"';
    text[1] = b'-';
    let start = 1 + usize::from(negative);
    let digits = text[start..].first_chunk_mut().expect("the room is long enough for all digits");
    let end = start + put_unsigned(digits, magnitude);
    text[end] = b'"';
    end + 1
}

/// Puts a number and returns how long it is.
#[inline]
fn put_integer(text: &mut [u8; SHORT], value: i64) -> usize {
    text[0] = b'-';
    let start = usize::from(value < 0);
    let digits = text[start..].first_chunk_mut().expect("the room is long enough for all digits");
    start + put_unsigned(digits, value.unsigned_abs())
}

/// Puts what is most often 8 to 32 bytes long, as two copies that overlap.
#[inline]
fn put_short(to: &mut [u8; SHORT], text: &[u8]) -> usize {
    let length = text.len().min(SHORT);
    if let (Some(first), Some(last), 16..=32) = (text.first_chunk::<16>(), text.last_chunk::<16>(), length) {
        to[..16].copy_from_slice(first);
        to[length - 16..length].copy_from_slice(last);
    } else if let (Some(first), Some(last), 8..) = (text.first_chunk::<8>(), text.last_chunk::<8>(), length) {
        to[..8].copy_from_slice(first);
        to[length - 8..length].copy_from_slice(last);
    } else {
        for (to, &byte) in to.iter_mut().zip(text) {
            *to = byte;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use crate::codec::json::write::{WriteOptions, write};
    use crate::schema::Schema;
    use crate::wire::WireType;
    use crate::wire::writer;

    #[test]
    fn names_longer_than_a_chunk_are_written_whole() {
        let set = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/descriptors/builtin.binpb")).unwrap();
        let schema = Schema::load(&[&set]).unwrap();
        let options = schema.find_message("google.protobuf.MessageOptions").unwrap();
        // `deprecated` is field 3 and `deprecated_legacy_json_field_conflicts` field 11.
        for (proto_names, expected) in [
            (true, r#"{"deprecated":true,"deprecated_legacy_json_field_conflicts":false}"#),
            (false, r#"{"deprecated":true,"deprecatedLegacyJsonFieldConflicts":false}"#),
        ] {
            let mut json = Vec::new();
            let how = WriteOptions { proto_names, ..WriteOptions::default() };
            write(&schema, options, &[0x18, 1, 0x58, 0], &how, &mut json).unwrap();
            assert_eq!(str::from_utf8(&json).unwrap(), expected);
        }
    }

    #[test]
    fn texts_of_every_length_are_escaped_at_every_place() {
        let set = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/descriptors/builtin.binpb")).unwrap();
        let schema = Schema::load(&[&set]).unwrap();
        let list = schema.find_message("google.protobuf.ListValue").unwrap();
        let value = |text: &str| {
            let mut value = Vec::new();
            writer::bytes(&mut value, 3, text.as_bytes());
            value
        };
        for length in 0..70 {
            for special in ["", "\"", "\\", "\n", "\u{0}", "\u{1f}", "\u{7f}", "\u{e9}", "\u{1f601}"] {
                for place in 0..=length {
                    let text = ["a".repeat(place), special.into(), "b".repeat(length - place)].concat();
                    // Once with much behind it and once as the last of all.
                    let texts = [&*text, "plain", &*text];
                    let mut wire = Vec::new();
                    for text in texts {
                        writer::tag(&mut wire, 1, WireType::Len);
                        writer::varint(&mut wire, value(text).len() as u64);
                        wire.extend_from_slice(&value(text));
                    }
                    let mut json = Vec::new();
                    write(&schema, list, &wire, &WriteOptions::default(), &mut json).unwrap();
                    assert_eq!(serde_json::from_slice::<Vec<String>>(&json).unwrap(), texts);
                }
            }
        }
    }
}
