//! One request and its answer.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, Sleep, sleep};

use super::activity::{Activity, CallGuard};
use super::drain::Signal;
use super::meters::{REFUSALS, refusal_index};
use super::refusal::{Refusal, check};
use super::{Handler, Peer, Shared};

/// The largest piece of an answer that HTTP/2 is given at once, in bytes. What is given is kept until the peer
/// opens its window, so this bounds what a call can leave behind; it is also the usual size of a frame.
const PIECE: usize = 16 * 1024;

/// Any error of a body.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Answers the requests of one connection.
pub(super) struct Calls<H: Handler> {
    pub(super) shared: Arc<Shared<H>>,
    pub(super) peer: Arc<Peer>,
    pub(super) activity: Arc<Activity>,
    /// Whether the connection lacks TLS where it is spoken, so that every request is refused.
    pub(super) is_plaintext: bool,
    /// On HTTP/2, where the task of the next call finds its progress.
    pub(super) handover: Option<Handover>,
    /// What tells calls that take the connection over when to stop.
    pub(super) signal: Signal,
    /// On HTTP/1, where the connection finds the call that has taken it over.
    pub(super) tunnel: Slot<H::Body>,
}

/// Where a connection of HTTP/1 finds the call that has taken it over.
pub(super) type Slot<B> = Arc<Mutex<Option<Tunnel<B>>>>;

/// A call that has taken over its connection, or its stream of HTTP/2: the body of its answer, of which nothing is sent.
pub(super) struct Tunnel<B: Body<Data = Bytes> + Unpin>(Answer<B>);

impl<B> Future for Tunnel<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(Ok(_)) = ready!(Pin::new(&mut self.0).poll_frame(cx)) {}
        Poll::Ready(())
    }
}

/// Whether an answer takes its connection over: it accepts an upgrade (RFC 9110 section 7.8), or CONNECT.
fn takes_over(is_connect: bool, status: StatusCode) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS || (is_connect && status.is_success())
}

impl<H: Handler> Calls<H> {
    /// Answers one request, by the handler or by a refusal.
    pub(super) fn answer(
        &self,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Answer<H::Body>>, Infallible>> + Send + use<H> {
        let guard = self.activity.begin();
        let progress = self.handover.as_ref().map(Handover::open);
        let (shared, peer, is_plaintext) = (self.shared.clone(), self.peer.clone(), self.is_plaintext);
        let over = request.extensions().get::<OnUpgrade>().is_some().then(|| {
            request.extensions_mut().insert(self.signal.clone());
            let slot = self.handover.is_none().then(|| self.tunnel.clone());
            Over { is_connect: request.method() == Method::CONNECT, guard: self.activity.begin(), slot }
        });
        async move {
            let version = request.version();
            // On HTTP/1 hyper leaves the body of an answer to HEAD out.
            let bare = request.method() == Method::HEAD && version == Version::HTTP_2;
            let response = match check(&request, &shared.limits) {
                _ if is_plaintext => refused(Refusal::Plaintext, version, || {
                    shared.handler.refuse_request(Refusal::Plaintext, &request, &peer)
                }),
                Ok(()) => run(&shared.handler, request, peer).await,
                Err(refusal) => {
                    refused(refusal, version, || shared.handler.refuse_request(refusal, &request, &peer))
                }
            };
            let response = match over {
                Some(over) if takes_over(over.is_connect, response.status()) => over.take(response),
                _ => response,
            };
            Ok(wrap(response, bare, progress, guard))
        }
    }
}

/// What a request needs that may take its connection over.
struct Over<B: Body<Data = Bytes> + Unpin> {
    is_connect: bool,
    guard: CallGuard,
    /// Absent on HTTP/2, where a stream has a task of its own.
    slot: Option<Slot<B>>,
}

impl<B> Over<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    /// Lets the body go on without its answer.
    fn take(self, response: Response<Option<B>>) -> Response<Option<B>> {
        let (head, body) = response.into_parts();
        let body = Answer { body, rest: Bytes::new(), ended: false, progress: None, guard: self.guard };
        match self.slot {
            Some(slot) => *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Tunnel(body)),
            None => drop(tokio::spawn(Tunnel(body))),
        }
        Response::from_parts(head, None)
    }
}

/// Runs the handler; a panic becomes an answer.
async fn run<H: Handler>(
    handler: &Arc<H>,
    request: Request<Incoming>,
    peer: Arc<Peer>,
) -> Response<Option<H::Body>> {
    // Pinned here, the future is neither moved again nor kept twice: it is large.
    let call = pin!(async { handler.clone().call(request, peer).await });
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(response) => response.map(Some),
        Err(_) => {
            tracing::error!("a handler panicked; the call is answered with 500");
            refuse(Refusal::Panicked, || handler.refuse(Refusal::Panicked))
        }
    }
}

