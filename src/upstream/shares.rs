//! How targets share the calls: by their weights, and by how long they have been there.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use super::decide::start::{WHOLE, part};

/// The share of one target.
#[derive(Debug)]
pub(super) struct Share {
    weight: AtomicU32,
    /// When it came, or came back; 0 where it was there from the beginning on.
    since: AtomicU64,
}

impl Share {
    pub(super) const fn new(weight: u32) -> Self {
        Self { weight: AtomicU32::new(weight), since: AtomicU64::new(0) }
    }

    pub(super) fn weight(&self) -> u32 {
        self.weight.load(Relaxed)
    }

    pub(super) fn weigh(&self, weight: u32) {
        self.weight.store(weight, Relaxed);
    }
}

/// What the shares of an upstream's targets have to do with each other.
#[derive(Debug, Default)]
pub(super) struct Shares {
    is_uneven: AtomicBool,
    /// How long a target gets less than its share, in milliseconds.
    slow_start: AtomicU64,
    /// Until when some target does.
    until: AtomicU64,
}

impl Shares {
    pub(super) fn new(slow_start: Option<Duration>) -> Self {
        let shares = Self::default();
        shares.retune(slow_start, 0);
        shares
    }

    /// Lets shares grow for another time.
    pub(super) fn retune(&self, slow_start: Option<Duration>, now: u64) {
        let time = slow_start.map_or(0, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        if self.slow_start.swap(time, Relaxed) != time {
            // Some of them may have come in that time.
            self.until.store(if now == 0 { 0 } else { now.saturating_add(time) }, Relaxed);
        }
    }

    /// These are the weights of all targets.
    pub(super) fn compare(&self, mut weights: impl Iterator<Item = u32>) {
        let first = weights.next();
        self.is_uneven.store(weights.any(|weight| Some(weight) != first), Relaxed);
    }

    /// Whether all targets have the same share now.
    pub(super) fn are_even(&self, now: u64) -> bool {
        now >= self.until.load(Relaxed) && !self.is_uneven.load(Relaxed)
    }

    /// A target has come, or come back.
    pub(super) fn came(&self, share: &Share, now: u64) {
        share.since.store(now.max(1), Relaxed);
        let time = self.slow_start.load(Relaxed);
        if time != 0 {
            self.until.fetch_max(now.saturating_add(time), Relaxed);
        }
    }

    /// The share of a target now, by those of the others.
    pub(super) fn now(&self, share: &Share, now: u64) -> u32 {
        share.weight() * self.part(share, now)
    }

    /// Which part of its share a target gets now, in thousandths.
    pub(super) fn part(&self, share: &Share, now: u64) -> u32 {
        match share.since.load(Relaxed) {
            0 => WHOLE,
            since => part(now.saturating_sub(since), self.slow_start.load(Relaxed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_gets_less_for_a_while() {
        let (shares, old, new) = (Shares::new(Some(Duration::from_secs(10))), Share::new(3), Share::new(2));
        let now = |time| (shares.now(&old, time), shares.now(&new, time), shares.are_even(time));
        shares.compare([3, 2].into_iter());
        assert_eq!(now(5), (3000, 2000, false));
        shares.compare([2, 2].into_iter());
        assert_eq!(now(5), (3000, 2000, true));
        shares.came(&new, 1000);
        assert_eq!((now(1000), now(6000)), ((3000, 200, false), (3000, 1000, false)));
        assert_eq!(now(11_000), (3000, 2000, true));
        shares.retune(Some(Duration::from_secs(40)), 11_000);
        assert_eq!(now(11_000), (3000, 500, false));
        shares.retune(None, 12_000);
        assert_eq!(now(12_000), (3000, 2000, true));
        shares.came(&old, 13_000);
        assert_eq!(now(13_000), (3000, 2000, true));
        new.weigh(5);
        assert_eq!(now(13_000), (3000, 5000, true));
    }
}
