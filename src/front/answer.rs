//! The body of an answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

use super::envelope::Framed;
use super::stream::Streamed;
use crate::status::Code;

/// An answer to an HTTP request.
pub type Answer = Response<AnswerBody>;

/// The body of an answer: known as a whole, or written as the backend's messages come.
#[derive(Debug)]
pub struct AnswerBody {
    kind: Kind,
    code: Code,
}

#[derive(Debug)]
enum Kind {
    Whole(Full<Bytes>),
    /// Data and then trailers, each at most once.
    Trailed(Option<Bytes>, Option<Box<HeaderMap>>),
    Framed(Box<Framed>),
    Streamed(Box<Streamed>),
}

/// The answer ends too early, which its form cannot say in any other way: a `google.api.HttpBody` whose
/// stream failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the backend failed in the middle of the answer")
    }
}

impl std::error::Error for Cut {}

impl AnswerBody {
    pub(super) fn empty() -> Self {
        Self::from(Vec::new())
    }

    /// A body that ends with trailers.
    pub(super) fn trailed(data: Option<Bytes>, trailers: HeaderMap) -> Self {
        Self { kind: Kind::Trailed(data, Some(Box::new(trailers))), code: Code::Ok }
    }

    /// The same as the answer of a call that ended with this code, OK without it.
    pub(super) const fn with_code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// How the call ended; absent while that is not known, as it has messages to come.
    pub const fn code(&self) -> Option<Code> {
        match &self.kind {
            Kind::Whole(_) | Kind::Trailed(..) => Some(self.code),
            Kind::Framed(framed) => framed.code(),
            Kind::Streamed(streamed) => streamed.code(),
        }
    }
}

impl From<Vec<u8>> for AnswerBody {
    fn from(text: Vec<u8>) -> Self {
        Self::from(Bytes::from(text))
    }
}

impl From<Bytes> for AnswerBody {
    fn from(body: Bytes) -> Self {
        Self { kind: Kind::Whole(Full::new(body)), code: Code::Ok }
    }
}

impl From<Framed> for AnswerBody {
    fn from(framed: Framed) -> Self {
        Self { kind: Kind::Framed(Box::new(framed)), code: Code::Ok }
    }
}

impl From<Streamed> for AnswerBody {
    fn from(streamed: Streamed) -> Self {
        Self { kind: Kind::Streamed(Box::new(streamed)), code: Code::Ok }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut self.kind {
            Kind::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Kind::Trailed(data, trailers) => Poll::Ready(match data.take() {
                Some(data) => Some(Ok(Frame::data(data))),
                None => trailers.take().map(|trailers| Ok(Frame::trailers(*trailers))),
            }),
            Kind::Framed(body) => body.poll_frame(cx),
            Kind::Streamed(body) => body.poll_text(cx).map(|text| text.map(|text| text.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Whole(body) => body.is_end_stream(),
            Kind::Trailed(data, trailers) => data.is_none() && trailers.is_none(),
            Kind::Framed(body) => body.has_ended(),
            Kind::Streamed(body) => body.has_ended(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(body) => body.size_hint(),
            Kind::Trailed(..) | Kind::Framed(_) | Kind::Streamed(_) => SizeHint::default(),
        }
    }
}
