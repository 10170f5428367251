//! The PROXY protocol, versions 1 and 2: before anything else a proxy says whose connection it passes on.
//!
//! ```text
//! version 1    "PROXY" SP ("TCP4" | "TCP6") SP source SP destination SP port SP port CRLF, or "PROXY UNKNOWN" ... CRLF
//! version 2    twelve bytes of signature, version and command, family, length:2, addresses, TLVs
//! ```
//!
//! Specification: <https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::limits::Limits;

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The longest line of version 1, with its end.
const MAX_LINE: usize = 107;
/// The most bytes behind the head of version 2. What is in TLVs is passed over.
const MAX_ADDRESSES: usize = 4096;

/// Whose connection it is that a proxy passes on. A proxy that says nothing of that speaks for itself: it looks whether
/// the server is there.
///
/// # Errors
/// The peer is no proxy that is trusted, is too slow, or sends something else.
pub(super) async fn origin(
    io: &mut (impl AsyncRead + Unpin),
    peer: Option<SocketAddr>,
    limits: &Limits,
) -> io::Result<Option<SocketAddr>> {
    if !peer.is_some_and(|peer| limits.proxies.contains(peer.ip())) {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "the peer is no proxy that is trusted"));
    }
    let told = timeout(limits.header_timeout, read(io)).await;
    let told = told.map_err(|_| io::Error::new(ErrorKind::TimedOut, "the proxy was too slow"))??;
    Ok(told.or(peer))
}

/// Reads exactly what the proxy says; `None` if it names nobody.
async fn read(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    // The shortest line of version 1 is longer.
    let mut first = [0; SIGNATURE.len()];
    io.read_exact(&mut first).await?;
    if first == *SIGNATURE {
        return second_version(io).await;
    }
    let mut line = first.to_vec();
    while line.last() != Some(&b'\n') {
        if line.len() == MAX_LINE || !line.starts_with(b"PROXY ") {
            return Err(wrong());
        }
        line.push(io.read_u8().await?);
    }
    let text = std::str::from_utf8(&line).ok().and_then(|line| line.strip_suffix("\r\n"));
    text.and_then(first_version).ok_or_else(wrong)
}

fn wrong() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the proxy does not speak the PROXY protocol")
}

/// Whom a line names; `None` if it is not valid.
fn first_version(line: &str) -> Option<Option<SocketAddr>> {
    let mut words = line.split(' ');
    let (_, family) = (words.next()?, words.next()?);
    if family == "UNKNOWN" {
        return Some(None);
    }
    let [source, destination] = [words.next()?, words.next()?].map(str::parse::<IpAddr>);
    let [port, other] = [words.next()?, words.next()?].map(|port| {
        let is_plain = port.bytes().all(|byte| byte.is_ascii_digit());
        port.parse::<u16>().ok().filter(|_| is_plain)
    });
    let (source, destination, port, _) = (source.ok()?, destination.ok()?, port?, other?);
    let fits = match family {
        "TCP4" => source.is_ipv4() && destination.is_ipv4(),
        "TCP6" => source.is_ipv6() && destination.is_ipv6(),
        _ => false,
    };
    (fits && words.next().is_none()).then(|| Some(SocketAddr::new(source, port)))
}

