//! Where a request comes from that a proxy has passed on, as one header says: `X-Forwarded-For`, or `Forwarded` (RFC
//! 7239).
//!
//! Which of the two is the operator's to say, never the caller's: proxies write one of them, and pass on what a caller
//! has written as the other.
//!
//! Each proxy appends whom it has the request from. What stands rightmost was so written by the proxy that is connected
//! to us, and is believed if that is trusted; then the next one to the left, by which it is trusted in turn. The first
//! address that is no proxy's is the caller's, and whatever stands further left could be anything.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::snapshot::{Proxies, ProxyHeader};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How many proxies are followed at most.
const MAX_HOPS: usize = 32;

/// The address of the caller: that of the peer, unless it is a proxy that is trusted. Its port is 0 where a proxy tells
/// none. IPv4 addresses in the form of IPv6 are those of IPv4.
pub(super) fn caller(proxies: &Proxies, peer: Option<SocketAddr>, headers: &HeaderMap) -> Option<SocketAddr> {
    let peer = peer?;
    let mut last = if peer.is_ipv4() { peer } else { SocketAddr::new(peer.ip().to_canonical(), peer.port()) };
    let Proxies { networks, header } = proxies;
    if networks.is_empty() || !networks.contains(last.ip()) {
        return Some(last);
    }
    let hops: Vec<_> = match header {
        ProxyHeader::XForwardedFor => {
            elements(headers, &X_FORWARDED_FOR).map(address).take(MAX_HOPS).collect()
        }
        ProxyHeader::Forwarded => {
            elements(headers, &header::FORWARDED).map(forwarded).take(MAX_HOPS).collect()
        }
    };
    for hop in hops {
        // Somebody who is not named came through the last one that is.
        let Some(hop) = hop else { break };
        last = hop;
        if !networks.contains(last.ip()) {
            break;
        }
    }
    Some(last)
}

/// The elements of a header that is a list, from the last to the first. Quotes hold no comma in what is valid here.
fn elements<'h>(headers: &'h HeaderMap, name: &'h HeaderName) -> impl Iterator<Item = &'h str> {
    let lines: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
    // What is no text is an element that names nobody.
    lines.into_iter().rev().flat_map(|line| line.to_str().unwrap_or("?").rsplit(',').map(str::trim))
}

/// The `for` of an element of `Forwarded`.
fn forwarded(element: &str) -> Option<SocketAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, node) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    let node = node.trim();
    let node = node.strip_prefix('"').map_or(Some(node), |node| node.strip_suffix('"'))?;
    address(node)
}

