//! `grpc.health.v1.Health`: how the gateway and each service that it exposes fare.
//!
//! Nothing is asked for it: it is what the gateway knows from carrying calls.
//! Specification: <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{end, late, read, reply, until, wire};
use crate::call::service::{BoxFuture, CallService};
use crate::call::{Call, Part, Replies, Reply};
use crate::status::{Code, Status};

/// The full name of the service.
pub const SERVICE: &str = "grpc.health.v1.Health";

/// The longest question, in bytes: the name of a service.
const MAX_QUESTION: usize = 1_024;

/// How many may watch at a time.
pub const MAX_WATCHERS: usize = 10_000;

/// How a service fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub enum Serving {
    /// Never said.
    Unknown = 0,
    /// Calls can be carried, as far as is known.
    Serving = 1,
    /// Calls cannot be carried now.
    NotServing = 2,
    /// There is no such service.
    ServiceUnknown = 3,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Question {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
struct Answer {
    #[prost(enumeration = "Serving", tag = "1")]
    status: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct List {
    #[prost(btree_map = "string, message", tag = "1")]
    statuses: BTreeMap<String, Answer>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Nothing {}

/// What a generation of the configuration serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Served {
    /// Whether the gateway as a whole is of use.
    pub is_ready: bool,
    /// The services that are exposed, by their full names.
    pub services: BTreeMap<String, By>,
    /// Whether their names may be listed.
    pub may_be_listed: bool,
}

/// Who answers a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The gateway itself.
    Gateway,
    /// The upstream of this name.
    Upstream(Arc<str>),
    /// One whose descriptors could not be had.
    Nobody,
}

/// What is known of how services fare. It outlives generations of the configuration; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    known: watch::Sender<Known>,
    watchers: AtomicUsize,
}

#[derive(Clone, Debug, Default)]
struct Known {
    stage: Stage,
    served: Arc<Served>,
    /// The upstreams that cannot be reached.
    away: BTreeSet<Arc<str>>,
}

/// How far the process is with stopping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Serving,
    /// Nothing new should come.
    Draining,
    /// Connections are closed.
    Stopping,
}

impl Board {
    /// Another generation is served.
    pub fn serve(&self, served: Arc<Served>) {
        self.0.known.send_if_modified(|known| {
            let is_news = known.served != served;
            known.served = served;
            is_news
        });
    }

    /// These upstreams, and no others, cannot be reached.
    pub fn away(&self, upstreams: BTreeSet<Arc<str>>) {
        self.0.known.send_if_modified(|known| {
            let is_news = known.away != upstreams;
            known.away = upstreams;
            is_news
        });
    }

    /// The process is about to stop: nothing is said to be served from now on.
    pub fn drain(&self) {
        self.advance(Stage::Draining);
    }

    /// Connections are closed: those who watch are sent away, so that nobody waits for them.
    pub fn stop(&self) {
        self.advance(Stage::Stopping);
    }

    fn advance(&self, stage: Stage) {
        self.0.known.send_if_modified(|known| {
            let is_news = known.stage < stage;
            known.stage = known.stage.max(stage);
            is_news
        });
    }

    /// How many watch.
    pub fn watchers(&self) -> usize {
        self.0.watchers.load(Ordering::Relaxed)
    }

    fn watch(&self, service: String, deadline: Option<Instant>) -> Reply {
        let Some(place) = Place::take(&self.0) else {
            let text = format!("{MAX_WATCHERS} callers watch already. Use Check, or try again later.");
            return Status::gateway(Code::ResourceExhausted, text).into();
        };
        let watcher = Watcher {
            known: self.0.known.subscribe(),
            service,
            last: None,
            deadline,
            is_over: false,
            _place: place,
        };
        let replies: Replies = Box::pin(stream::unfold(watcher, Watcher::next));
        Reply { stream: Some(replies), ..Reply::from(Status::ok()) }
    }
}

impl Known {
    fn of(&self, service: &str) -> Serving {
        let is_up = match self.served.services.get(service) {
            None if service.is_empty() => self.served.is_ready,
            None => return Serving::ServiceUnknown,
            Some(By::Gateway) => true,
            Some(By::Upstream(name)) => !self.away.contains(name),
            Some(By::Nobody) => false,
        };
        if is_up && self.stage == Stage::Serving { Serving::Serving } else { Serving::NotServing }
    }

    fn list(&self) -> List {
        let names = self.served.services.keys().filter(|_| self.served.may_be_listed);
        let names = std::iter::once("").chain(names.map(String::as_str));
        let answers = names.map(|name| (name.to_owned(), Answer { status: self.of(name).into() }));
        List { statuses: answers.collect() }
    }
}

/// A place among those who watch.
struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let place = Self(Arc::clone(shared));
        (shared.watchers.fetch_add(1, Ordering::Relaxed) < MAX_WATCHERS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One who watches a service.
struct Watcher {
    known: watch::Receiver<Known>,
    service: String,
    /// What was said last.
    last: Option<Serving>,
    deadline: Option<Instant>,
    is_over: bool,
    _place: Place,
}

impl Watcher {
    async fn next(mut self) -> Option<(Part, Self)> {
        if self.is_over {
            return None;
        }
        loop {
            let (serving, stage) = {
                let known = self.known.borrow_and_update();
                (known.of(&self.service), known.stage)
            };
            if self.last != Some(serving) {
                self.last = Some(serving);
                return Some((Part::Message(wire(&Answer { status: serving.into() })), self));
            }
            if stage == Stage::Stopping {
                self.is_over = true;
                let text = "The gateway is stopping. Watch another one.";
                return Some((end(Status::gateway(Code::Unavailable, text)), self));
            }
            tokio::select! {
                // The board lasts as long as somebody has a place.
                _ = self.known.changed() => {}
                () = until(self.deadline) => {
                    self.is_over = true;
                    return Some((end(late()), self));
                }
            }
        }
    }
}

/// A method of the service.
#[derive(Clone, Debug)]
pub struct Health {
    board: Board,
    method: Method,
}

#[derive(Clone, Copy, Debug)]
enum Method {
    Check,
    List,
    Watch,
}

impl Health {
    /// The method of this name.
    pub fn new(board: &Board, method: &str) -> Option<Self> {
        let method = match method {
            "Check" => Method::Check,
            "List" => Method::List,
            "Watch" => Method::Watch,
            _ => return None,
        };
        Some(Self { board: board.clone(), method })
    }

    async fn answer(self, call: Call) -> Result<Reply, Status> {
        let message = call.body.message().await?;
        let encoding = call.encodings.request.as_ref();
        if matches!(self.method, Method::List) {
            let Nothing {} = read(&message, encoding, MAX_QUESTION)?;
            return Ok(reply(&self.board.0.known.borrow().list()));
        }
        let Question { service } = read(&message, encoding, MAX_QUESTION)?;
        if matches!(self.method, Method::Watch) {
            return Ok(self.board.watch(service, call.deadline));
        }
        match self.board.0.known.borrow().of(&service) {
            Serving::ServiceUnknown => {
                let text = format!("There is no service {service:?} here.");
                Err(Status::caller(Code::NotFound, text))
            }
            serving => Ok(reply(&Answer { status: serving.into() })),
        }
    }
}

impl CallService for Health {
    fn call(&self, call: Call) -> BoxFuture<Reply> {
        let health = self.clone();
        Box::pin(async move { health.answer(call).await.unwrap_or_else(Reply::from) })
    }
}
