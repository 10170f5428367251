//! The connections of one upstream: for each core and target one, opened on demand.
//!
//! ```text
//!            first call            connected
//!   Idle ----------------> Opening ----------> Up
//!    ^  ^                    |                  |
//!    |  |   time passed      v failed           |
//!    |  +---------------- Resting <-------------+ ended without ever serving
//!    +------------------------------------------+ ended
//! ```
//!
//! A connection is opened and driven by a task on the runtime of its core. The task belongs to no
//! call: callers only wait for it, so one that goes away takes nothing with it. One on which many
//! cancelled calls wait to be reset is left to them and replaced.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::connect;
use super::exchange::Resets;
use super::http2::driver::Ending;
use super::http2::handle::Sender;
use super::http2::reason::Error;
use super::meters::CONNECTIONS;
use super::report::{Report, TargetReport};
use super::target::Target;
use crate::telemetry::metrics::Level;

const FIRST_REST: Duration = Duration::from_millis(20);
const LONGEST_REST: Duration = Duration::from_secs(1);

/// How long a failure counts as knowledge of a target that nobody tries to reach. Whoever sends no calls because of it
/// has to learn at some time that it may be worth it.
const MEMORY: Duration = Duration::from_secs(30);

/// The connections of one upstream.
pub(super) struct Pool {
    name: Arc<str>,
    open: Arc<Level>,
    targets: Box<[Target]>,
    connect_timeout: Duration,
    slots: Box<[Slot]>,
}

/// What belongs to one core, on cache lines of its own.
#[repr(align(128))]
struct Slot {
    core: Mutex<Core>,
    /// Marked whenever an attempt to connect ends.
    settled: watch::Sender<()>,
}

struct Core {
    turn: usize,
    next_id: u64,
    links: Box<[Link]>,
}

#[derive(Default)]
struct Link {
    state: State,
    failures: u32,
    /// When the last of them was.
    failed: Option<Instant>,
}

#[derive(Default)]
enum State {
    #[default]
    Idle,
    Opening,
    Up(Lease),
    Resting(Instant),
}

/// A connection that a call may use.
#[derive(Clone)]
pub(super) struct Lease {
    pub(super) connection: Arc<Connection>,
    pub(super) target: usize,
    id: u64,
}

/// A connection that is up.
pub(super) struct Connection {
    pub(super) sender: Sender,
    /// How often calls may be cancelled.
    pub(super) resets: Resets,
    served: AtomicBool,
}

impl Lease {
    /// Notes that the backend answered on this connection.
    pub(super) fn served(&self) {
        let served = &self.connection.served;
        if !served.load(Ordering::Relaxed) {
            served.store(true, Ordering::Relaxed);
        }
    }
}

enum Choice {
    Up(Lease),
    Opening,
    Nothing,
}

impl Pool {
    pub(super) fn new(name: Arc<str>, targets: Vec<Target>, connect_timeout: Duration, cores: usize) -> Self {
        let slots = (0..=cores).map(|index| Slot {
            core: Mutex::new(Core {
                turn: index,
                next_id: 0,
                links: targets.iter().map(|_| Link::default()).collect(),
            }),
            settled: watch::Sender::new(()),
        });
        let open = CONNECTIONS.series(&[&name]);
        Self { name, open, slots: slots.collect(), targets: targets.into(), connect_timeout }
    }

