//! Opening streams and sending on them.

use std::task::{Context, Poll};

use super::engine::{ENOUGH, Engine};
use super::frame::{self, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEAD, HEADERS};
use super::hpack::Request;
use super::piece::Piece;
use super::reason::Error;
use super::slot::Slot;

impl Engine {
    /// Opens a stream in a place that was kept for it, which is used up in any case. Without a piece, the content
    /// comes later; with one, that is all of it.
    ///
    /// # Errors
    /// When the connection takes no more streams, or no such headers.
    pub fn open(&mut self, request: &Request<'_>, piece: Option<Piece>) -> Result<u32, Error> {
        let refusal = self.end().or_else(|| self.headers_too_large(request));
        if let Some(error) = refusal {
            self.give_back();
            return Err(error);
        }
        let id = self.next_id;
        self.next_id += 2;
        self.put_headers(id, request);
        let is_last = piece.is_some();
        self.slots.insert(id, Slot::new(i64::from(self.peer.window), piece, is_last));
        if is_last {
            self.enqueue(id);
        }
        self.brought();
        self.wake_driver();
        Ok(id)
    }

    fn headers_too_large(&self, request: &Request<'_>) -> Option<Error> {
        let limit = self.peer.max_headers?;
        let size = request.size();
        (size > limit).then_some(Error::HeadersTooLarge { size, limit })
    }

    fn put_headers(&mut self, id: u32, request: &Request<'_>) {
        let start = self.out.len();
        self.out.extend_from_slice(&[0; HEAD]);
        self.encoder.encode(request, &mut self.out);
        let length = self.out.len() - start - HEAD;
        let most = self.peer.max_frame;
        let (kind, flags) = (HEADERS, if length <= most { END_HEADERS } else { 0 });
        let head = frame::Head { length: length.min(most), kind, flags, stream: id };
        self.out[start..start + HEAD].copy_from_slice(&head.bytes());
        if length > most {
            let rest = self.out.split_off(start + HEAD + most);
            let last = rest.len().div_ceil(most) - 1;
            for (index, part) in rest.chunks(most).enumerate() {
                let flags = if index == last { END_HEADERS } else { 0 };
                frame::put_head(&mut self.out, part.len(), CONTINUATION, flags, id);
                self.out.extend_from_slice(part);
            }
        }
    }

    /// Resolves once all that was given before is granted by the windows; with false if the peer takes no more.
    pub(super) fn poll_sent(&mut self, id: u32, cx: &Context<'_>) -> Poll<bool> {
        let Some(sending) = self.slots.get_mut(&id).map(|slot| &mut slot.sending) else {
            return Poll::Ready(false);
        };
        if sending.has_ended {
            return Poll::Ready(false);
        }
        if sending.piece.is_none() {
            return Poll::Ready(true);
        }
        sending.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Sends a piece, or the end for none. What was given before must be granted.
    pub fn send(&mut self, id: u32, piece: Option<Piece>) {
        let Some(sending) = self.slots.get_mut(&id).map(|slot| &mut slot.sending) else { return };
        if sending.has_ended || sending.piece.is_some() {
            return;
        }
        match piece {
            Some(piece) => {
                sending.piece = Some(piece);
                self.enqueue(id);
            }
            None => {
                sending.has_ended = true;
                frame::put_head(&mut self.out, 0, DATA, END_STREAM, id);
                self.settle(id);
            }
        }
        self.wake_driver();
    }

    /// Sends what the windows grant of a stream's piece, in its turn.
    pub(super) fn enqueue(&mut self, id: u32) {
        let Some(sending) = self.slots.get_mut(&id).map(|slot| &mut slot.sending) else { return };
        if sending.piece.is_some() && sending.window > 0 && !sending.is_queued {
            sending.is_queued = true;
            self.queue.push_back(id);
            self.fill();
        }
    }

    /// Writes content until there is enough, or none that the windows allow. Streams take turns, frame by frame.
    pub(super) fn fill(&mut self) {
        while self.window > 0
            && self.out.len() < ENOUGH
            && let Some(id) = self.queue.pop_front()
        {
            self.put_data(id);
        }
    }

    fn put_data(&mut self, id: u32) {
        let Some(sending) = self.slots.get_mut(&id).map(|slot| &mut slot.sending) else { return };
        sending.is_queued = false;
        let Some(piece) = &mut sending.piece else { return };
        let left = piece.left();
        let granted = self.window.min(sending.window).max(0);
        let count = left.min(self.peer.max_frame).min(usize::try_from(granted).unwrap_or(0));
        if count == 0 {
            return;
        }
        let is_end = count == left && sending.is_last;
        frame::put_head(&mut self.out, count, DATA, if is_end { END_STREAM } else { 0 }, id);
        piece.take(count, &mut self.out);
        self.window -= count as i64;
        sending.window -= count as i64;
        if count == left {
            sending.piece = None;
            sending.has_ended = is_end;
            let waker = sending.waker.take();
            self.wake(waker);
            self.settle(id);
        } else if sending.window > 0 {
            sending.is_queued = true;
            self.queue.push_back(id);
        }
    }
}
