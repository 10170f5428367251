//! httpx, whose clients keep pools of connections over HTTP/1.1 and HTTP/2, while configurations change.

use serde_json::{Value, json};

use super::{Setting, eventually};
use crate::support::backend;
use crate::support::process::{Server, python};

#[tokio::test]
async fn reloads_lose_no_call_and_no_stream_of_httpx() {
    const RELOADS: usize = 20;
    let backend = backend::python_server("tests/python/echo_server.py");
    let config = |number: usize| {
        format!(
            "upstreams: {{echo: \"http://{}\"}}\nservices: [\"**\"]\nreload: {{files: 1h}}\n\
             routes: [{{path: /number/{number}, method: GET, call: echo.v1.Echo/Echo}}]\n",
            backend.address()
        )
    };
    let setting = Setting::new(&config(0));
    let mut command = python("tests/python/reload_clients.py");
    command.arg(format!("http://{}", setting.address()));
    command.args(["--call", "/v1/echo/httpx", "--stream", "/v1/watch/httpx?count=200&size=100"]);
    command.args(["--messages", "200"]);
    let mut clients = Server::start(command, |line| line.strip_prefix("asking ")?.parse().ok());
    let streams = || clients.printed().matches("a stream ended well").count();
    for number in 1..=RELOADS {
        setting.write(&config(number));
        let (status, answer) = setting.reload().await;
        assert_eq!((status, &answer["generation"]), (200, &json!(number + 1)), "{answer}");
        let before = streams();
        // Two that may have begun before it, and two that have not.
        eventually("streams go on", async || streams() >= before + 4).await;
    }
    assert_eq!(setting.status(&format!("/number/{RELOADS}")).await, 200);
    clients.terminate();
    let printed = clients.finished();
    assert_eq!(clients.wait().code(), Some(0), "{printed}");
    let seen: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert_eq!(seen["failures"], json!([]), "{seen}");
    assert!(seen["calls"].as_u64().unwrap() > seen["streams"].as_u64().unwrap(), "{seen}");
    // Six threads have a connection each: none was ended by a reload.
    assert!(seen["connections"].as_u64().unwrap() <= 6, "{seen}");
}
