//! A connection without input and output.

use std::collections::{BTreeMap, VecDeque};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};

use super::fields::Fields;
use super::frame::{self, MAX_31, MAX_FRAME, PREFACE};
use super::hpack::{Decoder, Encoder};
use super::reason::{Error, Flaw, Reason};
use super::receive::Unfinished;
use super::slot::{Slots, Stage};

/// Bytes that the peer may send on one stream before they are taken.
pub const STREAM_WINDOW: u32 = 64 * 1024;
/// The same for a whole connection: all that there can be, so that streams which nobody reads, however many,
/// never hold up the others. What may lie unread is bounded by the streams' own windows.
const CONNECTION_WINDOW: u32 = MAX_31;
/// The windows that both sides begin with (RFC 9113 section 6.9.2).
const FIRST_WINDOW: u32 = 65_535;
/// How much of the connection's window may be used until it is given back.
const GIVE_BACK: u32 = 1 << 30;
/// Bytes of the headers of one answer, and of its trailers, as RFC 9113 section 6.5.2 counts them.
pub const MAX_HEADERS: usize = 64 * 1024;
/// How many streams there may be until the peer says how many it takes.
const FIRST_STREAMS: usize = 100;
/// How many frames may answer those of the peer until what was written before has left.
const MAX_ANSWERS: usize = 1000;
/// How many frames in a row may bring nothing.
const MAX_EMPTY: u32 = 10_000;
/// Content is written until so many bytes wait to leave.
pub(super) const ENOUGH: usize = 64 * 1024;
/// With so many bytes that the peer does not take, no stream is opened.
const STUCK: usize = 1024 * 1024;

/// The state of a connection: what came and was not taken, what is to leave, and who waits.
///
/// It makes no calls and knows no time. The peer's bytes go into [`Engine::receive`]; what has to be sent is in
/// [`Engine::take_output`]. Tasks that can go on are collected, to be woken without the lock.
#[derive(Debug)]
pub struct Engine {
    pub(super) decoder: Decoder,
    pub(super) encoder: Encoder,
    /// Headers of which more comes.
    pub(super) unfinished: Option<Unfinished>,
    /// What is to leave.
    pub(super) out: Vec<u8>,
    pub(super) peer: Peer,
    /// What may be sent on the connection.
    pub(super) window: i64,
    /// Streams that have something which their own windows allow.
    pub(super) queue: VecDeque<u32>,
    pub(super) slots: Slots,
    /// How many streams are open, and how many more will be.
    pub(super) open: usize,
    pub(super) next_id: u32,
    turns: Turns,
    /// What came on the connection and was not given back to its window.
    received: u32,
    answers: usize,
    empty: u32,
    /// Why no more streams are opened.
    end: Option<Error>,
    /// Whether anything came at all.
    pub(super) heard: bool,
    /// How often something came.
    pub(super) arrivals: u32,
    woken: Vec<Waker>,
    driver: Option<Waker>,
    is_driver_woken: bool,
    /// Whether nobody is left who would open streams.
    is_let_go: bool,
}

/// What the peer said about itself.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) max_streams: usize,
    pub(super) window: u32,
    pub(super) max_frame: usize,
    pub(super) max_headers: Option<usize>,
}

/// Those who wait until the peer takes another stream, by their numbers.
#[derive(Debug, Default)]
struct Turns {
    waiting: BTreeMap<u64, Waker>,
    next: u64,
}

/// The beginning of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub fields: Fields,
}

/// What comes on a stream: a head, any number of pieces of data, and an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The headers.
    Head(Head),
    /// A part of the content, never empty.
    Data(Bytes),
    /// The end, with the trailers if there are any.
    End(Option<Fields>),
}

