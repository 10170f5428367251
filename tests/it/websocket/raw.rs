//! A client that writes any bytes.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A frame as a client writes it, with a mask.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=65_535 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A socket whose frames are written and read as bytes.
pub(super) struct Raw(pub(super) TcpStream);

impl Raw {
    pub(super) async fn open(address: SocketAddr, target: &str) -> Self {
        let (mut raw, answer) = Self::ask(address, &handshake(target, "")).await;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(answer.contains("sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{answer}");
        raw.0.set_nodelay(true).unwrap();
        raw.write(b"").await;
        raw
    }

    /// Sends a request and reads the head of the answer.
    pub(super) async fn ask(address: SocketAddr, request: &str) -> (Self, String) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        (Self(stream), String::from_utf8(head).unwrap())
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) {
        // The gateway may have closed before it has read everything.
        let _ = self.0.write_all(bytes).await;
    }

    /// The next frame: its first byte and its payload. None at the end of the connection.
    pub(super) async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.0.read_u8().await.ok()?;
        let length = match self.0.read_u8().await.unwrap() {
            126 => self.0.read_u16().await.unwrap().into(),
            127 => usize::try_from(self.0.read_u64().await.unwrap()).unwrap(),
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).await.unwrap();
        Some((first, payload))
    }

    /// Reads up to the close frame and the end of the connection: the code and the reason, 1005 without a code.
    pub(super) async fn close(&mut self) -> (u16, String) {
        loop {
            match self.read().await {
                Some((0x88, payload)) => {
                    assert_eq!(self.0.read(&mut [0]).await.unwrap(), 0, "nothing comes behind a close frame");
                    return match payload.split_first_chunk() {
                        Some((code, reason)) => {
                            (u16::from_be_bytes(*code), String::from_utf8(reason.to_vec()).unwrap())
                        }
                        None => (1005, String::new()),
                    };
                }
                Some(_) => {}
                None => panic!("the connection ended without a close frame"),
            }
        }
    }
}

/// The request of RFC 6455 section 1.3, with more headers.
pub(super) fn handshake(target: &str, more: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: \
         dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}
