//! The frames in which gRPC, gRPC-Web and Connect carry messages.
//!
//! ```text
//! body     = *envelope
//! envelope = flags:1 length:4 bytes      length big-endian
//! ```
//!
//! What the flags mean is a protocol's own: the lowest bit says in all three that the bytes are compressed.
//!
//! Specifications: [gRPC](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md),
//! [gRPC-Web](https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md),
//! [Connect](https://connectrpc.com/docs/protocol/).

use std::fmt;

use bytes::{Bytes, BytesMut};

/// How many bytes stand before those of a message.
pub const PREFIX: usize = 5;

/// The flag of bytes that are compressed.
pub const COMPRESSED: u8 = 1;

/// What stands before `length` bytes; `None` if they are too many for the format.
pub fn prefix(flags: u8, length: usize) -> Option<[u8; PREFIX]> {
    let [a, b, c, d] = u32::try_from(length).ok()?.to_be_bytes();
    Some([flags, a, b, c, d])
}

/// The bytes between two prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The flags as they came.
    pub flags: u8,
    /// The bytes as they came.
    pub bytes: Bytes,
}

/// Why the data is no sequence of envelopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeError {
    /// Flags that the protocol does not have.
    Flags(u8),
    /// An envelope announces more bytes than are accepted.
    TooLong {
        /// How many are announced.
        announced: u32,
        /// How many are accepted.
        limit: usize,
    },
    /// The data ends inside an envelope.
    Cut,
}

impl fmt::Display for EnvelopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flags(flags) => write!(f, "a message has the unknown frame flags {flags}"),
            Self::TooLong { announced, limit } => {
                write!(f, "a message of {announced} bytes is larger than the limit of {limit} bytes")
            }
            Self::Cut => f.write_str("the data ends in the middle of a message"),
        }
    }
}

impl std::error::Error for EnvelopeError {}

/// Finds the envelopes in data that arrives in pieces. It keeps the piece that was pushed last and the
/// envelope that has begun; nothing is allocated for bytes that are only announced.
#[derive(Debug)]
pub struct Envelopes {
    limit: usize,
    /// The flags that the protocol has.
    known: u8,
    /// What was pushed and not looked at yet.
    data: Bytes,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Some bytes of a prefix.
    Prefix { bytes: [u8; PREFIX], have: usize },
    /// Some of the bytes behind it.
    Partial { flags: u8, length: usize, bytes: BytesMut },
}

const START: State = State::Prefix { bytes: [0; PREFIX], have: 0 };

impl Envelopes {
    /// `limit` bounds the bytes of each envelope; `known` has a bit for each flag of the protocol.
    pub const fn new(limit: usize, known: u8) -> Self {
        Self { limit, known, data: Bytes::new(), state: START }
    }

    /// Takes the next data, once [`Envelopes::next`] has found no more in the last.
    pub fn push(&mut self, data: Bytes) {
        debug_assert!(self.data.is_empty(), "the last data was not used up");
        self.data = data;
    }

    /// The next envelope that has arrived in full.
    ///
    /// # Errors
    /// Unknown flags, or more bytes than the limit, as soon as they are announced.
    #[expect(clippy::should_implement_trait, reason = "it fails, and goes on after None")]
    pub fn next(&mut self) -> Result<Option<Envelope>, EnvelopeError> {
        loop {
            match &mut self.state {
                State::Prefix { bytes, have } => {
                    let taken = self.data.len().min(PREFIX - *have);
                    bytes[*have..*have + taken].copy_from_slice(&self.data.split_to(taken));
                    *have += taken;
                    if *have < PREFIX {
                        return Ok(None);
                    }
                    let (flags, length) = announced(*bytes, self.limit, self.known)?;
                    if self.data.len() >= length {
                        self.state = START;
                        return Ok(Some(Envelope { flags, bytes: self.data.split_to(length) }));
                    }
                    let bytes = begun(&std::mem::take(&mut self.data), length);
                    self.state = State::Partial { flags, length, bytes };
                }
                State::Partial { flags, length, bytes } => {
                    let taken = self.data.len().min(*length - bytes.len());
                    bytes.extend_from_slice(&self.data.split_to(taken));
                    if bytes.len() < *length {
                        return Ok(None);
                    }
                    let envelope = Envelope { flags: *flags, bytes: std::mem::take(bytes).freeze() };
                    self.state = START;
                    return Ok(Some(envelope));
                }
            }
        }
    }

