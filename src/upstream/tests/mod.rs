//! Calls against real backends on loopback sockets: a tonic server, and raw `h2` servers that
//! misbehave on purpose.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::{Connection, SendResponse};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};

use crate::call::service::CallService;
use crate::call::{Body, Call, Dialect, Encodings, Method, Origin, Reply};
use crate::status::{Code, Status};

use super::channel::Channel;
use super::settings::Settings;
use super::target::Target;

mod adaptive;
mod balancing;
mod failing;
mod faults;
mod hedged;
mod life;
mod moving;
mod peers;
mod reflected;
mod resolving;
mod streams;

type Stream = (Request<RecvStream>, SendResponse<Bytes>);

async fn listen() -> (TcpListener, Target) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    (listener, target)
}

/// A target where nobody listens.
async fn dead() -> Target {
    listen().await.1
}

async fn handshake(socket: TcpStream) -> Connection<TcpStream, Bytes> {
    h2::server::handshake(socket).await.unwrap()
}

/// A backend that lets `handler` answer each stream.
async fn backend<F>(handler: impl Fn(Stream) -> F + Clone + Send + 'static) -> Target
where
    F: Future<Output = ()> + Send + 'static,
{
    backend_with(h2::server::Builder::new(), handler).await
}

async fn backend_with<F>(
    builder: h2::server::Builder,
    handler: impl Fn(Stream) -> F + Clone + Send + 'static,
) -> Target
where
    F: Future<Output = ()> + Send + 'static,
{
    let (listener, target) = listen().await;
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (builder, handler) = (builder.clone(), handler.clone());
            tokio::spawn(async move {
                let mut connection = builder.handshake(socket).await.unwrap();
                while let Some(Ok(stream)) = connection.accept().await {
                    tokio::spawn(handler(stream));
                }
            });
        }
    });
    target
}

/// The gRPC frame of a message.
fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), message].concat().into()
}

/// The message of a frame that holds one.
fn unframe(frame: &[u8]) -> &[u8] {
    let (prefix, message) = frame.split_at(5);
    assert_eq!(prefix, [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes()].concat());
    message
}

pub(super) fn fields(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |&(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
    };
    pairs.iter().map(pair).collect()
}

fn head() -> Response<()> {
    Response::builder().header("content-type", "application/grpc").body(()).unwrap()
}

async fn read_all(body: &mut RecvStream) -> Bytes {
    let mut all = Vec::new();
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).unwrap();
        all.extend_from_slice(&data);
    }
    all.into()
}

/// Answers with the request's own message.
async fn echo((request, mut respond): Stream) {
    let frame = read_all(&mut request.into_body()).await;
    let mut send = respond.send_response(head(), false).unwrap();
    send.send_data(frame, false).unwrap();
    send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
}

/// Waits for something that is not told.
async fn until(is_so: impl Fn() -> bool) {
    let start = tokio::time::Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn channel(targets: Vec<Target>) -> Channel {
    Channel::new("shop", targets, Settings::default(), 0)
}

fn method() -> Method {
    Method {
        meter: Default::default(),
        path: "/shop.Echo/Say".parse().unwrap(),
        client_streaming: false,
        server_streaming: false,
        idempotent: false,
        safe: false,
    }
}

pub(super) fn request(message: impl Into<Bytes>) -> Call {
    Call {
        method: Arc::new(method()),
        origin: Origin::new(Dialect::Rest, "/v1/say".into()),
        metadata: HeaderMap::new(),
        deadline: None,
        encodings: Encodings::default(),
        trace: None,
        body: Body::Message(message.into().into()),
    }
}

async fn ask(channel: &Channel, message: impl Into<Bytes>) -> Reply {
    tokio::time::timeout(Duration::from_secs(20), channel.call(request(message)))
        .await
        .expect("a call ends within its deadline")
}

/// The status of a call that must fail.
async fn refused(channel: &Channel) -> Status {
    let reply = ask(channel, "hello").await;
    assert!(!reply.status.is_ok());
    assert!(reply.message.bytes.is_empty());
    reply.status
}

#[track_caller]
fn assert_status(status: &Status, code: Code, http: u16, text: &str) {
    assert_eq!((status.code(), status.http(), status.message()), (code, http, text));
}

#[track_caller]
fn assert_echo(reply: &Reply, message: &[u8]) {
    assert!(reply.status.is_ok(), "{}", reply.status);
    assert_eq!(reply.message.bytes, message);
}
