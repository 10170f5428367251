//! Over HTTP/2 (RFC 8441), and over TLS.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::support::authority::Authority;

/// A connection whose server has said that it serves WebSockets.
async fn connect(address: SocketAddr) -> http2::SendRequest<Empty<Bytes>> {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    // Its settings come before the first answer.
    let request = Request::get(format!("http://{address}/v1/echo/x")).body(Empty::new()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
    sender
}

fn request(address: SocketAddr, target: &str, protocol: &'static str) -> Request<Empty<Bytes>> {
    let request = Request::connect(format!("http://{address}{target}")).header("sec-websocket-version", "13");
    request.extension(Protocol::from_static(protocol)).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn many_sockets_on_one_connection() {
    let setting = Setting::new();
    let mut sender = connect(setting.address()).await;
    let mut sockets = Vec::new();
    for number in 0..20 {
        let mut request = request(setting.address(), &format!("/v1/chat/h2-{number}"), "websocket");
        request.headers_mut().insert("sec-websocket-protocol", "transom.json".parse().unwrap());
        let response = sender.send_request(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["sec-websocket-protocol"], "transom.json");
        assert!(!response.headers().contains_key("sec-websocket-accept"));
        let stream = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        sockets.push(WebSocketStream::from_raw_socket(stream, Role::Client, None).await);
    }
    for round in 1..=10 {
        for (number, socket) in sockets.iter_mut().enumerate() {
            socket.send(Message::text(json!({"text": format!("{number}")}).to_string())).await.unwrap();
        }
        for (number, socket) in sockets.iter_mut().enumerate() {
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else { panic!("no text") };
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(answer, json!({"number": round, "text": number.to_string()}));
        }
    }
    // A large message, in both directions.
    let content = "z".repeat(500_000);
    sockets[0].send(Message::text(json!({"text": content}).to_string())).await.unwrap();
    let Message::Text(text) = sockets[0].next().await.unwrap().unwrap() else { panic!("no text") };
    assert_eq!(text.len(), json!({"number": 11, "text": content}).to_string().len());
    for mut socket in sockets.drain(..10) {
        socket.send(Message::text("")).await.unwrap();
        assert_eq!(rest(&mut socket).await, (vec![], closed(1000, "")));
    }
    drop(sockets);
    setting.reaches("CANCELLED", "h2-10").await;
    setting.is_alive().await;
}

#[tokio::test]
async fn what_is_no_socket_is_refused_over_http2() {
    let setting = Setting::new();
    let mut sender = connect(setting.address()).await;
    let address = setting.address();
    assert_eq!(
        sender.send_request(request(address, "/v1/nothing", "websocket")).await.unwrap().status(),
        404
    );
    assert_eq!(
        sender.send_request(request(address, "/v1/chat/x", "connect-udp")).await.unwrap().status(),
        501
    );
    let mut old = request(address, "/v1/chat/x", "websocket");
    old.headers_mut().insert("sec-websocket-version", "8".parse().unwrap());
    assert_eq!(sender.send_request(old).await.unwrap().status(), 426);
    let ordinary = Request::get(format!("http://{address}/v1/echo/x")).body(Empty::new()).unwrap();
    assert_eq!(sender.send_request(ordinary).await.unwrap().status(), 200, "the connection goes on");
}

#[tokio::test]
async fn over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Test authority");
    let ca = authority.write(folder.path(), "ca");
    authority.issue(&["localhost"]).write(folder.path(), "server");
    let backend = backend::python_server("tests/python/echo_server.py");
    let gateway = Gateway::with_config(&format!(
        "listeners: [{{address: '127.0.0.1:0', tls: {{certificate: {0}/server.crt, key: {0}/server.key}}}}]\n\
         upstreams: {{echo: 'http://{1}'}}\nservices: ['**']\n",
        folder.path().display(),
        backend.address()
    ));
    let mut roots = RootCertStore::empty();
    for certificate in rustls::pki_types::pem::PemObject::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let connector = TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()));
    let stream = TcpStream::connect(gateway.address()).await.unwrap();
    let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let (mut socket, _) = client_async("wss://localhost/v1/chat/tls", stream).await.unwrap();
    for content in ["a".to_owned(), "b".repeat(300_000)] {
        socket.send(Message::text(json!({"text": content}).to_string())).await.unwrap();
        let Message::Text(text) = socket.next().await.unwrap().unwrap() else { panic!("no text") };
        assert!(text.contains(&content));
    }
    socket.send(Message::text("")).await.unwrap();
    assert_eq!(rest(&mut socket).await, (vec![], closed(1000, "")));
}
