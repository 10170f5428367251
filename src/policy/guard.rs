//! The layer that lets a call pass or not.

use std::future::ready;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::limit::asking::{self, Asking, Counters, Held};
use super::limit::store::Outcome;
use super::refusal::{Exceeded, REFUSED, Reason};
use super::rule::{Policy, Rule, Shown, join};
use super::streams::current::Current;
use super::streams::limits::Streams;
use super::streams::{self, lasts};
use super::verify::Verdict;
use crate::call::identity::Identity;
use crate::call::service::{BoxFuture, CallService};
use crate::call::{Call, Hints, Origin, Reply};

/// Policy around a service.
pub struct Guard {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    rules: Vec<Rule>,
    /// The names of metadata that only this gateway may send, or that hold what is meant for it.
    reserved: Arc<[HeaderName]>,
    counters: Arc<Counters>,
    /// Whether anything is counted.
    is_limited: bool,
    inner: Arc<dyn CallService>,
    /// The guards that hold now, where calls last longer than these rules.
    current: Current,
}

impl Guard {
    /// Holds these rules against the calls of a service. What callers send as metadata under `reserved` names is removed,
    /// also where no rule holds. `counters` count what the rules limit.
    pub fn new(
        rules: Vec<Rule>,
        reserved: Arc<[HeaderName]>,
        counters: Arc<Counters>,
        inner: Arc<dyn CallService>,
    ) -> Self {
        Self::following(Current::default(), rules, reserved, counters, inner)
    }

    /// The same, and holds calls that last against the guard that `current` has for their method, once that is another.
    pub fn following(
        current: Current,
        rules: Vec<Rule>,
        reserved: Arc<[HeaderName]>,
        counters: Arc<Counters>,
        inner: Arc<dyn CallService>,
    ) -> Self {
        let is_limited = counters.ceiling.is_some() || rules.iter().any(|rule| rule.policy.limits.is_some());
        Self { shared: Arc::new(Shared { rules, reserved, counters, is_limited, inner, current }) }
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl CallService for Guard {
    fn call(&self, mut call: Call) -> BoxFuture<Reply> {
        for name in &*self.shared.reserved {
            call.metadata.remove(name);
        }
        if self.shared.rules.is_empty() && !self.shared.is_limited {
            return self.shared.inner.call(call);
        }
        let mut inquiry = Inquiry::default();
        let mut later = match self.shared.decide(&mut inquiry, &call.origin) {
            Ok(held) => return self.shared.admit(inquiry.known.as_deref(), held, call),
            Err(Stop::Refused(refusal)) => return Box::pin(ready(refusal.reply(&call.origin))),
            Err(Stop::Later(later)) => later,
        };
        // Only who has to wait needs a future beside that of the call.
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            loop {
                match later {
                    Later::Verdict(verdict) => inquiry.shown.answer = Some(verdict.await),
                    Later::Outcome(outcome) => inquiry.asking.answer = Some(outcome.await),
                }
                match shared.decide(&mut inquiry, &call.origin) {
                    Ok(held) => return shared.admit(inquiry.known.as_deref(), held, call).await,
                    Err(Stop::Refused(refusal)) => return refusal.reply(&call.origin),
                    Err(Stop::Later(next)) => later = next,
                }
            }
        })
    }
}

/// How far it is known who calls, and whether it may.
#[derive(Default)]
struct Inquiry {
    /// Who the policies before say it is, taken together.
    known: Option<Arc<Identity>>,
    /// The position of the policy that is asked.
    rule: usize,
    /// What its proofs came to so far.
    shown: Shown,
    is_permitted: bool,
    asking: Asking,
}

/// Why there is no decision for a call to pass.
enum Stop<'s> {
    Refused(Refusal<'s>),
    Later(Later),
}

/// What takes time to say.
enum Later {
    /// Who calls.
    Verdict(BoxFuture<Verdict>),
    /// How much it has called.
    Outcome(BoxFuture<Outcome>),
}