/// Reads what stands behind the signature of version 2.
async fn second_version(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let (command, family) = (io.read_u8().await?, io.read_u8().await?);
    let length = usize::from(io.read_u16().await?);
    if length > MAX_ADDRESSES {
        return Err(wrong());
    }
    let mut rest = vec![0; length];
    io.read_exact(&mut rest).await?;
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(wrong()),
    };
    // Source and destination with their ports, of either family.
    let is_whole = match family {
        0x11 => length >= 12,
        0x21 => length >= 36,
        _ => true,
    };
    if !is_whole && !is_local {
        return Err(wrong());
    }
    let port = |at: usize| Some(u16::from_be_bytes(rest.get(at..at + 2)?.try_into().ok()?));
    let source = match family {
        _ if is_local => return Ok(None),
        // TCP over IPv4 and IPv6: source and destination, then their ports.
        0x11 => rest.first_chunk::<4>().map(|bytes| IpAddr::from(Ipv4Addr::from(*bytes))).zip(port(8)),
        0x21 => rest.first_chunk::<16>().map(|bytes| IpAddr::from(Ipv6Addr::from(*bytes))).zip(port(32)),
        // Nothing that is known here, or no address.
        _ => return Ok(None),
    };
    source.map(|(address, port)| Some(SocketAddr::new(address, port))).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::call::network::{Network, Networks};

    fn limits() -> Limits {
        let proxies = Networks(vec![Network::new("10.0.0.0".parse().unwrap(), 8).unwrap()]);
        Limits { proxies: Arc::new(proxies), ..Limits::default() }
    }

    /// What is told by these bytes, and what is left of them.
    async fn told(bytes: &[u8]) -> Option<(String, Vec<u8>)> {
        let mut io = bytes;
        let peer = Some("10.0.0.1:4000".parse().unwrap());
        let told = origin(&mut io, peer, &limits()).await.ok()?;
        Some((told.unwrap().to_string(), io.to_vec()))
    }

    fn second(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = (rest.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, rest].concat()
    }

    #[tokio::test]
    async fn proxies_tell_whose_connection_it_is() {
        let six = [&Ipv6Addr::LOCALHOST.octets()[..], &[0; 16], &[0x01, 0x02, 0, 80]].concat();
        let four: &[u8] = &[192, 0, 2, 1, 192, 0, 2, 2, 0x10, 0x00, 0, 80];
        for (bytes, expected) in [
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\nGET".to_vec(), Some("192.0.2.1:56324")),
            (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\nGET".to_vec(), Some("[2001:db8::1]:1")),
            (b"PROXY UNKNOWN\r\nGET".to_vec(), Some("10.0.0.1:4000")),
            (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\nGET".to_vec(), Some("10.0.0.1:4000")),
            (b"PROXY TCP4 2001:db8::1 ::1 1 2\r\n".to_vec(), None),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n".to_vec(), None),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 443\r\n".to_vec(), None),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443 x\r\n".to_vec(), None),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n".to_vec(), None),
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443\n".to_vec(), None),
            (b"PROXY  TCP4 192.0.2.1 192.0.2.2 1 443\r\n".to_vec(), None),
            (format!("PROXY UNKNOWN {}\r\n", "x".repeat(100)).into_bytes(), None),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), None),
            (b"PROXY".to_vec(), None),
            ([second(0x21, 0x11, four), b"GET".to_vec()].concat(), Some("192.0.2.1:4096")),
            (
                [second(0x21, 0x11, &[four, &[4, 0, 1, 9]].concat()), b"GET".to_vec()].concat(),
                Some("192.0.2.1:4096"),
            ),
            ([second(0x21, 0x21, &six), b"GET".to_vec()].concat(), Some("[::1]:258")),
            ([second(0x20, 0x11, four), b"GET".to_vec()].concat(), Some("10.0.0.1:4000")),
            ([second(0x20, 0, &[]), b"GET".to_vec()].concat(), Some("10.0.0.1:4000")),
            ([second(0x21, 0x31, &[0; 216]), b"GET".to_vec()].concat(), Some("10.0.0.1:4000")),
            (second(0x21, 0x11, &four[..11]), None),
            (second(0x22, 0x11, four), None),
            (second(0x11, 0x11, four), None),
            (second(0x21, 0x11, &[0; 4097]), None),
            (second(0x21, 0x11, four)[..20].to_vec(), None),
        ] {
            let expected = expected.map(|address| (address.to_owned(), b"GET".to_vec()));
            assert_eq!(told(&bytes).await, expected, "{:?}", String::from_utf8_lossy(&bytes));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_else_is_believed_and_nobody_waited_for() {
        let line: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n";
        let peer = Some("192.0.2.9:4000".parse().unwrap());
        let refused = origin(&mut &*line, peer, &limits()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::PermissionDenied);
        assert_eq!(
            origin(&mut &*line, None, &limits()).await.unwrap_err().kind(),
            ErrorKind::PermissionDenied
        );
        let (_open, mut silent) = tokio::io::duplex(10);
        let limits = Limits { header_timeout: Duration::from_secs(1), ..limits() };
        let peer = Some("10.0.0.1:4000".parse().unwrap());
        let slow = origin(&mut silent, peer, &limits).await.unwrap_err();
        assert_eq!(slow.kind(), ErrorKind::TimedOut);
    }
}
