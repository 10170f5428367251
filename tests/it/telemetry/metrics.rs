//! What is counted, read from a running gateway.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use super::Connection;
use super::scrape::{Metered, Values};
use crate::support::backend::python_server;
use crate::support::client::{self, Version};
use crate::support::stream;

/// The labels of a request that took a route.
fn requests(method: &str, route: &str, status: u16) -> String {
    format!(
        "http_server_request_duration_seconds_count{{http_request_method=\"{method}\",http_route=\"{route}\",\
         dialect=\"{}\",http_response_status_code=\"{status}\"}}",
        if route == "none" { "none" } else { "rest" }
    )
}

fn served(method: &str, code: &str) -> String {
    format!(
        "rpc_server_call_duration_seconds_count{{rpc_method=\"{method}\",dialect=\"rest\",\
         rpc_response_status_code=\"{code}\"}}"
    )
}

fn called(method: &str, code: &str) -> String {
    format!(
        "rpc_client_call_duration_seconds_count{{upstream=\"echo\",rpc_method=\"{method}\",\
         rpc_response_status_code=\"{code}\"}}"
    )
}

fn expect(values: &Values, table: &[(String, f64)]) {
    for (series, expected) in table {
        assert_eq!(values.of(series), *expected, "{series}\n{:#?}", values.0);
    }
}

