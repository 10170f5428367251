//! A connection that is kept: made anew when it ends.
//!
//! ```text
//!              it serves
//!   Opening --------------> Up
//!    |   ^                  | |
//!    |   +------------------+ | it is late, or suspended
//!    |     it ended           |
//!    | it takes too long,     v
//!    +-------------------> Away     tried again with growing pauses
//! ```
//!
//! A demand waits only while a connection is opening, and for its reply. Nobody waits for one that is away.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};

use super::connect::{self, Address, Fault};
use super::driver::{self, Request, Watcher};
use super::health::{Lack, Mark};
use super::resp::Reply;
use super::{Servers, Shared};
use crate::telemetry::random;
use crate::tls::dial::Socket;

const FIRST_REST: Duration = Duration::from_millis(20);
const LONGEST_REST: Duration = Duration::from_secs(2);

/// A server, and the one connection of a core to it.
#[derive(Debug)]
pub(super) struct Link {
    kept: Arc<Kept>,
    requests: mpsc::UnboundedSender<Request>,
}

/// What a connection can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is worth a demand's time to wait.
    Opening,
    /// It answers.
    Up,
    /// It does not, and whoever asks is told so at once.
    Away,
}

/// Where a connection leads.
#[derive(Clone, Debug)]
pub(super) enum End {
    /// To this server.
    Fixed(Address),
    /// To the primary that the sentinels name.
    Primary,
}

#[derive(Debug)]
struct Kept {
    shared: Arc<Shared>,
    end: End,
    state: watch::Sender<State>,
    /// Asks for another connection in place of this one.
    renew: Notify,
}

impl Link {
    /// Begins to connect, on the runtime of this thread. It goes on until the link is dropped.
    pub(super) fn start(shared: &Arc<Shared>, end: End) -> Self {
        let state = watch::Sender::new(State::Opening);
        let kept = Arc::new(Kept { shared: Arc::clone(shared), end, state, renew: Notify::new() });
        let (requests, receiver) = mpsc::unbounded_channel();
        tokio::spawn(keep(Arc::clone(&kept), receiver));
        Self { kept, requests }
    }

    pub(super) fn state(&self) -> State {
        *self.kept.state.borrow()
    }

    /// Where it leads, if that is always the same.
    pub(super) fn server(&self) -> Option<&Address> {
        match &self.kept.end {
            End::Fixed(server) => Some(server),
            End::Primary => None,
        }
    }

    /// Sends commands, of whose replies the first ones are skipped, and waits for one. The time is for the caller to
    /// bound.
    pub(super) async fn ask(
        &self,
        places: &Arc<Semaphore>,
        commands: Vec<u8>,
        skip: usize,
    ) -> Result<Reply, Lack> {
        self.opened().await?;
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| Lack::Crowded)?;
        let (answer, receiver) = oneshot::channel();
        self.requests.send(Request { commands, skip, answer, place }).map_err(|_| Lack::Away)?;
        receiver.await.map_err(|_| Lack::Away)
    }

    /// Lets go of the connection, as what it leads to cannot do what is needed.
    pub(super) fn renew(&self) {
        self.kept.renew.notify_waiters();
    }

    async fn opened(&self) -> Result<(), Lack> {
        match self.state() {
            State::Up => return Ok(()),
            State::Away => return Err(Lack::Away),
            State::Opening => {}
        }
        let mut state = self.kept.state.subscribe();
        match state.wait_for(|state| *state != State::Opening).await.as_deref() {
            Ok(State::Up) => Ok(()),
            _ => Err(Lack::Away),
        }
    }
}

