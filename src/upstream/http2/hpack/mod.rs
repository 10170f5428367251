//! Header compression (RFC 7541).
//!
//! ```text
//! block   = *size-update *field
//! field   = 1 index:7+                        name and value from the table
//!         | 01 name-index:6+ string...        and becomes an entry of the table
//!         | 0000 name-index:4+ string...      stays out of the table
//!         | 0001 name-index:4+ string...      stays out of every table on the way
//! string  = huffman:1 length:7+ bytes
//! ```
//!
//! A name index of 0 is followed by the name as a string. Indices count the 61 entries that always are, and then
//! those that were added, from the last to the first.

mod decoder;
mod encoder;
mod huffman;
mod table;

pub(super) use decoder::{Block, Decoder};
pub(super) use encoder::Encoder;
pub use encoder::Request;

use super::reason::{Flaw, Reason};

/// The size of the tables that both sides begin with, in bytes as section 4.1 counts them. No other size is asked
/// for or used beyond it.
pub(super) const TABLE_SIZE: usize = 4096;
/// What an entry has beside its name and its value, in the count of section 4.1.
pub(super) const ENTRY: usize = 32;

const fn compression(what: &'static str) -> Flaw {
    Flaw::new(Reason::COMPRESSION_ERROR, what)
}

/// Writes an integer with `prefix` bits in its first byte, beside the bits of `pattern` (section 5.1).
fn put_integer(out: &mut Vec<u8>, pattern: u8, prefix: u32, value: usize) {
    let most = (1 << prefix) - 1;
    if value < most {
        out.push(pattern | value as u8);
        return;
    }
    out.push(pattern | most as u8);
    let mut rest = value - most;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Reads an integer whose first byte is `first`, already taken. None that is needed has more than four bytes more.
fn integer(first: u8, prefix: u32, input: &mut &[u8]) -> Result<usize, Flaw> {
    let most = (1 << prefix) - 1;
    let mut value = usize::from(first) & most;
    if value < most {
        return Ok(value);
    }
    for shift in [0, 7, 14, 21] {
        let (&byte, rest) = input.split_first().ok_or(compression("sent headers that end too early"))?;
        *input = rest;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(compression("sent a number in its headers that is too large"))
}

#[cfg(test)]
mod tests;
