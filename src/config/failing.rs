//! `balance`, `health`, `outliers`, `circuit` and `retries` of an upstream: which target a call goes to, and what happens
//! when targets fail.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::limits::DAY;
use super::node::{Node, Value};
use super::place::{Located, Place};
use super::problem::Problem;
use super::schema::Schemas;
use super::settings::Setting;
use super::settings::collection::NonEmpty;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::value::name::{CookieName, FieldNames, RequestKey};
use super::value::percent::Percent;
use super::value::range::Pauses;

const HEALTH_INTERVAL: Duration = Duration::from_secs(5);
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);
const EJECT_FOR: Duration = Duration::from_secs(30);
const WINDOW: Duration = Duration::from_secs(10);
const OPEN_FOR: Duration = Duration::from_secs(5);
const BACKOFF: Pauses = Pauses { first: Duration::from_millis(25), longest: Duration::from_secs(1) };

/// Which of the targets a call goes to: a word, or a mapping.
#[derive(Clone, Debug, PartialEq)]
pub enum Balance {
    /// By what is in flight, or in turn.
    Plain(Located<Shares>),
    /// By something that calls have in common.
    Common(Common),
}

settings! {
    /// How targets share the calls.
    pub enum Shares {
        /// Of two targets the one with fewer calls in flight.
        "least_request" => LeastRequest,
        /// One after the other.
        "round_robin" => RoundRobin,
    }
}

settings! {
    /// Calls that have something in common go to the same target.
    pub enum Common {
        /// By the hash of something. A target with a quarter more calls in flight than its share is passed over.
        consistent_hash: ConsistentHash(Hashed),
    }
}

settings! {
    /// What calls have in common. Calls without it go where fewer are in flight.
    pub enum Hashed {
        /// The value of this metadata as it goes upstream, or else of this header of the request.
        header: Header(Located<RequestKey>),
        /// The value of this cookie.
        cookie: Cookie(Located<CookieName>),
        /// What is said of the caller under this name: `sub`, `owner`, `plan`, or a claim.
        claim: Claim(Located<String>),
        /// The value of this field of the request, such as `user_id` or `user.id`.
        field: Field(Located<FieldNames>),
    }
    check check
}

settings! {
    /// How targets are asked for their health, by gRPC (grpc.health.v1).
    pub struct Health {
        /// The service that is asked for. The whole server if this is left out.
        grpc: Option<Located<String>> = None,
        /// How often each target is asked.
        interval: Located<Duration> = HEALTH_INTERVAL.into() => Duration::from_millis(100)..=Duration::from_secs(3600),
        /// How long an answer may take.
        timeout: Located<Duration> = HEALTH_TIMEOUT.into() => Duration::from_millis(10)..=Duration::from_secs(60),
        /// After how many bad answers in a row a target is left out.
        unhealthy: Located<u32> = 2.into() => 1..=100,
        /// After how many good answers in a row it is back.
        healthy: Located<u32> = 1.into() => 1..=100,
    }
    check check(interval, timeout)
}

settings! {
    /// When targets are left alone because calls to them fail.
    pub struct Outliers {
        /// After how many failures in a row: UNAVAILABLE, or no answer in time.
        consecutive_failures: Located<u32> = 5.into() => 1..=1000,
        /// When at least this part of its calls in `window` fails. However many do if this is left out.
        failure_rate: Option<Located<Percent>> = None => Percent::ONE..=Percent::of(100),
        /// When its answers in `window` typically take so many times as long as those of the other targets (their median,
        /// and 10 ms more at least). However long they take if this is left out.
        slower_than: Option<Located<u32>> = None => 2..=1000,
        /// How long `failure_rate` and `slower_than` look back.
        window: Located<Duration> = WINDOW.into() => Duration::from_secs(1)..=Duration::from_secs(600),
        /// How many calls of a target there must be in `window`.
        min_calls: Located<u32> = 50.into() => 1..=1_000_000,
        /// For how long the first time. Each further time adds as much, up to ten times.
        eject_for: Located<Duration> = EJECT_FOR.into() => Duration::from_millis(100)..=Duration::from_secs(3600),
        /// How many of the targets at most.
        max_ejected: Located<Percent> = Percent::of(50).into(),
    }
    check check(failure_rate, slower_than, window, min_calls)
}

