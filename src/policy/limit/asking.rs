//! Holding a call against all limits that hold for it.
//!
//! First it is asked whether each policy knows how much the caller may do, then whether there is a place for the call at
//! all, then whether the caller has not too many calls already, and only then something is taken from rates and quotas:
//! what is refused for another reason takes nothing. Of several limits that hold, those before the one that refuses keep
//! what was taken.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::Stream;

use super::budget::Budget;
use super::calls::{Begun, Calls};
use super::flight::{Aloft, Ceiling, Flight};
use super::memory::Memory;
use super::store::{Demand, Kind, Outcome, Store, Taken};
use super::subject::{CountedBy, Text};
use crate::call::identity::Identity;
use crate::call::priority::Priority;
use crate::call::service::BoxFuture;
use crate::call::told::RateLimit;
use crate::call::{Origin, Part, Replies, Reply};
use crate::policy::refusal::{Exceeded, Reason};
use crate::policy::rule::{Policy, Rule};

/// What counts in this process. It outlives what is configured; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Rates and quotas.
    pub memory: Arc<Memory>,
    /// Calls that go on, by subject.
    pub calls: Arc<Calls>,
    /// All calls that go on.
    pub flight: Arc<Flight>,
}

/// Who counts.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Rates and quotas.
    pub store: Arc<dyn Store>,
    /// Calls that go on, by subject.
    pub calls: Arc<Calls>,
    /// How many calls may go on together, if that is limited.
    pub ceiling: Option<Ceiling>,
}

impl Default for Counters {
    fn default() -> Self {
        let Counts { memory, calls, .. } = Counts::default();
        Self { store: memory, calls, ceiling: None }
    }
}

/// What a call holds as long as it goes on.
#[derive(Debug, Default)]
pub(in crate::policy) struct Held {
    aloft: Option<Aloft>,
    begun: Vec<Begun>,
    /// What its limits say of how much it matters, if there are any.
    pub(in crate::policy) priority: Option<Priority>,
}

impl Held {
    /// Whether it is nothing that has to be let go.
    pub(in crate::policy) const fn is_empty(&self) -> bool {
        self.aloft.is_none() && self.begun.is_empty()
    }

    /// Lets go when the reply has ended.
    pub(in crate::policy) fn until_end_of(self, reply: &mut Reply) {
        if let Some(replies) = reply.stream.take() {
            reply.stream = Some(Box::pin(Holding { replies, held: Some(self) }));
        }
    }
}

/// A streaming answer that holds something to its end.
struct Holding {
    replies: Replies,
    held: Option<Held>,
}

impl Stream for Holding {
    type Item = Part;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Part>> {
        let part = self.replies.as_mut().poll_next(cx);
        if matches!(part, Poll::Ready(None | Some(Part::End(..)))) {
            self.held = None;
        }
        part
    }
}

/// Why a call does not go on.
pub(in crate::policy) struct Refused<'r> {
    /// Whose limit it is; absent where it is nobody's.
    pub(in crate::policy) policy: Option<&'r Policy>,
    pub(in crate::policy) reason: Reason,
    pub(in crate::policy) exceeded: Exceeded,
}

/// Why a call does not go on yet.
pub(in crate::policy) enum Stop<'r> {
    Refused(Refused<'r>),
    /// The store has to ask somebody else.
    Later(BoxFuture<Outcome>),
}

/// A limit that holds for a call.
struct Claim<'r, 'o> {
    policy: &'r Policy,
    budget: &'r Arc<Budget>,
    kind: Kind,
    text: Text<'o>,
    weight: NonZeroU32,
}

/// Who calls, and by what rules it is judged.
#[derive(Clone, Copy)]
pub(in crate::policy) struct Caller<'r, 'o> {
    pub(in crate::policy) rules: &'r [Rule],
    pub(in crate::policy) origin: &'o Origin,
    pub(in crate::policy) identity: Option<&'o Identity>,
}

impl<'r, 'o> Caller<'r, 'o> {
    /// What a rule limits by, if it holds, and what the caller may do by it, if that is known.
    fn limit(&self, rule: &'r Rule) -> Option<(&'r CountedBy, Option<&'r Arc<Budget>>)> {
        let limits = rule.policy.limits.as_ref()?;
        let holds = rule.scope.holds(&self.origin.route, self.origin.dialect);
        holds.then(|| (&limits.counted_by, limits.budget(self.identity)))
    }

