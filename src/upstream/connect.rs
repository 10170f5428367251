//! Opening a connection and driving it.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use h2::client::{Connection, SendRequest};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::time::{Instant, Sleep, sleep, timeout_at};
use tokio_rustls::client::TlsStream;

use super::gather::Gather;
use super::request::Piece;
use super::target::{Place, Target};

/// Bytes that a backend may send on one stream before they are consumed.
const STREAM_WINDOW: u32 = 64 * 1024;
/// The same for a whole connection: all that there can be, so that streams which nobody reads, however many,
/// never hold up the others. What may lie unread is bounded by the streams' own windows.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// Decoded header bytes of one answer, and of its trailers.
const MAX_HEADERS: u32 = 64 * 1024;
/// No attempt takes longer, whatever is asked for.
const LONGEST: Duration = Duration::from_secs(3600);
/// How long what is sent may stay unacknowledged.
const STALL: Duration = Duration::from_secs(10);
/// How long a connection may be silent until the kernel asks whether the other side is still there.
const PROBE_AFTER: Duration = Duration::from_secs(30);
/// How long a connection that cannot be written to is still read.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Opens streams on one connection.
pub(super) type Sender = SendRequest<Piece>;

/// How a connection ended.
pub(super) struct Ending {
    /// Whether the backend ever sent a byte.
    pub(super) heard: bool,
    /// What `h2` said.
    pub(super) result: Result<(), h2::Error>,
}

/// Connects to a target within `timeout` and starts HTTP/2 with prior knowledge.
///
/// The returned [`Driver`] must be polled for the connection to make any progress.
pub(super) async fn open(target: &Target, timeout: Duration) -> io::Result<(Sender, Driver<Socket>)> {
    start(reach(target, timeout).await?).await
}

/// Connects to a target within `timeout`, the handshake of TLS included if it has it.
pub(super) async fn reach(target: &Target, timeout: Duration) -> io::Result<Socket> {
    let deadline = Instant::now() + timeout.min(LONGEST);
    let socket = async {
        let socket = dial(target.place(), deadline).await?;
        match (target.tls(), socket) {
            (Some(tls), Socket::Tcp(stream)) => {
                let stream = tls.connector.connect(stream, tls.name.clone()).await?;
                Ok(Socket::Tls(Box::new(stream)))
            }
            (_, socket) => Ok(socket),
        }
    };
    timeout_at(deadline, socket).await.map_err(|_| late())?
}

async fn start<T: Transport>(socket: T) -> io::Result<(Sender, Driver<T>)> {
    let io = Gather::new(socket);
    let handshake = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADERS)
        .enable_push(false)
        .handshake(io.clone())
        .await;
    let (sender, connection) = handshake.map_err(io::Error::other)?;
    Ok((sender, Driver { connection, io, waited: false, last: None }))
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "connecting took too long")
}

async fn dial(place: &Place, deadline: Instant) -> io::Result<Socket> {
    match place {
        Place::Tcp { host, port } => dial_tcp(host, *port, deadline).await.map(Socket::Tcp),
        #[cfg(unix)]
        Place::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
        #[cfg(not(unix))]
        Place::Unix(_) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "Unix domain sockets do not exist on this platform",
        )),
    }
}

/// Tries the addresses of a host in the order of the resolver. An address that does not answer uses
/// up only its share of the time that is left.
async fn dial_tcp(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let addresses: Vec<_> = tokio::net::lookup_host((host, port)).await?.take(MAX_ADDRESSES).collect();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (tried, address) in addresses.iter().enumerate() {
        let now = Instant::now();
        let left = u32::try_from(addresses.len() - tried).unwrap_or(1);
        let share = deadline.saturating_duration_since(now) / left;
        match timeout_at(now + share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                watch_over(&stream)?;
                return Ok(stream);
            }
            Ok(Err(error)) => failure = error,
            Err(_) => failure = late(),
        }
    }
    Err(failure)
}

/// Lets the kernel end a connection whose host is gone; without this, calls would go there and time out
/// for a quarter of an hour. Probes also keep the state of firewalls alive.
fn watch_over(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(STALL);
    let watched = socket.set_tcp_keepalive(&probes);
    #[cfg(target_os = "linux")]
    let watched = watched.and_then(|()| socket.set_tcp_user_timeout(Some(STALL)));
    if let Err(error) = watched {
        // Some sandboxes lack it; the connection is good all the same.
        tracing::debug!(%error, "the kernel does not watch over a connection to a backend");
    }
    Ok(())
}