/// A place in the queue for a stream; 0 for none.
pub(super) type Ticket = u64;

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// A connection on which nothing has happened yet. Its first output is the client's preface.
    pub fn new() -> Self {
        let mut out = PREFACE.to_vec();
        let settings = [
            (frame::ENABLE_PUSH, 0),
            (frame::INITIAL_WINDOW_SIZE, STREAM_WINDOW),
            (frame::MAX_HEADER_LIST_SIZE, MAX_HEADERS as u32),
        ];
        frame::put_settings(&mut out, &settings);
        frame::put_window_update(&mut out, 0, CONNECTION_WINDOW - FIRST_WINDOW);
        Self {
            decoder: Decoder::new(),
            encoder: Encoder::new(),
            unfinished: None,
            out,
            peer: Peer {
                max_streams: FIRST_STREAMS,
                window: FIRST_WINDOW,
                max_frame: MAX_FRAME,
                max_headers: None,
            },
            window: i64::from(FIRST_WINDOW),
            queue: VecDeque::new(),
            slots: Slots::default(),
            open: 0,
            next_id: 1,
            turns: Turns::default(),
            received: 0,
            answers: 0,
            empty: 0,
            end: None,
            heard: false,
            arrivals: 0,
            woken: Vec::new(),
            driver: None,
            is_driver_woken: false,
            is_let_go: false,
        }
    }

    /// Whether the connection takes no more streams for good, and why.
    pub(super) fn end(&self) -> Option<Error> {
        match &self.end {
            Some(end) => Some(end.clone()),
            None => (self.next_id > MAX_31 || self.out.len() > STUCK).then_some(Error::Full),
        }
    }

    /// Whether there is nothing left to do: no more streams are opened, and none is there.
    pub fn is_finished(&self) -> bool {
        (self.end.is_some() || self.is_let_go) && self.slots.is_empty() && self.open == 0
    }

    /// Opens no stream until the peer has said how many it takes.
    pub(super) fn hold(&mut self) {
        if !self.heard {
            self.peer.max_streams = 0;
        }
    }

    /// Nobody is left who would open streams.
    pub(super) fn let_go(&mut self) {
        self.is_let_go = true;
        self.wake_driver();
    }

    /// Keeps a place for a stream if there is one right now; the place must be given to `open` or to `give_back`.
    ///
    /// # Errors
    /// When the connection takes no more streams for good.
    pub fn try_turn(&mut self) -> Result<bool, Error> {
        if let Some(end) = self.end() {
            return Err(end);
        }
        let is_free = self.turns.waiting.is_empty() && self.open < self.peer.max_streams;
        self.open += usize::from(is_free);
        Ok(is_free)
    }

    /// Waits for a place for a stream and keeps it; the place must be given to `open` or to `give_back`.
    pub(super) fn poll_turn(&mut self, ticket: &mut Ticket, cx: &Context<'_>) -> Poll<Result<(), Error>> {
        if let Some(end) = self.end() {
            return Poll::Ready(Err(end));
        }
        let is_next = match self.turns.waiting.first_key_value() {
            Some((&first, _)) => first == *ticket,
            None => true,
        };
        if is_next && self.open < self.peer.max_streams {
            self.open += 1;
            self.leave_queue(ticket);
            return Poll::Ready(Ok(()));
        }
        if *ticket == 0 {
            self.turns.next += 1;
            *ticket = self.turns.next;
        }
        self.turns.waiting.insert(*ticket, cx.waker().clone());
        Poll::Pending
    }

    /// Leaves the queue for a stream.
    pub(super) fn leave_queue(&mut self, ticket: &mut Ticket) {
        let number = std::mem::take(ticket);
        if number != 0 {
            self.turns.waiting.remove(&number);
            // Perhaps it was woken instead of the next one.
            self.wake_next();
        }
    }

    /// A stream is not open any more, or never was.
    pub(super) fn give_back(&mut self) {
        self.open -= 1;
        self.wake_next();
        if self.is_finished() {
            self.wake_driver();
        }
    }

    fn wake_next(&mut self) {
        if self.open < self.peer.max_streams
            && let Some((_, waker)) = self.turns.waiting.first_key_value()
        {
            self.woken.push(waker.clone());
        }
    }

    /// Looks whether streams can be opened after the peer has changed how many it takes.
    pub(super) fn max_streams(&mut self, most: usize) {
        self.peer.max_streams = most;
        self.wake_next();
    }

    /// What came on a stream, in its order. With `go_on` the peer may send as much again as is taken.
    ///
    /// # Errors
    /// Why the stream has ended, after all that came before.
    pub fn poll_event(&mut self, id: u32, go_on: bool, cx: &Context<'_>) -> Poll<Result<Event, Error>> {
        let Some(slot) = self.slots.get_mut(&id) else { return Poll::Ready(Err(Error::Full)) };
        let receiving = &mut slot.receiving;
        if let Some(head) = receiving.head.take() {
            return Poll::Ready(Ok(Event::Head(head)));
        }
        if !receiving.data.is_empty() {
            let data = std::mem::take(&mut receiving.data).freeze();
            if go_on {
                self.allow(id, data.len() as u32);
            }
            return Poll::Ready(Ok(Event::Data(data)));
        }
        if let Some(error) = &receiving.error {
            return Poll::Ready(Err(error.clone()));
        }
        if receiving.stage == Stage::Ended {
            return Poll::Ready(Ok(Event::End(receiving.trailers.take())));
        }
        match &mut receiving.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            None => receiving.waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Gives taken bytes back to the window of a stream, in large steps.
    pub(super) fn allow(&mut self, id: u32, count: u32) {
        let Some(receiving) = self.slots.get_mut(&id).map(|slot| &mut slot.receiving) else { return };
        receiving.taken += count;
        if receiving.taken >= STREAM_WINDOW / 2 && receiving.stage != Stage::Ended {
            receiving.window += receiving.taken;
            frame::put_window_update(&mut self.out, id, std::mem::take(&mut receiving.taken));
            self.wake_driver();
        }
    }

    /// Throws away what comes on a stream from now on, and what waits to be sent. With `go_on` the peer may send
    /// as much again as comes.
    pub fn discard(&mut self, id: u32, go_on: bool) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.receiving.discard = Some(go_on);
        slot.receiving.head = None;
        slot.receiving.data = BytesMut::new();
        slot.sending.piece = None;
        slot.sending.is_last = false;
    }

    /// The handle of a stream is dropped. A stream that is still open is cancelled.
    pub fn release(&mut self, id: u32) {
        let Some(slot) = self.slots.remove(&id) else { return };
        if slot.is_open {
            frame::put_reset(&mut self.out, id, Reason::CANCEL);
            self.wake_driver();
            self.give_back();
        } else if self.is_finished() {
            self.wake_driver();
        }
    }

    /// Counts a stream out once both sides have sent everything, or it has failed.
    pub(super) fn settle(&mut self, id: u32) {
        if let Some(slot) = self.slots.get_mut(&id)
            && slot.is_complete()
            && slot.is_open
        {
            slot.is_open = false;
            self.give_back();
        }
    }

    /// Ends a stream on which the peer broke the protocol.
    pub(super) fn reset(&mut self, id: u32, flaw: Flaw) -> Result<(), Flaw> {
        self.answering()?;
        frame::put_reset(&mut self.out, id, flaw.reason);
        self.fail(id, Error::Stream(flaw));
        Ok(())
    }

    /// Ends a stream with an error.
    pub(super) fn fail(&mut self, id: u32, error: Error) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.fail(error, &mut self.woken);
            self.settle(id);
        }
    }

    /// The peer goes away and will not look at streams above `last`.
    pub(super) fn going_away(&mut self, last: u32, reason: Reason) {
        let error = Error::GoneAway(reason);
        let lost: Vec<u32> = self.slots.keys().copied().filter(|&id| id > last).collect();
        for id in lost {
            self.fail(id, error.clone());
        }
        self.refuse(error);
    }

    /// Opens no more streams. The first reason stands.
    pub(super) fn refuse(&mut self, end: Error) {
        self.end.get_or_insert(end);
        self.woken.extend(std::mem::take(&mut self.turns.waiting).into_values());
        self.wake_driver();
    }

    /// Says goodbye, and whether the end of the connection was to be expected.
    pub(super) fn farewell(&mut self) -> Result<(), Error> {
        frame::put_goaway(&mut self.out, Reason::NO_ERROR);
        match &self.end {
            Some(Error::GoneAway(reason)) if *reason != Reason::NO_ERROR => Err(Error::GoneAway(*reason)),
            _ => Ok(()),
        }
    }

    /// The connection has ended: whatever is open fails.
    pub fn fail_all(&mut self, error: &Error) {
        for slot in self.slots.values_mut() {
            slot.fail(error.clone(), &mut self.woken);
            self.open -= usize::from(std::mem::take(&mut slot.is_open));
        }
        self.refuse(error.clone());
    }

    /// Wakes whoever reads a stream.
    pub(super) fn wake_reader(&mut self, id: u32) {
        let waker = self.slots.get_mut(&id).and_then(|slot| slot.receiving.waker.take());
        self.woken.extend(waker);
    }

    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        self.woken.extend(waker);
    }

    /// The tasks that can go on. They must be woken without the lock.
    pub fn take_woken(&mut self, into: &mut Vec<Waker>) {
        if !self.woken.is_empty() {
            into.append(&mut self.woken);
        }
    }

    /// Whose task moves the bytes. It runs now.
    pub(super) fn driven_by(&mut self, cx: &Context<'_>) {
        self.is_driver_woken = false;
        if !self.driver.as_ref().is_some_and(|driver| driver.will_wake(cx.waker())) {
            self.driver = Some(cx.waker().clone());
        }
    }

    /// There is something to send. The driver's task is only put into a queue by this, so that it can be done under
    /// the lock.
    pub(super) fn wake_driver(&mut self) {
        if !self.is_driver_woken
            && let Some(driver) = &self.driver
        {
            self.is_driver_woken = true;
            driver.wake_by_ref();
        }
    }

    /// Counts a frame that answers one of the peer.
    pub(super) fn answering(&mut self) -> Result<(), Flaw> {
        self.answers += 1;
        if self.answers > MAX_ANSWERS {
            let what = "asks for more answers than it takes";
            return Err(Flaw::new(Reason::ENHANCE_YOUR_CALM, what));
        }
        Ok(())
    }

    /// Counts a frame that brings nothing.
    pub(super) fn empty(&mut self) -> Result<(), Flaw> {
        self.empty += 1;
        if self.empty > MAX_EMPTY {
            let what = "sends frame after frame that brings nothing";
            return Err(Flaw::new(Reason::ENHANCE_YOUR_CALM, what));
        }
        Ok(())
    }

    /// A frame brought something.
    pub(super) const fn brought(&mut self) {
        self.empty = 0;
    }

    /// Counts content that came, and gives it back to the connection's window.
    pub(super) fn received(&mut self, count: u32) -> Result<(), Flaw> {
        self.received += count;
        if self.received > CONNECTION_WINDOW {
            return Err(Flaw::new(
                Reason::FLOW_CONTROL_ERROR,
                "sent more than the connection's window allows",
            ));
        }
        if self.received >= GIVE_BACK {
            frame::put_window_update(&mut self.out, 0, std::mem::take(&mut self.received));
        }
        Ok(())
    }

    /// Puts what is to leave into an empty buffer, whose memory is used for what comes next.
    pub fn take_output(&mut self, into: &mut Vec<u8>) {
        debug_assert!(into.is_empty(), "what was taken before has left");
        self.fill();
        std::mem::swap(&mut self.out, into);
        self.answers = 0;
    }
}
