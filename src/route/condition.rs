//! Conditions on the head of a request, which choose among what answers the same path.

use super::query::pairs;

/// The most parts of a query that are looked at.
const MAX_PAIRS: usize = 1_000;

/// What conditions are about.
pub trait Asked {
    /// The host that is asked for, with or without a port; absent where the request names none.
    fn host(&self) -> Option<&str>;

    /// The values of a header, whose name is in lower case, in their order.
    fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;

    /// The query as it was sent; empty without one.
    fn query(&self) -> &str;
}

/// All of these must hold. Without any it holds for every request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Condition {
    /// The host.
    pub host: Option<Host>,
    /// Headers by their names in lower case.
    pub headers: Vec<(Box<str>, Wanted)>,
    /// Parameters of the query by their decoded names.
    pub query: Vec<(Box<str>, Wanted)>,
    /// Cookies by their names (RFC 6265 section 5.4), which are compared by case.
    pub cookies: Vec<(Box<str>, Wanted)>,
}

/// What a value must be. Of several values of the same name one suffices.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// Anything, if only it is there.
    Any,
    /// Exactly this.
    Is(Box<str>),
}

impl Wanted {
    /// Whether a value is wanted.
    pub fn fits(&self, value: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::Is(wanted) => wanted.as_bytes() == value,
        }
    }
}

/// A host without its port, in lower case and without a dot at the end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// This one: `api.example`, `192.0.2.1` or `[2001:db8::1]`.
    Exact(Box<str>),
    /// Every name below this one, which itself is not meant.
    Below(Box<str>),
}

impl Host {
    /// Reads `api.example` or `*.example`; `None` for what is no host, or has a port.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, is_pattern) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let is_label = |label: &str| {
            let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=63).contains(&label.len()) && label.bytes().all(is_fine)
        };
        let is_name = name.len() <= 253 && name.split('.').all(is_label);
        let is_literal = || {
            let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
            inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
        };
        match is_pattern {
            true => is_name.then(|| Self::Below(name.into())),
            false => (is_name || is_literal()).then(|| Self::Exact(name.into())),
        }
    }

    /// Whether a host as requests name it, with or without a port, is meant.
    pub fn fits(&self, asked: &str) -> bool {
        let asked = without_port(asked);
        let asked = asked.strip_suffix('.').unwrap_or(asked);
        match self {
            Self::Exact(host) => asked.eq_ignore_ascii_case(host),
            Self::Below(host) => {
                let Some(end) = asked.len().checked_sub(host.len()) else { return false };
                // The name before the dot is not empty.
                end > 1
                    && asked.as_bytes()[end - 1] == b'.'
                    && asked.as_bytes()[end..].eq_ignore_ascii_case(host.as_bytes())
            }
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::Below(host) => write!(f, "*.{host}"),
        }
    }
}

/// The host of `host:port`; a colon within brackets is one of an IPv6 address.
fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

impl Condition {
    /// Whether it holds for every request.
    pub const fn is_empty(&self) -> bool {
        self.host.is_none() && self.headers.is_empty() && self.query.is_empty() && self.cookies.is_empty()
    }

    /// How much it asks for: of two that hold, the one that asks for more is the more specific one.
    pub const fn weight(&self) -> usize {
        self.host.is_some() as usize + self.headers.len() + self.query.len() + self.cookies.len()
    }

    /// Whether it holds for a request. A query that cannot be decoded holds no parameter from there on.
    pub fn holds(&self, asked: &impl Asked) -> bool {
        self.host.as_ref().is_none_or(|host| asked.host().is_some_and(|asked| host.fits(asked)))
            && self.headers.iter().all(|(name, wanted)| asked.header(name).any(|value| wanted.fits(value)))
            && self.query.iter().all(|(name, wanted)| has_pair(asked.query(), name, wanted))
            && self.cookies.iter().all(|(name, wanted)| cookies(asked, name).any(|value| wanted.fits(value)))
    }
}

fn has_pair(query: &str, name: &str, wanted: &Wanted) -> bool {
    let mut pairs = pairs(query, MAX_PAIRS).map_while(Result::ok);
    pairs.any(|(key, value)| key == name && wanted.fits(value.as_bytes()))
}

