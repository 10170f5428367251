//! Peers that break the protocol.

use super::super::engine::MAX_HEADERS;
use super::super::frame::{
    CONTINUATION, DATA, GOAWAY, MAX_FRAME, PADDED, PING, PRIORITY, PUSH_PROMISE, RST_STREAM, WINDOW_UPDATE,
};
use super::super::reason::Reason;
use super::*;

/// What a peer sends once stream 1 is open ends the connection.
#[track_caller]
fn ends(bytes: &[u8], reason: Reason, what: &str) {
    let mut engine = engine(&[]);
    let id = open(&mut engine, Some(piece(1)));
    output(&mut engine);
    let flaw = engine.receive(bytes).unwrap_err();
    assert_eq!((flaw.reason, flaw.what), (reason, what));
    let frames = output(&mut engine);
    let (head, payload) = frames.last().unwrap();
    assert_eq!((head.kind, &payload[4..]), (GOAWAY, &reason.0.to_be_bytes()[..]), "{what}");
    let end = answer(&mut engine, id).end;
    assert_eq!(end, Some(Err(format!("the peer broke the protocol: it {what}"))));
    assert!(matches!(engine.try_turn(), Err(Error::Connection(_))));
}

/// What a peer sends ends stream 1 alone.
#[track_caller]
fn resets(bytes: &[u8], reason: Reason, what: &str) {
    let mut engine = engine(&[]);
    let (id, other) = (open(&mut engine, Some(piece(1))), open(&mut engine, Some(piece(1))));
    output(&mut engine);
    receive(&mut engine, bytes).unwrap();
    let reset =
        (frame::Head { length: 4, kind: RST_STREAM, flags: 0, stream: id }, reason.0.to_be_bytes().to_vec());
    assert_eq!(output(&mut engine), [reset], "{what}");
    let end = answer(&mut engine, id).end;
    assert_eq!(end, Some(Err(format!("the peer broke the protocol on the stream: it {what}"))));
    receive(&mut engine, &[whole(id, b"more"), whole(other, b"fine")].concat()).unwrap();
    assert_eq!(answer(&mut engine, other), ended(b"fine"));
    engine.release(id);
    assert_eq!(kinds(&mut engine), []);
}

#[test]
fn frames_of_impossible_sizes_end_the_connection() {
    let size = Reason::FRAME_SIZE_ERROR;
    let table: [(Vec<u8>, &str); 12] = [
        (frame(DATA, 0, 1, &vec![0; MAX_FRAME + 1]), "sent a frame that is larger than was allowed"),
        // Only the head of one that is larger has to be there.
        (b"\xff\xff\xff\x00\0\0\0\0\x01".to_vec(), "sent a frame that is larger than was allowed"),
        (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), "sent a frame that is larger than was allowed"),
        (frame(SETTINGS, 0, 0, b"12345"), "sent SETTINGS that are none"),
        (frame(SETTINGS, 1, 0, b"123456"), "sent SETTINGS that are none"),
        (frame(PING, 0, 0, b"1234567"), "sent a PING that is none"),
        (frame(PING, 0, 1, b"12345678"), "sent a PING that is none"),
        (frame(RST_STREAM, 0, 1, b"123"), "sent an RST_STREAM that is none"),
        (frame(WINDOW_UPDATE, 0, 0, b"12345"), "sent a WINDOW_UPDATE that is none"),
        (frame(GOAWAY, 0, 0, b"1234567"), "sent a GOAWAY that is none"),
        (frame(PRIORITY, 0, 1, b"1234"), "sent a PRIORITY frame that is none"),
        (frame(DATA, PADDED, 1, b""), "sent a padded frame without a length"),
    ];
    for (bytes, what) in table {
        ends(&bytes, size, what);
    }
}

