//! The joint between the server, which knows HTTP, and the front, which knows methods.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::config::Config;
use crate::config::limits::Encodings;
use crate::front::{AnswerBody, Front};
use crate::server::compress::Compression;
use crate::server::compress::answer::Encoded;
use crate::server::refusal::Refusal;
use crate::server::{Handler, Peer};
use crate::snapshot::handle::Handle;
use crate::status::Status;

/// A front as the handler of a server, with the layers between them.
#[derive(Debug)]
pub(super) struct Fronted {
    front: Front,
    compression: Compression,
}

impl Fronted {
    /// What a configuration says about connections, in front of the snapshots of `handle`.
    pub(super) fn of(config: &Config, handle: &Arc<Handle>) -> Self {
        let encodings = config.http.compression.value;
        let compression = Compression {
            requests: matches!(encodings, Encodings::Both | Encodings::Requests),
            answers: matches!(encodings, Encodings::Both | Encodings::Answers),
        };
        Self { front: Front::new(Arc::clone(handle)), compression }
    }
}

impl Handler for Fronted {
    type Body = Encoded<AnswerBody>;

    async fn call(self: Arc<Self>, request: Request<Incoming>, peer: Arc<Peer>) -> Response<Self::Body> {
        let (request, terms) = self.compression.open(request);
        terms.close(self.front.answer(request, peer.remote, peer.tls.clone()).await)
    }

    fn refuse(&self, refusal: Refusal) -> Response<Self::Body> {
        self.front.refuse(&Status::from(refusal)).map(Encoded::plain)
    }
}
