//! The service manager: what it is told (`sd_notify(3)`), and the sockets that it hands over
//! (`sd_listen_fds(3)`). Without one, nothing happens.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use listenfd::ListenFd;
use rustix::time::{ClockId, clock_gettime};

/// Tells the service manager how the process is.
#[derive(Clone, Debug)]
pub(super) struct Notifier {
    socket: Option<Arc<UnixDatagram>>,
    /// How often it wants a sign of life.
    watchdog: Option<Duration>,
}

impl Notifier {
    /// The service manager that the environment names: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub(super) fn from_environment() -> Self {
        let socket = env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = socket.and_then(|name| {
            let connected = connect(&name);
            if let Err(error) = &connected {
                tracing::warn!(socket = ?name, %error, "the service manager at NOTIFY_SOCKET cannot be told anything");
            }
            connected.ok()
        });
        let number = |name| env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let is_for_others = number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|micros| *micros > 0 && !is_for_others);
        let watchdog = watchdog.filter(|_| socket.is_some()).map(Duration::from_micros);
        Self { watchdog, socket: socket.map(Arc::new) }
    }

    /// Everything is served.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// A reload has begun; [`Self::ready`] says that it is over.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=Reloading."));
    }

    /// The process ends.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=Calls in flight may finish.");
    }

    /// How often a sign of life is due: twice as often as one is waited for.
    pub(super) fn watchdog(&self) -> Option<Duration> {
        self.watchdog.map(|time| time / 2)
    }

    /// A sign of life.
    pub(super) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, text: &str) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = socket.send(text.as_bytes()) {
            tracing::debug!(%error, "the service manager could not be told anything");
        }
    }
}

/// A socket that sends to the service manager. A name that begins with `@` is not in the file system.
fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // It must never hold the gateway back.
    socket.set_nonblocking(true)?;
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => hidden(rest)?,
        _ => UnixAddress::from_pathname(name)?,
    };
    socket.connect_addr(&address)?;
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn hidden(name: &[u8]) -> io::Result<UnixAddress> {
    use std::os::linux::net::SocketAddrExt;

    UnixAddress::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn hidden(_: &[u8]) -> io::Result<UnixAddress> {
    Err(io::Error::other("only Linux has sockets outside the file system"))
}

/// A status without what could be taken for a further line.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Sockets that the process was started with.
#[derive(Debug, Default)]
pub(super) struct Inherited(Vec<(SocketAddr, TcpListener)>);

impl Inherited {
    /// The sockets of `LISTEN_FDS`. To be called before there are other threads, as it takes the variables out of
    /// the environment.
    pub(super) fn from_environment() -> Self {
        let mut sockets = ListenFd::from_env();
        let mut inherited = Vec::new();
        for position in 0..sockets.len() {
            let taken = sockets.take_tcp_listener(position);
            match taken.and_then(|socket| socket.map(|socket| Ok((socket.local_addr()?, socket))).transpose())
            {
                Ok(socket) => inherited.extend(socket),
                Err(error) => {
                    tracing::warn!(position, %error, "a socket of LISTEN_FDS is left alone: it is not one that listens on TCP");
                }
            }
        }
        Self(inherited)
    }

    /// The socket for an address, once for each of `count` cores, which then share it. An address that means all
    /// interfaces fits one that does so too, whichever version of IP it names.
    pub(super) fn take(&mut self, address: SocketAddr, count: usize) -> Option<Vec<TcpListener>> {
        let fits = |other: &SocketAddr| {
            let everywhere = other.ip().is_unspecified() && address.ip().is_unspecified();
            other.port() == address.port() && (other.ip() == address.ip() || everywhere)
        };
        let position = self.0.iter().position(|(other, _)| fits(other))?;
        let (_, socket) = self.0.swap_remove(position);
        let copies = (1..count).map(|_| socket.try_clone()).collect::<io::Result<Vec<_>>>();
        match copies {
            Ok(mut copies) => {
                copies.push(socket);
                Some(copies)
            }
            Err(error) => {
                tracing::warn!(%address, %error, "the socket that the process was started with cannot be used");
                None
            }
        }
    }

    /// Says which sockets no listener has taken, and closes them.
    pub(super) fn finish(self) {
        for (address, _) in self.0 {
            tracing::warn!(
                %address,
                "a socket of LISTEN_FDS is closed: `listeners` has no such address"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_is_told_in_datagrams() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier =
            Notifier { socket: Some(Arc::new(connect(path.as_os_str()).unwrap())), watchdog: None };
        let told = || {
            let mut buffer = [0; 1_024];
            let length = manager.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        notifier.ready("Serving\n3 methods.");
        assert_eq!(told(), "READY=1\nSTATUS=Serving 3 methods.");
        notifier.reloading();
        let text = told();
        let (first, rest) = text.split_once("\nMONOTONIC_USEC=").unwrap();
        assert_eq!(first, "RELOADING=1");
        assert!(rest.split_once('\n').unwrap().0.parse::<u64>().unwrap() > 0, "{text}");
        notifier.stopping();
        assert_eq!(told(), "STOPPING=1\nSTATUS=Calls in flight may finish.");
        notifier.alive();
        assert_eq!(told(), "WATCHDOG=1");
        drop(manager);
        notifier.alive();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_outside_the_file_system_begin_with_an_at() {
        use std::os::linux::net::SocketAddrExt;

        let name = format!("transom-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&UnixAddress::from_abstract_name(&name).unwrap()).unwrap();
        let socket = connect(OsStr::new(&format!("@{name}"))).unwrap();
        socket.send(b"READY=1").unwrap();
        let mut buffer = [0; 16];
        assert_eq!(manager.recv(&mut buffer).unwrap(), 7);
    }

    #[test]
    fn a_socket_is_taken_by_its_address() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let mut inherited = Inherited(vec![(address, socket)]);
        assert!(inherited.take(SocketAddr::from(([127, 0, 0, 2], address.port())), 2).is_none());
        let sockets = inherited.take(address, 3).unwrap();
        assert_eq!(sockets.len(), 3);
        assert!(sockets.iter().all(|socket| socket.local_addr().unwrap() == address));
        assert!(inherited.take(address, 1).is_none());
        let everywhere = TcpListener::bind("[::]:0").unwrap();
        let port = everywhere.local_addr().unwrap().port();
        let mut inherited = Inherited(vec![(everywhere.local_addr().unwrap(), everywhere)]);
        assert!(inherited.take(SocketAddr::from(([0, 0, 0, 0], port)), 1).is_some());
    }
}
