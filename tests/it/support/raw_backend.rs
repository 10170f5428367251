//! A gRPC backend in the words of HTTP/2: what it sends is up to the test.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::gateway::Gateway;
use super::root;

/// A call that has come.
pub(crate) struct Call {
    pub(crate) path: String,
    /// All of the request's body: messages behind their five bytes.
    pub(crate) body: Bytes,
    respond: SendResponse<Bytes>,
    connection: Wire,
}

/// What a call may do to its connection.
#[derive(Clone)]
pub(crate) struct Wire {
    ends: mpsc::UnboundedSender<End>,
    resets: Arc<AtomicUsize>,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With GOAWAY and this reason, at once.
    Abrupt(Reason),
    /// With GOAWAY, when its calls have ended.
    Graceful,
    /// Without a word.
    Closed,
}

/// A message of field 2 with a number, as `echo.v1.Item` has it.
pub(crate) fn item(number: u8) -> Vec<u8> {
    vec![0, 0, 0, 0, 2, 0x10, number]
}

/// The trailers that end a call well or not.
pub(crate) fn status(code: &'static str) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static(code))])
}

impl Call {
    /// Begins the answer, unless the call is gone.
    pub(crate) fn begin(&mut self) -> Option<SendStream<Bytes>> {
        let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        self.respond.send_response(head, false).ok()
    }

    /// Answers with the request.
    pub(crate) fn echo(mut self) {
        let body = self.body.clone();
        if let Some(mut stream) = self.begin() {
            let _ = stream.send_data(body, false);
            let _ = stream.send_trailers(status("0"));
        }
    }

    /// Ends the connection on which the call came.
    pub(crate) fn end_connection(&self, end: End) {
        self.connection.ends.send(end).unwrap();
    }

    /// Waits until the call is reset, or its connection has ended; `answer` is what has begun of it.
    pub(crate) async fn reset(&mut self, answer: Option<SendStream<Bytes>>) {
        let reset = match answer {
            Some(mut answer) => poll_fn(|cx| answer.poll_reset(cx)).await,
            None => poll_fn(|cx| self.respond.poll_reset(cx)).await,
        };
        self.connection.resets.fetch_add(usize::from(reset.is_ok()), Relaxed);
    }
}

/// Starts a backend on a thread of its own, which gives each call to `handle`. It ends a connection on which more
/// than `patience` calls are reset within a second, as servers do that take this for an attack.
pub(crate) fn start<F>(patience: usize, handle: impl Fn(Call) -> F + Clone + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, patience, handle.clone()));
            }
        });
    });
    address
}

async fn serve<F>(stream: TcpStream, patience: usize, handle: impl Fn(Call) -> F + Clone + Send + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(1000);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    let (ends, mut wished) = mpsc::unbounded_channel();
    let wire = Wire { ends, resets: Arc::default() };
    tokio::spawn(watch(wire.clone(), patience));
    loop {
        tokio::select! {
            end = wished.recv() => match end {
                Some(End::Abrupt(reason)) => connection.abrupt_shutdown(reason),
                Some(End::Graceful) => connection.graceful_shutdown(),
                Some(End::Closed) | None => return,
            },
            call = connection.accept() => {
                let Some(Ok((request, respond))) = call else { return };
                tokio::spawn(take(request, respond, wire.clone(), handle.clone()));
            }
        }
    }
}

async fn watch(wire: Wire, patience: usize) {
    let (mut seen, mut last) = (0, Instant::now());
    while !wire.ends.is_closed() {
        tokio::time::sleep_until(last + Duration::from_secs(1)).await;
        let resets = wire.resets.load(Relaxed);
        if resets - seen > patience {
            let _ = wire.ends.send(End::Abrupt(Reason::ENHANCE_YOUR_CALM));
            return;
        }
        (seen, last) = (resets, Instant::now());
    }
}

async fn take<F>(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    connection: Wire,
    handle: impl Fn(Call) -> F,
) where
    F: Future<Output = ()>,
{
    let (parts, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let Ok(data) = data else { return };
        let _ = stream.flow_control().release_capacity(data.len());
        body.extend_from_slice(&data);
    }
    handle(Call { path: parts.uri.path().to_owned(), body: body.into(), respond, connection }).await;
}

/// A gateway for the methods of `echo.proto`, in front of a backend that has no reflection.
pub(crate) fn gateway(backend: SocketAddr) -> Gateway {
    let protos = root().join("tests/python");
    Gateway::with_config(&format!(
        "{}descriptors:\n  - protos: {{include: [{}], files: [echo.proto]}}\n\
         upstreams: {{echo: http://{backend}}}\nservices: [\"**\"]\n",
        Gateway::ANY_PORT,
        protos.display()
    ))
}
