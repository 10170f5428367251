//! The servers of a cluster, and which of them has which slots.
//!
//! A task of each core asks for the slots when it begins, when an answer or a connection tells that they have changed, and
//! every half minute. Demands wait for it only in the beginning.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};

use super::Shared;
use super::connect::{self, Address, Fault};
use super::health::{Lack, Mark};
use super::key::SLOTS;
use super::link::{End, Link, State, rest_after};
use super::resp::Reply;
use crate::telemetry::random;

/// How often the slots are asked for if nothing tells that they have changed, and how soon again if something does.
const PERIOD: Duration = Duration::from_secs(30);
const GAP: Duration = Duration::from_millis(200);

/// How many servers of a cluster are known at most.
const MAX_SERVERS: usize = 1_000;

/// The cluster as one core sees it.
#[derive(Debug)]
pub(super) struct Cluster {
    shared: Arc<Shared>,
    seeds: Box<[Address]>,
    map: watch::Sender<Map>,
    /// All links, those too that an answer has led to.
    links: Mutex<HashMap<Address, Arc<Link>>>,
    refresh: Arc<Notify>,
}

/// What is known of the slots.
#[derive(Clone, Debug)]
enum Map {
    /// Nothing yet.
    Opening,
    /// Nothing, and it is not worth to wait.
    Away,
    /// Ranges of slots in order.
    Known(Arc<[Range]>),
}

#[derive(Debug)]
struct Range {
    last: u16,
    first: u16,
    link: Arc<Link>,
}

/// Slots from the first to the last, and their server.
type Told = (u16, u16, Address);

impl Cluster {
    /// Begins to ask, on the runtime of this thread.
    pub(super) fn start(shared: &Arc<Shared>, seeds: &[Address]) -> Arc<Self> {
        let cluster = Arc::new(Self {
            shared: Arc::clone(shared),
            seeds: seeds.into(),
            map: watch::Sender::new(Map::Opening),
            links: Mutex::default(),
            refresh: Arc::default(),
        });
        tokio::spawn(keep(Arc::downgrade(&cluster), Arc::clone(shared)));
        cluster
    }

    /// What can be said at once: whether it is worth to ask about a slot.
    pub(super) fn state(&self, slot: u16) -> State {
        match &*self.map.borrow() {
            Map::Opening => State::Opening,
            Map::Away => State::Away,
            Map::Known(ranges) => match find(ranges, slot) {
                Some(link) => {
                    let state = link.state();
                    if state == State::Away {
                        // Its slots may have gone to another server.
                        self.refresh.notify_one();
                    }
                    state
                }
                None => State::Away,
            },
        }
    }

    /// The server of a slot, which is waited for in the beginning.
    pub(super) async fn link(&self, slot: u16) -> Result<Arc<Link>, Lack> {
        let mut map = self.map.subscribe();
        let map = map.wait_for(|map| !matches!(map, Map::Opening)).await;
        match map.as_deref() {
            Ok(Map::Known(ranges)) => find(ranges, slot).cloned().ok_or(Lack::Away),
            _ => Err(Lack::Away),
        }
    }

    /// A server that an answer has named.
    pub(super) fn named(&self, server: Address) -> Result<Arc<Link>, Lack> {
        self.enter(&mut self.lock(), server).ok_or(Lack::Failed)
    }

    /// Asks for the slots soon.
    pub(super) fn refresh(&self) {
        self.refresh.notify_one();
    }

