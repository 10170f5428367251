//! What conditions look at of a request.

use http::header::HOST;
use http::{HeaderMap, HeaderValue, Uri};

use crate::route::condition;

/// The head of a request, as conditions see it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The host that is asked for.
    pub host: Option<&'a str>,
    /// The query as it was sent.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
}

impl<'a> Asked<'a> {
    /// That of a request. The host is that of its target where that has one (RFC 9112 section 3.2.2, and `:authority` in
    /// HTTP/2), else that of the header; what proxies say of another one is not looked at.
    pub fn of(uri: &'a Uri, headers: &'a HeaderMap) -> Self {
        let host = match uri.authority() {
            Some(authority) => Some(authority.as_str()),
            None => headers.get(HOST).and_then(|host| host.to_str().ok()),
        };
        Self { host, query: uri.query().unwrap_or_default(), headers }
    }
}

impl condition::Asked for Asked<'_> {
    fn host(&self) -> Option<&str> {
        // What stands before an @ is no host.
        self.host.map(|host| host.rsplit_once('@').map_or(host, |(_, host)| host))
    }

    fn header<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.headers.get_all(name).iter().map(HeaderValue::as_bytes)
    }

    fn query(&self) -> &str {
        self.query
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::condition::{Asked as _, Condition, Host};

    #[test]
    fn the_host_is_that_of_the_target_before_that_of_the_header() {
        let headers = |host: &str| HeaderMap::from_iter([(HOST, HeaderValue::from_str(host).unwrap())]);
        let table = [
            ("/a", "api.example", true),
            ("/a", "API.example:80", true),
            ("/a", "evil.example", false),
            ("http://api.example/a", "evil.example", true),
            ("http://evil.example/a", "api.example", false),
            ("http://api.example@evil.example/a", "api.example", false),
            ("http://evil.example@api.example/a", "evil.example", true),
        ];
        let condition = Condition { host: Host::parse("api.example"), ..Condition::default() };
        for (uri, host, expected) in table {
            let (uri, headers) = (uri.parse().unwrap(), headers(host));
            assert_eq!(condition.holds(&Asked::of(&uri, &headers)), expected, "{uri} {host}");
        }
        let (uri, mut headers) = ("/a?b=c".parse().unwrap(), HeaderMap::new());
        headers.insert("x-forwarded-host", HeaderValue::from_static("api.example"));
        let asked = Asked::of(&uri, &headers);
        assert!(!condition.holds(&asked));
        assert_eq!((asked.host(), asked.query(), asked.header("x-forwarded-host").count()), (None, "b=c", 1));
    }
}
