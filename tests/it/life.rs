//! The process: how it stops.

use serde_json::json;

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
