//! `google.protobuf.Any`: an object whose `@type` says what its other members are.

use std::borrow::Cow;

use super::error::ReadError;
use super::read::Reader;
use super::scan::Result;
use super::token::Text;
use super::value::decode_base64;
use crate::codec::well_known::any;
use crate::schema::MessageId;
use crate::wire::WireType;
use crate::wire::writer::{self, Length};

/// The content of an Any. `{}` is the empty one.
///
/// A message of a type that the schema does not know can be given as it is written: `@type` beside
/// base64 in `value`.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<()> {
    let start = reader.at;
    reader.open(b'{', "an object")?;
    reader.skip_space();
    // With the type first, as most writers put it, the members are read on from there.
    let is_ahead = reader.text.get(reader.at..).is_some_and(|rest| rest.starts_with(b"\"@type\""));
    let (offset, url) = if is_ahead {
        reader.key()?;
        read_type(reader)?
    } else {
        reader.at = start;
        reader.depth -= 1;
        let Some(found) = find_type(reader)? else { return Ok(()) };
        reader.at = start;
        reader.open(b'{', "an object")?;
        found
    };
    writer::bytes(reader.out, any::TYPE_URL, &url);
    let value = reader.out.len();
    writer::tag(reader.out, any::VALUE, WireType::Len);
    let length = Length::begin(reader.out);
    match any::message_of(reader.schema, &url) {
        Some(id) if reader.schema.message(id).well_known().is_some() => {
            value_member(reader, start, Some(id), is_ahead)?;
        }
        Some(id) => reader.members(reader.schema.message(id), !is_ahead, !is_ahead)?,
        None if url.contains(&b'/') => value_member(reader, start, None, is_ahead).map_err(|mut error| {
            error.message = format!("the type {:?} is not known here", any::shown(&url));
            error.offset = offset;
            error
        })?,
        None => {
            return Err(ReadError::new(
                offset,
                "@type is no type URL, such as \"type.googleapis.com/package.Message\"",
            ));
        }
    }
    length.end_unless_empty(reader.out, value);
    Ok(())
}

/// A type URL and where it stands.
type Type<'a> = (usize, Cow<'a, [u8]>);

fn read_type<'a>(reader: &mut Reader<'a>) -> Result<Type<'a>> {
    let offset = reader.at;
    if reader.text.get(offset) != Some(&b'"') {
        return Err(reader.expected("a type URL"));
    }
    let url = match reader.string()? {
        Text::Plain(url) => Cow::Borrowed(url),
        Text::Unescaped => Cow::Owned(reader.scratch.clone()),
    };
    Ok((offset, url))
}

/// Reads an object through and returns its `@type`; none for `{}`.
fn find_type<'a>(reader: &mut Reader<'a>) -> Result<Option<Type<'a>>> {
    let start = reader.at;
    let mut found = None;
    let mut is_first = true;
    reader.open(b'{', "an object")?;
    while reader.next_member(b'}', &mut is_first)? {
        let key = reader.key()?;
        let is_type = key.bytes(reader) == b"@type";
        if !is_type {
            reader.skip_value()?;
        } else if found.is_some() {
            return Err(reader.error("@type is there twice"));
        } else {
            found = Some(read_type(reader)?);
        }
    }
    // Types inside of types, each behind its other members, would have the text read again and again.
    reader.lookahead = reader.lookahead.checked_sub(reader.at - start).ok_or_else(|| {
        let text = "Anys are nested too deeply here for a @type that is not their first member";
        ReadError::new(start, text)
    })?;
    let is_empty = reader.text[start + 1..reader.at - 1].trim_ascii().is_empty();
    match found {
        None if !is_empty => Err(ReadError::new(start, "an Any needs the member @type")),
        found => Ok(found),
    }
}

/// The members `@type` and `value` of a type with a JSON form of its own, or of an unknown one.
fn value_member(reader: &mut Reader<'_>, start: usize, id: Option<MessageId>, is_ahead: bool) -> Result<()> {
    let mut is_first = !is_ahead;
    let mut has_value = false;
    while reader.next_member(b'}', &mut is_first)? {
        let key = reader.key()?;
        match key.bytes(reader) {
            b"@type" if is_ahead => return Err(reader.error("@type is there twice")),
            b"@type" => reader.skip_value()?,
            b"value" if !has_value => {
                has_value = true;
                match id {
                    Some(id) => reader.body(id)?,
                    None => base64_value(reader)?,
                }
            }
            b"value" => return Err(reader.error("value is there twice")),
            _ => return Err(reader.error("an Any of this type has no members but @type and value")),
        }
    }
    if has_value { Ok(()) } else { Err(ReadError::new(start, "an Any of this type needs the member value")) }
}

fn base64_value(reader: &mut Reader<'_>) -> Result<()> {
    if reader.text.get(reader.at) != Some(&b'"') {
        return Err(reader.expected("base64"));
    }
    let text = reader.string()?.bytes(reader).to_vec();
    if decode_base64(&text, reader.out) { Ok(()) } else { Err(reader.error("base64 text is needed")) }
}
