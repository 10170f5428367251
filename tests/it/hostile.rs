//! Requests that no good client sends, byte by byte over TCP. Each gets a clear answer, or its connection is
//! closed, and the gateway goes on.
//!
//! What a peer can make grow or last, and where it is held against the binary:
//!
//! | bound | test |
//! |---|---|
//! | fields of a head, their bytes, the path | `http1::heads_that_are_wrong_are_refused`, `frames::header_bombs_are_refused`, `frames::heads_without_end_are_cut`, `headers_over_the_limit_*` |
//! | body, message, depths, parameters, parts | `requests_that_are_too_much_are_told_the_limit`, `grpcio::sizes_are_bounded`, `streams::bounds` |
//! | framing of bodies | `http1::lengths_that_can_be_read_in_two_ways_are_refused`, `http1::chunks_that_are_mostly_frame_are_refused` |
//! | an incomplete body runs no call | `a_body_that_breaks_off_runs_no_call`, `streams::bounds::bodies_that_break_are_not_taken_for_complete` |
//! | streams and windows of HTTP/2 | `frames::wrong_frames_end_the_connection_with_the_reason`, `streams::small`, `slow::windows_that_stay_closed_end_their_calls` |
//! | resets (CVE-2023-44487, CVE-2025-8671) | `frames::calls_that_are_reset_all_the_time_cost_the_connection` |
//! | pings, settings and the like | `frames::floods_of_frames_are_ended_and_hold_up_nobody`, `frames::floods_whose_answers_nobody_reads_are_cut` |
//! | answers kept for a reader that does not read | `http1::requests_sent_without_reading_wait`, `streams::bounds::readers_that_do_not_read_hold_up_only_their_own_streams` |
//! | connections, their memory | `crowd` |
//! | time of a head, also of half a preface | `slow::slow_heads_are_cut*` |
//! | time of a body, by pause and in all | `slow::slow_bodies_are_refused`, `slow::a_stream_may_pause` |
//! | time of a write | `slow::readers_that_stop_are_cut`, `slow::windows_that_stay_closed_end_their_calls` |
//! | time without a call, time without a message | `slow::connections_without_calls_are_ended`, `slow::a_stream_without_messages_is_ended` |
//! | time of a call, of a silent backend | `grpcio::deadlines_end_calls_on_both_sides`, `backends::a_backend_that_says_nothing_meets_the_deadline` |
//! | what a backend may send | `faults`, `backends::streams_that_fail_in_the_middle_end_with_the_reason`, `grpcio::answers_that_are_no_messages_are_502` |
//! | resets sent to a backend | `backends::callers_that_leave_never_cost_the_others_their_connection` |
//! | requests refused by their form | `http1`, `frames::malformed_requests_are_refused`, `bad_requests_are_answered_in_json` |
//! | questions of reflection, watchers of health | `own::tests` in `src`, `own::grpcio_learns_health_and_descriptors` |
//! | stopping | `life`, `streams::life::streams_end_within_the_bound_when_the_gateway_stops` |
//!
//! What takes minutes (a quarter of an hour without a message, half a minute to stop) is tested with paused time in
//! `src`.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::backend;
use crate::support::client::{self, Version};
use crate::support::gateway::Gateway;

mod backends;
mod crowd;
mod frames;
mod http1;
mod slow;

/// A gateway in front of the bookstore, with limits of its own.
fn short(http: &str) -> Gateway {
    Gateway::with_config(&format!(
        "{}http: {{{http}}}\nupstreams: {{books: http://{}}}\nservices: [\"**\"]\n",
        Gateway::ANY_PORT,
        backend::bookstore()
    ))
}

/// Sends a request that asks to close the connection, and reads until that is done.
fn exchange(gateway: &Gateway, request: &[u8]) -> String {
    connection(gateway, request, false)
}

/// Sends bytes after which no more will come, and reads until the gateway closes the connection too.
fn break_off(gateway: &Gateway, request: &[u8]) -> String {
    connection(gateway, request, true)
}

