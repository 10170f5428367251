//! The access log of the binary, on its standard output.

use serde_json::{Value, json};

use crate::support::backend::python_server;
use crate::support::client::{self, Version};
use crate::support::gateway::Gateway;
use crate::support::process::Server;
use crate::support::stream;

/// A gateway in front of the echo server, with these settings of telemetry.
fn gateway(telemetry: &str) -> (Gateway, Server) {
    let backend = python_server("tests/python/echo_server.py");
    let config = format!(
        "{}upstreams: {{echo: 'http://{}'}}\nservices: ['**']\ntelemetry: {telemetry}\n",
        Gateway::ANY_PORT,
        backend.address()
    );
    (Gateway::with_config(&config), backend)
}

/// The line about a request in JSON, once it was written.
fn line_with(gateway: &mut Gateway, text: &str) -> Value {
    gateway.wait_for_log(text);
    let printed = gateway.server().printed();
    let line = printed.lines().find(|line| line.contains(text)).unwrap();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

#[tokio::test]
async fn each_request_is_a_line_of_json() {
    let (mut gateway, _backend) = gateway("{access_log: json}");
    let address = gateway.address();
    let headers = [
        ("user-agent", "test/1"),
        ("x-request-id", "one"),
        ("authorization", "Bearer secret"),
        ("cookie", "secret"),
    ];
    let answer =
        client::send(address, Version::Http1, "GET", "/v1/echo/a%20b?string_value=secret", &headers, "")
            .await;
    assert_eq!((answer.status.as_u16(), answer.header("x-request-id")), (200, Some("one")), "{answer:?}");
    let mut line = line_with(&mut gateway, "\"one\"");
    for name in ["time", "peer", "duration_ms"] {
        assert!(!line[name].is_null(), "{line}");
        line[name] = Value::Null;
    }
    let expected = json!({
        "time": null, "request_id": "one", "peer": null, "method": "GET", "path": "/v1/echo/a%20b",
        "route": "/v1/echo/{string}", "status": 200, "code": "OK", "dialect": "rest", "duration_ms": null,
        "bytes_in": 0, "bytes_out": answer.body.len(), "rpc": "echo.v1.Echo/Echo", "upstream": "echo",
        "trace_id": null, "websocket": null, "user_agent": "test/1", "principal": null, "parts": null,
    });
    assert_eq!(line, expected);

    // One without a name gets one, which goes to the backend and into the answer.
    let answer = client::post(address, "/v1/metadata", &json!({})).await;
    let id = answer.header("x-request-id").unwrap().to_owned();
    assert!(answer.json()["received"].to_string().contains(&id), "{answer:?}");
    let line = line_with(&mut gateway, &id);
    assert_eq!((&line["bytes_in"], &line["path"]), (&json!(2), &json!("/v1/metadata")));

    // One that reaches no route, and one that no handler sees.
    for (target, status) in [("/no/route?secret=1", 404), (&*format!("/{}", "x".repeat(9000)), 414)] {
        let headers = [("x-request-id", &*format!("of-{status}"))];
        let answer = client::send(address, Version::Http2, "GET", target, &headers, "").await;
        assert_eq!(answer.status, status);
        let line = line_with(&mut gateway, &format!("\"of-{status}\""));
        assert_eq!(
            (&line["status"], &line["route"], &line["upstream"]),
            (&json!(status), &Value::Null, &Value::Null)
        );
        assert!(line["path"].as_str().unwrap().len() <= 1024 + 3, "{line}");
    }

    let lines = [("accept", "application/x-ndjson"), ("x-request-id", "left")];
    let mut answer = stream::get(address, Version::Http1, "/v1/watch/l?count=1&hang=true", &lines).await;
    answer.line().await.unwrap();
    drop(answer);
    let line = line_with(&mut gateway, "\"left\"");
    assert_eq!((&line["status"], &line["code"]), (&json!(499), &json!("CANCELLED")), "{line}");
    assert!(line["bytes_out"].as_u64().unwrap() > 0, "{line}");
    assert!(!gateway.server().printed().contains("secret"), "what callers keep secret is in no line");
}

#[tokio::test]
async fn what_is_left_is_written_when_the_process_ends() {
    let (mut gateway, _backend) = gateway("{access_log: text, paths: route}");
    for number in 0..50 {
        let headers = [("x-request-id", &*format!("n{number}"))];
        client::send(gateway.address(), Version::Http1, "GET", "/v1/echo/private", &headers, "").await;
    }
    gateway.server().terminate();
    gateway.server().wait();
    let printed = gateway.server().finished();
    for number in 0..50 {
        assert!(printed.contains(&format!(" request_id=n{number} ")), "{printed}");
    }
    assert!(printed.contains(" route=/v1/echo/{string} status=200 "), "{printed}");
    assert!(!printed.contains("private"), "only the route was asked for:\n{printed}");
}

/// A request of HTTP cannot hold a line break, but what stands for one.
#[tokio::test]
async fn callers_cannot_forge_lines() {
    let (mut gateway, _backend) = gateway("{access_log: text}");
    let headers = [("user-agent", "x\" status=200 forged=\"\u{1b}[2J"), ("x-request-id", "a b=\"c\"")];
    let target = "/v1/echo/a%0astatus=200%22?x=%0aforged";
    let connection = std::net::TcpStream::connect(gateway.address()).unwrap();
    // The client library would refuse some of it.
    let head: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{head}\r\n");
    let mut stream = &connection;
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    gateway.server().terminate();
    gateway.server().wait();
    let printed = gateway.server().finished();
    let lines: Vec<_> = printed.lines().filter(|line| line.starts_with("time=")).collect();
    // hyper refuses the escape in the value before there is a request.
    assert!(lines.len() <= 1, "{printed}");
    assert!(!printed.contains('\u{1b}') && !printed.contains("\"c\""), "{printed}");

    let (mut gateway, _backend) = self::gateway("{access_log: text}");
    let headers = [("user-agent", "x\" status=200 forged=\"y"), ("x-request-id", "a b")];
    client::send(gateway.address(), Version::Http2, "GET", target, &headers, "").await;
    gateway.server().terminate();
    gateway.server().wait();
    let printed = gateway.server().finished();
    let line = printed.lines().find(|line| line.starts_with("time=")).unwrap();
    assert!(line.contains(" path=\"/v1/echo/a%0astatus=200%22\" "), "{line}");
    assert!(line.ends_with(r#" user_agent="x\" status=200 forged=\"y""#), "{line}");
}

#[test]
fn without_a_log_nothing_is_written() {
    let (mut gateway, _backend) = gateway("{}");
    gateway.server().terminate();
    gateway.server().wait();
    assert!(!gateway.server().finished().contains("bytes_out"));
}