    /// Whether the data so far ends with an envelope, or holds none.
    ///
    /// # Errors
    /// [`EnvelopeError::Cut`] if it does not.
    pub fn check_end(&self) -> Result<(), EnvelopeError> {
        match self.state {
            State::Prefix { have: 0, .. } if self.data.is_empty() => Ok(()),
            _ => Err(EnvelopeError::Cut),
        }
    }
}

/// Room for an envelope of which a part has come: for all of it, but at most four times what is there, so that what is
/// only announced costs nothing.
fn begun(data: &[u8], length: usize) -> BytesMut {
    let mut bytes = BytesMut::with_capacity(length.min(4 * data.len()));
    bytes.extend_from_slice(data);
    bytes
}

fn announced(prefix: [u8; PREFIX], limit: usize, known: u8) -> Result<(u8, usize), EnvelopeError> {
    let [flags, length @ ..] = prefix;
    if flags & !known != 0 {
        return Err(EnvelopeError::Flags(flags));
    }
    let announced = u32::from_be_bytes(length);
    match usize::try_from(announced) {
        Ok(length) if length <= limit => Ok((flags, length)),
        _ => Err(EnvelopeError::TooLong { announced, limit }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 8;

    /// Feeds `bytes` cut at `first` and `second` and says which envelopes came of it.
    fn feed(bytes: &'static [u8], first: usize, second: usize) -> Result<Vec<(u8, Bytes)>, EnvelopeError> {
        let mut envelopes = Envelopes::new(LIMIT, 0b11);
        let mut found = Vec::new();
        for part in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
            envelopes.push(Bytes::from_static(part));
            while let Some(Envelope { flags, bytes }) = envelopes.next()? {
                found.push((flags, bytes));
            }
        }
        envelopes.check_end()?;
        Ok(found)
    }

    #[test]
    fn envelopes_are_found_however_they_are_cut() {
        type Case = (&'static [u8], Result<&'static [(u8, &'static [u8])], EnvelopeError>);
        let table: [Case; 10] = [
            (b"", Ok(&[])),
            (b"\0\0\0\0\x03abc", Ok(&[(0, b"abc")])),
            (b"\0\0\0\0\0", Ok(&[(0, b"")])),
            (b"\0\0\0\0\x0812345678", Ok(&[(0, b"12345678")])),
            (b"\0\0\0\0\x02ab\x01\0\0\0\0\x02\0\0\0\x01c", Ok(&[(0, b"ab"), (COMPRESSED, b""), (2, b"c")])),
            (b"\0\0\0", Err(EnvelopeError::Cut)),
            (b"\0\0\0\0\x03ab", Err(EnvelopeError::Cut)),
            (b"\x82\0\0\0\0", Err(EnvelopeError::Flags(0x82))),
            (b"\0\0\0\0\x09", Err(EnvelopeError::TooLong { announced: 9, limit: 8 })),
            (b"\0\xff\xff\xff\xff", Err(EnvelopeError::TooLong { announced: u32::MAX, limit: 8 })),
        ];
        for (bytes, expected) in table {
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    let got = feed(bytes, first, second);
                    let got = got.as_ref().map(|all| all.iter().map(|(f, b)| (*f, &**b)).collect::<Vec<_>>());
                    assert_eq!(
                        got,
                        expected.as_ref().map(|all| all.to_vec()),
                        "{bytes:?} at {first}, {second}"
                    );
                }
            }
        }
    }

    #[test]
    fn prefixes_are_flags_and_a_length_in_network_order() {
        assert_eq!(prefix(0, 0), Some([0; 5]));
        assert_eq!(prefix(COMPRESSED, 0x0102_0304), Some([1, 1, 2, 3, 4]));
        assert_eq!(prefix(2, u32::MAX as usize), Some([2, 255, 255, 255, 255]));
        assert_eq!(prefix(0, u32::MAX as usize + 1), None);
    }
}
