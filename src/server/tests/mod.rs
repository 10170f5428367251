//! The server as its peers see it: in memory with paused time, and over real sockets where the kernel matters.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{Empty, Full};
use hyper::body::Frame;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::drain::Drain;
use super::secure::Opened;
use super::*;

mod accepting;
mod draining;
mod http1;
mod http2;
mod secure;

const SECOND: Duration = Duration::from_secs(1);

/// A handler for every situation, by path.
pub(super) struct Site {
    /// A permit for each `/wait` that has begun.
    waiting: Semaphore,
    /// A permit lets one `/wait` go on.
    go: Semaphore,
    /// A permit for each `/never` that was taken back.
    dropped: Arc<Semaphore>,
}

type SiteBody = UnsyncBoxBody<Bytes, Infallible>;

impl Site {
    fn new() -> Self {
        Self { waiting: Semaphore::new(0), go: Semaphore::new(0), dropped: Arc::new(Semaphore::new(0)) }
    }
}

fn text(text: impl Into<Bytes>) -> Response<SiteBody> {
    Response::new(Full::new(text.into()).boxed_unsync())
}

/// A handler for tests can be shared with the test.
pub(super) struct Shareable(Arc<Site>);

impl Handler for Shareable {
    type Body = SiteBody;

    async fn call(self: Arc<Self>, request: Request<Incoming>, peer: Arc<Peer>) -> Response<SiteBody> {
        let site = &self.0;
        match request.uri().path() {
            "/panic" => panic!("asked to"),
            "/panic-in-body" => Response::new(PanicBody.boxed_unsync()),
            "/echo" => match request.into_body().collect().await {
                Ok(body) => text(body.to_bytes()),
                Err(_) => text("broken"),
            },
            "/wait" => {
                site.waiting.add_permits(1);
                site.go.acquire().await.expect("open").forget();
                text("waited")
            }
            "/never" => {
                let _dropped = AddOnDrop(site.dropped.clone());
                pending().await
            }
            "/big" => text(vec![b'x'; 1 << 20]),
            "/early" => {
                let mut response = text(vec![b'e'; 1 << 18]);
                *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
                response
            }
            "/peer" => text(match &peer.tls {
                None => "no TLS".to_owned(),
                Some(tls) => {
                    let client = tls.client.as_ref().map(|client| client.subject.as_str());
                    format!("{} {:?} {client:?}", tls.version, tls.server_name)
                }
            }),
            "/empty" => Response::new(Empty::new().boxed_unsync()),
            path => text(format!("at {path}")),
        }
    }

    fn refuse(&self, refusal: Refusal) -> Response<SiteBody> {
        let mut response = text(format!("refused: {refusal:?}"));
        *response.status_mut() = StatusCode::from_u16(refusal.http()).expect("a status");
        response
    }
}

struct AddOnDrop(Arc<Semaphore>);

impl Drop for AddOnDrop {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

struct PanicBody;

impl Body for PanicBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("asked to, in the body")
    }
}

/// A server without sockets.
struct Harness {
    site: Arc<Site>,
    server: Server<Shareable>,
    drain: Drain,
}

impl Harness {
    fn new() -> Self {
        Self::with(Limits::default(), 10)
    }

    fn with(limits: Limits, places: usize) -> Self {
        let site = Arc::new(Site::new());
        let (drain, signal) = Drain::new();
        let server = Server::new(Shareable(site.clone()), limits, Places::new(places), signal);
        Self { site, server, drain }
    }

    /// A connection whose kernel buffers hold `capacity` bytes each way, and the task that serves it.
    fn connect(&self, capacity: usize) -> (DuplexStream, JoinHandle<()>) {
        let (client, io) = duplex(capacity);
        let (shared, signal) = (self.server.shared.load_full(), self.server.signal.clone());
        let task = tokio::spawn(async move {
            connection::serve(Opened::plain(io, None), shared, &signal).await;
        });
        (client, task)
    }
}

/// Sends a request of HTTP/1 and reads its answer.
async fn ask(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> String {
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    answer(stream).await
}

/// Reads one answer of HTTP/1 that has a length. What the server closes before is given as it is.
async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => return String::from_utf8(bytes).expect("UTF-8"),
        }
    }
    let mut head = String::from_utf8(bytes).expect("UTF-8");
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.expect("the body is whole");
    head.push_str(&String::from_utf8(body).expect("UTF-8"));
    head
}

#[track_caller]
fn assert_answer(answer: &str, status: u16, body: &str) {
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
}

fn closes(answer: &str) -> bool {
    answer.contains("\r\nconnection: close\r\n")
}

const GET: &str = "GET /a HTTP/1.1\r\nhost: a\r\n\r\n";
