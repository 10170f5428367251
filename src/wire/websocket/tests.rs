use super::*;

const LIMIT: usize = 100_000;

/// A frame as a client writes it, with a mask.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=65_535 => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(length as u16).to_be_bytes());
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

/// What is found in bytes that come in pieces of a size, as text, up to the first flaw.
fn read(bytes: &[u8], size: usize) -> Vec<String> {
    let (mut reader, mut input, mut found) = (Reader::new(LIMIT), BytesMut::new(), Vec::new());
    for piece in bytes.chunks(size.max(1)) {
        input.extend_from_slice(piece);
        loop {
            match reader.next(&mut input) {
                Ok(None) => break,
                Ok(Some(event)) => found.push(match event {
                    Event::Text(text) => format!("text {}", String::from_utf8(text.to_vec()).unwrap()),
                    Event::Binary(data) => format!("binary {}", data.escape_ascii()),
                    Event::Ping(data) => format!("ping {}", data.escape_ascii()),
                    Event::Pong => "pong".into(),
                    Event::Close(code) => format!("close {code:?}"),
                }),
                Err(flaw) => {
                    found.push(format!("{} {}", flaw.code, flaw.reason));
                    return found;
                }
            }
        }
    }
    found
}

fn assert_read(frames: &[Vec<u8>], expected: &[&str]) {
    let bytes = frames.concat();
    for size in 1..=bytes.len().min(40) {
        assert_eq!(read(&bytes, size), expected, "in pieces of {size}");
    }
    assert_eq!(read(&bytes, bytes.len()), expected, "as a whole");
}

