//! The values that a file can hold, parsed from their text into types that cannot be wrong.

pub mod address;
pub mod collector;
pub mod counted;
pub mod duration;
pub mod endpoint;
pub mod flow;
pub mod glob;
pub mod moment;
pub mod name;
pub mod network;
pub mod origin;
pub mod path;
pub mod pattern;
pub mod percent;
pub mod plain;
pub mod public_url;
pub mod range;
pub mod rate;
pub mod redis_url;
pub mod secret;
pub mod size;
mod url;

/// What a text becomes: a value, as it is written back, or the message and the hint of a flaw.
#[cfg(test)]
type Outcome<'t> = Result<&'t str, (&'t str, &'t str)>;

/// Runs a table of texts through a parser.
#[cfg(test)]
pub(crate) fn check<T: super::settings::Scalar>(table: &[(&str, Outcome<'_>)]) {
    for (text, expected) in table {
        let parsed = T::parse(text, std::path::Path::new("/etc/transom"));
        let parsed = parsed.map(|value| super::schema::plain(&value.to_json()));
        let parsed = parsed.as_ref().map(String::as_str);
        let parsed = parsed.map_err(|flaw| (flaw.message.as_str(), flaw.hint.as_str()));
        assert_eq!(parsed, *expected, "{text:?}");
    }
}
