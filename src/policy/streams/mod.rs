//! What bounds calls that last: those with streams, and those on sockets that clients hold open.
//!
//! ```text
//! limits    how many may be open, how long they may be, and what may pass in them
//! current   the policies that hold now: who began under others is held against them
//! ```
//!
//! What holds for a call when it begins holds to its end. When what the caller has shown expires, and whenever there is
//! another generation of the configuration, keys and users, the newest rules are held against it again, also while
//! nothing passes. A call that may not go on ends as it would if it began now: at once, as a call that is refused, or
//! where messages were answered already as a stream that fails.
//!
//! Nothing is done for other calls.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use futures_util::Stream;
use http::HeaderMap;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::guard::{Refusal, Shared};
use super::limit::asking::Counters;
use super::limit::budget::whole_seconds;
use super::limit::calls::Begun;
use super::refusal::{Exceeded, Reason};
use super::rule::Policy;
use crate::call::deadline::before;
use crate::call::identity::Identity;
use crate::call::service::BoxFuture;
use crate::call::{Body, Call, Dialect, Message, Messages, Origin, Part, Replies, Reply};
use crate::status::Code;

pub mod current;
pub mod limits;

use current::Guards;
use limits::{Meter, Over, Streams};

/// How many messages are answered before it is asked whether the call may go on, while there is one after the other.
const ASK_AFTER: u32 = 32;
/// How long it takes at least until somebody is asked again.
const SOON: Duration = Duration::from_secs(1);
/// How long it takes at most until the clock of the day is looked at again, which may be set.
const LOOK: Duration = Duration::from_secs(60);

/// Whether a call may last.
pub(super) fn lasts(call: &Call) -> bool {
    call.method.is_streaming() || call.origin.dialect == Dialect::WebSocket
}

/// Makes a call that may last, of a caller who may call.
pub(super) fn call(shared: &Arc<Shared>, identity: Option<&Identity>, mut call: Call) -> BoxFuture<Reply> {
    let mut bounds = Bounds::default();
    for (policy, streams) in shared.streams(&call.origin) {
        if let Err(over) = bounds.add(policy, streams, (&call.origin, identity), shared.counters()) {
            return Box::pin(std::future::ready(over.reply(&call.origin)));
        }
    }
    let origin = Arc::new(Origin { proven: shared.proven(&call.origin), ..call.origin.clone() });
    let (sender, over) = oneshot::channel();
    if !bounds.received.is_empty()
        && let Body::Stream(messages) = call.body
    {
        let meter = bounds.received;
        let metered =
            Metered { messages, meter, waiting: None, over: Some(sender), origin: Arc::clone(&origin) };
        call.body = Body::Stream(Box::pin(metered));
    }
    let watch = Watch {
        guards: shared.current().subscribe(),
        judge: Arc::clone(shared),
        origin: Arc::clone(&origin),
        path: call.method.path.as_str().into(),
        expires: identity.and_then(|identity| identity.expires),
        ends: bounds.ends,
    };
    let reply = shared.inner().call(call);
    Box::pin(async move {
        let mut lapse: BoxFuture<Reply> = Box::pin(lapse(watch, over));
        let mut reply = tokio::select! {
            biased;
            reply = reply => reply,
            refusal = &mut lapse => return refusal,
        };
        if let Some(replies) = reply.stream.take() {
            reply.stream = Some(Box::pin(Bounded {
                replies: Some(replies),
                lapse,
                unasked: ASK_AFTER,
                meter: bounds.sent,
                waiting: None,
                origin,
                places: bounds.places,
            }));
        }
        reply
    })
}

/// What bounds one call.
#[derive(Default)]
struct Bounds {
    places: Vec<Begun>,
    received: Meter,
    sent: Meter,
    /// When it has to end.
    ends: Option<End>,
}

struct End {
    at: Instant,
    policy: Arc<Policy>,
    duration: Duration,
}

