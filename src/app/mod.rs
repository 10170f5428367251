//! The whole application: everything is built from the configuration, runs on one runtime per core, and
//! stops without losing a call.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{self, SignalKind, signal};
use tokio::sync::mpsc;

use crate::compile::compile;
use crate::config::Config;
use crate::config::limits::Encodings;
use crate::config::problem::{Problem, Problems};
use crate::front::Front;
use crate::server::compress::Compression;
use crate::server::drain::{Drain, Signal};
use crate::server::limits::{Limits, default_connections};
use crate::server::listen::{ListenError, bind};
use crate::server::{Places, Server};
use crate::snapshot::Snapshot;
use crate::snapshot::handle::Handle;
use crate::telemetry::{core, log};
use crate::upstream;

mod handler;
pub mod meters;
mod observe;

use handler::Fronted;
use observe::Observer;

/// Why the application cannot run.
#[derive(Debug)]
pub enum RunError {
    /// An address cannot be listened on.
    Listen(ListenError),
    /// The operating system refused a thread, a runtime or a signal handler.
    System(io::Error),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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

/// How many runtimes an application has: one for each core that the process may use.
pub fn cores() -> usize {
    core::count()
}

/// Compiles a configuration outside any runtime. What is found is added to `problems`; there is no
/// snapshot if it holds an error.
///
/// # Errors
/// When the operating system refuses a runtime.
pub fn prepare(config: &Config, problems: &mut Problems) -> io::Result<Option<Snapshot>> {
    check_log(config, problems);
    Ok(runtime()?.block_on(compile(config, problems, cores())))
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
/// second signal comes.
///
/// `listening` is called with the addresses once they are open.
///
/// # Errors
/// When an address cannot be listened on, or the operating system refuses threads.
pub fn run(
    config: &Config,
    snapshot: Snapshot,
    listening: impl FnOnce(&[SocketAddr]),
) -> Result<(), RunError> {
    let runtime = runtime()?;
    // Before anybody learns that the process serves: from now on signals do what they should.
    let mut signals = {
        let _entered = runtime.enter();
        Signals::new()?
    };
    let cores = cores();
    let mut sockets: Vec<Vec<std::net::TcpListener>> = (0..cores).map(|_| Vec::new()).collect();
    let mut addresses = Vec::new();
    for listener in config.listeners.iter() {
        let bound = bind(listener.address.value, cores)?;
        addresses.extend(bound.first().and_then(|socket| socket.local_addr().ok()));
        for (core, socket) in sockets.iter_mut().zip(bound) {
            core.push(socket);
        }
    }
    let (drain, stop) = Drain::new();
    raise_descriptor_limit();
    let observer = Arc::new(Observer::start(&config.telemetry)?);
    let server = server(config, snapshot, stop, Arc::clone(&observer));
    meters::loaded();
    let (failed, mut failures) = mpsc::unbounded_channel();
    let mut threads = Vec::with_capacity(cores);
    for (core, sockets) in sockets.into_iter().enumerate() {
        let (server, failed) = (server.clone(), failed.clone());
        let run = move || serve_core(core, &server, sockets).or_else(|error| failed.send(error)).ok();
        threads.push(thread::Builder::new().name(format!("core-{core}")).spawn(run)?);
    }
    for address in &addresses {
        tracing::info!(%address, "listening");
    }
    listening(&addresses);
    drop(failed);
    let outcome = runtime.block_on(async {
        tokio::select! {
            () = signals.stop() => Ok(()),
            failure = failures.recv() => {
                Err(failure.unwrap_or_else(|| io::Error::other("no core is left to serve")))
            }
        }
    });
    tracing::info!("stopping: calls in flight may finish");
    drain.stop();
    runtime.block_on(async {
        tokio::select! {
            () = all_ended(threads) => {}
            () = signals.stop() => tracing::warn!("stopping at once: calls in flight are cut"),
        }
    });
    observer.finish();
    // A second signal leaves threads behind, which end with the process.
    runtime.shutdown_background();
    Ok(outcome?)
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

fn server(config: &Config, snapshot: Snapshot, stop: Signal, observer: Arc<Observer>) -> Server<Fronted> {
    let http = &config.http;
    let limits = Limits {
        headers: http.header_count.value as usize,
        header_bytes: http.headers.as_usize(),
        uri: http.uri.as_usize(),
        streams: http.streams_per_connection.value,
        header_timeout: http.header_timeout.value,
        idle_timeout: http.idle_timeout.value,
        drain_timeout: http.drain_timeout.value,
        ..Limits::default()
    };
    let front = Front::new(Arc::new(Handle::new(snapshot)));
    let encodings = http.compression.value;
    let compression = Compression {
        requests: matches!(encodings, Encodings::Both | Encodings::Requests),
        answers: matches!(encodings, Encodings::Both | Encodings::Answers),
    };
    Server::new(Fronted::new(front, compression, observer), limits, Places::new(default_connections()), stop)
}

/// One core: a runtime of its own, which serves its sockets until the drain is over.
fn serve_core(core: usize, server: &Server<Fronted>, sockets: Vec<std::net::TcpListener>) -> io::Result<()> {
    upstream::core::enter(core);
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        let mut serving = tokio::task::JoinSet::new();
        for socket in sockets {
            serving.spawn(server.clone().serve(socket));
        }
        while let Some(served) = serving.join_next().await {
            served.map_err(io::Error::other)??;
        }
        Ok(())
    });
    // A name that is still being looked up for an upstream must not hold the process back.
    runtime.shutdown_background();
    served
}

/// The signals that the process answers.
struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
}

impl Signals {
    /// Takes the signals from the system's defaults. Needs a runtime.
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGTERM or SIGINT. SIGHUP asks for a reload, which never kills.
    async fn stop(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    tracing::warn!("SIGHUP is ignored: this version does not reload; restart it instead");
                }
            }
        }
    }
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
