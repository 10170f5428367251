//! What is counted, and who counts it.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::Arc;
use std::time::Duration;

use crate::call::service::BoxFuture;

/// How many rates and quotas one limit may have.
pub const MAX_COUNTERS: usize = 8;

/// Rates and quotas that are counted together, for each subject on its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Limit {
    /// The name by which all who share a store mean the same limit.
    pub name: Box<str>,
    /// All must hold.
    pub rates: Box<[Rate]>,
    /// All must hold. There are [`MAX_COUNTERS`] of both at most.
    pub quotas: Box<[Quota]>,
}

/// So many in a period, evenly, with so many at once (GCRA: the generic cell rate algorithm of ITU-T I.371).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many in a period.
    pub count: NonZeroU32,
    /// The period.
    pub period: Duration,
    /// How many at once, by who has not called for long.
    pub burst: NonZeroU32,
}

/// So many from the beginning of a day or a month to its end, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// How many.
    pub count: NonZeroU64,
    /// In what.
    pub window: Window,
}

/// A window of the calendar, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// A day.
    Day,
    /// A month.
    Month,
}

/// Whom a limit counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// What the text is, so that a name and an address that look alike count apart.
    pub kind: Kind,
    /// Its bytes: as long as a caller makes them, and not for a log.
    pub text: &'a [u8],
}

/// What a limit counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// All callers together.
    Everybody,
    /// What a caller has shown: a key, a user, a token's subject.
    Principal,
    /// Whom it belongs to.
    Owner,
    /// A claim.
    Claim,
    /// An address, or the network that stands for it.
    Address,
    /// The value of a header.
    Header,
}

/// What is asked of a store: so much of a limit for somebody.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// The limit.
    pub limit: &'a Arc<Limit>,
    /// For whom.
    pub subject: Subject<'a>,
    /// How much.
    pub weight: NonZeroU32,
}

/// Somebody who counts.
pub trait Store: Send + Sync + fmt::Debug {
    /// Takes a weight from every rate and quota of a limit, or from none of them.
    fn take(&self, demand: &Demand<'_>) -> Taken;
}

/// When a [`Store`] answers.
#[expect(
    clippy::large_enum_variant,
    reason = "what is said at once, for nearly every call, is not to be allocated"
)]
pub enum Taken {
    /// At once.
    Now(Outcome),
    /// It has to ask somebody else.
    Later(BoxFuture<Outcome>),
}

/// What came of a [`Demand`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it was admitted, and so was taken.
    pub is_admitted: bool,
    /// If it was not, how long it takes until it would be if nothing else is taken; absent if it is more than there can
    /// ever be at once, or if nobody could be asked.
    pub wait: Option<Duration>,
    /// Where each rate and then each quota stands, in their order; empty if nobody could be asked.
    pub standings: Standings,
}

/// Where one rate or quota stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How many could be taken at once now.
    pub remaining: u64,
    /// After how long all of it could, if nothing is taken.
    pub reset: Duration,
}

/// As many [`Standing`]s as a limit has rates and quotas, without an allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standings {
    all: [Standing; MAX_COUNTERS],
    count: usize,
}

impl Standings {
    /// Appends one; what is more than [`MAX_COUNTERS`] is left out.
    pub fn push(&mut self, standing: Standing) {
        if let Some(place) = self.all.get_mut(self.count) {
            *place = standing;
            self.count += 1;
        }
    }

    /// All of them.
    pub fn as_slice(&self) -> &[Standing] {
        &self.all[..self.count]
    }
}
