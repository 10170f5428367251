//! What is sent on a stream.

use bytes::{Buf, Bytes};

use crate::wire::envelope::PREFIX;

/// A message, or the rest of one: what is left of a prefix, and bytes.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    prefix: [u8; PREFIX],
    at: usize,
    body: Bytes,
}

impl Piece {
    /// A message with a prefix in front of it, which is so not copied for it.
    pub const fn new(prefix: [u8; PREFIX], body: Bytes) -> Self {
        Self { prefix, at: 0, body }
    }

    /// How many bytes are left.
    pub const fn left(&self) -> usize {
        PREFIX - self.at + self.body.len()
    }

    /// Moves up to `count` bytes to `out`.
    pub(super) fn take(&mut self, count: usize, out: &mut Vec<u8>) {
        let head = count.min(PREFIX - self.at);
        out.extend_from_slice(&self.prefix[self.at..self.at + head]);
        self.at += head;
        let body = (count - head).min(self.body.len());
        out.extend_from_slice(&self.body[..body]);
        self.body.advance(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_the_same_however_it_is_cut() {
        let body = Bytes::from_static(b"abcdefgh");
        let whole = b"\0\0\0\0\x08abcdefgh";
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let mut rest = Piece::new([0, 0, 0, 0, 8], body.clone());
                let mut read = Vec::new();
                for count in [first, second - first, whole.len() - second] {
                    let before = read.len();
                    rest.take(count, &mut read);
                    assert_eq!(read.len() - before, count);
                    assert_eq!(rest.left(), whole.len() - read.len());
                }
                assert_eq!(read, whole);
            }
        }
    }
}
