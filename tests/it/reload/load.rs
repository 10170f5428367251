//! Clients that ask without a pause, over connections that they keep as long as the server lets them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::{http1, http2};
use hyper::header::{CONNECTION, HOST};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::client::Version;

/// What the clients have seen so far.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    failed: AtomicUsize,
    /// Whether nobody has to listen any more.
    ending: AtomicBool,
}

/// Clients at work.
pub(super) struct Load {
    seen: Arc<Seen>,
    clients: JoinSet<()>,
}

impl Load {
    /// As many clients of each version of HTTP.
    pub(super) fn start(address: SocketAddr, target: &'static str, count: usize) -> Self {
        let seen = Arc::new(Seen::default());
        let mut clients = JoinSet::new();
        for _ in 0..count {
            for version in [Version::Http1, Version::Http2] {
                clients.spawn(ask(address, version, target, Arc::clone(&seen)));
            }
        }
        Self { seen, clients }
    }

    /// How many requests were answered.
    pub(super) fn answered(&self) -> usize {
        self.seen.answered.load(SeqCst)
    }

    /// From now on a server that nobody listens for is no failure.
    pub(super) fn may_end(&self) {
        self.seen.ending.store(true, SeqCst);
    }

    /// Waits for clients that end with their server, or ends them, and says how many requests failed.
    pub(super) async fn end(mut self, with_server: bool) -> usize {
        if with_server {
            while self.clients.join_next().await.is_some() {}
        }
        self.seen.failed.load(SeqCst)
    }
}

async fn ask(address: SocketAddr, version: Version, target: &'static str, seen: Arc<Seen>) {
    loop {
        let Ok(stream) = TcpStream::connect(address).await else {
            if !seen.ending.load(SeqCst) {
                seen.failed.fetch_add(1, SeqCst);
            }
            return;
        };
        let io = TokioIo::new(stream);
        match version {
            Version::Http1 => {
                let Ok((mut sender, connection)) = http1::handshake(io).await else { continue };
                tokio::spawn(connection);
                while sender.ready().await.is_ok() {
                    let request = Request::get(target).header(HOST, address.to_string());
                    let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await;
                    let closes = answer.as_ref().is_ok_and(|answer| {
                        answer.headers().get(CONNECTION).is_some_and(|value| value == "close")
                    });
                    count(answer, &seen).await;
                    if closes {
                        break;
                    }
                }
            }
            Version::Http2 => {
                let Ok((mut sender, connection)) = http2::handshake(TokioExecutor::new(), io).await else {
                    continue;
                };
                tokio::spawn(connection);
                while sender.ready().await.is_ok() {
                    let request = Request::get(format!("http://{address}{target}"));
                    let answer = sender.send_request(request.body(Empty::<Bytes>::new()).unwrap()).await;
                    if answer.as_ref().is_err_and(is_going_away) {
                        break;
                    }
                    count(answer, &seen).await;
                }
            }
        }
    }
}

/// Whether a request was not taken because the server has said GOAWAY, so that it belongs on another connection.
fn is_going_away(error: &hyper::Error) -> bool {
    use std::error::Error;

    let cause = error.source().and_then(|cause| cause.downcast_ref::<h2::Error>());
    error.is_canceled()
        || cause.is_some_and(|cause| cause.is_go_away() && cause.reason() == Some(h2::Reason::NO_ERROR))
}

async fn count(answer: hyper::Result<hyper::Response<hyper::body::Incoming>>, seen: &Seen) {
    let is_fine = match answer {
        Ok(answer) => answer.status() == 200 && answer.into_body().collect().await.is_ok(),
        Err(error) => {
            eprintln!("a request failed: {error:?}");
            false
        }
    };
    if is_fine { &seen.answered } else { &seen.failed }.fetch_add(1, SeqCst);
}
