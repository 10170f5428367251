//! Cookies by which a caller is known again, so that a choice that was made for it stays.
//!
//! Such a cookie holds no choice, only a [`Mark`]: a number that was drawn once, by which the choice is made anew with each
//! call. Whoever writes another one into it is as good as another caller, and gets nothing that others do not.

use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::asked::Asked;
use crate::route::condition::cookies;
use crate::telemetry::random;

/// How a mark is kept by the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cookie {
    /// The name of the cookie: a token of RFC 9110.
    pub name: Box<str>,
    /// How long the caller keeps it.
    pub max_age: Duration,
    /// Whether it is for TLS alone, whatever the connection here has: there is a proxy with TLS in front.
    pub secure: bool,
}

/// What tells callers apart that a cookie was set for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(u64);

impl Mark {
    /// A new one.
    pub fn draw() -> Self {
        Self(random::next())
    }

    /// Reads what was written by `Display`: 16 hexadecimal digits in lower case. Anything else is none.
    fn parse(text: &[u8]) -> Option<Self> {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let text = std::str::from_utf8(text).ok().filter(|text| text.len() == 16)?;
        if !text.as_bytes().iter().all(is_digit) {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Self)
    }

    /// Its bytes, to choose by.
    pub const fn bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Cookie {
    /// The mark that a request brings along; the first one that is valid.
    pub fn mark_of(&self, headers: &HeaderMap) -> Option<Mark> {
        let asked = Asked { host: None, query: "", headers };
        cookies(&asked, &self.name).find_map(Mark::parse)
    }

    /// The value of `set-cookie` that has the caller keep a mark (RFC 6265 section 4.1). Scripts do not see it, and other
    /// sites send it only where their reader follows a link.
    pub(super) fn set(&self, mark: Mark, has_tls: bool) -> Option<HeaderValue> {
        let secure = if self.secure || has_tls { "; Secure" } else { "" };
        let seconds = self.max_age.as_secs();
        let text = format!("{}={mark}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.name);
        HeaderValue::try_from(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, HeaderValue::from_str(line).unwrap())).collect()
    }

    #[test]
    fn marks_come_back_as_they_were_set_and_nothing_else_is_one() {
        let cookie = Cookie { name: "canary".into(), max_age: Duration::from_secs(3600), secure: false };
        let mark = Mark(0x00ab_cdef_0123_4567);
        for (secure, has_tls, end) in [
            (false, false, ""),
            (true, false, "; Secure"),
            (false, true, "; Secure"),
            (true, true, "; Secure"),
        ] {
            let set = Cookie { secure, ..cookie.clone() }.set(mark, has_tls).unwrap();
            let text = format!("canary=00abcdef01234567; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax{end}");
            assert_eq!(set.to_str().unwrap(), text);
        }
        for (lines, expected) in [
            (&["canary=00abcdef01234567"][..], Some(mark)),
            (&["a=b; canary=00abcdef01234567; c=d"], Some(mark)),
            (&["a=b;canary=00abcdef01234567"], Some(mark)),
            (&["a=b", "canary=00abcdef01234567"], Some(mark)),
            (&["canary=; canary=next; canary=00abcdef01234567; canary=0000000000000001"], Some(mark)),
            (&["canary=00ABCDEF01234567"], None),
            (&["canary=+0abcdef01234567"], None),
            (&["canary=00abcdef0123456"], None),
            (&["canary=00abcdef012345678"], None),
            (&["canary=\"00abcdef01234567\""], Some(mark)),
            (&["canary=\"00abcdef01234567"], None),
            (&["Canary=00abcdef01234567"], None),
            (&["xcanary=00abcdef01234567"], None),
            (&["canary"], None),
            (&[";;==;"], None),
            (&[], None),
        ] {
            assert_eq!(cookie.mark_of(&headers(lines)), expected, "{lines:?}");
        }
        assert_ne!(Mark::draw(), Mark::draw());
    }
}