#[tokio::test]
async fn requests_and_calls_are_counted_by_route_method_and_outcome() {
    let backend = python_server("tests/python/echo_server.py");
    let gateway = Metered::in_front_of(&[("echo", backend.address())]);
    let address = gateway.address();
    for _ in 0..3 {
        assert_eq!(client::get(address, "/v1/echo/x").await.status, 200);
    }
    assert_eq!(client::send(address, Version::Http2, "GET", "/v1/echo/y", &[], "").await.status, 200);
    assert_eq!(client::send(address, Version::Http1, "HEAD", "/v1/echo/y", &[], "").await.status, 200);
    assert_eq!(client::get(address, "/v1/echo/x?int32=no").await.status, 400);
    assert_eq!(client::post(address, "/v1/fail", &json!({"status": {"code": 5}})).await.status, 404);
    assert_eq!(client::post(address, "/v1/raw", &json!({"wire": "/w=="})).await.status, 502);
    assert_eq!(client::get(address, "/nowhere").await.status, 404);
    assert_eq!(client::send(address, Version::Http1, "BREW", "/v1/echo/x", &[], "").await.status, 405);

    let values = gateway.values().await;
    let (echo, fail) = ("echo.v1.Echo/Echo", "echo.v1.Echo/Fail");
    expect(
        &values,
        &[
            (requests("GET", "/v1/echo/{string}", 200), 4.0),
            (requests("HEAD", "/v1/echo/{string}", 200), 1.0),
            (requests("GET", "/v1/echo/{string}", 400), 1.0),
            (requests("POST", "/v1/fail", 404), 1.0),
            (requests("GET", "none", 404), 1.0),
            (requests("_OTHER", "none", 405), 1.0),
            (served(echo, "OK"), 5.0),
            (served(echo, "INVALID_ARGUMENT"), 1.0),
            (served(fail, "NOT_FOUND"), 1.0),
            (called(echo, "OK"), 5.0),
            (called(echo, "INVALID_ARGUMENT"), 0.0),
            (called(fail, "NOT_FOUND"), 1.0),
            (r#"transom_codec_errors_total{operation="read"}"#.into(), 1.0),
            (r#"transom_codec_errors_total{operation="write"}"#.into(), 1.0),
            ("transom_config_generation".into(), 1.0),
            ("transom_config_last_load_successful".into(), 1.0),
            (r#"transom_config_loads_total{result="loaded"}"#.into(), 1.0),
            (r#"transom_access_log_lines_total{outcome="written"}"#.into(), 0.0),
            (format!("transom_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0),
        ],
    );
    assert_eq!(values.sum("http_server_active_requests"), 0.0);
    // That of the scrape too.
    assert_eq!(values.sum("transom_connections_accepted_total"), 11.0);
    let open = values.of(r#"transom_upstream_connections{upstream="echo"}"#);
    assert!((1.0..=2.0).contains(&open), "each core has one at most: {open}");
    let (received, sent) = (
        values.of(r#"transom_network_io_bytes_total{network_io_direction="receive"}"#),
        values.of(r#"transom_network_io_bytes_total{network_io_direction="transmit"}"#),
    );
    assert!((500.0..5000.0).contains(&received) && (500.0..5000.0).contains(&sent), "{received} {sent}");
    // Seconds, and as many in the last bucket as there are.
    let series = requests("GET", "/v1/echo/{string}", 200).replace("_count", "_sum");
    assert!((0.0001..10.0).contains(&values.of(&series)), "{series}");
    let series =
        requests("GET", "/v1/echo/{string}", 200).replace("_count", "_bucket").replace('}', ",le=\"+Inf\"}");
    let series = series.replace("{string,le=\"+Inf\"}", "{string}");
    assert_eq!(values.of(&series), 4.0, "{series}");
}

#[tokio::test]
async fn streams_are_counted_while_they_are_open_and_when_they_are_given_up() {
    let backend = python_server("tests/python/echo_server.py");
    let gateway = Metered::in_front_of(&[("echo", backend.address())]);
    let address = gateway.address();
    let lines = [("accept", "application/x-ndjson")];
    let mut answer = stream::get(address, Version::Http1, "/v1/watch/w?count=3&hang=true", &lines).await;
    for _ in 0..3 {
        answer.line().await.unwrap();
    }
    let values = gateway.values().await;
    assert_eq!((values.of("transom_streams"), values.sum("http_server_active_requests")), (1.0, 1.0));
    assert_eq!(values.of(r#"transom_stream_messages_total{direction="sent"}"#), 3.0);
    // That of the stream, and of the scrape.
    assert_eq!(values.of(r#"transom_connections{network_protocol_version="1.1"}"#), 2.0);
    drop(answer);
    let reached = client::get(address, "/v1/await/CANCELLED/w").await;
    assert_eq!(reached.json()["reached"], true);

    // One that fails after it has begun keeps its HTTP status.
    let late = stream::get(address, Version::Http2, "/v1/watch/f?count=1&code=10", &lines).await;
    assert_eq!(late.status, 200);
    assert!(late.rest().await.contains("\"code\":10"));
    // A unary call whose caller leaves.
    let waiting = tokio::spawn(client::get_and_leave(address, "/v1/wait/u?time=9s"));
    assert_eq!(client::get(address, "/v1/await/STARTED/u").await.json()["reached"], true);
    waiting.abort();
    assert_eq!(client::get(address, "/v1/await/CANCELLED/u").await.json()["reached"], true);
    let upload = client::post(address, "/v1/gather/g", &json!([{}, {}])).await;
    assert_eq!(upload.json()["count"], 2, "{upload:?}");

    let values = gateway.values().await;
    let (watch, wait) = ("echo.v1.Streams/Watch", "echo.v1.Echo/Wait");
    expect(
        &values,
        &[
            (requests("GET", "/v1/watch/{id}", 499), 1.0),
            (requests("GET", "/v1/watch/{id}", 200), 1.0),
            (served(watch, "CANCELLED"), 1.0),
            (served(watch, "ABORTED"), 1.0),
            (called(watch, "CANCELLED"), 1.0),
            (called(watch, "ABORTED"), 1.0),
            (requests("GET", "/v1/wait/{id}", 499), 1.0),
            (served(wait, "CANCELLED"), 1.0),
            (called(wait, "CANCELLED"), 1.0),
            ("transom_streams".into(), 0.0),
            (r#"transom_stream_messages_total{direction="received"}"#.into(), 2.0),
        ],
    );
}

#[tokio::test]
async fn deadlines_and_backends_that_are_gone_are_seen() {
    let mut backend = python_server("tests/python/echo_server.py");
    let gateway = Metered::in_front_of(&[("echo", backend.address())]);
    let address = gateway.address();
    let headers = [("x-request-timeout", "0.2")];
    assert_eq!(
        client::send(address, Version::Http1, "GET", "/v1/wait/d?time=5s", &headers, "").await.status,
        504
    );
    backend.terminate();
    backend.wait();
    assert_eq!(client::get(address, "/v1/echo/x").await.status, 503);
    let values = gateway.values().await;
    expect(
        &values,
        &[
            (requests("GET", "/v1/wait/{id}", 504), 1.0),
            (called("echo.v1.Echo/Wait", "DEADLINE_EXCEEDED"), 1.0),
            (requests("GET", "/v1/echo/{string}", 503), 1.0),
            (r#"transom_upstream_connections{upstream="echo"}"#.into(), 0.0),
        ],
    );
    assert!(values.of(&called("echo.v1.Echo/Echo", "UNAVAILABLE")) >= 1.0);
}

#[tokio::test]
async fn refusals_of_the_server_are_counted_by_their_reason() {
    let backend = python_server("tests/python/echo_server.py");
    let gateway = Metered::in_front_of(&[("echo", backend.address())]);
    for request in ["GET / HTTP/1.1\r\n\r\n", "TRACE / HTTP/1.1\r\nhost: a\r\n\r\n"] {
        let mut stream = TcpStream::connect(gateway.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
    }
    let values = gateway.values().await;
    expect(
        &values,
        &[
            (r#"transom_refused_requests_total{reason="no_host"}"#.into(), 1.0),
            (r#"transom_refused_requests_total{reason="trace"}"#.into(), 1.0),
            (requests("GET", "none", 400), 1.0),
            (requests("TRACE", "none", 501), 1.0),
        ],
    );
}

/// Whatever callers send, the metrics stay as few as the configuration makes them.
#[tokio::test]
async fn callers_cannot_make_metrics_grow() {
    let backend = python_server("tests/python/echo_server.py");
    let gateway = Metered::in_front_of(&[("echo", backend.address())]);
    let mut connection = Connection::open(gateway.address()).await;
    let mut seed = 7_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    let known = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    let mut lines = 0;
    for round in 0..10_000 {
        let number = next();
        let method = match number % 3 {
            0 => format!("M{number:x}"),
            _ => known[(number / 3) as usize % known.len()].to_owned(),
        };
        let mut path = String::new();
        for _ in 0..=number % 4 {
            let _ = write!(path, "/{:x}", next());
        }
        if number % 5 == 0 {
            path = format!("/v1/echo{path}%22%0a?{:x}=1", next());
        }
        let agent = format!("agent {:x}", next());
        let answer = connection.send(&method, &path, &[("user-agent", &agent)]).await;
        assert!(answer.status().as_u16() < 500, "{method} {path}: {answer:?}");
        if round == 1000 {
            lines = gateway.text().await.lines().count();
        }
    }
    let text = gateway.text().await;
    // The first thousand have met all there is to meet, but for few combinations of method and status.
    assert!(text.lines().count() <= lines + 5 * 19, "{lines}, then {}:\n{text}", text.lines().count());
    assert_eq!(gateway.values().await.sum("http_server_request_duration_seconds_count"), 10_000.0);
    assert!(!text.contains("agent") && !text.contains("M1"), "{text}");
}
