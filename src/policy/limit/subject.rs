//! By what calls are counted.

use std::net::IpAddr;

use http::HeaderName;

use super::store::{Kind, Subject};
use crate::call::Origin;
use crate::call::identity::Identity;

/// By what calls are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountedBy {
    /// What a caller has shown.
    Principal,
    /// Whom it belongs to, or else the same.
    Owner,
    /// The caller's address, of IPv6 the network of 64 bits, as who has one address there has them all.
    Address,
    /// Nothing: all callers together.
    Everybody,
    /// A claim of the caller, or else what it has shown.
    Claim(Box<str>),
    /// A header. Those who do not send it are one.
    Header(HeaderName),
}

/// The text of a [`Subject`].
#[derive(Debug, PartialEq, Eq)]
pub(in crate::policy) enum Text<'c> {
    Borrowed(&'c [u8]),
    Address([u8; 16]),
    /// Several values.
    Joined(Vec<u8>),
}

impl Text<'_> {
    pub(in crate::policy) const fn of(&self, kind: Kind) -> Subject<'_> {
        let text = match self {
            Self::Borrowed(text) => text,
            Self::Address(bytes) => bytes.as_slice(),
            Self::Joined(text) => text.as_slice(),
        };
        Subject { kind, text }
    }
}

impl CountedBy {
    /// Whom a call counts for.
    pub(in crate::policy) fn find<'c>(
        &self,
        origin: &'c Origin,
        identity: Option<&'c Identity>,
    ) -> (Kind, Text<'c>) {
        let nobody = Text::Borrowed(b"");
        let text = |text: &'c str| Text::Borrowed(text.as_bytes());
        // Where nobody asks who calls, all are one. The configuration is refused that counts so.
        let principal =
            || (Kind::Principal, identity.map_or(Text::Borrowed(b""), |identity| text(&identity.principal)));
        match self {
            Self::Principal => principal(),
            Self::Owner => match identity.and_then(|identity| identity.owner.as_deref()) {
                Some(owner) => (Kind::Owner, text(owner)),
                None => principal(),
            },
            Self::Claim(name) => match identity.map(|identity| identity.claim(name)).unwrap_or_default() {
                [] => principal(),
                [value] => (Kind::Claim, text(value)),
                values => (Kind::Claim, Text::Joined(values.join("\0").into_bytes())),
            },
            Self::Address => {
                (Kind::Address, origin.peer.map_or(nobody, |peer| Text::Address(network(peer.ip()))))
            }
            Self::Everybody => (Kind::Everybody, nobody),
            Self::Header(name) => (Kind::Header, header(origin, name)),
        }
    }
}

fn header<'c>(origin: &'c Origin, name: &HeaderName) -> Text<'c> {
    let mut values = origin.headers.iter().flat_map(|headers| headers.get_all(name));
    match (values.next(), values.next()) {
        (None, _) => Text::Borrowed(b""),
        (Some(value), None) => Text::Borrowed(value.as_bytes()),
        (Some(first), Some(second)) => {
            let mut all = first.as_bytes().to_vec();
            for value in [second].into_iter().chain(values) {
                all.push(0);
                all.extend_from_slice(value.as_bytes());
            }
            Text::Joined(all)
        }
    }
}

/// An address, or of IPv6 the first half of one.
fn network(address: IpAddr) -> [u8; 16] {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => (u128::from(address) >> 64 << 64).to_be_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;
    use std::sync::Arc;

    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::call::Dialect;

    #[test]
    fn callers_are_told_apart() {
        let mut headers = HeaderMap::new();
        headers.insert("x-one", HeaderValue::from_static("t1"));
        headers.append("x-two", HeaderValue::from_static("t1"));
        headers.append("x-two", HeaderValue::from_static("t2"));
        let origin = Origin {
            peer: Some("[2001:db8:1:2:3:4:5:6]:7".parse().unwrap()),
            headers: Some(Arc::new(headers)),
            ..Origin::new(Dialect::Rest, "/v1".into())
        };
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).into()).collect::<Vec<Box<str>>>();
        let known = Identity {
            principal: "key".into(),
            owner: Some("acme".into()),
            claims: [("org".into(), texts(&["a"])), ("teams".into(), texts(&["a", "b"]))].into(),
            ..Identity::default()
        };
        let plain = Identity { principal: "key".into(), ..Identity::default() };
        let found = |by: &CountedBy, identity| by.find(&origin, identity);
        let text = |text: &'static str| Text::Borrowed(text.as_bytes());
        let name = |name| CountedBy::Header(HeaderName::from_static(name));
        for (by, expected) in [
            (CountedBy::Principal, (Kind::Principal, text("key"))),
            (CountedBy::Owner, (Kind::Owner, text("acme"))),
            (CountedBy::Claim("org".into()), (Kind::Claim, text("a"))),
            (CountedBy::Claim("teams".into()), (Kind::Claim, Text::Joined(b"a\0b".to_vec()))),
            (CountedBy::Claim("none".into()), (Kind::Principal, text("key"))),
            (CountedBy::Everybody, (Kind::Everybody, text(""))),
            (name("x-one"), (Kind::Header, text("t1"))),
            (name("x-two"), (Kind::Header, Text::Joined(b"t1\0t2".to_vec()))),
            (name("x-none"), (Kind::Header, text(""))),
        ] {
            assert_eq!(found(&by, Some(&known)), expected, "{by:?}");
        }
        assert_eq!(found(&CountedBy::Owner, Some(&plain)), (Kind::Principal, text("key")));
        let network = "2001:db8:1:2::".parse::<Ipv6Addr>().unwrap().octets();
        assert_eq!(found(&CountedBy::Address, None), (Kind::Address, Text::Address(network)));
    }

    #[test]
    fn an_address_is_the_same_in_each_of_its_forms() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    }
}
