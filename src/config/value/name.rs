//! Names: gRPC methods, HTTP verbs, metadata keys.

use std::fmt;
use std::ops::Deref;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

/// Whether a text is a full protobuf name: identifiers joined by dots, 512 bytes at most.
pub(crate) fn is_full_name(text: &str) -> bool {
    text.len() <= 512
        && text.split('.').all(|part| {
            part.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
}

/// Whether a text is a token of RFC 9110 section 5.6.2, 128 bytes at most.
pub(super) fn is_token(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// A gRPC method: `package.Service/Method`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MethodName {
    /// The full name of the service.
    pub service: String,
    /// The name of the method within it.
    pub method: String,
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.method)
    }
}

impl Scalar for MethodName {
    const WHAT: &'static str = "a method such as shop.v1.Orders/GetOrder";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let with = |(service, method): (&str, &str)| {
            let fits = is_full_name(service) && is_full_name(method) && !method.contains('.');
            fits.then(|| Self { service: service.to_owned(), method: method.to_owned() })
        };
        if let Some(name) = text.split_once('/').and_then(with) {
            return Ok(name);
        }
        let text_without = text.trim_start_matches('/');
        let meant = text_without.split_once('/').or_else(|| text_without.rsplit_once('.')).and_then(with);
        let hint = match meant {
            Some(meant) => format!("Did you mean `{meant}`?"),
            None => "Write package.Service/Method, for example shop.v1.Orders/GetOrder.".to_owned(),
        };
        Err(Flaw::new(format!("{} is not the full name of a method.", quote(text)), hint))
    }

    fn schema() -> Json {
        let name = "[A-Za-z_][A-Za-z0-9_]*";
        json!({ "type": "string", "pattern": format!("^{name}(\\.{name})*/{name}$") })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

/// The verb of a route: a token such as `GET`, or `*` for every verb.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Every verb but TRACE and CONNECT; a route with the verb itself goes first.
    Any,
    /// This verb. Verbs are case-sensitive (RFC 9110 section 9.1).
    Is(String),
}

impl Scalar for Verb {
    const WHAT: &'static str = "an HTTP method such as GET, or \"*\"";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        const USUAL: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        const HINT: &str = "Write a method such as GET or POST, or \"*\" for all.";
        let upper = text.to_ascii_uppercase();
        if text == "*" {
            return Ok(Self::Any);
        }
        if matches!(upper.as_str(), "TRACE" | "CONNECT") {
            return Err(Flaw::new(format!("Transom never serves the HTTP method {upper}."), HINT));
        }
        if text != upper && USUAL.contains(&upper.as_str()) {
            let message = format!("{} is not an HTTP method: they are written in capitals.", quote(text));
            return Err(Flaw::new(message, format!("Did you mean `{upper}`?")));
        }
        if !is_token(text) {
            return Err(Flaw::new(format!("{} is not an HTTP method.", quote(text)), HINT));
        }
        Ok(Self::Is(text.to_owned()))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" })
    }

    fn to_json(&self) -> Json {
        match self {
            Self::Any => "*".into(),
            Self::Is(verb) => verb.as_str().into(),
        }
    }
}

const KEY_HINT: &str = "Write a name such as x-tenant, in letters, digits, `-`, `_` and `.`.";

/// A request header that goes upstream as metadata, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestKey(String);

/// A metadata key of the backend that goes to the caller as a response header, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ResponseKey(String);

impl RequestKey {
    /// A name that is known to be right.
    pub(in crate::config) fn fixed(name: &'static str) -> Self {
        Self(name.to_owned())
    }
}

impl Deref for RequestKey {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Deref for ResponseKey {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Scalar for RequestKey {
    const WHAT: &'static str = "the name of a header, such as x-tenant";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        key(text, false).map(Self)
    }

    fn schema() -> Json {
        key_schema()
    }

    fn to_json(&self) -> Json {
        self.0.as_str().into()
    }
}

impl Scalar for ResponseKey {
    const WHAT: &'static str = "the name of a metadata key, such as x-cost";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        key(text, true).map(Self)
    }

    fn schema() -> Json {
        key_schema()
    }

    fn to_json(&self) -> Json {
        self.0.as_str().into()
    }
}

/// The name of a cookie: a token (RFC 6265 section 4.1.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CookieName(String);

impl Deref for CookieName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Scalar for CookieName {
    const WHAT: &'static str = "the name of a cookie, such as session";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        if is_token(text) {
            return Ok(Self(text.to_owned()));
        }
        let hint = "Write its name alone, such as session, without `=` and spaces.";
        Err(Flaw::new(format!("{} is not the name of a cookie.", quote(text)), hint))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$" })
    }

    fn to_json(&self) -> Json {
        self.0.as_str().into()
    }
}

/// Where a field of a message is: the names of fields, joined by dots, each but the last that of a message in the one
/// before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FieldNames(String);

/// How many names there may be.
pub const MAX_FIELD_NAMES: usize = 8;

impl Deref for FieldNames {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Scalar for FieldNames {
    const WHAT: &'static str = "a field of the request, such as user_id or user.id";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        if is_full_name(text) && text.split('.').count() <= MAX_FIELD_NAMES {
            return Ok(Self(text.to_owned()));
        }
        let hint = format!(
            "Write names as the proto file does, such as user_id, or user.id for one inside another; {MAX_FIELD_NAMES} at \
             most."
        );
        Err(Flaw::new(format!("{} is not a field of a message.", quote(text)), hint))
    }

    fn schema() -> Json {
        let name = "[A-Za-z_][A-Za-z0-9_]*";
        json!({ "type": "string", "pattern": format!("^{name}(\\.{name}){{0,7}}$") })
    }

    fn to_json(&self) -> Json {
        self.0.as_str().into()
    }
}

