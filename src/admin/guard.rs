//! Who may ask: callers with the token, and never a web page that a browser shows.
//!
//! A page of another origin can make a browser send requests here, and with a name of its own that it lets point to
//! 127.0.0.1 (DNS rebinding) it can even read the answers. So a request with an `Origin` that is not this server is
//! refused, and without a token the `Host` must be an address or `localhost`, which no such page can have.

use std::fmt;
use std::hint::black_box;
use std::net::IpAddr;

use http::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use http::request::Parts;
use http::uri::Authority;

/// The shortest token, in bytes: none that could be found by trying.
const SHORTEST: usize = 16;

/// What callers have to show.
pub struct Token(Box<[u8]>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl Token {
    /// A token.
    ///
    /// # Errors
    /// What is wrong with the text, as the end of a sentence that does not show it.
    pub fn new(text: &[u8]) -> Result<Self, &'static str> {
        if text.len() < SHORTEST {
            return Err("it has fewer than 16 characters, so that it could be guessed");
        }
        if !text.iter().all(u8::is_ascii_graphic) {
            return Err("it holds other characters than visible ASCII, which no header can carry");
        }
        Ok(Self(text.into()))
    }

    /// Whether it is this one. How long that takes tells at most the length.
    fn is(&self, offered: &[u8]) -> bool {
        let differences =
            self.0.iter().zip(offered).fold(0, |all, (one, other)| black_box(all | (one ^ other)));
        differences == 0 && self.0.len() == offered.len()
    }
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NoToken,
    WrongToken,
    OtherOrigin,
    OtherHost,
}

impl Refusal {
    pub(super) const fn status(self) -> u16 {
        match self {
            Self::NoToken | Self::WrongToken => 401,
            Self::OtherOrigin | Self::OtherHost => 403,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoToken => "A token is needed here: send `Authorization: Bearer TOKEN`.",
            Self::WrongToken => "The token is not the one of this server.",
            Self::OtherOrigin => "Pages of other origins may not ask here.",
            Self::OtherHost => {
                "Without a token, the host must be an IP address or localhost. Use one of these, or set `admin.token`."
            }
        })
    }
}

/// Whether a request may be answered in full.
pub(super) fn check(head: &Parts, token: Option<&Token>) -> Result<(), Refusal> {
    let host = host(head);
    if is_of_other_origin(&head.headers, host.as_ref()) {
        return Err(Refusal::OtherOrigin);
    }
    match token {
        Some(token) => match bearer(&head.headers) {
            None => Err(Refusal::NoToken),
            Some(offered) if token.is(offered) => Ok(()),
            Some(_) => Err(Refusal::WrongToken),
        },
        None if host.as_ref().is_some_and(is_no_name) => Ok(()),
        None => Err(Refusal::OtherHost),
    }
}

/// The host that the caller believes to ask, by HTTP/2 or HTTP/1.
fn host(head: &Parts) -> Option<Authority> {
    let header = || head.headers.get(HOST)?.to_str().ok()?.parse().ok();
    head.uri.authority().cloned().or_else(header)
}

fn is_no_name(host: &Authority) -> bool {
    let name = host.host();
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    address.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost")
}

fn is_of_other_origin(headers: &HeaderMap, host: Option<&Authority>) -> bool {
    let other_site = headers
        .get("sec-fetch-site")
        .is_some_and(|site| site.as_bytes() != b"same-origin" && site.as_bytes() != b"none");
    let other_origin = headers.get_all(ORIGIN).iter().any(|origin| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        let same =
            origin.zip(host).is_some_and(|((_, origin), host)| origin.eq_ignore_ascii_case(host.as_str()));
        !same
    });
    other_site || other_origin
}

fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn checked(headers: &[(&str, &str)], with_token: bool) -> Result<(), Refusal> {
        let mut request = Request::get("/reload");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let token = with_token.then(|| Token::new(TOKEN.as_bytes()).unwrap());
        check(&request.body(()).unwrap().into_parts().0, token.as_ref())
    }

    #[test]
    fn without_a_token_only_addresses_and_localhost_are_hosts() {
        for (host, expected) in [
            ("127.0.0.1:9901", Ok(())),
            ("127.0.0.1", Ok(())),
            ("[::1]:9901", Ok(())),
            ("localhost:9901", Ok(())),
            ("LOCALHOST", Ok(())),
            ("10.0.0.7:9901", Ok(())),
            ("rebound.example:9901", Err(Refusal::OtherHost)),
            ("127.0.0.1.rebound.example", Err(Refusal::OtherHost)),
            ("localhost.rebound.example", Err(Refusal::OtherHost)),
            ("", Err(Refusal::OtherHost)),
        ] {
            assert_eq!(checked(&[("host", host)], false), expected, "{host}");
        }
        assert_eq!(checked(&[], false), Err(Refusal::OtherHost));
    }

    #[test]
    fn pages_of_other_origins_are_refused_even_with_the_token() {
        let authorization = ("authorization", "Bearer 0123456789abcdef");
        for (header, value, expected) in [
            ("origin", "http://127.0.0.1:9901", Ok(())),
            ("origin", "https://evil.example", Err(Refusal::OtherOrigin)),
            ("origin", "http://127.0.0.1:9902", Err(Refusal::OtherOrigin)),
            ("origin", "null", Err(Refusal::OtherOrigin)),
            ("sec-fetch-site", "same-origin", Ok(())),
            ("sec-fetch-site", "none", Ok(())),
            ("sec-fetch-site", "same-site", Err(Refusal::OtherOrigin)),
            ("sec-fetch-site", "cross-site", Err(Refusal::OtherOrigin)),
        ] {
            let host = ("host", "127.0.0.1:9901");
            assert_eq!(checked(&[host, (header, value)], false), expected, "{value}");
            assert_eq!(checked(&[host, authorization, (header, value)], true), expected, "{value}");
        }
    }

    #[test]
    fn the_token_is_asked_for() {
        for (value, expected) in [
            ("Bearer 0123456789abcdef", Ok(())),
            ("bearer  0123456789abcdef", Ok(())),
            ("Bearer 0123456789abcdeg", Err(Refusal::WrongToken)),
            ("Bearer 0123456789abcde", Err(Refusal::WrongToken)),
            ("Bearer 0123456789abcdef0", Err(Refusal::WrongToken)),
            ("Bearer ", Err(Refusal::WrongToken)),
            ("Basic 0123456789abcdef", Err(Refusal::NoToken)),
            ("Bearer", Err(Refusal::NoToken)),
        ] {
            assert_eq!(
                checked(&[("host", "any.example"), ("authorization", value)], true),
                expected,
                "{value}"
            );
        }
        assert_eq!(checked(&[("host", "127.0.0.1")], true), Err(Refusal::NoToken));
    }

    #[test]
    fn tokens_that_are_none_are_explained() {
        for (text, expected) in [
            ("", "it has fewer than 16 characters, so that it could be guessed"),
            ("0123456789abcde", "it has fewer than 16 characters, so that it could be guessed"),
            ("0123456789 abcdef", "it holds other characters than visible ASCII, which no header can carry"),
        ] {
            assert_eq!(Token::new(text.as_bytes()).unwrap_err(), expected);
        }
        assert_eq!(format!("{:?}", Token::new(TOKEN.as_bytes()).unwrap()), "Token(..)");
    }
}
