//! The connections of one upstream: for each core and target one, opened on demand, and more where a target takes no
//! further streams on it.
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
//! cancelled calls wait to be reset is left to them and replaced. One that is as old as it may get is replaced once
//! another one is up.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::connect;
use super::decide::balance::Balance;
use super::decide::health::Health;
use super::fault::{crowded, full, unreachable};
use super::group::{Group, Member, Rules};
use super::health::Watchman;
use super::http2::driver::Ending;
use super::http2::handle::{Sender, Turn};
use super::http2::reason::Error;
use super::links::{Choice, Connection, Core, Lease, State, Wish};
use super::report::{Report, TargetReport};
use super::source::Feed;
use crate::status::Status;

/// How long a failure counts as knowledge of a target that nobody tries to reach. Whoever sends no calls because of it
/// has to learn at some time that it may be worth it.
const MEMORY: Duration = Duration::from_secs(30);

/// The connections of one upstream.
pub(super) struct Pool {
    group: Arc<Group>,
    slots: Box<[Slot]>,
    listing: Mutex<Listing>,
}

/// Where the targets come from. Locked while they are replaced, so that they are what the sources said last.
struct Listing {
    feed: Feed,
    /// Who asks the targets for their health.
    watchman: Option<Watchman>,
}

/// What belongs to one core, on cache lines of its own.
#[repr(align(128))]
struct Slot {
    core: Mutex<Core>,
    /// Marked whenever an attempt to connect ends.
    settled: watch::Sender<()>,
}

impl Pool {
    pub(super) fn new(name: Arc<str>, feed: Feed, rules: Rules, cores: usize) -> Self {
        let group = Arc::new(Group::new(name, &feed.endpoints(), rules, cores + 1));
        let members = group.members();
        let slots = (0..=cores).map(|index| Slot {
            core: Mutex::new(Core::new(index, &members)),
            settled: watch::Sender::new(()),
        });
        Self { slots: slots.collect(), group, listing: Mutex::new(Listing { feed, watchman: None }) }
    }

    /// How many cores have a slot of their own.
    pub(super) fn cores(&self) -> usize {
        self.slots.len() - 1
    }

    pub(super) fn name(&self) -> &str {
        self.group.name()
    }

    /// What all cores know together.
    pub(super) const fn group(&self) -> &Arc<Group> {
        &self.group
    }

    /// Goes on by other rules, and asks the targets for their health or does so no longer. Nobody is asked where there is
    /// no runtime, in commands that serve nothing.
    pub(super) fn retune(&self, rules: &Rules, health: Option<&Health>) {
        self.group.retune(rules);
        let health = health.filter(|_| Handle::try_current().is_ok());
        let watchman = &mut self.listing().watchman;
        if watchman.as_ref().map(Watchman::settings) != health {
            // Who is asked no more is well, which must not come after what others find out.
            *watchman = None;
            *watchman = health.map(|health| Watchman::start(&self.group, health));
        }
    }

    fn listing(&self) -> MutexGuard<'_, Listing> {
        self.listing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes its targets from here from now on, and hears of it when they change.
    pub(super) fn follow(self: &Arc<Self>, feed: &Feed) {
        feed.sources().for_each(|source| source.follow(self, feed.resolver.as_ref()));
        self.listing().feed = feed.clone();
        self.refresh();
    }

    /// Sends calls to the targets of now. Of those that stay, connections and what is known are kept; connections to the
    /// others end with the calls on them.
    pub(super) fn refresh(&self) {
        let mut listing = self.listing();
        let Some(members) = self.group.replace(&listing.feed.endpoints()) else { return };
        for (index, slot) in self.slots.iter().enumerate() {
            // Not dropped under the lock: connections may end here.
            let gone = self.lock(index).follow(&members);
            drop(gone);
            // Who waits for a target that is gone looks again.
            slot.settled.send_replace(());
        }
        if let Some(watchman) = &mut listing.watchman {
            watchman.follow(&self.group, &members);
        }
    }

