//! How many calls of a subject go on at a time.
//!
//! Only what goes on is kept, so that nothing grows beyond the calls that connections may carry.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::store::Subject;

const SHARDS: usize = 64;

/// The calls that go on, by subject.
pub struct Calls {
    shards: Box<[Mutex<HashMap<u64, u32>>]>,
    /// Makes hashes that nobody outside can calculate.
    secret: RandomState,
}

impl Default for Calls {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, secret: RandomState::new() }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

impl Calls {
    /// Counts one more under a name, unless there are as many as there may be.
    pub fn begin(self: &Arc<Self>, name: &str, subject: Subject<'_>, most: NonZeroU32) -> Option<Begun> {
        let key = self.secret.hash_one((name, subject.kind, subject.text));
        let mut shard = self.shard(key);
        let count = shard.entry(key).or_default();
        if *count >= most.get() {
            return None;
        }
        *count += 1;
        drop(shard);
        Some(Begun { calls: Arc::clone(self), key })
    }

    fn shard(&self, key: u64) -> MutexGuard<'_, HashMap<u64, u32>> {
        let shard = &self.shards[key as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call that goes on until this is dropped.
#[derive(Debug)]
pub struct Begun {
    calls: Arc<Calls>,
    key: u64,
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut shard = self.calls.shard(self.key);
        if let Entry::Occupied(mut count) = shard.entry(self.key) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        if shard.len() < shard.capacity() / 8 {
            // A peak is over.
            shard.shrink_to(64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::store::Kind;
    use super::*;

    #[test]
    fn calls_end_and_leave_nothing() {
        let calls = Arc::<Calls>::default();
        let two = NonZeroU32::new(2).unwrap();
        let begin = |name, text: &'static str| {
            calls.begin(name, Subject { kind: Kind::Principal, text: text.as_bytes() }, two)
        };
        let first = begin("free", "a");
        let second = begin("free", "a");
        assert!(first.is_some() && second.is_some() && begin("free", "a").is_none());
        assert!(begin("free", "b").is_some() && begin("pro", "a").is_some());
        drop(first);
        let third = begin("free", "a");
        assert!(third.is_some() && begin("free", "a").is_none());
        drop((second, third));
        let numbers: Vec<_> = (0..10_000_u32).map(u32::to_be_bytes).collect();
        let many: Vec<_> = numbers
            .iter()
            .map(|text| calls.begin("free", Subject { kind: Kind::Address, text }, two).unwrap())
            .collect();
        drop(many);
        for shard in &calls.shards {
            let shard = shard.lock().unwrap();
            assert!(shard.is_empty() && shard.capacity() <= 128, "{}", shard.capacity());
        }
    }
}
