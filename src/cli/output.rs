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

/// Prints rows with their cells in columns.
pub(super) fn table<R: AsRef<[String]>>(rows: &[R]) {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows.iter().map(R::as_ref) {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in rows.iter().map(R::as_ref) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        line(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