    /// A connection of a core for a call, if one is up. Targets without a connection are connected to on the way.
    /// Whether it is the first try of the call is for the budget of those that are sent again.
    pub(super) fn acquire(
        self: &Arc<Self>,
        slot: usize,
        balance: &Balance,
        wish: &Wish,
        is_first: bool,
    ) -> Choice {
        let (mut opening, now) = (Vec::new(), Instant::now());
        let time = self.group.time(now);
        if is_first {
            self.group.began(slot, time);
        }
        let choice = {
            let mut core = self.lock(slot);
            core.open(&mut opening, now);
            core.choose(&self.group, balance, wish, time)
        };
        // Not under the lock: a runtime that is shutting down drops the task right here, and the
        // dropped attempt takes the lock.
        for (member, is_further) in opening {
            self.connect(slot, member, is_further);
        }
        choice
    }

    fn connect(self: &Arc<Self>, slot: usize, member: Arc<Member>, is_further: bool) {
        tokio::spawn(Attempt { pool: Arc::clone(self), slot, member, is_further, open: true }.run());
    }

    /// Waits for a connection after [`Pool::acquire`] has found none.
    ///
    /// # Errors
    /// No target can be connected to, or more calls are in flight or wait than may.
    pub(super) async fn wait(
        self: Arc<Self>,
        slot: usize,
        balance: &Balance,
        wish: Wish,
    ) -> Result<Lease, Status> {
        let _pending = self.group.pend().ok_or_else(crowded)?;
        let mut settled = self.slots[slot].settled.subscribe();
        loop {
            let fresh = self.lock(slot).open_fresh();
            fresh.into_iter().for_each(|member| self.connect(slot, member, false));
            let choice = self.lock(slot).choose(&self.group, balance, &wish, self.group.time(Instant::now()));
            match choice {
                Choice::Up(lease) => return Ok(lease),
                Choice::Opening => settled.changed().await.map_err(|_| unreachable())?,
                Choice::Nothing => return Err(unreachable()),
                Choice::Full => return Err(full()),
            }
        }
    }

    /// Waits until the target takes another stream, on this connection or on another one, which is opened if there may be
    /// more.
    ///
    /// # Errors
    /// The connection takes no more streams for good, or more calls wait than may.
    pub(super) async fn turn(
        self: Arc<Self>,
        slot: usize,
        lease: &mut Lease,
    ) -> Result<Result<Turn, Error>, Status> {
        let _pending = self.group.pend().ok_or_else(crowded)?;
        let mut settled = self.slots[slot].settled.subscribe();
        let own = Arc::clone(&lease.connection);
        let member = &own.member;
        let mut turn = pin!(own.sender.turn());
        loop {
            if let Some((connection, turn)) = self.free(slot, member) {
                lease.change(connection);
                return Ok(Ok(turn));
            }
            let widens = self.lock(slot).widens(member);
            if widens {
                self.connect(slot, Arc::clone(member), true);
            }
            tokio::select! {
                biased;
                turn = turn.as_mut() => return Ok(turn),
                // The pool is there as long as this is.
                _ = settled.changed() => {}
            }
        }
    }

    /// A connection to a target that takes a stream right now. It takes the next calls from now on.
    fn free(&self, slot: usize, member: &Arc<Member>) -> Option<(Arc<Connection>, Turn)> {
        let all = self.lock(slot).link(member)?.all();
        all.into_iter().find_map(|connection| {
            let turn = connection.sender.try_turn().ok()??;
            if let Some(link) = self.lock(slot).link(member) {
                link.prefer(&connection);
            }
            Some((connection, turn))
        })
    }

    /// Forgets a connection that accepts no more streams, so that the next call opens another one.
    /// Its open streams go on.
    pub(super) fn retire(&self, slot: usize, connection: &Connection) {
        if let Some(link) = self.lock(slot).link(&connection.member) {
            link.forget(connection.id());
        }
    }