#[test]
fn the_examples_of_the_specification() {
    // RFC 6455 section 5.7.
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_read(&[hello.to_vec()], &["text Hello"]);
    let mut out = Vec::new();
    write(&mut out, Opcode::Text, [b"Hel", b"lo"]);
    assert_eq!(out, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    out.clear();
    write(&mut out, Opcode::Ping, [b"Hello", b""]);
    assert_eq!(out, [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
    for (length, head) in [
        (256, &[0x82, 0x7e, 0x01, 0x00][..]),
        (65_536, &[0x82, 0x7f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00]),
    ] {
        out.clear();
        write(&mut out, Opcode::Binary, [&vec![7; length], b""]);
        assert!(out.starts_with(head) && out.len() == head.len() + length, "{length}");
    }
}

#[test]
fn messages_and_control_frames_are_found_however_they_come() {
    let table: [(&[Vec<u8>], &[&str]); 12] = [
        (&[frame(0x81, b""), frame(0x82, b"\x00\xff")], &["text ", "binary \\x00\\xff"]),
        (
            &[frame(0x01, b"a"), frame(0x00, b"b"), frame(0x80, b"c"), frame(0x81, b"d")],
            &["text abc", "text d"],
        ),
        (&[frame(0x02, b""), frame(0x00, b""), frame(0x80, b"")], &["binary "]),
        (
            &[frame(0x01, b"a"), frame(0x89, b"1"), frame(0x00, b""), frame(0x8a, b""), frame(0x80, b"b")],
            &["ping 1", "pong", "text ab"],
        ),
        // A character that is cut between frames.
        (&[frame(0x01, b"\xe2\x98"), frame(0x80, b"\x83")], &["text \u{2603}"]),
        (&[frame(0x89, &[b'x'; 125])], &[&format!("ping {}", "x".repeat(125))]),
        (&[frame(0x81, &[b'x'; 126])], &[&format!("text {}", "x".repeat(126))]),
        (&[frame(0x88, b"")], &["close None"]),
        (&[frame(0x88, b"\x03\xe8bye")], &["close Some(1000)"]),
        (&[frame(0x88, b"\x0f\xa0")], &["close Some(4000)"]),
        (&[frame(0x81, &[b'y'; 65_536])], &[&format!("text {}", "y".repeat(65_536))]),
        (&[frame(0x81, &[b'z'; LIMIT])], &[&format!("text {}", "z".repeat(LIMIT))]),
    ];
    for (frames, expected) in table {
        assert_read(frames, expected);
    }
}

#[test]
fn what_is_wrong_is_named_with_its_code() {
    let flaw = |flaw: Flaw| format!("{} {}", flaw.code, flaw.reason);
    let head = |bytes: &[u8]| bytes.to_vec();
    let table: [(Vec<u8>, Flaw); 30] = [
        (frame(0xc1, b"a"), Flaw::RESERVED_BITS),
        (frame(0xa1, b"a"), Flaw::RESERVED_BITS),
        (frame(0x91, b"a"), Flaw::RESERVED_BITS),
        (frame(0x83, b"a"), Flaw::OPCODE),
        (frame(0x87, b"a"), Flaw::OPCODE),
        (frame(0x8b, b""), Flaw::OPCODE),
        (frame(0x8f, b""), Flaw::OPCODE),
        (head(&[0x81, 0x01, b'a']), Flaw::UNMASKED),
        (head(&[0x88, 0x00]), Flaw::UNMASKED),
        (frame(0x09, b"a"), Flaw::FRAGMENTED_CONTROL),
        (frame(0x08, b""), Flaw::FRAGMENTED_CONTROL),
        (frame(0x89, &[0; 126]), Flaw::LONG_CONTROL),
        (frame(0x88, &[0; 126]), Flaw::LONG_CONTROL),
        (head(&[0x8a, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]), Flaw::LONG_CONTROL),
        (frame(0x80, b"a"), Flaw::NOTHING_TO_CONTINUE),
        (frame(0x00, b"a"), Flaw::NOTHING_TO_CONTINUE),
        ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), Flaw::NOT_CONTINUED),
        ([frame(0x02, b"a"), frame(0x01, b"b")].concat(), Flaw::NOT_CONTINUED),
        // Lengths in more bytes than they need, and one with the highest bit set.
        (head(&[0x81, 0xfe, 0, 125]), Flaw::LENGTH),
        (head(&[0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff]), Flaw::LENGTH),
        (head(&[0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]), Flaw::LENGTH),
        (head(&[0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Flaw::TOO_LARGE),
        (frame(0x81, &[b'x'; LIMIT + 1]), Flaw::TOO_LARGE),
        ([frame(0x01, &[b'x'; LIMIT]), frame(0x80, b"x")].concat(), Flaw::TOO_LARGE),
        (frame(0x81, b"\xff"), Flaw::NOT_UTF8),
        (frame(0x81, b"\xe2\x98"), Flaw::NOT_UTF8),
        // Half of a surrogate pair, which fails although the frame is not complete.
        (frame(0x01, b"\xed\xa0\x80")[..9].to_vec(), Flaw::NOT_UTF8),
        (frame(0x88, b"\x03"), Flaw::CLOSE_CODE),
        (frame(0x88, b"\x03\xed"), Flaw::CLOSE_CODE),
        (frame(0x88, b"\x03\xe8\xff"), Flaw::NOT_UTF8),
    ];
    for (bytes, expected) in table {
        for size in [1, 2, 3, 7, bytes.len()] {
            assert_eq!(read(&bytes, size), [flaw(expected)], "{:?} in {size}", &bytes[..bytes.len().min(20)]);
        }
    }
    assert_read(
        &[frame(0x01, b"ok"), frame(0x00, b"\xc0"), frame(0x80, b"never read")],
        &[&flaw(Flaw::NOT_UTF8)],
    );
}

#[test]
fn fragments_without_end_come_to_an_end() {
    let mut bytes = frame(0x02, b"");
    for _ in 0..MAX_FRAGMENTS {
        bytes.extend_from_slice(&frame(0x00, b""));
    }
    assert_eq!(read(&bytes, 4096), [format!("1008 {}", Flaw::FRAGMENTS.reason)]);
    let last = bytes.len() - 6;
    let mut ends = bytes[..last].to_vec();
    ends.truncate(last - 6);
    ends.extend_from_slice(&frame(0x80, b"a"));
    assert_eq!(read(&ends, 4096), ["binary a"]);
}

#[test]
fn heads_are_written_before_what_is_there() {
    for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
        let text: Vec<u8> = (0..length).map(|at| at as u8).collect();
        let (mut written, mut begun) = (b"before".to_vec(), b"before".to_vec());
        write(&mut written, Opcode::Text, [&text, b""]);
        let start = begin(&mut begun);
        begun.extend_from_slice(&text);
        finish(&mut begun, start, Opcode::Text);
        assert!(written == begun, "{length}");
    }
}

#[test]
fn close_codes_are_those_of_the_specification() {
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1014, 3000, 3999, 4000, 4999] {
        assert!(is_legal(code), "{code}");
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535] {
        assert!(!is_legal(code), "{code}");
    }
}
