//! An I/O layer under `h2` that turns many small writes into few.
//!
//! `h2` hands each DATA frame above a small size to the socket by itself and flushes in between, so
//! that frames of different streams never share a system call. [`Gather`] copies what is written into
//! one buffer and treats a flush as done; whoever drives the connection writes the buffer out with
//! [`Gather::poll_drain`] once neither the connection nor the calls on it have more to do for now. At
//! most [`LIMIT`] bytes are held back: beyond that the socket is written to at once and its readiness is
//! the writer's.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes are held back at most.
const LIMIT: usize = 64 * 1024;

/// The layer; clones are handles to one connection. All of them belong to one task, so that the lock
/// is never contended.
pub(super) struct Gather<T> {
    inner: Arc<Mutex<Inner<T>>>,
}

struct Inner<T> {
    io: T,
    held: BytesMut,
    heard: bool,
    /// Whether the socket failed while what was held back was written; nothing more is held back then.
    broken: bool,
}

impl<T> Clone for Gather<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> Gather<T> {
    pub(super) fn new(io: T) -> Self {
        let inner = Inner { io, held: BytesMut::new(), heard: false, broken: false };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Whether the peer ever sent a byte.
    pub(super) fn heard(&self) -> bool {
        self.lock().heard
    }

    /// Whether something is held back.
    pub(super) fn holds(&self) -> bool {
        !self.lock().held.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: AsyncWrite + Unpin> Gather<T> {
    /// Writes out what is held back. After an error everything that is still written is dropped: whoever
    /// reads may yet learn why the connection ended.
    pub(super) fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        let drained = inner.drain(cx);
        if let Poll::Ready(Err(_)) = &drained {
            inner.held.clear();
            inner.broken = true;
        }
        drained
    }
}

impl<T: AsyncWrite + Unpin> Inner<T> {
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.held.is_empty() {
            return Poll::Ready(Ok(()));
        }
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.held))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.held.advance(written);
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Gather<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        let before = buf.filled().len();
        ready!(Pin::new(&mut inner.io).poll_read(cx, buf))?;
        inner.heard |= buf.filled().len() > before;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gather<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut inner = self.lock();
        if inner.broken {
            return Poll::Ready(Ok(data.len()));
        }
        if inner.held.len() >= LIMIT {
            ready!(inner.drain(cx))?;
        }
        let taken = data.len().min(LIMIT - inner.held.len());
        inner.held.extend_from_slice(&data[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.lock();
        ready!(inner.drain(cx))?;
        Pin::new(&mut inner.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// A sink that remembers the size of each write and takes at most `step` bytes at once.
    struct Sink {
        writes: Vec<usize>,
        step: usize,
    }

    impl AsyncWrite for Sink {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
            let taken = data.len().min(self.step);
            self.writes.push(taken);
            Poll::Ready(Ok(taken))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn drain(gather: &Gather<Sink>) -> Poll<io::Result<()>> {
        gather.poll_drain(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn small_writes_leave_together_when_drained() {
        let mut gather = Gather::new(Sink { writes: Vec::new(), step: usize::MAX });
        for _ in 0..3 {
            gather.write_all(&[1; 1000]).await.unwrap();
            gather.flush().await.unwrap();
        }
        assert!(gather.lock().writes().is_empty());
        assert!(matches!(drain(&gather), Poll::Ready(Ok(()))));
        assert_eq!(gather.lock().writes(), [3000]);
    }

    #[tokio::test]
    async fn no_more_than_the_limit_is_held_and_partial_writes_go_on() {
        let mut gather = Gather::new(Sink { writes: Vec::new(), step: 40_000 });
        gather.write_all(&vec![1; LIMIT + 10]).await.unwrap();
        assert_eq!(gather.lock().writes(), [40_000, LIMIT - 40_000]);
        assert!(matches!(drain(&gather), Poll::Ready(Ok(()))));
        assert_eq!(gather.lock().writes(), [40_000, LIMIT - 40_000, 10]);
    }

    #[tokio::test]
    async fn a_socket_that_takes_nothing_is_an_error() {
        let mut gather = Gather::new(Sink { writes: Vec::new(), step: 0 });
        gather.write_all(&[1]).await.unwrap();
        assert!(
            matches!(drain(&gather), Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::WriteZero)
        );
        // Nothing is held any more, and what h2 still has to say goes nowhere.
        gather.write_all(&vec![1; 2 * LIMIT]).await.unwrap();
        assert!(!gather.holds());
        assert!(matches!(drain(&gather), Poll::Ready(Ok(()))));
    }

    #[tokio::test]
    async fn shutdown_writes_the_rest_and_reading_is_noticed() {
        let (near, mut far) = tokio::io::duplex(1024);
        let mut gather = Gather::new(near);
        assert!(!gather.heard());
        gather.write_all(b"bye").await.unwrap();
        gather.shutdown().await.unwrap();
        let mut text = String::new();
        far.write_all(b"ok").await.unwrap();
        far.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "bye");
        gather.read_exact(&mut [0; 2]).await.unwrap();
        assert!(gather.heard());
    }

    impl Inner<Sink> {
        fn writes(&self) -> &[usize] {
            &self.io.writes
        }
    }
}
