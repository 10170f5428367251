//! How many calls go on at a time, those of all callers together, and whose are refused first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::call::priority::Priority;

/// The calls that go on. It outlives what is configured.
#[derive(Debug, Default)]
pub struct Flight(AtomicU64);

/// How many calls may go on.
#[derive(Clone, Debug)]
pub struct Ceiling {
    flight: Arc<Flight>,
    /// From how many on a priority is refused, in the order of their declaration.
    most: [u64; 3],
}

impl Ceiling {
    /// Lets so many calls go on, and of each priority up to its [share](Priority::share).
    pub fn new(flight: Arc<Flight>, most: u32) -> Self {
        Self { flight, most: Priority::ALL.map(|priority| priority.share(most.into())) }
    }

    /// Takes a place, if there is one for this priority.
    pub fn enter(&self, priority: Priority) -> Option<Aloft> {
        let before = self.flight.0.fetch_add(1, Relaxed);
        // Dropped at once if it is one too many.
        let aloft = Aloft(Arc::clone(&self.flight));
        (before < self.most[priority as usize]).then_some(aloft)
    }
}

/// The place of a call, until this is dropped.
#[derive(Debug)]
pub struct Aloft(Arc<Flight>);

impl Drop for Aloft {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_matters_less_is_refused_first() {
        let flight = Arc::<Flight>::default();
        for (most, expected) in [(10, [8, 9, 10]), (1, [1, 1, 1]), (2, [2, 2, 2]), (1000, [800, 900, 1000])] {
            let ceiling = Ceiling::new(Arc::clone(&flight), most);
            let mut held = Vec::new();
            for (priority, expected) in Priority::ALL.into_iter().zip(expected) {
                while let Some(aloft) = ceiling.enter(priority) {
                    held.push(aloft);
                }
                assert_eq!(held.len(), expected, "{priority:?} of {most}");
            }
            held.pop();
            assert!(ceiling.enter(Priority::High).is_some());
            drop(held);
            assert_eq!(flight.0.load(Relaxed), 0);
        }
    }
}
