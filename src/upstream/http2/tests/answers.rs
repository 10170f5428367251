//! Answers as they should be, in all the forms that there are.

use super::super::frame::{
    CONTINUATION, DATA, GOAWAY, HAS_PRIORITY, PADDED, PING, PRIORITY, RST_STREAM, WINDOW_UPDATE,
};
use super::super::reason::Reason;
use super::*;

#[test]
fn a_call_leaves_at_once_and_its_answer_comes() {
    let mut engine = engine(&[]);
    let id = open(&mut engine, Some(piece(10)));
    let frames = output(&mut engine);
    let seen: Vec<_> = frames.iter().map(|(head, _)| (head.kind, head.flags, head.length)).collect();
    assert_eq!(seen, [(HEADERS, END_HEADERS, frames[0].1.len()), (DATA, END_STREAM, 15)]);
    assert_eq!(frames[1].1, [[0; 5].as_slice(), &[7; 10]].concat());
    assert_eq!(answer(&mut engine, id), Answer::default());
    receive(&mut engine, &whole(id, b"abc")).unwrap();
    assert_eq!(answer(&mut engine, id), ended(b"abc"));
    engine.release(id);
    assert_eq!(kinds(&mut engine), [], "nothing is reset");
}

/// Interim headers, padding, priorities, headers in pieces, unknown frames and settings, a PING, and two streams.
fn rich() -> Vec<u8> {
    [
        settings(&[(3, 50), (0x99, 7), (1, 0)]),
        headers(0, 1, b"\x48\x03100"),
        headers(0, 1, b"\x48\x03103\x00\x04link\x01x"),
        frame(HEADERS, 0, 1, &OK[..0]),
        frame(CONTINUATION, 0, 1, OK),
        frame(CONTINUATION, END_HEADERS, 1, b"\x40\x01a\x01b"),
        frame(PING, 0, 0, b"12345678"),
        frame(HEADERS, PADDED | HAS_PRIORITY | END_HEADERS, 3, b"\x02\0\0\0\0\x07\x88\xbe\0\0"),
        frame(DATA, PADDED, 1, b"\x03abc\0\0\0"),
        frame(PRIORITY, 0, 5, b"\0\0\0\0\x01"),
        frame(0xfe, 0xff, 1, b"what is this"),
        frame(DATA, 0, 3, b"xyz"),
        frame(DATA, 0, 1, b""),
        frame(SETTINGS, 1, 0, b""),
        frame(DATA, 0, 1, b"def"),
        frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01"),
        frame(WINDOW_UPDATE, 0, 1, b"\x80\0\0\x01"),
        frame(HEADERS, PADDED | END_HEADERS | END_STREAM, 1, &[b"\x01", STATUS, b"\0"].concat()),
        frame(DATA, END_STREAM, 3, b"!"),
        frame(RST_STREAM, 0, 1, b"\0\0\0\0"),
    ]
    .concat()
}

#[test]
fn every_form_is_read_however_the_bytes_are_cut() {
    let bytes = rich();
    for first in 0..=bytes.len() {
        let mut engine = Engine::new();
        let (one, other) = (open(&mut engine, Some(piece(1))), open(&mut engine, Some(piece(1))));
        output(&mut engine);
        let used = engine.receive(&bytes[..first]).unwrap();
        let again = engine.receive(&bytes[used..]).unwrap();
        assert_eq!(used + again, bytes.len(), "cut at {first}");
        assert_eq!(answer(&mut engine, one), ended(b"abcdef"), "cut at {first}");
        let without = Answer { end: Some(Ok(vec![])), ..ended(b"xyz!") };
        assert_eq!(answer(&mut engine, other), without, "cut at {first}");
        assert_eq!(kinds(&mut engine), [(SETTINGS, 1, 0), (PING, 1, 0)], "cut at {first}");
    }
}

#[test]
fn bytes_that_come_one_by_one_are_one_answer() {
    let bytes = rich();
    let mut engine = Engine::new();
    let (one, _) = (open(&mut engine, Some(piece(1))), open(&mut engine, None));
    let mut start = 0;
    for end in 0..=bytes.len() {
        start += engine.receive(&bytes[start..end]).unwrap();
    }
    assert_eq!(start, bytes.len());
    assert_eq!(answer(&mut engine, one), ended(b"abcdef"));
}

