//! Which core a thread serves.
//!
//! The application runs one single-threaded runtime per core. Connections are bound to the runtime
//! that opened them, so each core keeps its own, found by the number that its thread was given here.

use crate::telemetry::core;

/// Says that this thread runs the runtime of core `index`, counted from 0.
///
/// Called once per thread, before the runtime starts. Two threads never take the same index; threads
/// that take none share the connections of one extra slot, which suits command-line tools and tests.
pub fn enter(index: usize) {
    core::enter(index);
}

/// The slot of this thread among `cores` slots and a last one, shared by all other threads.
pub(super) fn slot(cores: usize) -> usize {
    core::index().min(cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_without_a_number_share_the_last_slot() {
        let run = |index: Option<usize>| {
            std::thread::spawn(move || {
                if let Some(index) = index {
                    enter(index);
                }
                slot(4)
            })
            .join()
            .unwrap()
        };
        assert_eq!(run(Some(0)), 0);
        assert_eq!(run(Some(3)), 3);
        assert_eq!(run(Some(4)), 4);
        assert_eq!(run(None), 4);
    }
}
