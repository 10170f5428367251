//! The store in this process.
//!
//! Each rate and each quota of a limit is a count of its own for each subject, so that a limit that is changed keeps
//! what it can: a quota goes on where the rates beside it change. A subject belongs to one of 256 shards with a lock of
//! their own, which is held for as long as a few counts are looked at. All of it together takes 64 MiB at most, 96 MiB
//! while it grows, however many subjects there are: 4,194,304 counts. The module `table`
//! says what happens at the bound.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::calendar::{Date, Now};
use super::gcra::Gcra;
use super::store::{Demand, Limit, MAX_COUNTERS, Outcome, Quota, Rate, Standing, Standings, Store, Taken};
use super::table::{Key, Table, Tag};
use crate::telemetry::random::mix;

const SHARDS: usize = 256;

/// Counts that are kept in this process.
pub struct Memory {
    shards: Box<[Mutex<Table>]>,
    /// Makes hashes that nobody outside can calculate.
    secret: RandomState,
    clock: Clock,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            secret: RandomState::new(),
            clock: Clock::default(),
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl Store for Memory {
    fn take(&self, demand: &Demand<'_>) -> Taken {
        let now = self.clock.now(!demand.limit.quotas.is_empty());
        Taken::Now(self.take_at(demand, &now))
    }
}

impl Memory {
    /// The same as [`Store::take`] at a given time.
    pub fn take_at(&self, demand: &Demand<'_>, now: &Now) -> Outcome {
        let weight = demand.weight.get();
        let subject = self.hash(demand);
        let mut counts = [Count { key: Key::new(0, Tag::Rate), before: 0, after: 0 }; MAX_COUNTERS];
        let mut wait = Some(0);
        let mut is_admitted = true;
        let shard = &self.shards[(subject >> 56) as usize % SHARDS];
        let mut table = shard.lock().unwrap_or_else(PoisonError::into_inner);
        for (counter, count) in counters(demand.limit).zip(&mut counts) {
            count.key = counter.key(subject);
            count.before = table.count(count.key);
            match counter.take(count.before, now, weight) {
                Ok(after) => count.after = after,
                Err(longer) => {
                    is_admitted = false;
                    // What can never be is not a matter of time.
                    wait = wait.zip(longer).map(|(wait, longer)| wait.max(longer));
                }
            }
        }
        if is_admitted {
            for (_, count) in counters(demand.limit).zip(&counts) {
                table.set(count.key, count.after, now);
            }
        }
        drop(table);
        let mut standings = Standings::default();
        for (counter, count) in counters(demand.limit).zip(&counts) {
            standings.push(counter.standing(if is_admitted { count.after } else { count.before }, now));
        }
        let wait = wait.filter(|_| !is_admitted).map(Duration::from_nanos);
        Outcome { is_admitted, wait, standings }
    }

    fn hash(&self, demand: &Demand<'_>) -> u64 {
        let mut hasher = self.secret.build_hasher();
        demand.limit.name.hash(&mut hasher);
        demand.subject.kind.hash(&mut hasher);
        demand.subject.text.hash(&mut hasher);
        hasher.finish()
    }
}

#[derive(Clone, Copy)]
struct Count {
    key: Key,
    before: u64,
    after: u64,
}

/// A rate or a quota.
enum Counter<'l> {
    Rate(&'l Rate),
    Quota(&'l Quota),
}

fn counters(limit: &Limit) -> impl Iterator<Item = Counter<'_>> {
    limit.rates.iter().map(Counter::Rate).chain(limit.quotas.iter().map(Counter::Quota))
}

impl Counter<'_> {
    /// The key of the count of a subject with this hash. What a rate has counted means nothing for another rate; a quota
    /// that becomes larger or smaller goes on.
    fn key(&self, subject: u64) -> Key {
        let (own, tag) = match self {
            Self::Rate(rate) => {
                let pace = u64::from(rate.count.get()) << 32 | u64::from(rate.burst.get());
                (mix(pace) ^ rate.period.as_secs(), Tag::Rate)
            }
            Self::Quota(quota) => (0, Tag::from(quota.window)),
        };
        Key::new(mix(subject ^ mix(own ^ tag as u64)), tag)
    }

    /// What is counted then, or else in how many nanoseconds it can be.
    fn take(&self, count: u64, now: &Now, weight: u32) -> Result<u64, Option<u64>> {
        match self {
            Self::Rate(rate) => Gcra::of(rate).take(count, now.nanos, weight),
            Self::Quota(quota) => {
                let taken = now.date.take(quota, count, weight);
                taken.map_err(|wait| wait.map(|seconds| seconds.saturating_mul(1_000_000_000)))
            }
        }
    }

    fn standing(&self, count: u64, now: &Now) -> Standing {
        match self {
            Self::Rate(rate) => Gcra::of(rate).standing(count, now.nanos),
            Self::Quota(quota) => now.date.standing(quota, count),
        }
    }
}

/// What time it is. Rates go by a clock that nobody can set. The date follows the system's clock where that is ahead,
/// and goes on by itself where that was set back: a quota then begins anew as late as it would have otherwise, and never
/// twice.
struct Clock {
    start: Instant,
    /// The latest date that there was, in milliseconds since 1970, less those since the start.
    ahead: AtomicU64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { start: Instant::now(), ahead: AtomicU64::new(since_1970()) }
    }
}

impl Clock {
    /// The time; the system is asked for the date only where that matters.
    fn now(&self, asks_for_date: bool) -> Now {
        let elapsed = self.start.elapsed();
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let millis = nanos / 1_000_000;
        if asks_for_date {
            self.hear(since_1970(), millis);
        }
        // A rate of which nothing was taken is as one that was full at 0, so that now is later.
        Now { nanos: nanos.saturating_add(1), date: Date::of((self.ahead.load(Relaxed) + millis) / 1000) }
    }

    /// Takes up what the system says, unless it is behind.
    fn hear(&self, system: u64, millis: u64) {
        let ahead = system.saturating_sub(millis);
        if ahead > self.ahead.load(Relaxed) {
            self.ahead.fetch_max(ahead, Relaxed);
        }
    }
}

/// Milliseconds since 1970; 0 before, and none that cannot be calculated with.
fn since_1970() -> u64 {
    const LAST: u64 = 253_402_300_799_000;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).map_or(LAST, |millis| millis.min(LAST))
}

#[cfg(test)]
mod tests;
