//! Frames that are legal but unusual, and frames that are not legal: the cases of RFC 6455.

use super::raw::{Raw, frame};
use super::*;

/// A message in text.
fn text(content: &str) -> Vec<u8> {
    frame(0x81, format!("{{\"text\":\"{content}\"}}").as_bytes())
}

async fn answer(raw: &mut Raw) -> String {
    let (first, payload) = raw.read().await.unwrap();
    assert_eq!(first, 0x81, "{payload:?}");
    serde_json::from_slice::<Value>(&payload).unwrap()["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn fragments_and_control_frames_between_them() {
    let setting = Setting::new();
    let mut raw = Raw::open(setting.address(), "/v1/chat/fragments").await;
    raw.write(&[frame(0x01, b"{\"text\""), frame(0x00, b""), frame(0x80, b":\"a\"}")].concat()).await;
    assert_eq!(answer(&mut raw).await, "a");
    // Byte by byte, with a ping within.
    let bytes = [frame(0x01, b"{\"text\":\"\xe2\x98"), frame(0x89, b"now"), frame(0x80, b"\x83\"}")].concat();
    for byte in bytes {
        raw.write(&[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(raw.read().await.unwrap(), (0x8a, b"now".to_vec()));
    assert_eq!(answer(&mut raw).await, "\u{2603}");
    // Pings are answered in order with what they hold; pongs that nobody asked for are nothing.
    raw.write(&[frame(0x8a, b"what"), frame(0x89, b""), frame(0x89, &[b'x'; 125])].concat()).await;
    assert_eq!(raw.read().await.unwrap(), (0x8a, Vec::new()));
    assert_eq!(raw.read().await.unwrap(), (0x8a, vec![b'x'; 125]));
    // Each length that a head can have.
    for length in [100, 126, 65_000, 66_000, 1_000_000] {
        let content = "y".repeat(length);
        raw.write(&text(&content)).await;
        assert!(answer(&mut raw).await == content, "{length}");
    }
    raw.write(&[text("last"), frame(0x81, b"")].concat()).await;
    assert_eq!(answer(&mut raw).await, "last");
    // The gateway has closed and waits for the answer, after which it ends the connection.
    let (first, payload) = raw.read().await.unwrap();
    assert_eq!((first, &*payload), (0x88, &1000_u16.to_be_bytes()[..]));
    raw.write(&frame(0x88, &payload)).await;
    assert_eq!(raw.read().await, None);
}

#[tokio::test]
async fn what_is_not_legal_is_answered_with_its_code() {
    let setting = Setting::new();
    let many = {
        let mut frames = frame(0x01, b"");
        for _ in 0..5_000 {
            frames.extend_from_slice(&frame(0x00, b""));
        }
        frames
    };
    let floods: Vec<u8> = (0..5_000).flat_map(|_| frame(0x89, b"flood")).collect();
    let table: [(&str, Vec<u8>, u16); 26] = [
        ("unmasked", vec![0x81, 0x02, b'{', b'}'], 1002),
        ("first reserved bit", frame(0xc1, b"{}"), 1002),
        ("second reserved bit", frame(0xa1, b"{}"), 1002),
        ("third reserved bit", frame(0x91, b"{}"), 1002),
        ("reserved opcode of data", frame(0x83, b"{}"), 1002),
        ("reserved opcode of control", frame(0x8b, b""), 1002),
        ("long ping", frame(0x89, &[0; 126]), 1002),
        ("long close", frame(0x88, &[0; 126]), 1002),
        ("ping in pieces", frame(0x09, b""), 1002),
        ("nothing to continue", frame(0x80, b"{}"), 1002),
        ("message within a message", [frame(0x01, b"{"), frame(0x81, b"{}")].concat(), 1002),
        ("length of 16 bits that needs 7", vec![0x81, 0xfe, 0, 125], 1002),
        ("length of 64 bits that needs 16", vec![0x81, 0xff, 0, 0, 0, 0, 0, 0, 1, 0], 1002),
        ("length with the highest bit", vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002),
        ("largest length", vec![0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 1009),
        ("message over the limit", frame(0x01, &vec![b' '; (1 << 20) + 1]), 1009),
        (
            "message in pieces over the limit",
            [frame(0x01, &vec![b' '; 1 << 20]), frame(0x80, b" ")].concat(),
            1009,
        ),
        ("fragments without end", many, 1008),
        ("ping flood", floods, 1008),
        ("text that is not UTF-8", frame(0x81, b"\"\xff\""), 1007),
        ("text that ends within a character", frame(0x81, b"\xe2\x98"), 1007),
        ("reason that is not UTF-8", frame(0x88, b"\x03\xe8\xff"), 1007),
        ("close of one byte", frame(0x88, b"\x03"), 1002),
        ("close code that is never sent", frame(0x88, &1006_u16.to_be_bytes()), 1002),
        ("close code out of range", frame(0x88, &5000_u16.to_be_bytes()), 1002),
        ("binary", frame(0x82, b"{}"), 1003),
    ];
    for (name, bytes, expected) in table {
        let mut raw = Raw::open(setting.address(), &format!("/v1/chat/{}", name.replace(' ', "-"))).await;
        raw.write(&bytes).await;
        if expected != 1002 && expected != 1007 {
            raw.write(&frame(0x88, &expected.to_be_bytes())).await;
        }
        let (code, reason) = raw.close().await;
        assert_eq!(code, expected, "{name}: {reason}");
        assert!(!reason.is_empty(), "{name}");
    }
    setting.is_alive().await;
}

#[tokio::test]
async fn a_close_is_answered_with_the_same_code() {
    let setting = Setting::new();
    for payload in [&b""[..], b"\x03\xe8", b"\x03\xe9going away", b"\x0b\xb8", b"\x13\x87own"] {
        let mut raw = Raw::open(setting.address(), "/v1/chat/close").await;
        raw.write(&frame(0x88, payload)).await;
        let code = payload.first_chunk().map_or(1005, |code| u16::from_be_bytes(*code));
        assert_eq!(raw.close().await, (code, String::new()), "{payload:?}");
    }
    // Frames behind a close are not read.
    let mut raw = Raw::open(setting.address(), "/v1/chat/behind").await;
    raw.write(&[frame(0x88, b"\x03\xe8"), text("late"), frame(0x81, b"\xff")].concat()).await;
    assert_eq!(raw.close().await.0, 1000);
}
