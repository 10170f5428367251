//! Which core a thread serves.
//!
//! The application runs one single-threaded runtime per core. What is counted or kept for a core is found by the number
//! that its thread was given here.

use std::cell::Cell;
use std::sync::LazyLock;
use std::thread;

thread_local! {
    static INDEX: Cell<usize> = const { Cell::new(usize::MAX) };
}

static COUNT: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, Into::into));

/// Says that this thread runs the runtime of core `index`, counted from 0.
///
/// Called once per thread, before the runtime starts. Two threads never take the same index.
pub fn enter(index: usize) {
    INDEX.set(index);
}

/// The index of this thread, if it was given one.
pub fn index() -> Option<usize> {
    Some(INDEX.get()).filter(|index| *index != usize::MAX)
}

/// How many cores the process may use, as it was when this was first asked.
pub fn count() -> usize {
    *COUNT
}

/// The slot of this thread among those of [`count`] cores and a last one, which all other threads share.
pub fn slot() -> usize {
    INDEX.get().min(count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_without_a_number_share_the_last_slot() {
        let run = |number: Option<usize>| {
            let thread = thread::spawn(move || {
                number.into_iter().for_each(enter);
                (index(), slot())
            });
            thread.join().unwrap()
        };
        assert_eq!(run(Some(0)), (Some(0), 0));
        assert_eq!(run(Some(count())), (Some(count()), count()));
        assert_eq!(run(None), (None, count()));
    }
}