/// Connects again and again.
async fn keep(kept: Arc<Kept>, mut requests: mpsc::UnboundedReceiver<Request>) {
    let mut life = Life { kept, mark: Mark::new(), has_served: false };
    let mut failures = 0;
    while !requests.is_closed() {
        let fault = match life.open().await {
            Ok((socket, server)) => match life.serve(socket, &server, &mut requests).await {
                Ok(()) => break,
                Err(fault) => fault,
            },
            Err(fault) => fault,
        };
        // Those who wait are told so.
        while requests.try_recv().is_ok() {}
        if std::mem::take(&mut life.has_served) && !matches!(fault, Fault::Replica) {
            // It may be back at once, which is worth waiting for if nobody has waited in vain yet.
            tracing::debug!(server = life.name(), error = %fault, "a connection to the store of limits ended");
            failures = 0;
            if *life.kept.state.borrow() == State::Up {
                life.kept.state.send_replace(State::Opening);
            }
            continue;
        }
        life.away(&fault);
        let rest = rest_after(failures, random::next());
        failures = failures.saturating_add(1);
        tracing::debug!(server = life.name(), error = %fault, ?rest, "the store of limits cannot be used");
        sleep(rest).await;
    }
    let name = life.name();
    life.kept.shared.health.drop(&mut life.mark, &name);
}

/// The life of a link, over all its connections.
struct Life {
    kept: Arc<Kept>,
    mark: Mark,
    /// Whether the present connection has served.
    has_served: bool,
}

impl Life {
    fn name(&self) -> String {
        match &self.kept.end {
            End::Fixed(address) => address.to_string(),
            End::Primary => match &self.kept.shared.settings.servers {
                Servers::Sentinels { name, .. } => name.to_string(),
                _ => String::new(),
            },
        }
    }

    /// Connects. Demands do not wait for longer than one of them may take.
    async fn open(&mut self) -> Result<(Socket, Address), Fault> {
        let kept = Arc::clone(&self.kept);
        let settings = &kept.shared.settings;
        let end = self.kept.end.clone();
        let mut opened = Box::pin(async move {
            let deadline = Instant::now() + settings.connect;
            match (end, &settings.servers) {
                (End::Fixed(server), _) => {
                    Ok((connect::open(settings, &server, false, deadline).await?, server))
                }
                (End::Primary, Servers::Sentinels { sentinels, name }) => {
                    let server = connect::ask_sentinels(settings, sentinels, name, deadline).await?;
                    Ok((connect::open(settings, &server, true, deadline).await?, server))
                }
                (End::Primary, _) => Err(Fault::Unknown("there are none".into())),
            }
        });
        tokio::select! {
            biased;
            opened = &mut opened => return opened,
            () = sleep(settings.time) => {}
        }
        self.away(&Fault::Late);
        opened.await
    }

    async fn serve(
        &mut self,
        socket: Socket,
        server: &Address,
        requests: &mut mpsc::UnboundedReceiver<Request>,
    ) -> Result<(), Fault> {
        tracing::debug!(%server, "connected to the store of limits");
        let (kept, time) = (Arc::clone(&self.kept), self.kept.shared.settings.time);
        tokio::select! {
            ended = driver::run(socket, requests, self, time) => ended,
            () = kept.renew.notified() => Err(Fault::Replica),
        }
    }

    fn away(&mut self, why: &Fault) {
        let name = self.name();
        self.kept.shared.health.lost(&mut self.mark, &name, &why.to_string());
        self.kept.state.send_replace(State::Away);
    }
}

impl Watcher for Life {
    fn serves(&mut self) {
        self.has_served = true;
        let name = self.name();
        self.kept.shared.health.up(&mut self.mark, &name);
        self.kept.state.send_replace(State::Up);
    }

    fn suspended(&mut self) {
        self.away(&Fault::Late);
    }
}

/// Half of the doubled time, and a random part of the other half, so that many gateways do not knock at a server in step.
pub(super) fn rest_after(failures: u32, random: u64) -> Duration {
    let full = FIRST_REST.saturating_mul(1 << failures.min(10)).min(LONGEST_REST);
    full / 2 + (full / 2).mul_f64(random as f64 / u64::MAX as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_from_20_ms_to_2_s_with_jitter_over_the_upper_half() {
        for (failures, full) in [(0, 20), (1, 40), (2, 80), (6, 1280), (7, 2000), (u32::MAX, 2000)] {
            let full = Duration::from_millis(full);
            assert_eq!((rest_after(failures, 0), rest_after(failures, u64::MAX)), (full / 2, full));
        }
    }
}
