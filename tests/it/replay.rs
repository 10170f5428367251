//! The examples: each is started as its README says, and its `requests.http` is sent and compared.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;
use transom::demo::Kind;

use crate::support::client::{self, Answer, Version};
use crate::support::gateway::{Gateway, listening, transom};
use crate::support::process::Server;
use crate::support::{backend, json, root, sse};

#[tokio::test]
async fn bookstore_over_http1() {
    bookstore(Version::Http1).await;
}

#[tokio::test]
async fn bookstore_over_http2() {
    bookstore(Version::Http2).await;
}

#[tokio::test]
async fn demo() {
    let demo =
        Server::start(transom(&["demo", "--address", "127.0.0.1:0", "--log-format", "json"]), listening);
    replay("examples/bookstore/requests.http", demo.address(), Version::Http1).await;
    replay("examples/chat/requests.http", demo.address(), Version::Http1).await;
    replay("examples/dashboard/requests.http", demo.address(), Version::Http2).await;
}

#[tokio::test]
async fn chat() {
    let upstream = format!("http://{}", backend::bookstore());
    let environment = [("TRANSOM_ADDRESS", "127.0.0.1:0"), ("CHAT_URL", &upstream)];
    let gateway = Gateway::with_file(&root().join("examples/chat/transom.yaml"), &environment);
    replay("examples/chat/requests.http", gateway.address(), Version::Http2).await;
}

#[tokio::test]
async fn dashboard() {
    let [users, orders, offers, pages] = [Kind::Users, Kind::Orders, Kind::Offers, Kind::Pages]
        .map(|kind| format!("http://{}", backend::of_the_demo(kind)));
    let environment = [
        ("TRANSOM_ADDRESS", "127.0.0.1:0"),
        ("USERS_URL", &users),
        ("ORDERS_URL", &orders),
        ("OFFERS_URL", &offers),
        ("PAGES_URL", &pages),
    ];
    let gateway = Gateway::with_file(&root().join("examples/dashboard/transom.yaml"), &environment);
    replay("examples/dashboard/requests.http", gateway.address(), Version::Http1).await;
}

#[tokio::test]
async fn reflection() {
    let server = backend::python_server("examples/reflection/server.py");
    let gateway = Gateway::in_front_of(&[server.address()]);
    replay("examples/reflection/requests.http", gateway.address(), Version::Http1).await;
}

#[tokio::test]
async fn etcd() {
    let etcd = backend::Etcd::start();
    let upstream = format!("http://{}", etcd.address());
    let environment = [("TRANSOM_ADDRESS", "127.0.0.1:0"), ("ETCD_URL", &upstream)];
    let gateway = Gateway::with_file(&root().join("examples/etcd/transom.yaml"), &environment);
    replay("examples/etcd/requests.http", gateway.address(), Version::Http1).await;
}

async fn bookstore(version: Version) {
    let upstream = format!("http://{}", backend::bookstore());
    let environment = [("TRANSOM_ADDRESS", "127.0.0.1:0"), ("BOOKSTORE_URL", &upstream)];
    let gateway = Gateway::with_file(&root().join("examples/bookstore/transom.yaml"), &environment);
    replay("examples/bookstore/requests.http", gateway.address(), version).await;
}

/// Sends all requests of a file one after the other and fails with all that differ.
async fn replay(file: &str, gateway: SocketAddr, version: Version) {
    let exchanges = read(&root().join(file));
    assert!(!exchanges.is_empty(), "{file} has no requests");
    let mut failures = Vec::new();
    for exchange in &exchanges {
        let headers: Vec<_> = exchange.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let body = exchange.body.clone();
        let answer = client::send(gateway, version, &exchange.method, &exchange.target, &headers, body).await;
        if let Err(problem) = exchange.check(&answer) {
            failures
                .push(format!("{file}:{}: {}\n    {problem}\n    {answer:?}", exchange.line, exchange.title));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} requests failed:\n{}",
        failures.len(),
        exchanges.len(),
        failures.join("\n")
    );
}

/// A request and what is expected of its answer.
#[derive(Debug, Default)]
struct Exchange {
    title: String,
    line: usize,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: String,
    status: u16,
    expected_headers: Vec<(String, String)>,
    /// Empty for an empty body.
    expected_body: String,
}