impl Bounds {
    fn add(
        &mut self,
        policy: &Arc<Policy>,
        streams: &Streams,
        (origin, identity): (&Origin, Option<&Identity>),
        counters: &Counters,
    ) -> Result<(), Over> {
        if let Some(open) = &streams.open {
            let (kind, text) = open.counted_by.find(origin, identity);
            match counters.calls.begin(&open.key, text.of(kind), open.most) {
                Some(begun) => self.places.push(begun),
                None => {
                    let exceeded = Exceeded {
                        met: format!("{} streams at a time of {:?}", open.most, open.name),
                        wait: None,
                    };
                    return Err(Over { policy: Arc::clone(policy), reason: Reason::Streams, exceeded });
                }
            }
        }
        if let Some(duration) = streams.duration {
            let at = Instant::now() + duration;
            if self.ends.as_ref().is_none_or(|end| at < end.at) {
                self.ends = Some(End { at, policy: Arc::clone(policy), duration });
            }
        }
        if let Some(passing) = &streams.passing {
            if passing.direction.has_received() {
                self.received.add(policy, passing, origin, identity, &counters.store);
            }
            if passing.direction.has_sent() {
                self.sent.add(policy, passing, origin, identity, &counters.store);
            }
        }
        Ok(())
    }
}

impl Over {
    fn reply(self, origin: &Origin) -> Reply {
        Refusal { policy: Some(&self.policy), reason: self.reason, exceeded: self.exceeded }.reply(origin)
    }
}

/// What is known of a call that lasts.
struct Watch {
    guards: watch::Receiver<Arc<Guards>>,
    /// Whose rules hold for it.
    judge: Arc<Shared>,
    origin: Arc<Origin>,
    path: Box<str>,
    expires: Option<SystemTime>,
    ends: Option<End>,
}

/// Waits until a call may not go on: to how it is answered then. `over` tells that too many messages came.
async fn lapse(watch: Watch, over: oneshot::Receiver<Reply>) -> Reply {
    let over = async {
        match over.await {
            Ok(reply) => reply,
            // No more messages come.
            Err(_) => pending().await,
        }
    };
    tokio::select! {
        biased;
        reply = watch.lapse() => reply,
        reply = over => reply,
    }
}

impl Watch {
    async fn lapse(mut self) -> Reply {
        // It may have begun under rules that were replaced in between.
        let mut is_new = self.follow();
        let mut again = None;
        loop {
            if !is_new {
                let now = Instant::now();
                let ends = self.ends.as_ref().map(|end| end.at);
                let due = [ends, again, self.expires.map(|expires| now + left(expires))];
                let changed = before(due.into_iter().flatten().min(), self.changed()).await;
                if changed.is_some() {
                    is_new = self.follow();
                } else if let Some(reply) = self.ended() {
                    return reply;
                } else {
                    let has_expired = self.expires.is_some_and(|expires| expires <= SystemTime::now());
                    is_new = has_expired || again.is_some_and(|again| again <= Instant::now());
                }
                continue;
            }
            is_new = false;
            again = None;
            match self.judge.judge(&self.origin).await {
                Ok(identity) => {
                    self.expires = identity.and_then(|identity| identity.expires);
                    // The clock may be set back, or something else hold for longer than it says.
                    if self.expires.is_some_and(|expires| expires <= SystemTime::now()) {
                        again = Some(Instant::now() + SOON);
                        self.expires = None;
                    }
                }
                // It is not known at the moment, as it may be when somebody else can be asked.
                Err(refusal) if refusal.reason.status("", &refusal.exceeded).code() == Code::Unavailable => {
                    again = Some(Instant::now() + SOON);
                    self.expires = None;
                }
                Err(refusal) => return refusal.reply(&self.origin),
            }
        }
    }

    /// Resolves when there is another generation; never if there will be none.
    async fn changed(&mut self) {
        if self.guards.changed().await.is_err() {
            pending::<()>().await;
        }
    }

    /// Takes the newest rules, if they are others. A method that is served no more has none, and goes on as it began.
    fn follow(&mut self) -> bool {
        let newest = self.guards.borrow_and_update().find(&self.path);
        let Some(newest) = newest.filter(|newest| !Arc::ptr_eq(newest, &self.judge)) else { return false };
        self.judge = newest;
        true
    }

