//! Why JSON text cannot be turned into a message, or a message into JSON text.

use std::fmt;

pub use crate::codec::error::{Path, WriteError};
use crate::status::details::{FieldViolation, bad_request};
use crate::status::{Code, Status};

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

impl From<Box<WriteError>> for Status {
    /// The text for the caller stays general: what a backend sent is for the log.
    fn from(_: Box<WriteError>) -> Self {
        Self::backend(Code::Internal, "The backend answered with a message that cannot be written as JSON.")
            .with_http(502)
    }
}
