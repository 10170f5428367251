//! The layer that lets a call pass or not.

use std::future::ready;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::refusal::{REFUSED, Reason};
use super::rule::{Policy, Rule, Shown, join};
use super::verify::Verdict;
use crate::call::identity::Identity;
use crate::call::service::{BoxFuture, CallService};
use crate::call::{Call, Hints, Origin, Reply};

/// Policy around a service.
pub struct Guard {
    shared: Arc<Shared>,
}

struct Shared {
    rules: Vec<Rule>,
    /// The names of metadata that only this gateway may send, or that hold what is meant for it.
    reserved: Arc<[HeaderName]>,
    inner: Arc<dyn CallService>,
}

impl Guard {
    /// Holds these rules against the calls of a service. What callers send as metadata under `reserved` names is removed,
    /// also where no rule holds.
    pub fn new(rules: Vec<Rule>, reserved: Arc<[HeaderName]>, inner: Arc<dyn CallService>) -> Self {
        Self { shared: Arc::new(Shared { rules, reserved, inner }) }
    }
}

impl CallService for Guard {
    fn call(&self, mut call: Call) -> BoxFuture<Reply> {
        for name in &*self.shared.reserved {
            call.metadata.remove(name);
        }
        if self.shared.rules.is_empty() {
            return self.shared.inner.call(call);
        }
        let mut inquiry = Inquiry::default();
        let mut verdict = match self.shared.decide(&mut inquiry, &call.origin) {
            Ok(identity) => return self.shared.admit(identity.as_deref(), call),
            Err(Stop::Refused(refusal)) => return Box::pin(ready(refusal.reply(&call.origin))),
            Err(Stop::Later(verdict)) => verdict,
        };
        // Only who has to wait needs a future beside that of the call.
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            loop {
                inquiry.shown.answer = Some(verdict.await);
                match shared.decide(&mut inquiry, &call.origin) {
                    Ok(identity) => return shared.admit(identity.as_deref(), call).await,
                    Err(Stop::Refused(refusal)) => return refusal.reply(&call.origin),
                    Err(Stop::Later(next)) => verdict = next,
                }
            }
        })
    }
}

/// How far it is known who calls.
#[derive(Default)]
struct Inquiry {
    /// What the policies before say, taken together.
    known: Option<Arc<Identity>>,
    /// The position of the policy that is asked.
    rule: usize,
    /// What its proofs came to so far.
    shown: Shown,
}

/// Why there is no decision for a call to pass.
enum Stop<'s> {
    Refused(Refusal<'s>),
    /// It takes time to say who calls.
    Later(BoxFuture<Verdict>),
}

/// Why a call does not pass, and by which policy.
struct Refusal<'s> {
    policy: &'s Policy,
    reason: Reason,
}

impl Shared {
    /// The policies that hold for a call.
    fn policies<'s>(&'s self, origin: &Origin) -> impl Iterator<Item = &'s Policy> {
        let holding = self.rules.iter().filter(|rule| rule.scope.holds(&origin.route, origin.dialect));
        holding.map(|rule| &*rule.policy)
    }

    /// Who calls, if anything asks for that, once all policies agree that the caller may.
    fn decide<'s>(
        &'s self,
        inquiry: &mut Inquiry,
        origin: &Origin,
    ) -> Result<Option<Arc<Identity>>, Stop<'s>> {
        while let Some(rule) = self.rules.get(inquiry.rule) {
            let holds = rule.scope.holds(&origin.route, origin.dialect);
            if let Some(require) = rule.policy.require.as_ref().filter(|_| holds) {
                match require.identify(origin, &mut inquiry.shown) {
                    Verdict::Known(identity) => join(&mut inquiry.known, identity),
                    Verdict::Absent => return Err(refused(&rule.policy, Reason::Missing)),
                    Verdict::Refused(reason) => return Err(refused(&rule.policy, reason)),
                    Verdict::Later(verdict) => return Err(Stop::Later(verdict)),
                }
            }
            inquiry.rule += 1;
            inquiry.shown = Shown::default();
        }
        let known = inquiry.known.take();
        if let (Some(noted), Some(identity)) = (&origin.noted, &known) {
            noted.note(Arc::clone(identity));
        }
        let address = origin.peer.map(|peer| peer.ip());
        for policy in self.policies(origin) {
            policy.permit(known.as_deref(), address).map_err(|reason| refused(policy, reason))?;
        }
        Ok(known)
    }

    /// Lets a call pass.
    fn admit(&self, identity: Option<&Identity>, mut call: Call) -> BoxFuture<Reply> {
        self.assert(&call.origin, identity, &mut call.metadata);
        self.inner.call(call)
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
    Stop::Refused(Refusal { policy, reason })
}

impl Refusal<'_> {
    fn reply(self, origin: &Origin) -> Reply {
        let Self { policy, reason } = self;
        REFUSED.count(reason, origin.dialect);
        let principal = origin.identity().map(|identity| &*identity.principal);
        let peer = origin.peer.map(|peer| tracing::field::display(peer.ip()));
        let (dialect, route) = (origin.dialect.name(), &*origin.route);
        // Not louder: whoever writes the log would have the core wait, and callers could make it.
        tracing::debug!(reason = reason.name(), principal, peer, dialect, route, "policy has refused a call");
        let proofs = || policy.require.iter().flat_map(|require| &require.proofs);
        let all = policy.require.as_ref().is_some_and(|require| require.all);
        let wanted: Vec<_> = proofs().map(|proof| proof.wanted()).collect();
        let status = reason.status(&wanted.join(if all { " and " } else { ", or " }));
        let challenges: Vec<HeaderValue> = match status.http() {
            401 => proofs().map(|proof| proof.challenge().clone()).collect(),
            _ => Vec::new(),
        };
        Reply { hints: Hints { challenges }, ..Reply::from(status) }
    }
}
