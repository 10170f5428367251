//! The encodings of a body, undone one after the other: `content-encoding: gzip, br` is brotli around gzip.
//!
//! - Each layer decodes a piece of at most 16 KiB when the one inside it has used up the last, so that no layer keeps
//!   more than its window and one piece.
//! - After 64 KiB no layer may give more than 100 times as much as was received of the body, so that a chain expands no
//!   further than a single encoding.

use bytes::{Buf, Bytes};

use super::decoder::{Decoder, Flaw, Format};
use crate::status::{Code, Status};

/// What is decoded at once, in bytes.
const PIECE: usize = 16 * 1024;

/// How many times larger than what was received a body may be, from [`FREE`] bytes on.
const MAX_RATIO: u64 = 100;

/// Up to this size, in bytes, the ratio does not matter.
const FREE: u64 = 64 * 1024;

/// How many bytes a layer may take in a row of which nothing comes out. A block of zstd has at most 128 KiB.
const MAX_BARREN: usize = 1024 * 1024;

/// A body that is being decoded.
#[derive(Debug)]
pub(super) struct Layers(
    /// From the outermost, which the client applied last, to the innermost. Never empty.
    Vec<Layer>,
);

impl Layers {
    /// `formats` are in the order in which they were applied; at least one.
    pub(super) fn new(formats: &[Format]) -> Self {
        Self(formats.iter().rev().copied().map(Layer::new).collect())
    }

    /// Whether nothing was received yet.
    pub(super) fn is_untouched(&self) -> bool {
        self.0.iter().all(|layer| layer.work.is_none())
    }

    /// Takes the next piece of the body, when [`Layers::decode`] has given all of the last.
    pub(super) fn push(&mut self, data: Bytes) {
        if let Some(outermost) = self.0.first_mut() {
            outermost.input = data;
        }
    }

    /// The next piece without any encoding; absent when more is needed.
    ///
    /// # Errors
    /// When the body is not valid, or goes beyond a bound.
    pub(super) fn decode(&mut self) -> Result<Option<Bytes>, Box<Status>> {
        let innermost = self.0.len() - 1;
        let mut at = innermost;
        loop {
            let received = (at > 0).then_some(self.0[0].taken);
            match self.0[at].decode(received)? {
                Some(piece) if at == innermost => return Ok(Some(piece)),
                Some(piece) => {
                    at += 1;
                    self.0[at].input = piece;
                }
                None if at == 0 => return Ok(None),
                None => at -= 1,
            }
        }
    }

    /// Nothing more is received.
    ///
    /// # Errors
    /// When a layer is not complete.
    pub(super) fn end(&self) -> Result<(), Box<Status>> {
        self.0.iter().try_for_each(Layer::end)
    }
}

/// One encoding.
struct Layer {
    format: Format,
    /// Made when the first byte comes.
    work: Option<Work>,
    /// What came and is not decoded yet.
    input: Bytes,
    taken: u64,
    given: u64,
    /// How many bytes were taken since something came out.
    barren: usize,
}

struct Work {
    decoder: Decoder,
    piece: Box<[u8]>,
    /// The last piece was full, so that there may be more without more input.
    was_full: bool,
}

impl std::fmt::Debug for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Layer").field("format", &self.format).finish_non_exhaustive()
    }
}

impl Layer {
    const fn new(format: Format) -> Self {
        Self { format, work: None, input: Bytes::new(), taken: 0, given: 0, barren: 0 }
    }

    /// The next piece of what came; absent when more is needed. `received` is how much was decoded of the whole body,
    /// if that is not what this layer has taken.
    fn decode(&mut self, received: Option<u64>) -> Result<Option<Bytes>, Box<Status>> {
        loop {
            let work = match &mut self.work {
                Some(work) => work,
                None if self.input.is_empty() => return Ok(None),
                None => self.work.insert(Work::new(self.format).map_err(|flaw| refusal(flaw, self.format))?),
            };
            if self.input.is_empty() && !work.was_full {
                return Ok(None);
            }
            let step = work.decoder.step(&self.input, &mut work.piece);
            let step = step.map_err(|flaw| refusal(flaw, self.format))?;
            self.input.advance(step.read);
            work.was_full = step.written == work.piece.len() && !work.decoder.is_complete();
            self.taken += step.read as u64;
            self.given += step.written as u64;
            self.barren = if step.written > 0 { 0 } else { self.barren + step.read };
            let received = received.unwrap_or(self.taken);
            if self.given > FREE && self.given > received.saturating_mul(MAX_RATIO) {
                return Err(bomb(self.format));
            }
            if self.barren > MAX_BARREN {
                return Err(barren(self.format));
            }
            if step.written > 0 {
                return Ok(Some(Bytes::copy_from_slice(&work.piece[..step.written])));
            }
            if step.read == 0 && !self.input.is_empty() {
                // It wants neither more input nor more room.
                return Err(refusal(Flaw::Corrupt, self.format));
            }
        }
    }

    /// Nothing more is received.
    fn end(&self) -> Result<(), Box<Status>> {
        if self.work.as_ref().is_none_or(|work| work.decoder.is_complete()) {
            return Ok(());
        }
        Err(wrong(format!("The request body ends in the middle of its {} data.", self.format.name())))
    }
}

impl Work {
    fn new(format: Format) -> Result<Self, Flaw> {
        let piece = vec![0; PIECE].into_boxed_slice();
        Ok(Self { decoder: Decoder::new(format)?, piece, was_full: false })
    }
}

fn refusal(flaw: Flaw, format: Format) -> Box<Status> {
    let name = format.name();
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

fn bomb(format: Format) -> Box<Status> {
    let text = format!(
        "The request body is more than {MAX_RATIO} times as large as its {} data, which is refused. Send it without \
         a content encoding.",
        format.name()
    );
    Box::new(Status::caller(Code::ResourceExhausted, text).with_http(413))
}

fn barren(format: Format) -> Box<Status> {
    wrong(format!("The {} data of the request body goes on without any content.", format.name()))
}

fn wrong(text: String) -> Box<Status> {
    Box::new(Status::caller(Code::InvalidArgument, text))
}
