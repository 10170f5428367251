//! HTTP/1 that is wrong, or that two readers may understand differently (RFC 9112).

use std::io::{Read, Write};

use super::{assert_alive, connect, exchange};
use crate::support::backend;
use crate::support::gateway::Gateway;

/// The statuses of all answers that come.
fn statuses(answer: &str) -> Vec<u16> {
    // Texts of errors name HTTP/1.1 too, without a status.
    answer.split("HTTP/1.").skip(1).filter_map(|answer| answer.get(2..5)?.parse().ok()).collect()
}

/// A request that tries to be seen as one by some and not by others.
const HIDDEN: &str = "GET /v1/shelves/crime HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

/// Runs each ten times and compares the statuses of all answers on its connection. Whatever it was, the next
/// client is served.
fn check(table: &[(&str, String, &[u16])]) {
    let gateway = Gateway::in_front_of(&[backend::bookstore()]);
    let mut wrong = Vec::new();
    for (what, request, expected) in table {
        for _ in 0..10 {
            let answer = exchange(&gateway, request.as_bytes());
            if statuses(&answer) != *expected {
                wrong.push((what, statuses(&answer)));
                break;
            }
        }
        assert_alive(&gateway);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn heads_that_are_wrong_are_refused() {
    let target = |target: &str| format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let line = |line: &str| format!("{line}\r\nhost: x\r\nconnection: close\r\n\r\n");
    let with =
        |fields: &str| format!("GET /v1/shelves HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{fields}\r\n");
    let many = |count: usize| with(&"a: b\r\n".repeat(count - 2));
    let uri = |length: usize| target(&format!("/{}", "u".repeat(length - 1)));
    check(&[
        ("a target of its own host", target("http://x/v1/shelves"), &[200]),
        ("of the whole server", line("OPTIONS * HTTP/1.1"), &[404]),
        ("the whole server is no thing to get", target("*"), &[404]),
        ("a host alone", target("x:80"), &[404]),
        ("no target", line("GET HTTP/1.1"), &[400]),
        ("an empty target", line("GET  HTTP/1.1"), &[400]),
        ("a space in it", target("/v1/shelves x"), &[400]),
        ("a tab in it", target("/v1/shelves\tx"), &[400]),
        ("a null byte in it", target("/v1/shelves\0"), &[400]),
        ("two spaces", line("GET  /v1/shelves HTTP/1.1"), &[400]),
        ("no method", line(" /v1/shelves HTTP/1.1"), &[400]),
        ("a method that is no word", line("G(T /v1/shelves HTTP/1.1"), &[400]),
        ("a method in small letters is another", line("get /v1/shelves HTTP/1.1"), &[405]),
        ("TRACE", line("TRACE /v1/shelves HTTP/1.1"), &[501]),
        ("CONNECT", line("CONNECT x:80 HTTP/1.1"), &[501]),
        ("a version to come", line("GET /v1/shelves HTTP/1.2"), &[400]),
        ("HTTP/2 without its preface", line("GET /v1/shelves HTTP/2.0"), &[400]),
        ("HTTP/0.9", "GET /v1/shelves\r\n\r\n".into(), &[400]),
        ("HTTP/1.0 needs no host", "GET /v1/shelves HTTP/1.0\r\n\r\n".into(), &[200]),
        ("HTTP/1.0 has one answer", format!("GET /v1/shelves HTTP/1.0\r\n\r\n{HIDDEN}"), &[200]),
        ("no host", "GET /v1/shelves HTTP/1.1\r\nconnection: close\r\n\r\n".into(), &[400]),
        ("two hosts", with("host: x\r\n"), &[400]),
        ("two hosts that differ", with("Host: y\r\n"), &[400]),
        ("a folded line", with("a: b\r\n c\r\n"), &[400]),
        ("a folded host", "GET / HTTP/1.1\r\nhost:\r\n x\r\n\r\n".into(), &[400]),
        ("a folded first line", "GET / HTTP/1.1\r\n host: x\r\n\r\n".into(), &[400]),
        ("a space before the colon", with("a : b\r\n"), &[400]),
        ("no name", with(": b\r\n"), &[400]),
        ("no colon", with("a\r\n"), &[400]),
        ("a null byte", with("a: \0\r\n"), &[400]),
        ("another control byte", with("a: \x07\r\n"), &[400]),
        ("a bare CR", with("a: b\rc: d\r\n"), &[400]),
        ("a bare CR at the end", with("a: b\r\r\n"), &[400]),
        ("a name that is no word", with("a(b: c\r\n"), &[400]),
        ("100 fields", many(100), &[200]),
        ("101 fields", many(101), &[431]),
        ("60 KiB of fields", with(&format!("a: {}\r\n", "v".repeat((60 << 10) - 40))), &[200]),
        ("61 KiB of fields", with(&format!("a: {}\r\n", "v".repeat(61 << 10))), &[431]),
        ("8 KiB of path", uri(8 << 10), &[404]),
        ("8 KiB of path and a byte", uri((8 << 10) + 1), &[414]),
        (
            "an upgrade is not asked for here",
            with("upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n"),
            &[200],
        ),
        ("the first line is empty", format!("\r\n{}", with("")), &[200]),
    ]);
}

/// Each with a second request behind it that must not be answered unless both sides see where the first ends.
#[test]
fn lengths_that_can_be_read_in_two_ways_are_refused() {
    let post = |fields: &str, body: &str| {
        format!("POST /bookstore.v1.Bookstore/CountBooks HTTP/1.1\r\nhost: x\r\n{fields}\r\n{body}{HIDDEN}")
    };
    let length = |length: &str| post(&format!("content-length: {length}\r\n"), "{}");
    let coding = |coding: &str| post(&format!("transfer-encoding:{coding}\r\n"), "2\r\n{}\r\n0\r\n\r\n");
    let chunks = |chunks: &str| post("transfer-encoding: chunked\r\n", chunks);
    check(&[
        ("a good length", length("2"), &[200, 200]),
        ("good chunks", coding(" chunked"), &[200, 200]),
        ("two lengths", post("content-length: 2\r\ncontent-length: 3\r\n", "{}"), &[400]),
        ("two lengths in a list", length("2, 3"), &[400]),
        ("a signed length", length("+2"), &[400]),
        ("a negative length", length("-2"), &[400]),
        ("a hexadecimal length", length("0x2"), &[400]),
        ("a length with a space", length("2 2"), &[400]),
        ("no length in it", length(""), &[400]),
        ("a length of many digits", length("99999999999999999999999"), &[400]),
        (
            "length and chunks",
            post("content-length: 5\r\ntransfer-encoding: chunked\r\n", "0\r\n\r\n"),
            &[200],
        ),
        (
            "chunks and length",
            post("transfer-encoding: chunked\r\ncontent-length: 5\r\n", "0\r\n\r\n"),
            &[200],
        ),
        ("another coding", coding(" gzip"), &[400]),
        ("another coding behind", coding(" chunked, gzip"), &[400]),
        ("another coding before", coding(" gzip, chunked"), &[501]),
        ("chunked twice", coding(" chunked, chunked"), &[501]),
        ("chunked on two lines", coding(" chunked\r\ntransfer-encoding: chunked"), &[501]),
        ("identity and chunked", coding(" identity\r\ntransfer-encoding: chunked"), &[501]),
        ("nearly chunked", coding(" xchunked"), &[400]),
        ("chunked with a tail", coding(" chunked\x0b"), &[400]),
        ("chunked in quotes", coding(" \"chunked\""), &[400]),
        ("an empty coding", coding(""), &[400]),
        ("chunks in HTTP/1.0", coding(" chunked").replacen("1.1", "1.0", 1), &[400]),
        (
            "chunks with a space before the colon",
            coding(" chunked").replacen("encoding:", "encoding :", 1),
            &[400],
        ),
        ("no size", chunks("zz\r\n{}\r\n0\r\n\r\n"), &[400]),
        ("a negative size", chunks("-2\r\n{}\r\n0\r\n\r\n"), &[400]),
        ("0x in a size", chunks("0x2\r\n{}\r\n0\r\n\r\n"), &[400]),
        ("a size of many digits", chunks("fffffffffffffffff\r\n{}\r\n0\r\n\r\n"), &[400]),
        ("a size that is too small", chunks("1\r\n{}\r\n0\r\n\r\n"), &[400]),
        ("a size that is too large", chunks("3\r\n{}\r\n0\r\n\r\n"), &[400]),
        ("a size with a line of its own kind", chunks("2\n{}\r\n0\r\n\r\n"), &[400]),
        ("an extension with a line in it", chunks("2;a\nb\r\n{}\r\n0\r\n\r\n"), &[400]),
        ("an extension", chunks("2;a=b\r\n{}\r\n0\r\n\r\n"), &[200, 200]),
        ("trailers", chunks("2\r\n{}\r\n0\r\na: b\r\n\r\n"), &[200, 200]),
        ("trailers that are none", chunks("2\r\n{}\r\n0\r\na b\r\n\r\n"), &[400]),
    ]);
}

/// What only asks for memory or work.
#[test]
fn chunks_that_are_mostly_frame_are_refused() {
    let mut gateway = Gateway::in_front_of(&[backend::bookstore()]);
    assert_alive(&gateway);
    let before = gateway.server().peak_memory();
    let head = "POST /bookstore.v1.Bookstore/CountBooks HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                transfer-encoding: chunked\r\n\r\n";
    let extension = "x".repeat(1 << 20);
    let trailers = "a: b\r\n".repeat(100_000);
    for (body, status) in [
        (format!("2;{extension}\r\n{{}}\r\n0\r\n\r\n"), 400),
        (format!("{}0\r\n\r\n", "1;xxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n \r\n".repeat(100_000)), 400),
        // Odd, and costs nothing.
        (format!("{}2\r\n{{}}\r\n0\r\n\r\n", "0".repeat(1 << 20)), 200),
        (format!("2\r\n{{}}\r\n0\r\n{trailers}\r\n"), 400),
        (format!("2\r\n{{}}\r\n0\r\na: {extension}\r\n\r\n"), 400),
    ] {
        for _ in 0..10 {
            let answer = exchange(&gateway, format!("{head}{body}").as_bytes());
            assert_eq!(statuses(&answer), [status], "{}: {answer}", &body[..20]);
        }
        assert_alive(&gateway);
    }
    let grown = gateway.server().peak_memory() - before;
    assert!(grown < 20_000_000, "{grown} bytes more");
}

/// The gateway reads no more than it answers: a client that sends without reading waits for itself.
#[test]
fn requests_sent_without_reading_wait() {
    const COUNT: usize = 300;
    let backend = backend::python_server("tests/python/echo_server.py");
    let mut gateway = Gateway::in_front_of(&[backend.address()]);
    let mut stream = connect(&gateway);
    let one = "GET /v1/large?size=100000 HTTP/1.1\r\nhost: x\r\n\r\n";
    let last = "GET /v1/large?size=100000 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let mut answers = vec![0; 1000];
    stream.write_all(one.as_bytes()).unwrap();
    stream.read_exact(&mut answers).unwrap();
    let before = gateway.server().peak_memory();
    stream.write_all(one.repeat(COUNT).as_bytes()).unwrap();
    stream.write_all(last.as_bytes()).unwrap();
    // 30 MB of answers, of which the kernel holds a few.
    for _ in 0..100 {
        let answer =
            exchange(&gateway, b"GET /v1/echo/other HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert_eq!(statuses(&answer), [200]);
    }
    stream.read_to_end(&mut answers).unwrap();
    assert_eq!(statuses(std::str::from_utf8(&answers).unwrap()), [200; COUNT + 2]);
    let grown = gateway.server().peak_memory() - before;
    assert!(grown < 10_000_000, "{grown} bytes more");
}
