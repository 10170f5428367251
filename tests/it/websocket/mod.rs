//! WebSockets through the real binary: tungstenite as the client, and one that writes frames as no library does.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::support::backend;
use crate::support::client;
use crate::support::gateway::Gateway;
use crate::support::process::Server;

mod bounds;
mod calls;
mod frames;
mod handshakes;
mod http2;
mod life;
mod raw;
mod seen;

/// A gateway in front of the echo server of `tests/python`.
struct Setting {
    gateway: Gateway,
    _backend: Server,
}

impl Setting {
    fn new() -> Self {
        Self::with("")
    }

    /// With more of the configuration.
    fn with(more: &str) -> Self {
        let backend = backend::python_server("tests/python/echo_server.py");
        let config = format!(
            "{}{more}\nupstreams: {{echo: 'http://{}'}}\nservices: ['**']\n",
            Gateway::ANY_PORT,
            backend.address()
        );
        Self { gateway: Gateway::with_config(&config), _backend: backend }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Opens a socket that must open.
    async fn open(&self, target: &str, headers: &[(&str, &str)]) -> Socket {
        open(self.address(), target, headers)
            .await
            .unwrap_or_else(|refusal| panic!("{target}: {refusal:?}"))
            .0
    }

    /// Sends messages on a new socket and reads to its end.
    async fn talk(&self, target: &str, messages: &[Value]) -> Conversation {
        let mut socket = self.open(target, &[]).await;
        for message in messages {
            socket.send(Message::text(message.to_string())).await.unwrap();
        }
        rest(&mut socket).await
    }

    /// Waits until the call of this name has come so far at the backend.
    async fn reaches(&self, state: &str, id: &str) {
        let answer = client::get(self.address(), &format!("/v1/await/{state}/{id}")).await.json();
        assert_eq!(answer["reached"], true, "{id} is not {state}");
    }

    /// Fails unless a socket is served.
    async fn is_alive(&self) {
        let (messages, end) = self.talk("/v1/echo/alive", &[]).await;
        assert_eq!((messages, end), (vec![json!({"string": "alive"})], Some((1000, String::new()))));
    }
}

type Socket = WebSocketStream<TcpStream>;

/// The messages as JSON, and the code and reason of the close frame.
type Conversation = (Vec<Value>, Option<(u16, String)>);

/// An answer in place of a socket: the status and the text of the error.
#[derive(Debug, PartialEq)]
struct Refusal(u16, Value);

type Opened = (Socket, http::Response<Option<Vec<u8>>>);

async fn open(address: SocketAddr, target: &str, headers: &[(&str, &str)]) -> Result<Opened, Refusal> {
    let mut request = format!("ws://{address}{target}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().append(
            http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            http::HeaderValue::from_str(value).unwrap(),
        );
    }
    let stream = TcpStream::connect(address).await.unwrap();
    match client_async(request, stream).await {
        Ok(opened) => Ok(opened),
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
            Err(Refusal(response.status().as_u16(), json))
        }
        Err(error) => panic!("{target}: {error}"),
    }
}

async fn send(socket: &mut Socket, message: Value) {
    socket.send(Message::text(message.to_string())).await.unwrap();
}

/// The client sends no more messages.
async fn end(socket: &mut Socket) {
    socket.send(Message::text("")).await.unwrap();
}

/// The next message.
async fn next(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?} in place of a message"),
        }
    }
}

/// What comes up to the end.
async fn rest<S>(socket: &mut WebSocketStream<S>) -> Conversation
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let (mut messages, mut close) = (Vec::new(), None);
    while let Some(message) = socket.next().await {
        match message {
            Ok(Message::Text(text)) => messages.push(serde_json::from_str(&text).unwrap()),
            Ok(Message::Close(frame)) => {
                close = frame.map(|CloseFrame { code, reason }| (code.into(), reason.to_string()));
            }
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => break,
            Err(error) => panic!("{error} after {messages:?}"),
        }
    }
    (messages, close)
}

/// The frame before the close of a call that failed.
fn error(code: u8, message: &str) -> Value {
    let kind = "type.googleapis.com/google.rpc.Status";
    json!({"error": {"@type": kind, "code": code, "message": message, "details": []}})
}

fn closed(code: u16, reason: &str) -> Option<(u16, String)> {
    Some((code, reason.to_owned()))
}
