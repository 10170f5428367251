//! Handshakes that are refused, with ordinary answers of HTTP.

use super::raw::{Raw, handshake};
use super::*;
use crate::support::client::Version;

#[tokio::test]
async fn what_is_refused_before_there_is_a_socket() {
    let setting = Setting::new();
    let error = |code: u8, message: &str| json!({"code": code, "message": message, "details": []});
    let origin = "Scripts of the origin \"https://evil.example\" may not open this WebSocket. It must be one of `cors: \
                  {origins: [...]}` of the service.";
    let alone =
        "Offer transom.json or transom.proto beside the subprotocol bearer.TOKEN: it is never answered.";
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let table: [(&str, Headers<'_>, u16, Value); 5] = [
        ("/v1/nothing", &[], 404, error(12, "There is no method for a WebSocket at /v1/nothing.")),
        (
            "/ws/echo.v1.Echo/Nothing",
            &[],
            404,
            error(12, "There is no method for a WebSocket at /ws/echo.v1.Echo/Nothing."),
        ),
        ("/v1/chat/x", &[("origin", "https://evil.example")], 403, error(7, origin)),
        ("/v1/chat/x", &[("sec-websocket-protocol", "bearer.x")], 400, error(3, alone)),
        (
            "/v1/chat/x",
            &[("x-request-timeout", "soon")],
            400,
            error(3, "The header x-request-timeout is not valid: seconds are needed, such as 2.5."),
        ),
    ];
    for (target, headers, status, body) in table {
        let refusal = open(setting.address(), target, headers).await.unwrap_err();
        assert_eq!(refusal, Refusal(status, body), "{target} {headers:?}");
    }
    for target in ["/ws/echo.v1.Echo/Echo?nope=1", "/v1/chat/x?nope=1", "/v1/watch/x?count=many"] {
        let refusal = open(setting.address(), target, &[]).await.unwrap_err();
        assert_eq!((refusal.0, &refusal.1["code"]), (400, &json!(3)), "{target}: {refusal:?}");
    }
    // Problem details for whoever asks.
    let refusal =
        open(setting.address(), "/v1/nothing", &[("accept", "application/problem+json")]).await.unwrap_err();
    assert_eq!(refusal.1["title"], "Not Found");
    setting.is_alive().await;
}

#[tokio::test]
async fn handshakes_that_are_wrong() {
    let setting = Setting::new();
    let right = handshake("/v1/chat/x", "");
    for (request, status, header) in [
        (right.replace("GET ", "POST "), "405 ", "allow: GET\r\n"),
        (right.replace("Version: 13", "Version: 12"), "426 ", "sec-websocket-version: 13\r\n"),
        (right.replace("dGhlIHNhbXBsZSBub25jZQ==", "short"), "400 ", ""),
        (right.replace("Connection: Upgrade\r\n", ""), "400 ", ""),
        (handshake("/v1/chat/x", "Content-Length: 2\r\n"), "400 ", ""),
        (handshake("/v1/chat/x", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), "400 ", ""),
        (right.replace("Host: a\r\n", ""), "400 ", ""),
        ("GET /ws/echo.v1.Echo/Echo HTTP/1.1\r\nHost: a\r\n\r\n".into(), "426 ", "upgrade: websocket\r\n"),
        ("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n".into(), "501 ", ""),
    ] {
        let (_, answer) = Raw::ask(setting.address(), &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}{answer}");
        assert!(answer.contains(header), "{request}{answer}");
    }
    // An upgrade to something else is not looked at.
    let request = "GET /v1/echo/x HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n";
    let (_, answer) = Raw::ask(setting.address(), request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let answer =
        client::send(setting.address(), Version::Http2, "GET", "/ws/echo.v1.Echo/Echo", &[], "").await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn origins_and_dialects_are_settings_of_the_service() {
    let backend = backend::python_server("tests/python/echo_server.py");
    let gateway = Gateway::with_config(&format!(
        "{}upstreams: {{echo: 'http://{}'}}\nservices:\n- {{service: echo.v1.Echo, cors: {{origins: ['https://shop.example']}}}}\n\
         - {{service: echo.v1.Streams, dialects: [rest]}}\n",
        Gateway::ANY_PORT,
        backend.address()
    ));
    let (address, target) = (gateway.address(), "/v1/echo/x");
    assert!(open(address, target, &[("origin", "https://shop.example")]).await.is_ok());
    // A page that came from the gateway itself.
    assert!(open(address, target, &[("origin", &format!("http://{address}"))]).await.is_ok());
    assert_eq!(open(address, target, &[("origin", "https://shop.example.evil")]).await.unwrap_err().0, 403);
    for target in ["/ws/echo.v1.Streams/Chat", "/v1/chat/x"] {
        assert_eq!(open(address, target, &[]).await.unwrap_err().0, 404);
    }
}

#[tokio::test]
async fn the_subprotocol_is_answered() {
    let setting = Setting::new();
    for (offered, chosen) in [
        (None, None),
        (Some("bearer.x, transom.json"), Some("transom.json")),
        (Some("transom.proto, transom.json"), Some("transom.proto")),
    ] {
        let headers: Vec<_> = offered.iter().map(|offered| ("sec-websocket-protocol", *offered)).collect();
        let (_, answer) = open(setting.address(), "/v1/chat/x", &headers).await.unwrap();
        assert_eq!(answer.status(), 101);
        assert_eq!(answer.headers().get("sec-websocket-protocol").map(|name| name.to_str().unwrap()), chosen);
        assert!(!answer.headers().contains_key("sec-websocket-extensions"));
    }
}