settings! {
    /// How many calls there may be at a time. Further ones fail at once with UNAVAILABLE, which is 503 in HTTP.
    pub struct Circuit {
        /// Calls that are with the backends. As many as come if this is left out.
        max_in_flight: Option<Located<u32>> = None => 1..=10_000_000,
        /// Calls that wait for a connection, or for a backend that takes no more of them at a time. As many as come if
        /// this is left out.
        max_pending: Option<Located<u32>> = None => 1..=10_000_000,
        /// Unary calls that are with the backends: as many as they answer without delay, which is learnt. Not so if this is
        /// left out.
        adaptive: Option<Adaptive> = None,
        /// When at least this part of the calls to all targets in `window` fails, all calls fail for `open_for`; then three
        /// try, and if they are answered it is over. However many fail if this is left out.
        failure_rate: Option<Located<Percent>> = None => Percent::ONE..=Percent::of(100),
        /// How long `failure_rate` looks back.
        window: Located<Duration> = WINDOW.into() => Duration::from_secs(1)..=Duration::from_secs(600),
        /// How many calls there must be in `window`.
        min_calls: Located<u32> = 50.into() => 1..=1_000_000,
        /// How long calls fail at once.
        open_for: Located<Duration> = OPEN_FOR.into() => Duration::from_millis(100)..=Duration::from_secs(3600),
    }
    check check(max_in_flight, max_pending, adaptive, failure_rate)
    check check_counted(failure_rate, window, min_calls, open_for)
}

settings! {
    /// How many unary calls there may be at a time, learnt from how long they take. Calls of plans with the priority low are
    /// refused from 80 % of it on, normal ones from 90 % on.
    pub struct Adaptive {
        /// The fewest.
        min: Located<u32> = 5.into() => 1..=10_000_000,
        /// The most.
        max: Located<u32> = 1000.into() => 1..=10_000_000,
        /// By how much more than without load a call may take.
        tolerance: Located<Percent> = Percent::of(50).into() => Percent::of(10)..=Percent::of(100),
    }
    check check(min, max)
}

settings! {
    /// Which calls are sent again, beside those that a backend cannot have acted on.
    pub struct Retries {
        /// How often a call is sent in all.
        attempts: Located<u32> = 2.into() => 2..=10,
        /// After which answers.
        on: NonEmpty<Located<RetryCode>> = NonEmpty::new(RetryCode::Unavailable.into(), []),
        /// The pause before the second time, and the longest one; each is twice as long as the one before, but for a
        /// random part.
        backoff: Located<Pauses> = BACKOFF.into(),
        /// How many of the calls of the last ten seconds may be sent again. Three a second may in any case.
        budget: Located<Percent> = Percent::of(20).into(),
        /// How long an answer is waited for until another target is asked, where there is another attempt. To the end of
        /// `timeout` if this is left out.
        attempt_timeout: Option<Located<Duration>> = None => Duration::from_millis(1)..=DAY,
        /// How long an answer is waited for until another target is asked as well, where there is another attempt. The first
        /// answer is that of the call. That is not done if this is left out.
        hedge_after: Option<Located<Duration>> = None => Duration::from_millis(1)..=DAY,
        /// Whether methods are sent again, too, that are not declared to be NO_SIDE_EFFECTS or IDEMPOTENT.
        r#unsafe: Located<bool> = false.into(),
    }
    check check(budget, attempt_timeout, hedge_after)
}

settings! {
    /// A code after which a call may be sent again.
    pub enum RetryCode {
        /// The service cannot be reached at the moment.
        "UNAVAILABLE" => Unavailable,
        /// Something is used up.
        "RESOURCE_EXHAUSTED" => ResourceExhausted,
        /// The call lost a conflict with another one.
        "ABORTED" => Aborted,
        /// The backend's own deadline has passed.
        "DEADLINE_EXCEEDED" => DeadlineExceeded,
        /// An error without a better code.
        "UNKNOWN" => Unknown,
        /// The backend has a defect.
        "INTERNAL" => Internal,
        /// The backend took the call back.
        "CANCELLED" => Cancelled,
    }
}

