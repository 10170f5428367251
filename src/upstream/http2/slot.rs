//! One stream, as the connection keeps it.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::task::Waker;

use bytes::BytesMut;

use super::engine::{Head, STREAM_WINDOW};
use super::fields::Fields;
use super::piece::Piece;
use super::reason::Error;

/// The streams of a connection by their identifiers.
pub(super) type Slots = HashMap<u32, Slot, BuildHasherDefault<IdHasher>>;

/// Spreads identifiers, which are odd and come one after the other. This side chooses them, so nobody can make them
/// fall together.
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte) ^ self.0 as u32);
        }
    }

    fn write_u32(&mut self, id: u32) {
        // The table takes its place from the lower bits and a tag from the upper ones.
        self.0 = u64::from(id >> 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

/// How far the answer has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The headers are awaited.
    Head,
    /// The content is awaited, or the trailers.
    Body,
    /// Nothing more comes.
    Ended,
}

/// A stream from its opening until its handle is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) receiving: Receiving,
    pub(super) sending: Sending,
    /// Whether it counts among the streams that the peer allows.
    pub(super) is_open: bool,
}

/// What came and was not taken yet.
#[derive(Debug)]
pub(super) struct Receiving {
    pub(super) stage: Stage,
    pub(super) head: Option<Head>,
    pub(super) data: BytesMut,
    pub(super) trailers: Option<Fields>,
    /// Why nothing comes after this.
    pub(super) error: Option<Error>,
    /// What the peer may send yet.
    pub(super) window: u32,
    /// What was taken and not given back to the peer's window yet.
    pub(super) taken: u32,
    /// What is left of the announced content.
    pub(super) length: Option<u64>,
    /// Whether what comes is thrown away, and then whether the peer may send as much again.
    pub(super) discard: Option<bool>,
    pub(super) waker: Option<Waker>,
}

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Sending {
    /// What the windows have not granted yet.
    pub(super) piece: Option<Piece>,
    /// Whether nothing comes after the piece.
    pub(super) is_last: bool,
    /// Whether the end was sent.
    pub(super) has_ended: bool,
    /// May be negative: the peer can take back what it allowed (RFC 9113 section 6.9.2).
    pub(super) window: i64,
    /// Whether it stands in the queue of those that could send.
    pub(super) is_queued: bool,
    pub(super) waker: Option<Waker>,
}

impl Slot {
    pub(super) fn new(window: i64, piece: Option<Piece>, is_last: bool) -> Self {
        Self {
            receiving: Receiving {
                stage: Stage::Head,
                head: None,
                data: BytesMut::new(),
                trailers: None,
                error: None,
                window: STREAM_WINDOW,
                taken: 0,
                length: None,
                discard: None,
                waker: None,
            },
            sending: Sending { piece, is_last, has_ended: false, window, is_queued: false, waker: None },
            is_open: true,
        }
    }

    /// Whether both sides have sent everything.
    pub(super) const fn is_complete(&self) -> bool {
        matches!(self.receiving.stage, Stage::Ended) && self.sending.has_ended
    }

    /// Ends it. An answer that has ended stays as it is.
    pub(super) fn fail(&mut self, error: Error, woken: &mut Vec<Waker>) {
        if self.receiving.stage != Stage::Ended {
            self.receiving.stage = Stage::Ended;
            self.receiving.error = Some(error);
        }
        self.sending.piece = None;
        self.sending.has_ended = true;
        woken.extend(self.receiving.waker.take());
        woken.extend(self.sending.waker.take());
    }
}
