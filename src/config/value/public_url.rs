//! The address that documents name.

use std::fmt;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str = "Write the address at which callers reach Transom, and a path if a proxy in front adds one: \
                    https://api.example, https://example.com/api.";

/// Where callers reach Transom: `http` or `https`, a host, and a path before those of Transom if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(String);

impl PublicUrl {
    /// The URL, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Scalar for PublicUrl {
    const WHAT: &'static str = "a URL such as https://api.example";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let uri = super::url::read(text, HINT)?;
        if uri.query().is_some() || text.contains('#') {
            return Err(Flaw::new(format!("{} has more than a path.", quote(text)), HINT));
        }
        let origin = uri.scheme_str().zip(uri.authority());
        let origin = origin.map(|(scheme, authority)| format!("{scheme}://{authority}")).unwrap_or_default();
        Ok(Self(origin + uri.path().trim_end_matches('/')))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://[^@?#\\s]+$" })
    }

    fn to_json(&self) -> Json {
        self.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::{HINT, PublicUrl};
    use crate::config::value::check;

    #[test]
    fn public_urls() {
        check::<PublicUrl>(&[
            ("https://api.example", Ok("https://api.example")),
            ("HTTP://api.example:8080/", Ok("http://api.example:8080")),
            ("https://example.com/api/", Ok("https://example.com/api")),
            ("http://[::1]:8080", Ok("http://[::1]:8080")),
            ("api.example", Err(("`api.example` has no scheme.", HINT))),
            ("/api", Err(("`/api` has no scheme.", HINT))),
            ("ftp://api.example", Err(("`ftp://api.example` is neither http nor https.", HINT))),
            ("https://me:pw@a", Err(("A URL cannot carry a user name or password here.", HINT))),
            ("https://a?b", Err(("`https://a?b` has more than a path.", HINT))),
            ("https://a#b", Err(("`https://a#b` has more than a path.", HINT))),
            ("https://a b", Err(("`https://a b` is not a URL.", HINT))),
            ("https://a:99999", Err(("`https://a:99999` is not a URL.", HINT))),
        ]);
    }
}
