//! The process: its signals, its log, and how it stops.

use serde_json::{Value, json};

use crate::support::gateway::Gateway;
use crate::support::{backend, client};

#[tokio::test]
async fn sigterm_loses_no_call() {
    let backend = backend::python_server("tests/python/echo_server.py");
    let mut gateway = Gateway::in_front_of(&[backend.address()]);
    let address = gateway.address();
    let call = tokio::spawn(async move { client::get(address, "/v1/wait/last?time=2s").await });
    let answer = client::get(address, "/v1/await/STARTED/last").await;
    assert_eq!(answer.json(), json!({"reached": true}));

    gateway.server().terminate();
    let answer = call.await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({})));
    assert_eq!(gateway.server().wait().code(), Some(0));
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[test]
fn every_line_of_the_log_is_json_when_asked() {
    let mut gateway = Gateway::in_front_of(&[backend::bookstore()]);
    gateway.server().terminate();
    gateway.server().wait();
    gateway.wait_for_log("stopping");
    let printed = gateway.server().printed();
    let records: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    let told = |text: &str| records.iter().any(|record| record["message"].as_str() == Some(text));
    assert!(told("listening") && told("stopping: calls in flight may finish"), "{printed}");
}

#[tokio::test]
async fn what_a_caller_may_not_read_is_in_the_log_under_the_name_it_gets() {
    let backend = backend::python_server("tests/python/echo_server.py");
    let mut gateway = Gateway::in_front_of(&[backend.address()]);
    let debug = json!({"@type": "type.googleapis.com/google.rpc.DebugInfo", "stackEntries": ["A.java:1"]});
    let status = json!({"status": {"code": 2, "message": "null at A.java\nforged line", "details": [debug]}});
    let answer = client::post(gateway.address(), "/v1/fail", &status).await;
    assert_eq!(answer.json(), json!({"code": 2, "message": "The backend failed.", "details": []}));
    let id = answer.header("x-request-id").unwrap().to_owned();
    gateway.wait_for_log(&id);
    let printed = gateway.server().printed();
    let record: Value =
        serde_json::from_str(printed.lines().find(|line| line.contains(&id)).unwrap()).unwrap();
    assert_eq!(record["status"], "UNKNOWN: null at A.java\nforged line");
    assert_eq!(record["method"], "echo.v1.Echo/Fail");
    assert!(record["details"].as_str().unwrap().contains("A.java:1"), "{record}");
}
