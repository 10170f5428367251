//! A small HTTP client that changes nothing on the way.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn;
use hyper::header::HOST;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;

/// The version of HTTP to speak.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Version {
    Http1,
    /// Without TLS, by prior knowledge.
    Http2,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{} answers no JSON ({error}): {:?}", self.status, self.body))
    }

    /// A header, if it was sent and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sends one request over a new connection.
pub(crate) async fn send(
    address: SocketAddr,
    version: Version,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let uri = match version {
        Version::Http1 => target.to_owned(),
        Version::Http2 => format!("http://{address}{target}"),
    };
    let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(uri);
    if matches!(version, Version::Http1) {
        request = request.header(HOST, address.to_string());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into())).unwrap();

    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let response = match version {
        Version::Http1 => {
            let (mut sender, connection) = conn::http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await
        }
        Version::Http2 => {
            let (mut sender, connection) =
                conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await
        }
    };
    let (parts, body) = response.unwrap().into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned().unwrap_or_default();
    Answer { status: parts.status, headers: parts.headers, body: body.to_bytes(), trailers }
}

/// Sends a request with a JSON body over HTTP/1.1.
pub(crate) async fn post(address: SocketAddr, target: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json")];
    send(address, Version::Http1, "POST", target, &headers, body.to_string()).await
}

/// Asks for something, to be aborted before the answer is there: the connection ends with the task.
pub(crate) async fn get_and_leave(address: SocketAddr, target: &'static str) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("GET {target} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
    let _ = stream.read(&mut [0]).await;
}

/// Reads something over HTTP/1.1.
pub(crate) async fn get(address: SocketAddr, target: &str) -> Answer {
    send(address, Version::Http1, "GET", target, &[], Bytes::new()).await
}
