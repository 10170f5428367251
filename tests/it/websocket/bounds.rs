//! Bounds of number, rate and time.

use std::time::Duration;

use tokio::time::Instant;

use super::raw::{Raw, frame};
use super::*;

#[tokio::test]
async fn sockets_are_counted_by_address_and_in_all() {
    let setting = Setting::with("websocket: {sockets: 3, sockets_per_address: 2}");
    let first = setting.open("/v1/chat/1", &[]).await;
    let _second = setting.open("/v1/chat/2", &[]).await;
    let refusal = open(setting.address(), "/v1/chat/3", &[]).await.unwrap_err();
    let text = "As many WebSockets are open from this address as may be. Close some of them.";
    assert_eq!(refusal, Refusal(429, json!({"code": 8, "message": text, "details": []})));
    // Requests are no sockets.
    assert_eq!(client::get(setting.address(), "/v1/echo/x").await.status, 200);
    drop(first);
    let start = Instant::now();
    while open(setting.address(), "/v1/chat/4", &[]).await.is_err() {
        assert!(start.elapsed() < Duration::from_secs(10), "the place of a socket that left stays taken");
    }
}

#[tokio::test]
async fn messages_over_the_rate_end_the_socket() {
    let setting = Setting::with("websocket: {messages_per_second: 5}");
    let mut socket = setting.open("/v1/chat/fast", &[]).await;
    for _ in 0..30 {
        if socket.send(Message::text("{}")).await.is_err() {
            break;
        }
    }
    let (mut messages, close) = rest(&mut socket).await;
    let text = "Messages came faster than is allowed on a WebSocket.";
    assert_eq!((messages.pop(), close), (Some(error(8, text)), closed(4008, text)));
}

#[tokio::test]
async fn the_silent_are_asked_and_the_idle_are_closed() {
    let setting = Setting::with("websocket: {ping_interval: 1s, idle_timeout: 4s}");
    // Who answers pings is idle still.
    let mut raw = Raw::open(setting.address(), "/v1/chat/idle").await;
    let mut pings = 0;
    let close = loop {
        let (first, payload) = raw.read().await.unwrap();
        if first == 0x88 {
            break payload;
        }
        assert_eq!((first, &*payload), (0x89, &b""[..]));
        pings += 1;
        raw.write(&frame(0x8a, b"")).await;
    };
    assert_eq!(&close[..2], 1001_u16.to_be_bytes());
    assert_eq!(&close[2..], b"No message passed for too long.");
    assert!(pings >= 1, "{pings} pings");
    // Who does not answer them is gone.
    let mut raw = Raw::open(setting.address(), "/v1/chat/gone").await;
    assert_eq!(raw.read().await.unwrap().0, 0x89);
    assert_eq!(raw.read().await, None);
}

#[tokio::test]
async fn a_socket_is_open_for_as_long_as_is_allowed() {
    let setting = Setting::with("websocket: {duration: 1s}");
    let mut socket = setting.open("/v1/watch/long?count=1000&pause=0.02s", &[]).await;
    let start = Instant::now();
    let (_, close) = rest(&mut socket).await;
    assert_eq!(close, closed(1001, "The socket was open for as long as is allowed."));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn who_does_not_read_holds_the_backend_back() {
    let setting = Setting::new();
    let mut raw = Raw::open(setting.address(), "/v1/watch/held?count=100000&size=10000").await;
    setting.reaches("STARTED", "held").await;
    let sent = || async {
        let answer = client::get(setting.address(), "/v1/await/STARTED/held").await.json();
        answer["messages"].as_u64().unwrap()
    };
    // The backend comes to a halt with what the kernel keeps, far before all of its 1 GB.
    let mut before = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = sent().await;
        if now == before && now > 0 {
            break;
        }
        before = now;
        assert!(now < 5_000, "{now} messages were taken from the backend");
    }
    assert!(raw.read().await.is_some());
    drop(raw);
    setting.reaches("CANCELLED", "held").await;
}

#[tokio::test]
async fn a_backend_that_does_not_read_holds_the_client_back() {
    let setting = Setting::new();
    let mut socket = setting.open("/v1/chat/slow", &[]).await;
    send(&mut socket, json!({"hang": true})).await;
    setting.reaches("STARTED", "slow").await;
    let text = json!({"text": "x".repeat(100_000)}).to_string();
    let mut sent = 0;
    while let Ok(outcome) =
        tokio::time::timeout(Duration::from_secs(1), socket.send(Message::text(text.clone()))).await
    {
        outcome.unwrap();
        sent += 1;
        assert!(sent < 500, "the gateway takes 50 MB that nobody reads");
    }
    drop(socket);
    setting.is_alive().await;
}
