//! Calls that are sent to another target as well when they are not answered soon (hedging, gRFC A6).
//!
//! ```text
//!   first try ----------------------------------------x  it has lost, and is cancelled
//!              |<-- hedge_after -->|
//!                                  second try ---- answer
//! ```
//!
//! Each try is a future, a span and a call in flight of its own; what follows from their ends is decided in
//! [`race`](super::decide::race). Those that have lost are dropped, so that their streams are reset as those of any call
//! that nobody waits for. All of this is kept apart from calls that are not hedged, so that they cost the same as without.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;

use tokio::time::Instant;

use super::channel::{Input, Shared, Try};
use super::core;
use super::decide::race::{Race, Verdict};
use super::decide::retry::{Cause, Retries};
use super::exchange::Exchange;
use super::fault::{Failure, full, late, tripped};
use super::frames::Terms;
use super::group::Member;
use super::links::{Choice, Lease, Wish};
use super::meters::Attempt;
use super::stream;
use crate::call::deadline::before;
use crate::call::priority::Priority;
use crate::call::service::BoxFuture;
use crate::call::{Method, Reply};
use crate::status::{Code, Status};
use crate::telemetry::random;

/// Whether calls of a method are sent to another target when they are not answered soon.
pub(super) fn is_wanted(rules: &Retries, method: &Method) -> bool {
    rules.hedge_after.is_some() && !method.client_streaming && (method.idempotent || rules.unsafe_methods)
}

/// Makes a call.
pub(super) async fn call(shared: Arc<Shared>, mut work: Try) -> Reply {
    if let Err(status) = shared.read(&mut work).await {
        return status.into();
    }
    let (started, deadline) = (work.started, work.deadline);
    let run = Run::new(shared, work);
    before(deadline, pin!(run.run())).await.unwrap_or_else(|| late(started, deadline).into())
}

/// The tries of a call.
struct Run {
    shared: Arc<Shared>,
    slot: usize,
    /// What each try begins with.
    work: Try,
    started: Instant,
    race: Race,
    lanes: Vec<Lane>,
    /// Which targets the next try does without, if it can.
    wish: Wish,
    /// What is answered when no try is left.
    last: Option<Reply>,
}

/// A try on its way.
struct Lane {
    place: Arc<Place>,
    is_hedge: bool,
    future: BoxFuture<Ended>,
}

/// What a try and the others know of it.
#[derive(Default)]
struct Place {
    /// Where it goes, as soon as that is known.
    target: OnceLock<Arc<Member>>,
    has_lost: AtomicBool,
}

/// What has become of a try.
struct Ended {
    outcome: Result<Reply, Failure>,
    work: Try,
}

impl Run {
    fn new(shared: Arc<Shared>, work: Try) -> Self {
        let wish = Wish::new(work.method.idempotent, work.key);
        let race = Race::start(&shared.settings.retries);
        let slot = core::slot(shared.pool.cores());
        Self {
            shared,
            slot,
            work,
            started: Instant::now(),
            race,
            lanes: Vec::with_capacity(2),
            wish,
            last: None,
        }
    }

    async fn run(mut self) -> Reply {
        if let Err(left) = self.shared.pool.group().admit(self.work.started) {
            return tripped(left);
        }
        if let Err(status) = self.begin(0, false) {
            return status.into();
        }
        loop {
            let due = self.race.due().and_then(|due| self.started.checked_add(due.at));
            if self.lanes.is_empty() && due.is_none() {
                // Whatever ended last has left its answer.
                return self.last.unwrap_or_else(|| full().into());
            }
            let next = before(due, pin!(ended(&mut self.lanes))).await;
            match next {
                None => self.due(),
                Some((lane, ended)) => {
                    if let Some(reply) = self.ended(&lane, ended) {
                        return reply;
                    }
                }
            }
        }
    }

