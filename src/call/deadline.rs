//! Deadlines for parts of a call, nearly all of which pass without being needed.
//!
//! A timer of tokio costs a system call whenever it is earlier than all others, and a place in a wheel in any case.
//! Here the deadlines of a runtime share one timer, which stands at the earliest of them. It is not moved when that
//! one is no longer needed, but when it fires: with deadlines that are all as far away, once in that time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::runtime::{self, Handle};
use tokio::time::{Instant, Sleep, sleep_until};

thread_local! {
    static ALARM: RefCell<Option<Arc<Alarm>>> = const { RefCell::new(None) };
}

/// Runs `work` until the deadline; `None` when it passed before the end of the work. Without a deadline there is
/// always an end.
///
/// Work that is done at once is done even if the deadline has passed. Needs a runtime of tokio with time.
pub async fn before<F: Future>(deadline: Option<Instant>, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut entry = None;
    poll_fn(|cx| {
        if let Poll::Ready(output) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        let Some(deadline) = deadline else { return Poll::Pending };
        entry.get_or_insert_with(|| Entry::new(deadline, cx.waker())).poll_passed(cx).map(|()| None)
    })
    .await
}

/// The deadlines of one runtime.
struct Alarm {
    runtime: runtime::Id,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Who is to be woken, by deadline; those with the same are told apart by a number.
    waiting: BTreeMap<Key, Waker>,
    next: u64,
    /// When the timer fires; `None` while there is no task that has one.
    armed: Option<Instant>,
    /// The task of the timer, since it was polled first.
    task: Option<Waker>,
}

type Key = (Instant, u64);

/// What has to be done after a deadline was added, without the lock.
enum Arming {
    Done,
    Wake(Waker),
    Spawn,
}

impl Alarm {
    /// The alarm of the current runtime.
    fn current() -> Arc<Self> {
        let runtime = Handle::current().id();
        ALARM.with_borrow_mut(|alarm| match alarm {
            Some(alarm) if alarm.runtime == runtime => Arc::clone(alarm),
            _ => Arc::clone(alarm.insert(Arc::new(Self { runtime, state: Mutex::default() }))),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn add(&mut self, deadline: Instant, waker: &Waker) -> (Key, Arming) {
        let key = (deadline, self.next);
        self.next = self.next.wrapping_add(1);
        self.waiting.insert(key, waker.clone());
        let arming = match self.armed {
            Some(armed) if armed <= deadline => Arming::Done,
            None => Arming::Spawn,
            // A task that was not polled yet will see the new time then.
            Some(_) => self.task.take().map_or(Arming::Done, Arming::Wake),
        };
        self.armed = Some(self.armed.map_or(deadline, |armed| armed.min(deadline)));
        (key, arming)
    }

    /// Takes out those whose deadline has passed, and looks at the next.
    fn take_due(&mut self, now: Instant) -> BTreeMap<Key, Waker> {
        let later = self.waiting.split_off(&(now, u64::MAX));
        self.armed = later.first_key_value().map(|((deadline, _), _)| *deadline);
        mem::replace(&mut self.waiting, later)
    }
}

/// Work that waits, from its first pause on.
struct Entry {
    alarm: Arc<Alarm>,
    key: Key,
}

impl Entry {
    fn new(deadline: Instant, waker: &Waker) -> Self {
        let alarm = Alarm::current();
        let (key, arming) = alarm.lock().add(deadline, waker);
        match arming {
            Arming::Done => {}
            Arming::Wake(task) => task.wake(),
            Arming::Spawn => {
                let timer = Box::pin(sleep_until(deadline));
                tokio::spawn(Task { alarm: Arc::clone(&alarm), timer });
            }
        }
        Self { alarm, key }
    }

    fn poll_passed(&self, cx: &Context<'_>) -> Poll<()> {
        match self.alarm.lock().waiting.get_mut(&self.key) {
            Some(waker) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.alarm.lock().waiting.remove(&self.key);
    }
}

/// Sleeps until the earliest deadline, and ends when there is none left.
struct Task {
    alarm: Arc<Alarm>,
    timer: Pin<Box<Sleep>>,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        loop {
            let armed = {
                let mut state = this.alarm.lock();
                state.task = Some(cx.waker().clone());
                state.armed
            };
            let Some(armed) = armed else { return Poll::Ready(()) };
            if this.timer.deadline() != armed {
                this.timer.as_mut().reset(armed);
            }
            if this.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let due = this.alarm.lock().take_due(Instant::now());
            due.into_values().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn waiting() -> usize {
        Alarm::current().lock().waiting.len()
    }

    #[tokio::test(start_paused = true)]
    async fn work_ends_or_is_late() {
        let now = Instant::now();
        for (work, deadline, expected) in [(1, Some(2), Some(1)), (2, Some(1), None), (3, None, Some(3))] {
            let start = Instant::now();
            let work = async move {
                sleep(work * SECOND).await;
                work
            };
            let output = before(deadline.map(|seconds| start + seconds * SECOND), work).await;
            assert_eq!(output, expected);
            assert_eq!(waiting(), 0);
        }
        assert_eq!(now.elapsed(), 5 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_never_waits_is_done_after_the_deadline_too() {
        let past = Instant::now();
        tokio::time::advance(SECOND).await;
        assert_eq!(before(Some(past), ready(1)).await, Some(1));
        assert_eq!(before(Some(past), pending::<()>()).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn earlier_and_later_deadlines_are_each_kept() {
        let start = Instant::now();
        let late = |seconds: u32| async move {
            assert_eq!(before(Some(start + seconds * SECOND), pending::<()>()).await, None);
            start.elapsed()
        };
        // Polled in this order, so that the timer is set, moved nearer twice, and left alone.
        let ends = tokio::join!(
            late(5),
            late(3),
            late(1),
            late(4),
            late(3),
            before(Some(start + SECOND / 2), ready(()))
        );
        assert_eq!(
            (ends.0, ends.1, ends.2, ends.3, ends.4),
            (5 * SECOND, 3 * SECOND, SECOND, 4 * SECOND, 3 * SECOND)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_timer_goes_on_for_those_who_come_later_and_ends_without_any() {
        let alarm = Alarm::current();
        let start = Instant::now();
        let short = async {
            for _ in 0..10 {
                assert_eq!(before(Some(Instant::now() + 3 * SECOND), sleep(SECOND)).await, Some(()));
            }
        };
        short.await;
        assert!(alarm.lock().armed.is_some(), "it fires once more and finds nothing");
        assert_eq!(before(Some(start + 11 * SECOND), pending::<()>()).await, None);
        assert_eq!(start.elapsed(), 11 * SECOND);
        sleep(10 * SECOND).await;
        assert_eq!(alarm.lock().armed, None);
        assert_eq!(before(Some(Instant::now() + SECOND), pending::<()>()).await, None);
    }

    #[test]
    fn a_new_runtime_on_the_same_thread_has_an_alarm_of_its_own() {
        for _ in 0..2 {
            let runtime =
                runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
            let late = async { before(Some(Instant::now() + SECOND), pending::<()>()).await };
            assert_eq!(runtime.block_on(late), None);
            // Left behind while its timer runs.
            runtime.block_on(async {
                drop(tokio::spawn(before(Some(Instant::now() + SECOND), pending::<()>())));
                tokio::task::yield_now().await;
            });
        }
    }
}
