//! Values, lists of entries and text as XML.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::error::WriteError;
use super::write::{Result, Space, Tag, Writer};
use crate::codec::fields::{Entry, entry_of, values_of};
use crate::codec::number::put_unsigned;
use crate::schema::message::{Field, Kind};
use crate::wire::WireType;
use crate::wire::reader::{Error, ErrorKind, Reader, unzigzag};

/// Room for any number.
const NUMBER: usize = 36;

impl<'a> Writer<'a, '_> {
    /// A value whose tag was read, as an element.
    #[inline]
    pub(super) fn element(
        &mut self,
        tag: Tag<'a>,
        field: &'a Field,
        wire_type: WireType,
        wire: &mut Reader<'_>,
        leave_out: bool,
    ) -> Result<()> {
        let start = wire.position();
        let truncated = || Error { offset: start, kind: ErrorKind::Truncated };
        let raw = match wire_type {
            WireType::Varint | WireType::Len => wire.varint()?,
            WireType::Fixed64 => wire.fixed64()?,
            WireType::Fixed32 => wire.fixed32()?.into(),
            WireType::StartGroup | WireType::EndGroup => 0,
        };
        match field.kind() {
            Kind::String | Kind::Bytes => {
                let bytes = wire.take(raw).ok_or_else(truncated)?;
                if bytes.is_empty() {
                    if !leave_out {
                        self.begin(tag);
                        self.out.all(b"/>");
                    }
                    return Ok(());
                }
                self.start(tag);
                if field.kind() == Kind::String {
                    self.text(bytes, field.verifies_utf8())?;
                } else {
                    self.base64(bytes);
                }
            }
            Kind::Message(id) => {
                let nested = match wire_type {
                    WireType::StartGroup => self.group_content(field.number(), wire)?,
                    _ => wire.take_nested(raw).ok_or_else(truncated)?,
                };
                return self.message(tag, id, nested);
            }
            kind => {
                if leave_out && self.is_default(kind, raw) {
                    return Ok(());
                }
                self.start(tag);
                self.number(kind, raw);
            }
        }
        self.end(tag);
        Ok(())
    }

    fn is_default(&self, kind: Kind, raw: u64) -> bool {
        match kind {
            Kind::Int32 | Kind::Uint32 | Kind::Sint32 => raw as u32 == 0,
            // Whatever number the only value of NullValue has, it is read back as that value.
            Kind::Enum(id) => raw as i32 == 0 || self.schema.enumeration(id).is_null(),
            _ => raw == 0,
        }
    }

    /// A number, a bool or an enum value from its bits.
    #[inline]
    pub(super) fn number(&mut self, kind: Kind, raw: u64) {
        if let Kind::Enum(id) = kind {
            let each = self.schema.enumeration(id);
            let number = if each.is_null() { each.default_number() } else { raw as i32 };
            if let Some(value) = each.value(number) {
                self.out.extend(self.schema.bytes(value.name()));
                return;
            }
        }
        self.out.put(|text: &mut [u8; NUMBER]| put_number(text, kind, raw));
    }

    /// The element of a value that is not on the wire.
    pub(super) fn default_element(&mut self, tag: Tag<'a>, field: &'a Field) -> Result<()> {
        match field.kind() {
            Kind::Message(id) => return self.message(tag, id, Reader::new(&[])),
            Kind::String | Kind::Bytes => {
                self.begin(tag);
                self.out.all(b"/>");
                return Ok(());
            }
            Kind::Enum(id) => {
                let number = self.schema.enumeration(id).default_number();
                self.start(tag);
                self.number(field.kind(), i64::from(number) as u64);
            }
            kind => {
                self.start(tag);
                self.number(kind, 0);
            }
        }
        self.end(tag);
        Ok(())
    }

    pub(super) fn base64(&mut self, bytes: &[u8]) {
        let length = base64::encoded_len(bytes.len(), true).unwrap_or(0);
        // The room is exactly what the encoder says it needs.
        let written = STANDARD.encode_slice(bytes, self.out.space(length)).unwrap_or(0);
        self.out.advance(written);
    }

    /// A map as one element that holds its entries; of those with equal keys the last one.
    pub(super) fn map(
        &mut self,
        tag: Tag<'a>,
        space: Space<'a>,
        attributes: &[u8],
        field: &'a Field,
        entries: &[Reader<'_>],
    ) -> Result<()> {
        let Some((key, value)) = entry_of(self.schema, field) else {
            return Err(WriteError::new("the field is no map"));
        };
        let groups = self.groups_left();
        let entries = entries
            .iter()
            .map(|&entry| Entry::read(entry, key, value, groups))
            .collect::<Result<Vec<_>, _>>()?;
        let last = last_of_each(&entries, key.kind())?;
        self.composite(tag, space, attributes, |writer| {
            for (at, entry) in entries.iter().enumerate() {
                if last.as_ref().is_none_or(|last| last[at]) {
                    writer.entry(field, [key, value], entry)?;
                    writer.check_length()?;
                }
            }
            Ok(())
        })
    }

    fn entry(
        &mut self,
        map: &Field,
        [key_field, value_field]: [&'a Field; 2],
        entry: &Entry<'_>,
    ) -> Result<()> {
        let [tag, key, value] = ["entry", "key", "value"].map(|name| self.fixed(name));
        self.start(tag);
        match entry.key {
            Some((wire_type, mut wire)) => self.element(key, key_field, wire_type, &mut wire, false)?,
            None => self.default_element(key, key_field)?,
        }
        match entry.value {
            Some(_) if entry.is_split => {
                let values = values_of(self.schema, map, entry.content, self.groups_left())?;
                self.all(value, value_field, entry.content, &values, false)?;
            }
            Some((wire_type, mut wire)) => self.element(value, value_field, wire_type, &mut wire, false)?,
            None => self.default_element(value, value_field)?,
        }
        self.end(tag);
        Ok(())
    }

    /// Text, with what XML cannot hold escaped. Where the schema does not ask for UTF-8, what is none is replaced by
    /// U+FFFD.
    pub(super) fn text(&mut self, text: &[u8], verify_utf8: bool) -> Result<()> {
        let plain = self.out.plain_text(text);
        if plain == text.len() {
            return Ok(());
        }
        match simdutf8::basic::from_utf8(text) {
            // What was written is ASCII, so that a character starts here.
            Ok(text) => self.out.escaped_text(&text[plain..]),
            Err(_) if verify_utf8 => return Err(WriteError::new("the text is not UTF-8")),
            Err(_) => self.out.escaped_text(&String::from_utf8_lossy(&text[plain..])),
        }
        Ok(())
    }
}

/// Puts a number or a bool and returns the length of its text.
#[inline]
fn put_number(text: &mut [u8; NUMBER], kind: Kind, raw: u64) -> usize {
    match kind {
        Kind::Int32 | Kind::Sfixed32 | Kind::Enum(_) => put_integer(text, i64::from(raw as i32)),
        Kind::Sint32 => put_integer(text, i64::from(unzigzag(u64::from(raw as u32)) as i32)),
        Kind::Uint32 | Kind::Fixed32 => put_integer(text, i64::from(raw as u32)),
        Kind::Int64 | Kind::Sfixed64 => put_integer(text, raw as i64),
        Kind::Sint64 => put_integer(text, unzigzag(raw)),
        Kind::Uint64 | Kind::Fixed64 => put_digits(text, 0, raw),
        Kind::Double => match f64::from_bits(raw) {
            value if value.is_finite() => put(text, zmij::Buffer::new().format_finite(value).as_bytes()),
            value => put(text, not_finite(value.is_nan(), value.is_sign_negative())),
        },
        Kind::Float => match f32::from_bits(raw as u32) {
            value if value.is_finite() => put(text, zmij::Buffer::new().format_finite(value).as_bytes()),
            value => put(text, not_finite(value.is_nan(), value.is_sign_negative())),
        },
        Kind::Bool => put(text, if raw == 0 { b"false" } else { b"true" }),
        Kind::String | Kind::Bytes | Kind::Message(_) => 0,
    }
}

/// As `xs:double` has them.
const fn not_finite(is_nan: bool, is_negative: bool) -> &'static [u8] {
    match (is_nan, is_negative) {
        (true, _) => b"NaN",
        (false, false) => b"INF",
        (false, true) => b"-INF",
    }
}

