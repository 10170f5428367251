//! The connections of one core to the targets of an upstream, and the choice among them.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::decide::age::lifetime;
use super::decide::backoff::pause;
use super::decide::balance::{self, Balance, Candidate, consistent, least_of_shares, least_request, smooth};
use super::exchange::Resets;
use super::group::{Group, Member};
use super::http2::handle::Sender;
use crate::telemetry::random;

const FIRST_REST: Duration = Duration::from_millis(20);
/// A target that is back is to be found within a second, by every core.
const LONGEST_REST: Duration = Duration::from_millis(500);

/// How many connections of a core there are at most to one target.
const MOST: usize = 8;

/// What belongs to one core.
pub(super) struct Core {
    turn: usize,
    pub(super) next_id: u64,
    /// One for each target, in their order.
    pub(super) links: Vec<Link>,
}

/// What a core has of one target.
pub(super) struct Link {
    pub(super) member: Arc<Member>,
    pub(super) state: State,
    /// Connections beside that of the state, since one takes no more streams than the target allows.
    pub(super) more: Vec<Arc<Connection>>,
    /// Until when no further connection is opened, as the last one could not be.
    closed: Option<Instant>,
    is_widening: bool,
    /// What it has to get of the turns where shares are not equal.
    credit: Cell<i64>,
    pub(super) failures: u32,
    /// When the last of them was.
    pub(super) failed: Option<Instant>,
}

#[derive(Default)]
pub(super) enum State {
    #[default]
    Idle,
    Opening,
    Up(Arc<Connection>),
    Resting(Instant),
}

/// A connection that is up.
pub(super) struct Connection {
    pub(super) sender: Sender,
    /// How often calls may be cancelled.
    pub(super) resets: Resets,
    pub(super) member: Arc<Member>,
    id: u64,
    served: AtomicBool,
    /// When another one is to take its calls, if ever.
    until: Option<Instant>,
    group: Arc<Group>,
}

impl Connection {
    /// Whether another one is to take its calls.
    fn is_old(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Whether the backend ever answered on it.
    pub(super) fn has_served(&self) -> bool {
        self.served.load(Relaxed)
    }
}

/// A connection for a call, which counts as in flight as long as this is there.
pub(super) struct Lease {
    pub(super) connection: Arc<Connection>,
}

impl Lease {
    /// `None` when the upstream has as many calls in flight as it may.
    fn new(connection: &Arc<Connection>) -> Option<Self> {
        let connection = Arc::clone(connection);
        connection.group.enter(&connection.member).then(|| Self { connection })
    }

    pub(super) fn member(&self) -> &Arc<Member> {
        &self.connection.member
    }

    /// Notes that the backend answered on this connection.
    pub(super) fn served(&self) {
        if !self.connection.has_served() {
            self.connection.served.store(true, Relaxed);
        }
    }

    /// Notes that the backend did not answer in time.
    pub(super) fn late(&self) {
        self.connection.group.failed(&self.connection.member);
    }

    /// Another connection to the same target for the same call.
    pub(super) fn change(&mut self, connection: Arc<Connection>) {
        self.connection = connection;
    }
}

impl Clone for Lease {
    /// Counts as another call.
    fn clone(&self) -> Self {
        let connection = Arc::clone(&self.connection);
        connection.group.again(&connection.member);
        Self { connection }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.connection.group.leave(&self.connection.member);
    }
}

/// What a call asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    /// Targets that have failed it, by their bits; those beyond the 64th are forgotten.
    avoid: u64,
    /// Whether it may be sent again if it fails.
    pub(super) is_repeatable: bool,
    /// What it has to do with a target, where such calls go together.
    pub(super) key: Option<u64>,
}

impl Wish {
    pub(super) const fn new(is_repeatable: bool, key: Option<u64>) -> Self {
        Self { avoid: 0, is_repeatable, key }
    }

    /// Prefers other targets from now on.
    pub(super) fn avoid(&mut self, member: &Member) {
        self.avoid |= member.bit();
    }

    fn avoids(&self, member: &Member) -> bool {
        self.avoid & member.bit() != 0
    }
}

