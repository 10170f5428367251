//! The messages in the data of an answer.

use bytes::Bytes;
use http::HeaderName;

use crate::call::Message;
use crate::status::{Code, Status};
use crate::wire::envelope::{COMPRESSED, EnvelopeError, Envelopes};

use super::fault::broken;
use super::http2::fields::Fields;

static ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

/// What messages of an answer may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// The largest message in bytes.
    pub(super) limit: usize,
    /// Whether the caller reads compressed messages.
    pub(super) compressed: bool,
}

/// Puts messages together from the data that arrives.
#[derive(Debug)]
pub(super) struct Frames {
    envelopes: Envelopes,
    /// Whether messages may be compressed: the caller reads such, and the headers say how it is done.
    takes_compressed: bool,
}

impl Frames {
    /// `headers` are those of the answer.
    pub(super) fn new(terms: Terms, headers: &Fields) -> Self {
        let has_encoding = || headers.value(&ENCODING).is_some_and(|encoding| encoding != "identity");
        let takes_compressed = terms.compressed && has_encoding();
        Self { envelopes: Envelopes::new(terms.limit, COMPRESSED), takes_compressed }
    }

    /// Takes the next data, once [`Frames::next`] has found no more in the last.
    pub(super) fn push(&mut self, data: Bytes) {
        self.envelopes.push(data);
    }

    /// The next message that has arrived in full.
    pub(super) fn next(&mut self) -> Result<Option<Message>, Status> {
        let Some(envelope) = self.envelopes.next().map_err(fault)? else { return Ok(None) };
        let compressed = envelope.flags & COMPRESSED != 0;
        if compressed && !self.takes_compressed {
            return Err(broken("The backend compressed its message although it was not asked to."));
        }
        Ok(Some(Message { bytes: envelope.bytes, compressed }))
    }

    /// Whether the data so far ends with a message, or is none.
    pub(super) fn check_end(&self) -> Result<(), Status> {
        self.envelopes.check_end().map_err(fault)
    }
}

fn fault(error: EnvelopeError) -> Status {
    match error {
        EnvelopeError::Cut => broken("The backend's answer ends in the middle of a message."),
        EnvelopeError::Flags(flags) => {
            broken(format!("The backend's message has the unknown frame flag {flags}."))
        }
        EnvelopeError::TooLong { announced, limit } => {
            let text = format!(
                "The backend's message of {announced} bytes is larger than the limit of {limit} bytes."
            );
            Status::backend(Code::ResourceExhausted, text).with_http(502)
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(
        bytes: &'static [u8],
        compressed: bool,
        encoding: Option<&'static str>,
    ) -> Result<Vec<Message>, Status> {
        let mut headers = Fields::default();
        if let Some(encoding) = encoding {
            headers.push(ENCODING.clone(), HeaderValue::from_static(encoding));
        }
        let mut frames = Frames::new(Terms { limit: 8, compressed }, &headers);
        let mut messages = Vec::new();
        frames.push(Bytes::from_static(bytes));
        while let Some(message) = frames.next()? {
            messages.push(message);
        }
        frames.check_end().map(|()| messages)
    }

    #[test]
    fn what_is_wrong_with_an_answer_is_the_backends_fault() {
        let table: [(&[u8], &str); 4] = [
            (b"\0\0\0", "The backend's answer ends in the middle of a message."),
            (b"\x01\0\0\0\0", "The backend compressed its message although it was not asked to."),
            (b"\x82\0\0\0\0", "The backend's message has the unknown frame flag 130."),
            (b"\0\0\0\0\x09", "The backend's message of 9 bytes is larger than the limit of 8 bytes."),
        ];
        for (bytes, text) in table {
            for (compressed, encoding) in [(false, Some("gzip")), (true, None), (true, Some("identity"))] {
                let status = read(bytes, compressed, encoding).unwrap_err();
                assert_eq!((status.message(), status.http()), (text, 502));
            }
        }
    }

    #[test]
    fn messages_are_compressed_for_callers_who_read_that() {
        let messages = read(b"\x01\0\0\0\x01a\0\0\0\0\x01b", true, Some("gzip")).unwrap();
        let seen: Vec<_> = messages.iter().map(|message| (&*message.bytes, message.compressed)).collect();
        assert_eq!(seen, [(&b"a"[..], true), (b"b", false)]);
    }
}
