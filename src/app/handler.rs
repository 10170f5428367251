//! The joint between the server, which knows HTTP, and the front, which knows methods.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::front::Front;
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
    type Body = Full<Bytes>;

    async fn call(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Self::Body> {
        self.0.answer(request, peer.remote).await
    }

    fn refuse(&self, refusal: Refusal) -> Response<Self::Body> {
        self.0.refuse(&Status::from(refusal))
    }
}
