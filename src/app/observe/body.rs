//! The bodies of requests and answers, watched.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use hyper::body::{Body, Frame, SizeHint};

use super::{METHOD_NAMES, Observed, Outcome, left};
use crate::front::AnswerBody;
use crate::front::request_id::REQUEST_ID;
use crate::server::compress::answer::Encoded;
use crate::status::Code;

/// The body of a request, whose bytes are counted if anybody wants to know.
#[derive(Debug)]
pub(crate) struct Received<B> {
    inner: B,
    count: Option<Arc<AtomicU64>>,
}

impl<B> Received<B> {
    pub(crate) const fn new(inner: B, count: Option<Arc<AtomicU64>>) -> Self {
        Self { inner, count }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Received<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        if let (Some(count), Poll::Ready(Some(Ok(frame)))) = (&self.count, &polled)
            && let Some(data) = frame.data_ref()
        {
            count.fetch_add(data.len() as u64, Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of an answer. When it is dropped, the request has ended.
#[derive(Debug)]
pub(crate) struct Watched {
    inner: Encoded<AnswerBody>,
    status: StatusCode,
    /// Bytes that were given on.
    sent: u64,
    /// Whether there is nothing more to be had of it.
    ended: bool,
    /// Absent where nobody observes.
    observed: Option<Observed>,
}

impl Watched {
    /// A body that nobody observes.
    pub(crate) const fn unobserved(inner: Encoded<AnswerBody>) -> Self {
        Self { inner, status: StatusCode::OK, sent: 0, ended: true, observed: None }
    }
}

impl Observed {
    /// Goes on with the answer, to its end.
    pub(crate) fn answered(self, mut answer: Response<Encoded<AnswerBody>>) -> Response<Watched> {
        if let Some(id) = self.request_id() {
            answer.headers_mut().insert(REQUEST_ID, id.clone());
        }
        let status = answer.status();
        if answer.body().inner().socket().is_some() {
            self.opened(status);
        }
        // Nobody reads the body for HEAD.
        let ended = METHOD_NAMES[self.method] == Method::HEAD.as_str();
        answer.map(|inner| Watched { inner, status, sent: 0, ended, observed: Some(self) })
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = <Encoded<AnswerBody> as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let polled = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        match &polled {
            Some(Ok(frame)) => this.sent += frame.data_ref().map_or(0, |data| data.len() as u64),
            // An answer that is cut has ended too: its call failed, with a code of its own.
            Some(Err(_)) | None => this.ended = true,
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let Some(observed) = &mut self.observed else { return };
        let code = self.inner.inner().code();
        let ended = self.ended || self.inner.is_end_stream();
        let (status, code) = match (ended, code) {
            (true, code) => (self.status, code.unwrap_or(Code::Ok)),
            (false, _) => (left(), Code::Cancelled),
        };
        let socket = self.inner.inner().socket();
        // How a socket ended is in its close code; its answer was complete when it was opened.
        let status = if socket.is_some() { self.status } else { status };
        observed.outcome = Some(Outcome { status, code, sent: self.sent, socket });
    }
}
