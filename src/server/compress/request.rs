//! The body of a request, decoded as it is read.
//!
//! - A piece of at most 16 KiB is decoded when it is asked for, and no more of the body is read before all that was
//!   read of it is decoded: what a client sends slowly or holds back costs nothing, and its size is bounded by whoever
//!   reads the body.
//! - After 64 KiB the body may be at most 100 times as large as what was received. What is not valid, is cut off, or
//!   goes on after its end is an error that is a [`Status`].

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use hyper::body::{Body, Frame, SizeHint};

use super::decoder::{Decoder, Flaw};
use super::{Coding, elements};
use crate::status::{Code, Status};

/// What is decoded at once, in bytes.
const PIECE: usize = 16 * 1024;

/// How many times larger than what was received a body may be, from [`FREE`] bytes on.
const MAX_RATIO: u64 = 100;

/// Up to this size, in bytes, the ratio does not matter.
const FREE: u64 = 64 * 1024;

/// How many bytes may be received in a row of which nothing comes out. A block of zstd has at most 128 KiB.
const MAX_BARREN: usize = 1024 * 1024;

/// Any error of a body.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The encoding that a request announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Announced {
    /// None, or `identity`.
    Nothing,
    /// One that is known.
    One(Coding),
    /// One that is not known, or several: why that is refused.
    Refused(Box<Status>),
}

impl Announced {
    pub(super) fn by(headers: &HeaderMap) -> Self {
        if !headers.contains_key(CONTENT_ENCODING) {
            return Self::Nothing;
        }
        let codings: Vec<_> = elements(headers, &CONTENT_ENCODING)
            .filter(|name| !name.eq_ignore_ascii_case("identity"))
            .take(2)
            .collect();
        match codings[..] {
            [] => Self::Nothing,
            [name] => Coding::by_name(name).map_or_else(|| Self::unknown(name), Self::One),
            _ => Self::unsupported(
                "The request body has several content encodings. Send it with at most one.".into(),
            ),
        }
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

/// The body of a request without its encoding.
#[derive(Debug)]
pub struct Decoded<B> {
    inner: B,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// As it came.
    Plain,
    Coded(Box<Coded>),
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
            Announced::One(coding) => Way::Coded(Box::new(Coded::new(coding))),
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
                        coded.input = data;
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

/// A body that is being decoded.
struct Coded {
    coding: Coding,
    /// Made when the first byte comes.
    work: Option<Work>,
    /// What was received and is not decoded yet.
    input: Bytes,
    received: u64,
    given: u64,
    /// How many bytes were received since something came out.
    barren: usize,
}

struct Work {
    decoder: Decoder,
    piece: Box<[u8]>,
    /// The last piece was full, so that there may be more without more input.
    was_full: bool,
}

impl std::fmt::Debug for Coded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coded").field("coding", &self.coding).finish_non_exhaustive()
    }
}

impl Coded {
    const fn new(coding: Coding) -> Self {
        Self { coding, work: None, input: Bytes::new(), received: 0, given: 0, barren: 0 }
    }

    const fn is_untouched(&self) -> bool {
        self.work.is_none()
    }

    /// The next piece of what was received; absent when more is needed.
    fn decode(&mut self) -> Result<Option<Bytes>, Box<Status>> {
        loop {
            let work = match &mut self.work {
                Some(work) => work,
                None if self.input.is_empty() => return Ok(None),
                None => self.work.insert(Work::new(self.coding).map_err(|flaw| refusal(flaw, self.coding))?),
            };
            if self.input.is_empty() && !work.was_full {
                return Ok(None);
            }
            let step = work.decoder.step(&self.input, &mut work.piece);
            let step = step.map_err(|flaw| refusal(flaw, self.coding))?;
            self.input.advance(step.read);
            work.was_full = step.written == work.piece.len() && !work.decoder.is_complete();
            self.received += step.read as u64;
            self.given += step.written as u64;
            self.barren = if step.written > 0 { 0 } else { self.barren + step.read };
            if self.given > FREE && self.given > self.received.saturating_mul(MAX_RATIO) {
                return Err(bomb(self.coding));
            }
            if self.barren > MAX_BARREN {
                return Err(barren(self.coding));
            }
            if step.written > 0 {
                return Ok(Some(Bytes::copy_from_slice(&work.piece[..step.written])));
            }
            if step.read == 0 && !self.input.is_empty() {
                // It wants neither more input nor more room.
                return Err(refusal(Flaw::Corrupt, self.coding));
            }
        }
    }

    /// Nothing more is received.
    fn end(&self) -> Result<(), Box<Status>> {
        if self.work.as_ref().is_none_or(|work| work.decoder.is_complete()) {
            return Ok(());
        }
        Err(wrong(format!("The request body ends in the middle of its {} data.", self.coding.name())))
    }
}

impl Work {
    fn new(coding: Coding) -> Result<Self, Flaw> {
        let piece = vec![0; PIECE].into_boxed_slice();
        Ok(Self { decoder: Decoder::new(coding)?, piece, was_full: false })
    }
}

fn refusal(flaw: Flaw, coding: Coding) -> Box<Status> {
    let name = coding.name();
    match flaw {
        Flaw::Corrupt => {
            wrong(format!("The request body is not valid {name} data, which its content encoding says it is."))
        }
        Flaw::Trailing => wrong(format!("The request body goes on after the end of its {name} data.")),
        Flaw::Parts => wrong(format!(
            "The {name} data of the request body has too many parts. Compress the body as a whole."
        )),
        Flaw::Window => wrong(
            "The zstd data of the request body needs a window of more than 8 MiB. Compress it with a window log of \
             at most 23."
                .into(),
        ),
        Flaw::Memory => {
            Box::new(Status::gateway(Code::Unavailable, "There is no memory to decode the request body."))
        }
    }
}

fn bomb(coding: Coding) -> Box<Status> {
    let text = format!(
        "The request body is more than {MAX_RATIO} times as large as its {} data, which is refused. Send it without \
         a content encoding.",
        coding.name()
    );
    Box::new(Status::caller(Code::ResourceExhausted, text).with_http(413))
}

fn barren(coding: Coding) -> Box<Status> {
    wrong(format!("The {} data of the request body goes on without any content.", coding.name()))
}

fn wrong(text: String) -> Box<Status> {
    Box::new(Status::caller(Code::InvalidArgument, text))
}
