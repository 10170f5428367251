//! Clients that read slowly or not at all: they hold their backend back, and not the gateway's memory.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Setting;

const READERS: usize = 200;

/// How large the text of each message is, in bytes.
const SIZE: usize = 10_000;

/// What a gateway may keep for a reader, in bytes: a window of the backend's in the pieces in which it came, what is
/// written from it, and what the allocator adds. It is the same for a stream of lines (`hostile::slow`).
const EACH: u64 = 400_000;

/// A socket on a stream without end, with so little room that the kernel does not take much for a reader that does not
/// read.
fn narrow(setting: &Setting, id: &str) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(&setting.address().into()).unwrap();
    let mut stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let request = format!(
        "GET /v1/watch/{id}?count=1000000000&size={SIZE} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    stream
}

/// Reads to the end of the head.
fn skip_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
}

/// The next message, whose length takes two bytes.
fn message(stream: &mut TcpStream) -> Value {
    let mut head = [0; 4];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[..2], [0x81, 126]);
    let mut payload = vec![0; u16::from_be_bytes([head[2], head[3]]).into()];
    stream.read_exact(&mut payload).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[test]
fn two_hundred_slow_readers_cost_little_memory() {
    // The time of a write is not what is tested: those who read a little go on.
    let mut setting = Setting::with("http: {write_timeout: 5m}\n");
    setting.is_alive();
    let before = setting.gateway.server().peak_memory();
    let mut readers: Vec<_> =
        (0..READERS).map(|number| narrow(&setting, &format!("slow-{number}"))).collect();
    readers.iter_mut().for_each(skip_head);
    // Each has read one message: the backends are at work, and stopped by nobody's reading.
    for reader in &mut readers {
        assert_eq!(message(reader)["number"], json!(1));
    }
    // Until the backends are held back: some of them are asked how far they are, until they are no further.
    let sent = |setting: &Setting| -> Vec<u64> {
        let some = (0..READERS).step_by(20);
        some.map(|number| setting.reaches("STARTED", &format!("slow-{number}"))).collect()
    };
    let held = loop {
        let (one, two) = (sent(&setting), sent(&setting));
        if one == two {
            break two;
        }
    };
    for sent in held {
        // What the kernels' buffers and windows hold of 10 KB each, and far from what a backend could send.
        assert!(sent < 1_000, "{sent} messages are on their way");
    }
    for number in 2..=20 {
        for reader in readers.iter_mut().step_by(10) {
            let message = message(reader);
            assert_eq!((&message["number"], message["text"].as_str().unwrap().len()), (&json!(number), SIZE));
        }
        setting.is_alive();
    }
    let grown = setting.gateway.server().peak_memory() - before;
    assert!(grown < READERS as u64 * EACH, "{grown} bytes more for {READERS} readers");
    drop(readers);
    for number in 0..READERS {
        setting.reaches("CANCELLED", &format!("slow-{number}"));
    }
}

/// One that reads nothing at all is cut off after the time for a write.
#[test]
fn readers_that_stop_are_cut() {
    let setting = Setting::with("http: {write_timeout: 400ms}\n");
    let start = Instant::now();
    let mut readers: Vec<_> = (0..5).map(|number| narrow(&setting, &format!("stops-{number}"))).collect();
    readers.iter_mut().for_each(skip_head);
    for number in 0..5 {
        setting.reaches("CANCELLED", &format!("stops-{number}"));
    }
    let time = start.elapsed();
    assert!(time >= Duration::from_millis(390) && time < Duration::from_secs(10), "{time:?}");
    for mut reader in readers {
        let mut rest = Vec::new();
        // What the kernel has taken still arrives.
        if let Err(error) = reader.read_to_end(&mut rest) {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
    }
    setting.is_alive();
}