/// A connection on which nothing is waited for without end.
fn connect(gateway: &Gateway) -> TcpStream {
    let stream = TcpStream::connect(gateway.address()).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

fn connection(gateway: &Gateway, request: &[u8], breaks_off: bool) -> String {
    let mut stream = connect(gateway);
    // The gateway may answer and close before all is written.
    let _ = stream.write_all(request);
    if breaks_off {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status and the JSON body of an answer.
fn parsed(answer: &str) -> (u16, Value) {
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let status = status.unwrap_or_else(|| panic!("no status: {answer:?}"));
    (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("no JSON ({error}): {answer:?}")))
}

fn assert_alive(gateway: &Gateway) {
    let answer = exchange(gateway, b"GET /v1/shelves/crime HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(answer.contains("\"shelves/crime\""), "{answer}");
}

#[test]
fn bad_requests_are_answered_in_json() {
    let gateway = Gateway::in_front_of(&[backend::bookstore()]);
    let long = "x".repeat(9 << 10);
    let table = [
        ("no host", "GET /v1/shelves HTTP/1.1\r\nconnection: close\r\n\r\n".to_owned(), 400, 3),
        ("two hosts", "GET /v1/shelves HTTP/1.1\r\nconnection: close\r\nhost: a\r\nhost: b\r\n\r\n".to_owned(), 400, 3),
        ("a path that is too long", format!("GET /{long} HTTP/1.1\r\nconnection: close\r\nhost: x\r\n\r\n"), 414, 3),
        ("dot segments", "GET /v1/../admin HTTP/1.1\r\nconnection: close\r\nhost: x\r\n\r\n".to_owned(), 400, 3),
        ("encoded dot segments", "GET /v1/%2e%2E/x HTTP/1.1\r\nconnection: close\r\nhost: x\r\n\r\n".to_owned(), 400, 3),
        ("a null byte, encoded", "GET /v1/shelves/%00%ff HTTP/1.1\r\nconnection: close\r\nhost: x\r\n\r\n".to_owned(), 400, 3),
        ("TRACE", "TRACE /v1/shelves HTTP/1.1\r\nconnection: close\r\nhost: x\r\n\r\n".to_owned(), 501, 12),
        (
            "an announced length beyond the limit",
            "POST /v1/shelves HTTP/1.1\r\nconnection: close\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n".to_owned(),
            413,
            8,
        ),
        (
            "an encoding that is not served",
            "POST /v1/shelves HTTP/1.1\r\nconnection: close\r\nhost: x\r\ncontent-encoding: lzma\r\ncontent-length: 2\r\n\r\n{}"
                .to_owned(),
            415,
            3,
        ),
    ];
    for (what, request, status, code) in table {
        let (found, body) = parsed(&exchange(&gateway, request.as_bytes()));
        assert_eq!((found, &body["code"]), (status, &json!(code)), "{what}: {body}");
        let message = body["message"].as_str().unwrap_or_default();
        assert!(message.ends_with(['.', ')']) && message.contains(' '), "{what}: {message:?} is no sentence");
    }
    assert_alive(&gateway);
}

#[test]
fn bytes_that_are_no_http_close_the_connection() {
    let gateway = Gateway::in_front_of(&[backend::bookstore()]);
    let many: String = (0..200).map(|number| format!("h{number}: v\r\n")).collect();
    let table: [&[u8]; 7] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\0\0\0\0",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"POST /v1/shelves HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/shelves HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
        &[b"GET / HTTP/1.1\r\nhost: x\r\n", many.as_bytes(), b"\r\n"].concat(),
    ];
    for bytes in table {
        let answer = break_off(&gateway, bytes);
        let is_refusal =
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || !answer.starts_with("HTTP/1.1");
        assert!(is_refusal, "{bytes:?}: {answer}");
        assert_alive(&gateway);
    }
}

#[test]
fn a_body_that_breaks_off_runs_no_call() {
    let gateway = Gateway::in_front_of(&[backend::bookstore()]);
    let head = "POST /v1/shelves?shelfId=half HTTP/1.1\r\nhost: x\r\n";
    for request in [
        format!("{head}content-length: 100\r\n\r\n{{\"title\": \"Half\"}}"),
        format!("{head}transfer-encoding: chunked\r\n\r\n11\r\n{{\"title\": \"Half\"}}\r\n"),
    ] {
        let answer = break_off(&gateway, request.as_bytes());
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    let request = "GET /v1/shelves/half HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert_eq!(parsed(&exchange(&gateway, request.as_bytes())).0, 404, "the shelf was not added");
}

#[test]
fn requests_that_follow_each_other_are_answered_in_order() {
    let gateway = Gateway::in_front_of(&[backend::bookstore()]);
    let one = "GET /v1/shelves/crime HTTP/1.1\r\nhost: x\r\n\r\n";
    let two = "GET /v1/shelves/fiction HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answer = exchange(&gateway, format!("{one}{one}{two}").as_bytes());
    let names: Vec<_> = answer.match_indices("\"shelves/").map(|(at, _)| &answer[at + 9..at + 14]).collect();
    assert_eq!(names, ["crime", "crime", "ficti"], "{answer}");
}

/// The status, the code and the message of an answer to a POST with this body.
fn post(gateway: &Gateway, target: &str, headers: &str, body: &[u8]) -> (u16, Value, String) {
    let length = body.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n"
    );
    let (status, answer) = parsed(&exchange(gateway, &[head.as_bytes(), body].concat()));
    (status, answer["code"].clone(), answer["message"].as_str().unwrap().to_owned())
}