    fn ended(&self) -> Option<Reply> {
        let End { at, policy, duration } = self.ends.as_ref()?;
        if *at > Instant::now() {
            return None;
        }
        let exceeded = Exceeded { met: format!("{} seconds", whole_seconds(*duration)), wait: None };
        Some(Refusal { policy: Some(policy), reason: Reason::Duration, exceeded }.reply(&self.origin))
    }
}

/// How long it takes until something expires, or until that is looked at again.
fn left(expires: SystemTime) -> Duration {
    let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
    // Timers and the clock of the day need not agree to the millisecond.
    left.saturating_add(Duration::from_millis(1)).min(LOOK)
}

/// The messages of a caller, as far as they may come.
struct Metered {
    messages: Messages,
    meter: Meter,
    /// A message that is not counted yet.
    waiting: Option<Message>,
    /// Whom to tell that too many came. Absent once that was told.
    over: Option<oneshot::Sender<Reply>>,
    origin: Arc<Origin>,
}

impl Stream for Metered {
    type Item = <Messages as Stream>::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.over.is_none() {
            // The call is given up.
            return Poll::Pending;
        }
        if this.waiting.is_none() {
            match ready!(this.messages.as_mut().poll_next(cx)) {
                Some(Ok(message)) => this.waiting = Some(message),
                end => return Poll::Ready(end),
            }
        }
        let bytes = this.waiting.as_ref().map_or(0, |message| message.bytes.len());
        match ready!(this.meter.poll_take(cx, bytes)) {
            Ok(()) => Poll::Ready(this.waiting.take().map(Ok)),
            Err(over) => {
                this.waiting = None;
                if let Some(sender) = this.over.take() {
                    let _ = sender.send(over.reply(&this.origin));
                }
                Poll::Pending
            }
        }
    }
}

/// A streaming answer, as long as its call may go on.
struct Bounded {
    /// Absent once it has ended.
    replies: Option<Replies>,
    lapse: BoxFuture<Reply>,
    /// How many messages may still pass before the other future is asked.
    unasked: u32,
    meter: Meter,
    /// A message that is not counted yet.
    waiting: Option<Message>,
    origin: Arc<Origin>,
    places: Vec<Begun>,
}

impl Bounded {
    fn end(&mut self) {
        // Cancels the call, if it goes on.
        self.replies = None;
        self.places = Vec::new();
    }

    fn refused(&mut self, reply: Reply) -> Poll<Option<Part>> {
        self.end();
        Poll::Ready(Some(Part::End(reply.status, HeaderMap::new())))
    }

    fn poll_lapse(&mut self, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        self.unasked = ASK_AFTER;
        let reply = ready!(self.lapse.as_mut().poll(cx));
        self.refused(reply)
    }
}

impl Stream for Bounded {
    type Item = Part;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        let this = &mut *self;
        let Some(replies) = &mut this.replies else { return Poll::Ready(None) };
        if this.waiting.is_none() {
            match replies.as_mut().poll_next(cx) {
                Poll::Ready(Some(Part::Message(message))) => this.waiting = Some(message),
                Poll::Ready(end) => {
                    this.end();
                    return Poll::Ready(end);
                }
                Poll::Pending => return this.poll_lapse(cx),
            }
        }
        let bytes = this.waiting.as_ref().map_or(0, |message| message.bytes.len());
        match this.meter.poll_take(cx, bytes) {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(over)) => {
                let reply = over.reply(&this.origin);
                return this.refused(reply);
            }
            Poll::Pending => return this.poll_lapse(cx),
        }
        this.unasked -= 1;
        if this.unasked == 0
            && let Poll::Ready(part) = this.poll_lapse(cx)
        {
            return Poll::Ready(part);
        }
        Poll::Ready(this.waiting.take().map(Part::Message))
    }
}

#[cfg(test)]
mod tests;
