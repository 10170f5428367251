//! The least that a proxy built on hyper must do: HTTP/1.1 in, HTTP/1.1 out, bytes passed on as they come. It has
//! no routes, no limits and no pool: each connection of a client has its own to the backend.
//!
//! `passthrough ADDRESS BACKEND-ADDRESS`

#![allow(missing_docs, clippy::unwrap_used, reason = "a part of a benchmark, never shipped")]

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, backend] = &arguments[..] else {
        return Err("passthrough ADDRESS BACKEND-ADDRESS".into());
    };
    let backend: SocketAddr = backend.parse()?;
    let listener = TcpListener::bind(address.parse::<SocketAddr>()?).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, backend));
    }
}

async fn serve(stream: TcpStream, backend: SocketAddr) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let upstream = Arc::new(Mutex::new(None));
    let service = service_fn(move |request| forward(request, Arc::clone(&upstream), backend));
    Ok(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?)
}

/// Requests of one connection come one after the other, so that the lock is always free.
async fn forward(
    request: Request<Incoming>,
    upstream: Arc<Mutex<Option<SendRequest<Incoming>>>>,
    backend: SocketAddr,
) -> Result<Response<Incoming>, Failure> {
    let mut upstream = upstream.lock().await;
    let sender = match &mut *upstream {
        Some(sender) if !sender.is_closed() => sender,
        closed => closed.insert(connect(backend).await?),
    };
    sender.ready().await?;
    Ok(sender.send_request(request).await?)
}

async fn connect(backend: SocketAddr) -> Result<SendRequest<Incoming>, Failure> {
    let stream = TcpStream::connect(backend).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
