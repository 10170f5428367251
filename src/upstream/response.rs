//! The answer side of a unary call.
//!
//! ```text
//! answer         = headers *data trailers | headers-that-are-trailers
//! data           = message                    exactly one for OK, at most one otherwise
//! message        = flag:1 length:4 bytes      flag 0, length big-endian
//! ```

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::response::Parts;

use crate::call::Reply;
use crate::status::{Code, Status};

use super::fault::{bare_http, broken};
use super::trailers::{STATUS, take_status};

/// Takes an answer apart: checks its headers, then expects its bytes and its end.
pub(super) struct Reading {
    headers: HeaderMap,
    message: Incoming,
}

impl Reading {
    /// Starts with the headers. `limit` bounds the message, in bytes.
    pub(super) fn start(head: Parts, limit: usize) -> Result<Self, Status> {
        check_head(&head)?;
        Ok(Self { headers: head.headers, message: Incoming::new(limit) })
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, data: Bytes) -> Result<(), Status> {
        self.message.push(data)
    }

    /// Ends with the trailers, if there were any.
    pub(super) fn end(mut self, trailers: Option<HeaderMap>) -> Result<Reply, Status> {
        match trailers {
            Some(trailers) => close(self.headers, self.message, trailers),
            // Headers that end the answer, or that only an empty DATA frame follows, are trailers.
            None if self.message.untouched() && self.headers.contains_key(&STATUS) => {
                let trailers = std::mem::take(&mut self.headers);
                close(HeaderMap::new(), self.message, trailers)
            }
            None => Err(self.message.check().err().unwrap_or_else(no_status)),
        }
    }
}

/// Whether this is a gRPC answer at all. A `grpc-status` in the headers counts more than what an HTTP
/// server or a proxy says beside it.
fn check_head(head: &Parts) -> Result<(), Status> {
    if head.headers.contains_key(&STATUS) {
        return Ok(());
    }
    if head.status != StatusCode::OK {
        return Err(bare_http(head.status));
    }
    let kind = head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    let rest = kind.and_then(|kind| {
        let (start, rest) = kind.split_at_checked("application/grpc".len())?;
        start.eq_ignore_ascii_case(b"application/grpc").then_some(rest)
    });
    match rest {
        Some([] | [b'+' | b';' | b' ', ..]) => Ok(()),
        _ => Err(Status::backend(Code::Unknown, foreign(kind)).with_http(502)),
    }
}

fn foreign(kind: Option<&[u8]>) -> String {
    let Some(kind) = kind else {
        return "The backend answered without a content type instead of with application/grpc.".into();
    };
    let shown: String = String::from_utf8_lossy(kind).chars().take(100).collect();
    format!("The backend answered with the content type `{shown}` instead of application/grpc.")
}

fn close(mut metadata: HeaderMap, message: Incoming, mut trailers: HeaderMap) -> Result<Reply, Status> {
    let Some(status) = take_status(&mut trailers)? else {
        return Err(message.check().err().unwrap_or_else(no_status));
    };
    metadata.remove(CONTENT_TYPE);
    trailers.remove(CONTENT_TYPE);
    let message = if status.is_ok() { message.into_message()? } else { Bytes::new() };
    Ok(Reply { metadata, message, status, trailers })
}

/// An answer that ends without a status.
pub(super) fn no_status() -> Status {
    broken("The backend's answer ended without a grpc-status.")
}

/// The message of an answer, put together from what arrives.
#[derive(Debug)]
struct Incoming {
    limit: usize,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Some bytes of the prefix.
    Prefix { bytes: [u8; 5], have: usize },
    /// A part of the message.
    Partial { length: usize, bytes: BytesMut },
    /// All of it.
    Complete(Bytes),
}

impl Incoming {
    const fn new(limit: usize) -> Self {
        Self { limit, state: State::Prefix { bytes: [0; 5], have: 0 } }
    }

    /// Takes the next bytes of the answer.
    fn push(&mut self, mut data: Bytes) -> Result<(), Status> {
        while !data.is_empty() {
            match &mut self.state {
                State::Prefix { bytes, have } => {
                    let taken = data.len().min(bytes.len() - *have);
                    bytes[*have..*have + taken].copy_from_slice(&data.split_to(taken));
                    *have += taken;
                    if *have == bytes.len() {
                        self.state = start(*bytes, self.limit, &mut data)?;
                    }
                }
                State::Partial { length, bytes } => {
                    let taken = data.len().min(*length - bytes.len());
                    bytes.extend_from_slice(&data.split_to(taken));
                    if bytes.len() == *length {
                        self.state = State::Complete(std::mem::take(bytes).freeze());
                    }
                }
                State::Complete(_) => {
                    return Err(broken("The backend sent more than one message for a unary call."));
                }
            }
        }
        Ok(())
    }

