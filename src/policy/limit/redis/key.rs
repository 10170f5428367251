//! Under which key a server counts for a subject.

use std::fmt::Write;

use aws_lc_rs::digest::{Context, SHA256};

use crate::policy::limit::store::{Demand, Kind};

/// How many hash slots a cluster has (Redis cluster specification, "Key distribution model").
pub(super) const SLOTS: u16 = 16_384;

/// How many bytes of the hash of a subject are kept: enough for nobody to find two that are equal.
const HASH: usize = 16;

/// `PREFIX:{LIMIT:HASH}`. The subject is hashed, as it may be a secret, long, or made by somebody hostile.
pub(super) fn of(prefix: &str, demand: &Demand<'_>) -> String {
    let mut context = Context::new(&SHA256);
    context.update(&[number(demand.subject.kind)]);
    context.update(demand.subject.text);
    let hash = context.finish();
    let mut key = String::with_capacity(prefix.len() + demand.limit.name.len() + 2 * HASH + 4);
    key.push_str(prefix);
    key.push_str(":{");
    key.push_str(&demand.limit.name);
    key.push(':');
    for byte in &hash.as_ref()[..HASH] {
        // Writing to a String cannot fail.
        let _ = write!(key, "{byte:02x}");
    }
    key.push('}');
    key
}

/// Kinds are told apart by numbers, which all versions must agree on.
const fn number(kind: Kind) -> u8 {
    match kind {
        Kind::Everybody => 0,
        Kind::Principal => 1,
        Kind::Owner => 2,
        Kind::Claim => 3,
        Kind::Address => 4,
        Kind::Header => 5,
    }
}

/// The slot of a key in a cluster: of what stands between its first `{` and the next `}`, if that is something, or
/// else of the whole key.
pub(super) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    crc16(tag.filter(|tag| !tag.is_empty()).unwrap_or(key).as_bytes()) % SLOTS
}

/// CRC-16/XMODEM: the polynomial 0x1021, from 0.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        (0..8).fold(
            crc ^ u16::from(*byte) << 8,
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::limit::store::{Limit, Subject};

    #[test]
    fn keys_hold_no_secret_and_one_hash_slot() {
        let limit = Arc::new(Limit { name: "partners".into(), rates: [].into(), quotas: [].into() });
        let weight = std::num::NonZeroU32::MIN;
        let key =
            |kind, text| of("transom", &Demand { limit: &limit, subject: Subject { kind, text }, weight });
        // printf '\001abc' | sha256sum
        let expected = "transom:{partners:1e18834c426d00e57788444cb3ccd62c}";
        assert_eq!(key(Kind::Principal, b"abc"), expected);
        assert_ne!(key(Kind::Owner, b"abc"), key(Kind::Principal, b"abc"));
        assert_ne!(key(Kind::Owner, b"abd"), key(Kind::Owner, b"abc"));
        assert_eq!(slot(&key(Kind::Owner, b"a")), slot(&key(Kind::Owner, b"a").replacen("transom", "x", 1)));
    }

    /// The check value is that of the specification; the slots are what `CLUSTER KEYSLOT` of Redis 7.0 answers.
    #[test]
    fn slots() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        for (key, expected) in [("123456789", 12739), ("foo", 12182), ("x{foo}y", 12182), ("{}foo", 9500)] {
            assert_eq!(slot(key), expected, "{key}");
        }
    }
}
