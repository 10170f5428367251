//! Messages in pieces, made whole.
//!
//! Protobuf lets a singular message come in pieces, which a parser merges, and [binding](super::binding) writes
//! path, query and body as such pieces. Not every parser keeps to that: protobuf.js before version 8, with which
//! gRPC on Node.js loads its protos, takes the last piece for all, and gogo's does so within a oneof. So what
//! goes to a backend is joined first.

use std::ops::Range;

use super::field_path::message_of;
use crate::schema::message::Message;
use crate::schema::{MessageId, Schema};
use crate::wire::WireType;
use crate::wire::reader::{Error, Reader};
use crate::wire::writer;

/// Joins the pieces of each singular message, however deep they lie in one another. The message means the same
/// after as before; one without pieces is given back as it is.
///
/// # Errors
/// When `wire` is no valid protobuf, or pieces lie more than `depth` messages deep.
pub(super) fn join(schema: &Schema, id: MessageId, wire: Vec<u8>, depth: usize) -> Result<Vec<u8>, Error> {
    let message = schema.message(id);
    let pieces = find(message, &wire, depth)?;
    if !pieces.are_many {
        return Ok(wire);
    }
    let mut out = Vec::with_capacity(wire.len());
    write(schema, message, &wire, &pieces, depth, &mut out)?;
    Ok(out)
}

/// A field that holds a single message, as it was found.
struct Piece<'w> {
    position: usize,
    /// Where the field lies, with its tag.
    place: Range<usize>,
    content: &'w [u8],
}

struct Pieces<'w> {
    /// In the order of the wire, without those that another member of their oneof has replaced.
    list: Vec<Piece<'w>>,
    /// Whether a field is there more than once.
    are_many: bool,
}

fn find<'w>(message: &Message, wire: &'w [u8], depth: usize) -> Result<Pieces<'w>, Error> {
    let fields = message.fields();
    let mut pieces = Pieces { list: Vec::new(), are_many: false };
    let mut reader = Reader::new(wire);
    while !reader.is_at_end() {
        let start = reader.position();
        let (number, wire_type) = reader.tag()?;
        let mut value = reader;
        reader.skip(number, wire_type, depth)?;
        let Some(position) = message.field_by_number(number) else { continue };
        if let Some(oneof) = fields[position].oneof() {
            let stays = |other: usize| other == position || fields[other].oneof() != Some(oneof);
            pieces.list.retain(|piece| stays(piece.position));
        }
        if message_of(&fields[position]).is_none() {
            continue;
        }
        let content = match wire_type {
            WireType::Len => value.nested()?,
            WireType::StartGroup => value.group(number, depth)?,
            _ => continue,
        };
        let content = &content.wire()[content.position()..];
        pieces.are_many |= pieces.list.iter().any(|piece| piece.position == position);
        pieces.list.push(Piece { position, place: start..reader.position(), content });
    }
    Ok(pieces)
}

/// Appends a message with each field that is there more than once in the place of its last piece.
fn write(
    schema: &Schema,
    message: &Message,
    wire: &[u8],
    pieces: &Pieces<'_>,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let depth = depth.checked_sub(1).ok_or(Error::TOO_DEEP)?;
    let mut copied = 0;
    for (index, piece) in pieces.list.iter().enumerate() {
        let is_same = |other: &&Piece<'_>| other.position == piece.position;
        let is_last = !pieces.list[index + 1..].iter().any(|other| is_same(&other));
        if is_last && !pieces.list[..index].iter().any(|other| is_same(&other)) {
            continue;
        }
        out.extend_from_slice(&wire[copied..piece.place.start]);
        copied = piece.place.end;
        let field = &message.fields()[piece.position];
        if let Some(inner) = message_of(field).filter(|_| is_last) {
            let all: Vec<&[u8]> = pieces.list.iter().filter(is_same).map(|piece| piece.content).collect();
            let content = join(schema, inner, all.concat(), depth)?;
            if field.is_delimited() {
                writer::tag(out, field.number(), WireType::StartGroup);
                out.extend_from_slice(&content);
                writer::tag(out, field.number(), WireType::EndGroup);
            } else {
                writer::bytes(out, field.number(), &content);
            }
        }
    }
    out.extend_from_slice(&wire[copied..]);
    Ok(())
}