fn key_schema() -> Json {
    json!({ "type": "string", "pattern": "^[0-9A-Za-z_.-]+$" })
}

/// A legal key of gRPC metadata (`Header-Name` of the gRPC HTTP/2 protocol) that may cross.
fn key(text: &str, response: bool) -> Result<String, Flaw> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if !(1..=128).contains(&text.len()) || !text.bytes().all(legal) {
        return Err(Flaw::new(format!("{} is not a metadata key.", quote(text)), KEY_HINT));
    }
    let name = text.to_ascii_lowercase();
    if never_crosses(&name, response) {
        let message = format!("`{name}` never crosses: it belongs to the connection or to the protocol.");
        return Err(Flaw::new(message, "Remove it, or let the backend use a name of its own."));
    }
    Ok(name)
}

/// Hop-by-hop fields (RFC 9110 section 7.6.1), proxy credentials, what gRPC reserves and what HTTP sets
/// by itself; towards the caller also what only Transom may say about content, origins and security.
fn never_crosses(name: &str, response: bool) -> bool {
    const NAMES: [&str; 10] = [
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "expect",
        "user-agent",
        "content-length",
    ];
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    NAMES.contains(&name)
        || starts(&["grpc-", "proxy-"])
        || matches!(name, "content-type" | "content-encoding")
        || response && starts(&["content-", "access-control-", "strict-"])
}

#[cfg(test)]
mod tests {
    use super::{CookieName, FieldNames, KEY_HINT, MethodName, RequestKey, ResponseKey, Verb};
    use crate::config::value::check;

    #[test]
    fn methods() {
        let hint = "Write package.Service/Method, for example shop.v1.Orders/GetOrder.";
        check::<MethodName>(&[
            ("shop.v1.Orders/GetOrder", Ok("shop.v1.Orders/GetOrder")),
            ("Greeter/SayHello", Ok("Greeter/SayHello")),
            (
                "/shop.Orders/Get",
                Err((
                    "`/shop.Orders/Get` is not the full name of a method.",
                    "Did you mean `shop.Orders/Get`?",
                )),
            ),
            (
                "shop.Orders.Get",
                Err((
                    "`shop.Orders.Get` is not the full name of a method.",
                    "Did you mean `shop.Orders/Get`?",
                )),
            ),
            ("shop.Orders/", Err(("`shop.Orders/` is not the full name of a method.", hint))),
            ("a/b/c", Err(("`a/b/c` is not the full name of a method.", hint))),
            ("", Err(("`` is not the full name of a method.", hint))),
        ]);
    }

    #[test]
    fn verbs() {
        let hint = "Write a method such as GET or POST, or \"*\" for all.";
        check::<Verb>(&[
            ("GET", Ok("GET")),
            ("*", Ok("*")),
            ("Purge", Ok("Purge")),
            (
                "get",
                Err(("`get` is not an HTTP method: they are written in capitals.", "Did you mean `GET`?")),
            ),
            ("CONNECT", Err(("Transom never serves the HTTP method CONNECT.", hint))),
            ("trace", Err(("Transom never serves the HTTP method TRACE.", hint))),
            ("GET POST", Err(("`GET POST` is not an HTTP method.", hint))),
            ("", Err(("`` is not an HTTP method.", hint))),
        ]);
    }

    #[test]
    fn metadata_keys() {
        let hint = "Remove it, or let the backend use a name of its own.";
        let never =
            |name: &str| format!("`{name}` never crosses: it belongs to the connection or to the protocol.");
        for name in ["connection", "te", "grpc-timeout", "proxy-authorization", "host", "content-type"] {
            check::<RequestKey>(&[(name, Err((&never(name), hint)))]);
            check::<ResponseKey>(&[(name, Err((&never(name), hint)))]);
        }
        for name in ["content-disposition", "access-control-allow-origin", "strict-transport-security"] {
            check::<RequestKey>(&[(name, Ok(name))]);
            check::<ResponseKey>(&[(name, Err((&never(name), hint)))]);
        }
        check::<ResponseKey>(&[("Set-Cookie", Ok("set-cookie")), ("location", Ok("location"))]);
        check::<RequestKey>(&[
            ("X-Tenant", Ok("x-tenant")),
            ("x tenant", Err(("`x tenant` is not a metadata key.", KEY_HINT))),
            (":path", Err(("`:path` is not a metadata key.", KEY_HINT))),
            ("", Err(("`` is not a metadata key.", KEY_HINT))),
        ]);
    }

    #[test]
    fn cookies_and_fields() {
        let cookie = "Write its name alone, such as session, without `=` and spaces.";
        check::<CookieName>(&[
            ("session", Ok("session")),
            ("__Host-id", Ok("__Host-id")),
            ("session=1", Err(("`session=1` is not the name of a cookie.", cookie))),
            ("", Err(("`` is not the name of a cookie.", cookie))),
        ]);
        let field = "Write names as the proto file does, such as user_id, or user.id for one inside another; 8 at most.";
        check::<FieldNames>(&[
            ("user_id", Ok("user_id")),
            ("user.id", Ok("user.id")),
            ("a.b.c.d.e.f.g.h", Ok("a.b.c.d.e.f.g.h")),
            ("a.b.c.d.e.f.g.h.i", Err(("`a.b.c.d.e.f.g.h.i` is not a field of a message.", field))),
            ("user..id", Err(("`user..id` is not a field of a message.", field))),
            ("{user_id}", Err(("`{user_id}` is not a field of a message.", field))),
            ("", Err(("`` is not a field of a message.", field))),
        ]);
    }
}
