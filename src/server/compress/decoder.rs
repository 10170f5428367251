//! Decoding, a step at a time into a buffer of the caller's.

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Decompress, FlushDecompress};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer};

/// The largest window of zstd, as a power of two: 8 MiB, the least that RFC 8878 section 3.1.1.1.2 recommends to
/// support and the most that RFC 9659 allows for this content encoding.
const ZSTD_WINDOW_LOG: u32 = 23;

/// The largest window of gzip, as a power of two: all that it has.
const GZIP_WINDOW_BITS: u8 = 15;

/// How many parts of their own gzip and zstd data may have: each costs as much as a small body.
const MAX_PARTS: u32 = 1_000;

/// A content encoding that is undone here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Brotli,
    /// The zlib format around deflate, RFC 9110 section 8.4.1.2.
    Deflate,
    Gzip,
    Zstd,
}

impl Format {
    /// By its name in any case; `x-gzip` is gzip, as RFC 9110 section 8.4.1.3 asks.
    pub(super) fn by_name(name: &str) -> Option<Self> {
        let known = [
            ("gzip", Self::Gzip),
            ("br", Self::Brotli),
            ("zstd", Self::Zstd),
            ("deflate", Self::Deflate),
            ("x-gzip", Self::Gzip),
        ];
        known.into_iter().find_map(|(known, format)| name.eq_ignore_ascii_case(known).then_some(format))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Deflate => "deflate",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Why data cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It is not what the encoding asks.
    Corrupt,
    /// It goes on after its end.
    Trailing,
    /// There are more than [`MAX_PARTS`] parts.
    Parts,
    /// It needs a larger window than [`ZSTD_WINDOW_LOG`] allows.
    Window,
    /// The system has no memory for it.
    Memory,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// How many bytes of the input were taken.
    pub(super) read: usize,
    /// How many bytes were written into the output.
    pub(super) written: usize,
}

/// Undoes an encoding. Its memory is bounded by the encoding's window: 32 KiB for gzip and deflate, 16 MiB for br and 8 MiB for
/// zstd, of which only as much is touched as is decoded.
pub(super) struct Decoder {
    codec: Codec,
    /// Whether all that was begun is complete.
    complete: bool,
    parts: u32,
}

enum Codec {
    Deflate(Box<Decompress>),
    Gzip(Box<Decompress>),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>),
    Zstd(DCtx<'static>),
}

impl Decoder {
    /// # Errors
    /// When the system has no memory for it.
    pub(super) fn new(format: Format) -> Result<Self, Flaw> {
        let codec = match format {
            Format::Deflate => Codec::Deflate(Box::new(Decompress::new(true))),
            Format::Gzip => Codec::Gzip(Box::new(gzip())),
            Format::Brotli => {
                let alloc = StandardAlloc::default;
                // Strict: no windows beyond those of RFC 7932.
                Codec::Brotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())))
            }
            Format::Zstd => {
                let mut context = DCtx::try_create().ok_or(Flaw::Memory)?;
                context.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG)).map_err(|_| Flaw::Memory)?;
                Codec::Zstd(context)
            }
        };
        // Nothing is complete: an empty body has no encoding.
        Ok(Self { codec, complete: true, parts: 0 })
    }

    /// Whether the data may end here.
    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Decodes from `input` into `output`, neither of which is empty. If it fills the output there may be more to
    /// write, for which it is called again, also without input.
    ///
    /// # Errors
    /// When the data is not valid. What was decoded before stays valid.
    pub(super) fn step(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, Flaw> {
        if self.complete
            && let Some(&first) = input.first()
        {
            self.begin(first)?;
        }
        match &mut self.codec {
            Codec::Deflate(state) | Codec::Gzip(state) => {
                let before = (state.total_in(), state.total_out());
                let status =
                    state.decompress(input, output, FlushDecompress::None).map_err(|_| Flaw::Corrupt)?;
                self.complete |= status == flate2::Status::StreamEnd;
                let read = (state.total_in() - before.0) as usize;
                Ok(Step { read, written: (state.total_out() - before.1) as usize })
            }
            Codec::Brotli(state) => {
                let (step, ended) = brotli(state, input, output)?;
                self.complete |= ended;
                Ok(step)
            }
            Codec::Zstd(context) => {
                let (mut from, mut to) = (InBuffer::around(input), OutBuffer::around(output));
                let left = context.decompress_stream(&mut to, &mut from).map_err(zstd_flaw)?;
                let step = Step { read: from.pos(), written: to.pos() };
                // Without any progress the rest of the frame is what is left to be read.
                self.complete |= left == 0 && !self.complete;
                Ok(step)
            }
        }
    }

    /// Begins a part, whose first byte this is. gzip and zstd data may have several, one behind the other.
    fn begin(&mut self, first: u8) -> Result<(), Flaw> {
        if self.parts >= MAX_PARTS {
            return Err(Flaw::Parts);
        }
        let is_first = self.parts == 0;
        match &mut self.codec {
            _ if is_first => {}
            Codec::Gzip(state) if first == 0x1f => **state = gzip(),
            // A frame of zstd, or one that is skipped.
            Codec::Zstd(_) if matches!(first, 0x28 | 0x50..=0x5f) => {}
            _ => return Err(Flaw::Trailing),
        }
        self.complete = false;
        self.parts += 1;
        Ok(())
    }
}

fn gzip() -> Decompress {
    Decompress::new_gzip(GZIP_WINDOW_BITS)
}

fn brotli(
    state: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    input: &[u8],
    output: &mut [u8],
) -> Result<(Step, bool), Flaw> {
    let (mut available_in, mut read) = (input.len(), 0);
    let (mut available_out, mut written) = (output.len(), 0);
    let result = BrotliDecompressStream(
        &mut available_in,
        &mut read,
        input,
        &mut available_out,
        &mut written,
        output,
        &mut 0,
        state,
    );
    match result {
        BrotliResult::ResultFailure => Err(Flaw::Corrupt),
        result => Ok((Step { read, written }, matches!(result, BrotliResult::ResultSuccess))),
    }
}

/// By the numbers of `zstd_errors.h`, which are negated.
fn zstd_flaw(code: usize) -> Flaw {
    match 0_usize.wrapping_sub(code) {
        16 => Flaw::Window,
        64 => Flaw::Memory,
        _ => Flaw::Corrupt,
    }
}