/// Why a call does not pass, and by which policy, if by one.
pub(super) struct Refusal<'s> {
    pub(super) policy: Option<&'s Policy>,
    pub(super) reason: Reason,
    pub(super) exceeded: Exceeded,
}

impl Shared {
    /// The policies that hold for a call.
    fn policies<'s>(&'s self, origin: &Origin) -> impl Iterator<Item = &'s Policy> {
        let holding = self.rules.iter().filter(|rule| rule.scope.holds(&origin.route, origin.dialect));
        holding.map(|rule| &*rule.policy)
    }

    /// Whether the caller may call by all policies: to what the call holds of what is limited as long as it goes on.
    fn decide(&self, inquiry: &mut Inquiry, origin: &Origin) -> Result<Held, Stop<'_>> {
        if !inquiry.is_permitted {
            self.identify(inquiry, origin)?;
            self.permit(inquiry, origin)?;
            inquiry.is_permitted = true;
        }
        if !self.is_limited {
            return Ok(Held::default());
        }
        let caller = asking::Caller { rules: &self.rules, origin, identity: inquiry.known.as_deref() };
        Ok(inquiry.asking.ask(caller, &self.counters)?)
    }

    /// Finds out who calls, if anything asks for that.
    fn identify(&self, inquiry: &mut Inquiry, origin: &Origin) -> Result<(), Stop<'_>> {
        while let Some(rule) = self.rules.get(inquiry.rule) {
            let holds = rule.scope.holds(&origin.route, origin.dialect);
            if let Some(require) = rule.policy.require.as_ref().filter(|_| holds) {
                match require.identify(origin, &mut inquiry.shown) {
                    Verdict::Known(identity) => join(&mut inquiry.known, identity),
                    Verdict::Absent => return Err(refused(&rule.policy, Reason::Missing)),
                    Verdict::Refused(reason) => return Err(refused(&rule.policy, reason)),
                    Verdict::Later(verdict) => return Err(Stop::Later(Later::Verdict(verdict))),
                }
            }
            inquiry.rule += 1;
            inquiry.shown = Shown::default();
        }
        if let (Some(noted), Some(identity)) = (&origin.noted, &inquiry.known) {
            noted.note(Arc::clone(identity));
        }
        Ok(())
    }

    /// Asks all policies whether it may.
    fn permit(&self, inquiry: &Inquiry, origin: &Origin) -> Result<(), Stop<'_>> {
        let address = origin.peer.map(|peer| peer.ip());
        for policy in self.policies(origin) {
            let known = inquiry.known.as_deref();
            policy.permit(known, address).map_err(|reason| refused(policy, reason))?;
        }
        Ok(())
    }

    /// Lets a call pass.
    fn admit(self: &Arc<Self>, identity: Option<&Identity>, held: Held, mut call: Call) -> BoxFuture<Reply> {
        self.assert(&call.origin, identity, &mut call.metadata);
        if let Some(priority) = held.priority {
            call.origin.priority = priority;
        }
        let reply = if lasts(&call) && !self.rules.is_empty() {
            streams::call(self, identity, call)
        } else {
            self.inner.call(call)
        };
        if held.is_empty() {
            return reply;
        }
        Box::pin(async move {
            let mut reply = reply.await;
            held.until_end_of(&mut reply);
            reply
        })
    }

    /// Who calls, if a call that was let pass before may go on by these rules.
    pub(super) async fn judge(&self, origin: &Origin) -> Result<Option<Arc<Identity>>, Refusal<'_>> {
        let mut inquiry = Inquiry::default();
        loop {
            match self.identify(&mut inquiry, origin).and_then(|()| self.permit(&inquiry, origin)) {
                Ok(()) => return Ok(inquiry.known),
                Err(Stop::Refused(refusal)) => return Err(refusal),
                Err(Stop::Later(Later::Verdict(verdict))) => inquiry.shown.answer = Some(verdict.await),
                Err(Stop::Later(Later::Outcome(outcome))) => inquiry.asking.answer = Some(outcome.await),
            }
        }
    }

    /// What bounds the streams of a call, with the policies that say so, each once.
    pub(super) fn streams(&self, origin: &Origin) -> Vec<(&Arc<Policy>, &Streams)> {
        let mut found: Vec<(&Arc<Policy>, &Streams)> = Vec::new();
        for rule in &self.rules {
            if let Some(streams) = &rule.policy.streams
                && rule.scope.holds(&origin.route, origin.dialect)
                && !found.iter().any(|(policy, _)| Arc::ptr_eq(policy, &rule.policy))
            {
                found.push((&rule.policy, streams));
            }
        }
        found
    }

    /// Marks of what this call has shown and what is not to be checked another time.
    pub(super) fn proven(&self, origin: &Origin) -> Vec<[u8; 32]> {
        let requires = self.policies(origin).filter_map(|policy| policy.require.as_ref());
        requires.flat_map(|require| &require.proofs).filter_map(|proof| proof.mark(origin)).collect()
    }

    pub(super) const fn current(&self) -> &Current {
        &self.current
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    pub(super) fn inner(&self) -> &dyn CallService {
        &*self.inner
    }

    /// Writes what goes upstream about the caller, in place of how it has shown who it is.
    fn assert(&self, origin: &Origin, identity: Option<&Identity>, metadata: &mut HeaderMap) {
        let address = origin.peer.map(|peer| peer.ip());
        for policy in self.policies(origin) {
            for proof in policy.require.iter().flat_map(|require| &require.proofs) {
                proof.withdraw(metadata);
            }
            for (name, value) in policy.assertions(identity, address) {
                metadata.insert(name, value);
            }
        }
    }
}

