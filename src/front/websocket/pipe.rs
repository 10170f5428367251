//! From the socket to the call: messages on their way between the task that reads the socket and the one that sends
//! them to the backend.
//!
//! Little is kept: while there are more than [`MOST`] bytes or messages, the socket is not read. So a backend that
//! does not take messages holds back its client.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::status::{Code, Status};

/// How many bytes, and how many messages, may wait before no more is read. One message always may.
const MOST: (usize, usize) = (16 << 10, 16);

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Bytes>,
    bytes: usize,
    /// Whether no more messages come.
    ended: bool,
    /// Whether the socket was given up before its messages ended.
    broken: bool,
    /// Whether nobody takes messages any more.
    gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The end at the socket.
#[derive(Debug)]
pub(super) struct Sender(Arc<Mutex<State>>);

/// The end at the call.
#[derive(Debug)]
pub(super) struct Receiver(Arc<Mutex<State>>);

pub(super) fn pipe() -> (Sender, Receiver) {
    let state = Arc::<Mutex<State>>::default();
    (Sender(Arc::clone(&state)), Receiver(state))
}

/// Both ends belong to one core: nobody waits here but by rare chance.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remember(place: &mut Option<Waker>, cx: &Context<'_>) {
    match place {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *place = Some(cx.waker().clone()),
    }
}

impl Sender {
    /// Whether there is room for a message.
    pub(super) fn poll_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.gone || (state.bytes < MOST.0 && state.queue.len() < MOST.1) {
            return Poll::Ready(());
        }
        remember(&mut state.writer, cx);
        Poll::Pending
    }

    /// Gives a message on; it is dropped where nobody takes it.
    pub(super) fn send(&self, message: Bytes) {
        let mut state = lock(&self.0);
        if !state.gone {
            state.bytes += message.len();
            state.queue.push_back(message);
            wake(state);
        }
    }

    /// Says that there are no more.
    pub(super) fn end(&self) {
        let mut state = lock(&self.0);
        state.ended = true;
        wake(state);
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let reader = state.reader.take();
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.broken = !state.ended;
        wake(state);
    }
}

impl Receiver {
    /// The next message; none after the last.
    ///
    /// # Errors
    /// CANCELLED where the socket was given up before.
    pub(super) fn poll_message(&self, cx: &Context<'_>) -> Poll<Option<Result<Bytes, Status>>> {
        let mut state = lock(&self.0);
        if let Some(message) = state.queue.pop_front() {
            state.bytes -= message.len();
            let writer = state.writer.take();
            drop(state);
            if let Some(writer) = writer {
                writer.wake();
            }
            return Poll::Ready(Some(Ok(message)));
        }
        if state.broken {
            return Poll::Ready(Some(Err(Status::caller(Code::Cancelled, "The socket was closed."))));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        remember(&mut state.reader, cx);
        Poll::Pending
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.gone = true;
        state.queue = VecDeque::new();
        let writer = state.writer.take();
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn little_is_kept() {
        let cx = Context::from_waker(Waker::noop());
        let (sender, receiver) = pipe();
        for _ in 0..MOST.1 {
            assert!(sender.poll_ready(&cx).is_ready());
            sender.send(Bytes::from_static(b"a"));
        }
        assert!(sender.poll_ready(&cx).is_pending(), "as many as may wait");
        assert!(matches!(receiver.poll_message(&cx), Poll::Ready(Some(Ok(_)))));
        assert!(sender.poll_ready(&cx).is_ready());
        sender.send(Bytes::from(vec![0; MOST.0]));
        assert!(sender.poll_ready(&cx).is_pending(), "as much as may wait");
        sender.end();
        for _ in 0..MOST.1 {
            assert!(matches!(receiver.poll_message(&cx), Poll::Ready(Some(Ok(_)))));
        }
        assert!(matches!(receiver.poll_message(&cx), Poll::Ready(None)));
        drop(sender);
        assert!(matches!(receiver.poll_message(&cx), Poll::Ready(None)), "it had ended before");
    }

    #[test]
    fn who_leaves_is_noticed() {
        let cx = Context::from_waker(Waker::noop());
        let (sender, receiver) = pipe();
        assert!(receiver.poll_message(&cx).is_pending());
        drop(sender);
        let Poll::Ready(Some(Err(status))) = receiver.poll_message(&cx) else { panic!("no error") };
        assert_eq!(status.code(), Code::Cancelled);

        let (sender, receiver) = pipe();
        sender.send(Bytes::from(vec![0; MOST.0]));
        assert!(sender.poll_ready(&cx).is_pending());
        drop(receiver);
        assert!(sender.poll_ready(&cx).is_ready(), "what nobody takes is read and forgotten");
        sender.send(Bytes::from_static(b"a"));
        assert!(lock(&sender.0).queue.is_empty());
    }
}
