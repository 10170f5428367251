//! The cases of RFC 6455 by the sections in which the public conformance suite has them, as far as they apply to a
//! gateway whose messages are JSON, against a backend that sends each message back. That suite itself sends text that
//! is no JSON and so cannot be used; extensions are not offered and have no cases.

use serde_json::{Value, json};

use super::Setting;
use super::raw::*;

/// How a case ends.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// The socket still works.
    Works,
    /// The server closes it with one of these codes.
    Closes(&'static [u16]),
}

const FAILS: Then = Then::Closes(&[1002]);
const NO_TEXT: Then = Then::Closes(&[1007]);
const TOO_BIG: Then = Then::Closes(&[1009]);

/// What is sent, and what comes back before the end.
struct Case {
    name: String,
    sent: Vec<u8>,
    answers: Vec<Event>,
    then: Then,
}

fn case(name: impl Into<String>, sent: Vec<u8>, answers: Vec<Event>, then: Then) -> Case {
    Case { name: name.into(), sent, answers, then }
}

/// A case that is refused without an answer.
fn refused(name: impl Into<String>, sent: Vec<u8>, then: Then) -> Case {
    case(name, sent, Vec::new(), then)
}

/// A message as JSON, with escapes for what JSON does not carry as it is.
fn message(text: &str) -> Vec<u8> {
    json!({"text": text}).to_string().into_bytes()
}

/// A message whose JSON has this many bytes.
fn sized(size: usize) -> Vec<u8> {
    let around = message("").len();
    message(&"x".repeat(size - around))
}

fn text_of(message: &[u8]) -> String {
    serde_json::from_slice::<Value>(message).unwrap()["text"].as_str().unwrap().to_owned()
}

/// The answer to a message, by its text; its number is compared by [`take`].
fn echo(message: &[u8]) -> Event {
    Event::Text(text_of(message))
}

