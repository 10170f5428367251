//! The control loop: it hears signals, operators, files and upstreams, and lets one generation follow another. It
//! never computes: loading runs on a thread of its own, one at a time, and the newest wish wins.

use std::collections::BTreeSet;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use super::listeners::Listeners;
use super::load::{self, Attempt, Before, Configured, Loaded, Watches};
use super::observe::Observer;
use super::operators::{Current, Operators, Order, Shared, outcome};
use super::schedule::Schedule;
use super::signals::{Signals, Wish};
use super::systemd::{Inherited, Notifier};
use super::watch::{Looked, Watch};
use super::{Origin, certificates, handler::Fronted, limits, meters};
use crate::admin::guard::Token;
use crate::compile::reflections::{Failure, PATIENCE, Reflections};
use crate::config::Config;
use crate::config::problem::{Problem, Problems};
use crate::snapshot::Snapshot;
use crate::tls::server::Acceptor;

/// How soon a file that has just changed is looked at again.
const SOON: Duration = Duration::from_millis(500);

/// How often it is looked after what needs no hurry.
const TICK: Duration = Duration::from_secs(2);

/// The parts that change from one generation to the next.
pub(super) struct Control {
    pub(super) origin: Arc<Origin>,
    pub(super) cores: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) traffic: Listeners<Fronted>,
    pub(super) operators: Listeners<Operators>,
    pub(super) observer: Arc<Observer>,
    pub(super) notifier: Notifier,
    pub(super) configured: Configured,
    pub(super) tasks: Tasks,
}

/// What goes on beside the loop, and what is to be done next.
pub(super) struct Tasks {
    /// The files, but for those that are looked at just now.
    whole: Option<Watch<()>>,
    tls: Option<Watch<Arc<[PathBuf]>>>,
    next_look: Instant,
    next_tick: Instant,
    looking: Option<JoinHandle<Look>>,
    schedule: Schedule,
    asking: Option<JoinHandle<Asked>>,
    /// What upstreams told when it was last tried to make a generation of it.
    tried: Reflections,
    loading: Option<JoinHandle<Attempt>>,
    /// Those who wait for the load that runs, and for the next one.
    served: Vec<Order>,
    waiting: Vec<Order>,
    is_wanted: bool,
    /// Snapshots that calls may hold still. The last one to let go frees the tables, which should not be a core.
    retired: Vec<Arc<Snapshot>>,
}

/// What came of a look at the files.
struct Look {
    whole: Option<(Watch<()>, Looked<()>)>,
    tls: Option<(Watch<Arc<[PathBuf]>>, bool)>,
}

/// What came of asking upstreams.
struct Asked {
    names: BTreeSet<String>,
    reflections: Reflections,
    failures: Vec<Failure>,
}

/// What the loop has heard.
enum Event {
    Signal(Wish),
    Order(Order),
    Tick,
    LookDue,
    Looked(Result<Look, JoinError>),
    AskDue,
    Asked(Result<Asked, JoinError>),
    Loaded(Box<Result<Attempt, JoinError>>),
}

impl Tasks {
    pub(super) fn new(config: &Config, watches: Option<Watches>, reflections: Reflections) -> Self {
        let mut schedule = Schedule::new(config.reload.reflection.value);
        schedule.renew(Reflections::needed(config), config.reload.reflection.value);
        for name in reflections.missing() {
            schedule.asked(name, true);
        }
        let (whole, tls) = watches.map(|watches| (watches.whole, watches.tls)).unzip();
        Self {
            whole,
            tls,
            next_look: Instant::now() + config.reload.files.value,
            next_tick: Instant::now() + TICK,
            looking: None,
            schedule,
            asking: None,
            tried: reflections,
            loading: None,
            served: Vec::new(),
            waiting: Vec::new(),
            is_wanted: false,
            retired: Vec::new(),
        }
    }