/// The values of the cookies with a name, as they were sent, without the quotes that may stand around them.
pub fn cookies<'a>(asked: &'a impl Asked, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let pairs = asked.header("cookie").flat_map(|header| header.split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let value = pair.trim_ascii().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Request {
        host: Option<&'static str>,
        headers: Vec<(&'static str, &'static str)>,
        query: &'static str,
    }

    impl Asked for Request {
        fn host(&self) -> Option<&str> {
            self.host
        }

        fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
            let values = self.headers.iter().filter(move |(key, _)| *key == name);
            values.map(|(_, value)| value.as_bytes())
        }

        fn query(&self) -> &str {
            self.query
        }
    }

    #[test]
    fn hosts_are_compared_as_names() {
        let table = [
            ("api.example", "api.example", true),
            ("api.example", "API.Example:8080", true),
            ("api.example", "api.example.", true),
            ("api.example", "api.example.:443", true),
            ("api.example", "api.example.evil", false),
            ("api.example", "xapi.example", false),
            ("api.example", "", false),
            ("api.example", "api.example:80:80", false),
            ("API.example.", "api.example", true),
            ("*.example", "a.example", true),
            ("*.example", "a.b.example:1", true),
            ("*.example", "example", false),
            ("*.example", ".example", false),
            ("*.example", "aexample", false),
            ("192.0.2.1", "192.0.2.1:80", true),
            ("[2001:db8::1]", "[2001:db8::1]", true),
            ("[2001:DB8::1]", "[2001:db8::1]:443", true),
            ("[2001:db8::1]", "[2001:db8::2]", false),
        ];
        for (host, asked, expected) in table {
            assert_eq!(Host::parse(host).unwrap().fits(asked), expected, "{host} {asked}");
        }
        for wrong in [
            "",
            ".",
            "*",
            "*.",
            "a..b",
            "a b",
            "api.example:80",
            "http://a",
            "a/b",
            "a.*",
            "[::",
            "é.example",
        ] {
            assert_eq!(Host::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Host::parse("*.Example").unwrap().to_string(), "*.example");
    }

    fn is(name: &str, value: &str) -> Vec<(Box<str>, Wanted)> {
        vec![(name.into(), Wanted::Is(value.into()))]
    }

    #[test]
    fn all_of_a_condition_must_hold() {
        let request = Request {
            host: Some("api.example:8080"),
            headers: vec![
                ("x-beta", "1"),
                ("x-beta", "2"),
                ("cookie", "a=b; beta=1;c=\"d\""),
                ("cookie", "e=f=g"),
            ],
            query: "v=2&v=3&name=a%20b&bad=%zz&late=1",
        };
        let host = |host| Condition { host: Host::parse(host), ..Condition::default() };
        let headers = |headers| Condition { headers, ..Condition::default() };
        let query = |query| Condition { query, ..Condition::default() };
        let cookies = |cookies| Condition { cookies, ..Condition::default() };
        let table = [
            (Condition::default(), true),
            (host("api.example"), true),
            (host("other.example"), false),
            (headers(is("x-beta", "1")), true),
            (headers(is("x-beta", "2")), true),
            (headers(is("x-beta", "3")), false),
            (headers(is("x-gamma", "1")), false),
            (headers(vec![("x-beta".into(), Wanted::Any)]), true),
            (headers(vec![("x-gamma".into(), Wanted::Any)]), false),
            (query(is("v", "2")), true),
            (query(is("v", "3")), true),
            (query(is("v", "4")), false),
            (query(is("name", "a b")), true),
            (query(is("late", "1")), false),
            (cookies(is("beta", "1")), true),
            (cookies(is("c", "d")), true),
            (cookies(is("e", "f=g")), true),
            (cookies(is("eta", "1")), false),
            (Condition { query: is("v", "2"), ..host("api.example") }, true),
            (Condition { query: is("v", "4"), ..host("api.example") }, false),
        ];
        for (condition, expected) in table {
            assert_eq!(condition.holds(&request), expected, "{condition:?}");
            assert_eq!(condition.is_empty(), condition.weight() == 0);
        }
        assert!(!host("api.example").holds(&Request::default()));
    }
}
