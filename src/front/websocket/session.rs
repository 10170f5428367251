//! An open socket and its call.
//!
//! One future does both directions. What the client sends goes into a pipe, from which the call pulls it; while that is
//! full the socket is not read. The answers are pulled while there is room for what they are written into; while the
//! client does not take that, no more are pulled. So each side holds back the other, and little is kept here.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::meters::{RECEIVED, SOCKET_CLOSES, SOCKET_MESSAGES, SOCKETS};
use super::answers::{Answers, END, Form, close};
use super::clock::{Clock, Due};
use super::close::{BINARY, CONTROLS, LOST, NORMAL, TEXT, position, status_of};
use super::pipe::Sender;
use super::places::Place;
use crate::call::Part;
use crate::status::{Code, Status};
use crate::telemetry::metrics::Held;
use crate::wire::envelope::Envelopes;
use crate::wire::websocket::{self as frame, Event, Flaw, Opcode, Reader};

mod source;

pub(super) use source::Source;

/// What is ready together is written together, up to this many bytes.
const PACK: usize = 16 << 10;
/// How much is read at once, in bytes; more where a long message is known to come.
const READ: usize = 4 << 10;
const READ_LONG: usize = 16 << 10;
/// How many times a turn goes on before others have theirs.
const ROUNDS: usize = 32;

/// The byte stream.
enum Link {
    /// The answer to the handshake is on its way.
    Opening(OnUpgrade),
    Open(TokioIo<Upgraded>),
    Gone,
}

/// How far a socket has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Messages go in both directions.
    Talking,
    /// A close frame was written; that of the client is waited for.
    Closing,
    /// Both have been written and read. What is left to write is written, and the connection ended.
    Closed,
    Over,
}

/// What a session is made of.
pub(super) struct Parts {
    pub(super) upgrade: OnUpgrade,
    pub(super) answers: Answers,
    pub(super) source: Source,
    pub(super) pipe: Sender,
    pub(super) clock: Clock,
    /// The largest message of the client, in bytes.
    pub(super) limit: usize,
    /// Whether no message of the client is to come.
    pub(super) is_complete: bool,
    pub(super) place: Place,
}

/// An open socket.
pub(in crate::front) struct Session {
    link: Link,
    reader: Reader,
    input: BytesMut,
    /// The largest message of the client, in bytes.
    limit: usize,
    /// What is left of a binary frame: one may hold more messages than there is room for.
    envelopes: Option<Envelopes>,
    pipe: Option<Sender>,
    answers: Answers,
    source: Source,
    out: Vec<u8>,
    /// How much of `out` is written.
    written: usize,
    phase: Phase,
    clock: Clock,
    /// Whether the client has said that it sends no more.
    is_complete: bool,
    /// Whether the socket is not read as nobody takes what it gave.
    is_held: bool,
    /// Bytes of messages from the client and to it.
    traffic: [u64; 2],
    code: Option<Code>,
    /// The close code that decided.
    close: u16,
    _open: Held<1>,
    _place: Place,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("phase", &self.phase).finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn new(parts: Parts) -> Self {
        Self {
            link: Link::Opening(parts.upgrade),
            reader: Reader::new(parts.limit),
            input: BytesMut::new(),
            limit: parts.limit,
            envelopes: None,
            pipe: Some(parts.pipe),
            answers: parts.answers,
            source: parts.source,
            out: Vec::new(),
            written: 0,
            phase: Phase::Talking,
            clock: parts.clock,
            is_complete: parts.is_complete,
            is_held: false,
            traffic: [0; 2],
            code: None,
            close: LOST,
            _open: SOCKETS.hold(0),
            _place: parts.place,
        }
    }

    /// How the call ended; absent while it goes on.
    pub(in crate::front) const fn code(&self) -> Option<Code> {
        self.code
    }

    /// What has come and gone, and how it ended.
    pub(in crate::front) const fn traffic(&self) -> ([u64; 2], u16) {
        (self.traffic, self.close)
    }

