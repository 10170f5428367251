//! The layer that lets a call pass or not.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::refusal::{REFUSED, Reason};
use super::rule::{Policy, Rule, join};
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
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            match shared.decide(&call.origin).await {
                Ok(identity) => {
                    shared.assert(&call.origin, identity.as_deref(), &mut call.metadata);
                    shared.inner.call(call).await
                }
                Err(refusal) => refusal.reply(&call.origin),
            }
        })
    }
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
    async fn decide(&self, origin: &Origin) -> Result<Option<Arc<Identity>>, Refusal<'_>> {
        let mut known = None;
        for policy in self.policies(origin) {
            if let Some(require) = &policy.require {
                let identity = require.identify(origin).await.map_err(|reason| Refusal { policy, reason })?;
                join(&mut known, identity);
            }
        }
        if let (Some(noted), Some(identity)) = (&origin.noted, &known) {
            noted.note(Arc::clone(identity));
        }
        let address = origin.peer.map(|peer| peer.ip());
        for policy in self.policies(origin) {
            policy.permit(known.as_deref(), address).map_err(|reason| Refusal { policy, reason })?;
        }
        Ok(known)
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
        let mut wanted: Vec<_> = proofs().map(|proof| proof.wanted()).collect();
        wanted.dedup();
        let status = reason.status(&wanted.join(if all { " and " } else { ", or " }));
        let mut challenges: Vec<HeaderValue> = match status.http() {
            401 => proofs().map(|proof| proof.challenge(origin).clone()).collect(),
            _ => Vec::new(),
        };
        // Several issuers are asked for with the same words.
        challenges.dedup();
        Reply { hints: Hints { challenges }, ..Reply::from(status) }
    }
}
