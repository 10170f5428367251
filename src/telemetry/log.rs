//! What the log shows, changed while the process runs.

use std::sync::{Mutex, OnceLock, PoisonError};

use tracing_subscriber::EnvFilter;

/// The longest filter that is read, in bytes.
pub const MAX_FILTER: usize = 4096;

type Change = Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>;

static CHANGE: OnceLock<Change> = OnceLock::new();

static CURRENT: Mutex<String> = Mutex::new(String::new());

/// Reads a filter such as `info` or `info,transom::upstream=debug`: levels, for all or for what is below a path of the
/// program. Release builds have no `trace`.
///
/// # Errors
/// Why it is not valid, in sentences.
pub fn parse(text: &str) -> Result<EnvFilter, String> {
    const HINT: &str =
        "Write levels (error, warn, info, debug), such as info or info,transom::upstream=debug.";
    if text.len() > MAX_FILTER {
        return Err(format!("The log filter is longer than {MAX_FILTER} bytes. {HINT}"));
    }
    // Without this, the empty text would turn everything off but errors.
    if text.split(',').all(|part| part.trim().is_empty()) {
        return Err(format!("The log filter is empty. {HINT}"));
    }
    let is_known = |part: &str| {
        let level = part.rsplit_once('=').map_or(part, |(_, level)| level).trim();
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        part.contains('[') || levels.iter().any(|known| known.eq_ignore_ascii_case(level))
    };
    // A word that is no level would be taken for a path: `inof` would show everything below a crate `inof`.
    if let Some(part) = text.split(',').find(|part| !is_known(part)) {
        return Err(format!("{part:?} is not a level, nor a path with one. {HINT}"));
    }
    let text = text.split(',').map(str::trim).collect::<Vec<_>>().join(",");
    EnvFilter::try_new(&text).map_err(|error| format!("{text:?} is not a log filter: {error}. {HINT}"))
}

/// Says how the filter of the log is exchanged, and what it is now. Only the first log of a process counts.
pub fn install(
    current: &EnvFilter,
    change: impl Fn(EnvFilter) -> Result<(), String> + Send + Sync + 'static,
) {
    if CHANGE.set(Box::new(change)).is_ok() {
        note(current);
    }
}

/// The filter that the log has now; empty in a process without a log.
pub fn current() -> String {
    CURRENT.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn note(filter: &EnvFilter) {
    *CURRENT.lock().unwrap_or_else(PoisonError::into_inner) = filter.to_string();
}

/// Shows from now on what this filter lets through.
///
/// # Errors
/// The text is no filter, or the process has no log of its own; in sentences.
pub fn set(text: &str) -> Result<(), String> {
    let filter = parse(text)?;
    let change = CHANGE.get().ok_or("The process has no log whose level could be changed.")?;
    let shown = parse(text)?;
    change(filter)?;
    note(&shown);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_levels_and_paths_with_levels() {
        for text in
            ["info", "WARN", "info,transom::upstream=debug", "off", " info , h2=warn ", "transom[call]=debug"]
        {
            assert!(parse(text).is_ok(), "{text}");
        }
        const HINT: &str =
            "Write levels (error, warn, info, debug), such as info or info,transom::upstream=debug.";
        for (text, expected) in [
            ("", "The log filter is empty."),
            (" ,", "The log filter is empty."),
            ("inof", "\"inof\" is not a level, nor a path with one."),
            ("info,h2=loud", "\"h2=loud\" is not a level, nor a path with one."),
            ("transom::upstream", "\"transom::upstream\" is not a level, nor a path with one."),
        ] {
            assert_eq!(parse(text).unwrap_err(), format!("{expected} {HINT}"));
        }
        assert_eq!(
            parse(&"a".repeat(5000)).unwrap_err(),
            format!("The log filter is longer than 4096 bytes. {HINT}")
        );
    }
}
