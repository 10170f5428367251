//! Calls to an upstream with one or several targets.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::{Instant, sleep};

use crate::call::deadline::before;
use crate::call::priority::Priority;
use crate::call::service::{BoxFuture, CallService};
use crate::call::{self, Body, Call, Encodings, Messages, Reply};
use crate::status::{Code, Status};
use crate::telemetry::random;
use crate::telemetry::trace::context::LENGTH;
use crate::telemetry::trace::span::Traced;

use super::decide::balance::Balance;
use super::decide::retry::{Cause, Next, Pushback, Retries, Tries};
use super::exchange::{Bounds, Exchange};
use super::fault::{Failure, Told, full, hung, late, saturated, tripped, unopened};
use super::frames::Terms;
use super::gate::Inside;
use super::group::Member;
use super::hedged;
use super::http2::handle::{Stream, Turn};
use super::http2::hpack::Request;
use super::http2::piece::Piece;
use super::http2::reason::Error;
use super::links::{Choice, Connection, Lease, Wish};
use super::meters::Attempt;
use super::pool::Pool;
use super::report::Report;
use super::request::{
    ACCEPT_ENCODING, CONSTANT, ENCODING, TIMEOUT, TRACEPARENT, Timeout, crosses, crosses_without_parent,
    framed,
};
use super::settings::Settings;
use super::source::{Feed, Source};
use super::target::{Endpoint, Target};
use super::upload::Upload;
use super::watch::Watch;
use super::{core, key, stream};

/// What a backend may say about when a call is sent again.
static PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");

/// An upstream: carries calls to its targets.
///
/// One channel serves all cores; it is cheap to clone. Each core opens one connection per target when
/// calls first need it (see [`core::enter`]) and replaces it when it ends; up to seven more where the target takes no
/// further streams. A target that cannot be reached is left out for 20 to 500 ms; when none can, calls fail at once with
/// UNAVAILABLE. Targets whose calls fail one after the other are left alone for longer where [`Settings::outliers`] says
/// so, and those that say that they are not well where [`Settings::health`] does; when no other is there, they are used
/// all the same.
///
/// A call is sent again, at most twice and within its deadline, when the backend cannot have acted on it:
/// it was not sent, the stream was refused (once), or it lies above the last stream of a GOAWAY. A
/// method that is declared idempotent is also sent again when the connection broke before an answer, and as
/// [`Settings::retries`] says; nothing of an answer has reached the caller then. Where it says so, such a call is sent to
/// another target as well when it is not answered soon, and the first answer is that of the call.
///
/// Messages of statuses made here are for callers and name no address; those are in the log.
///
/// Dropping the future cancels the call at the backend. Backends take a flood of cancellations for an
/// attack, so beyond 20 at once and 5 a second on one connection they wait their turn, while the
/// answers are read and thrown away.
///
/// The reply of a method with server streaming comes with the backend's initial metadata; from there on it
/// is not sent again. What the caller does not pull stays with the backend, on its stream alone. Messages
/// of the caller are pulled one after the other as the backend takes them, on a task of their own.
///
/// The futures and streams run on tokio with time and I/O.
#[derive(Clone)]
pub struct Channel {
    shared: Arc<Shared>,
    /// The numbers of the fields that lead to what calls have in common, where that stands in the request.
    field: Option<Arc<[u32]>>,
}

pub(super) struct Shared {
    pub(super) pool: Arc<Pool>,
    pub(super) settings: Settings,
    feed: Feed,
}

impl Channel {
    /// A channel to `targets` for an application with `cores` runtimes. Nothing is connected yet.
    /// `name` stands in the log.
    pub fn new(
        name: impl Into<Arc<str>>,
        targets: impl IntoIterator<Item: Into<Endpoint>>,
        settings: Settings,
        cores: usize,
    ) -> Self {
        Self::fed(name, Feed::of(targets), settings, cores)
    }

