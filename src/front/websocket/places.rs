//! How many sockets are open, in all and from each address.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::snapshot::Sockets;
use crate::status::{Code, Status};

/// Those of the process. They are touched where a socket opens and where it ends, not by messages.
static OPEN: LazyLock<Places> = LazyLock::new(Places::default);

#[derive(Debug, Default)]
struct Places(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The place of one socket, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: &'static Places,
    address: Option<IpAddr>,
}

/// Takes a place for a socket from this peer.
///
/// # Errors
/// When there are as many as may be: 429 from one address, 503 in all.
pub(super) fn take(peer: Option<SocketAddr>, limits: &Sockets) -> Result<Place, Status> {
    OPEN.take(peer, limits)
}

impl Places {
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&'static self, peer: Option<SocketAddr>, limits: &Sockets) -> Result<Place, Status> {
        let address = peer.map(|peer| network(peer.ip()));
        let mut counts = self.counts();
        if counts.all >= limits.count {
            let text = "As many WebSockets are open as may be. Try again later.";
            return Err(Status::gateway(Code::Unavailable, text));
        }
        if let Some(address) = address {
            let count = counts.by_address.entry(address).or_default();
            if *count >= limits.per_address {
                let text = "As many WebSockets are open from this address as may be. Close some of them.";
                return Err(Status::caller(Code::ResourceExhausted, text));
            }
            *count += 1;
        }
        counts.all += 1;
        Ok(Place { places: self, address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.counts();
        counts.all -= 1;
        if let Some(address) = self.address
            && let Some(count) = counts.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                counts.by_address.remove(&address);
            }
        }
    }
}

/// What counts as one address: of IPv6, the network that one site has at least.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let mut octets = address.octets();
            octets[8..].fill(0);
            IpAddr::from(octets)
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_by_address_and_in_all() {
        let places: &'static Places = Box::leak(Box::default());
        let limits = Sockets { count: 4, per_address: 2, ..Sockets::default() };
        let take = |peer: &str| places.take(Some(peer.parse().unwrap()), &limits);
        let first = take("192.0.2.1:1").unwrap();
        // The same address as IPv6 sockets see it.
        let _second = take("[::ffff:192.0.2.1]:2").unwrap();
        let status = take("192.0.2.1:3").unwrap_err();
        let text = "As many WebSockets are open from this address as may be. Close some of them.";
        assert_eq!((status.code(), status.http(), status.message()), (Code::ResourceExhausted, 429, text));
        let _third = take("[2001:db8:1:2::1]:1").unwrap();
        let _fourth = take("[2001:db8:1:2:ffff::1]:1").unwrap();
        let status = take("[2001:db8:1:3::1]:1").unwrap_err();
        let text = "As many WebSockets are open as may be. Try again later.";
        assert_eq!((status.code(), status.http(), status.message()), (Code::Unavailable, 503, text));
        drop(first);
        assert_eq!(take("[2001:db8:1:2::9]:1").unwrap_err().code(), Code::ResourceExhausted);
        assert!(take("192.0.2.1:3").is_ok(), "and given back at once");
        assert_eq!(places.counts().by_address.len(), 2);
    }
}
