//! Clients that are slow, or stop: each time of the configuration, shortened. Lower bounds are nearly exact, upper ones
//! only say that the time is not another one.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{connect, parsed, short};
use crate::support::client::{self, Version};
use crate::support::frames::*;
use crate::support::gateway::Gateway;
use crate::support::stream;
use crate::support::{backend, process::Server};

/// Short times, and the shortest that there is for the idle one.
const TIMES: &str = "header_timeout: 400ms, body_timeout: 400ms, request_timeout: 900ms, write_timeout: 400ms, \
                     idle_timeout: 1s";
const CANCEL: u32 = 8;

/// Fails unless as much time has passed, and not much more.
#[track_caller]
fn assert_after(start: Instant, millis: u64) {
    // The gateway counts in milliseconds from when a connection was made.
    let (time, least) = (start.elapsed(), Duration::from_millis(millis - 5));
    assert!(least <= time && time < least + Duration::from_secs(4), "{time:?}, and not {least:?}");
}

/// Sends bytes one by one, a few milliseconds apart, until the gateway answers or closes the connection, and
/// returns all that it says.
fn trickle(stream: &mut TcpStream, bytes: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let (mut answer, start) = (Vec::new(), Instant::now());
    stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    for byte in bytes {
        assert!(start.elapsed() < Duration::from_secs(20), "the gateway has all the time");
        let _ = stream.write_all(&[byte]);
        let mut buffer = [0; 1000];
        match stream.read(&mut buffer) {
            Ok(count) => {
                answer.extend_from_slice(&buffer[..count]);
                break;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn slow_heads_are_cut() {
    let gateway = short(TIMES);
    let endless = || "GET /v1/shelves HTTP/1.1\r\nx: ".bytes().chain(std::iter::repeat(b'v'));
    let mut stream = connect(&gateway);
    let start = Instant::now();
    assert_eq!(trickle(&mut stream, endless()), b"", "a head that is not complete gets no answer");
    assert_after(start, 400);

    // The time of the second begins with its first byte.
    let mut stream = connect(&gateway);
    stream.write_all(b"GET /v1/shelves/crime HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let start = Instant::now();
    trickle(&mut stream, endless());
    assert_after(start, 400);

    // What has begun and does not go on.
    for bytes in
        ["G", "GET / HTTP/1.1\r\nhost: x\r\n", "PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r"]
    {
        let mut stream = connect(&gateway);
        let start = Instant::now();
        stream.write_all(bytes.as_bytes()).unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap_or(0), 0, "{bytes}");
        assert_after(start, 400);
    }
}

#[test]
fn slow_heads_are_cut_on_http2_too() {
    let backend = backend::python_server("tests/python/echo_server.py");
    let gateway = in_front_of(&backend);
    let open = frame(HEADERS, 0, 3, &head("GET", "/v1/echo/never"));
    let is_busy = [false, true];
    for (bytes, is_busy) in [&open[..], &open[..20], &open[..9]].into_iter().zip(is_busy.into_iter().cycle())
    {
        let mut connection = Connection::open(gateway.address(), b"");
        if is_busy {
            assert!(connection.send(&get(1, "/v1/wait/busy?time=60s")));
        }
        let start = Instant::now();
        assert!(connection.send(bytes));
        assert!(connection.next_of(&[HEADERS, DATA]).is_none(), "a head that is not complete gets no answer");
        assert_after(start, 400);
    }
}

/// A gateway in front of the echo server.
fn in_front_of(backend: &Server) -> Gateway {
    Gateway::with_config(&format!(
        "{}http: {{{TIMES}}}\nupstreams: {{echo: http://{}}}\nservices: [\"**\"]\n",
        Gateway::ANY_PORT,
        backend.address()
    ))
}

#[test]
fn slow_bodies_are_refused() {
    let gateway = short(TIMES);
    let late = json!({"code": 4, "message": "The request body did not arrive in time.", "details": []});
    let head = |length: &str| format!("POST /v1/shelves HTTP/1.1\r\nhost: x\r\n{length}\r\n\r\n");
    // One that stops, and ones that never stop.
    for (length, piece, is_endless, millis) in [
        ("content-length: 100", " ", false, 400),
        ("transfer-encoding: chunked", "1\r\n \r\n", false, 400),
        ("content-length: 1000000", " ", true, 900),
        ("transfer-encoding: chunked", "1\r\n \r\n", true, 900),
    ] {
        let mut stream = connect(&gateway);
        let start = Instant::now();
        stream.write_all(head(length).as_bytes()).unwrap();
        let answer = if is_endless {
            trickle(&mut stream, piece.bytes().cycle())
        } else {
            stream.write_all(piece.as_bytes()).unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            answer
        };
        assert_eq!(parsed(&String::from_utf8(answer).unwrap()), (504, late.clone()), "{length}");
        assert_after(start, millis);
    }
    // And on HTTP/2, where only the call ends.
    let mut connection = Connection::open(gateway.address(), b"");
    let start = Instant::now();
    assert!(connection.send(&frame(HEADERS, END_HEADERS, 1, &self::head("POST", "/v1/shelves"))));
    assert!(connection.send(&frame(DATA, 0, 1, b"{")));
    assert_eq!(connection.next_of(&[HEADERS, RST_STREAM]).unwrap().status(), 504);
    assert_after(start, 400);
    assert!(connection.send(&get(3, "/v1/shelves/crime")));
    let answer = connection.next_of(&[HEADERS, GOAWAY]).unwrap();
    assert_eq!((answer.stream, answer.status()), (3, 200));
}

/// The times of bodies are for calls with one message.
#[tokio::test]
async fn a_stream_may_pause() {
    let backend = backend::python_server("tests/python/echo_server.py");
    let gateway = in_front_of(&backend);
    for version in [Version::Http1, Version::Http2] {
        let headers = [("accept", "application/x-ndjson")];
        let (body, answer) = stream::upload(gateway.address(), version, "/v1/chat/pauses", &headers).await;
        assert!(body.send("{}").await);
        let mut answer = answer.await;
        assert_eq!(answer.line().await, Some(json!({"number": 1})));
        for number in 2..4 {
            let pause = tokio::time::timeout(Duration::from_millis(600), answer.line());
            assert!(pause.await.is_err(), "nothing was sent");
            assert!(body.send("{}").await);
            assert_eq!(answer.line().await, Some(json!({"number": number})));
        }
        drop(body);
        assert_eq!(answer.line().await, None);
        // Nor is a connection idle that waits for its backend.
        let target = "/v1/watch/pauses?count=1&pause=1.3s";
        let answer = stream::get(gateway.address(), version, target, &headers).await;
        assert_eq!(answer.rest().await, "{\"number\":1}\n");
    }
}

/// Unless it pauses for long.
#[tokio::test]
async fn a_stream_without_messages_is_ended() {
    let backend = backend::python_server("tests/python/echo_server.py");
    let gateway = Gateway::with_config(&format!(
        "{}upstreams:\n  echo: {{targets: [\"http://{}\"], stream_idle_timeout: 1s}}\nservices: [\"**\"]\n",
        Gateway::ANY_PORT,
        backend.address()
    ));
    let headers = [("accept", "application/x-ndjson")];
    for (id, version) in [("one", Version::Http1), ("two", Version::Http2)] {
        let target = format!("/v1/watch/{id}?count=3&pause=0.5s&hang=true");
        let mut answer = stream::get(gateway.address(), version, &target, &headers).await;
        let mut start = Instant::now();
        for number in 1..4 {
            assert_eq!(answer.line().await, Some(json!({"number": number})));
            start = Instant::now();
        }
        let end = tokio::time::timeout(Duration::from_secs(20), answer.line()).await.unwrap().unwrap();
        assert_eq!(end["error"]["code"], json!(4));
        assert_eq!(end["error"]["message"], "No message passed for 1 s, so the stream was ended.");
        assert_eq!(answer.line().await, None);
        assert_after(start, 750);
        let reached = client::get(gateway.address(), &format!("/v1/await/CANCELLED/{id}")).await.json();
        assert_eq!(reached["reached"], true);
    }
}

#[test]
fn connections_without_calls_are_ended() {
    let gateway = short("idle_timeout: 1s");
    let mut silent = connect(&gateway);
    let mut served = connect(&gateway);
    let start = Instant::now();
    served.write_all(b"GET /v1/shelves/crime HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut before_settings = Connection::bare(gateway.address());
    assert!(before_settings.send(PREFACE));
    let mut idle = Connection::open(gateway.address(), b"");
    let mut pings = Connection::open(gateway.address(), b"");
    assert!(pings.send(&get(1, "/v1/shelves/crime")));

    let mut answer = Vec::new();
    served.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert_eq!(silent.read_to_end(&mut answer).unwrap(), 0);
    for connection in [&mut idle, &mut before_settings] {
        let goodbye = connection.next_of(&[GOAWAY]).unwrap();
        assert_eq!(goodbye.reason(), 0);
    }
    // Pings are no calls.
    loop {
        pings.send(&frame(PING, 0, 0, &[1; 8]));
        match pings.next_of(&[PING, GOAWAY]) {
            Some(frame) if frame.kind == PING => {}
            end => {
                assert_eq!(end.map(|frame| frame.reason()), Some(0));
                break;
            }
        }
    }
    assert_after(start, 1000);
}

/// A connection with little room, so that the kernel does not take much for a reader that does not read.
fn narrow(gateway: &Gateway) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&gateway.address().into()).unwrap();
    socket.into()
}

#[tokio::test]
async fn readers_that_stop_are_cut() {
    let backend = backend::python_server("tests/python/echo_server.py");
    let mut gateway = in_front_of(&backend);
    let address = gateway.address();
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(client::get(address, "/v1/echo/alive").await.status, 200);
    let before = gateway.server().open_files();

    // One answer. What the kernel has taken still arrives.
    let start = Instant::now();
    let mut sockets: Vec<_> = (0..3).map(|_| narrow(&gateway)).collect();
    for socket in &mut sockets {
        socket.write_all(get("/v1/large?size=2000000").repeat(4).as_bytes()).unwrap();
    }
    gateway.server().wait_for_open_files(|files| files >= before + sockets.len());
    gateway.server().wait_for_open_files(|files| files <= before);
    assert_after(start, 400);

    // A stream.
    let start = Instant::now();
    let mut socket = narrow(&gateway);
    socket.write_all(get("/v1/watch/unread?count=1000000000&size=10000").as_bytes()).unwrap();
    let answer = client::get(address, "/v1/await/CANCELLED/unread").await;
    assert_eq!(answer.json()["reached"], true);
    assert_after(start, 400);
    assert_eq!(client::get(address, "/v1/echo/alive").await.status, 200);
}

/// A client that never opens its window has each of its calls for the time of a write, and little memory.
#[tokio::test]
async fn windows_that_stay_closed_end_their_calls() {
    let backend = backend::python_server("tests/python/echo_server.py");
    let mut gateway = in_front_of(&backend);
    assert_eq!(client::get(gateway.address(), "/v1/echo/alive").await.status, 200);
    let before = gateway.server().peak_memory();
    let mut connection = Connection::open(gateway.address(), &setting(4, 0));
    let start = Instant::now();
    for call in 0..100 {
        let target = format!("/v1/watch/closed-{call}?count=1000000000&size=10000");
        assert!(connection.send(&get(2 * call + 1, &target)));
    }
    for call in 0..100 {
        assert_eq!(client::get(gateway.address(), "/v1/echo/other").await.status, 200, "beside {call}");
    }
    let mut reset = std::collections::BTreeSet::new();
    while reset.len() < 100 {
        let frame = connection.next_of(&[RST_STREAM, DATA, GOAWAY]).unwrap();
        assert_eq!((frame.kind, frame.reason()), (RST_STREAM, CANCEL));
        reset.insert(frame.stream);
    }
    assert_after(start, 400);
    let grown = gateway.server().peak_memory() - before;
    assert!(grown < 40_000_000, "{grown} bytes more for 100 streams");
}