/// Sends the bytes of each case over a connection of its own, in pieces of several sizes, and compares.
fn check(cases: impl IntoIterator<Item = Case>) {
    let setting = Setting::new();
    let mut failures = Vec::new();
    for (number, case) in cases.into_iter().enumerate() {
        // Byte by byte what is short, and what is long in odd pieces.
        let sizes: &[usize] = if case.sent.len() <= 600 { &[usize::MAX, 1] } else { &[usize::MAX, 1_021] };
        for &size in sizes {
            let mut socket = Socket::open(setting.address(), &format!("/v1/chat/case-{number}"));
            if let Err(problem) = take(&mut socket, &case, size) {
                failures.push(format!("{}, in pieces of {size}: {problem}", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} cases failed:\n{}", failures.len(), failures.join("\n"));
    setting.is_alive();
}

fn take(socket: &mut Socket, case: &Case, size: usize) -> Result<(), String> {
    // The call goes on already: what is wrong comes in the middle of it.
    socket.send_text(r#"{"text": "before"}"#);
    let mut number = 1;
    same(&Event::Text("before".into()), &socket.next(), number)?;
    socket.send_in_pieces(&case.sent, size);
    for expected in &case.answers {
        number += i64::from(matches!(expected, Event::Text(_)));
        same(expected, &socket.next(), number)?;
    }
    match case.then {
        Then::Works => {
            socket.send_text(r#"{"text": "after"}"#);
            same(&Event::Text("after".into()), &socket.next(), number + 1)
        }
        Then::Closes(codes) => match socket.next() {
            Event::Close(Some(code), _) if codes.contains(&code) => same(&Event::End, &socket.next(), 0),
            other => Err(format!("expected a close with one of {codes:?}, found {}", short(&other))),
        },
    }
}

/// Whether an answer is what was expected; that to a message has its number and its text.
fn same(expected: &Event, found: &Event, number: i64) -> Result<(), String> {
    let is_same = match (expected, found) {
        (Event::Text(expected), Event::Text(found)) => {
            let mut echoed = json!({"number": number});
            if !expected.is_empty() {
                echoed["text"] = json!(expected);
            }
            serde_json::from_str::<Value>(found).is_ok_and(|found| found == echoed)
        }
        (expected, found) => expected == found,
    };
    if is_same { Ok(()) } else { Err(format!("expected {}, found {}", short(expected), short(found))) }
}

fn short(event: &Event) -> String {
    format!("{event:?}").chars().take(200).collect()
}

#[test]
fn framing() {
    // The borders of the three forms of a length.
    let sizes = [13, 125, 126, 127, 128, 129, 65_535, 65_536, 65_537, 1 << 20];
    let lengths = sizes.map(|size| {
        let message = sized(size);
        case(
            format!("a text of {size} bytes"),
            frame(FIN | TEXT, &message),
            vec![echo(&message)],
            Then::Works,
        )
    });
    let many: Vec<Vec<u8>> = (0..200).map(|number| message(&number.to_string())).collect();
    let sent = many.iter().map(|message| frame(FIN | TEXT, message)).collect::<Vec<_>>().concat();
    let together = case("many texts", sent, many.iter().map(|message| echo(message)).collect(), Then::Works);
    let with_length = |kind: u8, length: &[u8]| {
        let mut frame = frame(FIN | TEXT, b"{}");
        frame[1] = 0x80 | kind;
        frame.splice(2..2, length.iter().copied());
        frame
    };
    let over = with_length(127, &(1_u64 << 63 | 2).to_be_bytes());
    check(lengths.into_iter().chain([
        together,
        refused("a text over the bound", frame(FIN | TEXT, &sized((1 << 20) + 1)), TOO_BIG),
        refused("a length over 2^63", over, Then::Closes(&[1002, 1009])),
        refused("a short length in two bytes", with_length(126, &[0, 2]), FAILS),
        refused("a short length in eight bytes", with_length(127, &2_u64.to_be_bytes()), FAILS),
        refused("no mask", vec![FIN | TEXT, 2, b'{', b'}'], FAILS),
        refused("a control frame without a mask", vec![FIN | PING, 0], FAILS),
        refused("binary on JSON", frame(FIN | BINARY, b"{}"), Then::Closes(&[1003])),
        refused("binary in fragments on JSON", fragments(BINARY, [&b"{"[..], b"}"]), Then::Closes(&[1003])),
    ]));
}

#[test]
fn pings_and_pongs() {
    let ping = |payload: &[u8]| frame(FIN | PING, payload);
    let pong = |payload: &[u8]| Event::Pong(payload.to_vec());
    let longest: Vec<u8> = (0..125).map(|byte| byte * 2).collect();
    let answered = [&b""[..], b"a", b"\0\xff\xfe", &longest]
        .map(|payload| case(format!("a ping {payload:?}"), ping(payload), vec![pong(payload)], Then::Works));
    let ten: Vec<[u8; 2]> = (0..10).map(|number| [b'#', number]).collect();
    let in_order = case(
        "ten pings",
        ten.iter().map(|payload| ping(payload)).collect::<Vec<_>>().concat(),
        ten.iter().map(|payload| pong(payload)).collect(),
        Then::Works,
    );
    let pongs = [frame(FIN | PONG, b""), frame(FIN | PONG, b"nobody asked")].concat();
    check(answered.into_iter().chain([
        in_order,
        case("pongs that nobody asked for", pongs.clone(), vec![], Then::Works),
        case("a ping behind them", [pongs, ping(b"x")].concat(), vec![pong(b"x")], Then::Works),
        refused("a ping of 126 bytes", ping(&[b'x'; 126]), FAILS),
        refused("a pong of 126 bytes", frame(FIN | PONG, &[b'x'; 126]), FAILS),
        refused("a ping in fragments", frame(PING, b"x"), FAILS),
    ]));
}

#[test]
fn reserved_bits_and_opcodes() {
    let bits = [0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70].into_iter().flat_map(|bits| {
        [TEXT, PING, CLOSE].map(|opcode| {
            let payload: &[u8] = if opcode == TEXT { b"{}" } else { b"" };
            refused(format!("the bits {bits:#x} at {opcode}"), frame(FIN | bits | opcode, payload), FAILS)
        })
    });
    let opcodes = [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].into_iter().flat_map(|opcode| {
        let empty = refused(format!("the opcode {opcode}"), frame(FIN | opcode, b""), FAILS);
        [empty, refused(format!("the opcode {opcode} with content"), frame(FIN | opcode, b"{}"), FAILS)]
    });
    let in_fragments = [frame(TEXT, b"{"), frame(FIN | 0x40 | CONTINUATION, b"}")].concat();
    check(bits.chain(opcodes).chain([refused("a bit at a fragment", in_fragments, FAILS)]));
}

#[test]
fn fragmentation() {
    let whole = message("a message in fragments: ü☺😀");
    let (one, two) = whole.split_at(7);
    let ping = frame(FIN | PING, b"between");
    let pong = Event::Pong(b"between".to_vec());
    let answered = |name: &str, sent| case(name, sent, vec![echo(&whole)], Then::Works);
    let between = [frame(TEXT, one), ping.clone(), frame(FIN, two)].concat();
    let pings: Vec<u8> = whole
        .iter()
        .enumerate()
        .flat_map(|(index, byte)| {
            let first = if index == 0 { TEXT } else { CONTINUATION };
            [frame(first, &[*byte]), ping.clone()].concat()
        })
        .chain(frame(FIN, b""))
        .collect();
    let mut answers = vec![pong.clone(); whole.len()];
    answers.push(echo(&whole));
    let thousands = sized(4_000);
    let without_end = [frame(TEXT, b"{"), frame(CONTINUATION, b"").repeat(5_000)].concat();
    check([
        answered("two fragments", fragments(TEXT, [one, two])),
        answered("a fragment for each byte", fragments(TEXT, whole.chunks(1))),
        answered("empty fragments between", fragments(TEXT, [b"", one, b"", b"", two, b""])),
        case("a ping between", between, vec![pong, echo(&whole)], Then::Works),
        case("a ping behind each byte", pings, answers, Then::Works),
        case("thousands", fragments(TEXT, thousands.chunks(1)), vec![echo(&thousands)], Then::Works),
        refused("a continuation of nothing", frame(FIN, two), FAILS),
        refused("the first fragment of a continuation of nothing", frame(CONTINUATION, two), FAILS),
        refused("another text inside", [frame(TEXT, one), frame(FIN | TEXT, &whole)].concat(), FAILS),
        refused("another first fragment inside", [frame(TEXT, one), frame(TEXT, one)].concat(), FAILS),
        refused("fragments without end", without_end, Then::Closes(&[1008])),
        refused("fragments over the bound", fragments(TEXT, sized((1 << 20) + 1).chunks(60_000)), TOO_BIG),
        refused(
            "a close frame in fragments",
            [frame(CLOSE, &1000_u16.to_be_bytes()), frame(FIN, b"")].concat(),
            FAILS,
        ),
    ]);
}

#[test]
fn text_is_utf8() {
    let valid = [
        "\u{80}",
        "\u{7ff}",
        "\u{800}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{fffd}",
        "\u{fffe}",
        "\u{ffff}",
        "\u{10000}",
        "\u{1fffe}",
        "\u{10ffff}",
        "κόσμε",
        "日本語 😀",
    ];
    let valid = valid.into_iter().flat_map(|text| {
        let message = format!("{{\"text\":\"{text}\"}}").into_bytes();
        let whole = case(format!("{text:?}"), frame(FIN | TEXT, &message), vec![echo(&message)], Then::Works);
        // Cut everywhere, in the middle of characters too.
        let cut = fragments(TEXT, message.chunks(1));
        [whole, case(format!("{text:?} in fragments"), cut, vec![echo(&message)], Then::Works)]
    });
    let invalid: [&[u8]; 17] = [
        b"\x80",
        b"\xbf",
        b"\xc0\xaf",
        b"\xc1\xbf",
        b"\xc3\x28",
        b"\xe0\x80\xaf",
        b"\xe0\x9f\xbf",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf0\x80\x80\xaf",
        b"\xf0\x9f\x98",
        b"\xf4\x90\x80\x80",
        b"\xf5\x80\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xff",
    ];
    let invalid = invalid.into_iter().flat_map(|bytes| {
        let message = [b"{\"text\":\"", bytes, b"\"}"].concat();
        let whole = refused(format!("{bytes:x?}"), frame(FIN | TEXT, &message), NO_TEXT);
        [whole, refused(format!("{bytes:x?} in fragments"), fragments(TEXT, message.chunks(1)), NO_TEXT)]
    });
    let ends_within =
        refused("a text that ends within a character", frame(FIN | TEXT, b"{}\xf0\x9f"), NO_TEXT);
    check(valid.chain(invalid).chain([ends_within]));
}

#[test]
fn close_handling() {
    // What is echoed: every code that may be sent (section 7.4), and no code for none.
    const ECHOED: [u16; 16] =
        [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
    const FORBIDDEN: [u16; 12] = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000];
    let echoed = ECHOED.iter().map(|code| {
        let codes = std::slice::from_ref(code);
        refused(format!("the code {code}"), close(*code, b""), Then::Closes(codes))
    });
    let forbidden = FORBIDDEN.map(|code| refused(format!("the code {code}"), close(code, b""), FAILS));
    let longest = [b'x'; 123];
    let behind = [close(1000, b"bye"), frame(FIN | PING, b"late"), frame(FIN | TEXT, b"{}")].concat();
    check(echoed.chain(forbidden).chain([
        refused("a code over all", close(65_535, b""), FAILS),
        refused("a reason", close(1000, "bye ☺".as_bytes()), Then::Closes(&[1000])),
        refused("the longest reason", close(1000, &longest), Then::Closes(&[1000])),
        refused("a reason that is too long", close(1000, &[b'x'; 124]), FAILS),
        refused("half a code", frame(FIN | CLOSE, &[3]), FAILS),
        refused("a reason that is no text", close(1000, b"\xed\xa0\x80"), Then::Closes(&[1007])),
        refused("a reason that ends within a character", close(1000, b"\xe2\x82"), Then::Closes(&[1007])),
        refused("frames behind it", behind, Then::Closes(&[1000])),
        refused(
            "it comes before a message is whole",
            [frame(TEXT, b"{"), close(1001, b"")].concat(),
            Then::Closes(&[1001]),
        ),
    ]));

    // Without a code there is none to echo.
    let setting = Setting::new();
    let mut socket = Socket::open(setting.address(), "/v1/chat/closed");
    socket.send(&frame(FIN | CLOSE, b""));
    assert!(matches!(socket.next(), Event::Close(None | Some(1000), _)));
    assert_eq!(socket.next(), Event::End);
}

/// Large messages in fragments and pieces of many sizes, each the same as the whole one.
#[test]
fn sizes_and_pieces() {
    let setting = Setting::new();
    for (size, fragment, piece) in [
        (65_536, 64, 4_096),
        (65_536, 1_024, 63),
        (65_536, 65_536, 16),
        (1 << 20, 256, 65_536),
        (1 << 20, 4_096, 4_097),
        (1 << 20, 65_536, 1 << 20),
        (1 << 20, 1 << 20, 131),
    ] {
        let message = sized(size);
        let mut socket = Socket::open(setting.address(), &format!("/v1/chat/sizes-{fragment}-{piece}"));
        socket.send_in_pieces(&fragments(TEXT, message.chunks(fragment)), piece);
        same(&echo(&message), &socket.next(), 1)
            .unwrap_or_else(|problem| panic!("{size} bytes in fragments of {fragment}: {problem}"));
        assert_eq!(socket.close(1000), Some(1000));
    }
}