    /// A channel to targets that may change.
    pub fn fed(name: impl Into<Arc<str>>, feed: Feed, settings: Settings, cores: usize) -> Self {
        let pool = Arc::new(Pool::new(name.into(), feed.clone(), settings.rules(), cores));
        Self { shared: Arc::new(Shared { pool, settings, feed }), field: None }
    }

    /// A channel to the same targets by other settings. It shares the connections and what is known of the targets. What
    /// concerns them holds once it is [taken up](Self::take_up).
    pub fn tuned(&self, settings: Settings) -> Self {
        self.moved(settings, self.shared.feed.clone())
    }

    /// The same channel, which sends no call again that may have arrived and is not idempotent, whatever its settings say.
    #[must_use]
    pub fn once(&self) -> Self {
        let once = self.tuned(Settings { retries: Retries::default(), ..self.shared.settings.clone() });
        Self { field: self.field.clone(), ..once }
    }

    /// The same to other targets, once it is taken up. Of those that stay, connections and what is known are kept;
    /// calls that are with the others end there.
    pub fn moved(&self, settings: Settings, feed: Feed) -> Self {
        Self { shared: Arc::new(Shared { pool: Arc::clone(&self.shared.pool), settings, feed }), field: None }
    }

    /// The same for the calls of one method, of whose requests the field to which these numbers lead is what calls have in
    /// common: each number but the last is that of a message in the one before.
    pub fn by_field(&self, numbers: Arc<[u32]>) -> Self {
        Self { shared: Arc::clone(&self.shared), field: Some(numbers) }
    }

    /// The targets of now.
    pub fn targets(&self) -> Vec<Target> {
        self.shared.feed.endpoints().into_iter().map(|endpoint| endpoint.target).collect()
    }

    /// The source of its targets that gives what this one would, with what it knows.
    pub fn like(&self, source: &Source) -> Option<&Arc<Source>> {
        self.shared.feed.like(source)
    }

    /// Those of its sources that are files.
    pub fn files(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.shared.feed.sources().filter(|source| source.file().is_some())
    }

    /// Lets the settings and targets hold for everything that is shared with other channels, and begins to ask targets for
    /// their health, and name servers for targets, where that is wanted and there is a runtime.
    pub fn take_up(&self) {
        let Shared { pool, settings, feed } = &*self.shared;
        pool.follow(feed);
        pool.retune(&settings.rules(), settings.health.as_ref());
    }

    /// What its connections are doing now.
    pub fn report(&self) -> Report {
        self.shared.pool.report()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("name", &self.shared.pool.name()).finish_non_exhaustive()
    }
}

impl CallService for Channel {
    fn call(&self, call: Call) -> BoxFuture<Reply> {
        let (shared, field) = (Arc::clone(&self.shared), self.field.clone());
        let key = shared.key(&call);
        let priority = call.origin.priority;
        let Call { method, metadata, deadline, encodings, trace, body, .. } = call;
        let mut work = Try {
            method,
            metadata,
            encodings,
            input: Input::Unread(body),
            started: Instant::now(),
            deadline,
            key,
            field,
            trace,
            parent: None,
            attempt: None,
            inside: None,
            priority,
            has_waited: false,
        };
        if hedged::is_wanted(&shared.settings.retries, &work.method) {
            return Box::pin(hedged::call(shared, work));
        }
        // A block, as the future of a function keeps what it is given twice, and this one is moved.
        Box::pin(async move { shared.answer(&mut work).await.unwrap_or_else(Reply::from) })
    }
}

