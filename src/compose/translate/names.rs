//! Paths of fields, as field masks and errors have them: `address.city` where the other message has `city`.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::wire::WireType;
use crate::wire::reader::{Error, Reader};
use crate::wire::writer::{self, Length};

/// The longest path that is looked at, in bytes.
const MAX_PATH: usize = 4096;
/// How many paths one may become.
const MAX_PATHS: usize = 1000;
/// Groups that are skipped may lie so deep in one another.
const GROUPS: usize = 100;

/// What the fields of messages are called on the other side. Scopes refer to one another by their positions.
#[derive(Debug, Default)]
pub struct Names(pub Box<[Scope]>);

/// The fields of a message.
#[derive(Debug, Default)]
pub struct Scope(pub Box<[Renamed]>);

/// A field, or one inside of single messages, that is another one on the other side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renamed {
    /// The names that lead to it.
    pub from: Box<[Name]>,
    /// The names that lead to the other one.
    pub to: Box<[Name]>,
    /// The scope of the message that it holds, where that becomes another one.
    pub inside: Option<usize>,
}

/// The name of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// As the proto file has it.
    pub proto: Box<str>,
    /// As JSON has it.
    pub json: Box<str>,
}

/// The names of one message on the other side.
#[derive(Clone, Debug)]
pub struct Renaming {
    /// All names.
    pub names: Arc<Names>,
    /// The position of the scope of the message.
    pub scope: usize,
    /// Whether a path of a mask that has no counterpart is a mistake. Else it is left out.
    pub is_strict: bool,
}

/// A name in a path, with what stands behind it in brackets.
#[derive(Clone, Copy)]
struct Segment<'p> {
    name: &'p str,
    index: &'p str,
}

impl Name {
    fn is(&self, name: &str) -> bool {
        *self.proto == *name || *self.json == *name
    }
}

/// Why a mask becomes nothing.
#[derive(Debug)]
pub(super) enum MaskError {
    /// It is no mask.
    Wire(Error),
    /// This path has no counterpart.
    Path(String),
    /// It is too long.
    Long,
}

impl From<Error> for MaskError {
    fn from(error: Error) -> Self {
        Self::Wire(error)
    }
}

impl Renaming {
    /// What a google.protobuf.FieldMask becomes, of so many bytes at most: one path may become many.
    pub(super) fn mask(&self, wire: &[u8], length: usize) -> Result<Vec<u8>, MaskError> {
        let mut out = Vec::with_capacity(wire.len());
        let mut reader = Reader::new(wire);
        while !reader.is_at_end() {
            let (number, wire_type) = reader.tag()?;
            if (number, wire_type) != (1, WireType::Len) {
                reader.skip(number, wire_type, GROUPS)?;
                continue;
            }
            let path = String::from_utf8_lossy(reader.bytes()?);
            if path == "*" {
                writer::bytes(&mut out, 1, b"*");
                continue;
            }
            let others = self.all(&path);
            if others.is_empty() && self.is_strict {
                return Err(MaskError::Path(path.chars().take(200).collect()));
            }
            others.iter().for_each(|other| writer::bytes(&mut out, 1, other.as_bytes()));
            if out.len() > length {
                return Err(MaskError::Long);
            }
        }
        Ok(out)
    }

    /// What a `google.rpc.BadRequest` becomes, whose violations name fields. Nothing if it is not valid.
    pub(super) fn violations(&self, wire: &[u8]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(wire.len() + 16);
        each(wire, &mut out, |wire, out| {
            each(wire, out, |path, out| {
                let path = std::str::from_utf8(path).ok();
                let other = path.and_then(|path| self.one(path).or_else(|| Some(path.to_owned())))?;
                out.extend_from_slice(other.as_bytes());
                Some(())
            })
        })?;
        Some(out)
    }

    /// The path on the other side, if there is one.
    pub fn one(&self, path: &str) -> Option<String> {
        self.all(path).into_iter().next()
    }

