//! Who uses a version of the API.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::call::identity::Identity;
use crate::telemetry::metrics::{Count, Family};

/// Requests by the version that they were for.
pub static REQUESTS: Family<Count> = Family::new(
    "transom_version_requests_total",
    "Requests for a version of the API, whatever they were answered.",
    &["version"],
);

/// Callers are kept in so many parts, each behind a lock of its own.
const PARTS: usize = 16;
/// The most callers of a part: 10,000 of them all.
const MAX_PART: usize = 10_000 / PARTS;
/// The longest name of a caller that is kept, in bytes. Longer ones are cut, as whoever issues tokens may choose them.
const MAX_NAME: usize = 200;
/// After how long without a request a caller makes way for another, where there is no more room.
const FORGOTTEN: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How much a version is used, and by whom. Clones of its `Arc` go from one generation to the next.
pub struct Usage {
    requests: Arc<Count>,
    hasher: RandomState,
    parts: [Mutex<HashMap<Box<str>, User>>; PARTS],
    unknown: AtomicU64,
    others: AtomicU64,
}

struct User {
    owner: Option<Box<str>>,
    requests: u64,
    last: SystemTime,
}

/// Somebody who uses a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name of what was shown: the id of a key, the name of a user, the subject of a token.
    pub principal: String,
    /// Whom that belongs to, where it is known.
    pub owner: Option<String>,
    /// How many requests came.
    pub requests: u64,
    /// When the last one came.
    pub last: SystemTime,
}

/// Who used a version since the process has started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Callers {
    /// Those that are known, most requests first.
    pub known: Vec<Caller>,
    /// Requests of callers that did not say who they are, or were not asked.
    pub unknown: u64,
    /// Requests of callers for whom there was no room.
    pub others: u64,
}

impl Usage {
    /// That of a version with this name, so far by nobody.
    pub fn new(version: &str) -> Self {
        Self {
            requests: REQUESTS.series(&[version]),
            hasher: RandomState::new(),
            parts: Default::default(),
            unknown: AtomicU64::new(0),
            others: AtomicU64::new(0),
        }
    }

    /// Counts a request.
    pub fn add(&self) {
        self.requests.add(1);
    }

    /// Notes who sent a request, as far as that is known.
    pub fn note(&self, identity: Option<&Identity>, now: SystemTime) {
        let Some(identity) = identity.filter(|identity| !identity.principal.is_empty()) else {
            self.unknown.fetch_add(1, Relaxed);
            return;
        };
        let name = cut(&identity.principal);
        let part = self.hasher.hash_one(name) as usize % PARTS;
        let mut part = self.parts[part].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(user) = part.get_mut(name) {
            user.requests += 1;
            user.last = user.last.max(now);
            return;
        }
        if part.len() >= MAX_PART {
            // Nobody is forgotten as long as there is room. One goes for one that comes.
            let oldest = part.iter().min_by_key(|(_, user)| user.last);
            let idle = oldest.filter(|(_, user)| user.last + FORGOTTEN <= now).map(|(name, _)| name.clone());
            let Some(idle) = idle else {
                self.others.fetch_add(1, Relaxed);
                return;
            };
            part.remove(&idle);
        }
        let owner = identity.owner.as_deref().map(|owner| cut(owner).into());
        part.insert(name.into(), User { owner, requests: 1, last: now });
    }

    /// How many requests there were.
    pub fn requests(&self) -> u64 {
        self.requests.value()
    }

    /// Who sent them, for versions that ask for it.
    pub fn callers(&self) -> Callers {
        let mut known = Vec::new();
        for part in &self.parts {
            let part = part.lock().unwrap_or_else(PoisonError::into_inner);
            known.extend(part.iter().map(|(principal, user)| Caller {
                principal: principal.to_string(),
                owner: user.owner.as_deref().map(str::to_owned),
                requests: user.requests,
                last: user.last,
            }));
        }
        known.sort_by(|a, b| b.requests.cmp(&a.requests).then_with(|| a.principal.cmp(&b.principal)));
        Callers { known, unknown: self.unknown.load(Relaxed), others: self.others.load(Relaxed) }
    }
}

impl fmt::Debug for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Usage").field("requests", &self.requests()).finish_non_exhaustive()
    }
}

/// The beginning of a name, in whole characters.
fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(principal: &str, owner: Option<&str>) -> Identity {
        Identity { principal: principal.into(), owner: owner.map(Into::into), ..Identity::default() }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn callers_are_counted_each_for_itself() {
        let usage = Usage::new("counted each");
        usage.note(None, at(1));
        usage.note(Some(&identity("", None)), at(1));
        for second in [5, 9, 7] {
            usage.note(Some(&identity("acme-1", Some("acme"))), at(second));
        }
        usage.note(Some(&identity("b", None)), at(2));
        usage.note(Some(&identity("a", None)), at(3));
        let callers = usage.callers();
        let caller = |principal: &str, owner: Option<&str>, requests, last| Caller {
            principal: principal.into(),
            owner: owner.map(str::to_owned),
            requests,
            last: at(last),
        };
        let known = [caller("acme-1", Some("acme"), 3, 9), caller("a", None, 1, 3), caller("b", None, 1, 2)];
        assert_eq!(callers, Callers { known: known.to_vec(), unknown: 2, others: 0 });
        assert_eq!(usage.requests(), 0, "requests are counted by themselves");
        usage.add();
        assert_eq!(usage.requests(), 1);
    }

    #[test]
    fn names_are_cut_and_callers_without_room_are_counted_together() {
        let usage = Usage::new("without room");
        usage.note(Some(&identity(&"ä".repeat(1000), None)), at(1));
        assert_eq!(usage.callers().known[0].principal, "ä".repeat(100));
        let usage = Usage::new("without room");
        for number in 0..20_000 {
            usage.note(Some(&identity(&number.to_string(), None)), at(10));
        }
        let callers = usage.callers();
        assert_eq!(callers.known.len(), MAX_PART * PARTS);
        assert_eq!(callers.others, 20_000 - callers.known.len() as u64);
        // Who has not come for long makes way, one for one.
        usage.note(Some(&identity("late", None)), at(10) + FORGOTTEN);
        let late = usage.callers();
        assert!(late.known.iter().any(|caller| caller.principal == "late"));
        assert_eq!((late.known.len(), late.others), (callers.known.len(), callers.others));
    }
}
