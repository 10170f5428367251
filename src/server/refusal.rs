//! Requests that are answered before a handler sees them.

use std::fmt;

use http::uri::Authority;
use http::{HeaderMap, Method, Request, Version, header};
use hyper::ext::Protocol;

use super::limits::Limits;
use crate::status::{Code, Status};

/// Why the server does not hand a request to the handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Path and query are longer than this many bytes: 414.
    UriTooLong(usize),
    /// There are more header fields than this: 431.
    TooManyHeaders(usize),
    /// The header fields have more bytes than this: 431.
    HeadersTooLarge(usize),
    /// HTTP/1.1 without a Host field: 400.
    NoHost,
    /// Several Host fields: 400.
    SeveralHosts,
    /// A Host field that is not a host and an optional port: 400.
    BadHost,
    /// HTTP/2 with a Host field that differs from `:authority`: 400.
    HostConflict,
    /// An expectation other than `100-continue`: 417.
    Expectation,
    /// HTTP/1.1 with a transfer coding beside `chunked`, or with that twice: 501. Nobody would undo it.
    TransferCoding,
    /// A request without TLS on a port that speaks it: 400.
    Plaintext,
    /// The method TRACE, which would show a caller what others added to the request: 501.
    Trace,
    /// The method CONNECT, which would make the server a tunnel: 501.
    Connect,
    /// Not a fault of the request: its handler panicked: 500.
    Panicked,
}

impl Refusal {
    /// The HTTP status.
    pub const fn http(self) -> u16 {
        match self {
            Self::UriTooLong(_) => 414,
            Self::TooManyHeaders(_) | Self::HeadersTooLarge(_) => 431,
            Self::NoHost | Self::SeveralHosts | Self::BadHost | Self::HostConflict | Self::Plaintext => 400,
            Self::Expectation => 417,
            Self::TransferCoding | Self::Trace | Self::Connect => 501,
            Self::Panicked => 500,
        }
    }

    const fn code(self) -> Code {
        match self {
            Self::TooManyHeaders(_) | Self::HeadersTooLarge(_) => Code::ResourceExhausted,
            Self::TransferCoding | Self::Trace | Self::Connect => Code::Unimplemented,
            Self::Panicked => Code::Internal,
            _ => Code::InvalidArgument,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UriTooLong(limit) => write!(
                f,
                "The path and query of the request are longer than {limit} bytes. Send the data in the body instead."
            ),
            Self::TooManyHeaders(limit) => {
                write!(f, "The request has more than {limit} header fields. Send fewer.")
            }
            Self::HeadersTooLarge(limit) => write!(
                f,
                "The header fields of the request are larger than {limit} bytes together. Send less in them, for \
                 example fewer cookies."
            ),
            Self::NoHost => f.write_str("The request has no Host field. HTTP/1.1 asks for exactly one."),
            Self::SeveralHosts => f.write_str("The request has several Host fields. Send exactly one."),
            Self::BadHost => f.write_str(
                "The Host field of the request is not valid. Send a host and, if needed, a port, as in \
                 `api.example:8080`.",
            ),
            Self::HostConflict => f.write_str(
                "The Host field of the request differs from its :authority. Leave the Host field out on HTTP/2.",
            ),
            Self::Expectation => f.write_str(
                "The request expects something that is not known here. The only expectation that is met is \
                 `expect: 100-continue`.",
            ),
            Self::TransferCoding => f.write_str(
                "The request has a transfer coding that is not served. Send `Transfer-Encoding: chunked` or \
                 `Content-Length`, and name a compression in Content-Encoding.",
            ),
            Self::Plaintext => f.write_str(
                "The request came without TLS, which this port speaks. Write https:// in place of http://.",
            ),
            Self::Trace => f.write_str("The method TRACE is not served. Use the method that the path has."),
            Self::Connect => f.write_str("The method CONNECT is not served. This server is not a tunnel."),
            Self::Panicked => f.write_str(
                "The gateway failed while it worked on the request. Its log has the cause; please report it.",
            ),
        }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        let status = match refusal {
            Refusal::Panicked => Self::gateway(refusal.code(), text),
            _ => Self::caller(refusal.code(), text),
        };
        status.with_http(refusal.http())
    }
}

