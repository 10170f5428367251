//! Requests and answers that go on, sent and read piece by piece.

use std::convert::Infallible;
use std::future::Future;
use std::net::{Shutdown, SocketAddr};

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn;
use hyper::header::HOST;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

use super::client::{Answer, Version};

/// The body of a request that is being sent. Dropped, it ends.
pub(crate) struct Upload(mpsc::Sender<Bytes>);

impl Upload {
    /// Sends a piece as soon as the other side takes it; false when it takes no more.
    pub(crate) async fn send(&self, text: impl Into<Bytes>) -> bool {
        self.0.send(text.into()).await.is_ok()
    }
}

/// An answer that is being read. Dropped, it takes its connection with it.
pub(crate) struct Streaming {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    text: String,
    _connection: Connection,
}

/// Closes a connection when it is dropped, whatever holds on to its streams.
struct Connection(std::net::TcpStream);

impl Drop for Connection {
    fn drop(&mut self) {
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Streaming {
    /// A header, if it was sent and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The next line as JSON; nothing at the end.
    pub(crate) async fn line(&mut self) -> Option<Value> {
        loop {
            if let Some((line, rest)) = self.text.split_once('\n') {
                let value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
                self.text = rest.to_owned();
                return Some(value);
            }
            if !self.read().await {
                assert_eq!(self.text, "", "the answer ends in the middle of a line");
                return None;
            }
        }
    }

    /// All that comes until the end.
    pub(crate) async fn rest(mut self) -> String {
        while self.read().await {}
        self.text
    }

    /// All of it, with the trailers.
    pub(crate) async fn answer(self) -> Answer {
        let body = self.body.collect().await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or_default();
        let status = StatusCode::from_u16(self.status).unwrap();
        Answer { status, headers: self.headers, body: body.to_bytes(), trailers }
    }

    /// Whether the answer is cut off, not ended.
    pub(crate) async fn is_cut(&mut self) -> bool {
        while let Some(frame) = self.body.frame().await {
            if frame.is_err() {
                return true;
            }
        }
        false
    }

    async fn read(&mut self) -> bool {
        let Some(frame) = self.body.frame().await else { return false };
        let data = frame.unwrap().into_data().unwrap_or_default();
        self.text.push_str(std::str::from_utf8(&data).unwrap());
        true
    }
}

/// Begins a request with a body.
pub(crate) async fn upload(
    address: SocketAddr,
    version: Version,
    target: &str,
    headers: &[(&str, &str)],
) -> (Upload, impl Future<Output = Streaming> + use<>) {
    let (sender, receiver) = mpsc::channel(1);
    let body = StreamBody::new(ReceiverStream::new(receiver).map(|data| Ok(Frame::data(data))));
    (Upload(sender), start(address, version, "POST", target, headers, BodyExt::boxed(body)).await)
}

/// Sends a request without a body.
pub(crate) async fn get(
    address: SocketAddr,
    version: Version,
    target: &str,
    headers: &[(&str, &str)],
) -> Streaming {
    start(address, version, "GET", target, headers, Empty::new().boxed()).await.await
}

async fn start(
    address: SocketAddr,
    version: Version,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: BoxBody<Bytes, Infallible>,
) -> impl Future<Output = Streaming> + use<> {
    let uri = match version {
        Version::Http1 => target.to_owned(),
        Version::Http2 => format!("http://{address}{target}"),
    };
    let mut request = Request::builder().method(method).uri(uri);
    if matches!(version, Version::Http1) {
        request = request.header(HOST, address.to_string());
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body).unwrap();
    let stream = TcpStream::connect(address).await.unwrap().into_std().unwrap();
    stream.set_nodelay(true).unwrap();
    let connection = Connection(stream.try_clone().unwrap());
    let stream = TokioIo::new(TcpStream::from_std(stream).unwrap());
    let mut sending = JoinSet::new();
    match version {
        Version::Http1 => {
            let (mut sender, driver) = conn::http1::handshake(stream).await.unwrap();
            tokio::spawn(driver);
            sending.spawn(async move { sender.send_request(request).await });
        }
        Version::Http2 => {
            let (mut sender, driver) = conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            tokio::spawn(driver);
            sending.spawn(async move { sender.send_request(request).await });
        }
    }
    async move {
        let response = sending.join_next().await.unwrap().unwrap().unwrap();
        let (parts, body) = response.into_parts();
        let (status, headers) = (parts.status.as_u16(), parts.headers);
        Streaming { status, headers, body, text: String::new(), _connection: connection }
    }
}
