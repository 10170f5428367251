//! Writing to the terminal. A reader that has gone away, as `head` does, is no error.

use std::io::Write;

/// Prints a line to standard output.
pub(super) fn line(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// Prints a line to standard error.
pub(super) fn error(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