    pub(in crate::front) fn has_ended(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Resolves when the socket is closed.
    pub(in crate::front) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Link::Opening(upgrade) = &mut self.link {
            match ready!(Pin::new(upgrade).poll(cx)) {
                Ok(upgraded) => self.link = Link::Open(TokioIo::new(upgraded)),
                Err(_) => self.lost(),
            }
        }
        for _ in 0..ROUNDS {
            let before = self.phase;
            self.poll_clock(cx);
            let wants_room = self.poll_read(cx) | self.poll_answers(cx);
            let is_written = self.poll_write(cx);
            if self.phase == Phase::Over {
                return Poll::Ready(());
            }
            // Whatever else waits has said for what.
            if self.phase == before && !(wants_room && is_written) {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_clock(&mut self, cx: &mut Context<'_>) {
        let is_answered_once = !self.answers.route.endpoint.method.server_streaming;
        let finishes = self.is_complete && is_answered_once;
        while let Poll::Ready(due) = self.clock.poll(cx, self.is_held, finishes) {
            match due {
                Due::Ping if self.phase == Phase::Talking => {
                    frame::write(&mut self.out, Opcode::Ping, [&[], &[]]);
                }
                Due::Ping => {}
                Due::End(flaw) if self.phase == Phase::Talking => self.fail(flaw),
                Due::End(_) | Due::Lost => return self.lost(),
            }
        }
        if self.clock.was_quiet() {
            // A socket that is idle keeps no buffers.
            if self.input.is_empty() {
                self.input = BytesMut::new();
            }
            if self.out.is_empty() {
                self.out = Vec::new();
            }
        }
    }

    /// Reads what the client sent. Says whether that waits for room for what answers it.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            if matches!(self.phase, Phase::Closed | Phase::Over) {
                return false;
            }
            if self.out.len() >= PACK {
                return true;
            }
            self.is_held = self.phase == Phase::Talking
                && self.pipe.as_ref().is_some_and(|pipe| pipe.poll_ready(cx).is_pending());
            if self.is_held {
                return false;
            }
            if self.envelopes.is_some() {
                self.envelope();
                continue;
            }
            match self.reader.next(&mut self.input) {
                Ok(Some(event)) => self.event(event),
                Ok(None) => match self.poll_input(cx) {
                    Poll::Pending => return false,
                    Poll::Ready(Ok(0)) | Poll::Ready(Err(_)) => {
                        self.lost();
                        return false;
                    }
                    Poll::Ready(Ok(_)) => self.clock.received(),
                },
                Err(flaw) => {
                    // Nothing that comes after it can be understood.
                    self.fail(flaw);
                    self.phase = Phase::Closed;
                    return false;
                }
            }
        }
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Link::Open(io) = &mut self.link else { return Poll::Pending };
        let room = if self.reader.is_within() || self.input.len() >= READ { READ_LONG } else { READ };
        self.input.reserve(room);
        let before = self.input.len();
        // Only what was read stays; the rest of the buffer is written over.
        self.input.resize(before + room, 0);
        let mut buffer = ReadBuf::new(&mut self.input[before..]);
        let polled = Pin::new(io).poll_read(cx, &mut buffer);
        let count = buffer.filled().len();
        self.input.truncate(before + count);
        polled.map_ok(|()| count)
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Close(code) => self.closed_by_peer(code),
            Event::Ping(payload) => {
                if self.phase == Phase::Talking {
                    frame::write(&mut self.out, Opcode::Pong, [&payload, &[]]);
                }
                self.control();
            }
            Event::Pong => self.control(),
            Event::Text(_) | Event::Binary(_) if self.phase != Phase::Talking => {}
            Event::Text(text) if self.answers.form == Form::Json => self.text(text),
            Event::Binary(data) if self.answers.form == Form::Proto => self.envelopes(data),
            Event::Text(_) => self.fail(TEXT),
            Event::Binary(_) => self.fail(BINARY),
        }
    }

    fn control(&mut self) {
        if !self.clock.may_control() && self.phase == Phase::Talking {
            self.fail(CONTROLS);
        }
    }

    fn text(&mut self, text: Bytes) {
        if text.is_empty() { self.complete() } else { self.message(text) }
    }

    /// Begins with the envelopes of a frame.
    fn envelopes(&mut self, data: Bytes) {
        let mut envelopes = Envelopes::new(self.limit, END);
        envelopes.push(data);
        self.envelopes = Some(envelopes);
    }

    /// Takes the next of them.
    fn envelope(&mut self) {
        let Some(envelopes) = &mut self.envelopes else { return };
        let next = match envelopes.next() {
            Ok(None) => envelopes.check_end().map(|()| None),
            next => next,
        };
        match next {
            Ok(Some(envelope)) if envelope.flags == END => self.complete(),
            Ok(Some(envelope)) => self.message(envelope.bytes),
            Ok(None) => self.envelopes = None,
            Err(error) => self.refuse(&format!("A binary frame is not valid: {error}.")),
        }
    }

    fn message(&mut self, message: Bytes) {
        SOCKET_MESSAGES.add(RECEIVED, 1);
        self.traffic[0] += message.len() as u64;
        if self.is_complete {
            return self
                .refuse("A message came after the last one. Open another WebSocket for another call.");
        }
        if !self.clock.may_send() {
            let text = "Messages came faster than is allowed on a WebSocket.";
            return self.end(Status::caller(Code::ResourceExhausted, text), HeaderMap::new());
        }
        self.clock.passed();
        if let Some(pipe) = &self.pipe {
            pipe.send(message);
        }
        if !self.answers.route.endpoint.method.client_streaming {
            self.complete();
        }
    }

    /// The client sends no more messages.
    fn complete(&mut self) {
        self.is_complete = true;
        self.clock.passed();
        if let Some(pipe) = &self.pipe {
            pipe.end();
        }
    }

    /// What the client did is wrong as a call.
    fn refuse(&mut self, text: &str) {
        self.end(Status::caller(Code::InvalidArgument, text), HeaderMap::new());
    }

    /// Pulls answers. Says whether there may be more that wait for room.
    fn poll_answers(&mut self, cx: &mut Context<'_>) -> bool {
        let streams = self.answers.route.endpoint.method.server_streaming;
        while self.phase == Phase::Talking && self.out.len() < PACK {
            match self.source.poll_part(cx, streams) {
                Poll::Pending => return false,
                Poll::Ready(Part::Message(message)) => {
                    self.clock.passed();
                    self.traffic[1] += message.bytes.len() as u64;
                    if let Err(status) = self.answers.message(&message.bytes, &mut self.out) {
                        self.end(status, HeaderMap::new());
                    }
                }
                Poll::Ready(Part::End(status, trailers)) => self.end(status, trailers),
            }
        }
        self.phase == Phase::Talking
    }

    /// The call has ended, or is ended here.
    fn end(&mut self, status: Status, trailers: HeaderMap) {
        self.give_up();
        self.code = Some(status.code());
        self.close = self.answers.end(status, trailers, &mut self.out);
        self.closing();
    }

    /// The socket is closed for another reason than the end of the call.
    fn fail(&mut self, flaw: Flaw) {
        if self.phase != Phase::Talking {
            return;
        }
        self.give_up();
        self.code = Some(status_of(flaw).code());
        self.close = flaw.code;
        close(&mut self.out, flaw.code, flaw.reason);
        self.closing();
    }

    fn closing(&mut self) {
        self.phase = Phase::Closing;
        self.clock.closing();
        SOCKET_CLOSES.add(position(self.close), 1);
    }

    /// Cancels the call, if it goes on. The call first: without a socket behind them its messages look cut.
    fn give_up(&mut self) {
        self.source = Source::Nothing;
        self.pipe = None;
        self.envelopes = None;
    }

    fn closed_by_peer(&mut self, code: Option<u16>) {
        if self.phase == Phase::Talking {
            self.give_up();
            self.code = Some(Code::Cancelled);
            self.close = code.unwrap_or(NORMAL);
            match code {
                Some(code) => close(&mut self.out, code, ""),
                None => frame::write(&mut self.out, Opcode::Close, [&[], &[]]),
            }
            self.closing();
        }
        self.phase = Phase::Closed;
    }

    /// The connection is gone, or nobody is at its other end.
    fn lost(&mut self) {
        self.give_up();
        if self.code.is_none() {
            self.code = Some(Code::Cancelled);
            SOCKET_CLOSES.add(position(LOST), 1);
        }
        self.link = Link::Gone;
        self.phase = Phase::Over;
    }

    /// Writes what is ready. Says whether that is done.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> bool {
        let Link::Open(io) = &mut self.link else { return false };
        let mut io = Pin::new(io);
        while self.written < self.out.len() {
            match io.as_mut().poll_write(cx, &self.out[self.written..]) {
                Poll::Pending => {
                    self.clock.stalls(true);
                    return false;
                }
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.written += count;
                    self.clock.stalls(false);
                }
                Poll::Ready(_) => {
                    self.lost();
                    return false;
                }
            }
        }
        self.written = 0;
        if self.out.capacity() > 2 * PACK {
            self.out = Vec::new();
        } else {
            self.out.clear();
        }
        if self.phase == Phase::Closed {
            // What the peer does with it makes no difference any more.
            if io.poll_shutdown(cx).is_ready() {
                self.link = Link::Gone;
                self.phase = Phase::Over;
            }
        }
        true
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.give_up();
        if self.code.is_none() {
            SOCKET_CLOSES.add(position(LOST), 1);
        }
    }
}

#[cfg(test)]
mod tests;
