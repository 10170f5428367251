//! From an accepted connection to one that requests can be read from: the handshake of TLS, if there is one.

use std::io;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::Peer;
use super::drain::Signal;
use super::link::{HANDSHAKE, Version};
use crate::tls::server::{Accepted, Acceptor, Protocol};

/// How long a handshake may go on once the server is told to stop.
const LAST_HANDSHAKE: Duration = Duration::from_secs(1);

/// How long a peer may take to close its side after a handshake that failed.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection on which requests may come.
pub(super) struct Opened<I> {
    pub(super) io: Stream<I>,
    /// A byte that was read from it already.
    pub(super) first: Option<u8>,
    pub(super) peer: Peer,
    /// What ALPN agreed on.
    pub(super) agreed: Option<Version>,
    /// Whether it lacks TLS where it is spoken, so that every request is to be refused.
    pub(super) is_plaintext: bool,
}

impl<I> Opened<I> {
    /// A connection without TLS.
    pub(super) const fn plain(io: I, remote: Option<SocketAddr>) -> Self {
        let peer = Peer { remote, tls: None };
        Self { io: Stream::Plain(io), first: None, peer, agreed: None, is_plaintext: false }
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
            is_plaintext: false,
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
    let failed = |error: &io::Error| {
        let remote = remote.map(tracing::field::display);
        tracing::debug!(remote, %error, "a handshake of TLS failed");
    };
    match opened {
        Ok(Ok(opened)) => return Some(opened),
        Ok(Err((error, io))) => {
            failed(&error);
            let _ = timeout(FAREWELL, close(io)).await;
        }
        Err(_) => failed(&io::Error::new(io::ErrorKind::TimedOut, "the peer was too slow")),
    }
    None
}

async fn shake<I>(
    mut io: I,
    remote: Option<SocketAddr>,
    acceptor: &Acceptor,
) -> Result<Opened<I>, (io::Error, Rewound<I>)>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let mut first = [0];
    let error = match io.read(&mut first).await {
        Ok(0) => io::Error::new(io::ErrorKind::UnexpectedEof, "the peer left before it began"),
        Ok(_) => match first[0] {
            HANDSHAKE => {
                let accepted = acceptor.accept(Rewound { first: Some(HANDSHAKE), io }).await?;
                return Ok(Opened::secured(accepted, remote));
            }
            // Methods are words.
            letter if letter.is_ascii_alphabetic() => {
                let first = Some(letter);
                return Ok(Opened { first, is_plaintext: true, ..Opened::plain(io, remote) });
            }
            _ => io::Error::new(io::ErrorKind::InvalidData, "the peer sends neither TLS nor HTTP"),
        },
        Err(error) => error,
    };
    Err((error, Rewound { first: None, io }))
}

/// Closes a connection after an alert. What the peer still sends is read and forgotten: a socket that is closed with
/// something unread is reset, and the reset may overtake the alert.
async fn close(mut io: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    io.shutdown().await?;
    let mut scratch = [0; 1_024];
    while io.read(&mut scratch).await? > 0 {}
    Ok(())
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
