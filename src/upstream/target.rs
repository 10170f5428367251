//! Where a backend listens.

use std::fmt;
use std::sync::Arc;

use http::Uri;
use http::uri::{Authority, Scheme};
use rustls::pki_types::ServerName;

use crate::tls::client::Connector;

/// Where a backend listens for gRPC over HTTP/2: in plaintext with prior knowledge, or with TLS.
///
/// Three forms are understood:
///
/// ```text
/// http://HOST:PORT     a name or an address; [..] around an IPv6 address
/// https://HOST:PORT    the same with TLS
/// unix:PATH            a Unix domain socket; unix:///PATH is the same
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    place: Place,
    authority: Authority,
    tls: Option<Tls>,
}

/// A target of an upstream, and how large its share of the calls is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it is.
    pub target: Target,
    /// Its share, by those of the others; at least 1.
    pub weight: u32,
}

impl From<Target> for Endpoint {
    /// With the share 1.
    fn from(target: Target) -> Self {
        Self { target, weight: 1 }
    }
}

/// How TLS is opened on a connection to a target.
#[derive(Clone, Debug)]
pub(super) struct Tls {
    pub(super) connector: Arc<Connector>,
    /// What the target's certificate must be for.
    pub(super) name: ServerName<'static>,
}

/// By the same connector, whatever its files hold.
impl PartialEq for Tls {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.connector, &other.connector) && self.name == other.name
    }
}

impl Eq for Tls {}

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
    /// Reads a target without TLS.
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
                tls: None,
            });
        }
        if text.starts_with("https://") {
            return Err(invalid("it has TLS, for which nothing was loaded"));
        }
        if !text.starts_with("http://") {
            return Err(invalid("it starts with neither `http://` nor `unix:`"));
        }
        let uri: Uri = text.parse().map_err(|error| invalid(&format!("it is no URL ({error})")))?;
        Self::tcp(&uri).map_err(invalid)
    }

    /// Reads a target with TLS, `https://HOST:PORT`. Its certificate must be for `server_name`, or else for its host.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the text or the name and what to write instead.
    pub fn secure(
        text: &str,
        connector: Arc<Connector>,
        server_name: Option<&str>,
    ) -> Result<Self, InvalidTarget> {
        let invalid = |why: &str| {
            let form = "write https://HOST:PORT, for example https://shop.internal:50051";
            InvalidTarget(format!("`{text}` is no upstream target: {why}; {form}"))
        };
        if !text.starts_with("https://") {
            return Err(invalid("it does not start with `https://`"));
        }
        let uri: Uri = text.parse().map_err(|error| invalid(&format!("it is no URL ({error})")))?;
        let target = Self::tcp(&uri).map_err(invalid)?;
        let Place::Tcp { host, .. } = &target.place else { return Err(invalid("it is no host")) };
        let name = server_name.unwrap_or(host);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            InvalidTarget(format!(
                "`{name}` is neither a DNS name nor an IP address, so no certificate can be for it; name what the \
                 certificate is for under `tls: {{server_name: NAME}}`"
            ))
        })?;
        Ok(Self { tls: Some(Tls { connector, name }), ..target })
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
        let place = Place::Tcp { host: host.to_owned(), port };
        Ok(Self { place, authority: authority.clone(), tls: None })
    }

    pub(super) const fn place(&self) -> &Place {
        &self.place
    }

    /// What the backend is called in requests.
    pub(super) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// How TLS is opened on connections to it; absent for plaintext.
    pub(super) const fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    fn scheme(&self) -> Scheme {
        if self.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP }
    }

    /// Scheme and authority as a URI.
    pub(super) fn origin(&self) -> Result<Uri, http::Error> {
        Uri::builder().scheme(self.scheme()).authority(self.authority.clone()).path_and_query("/").build()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp { .. } => write!(f, "{}://{}", self.scheme(), self.authority),
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
            ("https://shop:443", "it has TLS, for which nothing was loaded"),
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
