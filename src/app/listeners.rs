//! What is listened on: sockets are opened and closed while the process runs.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use super::cores::{Command, Orders};
use super::systemd::Inherited;
use crate::server::drain::Drain;
use crate::server::listen::{ListenError, bind, bind_beside};
use crate::server::{Handler, Server};
use crate::tls::server::Acceptor;

/// The open sockets of one server on all of its cores.
pub(super) struct Listeners<H> {
    cores: Vec<Orders<H>>,
    server: Server<H>,
    open: Vec<Open>,
}

struct Open {
    /// As the configuration says.
    wanted: SocketAddr,
    /// Where it is: another port where that is 0.
    actual: SocketAddr,
    /// What speaks TLS on it.
    tls: Option<Arc<Acceptor>>,
    /// Whether it is for proxies.
    proxied: bool,
    drain: Drain,
}

/// What is to be listened on, what is to speak TLS on it, and whether proxies say there whose connections they pass on.
pub(super) type Wanted = (SocketAddr, Option<Arc<Acceptor>>, bool);

/// How the open sockets become others. What is new is bound already.
pub(super) struct Change {
    /// Which of the open ones stay, by position, with what takes the place of what speaks TLS.
    stays: Vec<Option<Option<Arc<Acceptor>>>>,
    opened: Vec<(Wanted, Vec<TcpListener>)>,
    /// What speaks TLS when it is done, in the order in which it was wanted: what does so already where a socket stays.
    pub(super) tls: Vec<Option<Arc<Acceptor>>>,
}

impl Change {
    /// Whether everything stays as it is.
    pub(super) fn is_empty(&self) -> bool {
        self.opened.is_empty() && self.stays.iter().all(Option::is_some)
    }
}

impl<H: Handler> Listeners<H> {
    pub(super) const fn new(cores: Vec<Orders<H>>, server: Server<H>) -> Self {
        Self { cores, server, open: Vec::new() }
    }

    /// Binds the addresses that are not open yet. Nothing is closed and nothing served so far.
    ///
    /// # Errors
    /// Every address that cannot be listened on, by its position.
    pub(super) fn plan(
        &self,
        wanted: &[Wanted],
        inherited: &mut Inherited,
    ) -> Result<Change, Vec<(usize, ListenError)>> {
        let mut stays = vec![None; self.open.len()];
        let mut serving = Vec::with_capacity(wanted.len());
        let mut opened = Vec::new();
        let mut errors = Vec::new();
        for (position, (address, tls, proxied)) in wanted.iter().enumerate() {
            let address = *address;
            let is_same = |open: &Open| {
                open.wanted == address && open.tls.is_some() == tls.is_some() && open.proxied == *proxied
            };
            let same = (0..self.open.len()).find(|open| stays[*open].is_none() && is_same(&self.open[*open]));
            if let Some(same) = same {
                stays[same] = Some(tls.clone());
                serving.push(self.open[same].tls.clone());
                continue;
            }
            serving.push(tls.clone());
            let bound = match inherited.take(address, self.cores.len()) {
                Some(sockets) => Ok(sockets),
                None if self.overlaps(address) => bind_beside(address, self.cores.len()),
                None => bind(address, self.cores.len()),
            };
            match bound {
                Ok(sockets) => opened.push(((address, tls.clone(), *proxied), sockets)),
                Err(error) => errors.push((position, error)),
            }
        }
        if errors.is_empty() { Ok(Change { stays, opened, tls: serving }) } else { Err(errors) }
    }

    /// Whether one of our own sockets makes an address look as if it were in use.
    fn overlaps(&self, address: SocketAddr) -> bool {
        address.port() != 0
            && self.open.iter().any(|open| {
                let ips = [open.actual.ip(), address.ip()];
                open.actual.port() == address.port()
                    && (ips[0] == ips[1] || ips.iter().any(std::net::IpAddr::is_unspecified))
            })
    }

    /// Serves what was opened and lets go of what is no longer wanted: its connections finish their calls.
    pub(super) fn apply(&mut self, change: Change) {
        let mut stays = change.stays.into_iter();
        self.open.retain(|open| {
            let stays = stays.next().flatten();
            match (&stays, &open.tls) {
                (Some(Some(new)), Some(tls)) => tls.replace(new),
                (Some(_), _) => {}
                (None, _) => {
                    tracing::info!(address = %open.actual, "no longer listening");
                    open.drain.stop();
                }
            }
            stays.is_some()
        });
        for ((wanted, tls, proxied), sockets) in change.opened {
            let actual = sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(wanted);
            let (drain, signal) = Drain::new();
            for (core, socket) in self.cores.iter().zip(sockets) {
                // A core that has ended was told of as a failure.
                let server = self.server.until(signal.clone());
                let server = match &tls {
                    Some(tls) => server.secured(Arc::clone(tls)),
                    None => server,
                };
                let server = if proxied { server.proxied() } else { server };
                let _ = core.send(Command::Serve(server, socket));
            }
            self.open.push(Open { wanted, actual, tls, proxied, drain });
        }
    }

    /// The addresses that are open and whether they speak TLS, in the order in which they were opened.
    pub(super) fn places(&self) -> impl Iterator<Item = (SocketAddr, bool)> {
        self.open.iter().map(|open| (open.actual, open.tls.is_some()))
    }

    /// The addresses that are open, in the order in which they were opened.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        self.open.iter().map(|open| open.actual).collect()
    }

    /// The server, to give it other limits.
    pub(super) const fn server(&self) -> &Server<H> {
        &self.server
    }

    /// The cores that serve.
    pub(super) fn cores(&self) -> &[Orders<H>] {
        &self.cores
    }

    /// Stops everything: connections finish their calls within the bound of the server.
    pub(super) fn stop(self) {
        self.open.iter().for_each(|open| open.drain.stop());
    }
}
