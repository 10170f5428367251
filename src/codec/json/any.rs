//! `google.protobuf.Any`: an object whose `@type` says what its other members are.

use super::error::ReadError;
use super::read::{Reader, decode_base64};
use super::scan::Result;
use crate::schema::MessageId;
use crate::wire::WireType;
use crate::wire::writer::{self, Length};

const TYPE_URL: u32 = 1;
const VALUE: u32 = 2;

/// The content of an Any. `{}` is the empty one.
///
/// A message of a type that the schema does not know can be given as it is written: `@type` beside
/// base64 in `value`.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<()> {
    let start = reader.at;
    let Some((offset, url)) = find_type(reader)? else { return Ok(()) };
    let end = std::mem::replace(&mut reader.at, start);
    writer::bytes(reader.out, TYPE_URL, &url);
    let value = reader.out.len();
    writer::tag(reader.out, VALUE, WireType::Len);
    let length = Length::begin(reader.out);
    match message_of(reader, &url) {
        Some(id) if reader.schema.message(id).well_known().is_some() => value_member(reader, Some(id))?,
        Some(id) => reader.object(reader.schema.message(id), true)?,
        None if url.contains(&b'/') => value_member(reader, None).map_err(|mut error| {
            let url = String::from_utf8_lossy(url.get(..200).unwrap_or(&url)).into_owned();
            error.message = format!("the type {url:?} is not known here");
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
    debug_assert_eq!(reader.at, end);
    if reader.out.len() == length.content() {
        reader.out.truncate(value);
    } else {
        length.end(reader.out);
    }
    Ok(())
}

fn message_of(reader: &Reader<'_>, url: &[u8]) -> Option<MessageId> {
    let (_, name) = std::str::from_utf8(url).ok()?.rsplit_once('/')?;
    reader.schema.find_message(name)
}

/// Reads an object through and returns its `@type` and where it stands; none for `{}`.
fn find_type(reader: &mut Reader<'_>) -> Result<Option<(usize, Vec<u8>)>> {
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
            let offset = reader.at;
            if reader.text.get(offset) != Some(&b'"') {
                return Err(reader.expected("a type URL"));
            }
            let url = reader.string()?.bytes(reader).to_vec();
            found = Some((offset, url));
        }
    }
    // Only the first member has been looked for in an object that has none.
    let is_empty = reader.text[start + 1..reader.at - 1].trim_ascii().is_empty();
    match found {
        None if !is_empty => Err(ReadError::new(start, "an Any needs the member @type")),
        found => Ok(found),
    }
}

/// The members `@type` and `value` of a type with a JSON form of its own, or of an unknown one.
fn value_member(reader: &mut Reader<'_>, id: Option<MessageId>) -> Result<()> {
    let start = reader.at;
    let mut is_first = true;
    let mut has_value = false;
    reader.open(b'{', "an object")?;
    while reader.next_member(b'}', &mut is_first)? {
        let key = reader.key()?;
        match key.bytes(reader) {
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
    if decode_base64(&text, reader.out) { Ok(()) } else { Err(reader.error("this is no base64")) }
}