fn put_integer(text: &mut [u8; NUMBER], value: i64) -> usize {
    text[0] = b'-';
    put_digits(text, usize::from(value < 0), value.unsigned_abs())
}

fn put_digits(text: &mut [u8; NUMBER], at: usize, value: u64) -> usize {
    let digits = text[at..].first_chunk_mut().expect("the room is long enough for all digits");
    at + put_unsigned(digits, value)
}

fn put(to: &mut [u8; NUMBER], text: &[u8]) -> usize {
    let length = text.len().min(NUMBER);
    to[..length].copy_from_slice(&text[..length]);
    length
}

/// The key of an entry; equal ones are one key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key<'w> {
    Text(&'w [u8]),
    Number(u64),
}

/// The key of an entry, which is the default if it is not on the wire.
fn key_of<'w>(entry: &Entry<'w>, kind: Kind) -> Result<Key<'w>> {
    let Some((wire_type, mut wire)) = entry.key else {
        return Ok(if kind == Kind::String { Key::Text(b"") } else { Key::Number(0) });
    };
    Ok(match wire_type {
        WireType::Len => Key::Text(wire.bytes()?),
        WireType::Fixed32 => Key::Number(wire.fixed32()?.into()),
        WireType::Fixed64 => Key::Number(wire.fixed64()?),
        _ => {
            let raw = wire.varint()?;
            Key::Number(match kind {
                Kind::Bool => u64::from(raw != 0),
                Kind::Int32 | Kind::Uint32 | Kind::Sint32 => u64::from(raw as u32),
                _ => raw,
            })
        }
    })
}

/// Which entries are the last ones with their keys; none if no key is there twice. Keys come from outside, so that those
/// of larger maps are told by a seeded hash.
fn last_of_each(entries: &[Entry<'_>], kind: Kind) -> Result<Option<Vec<bool>>> {
    const FEW: usize = 12;
    let mut keys = Vec::with_capacity(entries.len());
    for entry in entries {
        keys.push(key_of(entry, kind)?);
    }
    if keys.len() <= FEW {
        let is_last = |at: usize| !keys[at + 1..].contains(&keys[at]);
        return Ok(if (0..keys.len()).all(is_last) {
            None
        } else {
            Some((0..keys.len()).map(is_last).collect())
        });
    }
    let mut last = HashMap::with_capacity(keys.len());
    for (at, key) in keys.iter().enumerate() {
        last.insert(*key, at);
    }
    if last.len() == keys.len() {
        return Ok(None);
    }
    Ok(Some(keys.iter().enumerate().map(|(at, key)| last.get(key) == Some(&at)).collect()))
}
