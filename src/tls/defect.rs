//! What is wrong with the files of a TLS configuration.

use std::fmt;

/// One thing that is wrong with a file, in full sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// Which of the files.
    pub part: Part,
    /// Whether the configuration can be used nevertheless.
    pub is_warning: bool,
    /// What is wrong. It names the file.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.message, self.hint)
    }
}

/// A file of a TLS configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The certificate of a pair, counted from 0.
    Certificate(usize),
    /// The key of a pair.
    Key(usize),
    /// The certificates of the authorities that are trusted.
    Authorities,
}

/// What is wrong and what to do, so far without the part that it is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) message: String,
    pub(super) hint: String,
}

impl Flaw {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }

    pub(super) fn error(self, part: Part) -> Defect {
        Defect { part, is_warning: false, message: self.message, hint: self.hint }
    }

    pub(super) fn warning(self, part: Part) -> Defect {
        Defect { is_warning: true, ..self.error(part) }
    }
}

/// Keeps the value of a result, or notes the flaw as an error.
pub(super) fn noted<T>(result: Result<T, Flaw>, part: Part, defects: &mut Vec<Defect>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(flaw) => {
            defects.push(flaw.error(part));
            None
        }
    }
}