    /// How many cores have a slot of their own.
    pub(super) fn cores(&self) -> usize {
        self.slots.len() - 1
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn target(&self, index: usize) -> &Target {
        &self.targets[index]
    }

    /// A connection of a core: the next in turn of those that are up, one other than to the target
    /// `avoid` if there is one. Targets without a connection are connected to on the way. `None` while none
    /// is up: then it can be waited for.
    pub(super) fn acquire(self: &Arc<Self>, slot: usize, avoid: Option<usize>) -> Option<Lease> {
        match self.choose(slot, avoid, true) {
            Choice::Up(lease) => Some(lease),
            Choice::Opening | Choice::Nothing => None,
        }
    }

    /// Waits for a connection after [`Pool::acquire`] has found none; `None` if no target can be connected to.
    pub(super) async fn wait(self: Arc<Self>, slot: usize, avoid: Option<usize>) -> Option<Lease> {
        let mut settled = self.slots[slot].settled.subscribe();
        loop {
            match self.choose(slot, avoid, false) {
                Choice::Up(lease) => return Some(lease),
                Choice::Opening => settled.changed().await.ok()?,
                Choice::Nothing => return None,
            }
        }
    }

    /// Forgets a connection that accepts no more streams, so that the next call opens another one.
    /// Its open streams go on.
    pub(super) fn retire(&self, slot: usize, lease: &Lease) {
        let mut core = self.lock(slot);
        if let Some(link) = core.links[lease.target].holding(lease.id) {
            link.release();
        }
    }

    /// What the connections of all cores are doing now.
    pub(super) fn report(&self) -> Report {
        let blank = |target: &Target| TargetReport { target: target.to_string(), ..TargetReport::default() };
        let mut report = Report { opened: 0, targets: self.targets.iter().map(blank).collect() };
        for slot in 0..self.slots.len() {
            let core = self.lock(slot);
            report.opened += core.next_id;
            for (target, link) in report.targets.iter_mut().zip(&core.links) {
                match link.state {
                    State::Idle => {}
                    State::Opening => target.opening += 1,
                    State::Up(_) => target.open += 1,
                    State::Resting(_) => target.resting += 1,
                }
                target.failures = target.failures.max(link.failures);
                target.away |= link.failed.is_some_and(|failed| failed.elapsed() < MEMORY);
            }
        }
        for target in &mut report.targets {
            target.away &= target.open == 0;
        }
        report
    }

    fn choose(self: &Arc<Self>, slot: usize, avoid: Option<usize>, start: bool) -> Choice {
        let mut opening = Vec::new();
        let choice = {
            let mut core = self.lock(slot);
            if start {
                core.turn = core.turn.wrapping_add(1);
                core.open(&mut opening);
            }
            core.choose(avoid)
        };
        // Not under the lock: a runtime that is shutting down drops the task right here, and the
        // dropped attempt takes the lock.
        for target in opening {
            tokio::spawn(Attempt { pool: Arc::clone(self), slot, target, open: true }.run());
        }
        choice
    }

    fn lock(&self, slot: usize) -> MutexGuard<'_, Core> {
        self.slots[slot].core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self, slot: usize, target: usize, id: u64, ending: &Ending) {
        if let Err(error) = &ending.result {
            let (upstream, target) = (self.name(), self.target(target));
            tracing::warn!(upstream, %target, %error, "a connection to a backend ended with an error");
        }
        let broken = !ending.heard || matches!(ending.result, Err(Error::Connection(_)));
        let mut core = self.lock(slot);
        if let Some(link) = core.links[target].holding(id) {
            let served = link.release();
            if broken && !served {
                link.rest();
            }
        }
    }
}

impl Core {
    /// Marks the targets that are to be connected to, and lists them.
    fn open(&mut self, opening: &mut Vec<usize>) {
        let now = Instant::now();
        for (target, link) in self.links.iter_mut().enumerate() {
            if link.lease().is_some_and(|lease| lease.connection.resets.is_crowded()) {
                link.release();
            }
            if link.may_open(now) {
                link.state = State::Opening;
                opening.push(target);
            }
        }
    }

    fn up(&mut self, target: usize, sender: Sender) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let connection = Connection { sender, resets: Resets::new(), served: AtomicBool::new(false) };
        self.links[target].state = State::Up(Lease { connection: Arc::new(connection), target, id });
        id
    }

    fn choose(&self, avoid: Option<usize>) -> Choice {
        let up = || self.links.iter().filter_map(Link::lease);
        let wanted = || up().filter(|lease| Some(lease.target) != avoid);
        let pick = match wanted().count() {
            0 => up().next(),
            several => wanted().nth(self.turn % several),
        };
        match pick {
            Some(lease) => Choice::Up(lease.clone()),
            None if self.links.iter().any(|link| matches!(link.state, State::Opening)) => Choice::Opening,
            None => Choice::Nothing,
        }
    }
}

