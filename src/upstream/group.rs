//! What all cores know of an upstream together: the calls that are with each target, which targets are left alone, and
//! how many calls there may be.
//!
//! A call that is answered costs some counting here and no lock.

mod judging;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::time::Instant;

use super::counting::Counting;
use super::decide::adaptive::Adaptive;
use super::decide::budget::Budget;
use super::decide::circuit::{Circuit, Gauge};
use super::decide::outlier::{Outliers, Record};
use super::decide::rates::Outcomes;
use super::decide::window::Window;
use super::gate::Gate;
use super::meters::Meters;
use super::report::{Recent, Report, TargetReport};
use super::shares::{Share, Shares};
use super::target::{Endpoint, Target};
use crate::call::hash::hash;
use crate::telemetry::metrics::HeldLevel;

/// What may change while the connections stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) outliers: Option<Outliers>,
    pub(super) circuit: Circuit,
    pub(super) adaptive: Option<Adaptive>,
    pub(super) slow_start: Option<Duration>,
    pub(super) panic_threshold: u32,
    pub(super) connection_age: Option<Duration>,
    pub(super) connect_timeout: Duration,
}

/// The targets of one upstream.
pub(super) struct Group {
    name: Arc<str>,
    /// Those of now. Calls and connections hold theirs themselves, however the list changes.
    members: Mutex<Members>,
    /// What times are counted from.
    epoch: Instant,
    rules: Mutex<Rules>,
    max_in_flight: AtomicU32,
    max_pending: AtomicU32,
    in_flight: Gauge,
    pending: Gauge,
    /// How many unary calls it takes, if that is learnt.
    gate: ArcSwapOption<Gate>,
    /// How many targets are left alone.
    ejected: AtomicUsize,
    /// Whether those that are left out are used as well, and where that is counted.
    panics: AtomicBool,
    panic: Mutex<Option<HeldLevel>>,
    counting: Counting,
    shares: Shares,
    budget: Budget,
    /// The calls that began, for each core.
    requests: Box<[Requests]>,
    meters: Meters,
}

#[derive(Default)]
#[repr(align(128))]
struct Requests(Window);

/// The targets of an upstream at one time, in their order.
pub(super) type Members = Arc<[Arc<Member>]>;

/// One target, as long as it is one of the upstream's or some call is with it.
#[repr(align(128))]
pub(super) struct Member {
    target: Target,
    name: String,
    /// The hash of its name.
    seed: u64,
    /// One bit that none of the others has; none where there are more than 64.
    bit: u64,
    share: Share,
    /// What its calls came to, where that is counted.
    outcomes: Outcomes,
    in_flight: AtomicU32,
    /// What there is to look at, which for most targets and most of the time is nothing.
    marks: AtomicU8,
    record: Mutex<Known>,
}

/// There was a failure since the last answer.
const FAILING: u8 = 1;
/// It is left alone.
const EJECTED: u8 = 2;
/// It says itself that it is not well, or nothing.
const UNHEALTHY: u8 = 4;
/// It is no target of the upstream any more.
const GONE: u8 = 8;
/// It could not be reached when that was last tried.
const AWAY: u8 = 16;

#[derive(Default)]
struct Known {
    record: Record,
    /// Where it is counted that there is the target, that it is left alone, or not well.
    listed: Option<HeldLevel>,
    ejected: Option<HeldLevel>,
    unhealthy: Option<HeldLevel>,
}

impl Member {
    fn new(endpoint: &Endpoint, bit: u64, meters: &Meters) -> Self {
        let listed = Some(meters.targets.hold());
        let name = endpoint.target.to_string();
        Self {
            seed: hash(name.as_bytes()),
            name,
            bit,
            target: endpoint.target.clone(),
            share: Share::new(endpoint.weight),
            outcomes: Outcomes::default(),
            in_flight: AtomicU32::new(0),
            marks: AtomicU8::new(0),
            record: Mutex::new(Known { listed, ..Known::default() }),
        }
    }

    /// Where it is.
    pub(super) const fn target(&self) -> &Target {
        &self.target
    }

