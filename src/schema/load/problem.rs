//! What is wrong with a descriptor set.

use std::fmt;

/// Enough to see what is wrong; one missing import can cause thousands.
const MAX_PROBLEMS: usize = 100;

/// One thing that is wrong with a descriptor set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The proto file's name, empty where the set itself is broken.
    pub file: String,
    /// The full name of the message, field, enum, service or method; may be empty.
    pub element: String,
    /// What is wrong, as a sentence without the end point.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.file, &self.element] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.message)
    }
}

/// Why a descriptor set cannot be loaded: every problem found, a hundred at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// The problems in the order of the files.
    pub problems: Vec<Problem>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// Problems while they are collected.
#[derive(Default)]
pub(super) struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn add(&mut self, file: &str, element: &str, message: impl Into<String>) {
        if self.0.len() < MAX_PROBLEMS {
            self.0.push(Problem { file: file.into(), element: element.into(), message: message.into() });
        }
    }

    pub(super) fn into_result(self) -> Result<(), LoadError> {
        if self.0.is_empty() { Ok(()) } else { Err(LoadError { problems: self.0 }) }
    }
}
