//! What a policy says.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};

use super::limit::budget::Limits;
use super::refusal::Reason;
use super::streams::limits::Streams;
use super::verify::{Verdict, Verifier};
use crate::call::identity::Identity;
use crate::call::network::Networks;
use crate::call::{Dialect, Origin};

/// A policy.
#[derive(Default)]
pub struct Policy {
    /// What callers have to show.
    pub require: Option<Require>,
    /// Of each list that is not empty, the caller must have one value.
    pub allow: Allow,
    /// The caller must have none of these.
    pub deny: Deny,
    /// What is known of the caller and goes upstream: the name of a claim, and that of the metadata.
    pub claims: Vec<(Box<str>, HeaderName)>,
    /// The name of the metadata in which the caller's address goes upstream.
    pub address: Option<HeaderName>,
    /// How much the caller may call.
    pub limits: Option<Limits>,
    /// What bounds the caller's streams.
    pub streams: Option<Streams>,
}

/// What callers have to show.
pub struct Require {
    /// Whether they have to show all of them, not only one.
    pub all: bool,
    /// How they may.
    pub proofs: Vec<Arc<dyn Verifier>>,
}

/// Who may call.
#[derive(Clone, Debug, Default)]
pub struct Allow {
    /// Roles.
    pub roles: Vec<Box<str>>,
    /// What was granted.
    pub scopes: Vec<Box<str>>,
    /// Claims, each with the values of which it must have one.
    pub claims: Vec<(Box<str>, Vec<Box<str>>)>,
    /// Addresses.
    pub networks: Networks,
}

/// Who may not.
#[derive(Clone, Debug, Default)]
pub struct Deny {
    /// Roles.
    pub roles: Vec<Box<str>>,
    /// Owners.
    pub owners: Vec<Box<str>>,
    /// Addresses.
    pub networks: Networks,
}

/// A policy and where it holds.
#[derive(Clone)]
pub struct Rule {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Where it holds.
    pub scope: Scope,
    /// How many calls one of these counts as.
    pub weight: NonZeroU32,
}

/// On which routes and in which dialects a policy holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The templates of the routes; all of them if it is empty.
    pub routes: Vec<Box<str>>,
    /// The dialects; all of them if it is empty.
    pub dialects: Vec<Dialect>,
}

impl Scope {
    /// Whether it is one of these ways.
    pub fn holds(&self, route: &str, dialect: Dialect) -> bool {
        (self.dialects.is_empty() || self.dialects.contains(&dialect))
            && (self.routes.is_empty() || self.routes.iter().any(|template| **template == *route))
    }
}

/// How far the proofs of a requirement were looked at.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// How many of them have said what they have to say.
    count: usize,
    /// What the next one says, if that had to be waited for.
    pub(super) answer: Option<Verdict>,
    known: Option<Arc<Identity>>,
    /// Why the first one of those that were refused was.
    refused: Option<Reason>,
}

impl Require {
    /// Who the caller is by this; [`Verdict::Absent`] where it shows nothing, or not all that it has to. After
    /// [`Verdict::Later`] the answer belongs into `shown`, with which this is asked again.
    pub(super) fn identify(&self, origin: &Origin, shown: &mut Shown) -> Verdict {
        while let Some(proof) = self.proofs.get(shown.count) {
            match shown.answer.take().unwrap_or_else(|| proof.verify(origin)) {
                Verdict::Known(identity) if self.all => join(&mut shown.known, identity),
                Verdict::Absent if !self.all => {}
                // What was offered and is wrong says more than what was not, and why says more than that it is.
                Verdict::Refused(reason) if !self.all => {
                    if matches!(shown.refused, None | Some(Reason::Invalid)) {
                        shown.refused = Some(reason);
                    }
                }
                decided => return decided,
            }
            shown.count += 1;
        }
        match (shown.known.take(), shown.refused) {
            (Some(identity), _) => Verdict::Known(identity),
            (None, Some(reason)) => Verdict::Refused(reason),
            (None, None) => Verdict::Absent,
        }
    }
}

/// Adds who the caller is by another proof.
pub(super) fn join(known: &mut Option<Arc<Identity>>, identity: Arc<Identity>) {
    match known {
        None => *known = Some(identity),
        // The same key for two policies.
        Some(known) if Arc::ptr_eq(known, &identity) => {}
        Some(known) => Arc::make_mut(known).join(&identity),
    }
}

impl Policy {
    /// Whether a caller who is known, or not, may call.
    ///
    /// # Errors
    /// Why not.
    pub(super) fn permit(&self, identity: Option<&Identity>, address: Option<IpAddr>) -> Result<(), Reason> {
        let lies_in = |networks: &Networks| address.is_some_and(|address| networks.contains(address));
        // Who has no address lies in no range, and so is denied where only ranges may call.
        if lies_in(&self.deny.networks) || !(self.allow.networks.is_empty() || lies_in(&self.allow.networks))
        {
            return Err(Reason::Address);
        }
        let Allow { roles, scopes, claims, .. } = &self.allow;
        if roles.is_empty() && scopes.is_empty() && claims.is_empty() && identity.is_none() {
            return Ok(());
        }
        let Some(identity) = identity else { return Err(Reason::Missing) };
        let has = |wanted: &[Box<str>], present: &[Box<str>]| {
            wanted.is_empty() || wanted.iter().any(|value| present.contains(value))
        };
        let is_denied = self.deny.roles.iter().any(|role| identity.roles.contains(role))
            || identity.owner.as_ref().is_some_and(|owner| self.deny.owners.contains(owner));
        let is_allowed = has(roles, &identity.roles)
            && has(scopes, &identity.scopes)
            && claims.iter().all(|(name, values)| has(values, identity.claim(name)));
        if is_denied || !is_allowed { Err(Reason::Forbidden) } else { Ok(()) }
    }

    /// What goes upstream about the caller.
    pub(super) fn assertions<'a>(
        &'a self,
        identity: Option<&'a Identity>,
        address: Option<IpAddr>,
    ) -> impl Iterator<Item = (&'a HeaderName, HeaderValue)> {
        let claims = self.claims.iter().filter_map(move |(claim, name)| {
            let value = match identity?.claim(claim) {
                [] => return None,
                [value] => carried(name, value),
                // Scopes are written as OAuth has them (RFC 6749 section 3.3).
                values => carried(name, &values.join(if &**claim == "scope" { " " } else { "," })),
            };
            Some((name, value))
        });
        let address = self.address.as_ref().zip(address);
        claims.chain(address.map(|(name, address)| (name, carried(name, &address.to_string()))))
    }
}

/// A text as metadata carries it: base64 where the name says so, or else with all but visible ASCII characters and
/// spaces, and the percent sign itself, as `%XX`.
fn carried(name: &HeaderName, text: &str) -> HeaderValue {
    use base64::Engine;
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b'%';
    let written = if name.as_str().ends_with("-bin") {
        HeaderValue::try_from(base64::engine::general_purpose::STANDARD_NO_PAD.encode(text))
    } else if text.bytes().all(is_plain) {
        HeaderValue::from_str(text)
    } else {
        let mut written = String::with_capacity(3 * text.len());
        for byte in text.bytes() {
            if is_plain(byte) {
                written.push(char::from(byte));
            } else {
                written.push_str(&format!("%{byte:02X}"));
            }
        }
        HeaderValue::try_from(written)
    };
    written.expect("visible ASCII is a header value")
}
