//! The threads that serve: one for each core, each with a runtime of its own.

use std::io;
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::server::{Handler, Server};
use crate::upstream;

/// What a core is told.
pub(super) enum Command<H> {
    /// To serve a socket until the server's signal.
    Serve(Server<H>, TcpListener),
    /// To say that it is alive.
    Answer(oneshot::Sender<()>),
}

/// Tells a core what to do. The core ends once all of its orders are dropped and everything that it serves has
/// ended.
pub(super) type Orders<H> = mpsc::UnboundedSender<Command<H>>;

/// The cores, and their threads.
pub(super) struct Cores<H> {
    pub(super) orders: Vec<Orders<H>>,
    pub(super) threads: Vec<JoinHandle<()>>,
}

/// Starts the threads of all cores. What goes wrong with one of them is sent to `failed`.
///
/// # Errors
/// The operating system refuses a thread.
pub(super) fn start<H: Handler>(
    count: usize,
    failed: &mpsc::UnboundedSender<io::Error>,
) -> io::Result<Cores<H>> {
    keep_freed_memory();
    let mut cores = Cores { orders: Vec::with_capacity(count), threads: Vec::with_capacity(count) };
    for core in 0..count {
        let (orders, commands) = mpsc::unbounded_channel();
        let failed = failed.clone();
        let run = move || {
            if let Err(error) = run(core, commands) {
                // Whoever listens has ended when nobody does.
                let _ = failed.send(error);
            }
        };
        cores.threads.push(thread::Builder::new().name(format!("core-{core}")).spawn(run)?);
        cores.orders.push(orders);
    }
    Ok(cores)
}

/// Lets the allocator of the GNU C library keep up to 4 MiB that a core has freed, in place of 128 KiB: it asks the
/// operating system for the same memory again and again otherwise, which is a fifth of the processor time of a gRPC
/// call with a message of 31 KB.
///
/// The library takes the size of the largest block that it has mapped and freed, here 2 MiB, for what a program comes
/// back to, and keeps twice as much (mallopt(3), `M_MMAP_THRESHOLD`). Nothing is written to the block, so that it
/// takes no memory. Other allocators are not impressed.
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(2 << 20)));
}

/// One core: serves what it is told to, until everything has ended.
fn run<H: Handler>(core: usize, commands: mpsc::UnboundedReceiver<Command<H>>) -> io::Result<()> {
    upstream::core::enter(core);
    let runtime = super::runtime()?;
    let served = runtime.block_on(obey(commands));
    // A name that is still being looked up for an upstream must not hold the process back.
    runtime.shutdown_background();
    served
}

/// Serves the sockets that come, until no more can come and all have ended.
pub(super) async fn obey<H: Handler>(mut commands: mpsc::UnboundedReceiver<Command<H>>) -> io::Result<()> {
    let mut serving = JoinSet::new();
    let mut is_open = true;
    while is_open || !serving.is_empty() {
        tokio::select! {
            command = commands.recv(), if is_open => match command {
                Some(Command::Serve(server, socket)) => {
                    serving.spawn(server.serve(socket));
                }
                // Nobody may wait for it any more.
                Some(Command::Answer(alive)) => drop(alive.send(())),
                None => is_open = false,
            },
            Some(served) = serving.join_next() => served.map_err(io::Error::other)??,
        }
    }
    Ok(())
}

/// Whether all cores answer. Resolves when they have, or when one of them is gone.
pub(super) async fn all_answer<H>(cores: &[Orders<H>]) -> bool {
    let mut answers = Vec::with_capacity(cores.len());
    for core in cores {
        let (alive, answer) = oneshot::channel();
        if core.send(Command::Answer(alive)).is_err() {
            return false;
        }
        answers.push(answer);
    }
    for answer in answers {
        if answer.await.is_err() {
            return false;
        }
    }
    true
}
