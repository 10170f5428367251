//! One connection, from its first byte to its end.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::{Activity, Waiting};
use super::call::{BoxError, Calls, Handover, Tasks};
use super::drain::Signal;
use super::limits::Limits;
use super::link::{Link, Version};
use super::meters::{ACCEPTED, CONNECTIONS, HTTP1, HTTP2, UNKNOWN};
use super::secure::Opened;
use super::{Handler, Shared};

/// How long a connection of HTTP/1 that is new, or that got its last answer no longer ago than this, may take to bring
/// a request once the server is told to stop. The client could not know that, and its request may be on its way;
/// the answer tells it.
const NEWCOMER: Duration = Duration::from_secs(1);

/// How long a connection that was asked to end may stay without a call: time for a GOAWAY to arrive and for the
/// calls that crossed it.
const FAREWELL: Duration = Duration::from_secs(5);

/// HTTP/1 buffers the head of a request up to this many times the limits, so that a request that is over them
/// can be answered properly; more is cut off by hyper.
const HEAD_ROOM: usize = 2;

/// hyper's lowest value for its buffer.
const LEAST_BUFFER: usize = 8 * 1024;

/// Serves a connection until it ends. All its calls have ended then.
pub(super) async fn serve<I, H>(opened: Opened<I>, shared: Arc<Shared<H>>, signal: &Signal)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Handler,
{
    let Opened { io, first, peer, agreed, is_plaintext } = opened;
    ACCEPTED.add(0, 1);
    let sniffing = CONNECTIONS.hold(UNKNOWN);
    let activity = Arc::new(Activity::new());
    let mut limits = shared.limits.clone();
    if is_plaintext {
        // It has nothing to come back for.
        limits.idle_timeout = NEWCOMER;
    }
    let mut keeper = Keeper::new(activity.clone(), limits, signal);
    let mut link = Link::new(io, first, activity.clone(), &shared.limits);
    let version = keeper.version(&mut link, agreed).await;
    drop(sniffing);
    let remote = peer.remote;
    let calls = |handover| Calls {
        shared: shared.clone(),
        peer: Arc::new(peer),
        activity: activity.clone(),
        is_plaintext,
        handover,
    };
    match version {
        None => {}
        Some(Version::Tls) => {
            let remote = remote.map(tracing::field::display);
            tracing::debug!(remote, "a peer speaks TLS on a port without it; its connection is closed");
            // Together with what it still sends, so that it is not reset.
            let _ = link.shutdown().await;
        }
        Some(Version::Http1) => {
            let _open = CONNECTIONS.hold(HTTP1);
            let calls = calls(None);
            let service = service_fn(move |request| calls.answer(request));
            let session = http1(&shared.limits).serve_connection(TokioIo::new(link), service);
            keeper.drive(pin!(session)).await;
        }
        Some(Version::Http2) => {
            let _open = CONNECTIONS.hold(HTTP2);
            activity.is_multiplexed();
            let handover = Handover::default();
            let tasks = Tasks { handover: handover.clone(), write_timeout: shared.limits.write_timeout };
            let calls = calls(Some(handover));
            // Boxed, as it is large and hyper and tokio move it several times on its way into a task. HTTP/1 has one
            // place for it.
            let service = service_fn(move |request| Box::pin(calls.answer(request)));
            let session = http2(&shared.limits, tasks).serve_connection(TokioIo::new(link), service);
            keeper.drive(pin!(session)).await;
        }
    }
    // The tasks of HTTP/2 calls see the end of their connection and end as well.
    activity.quiet().await;
}

fn http1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    let room = HEAD_ROOM.saturating_mul(limits.header_bytes.saturating_add(limits.uri));
    builder
        .timer(TokioTimer::new())
        // The keeper of this connection has the timer for heads: hyper's runs between requests as well.
        .header_read_timeout(None)
        .max_buf_size(room.max(LEAST_BUFFER));
    if limits.headers > 100 {
        // Only then: up to 100, which is also hyper's limit, it keeps them on the stack.
        builder.max_headers(limits.headers);
    }
    builder
}

fn http2(limits: &Limits, tasks: Tasks) -> http2::Builder<Tasks> {
    /// The largest window of RFC 9113 section 6.9.1.
    const LARGEST_WINDOW: u32 = (1 << 31) - 1;
    let mut builder = http2::Builder::new(tasks);
    builder
        .timer(TokioTimer::new())
        .adaptive_window(false)
        .initial_stream_window_size(limits.stream_window.min(LARGEST_WINDOW))
        .initial_connection_window_size(limits.connection_window.min(LARGEST_WINDOW))
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(limits.resets)
        .max_local_error_reset_streams(limits.resets)
        .max_send_buf_size(64 * 1024)
        .keep_alive_interval(None);
    builder
}

