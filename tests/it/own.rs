//! What the gateway answers itself, health and reflection, to clients that others wrote.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::backend;
use crate::support::client::{self, Version};
use crate::support::gateway::Gateway;
use crate::support::process::{Server, python, run};
use crate::support::root;

/// A gateway in front of the echo server, of which one service is exposed.
struct Setting {
    gateway: Gateway,
    backend: Server,
}

impl Setting {
    fn with(more: &str) -> Self {
        let backend = backend::python_server("tests/python/echo_server.py");
        let upstreams = format!("upstreams: {{echo: \"http://{}\"}}\n", backend.address());
        let gateway = Gateway::with_config(&format!("{}{upstreams}{more}", Gateway::ANY_PORT));
        Self { gateway, backend }
    }
}

fn buf(arguments: &[&str], url: &str) -> Command {
    let mut buf = Command::new(root().join(".venv/bin/buf"));
    buf.arg("curl").args(arguments).arg(url);
    buf
}

fn said(mut command: Command) -> String {
    String::from_utf8(run(&mut command).stdout).unwrap()
}

/// Calls a method with Connect and JSON.
async fn call(address: SocketAddr, method: &str, body: &str) -> (u16, Value) {
    let headers = [("content-type", "application/json")];
    let answer =
        client::send(address, Version::Http1, "POST", &format!("/{method}"), &headers, body.to_owned()).await;
    (answer.status.as_u16(), answer.json())
}

const CHECK: &str = "grpc.health.v1.Health/Check";

#[test]
fn grpcio_learns_health_and_descriptors() {
    let setting = Setting::with("services: [echo.v1.Echo]\n");
    run(python("tests/python/own_client.py").arg(setting.gateway.address().to_string()));
}

#[test]
fn buf_curl_needs_no_schema_in_any_protocol() {
    let setting = Setting::with("services: [echo.v1.Echo]\n");
    for protocol in ["connect", "grpc", "grpcweb"] {
        let common = ["--protocol", protocol, "--http2-prior-knowledge"];
        for reflection in ["grpc-v1", "grpc-v1alpha"] {
            let with =
                |more: &[&'static str]| [&common[..], &["--reflect-protocol", reflection], more].concat();
            let url = setting.gateway.url("");
            let services = said(buf(&with(&["--list-services"]), &url));
            let services: Vec<_> = services.split_whitespace().collect();
            let expected = [
                "echo.v1.Echo",
                "grpc.health.v1.Health",
                "grpc.reflection.v1.ServerReflection",
                "grpc.reflection.v1alpha.ServerReflection",
            ];
            assert_eq!(services, expected, "{protocol} {reflection}");
            let methods = said(buf(&with(&["--list-methods"]), &url));
            for method in ["echo.v1.Echo/Echo", "grpc.health.v1.Health/Watch"] {
                assert!(methods.split_whitespace().any(|listed| listed == method), "{methods}");
            }
            let data = ["--data", r#"{"string": "a"}"#];
            let answer = said(buf(&with(&data), &setting.gateway.url("/echo.v1.Echo/Echo")));
            assert_eq!(answer.split_whitespace().collect::<String>(), r#"{"string":"a"}"#);
        }
        let answer = said(buf(&common, &setting.gateway.url(&format!("/{CHECK}"))));
        assert_eq!(answer.split_whitespace().collect::<String>(), r#"{"status":"SERVING"}"#, "{protocol}");
    }
}

#[tokio::test]
async fn what_is_switched_off_is_not_there() {
    let setting = Setting::with("services: [\"**\"]\ngrpc: {reflection: false}\n");
    let address = setting.gateway.address();
    assert_eq!(call(address, CHECK, "{}").await, (200, json!({"status": "SERVING"})));
    let listed = call(address, "grpc.health.v1.Health/List", "{}").await;
    assert_eq!(listed, (200, json!({"statuses": {"": {"status": "SERVING"}}})));
    let list = ["--protocol", "grpc", "--http2-prior-knowledge", "--list-services"];
    assert!(!buf(&list, &setting.gateway.url("")).output().unwrap().status.success());
    let path = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    assert_eq!(call(address, path, "{}").await.0, 404);

    let setting = Setting::with("services: [\"**\"]\ngrpc: {health: false}\n");
    assert_eq!(call(setting.gateway.address(), CHECK, "{}").await.0, 404);
}

/// The echo server tells its health as a whole and not that of its services: what it says of one shows who was asked.
#[tokio::test]
async fn a_backends_own_health_is_exposed_by_name() {
    let setting = Setting::with("services: [\"**\", grpc.health.v1.Health]\n");
    let address = setting.gateway.address();
    assert_eq!(call(address, CHECK, "{}").await, (200, json!({"status": "SERVING"})));
    let (status, json) = call(address, CHECK, r#"{"service": "echo.v1.Echo"}"#).await;
    assert_eq!((status, &json["code"]), (404, &json!("not_found")));
}

/// The inner gateway tells the outer one what it serves.
#[tokio::test]
async fn a_gateway_stands_in_front_of_a_gateway() {
    let inner = Setting::with("services: [echo.v1.Echo]\n");
    let outer = Gateway::in_front_of(&[inner.gateway.address()]);
    let answer = call(outer.address(), "echo.v1.Echo/Echo", r#"{"string": "through both"}"#).await;
    assert_eq!(answer, (200, json!({"string": "through both"})));
    run(python("tests/python/own_client.py").arg(outer.address().to_string()));
}

/// What a backend does shows once somebody has called it.
#[tokio::test]
async fn a_backend_that_is_away_shows_for_its_services_alone() {
    let setting = Setting::with("services: [echo.v1.Echo]\n");
    let address = setting.gateway.address();
    let of = async |service: &str| call(address, CHECK, &format!(r#"{{"service": "{service}"}}"#)).await;
    assert_eq!(of("echo.v1.Echo").await, (200, json!({"status": "SERVING"})));
    drop(setting.backend);
    let until = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while of("echo.v1.Echo").await != (200, json!({"status": "NOT_SERVING"})) {
        assert_eq!(call(address, "echo.v1.Echo/Echo", "{}").await.0, 503);
        assert!(tokio::time::Instant::now() < until, "it still is said to be served");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(of("").await, (200, json!({"status": "SERVING"})));
}

/// Who watches is told before the end, and holds nobody up.
#[test]
fn a_watcher_sees_the_end_and_does_not_delay_it() {
    let more = "services: [echo.v1.Echo]\nhttp: {drain_delay: 300ms, drain_timeout: 10m}\n";
    let mut setting = Setting::with(more);
    let address = setting.gateway.address().to_string();
    let mut watcher = python("tests/python/own_client.py");
    watcher.args([&address, "--watch"]);
    let watcher = Server::start(watcher, |line| (line == "SERVING").then(|| ([127, 0, 0, 1], 0).into()));
    setting.gateway.server().terminate();
    assert_eq!(setting.gateway.server().wait().code(), Some(0));
    watcher.wait_for("UNAVAILABLE");
    let lines: Vec<_> = watcher.printed().split_whitespace().map(str::to_owned).collect();
    assert_eq!(lines, ["SERVING", "NOT_SERVING", "UNAVAILABLE"]);
}
