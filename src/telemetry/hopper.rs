//! A bounded way from the cores to a thread that may wait: for a pipe that nobody reads, for a collector that is gone.
//!
//! Each core fills a buffer of its own. The thread sleeps while all are empty, is woken by the first that is filled,
//! lets more come for a moment, and takes all of them. Whoever fills never waits longer than a buffer takes to be
//! exchanged, and drops what a full buffer does not hold.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use super::metrics::PerCore;

/// What a core fills.
pub trait Buffer: Default + Send + 'static {
    /// Whether there is nothing in it.
    fn is_empty(&self) -> bool;
}

impl<T: Send + 'static> Buffer for Vec<T> {
    fn is_empty(&self) -> bool {
        Self::is_empty(self)
    }
}

/// The cores' end.
#[derive(Debug)]
pub struct Hopper<B> {
    shared: Arc<Shared<B>>,
    thread: Thread,
    /// Closed when the thread has ended.
    ended: Mutex<Receiver<()>>,
}

#[derive(Debug)]
struct Shared<B> {
    buffers: PerCore<Mutex<B>>,
    asleep: AtomicBool,
    stopping: AtomicBool,
}

impl<B: Buffer> Hopper<B> {
    /// Starts the thread. After it was woken it waits for `pause`, and then gives every buffer that is not empty to
    /// `take`.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(name: &str, pause: Duration, mut take: impl FnMut(B) + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            buffers: PerCore::new(),
            asleep: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        let (running, ended) = mpsc::channel();
        let inner = Arc::clone(&shared);
        let run = move || {
            let _running: mpsc::Sender<()> = running;
            loop {
                let stopping = inner.stopping.load(Relaxed);
                let taken = inner.take_all(&mut take);
                if stopping {
                    return;
                }
                if taken {
                    // A stop cuts it short.
                    thread::park_timeout(pause);
                } else {
                    inner.sleep();
                    if !inner.stopping.load(Relaxed) {
                        thread::park_timeout(pause);
                    }
                }
            }
        };
        let thread = thread::Builder::new().name(name.into()).spawn(run)?.thread().clone();
        Ok(Self { shared, thread, ended: Mutex::new(ended) })
    }

    /// Fills this core's buffer.
    pub fn fill<T>(&self, fill: impl FnOnce(&mut B) -> T) -> T {
        let result = fill(&mut self.shared.buffers.mine().lock().unwrap_or_else(PoisonError::into_inner));
        // The lock orders this with what the thread does before it sleeps: it sees what was filled, or is seen here.
        if self.shared.asleep.load(Relaxed) && self.shared.asleep.swap(false, Relaxed) {
            self.thread.unpark();
        }
        result
    }

    /// Ends the thread once it has taken all that there is, and waits for it no longer than this.
    pub fn finish(&self, limit: Duration) {
        self.shared.stopping.store(true, Relaxed);
        self.shared.asleep.store(false, Relaxed);
        self.thread.unpark();
        // It sends nothing: it closes its end.
        let _ = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(limit);
    }
}

impl<B> Drop for Hopper<B> {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Relaxed);
        self.thread.unpark();
    }
}

impl<B: Buffer> Shared<B> {
    fn take_all(&self, take: &mut impl FnMut(B)) -> bool {
        let mut taken = false;
        for buffer in self.buffers.all() {
            let buffer = std::mem::take(&mut *buffer.lock().unwrap_or_else(PoisonError::into_inner));
            if !buffer.is_empty() {
                taken = true;
                take(buffer);
            }
        }
        taken
    }

    /// Sleeps until somebody has filled a buffer, or the end.
    fn sleep(&self) {
        self.asleep.store(true, Relaxed);
        let is_empty = |buffer: &Mutex<B>| buffer.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        // Nobody would wake it for what was filled before.
        while self.buffers.all().all(is_empty) && self.asleep.load(Relaxed) && !self.stopping.load(Relaxed) {
            thread::park();
        }
        self.asleep.store(false, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn everything_arrives_and_the_end_waits_for_it() {
        let (sender, receiver) = mpsc::channel();
        let hopper = Hopper::start("test", Duration::from_millis(1), move |taken: Vec<u32>| {
            taken.into_iter().for_each(|number| sender.send(number).unwrap());
        });
        let hopper = Arc::new(hopper.unwrap());
        hopper.fill(|buffer| buffer.push(1));
        assert_eq!(receiver.recv_timeout(LONG), Ok(1), "the first one wakes it");
        let fill = |core: usize| {
            let hopper = Arc::clone(&hopper);
            thread::spawn(move || {
                crate::telemetry::core::enter(core);
                (0..1000).for_each(|number| hopper.fill(|buffer| buffer.push(number)));
            })
        };
        for thread in [fill(0), fill(1)] {
            thread.join().unwrap();
        }
        hopper.finish(LONG);
        let mut numbers: Vec<_> = receiver.iter().collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..2000).map(|number| number / 2).collect::<Vec<_>>());
    }

    #[test]
    fn a_thread_that_is_stuck_holds_nobody_up() {
        let (sender, receiver) = mpsc::channel::<()>();
        let stuck = move |_: Vec<u32>| {
            let _ = receiver.recv();
        };
        let hopper = Hopper::start("test", Duration::ZERO, stuck).unwrap();
        hopper.fill(|buffer| buffer.push(1));
        while !hopper.fill(|buffer| buffer.is_empty()) {
            thread::yield_now();
        }
        hopper.fill(|buffer| buffer.push(2));
        hopper.finish(Duration::from_millis(10));
        drop(sender);
        hopper.finish(LONG);
        assert!(hopper.fill(|buffer| buffer.is_empty()), "what was filled later was taken at the end");
    }
}
