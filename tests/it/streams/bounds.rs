//! Streams that are large, slow, endless or broken: the gateway keeps little of them and serves others.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{LINES, Setting, VERSIONS};
use crate::support::client::Version;
use crate::support::stream;

const MB: usize = 1_000_000;

/// A connection on which a request was sent, byte by byte as it is here.
pub(super) async fn raw(address: SocketAddr, request: impl AsRef<[u8]>) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    socket.write_all(request.as_ref()).await.unwrap();
    socket
}

/// All that comes on a connection until the gateway closes it.
pub(super) async fn read_all(mut socket: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A piece of a body in chunks.
fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// Streams on one HTTP/2 connection that nobody reads.
async fn unread_streams(address: SocketAddr, targets: Vec<String>) -> impl Sized {
    let socket = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = h2::client::Builder::new()
        .initial_window_size(1 << 20)
        .initial_connection_window_size(1 << 30)
        .handshake::<_, Bytes>(socket)
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut streams = Vec::new();
    for target in targets {
        sender = sender.ready().await.unwrap();
        let request = http::Request::builder().uri(format!("http://{address}{target}")).body(()).unwrap();
        streams.push(sender.send_request(request, true).unwrap().0.await.unwrap());
    }
    (sender, streams)
}

#[tokio::test]
async fn readers_that_do_not_read_hold_up_only_their_own_streams() {
    const EACH: usize = 25;
    let mut setting = Setting::new();
    let address = setting.address();
    setting.is_alive().await;
    let before = setting.gateway.server().memory();

    let target = |id: &str| format!("/v1/watch/{id}?count=1000000000&size=10000");
    let mut sockets = Vec::new();
    for number in 0..EACH {
        let request = format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", target(&format!("one-{number}")));
        sockets.push(raw(address, request).await);
    }
    let targets = (0..EACH).map(|number| target(&format!("two-{number}"))).collect();
    let streams = unread_streams(address, targets).await;

    // Until the backend is held back too.
    let mut sent = u64::MAX;
    loop {
        let mut sum = 0;
        for number in 0..EACH {
            sum += setting.reaches("STARTED", &format!("one-{number}")).await;
            sum += setting.reaches("STARTED", &format!("two-{number}")).await;
        }
        if sum == sent {
            break;
        }
        sent = sum;
    }
    let grown = setting.gateway.server().memory().saturating_sub(before);
    assert!(grown < 50 * MB, "{grown} bytes more for {} readers", 2 * EACH);

    // Others on the connections to the backend go on.
    for version in VERSIONS {
        let answer = stream::get(address, version, "/v1/watch/other?count=1000&size=1000", &[LINES]).await;
        assert_eq!(answer.rest().await.lines().count(), 1000);
        setting.is_alive().await;
    }
    drop((sockets, streams));
}

#[tokio::test]
async fn uploads_of_any_length_take_little_memory() {
    let mut setting = Setting::new();
    setting.is_alive().await;
    let before = setting.gateway.server().memory();
    let line = Bytes::from(format!("{{\"text\": \"{}\"}}\n", "x".repeat(MB)));
    for version in VERSIONS {
        let headers = [("content-type", "application/x-ndjson")];
        let (body, answer) = stream::upload(setting.address(), version, "/v1/gather/large", &headers).await;
        let mut most = 0;
        for _ in 0..100 {
            assert!(body.send(line.clone()).await);
            most = most.max(setting.gateway.server().memory());
        }
        drop(body);
        let answer: Value = serde_json::from_str(&answer.await.rest().await).unwrap();
        assert_eq!((&answer["count"], &answer["size"]), (&json!(100), &json!("100000000")));
        let grown = most.saturating_sub(before);
        assert!(grown < 20 * MB, "{grown} bytes more on {version:?}");
    }
}

#[tokio::test]
async fn a_backend_that_reads_no_more_holds_its_upload_back() {
    let mut setting = Setting::new();
    setting.is_alive().await;
    let before = setting.gateway.server().memory();
    for version in VERSIONS {
        let id = format!("held-{version:?}");
        let (body, answer) =
            stream::upload(setting.address(), version, &format!("/v1/gather/{id}"), &[]).await;
        let answer = tokio::spawn(async move { answer.await.status });
        assert!(body.send("{\"hang\": true}\n").await);
        setting.reaches("STARTED", &id).await;
        let piece = Bytes::from("{\"text\": \"x\"}\n".repeat(10_000));
        let mut sent = 0;
        while timeout(Duration::from_secs(1), body.send(piece.clone())).await.is_ok() {
            sent += piece.len();
            assert!(sent < 50 * MB, "nobody holds this upload back");
        }
        let grown = setting.gateway.server().memory().saturating_sub(before);
        assert!(grown < 30 * MB, "{grown} bytes more on {version:?}");
        setting.is_alive().await;
        answer.abort();
        // On HTTP/1.1 the end of the connection stands behind what nobody reads.
        if matches!(version, Version::Http2) {
            setting.reaches("CANCELLED", &id).await;
        }
    }
}

#[tokio::test]
async fn a_message_without_end_is_refused_before_it_has_come() {
    let mut setting = Setting::new();
    setting.is_alive().await;
    let before = setting.gateway.server().memory();
    for version in VERSIONS {
        for kind in ["application/x-ndjson", "application/json"] {
            let headers = [("content-type", kind)];
            let (body, answer) =
                stream::upload(setting.address(), version, "/v1/gather/endless", &headers).await;
            let answer = tokio::spawn(async move {
                let answer = answer.await;
                (answer.status, answer.rest().await)
            });
            body.send("{\"text\": \"").await;
            let piece = Bytes::from(vec![b'x'; 100_000]);
            for _ in 0..1000 {
                if answer.is_finished() || !body.send(piece.clone()).await {
                    break;
                }
            }
            let (status, text) = answer.await.unwrap();
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!((status, &answer["code"]), (413, &json!(8)));
            let expected = "The request body is not a stream of JSON messages: message 1 of the stream is longer \
                            than 4194304 bytes.";
            assert_eq!(answer["message"], expected);
        }
    }
    let grown = setting.gateway.server().memory().saturating_sub(before);
    assert!(grown < 30 * MB, "{grown} bytes more");
    setting.is_alive().await;
}

/// Each of these requests breaks in the middle: its call is cancelled, and nobody takes it for complete.
#[tokio::test]
async fn bodies_that_break_are_not_taken_for_complete() {
    let mut setting = Setting::new();
    let (good, half) = (chunk("{\"text\": \"a\"}\n"), "{\"text\": ");
    let table = [
        ("half-closed-1", format!("transfer-encoding: chunked\r\n\r\n{good}")),
        ("half-closed-2", format!("transfer-encoding: chunked\r\n\r\n{good}20\r\n{half}")),
        ("junk-1", format!("transfer-encoding: chunked\r\n\r\n{good}zz\r\n{half}\r\n0\r\n\r\n")),
        ("junk-2", format!("transfer-encoding: chunked\r\n\r\n{good}ffffffffffffffffff\r\n{half}")),
        ("junk-3", format!("transfer-encoding: chunked\r\n\r\n{good}2\r\n{{}}{{}}{{}}\r\n0\r\n\r\n")),
        ("short", "content-length: 1000\r\n\r\n{\"text\": \"a\"}\n".to_owned()),
    ];
    for method in ["gather", "chat"] {
        for (name, rest) in &table {
            let id = format!("{name}-{method}");
            let head = format!("POST /v1/{method}/{id} HTTP/1.1\r\nhost: x\r\n");
            let mut socket = raw(setting.address(), format!("{head}{rest}")).await;
            if !name.starts_with("junk") {
                setting.reaches("STARTED", &id).await;
                socket.shutdown().await.unwrap();
            }
            let answer = read_all(socket).await;
            let is_told =
                answer.is_empty() || answer.contains("\"code\":3") || !answer.ends_with("0\r\n\r\n");
            assert!(is_told, "{id}: {answer}");
            assert!(!answer.contains("\"count\""), "{id}: {answer}");
        }
        setting.is_alive().await;
    }
    // Those whose first message had reached the backend.
    for name in ["half-closed-1", "half-closed-2", "short"] {
        setting.reaches("CANCELLED", &format!("{name}-gather")).await;
    }
    let printed = setting.gateway.server().printed();
    assert!(!printed.contains("WARN") && !printed.contains("panic"), "{printed}");
}

#[tokio::test]
async fn a_byte_at_a_time_is_a_stream_too() {
    let setting = Setting::new();
    let head = "POST /v1/chat/slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept: application/x-ndjson\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let mut socket = raw(setting.address(), head).await;
    for byte in "[{\"text\": \"\\u20ac \\\"é\"}, {\"text\":\"b\"}]".bytes() {
        socket.write_all(&[b'1', b'\r', b'\n', byte, b'\r', b'\n']).await.unwrap();
    }
    socket.write_all(b"0\r\n\r\n").await.unwrap();
    let answer = read_all(socket).await;
    assert!(answer.contains("{\"number\":1,\"text\":\"€ \\\"é\"}\n"), "{answer}");
    assert!(answer.contains("{\"number\":2,\"text\":\"b\"}\n"), "{answer}");
    let (_, body) = stream::upload(setting.address(), Version::Http1, "/v1/chat/empty", &[]).await;
    assert_eq!(body.await.status, 200);
}
