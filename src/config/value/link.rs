//! Where people can read about something: `https://shop.example/migrate`.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::url;
use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str = "Write https://shop.example/migrate, or a path on the same host such as /docs/migrate.";
/// In bytes.
const MAX_LENGTH: usize = 2048;

/// Where something can be read: a URL, or a path on the same host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link(String);

impl Link {
    /// The URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Scalar for Link {
    const WHAT: &'static str = "a URL such as https://shop.example/migrate";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        // It stands between angle brackets in a header.
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"<>\"\\^`{|}".contains(&byte);
        let is_path = text.starts_with('/') && !text.starts_with("//");
        if text.len() > MAX_LENGTH || !text.bytes().all(is_plain) {
            return Err(Flaw::new(format!("{} is not a URL.", quote(text)), HINT));
        }
        if !is_path {
            url::read(text, HINT)?;
        }
        Ok(Self(text.to_owned()))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^([Hh][Tt][Tt][Pp][Ss]?://|/)[^<>\\s]*$" })
    }

    fn to_json(&self) -> Json {
        self.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::{HINT, Link};
    use crate::config::value::check;

    #[test]
    fn links() {
        check::<Link>(&[
            ("https://shop.example/migrate?a=b#c", Ok("https://shop.example/migrate?a=b#c")),
            ("/docs", Ok("/docs")),
            ("//evil.example", Err(("`//evil.example` has no scheme.", HINT))),
            ("shop.example", Err(("`shop.example` has no scheme.", HINT))),
            ("ftp://a", Err(("`ftp://a` is neither http nor https.", HINT))),
            ("https://a/>b", Err(("`https://a/>b` is not a URL.", HINT))),
            ("https://a/ b", Err(("`https://a/ b` is not a URL.", HINT))),
            ("https://me:pw@a", Err(("A URL cannot carry a user name or password here.", HINT))),
        ]);
    }
}
