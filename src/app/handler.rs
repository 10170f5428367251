//! The joint between the server, which knows HTTP, and the front, which knows methods.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use super::observe::Observer;
use super::observe::body::{Received, Watched};
use crate::call::service::BoxFuture;
use crate::config::Config;
use crate::config::limits::Encodings;
use crate::front::{Front, Stop, Stopping};
use crate::server::compress::Compression;
use crate::server::compress::answer::Encoded;
use crate::server::drain::Signal;
use crate::server::refusal::Refusal;
use crate::server::{Handler, Peer};
use crate::snapshot::handle::Handle;
use crate::status::Status;

/// A front as the handler of a server, with the layers between them.
#[derive(Debug)]
pub(super) struct Fronted {
    front: Front,
    compression: Compression,
    observer: Arc<Observer>,
}

impl Fronted {
    /// What a configuration says about connections, in front of the snapshots of `handle`, with what observes them.
    pub(super) fn of(config: &Config, handle: &Arc<Handle>, observer: &Arc<Observer>) -> Self {
        let encodings = config.http.compression.value;
        let compression = Compression {
            requests: matches!(encodings, Encodings::Both | Encodings::Requests),
            answers: matches!(encodings, Encodings::Both | Encodings::Answers),
        };
        Self { front: Front::new(Arc::clone(handle)), compression, observer: Arc::clone(observer) }
    }
}

/// The signal of the server, as the front knows it.
struct Told(Signal);

impl Stop for Told {
    fn is_given(&self) -> bool {
        self.0.is_given()
    }

    fn given(&self) -> BoxFuture<()> {
        Box::pin(self.0.given())
    }
}

impl Handler for Fronted {
    type Body = Watched;

    async fn call(self: Arc<Self>, mut request: Request<Incoming>, peer: Arc<Peer>) -> Response<Watched> {
        // Dropped with this future when the caller leaves, and then recorded as such.
        let mut observed = self.observer.observe(&request, peer.remote);
        self.observer.identify(&mut request, &mut observed);
        let received = observed.received();
        if let Some(signal) = request.extensions_mut().remove::<Signal>() {
            request.extensions_mut().insert(Stopping(Arc::new(Told(signal))));
        }
        let (request, terms) = self.compression.open(request.map(|body| Received::new(body, received)));
        let answer = self.front.answer(request, peer.remote, peer.tls.clone(), &mut observed.seen).await;
        if answer.body().socket().is_some() {
            // Nothing of it is an answer's body.
            return observed.answered(answer.map(Encoded::plain));
        }
        observed.answered(terms.close(answer))
    }

    fn refuse(&self, refusal: Refusal) -> Response<Watched> {
        self.front.refuse(&Status::from(refusal)).map(Encoded::plain).map(Watched::unobserved)
    }

    fn refuse_request(
        &self,
        refusal: Refusal,
        request: &Request<Incoming>,
        peer: &Peer,
    ) -> Response<Watched> {
        let observed = self.observer.observe(request, peer.remote);
        observed.answered(self.front.refuse(&Status::from(refusal)).map(Encoded::plain))
    }
}