/// The parts of a call that each try needs.
pub(super) struct Try {
    pub(super) method: Arc<call::Method>,
    pub(super) metadata: HeaderMap,
    pub(super) encodings: Encodings,
    pub(super) input: Input,
    pub(super) started: Instant,
    pub(super) deadline: Option<Instant>,
    /// What it has in common with calls that go to the same target.
    pub(super) key: Option<u64>,
    /// The numbers of the fields that lead to that, where it stands in the message and this is not read yet.
    pub(super) field: Option<Arc<[u32]>>,
    pub(super) trace: Option<Traced>,
    /// The value of `traceparent`, if it is not among the metadata as it came.
    pub(super) parent: Option<[u8; LENGTH]>,
    /// The try that goes on.
    pub(super) attempt: Option<Attempt>,
    /// Its place, where it is learnt how many calls the upstream takes.
    pub(super) inside: Option<Inside>,
    pub(super) priority: Priority,
    /// Whether the try had no connection at first, so that its time says little of the backend.
    pub(super) has_waited: bool,
}

/// What a try sends.
pub(super) enum Input {
    /// It is not known yet.
    Unread(Body),
    Message(Piece),
    /// Absent once a try has begun to pull them: they cannot be sent again.
    Stream(Option<Messages>),
}

impl Try {
    pub(super) fn begin(&mut self, started: Instant, upstream: &str, before: u32) {
        self.has_waited = false;
        let trace = self.trace.as_ref().and_then(Traced::sampled);
        self.attempt = Some(Attempt::begin(started, trace, &self.method, upstream, before));
    }

    /// Notes where the try goes, and tells the backend the place in the trace.
    pub(super) fn sent_to(&mut self, target: &Target) {
        let context = match (&self.trace, &mut self.attempt) {
            (Some(Traced::Sampled(_)), Some(attempt)) => attempt.sent_to(target),
            (Some(Traced::Unsampled(context)), _) => Some(*context),
            _ => None,
        };
        self.parent = context.map(|context| context.text());
    }

    /// When the try was begun, if its answer says how long its target takes: one that streams may begin at once and take
    /// as long as it likes, and one that has waited for a connection was with no target meanwhile.
    pub(super) fn sent(&self) -> Option<Instant> {
        let tells = !self.method.is_streaming() && !self.has_waited;
        self.attempt.as_ref().filter(|_| tells).map(Attempt::started)
    }

    pub(super) fn end(&mut self, code: Code) {
        let Some(attempt) = self.attempt.take() else { return };
        let time = attempt.end(&self.method, code);
        if let Some(inside) = self.inside.as_ref().filter(|_| !self.has_waited) {
            inside.ended(code, time, Instant::now());
        }
    }

    /// A reply ends the try, at once or with its stream.
    pub(super) fn replied(&mut self, reply: &mut Reply) {
        if reply.stream.is_none() {
            self.end(reply.status.code());
        } else if let Some((stream, attempt)) = reply.stream.take().zip(self.attempt.take()) {
            reply.stream = Some(attempt.follow(Arc::clone(&self.method), stream));
        }
    }

    /// What is left of the deadline. A call without any is not sent.
    fn timeout(&self) -> Result<Option<Duration>, Status> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            Err(late(self.started, self.deadline))
        } else {
            Ok(left)
        }
    }

    /// Whether there is something that another try could send.
    const fn is_whole(&self) -> bool {
        !matches!(self.input, Input::Stream(None))
    }
}

impl Drop for Try {
    /// A try that nobody waits for any more: its time is over, or its caller left.
    fn drop(&mut self) {
        if self.attempt.is_some() {
            let is_late = self.deadline.is_some_and(|deadline| deadline <= Instant::now());
            self.end(if is_late { Code::DeadlineExceeded } else { Code::Cancelled });
        }
    }
}

/// A try that failed, and what goes on.
struct Failed<'a> {
    member: &'a Arc<Member>,
    outcome: Result<Reply, Failure>,
    tries: &'a mut Tries,
    wish: &'a mut Wish,
}

impl Shared {
    async fn answer(&self, work: &mut Try) -> Result<Reply, Status> {
        self.read(work).await?;
        let (started, deadline) = (work.started, work.deadline);
        match before(deadline, pin!(self.send(work))).await {
            Some(outcome) => outcome,
            None => Err(late(started, deadline)),
        }
    }

