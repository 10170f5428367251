//! The bytes that a backend sends over HTTP/2.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;
use transom::upstream::http2::engine::{Engine, Event};
use transom::upstream::http2::hpack::Request;
use transom::upstream::http2::piece::Piece;
use transom::upstream::http2::reason::Error;

/// What a server sends first, so that most inputs come further.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";

/// How many bytes there may be on one stream that nobody has asked for more of.
const WINDOW: usize = 64 * 1024;

/// Any bytes on a connection with three calls end those calls, and how they are cut does not matter. The first byte
/// of the input is the size of the pieces.
pub fn http2(input: &[u8]) {
    let Some((&size, bytes)) = input.split_first() else { return };
    let whole = calls(std::iter::once(bytes));
    let pieces = calls(bytes.chunks(usize::from(size).max(1)));
    assert_eq!(whole, pieces, "the answers depend on the pieces");
}

/// What came on the streams, as text and without the cuts of the content.
fn calls<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> [String; 3] {
    let mut engine = Engine::new();
    // A whole call, one whose message is larger than the windows, and one that goes on sending.
    let message = |size: usize| Some(Piece::new([0; 5], Bytes::from(vec![0; size])));
    let ids = [message(10), message(100_000), None].map(|message| open(&mut engine, message));
    let mut out = Vec::new();
    engine.take_output(&mut out);
    engine.receive(SETTINGS).expect("these are settings");
    let mut unread = Vec::new();
    for piece in pieces {
        unread.extend_from_slice(piece);
        let Ok(used) = engine.receive(&unread) else { break };
        unread.drain(..used);
        assert!(unread.len() < 9 + 16 * 1024, "the beginning of a frame is no longer than this");
    }
    let mut left = Vec::new();
    engine.take_output(&mut left);
    // Answers to its frames, and content within windows that it cannot open without sending for it.
    assert!(left.len() < 512 * 1024, "{} bytes are kept for the peer", left.len());
    engine.fail_all(&Error::Full);
    let ends = ids.map(|id| events(&mut engine, id));
    for id in ids {
        engine.release(id);
    }
    assert!(engine.is_finished());
    ends
}

fn open(engine: &mut Engine, message: Option<Piece>) -> u32 {
    let metadata = HeaderMap::new();
    let request = Request {
        secure: false,
        authority: "shop:1",
        path: "/shop.Orders/Get",
        constant: &[("te", "trailers")],
        varying: [None; 4],
        metadata: &metadata,
        keep: |_| true,
    };
    assert!(engine.try_turn().expect("the connection is new"));
    engine.open(&request, message).expect("the connection is new")
}

/// All events of a stream, which must have an end.
fn events(engine: &mut Engine, id: u32) -> String {
    let cx = Context::from_waker(Waker::noop());
    let (mut content, mut text) = (0, String::new());
    loop {
        match engine.poll_event(id, false, &cx) {
            Poll::Ready(Ok(Event::Head(head))) => text += &format!("{head:?} "),
            Poll::Ready(Ok(Event::Data(data))) => content += data.len(),
            Poll::Ready(Ok(Event::End(trailers))) => {
                text += &format!("{trailers:?}");
                break;
            }
            Poll::Ready(Err(error)) => {
                text += &error.to_string();
                break;
            }
            Poll::Pending => panic!("stream {id} does not end"),
        }
    }
    assert!(content <= WINDOW, "{content} bytes are kept of one stream");
    format!("{text} after {content} bytes")
}
