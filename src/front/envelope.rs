//! Messages in envelopes, which gRPC, gRPC-Web and Connect share: reading requests and writing answers.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use hyper::body::{Body as HttpBody, Frame};
use tokio::time::Instant;

use super::answer::Cut;
use super::body::{BoxError, broken, too_slow};
use super::meters::{MESSAGES, SENT};
use super::pulled::Pull;
use crate::call::deadline::before;
use crate::call::{Message, Part, Replies};
use crate::snapshot::Limits;
use crate::status::{Code, Status};
use crate::wire::envelope::{COMPRESSED, Envelope, EnvelopeError, Envelopes, prefix};

/// What is ready together is written together, up to this many bytes.
const PACK: usize = 16 << 10;

/// The messages in the envelopes of a request's body, read as they are pulled.
pub(super) struct Requests<B, F> {
    /// Absent once it has ended.
    body: Option<B>,
    envelopes: Envelopes,
    /// Makes an envelope a message; `None` if it is the end of them.
    read: F,
}

impl<B, F> Requests<B, F>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
    F: FnMut(Envelope) -> Result<Option<Message>, Status> + Unpin,
{
    /// `limit` bounds the bytes of each message; `flags` are those that the dialect has.
    pub(super) const fn new(body: B, limit: usize, flags: u8, read: F) -> Self {
        Self { body: Some(body), envelopes: Envelopes::new(limit, flags), read }
    }

    /// The only message of a request that has exactly one.
    ///
    /// # Errors
    /// When there are none or more, one is not valid, or the request does not arrive in time.
    pub(super) async fn one(mut self, limits: Limits) -> Result<Message, Status> {
        let mut only = None;
        let end = Instant::now() + limits.request;
        while let Some(body) = &mut self.body {
            let pause = Instant::now() + limits.body_pause;
            let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
            match before(Some(end.min(pause)), frame).await {
                None => return Err(too_slow()),
                Some(frame) => self.take(frame)?,
            }
            while let Some(envelope) = self.envelopes.next().map_err(refusal)? {
                match (self.read)(envelope)? {
                    None => self.body = None,
                    Some(message) if only.is_none() => only = Some(message),
                    Some(_) => return Err(not_one("more than one came")),
                }
            }
        }
        only.ok_or_else(|| not_one("none came"))
    }

    /// Takes what the body gives next.
    fn take(&mut self, frame: Option<Result<Frame<Bytes>, B::Error>>) -> Result<(), Status> {
        match frame {
            None => {
                self.body = None;
                self.envelopes.check_end().map_err(refusal)?;
            }
            // Trailers of a request say nothing.
            Some(Ok(frame)) => self.envelopes.push(frame.into_data().unwrap_or_default()),
            Some(Err(error)) => return Err(broken(error.into())),
        }
        Ok(())
    }
}

fn refusal(error: EnvelopeError) -> Status {
    let (code, http) = match error {
        EnvelopeError::TooLong { .. } => (Code::ResourceExhausted, 413),
        EnvelopeError::Flags(_) | EnvelopeError::Cut => (Code::InvalidArgument, 400),
    };
    Status::caller(code, format!("The request is not valid: {error}.")).with_http(http)
}

impl<B, F> Pull for Requests<B, F>
where
    B: HttpBody<Data = Bytes> + Send + Unpin,
    B::Error: Into<BoxError>,
    F: FnMut(Envelope) -> Result<Option<Message>, Status> + Send + Unpin,
{
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Status>> {
        loop {
            if let Some(envelope) = self.envelopes.next().map_err(refusal)? {
                let message = (self.read)(envelope)?;
                if message.is_none() {
                    self.body = None;
                }
                return Poll::Ready(Ok(message));
            }
            let Some(body) = &mut self.body else { return Poll::Ready(Ok(None)) };
            let frame = ready!(Pin::new(body).poll_frame(cx));
            self.take(frame)?;
        }
    }
}

fn not_one(what: &str) -> Status {
    Status::caller(Code::Unimplemented, format!("The method takes exactly one message, but {what}."))
        .with_http(400)
}

/// Adds a message in its envelope.
///
/// # Errors
/// When it is longer than the format can say.
pub(super) fn write(message: &Message, data: &mut BytesMut) -> Result<(), Status> {
    let length = message.bytes.len();
    let flags = if message.compressed { COMPRESSED } else { 0 };
    let prefix = prefix(flags, length).ok_or_else(|| {
        let text = format!("The backend's message of {length} bytes is too long to be sent on.");
        Status::backend(Code::ResourceExhausted, text)
    })?;
    data.reserve(prefix.len() + length);
    data.extend_from_slice(&prefix);
    data.extend_from_slice(&message.bytes);
    Ok(())
}

/// How a dialect writes the parts of a streaming answer.
pub(super) trait Framing: Send {
    /// Adds a message to the data.
    ///
    /// # Errors
    /// The status with which the answer ends instead, if the message cannot be written.
    fn message(&mut self, message: Message, data: &mut BytesMut) -> Result<(), Status>;

    /// Ends the answer: with trailers, or with more data.
    fn end(&mut self, status: Status, trailers: HeaderMap, data: &mut BytesMut) -> Option<HeaderMap>;
}

/// A streaming answer that is being written.
pub(super) struct Framed {
    /// Absent once the call has ended.
    replies: Option<Replies>,
    framing: Box<dyn Framing>,
    data: BytesMut,
    trailers: Option<HeaderMap>,
    /// How the call ended.
    code: Option<Code>,
}

impl fmt::Debug for Framed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framed").field("data", &self.data.len()).finish_non_exhaustive()
    }
}

impl Framed {
    pub(super) fn new(replies: Replies, framing: Box<dyn Framing>) -> Self {
        Self { replies: Some(replies), framing, data: BytesMut::new(), trailers: None, code: None }
    }

    /// How the call ended; absent while it goes on.
    pub(super) const fn code(&self) -> Option<Code> {
        self.code
    }

    pub(super) fn has_ended(&self) -> bool {
        self.replies.is_none() && self.data.is_empty() && self.trailers.is_none()
    }

    /// The next part of the answer. What is ready together comes together.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        while self.data.len() < PACK
            && let Some(replies) = &mut self.replies
        {
            match replies.as_mut().poll_next(cx) {
                Poll::Pending if self.data.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Some(Part::Message(message))) => {
                    MESSAGES.add(SENT, 1);
                    if let Err(status) = self.framing.message(message, &mut self.data) {
                        self.end(status, HeaderMap::new());
                    }
                }
                Poll::Ready(Some(Part::End(status, trailers))) => self.end(status, trailers),
                Poll::Ready(None) => self.end(Status::ok(), HeaderMap::new()),
            }
        }
        if self.data.is_empty() {
            return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(Some(Ok(Frame::data(self.data.split().freeze()))))
    }

    fn end(&mut self, status: Status, trailers: HeaderMap) {
        self.replies = None;
        self.code = Some(status.code());
        self.trailers = self.framing.end(status, trailers, &mut self.data);
    }
}
