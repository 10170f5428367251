//! The address that documents name.

use std::fmt;
use std::path::Path;

use http::Uri;
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
        let refuse = |what: &str| Err(Flaw::new(format!("{} {what}.", quote(text)), HINT));
        let Ok(uri) = text.parse::<Uri>() else { return refuse("is not a URL") };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return refuse("has no scheme");
        };
        if !["http", "https"].contains(&scheme) {
            return refuse("is neither http nor https");
        }
        if authority.as_str().contains('@') {
            return refuse("carries a user name or password");
        }
        let has_port = authority.as_str() != authority.host();
        if authority.host().is_empty() || (has_port && authority.port_u16().is_none()) {
            return refuse("is not a URL");
        }
        if uri.query().is_some() || text.contains('#') {
            return refuse("has more than a path");
        }
        Ok(Self(format!("{scheme}://{authority}{}", uri.path().trim_end_matches('/'))))
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
            ("https://me:pw@a", Err(("`https://me:pw@a` carries a user name or password.", HINT))),
            ("https://a?b", Err(("`https://a?b` has more than a path.", HINT))),
            ("https://a#b", Err(("`https://a#b` has more than a path.", HINT))),
            ("https://a b", Err(("`https://a b` is not a URL.", HINT))),
            ("https://a:99999", Err(("`https://a:99999` is not a URL.", HINT))),
        ]);
    }
}
