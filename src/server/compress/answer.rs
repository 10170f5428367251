//! The body of an answer, encoded as it is written.
//!
//! # What is encoded
//! Text: JSON, XML, forms of these, `text/*` and the like, of at least 1 KiB where the size is known. Answers to clients
//! that refuse bodies without an encoding (`identity;q=0`) are encoded whatever they are; if such a client accepts no
//! encoding that is known here, its call is refused with 406, and errors come without one. Never encoded are
//! answers without a body (204, 304), parts (206), those that have an encoding, those with `cache-control: no-transform`,
//! and gRPC, which compresses its messages itself.
//!
//! An answer that is encoded for some clients says so to all (`vary: accept-encoding`). A strong `etag` becomes a weak
//! one, as its bytes are others.
//!
//! # Streams
//! What the body has ready is encoded together; before it has to wait, all of it is written out. So the client can
//! decode every message as soon as it was written, and messages that are ready together leave together.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, VARY,
};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::body::{Body, Frame, SizeHint};

use super::accept::Accepted;
use super::encoder::Encoder;
use super::{Coding, elements};

/// From this size on a body is encoded, in bytes: a smaller one fits into one packet as it is.
const LEAST: u64 = 1024;

/// How much of the body is encoded before what was written leaves, in bytes.
const PIECE: usize = 64 * 1024;

/// How much is written before it leaves, in bytes.
const FULL: usize = 16 * 1024;

/// Any error of a body.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The encoding that an answer gets, in whose headers this is said.
pub(super) fn encoding<B: Body>(head: &mut Parts, body: &B, accepted: Accepted) -> Option<Coding> {
    let forced = accepted.identity_refused && accepted.coding.is_some();
    // Whether it gains is asked first, as most answers are small.
    if !(forced || gains(&head.headers, body)) || !is_encodable(head, body) {
        return None;
    }
    if !elements(&head.headers, &VARY).any(|name| name == "*" || name.eq_ignore_ascii_case("accept-encoding"))
    {
        head.headers.append(VARY, HeaderValue::from_static("accept-encoding"));
    }
    let coding = accepted.coding?;
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    head.headers.remove(CONTENT_LENGTH);
    head.headers.remove(ACCEPT_RANGES);
    weaken(&mut head.headers);
    Some(coding)
}

/// Whether an encoding is allowed.
fn is_encodable<B: Body>(head: &Parts, body: &B) -> bool {
    let has_body = !head.status.is_informational()
        && !matches!(
            head.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::PARTIAL_CONTENT
        )
        && !body.is_end_stream();
    let headers = &head.headers;
    has_body
        && !headers.contains_key(CONTENT_ENCODING)
        && !headers.contains_key(CONTENT_RANGE)
        && !elements(headers, &CACHE_CONTROL).any(|name| name.eq_ignore_ascii_case("no-transform"))
        && !essence(headers).is_some_and(|essence| {
            starts_with(essence, "application/grpc") || starts_with(essence, "application/connect+")
        })
}

/// Whether an encoding makes the body smaller, as far as can be told.
fn gains<B: Body>(headers: &HeaderMap, body: &B) -> bool {
    body.size_hint().upper().is_none_or(|size| size >= LEAST) && essence(headers).is_some_and(is_text)
}

fn essence(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim_matches([' ', '\t']))
}

/// Whether a media type is one of text. What is not known is not: most of the rest is compressed by itself.
fn is_text(essence: &str) -> bool {
    const APPLICATIONS: [&str; 13] = [
        "json",
        "x-ndjson",
        "xml",
        "javascript",
        "yaml",
        "x-yaml",
        "graphql",
        "wasm",
        "proto",
        "protobuf",
        "x-protobuf",
        "x-www-form-urlencoded",
        "rtf",
    ];
    let Some((group, name)) = essence.split_once('/') else { return false };
    let suffix = name.rsplit_once('+').map(|(_, suffix)| suffix);
    group.eq_ignore_ascii_case("text")
        || suffix.is_some_and(|suffix| {
            ["json", "xml", "yaml"].iter().any(|known| suffix.eq_ignore_ascii_case(known))
        })
        || (group.eq_ignore_ascii_case("application")
            && APPLICATIONS.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")) else { return };
    // The tag was a valid value, so the longer one is.
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        headers.insert(ETAG, weak);
    }
}

/// The body of an answer in the encoding that was chosen.
#[derive(Debug)]
pub struct Encoded<B> {
    inner: B,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Plain,
    /// As it is, but for its size.
    Unknown,
    Coded(Box<Coded>),
}

impl<B> Encoded<B> {
    /// The body as it is.
    pub const fn plain(inner: B) -> Self {
        Self { inner, way: Way::Plain }
    }

    /// A body that nobody reads, and whose size would be another.
    pub(super) const fn unknown(inner: B) -> Self {
        Self { inner, way: Way::Unknown }
    }

    /// The body that is encoded.
    pub const fn inner(&self) -> &B {
        &self.inner
    }

    pub(super) fn new(inner: B, coding: Coding) -> Self {
        Self { inner, way: Way::Coded(Box::new(Coded::new(coding))) }
    }
}

