//! How sockets end, and what is left of them: a gateway that stops, a backend that dies, clients that leave.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Setting;
use super::raw::*;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Who is told to stop finishes what is in flight, and sends everybody else away with 1012.
#[test]
fn sigterm_loses_nothing_in_flight() {
    let mut setting = Setting::with("http: {drain_timeout: 20s}\n");
    let address = setting.address();
    // A unary call, a stream with an end, one without, and a conversation with nothing under way.
    let mut unary = Socket::open(address, "/v1/wait/in-flight?time=2s");
    let mut ending = Socket::open(address, "/v1/watch/ending?count=20&pause=0.1s");
    let mut endless = Socket::open(address, "/v1/watch/endless?count=1&hang=true");
    let mut silent = Socket::open(address, "/v1/chat/silent");
    silent.send_text(r#"{"text": "before"}"#);
    assert_eq!(parsed(&silent.text()), json!({"number": 1, "text": "before"}));
    assert_eq!(parsed(&endless.text()), json!({"number": 1}));
    assert_eq!(parsed(&ending.text()), json!({"number": 1}));
    setting.reaches("STARTED", "in-flight");

    let start = Instant::now();
    setting.gateway.server().terminate();
    setting.gateway.wait_for_log("stopping");
    assert_eq!(unary.text(), "{}");
    assert_eq!(unary.closed_with(), Some(1000));
    // What came before the end came in order and without a gap.
    let mut number = 1;
    let code = loop {
        match ending.next() {
            Event::Text(text) => {
                number += 1;
                assert_eq!(parsed(&text), json!({"number": number}));
            }
            Event::Close(code, _) => break code,
            other => panic!("{other:?}"),
        }
    };
    assert!(code == Some(1012) || (code == Some(1000) && number == 20), "{code:?} after {number}");
    assert_eq!(endless.closed_with(), Some(1012));
    assert_eq!(silent.closed_with(), Some(1012));
    assert_eq!(setting.gateway.server().wait().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(std::net::TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn a_backend_that_dies_closes_its_sockets() {
    let Setting { gateway, backend } = Setting::new();
    let mut watch = Socket::open(gateway.address(), "/v1/watch/dying?count=1&hang=true");
    let mut chat = Socket::open(gateway.address(), "/v1/chat/dying-too");
    chat.send_text("{}");
    for socket in [&mut watch, &mut chat] {
        assert_eq!(parsed(&socket.text()), json!({"number": 1}));
    }
    drop(backend);
    for mut socket in [watch, chat] {
        let end = parsed(&socket.text());
        assert_eq!(end["error"]["code"], json!(14), "{end}");
        assert_eq!(socket.closed_with(), Some(4014));
        assert_eq!(socket.next(), Event::End);
    }
}

/// Two hundred sockets, whose clients leave in every way, do not disturb one that stays.
#[test]
fn many_that_leave_do_not_disturb_one_that_stays() {
    let setting = Setting::new();
    let mut stays = Socket::open(setting.address(), "/v1/chat/stays");
    for number in 1..=200 {
        let mut other =
            Socket::open(setting.address(), &format!("/v1/watch/leaves-{number}?count=1000000&size=50"));
        other.text();
        match number % 4 {
            0 => other.drop_connection(),
            1 => assert_eq!(other.close(1000), Some(1000)),
            2 => other.send(&frame(FIN | 0x40 | TEXT, b"{}")),
            _ => drop(other),
        }
        stays.send_text(&json!({"text": number.to_string()}).to_string());
        assert_eq!(parsed(&stays.text()), json!({"number": number, "text": number.to_string()}));
    }
    assert_eq!(stays.close(1000), Some(1000));
}
