//! Taking connections from a listening socket.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::secure::{self, Opened};
use super::{Handler, Server, connection, proxy};

/// How many connections are taken after the signal to stop, out of those that the kernel had accepted already.
const LAST_TAKEN: usize = 1_024;

/// The first pause after an error that is not about one connection, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How many connections may be open at a time, shared by all cores.
///
/// When all places are taken, every core keeps at most one more connection waiting and leaves the others with
/// the kernel.
#[derive(Clone, Debug)]
pub struct Places(Arc<Semaphore>);

impl Places {
    /// As many places, at least one.
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Semaphore::new(count.clamp(1, Semaphore::MAX_PERMITS))))
    }

    /// How many more connections may be opened now.
    pub fn free(&self) -> usize {
        self.0.available_permits()
    }

    async fn take(&self) -> OwnedSemaphorePermit {
        self.0.clone().acquire_owned().await.expect("the semaphore is never closed")
    }
}

/// A connection and the address of its peer.
type Accepted<I> = (I, Option<SocketAddr>);

/// Where connections come from.
pub(super) trait Acceptor {
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next connection. Nothing is lost if the future is dropped.
    fn accept(&self) -> impl Future<Output = io::Result<Accepted<Self::Io>>>;

    /// Takes a connection that the kernel holds, without waiting; `None` if it holds none.
    fn accept_now(&self) -> Option<io::Result<Accepted<Self::Io>>>;
}

impl Acceptor for TcpListener {
    type Io = TcpStream;

    async fn accept(&self) -> io::Result<Accepted<TcpStream>> {
        let (stream, remote) = Self::accept(self).await?;
        Ok((without_delay(stream), Some(remote)))
    }

    fn accept_now(&self) -> Option<io::Result<Accepted<TcpStream>>> {
        // Past the runtime, which may not know yet that there is one.
        let accepted = SockRef::from(self).accept().and_then(|(socket, remote)| {
            socket.set_nonblocking(true)?;
            Ok((without_delay(TcpStream::from_std(socket.into())?), remote.as_socket()))
        });
        match accepted {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            accepted => Some(accepted),
        }
    }
}

/// Small answers leave at once; hyper writes what belongs together in one piece.
fn without_delay(stream: TcpStream) -> TcpStream {
    // It fails only for a connection that is gone, which reading will tell.
    let _ = stream.set_nodelay(true);
    stream
}

/// Accepts and serves connections until the signal, and then until all of them have ended.
pub(super) async fn run<H: Handler>(server: Server<H>, acceptor: impl Acceptor) {
    let mut connections = Connections { server, tasks: JoinSet::new() };
    let mut stop = std::pin::pin!(connections.server.signal.given());
    let mut pause = PAUSES.0;
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            Some(_) = connections.tasks.join_next() => continue,
            accepted = acceptor.accept() => accepted,
        };
        match accepted {
            Ok((io, remote)) => {
                pause = PAUSES.0;
                let place = tokio::select! {
                    biased;
                    place = connections.server.places.take() => place,
                    () = &mut stop => break,
                };
                connections.open(io, remote, place);
            }
            Err(error) if is_about_one_connection(&error) => {
                tracing::debug!(%error, "a connection ended before it was accepted");
            }
            Err(error) => {
                tracing::warn!(%error, ?pause, "connections cannot be accepted; trying again after a pause");
                tokio::select! {
                    () = &mut stop => break,
                    () = sleep(pause) => {}
                }
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
    connections.take_last(&acceptor);
    drop(acceptor);
    while connections.tasks.join_next().await.is_some() {}
}

struct Connections<H> {
    server: Server<H>,
    tasks: JoinSet<()>,
}

impl<H: Handler> Connections<H> {
    fn open<I>(&mut self, mut io: I, remote: Option<SocketAddr>, place: OwnedSemaphorePermit)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (shared, signal) = (self.server.shared.load_full(), self.server.signal.clone());
        let (tls, proxied) = (self.server.tls.clone(), self.server.proxied);
        self.tasks.spawn(async move {
            let mut remote = remote;
            if proxied {
                // In a box, so that other connections have no room for it.
                match Box::pin(proxy::origin(&mut io, remote, &shared.limits)).await {
                    Ok(origin) => remote = origin,
                    Err(error) => {
                        let remote = remote.map(tracing::field::display);
                        tracing::debug!(remote, %error, "a connection without a word of a trusted proxy is closed");
                        return drop(place);
                    }
                }
            }
            let opened = match tls {
                None => Some(Opened::plain(io, remote)),
                // In a box, so that connections without TLS have no room for it.
                Some(tls) => Box::pin(secure::open(io, remote, &tls, &signal)).await,
            };
            if let Some(opened) = opened {
                connection::serve(opened, shared, &signal).await;
            }
            drop(place);
        });
    }

    /// Takes what the kernel has accepted on our behalf: closing the socket would reset it.
    fn take_last(&mut self, acceptor: &impl Acceptor) {
        for _ in 0..LAST_TAKEN {
            let Ok(place) = self.server.places.0.clone().try_acquire_owned() else { return };
            let Some(accepted) = acceptor.accept_now() else { return };
            match accepted {
                Ok((io, remote)) => self.open(io, remote, place),
                Err(error) if is_about_one_connection(&error) => {}
                Err(_) => return,
            }
        }
    }
}

/// Whether an error of `accept` concerns only the connection that would have been accepted (accept(2)). Others,
/// such as too many open files, would come again at once.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, Interrupted,
        NetworkDown, NetworkUnreachable, NotConnected, TimedOut, WouldBlock,
    };
    matches!(
        error.kind(),
        BrokenPipe
            | ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | NotConnected
            | TimedOut
            | WouldBlock
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_process_are_waited_out() {
        // Numbers of Linux: EMFILE, ENFILE, ENOBUFS, ENOMEM.
        for number in [24, 23, 105, 12] {
            assert!(!is_about_one_connection(&io::Error::from_raw_os_error(number)), "{number}");
        }
        // ECONNABORTED, EINTR, EHOSTUNREACH, ENETDOWN.
        for number in [103, 4, 113, 100] {
            assert!(is_about_one_connection(&io::Error::from_raw_os_error(number)), "{number}");
        }
    }
}
