//! Listening sockets, one for each core.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// How many connections the kernel may hold for each socket until they are accepted.
const BACKLOG: i32 = 1_024;

/// Why an address cannot be listened on.
#[derive(Debug)]
pub struct ListenError {
    address: SocketAddr,
    cause: io::Error,
}

impl ListenError {
    /// The cause that the system gave.
    pub const fn cause(&self) -> &io::Error {
        &self.cause
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, cause } = self;
        let remedy = match cause.kind() {
            io::ErrorKind::AddrInUse => "Stop the program that listens there, or choose another port.",
            io::ErrorKind::AddrNotAvailable => {
                "This machine has no such address. Choose one that it has, or 0.0.0.0 for all of them."
            }
            io::ErrorKind::PermissionDenied => {
                "Choose a port of 1024 or above, or allow the program to bind a lower one (CAP_NET_BIND_SERVICE)."
            }
            _ => "Check the address.",
        };
        write!(f, "Cannot listen on {address}: {cause}. {remedy}")
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}

/// Opens `count` sockets on one address, at least one; the kernel spreads new connections over them
/// (SO_REUSEPORT). With port 0 all of them get the same free port.
///
/// An address that another program or another call listens on is an error, although SO_REUSEPORT would share
/// it: two gateways that take turns in answering would be hard to notice.
///
/// # Errors
/// The address is in use, not of this machine, or not allowed.
pub fn bind(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, ListenError> {
    let fail = |cause| ListenError { address, cause };
    // Without SO_REUSEPORT binding fails if anybody listens there.
    let probe = socket(address, false).map_err(fail)?;
    let actual = probe.local_addr().map_err(fail)?.as_socket().unwrap_or(address);
    drop(probe);
    bind_beside(actual, count).map_err(|error| ListenError { address, ..error })
}

/// Like [`bind`], for an address on which sockets of this process may listen already: 127.0.0.1:8080 beside
/// 0.0.0.0:8080, say, when one takes the place of the other.
///
/// # Errors
/// The address is in use by another user, not of this machine, or not allowed.
pub fn bind_beside(address: SocketAddr, count: usize) -> Result<Vec<TcpListener>, ListenError> {
    let fail = |cause| ListenError { address, cause };
    let mut actual = address;
    let mut listeners = Vec::with_capacity(count.max(1));
    for _ in 0..count.max(1) {
        let socket = socket(actual, true).map_err(fail)?;
        socket.listen(BACKLOG).map_err(fail)?;
        actual = socket.local_addr().map_err(fail)?.as_socket().unwrap_or(actual);
        listeners.push(socket.into());
    }
    Ok(listeners)
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // Connections of a former process in TIME_WAIT shall not keep the address.
    socket.set_reuse_address(true)?;
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_port() -> SocketAddr {
        "127.0.0.1:0".parse().expect("an address")
    }

    #[test]
    fn all_sockets_have_one_address() {
        let listeners = bind(any_port(), 3).expect("a free port");
        let address = listeners[0].local_addr().expect("an address");
        assert_ne!(address.port(), 0);
        for listener in &listeners {
            assert_eq!(listener.local_addr().expect("an address"), address);
        }
        assert_eq!(listeners.len(), 3);
        assert_eq!(bind(any_port(), 0).expect("a free port").len(), 1);
    }

    #[test]
    fn an_address_is_not_shared_with_others() {
        let listeners = bind(any_port(), 2).expect("a free port");
        let address = listeners[0].local_addr().expect("an address");
        let error = bind(address, 2).expect_err("the address is in use");
        assert_eq!(error.cause().kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with(&format!("Cannot listen on {address}: ")), "{error}");
        assert!(
            error.to_string().ends_with(". Stop the program that listens there, or choose another port."),
            "{error}"
        );
        drop(listeners);
        assert!(bind(address, 2).is_ok());
    }

    #[test]
    fn an_address_is_shared_with_our_own_sockets_when_asked() {
        let everywhere = bind("0.0.0.0:0".parse().expect("an address"), 2).expect("a free port");
        let port = everywhere[0].local_addr().expect("an address").port();
        let here = SocketAddr::from(([127, 0, 0, 1], port));
        assert!(bind(here, 1).is_err());
        let beside = bind_beside(here, 2).expect("a place beside our own sockets");
        assert_eq!(beside[1].local_addr().expect("an address"), here);
    }

    #[test]
    fn other_causes_have_their_remedies() {
        let text = |kind: io::ErrorKind| ListenError { address: any_port(), cause: kind.into() }.to_string();
        assert_eq!(
            text(io::ErrorKind::AddrNotAvailable),
            "Cannot listen on 127.0.0.1:0: address not available. This machine has no such address. Choose one \
             that it has, or 0.0.0.0 for all of them."
        );
        assert_eq!(
            text(io::ErrorKind::PermissionDenied),
            "Cannot listen on 127.0.0.1:0: permission denied. Choose a port of 1024 or above, or allow the \
             program to bind a lower one (CAP_NET_BIND_SERVICE)."
        );
    }
}