#[test]
fn requests_that_are_too_much_are_told_the_limit() {
    let gateway = Gateway::with_config(&format!(
        "{}upstreams: {{books: \"http://{}\"}}\nservices: [{{service: \"**\", dialects: [rest]}}]\n",
        Gateway::ANY_PORT,
        backend::bookstore()
    ));
    let count = "/bookstore.v1.Bookstore/CountBooks";
    let shelves = "/v1/shelves";
    let deep = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
    let attributes = format!(r#"{{"attributes": {{"a": {}}}}}"#, deep(70));
    let bombs = format!(r#"{{"attributes": {{"a": {}"#, "[".repeat(1_000_000));
    let parameters =
        format!("/v1/shelves/crime/books?{}", "filter.genres=1&".repeat(300) + &"a&".repeat(701));
    let large = vec![b' '; (4 << 20) + 1];
    let head = "content-disposition: form-data; name=\"filter.genres\"\r\n";
    let parts = format!("--b\r\n{head}\r\n1\r\n").repeat(10_000) + "--b--";
    let nested = format!("--b\r\n{head}content-type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--");
    // What it is, target, headers, body, and the answer's status and code.
    type Case<'a> = (&'a str, &'a str, &'a str, &'a [u8], u16, u8);
    let table: [Case<'_>; 8] = [
        ("JSON too deep", "/v1/shelves/crime/books", "", attributes.as_bytes(), 400, 3),
        ("JSON a million deep", "/v1/shelves/crime/books", "", bombs.as_bytes(), 400, 3),
        ("no UTF-8", count, "", b"{\"filter\": {\"author\": \"\xff\"}}", 400, 3),
        ("a byte too large", count, "", &large, 413, 8),
        (
            "a form of an unknown field",
            shelves,
            "content-type: application/x-www-form-urlencoded\r\n",
            b"a=b",
            400,
            3,
        ),
        (
            "ten thousand parts",
            count,
            "content-type: multipart/form-data; boundary=b\r\n",
            parts.as_bytes(),
            400,
            3,
        ),
        (
            "nested parts",
            count,
            "content-type: multipart/form-data; boundary=b\r\n",
            nested.as_bytes(),
            400,
            3,
        ),
        ("a wrong field", shelves, "", br#"{"nothing": 1}"#, 400, 3),
    ];
    for (what, target, headers, body, status, code) in table {
        let (found, found_code, message) = post(&gateway, target, headers, body);
        assert_eq!((found, &found_code), (status, &json!(code)), "{what}: {message}");
        assert!(message.ends_with('.') && message.contains(' '), "{what}: {message}");
        assert_alive(&gateway);
    }
    let request = format!("GET {parameters} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let (status, answer) = parsed(&exchange(&gateway, request.as_bytes()));
    assert_eq!((status, &answer["code"]), (400, &json!(3)), "{answer}");
}

/// What the HTTP library answers by itself, before there is a request, has no body.
#[test]
fn headers_over_the_limit_are_refused() {
    let gateway = Gateway::in_front_of(&[backend::bookstore()]);
    let long = format!("x-long: {}\r\n", "x".repeat(61 << 10));
    let many: String = (0..99).map(|number| format!("h{number}: v\r\n")).collect();
    for headers in [long, many] {
        let request = format!("GET /v1/shelves HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n");
        let answer = exchange(&gateway, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert_alive(&gateway);
    }
}

/// As on HTTP/1.1.
#[tokio::test]
async fn headers_over_the_limit_are_refused_on_http2_too() {
    let gateway = Gateway::in_front_of(&[backend::bookstore()]);
    let long = "x".repeat(61 << 10);
    let headers = [("x-long", &*long)];
    let answer = client::send(gateway.address(), Version::Http2, "GET", "/v1/shelves", &headers, "").await;
    assert_eq!(answer.status, 431);
    for (target, status) in [(format!("/{}", "x".repeat(9 << 10)), 414), ("/v1/shelves/%ff".into(), 400)] {
        let answer = client::send(gateway.address(), Version::Http2, "GET", &target, &[], "").await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (status, &json!(3)));
    }
    let answer = client::send(gateway.address(), Version::Http2, "HEAD", "/v1/shelves", &[], "").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    assert_alive(&gateway);
}
