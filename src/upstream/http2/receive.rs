//! Frames of the peer.

use super::engine::{Engine, Head as Answer, MAX_HEADERS};
use super::frame::{
    self, ACK, CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM, GOAWAY, HAS_PRIORITY, HEAD,
    HEADER_TABLE_SIZE, HEADERS, Head, INITIAL_WINDOW_SIZE, MAX_31, MAX_CONCURRENT_STREAMS, MAX_FRAME,
    MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE, PING, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    number, put_head, unpadded,
};
use super::hpack::Block;
use super::reason::{Error, Flaw, Reason};
use super::slot::Stage;

/// How large a block of headers may be that comes in several frames, in bytes. Decoded it must not be larger than
/// [`MAX_HEADERS`], which only a Huffman code that makes it longer could miss.
const MAX_BLOCK: usize = 2 * MAX_HEADERS;
/// In how many frames it may come.
const MAX_CONTINUATIONS: u32 = 64;

/// The beginning of headers whose rest comes in further frames.
#[derive(Debug)]
pub(super) struct Unfinished {
    stream: u32,
    is_end: bool,
    block: Vec<u8>,
    frames: u32,
}

impl Engine {
    /// Takes the frames that are there in full and says how many bytes they have; the others must come again, with
    /// more. One that is not there in full has at most 9 bytes and 16 KiB.
    ///
    /// # Errors
    /// What ends the connection. The engine has failed then and says so to the peer, and must get nothing more.
    pub fn receive(&mut self, input: &[u8]) -> Result<usize, Flaw> {
        let mut used = 0;
        self.arrivals = self.arrivals.wrapping_add(1);
        while let Some((&head, rest)) = input[used..].split_first_chunk::<HEAD>() {
            let head = Head::parse(head);
            let outcome = if head.length > MAX_FRAME {
                Err(Flaw::size("sent a frame that is larger than was allowed"))
            } else if let Some(payload) = rest.get(..head.length) {
                self.frame(&head, payload)
            } else {
                break;
            };
            if let Err(flaw) = outcome {
                frame::put_goaway(&mut self.out, flaw.reason);
                self.fail_all(&Error::Connection(flaw));
                return Err(flaw);
            }
            used += HEAD + head.length;
        }
        Ok(used)
    }

    fn frame(&mut self, head: &Head, payload: &[u8]) -> Result<(), Flaw> {
        if !self.heard {
            if head.kind != SETTINGS || head.has(ACK) {
                return Err(Flaw::protocol("does not begin with SETTINGS"));
            }
            self.heard = true;
            // What it does not bound, it does not.
            self.max_streams(usize::MAX);
        }
        if self.unfinished.is_some() && head.kind != CONTINUATION {
            return Err(Flaw::protocol("sent another frame in the middle of headers"));
        }
        match head.kind {
            DATA => self.data(head, payload),
            HEADERS => self.headers(head, payload),
            CONTINUATION => self.continuation(head, payload),
            RST_STREAM => self.rst_stream(head, payload),
            SETTINGS => self.settings(head, payload),
            PING => self.ping(head, payload),
            GOAWAY => self.goaway(head, payload),
            WINDOW_UPDATE => self.window_update(head, payload),
            PUSH_PROMISE => Err(Flaw::protocol("pushed although that was forbidden")),
            PRIORITY if head.stream == 0 || head.length != 5 => {
                Err(Flaw::size("sent a PRIORITY frame that is none"))
            }
            _ => self.empty(),
        }
    }

    /// Whether there is something to do on a stream. It must have been opened.
    fn is_live(&self, id: u32) -> Result<bool, Flaw> {
        if id == 0 || id.is_multiple_of(2) || id >= self.next_id {
            return Err(Flaw::protocol("sent a frame for a stream that was never opened"));
        }
        Ok(self.slots.get(&id).is_some_and(|slot| slot.receiving.stage != Stage::Ended))
    }

    fn data(&mut self, head: &Head, payload: &[u8]) -> Result<(), Flaw> {
        let content = unpadded(head, payload)?;
        let (id, size) = (head.stream, payload.len() as u32);
        self.received(size)?;
        if !self.is_live(id)? {
            // It was under way when the stream was closed, or it is in vain.
            return self.empty();
        }
        let Some(receiving) = self.slots.get_mut(&id).map(|slot| &mut slot.receiving) else { return Ok(()) };
        if receiving.stage == Stage::Head {
            return self.reset(id, Flaw::protocol("sent content before its headers"));
        }
        let Some(window) = receiving.window.checked_sub(size) else {
            return self.reset(id, Flaw::new(Reason::FLOW_CONTROL_ERROR, "sent more than its window allows"));
        };
        receiving.window = window;
        if let Some(length) = &mut receiving.length {
            match length.checked_sub(content.len() as u64) {
                Some(rest) => *length = rest,
                None => return self.reset(id, Flaw::protocol("sent more content than it announced")),
            }
        }
        let discard = receiving.discard;
        if discard.is_none() {
            receiving.data.extend_from_slice(content);
        }
        let allowed = if discard == Some(true) { size } else { size - content.len() as u32 };
        if allowed > 0 {
            self.allow(id, allowed);
        }
        if head.has(END_STREAM) {
            self.brought();
            return self.ended(id, None);
        }
        if content.is_empty() {
            return self.empty();
        }
        self.brought();
        if discard.is_none() {
            self.wake_reader(id);
        }
        Ok(())
    }

