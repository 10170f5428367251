//! Where issuers and those who know tokens are asked.

use std::fmt;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::path::FilePath;
use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str = "Write a URL, such as https://id.example/introspect.";
const KEYS_HINT: &str = "Write a URL, such as https://id.example/jwks.json, or file:PATH.";

/// A URL of `https` or `http`, with a path and a query if it has one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint(String);

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Endpoint {
    fn read(text: &str, hint: &str) -> Result<Self, Flaw> {
        super::url::read(text, hint)?;
        if text.contains('#') {
            return Err(Flaw::new(format!("{} is not a URL.", quote(text)), hint));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Scalar for Endpoint {
    const WHAT: &'static str = "a URL such as https://id.example/introspect";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        Self::read(text, HINT)
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^@#\\s]+$" })
    }

    fn to_json(&self) -> Json {
        self.0.as_str().into()
    }
}

/// Where a set of keys is: a URL, or `file:PATH`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KeysAt {
    /// At this URL.
    Url(Endpoint),
    /// In this file.
    File(FilePath),
}

impl Scalar for KeysAt {
    const WHAT: &'static str = "a URL such as https://id.example/jwks.json, or file:PATH";

    fn parse(text: &str, base: &Path) -> Result<Self, Flaw> {
        match text.strip_prefix("file:") {
            Some(path) => FilePath::parse(path, base).map(Self::File),
            None => Endpoint::read(text, KEYS_HINT).map(Self::Url),
        }
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^(file:.+|[Hh][Tt][Tt][Pp][Ss]?://[^@#\\s]+)$" })
    }

    fn to_json(&self) -> Json {
        match self {
            Self::Url(url) => url.to_string().into(),
            Self::File(path) => format!("file:{}", path.written_as()).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, HINT, KEYS_HINT, KeysAt};
    use crate::config::value::check;

    #[test]
    fn endpoints() {
        check::<Endpoint>(&[
            ("https://id.example/introspect?x=1", Ok("https://id.example/introspect?x=1")),
            ("http://[::1]:8080", Ok("http://[::1]:8080")),
            ("id.example", Err(("`id.example` has no scheme.", HINT))),
            ("ftp://id.example", Err(("`ftp://id.example` is neither http nor https.", HINT))),
            ("https://me:pw@a", Err(("A URL cannot carry a user name or password here.", HINT))),
            ("https://a/#b", Err(("`https://a/#b` is not a URL.", HINT))),
            ("https://a:99999", Err(("`https://a:99999` is not a URL.", HINT))),
        ]);
    }

    #[test]
    fn places_of_keys() {
        let path = "Write a path; a relative one begins at the directory of this file.";
        check::<KeysAt>(&[
            ("https://id.example/jwks.json", Ok("https://id.example/jwks.json")),
            ("file:jwks.json", Ok("file:jwks.json")),
            ("file:", Err(("The path is empty or holds a zero byte.", path))),
            ("jwks.json", Err(("`jwks.json` has no scheme.", KEYS_HINT))),
        ]);
    }
}
