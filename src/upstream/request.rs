//! The request side of a unary call: headers, the framed message, and sending it as flow control
//! allows.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use h2::SendStream;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE, USER_AGENT};

use crate::call::metadata::is_reserved;
use crate::call::{Encodings, Message};
use crate::status::{Code, Status};
use crate::wire::envelope::{COMPRESSED, PREFIX, prefix};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const AGENT: &str = concat!("transom/", env!("CARGO_PKG_VERSION"));

/// The headers of a request. `timeout` is what is left of the deadline, if there is one.
pub(super) fn headers(metadata: &HeaderMap, encodings: &Encodings, timeout: Option<Duration>) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(metadata.len() + 6);
    if let Some(value) = timeout.map(timeout_value) {
        fields.insert(GRPC_TIMEOUT, value);
    }
    fields.insert(TE, HeaderValue::from_static("trailers"));
    fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    fields.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if let Some(encoding) = &encodings.request {
        fields.insert(GRPC_ENCODING, encoding.clone());
    }
    if let Some(accepted) = &encodings.accepted {
        fields.insert(GRPC_ACCEPT_ENCODING, accepted.clone());
    }
    for (name, value) in metadata {
        if !is_reserved(name.as_str()) {
            fields.append(name.clone(), value.clone());
        }
    }
    fields
}

/// The value of `grpc-timeout`: at most eight digits and a unit, the finest that fits. Never zero, for
/// a deadline that has passed is not sent but answered.
fn timeout_value(left: Duration) -> HeaderValue {
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
    let mut digits = itoa::Buffer::new();
    let mut text = Vec::with_capacity(9);
    text.extend_from_slice(digits.format(amount).as_bytes());
    text.push(unit);
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("digits and a letter are a header value")
}

/// A part of a framed message: what is left of the prefix, and bytes of the message.
#[derive(Clone)]
pub(super) struct Piece {
    prefix: [u8; PREFIX],
    at: usize,
    body: Bytes,
}

impl Piece {
    /// The whole message.
    ///
    /// # Errors
    /// When it has more bytes than `limit`.
    pub(super) fn message(message: Message, limit: usize) -> Result<Self, Status> {
        let Message { bytes: body, compressed } = message;
        let size = body.len();
        match prefix(if compressed { COMPRESSED } else { 0 }, size) {
            Some(prefix) if size <= limit => Ok(Self { prefix, at: 0, body }),
            _ => {
                let text = format!(
                    "The request of {size} bytes is larger than the limit of {limit} bytes; send less at once."
                );
                Err(Status::caller(Code::ResourceExhausted, text).with_http(413))
            }
        }
    }

    /// No message at all, to end a stream with.
    pub(super) const fn none() -> Self {
        Self { prefix: [0; PREFIX], at: PREFIX, body: Bytes::new() }
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.remaining()
    }

    /// Cuts off the first `count` bytes.
    pub(super) fn split_to(&mut self, count: usize) -> Self {
        let head = count.min(PREFIX - self.at);
        let mut prefix = self.prefix;
        // The part ends its prefix where the rest goes on, so its own is moved to the end.
        prefix.copy_within(self.at..self.at + head, PREFIX - head);
        let part = Self { prefix, at: PREFIX - head, body: self.body.split_to(count - head) };
        self.at += head;
        part
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        PREFIX - self.at + self.body.len()
    }

    fn chunk(&self) -> &[u8] {
        if self.at < PREFIX { &self.prefix[self.at..] } else { &self.body }
    }

    fn advance(&mut self, count: usize) {
        let head = count.min(PREFIX - self.at);
        self.at += head;
        self.body.advance(count - head);
    }
}

/// The sending half of an exchange. Nothing is queued beyond what the backend's windows grant, so that a
/// stream ends once its answer has ended: either everything was sent, or dropping this takes the rest back.
/// Dropping it before the backend has answered cancels the call.
pub(super) struct Outgoing {
    stream: SendStream<Piece>,
    left: Option<Piece>,
}

impl Outgoing {
    /// Sends what the windows grant at once, so that a small message leaves together with its headers.
    pub(super) fn new(mut stream: SendStream<Piece>, piece: Piece) -> Self {
        stream.reserve_capacity(piece.remaining());
        let mut outgoing = Self { stream, left: Some(piece) };
        outgoing.send_granted();
        outgoing
    }

    /// Goes on sending.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.left.is_some() {
            self.send_granted();
            if self.left.is_some() && !matches!(ready!(self.stream.poll_capacity(cx)), Some(Ok(_))) {
                self.left = None;
            }
        }
        Poll::Ready(())
    }

    /// Queues as much as is granted. An error here is seen again, with its reason, by whoever waits for
    /// the answer.
    fn send_granted(&mut self) {
        let Some(mut piece) = self.left.take() else { return };
        let (total, granted) = (piece.remaining(), self.stream.capacity());
        if granted >= total {
            let _ = self.stream.send_data(piece, true);
        } else if granted == 0 || self.stream.send_data(piece.split_to(granted), false).is_ok() {
            self.stream.reserve_capacity(piece.remaining());
            self.left = Some(piece);
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
            assert_eq!(timeout_value(left), expected, "{left:?}");
        }
    }

    #[test]
    fn headers_are_those_of_the_protocol_and_the_metadata_without_reserved_names() {
        let mut metadata = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer x"),
            ("x-tag", "1"),
            ("x-tag", "2"),
            ("grpc-encoding", "gzip"),
            ("connection", "close"),
            ("user-agent", "curl"),
        ] {
            metadata.append(name, HeaderValue::from_static(value));
        }
        let fields = headers(&metadata, &Encodings::default(), Some(Duration::from_secs(1)));
        let mut seen: Vec<_> = fields.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect();
        seen.sort_unstable();
        assert_eq!(
            seen,
            [
                ("authorization", "Bearer x"),
                ("content-type", "application/grpc"),
                ("grpc-timeout", "1000000u"),
                ("te", "trailers"),
                ("user-agent", AGENT),
                ("x-tag", "1"),
                ("x-tag", "2"),
            ]
        );
        let gzip = HeaderValue::from_static("gzip");
        let encodings = Encodings { request: Some(gzip.clone()), accepted: Some(gzip) };
        let fields = headers(&metadata, &encodings, None);
        assert!(!fields.contains_key("grpc-timeout"));
        for name in ["grpc-encoding", "grpc-accept-encoding"] {
            assert_eq!(fields.get_all(name).iter().collect::<Vec<_>>(), ["gzip"], "{name}");
        }
    }

    #[test]
    fn a_message_reads_the_same_however_it_is_cut() {
        let body = Bytes::from_static(b"abcdefgh");
        let whole = [&[0, 0, 0, 0, 8][..], &body].concat();
        for first in 0..=whole.len() {
            for second in first..=whole.len() {
                let mut rest = Piece::message(Message::from(body.clone()), 8).unwrap();
                let mut read = Vec::new();
                for count in [first, second - first, whole.len() - second] {
                    let mut part = rest.split_to(count);
                    assert_eq!(part.remaining(), count);
                    while part.has_remaining() {
                        read.push(part.get_u8());
                    }
                }
                assert_eq!(read, whole);
                assert_eq!(rest.remaining(), 0);
            }
        }
    }
}
