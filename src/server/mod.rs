//! The HTTP server: connections in, requests to a [`Handler`], answers back. It knows HTTP and no method.
//!
//! - One server runs on each core's own runtime, on a socket of its own ([`listen::bind`]); they share the count
//!   of connections ([`Places`]) and the signal to stop ([`drain::Drain`]).
//! - HTTP/1.0, HTTP/1.1 and HTTP/2 share a port: ALPN tells them apart, or else the first bytes do (prior knowledge).
//! - A server is for plaintext or for TLS ([`Server::secured`]). What speaks the other on its port is told so, as far
//!   as it can be.
//! - Everything that a peer can make grow or last is bounded by [`limits::Limits`].
//! - A request that hyper accepts and that is refused nevertheless, and a panic of a handler, are answered through
//!   [`Handler::refuse`]. What hyper and h2 answer by themselves, before there is a request, is a bare status:
//!   a head that cannot be parsed (400), more than [`limits::Limits::headers`] fields on HTTP/1 or a head beyond
//!   twice the limits (431), a target over 65,534 bytes (414), a header list over the limit on HTTP/2 (431).
//!
//! # Times
//! A handshake of TLS has a time of its own. A connection without a call ends after the idle timeout, or after the header timeout once the first byte of a
//! request has come. A peer that takes nothing of what is sent for the write timeout loses the connection, or on
//! HTTP/2 the call. How long a request's body may take is for the handler to say.
//!
//! # Stopping
//! On the signal the listening sockets close, after what the kernel had accepted is taken. Connections without a
//! call end; HTTP/1 answers carry `connection: close`, HTTP/2 peers get GOAWAY. What is in flight has
//! [`limits::Limits::drain_timeout`] to finish and is cut then.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};

pub mod access_log;
pub mod compress;
pub mod drain;
pub mod limits;
pub mod listen;
pub mod meters;
pub mod refusal;

mod accept;
mod activity;
mod call;
mod connection;
mod frames;
mod link;
mod proxy;
mod secure;

pub use accept::Places;

use drain::Signal;
use limits::Limits;
use refusal::Refusal;

use crate::tls::server::Acceptor;
use crate::tls::session::Session;

/// Who is at the other end of a connection. All its calls share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address; absent where the transport has none.
    pub remote: Option<SocketAddr>,
    /// What TLS told about it; absent on a connection without TLS.
    pub tls: Option<Arc<Session>>,
}

/// Answers requests. It does not fail: a failure is an answer too.
pub trait Handler: Send + Sync + 'static {
    /// The body of an answer. If it fails, the connection (HTTP/1) or the stream (HTTP/2) is cut.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Send
        + Unpin
        + 'static;

    /// Answers a request. The future is dropped when the peer takes the call back. A body for HEAD is left out by
    /// the server, which keeps its length.
    fn call(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Arc<Peer>,
    ) -> impl Future<Output = Response<Self::Body>> + Send + 'static;

    /// Writes the answer for a request that is not handed to [`Handler::call`], after which a connection of HTTP/1
    /// is closed, or for one on which it panicked.
    fn refuse(&self, refusal: Refusal) -> Response<Self::Body>;

    /// The same for a request that is refused as a whole. One that is not to be observed needs no more than
    /// [`Handler::refuse`].
    fn refuse_request(
        &self,
        refusal: Refusal,
        request: &Request<Incoming>,
        peer: &Peer,
    ) -> Response<Self::Body> {
        let _ = (request, peer);
        self.refuse(refusal)
    }
}

/// A server for one core. Clones share everything.
///
/// ```
/// use std::sync::Arc;
///
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use hyper::body::Incoming;
/// use transom::server::{Handler, Peer, Places, Server, drain::Drain, limits, listen, refusal::Refusal};
///
/// struct Hello;
///
/// impl Handler for Hello {
///     type Body = Full<Bytes>;
///
///     async fn call(self: Arc<Self>, _: Request<Incoming>, _: Arc<Peer>) -> Response<Full<Bytes>> {
///         Response::new("hello".into())
///     }
///
///     fn refuse(&self, refusal: Refusal) -> Response<Full<Bytes>> {
///         let mut response = Response::new(refusal.to_string().into());
///         *response.status_mut() = http::StatusCode::from_u16(refusal.http()).expect("refusals have a valid status");
///         response
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (drain, signal) = Drain::new();
/// let places = Places::new(limits::default_connections());
/// let server = Server::new(Hello, limits::Limits::default(), places, signal);
/// let listeners = listen::bind("127.0.0.1:0".parse()?, 2)?;
/// let cores = listeners.into_iter().map(|listener| {
///     let server = server.clone();
///     std::thread::spawn(move || {
///         let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
///         runtime.block_on(server.serve(listener))
///     })
/// });
/// let cores: Vec<_> = cores.collect();
/// drain.stop();
/// for core in cores {
///     core.join().expect("the core does not panic")?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Server<H> {
    shared: Arc<ArcSwap<Shared<H>>>,
    places: Places,
    signal: Signal,
    tls: Option<Arc<Acceptor>>,
    /// Whether connections begin with the PROXY protocol.
    proxied: bool,
}

/// What every connection needs.
#[derive(Debug)]
struct Shared<H> {
    handler: Arc<H>,
    limits: Limits,
}

impl<H> Shared<H> {
    fn new(handler: H, limits: Limits) -> Self {
        Self { handler: Arc::new(handler), limits }
    }
}

impl<H> Clone for Server<H> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            places: self.places.clone(),
            signal: self.signal.clone(),
            tls: self.tls.clone(),
            proxied: self.proxied,
        }
    }
}

impl<H: Handler> Server<H> {
    /// A server. `places` and `signal` are those of all cores.
    pub fn new(handler: H, limits: Limits, places: Places, signal: Signal) -> Self {
        let shared = Arc::new(ArcSwap::from_pointee(Shared::new(handler, limits)));
        Self { shared, places, signal, tls: None, proxied: false }
    }

    /// The same server for sockets that speak TLS and nothing else. Requests that come without it are refused.
    #[must_use]
    pub fn secured(self, acceptor: Arc<Acceptor>) -> Self {
        Self { tls: Some(acceptor), ..self }
    }

    /// The same server for sockets to which only proxies connect that say whose connection they pass on, by the PROXY
    /// protocol. Which proxies are trusted, [`Limits::proxies`] says; connections of others are closed.
    #[must_use]
    pub fn proxied(self) -> Self {
        Self { proxied: true, ..self }
    }

    /// The same server with another signal, for a socket that may close before the others.
    #[must_use]
    pub fn until(&self, signal: Signal) -> Self {
        Self { signal, ..self.clone() }
    }

    /// Gives all clones another handler and other limits, for the connections that are accepted from now on.
    pub fn replace(&self, handler: H, limits: Limits) {
        self.shared.store(Arc::new(Shared::new(handler, limits)));
    }

    /// Accepts and serves connections on the current runtime until the signal is given, and resolves when all of
    /// them have ended, at the latest [`Limits::drain_timeout`] later.
    ///
    /// # Errors
    /// The socket cannot be registered with the runtime. Errors of accepting are logged and waited out.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        accept::run(self, tokio::net::TcpListener::from_std(listener)?).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
