//! Where a request comes from that a proxy has passed on: `Forwarded` (RFC 7239), or `X-Forwarded-For`.
//!
//! Each proxy appends whom it has the request from. What stands rightmost was so written by the proxy that is connected
//! to us, and is believed if that is trusted; then the next one to the left, by which it is trusted in turn. The first
//! address that is no proxy's is the caller's, and whatever stands further left could be anything.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::call::network::Networks;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// How many proxies are followed at most.
const MAX_HOPS: usize = 32;

/// The address of the caller: that of the peer, unless it is a proxy that is trusted. Its port is 0 where a proxy tells
/// none. IPv4 addresses in the form of IPv6 are those of IPv4.
pub(super) fn caller(
    proxies: &Networks,
    peer: Option<SocketAddr>,
    headers: &HeaderMap,
) -> Option<SocketAddr> {
    let peer = peer?;
    let mut last = if peer.is_ipv4() { peer } else { SocketAddr::new(peer.ip().to_canonical(), peer.port()) };
    if proxies.is_empty() || !proxies.contains(last.ip()) {
        return Some(last);
    }
    // A proxy that writes one of the two may pass on what a caller has written as the other.
    let hops: Vec<_> = match headers.contains_key(header::FORWARDED) {
        true => elements(headers, &header::FORWARDED).map(forwarded).take(MAX_HOPS).collect(),
        false => elements(headers, &X_FORWARDED_FOR).map(address).take(MAX_HOPS).collect(),
    };
    for hop in hops {
        // Somebody who is not named came through the last one that is.
        let Some(hop) = hop else { break };
        last = hop;
        if !proxies.contains(last.ip()) {
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
    use crate::call::network::Network;

    fn proxies() -> Networks {
        let network = |address: &str, prefix| Network::new(address.parse().unwrap(), prefix).unwrap();
        Networks(vec![network("10.0.0.0", 8), network("2001:db8::", 32)])
    }

    #[test]
    fn the_rightmost_that_is_not_trusted_is_the_caller() {
        const PROXY: &str = "10.0.0.1:4000";
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
            (PROXY, &[("forwarded", "for=203.0.113.9")], "203.0.113.9:0"),
            (PROXY, &[("forwarded", "For=\"[2001:db9::17]:4711\"")], "[2001:db9::17]:4711"),
            (PROXY, &[("forwarded", "for=1.1.1.1, for=203.0.113.9;proto=http;by=10.0.0.1")], "203.0.113.9:0"),
            (PROXY, &[("forwarded", "for=1.1.1.1, proto=http")], PROXY),
            (PROXY, &[("forwarded", "for=_hidden")], PROXY),
            (PROXY, &[("forwarded", "for=\"1.1.1.1")], PROXY),
            // The one that says more is the one that counts.
            (PROXY, &[("forwarded", "for=unknown"), ("x-forwarded-for", "1.1.1.1")], PROXY),
        ] {
            let mut map = HeaderMap::new();
            for &(name, value) in headers {
                map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let found = caller(&proxies(), Some(peer.parse().unwrap()), &map);
            assert_eq!(found, Some(expected.parse().unwrap()), "{peer} {headers:?}");
        }
        assert_eq!(caller(&proxies(), None, &HeaderMap::new()), None);
        let many = HeaderValue::try_from(format!("1.1.1.1{}", ", 10.1.1.1".repeat(100))).unwrap();
        let map = HeaderMap::from_iter([(X_FORWARDED_FOR, many)]);
        let found = caller(&proxies(), Some(PROXY.parse().unwrap()), &map);
        assert_eq!(found, Some("10.1.1.1:0".parse().unwrap()), "no chain is followed for ever");
    }
}
