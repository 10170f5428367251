//! From an accepted connection to one that requests can be read from: the handshake of TLS, if there is one.

use std::io;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::Peer;
use super::drain::Signal;
use super::link::{HANDSHAKE, Version};
use super::refusal::Refusal;
use crate::tls::server::{Accepted, Acceptor, Protocol};

/// How long a handshake may go on once the server is told to stop.
const LAST_HANDSHAKE: Duration = Duration::from_secs(1);

/// A connection on which requests may come.
pub(super) struct Opened<I> {
    pub(super) io: Stream<I>,
    /// A byte that was read from it already.
    pub(super) first: Option<u8>,
    pub(super) peer: Peer,
    /// What ALPN agreed on.
    pub(super) agreed: Option<Version>,
    /// Why no request will be handed on, if so.
    pub(super) refusal: Option<Refusal>,
}

impl<I> Opened<I> {
    /// A connection without TLS.
    pub(super) const fn plain(io: I, remote: Option<SocketAddr>) -> Self {
        let peer = Peer { remote, tls: None };
        Self { io: Stream::Plain(io), first: None, peer, agreed: None, refusal: None }
    }

    fn secured(accepted: Accepted<Rewound<I>>, remote: Option<SocketAddr>) -> Self {
        let agreed = accepted.protocol.map(|protocol| match protocol {
            Protocol::Http1 => Version::Http1,
            Protocol::Http2 => Version::Http2,
        });
        Self {
            io: Stream::Tls(Box::new(accepted.stream)),
            first: None,
            peer: Peer { remote, tls: Some(Arc::new(accepted.session)) },
            agreed,
            refusal: None,
        }
    }
}

/// Does the handshake of TLS. A peer that begins with a request in plaintext gets it refused; `None` for one that
/// leaves, is too slow, or brings neither.
pub(super) async fn open<I>(
    io: I,
    remote: Option<SocketAddr>,
    acceptor: &Acceptor,
    signal: &Signal,
) -> Option<Opened<I>>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let stopped = async {
        signal.given().await;
        sleep(LAST_HANDSHAKE).await;
    };
    let opened = tokio::select! {
        opened = timeout(acceptor.handshake_timeout(), shake(io, remote, acceptor)) => opened,
        () = stopped => return None,
    };
    let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "the peer was too slow"));
    match opened.unwrap_or_else(late) {
        Ok(opened) => opened,
        Err(error) => {
            let remote = remote.map(tracing::field::display);
            tracing::debug!(remote, %error, "a handshake of TLS failed");
            None
        }
    }
}

async fn shake<I>(mut io: I, remote: Option<SocketAddr>, acceptor: &Acceptor) -> io::Result<Option<Opened<I>>>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let mut first = [0];
    if io.read(&mut first).await? == 0 {
        return Ok(None);
    }
    match first[0] {
        HANDSHAKE => {
            let accepted = acceptor.accept(Rewound { first: Some(HANDSHAKE), io }).await?;
            Ok(Some(Opened::secured(accepted, remote)))
        }
        // Methods are words.
        letter if letter.is_ascii_alphabetic() => {
            let refusal = Some(Refusal::Plaintext);
            Ok(Some(Opened { first: Some(letter), refusal, ..Opened::plain(io, remote) }))
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the peer sends neither TLS nor HTTP")),
    }
}

/// The bytes of a connection. One type for both, so that what is built on it is built once.
pub(super) enum Stream<I> {
    Plain(I),
    Tls(Box<TlsStream<Rewound<I>>>),
}

/// Gives the first byte once more.
pub(super) struct Rewound<I> {
    first: Option<u8>,
    io: I,
}

impl<I: AsyncRead + Unpin> AsyncRead for Rewound<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0
            && let Some(first) = self.first.take()
        {
            buffer.put_slice(&[first]);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Rewound<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(io) => io.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(io) => Pin::new(io).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