    /// Reads the message, if the method takes one, from when on the upstream's own time counts.
    pub(super) async fn read(&self, work: &mut Try) -> Result<(), Status> {
        let Input::Unread(body) = std::mem::replace(&mut work.input, Input::Stream(None)) else {
            return Ok(());
        };
        if let Body::Refused(status) = body {
            return Err(*status);
        }
        work.input = if work.method.client_streaming {
            Input::Stream(Some(body.messages()))
        } else {
            let message = before(work.deadline, pin!(body.message())).await;
            let message = message.unwrap_or_else(|| Err(late(work.started, work.deadline)))?;
            if let Some(numbers) = work.field.take() {
                work.key = key::of_message(&message, &numbers);
            }
            Input::Message(framed(message, self.settings.max_message)?)
        };
        if !work.method.is_streaming() {
            work.started = Instant::now();
            let latest = work.started.checked_add(self.settings.timeout);
            work.deadline = work.deadline.into_iter().chain(latest).min();
        }
        Ok(())
    }

    async fn send(&self, work: &mut Try) -> Result<Reply, Status> {
        if let Err(left) = self.pool.group().admit(work.started) {
            return Ok(tripped(left));
        }
        let slot = core::slot(self.pool.cores());
        let mut wish = Wish::new(work.method.idempotent, work.key);
        let mut tries = Tries::first();
        work.begin(work.started, self.pool.name(), 0);
        self.enter(work)?;
        loop {
            let lease = match self.pool.acquire(slot, &self.settings.balance, &wish, tries.count == 1) {
                Choice::Up(lease) => Ok(lease),
                Choice::Full => Err(full()),
                // What seldom happens is kept apart, so that the future of a call is small.
                _ => {
                    work.has_waited = true;
                    Box::pin(Arc::clone(&self.pool).wait(slot, &self.settings.balance, wish)).await
                }
            };
            let lease = lease.inspect_err(|status| work.end(status.code()))?;
            // Of this core alone, which the target is not.
            let connection: Arc<Connection> = Arc::clone(&lease.connection);
            let member = &connection.member;
            work.sent_to(member.target());
            // What came is moved on before anything is waited for again, so that the future of a call has no place for it.
            let failed = match self.exchange(slot, lease, work, tries).await {
                Ok(mut reply) if reply.status.is_ok() => {
                    self.pool.group().succeeded(member, work.sent());
                    work.replied(&mut reply);
                    return Ok(reply);
                }
                outcome => Box::pin(
                    self.failed(work, Failed { member, outcome, tries: &mut tries, wish: &mut wish }),
                ),
            };
            if let Some(outcome) = failed.await {
                return outcome;
            }
        }
    }

    /// Lets a unary call in, where it is learnt how many of them the upstream takes.
    pub(super) fn enter(&self, work: &mut Try) -> Result<(), Status> {
        if work.method.is_streaming() {
            return Ok(());
        }
        let Some(gate) = self.pool.group().gate() else { return Ok(()) };
        work.inside = gate.enter(work.priority);
        if work.inside.is_some() {
            return Ok(());
        }
        work.attempt.iter_mut().for_each(Attempt::shed);
        work.end(Code::Unavailable);
        Err(saturated())
    }

    /// Notes what a try that failed says of its target, and why the call could be sent again, if it could.
    pub(super) fn note(&self, member: &Arc<Member>, outcome: &Result<Reply, Failure>) -> Option<Cause> {
        let (is_blamed, cause) = match outcome {
            Ok(reply) => {
                let code = reply.status.code();
                let pushback = Pushback::read(reply.trailers.get(&PUSHBACK).map(HeaderValue::as_bytes));
                (code == Code::Unavailable, Some(Cause::Answered(code, pushback)))
            }
            Err(failure) => (failure.blames_the_target(), failure.again.cause()),
        };
        let group = self.pool.group();
        if is_blamed {
            group.failed(member);
        } else if outcome.is_ok() {
            group.succeeded(member, None);
        } else if matches!(cause, Some(Cause::Lost { .. })) {
            group.lost(member);
        }
        cause
    }

