//! A [`Store`] that others share: counts are kept by Redis or Valkey, so that several gateways count as one.
//!
//! ```text
//! script   what is asked and what is answered: one script for a demand, with all its rates and quotas
//! key      where it is counted         resp   the protocol
//! lane     one core's way to the servers, redirections and all
//! cluster  which server has which slots            link   a connection that is kept
//! driver   a connection at work        connect     opening one
//! health   whether they answer: log and metrics
//! ```
//!
//! A decision is one round trip. Each core has a connection of its own to each server, on which all its demands are
//! under way at once. There are bounds for all of it: how long a demand waits, how many do, how much is read. What is not
//! decided in time is decided by what counts in this process, or refused; once it is known that a server does not
//! answer in time, nobody waits for it until it does again.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::store::{Demand, Kind, Limit, Outcome, Standings, Store, Subject, Taken};
use crate::call::deadline::before;
use crate::telemetry::core;

mod cluster;
pub mod connect;
mod driver;
pub mod health;
mod key;
mod lane;
mod link;
pub mod resp;
pub mod script;

use connect::{Address, Tls};
use health::{Health, Lack, count};
use lane::Lane;

/// Where the servers are, and how they are asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where they are.
    pub servers: Servers,
    /// How TLS is opened; without it nothing is encrypted.
    pub tls: Option<Tls>,
    /// The user, where it is not the default one. It needs a password.
    pub user: Option<Box<str>>,
    /// The password.
    pub password: Option<Password>,
    /// The password of the sentinels.
    pub sentinel_password: Option<Password>,
    /// The number of the database. A cluster has only 0.
    pub database: u32,
    /// How long a decision may take.
    pub time: Duration,
    /// How long making a connection may take.
    pub connect: Duration,
    /// What keys begin with.
    pub prefix: Box<str>,
}

/// Where the servers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Servers {
    /// One server.
    One(Address),
    /// The primary of this name, as the sentinels know it.
    Sentinels {
        /// Where the sentinels are. There is at least one.
        sentinels: Box<[Address]>,
        /// The name of what they watch.
        name: Box<str>,
    },
    /// A cluster, of which these are some. There is at least one.
    Cluster(Box<[Address]>),
}

/// A password, which is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(pub Box<str>);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(...)")
    }
}

/// What happens to a demand that the servers do not decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It is decided by what counts in this process.
    Local,
    /// It is refused.
    Deny,
}

/// What all cores share.
#[derive(Debug)]
struct Shared {
    settings: Settings,
    health: Health,
    on_error: OnError,
    local: Arc<dyn Store>,
}

/// Counts in Redis or Valkey.
#[derive(Debug)]
pub struct Redis {
    shared: Arc<Shared>,
    /// One for each core, and one for all other threads. They are made on their threads.
    lanes: Box<[OnceLock<Arc<Lane>>]>,
}

impl Redis {
    /// A store for so many cores. Nothing is connected to before the first demand, which has to be made on a runtime of
    /// tokio.
    pub fn new(settings: Settings, on_error: OnError, local: Arc<dyn Store>, cores: usize) -> Self {
        let shared = Shared { settings, health: Health::new(on_error), on_error, local };
        Self { shared: Arc::new(shared), lanes: (0..=cores).map(|_| OnceLock::new()).collect() }
    }

    /// What it was made of, to be compared with what the next one is to be made of.
    pub fn is_made_of(&self, settings: &Settings, on_error: OnError) -> bool {
        self.shared.settings == *settings && self.shared.on_error == on_error
    }

    fn lane(&self) -> &Arc<Lane> {
        let lane = &self.lanes[core::index().min(self.lanes.len() - 1)];
        lane.get_or_init(|| Arc::new(Lane::start(&self.shared)))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.shared.health.end();
    }
}

impl Store for Redis {
    fn take(&self, demand: &Demand<'_>) -> Taken {
        let lane = self.lane();
        let key = key::of(&self.shared.settings.prefix, demand);
        if lane.is_away(&key) {
            count(&Err::<(), _>(Lack::Away));
            return self.shared.without(demand);
        }
        let (lane, shared) = (Arc::clone(lane), Arc::clone(&self.shared));
        let deadline = Instant::now() + shared.settings.time;
        let owned = Owned::of(demand);
        Taken::Later(Box::pin(async move {
            let decided = before(Some(deadline), lane.decide(&key, &owned.demand())).await;
            let decided = decided.unwrap_or(Err(Lack::Late));
            count(&decided);
            match decided {
                Ok(outcome) => outcome,
                Err(_) => match shared.without(&owned.demand()) {
                    Taken::Now(outcome) => outcome,
                    Taken::Later(outcome) => outcome.await,
                },
            }
        }))
    }
}

impl Shared {
    /// Decides without the servers.
    fn without(&self, demand: &Demand<'_>) -> Taken {
        match self.on_error {
            OnError::Local => self.local.take(demand),
            OnError::Deny => {
                Taken::Now(Outcome { is_admitted: false, wait: None, standings: Standings::default() })
            }
        }
    }
}

/// A demand that borrows nothing.
struct Owned {
    limit: Arc<Limit>,
    kind: Kind,
    text: Box<[u8]>,
    weight: std::num::NonZeroU32,
}

impl Owned {
    fn of(demand: &Demand<'_>) -> Self {
        Self {
            limit: Arc::clone(demand.limit),
            kind: demand.subject.kind,
            text: demand.subject.text.into(),
            weight: demand.weight,
        }
    }

    fn demand(&self) -> Demand<'_> {
        let subject = Subject { kind: self.kind, text: &self.text };
        Demand { limit: &self.limit, subject, weight: self.weight }
    }
}
