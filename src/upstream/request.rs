//! The request side of a call: headers and the framed message.

use std::time::Duration;

use http::header::HeaderName;

use crate::call::Message;
use crate::call::metadata::is_of_protocol;
use crate::status::{Code, Status};
use crate::wire::envelope::{COMPRESSED, prefix};

use super::http2::piece::Piece;

/// The fields that every request has.
pub(super) const CONSTANT: &[(&str, &str)] = &[
    ("te", "trailers"),
    ("content-type", "application/grpc"),
    ("user-agent", concat!("transom/", env!("CARGO_PKG_VERSION"))),
];

/// The name of the field that says how long the caller waits.
pub(super) const TIMEOUT: &str = "grpc-timeout";

/// The names of the fields that say how messages are compressed, and how they may be.
pub(super) const ENCODING: &str = "grpc-encoding";
pub(super) const ACCEPT_ENCODING: &str = "grpc-accept-encoding";

/// The name of the field that says where in a trace the call stands.
pub(super) const TRACEPARENT: &str = "traceparent";

/// Whether metadata of this name goes to a backend.
pub(super) fn crosses(name: &HeaderName) -> bool {
    !is_of_protocol(name.as_str())
}

/// The same where the place in a trace is another one than the caller's.
pub(super) fn crosses_without_parent(name: &HeaderName) -> bool {
    crosses(name) && *name != TRACEPARENT
}

/// The value of `grpc-timeout`: at most eight digits and a unit, the finest that fits. Never zero, for
/// a deadline that has passed is not sent but answered.
pub(super) struct Timeout {
    text: [u8; 9],
    length: usize,
}

impl Timeout {
    pub(super) fn new(left: Duration) -> Self {
        const UNITS: [(u128, u8); 6] = [
            (1, b'n'),
            (1_000, b'u'),
            (1_000_000, b'm'),
            (1_000_000_000, b'S'),
            (60_000_000_000, b'M'),
            (3_600_000_000_000, b'H'),
        ];
        const MOST: u128 = 99_999_999;
        let nanos = left.as_nanos().max(1);
        let (amount, unit) = UNITS
            .iter()
            .map(|&(size, unit)| (nanos / size, unit))
            .find(|&(amount, _)| amount <= MOST)
            .unwrap_or((MOST, b'H'));
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(amount as u32).as_bytes();
        let mut text = [unit; 9];
        text[..digits.len()].copy_from_slice(digits);
        Self { text, length: digits.len() + 1 }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text[..self.length]
    }
}

/// A message in its envelope.
///
/// # Errors
/// When it has more bytes than `limit`.
pub(super) fn framed(message: Message, limit: usize) -> Result<Piece, Status> {
    let Message { bytes: body, compressed } = message;
    let size = body.len();
    match prefix(if compressed { COMPRESSED } else { 0 }, size) {
        Some(prefix) if size <= limit => Ok(Piece::new(prefix, body)),
        _ => {
            let text = format!(
                "The request of {size} bytes is larger than the limit of {limit} bytes; send less at once."
            );
            Err(Status::caller(Code::ResourceExhausted, text).with_http(413))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_take_the_finest_unit_of_eight_digits() {
        let table = [
            (Duration::ZERO, "1n"),
            (Duration::from_nanos(1), "1n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_nanos(100_000_000), "100000u"),
            (Duration::from_secs(15), "15000000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(99_999), "99999000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::from_secs(100_000_000), "1666666M"),
            (Duration::from_secs(6_000_000_000), "1666666H"),
            (Duration::MAX, "99999999H"),
        ];
        for (left, expected) in table {
            assert_eq!(Timeout::new(left).as_bytes(), expected.as_bytes(), "{left:?}");
        }
    }
}
