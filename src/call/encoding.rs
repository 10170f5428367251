//! Message encodings: how single messages are compressed in gRPC and Connect.

use std::io::Read;

use bytes::Bytes;

use crate::status::{Code, Status};

use super::Message;

/// Those that can be undone, as `grpc-accept-encoding` and `connect-accept-encoding` name them.
pub const KNOWN: &str = "gzip, br, deflate";

/// How many times larger than what was received a message may become, from [`FREE`] bytes on.
const MAX_RATIO: usize = 100;
/// Up to this size, in bytes, the ratio does not matter.
const FREE: usize = 64 << 10;

/// The message without its encoding. `encoding` is the one that its call names.
///
/// # Errors
/// UNIMPLEMENTED for an encoding that is not known, RESOURCE_EXHAUSTED for a message that becomes larger than `limit`
/// bytes or, above 64 KiB, 100 times as large as it was, and INVALID_ARGUMENT for one that is not valid.
pub fn decode(message: Message, encoding: Option<&[u8]>, limit: usize) -> Result<Bytes, Status> {
    let Message { bytes, compressed } = message;
    if !compressed {
        return Ok(bytes);
    }
    match encoding.unwrap_or(b"identity") {
        b"gzip" => read(flate2::read::MultiGzDecoder::new(&*bytes), bytes.len(), limit),
        b"deflate" => read(flate2::read::ZlibDecoder::new(&*bytes), bytes.len(), limit),
        b"br" => read(brotli::Decompressor::new(&*bytes, 4096), bytes.len(), limit),
        b"identity" => {
            let text = "A message is marked as compressed, but no header says how.";
            Err(Status::caller(Code::InvalidArgument, text))
        }
        other => {
            let shown: String = String::from_utf8_lossy(other).chars().take(100).collect();
            let text = format!("The message encoding {shown:?} is not supported here. Known are: {KNOWN}.");
            Err(Status::caller(Code::Unimplemented, text))
        }
    }
}

fn read(decoder: impl Read, size: usize, limit: usize) -> Result<Bytes, Status> {
    let bound = limit.min(FREE.max(size.saturating_mul(MAX_RATIO)));
    let mut decoded = Vec::new();
    match decoder.take(bound as u64 + 1).read_to_end(&mut decoded) {
        Ok(read) if read <= bound => Ok(decoded.into()),
        Ok(_) => {
            let text = format!("A message is larger than {bound} bytes once it is decompressed.");
            Err(Status::caller(Code::ResourceExhausted, text).with_http(413))
        }
        Err(_) => {
            let text = "A message is not compressed as its encoding says.";
            Err(Status::caller(Code::InvalidArgument, text))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(text: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap().into()
    }

    fn decoded(bytes: Bytes, encoding: Option<&str>, limit: usize) -> Result<Bytes, (Code, String)> {
        let message = Message { bytes, compressed: true };
        let outcome = decode(message, encoding.map(str::as_bytes), limit);
        outcome.map_err(|status| (status.code(), status.message().to_owned()))
    }

    #[test]
    fn messages_are_decoded_within_bounds() {
        let plain = Message::from(Bytes::from_static(b"plain"));
        assert_eq!(decode(plain, Some(b"gzip"), 1).unwrap(), "plain");
        assert_eq!(decoded(gzip(b"abc"), Some("gzip"), 3).unwrap(), "abc");
        // RFC 1950 around a stored block of RFC 1951, and the same text by brotli's own reference encoder.
        let zlib = b"\x78\x01\x01\x03\0\xfc\xff\x61\x62\x63\x02\x4d\x01\x27";
        assert_eq!(decoded(Bytes::from_static(zlib), Some("deflate"), 3).unwrap(), "abc");
        assert_eq!(decoded(Bytes::from_static(b"\x0b\x01\x80abc\x03"), Some("br"), 3).unwrap(), "abc");

        let large = |limit| format!("A message is larger than {limit} bytes once it is decompressed.");
        assert_eq!(decoded(gzip(b"abcd"), Some("gzip"), 3).unwrap_err(), (Code::ResourceExhausted, large(3)));
        let bomb = gzip(&[0; 1 << 20]);
        let bound = bomb.len() * 100;
        assert_eq!(
            decoded(bomb, Some("gzip"), 4 << 20).unwrap_err(),
            (Code::ResourceExhausted, large(bound))
        );
        let broken = "A message is not compressed as its encoding says.";
        for bytes in [&b"junk"[..], b"", &gzip(b"abc")[..10]] {
            let outcome = decoded(Bytes::copy_from_slice(bytes), Some("gzip"), 9);
            assert_eq!(outcome.unwrap_err(), (Code::InvalidArgument, broken.into()));
        }
        let text = r#"The message encoding "snappy" is not supported here. Known are: gzip, br, deflate."#;
        assert_eq!(decoded(Bytes::new(), Some("snappy"), 9).unwrap_err(), (Code::Unimplemented, text.into()));
        let text = "A message is marked as compressed, but no header says how.";
        assert_eq!(decoded(Bytes::new(), None, 9).unwrap_err(), (Code::InvalidArgument, text.into()));
    }
}
