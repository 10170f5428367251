//! What an answer is made of.
//!
//! ```text
//! answer = headers *data trailers | headers-that-are-trailers
//! ```
//!
//! The data of a unary answer is exactly one message when its status is OK, and at most one otherwise.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};

use crate::call::{Hints, Message, Reply};
use crate::status::{Code, Status};

use super::fault::{bare_http, broken};
use super::frames::{Frames, Terms};
use super::http2::engine::Head;
use super::http2::fields::Fields;
use super::trailers::{STATUS, take_status};

/// Takes a unary answer apart: checks its headers, then expects its bytes and its end.
pub(super) struct Reading {
    headers: Fields,
    frames: Frames,
    message: Option<Message>,
    /// Whether any data has arrived.
    touched: bool,
}

impl Reading {
    /// Starts with the headers.
    pub(super) fn start(head: Head, terms: Terms) -> Result<Self, Status> {
        check_head(&head)?;
        let frames = Frames::new(terms, &head.fields);
        Ok(Self { headers: head.fields, frames, message: None, touched: false })
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, data: Bytes) -> Result<(), Status> {
        if data.is_empty() {
            return Ok(());
        }
        self.touched = true;
        if self.message.is_none() {
            self.frames.push(data);
            self.message = self.frames.next()?;
            if self.message.is_none() || self.frames.check_end().is_ok() {
                return Ok(());
            }
        }
        Err(broken("The backend sent more than one message for a unary call."))
    }

    /// Ends with the trailers, if there were any.
    pub(super) fn end(mut self, trailers: Option<Fields>) -> Result<Reply, Status> {
        let (mut metadata, trailers) = match trailers {
            Some(trailers) => (self.headers, Some(trailers)),
            // Headers that end the answer, or that only an empty DATA frame follows, are trailers.
            None if !self.touched => (Fields::default(), Some(std::mem::take(&mut self.headers))),
            None => (self.headers, None),
        };
        let (status, trailers) = end(trailers, &self.frames)?;
        let message = if status.is_ok() {
            self.frames.check_end()?;
            self.message.ok_or_else(|| broken("The backend answered OK without a message."))?
        } else {
            Message::default()
        };
        metadata.take(&CONTENT_TYPE);
        Ok(Reply {
            metadata: metadata.into_map(),
            message,
            status,
            trailers,
            stream: None,
            hints: Hints::default(),
        })
    }
}

/// The status and the metadata of an answer's trailers.
pub(super) fn end(trailers: Option<Fields>, frames: &Frames) -> Result<(Status, HeaderMap), Status> {
    let mut trailers = trailers.unwrap_or_default();
    let Some(status) = take_status(&mut trailers)? else {
        return Err(frames.check_end().err().unwrap_or_else(no_status));
    };
    trailers.take(&CONTENT_TYPE);
    Ok((status, trailers.into_map()))
}

/// Whether this is a gRPC answer at all. A `grpc-status` in the headers counts more than what an HTTP
/// server or a proxy says beside it.
pub(super) fn check_head(head: &Head) -> Result<(), Status> {
    if head.fields.value(&STATUS).is_some() {
        return Ok(());
    }
    if head.status != 200 {
        return Err(bare_http(head.status));
    }
    let kind = head.fields.value(&CONTENT_TYPE).map(|value| value.as_bytes());
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

/// An answer that ends without a status.
pub(super) fn no_status() -> Status {
    broken("The backend's answer ended without a grpc-status.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_grpc_content_types_are_read() {
        let check = |kind: Option<&str>| {
            let mut fields = Fields::default();
            if let Some(kind) = kind {
                fields.push(CONTENT_TYPE, kind.parse().unwrap());
            }
            check_head(&Head { status: 200, fields })
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
