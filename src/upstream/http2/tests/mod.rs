//! The engine against scripted peers, frame by frame, and the whole client against `h2`'s server.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::HeaderMap;

use super::engine::{Engine, Event, Head};
use super::frame::{self, END_HEADERS, END_STREAM, HEAD, HEADERS, SETTINGS};
use super::hpack::Request;
use super::piece::Piece;
use super::reason::{Error, Flaw};

mod answers;
mod hostile;
mod live;
mod windows;

/// `:status: 200`
const OK: &[u8] = b"\x88";
/// `grpc-status: 0`
const STATUS: &[u8] = b"\x00\x0bgrpc-status\x010";

fn request(metadata: &HeaderMap) -> Request<'_> {
    Request {
        secure: false,
        authority: "shop:1",
        path: "/shop.Orders/Get",
        constant: &[("te", "trailers")],
        varying: [None; 4],
        metadata,
        keep: |_| true,
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put_head(&mut out, payload.len(), kind, flags, stream);
    out.extend_from_slice(payload);
    out
}

fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::put_settings(&mut out, settings);
    out
}

fn headers(flags: u8, stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, block)
}

fn piece(size: usize) -> Piece {
    Piece::new([0; 5], vec![7; size].into())
}

/// An engine whose preface was taken and that has heard the peer's SETTINGS.
fn engine(of_peer: &[(u16, u32)]) -> Engine {
    let mut engine = Engine::new();
    receive(&mut engine, &settings(of_peer)).unwrap();
    output(&mut engine);
    engine
}

/// Everything must be used, as only whole frames are given.
fn receive(engine: &mut Engine, bytes: &[u8]) -> Result<(), Flaw> {
    let used = engine.receive(bytes)?;
    assert_eq!(used, bytes.len());
    Ok(())
}

fn open(engine: &mut Engine, piece: Option<Piece>) -> u32 {
    assert!(engine.try_turn().unwrap());
    engine.open(&request(&HeaderMap::new()), piece).unwrap()
}

/// The frames that leave.
fn output(engine: &mut Engine) -> Vec<(frame::Head, Vec<u8>)> {
    let mut out = Vec::new();
    engine.take_output(&mut out);
    let mut rest = out.strip_prefix(frame::PREFACE).unwrap_or(&out);
    let mut frames = Vec::new();
    while let Some((head, after)) = rest.split_first_chunk::<HEAD>() {
        let head = frame::Head::parse(*head);
        let (payload, after) = after.split_at(head.length);
        frames.push((head, payload.to_vec()));
        rest = after;
    }
    assert!(rest.is_empty());
    frames
}

/// Kind, flags and stream of the frames that leave.
fn kinds(engine: &mut Engine) -> Vec<(u8, u8, u32)> {
    output(engine).iter().map(|(head, _)| (head.kind, head.flags, head.stream)).collect()
}

fn poll(engine: &mut Engine, id: u32) -> Poll<Result<Event, Error>> {
    engine.poll_event(id, true, &Context::from_waker(Waker::noop()))
}

/// The status, the content and how it ended, of what came on a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    status: Option<u16>,
    content: Vec<u8>,
    /// The trailers, or the error; absent while there is no end.
    end: Option<Result<Vec<(String, String)>, String>>,
}

fn answer(engine: &mut Engine, id: u32) -> Answer {
    let mut answer = Answer::default();
    loop {
        match poll(engine, id) {
            Poll::Ready(Ok(Event::Head(Head { status, .. }))) => answer.status = Some(status),
            Poll::Ready(Ok(Event::Data(data))) => answer.content.extend_from_slice(&data),
            Poll::Ready(Ok(Event::End(trailers))) => {
                let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
                let trailers = trailers.unwrap_or_default();
                let trailers = trailers.iter().map(|(name, value)| (name.to_string(), text(value)));
                answer.end = Some(Ok(trailers.collect()));
                return answer;
            }
            Poll::Ready(Err(error)) => {
                answer.end = Some(Err(error.to_string()));
                return answer;
            }
            Poll::Pending => return answer,
        }
    }
}

/// A complete answer on a stream: headers, `content`, and a status.
fn whole(stream: u32, content: &[u8]) -> Vec<u8> {
    let parts =
        [headers(0, stream, OK), frame(frame::DATA, 0, stream, content), headers(END_STREAM, stream, STATUS)];
    parts.concat()
}

fn ended(content: &[u8]) -> Answer {
    let end = Some(Ok(vec![("grpc-status".to_owned(), "0".to_owned())]));
    Answer { status: Some(200), content: content.to_vec(), end }
}

#[test]
fn the_preface_asks_for_what_is_kept() {
    let mut engine = Engine::new();
    let mut out = Vec::new();
    engine.take_output(&mut out);
    let rest = out.strip_prefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    let (settings, window) = rest.split_at(HEAD + 18);
    assert_eq!(settings[..HEAD], [0, 0, 18, SETTINGS, 0, 0, 0, 0, 0]);
    let values: Vec<_> = frame::settings(&settings[HEAD..]).collect();
    assert_eq!(values, [(2, 0), (4, 65_536), (6, 65_536)]);
    // 2^31 - 1 less the 65,535 that there are anyway.
    assert_eq!(window, b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\0\0");
    assert_eq!(Bytes::from(out).len(), 24 + 27 + 13);
}
