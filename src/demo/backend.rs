//! Backends that can be broken, each with a listener, connections and a thread of its own.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

use super::World;
use super::services::Services;

/// How many calls one connection may have under way.
const MAX_STREAMS: u32 = 1_000;

/// How much longer each call takes at a backend that is slow.
pub const SLOWER_BY: Duration = Duration::from_millis(300);

/// What a backend serves, beside reflection and health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `bookstore.v1.Bookstore` and `chat.v1.Chat`.
    Bookstore,
    /// `users.v1.Users` and `users.v2.Users`.
    Users,
    /// `orders.v1.Orders`.
    Orders,
    /// `offers.v1.Offers`.
    Offers,
    /// `pages.v1.Pages`.
    Pages,
}

/// How a backend is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    Well,
    /// It answers each call [`SLOWER_BY`] later. Health checks are not delayed.
    Slow,
    /// It answers each call with UNAVAILABLE, but for health checks.
    Failing,
    /// It stands still, as under SIGSTOP: connections are accepted by the system, and nothing is read or answered.
    Hanging,
    /// As after SIGKILL: its port is closed and its connections are broken.
    Gone,
}

/// A running backend: gRPC over HTTP/2 without TLS, with reflection and health checks. It ends when this is dropped.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    wishes: mpsc::UnboundedSender<Wish>,
}

/// What is to become of a backend, and where to tell what came of that.
struct Wish {
    health: Health,
    done: SyncSender<io::Result<()>>,
}

impl Backend {
    /// Starts a backend on an address; port 0 is any that is free. Backends of one world know the same.
    ///
    /// # Errors
    /// Nobody can listen there, or the operating system refuses a thread.
    pub fn start(kind: Kind, address: SocketAddr, world: &World) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let (health, seen) = watch::channel(Health::Well);
        let services = Services::new(kind, world, seen)?;
        let running = Some(serve(listener, &services)?);
        let (wishes, heard) = mpsc::unbounded_channel();
        let life = Life { address, services, running, health, heard };
        thread::Builder::new().name("backend".into()).spawn(move || life.live())?;
        Ok(Self { address, wishes })
    }

    /// Where it listens, or listened before it was gone.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks it or brings it back, and waits until that is done.
    ///
    /// # Errors
    /// It was gone, and its address is not free any more. It is gone still.
    pub fn set(&self, health: Health) -> io::Result<()> {
        let (done, outcome) = sync_channel(1);
        self.wishes.send(Wish { health, done }).map_err(io::Error::other)?;
        outcome.recv().map_err(io::Error::other).flatten()
    }
}

/// What the thread of a backend knows.
struct Life {
    address: SocketAddr,
    services: Services,
    /// The listener and the connections; nothing while it is gone.
    running: Option<Runtime>,
    health: watch::Sender<Health>,
    heard: mpsc::UnboundedReceiver<Wish>,
}

impl Life {
    fn live(mut self) {
        while let Some(Wish { health, done }) = self.next_wish() {
            // Whoever has wished for it may have left.
            let _ = done.send(self.change(health));
        }
    }

    /// Serves until something is wished for.
    fn next_wish(&mut self) -> Option<Wish> {
        match &self.running {
            Some(runtime) if *self.health.borrow() != Health::Hanging => runtime.block_on(self.heard.recv()),
            // Nobody drives the runtime, so nothing of what it serves goes on.
            _ => self.heard.blocking_recv(),
        }
    }

    fn change(&mut self, health: Health) -> io::Result<()> {
        if health == Health::Gone {
            // With the runtime go all that it has open.
            self.running = None;
        } else if self.running.is_none() {
            self.running = Some(serve(TcpListener::bind(self.address)?, &self.services)?);
        }
        self.health.send_replace(health);
        Ok(())
    }
}

/// A runtime that serves on a listener whenever it is driven.
fn serve(listener: TcpListener, services: &Services) -> io::Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    listener.set_nonblocking(true)?;
    let listener = {
        let _entered = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let services = services.clone();
    runtime.spawn(async move {
        let server = Server::builder().max_concurrent_streams(MAX_STREAMS);
        if let Err(error) = server.serve_with_incoming(services, incoming).await {
            tracing::error!(%error, "a backend of the demo ended");
        }
    });
    Ok(runtime)
}
