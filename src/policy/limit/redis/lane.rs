//! One core's way to the servers.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::cluster::Cluster;
use super::connect::{Address, shortened};
use super::health::Lack;
use super::link::{End, Link, State};
use super::resp::{self, Reply};
use super::{Servers, Shared, key, script};
use crate::policy::limit::store::{Demand, Outcome};

/// How many demands of a core wait for replies at a time.
const MAX_WAITING: usize = 4_096;

/// How often a demand is sent: once, again with the script, and to where it was redirected.
const MAX_TURNS: usize = 5;

/// What a core has of connections.
#[derive(Debug)]
pub(super) struct Lane {
    shared: Arc<Shared>,
    places: Arc<Semaphore>,
    way: Way,
}

#[derive(Debug)]
enum Way {
    One(Arc<Link>),
    Cluster(Arc<Cluster>),
}

impl Lane {
    /// Begins to connect, on the runtime of this thread.
    pub(super) fn start(shared: &Arc<Shared>) -> Self {
        let link = |end| Way::One(Arc::new(Link::start(shared, end)));
        let way = match &shared.settings.servers {
            Servers::One(server) => link(End::Fixed(server.clone())),
            Servers::Sentinels { .. } => link(End::Primary),
            Servers::Cluster(seeds) => Way::Cluster(Cluster::start(shared, seeds)),
        };
        Self { shared: Arc::clone(shared), places: Arc::new(Semaphore::new(MAX_WAITING)), way }
    }

    /// Whether it is known that nobody answers for a key in time.
    pub(super) fn is_away(&self, key: &str) -> bool {
        let state = match &self.way {
            Way::One(link) => link.state(),
            Way::Cluster(cluster) => cluster.state(key::slot(key)),
        };
        state == State::Away
    }

    /// Asks for a decision. The time is for the caller to bound.
    pub(super) async fn decide(&self, key: &str, demand: &Demand<'_>) -> Result<Outcome, Lack> {
        let mut link = match &self.way {
            Way::One(link) => Arc::clone(link),
            Way::Cluster(cluster) => cluster.link(key::slot(key)).await?,
        };
        let (mut commands, mut skip, mut asking) = (script::run(key, demand), 0, false);
        for _ in 0..MAX_TURNS {
            let why = match link.ask(&self.places, commands, skip).await? {
                Reply::Error(why) => why,
                reply => return script::outcome(demand, &reply).ok_or_else(|| self.failed("an odd answer")),
            };
            let must_load = match (Answer::of(&why, link.server()), &self.way) {
                (Answer::NoScript, _) => true,
                (Answer::Moved(server), Way::Cluster(cluster)) => {
                    cluster.refresh();
                    (link, asking) = (cluster.named(server)?, false);
                    false
                }
                (Answer::Ask(server), Way::Cluster(cluster)) => {
                    (link, asking) = (cluster.named(server)?, true);
                    false
                }
                (Answer::CannotWrite, way) => {
                    if let Way::Cluster(cluster) = way {
                        cluster.refresh();
                    }
                    link.renew();
                    return Err(self.failed(&why));
                }
                _ => return Err(self.failed(&why)),
            };
            (commands, skip) = prepared(must_load, asking, script::run(key, demand));
        }
        Err(self.failed("it was redirected too often"))
    }

    fn failed(&self, why: &str) -> Lack {
        self.shared.health.failed(&shortened(why));
        Lack::Failed
    }
}

/// Commands with what has to come before, and how many replies that has.
fn prepared(must_load: bool, asking: bool, run: Vec<u8>) -> (Vec<u8>, usize) {
    let mut commands = if must_load { script::load() } else { Vec::new() };
    if asking {
        commands.extend(resp::command(&[b"ASKING"]));
    }
    commands.extend(run);
    (commands, usize::from(must_load) + usize::from(asking))
}

/// What an error means.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// The script has to be loaded.
    NoScript,
    /// Another server has the slot.
    Moved(Address),
    /// Another server has the key, for this time.
    Ask(Address),
    /// The server is a replica, or has lost what it needs.
    CannotWrite,
    /// Anything else.
    Other,
}

impl Answer {
    fn of(why: &str, server: Option<&Address>) -> Self {
        let nobody = Address { host: "".into(), port: 0 };
        let mut words = why.split(' ');
        let code = words.next().unwrap_or_default();
        let mut named = || Address::parse(words.nth(1)?, server.unwrap_or(&nobody));
        match code {
            "NOSCRIPT" => Self::NoScript,
            "MOVED" => named().map_or(Self::Other, Self::Moved),
            "ASK" => named().map_or(Self::Other, Self::Ask),
            "READONLY" | "LOADING" | "MASTERDOWN" => Self::CannotWrite,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart_by_their_codes() {
        let server = Address { host: "a".into(), port: 1 };
        let at = |host: &str| Address { host: host.into(), port: 7 };
        for (why, expected) in [
            ("NOSCRIPT No matching script. Please use EVAL.", Answer::NoScript),
            ("MOVED 3999 127.0.0.1:7", Answer::Moved(at("127.0.0.1"))),
            ("MOVED 3999 :7", Answer::Moved(at("a"))),
            ("ASK 3999 b:7", Answer::Ask(at("b"))),
            ("MOVED 3999", Answer::Other),
            ("MOVED 3999 b:0", Answer::Other),
            ("READONLY You can't write against a read only replica.", Answer::CannotWrite),
            ("LOADING Redis is loading the dataset in memory", Answer::CannotWrite),
            ("OOM command not allowed when used memory > 'maxmemory'.", Answer::Other),
            ("", Answer::Other),
        ] {
            assert_eq!(Answer::of(why, Some(&server)), expected, "{why}");
        }
    }

    #[test]
    fn what_has_to_come_before_is_skipped() {
        let asking = resp::command(&[b"ASKING"]);
        assert_eq!(prepared(false, false, b"run".to_vec()), (b"run".to_vec(), 0));
        assert_eq!(prepared(false, true, b"run".to_vec()), ([&asking, &b"run"[..]].concat(), 1));
        assert_eq!(
            prepared(true, true, b"run".to_vec()),
            ([&script::load(), &asking, &b"run"[..]].concat(), 2)
        );
    }
}