    /// It is time for the next try.
    fn due(&mut self) {
        let is_hedge = self.race.due().is_some_and(|due| due.is_hedge);
        let (rules, before) = (&self.shared.settings.retries, self.race.count() - u32::from(!is_hedge));
        let group = self.shared.pool.group();
        if is_hedge && (group.is_open() || !group.take(rules.budget)) {
            self.race.skip();
            return;
        }
        match self.begin(before, is_hedge) {
            Ok(()) => self.race.began(self.started.elapsed(), &self.shared.settings.retries),
            // There is no place beside the tries that go on; what fails may still be sent again.
            Err(_) if is_hedge => self.race.skip(),
            Err(status) => {
                self.race.close();
                self.last.get_or_insert_with(|| status.into());
            }
        }
    }

    /// Begins a try. `before` says how many there were.
    fn begin(&mut self, before: u32, is_hedge: bool) -> Result<(), Status> {
        let (shared, now) = (&self.shared, Instant::now());
        let mut work = self.work.another();
        work.begin(if before == 0 { work.started } else { now }, shared.pool.name(), before);
        if is_hedge {
            work.attempt.iter_mut().for_each(Attempt::hedges);
            // What it would cost, should it be late, is not its target's fault.
            work.started = now;
            work.priority = Priority::Low;
        }
        shared.enter(&mut work)?;
        let mut wish = self.wish;
        self.lanes.iter().filter_map(|lane| lane.place.target.get()).for_each(|target| wish.avoid(target));
        let lease = match shared.pool.acquire(self.slot, &shared.settings.balance, &wish, before == 0) {
            Choice::Up(lease) => Some(lease),
            Choice::Full => {
                work.end(Code::Unavailable);
                return Err(full());
            }
            Choice::Opening | Choice::Nothing => None,
        };
        let place = Arc::<Place>::default();
        if let Some(lease) = &lease {
            let _ = place.target.set(Arc::clone(lease.member()));
        }
        let run = run(Arc::clone(shared), self.slot, lease, wish, work, Arc::clone(&place));
        self.lanes.push(Lane { place, is_hedge, future: Box::pin(run) });
        if is_hedge {
            self.shared.pool.group().meters().hedged();
        }
        Ok(())
    }

    /// What comes of the end of a try: the answer to the call, if it is that.
    fn ended(&mut self, lane: &Lane, ended: Ended) -> Option<Reply> {
        let Ended { outcome, mut work } = ended;
        let target = lane.place.target.get();
        let outcome = match outcome {
            Ok(mut reply) if reply.status.is_ok() => {
                let group = self.shared.pool.group();
                target.into_iter().for_each(|target| group.succeeded(target, work.sent()));
                if lane.is_hedge {
                    group.meters().hedges_won.add(1);
                }
                work.replied(&mut reply);
                self.lanes.iter().for_each(|lane| lane.place.has_lost.store(true, Relaxed));
                return Some(reply);
            }
            outcome => outcome,
        };
        let Some(target) = target else {
            // There was no connection, and so there is none for others.
            self.race.close();
            work.end(
                outcome.as_ref().map_or_else(|failure| failure.status.code(), |reply| reply.status.code()),
            );
            self.last = Some(outcome.unwrap_or_else(|failure| failure.status.into()));
            return None;
        };
        let cause = self.shared.note(target, &outcome);
        let verdict = self.race.failed(
            self.started.elapsed(),
            cause,
            &self.shared.settings.retries,
            work.method.idempotent,
            (random::next() >> 32) as u32,
        );
        let is_over = verdict == Verdict::Over;
        let may_go_on = !is_over && self.goes_on(cause, verdict);
        let reply = self.reply(outcome, &mut work, target, may_go_on);
        if is_over {
            return Some(reply);
        }
        self.wish.avoid(target);
        self.last = Some(reply);
        None
    }

    /// Whether there is another try, which is paid for if that is necessary.
    fn goes_on(&mut self, cause: Option<Cause>, verdict: Verdict) -> bool {
        let Verdict::Again { at, paid } = verdict else {
            return !self.lanes.is_empty() || self.race.due().is_some();
        };
        let is_in_time = || {
            let at = self.started.checked_add(at);
            self.work.deadline.is_none_or(|deadline| at.is_some_and(|at| at < deadline))
        };
        if is_in_time() && cause.is_some_and(|cause| self.shared.pay(cause, paid)) {
            return true;
        }
        self.race.close();
        !self.lanes.is_empty()
    }

