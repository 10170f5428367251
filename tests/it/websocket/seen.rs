//! What is told about sockets: the access log, metrics, routes.

use super::*;
use crate::support::gateway::transom;
use crate::support::process::run;

#[tokio::test]
async fn a_line_at_the_opening_and_one_at_the_end() {
    let setting = Setting::with("telemetry: {access_log: json}");
    let mut socket =
        setting.open("/v1/chat/logged?access_token=secret", &[("x-request-id", "socket-1")]).await;
    setting.gateway.wait_for_log("\"websocket\":\"open\"");
    send(&mut socket, json!({"text": "a"})).await;
    next(&mut socket).await;
    end(&mut socket).await;
    assert_eq!(rest(&mut socket).await.1, closed(1000, ""));
    setting.gateway.wait_for_log("\"websocket\":\"1000\"");
    let log = setting.gateway.log();
    let lines: Vec<Value> = log
        .lines()
        .filter(|line| line.contains("socket-1") && line.contains("bytes_in"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told = |line: &Value| {
        ["method", "path", "route", "status", "code", "dialect", "bytes_in", "bytes_out", "rpc", "websocket"]
            .map(|name| line[name].clone())
    };
    let expected = |received: usize, sent: usize, state: &str| {
        [
            json!("GET"),
            json!("/v1/chat/logged"),
            json!("/v1/chat/{id}"),
            json!(101),
            json!("OK"),
            json!("websocket"),
            json!(received),
            json!(sent),
            json!("echo.v1.Streams/Chat"),
            json!(state),
        ]
    };
    assert_eq!(lines.len(), 2, "{log}");
    assert_eq!(told(&lines[0]), expected(0, 0, "open"));
    // {"text":"a"} came; number and text went in five bytes.
    assert_eq!(told(&lines[1]), expected(12, 5, "1000"));
    assert!(!log.contains("secret"), "{log}");
    // One that is lost.
    drop(setting.open("/v1/chat/lost", &[]).await);
    setting.gateway.wait_for_log("\"websocket\":\"1006\"");
}

#[tokio::test]
async fn sockets_messages_and_codes_are_counted() {
    let setting = Setting::with("admin: {address: '127.0.0.1:0'}");
    let admin = {
        setting.gateway.wait_for_log("operators are listened to");
        let log = setting.gateway.log();
        let line = log.lines().find(|line| line.contains("operators are listened to")).unwrap();
        let line: Value = serde_json::from_str(line).unwrap();
        line["address"].as_str().unwrap().parse::<SocketAddr>().unwrap()
    };
    let metric = |name: &'static str| async move {
        let text = client::get(admin, "/metrics").await.body;
        let text = String::from_utf8(text.to_vec()).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in {text}")).parse::<u64>().unwrap()
    };
    let mut socket = setting.open("/v1/chat/counted", &[]).await;
    send(&mut socket, json!({})).await;
    next(&mut socket).await;
    assert_eq!(metric("transom_websockets").await, 1);
    assert_eq!(metric("transom_streams").await, 1);
    end(&mut socket).await;
    rest(&mut socket).await;
    let (_, close) = setting.talk("/ws/echo.v1.Echo/Fail", &[json!({"status": {"code": 5}})]).await;
    assert_eq!(close.unwrap().0, 4005);
    assert_eq!(metric(r#"transom_websocket_messages_total{direction="received"}"#).await, 2);
    assert_eq!(metric(r#"transom_websocket_messages_total{direction="sent"}"#).await, 1);
    assert_eq!(metric(r#"transom_websocket_closes_total{code="1000"}"#).await, 1);
    assert_eq!(metric(r#"transom_websocket_closes_total{code="4005"}"#).await, 1);
    assert_eq!(metric(r#"transom_websocket_closes_total{code="1012"}"#).await, 0);
}

#[tokio::test]
async fn routes_say_where_sockets_are_opened() {
    let backend = backend::bookstore();
    let upstream = format!("http://{backend}");
    let output = run(transom(&["routes", "--json"]).args(["--upstream", &upstream]));
    let routes: Value = serde_json::from_slice(&output.stdout).unwrap();
    let route =
        routes.as_array().unwrap().iter().find(|route| route["path"] == "/v1/books:recommend").unwrap();
    assert_eq!(route["websocket"], "/ws/bookstore.v1.Bookstore/RecommendBooks");
    assert!(route["dialects"].as_array().unwrap().contains(&json!("websocket")));
}
