//! The byte stream of a connection: finds out which HTTP it speaks, and does not wait for a peer for ever.

use std::future::Future;
use std::io;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::activity::Activity;
use super::frames::Frames;
use super::limits::Limits;
use super::meters::{BYTES, RECEIVED, SENT};

/// What an HTTP/2 client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first byte of a connection with TLS: a record with a part of the handshake (RFC 8446 section 5.1).
pub(super) const HANDSHAKE: u8 = 0x16;

/// How long a peer may take to close its side after ours is closed. A socket that is closed while the peer
/// still sends is reset, and the reset may overtake the last answer.
const LINGER: Duration = Duration::from_secs(2);

/// Which HTTP a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// HTTP/1.0 or HTTP/1.1, or something that hyper will refuse.
    Http1,
    /// HTTP/2 by prior knowledge, or by ALPN.
    Http2,
    /// None: the peer begins TLS where it is not spoken.
    Tls,
}

/// A byte stream that gives what was read to find out the version once more, and that fails when its peer takes
/// nothing for the write timeout.
pub(super) struct Link<I> {
    io: I,
    /// The beginning of what the peer sent: `read` bytes, of which `given` were handed on.
    prefix: [u8; PREFACE.len()],
    read: usize,
    given: usize,
    activity: Arc<Activity>,
    write_timeout: Duration,
    /// On HTTP/2, behind the preface.
    frames: Option<Frames>,
    control_frames: usize,
    timer: Option<Pin<Box<Sleep>>>,
    /// What the timer is for.
    waiting: Waiting,
    /// Whether the peer has closed its side.
    ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Nothing,
    Write,
    Flush,
    Shutdown,
    End,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Link<I> {
    /// A link whose peer has sent the byte `first`, if it is there, before what `io` gives.
    pub(super) fn new(io: I, first: Option<u8>, activity: Arc<Activity>, limits: &Limits) -> Self {
        let mut prefix = [0; PREFACE.len()];
        if let Some(first) = first {
            prefix[0] = first;
            activity.received();
        }
        Self {
            io,
            prefix,
            read: usize::from(first.is_some()),
            given: 0,
            activity,
            write_timeout: limits.write_timeout,
            frames: None,
            control_frames: limits.control_frames,
            timer: None,
            waiting: Waiting::Nothing,
            ended: false,
        }
    }

    /// Reads until it is clear which HTTP the peer speaks: the whole preface, or the first byte that differs
    /// from it. What was `agreed` on holds nevertheless; whatever else comes is refused by hyper. `None` if the peer
    /// closes before it has sent anything.
    pub(super) fn poll_version(
        &mut self,
        cx: &mut Context<'_>,
        agreed: Option<Version>,
    ) -> Poll<io::Result<Option<Version>>> {
        if agreed == Some(Version::Http1) {
            return Poll::Ready(Ok(agreed));
        }
        loop {
            if self.prefix[..self.read] != PREFACE[..self.read] {
                let found = if self.prefix[0] == HANDSHAKE { Version::Tls } else { Version::Http1 };
                return Poll::Ready(Ok(agreed.or(Some(found))));
            }
            if self.read == PREFACE.len() {
                self.frames = Some(Frames::new(self.activity.clone(), self.control_frames));
                return Poll::Ready(Ok(Some(Version::Http2)));
            }
            let before = self.read;
            let mut buffer = ReadBuf::new(&mut self.prefix[self.read..]);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer))?;
            match buffer.filled().len() {
                0 => {
                    // What there is of a request goes to hyper, which knows how to refuse it.
                    self.ended = true;
                    return Poll::Ready(Ok((self.read > 0).then_some(agreed.unwrap_or(Version::Http1))));
                }
                count => self.read += count,
            }
            BYTES.add(RECEIVED, (self.read - before) as u64);
            self.activity.received();
        }
    }

    /// Starts the timer unless it runs for the same thing, and is ready when the time is over.
    fn poll_timeout(&mut self, cx: &mut Context<'_>, waiting: Waiting, timeout: Duration) -> Poll<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
        if self.waiting != waiting {
            self.waiting = waiting;
            timer.as_mut().reset(Instant::now() + timeout);
        }
        timer.as_mut().poll(cx)
    }

    /// Passes a result on, unless the peer has taken nothing for too long. A flush that is ready says nothing
    /// about a write that waits.
    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        waiting: Waiting,
        result: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if result.is_ready() {
            if waiting == Waiting::Write || self.waiting == waiting {
                self.waiting = Waiting::Nothing;
            }
            return result;
        }
        ready!(self.poll_timeout(cx, waiting, self.write_timeout));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the peer takes nothing of what is sent to it",
        )))
    }

    /// Reads and forgets what the peer still sends, until it closes its side or [`LINGER`] is over.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Bounded, so that a fast peer does not keep the core for itself.
        for _ in 0..16 {
            if self.ended || self.poll_timeout(cx, Waiting::End, LINGER).is_ready() {
                return Poll::Ready(());
            }
            let mut scratch = [0; 4_096];
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)) {
                Ok(()) => self.ended = buffer.filled().is_empty(),
                Err(_) => self.ended = true,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn written(result: &Poll<io::Result<usize>>) {
    if let Poll::Ready(Ok(count)) = result {
        BYTES.add(SENT, *count as u64);
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Link<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.given < this.read {
            let count = buffer.remaining().min(this.read - this.given);
            buffer.put_slice(&this.prefix[this.given..this.given + count]);
            this.given += count;
            return Poll::Ready(Ok(()));
        }
        if this.ended {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        // Until there is something: frames that are left out are not the end.
        while buffer.filled().len() == before && buffer.remaining() > 0 {
            ready!(Pin::new(&mut this.io).poll_read(cx, buffer))?;
            if buffer.filled().len() == before {
                this.ended = true;
                break;
            }
            BYTES.add(RECEIVED, (buffer.filled().len() - before) as u64);
            this.activity.received();
            if let Some(frames) = &mut this.frames {
                let length = frames.read(&mut buffer.filled_mut()[before..]);
                buffer.set_filled(before + length);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Link<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write(cx, bytes);
        if let (Poll::Ready(Ok(count)), Some(frames)) = (&result, &mut self.frames) {
            frames.written(&bytes[..*count]);
        }
        written(&result);
        self.watch(cx, Waiting::Write, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        if let (Poll::Ready(Ok(count)), Some(frames)) = (&result, &mut self.frames) {
            let mut left = *count;
            for slice in slices {
                let count = slice.len().min(left);
                frames.written(&slice[..count]);
                left -= count;
            }
        }
        written(&result);
        self.watch(cx, Waiting::Write, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.io).poll_flush(cx);
        self.watch(cx, Waiting::Flush, result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.waiting != Waiting::End {
            let result = Pin::new(&mut self.io).poll_shutdown(cx);
            ready!(self.watch(cx, Waiting::Shutdown, result))?;
        }
        self.poll_linger(cx).map(Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    fn link(capacity: usize) -> (DuplexStream, Link<DuplexStream>) {
        let (peer, io) = duplex(capacity);
        (peer, Link::new(io, None, Arc::new(Activity::new()), &Limits::default()))
    }

    async fn version(sent: &[&[u8]]) -> Option<Version> {
        let (mut peer, mut link) = link(1);
        let all: Vec<u8> = sent.concat();
        let expected = all.clone();
        let writer = tokio::spawn(async move {
            // The duplex holds one byte, so that every cut happens.
            let _ = peer.write_all(&all).await;
        });
        let version = poll_fn(|cx| link.poll_version(cx, None)).await.expect("the duplex does not fail");
        let mut read = Vec::new();
        link.read_to_end(&mut read).await.expect("the duplex does not fail");
        assert_eq!(read, expected, "everything is given once more");
        writer.await.expect("the writer ends");
        version
    }

    #[tokio::test]
    async fn the_version_is_known_from_the_first_bytes() {
        for (sent, expected) in [
            (&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nrest"[..], Some(Version::Http2)),
            (b"GET / HTTP/1.1\r\n\r\n", Some(Version::Http1)),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rx", Some(Version::Http1)),
            (b"PRI / HTTP/1.1\r\n\r\n", Some(Version::Http1)),
            (b"PRI", Some(Version::Http1)),
            (b"\x16\x03\x01\x02\0", Some(Version::Tls)),
            (b"", None),
        ] {
            assert_eq!(version(&[sent]).await, expected, "{}", sent.escape_ascii());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (mut peer, mut link) = link(4);
        let start = Instant::now();
        link.write_all(b"1234").await.expect("there is room");
        tokio::time::advance(Duration::from_secs(60)).await;
        // Only the time without progress counts.
        let reader = async {
            sleep(Duration::from_secs(9)).await;
            peer.read_u8().await.expect("there is a byte")
        };
        let (written, _) = tokio::join!(link.write_all(b"56"), reader);
        let error = written.expect_err("the peer reads one byte only");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(error.to_string(), "the peer takes nothing of what is sent to it");
        assert_eq!(start.elapsed().as_secs(), 60 + 9 + 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_waits_for_the_peer_to_close() {
        let (mut peer, mut link) = link(64);
        let start = Instant::now();
        peer.write_all(&[0; 64]).await.expect("there is room");
        let sender = tokio::spawn(async move {
            peer.write_all(&[0; 100]).await.expect("the link still reads");
            sleep(Duration::from_secs(1)).await;
        });
        link.shutdown().await.expect("shutting down works");
        assert_eq!(start.elapsed().as_secs(), 1);
        sender.await.expect("the sender ends");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_does_not_wait_for_ever() {
        let (_peer, mut link) = link(64);
        let start = Instant::now();
        link.shutdown().await.expect("shutting down works");
        assert_eq!(start.elapsed(), LINGER);
    }
}