/// A byte stream both ways.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Transport for T {}

/// Moves the bytes of one connection until it ends.
pub(super) struct Driver<T: Transport> {
    connection: Connection<Gather<T>, Piece>,
    io: Gather<T>,
    /// Whether what is held back has waited for the tasks that were ready to run.
    waited: bool,
    /// Once writing has failed: how long reading goes on.
    last: Option<Pin<Box<Sleep>>>,
}

impl<T: Transport> Driver<T> {
    /// Runs the connection to its end. Streams that are open when this future is dropped fail.
    pub(super) async fn run(mut self) -> Ending {
        let result = poll_fn(|cx| self.poll(cx)).await;
        Ending { heard: self.io.heard(), result }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        if let Poll::Ready(result) = Pin::new(&mut self.connection).poll(cx) {
            return Poll::Ready(result);
        }
        // A stream that was opened just now lets its call send the message; other calls that are ready may have
        // something to send as well. They run first, and everything leaves together.
        if self.io.holds() && !self.waited {
            self.waited = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.waited = false;
        if let Poll::Ready(Err(error)) = self.io.poll_drain(cx) {
            tracing::debug!(%error, "a connection to a backend broke while writing");
            self.last = Some(Box::pin(sleep(LAST_WORDS)));
        }
        // A GOAWAY that came before, by which calls may be sent again, has perhaps not been read yet. After it
        // `h2` sees the end by itself, unless the peer only closed its half.
        match &mut self.last {
            Some(last) => last.as_mut().poll(cx).map(Ok),
            None => Poll::Pending,
        }
    }
}

/// The kinds of transport.
pub(super) enum Socket {
    Tcp(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, data),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, data),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, data),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use http::{Request, Response};
    use tokio::io::{DuplexStream, duplex};

    use super::*;

    /// Counts the writes that reach the transport.
    struct Counted {
        io: DuplexStream,
        writes: Arc<AtomicUsize>,
    }

    impl AsyncRead for Counted {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Counted {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            data: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.writes.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.io).poll_write(cx, data)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.io).poll_shutdown(cx)
        }
    }

    async fn answer(far: DuplexStream) {
        let mut server = h2::server::handshake(far).await.unwrap();
        while let Some(Ok((_request, mut respond))) = server.accept().await {
            respond.send_response(Response::new(()), true).unwrap();
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn the_kernel_watches_for_a_backend_that_is_gone() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let deadline = Instant::now() + Duration::from_secs(5);
        let stream = dial_tcp("127.0.0.1", port, deadline).await.unwrap();
        let socket = SockRef::from(&stream);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(10)));
        assert!(socket.keepalive().unwrap() && socket.tcp_nodelay().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(30));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(10));
    }

    #[tokio::test]
    async fn calls_that_start_together_leave_in_one_write() {
        let (near, far) = duplex(1 << 20);
        let writes = Arc::new(AtomicUsize::new(0));
        tokio::spawn(answer(far));
        let (mut sender, driver) = start(Counted { io: near, writes: Arc::clone(&writes) }).await.unwrap();
        tokio::spawn(driver.run());
        let mut call = |size: usize| {
            let request = Request::post("http://shop/shop.Echo/Say").body(()).unwrap();
            let (response, mut stream) = sender.send_request(request, false).unwrap();
            let body = Bytes::from(vec![0; size]);
            stream.send_data(Piece::message(body.clone(), size).unwrap(), true).unwrap();
            (response, body)
        };
        // The first call also settles the SETTINGS of both sides.
        call(10).0.await.unwrap();
        for sizes in [&[10][..], &[10_000], &[10, 2_000, 5_000]] {
            tokio::task::yield_now().await;
            let before = writes.load(Ordering::Relaxed);
            let answers: Vec<_> = sizes.iter().map(|&size| call(size)).collect();
            for (answer, body) in answers {
                answer.await.unwrap();
                assert!(body.is_unique(), "what was written is let go");
            }
            assert_eq!(writes.load(Ordering::Relaxed) - before, 1, "{sizes:?}");
        }
    }
}