impl Exchange {
    fn check(&self, answer: &Answer) -> Result<(), String> {
        if answer.status != self.status {
            return Err(format!("expected status {}, found {}", self.status, answer.status));
        }
        for (name, expected) in &self.expected_headers {
            match answer.header(name) {
                Some(found) if found == expected || expected == json::ANY => {}
                found => return Err(format!("expected {name}: {expected}, found {found:?}")),
            }
        }
        if self.expected_body.is_empty() {
            return if answer.body.is_empty() { Ok(()) } else { Err("expected no body".into()) };
        }
        let expected: Value = serde_json::from_str(&self.expected_body)
            .map_err(|error| format!("the expected body is no JSON: {error}"))?;
        json::compare(&expected, &values(answer).map_err(|error| format!("no JSON: {error}"))?)
    }
}

/// The JSON of an answer. Lines and events become arrays.
fn values(answer: &Answer) -> serde_json::Result<Value> {
    let text = String::from_utf8_lossy(&answer.body);
    match answer.header("content-type") {
        Some("application/x-ndjson") => text.lines().map(serde_json::from_str::<Value>).collect(),
        Some("text/event-stream") => sse::events(&text).map(|event| event.value()).collect(),
        _ => serde_json::from_slice(&answer.body),
    }
}

/// Reads a file of requests:
///
/// ```text
/// ### Title
/// # => 200
/// # name: value          expected headers
/// # {"expected": "body"}
/// METHOD {{gateway}}/target
/// name: value
///
/// body
/// ```
fn read(file: &Path) -> Vec<Exchange> {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut exchanges: Vec<Exchange> = Vec::new();
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| !line.starts_with("### ")).peekable();
    while let Some((index, title)) = lines.next() {
        let mut exchange = Exchange { line: index + 1, title: title[4..].to_owned(), ..Exchange::default() };
        let mut block = Vec::new();
        while let Some((_, line)) = lines.next_if(|(_, line)| !line.starts_with("### ")) {
            block.push(line);
        }
        exchange.fill(&block).unwrap_or_else(|what| panic!("{}:{}: {what}", file.display(), index + 1));
        exchanges.push(exchange);
    }
    exchanges
}

impl Exchange {
    fn fill(&mut self, block: &[&str]) -> Result<(), String> {
        let mut lines = block.iter().copied().peekable();
        while let Some(line) = lines.next_if(|line| line.starts_with('#')) {
            let line = line.trim_start_matches('#').trim();
            if let Some(status) = line.strip_prefix("=> ") {
                self.status = status.parse().map_err(|_| format!("{status:?} is no status"))?;
            } else if self.status != 0 {
                match line.split_once(": ") {
                    Some((name, value))
                        if self.expected_body.is_empty() && !name.contains(['{', '[', '"']) =>
                    {
                        self.expected_headers.push((name.to_owned(), value.to_owned()));
                    }
                    _ => self.expected_body.push_str(line),
                }
            }
        }
        let (method, target) =
            lines.next().and_then(|line| line.split_once(" {{gateway}}")).ok_or("no request line")?;
        (self.method, self.target) = (method.to_owned(), target.to_owned());
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            let (name, value) = line.split_once(": ").ok_or_else(|| format!("{line:?} is no header"))?;
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        self.body = lines.collect::<Vec<_>>().join("\n").trim_end().to_owned();
        if self.status == 0 { Err("no expected status".into()) } else { Ok(()) }
    }
}

#[test]
fn requests_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("requests.http");
    let text = "# Prose\n\n### One\n# Prose.\n# => 200\n# a: b\n# {\"c\":\n#   1}\nGET {{gateway}}/x?y\n\n### Two\n\
                # => 404\nPOST {{gateway}}/\nh: v\n\n{\n}\n";
    fs::write(&file, text).unwrap();
    let exchanges = read(&file);
    assert_eq!(exchanges.len(), 2);
    let (one, two) = (&exchanges[0], &exchanges[1]);
    assert_eq!((&*one.title, one.line, &*one.method, &*one.target), ("One", 3, "GET", "/x?y"));
    assert_eq!((one.status, &*one.expected_body, &*one.body), (200, "{\"c\":1}", ""));
    assert_eq!(one.expected_headers, [("a".to_owned(), "b".to_owned())]);
    assert_eq!((two.status, &*two.expected_body, &*two.body), (404, "", "{\n}"));
    assert_eq!(two.headers, [("h".to_owned(), "v".to_owned())]);
}
