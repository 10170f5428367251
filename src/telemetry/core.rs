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

/// The index of this thread; larger than any index if it was given none.
pub fn index() -> usize {
    INDEX.get()
}

/// How many cores the process may use, as it was when this was first asked.
pub fn count() -> usize {
    *COUNT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_told_apart_by_their_numbers() {
        let run = |number: Option<usize>| {
            let thread = thread::spawn(move || {
                number.into_iter().for_each(enter);
                index()
            });
            thread.join().unwrap()
        };
        assert_eq!((run(Some(0)), run(Some(7)), run(None)), (0, 7, usize::MAX));
        assert!(count() >= 1);
    }
}
