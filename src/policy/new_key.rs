//! The texts of API keys that Transom makes: `trk_` and 49 letters and digits.
//!
//! The first 43 of these are a random number of 256 bits, the last six a checksum over it (CRC-32), both in base 62. By
//! prefix and checksum those who look for secrets in files and logs can tell a key from other texts without knowing it.
//! Keys that come from elsewhere may look as they like.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;

/// What every key begins with.
pub const PREFIX: &str = "trk_";

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// So many digits of base 62 hold 256 bits, and 32.
const RANDOM: usize = 43;
const CHECKSUM: usize = 6;

/// Makes a key.
///
/// # Errors
/// The system gives no random numbers.
pub fn make() -> Result<String, Unspecified> {
    let mut random = [0; 32];
    rand::fill(&mut random)?;
    let mut key = PREFIX.to_owned();
    push_base62(&mut key, random.to_vec(), RANDOM);
    let sum = crc32(key.as_bytes());
    push_base62(&mut key, sum.to_be_bytes().to_vec(), CHECKSUM);
    Ok(key)
}

/// Whether a text is a key that was made here: it may be one that nobody has given out.
pub fn is_one(text: &str) -> bool {
    let is_long = text.len() == PREFIX.len() + RANDOM + CHECKSUM;
    if !is_long
        || !text.starts_with(PREFIX)
        || !text[PREFIX.len()..].bytes().all(|byte| DIGITS.contains(&byte))
    {
        return false;
    }
    let (key, sum) = text.split_at(text.len() - CHECKSUM);
    let mut expected = String::new();
    push_base62(&mut expected, crc32(key.as_bytes()).to_be_bytes().to_vec(), CHECKSUM);
    expected == sum
}

/// What a file keeps of a key: `sha256:` and the digits of its hash.
pub fn hash(key: &str) -> String {
    let mut text = "sha256:".to_owned();
    for byte in digest(&SHA256, key.as_bytes()).as_ref() {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

/// Adds a number, which is given in bytes from the highest on, in so many digits.
fn push_base62(text: &mut String, mut number: Vec<u8>, digits: usize) {
    let start = text.len();
    for _ in 0..digits {
        let mut rest = 0_u32;
        for byte in &mut number {
            let value = rest << 8 | u32::from(*byte);
            *byte = (value / 62) as u8;
            rest = value % 62;
        }
        text.insert(start, char::from(DIGITS[rest as usize]));
    }
}

/// The CRC-32 of ISO 3309, as PNG and others have it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte),
            |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_other_texts() {
        let keys: Vec<_> = (0..100).map(|_| make().unwrap()).collect();
        for key in &keys {
            assert!(is_one(key) && key.len() == 53, "{key}");
            for at in [0, 4, 20, 46, 47, 52] {
                let mut other = key.clone().into_bytes();
                other[at] = if other[at] == b'0' { b'1' } else { b'0' };
                assert!(!is_one(std::str::from_utf8(&other).unwrap()), "{key} {at}");
            }
            assert!(!is_one(&key[..52]) && !is_one(&format!("{key}0")));
        }
        let different: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        for text in ["", "trk_", "trk_é", &"é".repeat(26), &format!("{PREFIX}{}", "-".repeat(49))] {
            assert!(!is_one(text), "{text}");
        }
    }

    #[test]
    fn sums_and_hashes_are_those_of_the_standards() {
        // The check value of CRC-32/ISO-HDLC, and the first example of FIPS 180-2.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash("abc"), expected);
        let mut text = String::new();
        push_base62(&mut text, vec![0xff; 4], CHECKSUM);
        assert_eq!(text, "4gfFC3", "4294967295");
    }
}
