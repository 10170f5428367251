//! The body of a request, decoded as it is read.
//!
//! A piece of at most 16 KiB is decoded when it is asked for, and no more of the body is read before all that was read of
//! it is decoded: what a client sends slowly or holds back costs nothing, and its size is bounded by whoever reads the
//! body. What is not valid is an error that is a [`Status`]; see `layers` for the bounds.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use hyper::body::{Body, Frame, SizeHint};

use super::decoder::Format;
use super::elements;
use super::layers::Layers;
use crate::status::{Code, Status};

/// How many encodings a body may have, one around the other.
const MAX_LAYERS: usize = 3;

/// Any error of a body.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The encodings that a request announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Announced {
    /// None, or `identity`.
    Nothing,
    /// These, in the order in which they were applied.
    Known(Vec<Format>),
    /// One that is not known, or too many: why that is refused.
    Refused(Box<Status>),
}

impl Announced {
    pub(super) fn by(headers: &HeaderMap) -> Self {
        if !headers.contains_key(CONTENT_ENCODING) {
            return Self::Nothing;
        }
        let mut formats = Vec::new();
        for name in elements(headers, &CONTENT_ENCODING) {
            match Format::by_name(name) {
                _ if name.eq_ignore_ascii_case("identity") => {}
                Some(_) if formats.len() == MAX_LAYERS => {
                    return Self::unsupported(format!(
                        "The request body has more than {MAX_LAYERS} content encodings, one around the other. Send it \
                         with at most one."
                    ));
                }
                Some(format) => formats.push(format),
                None => return Self::unknown(name),
            }
        }
        if formats.is_empty() { Self::Nothing } else { Self::Known(formats) }
    }

    fn unknown(name: &str) -> Self {
        let name: String = name.chars().take(100).collect();
        Self::unsupported(format!(
            "The content encoding {name:?} is not supported here. Send the body in gzip, br or zstd, or without one."
        ))
    }

    fn unsupported(text: String) -> Self {
        Self::Refused(Box::new(Status::caller(Code::InvalidArgument, text).with_http(415)))
    }
}

/// The body of a request without its encodings.
#[derive(Debug)]
pub struct Decoded<B> {
    inner: B,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// As it came.
    Plain,
    Coded(Layers),
    /// Fails with this when it is read.
    Refused(Box<Status>),
    /// Nothing follows.
    Ended,
}

impl<B> Decoded<B> {
    /// The body as it came.
    pub(super) const fn plain(inner: B) -> Self {
        Self { inner, way: Way::Plain }
    }

    pub(super) fn new(inner: B, announced: Announced) -> Self {
        let way = match announced {
            Announced::Nothing => Way::Plain,
            Announced::Known(formats) => Way::Coded(Layers::new(&formats)),
            Announced::Refused(status) => Way::Refused(status),
        };
        Self { inner, way }
    }

    #[cfg(test)]
    pub(super) const fn inner_mut(&mut self) -> &mut B {
        &mut self.inner
    }

    fn fail<T>(&mut self, status: Box<Status>) -> Poll<Option<Result<T, BoxError>>> {
        self.way = Way::Ended;
        Poll::Ready(Some(Err(status)))
    }
}

impl<B> Body for Decoded<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        loop {
            let coded = match &mut this.way {
                Way::Plain => return Pin::new(&mut this.inner).poll_frame(cx).map_err(Into::into),
                Way::Coded(coded) => coded,
                Way::Refused(_) => {
                    let Way::Refused(status) = std::mem::replace(&mut this.way, Way::Ended) else { continue };
                    return Poll::Ready(Some(Err(status)));
                }
                Way::Ended => return Poll::Ready(None),
            };
            match coded.decode() {
                Ok(Some(piece)) => return Poll::Ready(Some(Ok(Frame::data(piece)))),
                Ok(None) => {}
                Err(status) => return this.fail(status),
            }
            let trailers = match ready!(Pin::new(&mut this.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        coded.push(data);
                        continue;
                    }
                    Err(trailers) => Some(trailers),
                },
                Some(Err(error)) => {
                    this.way = Way::Ended;
                    return Poll::Ready(Some(Err(error.into())));
                }
                None => None,
            };
            if let Err(status) = coded.end() {
                return this.fail(status);
            }
            this.way = Way::Ended;
            return Poll::Ready(trailers.map(Ok));
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.way {
            Way::Plain => self.inner.is_end_stream(),
            // An empty body has no encoding.
            Way::Coded(coded) => coded.is_untouched() && self.inner.is_end_stream(),
            Way::Refused(_) => self.inner.is_end_stream(),
            Way::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.way {
            Way::Plain => self.inner.size_hint(),
            Way::Ended => SizeHint::with_exact(0),
            Way::Coded(_) | Way::Refused(_) => SizeHint::new(),
        }
    }
}
