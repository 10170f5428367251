//! Where Redis or Valkey is.
//!
//! ```text
//! url = ("redis" | "rediss") "://" [login "@"] server ["/" [database]]
//!     | ("redis" | "rediss") "+sentinel://" [login "@"] server *("," server) "/" master ["/" database]
//! login = [user] [":" password]        server = host [":" port]
//! ```
//!
//! `rediss` is with TLS. What a login has beside letters, digits and `-._~` may be percent-encoded. The name of a user and
//! the password are those of the server, never of sentinels.

use std::fmt;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::address::host_and_port;
use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str =
    "Write redis://HOST:6379, with rediss:// for TLS, or redis+sentinel://HOST:26379,HOST:26379/NAME.";

/// A server: a host, and a port if it is not the usual one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// A name or an IP address; IPv6 without brackets.
    pub host: String,
    /// The port, never 0.
    pub port: Option<u16>,
}

/// Where Redis or Valkey is.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    /// Whether it is reached by TLS.
    pub is_secure: bool,
    /// The user, where it is not the default one.
    pub user: Option<String>,
    /// The password. It is not shown.
    pub password: Option<String>,
    /// The server, or the sentinels. There is at least one.
    pub servers: Vec<Server>,
    /// The name of what the sentinels watch, if these are sentinels.
    pub master: Option<String>,
    /// The number of the database.
    pub database: Option<u32>,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl Scalar for Server {
    const WHAT: &'static str = "a host and a port such as redis-1.internal:6379";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        server(text)
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^([^:/@,\\s]+|\\[[0-9A-Fa-f:.]+\\])(:[0-9]+)?$" })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

/// Without the password.
impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, kind) = (if self.is_secure { "rediss" } else { "redis" }, self.master.as_ref());
        write!(f, "{scheme}{}://", if kind.is_some() { "+sentinel" } else { "" })?;
        match (&self.user, &self.password) {
            (None, None) => {}
            (user, password) => {
                let password = if password.is_some() { ":..." } else { "" };
                write!(f, "{}{password}@", user.as_deref().unwrap_or_default())?;
            }
        }
        for (index, server) in self.servers.iter().enumerate() {
            write!(f, "{}{server}", if index == 0 { "" } else { "," })?;
        }
        kind.map_or(Ok(()), |master| write!(f, "/{master}"))?;
        self.database.map_or(Ok(()), |database| write!(f, "/{database}"))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisUrl({self})")
    }
}

impl Scalar for RedisUrl {
    const WHAT: &'static str = "a URL such as redis://127.0.0.1:6379";

    // No message repeats what stands before the `@`: it may be a password.
    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let refuse = |message: String| Err(Flaw::new(message, HINT));
        let Some((scheme, rest)) = text.split_once("://") else {
            let is_server = !text.contains('@') && server(text).is_ok();
            let hint = if is_server { format!("Did you mean `redis://{text}`?") } else { HINT.to_owned() };
            return Err(Flaw::new("This is no URL of Redis: it has no scheme.", hint));
        };
        let (is_secure, has_sentinels) = match scheme.to_ascii_lowercase().as_str() {
            "redis" => (false, false),
            "rediss" => (true, false),
            "redis+sentinel" => (false, true),
            "rediss+sentinel" => (true, true),
            _ if scheme.contains('@') => return refuse("This is no URL of Redis.".to_owned()),
            _ => return refuse(format!("{} is not a scheme of Redis.", quote(&format!("{scheme}://")))),
        };
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        if let Some(at) = rest.find(['?', '#']) {
            return refuse(format!("A URL of Redis has nothing like {}.", quote(&rest[at..])));
        }
        let mut parts = rest.split('/');
        let servers = parts.next().unwrap_or_default();
        let servers: Vec<_> = servers.split(',').map(server).collect::<Result<_, _>>()?;
        if servers.len() > 1 && !has_sentinels {
            let hint = "Write redis+sentinel://... if these are sentinels. The servers of a cluster are listed under \
                        `cluster: [HOST:PORT, HOST:PORT]`.";
            return Err(Flaw::new("This URL of Redis names several servers.", hint));
        }
        let master = if has_sentinels { Some(parts.next().unwrap_or_default().to_owned()) } else { None };
        if master.as_deref() == Some("") {
            return refuse("The URL does not say what the sentinels watch.".to_owned());
        }
        let database = match (parts.next().filter(|text| !text.is_empty()), parts.next()) {
            (None, None) => None,
            (Some(text), None) => {
                match text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit())) {
                    Some(number) => Some(number),
                    None => return refuse(format!("{} is not the number of a database.", quote(text))),
                }
            }
            _ => return refuse("The URL has more than a database after its server.".to_owned()),
        };
        let (user, password) = credentials(login.unwrap_or_default())?;
        Ok(Self { is_secure, user, password, servers, master, database })
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[Rr][Ee][Dd][Ii][Ss][Ss]?(\\+[Ss][Ee][Nn][Tt][Ii][Nn][Ee][Ll])?://.+$" })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

