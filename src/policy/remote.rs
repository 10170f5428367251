//! A client for what is asked of those who know callers: an issuer's keys, what a token means.
//!
//! Each question is one request of HTTP/1.1 with an answer that is bounded in time and size. Redirects are not followed:
//! who may redirect could name another issuer.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::time::{Instant, timeout};

use crate::tls::client::Connector;
use crate::tls::dial::{Socket, dial};

/// How long one question may take, the connection included.
const PATIENCE: Duration = Duration::from_secs(2);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;
/// What is kept of an answer's head.
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADERS: usize = 100;
/// Connections that are kept for the next question, and for how long.
const MAX_IDLE: usize = 8;
const IDLE: Duration = Duration::from_secs(20);

/// Where something is asked: `https`, or `http` where that is allowed.
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    scheme: Scheme,
    authority: Authority,
    path: PathAndQuery,
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A query may hold what is secret.
        write!(f, "{}://{}{}", self.scheme, self.authority, self.path.path())
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Url {
    /// Reads a URL. One of `http` must lead to this machine, unless `plain` allows any.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence.
    pub fn parse(text: &str, plain: bool) -> Result<Self, &'static str> {
        let parts = text.parse::<Uri>().map_err(|_| "is not a URL")?.into_parts();
        let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else {
            return Err("is not a URL with a scheme and a host");
        };
        if authority.as_str().contains('@') || text.contains('#') {
            return Err("is a URL with a user name, a password or a fragment");
        }
        let path = parts.path_and_query.unwrap_or(PathAndQuery::from_static("/"));
        let url = Self { scheme, authority, path };
        match url.scheme.as_str() {
            "https" => Ok(url),
            "http" if plain || is_here(url.host()) => Ok(url),
            "http" => Err("is a URL of http, over which everybody on the way could change the answer"),
            _ => Err("is a URL of neither https nor http"),
        }
    }

    fn host(&self) -> &str {
        self.authority.host().trim_start_matches('[').trim_end_matches(']')
    }

    fn port(&self) -> u16 {
        self.authority.port_u16().unwrap_or(if self.is_secure() { 443 } else { 80 })
    }

    /// Whether TLS is spoken.
    pub fn is_secure(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) body: Bytes,
    /// How long it may be kept, if that is said.
    pub(super) max_age: Option<Duration>,
}

/// Why there is no answer: a sentence without its end.
pub(super) type Failure = String;

/// Asks, over connections that are kept for a while.
#[derive(Debug)]
pub struct Remote {
    tls: Option<Arc<Connector>>,
    /// Whether `http` may leave this machine.
    pub(super) plain: bool,
    idle: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    scheme: Scheme,
    authority: Authority,
    since: Instant,
    sender: Sender,
}

type Sender = SendRequest<Full<Bytes>>;

impl Remote {
    /// Opens TLS by `tls`, without which no URL of `https` can be asked.
    pub fn new(tls: Option<Arc<Connector>>, plain: bool) -> Self {
        Self { tls, plain, idle: Mutex::default() }
    }

    /// What opens TLS.
    pub const fn tls(&self) -> Option<&Arc<Connector>> {
        self.tls.as_ref()
    }

    /// Gets what is at a URL, at most `limit` bytes.
    pub(super) async fn get(&self, url: &Url, limit: usize) -> Result<Answer, Failure> {
        let request = request(Method::GET, url).body(Full::default());
        self.ask(url, request, limit).await
    }

