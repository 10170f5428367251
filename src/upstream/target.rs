//! Where a backend listens.

use std::fmt;

use http::Uri;
use http::uri::Authority;

/// Where a backend listens for gRPC over plaintext HTTP/2 with prior knowledge.
///
/// Two forms are understood:
///
/// ```text
/// http://HOST:PORT     a name or an address; [..] around an IPv6 address
/// unix:PATH            a Unix domain socket; unix:///PATH is the same
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    place: Place,
    authority: Authority,
}

/// What a connection is opened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A host, resolved whenever a connection is opened, and a port.
    Tcp { host: String, port: u16 },
    /// The path of a Unix domain socket.
    Unix(String),
}

/// Why a text is no [`Target`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTarget(String);

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidTarget {}

const FORMS: &str = "write http://HOST:PORT or unix:/PATH, for example http://127.0.0.1:50051";

impl Target {
    /// Reads a target.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text and what to write instead.
    pub fn parse(text: &str) -> Result<Self, InvalidTarget> {
        let invalid = |why: &str| InvalidTarget(format!("`{text}` is no upstream target: {why}; {FORMS}"));
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains('\0') {
                return Err(invalid("the path of the socket is missing or contains a NUL"));
            }
            return Ok(Self {
                place: Place::Unix(path.to_owned()),
                authority: Authority::from_static("localhost"),
            });
        }
        if text.starts_with("https://") {
            return Err(invalid("TLS towards upstreams is not supported by this version"));
        }
        if !text.starts_with("http://") {
            return Err(invalid("it starts with neither `http://` nor `unix:`"));
        }
        let uri: Uri = text.parse().map_err(|error| invalid(&format!("it is no URL ({error})")))?;
        Self::tcp(&uri).map_err(invalid)
    }

    fn tcp(uri: &Uri) -> Result<Self, &'static str> {
        let authority = uri.authority().ok_or("the host is missing")?;
        if authority.as_str().contains('@') {
            return Err("a user name or password has no meaning here");
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err("gRPC has no path or query in front of its methods");
        }
        let port = authority.port_u16().filter(|&port| port != 0).ok_or("the port is missing")?;
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err("the host is missing");
        }
        Ok(Self { place: Place::Tcp { host: host.to_owned(), port }, authority: authority.clone() })
    }

    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// What the backend is called in requests.
    pub(super) fn authority(&self) -> &str {
        self.authority.as_str()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp { .. } => write!(f, "http://{}", self.authority),
            Place::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_written() {
        let tcp = |host: &str, port| Place::Tcp { host: host.into(), port };
        let table = [
            ("http://127.0.0.1:50051", tcp("127.0.0.1", 50051), "http://127.0.0.1:50051"),
            ("http://shop.internal:80/", tcp("shop.internal", 80), "http://shop.internal:80"),
            ("http://[::1]:1", tcp("::1", 1), "http://[::1]:1"),
            ("unix:/run/shop.sock", Place::Unix("/run/shop.sock".into()), "unix:/run/shop.sock"),
            ("unix:///run/shop.sock", Place::Unix("/run/shop.sock".into()), "unix:/run/shop.sock"),
            ("unix:shop.sock", Place::Unix("shop.sock".into()), "unix:shop.sock"),
        ];
        for (text, place, shown) in table {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.place(), &place, "{text}");
            assert_eq!(target.to_string(), shown);
        }
    }

    #[test]
    fn wrong_targets_are_explained() {
        let table = [
            ("", "it starts with neither `http://` nor `unix:`"),
            ("127.0.0.1:50051", "it starts with neither `http://` nor `unix:`"),
            ("https://shop:443", "TLS towards upstreams is not supported by this version"),
            ("http://shop", "the port is missing"),
            ("http://shop:0", "the port is missing"),
            ("http://me:secret@shop:1", "a user name or password has no meaning here"),
            ("http://shop:1/api", "gRPC has no path or query in front of its methods"),
            ("http://shop:1?x=y", "gRPC has no path or query in front of its methods"),
            ("unix:", "the path of the socket is missing or contains a NUL"),
        ];
        for (text, why) in table {
            let error = Target::parse(text).unwrap_err().to_string();
            assert_eq!(
                error,
                format!(
                    "`{text}` is no upstream target: {why}; write http://HOST:PORT or unix:/PATH, for \
                     example http://127.0.0.1:50051"
                )
            );
        }
        assert!(Target::parse("http://a b:1").unwrap_err().to_string().contains("it is no URL"));
        assert!(Target::parse("http://shop:99999").unwrap_err().to_string().contains("no upstream target"));
    }
}