impl<B> Body for Encoded<B>
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
        match &mut this.way {
            Way::Plain | Way::Unknown => Pin::new(&mut this.inner).poll_frame(cx).map_err(Into::into),
            Way::Coded(coded) => coded.poll(Pin::new(&mut this.inner), cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.way {
            Way::Plain | Way::Unknown => self.inner.is_end_stream(),
            Way::Coded(coded) => coded.is_done(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.way {
            Way::Plain => self.inner.size_hint(),
            Way::Coded(coded) if coded.is_done() => SizeHint::with_exact(0),
            Way::Unknown | Way::Coded(_) => SizeHint::new(),
        }
    }
}

/// A body that is being encoded.
struct Coded {
    coding: Coding,
    /// Made when the first byte comes, taken when the last one has.
    encoder: Option<Encoder>,
    /// What the body gave and is not encoded yet.
    input: Bytes,
    /// Something was encoded that is not written out.
    holds: bool,
    /// The body has no more data.
    finished: bool,
    /// What comes behind the data.
    last: Option<Result<Frame<Bytes>, BoxError>>,
}

impl std::fmt::Debug for Coded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coded").field("coding", &self.coding).finish_non_exhaustive()
    }
}

impl Coded {
    const fn new(coding: Coding) -> Self {
        Self { coding, encoder: None, input: Bytes::new(), holds: false, finished: false, last: None }
    }

    const fn is_done(&self) -> bool {
        self.finished && self.last.is_none()
    }

    fn poll<B>(
        &mut self,
        mut inner: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>>,
    {
        let mut budget = PIECE;
        while !self.finished {
            if !self.input.is_empty() {
                let length = inner.size_hint().exact().map(|rest| rest + self.input.len() as u64);
                if let Err(error) = self.encode(&mut budget, length) {
                    return Poll::Ready(Some(self.fail(error)));
                }
                if budget == 0 || self.encoder.as_ref().is_some_and(|encoder| encoder.written() >= FULL) {
                    // The rest is for the next time. Whoever is asked again at once writes nothing out twice.
                    if let Some(piece) = self.written() {
                        return Poll::Ready(Some(Ok(piece)));
                    }
                    budget = PIECE;
                }
                if !self.input.is_empty() {
                    continue;
                }
            }
            if inner.is_end_stream() {
                return Poll::Ready(self.finish(None));
            }
            match inner.as_mut().poll_frame(cx) {
                Poll::Pending => return self.wait(),
                Poll::Ready(None) => return Poll::Ready(self.finish(None)),
                Poll::Ready(Some(Err(error))) => {
                    // What was there before the failure is the client's, but the data has no end.
                    return Poll::Ready(Some(self.break_off(error.into())));
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.input = data,
                    Err(trailers) => return Poll::Ready(self.finish(Some(Ok(trailers)))),
                },
            }
        }
        Poll::Ready(self.last.take())
    }

    /// Encodes of the input what the budget allows. `length` is what is known of the whole body's size.
    fn encode(&mut self, budget: &mut usize, length: Option<u64>) -> Result<(), BoxError> {
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(Encoder::new(self.coding, length)?),
        };
        let size = self.input.len().min(*budget);
        encoder.write(&self.input[..size])?;
        self.input.advance(size);
        *budget -= size;
        self.holds = true;
        Ok(())
    }

    /// What the encoder has written.
    fn written(&mut self) -> Option<Frame<Bytes>> {
        let piece = self.encoder.as_mut()?.take();
        (!piece.is_empty()).then(|| Frame::data(piece.into()))
    }

    /// The body has nothing ready: writes out what is held.
    fn wait(&mut self) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if !std::mem::take(&mut self.holds) {
            return Poll::Pending;
        }
        let Some(encoder) = &mut self.encoder else { return Poll::Pending };
        if let Err(error) = encoder.flush() {
            return Poll::Ready(Some(self.fail(error.into())));
        }
        self.written().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(piece))))
    }

    /// The body has ended, with what comes behind its data.
    fn finish(
        &mut self,
        last: Option<Result<Frame<Bytes>, BoxError>>,
    ) -> Option<Result<Frame<Bytes>, BoxError>> {
        (self.finished, self.last) = (true, last);
        let encoder = match self.encoder.take() {
            Some(encoder) => Ok(encoder),
            // Also an empty body is one of this encoding.
            None => Encoder::new(self.coding, Some(0)),
        };
        match encoder.and_then(Encoder::finish) {
            Ok(piece) if piece.is_empty() => self.last.take(),
            Ok(piece) => Some(Ok(Frame::data(piece.into()))),
            Err(error) => Some(self.fail(error.into())),
        }
    }

    /// The body has failed.
    fn break_off(&mut self, error: BoxError) -> Result<Frame<Bytes>, BoxError> {
        self.finished = true;
        let flushed = self.encoder.as_mut().map_or(Ok(()), Encoder::flush);
        let piece = flushed.is_ok().then(|| self.written()).flatten();
        self.encoder = None;
        match piece {
            Some(piece) => {
                self.last = Some(Err(error));
                Ok(piece)
            }
            None => Err(error),
        }
    }

    fn fail(&mut self, error: BoxError) -> Result<Frame<Bytes>, BoxError> {
        (self.finished, self.encoder, self.last) = (true, None, None);
        Err(error)
    }
}
