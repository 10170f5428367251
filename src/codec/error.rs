//! What errors of all texts have in common: where in a message something is wrong, and why it cannot be written.

use std::fmt;

use crate::wire::reader;

/// How much of a name error texts repeat, in bytes: it comes from the caller.
const MAX_SHOWN: usize = 60;

/// A place in a message, from the outside in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// From the inside out, as errors travel that way.
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Field(String),
    Index(usize),
    Key(String),
}

impl Path {
    pub(super) fn push_field(&mut self, name: &str) {
        self.segments.push(Segment::Field(name.into()));
    }

    pub(super) fn push_index(&mut self, index: usize) {
        self.segments.push(Segment::Index(index));
    }

    /// A map key; a long one is cut, as it comes from outside.
    pub(super) fn push_key(&mut self, key: &[u8]) {
        self.segments.push(Segment::Key(cut(key, 40)));
    }

    /// Whether it is the message itself.
    pub const fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }
}

/// A path with more segments than twice this is shown without its middle.
const SHOWN_ENDS: usize = 8;

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left_out = SHOWN_ENDS..self.segments.len().saturating_sub(SHOWN_ENDS).max(SHOWN_ENDS);
        for (index, segment) in self.segments.iter().rev().enumerate() {
            match segment {
                _ if left_out.contains(&index) => {
                    if index == left_out.start {
                        f.write_str("[…]")?;
                    }
                }
                Segment::Field(name) if index > 0 && !name.starts_with('[') => write!(f, ".{name}")?,
                Segment::Field(name) => f.write_str(name)?,
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => write!(f, "[{key:?}]")?,
            }
        }
        Ok(())
    }
}

/// Wire bytes that cannot be written as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteError {
    /// The field; empty for the message itself.
    pub path: Path,
    message: String,
}

impl WriteError {
    pub(super) fn new(message: impl Into<String>) -> Box<Self> {
        Box::new(Self { path: Path::default(), message: message.into() })
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for WriteError {}

impl From<reader::Error> for Box<WriteError> {
    #[cold]
    fn from(error: reader::Error) -> Self {
        WriteError::new(format!("this is no valid protobuf: {error}"))
    }
}

/// A name of the caller's for an error text: it is cut.
pub(super) fn shown(text: &[u8]) -> String {
    cut(text, MAX_SHOWN)
}

/// The text, or what of it fits into so many bytes.
pub(super) fn cut(text: &[u8], most: usize) -> String {
    let mut shown = String::from_utf8_lossy(text.get(..most).unwrap_or(text)).into_owned();
    if text.len() > most {
        // Half a character may be left.
        while shown.ends_with(char::REPLACEMENT_CHARACTER) {
            shown.pop();
        }
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut() {
        assert_eq!(shown(b"title"), "title");
        assert_eq!(shown(&"é".repeat(31).into_bytes()), format!("{}…", "é".repeat(30)));
        assert_eq!(shown(&format!("a{}", "é".repeat(31)).into_bytes()), format!("a{}…", "é".repeat(29)));
    }
}