    /// What comes of a try that failed; nothing if there is another one.
    async fn failed(&self, work: &mut Try, failed: Failed<'_>) -> Option<Result<Reply, Status>> {
        let Failed { member, outcome, tries, wish } = failed;
        let cause = self.note(member, &outcome);
        let told = self.told(member, work);
        let count = tries.count;
        let pause = cause.filter(|_| work.is_whole()).and_then(|cause| self.pause(cause, tries, work));
        let Some(pause) = pause else {
            return Some(match outcome {
                Ok(mut reply) => {
                    work.replied(&mut reply);
                    Ok(reply)
                }
                Err(failure) => {
                    work.end(failure.status.code());
                    told.warn(&failure, count);
                    Err(failure.status)
                }
            });
        };
        let (status, why) = match outcome {
            Ok(reply) => (reply.status, None),
            Err(failure) => (failure.status, failure.cause),
        };
        work.end(status.code());
        told.again(&status, why.as_ref(), count);
        wish.avoid(member);
        if !pause.is_zero() {
            sleep(pause).await;
        }
        work.begin(Instant::now(), self.pool.name(), count);
        None
    }

    /// How long to wait until the call is sent again, if it is. Not when its deadline would have passed, nor when too many
    /// calls are sent again already.
    fn pause(&self, cause: Cause, tries: &mut Tries, work: &Try) -> Option<Duration> {
        let random = (random::next() >> 32) as u32;
        let rules = &self.settings.retries;
        let Next::Again { pause, paid } = tries.next(cause, rules, work.method.idempotent, random) else {
            return None;
        };
        if !pause.is_zero() && work.deadline.is_some_and(|deadline| Instant::now() + pause >= deadline) {
            return None;
        }
        self.pay(cause, paid).then_some(pause)
    }

    /// Counts a call that is to be sent again; false when there are too many of them already.
    pub(super) fn pay(&self, cause: Cause, paid: bool) -> bool {
        let group = self.pool.group();
        if paid && (group.is_open() || !group.take(self.settings.retries.budget)) {
            return false;
        }
        if matches!(cause, Cause::Lost { .. }) && !paid {
            group.spend();
        }
        group.meters().sent_again(cause);
        true
    }

    pub(super) fn told(&self, member: &Arc<Member>, work: &Try) -> Told {
        let (pool, member) = (Arc::clone(&self.pool), Arc::clone(member));
        Told { pool, member, method: Arc::clone(&work.method) }
    }

    /// What a call has in common with others that go to the same target.
    fn key(&self, call: &Call) -> Option<u64> {
        let Balance::ConsistentHash(common) = &self.settings.balance else { return None };
        key::of(common, call)
    }

    /// One try on one connection. Where another target may be asked, its answer is waited for only so long.
    async fn exchange(
        &self,
        slot: usize,
        lease: Lease,
        work: &mut Try,
        tries: Tries,
    ) -> Result<Reply, Failure> {
        let rules = &self.settings.retries;
        match rules.attempt_timeout {
            Some(time)
                if tries.may_hang(rules, work.method.idempotent)
                    && matches!(work.input, Input::Message(_)) =>
            {
                Box::pin(self.impatient(slot, lease, work, time)).await
            }
            _ => self.patient(slot, lease, work).await,
        }
    }

    /// Gives up the try after this time, if the budget allows another one.
    async fn impatient(
        &self,
        slot: usize,
        lease: Lease,
        work: &mut Try,
        time: Duration,
    ) -> Result<Reply, Failure> {
        let until = Instant::now().checked_add(time);
        let mut answer = pin!(self.patient(slot, lease, work));
        match before(until, answer.as_mut()).await {
            Some(outcome) => outcome,
            None if self.pool.group().take(self.settings.retries.budget) => Err(hung(time)),
            None => answer.await,
        }
    }

