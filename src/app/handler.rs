//! The joint between the server, which knows HTTP, and the front, which knows methods.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::front::{AnswerBody, Front};
use crate::server::refusal::Refusal;
use crate::server::{Handler, Peer};
use crate::status::Status;

/// A front as the handler of a server.
#[derive(Debug)]
pub(super) struct Fronted(Front);

impl Fronted {
    pub(super) const fn new(front: Front) -> Self {
        Self(front)
    }
}

impl Handler for Fronted {
    type Body = AnswerBody;

    async fn call(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Self::Body> {
        self.0.answer(request, peer.remote).await
    }

    fn refuse(&self, refusal: Refusal) -> Response<Self::Body> {
        self.0.refuse(&Status::from(refusal))
    }
}
