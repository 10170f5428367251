//! When which upstream is asked again for its descriptors: after an interval, soon after it could not be asked, and
//! when connections to it were opened anew, as it may have been replaced meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

/// How long after the first failure an upstream is asked again; the time doubles up to the interval.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long an upstream is left alone at least, whatever its connections do.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// The upstreams that are asked, by their name.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    asked: Instant,
    due: Instant,
    failures: u32,
    /// How many connections had been opened when that was last noted.
    opened: u64,
}

impl Schedule {
    pub(super) const fn new(interval: Duration) -> Self {
        Self { interval, entries: BTreeMap::new() }
    }

    /// Takes up the upstreams and the interval of another configuration.
    pub(super) fn renew(&mut self, names: BTreeSet<String>, interval: Duration) {
        self.interval = interval;
        let mut before = std::mem::take(&mut self.entries);
        let now = Instant::now();
        for name in names {
            let fresh = Entry { asked: now, due: now + interval, failures: 0, opened: 0 };
            let mut entry = before.remove(&name).unwrap_or(fresh);
            entry.due = entry.due.min(now + interval);
            self.entries.insert(name, entry);
        }
    }

    /// Notes what came of asking, and says whether it is news that it failed.
    pub(super) fn asked(&mut self, name: &str, is_failure: bool) -> bool {
        let Some(entry) = self.entries.get_mut(name) else { return false };
        let now = Instant::now();
        let is_first = is_failure && entry.failures == 0;
        let pause = if is_failure {
            FIRST_PAUSE.saturating_mul(1 << entry.failures.min(20)).min(self.interval)
        } else {
            self.interval
        };
        entry.failures = if is_failure { entry.failures.saturating_add(1) } else { 0 };
        entry.asked = now;
        entry.due = now + pause;
        is_first
    }

    /// Notes how many connections to an upstream were opened so far.
    pub(super) fn opened(&mut self, name: &str, count: u64) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        if std::mem::replace(&mut entry.opened, count) != count {
            entry.due = entry.due.min(entry.asked + LEAST_PAUSE);
        }
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.entries.values().map(|entry| entry.due).min()
    }

    /// Those that are due now.
    pub(super) fn due(&self) -> BTreeSet<String> {
        let now = Instant::now();
        self.entries.iter().filter(|(_, entry)| entry.due <= now).map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// How long from now until the next is due.
    fn pause(schedule: &Schedule) -> u64 {
        (schedule.next().unwrap() - Instant::now()).as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn failures_double_the_pause_up_to_the_interval() {
        let mut schedule = Schedule::new(SECOND * 30);
        assert_eq!(schedule.next(), None);
        schedule.renew(names(&["shop", "users"]), SECOND * 30);
        assert!(schedule.due().is_empty());
        advance(SECOND * 30).await;
        assert_eq!(schedule.due(), names(&["shop", "users"]));
        assert!(!schedule.asked("users", false));
        for (failure, expected) in [1, 2, 4, 8, 16, 30, 30].into_iter().enumerate() {
            assert_eq!(schedule.asked("shop", true), failure == 0);
            assert_eq!(pause(&schedule), expected);
        }
        assert!(!schedule.asked("shop", false));
        assert_eq!(pause(&schedule), 30);
        assert!(schedule.asked("shop", true));
        assert!(!schedule.asked("nobody", true));
    }

    #[tokio::test(start_paused = true)]
    async fn new_connections_are_a_reason_to_ask() {
        let mut schedule = Schedule::new(SECOND * 30);
        schedule.renew(names(&["shop"]), SECOND * 30);
        advance(SECOND * 5).await;
        schedule.opened("shop", 0);
        assert_eq!(pause(&schedule), 25);
        schedule.opened("shop", 4);
        assert_eq!(schedule.due(), names(&["shop"]), "it may be another than at the start");
        schedule.asked("shop", false);
        advance(SECOND * 5).await;
        schedule.opened("shop", 4);
        assert_eq!(pause(&schedule), 25);
        schedule.opened("shop", 5);
        assert_eq!(schedule.due(), names(&["shop"]));
        schedule.asked("shop", false);
        schedule.opened("shop", 6);
        assert_eq!(pause(&schedule), 1, "not at once again");
        schedule.asked("shop", false);
        schedule.renew(names(&["shop"]), SECOND * 10);
        assert_eq!(pause(&schedule), 10, "a shorter interval counts at once");
    }
}