    /// How calls remember it.
    pub(super) const fn bit(&self) -> u64 {
        self.bit
    }

    /// How many calls are with it.
    pub(super) fn load(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// The hash of its name.
    pub(super) const fn seed(&self) -> u64 {
        self.seed
    }

    /// Whether it is neither left alone nor unwell.
    pub(super) fn is_usable(&self) -> bool {
        !self.has(EJECTED | UNHEALTHY)
    }

    fn has(&self, marks: u8) -> bool {
        self.marks.load(Relaxed) & marks != 0
    }

    fn mark(&self, mark: u8, is_set: bool) {
        if is_set {
            self.marks.fetch_or(mark, Relaxed);
        } else {
            self.marks.fetch_and(!mark, Relaxed);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that waits for a connection or for a stream.
pub(super) struct Pending<'a>(&'a Gauge);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Group {
    /// The targets of an upstream, for `slots` cores.
    pub(super) fn new(name: Arc<str>, endpoints: &[Endpoint], rules: Rules, slots: usize) -> Self {
        let meters = Meters::new(&name);
        let gate = rules.adaptive.map(|rules| Arc::new(Gate::new(&name, rules, slots)));
        let shares = Shares::new(rules.slow_start);
        shares.compare(endpoints.iter().map(|endpoint| endpoint.weight));
        Self {
            members: Mutex::new(following(&[], endpoints, &meters)),
            epoch: Instant::now(),
            max_in_flight: AtomicU32::new(rules.circuit.max_in_flight),
            max_pending: AtomicU32::new(rules.circuit.max_pending),
            in_flight: Gauge::default(),
            pending: Gauge::default(),
            gate: ArcSwapOption::new(gate),
            ejected: AtomicUsize::new(0),
            panics: AtomicBool::new(false),
            panic: Mutex::default(),
            counting: Counting::new(&rules),
            shares,
            budget: Budget::default(),
            requests: (0..slots).map(|_| Requests::default()).collect(),
            meters,
            rules: Mutex::new(rules),
            name,
        }
    }

    pub(super) const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) const fn meters(&self) -> &Meters {
        &self.meters
    }

    /// The targets of now.
    pub(super) fn members(&self) -> Members {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes these the targets from now on. What is known of those that stay is known on. `None` if nothing changes but
    /// weights.
    pub(super) fn replace(&self, endpoints: &[Endpoint]) -> Option<Members> {
        let mut members = self.lock();
        let next = following(&members, endpoints, &self.meters);
        self.shares.compare(endpoints.iter().map(|endpoint| endpoint.weight));
        if is_same(&members, &next) {
            return None;
        }
        let before = std::mem::replace(&mut *members, Arc::clone(&next));
        drop(members);
        let now = self.now();
        let added = next.iter().filter(|member| !contains(&before, member));
        let added = added.map(|member| self.shares.came(&member.share, now)).count();
        let gone = before.iter().filter(|member| !contains(&next, member));
        let gone = gone.map(|member| self.part_with(member)).count();
        self.look_around();
        let (upstream, targets) = (&*self.name, next.len());
        tracing::info!(upstream, targets, added, gone, "calls go to other targets than before");
        Some(next)
    }

    /// A target is none of the upstream's any more, so that nothing is counted of it but the calls that are with it.
    fn part_with(&self, member: &Member) {
        let mut known = member.lock();
        if known.record.pardon() {
            self.ejected.fetch_sub(1, Relaxed);
        }
        (known.listed, known.ejected, known.unhealthy) = (None, None, None);
        member.mark(FAILING | EJECTED | UNHEALTHY, false);
        member.mark(GONE, true);
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.rules().connect_timeout
    }

    pub(super) fn connection_age(&self) -> Option<Duration> {
        self.rules().connection_age
    }

    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on by other rules. What is in flight and what is known of targets stays; targets are left alone no longer
    /// where that is not done any more.
    pub(super) fn retune(&self, rules: &Rules) {
        self.max_in_flight.store(rules.circuit.max_in_flight, Relaxed);
        self.max_pending.store(rules.circuit.max_pending, Relaxed);
        *self.rules() = rules.clone();
        self.retune_gate(rules.adaptive);
        self.counting.retune(rules);
        self.shares.retune(rules.slow_start, self.now());
        if rules.outliers.is_none() {
            for member in self.members().iter() {
                let mut known = member.lock();
                if known.record.pardon() {
                    self.ejected.fetch_sub(1, Relaxed);
                }
                known.ejected = None;
                member.mark(FAILING | EJECTED, false);
            }
        }
        self.look_around();
    }

    /// What was learnt is forgotten only where nothing is to be learnt any more.
    fn retune_gate(&self, rules: Option<Adaptive>) {
        match (rules, &*self.gate.load()) {
            (Some(rules), Some(gate)) => gate.retune(rules),
            (Some(rules), None) => {
                self.gate.store(Some(Arc::new(Gate::new(&self.name, rules, self.requests.len()))));
            }
            (None, _) => self.gate.store(None),
        }
    }

    /// What lets unary calls in, if it is learnt how many there may be.
    pub(super) fn gate(&self) -> Option<Arc<Gate>> {
        let gate = self.gate.load();
        gate.as_ref().map(Arc::clone)
    }

    /// A time as the decisions count it, in milliseconds.
    pub(super) fn time(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch);
        since.as_secs() * 1_000 + u64::from(since.subsec_millis())
    }

    fn now(&self) -> u64 {
        self.time(Instant::now())
    }

    /// Counts a call that begins now on a core.
    pub(super) fn began(&self, slot: usize, now: u64) {
        self.requests[slot].0.add(now / 1_000);
    }

    /// Takes one of the calls that may be sent again, if there is one left.
    pub(super) fn take(&self, millionths: u32) -> bool {
        let second = self.now() / 1_000;
        let requests = self.requests.iter().map(|requests| requests.0.sum(second)).sum();
        let is_taken = self.budget.take(second, requests, millionths);
        if !is_taken {
            self.meters.denied.add(1);
        }
        is_taken
    }

    /// Counts a call that is sent again whatever is left.
    pub(super) fn spend(&self) {
        self.budget.note(self.now() / 1_000);
    }

    /// Counts a call to a target, until [`Group::leave`]. False when there are as many of the upstream as there may be.
    pub(super) fn enter(&self, member: &Member) -> bool {
        if !self.in_flight.enter(self.max_in_flight.load(Relaxed)) {
            self.meters.tripped[0].add(1);
            return false;
        }
        member.in_flight.fetch_add(1, Relaxed);
        true
    }

    /// Counts a call once more, whatever bound there is.
    pub(super) fn again(&self, member: &Member) {
        let _ = self.in_flight.enter(u32::MAX);
        member.in_flight.fetch_add(1, Relaxed);
    }

    /// The call has ended.
    pub(super) fn leave(&self, member: &Member) {
        member.in_flight.fetch_sub(1, Relaxed);
        self.in_flight.leave();
    }

    /// Counts a call that waits. `None` when as many do as may.
    pub(super) fn pend(&self) -> Option<Pending<'_>> {
        if self.pending.enter(self.max_pending.load(Relaxed)) {
            return Some(Pending(&self.pending));
        }
        self.meters.tripped[1].add(1);
        None
    }

    /// Lets a call through, or says for how long none is.
    pub(super) fn admit(&self, now: Instant) -> Result<(), Duration> {
        if !self.counting.is_open() {
            return Ok(());
        }
        self.counting.admit(self.time(now)).map_err(|left| {
            self.meters.tripped[2].add(1);
            Duration::from_millis(left)
        })
    }

    /// Whether most calls fail, so that not all are let through.
    pub(super) fn is_open(&self) -> bool {
        self.counting.is_open()
    }

    /// Whether targets that are left out are used as well.
    pub(super) fn panics(&self) -> bool {
        self.panics.load(Relaxed)
    }

    /// Whether all targets have the same share of the calls.
    pub(super) fn is_even(&self, now: u64) -> bool {
        self.shares.are_even(now)
    }

    /// The share of a target, by those of the others.
    pub(super) fn share(&self, member: &Member, now: u64) -> u32 {
        self.shares.now(&member.share, now)
    }

    /// A target could not be reached.
    pub(super) fn away(&self, member: &Member) {
        member.mark(AWAY, true);
    }

    /// A target was reached. One that could not be before has come back.
    pub(super) fn reached(&self, member: &Member) {
        if member.has(AWAY) {
            member.mark(AWAY, false);
            self.shares.came(&member.share, self.now());
        }
    }

    /// Whether some target is left alone.
    pub(super) fn has_ejected(&self) -> bool {
        self.ejected.load(Relaxed) != 0
    }

    /// Lets this call try a target that is left alone, if it is time for that.
    pub(super) fn probe(&self, member: &Member, now: u64, may_be_repeated: bool) -> bool {
        member.has(EJECTED) && !member.has(UNHEALTHY) && member.lock().record.probe(now, may_be_repeated)
    }

    /// What a target says of itself has changed.
    pub(super) fn health(&self, member: &Member, is_healthy: bool) {
        let mut known = member.lock();
        if member.has(GONE) {
            return;
        }
        let comes_back = is_healthy && member.has(UNHEALTHY);
        member.mark(UNHEALTHY, !is_healthy);
        known.unhealthy = (!is_healthy).then(|| self.meters.unhealthy.hold());
        drop(known);
        if comes_back {
            self.shares.came(&member.share, self.now());
        }
        self.look_around();
    }

    /// Adds what is known here to a report of these targets.
    pub(super) fn complete(&self, report: &mut Report, members: &[Arc<Member>]) {
        let now = self.now();
        report.in_flight = self.in_flight.value();
        report.pending = self.pending.value();
        report.adaptive = self.gate.load().as_ref().map(|gate| gate.report());
        report.open_for = self.counting.left(now).map(Duration::from_millis);
        report.panics = self.panics();
        for (member, target) in members.iter().zip(&mut report.targets) {
            self.complete_target(member, target, now);
        }
    }

    fn complete_target(&self, member: &Member, report: &mut TargetReport, now: u64) {
        report.weight = member.share.weight();
        report.part = self.shares.part(&member.share, now);
        report.recent = self.counting.tick(now).map(|tick| {
            let seen = member.outcomes.seen(tick);
            let typical = seen.typical(1).map(Duration::from_micros);
            Recent { calls: seen.calls, failed: seen.failed, typical }
        });
        let known = member.lock();
        report.target.clone_from(&member.name);
        report.in_flight = member.in_flight.load(Relaxed);
        report.healthy = !member.has(UNHEALTHY);
        report.failed_calls = known.record.failures();
        report.ejected_for =
            known.record.until().map(|until| Duration::from_millis(until.saturating_sub(now)));
    }
}

/// The members of another list of targets. A target that is equal to one of before is that member, with its weight of
/// now.
fn following(before: &[Arc<Member>], endpoints: &[Endpoint], meters: &Meters) -> Members {
    let mut kept: Vec<Option<&Arc<Member>>> = before.iter().map(Some).collect();
    let mut found: Vec<Option<Arc<Member>>> = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        let same = kept.iter_mut().find(|member| member.is_some_and(|it| it.target == endpoint.target));
        let member = same.and_then(Option::take).map(Arc::clone);
        if let Some(member) = &member {
            member.share.weigh(endpoint.weight);
        }
        found.push(member);
    }
    let mut taken = found.iter().flatten().fold(0, |bits, member| bits | member.bit);
    let added = found.into_iter().zip(endpoints).map(|(member, endpoint)| {
        member.unwrap_or_else(|| {
            let bit = !taken & taken.wrapping_add(1);
            taken |= bit;
            Arc::new(Member::new(endpoint, bit, meters))
        })
    });
    added.collect()
}

fn is_same(one: &[Arc<Member>], other: &[Arc<Member>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
}

/// Whether a member is one of these.
pub(super) fn contains(members: &[Arc<Member>], member: &Arc<Member>) -> bool {
    members.iter().any(|other| Arc::ptr_eq(other, member))
}
