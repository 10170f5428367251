//! One value for each core.

use std::sync::OnceLock;

use crate::telemetry::core;

/// One value for each core and one for all other threads, each on cache lines of its own, so that cores do not wait
/// for one another. They are made when first needed.
#[derive(Debug)]
pub struct PerCore<T>(OnceLock<Box<[Lines<T>]>>);

/// Two lines of 64 bytes: processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Lines<T>(T);

impl<T> PerCore<T> {
    /// Values that are not made yet.
    pub const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// All values that there are so far.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.get().into_iter().flat_map(|all| all.iter().map(|lines| &lines.0))
    }
}

impl<T: Default> PerCore<T> {
    /// The value of this thread's core.
    pub fn mine(&self) -> &T {
        let all = self.0.get_or_init(|| (0..=core::count()).map(|_| Lines::default()).collect());
        &all.get(core::index()).unwrap_or(&all[all.len() - 1]).0
    }
}

impl<T> Default for PerCore<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    #[test]
    fn each_core_has_its_own() {
        static VALUES: PerCore<AtomicU64> = PerCore::new();
        assert_eq!(VALUES.all().count(), 0);
        VALUES.mine().fetch_add(1, Relaxed);
        let run = || {
            core::enter(0);
            VALUES.mine().fetch_add(10, Relaxed);
        };
        std::thread::spawn(run).join().unwrap();
        let all: Vec<_> = VALUES.all().map(|value| value.load(Relaxed)).collect();
        assert_eq!((all.len(), all[0], all[core::count()]), (core::count() + 1, 10, 1));
        let [first, second] = [&VALUES.0.get().unwrap()[0], &VALUES.0.get().unwrap()[1]];
        assert!((std::ptr::from_ref(second).addr() - std::ptr::from_ref(first).addr()) >= 128);
    }
}
