//! A WebSocket client that sends what it is told, byte by byte if need be, and that believes nothing it receives: every
//! frame is held against RFC 6455.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// `FIN` and the opcodes of section 5.2.
pub(super) const FIN: u8 = 0x80;
pub(super) const CONTINUATION: u8 = 0;
pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// How long an answer may take. Generous: a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the server said.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    /// A whole message of text.
    Text(String),
    /// A whole binary message.
    Binary(Vec<u8>),
    Pong(Vec<u8>),
    /// A close frame, with the code if there is one, and the reason.
    Close(Option<u16>, String),
    /// The connection has ended.
    End,
}

/// A connection after its handshake.
pub(super) struct Socket {
    stream: TcpStream,
    received: Vec<u8>,
    /// The head of the handshake's answer.
    pub(super) head: String,
}

impl Socket {
    /// Opens a socket, which must be granted.
    pub(super) fn open(address: SocketAddr, target: &str) -> Self {
        let socket = Self::ask(address, target, &[("sec-websocket-protocol", "transom.json")]);
        assert!(socket.head.starts_with("HTTP/1.1 101 "), "{}", socket.head);
        socket
    }

    /// Asks for a socket with further headers, and reads the head of the answer.
    pub(super) fn ask(address: SocketAddr, target: &str, headers: &[(&str, &str)]) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let request = format!(
            "GET {target} HTTP/1.1\r\nhost: {address}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut socket = Self { stream, received: Vec::new(), head: String::new() };
        let end = loop {
            if let Some(end) = socket.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            assert!(socket.read_more(), "no answer: {:?}", String::from_utf8_lossy(&socket.received));
        };
        socket.head = String::from_utf8(socket.received.drain(..end).collect()).unwrap();
        socket
    }

    /// Sends bytes in pieces of this size. What the server does not take any more is left.
    pub(super) fn send_in_pieces(&mut self, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size) {
            if self.stream.write_all(piece).is_err() {
                return;
            }
        }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.send_in_pieces(bytes, usize::MAX);
    }

    pub(super) fn send_text(&mut self, text: &str) {
        self.send(&frame(FIN | TEXT, text.as_bytes()));
    }

    /// Ends the connection without a word.
    pub(super) fn drop_connection(self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }

    /// Closes it in order and returns the code of the answer.
    pub(super) fn close(mut self, code: u16) -> Option<u16> {
        self.send(&frame(FIN | CLOSE, &code.to_be_bytes()));
        loop {
            match self.next() {
                Event::Close(code, _) => {
                    assert_eq!(self.next(), Event::End, "the server ends the connection");
                    return code;
                }
                Event::End => panic!("the server ended the connection without a close frame"),
                _ => {}
            }
        }
    }

    /// What the server says next; pings are answered, and a close frame too.
    pub(super) fn next(&mut self) -> Event {
        loop {
            let Some((first, payload)) = self.next_frame() else { return Event::End };
            assert_eq!(first & 0x70, 0, "no extension was agreed on");
            assert_ne!(first & FIN, 0, "each message is one frame");
            if first & 8 != 0 {
                assert!(payload.len() <= 125, "a control frame of {} bytes", payload.len());
            }
            match first & 0x0f {
                TEXT => return Event::Text(String::from_utf8(payload).expect("text is UTF-8")),
                BINARY => return Event::Binary(payload),
                PONG => return Event::Pong(payload),
                PING => self.send(&frame(FIN | PONG, &payload)),
                CLOSE => {
                    self.send(&frame(FIN | CLOSE, &payload[..payload.len().min(2)]));
                    if payload.is_empty() {
                        return Event::Close(None, String::new());
                    }
                    let code = u16::from_be_bytes([payload[0], payload[1]]);
                    let reason = String::from_utf8(payload[2..].to_vec()).expect("a reason is UTF-8");
                    return Event::Close(Some(code), reason);
                }
                other => panic!("the opcode {other} means nothing"),
            }
        }
    }

    /// The next message as text, which it must be.
    pub(super) fn text(&mut self) -> String {
        match self.next() {
            Event::Text(text) => text,
            other => panic!("{other:?} and no text"),
        }
    }

    /// The code of the close frame that comes behind messages and pongs; none if the connection just ends.
    pub(super) fn closed_with(&mut self) -> Option<u16> {
        loop {
            match self.next() {
                Event::Close(code, _) => return code,
                Event::End => return None,
                _ => {}
            }
        }
    }

    fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (first, second) = (self.byte()?, self.byte()?);
        assert_eq!(second & 0x80, 0, "a server does not mask");
        let length = match second {
            126 => self.number(2, 126),
            127 => self.number(8, 65_536),
            length => usize::from(length),
        };
        while self.received.len() < length {
            assert!(self.read_more(), "the connection ended in the middle of a frame");
        }
        Some((first, self.received.drain(..length).collect()))
    }

    /// A length of several bytes, which must need them.
    fn number(&mut self, bytes: usize, least: usize) -> usize {
        let read = (0..bytes).fold(0, |number, _| number << 8 | usize::from(self.byte().unwrap()));
        assert!(read >= least, "the length {read} is written in {bytes} bytes");
        read
    }

    fn byte(&mut self) -> Option<u8> {
        while self.received.is_empty() {
            if !self.read_more() {
                return None;
            }
        }
        Some(self.received.remove(0))
    }

    /// Whether there was more. A connection that is reset has ended as well.
    fn read_more(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("the server neither answers nor ends: {error}"),
        }
    }
}

/// The key of every handshake, 16 bytes in base64.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODw==";

/// The masking key of every frame.
const MASK: [u8; 4] = [0xa5, 0x00, 0x5a, 0xff];

/// A masked frame. `first` is the first byte: FIN, reserved bits and opcode.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..126 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A message in fragments: the first has the opcode, the last has FIN.
pub(super) fn fragments<'a>(opcode: u8, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let parts: Vec<_> = parts.into_iter().collect();
    let last = parts.len() - 1;
    let first = |index| if index == 0 { opcode } else { CONTINUATION };
    let fin = |index| if index == last { FIN } else { 0 };
    let each = parts.iter().enumerate().map(|(index, part)| frame(first(index) | fin(index), part));
    each.collect::<Vec<_>>().concat()
}

/// A close frame.
pub(super) fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}
