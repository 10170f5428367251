//! The layout of frames (RFC 9113 sections 4 and 6).
//!
//! ```text
//! frame = length:24 kind:8 flags:8 reserved:1 stream:31 payload
//! ```

use super::reason::{Flaw, Reason};

/// The bytes in front of a payload.
pub(super) const HEAD: usize = 9;
/// The largest payload that is taken: what every endpoint takes, and no more is asked for.
pub(super) const MAX_FRAME: usize = 16 * 1024;
/// The largest window, and the largest identifier of a stream.
pub(super) const MAX_31: u32 = (1 << 31) - 1;
/// What a client sends first.
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

/// On DATA and HEADERS: nothing comes after it on the stream.
pub(super) const END_STREAM: u8 = 0x1;
/// On SETTINGS and PING.
pub(super) const ACK: u8 = 0x1;
/// On HEADERS and CONTINUATION: the block of headers is complete.
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const HAS_PRIORITY: u8 = 0x20;

pub(super) const HEADER_TABLE_SIZE: u16 = 1;
pub(super) const ENABLE_PUSH: u16 = 2;
pub(super) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;
pub(super) const MAX_FRAME_SIZE: u16 = 5;
pub(super) const MAX_HEADER_LIST_SIZE: u16 = 6;

/// What stands in front of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Head {
    pub(super) const fn parse(bytes: [u8; HEAD]) -> Self {
        let [a, b, c, kind, flags, s @ ..] = bytes;
        Self {
            length: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes(s) & MAX_31,
        }
    }

    pub(super) const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The bytes on the wire. `length` is below 2^24.
    pub(super) const fn bytes(&self) -> [u8; HEAD] {
        let [_, a, b, c] = (self.length as u32).to_be_bytes();
        let [s, t, u, v] = self.stream.to_be_bytes();
        [a, b, c, self.kind, self.flags, s, t, u, v]
    }
}

/// Writes the beginning of a frame.
pub(super) fn put_head(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    out.extend_from_slice(&Head { length, kind, flags, stream }.bytes());
}

fn put_number(out: &mut Vec<u8>, kind: u8, stream: u32, number: u32) {
    put_head(out, 4, kind, 0, stream);
    out.extend_from_slice(&number.to_be_bytes());
}

/// Lets the peer send so many bytes more, on a stream or, for 0, on the connection.
pub(super) fn put_window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    put_number(out, WINDOW_UPDATE, stream, increment);
}

pub(super) fn put_reset(out: &mut Vec<u8>, stream: u32, reason: Reason) {
    put_number(out, RST_STREAM, stream, reason.0);
}

/// Ends the connection. No stream of the peer, which may not open any, is the last.
pub(super) fn put_goaway(out: &mut Vec<u8>, reason: Reason) {
    put_head(out, 8, GOAWAY, 0, 0);
    out.extend_from_slice(&0_u32.to_be_bytes());
    out.extend_from_slice(&reason.0.to_be_bytes());
}

pub(super) fn put_settings(out: &mut Vec<u8>, settings: &[(u16, u32)]) {
    put_head(out, settings.len() * 6, SETTINGS, 0, 0);
    for (name, value) in settings {
        out.extend_from_slice(&name.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// The settings of a frame.
pub(super) fn settings(payload: &[u8]) -> impl Iterator<Item = (u16, u32)> {
    payload
        .as_chunks::<6>()
        .0
        .iter()
        .map(|&[a, b, value @ ..]| (u16::from_be_bytes([a, b]), u32::from_be_bytes(value)))
}

/// The number that the payload of a frame is, of which the first bit means nothing.
pub(super) fn number(payload: &[u8]) -> Option<u32> {
    payload.try_into().ok().map(u32::from_be_bytes)
}

/// The payload of DATA or HEADERS without its padding.
pub(super) fn unpadded<'p>(head: &Head, payload: &'p [u8]) -> Result<&'p [u8], Flaw> {
    if !head.has(PADDED) {
        return Ok(payload);
    }
    let (&padding, rest) = payload.split_first().ok_or(Flaw::size("sent a padded frame without a length"))?;
    let length = rest.len().checked_sub(usize::from(padding));
    length.map(|length| &rest[..length]).ok_or(Flaw::protocol("sent more padding than a frame has bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_written_and_read() {
        let table = [
            (Head { length: 0, kind: SETTINGS, flags: ACK, stream: 0 }, [0, 0, 0, 4, 1, 0, 0, 0, 0]),
            (Head { length: 16_384, kind: DATA, flags: 0, stream: 1 }, [0, 0x40, 0, 0, 0, 0, 0, 0, 1]),
            (
                Head { length: 0x12_3456, kind: 0xff, flags: 0x25, stream: MAX_31 },
                [0x12, 0x34, 0x56, 0xff, 0x25, 0x7f, 0xff, 0xff, 0xff],
            ),
        ];
        for (head, bytes) in table {
            assert_eq!(head.bytes(), bytes);
            assert_eq!(Head::parse(bytes), head);
        }
        // The reserved bit is ignored.
        assert_eq!(Head::parse([0, 0, 0, 0, 0, 0x80, 0, 0, 3]).stream, 3);
    }

    #[test]
    fn padding_is_taken_off() {
        let padded = |flags: u8, payload: &'static [u8]| {
            unpadded(&Head { length: payload.len(), kind: DATA, flags, stream: 1 }, payload)
        };
        assert_eq!(padded(0, b"\x01ab"), Ok(&b"\x01ab"[..]));
        assert_eq!(padded(PADDED, b"\x01ab"), Ok(&b"a"[..]));
        assert_eq!(padded(PADDED, b"\x02ab"), Ok(&b""[..]));
        assert_eq!(padded(PADDED, b"\0"), Ok(&b""[..]));
        assert_eq!(padded(PADDED, b"\x03ab").unwrap_err().reason, Reason::PROTOCOL_ERROR);
        assert_eq!(padded(PADDED, b"").unwrap_err().reason, Reason::FRAME_SIZE_ERROR);
    }

    #[test]
    fn small_frames_are_as_the_specification_draws_them() {
        let mut out = Vec::new();
        put_settings(&mut out, &[(ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, 65_536)]);
        put_window_update(&mut out, 0, 5);
        put_reset(&mut out, 3, Reason::CANCEL);
        put_goaway(&mut out, Reason::ENHANCE_YOUR_CALM);
        let expected: [&[u8]; 4] = [
            b"\0\0\x0c\x04\0\0\0\0\0\0\x02\0\0\0\0\0\x04\0\x01\0\0",
            b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x05",
            b"\0\0\x04\x03\0\0\0\0\x03\0\0\0\x08",
            b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b",
        ];
        assert_eq!(out, expected.concat());
        let read: Vec<_> = settings(&out[HEAD..HEAD + 12]).collect();
        assert_eq!(read, [(ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, 65_536)]);
    }
}