/// What hyper lets through and a handler should not see.
pub(super) fn check<B>(request: &Request<B>, limits: &Limits) -> Result<(), Refusal> {
    match *request.method() {
        Method::TRACE => return Err(Refusal::Trace),
        Method::CONNECT if !is_socket(request) => return Err(Refusal::Connect),
        _ => {}
    }
    let uri = request.uri();
    if uri.path_and_query().is_some_and(|text| text.as_str().len() > limits.uri) {
        return Err(Refusal::UriTooLong(limits.uri));
    }
    let headers = request.headers();
    if headers.len() > limits.headers {
        return Err(Refusal::TooManyHeaders(limits.headers));
    }
    if request.version() < Version::HTTP_2 && written_size(headers) > limits.header_bytes {
        return Err(Refusal::HeadersTooLarge(limits.header_bytes));
    }
    if headers.get_all(header::EXPECT).iter().any(|value| !is_known_expectation(value.as_bytes())) {
        return Err(Refusal::Expectation);
    }
    check_coding(headers)?;
    check_host(headers, uri.authority(), request.version())
}

/// Whether CONNECT asks for no tunnel but a WebSocket (RFC 8441).
fn is_socket<B>(request: &Request<B>) -> bool {
    request.extensions().get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket")
}

/// RFC 9110 section 10.1.1 lets a server refuse what it does not know. Whoever expects something must learn that it is
/// not met.
fn is_known_expectation(value: &[u8]) -> bool {
    let mut elements = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    elements.all(|element| element.is_empty() || element.eq_ignore_ascii_case(b"100-continue"))
}

/// RFC 9112 section 6.1. hyper has made sure that the last coding is `chunked`, which it undoes.
fn check_coding(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Refusal::TransferCoding),
    }
}

/// RFC 9112 section 3.2 and RFC 9113 section 8.3.1.
fn check_host(headers: &HeaderMap, authority: Option<&Authority>, version: Version) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let Some(host) = hosts.next() else {
        return if version == Version::HTTP_11 { Err(Refusal::NoHost) } else { Ok(()) };
    };
    if hosts.next().is_some() {
        return Err(Refusal::SeveralHosts);
    }
    // A target without an authority has an empty Host field.
    if !host.is_empty() && !is_host(host.as_bytes()) {
        return Err(Refusal::BadHost);
    }
    match authority {
        // On HTTP/1 the authority of an absolute target replaces the field.
        Some(authority)
            if version == Version::HTTP_2
                && !host.as_bytes().eq_ignore_ascii_case(authority.as_str().as_bytes()) =>
        {
            Err(Refusal::HostConflict)
        }
        _ => Ok(()),
    }
}

/// `uri-host [ ":" port ]`, which is an authority without user information.
fn is_host(value: &[u8]) -> bool {
    !value.contains(&b'@') && Authority::try_from(value).is_ok()
}

