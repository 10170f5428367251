//! The end of sockets: by either side, and with the process.

use super::raw::{Raw, frame};
use super::*;

#[tokio::test]
async fn whoever_leaves_cancels_the_call() {
    let setting = Setting::new();
    let mut socket = setting.open("/v1/chat/left?", &[]).await;
    send(&mut socket, json!({})).await;
    next(&mut socket).await;
    // Without a close frame.
    drop(socket);
    setting.reaches("CANCELLED", "left").await;

    let mut socket = setting.open("/v1/chat/closed", &[]).await;
    send(&mut socket, json!({})).await;
    next(&mut socket).await;
    socket.close(None).await.unwrap();
    assert_eq!(rest(&mut socket).await.0, Vec::<Value>::new());
    setting.reaches("CANCELLED", "closed").await;

    let mut socket = setting.open("/v1/watch/watched?count=1&hang=true", &[]).await;
    next(&mut socket).await;
    socket.close(None).await.unwrap();
    setting.reaches("CANCELLED", "watched").await;

    // A flaw ends it as well.
    let mut raw = Raw::open(setting.address(), "/v1/watch/flawed?count=1&hang=true").await;
    raw.read().await.unwrap();
    raw.write(&frame(0x83, b"")).await;
    assert_eq!(raw.close().await.0, 1002);
    setting.reaches("CANCELLED", "flawed").await;
}

#[tokio::test]
async fn whoever_does_not_answer_a_close_is_left() {
    let setting = Setting::new();
    let mut raw = Raw::open(setting.address(), "/v1/echo/x").await;
    assert_eq!(raw.read().await.unwrap().0, 0x81);
    assert_eq!(raw.read().await.unwrap().0, 0x88);
    // The client never answers; the connection ends all the same.
    assert_eq!(raw.read().await, None);
}

#[tokio::test]
async fn the_end_of_the_process_is_1012_behind_what_is_in_flight() {
    let mut setting = Setting::new();
    let mut idle = setting.open("/v1/chat/idle", &[]).await;
    send(&mut idle, json!({})).await;
    next(&mut idle).await;
    let mut unary = setting.open("/v1/wait/in-flight?time=2s", &[]).await;
    setting.reaches("STARTED", "in-flight").await;
    setting.gateway.server().terminate();
    let restart = closed(1012, "The server is about to stop. Connect again.");
    assert_eq!(rest(&mut idle).await, (vec![], restart));
    assert_eq!(rest(&mut unary).await, (vec![json!({})], closed(1000, "")));
    assert!(setting.gateway.server().wait().success());
}

#[tokio::test]
async fn a_socket_that_is_never_quiet_does_not_keep_the_process() {
    let mut setting = Setting::with("http: {drain_timeout: 4s}");
    let mut socket = setting.open("/v1/watch/busy?count=1000000&pause=0.05s", &[]).await;
    next(&mut socket).await;
    setting.gateway.server().terminate();
    let (messages, close) = rest(&mut socket).await;
    assert_eq!(close, closed(1012, "The server is about to stop. Connect again."));
    assert!(messages.len() > 10, "what came in between is not lost: {}", messages.len());
    assert!(setting.gateway.server().wait().success());
}