#[test]
fn frames_where_none_belongs_end_the_connection() {
    let never = "sent a frame for a stream that was never opened";
    let table: [(Vec<u8>, &str); 16] = [
        (frame(DATA, 0, 0, b"a"), never),
        (frame(DATA, 0, 2, b"a"), never),
        (frame(DATA, 0, 3, b"a"), never),
        (headers(0, 3, OK), never),
        (frame(RST_STREAM, 0, 5, &[0; 4]), never),
        (frame(WINDOW_UPDATE, 0, 3, b"\0\0\0\x01"), never),
        (frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02\x88"), "pushed although that was forbidden"),
        (frame(CONTINUATION, END_HEADERS, 1, OK), "sent a CONTINUATION of nothing"),
        (
            [frame(HEADERS, 0, 1, OK), frame(CONTINUATION, 4, 3, b"")].concat(),
            "sent a CONTINUATION of nothing",
        ),
        (
            [frame(HEADERS, 0, 1, OK), frame(PING, 0, 0, &[0; 8])].concat(),
            "sent another frame in the middle of headers",
        ),
        (
            [frame(HEADERS, 0, 1, OK), frame(0xaa, 0, 1, b"")].concat(),
            "sent another frame in the middle of headers",
        ),
        (frame(SETTINGS, 0, 1, b""), "sent SETTINGS on a stream"),
        (settings(&[(2, 1)]), "wants to be pushed to"),
        (settings(&[(5, 16_383)]), "allows frames of an impossible size"),
        (settings(&[(5, 1 << 24)]), "allows frames of an impossible size"),
        (frame(DATA, PADDED, 1, b"\x05abc"), "sent more padding than a frame has bytes"),
    ];
    for (bytes, what) in table {
        ends(&bytes, Reason::PROTOCOL_ERROR, what);
    }
    ends(&headers(0, 1, b"\xbe"), Reason::COMPRESSION_ERROR, "named a header that its table does not have");
}

#[test]
fn a_peer_that_does_not_begin_with_settings_speaks_something_else() {
    for bytes in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 1, 0, b""), headers(0, 1, OK)] {
        let mut engine = Engine::new();
        open(&mut engine, None);
        assert_eq!(engine.receive(&bytes), Err(Flaw::protocol("does not begin with SETTINGS")));
    }
}

#[test]
fn answers_that_are_none_end_their_stream() {
    let protocol = Reason::PROTOCOL_ERROR;
    let table: [(Vec<u8>, &str); 14] = [
        (headers(END_STREAM, 1, b"\x88\x0f\x0d\x014"), "sent less content than it announced"),
        (
            [headers(0, 1, b"\x88\x0f\x0d\x014"), frame(DATA, END_STREAM, 1, b"abc")].concat(),
            "sent less content than it announced",
        ),
        (frame(DATA, 0, 1, b"a"), "sent content before its headers"),
        (headers(0, 1, STATUS), "sent headers without a status"),
        (headers(END_STREAM, 1, b"\x48\x03100"), "ended without an answer"),
        (headers(0, 1, b"\x48\x03101"), "switched to another protocol"),
        ([headers(0, 1, OK), headers(0, 1, STATUS)].concat(), "sent headers in the middle of its content"),
        (
            [headers(0, 1, OK), headers(END_STREAM, 1, OK)].concat(),
            "sent headers in the middle of its content",
        ),
        (headers(0, 1, b"\x88\x84"), "sent a header that no answer may have"),
        (headers(0, 1, b"\x88\x00\x02X-\x01b"), "sent a header that no answer may have"),
        (headers(0, 1, b"\x88\x00\x0aconnection\x01x"), "sent a header that no answer may have"),
        (
            [headers(0, 1, b"\x88\x0f\x0d\x012"), frame(DATA, 0, 1, b"abc")].concat(),
            "sent more content than it announced",
        ),
        (
            [headers(0, 1, b"\x88\x0f\x0d\x014"), frame(DATA, 0, 1, b"abc"), headers(1, 1, STATUS)].concat(),
            "sent less content than it announced",
        ),
        (frame(WINDOW_UPDATE, 0, 1, &[0; 4]), "opened its window by nothing"),
    ];
    for (bytes, what) in table {
        resets(&bytes, protocol, what);
    }
}

#[test]
fn windows_cannot_be_overrun_or_overflow() {
    let flow = Reason::FLOW_CONTROL_ERROR;
    let wide = "opened a window wider than there can be";
    let most = 0x7fff_ffff_u32.to_be_bytes();
    ends(&frame(WINDOW_UPDATE, 0, 0, &most), flow, wide);
    ends(&frame(WINDOW_UPDATE, 0, 0, &[0; 4]), flow, wide);
    ends(&settings(&[(4, 1 << 31)]), flow, wide);
    let grown = [frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 10]), settings(&[(4, 0x7fff_ffff)])].concat();
    ends(&grown, flow, wide);
    resets(&frame(WINDOW_UPDATE, 0, 1, &most), flow, wide);
    let mut bytes = headers(0, 1, OK);
    for _ in 0..4 {
        bytes.extend(frame(DATA, 0, 1, &vec![0; MAX_FRAME]));
    }
    bytes.extend(frame(DATA, 0, 1, b"x"));
    resets(&bytes, flow, "sent more than its window allows");
}

