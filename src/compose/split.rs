//! One method that several upstreams answer, and which of them a call goes to.
//!
//! A [`Split`] stands behind the policy of a method, so that it is known who calls, and in front of the upstreams, which it is
//! given boxed. Choosing reads nothing of the message and waits for nothing; who is not chosen for anything else goes where
//! all calls went without it.
//!
//! A share takes callers, not calls, where it is sticky: what tells callers apart is hashed to a point on a line,
//! and the share is a stretch from its beginning. So the choice needs no memory, is the same on every gateway and after every
//! reload, and a share that grows only adds callers.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderName;

use super::shadow::Shadow;
use crate::call::asked::Asked;
use crate::call::hash::{START, fnv};
use crate::call::service::{BoxFuture, CallService};
use crate::call::sticky::Cookie;
use crate::call::{Call, Method, Origin, Reply};
use crate::route::condition::Condition;
use crate::telemetry::random::{self, mix};

/// A method that several upstreams answer.
pub struct Split {
    /// In their order; the first that takes a call has it.
    pub choices: Vec<Choice>,
    /// The name of the upstream that has all others.
    pub upstream: Arc<str>,
    /// That upstream.
    pub service: Arc<dyn CallService>,
    /// Who gets copies of the calls.
    pub shadow: Option<Arc<Shadow>>,
}

/// An upstream that has some of the calls.
pub struct Choice {
    /// Its name.
    pub upstream: Arc<str>,
    /// The method as that upstream defines it, which counts its calls.
    pub method: Arc<Method>,
    /// What answers.
    pub service: Arc<dyn CallService>,
    /// Which calls it has.
    pub when: When,
    /// How many of those; all without.
    pub share: Option<Share>,
}

/// Which calls an upstream has: those for which all of this holds.
#[derive(Clone, Debug, Default)]
pub struct When {
    /// The caller has one of these roles, unless there are none here.
    pub roles: Vec<Box<str>>,
    /// The caller has each of these claims, with one of the values.
    pub claims: Vec<(Box<str>, Vec<Box<str>>)>,
    /// What the head of the request says.
    pub head: Condition,
}

impl When {
    /// Whether it holds for a call from there. What is not known of a caller does not hold.
    pub fn holds(&self, origin: &Origin) -> bool {
        if !(self.roles.is_empty() && self.claims.is_empty()) {
            let Some(identity) = origin.identity() else { return false };
            let has =
                |wanted: &[Box<str>], present: &[Box<str>]| wanted.iter().any(|one| present.contains(one));
            let has_role = self.roles.is_empty() || has(&self.roles, &identity.roles);
            if !has_role || !self.claims.iter().all(|(name, values)| has(values, identity.claim(name))) {
                return false;
            }
        }
        if self.head.is_empty() {
            return true;
        }
        let head = origin.uri.as_ref().zip(origin.headers.as_ref());
        head.is_some_and(|(uri, headers)| self.head.holds(&Asked::of(uri, headers)))
    }
}

/// A part of a whole, in billionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part(pub u32);

impl Part {
    /// All of it.
    pub const WHOLE: Self = Self(1_000_000_000);

    /// Whether a point lies in it, where points are spread evenly over all numbers. A larger part has the points of every
    /// smaller one.
    pub const fn includes(self, point: u64) -> bool {
        // The product has 94 bits at most.
        (point as u128 * Self::WHOLE.0 as u128) >> 64 < self.0 as u128
    }
}

/// How many of the callers or calls an upstream has.
#[derive(Clone, Debug)]
pub struct Share {
    part: Part,
    sticky: Sticky,
    seed: u64,
}

/// What calls have in common that a share has or has not together.
#[derive(Clone, Debug)]
pub enum Sticky {
    /// Nothing: chance decides about each call.
    No,
    /// Who calls, by the name that policy has found out.
    Principal,
    /// The address that calls: for IPv6 the first 64 bits, as hosts change the others.
    Address,
    /// A header of the request.
    Header(HeaderName),
    /// A mark that the caller keeps in a cookie, which it is given with its first answer.
    Cookie(Arc<Cookie>),
}

impl Share {
    /// This part of the callers. `upstream` is the name of who gets them: shares of the same upstream have the same callers,
    /// whichever services they are of, and those of different ones have nothing to do with one another.
    pub fn new(part: Part, sticky: Sticky, upstream: &str) -> Self {
        Self { part, sticky, seed: fnv(START, upstream.bytes().chain([0xff])) }
    }

    /// Whether it includes a call from there. Where a caller is to be told from others and cannot be, chance decides, so that
    /// the share stays what it is.
    pub fn includes(&self, origin: &Origin) -> bool {
        self.part.includes(self.point(origin).unwrap_or_else(random::next))
    }

    fn point(&self, origin: &Origin) -> Option<u64> {
        let of = |key: &[u8]| Some(point_of(self.seed, key));
        match &self.sticky {
            Sticky::No => None,
            Sticky::Principal => of(origin.identity()?.principal.as_bytes()),
            Sticky::Address => match origin.peer?.ip().to_canonical() {
                IpAddr::V4(address) => of(&address.octets()),
                IpAddr::V6(address) => of(&address.octets()[..8]),
            },
            Sticky::Header(name) => of(origin.headers.as_ref()?.get(name)?.as_bytes()),
            Sticky::Cookie(cookie) => {
                let brought = origin.headers.as_ref().and_then(|headers| cookie.mark_of(headers));
                let mark = match (brought, &origin.noted) {
                    (Some(mark), _) => mark,
                    (None, Some(noted)) => noted.mark(cookie, origin.tls.is_some()),
                    (None, None) => return None,
                };
                of(&mark.bytes())
            }
        }
    }
}

/// Where a key lies on the line of all numbers: FNV-1a, with the bits mixed by the last step of SplitMix64. Whoever chooses
/// keys can so choose where they lie, which gives nobody more than the share does that anybody may be in.
fn point_of(seed: u64, key: &[u8]) -> u64 {
    mix(fnv(seed, key.iter().copied()))
}

impl Choice {
    /// Whether it has a call from there.
    fn takes(&self, origin: &Origin) -> bool {
        // The share comes last: who does not come into question for it needs no mark.
        self.when.holds(origin) && self.share.as_ref().is_none_or(|share| share.includes(origin))
    }
}

impl CallService for Split {
    fn call(&self, mut call: Call) -> BoxFuture<Reply> {
        let chosen = self.choices.iter().find(|choice| choice.takes(&call.origin));
        let (upstream, service) = match chosen {
            Some(choice) => {
                call.method = Arc::clone(&choice.method);
                (&choice.upstream, &choice.service)
            }
            None => (&self.upstream, &self.service),
        };
        if let Some(noted) = &call.origin.noted {
            noted.chose(upstream);
        }
        // Who answers a call is not asked another time.
        if let Some(shadow) = self.shadow.as_ref().filter(|shadow| shadow.upstream() != &**upstream) {
            shadow.follow(&mut call);
        }
        service.call(call)
    }
}

impl fmt::Debug for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.choices.iter().map(|choice| &choice.upstream).chain([&self.upstream]);
        f.debug_list().entries(names).finish()
    }
}