/// The answer to a request that is not handed on, after which a connection of HTTP/1 is closed.
fn refused<B>(
    refusal: Refusal,
    version: Version,
    write: impl FnOnce() -> Response<B>,
) -> Response<Option<B>> {
    let mut response = refuse(refusal, write);
    if version < Version::HTTP_2 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

fn refuse<B>(refusal: Refusal, write: impl FnOnce() -> Response<B>) -> Response<Option<B>> {
    REFUSALS.add(refusal_index(refusal), 1);
    catch_unwind(AssertUnwindSafe(write)).map_or_else(
        |_| {
            tracing::error!("a handler panicked while it wrote a refusal; the answer is a bare 500");
            let mut response = Response::new(None);
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        },
        |response| response.map(Some),
    )
}

fn wrap<B>(
    response: Response<Option<B>>,
    bare: bool,
    progress: Option<Arc<Progress>>,
    guard: CallGuard,
) -> Response<Answer<B>>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (mut head, mut body) = response.into_parts();
    if bare && let Some(body) = body.take() {
        let length = body.size_hint().exact().filter(|_| !head.headers.contains_key(header::CONTENT_LENGTH));
        if let Some(length) = length {
            head.headers.insert(header::CONTENT_LENGTH, length.into());
        }
    }
    Response::from_parts(head, Answer { body, rest: Bytes::new(), ended: false, progress, guard })
}

/// The body of an answer: the handler's, watched.
pub(super) struct Answer<B: Body<Data = Bytes> + Unpin> {
    /// The handler's body; `None` for an answer without one.
    body: Option<B>,
    /// What was not given yet of a frame that is larger than [`PIECE`].
    rest: Bytes,
    /// Whether the body has no more frames.
    ended: bool,
    progress: Option<Arc<Progress>>,
    guard: CallGuard,
}

impl<B> Answer<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx))) {
            Ok(polled) => polled.map_err(Into::into),
            Err(_) => {
                tracing::error!("a handler panicked while it wrote an answer; the answer is cut");
                self.body = None;
                Poll::Ready(Some(Err("the handler panicked".into())))
            }
        }
    }

    /// The next piece of a frame. On HTTP/1 that is all of it.
    fn piece(&mut self, data: Bytes, split: bool) -> Bytes {
        self.rest = data;
        if self.progress.is_some() && self.rest.len() > PIECE {
            return self.rest.split_to(PIECE);
        }
        let last = std::mem::take(&mut self.rest);
        // A copy lets go of the frame, of which this is only the end.
        if split { Bytes::copy_from_slice(&last) } else { last }
    }

    fn polled(&self, ready: bool) {
        if let Some(progress) = &self.progress {
            progress.polled(ready);
        }
    }
}

impl<B> Body for Answer<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if !self.rest.is_empty() {
            self.polled(true);
            let rest = std::mem::take(&mut self.rest);
            return Poll::Ready(Some(Ok(Frame::data(self.piece(rest, true)))));
        }
        let polled = self.poll_body(cx);
        self.polled(polled.is_ready());
        match ready!(polled) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => Poll::Ready(Some(Ok(Frame::data(self.piece(data, false))))),
                Err(trailers) => {
                    self.ended = true;
                    Poll::Ready(Some(Ok(trailers)))
                }
            },
            Some(Err(error)) => Poll::Ready(Some(Err(error))),
            None => {
                self.ended = true;
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let hint = self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint);
        let mut sum = SizeHint::new();
        sum.set_lower(hint.lower().saturating_add(rest));
        if let Some(upper) = hint.upper() {
            sum.set_upper(upper.saturating_add(rest));
        }
        sum
    }
}

impl<B: Body<Data = Bytes> + Unpin> Drop for Answer<B> {
    fn drop(&mut self) {
        let whole = self.rest.is_empty() && self.body.as_ref().is_none_or(Body::is_end_stream);
        if self.ended || whole {
            self.guard.complete();
        }
    }
}

/// How far the answer of an HTTP/2 call has come: the lowest bit says whether it waits for the peer to take
/// what was given, the others count.
#[derive(Default)]
pub(super) struct Progress(AtomicU32);

impl Progress {
    /// The body was asked for a frame. If it gave one, the next step is the peer's.
    fn polled(&self, ready: bool) {
        let count = self.0.load(Relaxed) & !1;
        self.0.store(count.wrapping_add(2) | u32::from(ready), Relaxed);
    }
}

/// Hands the progress of a call from the answer to the task that drives it. hyper asks for the answer and then
/// spawns the task, with nothing between.
#[derive(Clone, Default)]
pub(super) struct Handover(Arc<Mutex<Option<Arc<Progress>>>>);

impl Handover {
    fn open(&self) -> Arc<Progress> {
        let progress = Arc::<Progress>::default();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(progress.clone());
        progress
    }

    fn take(&self) -> Option<Arc<Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Spawns the tasks of an HTTP/2 connection's calls.
#[derive(Clone)]
pub(super) struct Tasks {
    pub(super) handover: Handover,
    pub(super) write_timeout: Duration,
}

impl<F> hyper::rt::Executor<F> for Tasks
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        match self.handover.take() {
            Some(progress) => tokio::spawn(watch(call, progress, self.write_timeout)),
            None => tokio::spawn(call),
        };
    }
}

/// Drives a call until it ends, or until its peer takes nothing of the answer for `timeout`. Ending here resets
/// the stream.
async fn watch(call: impl Future<Output = ()>, progress: Arc<Progress>, timeout: Duration) {
    let mut call = pin!(call);
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    let mut seen = 0;
    poll_fn(|cx| {
        if call.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let now = progress.0.load(Relaxed);
        if now & 1 == 0 {
            return Poll::Pending;
        }
        let timer = timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
        if seen != now {
            seen = now;
            timer.as_mut().reset(Instant::now() + timeout);
        }
        ready!(timer.as_mut().poll(cx));
        tracing::debug!("a peer takes nothing of an answer; the call is reset");
        Poll::Ready(())
    })
    .await;
}