    /// Goes on with the files of a load. The certificates of one that is refused are not in use, but with others it
    /// may be taken; those that are in use are looked at on.
    fn watch(&mut self, watches: Watches, is_reloaded: bool) {
        let Watches { mut whole, tls } = watches;
        if is_reloaded {
            self.tls = Some(tls);
        } else {
            whole.take_over(tls, &());
        }
        self.whole = Some(whole);
    }

    /// Asks for a reload.
    pub(super) const fn want(&mut self) {
        self.is_wanted = true;
    }

    async fn next(&mut self, signals: &mut Signals, orders: &mut mpsc::Receiver<Order>) -> Event {
        let ask = self.schedule.next().filter(|_| self.asking.is_none() && self.loading.is_none());
        tokio::select! {
            wish = signals.next() => Event::Signal(wish),
            Some(order) = orders.recv() => Event::Order(order),
            loaded = done(&mut self.loading) => Event::Loaded(Box::new(loaded)),
            looked = done(&mut self.looking) => Event::Looked(looked),
            asked = done(&mut self.asking) => Event::Asked(asked),
            () = sleep_until(self.next_look), if self.looking.is_none() => Event::LookDue,
            () = until(ask) => Event::AskDue,
            () = sleep_until(self.next_tick) => Event::Tick,
        }
    }
}