    /// Sends a form to a URL, as somebody. At most `limit` bytes are taken as the answer.
    pub(super) async fn post(
        &self,
        url: &Url,
        form: String,
        authorization: &HeaderValue,
        limit: usize,
    ) -> Result<Answer, Failure> {
        let request = request(Method::POST, url)
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form));
        self.ask(url, request, limit).await
    }

    async fn ask(
        &self,
        url: &Url,
        request: Result<Request<Full<Bytes>>, http::Error>,
        limit: usize,
    ) -> Result<Answer, Failure> {
        let request = request.map_err(|error| format!("{url} cannot be asked: {error}"))?;
        let answer = timeout(PATIENCE, self.exchange(url, request, limit)).await;
        let answer =
            answer.unwrap_or_else(|_| Err(format!("did not answer within {} s", PATIENCE.as_secs())));
        answer.map_err(|why| format!("{url} {why}"))
    }

    async fn exchange(
        &self,
        url: &Url,
        request: Request<Full<Bytes>>,
        limit: usize,
    ) -> Result<Answer, Failure> {
        // One that was kept may have been closed meanwhile, which does not count.
        while let Some(mut sender) = self.kept(url) {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.send_request(request.clone()).await {
                Ok(response) => return self.finish(url, sender, response, limit).await,
                Err(error) if error.is_canceled() || error.is_closed() || error.is_incomplete_message() => {}
                Err(error) => return Err(unreadable(&error)),
            }
        }
        let mut sender = self.connect(url).await?;
        let response = sender.send_request(request).await.map_err(|error| unreadable(&error))?;
        self.finish(url, sender, response, limit).await
    }

    async fn finish(
        &self,
        url: &Url,
        sender: Sender,
        response: Response<Incoming>,
        limit: usize,
    ) -> Result<Answer, Failure> {
        let (head, body) = response.into_parts();
        if head.status.is_redirection() {
            return Err(format!(
                "answered with {}, but redirects are not followed; name the place itself",
                head.status.as_u16()
            ));
        }
        if head.status != StatusCode::OK {
            return Err(format!("answered with {}", head.status.as_u16()));
        }
        if head.headers.contains_key(header::CONTENT_ENCODING) {
            return Err("answered with a content encoding that was not asked for".to_owned());
        }
        let body = Limited::new(body, limit).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                format!("answered with more than {limit} bytes")
            } else {
                format!("broke off its answer: {error}")
            }
        })?;
        self.keep(url, sender);
        Ok(Answer { body: body.to_bytes(), max_age: max_age(&head.headers) })
    }

    /// A connection that was kept.
    fn kept(&self, url: &Url) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        idle.retain(|idle| now.duration_since(idle.since) < IDLE && !idle.sender.is_closed());
        let found =
            idle.iter().rposition(|idle| idle.scheme == url.scheme && idle.authority == url.authority)?;
        Some(idle.swap_remove(found).sender)
    }

    fn keep(&self, url: &Url, sender: Sender) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE && !sender.is_closed() {
            let (scheme, authority) = (url.scheme.clone(), url.authority.clone());
            idle.push(Idle { scheme, authority, since: Instant::now(), sender });
        }
    }

    async fn connect(&self, url: &Url) -> Result<Sender, Failure> {
        let unreachable = |error: &dyn fmt::Display| format!("cannot be reached: {error}");
        let deadline = Instant::now() + PATIENCE;
        let stream = dial(url.host(), url.port(), MAX_ADDRESSES, deadline);
        let stream = stream.await.map_err(|error| unreachable(&error))?;
        let stream = if url.is_secure() {
            let tls = self.tls.as_ref().ok_or("has https, but what named it has http")?;
            let name = ServerName::try_from(url.host().to_owned())
                .map_err(|_| "has a host for which no certificate can be".to_owned())?;
            Socket::secured(stream, tls, name).await.map_err(|error| unreachable(&error))?
        } else {
            Socket::Plain(stream)
        };
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_HEADERS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| unreadable(&error))?;
        // It ends when the sender is dropped; what goes wrong with it is told to the sender.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
}

fn request(method: Method, url: &Url) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(url.path.as_str())
        .header(header::HOST, url.authority.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, concat!("transom/", env!("CARGO_PKG_VERSION")))
}

fn unreadable(error: &hyper::Error) -> Failure {
    format!("does not speak HTTP as expected: {error}")
}

/// How long an answer may be kept (RFC 9111 section 5.2.2.1), if that is said.
fn max_age(headers: &http::HeaderMap) -> Option<Duration> {
    let values = headers.get_all(header::CACHE_CONTROL).into_iter().filter_map(|value| value.to_str().ok());
    let mut directives = values.flat_map(|value| value.split(',')).map(str::trim);
    directives.find_map(|directive| match directive.split_once('=') {
        Some((name, seconds)) if name.eq_ignore_ascii_case("max-age") => {
            seconds.trim_matches('"').parse().ok().map(Duration::from_secs)
        }
        None if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache") => {
            Some(Duration::ZERO)
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_of_https_unless_they_stay_here() {
        let plain = "is a URL of http, over which everybody on the way could change the answer";
        for (text, expected) in [
            ("https://id.example/jwks.json?x=1", Ok("https://id.example/jwks.json")),
            ("https://id.example", Ok("https://id.example/")),
            ("http://127.0.0.1:1/a", Ok("http://127.0.0.1:1/a")),
            ("http://[::1]/", Ok("http://[::1]/")),
            ("http://LOCALHOST:80/", Ok("http://LOCALHOST:80/")),
            ("http://localhost.example/", Err(plain)),
            ("http://10.0.0.1/", Err(plain)),
            ("ftp://127.0.0.1/", Err("is a URL of neither https nor http")),
            ("/jwks", Err("is not a URL with a scheme and a host")),
            ("https://me@a/", Err("is a URL with a user name, a password or a fragment")),
            ("https://a/#b", Err("is a URL with a user name, a password or a fragment")),
            ("https://a b/", Err("is not a URL")),
        ] {
            let parsed = Url::parse(text, false).map(|url| url.to_string());
            assert_eq!(parsed, expected.map(str::to_owned), "{text}");
        }
        assert!(Url::parse("http://10.0.0.1/", true).is_ok());
    }

    #[test]
    fn answers_say_how_long_they_may_be_kept() {
        for (value, expected) in [
            ("max-age=300", Some(300)),
            ("public, Max-Age=\"60\", must-revalidate", Some(60)),
            ("no-store", Some(0)),
            ("s-maxage=5", None),
            ("max-age=x", None),
        ] {
            let headers = [(header::CACHE_CONTROL, HeaderValue::from_static(value))].into_iter().collect();
            assert_eq!(max_age(&headers), expected.map(Duration::from_secs), "{value}");
        }
    }
}
