//! Names of cookies.

use std::ops::Deref;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::name::is_token;
use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

/// The name of a cookie: a token (RFC 6265 section 4.1.1), 128 bytes at most. Upper and lower case are not the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CookieName(String);

impl Deref for CookieName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Scalar for CookieName {
    const WHAT: &'static str = "the name of a cookie, such as canary";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        if is_token(text) {
            return Ok(Self(text.to_owned()));
        }
        let hint = "Write a name such as canary, in letters, digits, `-` and `_`.";
        Err(Flaw::new(format!("{} is not the name of a cookie.", quote(text)), hint))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$" })
    }

    fn to_json(&self) -> Json {
        self.0.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::check;

    #[test]
    fn cookies_have_names_without_spaces_and_marks() {
        let hint = "Write a name such as canary, in letters, digits, `-` and `_`.";
        check::<CookieName>(&[
            ("transom-canary", Ok("transom-canary")),
            ("__Host-Canary", Ok("__Host-Canary")),
            ("a b", Err(("`a b` is not the name of a cookie.", hint))),
            ("a=b", Err(("`a=b` is not the name of a cookie.", hint))),
            ("a;b", Err(("`a;b` is not the name of a cookie.", hint))),
            ("", Err(("`` is not the name of a cookie.", hint))),
        ]);
    }
}
