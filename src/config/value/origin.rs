//! Origins of the web.

use std::fmt;
use std::path::Path;

use http::Uri;
use serde_json::{Value as Json, json};

use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

/// Who may call from a browser: an origin as browsers send it (`scheme://host` and a port that is not the scheme's
/// own, RFC 6454 section 6.2), or `*` for everybody.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Every origin.
    Any,
    /// One, in lower case and without a slash at the end.
    Exact(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(origin) => f.write_str(origin),
        }
    }
}

impl Scalar for Origin {
    const WHAT: &'static str = "an origin such as https://shop.example";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        if text == "*" {
            return Ok(Self::Any);
        }
        match serialized(text) {
            Some(origin) if origin == text => Ok(Self::Exact(origin)),
            Some(origin) => Err(Flaw::new(
                format!("{} is not how browsers write this origin.", quote(text)),
                format!("Did you mean `{origin}`?"),
            )),
            None => Err(Flaw::new(
                format!("{} is not an origin.", quote(text)),
                "Write a scheme and a host, and a port if it is not the scheme's own: https://shop.example, \
                 http://localhost:3000; or \"*\" for all.",
            )),
        }
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^(\\*|[a-z][a-z0-9+.-]*://[^/?#@]+)$" })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

/// The origin of a URL as browsers send it.
fn serialized(text: &str) -> Option<String> {
    let uri: Uri = text.to_ascii_lowercase().parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?);
    let host = authority.host();
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    let port = authority.as_str().strip_prefix(host)?;
    let has_bad_port = !port.is_empty() && authority.port_u16().is_none();
    if host.is_empty() || !host.bytes().all(is_host) || has_bad_port {
        return None;
    }
    let own = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    Some(match authority.port_u16().filter(|port| Some(*port) != own) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::check;

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        let other = |text: &str| format!("`{text}` is not how browsers write this origin.");
        let none = |text: &str| format!("`{text}` is not an origin.");
        let hint = "Write a scheme and a host, and a port if it is not the scheme's own: https://shop.example, \
                    http://localhost:3000; or \"*\" for all.";
        let meant = "Did you mean `https://shop.example`?";
        check::<Origin>(&[
            ("*", Ok("*")),
            ("https://shop.example", Ok("https://shop.example")),
            ("http://localhost:3000", Ok("http://localhost:3000")),
            ("http://[::1]:8080", Ok("http://[::1]:8080")),
            ("https://shop.example/", Err((&other("https://shop.example/"), meant))),
            ("https://Shop.Example", Err((&other("https://Shop.Example"), meant))),
            ("https://shop.example:443", Err((&other("https://shop.example:443"), meant))),
            ("https://shop.example/path?x", Err((&other("https://shop.example/path?x"), meant))),
            ("shop.example", Err((&none("shop.example"), hint))),
            ("https://user@shop.example", Err((&none("https://user@shop.example"), hint))),
            ("null", Err((&none("null"), hint))),
            ("https://*.shop.example:x", Err((&none("https://*.shop.example:x"), hint))),
        ]);
    }
}
