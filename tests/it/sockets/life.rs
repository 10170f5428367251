//! How sockets end, and what is left of them: a gateway that stops, a backend that goes, the access log.

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

/// A client that goes without a word cancels its call, whether or not the call waits for it.
#[test]
fn connections_that_are_lost_cancel_their_calls() {
    let setting = Setting::new();
    let mut watch = Socket::open(setting.address(), "/v1/watch/lost?count=1&hang=true");
    assert_eq!(parsed(&watch.text()), json!({"number": 1}));
    let mut chat = Socket::open(setting.address(), "/v1/chat/lost-too");
    chat.send_text("{}");
    assert_eq!(parsed(&chat.text()), json!({"number": 1}));
    // In the middle of a message.
    chat.send(&frame(TEXT, b"{\"text\":"));
    let wait = Socket::open(setting.address(), "/v1/wait/lost-unary?time=60s");
    setting.reaches("STARTED", "lost-unary");
    for socket in [watch, chat, wait] {
        socket.drop_connection();
    }
    for id in ["lost", "lost-too", "lost-unary"] {
        setting.reaches("CANCELLED", id);
    }
    setting.is_alive();
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

/// The handshake is answered by RFC 6455 section 4.2.2, and what asks for it wrongly is refused.
#[test]
fn handshakes() {
    let setting = Setting::new();
    let address = setting.address();
    let granted = Socket::ask(
        address,
        "/v1/chat/hand",
        &[("Sec-WebSocket-Protocol", "x, transom.proto, transom.json")],
    );
    let head = granted.head.to_ascii_lowercase();
    let lines: Vec<_> = head.lines().collect();
    assert_eq!(lines[0], "http/1.1 101 switching protocols");
    for line in ["upgrade: websocket", "connection: upgrade"] {
        assert!(lines.contains(&line), "{head}");
    }
    // SHA-1 of the key with the GUID of the specification, computed with `openssl dgst -sha1 -binary | base64`.
    assert!(granted.head.to_ascii_lowercase().contains(ACCEPT), "{head}");
    assert!(granted.head.contains(ACCEPTED), "{head}");
    assert!(!head.contains("sec-websocket-extensions"), "{head}");

    let valid = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "AAECAwQFBgcICQoLDA0ODw=="),
    ];
    // What is changed, and how that is answered. Without an upgrade it is an ordinary request.
    let table: [(&str, Option<&str>, &[u16]); 8] = [
        ("sec-websocket-version", Some("12"), &[426]),
        ("sec-websocket-version", None, &[400, 426]),
        ("sec-websocket-key", Some("short"), &[400]),
        ("sec-websocket-key", Some("AAECAwQFBgcICQoLDA0ODxA="), &[400]),
        ("sec-websocket-key", None, &[400]),
        ("upgrade", Some("h2c"), &[405]),
        ("upgrade", None, &[405]),
        ("connection", Some("keep-alive"), &[400, 405]),
    ];
    for (name, value, statuses) in table {
        let headers: Vec<_> = valid
            .iter()
            .filter_map(
                |&(other, usual)| if other == name { Some((name, value?)) } else { Some((other, usual)) },
            )
            .collect();
        let answer = setting.send("GET", "/v1/chat/hand", &headers, "");
        assert!(statuses.contains(&answer.status.as_u16()), "{name}: {value:?}: {answer:?}");
        assert_ne!(answer.json()["message"], "", "{answer:?}");
        if answer.status == 426 {
            assert_eq!(answer.header("sec-websocket-version"), Some("13"));
        }
    }
    // By the verb of the route, which is no handshake.
    let answer = setting.send("POST", "/v1/echo", &valid, "{}");
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET")), "{answer:?}");
}

/// What openssl makes of the key and the GUID.
const ACCEPTED: &str = "Bz3qJYTGdOe8gUSpLosEdiLKDrk=";

#[test]
fn the_access_log_has_a_line_for_each_socket() {
    let setting = Setting::new();
    let mut socket = Socket::ask(
        setting.address(),
        "/v1/watch/logged?count=2&code=5&access_token=a-secret-token",
        &[("x-request-id", "logged-one"), ("sec-websocket-protocol", "bearer.another-secret, transom.json")],
    );
    while socket.next() != Event::End {}
    // At its opening there is one, and at its end another or the same: the last says how it ended.
    setting.gateway.wait_for_log("NOT_FOUND");
    let log = setting.gateway.log();
    assert!(!log.contains("secret"), "{log}");
    let lines: Vec<Value> = log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let last = lines.iter().rfind(|line| line["request_id"] == "logged-one").unwrap();
    assert_eq!(last["rpc"], "echo.v1.Streams/Watch", "{last}");
    assert_eq!(last["route"], "/v1/watch/{id}", "{last}");
    assert_eq!(last["dialect"], "websocket", "{last}");
}
