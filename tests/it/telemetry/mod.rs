//! What the gateway tells about itself: metrics, the access log, traces, the level of the log.

mod access_log;
mod log_levels;
mod metrics;
mod operations;
pub(crate) mod scrape;
mod traces;

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::HOST;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// An HTTP/1.1 connection for many requests, one after the other.
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    address: SocketAddr,
}

impl Connection {
    async fn open(address: SocketAddr) -> Self {
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (sender, driver) = handshake(stream).await.unwrap();
        tokio::spawn(driver);
        Self { sender, address }
    }

    /// Sends a request and reads the answer.
    async fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
        let mut request =
            Request::builder().method(method).uri(target).header(HOST, self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await.unwrap();
        let response = self.sender.send_request(request.body(Empty::new()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }
}