#[test]
fn headers_alone_can_be_an_answer() {
    let mut engine = engine(&[]);
    let id = open(&mut engine, Some(piece(1)));
    receive(&mut engine, &headers(END_STREAM, id, &[OK, STATUS].concat())).unwrap();
    assert_eq!(answer(&mut engine, id), Answer { end: Some(Ok(vec![])), ..ended(b"") });
}

#[test]
fn resets_end_what_has_not_ended() {
    for (reason, text) in
        [(0, "NO_ERROR"), (7, "REFUSED_STREAM"), (8, "CANCEL"), (99, "of an unknown number")]
    {
        let mut engine = engine(&[]);
        let id = open(&mut engine, None);
        let parts =
            [headers(0, id, OK), frame(DATA, 0, id, b"ab"), frame(RST_STREAM, 0, id, &[0, 0, 0, reason])];
        receive(&mut engine, &parts.concat()).unwrap();
        let end = Some(Err(format!("the peer reset the stream: {text}")));
        assert_eq!(answer(&mut engine, id), Answer { end, ..ended(b"ab") });
        output(&mut engine);
        engine.send(id, Some(piece(1)));
        engine.release(id);
        assert_eq!(kinds(&mut engine), [], "nothing is sent on it any more");
    }
    // After a complete answer, the rest of the request is not wanted.
    let mut engine = engine(&[(4, 0)]);
    let id = open(&mut engine, Some(piece(100)));
    receive(&mut engine, &[whole(id, b"no"), frame(RST_STREAM, 0, id, &[0; 4])].concat()).unwrap();
    assert_eq!(answer(&mut engine, id), ended(b"no"));
    output(&mut engine);
    engine.release(id);
    assert_eq!(kinds(&mut engine), []);
}

#[test]
fn who_leaves_early_resets_the_stream_and_ignores_what_still_comes() {
    let mut engine = engine(&[]);
    let (gone, other) = (open(&mut engine, Some(piece(1))), open(&mut engine, Some(piece(1))));
    output(&mut engine);
    engine.release(gone);
    let frames = output(&mut engine);
    assert_eq!(
        frames,
        [(frame::Head { length: 4, kind: RST_STREAM, flags: 0, stream: gone }, vec![0, 0, 0, 8])]
    );
    // The table must know what the ignored headers added.
    let late = [headers(0, gone, b"\x88\x40\x01a\x01b"), whole(gone, b"late")].concat();
    receive(&mut engine, &[late, headers(END_STREAM, other, b"\x88\xbe")].concat()).unwrap();
    assert_eq!(answer(&mut engine, other), Answer { end: Some(Ok(vec![])), ..ended(b"") });
    assert_eq!(answer(&mut engine, gone).status, None);
}

#[test]
fn streams_above_the_last_fail_and_those_below_go_on() {
    let mut engine = engine(&[]);
    let ids = [0; 3].map(|_| open(&mut engine, Some(piece(1))));
    let goaway = |last: u32, reason: u32| {
        frame(GOAWAY, 0, 0, &[&last.to_be_bytes()[..], &reason.to_be_bytes(), b"bye"].concat())
    };
    receive(&mut engine, &goaway(u32::MAX >> 1, 0)).unwrap();
    assert!(matches!(engine.try_turn(), Err(Error::GoneAway(Reason::NO_ERROR))));
    assert_eq!(answer(&mut engine, ids[2]), Answer::default());
    receive(&mut engine, &goaway(ids[1], 11)).unwrap();
    let end = Some(Err("the peer goes away: ENHANCE_YOUR_CALM".to_owned()));
    assert_eq!(answer(&mut engine, ids[2]), Answer { end, ..Answer::default() });
    receive(&mut engine, &[whole(ids[0], b"0"), whole(ids[1], b"1")].concat()).unwrap();
    assert_eq!(answer(&mut engine, ids[0]), ended(b"0"));
    assert_eq!(answer(&mut engine, ids[1]), ended(b"1"));
    for id in ids {
        assert!(!engine.is_finished());
        engine.release(id);
    }
    assert!(engine.is_finished());
}