fn server(text: &str) -> Result<Server, Flaw> {
    if text.contains(['/', '@']) {
        let hint = "Write a host and a port alone, such as redis-1.internal:6379. TLS, user and password are said beside.";
        return Err(Flaw::new("A server is written without a scheme, a user and a path.", hint));
    }
    host_and_port(text).map(|(host, port)| Server { host, port }).map_err(|mut flaw| {
        "Write a host, and a port from 1 to 65535 if it is not the usual one: redis-1.internal:6379, [::1]:6379."
            .clone_into(&mut flaw.hint);
        flaw
    })
}

/// The user and the password before the `@`.
fn credentials(login: &str) -> Result<(Option<String>, Option<String>), Flaw> {
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password)),
        None => (login, None),
    };
    let decoded = |text: &str| {
        unescaped(text).ok_or_else(|| {
            let hint = "Write `%` and other signs percent-encoded, as %25 for `%`; or name the place of the password: \
                        `redis: {url: redis://HOST:6379, password: file:PATH}`.";
            Flaw::new("The user or the password in the URL is not encoded as in a URL.", hint)
        })
    };
    let user = decoded(user)?;
    let password = password.map(decoded).transpose()?;
    Ok((Some(user).filter(|user| !user.is_empty()), password.filter(|password| !password.is_empty())))
}

/// What percent-encoded text means (RFC 3986 section 2.1).
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::check;

    #[test]
    fn urls() {
        let encoded = "Write `%` and other signs percent-encoded, as %25 for `%`; or name the place of the password: \
                       `redis: {url: redis://HOST:6379, password: file:PATH}`.";
        let several = "Write redis+sentinel://... if these are sentinels. The servers of a cluster are listed under \
                       `cluster: [HOST:PORT, HOST:PORT]`.";
        let server = "Write a host, and a port from 1 to 65535 if it is not the usual one: redis-1.internal:6379, [::1]:6379.";
        check::<RedisUrl>(&[
            ("redis://127.0.0.1:6379", Ok("redis://127.0.0.1:6379")),
            ("REDIS://Shop", Ok("redis://shop")),
            ("redis://[::1]:1/3", Ok("redis://[::1]:1/3")),
            ("redis://shop/", Ok("redis://shop")),
            ("rediss://me:p%40ss@shop/2", Ok("rediss://me:...@shop/2")),
            ("redis://:secret@shop", Ok("redis://:...@shop")),
            ("redis://me@shop", Ok("redis://me@shop")),
            ("redis+sentinel://a:1,b/main/1", Ok("redis+sentinel://a:1,b/main/1")),
            ("rediss+sentinel://:pw@[::1]/main", Ok("rediss+sentinel://:...@[::1]/main")),
            (
                "redis://me:a%zz@shop",
                Err(("The user or the password in the URL is not encoded as in a URL.", encoded)),
            ),
            ("redis://a,b", Err(("This URL of Redis names several servers.", several))),
            ("redis+sentinel://a,b", Err(("The URL does not say what the sentinels watch.", HINT))),
            ("redis+sentinel://a/", Err(("The URL does not say what the sentinels watch.", HINT))),
            ("redis://a/x", Err(("`x` is not the number of a database.", HINT))),
            ("redis://a/+1", Err(("`+1` is not the number of a database.", HINT))),
            ("redis://a/1/2", Err(("The URL has more than a database after its server.", HINT))),
            ("redis://a?db=1", Err(("A URL of Redis has nothing like `?db=1`.", HINT))),
            ("redis://a:0", Err(("`0` is not a port.", server))),
            ("redis://", Err(("`` is not the name of a host.", server))),
            ("http://a", Err(("`http://` is not a scheme of Redis.", HINT))),
            ("a:6379", Err(("This is no URL of Redis: it has no scheme.", "Did you mean `redis://a:6379`?"))),
            ("pass@a", Err(("This is no URL of Redis: it has no scheme.", HINT))),
            ("pass@a://b", Err(("This is no URL of Redis.", HINT))),
        ]);
        let url = RedisUrl::parse("redis://m%3Ae:p%40:s@a", Path::new("")).unwrap();
        assert_eq!((url.user.as_deref(), url.password.as_deref()), (Some("m:e"), Some("p@:s")));
        assert_eq!(format!("{url:?}"), "RedisUrl(redis://m:e:...@a)");
    }

    #[test]
    fn servers() {
        let alone = "Write a host and a port alone, such as redis-1.internal:6379. TLS, user and password are said beside.";
        let what = "A server is written without a scheme, a user and a path.";
        check::<Server>(&[
            ("a:6379", Ok("a:6379")),
            ("10.0.0.1", Ok("10.0.0.1")),
            ("[::1]:7", Ok("[::1]:7")),
            ("redis://a:1", Err((what, alone))),
            ("pw@a:1", Err((what, alone))),
        ]);
    }
}
