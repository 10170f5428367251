//! The least that a proxy built on hyper must do: HTTP/1.1 in, HTTP/1.1 out, and HTTP/2 in, HTTP/2 out, bytes passed
//! on as they come. It has no routes, no limits and no pool: each connection of a client over HTTP/1.1 has its own to
//! the backend, all over HTTP/2 share one.
//!
//! `passthrough ADDRESS BACKEND-ADDRESS HTTP2-ADDRESS HTTP2-BACKEND-ADDRESS`

#![allow(missing_docs, clippy::unwrap_used, reason = "a part of a benchmark, never shipped")]

use std::net::SocketAddr;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, backend, http2_address, http2_backend] = &arguments[..] else {
        return Err("passthrough ADDRESS BACKEND-ADDRESS HTTP2-ADDRESS HTTP2-BACKEND-ADDRESS".into());
    };
    let (backend, http2_backend): (SocketAddr, SocketAddr) = (backend.parse()?, http2_backend.parse()?);
    let listener = TcpListener::bind(address.parse::<SocketAddr>()?).await?;
    let http2_listener = TcpListener::bind(http2_address.parse::<SocketAddr>()?).await?;
    let shared = Arc::new(Mutex::new(None));
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                tokio::spawn(serve(accepted?.0, backend));
            }
            accepted = http2_listener.accept() => {
                tokio::spawn(serve_http2(accepted?.0, Arc::clone(&shared), http2_backend));
            }
        }
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

/// The connection to the backend over HTTP/2, once there is one.
type Shared = Arc<Mutex<Option<http2::SendRequest<Incoming>>>>;

async fn serve_http2(stream: TcpStream, upstream: Shared, backend: SocketAddr) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let service = service_fn(move |request| forward_http2(request, Arc::clone(&upstream), backend));
    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    Ok(builder.serve_connection(TokioIo::new(stream), service).await?)
}

async fn forward_http2(
    request: Request<Incoming>,
    upstream: Shared,
    backend: SocketAddr,
) -> Result<Response<Incoming>, Failure> {
    let mut sender = {
        let mut upstream = upstream.lock().await;
        match &*upstream {
            Some(sender) if !sender.is_closed() => sender.clone(),
            _ => upstream.insert(connect_http2(backend).await?).clone(),
        }
    };
    sender.ready().await?;
    Ok(sender.send_request(request).await?)
}

async fn connect_http2(backend: SocketAddr) -> Result<http2::SendRequest<Incoming>, Failure> {
    let stream = TcpStream::connect(backend).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
