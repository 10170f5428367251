//! Traces: a collector in Python takes them, a grpcio backend tells what reached it.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Connection;
use crate::support::backend::{bookstore, python_server};
use crate::support::client::{self, Answer, Version};
use crate::support::gateway::Gateway;
use crate::support::process::{Server, python};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn config(backend: SocketAddr, collector: SocketAddr, traces: &str) -> String {
    format!(
        "{}upstreams: {{echo: 'http://{backend}'}}\nservices: ['**']\n\
         telemetry: {{otlp: 'http://{collector}', traces: {traces}, access_log: json}}\n",
        Gateway::ANY_PORT
    )
}

fn collector(arguments: &[&str]) -> Server {
    let mut command = python("tests/python/otlp_receiver.py");
    command.args(["--port", "0"]).args(arguments);
    Server::start(command, |line| line.strip_prefix("listening ")?.parse().ok())
}

/// Stops the gateway, which exports what is left, and gives all spans.
fn spans(mut gateway: Gateway, collector: &mut Server) -> Vec<Value> {
    gateway.server().terminate();
    assert_eq!(gateway.server().wait().code(), Some(0));
    collector.terminate();
    collector.wait();
    let printed = collector.finished();
    printed
        .lines()
        .filter_map(|line| line.strip_prefix("span "))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The trace context that reached the backend, which `/v1/metadata` tells.
fn received(answer: &Answer, name: &str) -> Option<String> {
    let entries = answer.json();
    let entry = entries["received"].as_array().unwrap().iter().find(|entry| entry["key"] == name)?.clone();
    entry["text"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_sampled_call_has_spans_for_front_decoding_and_upstream() {
    let backend = python_server("tests/python/echo_server.py");
    let mut collector = collector(&[]);
    let gateway = Gateway::with_config(&config(backend.address(), collector.address(), "0%"));
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [
        ("traceparent", &*parent),
        ("tracestate", "rojo=1,congo=2"),
        ("content-type", "application/json"),
        ("user-agent", "test/1"),
        ("x-request-id", "r1"),
    ];
    let answer =
        client::send(gateway.address(), Version::Http1, "POST", "/v1/metadata?x", &headers, "{}").await;
    assert_eq!(answer.status, 400);
    let answer =
        client::send(gateway.address(), Version::Http1, "POST", "/v1/metadata", &headers, "{}").await;
    let sent = received(&answer, "traceparent").unwrap();
    assert_eq!(received(&answer, "tracestate").as_deref(), Some("rojo=1,congo=2"));
    gateway.wait_for_log(&format!("\"trace_id\":\"{TRACE}\""));

    let spans = spans(gateway, &mut collector);
    assert!(spans.iter().all(|span| span["trace"] == TRACE), "{spans:#?}");
    let named = |name: &str| spans.iter().filter(|span| span["name"] == name).collect::<Vec<_>>();
    // The two requests may have been on two cores, whose spans come in any order.
    let of_status = |status: u16| {
        let is = |span: &&&Value| span["attributes"]["http.response.status_code"] == status;
        *named("POST /v1/metadata").iter().find(is).unwrap_or_else(|| panic!("{spans:#?}"))
    };
    let (refused, server) = (of_status(400), of_status(200));
    let &[client] = &named("echo.v1.Echo/Metadata")[..] else { panic!("{spans:#?}") };
    let decodes = named("decode");
    assert_eq!((spans.len(), decodes.len()), (5, 2), "{spans:#?}");

    assert_eq!((&server["kind"], &server["parent"]), (&json!("SPAN_KIND_SERVER"), &json!(PARENT)));
    assert_eq!((&server["state"], &server["flags"]), (&json!("rojo=1,congo=2"), &json!(0x301)));
    assert_eq!((&client["kind"], &client["parent"]), (&json!("SPAN_KIND_CLIENT"), &server["id"]));
    assert_eq!(client["flags"], 0x101, "its parent is here");
    let decode = decodes.iter().find(|span| span["parent"] == server["id"]).unwrap();
    assert_eq!(decode["kind"], "SPAN_KIND_INTERNAL");
    // The backend was told of the span that the call to it is.
    assert_eq!(sent, format!("00-{TRACE}-{}-01", client["id"].as_str().unwrap()));
    for span in [client, decode] {
        assert!(server["start"].as_u64() <= span["start"].as_u64(), "{server} {span}");
        assert!(span["end"].as_u64() <= server["end"].as_u64(), "{server} {span}");
    }
    assert_eq!(
        (&server["resource"]["service.name"], &server["scope"]),
        (&json!("transom"), &json!("transom"))
    );

    let mut attributes = server["attributes"].clone();
    assert!(attributes["http.response.body.size"].as_i64().unwrap() > 0);
    attributes["http.response.body.size"] = Value::Null;
    let expected = json!({
        "http.request.method": "POST", "url.path": "/v1/metadata", "url.scheme": "http",
        "network.protocol.version": "1.1", "http.response.status_code": 200, "http.response.body.size": null,
        "http.request.body.size": 2, "client.address": "127.0.0.1", "user_agent.original": "test/1",
        "transom.request_id": "r1", "http.route": "/v1/metadata", "rpc.system.name": "grpc",
        "rpc.method": "echo.v1.Echo/Metadata", "transom.dialect": "rest", "rpc.response.status_code": "OK",
    });
    assert_eq!(attributes, expected);
    let expected = json!({
        "rpc.system.name": "grpc", "rpc.method": "echo.v1.Echo/Metadata", "transom.upstream": "echo",
        "server.address": "127.0.0.1", "server.port": backend.address().port(), "rpc.response.status_code": "OK",
    });
    assert_eq!(client["attributes"], expected);
    assert_eq!(
        (&server["status"], &refused["status"]),
        (&json!("STATUS_CODE_UNSET"), &json!("STATUS_CODE_UNSET"))
    );
    assert_eq!(refused["attributes"]["rpc.response.status_code"], "INVALID_ARGUMENT");
}

#[tokio::test]
async fn failures_and_streams_are_told() {
    let mut backend = python_server("tests/python/echo_server.py");
    let mut collector = collector(&[]);
    let gateway = Gateway::with_config(&config(backend.address(), collector.address(), "100%"));
    let address = gateway.address();
    let answer = client::get(address, "/v1/watch/s?count=3&code=10").await;
    assert_eq!(answer.status, 200);
    backend.terminate();
    backend.wait();
    assert_eq!(client::get(address, "/v1/echo/x").await.status, 503);
    assert_eq!(client::get(address, "/nowhere").await.status, 404);
    let spans = spans(gateway, &mut collector);
    let find = |name: &str| {
        spans.iter().find(|span| span["name"] == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"))
    };
    let stream = find("echo.v1.Streams/Watch");
    assert_eq!(
        (&stream["status"], &stream["attributes"]["error.type"]),
        (&json!("STATUS_CODE_ERROR"), &json!("ABORTED"))
    );
    let server = find("GET /v1/watch/{id}");
    assert_eq!((&server["parent"], &server["flags"]), (&json!(""), &json!(0x103)), "it is a root");
    assert_eq!(server["attributes"]["rpc.response.status_code"], "ABORTED");
    let server = find("GET /v1/echo/{string}");
    assert_eq!(
        (&server["status"], &server["attributes"]["error.type"]),
        (&json!("STATUS_CODE_ERROR"), &json!("UNAVAILABLE"))
    );
    assert_eq!(find("echo.v1.Echo/Echo")["status"], "STATUS_CODE_ERROR");
    let nowhere = find("GET");
    assert_eq!(
        (&nowhere["attributes"]["http.response.status_code"], &nowhere["attributes"]["http.route"]),
        (&json!(404), &Value::Null)
    );
    assert_eq!(nowhere["status"], "STATUS_CODE_ERROR", "as the conventions say of UNIMPLEMENTED");
}

#[tokio::test]
async fn calls_that_are_not_sampled_pass_their_context_on_and_make_no_span() {
    let backend = python_server("tests/python/echo_server.py");
    let mut collector = collector(&[]);
    let gateway = Gateway::with_config(&config(backend.address(), collector.address(), "0%"));
    let ask = async |headers: &[(&str, &str)]| {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        let answer =
            client::send(gateway.address(), Version::Http2, "POST", "/v1/metadata", &headers, "{}").await;
        (received(&answer, "traceparent"), received(&answer, "tracestate"))
    };
    let parent = format!("00-{TRACE}-{PARENT}-00");
    let passed = ask(&[("traceparent", &parent), ("tracestate", "a=1")]).await;
    assert_eq!(passed, (Some(parent), Some("a=1".into())));
    // Where none or a bad one comes, the backend is told of a new trace, and that it is not sampled.
    for headers in [&[][..], &[("traceparent", "00-bad"), ("tracestate", "a=1")]] {
        let (parent, state) = ask(headers).await;
        let parent = parent.unwrap();
        assert!(parent.len() == 55 && parent.ends_with("-02") && !parent.contains(TRACE), "{parent}");
        assert_eq!(state, None);
    }
    assert_eq!(spans(gateway, &mut collector), [] as [Value; 0]);
}

#[tokio::test]
async fn the_ratio_is_that_of_the_configuration() {
    let mut collector = collector(&["--refusals", "1"]);
    let gateway = Gateway::with_config(&config(bookstore(), collector.address(), "20%"));
    let mut connection = Connection::open(gateway.address()).await;
    for _ in 0..1000 {
        assert_eq!(connection.send("GET", "/v1/shelves", &[]).await.status(), 200);
    }
    let spans = spans(gateway, &mut collector);
    let roots = spans.iter().filter(|span| span["kind"] == "SPAN_KIND_SERVER").count();
    // Six times the standard deviation, sqrt(1000 * 0.2 * 0.8) = 12.6.
    assert!((124..=276).contains(&roots), "{roots}");
    assert_eq!(spans.len(), 3 * roots, "each with its decoding and its call");
    assert!(collector.printed().contains("refused"), "a batch that was refused was sent again");
}

#[tokio::test]
async fn a_collector_that_is_gone_or_hangs_does_no_harm() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // It takes connections, as the kernel does that for it, and never answers.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    for collector in [gone, hanging.local_addr().unwrap()] {
        let mut gateway = Gateway::with_config(&config(bookstore(), collector, "100%"));
        let mut connection = Connection::open(gateway.address()).await;
        let mut slowest = Duration::ZERO;
        for _ in 0..3000 {
            let start = Instant::now();
            assert_eq!(connection.send("GET", "/v1/shelves", &[]).await.status(), 200);
            slowest = slowest.max(start.elapsed());
        }
        // The batch that is being sent has 5 s.
        assert!(slowest < Duration::from_secs(4), "{slowest:?}");
        assert!(gateway.server().memory() < 200 << 20, "what waits is bounded");
        gateway.wait_for_log("the collector does not take spans");
        let stopping = Instant::now();
        gateway.server().terminate();
        assert_eq!(gateway.server().wait().code(), Some(0));
        let printed = gateway.server().finished();
        assert!(!printed.contains("panicked"), "{printed}");
        assert!(stopping.elapsed() < Duration::from_secs(20), "{:?}", stopping.elapsed());
    }
}