/// The bytes of the fields as HTTP/1 writes them: name, colon, space, value and the end of the line.
fn written_size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(version: Version, method: &str, uri: &str, fields: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut request = Request::builder().version(version).method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let limits = Limits { headers: 4, header_bytes: 100, uri: 10, ..Limits::default() };
        check(&request.body(()).expect("the request is valid"), &limits)
    }

    #[test]
    fn requests_are_checked() {
        let host = ("host", "a");
        let long = "x".repeat(90);
        for (version, method, uri, fields, expected) in [
            (Version::HTTP_11, "GET", "/", &[host][..], Ok(())),
            (Version::HTTP_11, "GET", "/123456789", &[host], Ok(())),
            (Version::HTTP_11, "GET", "/12345678?9", &[host], Err(Refusal::UriTooLong(10))),
            (Version::HTTP_2, "GET", "http://a/1234567890", &[], Err(Refusal::UriTooLong(10))),
            (Version::HTTP_11, "GET", "/", &[host, ("a", ""), ("a", ""), ("b", "")], Ok(())),
            (
                Version::HTTP_11,
                "GET",
                "/",
                &[host, ("a", ""), ("a", ""), ("a", ""), ("b", "")],
                Err(Refusal::TooManyHeaders(4)),
            ),
            // host: 9 bytes with its end of line, x: 91.
            (Version::HTTP_11, "GET", "/", &[host, ("x", &long[..86])], Ok(())),
            (Version::HTTP_11, "GET", "/", &[host, ("x", &long[..87])], Err(Refusal::HeadersTooLarge(100))),
            (Version::HTTP_11, "GET", "/", &[], Err(Refusal::NoHost)),
            (Version::HTTP_10, "GET", "/", &[], Ok(())),
            (Version::HTTP_2, "GET", "http://a/", &[], Ok(())),
            (Version::HTTP_11, "GET", "/", &[host, host], Err(Refusal::SeveralHosts)),
            (Version::HTTP_10, "GET", "/", &[host, host], Err(Refusal::SeveralHosts)),
            (Version::HTTP_2, "GET", "http://a/", &[host, host], Err(Refusal::SeveralHosts)),
            (Version::HTTP_11, "GET", "/", &[("host", "")], Ok(())),
            (Version::HTTP_11, "GET", "/", &[("host", "a.example:80")], Ok(())),
            (Version::HTTP_11, "GET", "/", &[("host", "[::1]:80")], Ok(())),
            (Version::HTTP_11, "GET", "/", &[("host", "a b")], Err(Refusal::BadHost)),
            (Version::HTTP_11, "GET", "/", &[("host", "a/b")], Err(Refusal::BadHost)),
            (Version::HTTP_11, "GET", "/", &[("host", "u@a")], Err(Refusal::BadHost)),
            (Version::HTTP_11, "GET", "http://b/", &[host], Ok(())),
            (Version::HTTP_2, "GET", "http://A/", &[host], Ok(())),
            (Version::HTTP_2, "GET", "http://b/", &[host], Err(Refusal::HostConflict)),
            (Version::HTTP_11, "PUT", "/", &[host, ("expect", "100-continue")], Ok(())),
            (Version::HTTP_2, "PUT", "http://a/", &[("expect", "100-Continue, ")], Ok(())),
            (Version::HTTP_11, "PUT", "/", &[host, ("expect", "more")], Err(Refusal::Expectation)),
            (
                Version::HTTP_11,
                "PUT",
                "/",
                &[host, ("expect", "100-continue, a=b")],
                Err(Refusal::Expectation),
            ),
            (
                Version::HTTP_11,
                "PUT",
                "/",
                &[host, ("expect", "100-continue"), ("expect", "x")],
                Err(Refusal::Expectation),
            ),
            (Version::HTTP_11, "POST", "/", &[host, ("transfer-encoding", "Chunked ")], Ok(())),
            (
                Version::HTTP_11,
                "POST",
                "/",
                &[host, ("transfer-encoding", "gzip, chunked")],
                Err(Refusal::TransferCoding),
            ),
            (
                Version::HTTP_11,
                "POST",
                "/",
                &[host, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
                Err(Refusal::TransferCoding),
            ),
            (Version::HTTP_11, "TRACE", "/", &[host], Err(Refusal::Trace)),
            (Version::HTTP_11, "CONNECT", "a:80", &[host], Err(Refusal::Connect)),
        ] {
            assert_eq!(
                verdict(version, method, uri, fields),
                expected,
                "{version:?} {method} {uri} {fields:?}"
            );
        }
    }

    #[test]
    fn refusals_have_a_status_and_say_what_to_do() {
        for (refusal, http, code, text) in [
            (
                Refusal::UriTooLong(8192),
                414,
                Code::InvalidArgument,
                "The path and query of the request are longer than 8192 bytes. Send the data in the body instead.",
            ),
            (
                Refusal::TooManyHeaders(100),
                431,
                Code::ResourceExhausted,
                "The request has more than 100 header fields. Send fewer.",
            ),
            (
                Refusal::HeadersTooLarge(61440),
                431,
                Code::ResourceExhausted,
                "The header fields of the request are larger than 61440 bytes together. Send less in them, for \
                 example fewer cookies.",
            ),
            (
                Refusal::NoHost,
                400,
                Code::InvalidArgument,
                "The request has no Host field. HTTP/1.1 asks for exactly one.",
            ),
            (
                Refusal::SeveralHosts,
                400,
                Code::InvalidArgument,
                "The request has several Host fields. Send exactly one.",
            ),
            (
                Refusal::BadHost,
                400,
                Code::InvalidArgument,
                "The Host field of the request is not valid. Send a host and, if needed, a port, as in \
                 `api.example:8080`.",
            ),
            (
                Refusal::HostConflict,
                400,
                Code::InvalidArgument,
                "The Host field of the request differs from its :authority. Leave the Host field out on HTTP/2.",
            ),
            (
                Refusal::Expectation,
                417,
                Code::InvalidArgument,
                "The request expects something that is not known here. The only expectation that is met is `expect: \
                 100-continue`.",
            ),
            (
                Refusal::TransferCoding,
                501,
                Code::Unimplemented,
                "The request has a transfer coding that is not served. Send `Transfer-Encoding: chunked` or \
                 `Content-Length`, and name a compression in Content-Encoding.",
            ),
            (
                Refusal::Plaintext,
                400,
                Code::InvalidArgument,
                "The request came without TLS, which this port speaks. Write https:// in place of http://.",
            ),
            (
                Refusal::Trace,
                501,
                Code::Unimplemented,
                "The method TRACE is not served. Use the method that the path has.",
            ),
            (
                Refusal::Connect,
                501,
                Code::Unimplemented,
                "The method CONNECT is not served. This server is not a tunnel.",
            ),
            (
                Refusal::Panicked,
                500,
                Code::Internal,
                "The gateway failed while it worked on the request. Its log has the cause; please report it.",
            ),
        ] {
            let status = Status::from(refusal);
            assert_eq!((status.http(), status.code(), status.message()), (http, code, text));
        }
    }
}
