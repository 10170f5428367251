//! The bytes that a client sends on a WebSocket.

use bytes::BytesMut;
use transom::wire::websocket::{Event, Flaw, Opcode, Reader, write};

/// The largest message that is accepted.
const LIMIT: usize = 4096;

/// Any bytes are messages up to an end or a flaw, and how they are cut does not matter. The first byte of the input is the
/// size of the pieces.
pub fn websocket(input: &[u8]) {
    let Some((&size, bytes)) = input.split_first() else { return };
    let whole = read(std::iter::once(bytes));
    let pieces = read(bytes.chunks(usize::from(size).max(1)));
    assert_eq!(whole, pieces, "what is read depends on the pieces");
    // What is echoed has a head that fits it.
    let mut out = Vec::new();
    for event in &whole.0 {
        match event {
            Event::Text(text) => {
                assert!(text.len() <= LIMIT && std::str::from_utf8(text).is_ok());
                write(&mut out, Opcode::Text, [text, b""]);
            }
            Event::Binary(data) => {
                assert!(data.len() <= LIMIT);
                write(&mut out, Opcode::Binary, [data, b""]);
            }
            Event::Ping(data) => assert!(data.len() <= 125),
            Event::Pong | Event::Close(_) => {}
        }
    }
}

fn read<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> (Vec<Event>, Option<Flaw>) {
    let (mut reader, mut input, mut events) = (Reader::new(LIMIT), BytesMut::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match reader.next(&mut input) {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(flaw) => return (events, Some(flaw)),
            }
        }
    }
    (events, None)
}
