//! The whole application: everything is built from the configuration, runs on one runtime per core, takes up
//! changes, and stops without losing a call.
//!
//! ```text
//! signals, operators, files, upstreams -> control -> load -> snapshot, listeners     (one thread, and one to load)
//! cores                                                      serve it                (one thread each)
//! ```

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::admin::Admin;
use crate::compile::reflections::{PATIENCE, Reflections};
use crate::compile::{Compiled, Terms, compile, networks};
use crate::config::Config;
use crate::config::place::Place;
use crate::config::problem::{Problem, Problems};
use crate::server::drain::Drain;
use crate::server::limits::{Limits, default_connections};
use crate::server::listen::ListenError;
use crate::server::{Handler, Places, Server};
use crate::telemetry::{core, log};
use crate::tls::server::Acceptor;

mod certificates;
mod control;
mod cores;
mod handler;
mod listeners;
mod load;
pub mod meters;
mod observe;
mod operators;
mod schedule;
mod signals;
mod systemd;
mod watch;

use control::{Control, Tasks, status};
use cores::{all_answer, obey};
use handler::Fronted;
use listeners::{Change, Listeners};
use observe::Observer;
use operators::{Current, Operators, Order, Shared, View};
use signals::{Signals, Wish};
use systemd::{Inherited, Notifier};

/// How many operators may be connected at a time.
const OPERATORS: usize = 64;

/// Why the application cannot run.
#[derive(Debug)]
pub enum RunError {
    /// The configuration cannot be used; [`Origin::report`] has got all that is wrong with it.
    Refused,
    /// An address cannot be listened on.
    Listen(ListenError),
    /// The operating system refused a thread, a runtime or a signal handler.
    System(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("The configuration cannot be used."),
            Self::Listen(error) => error.fmt(f),
            Self::System(error) => {
                write!(f, "The operating system refused what Transom needs to run: {error}.")
            }
        }
    }
}

impl std::error::Error for RunError {}

impl From<ListenError> for RunError {
    fn from(error: ListenError) -> Self {
        Self::Listen(error)
    }
}

impl From<io::Error> for RunError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Where the configuration comes from, at the start and at each reload.
pub struct Origin {
    /// The file that it is read from, which is watched for changes.
    pub file: Option<PathBuf>,
    /// Reads it, and says what is wrong with it.
    pub load: Box<dyn Fn() -> Result<(Config, Problems), Problems> + Send + Sync>,
    /// Tells the operator what is wrong with it.
    pub report: Box<dyn Fn(&Problems) + Send + Sync>,
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin").field("file", &self.file).finish_non_exhaustive()
    }
}

/// How many runtimes an application has: one for each core that the process may use.
pub fn cores() -> usize {
    core::count()
}

/// Compiles a configuration outside any runtime, for commands that serve nothing. What is found is added to
/// `problems`; there is nothing if it holds an error, such as an upstream that cannot be asked. Policies hold if it is to
/// be `guarded`.
///
/// # Errors
/// When the operating system refuses a runtime.
pub fn prepare(config: &Config, problems: &mut Problems, guarded: bool) -> io::Result<Option<Compiled>> {
    check_log(config, problems);
    let (needed, none) = (Reflections::needed(config), Reflections::default());
    let (reflections, _) = runtime()?.block_on(Reflections::ask(config, &needed, &none, None, PATIENCE));
    let terms = Terms { cores: cores(), live: None, reflections, lenient: false, guarded };
    let compiled = compile(config, problems, terms).0;
    if let Some(compiled) = &compiled {
        compiled.live.announce();
    }
    Ok(compiled)
}

/// Holds the filter of the log against what the log understands.
fn check_log(config: &Config, problems: &mut Problems) {
    if let Some(filter) = &config.telemetry.log
        && let Err(text) = log::parse(filter)
    {
        problems.push(Problem::error(text).at(filter.place));
    }
}

/// Serves until the process is told to stop by SIGTERM or SIGINT, and then until all calls are done or a
/// second signal comes. Reloads on SIGHUP, on changes of files, by order of an operator, and when upstreams tell
/// other descriptors.
///
/// `listening` is called with the addresses once they are open.
///
/// # Errors
/// When the configuration cannot be used, an address cannot be listened on, or the operating system refuses
/// threads.
pub fn run(origin: Origin, listening: impl FnOnce(&[SocketAddr])) -> Result<(), RunError> {
    // While there is only this thread.
    let inherited = Inherited::from_environment();
    let runtime = runtime()?;
    // Before anybody learns that the process serves: from now on signals do what they should.
    let mut signals = {
        let _entered = runtime.enter();
        Signals::new()?
    };
    raise_descriptor_limit();
    let Some((attempt, is_outdated)) = runtime.block_on(first(&origin, &mut signals)) else {
        return Ok(());
    };
    (origin.report)(&attempt.problems);
    let mut served = {
        let _entered = runtime.enter();
        start(origin, attempt, inherited)?
    };
    if is_outdated {
        served.control.tasks.want();
    }
    listening(&served.control.traffic.addresses());
    let outcome = runtime.block_on(serve(served, signals));
    // A second signal leaves threads behind, which end with the process.
    runtime.shutdown_background();
    Ok(outcome?)
}