#[test]
fn headers_are_bounded_however_they_come() {
    // 36 bytes on the wire, and as many times as it takes a block of over 64 KiB decoded.
    let field = [&b"\x00\x01a\x20"[..], &[b'b'; 32]].concat();
    let count = MAX_HEADERS / (33 + 32) + 1;
    let block = [OK, &field.repeat(count)].concat();
    let mut bytes = Vec::new();
    for (index, part) in block.chunks(MAX_FRAME).enumerate() {
        bytes.extend(frame(if index == 0 { HEADERS } else { CONTINUATION }, 0, 1, part));
    }
    bytes.extend(frame(CONTINUATION, END_HEADERS, 1, b""));
    resets(&bytes, Reason::PROTOCOL_ERROR, "sent more headers than were allowed");

    // One entry of the table, named again and again.
    let bomb = [&b"\x88\x40\x01a\x7f\xa1\x1e"[..], &[b'b'; 4000], &[0xbe; 10_000]].concat();
    resets(&headers(0, 1, &bomb), Reason::PROTOCOL_ERROR, "sent more headers than were allowed");

    let mut empty = frame(HEADERS, 0, 1, OK);
    let mut large = empty.clone();
    for _ in 0..65 {
        empty.extend(frame(CONTINUATION, 0, 1, b""));
        large.extend(frame(CONTINUATION, 0, 1, &vec![0; MAX_FRAME]));
    }
    for bytes in [empty, large] {
        ends(&bytes, Reason::ENHANCE_YOUR_CALM, "sent headers without end");
    }
}

#[test]
fn floods_end_the_connection_before_they_fill_the_memory() {
    let calm = Reason::ENHANCE_YOUR_CALM;
    for asked in [frame(PING, 0, 0, &[0; 8]), settings(&[])] {
        ends(&asked.repeat(1001), calm, "asks for more answers than it takes");
    }
    // As long as the answers leave, there may be any number.
    let mut engine = engine(&[]);
    for _ in 0..5000 {
        receive(&mut engine, &frame(PING, 0, 0, &[0; 8])).unwrap();
        assert_eq!(output(&mut engine).len(), 1);
    }
    let begun = headers(0, 1, OK);
    let nothing = [
        frame(DATA, 0, 1, b""),
        frame(PRIORITY, 0, 1, &[0; 5]),
        frame(0xbb, 0, 1, b""),
        frame(PING, 1, 0, &[0; 8]),
        frame(SETTINGS, 1, 0, b""),
        frame(GOAWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
    ];
    for frames in nothing {
        let bytes = [&begun[..], &frames.repeat(10_001)].concat();
        ends_calmly(&bytes);
    }
    ends_calmly(&frame(RST_STREAM, 0, 1, &[0; 4]).repeat(10_002));
}

/// The connection ends by a flood; the stream may have ended before.
#[track_caller]
fn ends_calmly(bytes: &[u8]) {
    let mut engine = engine(&[]);
    open(&mut engine, None);
    let flaw = engine.receive(bytes).unwrap_err();
    assert_eq!(
        (flaw.reason, flaw.what),
        (Reason::ENHANCE_YOUR_CALM, "sends frame after frame that brings nothing")
    );
}

#[test]
fn a_peer_that_takes_nothing_gets_no_more_calls() {
    let mut engine = engine(&[(3, u32::MAX)]);
    let mut metadata = HeaderMap::new();
    metadata.insert("x-large", "x".repeat(10_000).parse().unwrap());
    let opened = (0..1000).take_while(|_| {
        engine.try_turn().is_ok_and(|turn| turn) && {
            engine.open(&request(&metadata), Some(piece(1))).is_ok()
        }
    });
    assert!((100..110).contains(&opened.count()), "1 MiB in pieces of 10 KB");
}
