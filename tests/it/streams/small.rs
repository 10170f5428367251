//! Messages that come in frames of their own, as small as they are.

use serde_json::json;

use super::Setting;
use crate::support::frames::*;

/// The bytes of a stream's window in frames of one small message each.
fn messages(stream: u32, count: usize) -> Vec<u8> {
    frame(DATA, 0, stream, b"{\"text\":\"x\"}").repeat(count)
}

/// HTTP/2 libraries take many small frames for an attack.
#[test]
fn small_frames_are_no_attack() {
    let setting = Setting::new();
    let mut connection = Connection::open(setting.address(), b"");
    let open = frame(HEADERS, END_HEADERS, 1, &head("POST", "/v1/gather/small"));
    // As much as the window takes, in one go.
    assert!(connection.send(&[open, messages(1, 5000), frame(DATA, END_STREAM, 1, b"")].concat()));
    let answer = connection.next_of(&[HEADERS, GOAWAY, RST_STREAM]).unwrap();
    assert_eq!(answer.status(), 200);
    let body = connection.next_of(&[DATA]).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body.payload).unwrap();
    assert_eq!((&body["count"], &body["size"]), (&json!(5000), &json!("5000")));
}

/// Some clients send one whenever they flush.
#[test]
fn empty_frames_are_no_attack() {
    let setting = Setting::new();
    let mut connection = Connection::open(setting.address(), b"");
    let open = frame(HEADERS, END_HEADERS, 1, &head("POST", "/v1/chat/flushed"));
    assert!(connection.send(&open));
    for _ in 0..150 {
        // The ping is between the empty frame and the message, which could hide it.
        let ping = frame(PING, 0, 0, &[7; 8]);
        assert!(connection.send(&[frame(DATA, 0, 1, b""), ping, messages(1, 1)].concat()));
        let answer = connection.next_of(&[DATA, RST_STREAM, GOAWAY]).unwrap();
        assert_eq!(answer.kind, DATA, "{answer:?}");
    }
    connection.close();
}

/// They wait in the gateway's window, and the connection's other calls go on.
#[tokio::test]
async fn small_frames_that_nobody_reads_wait() {
    let setting = Setting::new();
    let mut connection = Connection::open(setting.address(), b"");
    let open = frame(HEADERS, END_HEADERS, 1, &head("POST", "/v1/gather/held-small"));
    let hang = frame(DATA, 0, 1, b"{\"hang\":true}");
    assert!(connection.send(&[open, hang].concat()));
    setting.reaches("STARTED", "held-small").await;
    assert!(connection.send(&[messages(1, 5000), get(3, "/v1/echo/alive")].concat()));
    let answer = connection.next_of(&[HEADERS, GOAWAY, RST_STREAM]).unwrap();
    assert_eq!((answer.stream, answer.status()), (3, 200));
    connection.close();
    setting.reaches("CANCELLED", "held-small").await;
}
