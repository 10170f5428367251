//! HTTP/2 frame by frame (RFC 9113), so that a client can send what no library lets it send.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// What an HTTP/2 client sends first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Of SETTINGS and PING.
pub(crate) const ACK: u8 = 1;
/// Of DATA and HEADERS.
pub(crate) const END_STREAM: u8 = 1;
/// Of HEADERS and CONTINUATION.
pub(crate) const END_HEADERS: u8 = 4;

/// A frame, as long as its payload whatever that means.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// One setting.
pub(crate) fn setting(id: u16, value: u32) -> Vec<u8> {
    [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

/// A field as HPACK writes it without its table and without Huffman codes (RFC 7541 section 6.2.2).
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let mut block = vec![0];
    for text in [name, value] {
        integer(&mut block, 7, text.len());
        block.extend_from_slice(text.as_bytes());
    }
    block
}

/// An integer whose first byte has `prefix` bits of it (RFC 7541 section 5.1); the other bits are 0.
fn integer(block: &mut Vec<u8>, prefix: u8, value: usize) {
    let most = (1 << prefix) - 1;
    if value < most {
        block.push(u8::try_from(value).unwrap());
        return;
    }
    block.push(u8::try_from(most).unwrap());
    let mut rest = value - most;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// The fields of a request.
pub(crate) fn head(method: &str, path: &str) -> Vec<u8> {
    [field(":method", method), field(":scheme", "http"), field(":path", path), field(":authority", "x")]
        .concat()
}

/// A request without a body.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_STREAM | END_HEADERS, stream, &head("GET", path))
}

/// A frame that has come.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// The reason of a RST_STREAM or a GOAWAY.
    pub(crate) fn reason(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The status of an answer's head, which h2 writes as its first field.
    pub(crate) fn status(&self) -> u16 {
        assert_eq!(self.kind, HEADERS, "{self:?}");
        // The static table of RFC 7541, appendix A; else a literal of the name at 8, in Huffman codes.
        match self.payload[0] {
            0x88 => 200,
            0x89 => 204,
            0x8c => 400,
            0x8d => 404,
            0x8e => 500,
            _ => digits(&self.payload[2..2 + usize::from(self.payload[1] & 0x7f)]),
        }
    }
}

/// Three digits in the code of RFC 7541, appendix B: five bits for 0 to 2, six for the others.
fn digits(coded: &[u8]) -> u16 {
    let bits = coded.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let mut left = coded.len() * 8;
    let mut take = |count: usize| {
        left -= count;
        u16::try_from(bits >> left & ((1 << count) - 1)).unwrap()
    };
    let mut number = 0;
    for _ in 0..3 {
        let start = take(5);
        number = number * 10 + if start < 3 { start } else { (start << 1 | take(1)) - 0b01_1001 + 3 };
    }
    number
}

#[test]
fn statuses_are_read() {
    // "431": 011010 011001 00001, and ones up to the end of the byte; "302" is of RFC 7541, C.4.
    for (coded, status) in [(&[0b0110_1001, 0b1001_0000, 0b1111_1111][..], 431), (&[0x64, 0x02], 302)] {
        assert_eq!(digits(coded), status);
    }
}

/// A connection to the gateway.
pub(crate) struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Connects and sends nothing.
    pub(crate) fn bare(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        // Far longer than anything here takes.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
        Self { stream }
    }

    /// Connects and sends the preface with these settings.
    pub(crate) fn open(address: SocketAddr, settings: &[u8]) -> Self {
        let mut connection = Self::bare(address);
        assert!(connection.send(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()));
        connection
    }

    /// Sends bytes; false if the gateway has closed the connection.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        match self.stream.write_all(bytes) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("the gateway reads no more"),
            Err(_) => false,
        }
    }

    /// The next frame; nothing once the gateway has closed the connection.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.fill(&mut head)?;
        let [a, b, c, kind, _, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.fill(&mut payload)?;
        Some(Frame { kind, stream: u32::from_be_bytes(stream), payload })
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => panic!("the gateway says no more"),
            Err(_) => None,
        }
    }

    /// The next frame of one of these kinds; nothing once the connection is closed.
    pub(crate) fn next_of(&mut self, kinds: &[u8]) -> Option<Frame> {
        loop {
            let frame = self.next()?;
            if kinds.contains(&frame.kind) {
                return Some(frame);
            }
        }
    }

    /// The same connection once more, to read while another thread writes.
    pub(crate) fn again(&self) -> Self {
        Self { stream: self.stream.try_clone().unwrap() }
    }

    /// Closes the connection for all that have it.
    pub(crate) fn close(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
