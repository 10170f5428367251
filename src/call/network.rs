//! Ranges of IP addresses.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A range of addresses: all that begin with the same bits (RFC 4632, RFC 4291).
///
/// IPv4 addresses and those of IPv6 that stand for them (`::ffff:192.0.2.1`) are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// As IPv6, with the bits behind the prefix zero.
    bits: u128,
    /// How many bits of the 128 count.
    prefix: u32,
}

impl Network {
    /// The addresses whose first `prefix` bits are those of `address`; `None` if it has not as many.
    pub fn new(address: IpAddr, prefix: u32) -> Option<Self> {
        let (width, outer) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        if prefix > width {
            return None;
        }
        let prefix = prefix + outer;
        Some(Self { bits: bits(address) & mask(prefix), prefix })
    }

    /// Whether an address lies in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        bits(address) & mask(self.prefix) == self.bits
    }
}

impl fmt::Display for Network {
    /// With its prefix, unless it is one address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from(self.bits);
        let (address, prefix, width) = match address.to_canonical() {
            IpAddr::V4(address) if self.prefix >= 96 => (IpAddr::from(address), self.prefix - 96, 32),
            _ => (IpAddr::from(address), self.prefix, 128),
        };
        if prefix == width { address.fmt(f) } else { write!(f, "{address}/{prefix}") }
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(address) => address.into(),
    }
}

const fn mask(prefix: u32) -> u128 {
    // A shift by all 128 bits is none.
    match u128::MAX.checked_shl(128 - prefix) {
        Some(mask) => mask,
        None => 0,
    }
}

/// Several ranges of addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<Network>);

impl Networks {
    /// Whether an address lies in one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lie_in_ranges() {
        for (network, prefix, address, expected) in [
            ("10.0.0.0", 8, "10.255.0.1", true),
            ("10.0.0.0", 8, "11.0.0.1", false),
            ("10.1.2.3", 8, "10.9.9.9", true),
            ("10.0.0.0", 8, "::ffff:10.1.1.1", true),
            ("::ffff:10.0.0.0", 104, "10.1.1.1", true),
            ("192.0.2.1", 32, "192.0.2.1", true),
            ("192.0.2.1", 32, "192.0.2.2", false),
            ("0.0.0.0", 0, "192.0.2.2", true),
            ("0.0.0.0", 0, "2001:db8::1", false),
            ("::", 0, "2001:db8::1", true),
            ("::", 0, "192.0.2.1", true),
            ("2001:db8::", 32, "2001:db8:ffff::1", true),
            ("2001:db8::", 32, "2001:db9::1", false),
            ("2001:db8::", 33, "2001:db8:8000::1", false),
            ("::1", 128, "::1", true),
            // The old form that is deprecated stands for nothing.
            ("10.0.0.0", 8, "::10.0.0.1", false),
        ] {
            let range = Network::new(network.parse().unwrap(), prefix).unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), expected, "{network}/{prefix} {address}");
        }
        assert_eq!(Network::new("10.0.0.0".parse().unwrap(), 33), None);
        assert_eq!(Network::new("::".parse().unwrap(), 129), None);
        for (address, prefix, shown) in [
            ("10.1.2.3", 8, "10.0.0.0/8"),
            ("10.1.2.3", 32, "10.1.2.3"),
            ("0.0.0.0", 0, "0.0.0.0/0"),
            ("2001:db8::1", 64, "2001:db8::/64"),
            ("::1", 128, "::1"),
            ("::", 0, "::/0"),
        ] {
            assert_eq!(Network::new(address.parse().unwrap(), prefix).unwrap().to_string(), shown);
        }
    }
}
