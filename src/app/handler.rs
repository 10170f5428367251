//! The joint between the server, which knows HTTP, and the front, which knows methods.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::front::{AnswerBody, Front};
use crate::server::compress::Compression;
use crate::server::compress::answer::Encoded;
use crate::server::refusal::Refusal;
use crate::server::{Handler, Peer};
use crate::status::Status;

/// A front as the handler of a server, with the layers between them.
#[derive(Debug)]
pub(super) struct Fronted {
    front: Front,
    compression: Compression,
}

impl Fronted {
    pub(super) const fn new(front: Front, compression: Compression) -> Self {
        Self { front, compression }
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