const fn refused(policy: &Policy, reason: Reason) -> Stop<'_> {
    Stop::Refused(Refusal {
        policy: Some(policy),
        reason,
        exceeded: Exceeded { met: String::new(), wait: None },
    })
}

impl<'s> From<asking::Stop<'s>> for Stop<'s> {
    fn from(stop: asking::Stop<'s>) -> Self {
        match stop {
            asking::Stop::Refused(asking::Refused { policy, reason, exceeded }) => {
                Self::Refused(Refusal { policy, reason, exceeded })
            }
            asking::Stop::Later(outcome) => Self::Later(Later::Outcome(outcome)),
        }
    }
}

impl Refusal<'_> {
    pub(super) fn reply(self, origin: &Origin) -> Reply {
        let Self { policy, reason, exceeded } = self;
        REFUSED.count(reason, origin.dialect);
        let principal = origin.identity().map(|identity| &*identity.principal);
        let peer = origin.peer.map(|peer| tracing::field::display(peer.ip()));
        let (dialect, route) = (origin.dialect.name(), &*origin.route);
        // Not louder: whoever writes the log would have the core wait, and callers could make it.
        tracing::debug!(reason = reason.name(), principal, peer, dialect, route, "policy has refused a call");
        let require = policy.and_then(|policy| policy.require.as_ref());
        let proofs = || require.iter().flat_map(|require| &require.proofs);
        let all = require.is_some_and(|require| require.all);
        let mut wanted: Vec<_> = proofs().map(|proof| proof.wanted()).collect();
        wanted.dedup();
        let status = reason.status(&wanted.join(if all { " and " } else { ", or " }), &exceeded);
        let mut challenges: Vec<HeaderValue> = match status.http() {
            401 => proofs().map(|proof| proof.challenge(origin).clone()).collect(),
            _ => Vec::new(),
        };
        // Several issuers are asked for with the same words.
        challenges.dedup();
        let hints = Hints { challenges, retry_after: reason.wait(&exceeded) };
        Reply { hints, ..Reply::from(status) }
    }
}