    fn enter(&self, links: &mut HashMap<Address, Arc<Link>>, server: Address) -> Option<Arc<Link>> {
        if let Some(link) = links.get(&server) {
            return Some(Arc::clone(link));
        }
        if links.len() == MAX_SERVERS {
            return None;
        }
        let link = Arc::new(Link::start(&self.shared, End::Fixed(server.clone())));
        links.insert(server, Arc::clone(&link));
        Some(link)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Address, Arc<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up what a server has told.
    fn learn(&self, told: Vec<Told>) {
        let mut links = self.lock();
        let mut ranges = Vec::with_capacity(told.len());
        for (first, last, server) in told {
            if let Some(link) = self.enter(&mut links, server) {
                ranges.push(Range { first, last, link });
            }
        }
        links.retain(|_, link| ranges.iter().any(|range| Arc::ptr_eq(&range.link, link)));
        drop(links);
        self.map.send_replace(Map::Known(ranges.into()));
    }

    /// The servers that are asked: those that are known, and those of the configuration.
    fn servers(&self) -> Vec<Address> {
        let mut servers: Vec<_> = {
            let links = self.lock();
            let up = links.iter().filter(|(_, link)| link.state() == State::Up);
            up.map(|(server, _)| server.clone()).collect()
        };
        servers.extend(self.seeds.iter().filter(|seed| !servers.contains(seed)).cloned().collect::<Vec<_>>());
        servers
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Its task has nothing to wait for.
        self.refresh.notify_one();
    }
}

fn find(ranges: &[Range], slot: u16) -> Option<&Arc<Link>> {
    let range = ranges.get(ranges.partition_point(|range| range.last < slot))?;
    (range.first <= slot).then_some(&range.link)
}

/// Asks for the slots as long as the cluster is in use.
async fn keep(weak: Weak<Cluster>, shared: Arc<Shared>) {
    let (settings, mut mark, mut failures) = (&shared.settings, Mark::new(), 0);
    let begun = Instant::now();
    while let Some(cluster) = weak.upgrade() {
        let mut asked = Box::pin(ask(&shared, cluster.servers()));
        let told = if matches!(&*cluster.map.borrow(), Map::Opening) {
            let left = settings.time.saturating_sub(begun.elapsed());
            match timeout(left, &mut asked).await {
                Ok(told) => told,
                Err(_) => {
                    cluster.map.send_replace(Map::Away);
                    asked.await
                }
            }
        } else {
            asked.await
        };
        let rest = match told {
            Ok(told) => {
                failures = 0;
                cluster.learn(told);
                shared.health.drop(&mut mark, "the cluster");
                PERIOD
            }
            Err((server, fault)) => {
                tracing::debug!(%server, error = %fault, "the slots of the cluster cannot be asked for");
                if !matches!(&*cluster.map.borrow(), Map::Known(_)) {
                    cluster.map.send_replace(Map::Away);
                    shared.health.lost(&mut mark, &server.to_string(), &fault.to_string());
                }
                failures += 1;
                rest_after(failures, random::next())
            }
        };
        let refresh = Arc::clone(&cluster.refresh);
        // Others decide how long the cluster is in use.
        drop(cluster);
        // The gap comes first, so that many who notice a change at once make one question.
        sleep(GAP.min(rest)).await;
        let _ = timeout(rest.saturating_sub(GAP), refresh.notified()).await;
    }
    shared.health.drop(&mut mark, "the cluster");
}

/// Asks the servers in turn.
async fn ask(shared: &Shared, servers: Vec<Address>) -> Result<Vec<Told>, (Address, Fault)> {
    let mut failure = None;
    for server in servers {
        let deadline = Instant::now() + shared.settings.connect;
        let told = connect::ask_slots(&shared.settings, &server, deadline).await;
        match told.and_then(|reply| read(&reply, &server).ok_or(Fault::Malformed)) {
            Ok(told) => return Ok(told),
            Err(fault) => failure = Some((server, fault)),
        }
    }
    let nobody = Address { host: "nobody".into(), port: 0 };
    Err(failure.unwrap_or((nobody, Fault::Unknown("there is no server to ask".into()))))
}

/// Reads the answer to `CLUSTER SLOTS`: for each range its first and its last slot, its primary, and its replicas. What
/// is left out of a server's name is that of the server that was asked.
fn read(reply: &Reply, asked: &Address) -> Option<Vec<Told>> {
    let mut told = Vec::new();
    for range in reply.list()? {
        let [first, last, primary, ..] = range.list()? else { return None };
        let [host, port, ..] = primary.list()? else { return None };
        let slot = |reply: &Reply| reply.number().and_then(|slot| u16::try_from(slot).ok());
        let (first, last) = (slot(first)?, slot(last)?);
        if first > last || last >= SLOTS || told.len() == usize::from(SLOTS) {
            return None;
        }
        let host = host.text().filter(|host| !host.is_empty() && *host != "?").unwrap_or(&asked.host);
        let port = port.number().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)?;
        told.push((first, last, Address { host: host.into(), port }));
    }
    told.sort_by_key(|(first, ..)| *first);
    let is_apart = told.windows(2).all(|pair| pair[0].1 < pair[1].0);
    (is_apart && !told.is_empty()).then_some(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::limit::redis::resp;

    fn told(wire: &str) -> Option<Vec<(u16, u16, String)>> {
        let (reply, _) = resp::read(wire.as_bytes()).unwrap().unwrap();
        let told = read(&reply, &Address { host: "seed".into(), port: 1 })?;
        Some(told.into_iter().map(|(first, last, server)| (first, last, server.to_string())).collect())
    }

    #[test]
    fn slots_are_read_in_order() {
        let range = |first: u16, last: u16, host: &str, port: u16| {
            let host =
                if host == "-" { "$-1\r\n".to_owned() } else { format!("${}\r\n{host}\r\n", host.len()) };
            let server = format!("*4\r\n{host}:{port}\r\n$1\r\ni\r\n*0\r\n");
            format!("*4\r\n:{first}\r\n:{last}\r\n{server}*3\r\n$1\r\nr\r\n:9\r\n$1\r\nj\r\n")
        };
        let two = format!("*2\r\n{}{}", range(100, 16383, "b", 2), range(0, 99, "10.0.0.1", 1));
        let expected = vec![(0, 99, "10.0.0.1:1".to_owned()), (100, 16383, "b:2".to_owned())];
        assert_eq!(told(&two), Some(expected));
        let unnamed = |host| {
            Some(vec![(0, 1, "seed:7".to_owned())]) == told(&format!("*1\r\n{}", range(0, 1, host, 7)))
        };
        assert!(unnamed("") && unnamed("?") && unnamed("-"));
        for wrong in [
            "*0\r\n".to_owned(),
            ":1\r\n".to_owned(),
            "*1\r\n:1\r\n".to_owned(),
            "*1\r\n*2\r\n:0\r\n:1\r\n".to_owned(),
            format!("*1\r\n{}", range(2, 1, "a", 1)),
            format!("*1\r\n{}", range(0, 16384, "a", 1)),
            format!("*1\r\n{}", range(0, 1, "a", 0)),
            format!("*2\r\n{}{}", range(0, 5, "a", 1), range(5, 9, "b", 1)),
        ] {
            assert_eq!(told(&wrong), None, "{wrong:?}");
        }
    }
}