    /// The paths on the other side: several, where what is in a message is spread over others.
    pub fn all(&self, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        if path.len() <= MAX_PATH
            && let Some(segments) = segments(path)
        {
            self.find(self.scope, &segments, "", &mut found);
        }
        found
    }

    fn find(&self, scope: usize, path: &[Segment<'_>], before: &str, found: &mut Vec<String>) {
        let Some(Scope(entries)) = self.names.0.get(scope) else { return };
        let fits = |entry: &&Renamed| {
            entry.from.len() <= path.len()
                && entry.from.iter().zip(path).all(|(name, segment)| name.is(segment.name))
        };
        let mut ends_inside = true;
        if let Some(entry) = entries.iter().filter(fits).max_by_key(|entry| entry.from.len()) {
            let (known, rest) = path.split_at(entry.from.len());
            let mut other = before.to_owned();
            append(&mut other, entry, known);
            match entry.inside {
                Some(inside) if !rest.is_empty() => self.find(inside, rest, &other, found),
                _ => {
                    for segment in rest {
                        let _ = write!(other, ".{}{}", segment.name, segment.index);
                    }
                    found.push(other);
                }
            }
            ends_inside = rest.is_empty();
        }
        if !ends_inside {
            return;
        }
        // What lies in it may stand elsewhere on the other side.
        let lies_in = |entry: &&Renamed| {
            entry.from.len() > path.len()
                && entry.from.iter().zip(path).all(|(name, segment)| name.is(segment.name))
        };
        for entry in entries.iter().filter(lies_in) {
            if found.len() >= MAX_PATHS {
                return;
            }
            let mut other = before.to_owned();
            append(&mut other, entry, path);
            if !found.contains(&other) {
                found.push(other);
            }
        }
    }
}

/// Appends the names that an entry leads to, spelled as those that were written.
fn append(other: &mut String, entry: &Renamed, written: &[Segment<'_>]) {
    let is_json = entry
        .from
        .iter()
        .zip(written)
        .any(|(name, segment)| *name.json == *segment.name && name.json != name.proto);
    for name in &entry.to {
        if !other.is_empty() {
            other.push('.');
        }
        other.push_str(if is_json { &name.json } else { &name.proto });
    }
    other.push_str(written.last().map_or("", |segment| segment.index));
}

/// The names of a path: `emails[2].address`, `labels["a.b"]`.
fn segments(path: &str) -> Option<Vec<Segment<'_>>> {
    let mut segments = Vec::new();
    let mut rest = path;
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, behind) = rest.split_at(end);
        if name.is_empty() {
            return None;
        }
        let mut index = 0;
        while behind[index..].starts_with('[') {
            index += behind[index..].find(']')? + 1;
        }
        segments.push(Segment { name, index: &behind[..index] });
        match behind[index..].strip_prefix('.') {
            Some(next) => rest = next,
            None if behind[index..].is_empty() => return Some(segments),
            None => return None,
        }
    }
}

/// Copies a message with the contents of its fields number 1 replaced. Nothing if it is not valid, or one is not.
fn each(
    wire: &[u8],
    out: &mut Vec<u8>,
    mut replace: impl FnMut(&[u8], &mut Vec<u8>) -> Option<()>,
) -> Option<()> {
    let mut reader = Reader::new(wire);
    while !reader.is_at_end() {
        let start = reader.position();
        let (number, wire_type) = reader.tag().ok()?;
        if (number, wire_type) == (1, WireType::Len) {
            let content = reader.bytes().ok()?;
            writer::tag(out, 1, WireType::Len);
            let length = Length::begin(out);
            replace(content, out)?;
            length.end(out);
        } else {
            reader.skip(number, wire_type, GROUPS).ok()?;
            out.extend_from_slice(wire.get(start..reader.position())?);
        }
    }
    Some(())
}
