//! The values that a file can hold, parsed from their text into types that cannot be wrong.

pub mod address;
pub mod duration;
pub mod glob;
pub mod name;
pub mod path;
pub mod pattern;
pub mod plain;
pub mod size;

/// Runs a table of texts through a parser: what comes out is written back, or the two sentences of
/// the flaw.
#[cfg(test)]
pub(crate) fn check<T: super::settings::Scalar>(table: &[(&str, Result<&str, (&str, &str)>)]) {
    for (text, expected) in table {
        let parsed = T::parse(text, std::path::Path::new("/etc/transom"));
        let parsed = parsed.map(|value| super::schema::plain(&value.to_json()));
        let parsed = parsed.as_ref().map(String::as_str);
        let parsed = parsed.map_err(|flaw| (flaw.message.as_str(), flaw.hint.as_str()));
        assert_eq!(parsed, *expected, "{text:?}");
    }
}
