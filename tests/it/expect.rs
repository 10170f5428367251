//! `expect: 100-continue` (RFC 9110 section 10.1.1): who asks first whether to send a body is told before it has to.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::Duration;

use crate::support::backend;
use crate::support::gateway::Gateway;
use crate::support::process::{Server, run};

const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

fn setting() -> (Gateway, Server) {
    let backend = backend::python_server("tests/python/echo_server.py");
    (Gateway::in_front_of(&[backend.address()]), backend)
}

/// A connection on which a head was sent that ends with an expectation.
fn connect(gateway: &Gateway, target: &str, headers: &str) -> TcpStream {
    let mut socket = TcpStream::connect(gateway.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    write!(socket, "POST {target} HTTP/1.1\r\nhost: x\r\n{headers}\r\n").unwrap();
    socket
}

fn read_exact(socket: &mut TcpStream, length: usize) -> String {
    let mut text = vec![0; length];
    socket.read_exact(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn read_all(mut socket: TcpStream) -> String {
    let mut text = String::new();
    let _ = socket.read_to_string(&mut text);
    text
}

#[test]
fn who_may_send_a_body_is_told_before() {
    let (gateway, _backend) = setting();
    let (json, lines) = ("content-type: application/json\r\n", "content-type: application/x-ndjson\r\n");
    for (target, kind, body, expected) in [
        ("/v1/echo", json, "{\"int32\": 5}", "{\"int32\":5}"),
        ("/v1/gather/expected", lines, "{\"text\":\"ab\"}", "\"count\":1"),
        ("/v1/chat/expected", lines, "{\"text\":\"ab\"}", "{\"number\":1,\"text\":\"ab\"}"),
    ] {
        for expect in ["100-continue", "100-Continue"] {
            let headers =
                format!("{kind}connection: close\r\nexpect: {expect}\r\ncontent-length: {}\r\n", body.len());
            let mut socket = connect(&gateway, target, &headers);
            assert_eq!(read_exact(&mut socket, CONTINUE.len()), CONTINUE, "{target}");
            socket.write_all(body.as_bytes()).unwrap();
            let answer = read_all(socket);
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains(expected), "{answer}");
        }
    }
    // Who does not wait needs not be told.
    let headers = "connection: close\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n{}";
    let mut socket = TcpStream::connect(gateway.address()).unwrap();
    write!(socket, "POST /v1/echo HTTP/1.1\r\nhost: x\r\n{headers}").unwrap();
    let answer = read_all(socket);
    let answer = answer.strip_prefix(CONTINUE).unwrap_or(&answer);
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("{}"), "{answer}");
    // Of HTTP/1.0 the expectation is ignored.
    let mut socket = TcpStream::connect(gateway.address()).unwrap();
    let head = "POST /v1/echo HTTP/1.0\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n{}";
    socket.write_all(head.as_bytes()).unwrap();
    let answer = read_all(socket);
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("{}"), "{answer}");
}

#[test]
fn who_is_refused_sends_nothing() {
    let (gateway, _backend) = setting();
    let length = "content-length: 100000\r\n";
    let table = [
        ("/nowhere", length, 404),
        ("/v1/watch/x", length, 405),
        ("/v1/echo", "content-length: 100000000\r\n", 413),
        ("/v1/echo", "content-length: 100000\r\ncontent-type: text/csv\r\n", 415),
        ("/v1/gather/x", "transfer-encoding: chunked\r\ncontent-type: text/csv\r\n", 415),
        ("/v1/echo", "content-length: 100000\r\ngrpc-timeout: soon\r\n", 400),
        ("/v1/echo", "content-length: 100000\r\naccept-encoding: identity;q=0\r\n", 406),
    ];
    for (target, headers, status) in table {
        let socket = connect(&gateway, target, &format!("{headers}expect: 100-continue\r\n"));
        // Without a byte of the body the answer comes and the connection ends, so that what a client sends all the same
        // is never taken for its next request.
        let answer = read_all(socket);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target}: {answer}");
        assert!(answer.contains("\"code\":") && !answer.contains("100 Continue"), "{target}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{target}: {answer}");
    }
}

#[test]
fn other_expectations_are_refused() {
    let (gateway, _backend) = setting();
    for expect in ["200-ok", "100-continue, more", "a=b; c"] {
        let socket = connect(&gateway, "/v1/echo", &format!("expect: {expect}\r\ncontent-length: 2\r\n"));
        let _ = socket.shutdown(Shutdown::Write);
        let answer = read_all(socket);
        assert!(answer.starts_with("HTTP/1.1 417 ") && answer.contains("\"code\":3"), "{expect}: {answer}");
    }
}

/// curl asks before it sends a large body.
#[test]
fn large_bodies_of_curl() {
    let (gateway, _backend) = setting();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("body.json");
    std::fs::write(&file, format!("{{\"string\": \"{}\"}}", "x".repeat(3_000_000))).unwrap();
    let curl = |target: &str| {
        let mut curl = Command::new("curl");
        // It waits for the answer longer than this test may take, and for no other reason goes on.
        curl.args(["--silent", "--show-error", "--verbose", "--expect100-timeout", "600", "--http1.1"]);
        curl.args(["--header", "expect: 100-continue", "--header", "content-type: application/json"]);
        curl.args(["--data-binary", &format!("@{}", file.display()), "--output", "/dev/null"]);
        curl.args(["--write-out", "%{http_code} %{size_upload}"]).arg(gateway.url(target));
        let output = run(&mut curl);
        let told = String::from_utf8_lossy(&output.stderr).contains("< HTTP/1.1 100 Continue");
        (String::from_utf8(output.stdout).unwrap(), told)
    };
    assert_eq!(curl("/v1/echo"), ("200 3000014".to_owned(), true));
    assert_eq!(curl("/nowhere"), ("404 0".to_owned(), false));
}