/// What comes of a wish.
pub(super) enum Choice {
    Up(Lease),
    /// There will be a connection, or not.
    Opening,
    /// No target can be reached.
    Nothing,
    /// The upstream has as many calls in flight as it may.
    Full,
}

/// One way to look at the targets.
enum Pick<'a> {
    Up(&'a Arc<Connection>),
    /// The target is being connected to.
    Opening,
    Nobody,
}

/// How targets are looked at for one call.
struct Shared<'a> {
    group: &'a Group,
    balance: &'a Balance,
    key: Option<u64>,
    now: u64,
}

impl Core {
    pub(super) fn new(index: usize, members: &[Arc<Member>]) -> Self {
        Self { turn: index, next_id: 0, links: members.iter().map(Link::new).collect() }
    }

    /// Takes up another list of targets. What there is of those that stay is kept; the rest is given back, so that its
    /// connections end with the calls on them.
    pub(super) fn follow(&mut self, members: &[Arc<Member>]) -> Vec<Link> {
        let mut before = std::mem::take(&mut self.links);
        self.links = members
            .iter()
            .map(|member| match before.iter().position(|link| Arc::ptr_eq(&link.member, member)) {
                Some(place) => before.swap_remove(place),
                None => Link::new(member),
            })
            .collect();
        before
    }

