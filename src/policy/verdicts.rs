//! What was found out about tokens, remembered while it holds.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use hashbrown::HashTable;
use tokio::time::Instant;

/// So many parts have locks of their own.
const SHARDS: usize = 8;
/// How many tokens all parts remember at most, and how many bytes that may take.
const MAX_TOKENS: usize = 16 * 1024;
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// What an entry takes beside its token and what it weighs.
const OVERHEAD: usize = 256;

/// How long something holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Until {
    /// Until this time of the calendar, which is what tokens say.
    pub(super) time: Option<SystemTime>,
    /// Until then whatever becomes of the calendar.
    pub(super) instant: Option<Instant>,
}

impl Until {
    fn is_over(&self) -> bool {
        // The clocks are asked only where it matters.
        self.time.is_some_and(|time| time <= SystemTime::now())
            || self.instant.is_some_and(|instant| instant <= Instant::now())
    }
}

/// Verdicts by tokens. They are found by a keyed hash, so that nobody can make many fall together, and the token itself
/// is compared. The oldest go where there are too many.
pub(super) struct Verdicts<V> {
    hasher: RandomState,
    shards: [Mutex<Shard<V>>; SHARDS],
    max_tokens: usize,
    max_bytes: usize,
}

struct Shard<V> {
    table: HashTable<Entry<V>>,
    /// The hash and the number of each entry, the oldest first.
    order: VecDeque<(u64, u64)>,
    next: u64,
    bytes: usize,
}

struct Entry<V> {
    hash: u64,
    number: u64,
    token: Box<[u8]>,
    value: V,
    weight: usize,
    /// For what it was found out.
    mark: u64,
    until: Until,
}

impl<V> std::fmt::Debug for Verdicts<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verdicts").finish_non_exhaustive()
    }
}

impl<V: Clone> Default for Verdicts<V> {
    fn default() -> Self {
        Self::new(MAX_TOKENS, MAX_BYTES)
    }
}

impl<V: Clone> Verdicts<V> {
    fn new(tokens: usize, bytes: usize) -> Self {
        let shard = || Shard { table: HashTable::new(), order: VecDeque::new(), next: 0, bytes: 0 };
        Self {
            hasher: RandomState::new(),
            shards: std::array::from_fn(|_| Mutex::new(shard())),
            max_tokens: tokens / SHARDS,
            max_bytes: bytes / SHARDS,
        }
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard<V>> {
        // The table takes the lower and the topmost bits.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }

    /// What was found out about a token under this mark and holds still.
    pub(super) fn find(&self, token: &[u8], mark: u64) -> Option<V> {
        let hash = self.hasher.hash_one(token);
        let shard = self.shard(hash).lock().unwrap_or_else(PoisonError::into_inner);
        let entry = shard.table.find(hash, |entry| *entry.token == *token)?;
        (entry.mark == mark && !entry.until.is_over()).then(|| entry.value.clone())
    }

    /// Remembers what was found out about a token under a mark. `weight` is how many bytes that takes.
    pub(super) fn remember(&self, token: &[u8], mark: u64, value: V, weight: usize, until: Until) {
        let hash = self.hasher.hash_one(token);
        let weight = weight + token.len() + OVERHEAD;
        if until.is_over() || weight > self.max_bytes {
            return;
        }
        let mut shard = self.shard(hash).lock().unwrap_or_else(PoisonError::into_inner);
        let shard = &mut *shard;
        if let Some(entry) = shard.table.find_mut(hash, |entry| *entry.token == *token) {
            shard.bytes = shard.bytes - entry.weight + weight;
            (entry.mark, entry.value, entry.weight, entry.until) = (mark, value, weight, until);
        } else {
            let number = shard.next;
            shard.next += 1;
            shard.bytes += weight;
            shard.order.push_back((hash, number));
            let entry = Entry { hash, number, token: token.into(), value, weight, mark, until };
            shard.table.insert_unique(hash, entry, |entry| entry.hash);
        }
        while shard.table.len() > self.max_tokens || shard.bytes > self.max_bytes || shard.begins_over() {
            shard.forget_first();
        }
    }
}

impl<V> Shard<V> {
    /// Whether the oldest one holds no more.
    fn begins_over(&self) -> bool {
        let oldest = self
            .order
            .front()
            .and_then(|(hash, number)| self.table.find(*hash, |entry| entry.number == *number));
        oldest.is_some_and(|entry| entry.until.is_over())
    }

    fn forget_first(&mut self) {
        let Some((hash, number)) = self.order.pop_front() else { return };
        if let Ok(entry) = self.table.find_entry(hash, |entry| entry.number == number) {
            self.bytes -= entry.remove().0.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sum(verdicts: &Verdicts<u64>) -> (usize, usize, usize) {
        let each = verdicts.shards.iter().map(|shard| {
            let shard = shard.lock().unwrap();
            (shard.table.len(), shard.order.len(), shard.bytes)
        });
        each.fold((0, 0, 0), |(a, b, c), (x, y, z)| (a + x, b + y, c + z))
    }

    #[test]
    fn a_verdict_holds_for_its_token_and_mark_until_its_time() {
        let verdicts = Verdicts::default();
        let late = SystemTime::now() + Duration::from_secs(3600);
        verdicts.remember(b"a", 1, 10, 0, Until { time: Some(late), instant: None });
        assert_eq!(
            [verdicts.find(b"a", 1), verdicts.find(b"a", 2), verdicts.find(b"b", 1)],
            [Some(10), None, None]
        );
        verdicts.remember(b"a", 2, 11, 0, Until::default());
        assert_eq!([verdicts.find(b"a", 1), verdicts.find(b"a", 2)], [None, Some(11)]);
        verdicts.remember(b"c", 1, 12, 0, Until { time: Some(SystemTime::now()), instant: None });
        verdicts.remember(b"d", 1, 12, 0, Until { time: None, instant: Some(Instant::now()) });
        assert_eq!(sum(&verdicts), (1, 1, 1 + OVERHEAD));
    }

    #[test]
    fn however_many_tokens_come_the_memory_is_bounded() {
        let verdicts = Verdicts::new(800, 1 << 20);
        for number in 0..10_000_u64 {
            verdicts.remember(&number.to_be_bytes(), 0, number, 0, Until::default());
        }
        let (count, ordered, bytes) = sum(&verdicts);
        assert!(count <= 800 && count > 700 && ordered == count, "{count} {ordered}");
        assert_eq!(bytes, count * (8 + OVERHEAD));
        assert_eq!(
            [verdicts.find(&9_999_u64.to_be_bytes(), 0), verdicts.find(&[0; 8], 0)],
            [Some(9_999), None]
        );
        for number in 0..1_000_u64 {
            verdicts.remember(&number.to_be_bytes(), 0, number, 20_000, Until::default());
        }
        assert!(sum(&verdicts).2 <= 1 << 20);
        verdicts.remember(b"heavy", 0, 0, 1 << 20, Until::default());
        assert_eq!(verdicts.find(b"heavy", 0), None);
    }
}
