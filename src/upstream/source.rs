//! Where the targets of an upstream come from while it is called: name servers, and lists that are read again.
//!
//! A source outlives the generations of the configuration that have it, with what it knows. It asks by itself once a
//! generation with it is served, and tells the connections of its upstream what has changed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::decide::discovery::{Place, after_answer, after_failures, hurried};
use super::meters::Found;
use super::pool::Pool;
use super::resolver::{Query, Resolver};
use super::target::{Endpoint, InvalidTarget, Target, certified};
use crate::tls::client::Connector;

/// What a source is told apart by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Name servers say.
    Names(Query),
    /// A file says, which somebody else reads.
    File(PathBuf),
}

/// One place that targets come from.
pub struct Source {
    /// What it is called in reports, as the configuration writes it.
    name: String,
    upstream: Arc<str>,
    origin: Origin,
    connector: Option<Arc<Connector>>,
    server_name: Option<String>,
    /// What certificates of names must be for, and how.
    tls: Option<(Arc<Connector>, ServerName<'static>)>,
    state: Mutex<State>,
    /// Somebody could not reach a target.
    hurry: Arc<Notify>,
    follower: Mutex<Follower>,
    meters: Found,
}

#[derive(Default)]
struct State {
    places: Vec<Place>,
    endpoints: Arc<[Endpoint]>,
    asked: Option<Instant>,
    answered: Option<Instant>,
    due: Option<Instant>,
    failures: u32,
    /// Why the last answer was none.
    failure: Option<String>,
}

#[derive(Default)]
struct Follower {
    pool: Weak<Pool>,
    resolver: Option<Arc<Resolver>>,
    task: Option<AbortHandle>,
}

/// What is told of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceReport {
    /// As the configuration writes it.
    pub name: String,
    /// How many targets it gave the last time that it gave some.
    pub targets: usize,
    /// How long ago that was, if ever.
    pub answered: Option<Duration>,
    /// Why it gave none since then.
    pub failure: Option<String>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        if let Some(task) = &self.follower().task {
            task.abort();
        }
    }
}

impl Source {
    /// A source of an upstream that knows nothing yet. `name` is what the configuration calls it. Names whose targets have
    /// TLS come with a `connector`; `server_name` is what their certificates must be for, in place of the name.
    ///
    /// # Errors
    /// A sentence that says why no certificate can be for the name.
    pub fn new(
        upstream: &str,
        name: String,
        origin: Origin,
        connector: Option<Arc<Connector>>,
        server_name: Option<&str>,
    ) -> Result<Self, InvalidTarget> {
        let tls = match (&origin, &connector) {
            (Origin::Names(query), Some(connector)) => {
                let name = certified(server_name.unwrap_or_else(|| domain(query)))?;
                Some((Arc::clone(connector), name))
            }
            _ => None,
        };
        Ok(Self {
            name,
            upstream: upstream.into(),
            origin,
            connector,
            server_name: server_name.map(str::to_owned),
            tls,
            state: Mutex::default(),
            hurry: Arc::default(),
            follower: Mutex::default(),
            meters: Found::new(upstream),
        })
    }

