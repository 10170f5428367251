//! Writing wire bytes at the end of a `Vec<u8>`.

use super::WireType;

/// Appends a varint.
#[inline]
pub fn varint(out: &mut Vec<u8>, value: u64) {
    if value < 0x80 {
        out.push(value as u8);
    } else if value < 0x4000 {
        out.extend_from_slice(&[value as u8 | 0x80, (value >> 7) as u8]);
    } else {
        long_varint(out, value);
    }
}

/// A varint of three bytes and more: groups of seven bits are spread over a word at once, as nobody can
/// foretell how many they are.
fn long_varint(out: &mut Vec<u8>, value: u64) {
    const MORE: u64 = 0x8080_8080_8080_8080;
    let low = value & 0x00ff_ffff_ffff_ffff;
    let halves = low & 0x0fff_ffff | (low & 0x00ff_ffff_f000_0000) << 4;
    let quarters = halves & 0x0000_3fff_0000_3fff | (halves & 0x0fff_c000_0fff_c000) << 2;
    let groups = quarters & 0x007f_007f_007f_007f | (quarters & 0x3f80_3f80_3f80_3f80) << 1;
    let start = out.len();
    let high = (value >> 56) as u8;
    if high == 0 {
        let more = (groups | 1).ilog2() / 8;
        // All bytes but the last one say that more follows.
        out.extend_from_slice(&(groups | MORE & ((1 << (8 * more)) - 1)).to_le_bytes());
        out.truncate(start + more as usize + 1);
    } else {
        out.extend_from_slice(&(groups | MORE).to_le_bytes());
        if high < 0x80 {
            out.push(high);
        } else {
            out.extend_from_slice(&[high, 1]);
        }
    }
}

/// Appends `from[start..end]`. A copy of a fixed size that is cut to length is much cheaper than one of
/// an unknown size, so of short parts more is copied than needed, if it is there.
///
/// # Panics
/// When the part does not lie inside `from`.
#[inline(always)]
pub fn append(out: &mut Vec<u8>, from: &[u8], start: usize, end: usize) {
    let rest = &from[start..];
    let length = end - start;
    if length <= 16
        && let Some(chunk) = rest.first_chunk::<16>()
    {
        let old = out.len();
        out.extend_from_slice(chunk);
        out.truncate(old + length);
    } else {
        append_long(out, rest, length);
    }
}

fn append_long(out: &mut Vec<u8>, from: &[u8], length: usize) {
    let old = out.len();
    match from.first_chunk::<32>() {
        Some(chunk) if length <= 32 => {
            out.extend_from_slice(chunk);
            out.truncate(old + length);
        }
        _ => out.extend_from_slice(&from[..length]),
    }
}

/// A varint's bytes and how many of them count.
fn encode(mut value: u64) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    let mut size = 0;
    while value >= 0x80 {
        bytes[size] = value as u8 | 0x80;
        value >>= 7;
        size += 1;
    }
    bytes[size] = value as u8;
    (bytes, size + 1)
}

/// Appends a field's tag.
#[inline]
pub fn tag(out: &mut Vec<u8>, number: u32, wire_type: WireType) {
    varint(out, u64::from(number) << 3 | wire_type.bits());
}

/// Appends a length-delimited field: tag, length and bytes.
pub fn bytes(out: &mut Vec<u8>, number: u32, value: &[u8]) {
    tag(out, number, WireType::Len);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

/// The zigzag encoding of `sint32` and `sint64`.
#[inline]
pub const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The place of a length that is not known yet.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Length(usize);

impl Length {
    /// Leaves room for a length of one byte; what is appended from here on is the content.
    #[inline]
    pub fn begin(out: &mut Vec<u8>) -> Self {
        out.push(0);
        Self(out.len())
    }

    /// The offset of the content's first byte, as long as [`Length::end`] has not moved it.
    pub const fn content(self) -> usize {
        self.0
    }

    /// Writes the length of all that was appended since [`Length::begin`]. Content of 128 bytes and
    /// more is moved to make room for the longer length.
    #[inline]
    pub fn end(self, out: &mut Vec<u8>) {
        let length = out.len() - self.0;
        if length < 0x80 {
            out[self.0 - 1] = length as u8;
        } else {
            self.end_long(out, length);
        }
    }

    /// As [`Length::end`], but without content all is taken back that was appended from `start` on, the tag.
    #[inline]
    pub fn end_unless_empty(self, out: &mut Vec<u8>, start: usize) {
        if out.len() == self.0 {
            out.truncate(start);
        } else {
            self.end(out);
        }
    }

    fn end_long(self, out: &mut Vec<u8>, length: usize) {
        let (prefix, size) = encode(length as u64);
        let more = size - 1;
        out.extend_from_slice(&prefix[1..size]);
        out.copy_within(self.0..self.0 + length, self.0 + more);
        out[self.0 - 1..self.0 + more].copy_from_slice(&prefix[..size]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::reader::{Reader, unzigzag};

    #[test]
    fn parts_of_every_length_are_appended_from_every_place() {
        let from: Vec<u8> = (0..100).collect();
        for start in 0..=100 {
            for end in start..=100 {
                let mut out = vec![0xaa];
                append(&mut out, &from, start, end);
                assert_eq!((out[0], &out[1..]), (0xaa, &from[start..end]));
            }
        }
    }

    #[test]
    fn varints_are_read_back() {
        let edges = (0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) | 1]);
        for value in edges.chain([300, u64::MAX, 0x0123_4567_89ab_cdef]) {
            let mut out = Vec::new();
            varint(&mut out, value);
            let (bytes, size) = encode(value);
            assert_eq!(out, &bytes[..size], "{value:#x}");
            assert_eq!(Reader::new(&out).varint(), Ok(value));
        }
    }

    #[test]
    fn lengths_are_patched_whatever_their_size() {
        for size in [0, 1, 127, 128, 129, 16_383, 16_384, 2_097_152] {
            let content: Vec<u8> = (0..size).map(|i| i as u8).collect();
            let mut out = vec![0xaa];
            let length = Length::begin(&mut out);
            out.extend_from_slice(&content);
            length.end(&mut out);
            let mut reader = Reader::at(&out, 1);
            assert_eq!(reader.bytes(), Ok(&content[..]), "{size} bytes");
            assert!(reader.is_at_end());
        }
    }

    #[test]
    fn zigzag_is_undone() {
        for value in [0, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(unzigzag(zigzag(value)), value);
        }
    }
}
