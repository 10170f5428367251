//! Limits that several gateways share, in real servers of Redis: one, watched by a sentinel, and three in a cluster.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;
use transom::policy::limit::memory::Memory;
use transom::policy::limit::redis::connect::Address;
use transom::policy::limit::redis::{OnError, Redis as Shared, Servers, Settings};
use transom::policy::limit::store::{Demand, Kind, Limit, Outcome, Rate, Store, Subject, Taken};

mod faults;
mod gateways;
mod script;
mod server;
mod several;

use server::Redis;

/// How long a decision may take here, where a busy machine is to be no failure.
const TIME: Duration = Duration::from_millis(500);

fn address(redis: &Redis) -> Address {
    Address { host: redis.address().ip().to_string().into(), port: redis.address().port() }
}

fn settings(servers: Servers) -> Settings {
    Settings {
        servers,
        tls: None,
        user: None,
        password: None,
        sentinel_password: None,
        database: 0,
        time: TIME,
        connect: Duration::from_secs(5),
        prefix: "transom".into(),
    }
}

/// A limit of so many an hour, so that no more come while a test runs.
fn limit(name: &str, count: u32) -> Arc<Limit> {
    let count = NonZeroU32::new(count).unwrap();
    let rate = Rate { count, period: Duration::from_secs(3600), burst: count };
    Arc::new(Limit { name: name.into(), rates: [rate].into(), quotas: [].into() })
}

/// Who decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Servers,
    /// The store of this process, or nobody.
    Others,
}

/// A store on real servers, and what counts in this process in their place.
struct Setting {
    store: Shared,
    local: Arc<Spy>,
}

/// The store of this process, with how often it was asked.
#[derive(Debug, Default)]
struct Spy {
    memory: Memory,
    asked: AtomicUsize,
}

impl Store for Spy {
    fn take(&self, demand: &Demand<'_>) -> Taken {
        self.asked.fetch_add(1, Relaxed);
        self.memory.take(demand)
    }
}

impl Setting {
    fn new(settings: Settings, on_error: OnError) -> Self {
        let local = Arc::<Spy>::default();
        let store = Shared::new(settings, on_error, Arc::clone(&local) as Arc<dyn Store>, 1);
        Self { store, local }
    }

    fn of(redis: &Redis) -> Self {
        Self::new(settings(Servers::One(address(redis))), OnError::Local)
    }

    fn ask(&self, limit: &Arc<Limit>, who: &str) -> Taken {
        let subject = Subject { kind: Kind::Principal, text: who.as_bytes() };
        self.store.take(&Demand { limit, subject, weight: NonZeroU32::MIN })
    }

    async fn take(&self, limit: &Arc<Limit>, who: &str) -> (Outcome, By) {
        let before = self.local.asked.load(Relaxed);
        let outcome = match self.ask(limit, who) {
            Taken::Now(outcome) => return (outcome, By::Others),
            Taken::Later(outcome) => outcome.await,
        };
        // Those of other tests ask other stores.
        let is_local = self.local.asked.load(Relaxed) > before || outcome.standings.as_slice().is_empty();
        (outcome, if is_local { By::Others } else { By::Servers })
    }

    /// Takes until it is decided by the servers, and gives that.
    async fn take_from_servers(&self, limit: &Arc<Limit>, who: &str) -> Outcome {
        let start = Instant::now();
        loop {
            if let (outcome, By::Servers) = self.take(limit, who).await {
                return outcome;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "the servers do not come back");
            // There is no event to wait for.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Takes until nobody waits for the servers any more.
    async fn lose(&self, limit: &Arc<Limit>) {
        let start = Instant::now();
        loop {
            match self.ask(limit, "lost") {
                Taken::Now(_) => return,
                Taken::Later(outcome) => drop(outcome.await),
            }
            assert!(start.elapsed() < Duration::from_secs(60), "the servers answer still");
        }
    }

    /// Takes until it is refused, by the servers alone, and counts what was admitted.
    async fn drain(&self, limit: &Arc<Limit>, who: &str) -> usize {
        for count in 0.. {
            let (outcome, by) = self.take(limit, who).await;
            assert_eq!(by, By::Servers, "after {count}: {outcome:?}");
            if !outcome.is_admitted {
                return count;
            }
        }
        unreachable!()
    }
}