    /// Whether it gives what another one would.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let connector = |source: &Self| source.connector.as_ref().map(Arc::as_ptr);
        self.origin == other.origin
            && connector(self) == connector(other)
            && self.server_name == other.server_name
    }

    /// A target of its file.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn target(&self, text: &str) -> Result<Target, InvalidTarget> {
        match &self.connector {
            Some(connector) if text.starts_with("https://") => {
                Target::secure(text, Arc::clone(connector), self.server_name.as_deref())
            }
            _ => Target::parse(text),
        }
    }

    /// The file that is to be read for it.
    pub fn file(&self) -> Option<&Path> {
        match &self.origin {
            Origin::File(path) => Some(path),
            Origin::Names(_) => None,
        }
    }

    /// What it is called in reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it ever gave targets.
    pub fn is_known(&self) -> bool {
        self.state().answered.is_some()
    }

    /// Why the last answer was none, in words that follow a colon.
    pub fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    /// The targets that it gave the last time that it gave some.
    pub(super) fn endpoints(&self) -> Arc<[Endpoint]> {
        Arc::clone(&self.state().endpoints)
    }

    pub(super) fn report(&self) -> SourceReport {
        let state = self.state();
        SourceReport {
            name: self.name.clone(),
            targets: state.endpoints.len(),
            answered: state.answered.map(|answered| answered.elapsed()),
            failure: state.failure.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follower(&self) -> MutexGuard<'_, Follower> {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks once, for as long as `time`. Nothing is asked of a source that is a file.
    pub async fn ask(&self, resolver: &Resolver, time: Duration) {
        let Origin::Names(query) = &self.origin else { return };
        let before = {
            let mut state = self.state();
            state.asked = Some(Instant::now());
            state.places.clone()
        };
        let answer = timeout(time, resolver.ask(query, &before)).await;
        match answer.unwrap_or_else(|_| Err("no name server answers in time".to_owned())) {
            Ok(answer) => {
                let endpoint = |place: &Place| Endpoint {
                    target: Target::found(place.address, domain(query), self.tls.as_ref()),
                    weight: place.weight,
                };
                let endpoints = answer.places.iter().map(endpoint).collect();
                self.take(answer.places, endpoints, Some(after_answer(answer.ttl)));
            }
            Err(why) => self.fail(&why),
        }
    }

    /// Takes what its file says now.
    pub fn give(&self, endpoints: Vec<Endpoint>) {
        self.take(Vec::new(), endpoints.into(), None);
    }

    /// There is no answer this time. What was known goes on.
    pub fn fail(&self, why: &str) {
        self.meters.failed.add(1);
        let (failures, targets) = {
            let mut state = self.state();
            state.failures = state.failures.saturating_add(1);
            state.due = Some(Instant::now() + after_failures(state.failures));
            state.failure = Some(why.to_owned());
            (state.failures, state.endpoints.len())
        };
        // Once, not every time.
        if failures == 1 {
            let (upstream, source) = (&*self.upstream, &*self.name);
            tracing::warn!(
                upstream,
                source,
                reason = why,
                targets,
                "where targets are cannot be learnt; those that are known go on"
            );
        }
    }

    fn take(&self, places: Vec<Place>, endpoints: Arc<[Endpoint]>, pause: Option<Duration>) {
        self.meters.answered.add(1);
        let now = Instant::now();
        let (is_changed, was_failing) = {
            let mut state = self.state();
            let was_failing = std::mem::take(&mut state.failures) > 0;
            state.failure = None;
            state.answered = Some(now);
            state.due = pause.map(|pause| now + pause);
            state.places = places;
            let is_changed = state.endpoints != endpoints;
            state.endpoints = endpoints;
            (is_changed, was_failing)
        };
        let (upstream, source) = (&*self.upstream, &*self.name);
        if was_failing {
            tracing::info!(upstream, source, "where targets are can be learnt again");
        }
        let pool = self.follower().pool.upgrade();
        if is_changed && let Some(pool) = pool {
            self.meters.changes.add(1);
            pool.refresh();
        }
    }

    /// Tells a pool of changes from now on, and begins to ask if there is a runtime.
    pub(super) fn follow(self: &Arc<Self>, pool: &Arc<Pool>, resolver: Option<&Arc<Resolver>>) {
        let mut follower = self.follower();
        follower.pool = Arc::downgrade(pool);
        follower.resolver = resolver.cloned();
        let is_asked = matches!(self.origin, Origin::Names(_));
        if is_asked && follower.task.is_none() && Handle::try_current().is_ok() {
            let task = tokio::spawn(run(Arc::downgrade(self), Arc::clone(&self.hurry)));
            follower.task = Some(task.abort_handle());
        }
    }

    /// A target could not be reached, or went away, which may be because it is elsewhere now.
    pub(super) fn missed(&self, target: &Target) {
        if matches!(self.origin, Origin::File(_)) {
            return;
        }
        let mut state = self.state();
        if state.endpoints.iter().any(|endpoint| endpoint.target == *target) {
            let now = Instant::now();
            let due = hurried(state.due.unwrap_or(now), state.asked, now);
            if state.due != Some(due) {
                state.due = Some(due);
                self.hurry.notify_one();
            }
        }
    }
}

/// Asks whenever it is time for that, as long as there is the source.
async fn run(source: Weak<Source>, hurry: Arc<Notify>) {
    loop {
        let Some(due) = source.upgrade().map(|source| source.state().due) else { return };
        if let Some(due) = due {
            tokio::select! {
                () = sleep_until(due) => {}
                () = hurry.notified() => continue,
            }
        }
        let Some(source) = source.upgrade() else { return };
        let resolver = source.follower().resolver.clone();
        match resolver {
            Some(resolver) => source.ask(&resolver, LONGEST).await,
            None => return,
        }
    }
}

/// No question takes longer.
const LONGEST: Duration = Duration::from_secs(60);

/// What a certificate is for, and what targets are called: the name that was asked for. What SRV records say was not proven to
/// anybody, so it is the domain of the service (RFC 6125 section 6.2.1).
fn domain(query: &Query) -> &str {
    let name = match query {
        Query::Addresses { name, .. } => name.as_str(),
        Query::Services(name) => {
            let labels = name.splitn(3, '.').collect::<Vec<_>>();
            labels.get(2).copied().unwrap_or(name)
        }
    };
    name.trim_end_matches('.')
}

/// The targets of an upstream and where they come from, in the order of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// Each target that is written, and each source.
    pub supplies: Vec<Supply>,
    /// Who looks up the names of sources. There is one if a source has a name.
    pub resolver: Option<Arc<Resolver>>,
}

/// One entry of the list of targets.
#[derive(Clone, Debug)]
pub enum Supply {
    /// A target.
    Fixed(Endpoint),
    /// Any number of them.
    Found(Arc<Source>),
}

impl Feed {
    /// These targets.
    pub fn of(targets: impl IntoIterator<Item: Into<Endpoint>>) -> Self {
        let fixed = targets.into_iter().map(|target| Supply::Fixed(target.into()));
        Self { supplies: fixed.collect(), resolver: None }
    }

    /// What is not written.
    pub fn sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.supplies.iter().filter_map(|supply| match supply {
            Supply::Found(source) => Some(source),
            Supply::Fixed(_) => None,
        })
    }

    /// The targets of now. One that is found and was there before is not there twice.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        let mut all: Vec<Endpoint> = Vec::with_capacity(self.supplies.len());
        for supply in &self.supplies {
            match supply {
                Supply::Fixed(endpoint) => all.push(endpoint.clone()),
                Supply::Found(source) => {
                    for endpoint in source.endpoints().iter() {
                        if all.iter().all(|before| before.target != endpoint.target) {
                            all.push(endpoint.clone());
                        }
                    }
                }
            }
        }
        all
    }

    /// Where a target comes from; nothing if it is written.
    pub(super) fn source_of(&self, target: &Target) -> Option<String> {
        for supply in &self.supplies {
            match supply {
                Supply::Fixed(endpoint) if endpoint.target == *target => return None,
                Supply::Found(source) if source.endpoints().iter().any(|it| it.target == *target) => {
                    return Some(source.name.clone());
                }
                _ => {}
            }
        }
        None
    }

    /// The source that gives what this one would.
    pub(super) fn like(&self, source: &Source) -> Option<&Arc<Source>> {
        self.sources().find(|known| known.is_like(source))
    }
}