impl Link {
    fn may_open(&self, now: Instant) -> bool {
        match self.state {
            State::Idle => true,
            State::Resting(until) => now >= until,
            State::Opening | State::Up(_) => false,
        }
    }

    const fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Up(lease) => Some(lease),
            _ => None,
        }
    }

    fn holding(&mut self, id: u64) -> Option<&mut Self> {
        if self.lease().is_some_and(|lease| lease.id == id) { Some(self) } else { None }
    }

    /// Lets the connection go and says whether the backend ever answered on it.
    fn release(&mut self) -> bool {
        let served = self.lease().is_some_and(|lease| lease.connection.served.load(Ordering::Relaxed));
        if served {
            self.failures = 0;
            self.failed = None;
        }
        self.state = State::Idle;
        served
    }

    /// Keeps calls away from the target for a while and says for how long.
    fn rest(&mut self) -> Duration {
        let rest = rest_after(self.failures, random());
        self.failures = self.failures.saturating_add(1);
        let now = Instant::now();
        self.failed = Some(now);
        self.state = State::Resting(now + rest);
        rest
    }
}

/// Half of the doubled time, and a random part of the other half, so that many gateways do not knock
/// at a backend in step.
fn rest_after(failures: u32, random: u32) -> Duration {
    let full = FIRST_REST.saturating_mul(1 << failures.min(10)).min(LONGEST_REST);
    full / 2 + (full / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// A random number; the standard library seeds each of its hashers afresh.
fn random() -> u32 {
    // The lower half is as good as the upper.
    RandomState::new().build_hasher().finish() as u32
}

/// One attempt to connect, and then the life of the connection.
struct Attempt {
    pool: Arc<Pool>,
    slot: usize,
    target: usize,
    open: bool,
}

impl Attempt {
    async fn run(mut self) {
        let target = self.pool.target(self.target);
        match connect::open(target, self.pool.connect_timeout).await {
            Ok((sender, driver)) => {
                let (slot, target) = (self.slot, self.target);
                let id = self.settle(|core| core.up(target, sender));
                // From here on the connection does not keep its pool alive: a pool that is dropped
                // closes its connections once their streams have ended.
                let pool = Arc::downgrade(&self.pool);
                let _open = self.pool.open.hold();
                drop(self);
                let ending = driver.run().await;
                if let Some(pool) = pool.upgrade() {
                    pool.ended(slot, target, id, &ending);
                }
            }
            Err(error) => {
                let index = self.target;
                let rest = self.settle(|core| core.links[index].rest());
                let (upstream, target) = (self.pool.name(), self.pool.target(index));
                tracing::warn!(upstream, %target, %error, ?rest, "cannot connect to a backend");
            }
        }
    }

    fn settle<T>(&mut self, change: impl FnOnce(&mut Core) -> T) -> T {
        let outcome = change(&mut self.pool.lock(self.slot));
        self.open = false;
        self.pool.slots[self.slot].settled.send_replace(());
        outcome
    }
}

impl Drop for Attempt {
    /// An attempt that is dropped with its runtime must not leave others waiting for it.
    fn drop(&mut self) {
        if self.open {
            let target = self.target;
            self.settle(|core| core.links[target].state = State::Idle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_from_20_ms_to_1_s_with_jitter_over_the_upper_half() {
        let table = [(0, 20), (1, 40), (2, 80), (5, 640), (6, 1000), (20, 1000), (u32::MAX, 1000)];
        for (failures, full) in table {
            let full = Duration::from_millis(full);
            assert_eq!(rest_after(failures, 0), full / 2);
            assert_eq!(rest_after(failures, u32::MAX), full);
        }
    }
}
