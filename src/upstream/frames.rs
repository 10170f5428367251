//! The messages in the data of an answer.
//!
//! ```text
//! data    = *message
//! message = flag:1 length:4 bytes      flag 0, length big-endian
//! ```

use bytes::{Buf, Bytes, BytesMut};

use crate::status::{Code, Status};

use super::fault::broken;

/// Puts messages together from the data that arrives. It keeps the piece of data that was pushed last and
/// at most one message.
#[derive(Debug)]
pub(super) struct Frames {
    limit: usize,
    /// What was pushed and not looked at yet.
    data: Bytes,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Some bytes of a prefix.
    Prefix { bytes: [u8; 5], have: usize },
    /// A part of a message.
    Partial { length: usize, bytes: BytesMut },
}

const START: State = State::Prefix { bytes: [0; 5], have: 0 };

impl Frames {
    /// `limit` bounds each message, in bytes.
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, data: Bytes::new(), state: START }
    }

    /// Takes the next data, once [`Frames::next`] has found no more in the last.
    pub(super) fn push(&mut self, data: Bytes) {
        debug_assert!(self.data.is_empty(), "the last data was not used up");
        self.data = data;
    }

    /// The next message that has arrived in full.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            match &mut self.state {
                State::Prefix { bytes, have } => {
                    let taken = self.data.len().min(bytes.len() - *have);
                    bytes[*have..*have + taken].copy_from_slice(&self.data[..taken]);
                    self.data.advance(taken);
                    *have += taken;
                    if *have < bytes.len() {
                        return Ok(None);
                    }
                    let length = length(*bytes, self.limit)?;
                    if self.data.len() >= length {
                        self.state = START;
                        return Ok(Some(self.data.split_to(length)));
                    }
                    // Nothing is allocated for what is only announced.
                    let bytes = BytesMut::from(std::mem::take(&mut self.data));
                    self.state = State::Partial { length, bytes };
                }
                State::Partial { length, bytes } => {
                    let taken = self.data.len().min(*length - bytes.len());
                    bytes.extend_from_slice(&self.data.split_to(taken));
                    if bytes.len() < *length {
                        return Ok(None);
                    }
                    let message = std::mem::take(bytes).freeze();
                    self.state = START;
                    return Ok(Some(message));
                }
            }
        }
    }

    /// Whether the data so far ends with a message, or is none.
    pub(super) fn check_end(&self) -> Result<(), Status> {
        match self.state {
            State::Prefix { have: 0, .. } if self.data.is_empty() => Ok(()),
            _ => Err(broken("The backend's answer ends in the middle of a message.")),
        }
    }
}

fn length(prefix: [u8; 5], limit: usize) -> Result<usize, Status> {
    let [flag, length @ ..] = prefix;
    match flag {
        0 => {}
        1 => return Err(broken("The backend compressed its message although it was not asked to.")),
        _ => return Err(broken(format!("The backend's message has the unknown frame flag {flag}."))),
    }
    let announced = u32::from_be_bytes(length);
    let length = usize::try_from(announced).unwrap_or(usize::MAX);
    if length > limit {
        let text =
            format!("The backend's message of {announced} bytes is larger than the limit of {limit} bytes.");
        return Err(Status::backend(Code::ResourceExhausted, text).with_http(502));
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 8;

    /// Feeds `bytes` cut at `first` and `second` and says which messages came of it.
    fn feed(bytes: &'static [u8], first: usize, second: usize) -> Result<Vec<Bytes>, Status> {
        let mut frames = Frames::new(LIMIT);
        let mut messages = Vec::new();
        for part in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
            frames.push(Bytes::from_static(part));
            while let Some(message) = frames.next()? {
                messages.push(message);
            }
        }
        frames.check_end()?;
        Ok(messages)
    }

    #[test]
    fn messages_are_found_however_they_are_cut() {
        type Case = (&'static [u8], Result<&'static [&'static [u8]], &'static str>);
        let table: [Case; 10] = [
            (b"", Ok(&[])),
            (b"\0\0\0\0\x03abc", Ok(&[b"abc"])),
            (b"\0\0\0\0\0", Ok(&[b""])),
            (b"\0\0\0\0\x0812345678", Ok(&[b"12345678"])),
            (b"\0\0\0\0\x02ab\0\0\0\0\0\0\0\0\0\x01c", Ok(&[b"ab", b"", b"c"])),
            (b"\0\0\0", Err("The backend's answer ends in the middle of a message.")),
            (b"\0\0\0\0\x03ab", Err("The backend's answer ends in the middle of a message.")),
            (b"\x01\0\0\0\0", Err("The backend compressed its message although it was not asked to.")),
            (b"\x82\0\0\0\0", Err("The backend's message has the unknown frame flag 130.")),
            (b"\0\0\0\0\x09", Err("The backend's message of 9 bytes is larger than the limit of 8 bytes.")),
        ];
        for (bytes, expected) in table {
            for first in 0..=bytes.len() {
                for second in first..=bytes.len() {
                    match (feed(bytes, first, second), expected) {
                        (Ok(messages), Ok(expected)) => assert_eq!(messages, expected),
                        (Err(status), Err(text)) => {
                            assert_eq!((status.message(), status.http()), (text, 502));
                        }
                        (got, _) => panic!("{bytes:?} cut at {first} and {second}: {got:?}"),
                    }
                }
            }
        }
    }
}