/// Loads the first generation, and says whether SIGHUP came meanwhile. Nothing when the process is told to stop.
async fn first(origin: &Origin, signals: &mut Signals) -> Option<(load::Attempt, bool)> {
    let mut loading = std::pin::pin!(load::load(origin, None, cores()));
    let mut is_outdated = false;
    loop {
        tokio::select! {
            attempt = &mut loading => return Some((attempt, is_outdated)),
            wish = signals.next() => match wish {
                Wish::Stop => return None,
                Wish::Reload => is_outdated = true,
            },
        }
    }
}

/// Everything that runs.
struct Served {
    control: Control,
    orders: mpsc::Receiver<Order>,
    threads: Vec<thread::JoinHandle<()>>,
    failures: mpsc::UnboundedReceiver<io::Error>,
}

/// Makes a first generation run. Needs a runtime for operators.
fn start(origin: Origin, attempt: load::Attempt, mut inherited: Inherited) -> Result<Served, RunError> {
    let Some(load::Loaded { configured, compiled, token }) = attempt.loaded else {
        return Err(RunError::Refused);
    };
    let config = Arc::clone(&configured.config);
    let notifier = Notifier::from_environment();
    let snapshot = compiled.snapshot;
    let tls = snapshot.tls.listeners.clone();
    let (methods, routes) = (snapshot.exposed().count(), snapshot.surface.routes.routes().len());
    let open = snapshot.open().count();
    compiled.live.announce();
    compiled.live.tend();
    let current = Current {
        generation: 1,
        config: Arc::clone(&config),
        live: compiled.live,
        token: token.map(Arc::new),
    };
    let (shared, orders) = Shared::new(snapshot, current);
    let (failed, failures) = mpsc::unbounded_channel();
    let cores::Cores { orders: cores, threads } = cores::start(cores(), &failed)?;
    // Each socket gets a signal of its own.
    let (_, signal) = Drain::new();
    let places = Places::new(places(&config));
    let observer = Arc::new(Observer::start(&config.telemetry)?);
    let fronted = Fronted::of(&config, &shared.handle, &observer);
    let server = Server::new(fronted, limits(&config), places, signal.clone());
    let mut traffic = Listeners::new(cores, server);

    let (operator, commands) = mpsc::unbounded_channel();
    let admin = Operators(Admin::new(Arc::new(View(Arc::clone(&shared)))));
    let server = Server::new(admin, Limits::default(), Places::new(OPERATORS), signal);
    let mut operators = Listeners::new(vec![operator], server);
    tokio::spawn(async move {
        if let Err(error) = obey(commands).await {
            tracing::error!(%error, "the admin listener ended");
        }
    });

    let (change, operator_change) = plan(&config, &tls, &traffic, &operators, &mut inherited)
        .map_err(|errors| errors.into_iter().next().map_or(RunError::Refused, |(_, error)| error.into()))?;
    traffic.apply(change);
    operators.apply(operator_change);
    inherited.finish();
    tracing::info!(
        methods,
        routes,
        open,
        "so many methods are served, so many of them to everybody who can connect"
    );
    meters::loaded();
    say_where(&traffic, &operators);
    notifier.ready(&status(true, methods));
    let count = traffic.cores().len();
    let tasks = Tasks::new(&config, attempt.watches, attempt.reflections);
    let control = Control {
        origin: Arc::new(origin),
        cores: count,
        shared,
        traffic,
        operators,
        observer,
        notifier,
        configured,
        tasks,
    };
    Ok(Served { control, orders, threads, failures })
}

/// Serves to the end.
async fn serve(served: Served, mut signals: Signals) -> io::Result<()> {
    let Served { mut control, mut orders, threads, mut failures } = served;
    let watchdog = tokio::spawn(watch_cores(&control));
    let observer = Arc::clone(&control.observer);
    let outcome = tokio::select! {
        () = control.run(&mut signals, &mut orders) => Ok(()),
        failure = failures.recv() => {
            Err(failure.unwrap_or_else(|| io::Error::other("no core is left to serve")))
        }
    };
    // Whoever still waits for a reload is told that there is none.
    drop(orders);
    control.shared.drain();
    control.notifier.stopping();
    let delay = control.configured.config.http.drain_delay.value;
    let stopped_again = async {
        if outcome.is_ok() && !delay.is_zero() {
            tracing::info!(?delay, "not ready any more: connections are taken for a while still");
            tokio::select! {
                () = sleep(delay) => {}
                () = signals.stop() => return,
            }
        }
        tracing::info!("stopping: calls in flight may finish");
        control.shared.current().live.health().stop();
        let Control { traffic, operators, .. } = control;
        traffic.stop();
        tokio::select! {
            () = all_ended(threads) => {}
            () = signals.stop() => tracing::warn!("stopping at once: calls in flight are cut"),
        }
        operators.stop();
    };
    stopped_again.await;
    watchdog.abort();
    // It waits for a collector, for a while.
    let _ = tokio::task::spawn_blocking(move || observer.finish()).await;
    outcome
}