    /// The reply to the caller if a try that failed is the last word.
    fn reply(
        &self,
        outcome: Result<Reply, Failure>,
        work: &mut Try,
        target: &Arc<Member>,
        may_go_on: bool,
    ) -> Reply {
        let (told, count) = (self.shared.told(target, work), self.race.count());
        let (reply, cause) = match outcome {
            Ok(reply) => (reply, None),
            Err(failure) => {
                if !may_go_on {
                    told.warn(&failure, count);
                }
                (failure.status.into(), failure.cause)
            }
        };
        if may_go_on {
            told.again(&reply.status, cause.as_ref(), count);
        }
        work.end(reply.status.code());
        reply
    }
}

/// Waits for the end of one of them, and takes it out.
async fn ended(lanes: &mut Vec<Lane>) -> (Lane, Ended) {
    poll_fn(|cx| {
        for at in 0..lanes.len() {
            if let Poll::Ready(ended) = lanes[at].future.as_mut().poll(cx) {
                return Poll::Ready((lanes.swap_remove(at), ended));
            }
        }
        Poll::Pending
    })
    .await
}

/// One try.
async fn run(
    shared: Arc<Shared>,
    slot: usize,
    lease: Option<Lease>,
    wish: Wish,
    mut work: Try,
    place: Arc<Place>,
) -> Ended {
    let lease = match lease {
        Some(lease) => Ok(lease),
        None => {
            work.has_waited = true;
            Arc::clone(&shared.pool).wait(slot, &shared.settings.balance, wish).await
        }
    };
    let outcome = match lease {
        Ok(lease) => {
            let _ = place.target.set(Arc::clone(lease.member()));
            work.sent_to(lease.member().target());
            exchange(&shared, slot, lease, &mut work, &place).await
        }
        Err(status) => Err(status.into()),
    };
    Ended { outcome, work }
}

async fn exchange(
    shared: &Arc<Shared>,
    slot: usize,
    lease: Lease,
    work: &mut Try,
    place: &Place,
) -> Result<Reply, Failure> {
    let target = Arc::clone(lease.member());
    let exchange = shared.open(slot, lease, work).await?;
    let compressed = work.encodings.accepted.is_some();
    let terms = Terms { limit: shared.settings.max_message, compressed };
    if work.method.server_streaming {
        return stream::open(exchange, terms, shared.told(&target, work)).await;
    }
    let mut racing = Racing { exchange, opened: Instant::now(), target, shared, place };
    racing.exchange.run(terms).await
}

/// An exchange that may lose against another one.
struct Racing<'a> {
    exchange: Exchange,
    opened: Instant,
    target: Arc<Member>,
    shared: &'a Shared,
    place: &'a Place,
}

impl Drop for Racing<'_> {
    /// A target that hangs would never be seen to do so, where others always answer in its place before the deadline. So one
    /// that was asked first and said nothing at all on its connection has failed.
    fn drop(&mut self) {
        let Some(after) = self.shared.settings.retries.hedge_after else { return };
        if self.place.has_lost.load(Relaxed) && self.opened.elapsed() >= after && self.exchange.is_silent() {
            self.shared.pool.group().failed(&self.target);
        }
    }
}

impl Try {
    /// The same call, to be sent another time.
    fn another(&self) -> Self {
        let input = match &self.input {
            Input::Message(piece) => Input::Message(piece.clone()),
            Input::Stream(_) | Input::Unread(_) => Input::Stream(None),
        };
        Self {
            method: Arc::clone(&self.method),
            metadata: self.metadata.clone(),
            encodings: self.encodings.clone(),
            input,
            started: self.started,
            deadline: self.deadline,
            key: self.key,
            field: None,
            trace: self.trace.clone(),
            parent: None,
            attempt: None,
            inside: None,
            priority: self.priority,
            has_waited: false,
        }
    }
}