/// A connection in the hands of hyper.
trait Session {
    fn poll_session(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>>;

    /// Takes no more calls than those in flight, and those that crossed the notice of it.
    fn finish(self: Pin<&mut Self>);
}

impl<I, S, B> Session for http1::Connection<I, S>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    fn poll_session(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.poll(cx)
    }

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S, B> Session for http2::Connection<I, S, Tasks>
where
    S: HttpService<Incoming, ResBody = B>,
    S::Error: Into<BoxError>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: Body + 'static,
    B::Error: Into<BoxError>,
    Tasks: Http2ServerConnExec<S::Future, B>,
{
    fn poll_session(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.poll(cx)
    }

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Keeps the times of a connection.
struct Keeper {
    activity: Arc<Activity>,
    limits: Limits,
    signal: Pin<Box<dyn Future<Output = ()> + Send>>,
    stopping: bool,
    /// Until when requests that may be on their way are waited for.
    grace: Instant,
    /// When the connection was asked to finish.
    finishing: Option<Instant>,
    /// When it ends whatever is in flight.
    cut: Option<Instant>,
    multiplexed: bool,
    timer: Pin<Box<Sleep>>,
}

/// What the keeper wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    /// That the connection takes no more calls.
    Finish,
    /// That the connection ends.
    Cut,
}

impl Keeper {
    fn new(activity: Arc<Activity>, limits: Limits, signal: &Signal) -> Self {
        let first = activity.start() + limits.idle_timeout;
        Self {
            activity,
            limits,
            signal: Box::pin(signal.given()),
            stopping: false,
            grace: first,
            finishing: None,
            cut: None,
            multiplexed: false,
            timer: Box::pin(sleep_until(first)),
        }
    }

    /// Finds out which HTTP the peer speaks, if it was not agreed on; `None` if it leaves, is too slow, or the server
    /// stops.
    async fn version<I>(&mut self, link: &mut Link<I>, agreed: Option<Version>) -> Option<Version>
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let version = poll_fn(|cx| match link.poll_version(cx, agreed) {
            Poll::Ready(result) => Poll::Ready(result.unwrap_or(None)),
            Poll::Pending => self.poll_wish(cx).map(|_| None),
        })
        .await;
        self.multiplexed = version == Some(Version::Http2);
        version
    }

    /// Drives a connection to its end.
    async fn drive(&mut self, mut session: Pin<&mut impl Session>) {
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(result) = session.as_mut().poll_session(cx) {
                    if let Err(error) = result {
                        tracing::debug!(%error, "a connection ended with an error");
                    }
                    return Poll::Ready(());
                }
                match ready!(self.poll_wish(cx)) {
                    Wish::Finish => session.as_mut().finish(),
                    Wish::Cut => return Poll::Ready(()),
                }
            }
        })
        .await;
    }

    fn poll_wish(&mut self, cx: &mut Context<'_>) -> Poll<Wish> {
        let stop = !self.stopping && self.signal.as_mut().poll(cx).is_ready();
        if stop {
            self.stopping = true;
            self.grace = Instant::now() + NEWCOMER;
            self.cut_after(self.limits.drain_timeout);
        }
        let resets = if self.multiplexed { self.activity.resets() } else { 0 };
        let floods = self.activity.floods();
        if resets > self.limits.resets.saturating_mul(2) || floods > self.limits.control_frames {
            // It does not listen to GOAWAY, or not soon enough.
            return Poll::Ready(Wish::Cut);
        }
        if self.finishing.is_none() {
            if self.stopping && !self.is_newcomer() {
                return Poll::Ready(self.finish());
            }
            if resets > self.limits.resets || floods > 0 {
                tracing::debug!(resets, floods, "a peer makes work and no calls; its connection is closed");
                self.cut_after(self.limits.write_timeout);
                return Poll::Ready(self.finish());
            }
        }
        loop {
            let next = self.next();
            if let Some((due, _)) = next
                && due < self.timer.deadline()
            {
                self.timer.as_mut().reset(due);
            }
            ready!(self.timer.as_mut().poll(cx));
            match next {
                Some((due, wish)) if due <= Instant::now() => {
                    return Poll::Ready(if wish == Wish::Finish { self.finish() } else { wish });
                }
                Some((due, _)) => self.timer.as_mut().reset(due),
                // Calls are in flight. The idle time begins when they end, so that this is not too late.
                None => self.timer.as_mut().reset(Instant::now() + self.limits.idle_timeout),
            }
        }
    }

    /// The next thing to be wished for if nothing happens, and when.
    fn next(&self) -> Option<(Instant, Wish)> {
        let waiting = self.activity.waiting();
        let cut = self.cut.map(|due| (due, Wish::Cut));
        let by_activity = match (self.finishing, waiting) {
            (_, None) => None,
            (Some(since), Some(Waiting::Idle(idle))) => Some((since.max(idle) + FAREWELL, Wish::Cut)),
            // There may be calls beside it.
            (Some(_), Some(Waiting::Head(head))) if self.multiplexed => {
                Some((head + self.limits.header_timeout, Wish::Cut))
            }
            (Some(since), Some(Waiting::Head(_))) => Some((since + FAREWELL, Wish::Cut)),
            (None, _) if self.stopping => Some((self.grace, Wish::Finish)),
            (None, Some(Waiting::Head(since))) => Some((since + self.limits.header_timeout, Wish::Cut)),
            (None, Some(Waiting::Idle(since))) => Some((since + self.limits.idle_timeout, Wish::Finish)),
        };
        [cut, by_activity].into_iter().flatten().min_by_key(|(due, _)| *due)
    }

    /// HTTP/2 tells the peer which calls were taken, so that it needs no grace.
    fn is_newcomer(&self) -> bool {
        let since = match self.activity.waiting() {
            None => return false,
            Some(Waiting::Idle(since) | Waiting::Head(since)) => since,
        };
        !self.multiplexed && Instant::now() < self.grace && since + 2 * NEWCOMER > self.grace
    }

    fn finish(&mut self) -> Wish {
        self.finishing = Some(Instant::now());
        Wish::Finish
    }

    fn cut_after(&mut self, time: Duration) {
        let due = Instant::now() + time;
        self.cut = Some(self.cut.map_or(due, |cut| cut.min(due)));
    }
}
