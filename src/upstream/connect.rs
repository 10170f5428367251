//! Opening a connection.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout_at};

use super::http2::driver::{Driver, start};
use super::http2::handle::Sender;
use super::target::{Place, Target};
use crate::tls::dial::{Socket, dial as dial_host, late};

/// No attempt takes longer, whatever is asked for.
const LONGEST: Duration = Duration::from_secs(3600);
/// How long what is sent may stay unacknowledged.
const STALL: Duration = Duration::from_secs(10);
/// How long a connection may be silent until the kernel asks whether the other side is still there.
const PROBE_AFTER: Duration = Duration::from_secs(30);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Connects to a target within `timeout` and starts HTTP/2 with prior knowledge.
///
/// The returned [`Driver`] must be run for the connection to make any progress.
pub(super) async fn open(target: &Target, timeout: Duration) -> io::Result<(Sender, Driver<Socket>)> {
    Ok(start(reach(target, timeout).await?))
}

/// Connects to a target within `timeout`, the handshake of TLS included if it has it.
pub(super) async fn reach(target: &Target, timeout: Duration) -> io::Result<Socket> {
    let deadline = Instant::now() + timeout.min(LONGEST);
    let socket = async {
        let socket = dial(target.place(), deadline).await?;
        match (target.tls(), socket) {
            (Some(tls), Socket::Plain(stream)) => {
                Socket::secured(stream, &tls.connector, tls.name.clone()).await
            }
            (_, socket) => Ok(socket),
        }
    };
    timeout_at(deadline, socket).await.map_err(|_| late())?
}

async fn dial(place: &Place, deadline: Instant) -> io::Result<Socket> {
    match place {
        Place::Tcp { host, port } => dial_tcp(host, *port, deadline).await.map(Socket::Plain),
        #[cfg(unix)]
        Place::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
        #[cfg(not(unix))]
        Place::Unix(_) => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "Unix domain sockets do not exist on this platform",
        )),
    }
}

async fn dial_tcp(host: &str, port: u16, deadline: Instant) -> io::Result<TcpStream> {
    let stream = dial_host(host, port, MAX_ADDRESSES, deadline).await?;
    watch_over(&stream);
    Ok(stream)
}

/// Lets the kernel end a connection whose host is gone; without this, calls would go there and time out
/// for a quarter of an hour. Probes also keep the state of firewalls alive.
fn watch_over(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new().with_time(PROBE_AFTER).with_interval(STALL);
    let watched = socket.set_tcp_keepalive(&probes);
    #[cfg(target_os = "linux")]
    let watched = watched.and_then(|()| socket.set_tcp_user_timeout(Some(STALL)));
    if let Err(error) = watched {
        // Some sandboxes lack it; the connection is good all the same.
        tracing::debug!(%error, "the kernel does not watch over a connection to a backend");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

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
}
