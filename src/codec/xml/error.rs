//! Why XML text cannot be turned into a message.

use std::fmt;

pub(super) use crate::codec::error::shown;
pub use crate::codec::error::{Path, WriteError};
use crate::status::details::{FieldViolation, bad_request};
use crate::status::{Code, Status};

/// XML text that is not well-formed, or no message of the type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// The field, as its JSON names spell it; empty for the message itself, and where the text is no XML.
    pub path: Path,
    /// The innermost element that is open there, as the text spells it; empty outside the root.
    pub element: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The character in the line, counted from 1.
    pub column: usize,
    pub(super) message: String,
}

pub(super) type Result<T> = std::result::Result<T, Box<ReadError>>;

impl ReadError {
    /// An error at a byte of `text`, inside `element`.
    #[cold]
    pub(super) fn new(text: &[u8], at: usize, element: &[u8], message: impl Into<String>) -> Box<Self> {
        let (line, column) = place(text, at);
        Box::new(Self {
            path: Path::default(),
            element: shown(element),
            line,
            column,
            message: message.into(),
        })
    }

    /// What is wrong, as a sentence without place and end point.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What is wrong and where, as a sentence without end point.
    pub fn sentence(&self) -> String {
        let Self { element, line, column, message, .. } = self;
        match &**element {
            "" => format!("{message}, at line {line}, column {column}"),
            element => format!("{message}, in <{element}> at line {line}, column {column}"),
        }
    }
}

/// Line and column of a byte, both counted from 1. Lines end as XML says: with CR LF, LF or CR.
fn place(text: &[u8], at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let (mut line, mut start) = (1, 0);
    for (index, &byte) in before.iter().enumerate() {
        if byte == b'\n' || (byte == b'\r' && text.get(index + 1) != Some(&b'\n')) {
            line += 1;
            start = index + 1;
        }
    }
    let is_character = |byte: &&u8| byte.cast_signed() >= -0x40;
    (line, before[start..].iter().filter(is_character).count() + 1)
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.sentence())
    }
}

impl std::error::Error for ReadError {}

impl From<Box<ReadError>> for Status {
    fn from(error: Box<ReadError>) -> Self {
        let violation = FieldViolation { field: error.path.to_string(), description: error.sentence() };
        Self::caller(Code::InvalidArgument, format!("The request body is not valid: {error}."))
            .with_detail(bad_request(vec![violation]))
    }
}

/// The status for a backend's message that cannot be written as XML. What it sent is for the log.
pub fn unwritable() -> Status {
    Status::backend(Code::Internal, "The backend answered with a message that cannot be written as XML.")
        .with_http(502)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_lines_and_characters() {
        let text = "ab\ncé\r\nde\rf".as_bytes();
        for (at, expected) in [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (6, (2, 3)), (8, (3, 1)), (11, (4, 1))]
        {
            assert_eq!(place(text, at), expected, "{at}");
        }
        assert_eq!(place(text, 99), (4, 2));
    }
}
