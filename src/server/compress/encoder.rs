//! Encoding, from pieces of any size.

use std::io::{self, Write};

use brotli::CompressorWriter;
use flate2::{Compress, FlushCompress, Status};
use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

use super::Coding;

/// The levels: what a gateway can do in passing.
const GZIP_LEVEL: u32 = 1;
const BROTLI_QUALITY: u32 = 1;
const ZSTD_LEVEL: i32 = 1;

/// The windows as powers of two, first of a body whose size is known, then of a stream, which may stay open long beside
/// many others: an encoder of zstd with a window of 2^17 takes up to 950 KiB, with one of 2^14 200 KiB.
const GZIP_WINDOWS: [u8; 2] = [15, 13];
const BROTLI_WINDOWS: [u32; 2] = [16, 16];
const ZSTD_WINDOWS: [u32; 2] = [17, 14];

/// How much room is made at a time for what an encoder writes, in bytes.
const ROOM: usize = 4 * 1024;

/// Does an encoding.
pub(super) struct Encoder(Codec);

enum Codec {
    Gzip(Box<Compress>, Vec<u8>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(CCtx<'static>, Vec<u8>),
}

impl Encoder {
    /// An encoder for a body of `length` bytes, if that is known.
    ///
    /// # Errors
    /// When the system has no memory for it.
    pub(super) fn new(coding: Coding, length: Option<u64>) -> io::Result<Self> {
        let kind = usize::from(length.is_none());
        Ok(Self(match coding {
            Coding::Gzip => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                Codec::Gzip(Box::new(Compress::new_gzip(level, GZIP_WINDOWS[kind])), Vec::new())
            }
            Coding::Brotli => {
                let writer = CompressorWriter::new(Vec::new(), ROOM, BROTLI_QUALITY, BROTLI_WINDOWS[kind]);
                Codec::Brotli(Box::new(writer))
            }
            Coding::Zstd => {
                let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
                let parameters =
                    [CParameter::CompressionLevel(ZSTD_LEVEL), CParameter::WindowLog(ZSTD_WINDOWS[kind])];
                for parameter in parameters {
                    context.set_parameter(parameter).map_err(zstd_error)?;
                }
                context.set_pledged_src_size(length).map_err(zstd_error)?;
                Codec::Zstd(context, Vec::new())
            }
        }))
    }

    /// Takes the next piece of the body.
    ///
    /// # Errors
    /// When the encoder fails, which only a want of memory can cause.
    pub(super) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        match &mut self.0 {
            Codec::Gzip(state, out) => gzip(state, out, piece, FlushCompress::None),
            Codec::Brotli(writer) => writer.write_all(piece),
            Codec::Zstd(context, out) => zstd(context, out, piece, ZSTD_EndDirective::ZSTD_e_continue),
        }
    }

    /// Writes out all that was taken, so that a decoder can give it as well.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Codec::Gzip(state, out) => gzip(state, out, &[], FlushCompress::Sync),
            Codec::Brotli(writer) => writer.flush(),
            Codec::Zstd(context, out) => zstd(context, out, &[], ZSTD_EndDirective::ZSTD_e_flush),
        }
    }

    /// What was written since it was last taken.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(match &mut self.0 {
            Codec::Brotli(writer) => writer.get_mut(),
            Codec::Gzip(_, out) | Codec::Zstd(_, out) => out,
        })
    }

    /// How much was written since it was last taken, in bytes.
    pub(super) fn written(&self) -> usize {
        match &self.0 {
            Codec::Brotli(writer) => writer.get_ref().len(),
            Codec::Gzip(_, out) | Codec::Zstd(_, out) => out.len(),
        }
    }

    /// Ends the data, and gives what was written since it was last taken.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self.0 {
            Codec::Gzip(mut state, mut out) => {
                gzip(&mut state, &mut out, &[], FlushCompress::Finish)?;
                Ok(out)
            }
            Codec::Brotli(writer) => Ok(writer.into_inner()),
            Codec::Zstd(mut context, mut out) => {
                zstd(&mut context, &mut out, &[], ZSTD_EndDirective::ZSTD_e_end)?;
                Ok(out)
            }
        }
    }
}

fn gzip(state: &mut Compress, out: &mut Vec<u8>, piece: &[u8], then: FlushCompress) -> io::Result<()> {
    let mut rest = piece;
    loop {
        out.reserve(ROOM);
        let before = state.total_in();
        let status = state.compress_vec(rest, out, then)?;
        rest = &rest[(state.total_in() - before) as usize..];
        let is_done = match then {
            FlushCompress::Finish => status == Status::StreamEnd,
            FlushCompress::None => rest.is_empty(),
            // All is written out once there is room left.
            _ => rest.is_empty() && out.len() < out.capacity(),
        };
        if is_done {
            return Ok(());
        }
    }
}

fn zstd(context: &mut CCtx<'_>, out: &mut Vec<u8>, piece: &[u8], then: ZSTD_EndDirective) -> io::Result<()> {
    let goes_on = matches!(then, ZSTD_EndDirective::ZSTD_e_continue);
    let mut from = InBuffer::around(piece);
    loop {
        out.reserve(ROOM);
        let position = out.len();
        let mut to = OutBuffer::around_pos(out, position);
        let left = context.compress_stream2(&mut to, &mut from, then).map_err(zstd_error)?;
        let is_done = if goes_on { from.pos() == piece.len() } else { left == 0 };
        if is_done {
            return Ok(());
        }
    }
}

fn zstd_error(code: usize) -> io::Error {
    io::Error::other(zstd_safe::get_error_name(code))
}
