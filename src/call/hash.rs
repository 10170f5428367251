//! Hashes that are the same in every process, by which gateways that know nothing of one another choose alike. They keep
//! nobody from finding values that fall together.

use crate::telemetry::random::mix;

/// Where [`fnv`] begins.
pub const START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, from where another one has ended.
pub fn fnv(start: u64, bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// FNV-1a with its bits mixed, as it is even in the lower ones alone.
pub fn hash(bytes: &[u8]) -> u64 {
    mix(fnv(START, bytes.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_every_process() {
        // As the authors of FNV list them.
        assert_eq!(fnv(START, *b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(START, *b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv(START, *b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(fnv(fnv(START, *b"foo"), *b"bar"), fnv(START, *b"foobar"));
        assert_eq!(hash(b""), mix(0xcbf2_9ce4_8422_2325));
        assert_eq!(hash(b"a"), mix(0xaf63_dc4c_8601_ec8c));
    }
}