impl Default for Balance {
    fn default() -> Self {
        Self::Plain(Shares::LeastRequest.into())
    }
}

impl Setting for Balance {
    const WHAT: &'static str =
        "one of the words `least_request`, `round_robin`, or a mapping with the key `consistent_hash`";

    fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        match &node.value {
            Value::Text(text) if text == "consistent_hash" => {
                let message = format!("{} does not say what calls have in common.", reader.path());
                let hint = "Write `balance: {consistent_hash: {header: x-user}}`, or another of `cookie`, `claim` and `field`.";
                reader.error(Problem::error(message).at(node.place).hint(hint))
            }
            Value::Map(_) => Common::read(node, reader).map(Self::Common),
            _ => Located::read(node, reader).map(Self::Plain),
        }
    }

    fn schema(schemas: &mut Schemas) -> Json {
        json!({ "anyOf": [Shares::schema(schemas), Common::schema(schemas)] })
    }

    fn written(&self) -> Option<Json> {
        match self {
            Self::Plain(shares) => shares.written(),
            Self::Common(common) => common.written(),
        }
    }
}

impl Balance {
    /// Where it is written.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Plain(shares) => shares.place,
            Self::Common(Common::ConsistentHash(hashed)) => hashed.place(),
        }
    }
}

impl Hashed {
    /// Where it is written.
    pub const fn place(&self) -> Option<Place> {
        match self {
            Self::Header(name) => name.place,
            Self::Cookie(name) => name.place,
            Self::Claim(name) => name.place,
            Self::Field(names) => names.place,
        }
    }

    fn check(&self, reader: &mut Reader<'_>) {
        if let Self::Claim(name) = self
            && name.is_empty()
        {
            let text = format!("{} does not name a claim.", reader.path());
            warn(reader, Problem::error(text).at(name.place).hint("Write `claim: sub`, or another name."));
        }
    }
}

impl Health {
    fn check(
        reader: &mut Reader<'_>,
        interval: Option<&Located<Duration>>,
        timeout: Option<&Located<Duration>>,
    ) {
        let (Some(interval), Some(timeout)) = (interval, timeout) else { return };
        if timeout.value > interval.value {
            let text = format!("{} waits longer for an answer than until the next question.", reader.path());
            let hint = "Write a `timeout` that is not longer than `interval`.";
            warn(reader, Problem::warning(text).at(timeout.place.or(interval.place)).hint(hint));
        }
    }
}

impl Outliers {
    fn check(
        reader: &mut Reader<'_>,
        failure_rate: Option<&Option<Located<Percent>>>,
        slower_than: Option<&Option<Located<u32>>>,
        window: Option<&Located<Duration>>,
        min_calls: Option<&Located<u32>>,
    ) {
        if let (Some(None), Some(None)) = (failure_rate, slower_than) {
            let hint = "Write a `failure_rate` or `slower_than`, or remove it.";
            warn_idle(reader, [("window", place(window)), ("min_calls", place(min_calls))], hint);
        } else {
            warn_seldom(reader, window, min_calls);
        }
    }

    /// Where it says when a target is left alone, or for how long.
    pub(super) fn place(&self) -> Option<Place> {
        let Self { consecutive_failures, failure_rate, slower_than, eject_for, .. } = self;
        let rates = [
            failure_rate.as_ref().and_then(|rate| rate.place),
            slower_than.as_ref().and_then(|times| times.place),
        ];
        consecutive_failures.place.or(rates[0]).or(rates[1]).or(eject_for.place)
    }
}

