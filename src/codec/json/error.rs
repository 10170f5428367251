//! Why text cannot be turned into a message, or a message into text.

use std::fmt;

use crate::status::details::{FieldViolation, bad_request};
use crate::status::{Code, Status};

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
    pub(in crate::codec) fn push_field(&mut self, name: &str) {
        self.segments.push(Segment::Field(name.into()));
    }

    pub(in crate::codec) fn push_index(&mut self, index: usize) {
        self.segments.push(Segment::Index(index));
    }

    /// A map key; a long one is cut, as it comes from outside.
    pub(in crate::codec) fn push_key(&mut self, key: &[u8]) {
        let key = String::from_utf8_lossy(key.get(..40).unwrap_or(key)).into_owned();
        self.segments.push(Segment::Key(key));
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

/// JSON text that is no message of the type that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    /// The field, as its JSON names spell it; empty for the message itself.
    pub path: Path,
    /// Where in the text, in bytes from its start.
    pub offset: usize,
    pub(super) message: String,
}

impl ReadError {
    pub(super) fn new(offset: usize, message: impl Into<String>) -> Box<Self> {
        Box::new(Self { path: Path::default(), offset, message: message.into() })
    }

    /// What is wrong, as a sentence without place and end point.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}, at byte {}", self.message, self.offset)
    }
}

impl std::error::Error for ReadError {}

impl From<Box<ReadError>> for Status {
    fn from(error: Box<ReadError>) -> Self {
        let violation = FieldViolation {
            field: error.path.to_string(),
            description: format!("{}, at byte {} of the body", error.message, error.offset),
        };
        Self::caller(Code::InvalidArgument, format!("The request body is not valid: {error}."))
            .with_detail(bad_request(vec![violation]))
    }
}

/// Wire bytes that cannot be written as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteError {
    /// The field; empty for the message itself.
    pub path: Path,
    pub(super) message: String,
}

impl WriteError {
    pub(in crate::codec) fn new(message: impl Into<String>) -> Box<Self> {
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

impl From<Box<WriteError>> for Status {
    /// The text for the caller stays general: what a backend sent is for the log.
    fn from(_: Box<WriteError>) -> Self {
        Self::backend(Code::Internal, "The backend answered with a message that cannot be written as JSON.")
            .with_http(502)
    }
}