/// An address with or without a port; IPv6 with or without brackets. `None` for `unknown` and names that hide one.
fn address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(address.to_canonical(), 0));
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(SocketAddr::new(address.ip().to_canonical(), address.port()));
    }
    let inner: Ipv6Addr = text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
    Some(SocketAddr::new(IpAddr::from(inner).to_canonical(), 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::network::{Network, Networks};

    const PROXY: &str = "10.0.0.1:4000";

    fn proxies(header: ProxyHeader) -> Proxies {
        let network = |address: &str, prefix| Network::new(address.parse().unwrap(), prefix).unwrap();
        let networks = Networks(vec![network("10.0.0.0", 8), network("2001:db8::", 32)]);
        Proxies { networks, header }
    }

    /// Holds the caller of a request from a peer with these headers against what is expected.
    #[track_caller]
    fn assert_caller(
        header: ProxyHeader,
        peer: &str,
        headers: &[(&'static str, &'static str)],
        expected: &str,
    ) {
        let mut map = HeaderMap::new();
        for &(name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let found = caller(&proxies(header), Some(peer.parse().unwrap()), &map);
        assert_eq!(found, Some(expected.parse().unwrap()), "{peer} {headers:?}");
    }

    #[test]
    fn the_rightmost_that_is_not_trusted_is_the_caller() {
        for (peer, headers, expected) in [
            ("192.0.2.1:4000", &[][..], "192.0.2.1:4000"),
            // Nobody believes a caller.
            ("192.0.2.1:4000", &[("x-forwarded-for", "203.0.113.9")], "192.0.2.1:4000"),
            ("[::ffff:192.0.2.1]:4000", &[], "192.0.2.1:4000"),
            (PROXY, &[], PROXY),
            (PROXY, &[("x-forwarded-for", "203.0.113.9")], "203.0.113.9:0"),
            ("[::ffff:10.0.0.1]:4000", &[("x-forwarded-for", "203.0.113.9")], "203.0.113.9:0"),
            (PROXY, &[("x-forwarded-for", "1.1.1.1, 203.0.113.9")], "203.0.113.9:0"),
            (PROXY, &[("x-forwarded-for", "1.1.1.1,203.0.113.9, 10.2.2.2")], "203.0.113.9:0"),
            (PROXY, &[("x-forwarded-for", "10.9.9.9, 10.2.2.2")], "10.9.9.9:0"),
            (PROXY, &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.9")], "203.0.113.9:0"),
            (PROXY, &[("x-forwarded-for", "203.0.113.9:99")], "203.0.113.9:99"),
            (PROXY, &[("x-forwarded-for", "::ffff:203.0.113.9")], "203.0.113.9:0"),
            (PROXY, &[("x-forwarded-for", "2001:db9::1")], "[2001:db9::1]:0"),
            (PROXY, &[("x-forwarded-for", "[2001:db9::1]:99")], "[2001:db9::1]:99"),
            (PROXY, &[("x-forwarded-for", "1.1.1.1, unknown")], PROXY),
            (PROXY, &[("x-forwarded-for", "1.1.1.1, unknown, 10.2.2.2")], "10.2.2.2:0"),
            (PROXY, &[("x-forwarded-for", "")], PROXY),
            (PROXY, &[("x-forwarded-for", "1.1.1.1, 203.0.113.9,")], PROXY),
        ] {
            assert_caller(ProxyHeader::XForwardedFor, peer, headers, expected);
        }
        for (headers, expected) in [
            (&[][..], PROXY),
            (&[("forwarded", "for=203.0.113.9")], "203.0.113.9:0"),
            (&[("forwarded", "For=\"[2001:db9::17]:4711\"")], "[2001:db9::17]:4711"),
            (&[("forwarded", "for=1.1.1.1, for=203.0.113.9;proto=http;by=10.0.0.1")], "203.0.113.9:0"),
            (&[("forwarded", "for=1.1.1.1, proto=http")], PROXY),
            (&[("forwarded", "for=_hidden")], PROXY),
            (&[("forwarded", "for=unknown")], PROXY),
            (&[("forwarded", "for=1.1.1.1, for=unknown")], PROXY),
            (&[("forwarded", "for=\"1.1.1.1")], PROXY),
        ] {
            assert_caller(ProxyHeader::Forwarded, PROXY, headers, expected);
        }
    }

    /// nginx, and the balancers of clouds, write `X-Forwarded-For` and pass a caller's `Forwarded` on; others do it the
    /// other way round.
    #[test]
    fn what_a_caller_writes_as_the_other_header_changes_nothing() {
        for (forged, honest, expected) in [
            ("for=10.9.9.9", "203.0.113.9", "203.0.113.9:0"),
            ("for=127.0.0.1", "6.6.6.6, 203.0.113.9", "203.0.113.9:0"),
            ("for=unknown", "203.0.113.9", "203.0.113.9:0"),
            ("for=203.0.113.66", "unknown", PROXY),
        ] {
            let headers = [("forwarded", forged), ("x-forwarded-for", honest)];
            assert_caller(ProxyHeader::XForwardedFor, PROXY, &headers, expected);
        }
        // Not even where the honest one is missing.
        let forged = [("forwarded", "for=203.0.113.66")];
        assert_caller(ProxyHeader::XForwardedFor, PROXY, &forged, PROXY);
        for (honest, expected) in [("for=203.0.113.9", "203.0.113.9:0"), ("for=unknown", PROXY)] {
            let headers = [("x-forwarded-for", "127.0.0.1"), ("forwarded", honest)];
            assert_caller(ProxyHeader::Forwarded, PROXY, &headers, expected);
        }
        assert_caller(ProxyHeader::Forwarded, PROXY, &[("x-forwarded-for", "127.0.0.1")], PROXY);
    }

    #[test]
    fn no_chain_is_followed_for_ever() {
        let proxies = proxies(ProxyHeader::XForwardedFor);
        assert_eq!(caller(&proxies, None, &HeaderMap::new()), None);
        let many = HeaderValue::try_from(format!("1.1.1.1{}", ", 10.1.1.1".repeat(100))).unwrap();
        let map = HeaderMap::from_iter([(X_FORWARDED_FOR, many)]);
        let found = caller(&proxies, Some(PROXY.parse().unwrap()), &map);
        assert_eq!(found, Some("10.1.1.1:0".parse().unwrap()), "no chain is followed for ever");
    }
}
