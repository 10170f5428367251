//! Encoding, from pieces of any size.

use std::io::{self, Write};

use brotli::CompressorWriter;
use flate2::write::GzEncoder;
use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer};

use super::Coding;

/// The levels, and for streams the windows, as powers of two: what a gateway can do in passing, with less than
/// 1 MiB of memory for each answer.
const GZIP_LEVEL: u32 = 1;
const BROTLI_QUALITY: u32 = 1;
const BROTLI_WINDOW_LOG: u32 = 16;
const ZSTD_LEVEL: i32 = 1;
const ZSTD_WINDOW_LOG: u32 = 17;

/// How much room is made at a time for what an encoder writes, in bytes.
const ROOM: usize = 4 * 1024;

/// Does an encoding.
pub(super) struct Encoder(Codec);

enum Codec {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(CCtx<'static>, Vec<u8>),
}

impl Encoder {
    /// An encoder for a body of `length` bytes, if that is known.
    ///
    /// # Errors
    /// When the system has no memory for it.
    pub(super) fn new(coding: Coding, length: Option<u64>) -> io::Result<Self> {
        Ok(Self(match coding {
            Coding::Gzip => Codec::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL))),
            Coding::Brotli => {
                let writer = CompressorWriter::new(Vec::new(), ROOM, BROTLI_QUALITY, BROTLI_WINDOW_LOG);
                Codec::Brotli(Box::new(writer))
            }
            Coding::Zstd => {
                let mut context = CCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
                let parameters =
                    [CParameter::CompressionLevel(ZSTD_LEVEL), CParameter::WindowLog(ZSTD_WINDOW_LOG)];
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
            Codec::Gzip(writer) => writer.write_all(piece),
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
            Codec::Gzip(writer) => writer.flush(),
            Codec::Brotli(writer) => writer.flush(),
            Codec::Zstd(context, out) => zstd(context, out, &[], ZSTD_EndDirective::ZSTD_e_flush),
        }
    }

    /// What was written since it was last taken.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(match &mut self.0 {
            Codec::Gzip(writer) => writer.get_mut(),
            Codec::Brotli(writer) => writer.get_mut(),
            Codec::Zstd(_, out) => out,
        })
    }

    /// How much was written since it was last taken, in bytes.
    pub(super) fn written(&self) -> usize {
        match &self.0 {
            Codec::Gzip(writer) => writer.get_ref().len(),
            Codec::Brotli(writer) => writer.get_ref().len(),
            Codec::Zstd(_, out) => out.len(),
        }
    }

    /// Ends the data, and gives what was written since it was last taken.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self.0 {
            Codec::Gzip(writer) => writer.finish(),
            Codec::Brotli(writer) => Ok(writer.into_inner()),
            Codec::Zstd(mut context, mut out) => {
                zstd(&mut context, &mut out, &[], ZSTD_EndDirective::ZSTD_e_end)?;
                Ok(out)
            }
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