    /// What the rule at a position asks for, unless one before it asks for the same: a plan counts once, with the largest
    /// weight that is named.
    fn claim(&self, at: usize) -> Option<Claim<'r, 'o>> {
        let rule = self.rules.get(at)?;
        let (counted_by, budget) = self.limit(rule)?;
        let budget = budget?;
        let is_same = |other: &&'r Rule| {
            let limit = self.limit(other);
            limit.is_some_and(|(by, other)| {
                by == counted_by && other.is_some_and(|other| Arc::ptr_eq(other, budget))
            })
        };
        if self.rules[..at].iter().any(|other| is_same(&other)) {
            return None;
        }
        let others = self.rules[at + 1..].iter().filter(is_same);
        let weight = others.fold(rule.weight, |weight, other| weight.max(other.weight));
        let (kind, text) = counted_by.find(self.origin, self.identity);
        Some(Claim { policy: &rule.policy, budget, kind, text, weight })
    }
}

/// How far a call was held against its limits.
#[derive(Debug, Default)]
pub(in crate::policy) struct Asking {
    has_begun: bool,
    /// The position of the rule that is asked.
    rule: usize,
    /// What the store says to it, if that had to be waited for.
    pub(in crate::policy) answer: Option<Outcome>,
    /// What the caller is told.
    told: Vec<RateLimit>,
    held: Held,
}

impl Asking {
    /// Goes on asking: to what the call holds if it may go on. What is told of its limits is noted in any case. After
    /// [`Stop::Later`] the answer belongs into `answer`, with which this is asked again.
    pub(in crate::policy) fn ask<'r>(
        &mut self,
        caller: Caller<'r, '_>,
        counters: &Counters,
    ) -> Result<Held, Stop<'r>> {
        let asked = match self.begin(caller, counters) {
            Ok(()) => self.take(caller, counters),
            Err(refused) => Err(Stop::Refused(refused)),
        };
        let is_over = !matches!(asked, Err(Stop::Later(_)));
        if let Some(noted) = caller.origin.noted.as_ref().filter(|_| is_over && !self.told.is_empty()) {
            noted.tell(std::mem::take(&mut self.told));
        }
        // What was begun ends with this if it may not go on.
        asked.map(|()| std::mem::take(&mut self.held))
    }

    /// Asks for a place.
    fn begin<'r>(&mut self, caller: Caller<'r, '_>, counters: &Counters) -> Result<(), Refused<'r>> {
        if std::mem::replace(&mut self.has_begun, true) {
            return Ok(());
        }
        let mut priority = None;
        for rule in caller.rules {
            match caller.limit(rule) {
                Some((_, None)) => return Err(refused(&rule.policy, Reason::Plan, Exceeded::default())),
                Some((_, Some(budget))) => priority = priority.max(Some(budget.priority)),
                None => {}
            }
        }
        if let Some(ceiling) = &counters.ceiling {
            let shed = Refused { policy: None, reason: Reason::Shed, exceeded: Exceeded::default() };
            self.held.aloft = Some(ceiling.enter(priority.unwrap_or(caller.origin.priority)).ok_or(shed)?);
        }
        self.held.priority = priority;
        for at in 0..caller.rules.len() {
            let Some(claim) = caller.claim(at) else { continue };
            let Some(most) = claim.budget.concurrency else { continue };
            let begun = counters.calls.begin(claim.budget.key(), claim.text.of(claim.kind), most);
            let exceeded = || {
                let met = format!("{most} calls at a time of {:?}", claim.budget.name());
                refused(claim.policy, Reason::Concurrency, Exceeded { met, wait: None })
            };
            self.held.begun.push(begun.ok_or_else(exceeded)?);
        }
        Ok(())
    }

    /// Takes from rates and quotas.
    fn take<'r>(&mut self, caller: Caller<'r, '_>, counters: &Counters) -> Result<(), Stop<'r>> {
        while self.rule < caller.rules.len() {
            if let Some(claim) = caller.claim(self.rule)
                && let Some(limit) = &claim.budget.limit
            {
                let subject = claim.text.of(claim.kind);
                let outcome = match self.answer.take() {
                    Some(outcome) => outcome,
                    None => match counters.store.take(&Demand { limit, subject, weight: claim.weight }) {
                        Taken::Now(outcome) => outcome,
                        Taken::Later(outcome) => return Err(Stop::Later(outcome)),
                    },
                };
                self.told.extend(claim.budget.told(&outcome));
                if !outcome.is_admitted {
                    return Err(Stop::Refused(exceeded(&claim, &outcome)));
                }
            }
            self.rule += 1;
        }
        Ok(())
    }
}

fn exceeded<'r>(claim: &Claim<'r, '_>, outcome: &Outcome) -> Refused<'r> {
    if outcome.standings.as_slice().is_empty() {
        return refused(claim.policy, Reason::Uncounted, Exceeded::default());
    }
    let (met, is_quota) = claim.budget.met(outcome, claim.weight.get());
    let reason = if is_quota { Reason::Quota } else { Reason::Rate };
    refused(claim.policy, reason, Exceeded { met, wait: outcome.wait })
}

const fn refused(policy: &Policy, reason: Reason, exceeded: Exceeded) -> Refused<'_> {
    Refused { policy: Some(policy), reason, exceeded }
}
