//! What calls have of a connection.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use super::engine::{Engine, Event, Ticket};
use super::hpack::Request;
use super::piece::Piece;
use super::reason::Error;

/// A connection that several tasks work on. All of them run on one core, so that the lock is practically never
/// contended.
#[derive(Debug)]
pub(super) struct Shared(Mutex<Engine>);

impl Shared {
    pub(super) fn new(engine: Engine) -> Arc<Self> {
        Arc::new(Self(Mutex::new(engine)))
    }

    /// Does something under the lock and then wakes the tasks that can go on by it.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Engine) -> T) -> T {
        self.with_woken(&mut Vec::new(), work)
    }

    /// The same, with memory for those tasks.
    pub(super) fn with_woken<T>(&self, woken: &mut Vec<Waker>, work: impl FnOnce(&mut Engine) -> T) -> T {
        let outcome = {
            let mut engine = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = work(&mut engine);
            engine.take_woken(woken);
            outcome
        };
        woken.drain(..).for_each(Waker::wake);
        outcome
    }
}

/// Opens streams on a connection, which ends once this is dropped and its streams have ended.
#[derive(Debug)]
pub struct Sender {
    shared: Arc<Shared>,
}

impl Sender {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Opens no stream until the peer has said how many it takes.
    pub fn hold(&self) {
        self.shared.with(Engine::hold);
    }

    /// The right to open a stream, if the peer takes one right now and nobody waits for that.
    ///
    /// # Errors
    /// When the connection takes no more streams for good. Nothing was sent.
    pub fn try_turn(&self) -> Result<Option<Turn>, Error> {
        let is_free = self.shared.with(Engine::try_turn)?;
        Ok(is_free.then(|| Turn { shared: Some(Arc::clone(&self.shared)) }))
    }

    /// Waits until the peer takes another stream. Those who wait take turns; who stops waiting leaves no trace.
    ///
    /// # Errors
    /// When the connection takes no more streams for good. Nothing was sent.
    pub async fn turn(&self) -> Result<Turn, Error> {
        let mut waiting = Waiting { shared: &self.shared, ticket: 0 };
        poll_fn(|cx| waiting.shared.with(|engine| engine.poll_turn(&mut waiting.ticket, cx))).await?;
        Ok(Turn { shared: Some(Arc::clone(&self.shared)) })
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.shared.with(Engine::let_go);
    }
}

struct Waiting<'a> {
    shared: &'a Shared,
    ticket: Ticket,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.ticket != 0 {
            self.shared.with(|engine| engine.leave_queue(&mut self.ticket));
        }
    }
}

/// The right to open one stream now.
#[derive(Debug)]
pub struct Turn {
    /// Absent once it is used.
    shared: Option<Arc<Shared>>,
}

impl Turn {
    /// Opens the stream. With a piece, that is all of the content, which leaves together with the headers as far as
    /// the windows allow; without one the content comes from [`Stream::sink`].
    ///
    /// # Errors
    /// When the connection takes no more streams, or no such headers. Nothing was sent.
    pub fn open(mut self, request: &Request<'_>, piece: Option<Piece>) -> Result<Stream, Error> {
        let shared = self.shared.take().ok_or(Error::Full)?;
        let (id, arrivals) = shared.with(|engine| {
            let id = engine.open(request, piece)?;
            Ok((id, engine.arrivals))
        })?;
        Ok(Stream { shared, id, arrivals })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(shared) = &self.shared {
            shared.with(Engine::give_back);
        }
    }
}

/// A stream. Dropped before both sides have sent everything, it is reset with CANCEL.
#[derive(Debug)]
pub struct Stream {
    shared: Arc<Shared>,
    id: u32,
    /// How often something had come on the connection when the stream was opened.
    arrivals: u32,
}

impl Stream {
    /// The next event of the answer. With `go_on` the peer may send as much again as is taken.
    ///
    /// # Errors
    /// Why the stream has ended, after all that came before.
    pub fn poll_event(&mut self, go_on: bool, cx: &Context<'_>) -> Poll<Result<Event, Error>> {
        self.shared.with(|engine| engine.poll_event(self.id, go_on, cx))
    }

    /// Sends no more, and throws away what comes before the end. With `go_on` the peer may send as much again as
    /// comes.
    pub fn discard(&mut self, go_on: bool) {
        self.shared.with(|engine| engine.discard(self.id, go_on));
    }

    /// Whether nothing at all has come on the connection since the stream was opened.
    pub fn is_silent(&self) -> bool {
        self.shared.with(|engine| engine.arrivals == self.arrivals)
    }

    /// Where the content of the request goes, if it did not come with the headers.
    pub fn sink(&self) -> Sink {
        Sink { shared: Arc::clone(&self.shared), id: self.id }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.with(|engine| engine.release(self.id));
    }
}

/// Sends the content of a request. Dropping it changes nothing.
#[derive(Debug)]
pub struct Sink {
    shared: Arc<Shared>,
    id: u32,
}

impl Sink {
    /// Sends a piece and waits until the windows have granted all of it. False when the peer takes no more, why is
    /// seen on the stream.
    pub async fn send(&mut self, piece: Piece) -> bool {
        self.shared.with(|engine| engine.send(self.id, Some(piece)));
        poll_fn(|cx| self.shared.with(|engine| engine.poll_sent(self.id, cx))).await
    }

    /// Sends the end.
    pub fn finish(self) {
        self.shared.with(|engine| engine.send(self.id, None));
    }
}