    async fn patient(&self, slot: usize, lease: Lease, work: &mut Try) -> Result<Reply, Failure> {
        let mut exchange = self.open(slot, lease, work).await?;
        let terms = Terms { limit: self.settings.max_message, compressed: work.encodings.accepted.is_some() };
        if work.method.server_streaming {
            let told = self.told(exchange.member(), work);
            Box::pin(stream::open(exchange, terms, told)).await
        } else {
            exchange.run(terms).await
        }
    }

    /// Opens a stream and begins to send.
    pub(super) async fn open(
        &self,
        slot: usize,
        mut lease: Lease,
        work: &mut Try,
    ) -> Result<Exchange, Failure> {
        let turn = match lease.connection.sender.try_turn() {
            Ok(Some(turn)) => Ok(turn),
            Ok(None) => Box::pin(Arc::clone(&self.pool).turn(slot, &mut lease)).await?,
            Err(error) => Err(error),
        };
        let turn = turn.map_err(|error| self.unopened(slot, &lease, error))?;
        let stream = self.begin(turn, &lease, work)?.map_err(|error| self.unopened(slot, &lease, error))?;
        let watch = work.method.is_streaming().then(|| Box::new(self.watch(work)));
        let upload = match &mut work.input {
            Input::Message(_) | Input::Unread(_) => None,
            Input::Stream(messages) => {
                // Only the first try gets here with them.
                let messages = messages.take().unwrap_or_else(|| Box::pin(futures_util::stream::empty()));
                let activity = watch.as_ref().map(|watch| watch.activity()).unwrap_or_default();
                Some(Upload::start(stream.sink(), messages, self.settings.max_message, activity))
            }
        };
        let own = work.started.checked_add(self.settings.timeout);
        let is_own = !work.method.is_streaming() && work.deadline == own;
        let bounds = Bounds { started: work.started, deadline: work.deadline, is_own };
        Ok(Exchange::new(lease, stream, upload, bounds, watch))
    }

    fn unopened(&self, slot: usize, lease: &Lease, error: Error) -> Failure {
        if !matches!(error, Error::HeadersTooLarge { .. }) {
            self.pool.retire(slot, &lease.connection);
        }
        unopened(error)
    }

    /// Sends the headers, and the message if there is one.
    fn begin(&self, turn: Turn, lease: &Lease, work: &Try) -> Result<Result<Stream, Error>, Status> {
        let timeout = work.timeout()?.map(Timeout::new);
        let request = Request {
            secure: lease.member().target().tls().is_some(),
            authority: lease.member().target().authority(),
            path: work.method.path.as_str(),
            constant: CONSTANT,
            varying: [
                timeout.as_ref().map(|timeout| (TIMEOUT, timeout.as_bytes())),
                work.encodings.request.as_ref().map(|encoding| (ENCODING, encoding.as_bytes())),
                work.encodings.accepted.as_ref().map(|accepted| (ACCEPT_ENCODING, accepted.as_bytes())),
                work.parent.as_ref().map(|parent| (TRACEPARENT, &parent[..])),
            ],
            metadata: &work.metadata,
            keep: if work.parent.is_some() { crosses_without_parent } else { crosses },
        };
        let message = match &work.input {
            Input::Message(piece) => Some(piece.clone()),
            Input::Stream(_) | Input::Unread(_) => None,
        };
        Ok(turn.open(&request, message))
    }

    fn watch(&self, work: &Try) -> Watch {
        let answer_within = (!work.method.server_streaming).then_some(self.settings.timeout);
        Watch::new(work.started, work.deadline, self.settings.idle, answer_within)
    }
}