    /// Whether not a single byte has arrived.
    const fn untouched(&self) -> bool {
        matches!(self.state, State::Prefix { have: 0, .. })
    }

    /// Whether the bytes so far are no message or a whole one.
    fn check(&self) -> Result<(), Status> {
        match self.state {
            State::Prefix { have: 0, .. } | State::Complete(_) => Ok(()),
            _ => Err(broken("The backend's answer ends in the middle of a message.")),
        }
    }

    fn into_message(self) -> Result<Bytes, Status> {
        self.check()?;
        match self.state {
            State::Complete(message) => Ok(message),
            _ => Err(broken("The backend answered OK without a message.")),
        }
    }
}

/// Checks a prefix and takes what `data` already has of its message. Nothing is allocated for what is
/// only announced.
fn start(prefix: [u8; 5], limit: usize, data: &mut Bytes) -> Result<State, Status> {
    let [flag, length @ ..] = prefix;
    match flag {
        0 => {}
        1 => return Err(broken("The backend compressed its message although it was not asked to.")),
        _ => return Err(broken(format!("The backend's message has the unknown frame flag {flag}."))),
    }
    let announced = u32::from_be_bytes(length);
    let length = usize::try_from(announced).unwrap_or(usize::MAX);
    if length > limit {
        let text =
            format!("The backend's message of {announced} bytes is larger than the limit of {limit} bytes.");
        return Err(Status::backend(Code::ResourceExhausted, text).with_http(502));
    }
    Ok(if data.len() >= length {
        State::Complete(data.split_to(length))
    } else {
        State::Partial { length, bytes: BytesMut::from(std::mem::take(data)) }
    })
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    const LIMIT: usize = 8;

    /// Feeds `bytes` cut at `cut` and says what came of it.
    fn feed(bytes: &'static [u8], cut: usize) -> Result<Bytes, Status> {
        let mut incoming = Incoming::new(LIMIT);
        let (head, tail) = bytes.split_at(cut);
        incoming.push(Bytes::from_static(head))?;
        incoming.push(Bytes::from_static(tail))?;
        incoming.into_message()
    }

    #[test]
    fn answers_are_judged_the_same_however_they_are_cut() {
        type Case = (&'static [u8], Result<&'static [u8], &'static str>);
        let table: [Case; 10] = [
            (b"\0\0\0\0\x03abc", Ok(b"abc")),
            (b"\0\0\0\0\0", Ok(b"")),
            (b"\0\0\0\0\x0812345678", Ok(b"12345678")),
            (b"", Err("The backend answered OK without a message.")),
            (b"\0\0\0", Err("The backend's answer ends in the middle of a message.")),
            (b"\0\0\0\0\x03ab", Err("The backend's answer ends in the middle of a message.")),
            (b"\0\0\0\0\x01a\0\0\0\0\0", Err("The backend sent more than one message for a unary call.")),
            (b"\x01\0\0\0\0", Err("The backend compressed its message although it was not asked to.")),
            (b"\x82\0\0\0\0", Err("The backend's message has the unknown frame flag 130.")),
            (b"\0\0\0\0\x09", Err("The backend's message of 9 bytes is larger than the limit of 8 bytes.")),
        ];
        for (bytes, expected) in table {
            for cut in 0..=bytes.len() {
                match (feed(bytes, cut), expected) {
                    (Ok(message), Ok(expected)) => assert_eq!(message, expected),
                    (Err(status), Err(text)) => assert_eq!((status.message(), status.http()), (text, 502)),
                    (got, _) => panic!("{bytes:?} cut at {cut}: {got:?}"),
                }
            }
        }
    }

    #[test]
    fn only_grpc_content_types_are_read() {
        let check = |kind: Option<&str>| {
            let mut response = Response::new(());
            if let Some(kind) = kind {
                response.headers_mut().insert(CONTENT_TYPE, kind.parse().unwrap());
            }
            check_head(&response.into_parts().0)
        };
        for kind in ["application/grpc", "application/grpc+proto", "Application/gRPC; charset=utf-8"] {
            assert_eq!(check(Some(kind)), Ok(()), "{kind}");
        }
        for kind in ["text/html", "application/grpc-web", "application/grpcx", "application/json", ""] {
            let status = check(Some(kind)).unwrap_err();
            assert_eq!((status.code(), status.http()), (Code::Unknown, 502), "{kind}");
            assert_eq!(
                status.message(),
                format!("The backend answered with the content type `{kind}` instead of application/grpc.")
            );
        }
        assert_eq!(
            check(None).unwrap_err().message(),
            "The backend answered without a content type instead of with application/grpc."
        );
        assert!(check(Some(&"x".repeat(5000))).unwrap_err().message().len() < 200);
    }
}