/// Gives the service manager signs of life as long as all cores do.
fn watch_cores(control: &Control) -> impl Future<Output = ()> + Send + use<> {
    let weak: Vec<_> = control.traffic.cores().iter().map(mpsc::UnboundedSender::downgrade).collect();
    let notifier = control.notifier.clone();
    async move {
        let Some(pause) = notifier.watchdog() else { return };
        loop {
            sleep(pause).await;
            // Cores that are stopping take no more orders.
            let cores: Vec<_> = weak.iter().filter_map(mpsc::WeakUnboundedSender::upgrade).collect();
            if timeout(pause, all_answer(&cores)).await == Ok(true) {
                notifier.alive();
            }
        }
    }
}

async fn all_ended<T: Send + 'static>(threads: Vec<thread::JoinHandle<T>>) {
    let joined = tokio::task::spawn_blocking(move || {
        for thread in threads {
            // A panic of a core was printed where it happened; the others still finish.
            let _ = thread.join();
        }
    });
    let _ = joined.await;
}

/// How the open sockets change: those for traffic, and those for operators.
type Changes = (Change, Change);

/// Binds the addresses of a configuration that are not open yet.
fn plan<T: Handler, O: Handler>(
    config: &Config,
    tls: &[Option<Arc<Acceptor>>],
    traffic: &Listeners<T>,
    operators: &Listeners<O>,
    inherited: &mut Inherited,
) -> Result<Changes, Vec<(Option<Place>, ListenError)>> {
    let addresses: Vec<_> = config.listeners.iter().map(|listener| &listener.address).collect();
    let admin: Vec<_> = config.admin.iter().map(|admin| &admin.address).collect();
    let secured = addresses.iter().enumerate();
    let secured = secured.map(|(index, address)| {
        let proxied = config.listeners[index].proxy_protocol.value;
        (address.value, tls.get(index).cloned().flatten(), proxied)
    });
    let plain: Vec<_> = admin.iter().map(|address| (address.value, None, false)).collect();
    let planned = traffic.plan(&secured.collect::<Vec<_>>(), inherited);
    let planned_admin = operators.plan(&plain, inherited);
    match (planned, planned_admin) {
        (Ok(traffic), Ok(operators)) => Ok((traffic, operators)),
        (traffic, operators) => {
            let traffic = traffic.err().unwrap_or_default().into_iter();
            let operators = operators.err().unwrap_or_default().into_iter();
            let traffic = traffic.map(|(position, error)| (addresses[position].place, error));
            Err(traffic.chain(operators.map(|(position, error)| (admin[position].place, error))).collect())
        }
    }
}

fn say_where<T: Handler, O: Handler>(traffic: &Listeners<T>, operators: &Listeners<O>) {
    for (address, tls) in traffic.places() {
        tracing::info!(%address, tls, "listening");
    }
    for address in operators.addresses() {
        tracing::info!(%address, "operators are listened to");
    }
}

/// What bounds connections.
fn limits(config: &Config) -> Limits {
    let http = &config.http;
    let stream_window = u32::try_from(http.stream_window.bytes()).unwrap_or(u32::MAX);
    Limits {
        headers: http.header_count.value as usize,
        header_bytes: http.headers.as_usize(),
        uri: http.uri.as_usize(),
        streams: http.streams_per_connection.value,
        stream_window,
        connection_window: stream_window.saturating_mul(http.streams_per_connection.value),
        resets: http.resets.value as usize,
        control_frames: http.control_frames.value as usize,
        header_timeout: http.header_timeout.value,
        idle_timeout: http.idle_timeout.value,
        write_timeout: http.write_timeout.value,
        drain_timeout: http.drain_timeout.value,
        proxies: Arc::new(networks(&config.trusted_proxies)),
    }
}

/// How many connections there may be at a time.
fn places(config: &Config) -> usize {
    config.http.connections.as_ref().map_or_else(default_connections, |count| count.value as usize)
}

/// Takes all the file descriptors that the process may have. The soft limit is low only for the sake of
/// programs that use `select`.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    if let Err(error) = raised {
        tracing::debug!(%error, "the limit of file descriptors stays as it is");
    }
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