    /// What the connections of all cores are doing now.
    pub(super) fn report(&self) -> Report {
        let members = self.group.members();
        let targets = members.iter().map(|_| TargetReport::default()).collect();
        let mut report = Report { targets, ..Report::default() };
        for slot in 0..self.slots.len() {
            let core = self.lock(slot);
            report.opened += core.next_id;
            // The list may be replaced just now.
            let same =
                members.iter().zip(&core.links).map(|(member, link)| Arc::ptr_eq(member, &link.member));
            let links = report.targets.iter_mut().zip(&core.links).zip(same);
            for ((target, link), _) in links.filter(|(_, is_same)| *is_same) {
                match link.state {
                    State::Idle => {}
                    State::Opening => target.opening += 1,
                    State::Up(_) => target.open += 1 + link.more.len(),
                    State::Resting(_) => target.resting += 1,
                }
                target.failures = target.failures.max(link.failures);
                target.away |= link.failed.is_some_and(|failed| failed.elapsed() < MEMORY);
            }
        }
        for target in &mut report.targets {
            target.away &= target.open == 0;
        }
        self.group.complete(&mut report, &members);
        let feed = self.listing().feed.clone();
        for (member, target) in members.iter().zip(&mut report.targets) {
            target.source = feed.source_of(member.target());
        }
        report.sources = feed.sources().map(|source| source.report()).collect();
        report
    }

    fn lock(&self, slot: usize) -> MutexGuard<'_, Core> {
        self.slots[slot].core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A target could not be reached, or went away. Those who have found it may know better by now.
    fn missed(&self, member: &Member) {
        let feed = self.listing().feed.clone();
        feed.sources().for_each(|source| source.missed(member.target()));
    }

    fn ended(&self, slot: usize, member: &Arc<Member>, id: u64, ending: &Ending) {
        if let Err(error) = &ending.result {
            let (upstream, target) = (self.name(), member.target());
            tracing::warn!(upstream, %target, %error, "a connection to a backend ended with an error");
        }
        self.missed(member);
        let broken = !ending.heard || matches!(ending.result, Err(Error::Connection(_)));
        let mut core = self.lock(slot);
        let Some(link) = core.link(member) else { return };
        if let Some(served) = link.forget(id)
            && broken
        {
            if served {
                drop(core);
                self.group.failed(member);
            } else {
                link.rest();
            }
        }
    }
}

/// One attempt to connect, and then the life of the connection.
struct Attempt {
    pool: Arc<Pool>,
    slot: usize,
    member: Arc<Member>,
    /// Whether there is one already.
    is_further: bool,
    open: bool,
}

impl Attempt {
    async fn run(mut self) {
        let (slot, member, is_further) = (self.slot, Arc::clone(&self.member), self.is_further);
        let time = self.pool.group.connect_timeout();
        match connect::open(member.target(), time).await {
            Ok((sender, driver)) => {
                let mut running = pin!(driver.run());
                if is_further && !is_ready(&sender, running.as_mut(), time).await {
                    self.settle(|core| core.failed(&member, is_further));
                    return;
                }
                let group = Arc::clone(&self.pool.group);
                let id = self.settle(|core| core.up(&member, sender, &group, is_further));
                // From here on the connection does not keep its pool alive: a pool that is dropped
                // closes its connections once their streams have ended.
                let pool = Arc::downgrade(&self.pool);
                let _open = group.meters().connections.hold();
                drop(self);
                let ending = running.await;
                if let Some((pool, id)) = pool.upgrade().zip(id) {
                    pool.ended(slot, &member, id, &ending);
                }
            }
            Err(error) => {
                // One that cannot have a further connection still has those that it has.
                if !is_further {
                    self.pool.group.away(&member);
                }
                let rest = self.settle(|core| core.failed(&member, is_further));
                let (upstream, target) = (self.pool.name(), member.target());
                tracing::warn!(upstream, %target, %error, ?rest, "cannot connect to a backend");
                self.pool.missed(&member);
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

/// Waits until the target has said how many streams it takes on a further connection: those who wait for one would open
/// more of them than it does, and be refused.
async fn is_ready(sender: &Sender, running: Pin<&mut impl Future<Output = Ending>>, time: Duration) -> bool {
    sender.hold();
    tokio::select! {
        _ = running => false,
        turn = timeout(time, sender.turn()) => matches!(turn, Ok(Ok(_))),
    }
}

impl Drop for Attempt {
    /// An attempt that is dropped with its runtime must not leave others waiting for it.
    fn drop(&mut self) {
        if self.open {
            let (member, is_further) = (Arc::clone(&self.member), self.is_further);
            self.settle(|core| core.given_up(&member, is_further));
        }
    }
}