/// Waits for a task, for ever if there is none.
async fn done<T>(task: &mut Option<JoinHandle<T>>) -> Result<T, JoinError> {
    match task {
        None => pending().await,
        Some(handle) => {
            let outcome = handle.await;
            *task = None;
            outcome
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

impl Control {
    /// Runs until the process is told to stop.
    pub(super) async fn run(&mut self, signals: &mut Signals, orders: &mut mpsc::Receiver<Order>) {
        loop {
            if self.tasks.is_wanted && self.tasks.loading.is_none() {
                self.load();
            }
            match self.tasks.next(signals, orders).await {
                Event::Signal(Wish::Stop) => return,
                Event::Signal(Wish::Reload) => {
                    tracing::info!("SIGHUP: reloading");
                    self.tasks.is_wanted = true;
                }
                Event::Order(order) => {
                    self.tasks.waiting.push(order);
                    self.tasks.is_wanted = true;
                }
                Event::Tick => self.tick(),
                Event::LookDue => self.look(),
                Event::Looked(looked) => self.looked(looked),
                Event::AskDue => self.ask(),
                Event::Asked(asked) => self.asked(asked),
                Event::Loaded(loaded) => self.loaded(*loaded),
            }
        }
    }

    fn config(&self) -> &Arc<Config> {
        &self.configured.config
    }

    fn before(&self) -> Before {
        Before { live: self.shared.current().live.clone(), snapshot: self.shared.handle.load() }
    }

    /// Begins to load everything anew.
    fn load(&mut self) {
        self.tasks.is_wanted = false;
        self.tasks.served = std::mem::take(&mut self.tasks.waiting);
        // It asks the upstreams itself.
        self.tasks.asking = None;
        self.notifier.reloading();
        let (origin, before, cores) = (Arc::clone(&self.origin), self.before(), self.cores);
        let runtime = runtime::Handle::current();
        let free = self.free();
        let load = move || {
            drop(free);
            runtime.block_on(load::load(&origin, Some(&before), cores))
        };
        self.tasks.loading = Some(spawn_blocking(load));
    }

    /// Takes up what was loaded, or says why not.
    fn loaded(&mut self, loaded: Result<Attempt, JoinError>) {
        let Attempt { loaded, mut problems, watches, reflections, asked, failures } = match loaded {
            Ok(attempt) => attempt,
            Err(error) => {
                let mut problems = Problems::default();
                problems.push(Problem::error(format!("Loading failed inside Transom: {error}.")));
                return self.conclude(false, &problems);
            }
        };
        let is_reloaded = loaded.is_some_and(|loaded| self.apply(loaded, &mut problems));
        if let Some(watches) = watches {
            self.tasks.watch(watches, is_reloaded);
        }
        if reflections != Reflections::default() {
            self.tasks.tried = reflections;
        }
        let config = Arc::clone(self.config());
        self.tasks.schedule.renew(Reflections::needed(&config), config.reload.reflection.value);
        self.note(&asked, &failures);
        self.conclude(is_reloaded, &problems);
    }

    /// Notes which upstreams were asked and which of them could not answer. Says so once, where nothing else does.
    fn note(&mut self, names: &BTreeSet<String>, failures: &[Failure]) {
        for name in names {
            let failure = failures.iter().find(|failure| failure.upstream == *name);
            let is_news = self.tasks.schedule.asked(name, failure.is_some());
            match failure {
                Some(failure) if is_news && failure.goes_on => tell(failure),
                _ => {}
            }
        }
    }

    /// Tells everybody what came of a load.
    fn conclude(&mut self, is_reloaded: bool, problems: &Problems) {
        (self.origin.report)(problems);
        let current = self.shared.current();
        let snapshot = self.shared.handle.load();
        let (methods, routes) = (snapshot.exposed().count(), snapshot.surface.routes.routes().len());
        let generation = current.generation;
        if is_reloaded {
            meters::loaded();
            tracing::info!(generation, methods, routes, "reloaded");
        } else {
            meters::refused();
            let errors = problems.errors();
            tracing::error!(generation, errors, "the new configuration is refused; the old one goes on");
        }
        self.notifier.ready(&status(is_reloaded, methods));
        for order in self.tasks.served.drain(..) {
            // Whoever has asked may have left.
            let _ = order.send(outcome(is_reloaded, generation, problems));
        }
    }

    /// Makes a generation the one that is served, unless its sockets cannot be had.
    fn apply(&mut self, loaded: Loaded, problems: &mut Problems) -> bool {
        let Loaded { configured, mut compiled, token } = loaded;
        let config = Arc::clone(&configured.config);
        let tls = &mut compiled.snapshot.tls.listeners;
        let Some((traffic, operators)) = self.plan(&config, tls, problems) else { return false };
        if !config.telemetry.is_like(&self.config().telemetry) {
            let text = "What `telemetry` says of the access log and of traces holds after a restart only.";
            problems.push(Problem::warning(text));
        }
        // Where a socket stays, what speaks TLS on it does too, and its files are looked after.
        *tls = traffic.tls.clone();
        let generation = self.shared.current().generation + 1;
        compiled.live.govern();
        self.tasks.retired.push(self.shared.handle.swap(compiled.snapshot));
        self.traffic
            .server()
            .replace(Fronted::of(&config, &self.shared.handle, &self.observer), limits(&config));
        self.shared.replace(Current {
            generation,
            config: Arc::clone(&config),
            live: compiled.live,
            token: token.map(Arc::<Token>::new),
        });
        self.shared.current().live.announce();
        self.shared.current().live.tend();
        let is_same = traffic.is_empty() && operators.is_empty();
        self.traffic.apply(traffic);
        self.operators.apply(operators);
        if !is_same {
            super::say_where(&self.traffic, &self.operators);
        }
        self.tasks.next_look = Instant::now() + config.reload.files.value;
        self.configured = configured;
        true
    }

    fn plan(
        &self,
        config: &Config,
        tls: &[Option<Arc<Acceptor>>],
        problems: &mut Problems,
    ) -> Option<super::Changes> {
        super::plan(config, tls, &self.traffic, &self.operators, &mut Inherited::default())
            .map_err(|errors| {
                for (place, error) in errors {
                    problems.push(Problem::error(error.to_string()).at(place));
                }
            })
            .ok()
    }

    /// Looks at the files, on a thread that may wait for a slow disk, where certificates that have changed are read
    /// again as well.
    fn look(&mut self) {
        self.tasks.next_look = Instant::now() + self.config().reload.files.value;
        let (whole, tls) = (self.tasks.whole.take(), self.tasks.tls.take());
        let handle = Arc::clone(&self.shared.handle);
        self.tasks.looking = Some(spawn_blocking(move || Look {
            whole: whole.map(|mut watch| {
                let looked = watch.look();
                (watch, looked)
            }),
            tls: tls.map(|mut watch| {
                let looked = watch.look();
                certificates::read_again(&handle.load().tls, &looked.tasks);
                (watch, looked.is_changing)
            }),
        }));
    }

    fn looked(&mut self, looked: Result<Look, JoinError>) {
        let Ok(Look { whole, tls }) = looked else { return };
        let mut is_changing = false;
        // A look at the files of before says nothing about those that were loaded meanwhile.
        if let Some((watch, looked)) = whole.filter(|_| self.tasks.whole.is_none()) {
            self.tasks.whole = Some(watch);
            is_changing = looked.is_changing;
            if !looked.tasks.is_empty() {
                tracing::info!("files have changed: reloading");
                self.tasks.is_wanted = true;
            }
        }
        if let Some((watch, is_tls_changing)) = tls.filter(|_| self.tasks.tls.is_none()) {
            self.tasks.tls = Some(watch);
            is_changing |= is_tls_changing;
        }
        if is_changing {
            self.tasks.next_look = Instant::now() + SOON.min(self.config().reload.files.value);
        }
    }

    /// Asks the upstreams whose turn it is.
    fn ask(&mut self) {
        let names = self.tasks.schedule.due();
        let (config, before) = (Arc::clone(self.config()), self.tasks.tried.clone());
        let live = self.shared.current().live.clone();
        let runtime = runtime::Handle::current();
        self.tasks.asking = Some(spawn_blocking(move || {
            let (reflections, failures) =
                runtime.block_on(Reflections::ask(&config, &names, &before, Some(&live), PATIENCE));
            Asked { names, reflections, failures }
        }));
    }

    fn asked(&mut self, asked: Result<Asked, JoinError>) {
        let Ok(Asked { names, reflections, failures }) = asked else { return };
        self.note(&names, &failures);
        if reflections == self.tasks.tried || self.tasks.is_wanted || self.tasks.loading.is_some() {
            return;
        }
        tracing::info!("upstreams tell other descriptors than before: taking them up");
        let (configured, before, cores) = (self.configured.clone(), self.before(), self.cores);
        self.tasks.loading =
            Some(spawn_blocking(move || load::reload(configured, reflections, &before, cores)));
    }

    /// Notes which upstreams have new connections and which cannot be reached, and lets go of the snapshots that no call holds any more.
    fn tick(&mut self) {
        self.tasks.next_tick = Instant::now() + TICK;
        let current = self.shared.current();
        for (name, report) in current.live.reports() {
            self.tasks.schedule.opened(name, report.opened);
        }
        current.live.look();
        current.live.tend();
        let free = self.free();
        if !free.is_empty() {
            spawn_blocking(move || drop(free));
        }
    }

    /// The snapshots that no call holds any more.
    fn free(&mut self) -> Vec<Arc<Snapshot>> {
        self.tasks.retired.extract_if(.., |snapshot| Arc::strong_count(snapshot) == 1).collect()
    }
}

/// Says that an upstream could not be asked again.
fn tell(failure: &Failure) {
    let (upstream, reason) = (&failure.upstream, failure.reasons.join(" "));
    tracing::warn!(
        upstream,
        reason,
        "an upstream cannot be asked for its descriptors; those that it gave before go on"
    );
}

/// What the service manager shows.
pub(super) fn status(is_loaded: bool, methods: usize) -> String {
    let refused = if is_loaded { "" } else { "The last reload was refused; see the log. " };
    format!("{refused}Serving {methods} methods.")
}