    /// What there is of a target, if it is one still.
    pub(super) fn link(&mut self, member: &Arc<Member>) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| Arc::ptr_eq(&link.member, member))
    }

    /// Marks the targets that are to be connected to, and lists them, each with whether there is a connection already.
    pub(super) fn open(&mut self, opening: &mut Vec<(Arc<Member>, bool)>, now: Instant) {
        self.turn = self.turn.wrapping_add(1);
        for link in &mut self.links {
            if link.connection().is_some_and(|connection| connection.resets.is_crowded()) {
                link.release();
            }
            if link.may_open(now) {
                link.state = State::Opening;
                opening.push((Arc::clone(&link.member), false));
            } else if link.is_due(now) {
                link.is_widening = true;
                opening.push((Arc::clone(&link.member), true));
            }
        }
    }

    /// Marks the targets that nobody has tried to connect to, and lists them: those that have come while a call waits.
    pub(super) fn open_fresh(&mut self) -> Vec<Arc<Member>> {
        let fresh = self.links.iter_mut().filter(|link| matches!(link.state, State::Idle));
        fresh
            .map(|link| {
                link.state = State::Opening;
                Arc::clone(&link.member)
            })
            .collect()
    }

    /// A connection is up. It has a number unless its target has gone meanwhile.
    pub(super) fn up(
        &mut self,
        member: &Arc<Member>,
        sender: Sender,
        group: &Arc<Group>,
        is_further: bool,
    ) -> Option<u64> {
        let id = self.next_id;
        self.next_id += 1;
        let link = self.link(member)?;
        let served = AtomicBool::new(false);
        let random = (random::next() >> 32) as u32;
        let now = Instant::now();
        let until = group.connection_age().and_then(|age| now.checked_add(lifetime(age, random)));
        group.reached(member);
        let (member, group, resets) = (Arc::clone(member), Arc::clone(group), Resets::new());
        let connection = Arc::new(Connection { sender, resets, member, id, served, until, group });
        if is_further {
            link.is_widening = false;
        }
        // Those that are old are left to the calls on them.
        link.more.retain(|other| !other.is_old(now));
        let is_first_old = link.connection().is_some_and(|first| first.is_old(now));
        if is_further && !is_first_old && matches!(link.state, State::Up(_) | State::Opening) {
            link.more.push(connection);
        } else {
            link.state = State::Up(connection);
        }
        Some(id)
    }

    /// A connection could not be opened. Says for how long the target is left alone; no time for a further one, as there
    /// are others.
    pub(super) fn failed(&mut self, member: &Arc<Member>, is_further: bool) -> Duration {
        let Some(link) = self.link(member) else { return Duration::ZERO };
        if is_further {
            link.is_widening = false;
            link.closed = Some(Instant::now() + LONGEST_REST);
            return Duration::ZERO;
        }
        link.rest()
    }

    /// Nobody opens a connection any more that was to be opened.
    pub(super) fn given_up(&mut self, member: &Arc<Member>, is_further: bool) {
        let Some(link) = self.link(member) else { return };
        if is_further {
            link.is_widening = false;
        } else {
            link.state = State::Idle;
        }
    }

    /// Whether a further connection to a target is to be opened, which is marked then.
    pub(super) fn widens(&mut self, member: &Arc<Member>) -> bool {
        let Some(link) = self.link(member) else { return false };
        let may = !link.is_widening
            && matches!(link.state, State::Up(_))
            && link.more.len() + 1 < MOST
            && link.closed.is_none_or(|closed| closed <= Instant::now());
        link.is_widening |= may;
        may
    }

    /// Chooses for a call: a target that is due to be tried, else one that is usable and has not failed it, else one that
    /// is usable, else any.
    pub(super) fn choose(&self, group: &Group, balance: &Balance, wish: &Wish, now: u64) -> Choice {
        if group.has_ejected()
            && let Some(connection) = self.due(group, wish, now)
        {
            return up(connection);
        }
        let all = group.panics();
        let usable = |member: &Member| all || member.is_usable();
        let is_fresh = |member: &Member| usable(member) && !wish.avoids(member);
        let shared = Shared { group, balance, key: wish.key, now };
        let mut pick = self.pick(&shared, is_fresh);
        if matches!(pick, Pick::Nobody) && wish.avoid != 0 && self.is_opening(is_fresh) {
            return Choice::Opening;
        }
        if matches!(pick, Pick::Nobody) {
            pick = self.pick(&shared, usable);
        }
        if matches!(pick, Pick::Nobody) && !self.is_opening(usable) {
            pick = self.pick(&shared, |member| !wish.avoids(member));
            if matches!(pick, Pick::Nobody) {
                pick = self.pick(&shared, |_| true);
            }
        }
        match pick {
            Pick::Up(connection) => up(connection),
            Pick::Opening => Choice::Opening,
            Pick::Nobody if self.is_opening(|_| true) => Choice::Opening,
            Pick::Nobody => Choice::Nothing,
        }
    }

    /// A target that was left alone and that this call may try.
    fn due(&self, group: &Group, wish: &Wish, now: u64) -> Option<&Arc<Connection>> {
        let up = self.links.iter().filter_map(Link::connection);
        let mut wanted = up.filter(|connection| !wish.avoids(&connection.member));
        wanted.find(|connection| group.probe(&connection.member, now, wish.is_repeatable))
    }

    fn is_opening(&self, may: impl Fn(&Member) -> bool) -> bool {
        let is_opening = |link: &Link| matches!(link.state, State::Opening);
        self.links.iter().any(|link| is_opening(link) && may(&link.member))
    }

    fn pick(&self, shared: &Shared<'_>, may: impl Fn(&Member) -> bool) -> Pick<'_> {
        if let (Balance::ConsistentHash(_), Some(key)) = (shared.balance, shared.key) {
            return self.owner(shared, key, may);
        }
        let up =
            || self.links.iter().filter_map(Link::connection).filter(|connection| may(&connection.member));
        let count = up().count();
        let place = match (count, shared.balance) {
            (0 | 1, _) => 0,
            _ if !shared.group.is_even(shared.now) => return self.pick_by_share(shared, may),
            (_, Balance::RoundRobin) => self.turn % count,
            _ => {
                let load = |place| up().nth(place).map_or(u32::MAX, |up| up.member.load());
                least_request(count, self.turn, random::next(), load)
            }
        };
        up().nth(place).map_or(Pick::Nobody, Pick::Up)
    }

    /// As [`Self::pick`], where shares differ.
    fn pick_by_share(&self, shared: &Shared<'_>, may: impl Fn(&Member) -> bool) -> Pick<'_> {
        let up = self.links.iter().filter(|link| link.connection().is_some() && may(&link.member));
        let candidates = up.clone().map(|link| balance::Shared {
            share: shared.group.share(&link.member, shared.now),
            load: link.member.load(),
            credit: &link.credit,
        });
        let place = match shared.balance {
            Balance::RoundRobin => smooth(candidates),
            _ => least_of_shares(&candidates, random::next()),
        };
        let link = place.and_then(|place| up.clone().nth(place));
        link.and_then(Link::connection).map_or(Pick::Nobody, Pick::Up)
    }

    /// The target that a key belongs to. One that is being connected to is waited for.
    fn owner(&self, shared: &Shared<'_>, key: u64, may: impl Fn(&Member) -> bool) -> Pick<'_> {
        let there = |link: &Link| matches!(link.state, State::Up(_) | State::Opening);
        let there = self.links.iter().enumerate().filter(|(_, link)| there(link) && may(&link.member));
        let candidates = there.map(|(index, link)| Candidate {
            index,
            seed: link.member.seed(),
            share: shared.group.share(&link.member, shared.now),
            load: link.member.load(),
        });
        match consistent(key, candidates).map(|index| &self.links[index]) {
            Some(link) => link.connection().map_or(Pick::Opening, Pick::Up),
            None => Pick::Nobody,
        }
    }
}

fn up(connection: &Arc<Connection>) -> Choice {
    Lease::new(connection).map_or(Choice::Full, Choice::Up)
}

impl Link {
    fn new(member: &Arc<Member>) -> Self {
        Self {
            member: Arc::clone(member),
            state: State::Idle,
            more: Vec::new(),
            closed: None,
            is_widening: false,
            credit: Cell::new(0),
            failures: 0,
            failed: None,
        }
    }

    fn may_open(&self, now: Instant) -> bool {
        match self.state {
            State::Idle => true,
            State::Resting(until) => now >= until,
            State::Opening | State::Up(_) => false,
        }
    }

    /// Whether the connection is so old that another one is to be opened, which is not going on.
    fn is_due(&self, now: Instant) -> bool {
        let is_old = || self.connection().is_some_and(|connection| connection.is_old(now));
        is_old() && !self.is_widening && self.closed.is_none_or(|closed| closed <= now)
    }

    /// The connection that takes the next call.
    const fn connection(&self) -> Option<&Arc<Connection>> {
        match &self.state {
            State::Up(connection) => Some(connection),
            _ => None,
        }
    }

    /// All connections that take calls.
    pub(super) fn all(&self) -> Vec<Arc<Connection>> {
        self.connection().into_iter().chain(&self.more).map(Arc::clone).collect()
    }

    /// Lets another connection take the next call.
    pub(super) fn prefer(&mut self, connection: &Arc<Connection>) {
        if let State::Up(first) = &mut self.state
            && let Some(other) = self.more.iter_mut().find(|other| Arc::ptr_eq(other, connection))
        {
            std::mem::swap(first, other);
        }
    }

    /// Forgets a connection. Says whether the backend ever answered on it, if it was still known.
    pub(super) fn forget(&mut self, connection: u64) -> Option<bool> {
        if self.connection().is_some_and(|first| first.id == connection) {
            return Some(self.release());
        }
        let place = self.more.iter().position(|other| other.id == connection)?;
        Some(self.more.swap_remove(place).has_served())
    }

    /// Lets the connection go and says whether the backend ever answered on it.
    fn release(&mut self) -> bool {
        let served = self.connection().is_some_and(|connection| connection.has_served());
        if served {
            self.failures = 0;
            self.failed = None;
        }
        self.state = self.more.pop().map_or(State::Idle, State::Up);
        served
    }

    /// Keeps calls away from the target for a while, unless there is another connection, and says for how long.
    pub(super) fn rest(&mut self) -> Duration {
        let random = (random::next() >> 32) as u32;
        let rest = pause(FIRST_REST, LONGEST_REST, self.failures, random);
        self.failures = self.failures.saturating_add(1);
        let now = Instant::now();
        self.failed = Some(now);
        if !matches!(self.state, State::Up(_)) {
            self.state = State::Resting(now + rest);
        }
        rest
    }
}

impl Connection {
    pub(super) const fn id(&self) -> u64 {
        self.id
    }
}