impl Circuit {
    fn check(
        reader: &mut Reader<'_>,
        in_flight: Option<&Option<Located<u32>>>,
        pending: Option<&Option<Located<u32>>>,
        adaptive: Option<&Option<Adaptive>>,
        failure_rate: Option<&Option<Located<Percent>>>,
    ) {
        if let (Some(None), Some(None), Some(None), Some(None)) = (in_flight, pending, adaptive, failure_rate)
        {
            let text = format!("{} has no bound.", reader.path());
            let hint = "Write `circuit: {max_in_flight: 1000}`, or remove it.";
            warn(reader, Problem::warning(text).hint(hint));
        }
        if let (Some(Some(most)), Some(Some(adaptive))) = (in_flight, adaptive)
            && most.value <= adaptive.min.value
        {
            let text = format!(
                "{} allows no more calls than the fewest that `adaptive` allows, so that there is nothing to learn.",
                reader.path()
            );
            let hint =
                "Write a larger `max_in_flight`, a smaller `min` in `adaptive`, or remove one of the two.";
            warn(reader, Problem::warning(text).at(most.place).hint(hint));
        }
    }

    fn check_counted(
        reader: &mut Reader<'_>,
        failure_rate: Option<&Option<Located<Percent>>>,
        window: Option<&Located<Duration>>,
        min_calls: Option<&Located<u32>>,
        open_for: Option<&Located<Duration>>,
    ) {
        if let Some(None) = failure_rate {
            let keys =
                [("window", place(window)), ("min_calls", place(min_calls)), ("open_for", place(open_for))];
            warn_idle(reader, keys, "Write a `failure_rate`, or remove it.");
        } else {
            warn_seldom(reader, window, min_calls);
        }
    }
}

impl Adaptive {
    fn check(reader: &mut Reader<'_>, min: Option<&Located<u32>>, max: Option<&Located<u32>>) {
        let (Some(min), Some(max)) = (min, max) else { return };
        if min.value > max.value {
            let text = format!("{} has more calls as the fewest than as the most.", reader.path());
            let hint = format!("Write a `min` up to {}, or a larger `max`.", max.value);
            let _: Option<()> = reader.error(Problem::error(text).at(min.place.or(max.place)).hint(hint));
        }
    }
}

fn place<T>(value: Option<&Located<T>>) -> Option<Place> {
    value?.place
}

/// Warns of keys that are written and mean nothing without another one.
fn warn_idle<const N: usize>(reader: &mut Reader<'_>, keys: [(&str, Option<Place>); N], hint: &str) {
    for (key, place) in keys.into_iter().filter(|(_, place)| place.is_some()) {
        let text = format!("The `{key}` of {} has no effect: nothing is counted.", reader.path());
        warn(reader, Problem::warning(text).at(place).hint(hint));
    }
}

/// How many calls a second one target is thought to get at most, for warnings.
const MANY: u128 = 10_000;

/// Warns of a window in which there are hardly as many calls as there must be.
fn warn_seldom(
    reader: &mut Reader<'_>,
    window: Option<&Located<Duration>>,
    min_calls: Option<&Located<u32>>,
) {
    let (Some(window), Some(min_calls)) = (window, min_calls) else { return };
    if u128::from(min_calls.value) * 1_000 > window.as_millis() * MANY {
        let text = format!(
            "{} needs more than {MANY} calls a second to say something: its `window` is short for `min_calls`.",
            reader.path()
        );
        let hint = "Write a longer `window` or a lower `min_calls`.";
        warn(reader, Problem::warning(text).at(min_calls.place.or(window.place)).hint(hint));
    }
}

impl Retries {
    fn check(
        reader: &mut Reader<'_>,
        budget: Option<&Located<Percent>>,
        attempt: Option<&Option<Located<Duration>>>,
        hedge: Option<&Option<Located<Duration>>>,
    ) {
        if let (Some(Some(attempt)), Some(Some(_))) = (attempt, hedge) {
            let text =
                format!("{} never waits for `attempt_timeout` because of `hedge_after`.", reader.path());
            let hint = "Remove `attempt_timeout`: where an answer is late, another target is asked beside the first one.";
            warn(reader, Problem::warning(text).at(attempt.place).hint(hint));
        }
        if let Some(budget) = budget.filter(|budget| budget.millionths() == 0) {
            let text = format!("{} allows no call to be sent again.", reader.path());
            let hint = "Write a `budget` above 0%, or remove `retries`.";
            warn(reader, Problem::warning(text).at(budget.place).hint(hint));
        }
    }
}

pub(super) fn warn(reader: &mut Reader<'_>, problem: Problem) {
    let _: Option<()> = reader.error(problem);
}
