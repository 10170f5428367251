//! The joint between the application and its admin listener.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use serde_json::Value as Json;
use tokio::sync::{mpsc, oneshot};

use super::meters;
use crate::admin::guard::Token;
use crate::admin::{self, Admin, Gateway, Outcome, Said};
use crate::call::service::BoxFuture;
use crate::compile::live::Live;
use crate::config::Config;
use crate::config::problem::{Problem, Problems, Severity};
use crate::config::settings::Setting;
use crate::policy::introspection;
use crate::policy::jwt::source;
use crate::server::refusal::Refusal;
use crate::server::{Handler, Peer};
use crate::snapshot::Snapshot;
use crate::snapshot::handle::Handle;
use crate::upstream::report::Report;

/// How many orders to reload may wait to be taken up. All of them get the answer of one reload.
const ORDERS: usize = 256;

/// Somebody who waits for a reload.
pub(super) type Order = oneshot::Sender<Outcome>;

/// What the admin side can see of the application.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) handle: Arc<Handle>,
    current: ArcSwap<Current>,
    draining: AtomicBool,
    orders: mpsc::Sender<Order>,
}

/// What belongs to the generation that is served.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) generation: u64,
    pub(super) config: Arc<Config>,
    pub(super) live: Live,
    pub(super) token: Option<Arc<Token>>,
}

impl Shared {
    pub(super) fn new(snapshot: Snapshot, current: Current) -> (Arc<Self>, mpsc::Receiver<Order>) {
        let (orders, receiver) = mpsc::channel(ORDERS);
        let shared = Self {
            handle: Arc::new(Handle::new(snapshot)),
            current: ArcSwap::from_pointee(current),
            draining: AtomicBool::new(false),
            orders,
        };
        (Arc::new(shared), receiver)
    }

    pub(super) fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    pub(super) fn replace(&self, current: Current) {
        self.current.store(Arc::new(current));
    }

    /// From now on the process says that it is not ready.
    pub(super) fn drain(&self) {
        self.current().live.health().drain();
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// The side of [`Shared`] that the admin listener sees.
pub(super) struct View(pub(super) Arc<Shared>);

impl Gateway for View {
    fn handle(&self) -> &Handle {
        &self.0.handle
    }

    fn generation(&self) -> u64 {
        self.0.current.load().generation
    }

    fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }

    fn configuration(&self) -> Json {
        // Secrets are written as their places.
        self.0.current.load().config.written().unwrap_or_default()
    }

    fn upstreams(&self) -> Vec<(String, Report)> {
        let current = self.0.current.load();
        current.live.reports().map(|(name, report)| (name.to_owned(), report)).collect()
    }

    fn identities(&self) -> (Vec<source::Report>, Vec<introspection::Report>) {
        self.0.current.load().live.identities()
    }

    fn metrics(&self) -> String {
        meters::render()
    }

    fn token(&self) -> Option<Arc<Token>> {
        self.0.current.load().token.clone()
    }

    fn reload(&self) -> BoxFuture<Outcome> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let (order, outcome) = oneshot::channel();
            let outcome = match shared.orders.send(order).await {
                Ok(()) => outcome.await.ok(),
                Err(_) => None,
            };
            outcome.unwrap_or_else(|| Outcome {
                reloaded: false,
                generation: shared.current.load().generation,
                errors: vec![Said {
                    message: "The process is stopping, so that it does not reload.".into(),
                    place: None,
                    hint: None,
                }],
                warnings: Vec::new(),
            })
        })
    }
}

/// What is told to those who wait for a reload.
pub(super) fn outcome(reloaded: bool, generation: u64, problems: &Problems) -> Outcome {
    let of = |severity: Severity| {
        let list = problems.in_order().into_iter().filter(|problem| problem.severity == severity);
        list.map(|problem| said(problem, problems)).collect()
    };
    Outcome { reloaded, generation, errors: of(Severity::Error), warnings: of(Severity::Warning) }
}

fn said(problem: &Problem, problems: &Problems) -> Said {
    let place = problem.place.and_then(|place| problems.sources.position(place));
    Said {
        message: problem.message.clone(),
        place: place.map(|(name, line, column)| format!("{name}:{line}:{column}")),
        hint: problem.hint.clone(),
    }
}

/// The admin side as the handler of a server.
#[derive(Debug)]
pub(super) struct Operators(pub(super) Admin);

impl Handler for Operators {
    type Body = Body;

    async fn call(self: Arc<Self>, request: Request<Incoming>, _: Arc<Peer>) -> Response<Body> {
        self.0.answer(request).await
    }

    fn refuse(&self, refusal: Refusal) -> Response<Body> {
        admin::refused(refusal.http(), &refusal.to_string())
    }
}