    fn headers(&mut self, head: &Head, payload: &[u8]) -> Result<(), Flaw> {
        let mut block = unpadded(head, payload)?;
        if head.has(HAS_PRIORITY) {
            block = block.get(5..).ok_or(Flaw::size("sent HEADERS that are too short"))?;
        }
        self.is_live(head.stream)?;
        if head.has(END_HEADERS) {
            return self.block(head.stream, head.has(END_STREAM), block);
        }
        self.unfinished = Some(Unfinished {
            stream: head.stream,
            is_end: head.has(END_STREAM),
            block: block.to_vec(),
            frames: 0,
        });
        Ok(())
    }

    fn continuation(&mut self, head: &Head, payload: &[u8]) -> Result<(), Flaw> {
        const STRAY: Flaw = Flaw::protocol("sent a CONTINUATION of nothing");
        let mut unfinished = self.unfinished.take().ok_or(STRAY)?;
        if unfinished.stream != head.stream {
            return Err(STRAY);
        }
        unfinished.frames += 1;
        if unfinished.block.len() + payload.len() > MAX_BLOCK || unfinished.frames > MAX_CONTINUATIONS {
            return Err(Flaw::new(Reason::ENHANCE_YOUR_CALM, "sent headers without end"));
        }
        unfinished.block.extend_from_slice(payload);
        if head.has(END_HEADERS) {
            return self.block(unfinished.stream, unfinished.is_end, &unfinished.block);
        }
        self.unfinished = Some(unfinished);
        Ok(())
    }

    /// Headers or trailers that are there in full. They are read in any case, as the table depends on it.
    fn block(&mut self, id: u32, is_end: bool, block: &[u8]) -> Result<(), Flaw> {
        let block = self.decoder.decode(block, MAX_HEADERS)?;
        if !self.is_live(id)? {
            return self.empty();
        }
        self.brought();
        if let Some(flaw) = block.flaw {
            return self.reset(id, flaw);
        }
        let stage = self.slots.get(&id).map(|slot| slot.receiving.stage);
        if stage == Some(Stage::Head) {
            self.head(id, is_end, block)
        } else {
            self.trailers(id, is_end, block)
        }
    }

    fn head(&mut self, id: u32, is_end: bool, block: Block) -> Result<(), Flaw> {
        let Some(status) = block.status else {
            return self.reset(id, Flaw::protocol("sent headers without a status"));
        };
        match status {
            // Nothing switches protocols in HTTP/2 (RFC 9113 section 8.6).
            101 => return self.reset(id, Flaw::protocol("switched to another protocol")),
            100..200 if is_end => return self.reset(id, Flaw::protocol("ended without an answer")),
            100..200 => return self.empty(),
            _ => {}
        }
        let Some(receiving) = self.slots.get_mut(&id).map(|slot| &mut slot.receiving) else { return Ok(()) };
        receiving.stage = Stage::Body;
        receiving.length = block.length;
        if receiving.discard.is_none() {
            receiving.head = Some(Answer { status, fields: block.fields });
        }
        if is_end {
            return self.ended(id, None);
        }
        self.wake_reader(id);
        Ok(())
    }

    fn trailers(&mut self, id: u32, is_end: bool, block: Block) -> Result<(), Flaw> {
        if !is_end || block.status.is_some() {
            return self.reset(id, Flaw::protocol("sent headers in the middle of its content"));
        }
        self.ended(id, Some(block))
    }

    /// The answer is complete.
    fn ended(&mut self, id: u32, trailers: Option<Block>) -> Result<(), Flaw> {
        let Some(receiving) = self.slots.get_mut(&id).map(|slot| &mut slot.receiving) else { return Ok(()) };
        if receiving.length.is_some_and(|length| length > 0) {
            return self.reset(id, Flaw::protocol("sent less content than it announced"));
        }
        receiving.stage = Stage::Ended;
        receiving.trailers = trailers.map(|block| block.fields);
        self.wake_reader(id);
        self.settle(id);
        Ok(())
    }

    fn rst_stream(&mut self, head: &Head, payload: &[u8]) -> Result<(), Flaw> {
        let reason = number(payload).map(Reason).ok_or(Flaw::size("sent an RST_STREAM that is none"))?;
        let is_live = self.is_live(head.stream)?;
        if !is_live {
            self.empty()?;
        }
        // After a complete answer this only says that the rest of the request is not wanted (section 8.1).
        self.fail(head.stream, Error::Reset(reason));
        Ok(())
    }

    fn settings(&mut self, head: &Head, payload: &[u8]) -> Result<(), Flaw> {
        if head.stream != 0 {
            return Err(Flaw::protocol("sent SETTINGS on a stream"));
        }
        if !payload.len().is_multiple_of(6) || (head.has(ACK) && !payload.is_empty()) {
            return Err(Flaw::size("sent SETTINGS that are none"));
        }
        if head.has(ACK) {
            return self.empty();
        }
        for (name, value) in frame::settings(payload) {
            self.setting(name, value)?;
        }
        self.answering()?;
        put_head(&mut self.out, 0, SETTINGS, ACK, 0);
        Ok(())
    }

    fn setting(&mut self, name: u16, value: u32) -> Result<(), Flaw> {
        let size = usize::try_from(value).unwrap_or(usize::MAX);
        match name {
            HEADER_TABLE_SIZE => self.encoder.resize(size),
            ENABLE_PUSH if value != 0 => return Err(Flaw::protocol("wants to be pushed to")),
            MAX_CONCURRENT_STREAMS => self.max_streams(size),
            INITIAL_WINDOW_SIZE => self.initial_window(value)?,
            MAX_FRAME_SIZE if !(MAX_FRAME..1 << 24).contains(&size) => {
                return Err(Flaw::protocol("allows frames of an impossible size"));
            }
            MAX_FRAME_SIZE => self.peer.max_frame = size.min(MAX_FRAME),
            MAX_HEADER_LIST_SIZE => self.peer.max_headers = Some(size),
            _ => {}
        }
        Ok(())
    }

    fn initial_window(&mut self, window: u32) -> Result<(), Flaw> {
        if window > MAX_31 {
            return Err(OVERFLOW);
        }
        let change = i64::from(window) - i64::from(self.peer.window);
        self.peer.window = window;
        let mut going_on = Vec::new();
        for (&id, slot) in &mut self.slots {
            slot.sending.window += change;
            if slot.sending.window > i64::from(MAX_31) {
                return Err(OVERFLOW);
            }
            if slot.sending.piece.is_some() {
                going_on.push(id);
            }
        }
        for id in going_on {
            self.enqueue(id);
        }
        Ok(())
    }

    fn ping(&mut self, head: &Head, payload: &[u8]) -> Result<(), Flaw> {
        if head.stream != 0 || payload.len() != 8 {
            return Err(Flaw::size("sent a PING that is none"));
        }
        if head.has(ACK) {
            return self.empty();
        }
        self.answering()?;
        put_head(&mut self.out, 8, PING, ACK, 0);
        self.out.extend_from_slice(payload);
        Ok(())
    }

    fn goaway(&mut self, head: &Head, payload: &[u8]) -> Result<(), Flaw> {
        const NONE: Flaw = Flaw::size("sent a GOAWAY that is none");
        if head.stream != 0 {
            return Err(NONE);
        }
        let last = payload.get(..4).and_then(number).ok_or(NONE)? & MAX_31;
        let reason = payload.get(4..8).and_then(number).map(Reason).ok_or(NONE)?;
        self.empty()?;
        self.going_away(last, reason);
        Ok(())
    }

    fn window_update(&mut self, head: &Head, payload: &[u8]) -> Result<(), Flaw> {
        let increment = number(payload).ok_or(Flaw::size("sent a WINDOW_UPDATE that is none"))? & MAX_31;
        let most = i64::from(MAX_31);
        if head.stream == 0 {
            self.window += i64::from(increment);
            if increment == 0 || self.window > most {
                return Err(OVERFLOW);
            }
            self.fill();
            return Ok(());
        }
        self.is_live(head.stream)?;
        let Some(slot) = self.slots.get_mut(&head.stream).filter(|slot| slot.is_open) else {
            return self.empty();
        };
        slot.sending.window += i64::from(increment);
        if increment == 0 {
            return self.reset(head.stream, Flaw::protocol("opened its window by nothing"));
        }
        if slot.sending.window > most {
            return self.reset(head.stream, OVERFLOW);
        }
        self.enqueue(head.stream);
        Ok(())
    }
}

const OVERFLOW: Flaw = Flaw::new(Reason::FLOW_CONTROL_ERROR, "opened a window wider than there can be");
