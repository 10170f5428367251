//! What an answer is made of.
//!
//! ```text
//! answer = headers *data trailers | headers-that-are-trailers
//! ```
//!
//! The data of a unary answer is exactly one message when its status is OK, and at most one otherwise.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::response::Parts;

use crate::call::{Message, Reply};
use crate::status::{Code, Status};

use super::fault::{bare_http, broken};
use super::frames::{Frames, Terms};
use super::trailers::{STATUS, take_status};

/// Takes a unary answer apart: checks its headers, then expects its bytes and its end.
pub(super) struct Reading {
    headers: HeaderMap,
    frames: Frames,
    message: Option<Message>,
    /// Whether any data has arrived.
    touched: bool,
}

impl Reading {
    /// Starts with the headers.
    pub(super) fn start(head: Parts, terms: Terms) -> Result<Self, Status> {
        check_head(&head)?;
        let frames = Frames::new(terms, &head.headers);
        Ok(Self { headers: head.headers, frames, message: None, touched: false })
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
    pub(super) fn end(mut self, trailers: Option<HeaderMap>) -> Result<Reply, Status> {
        let (mut metadata, trailers) = match trailers {
            Some(trailers) => (self.headers, Some(trailers)),
            // Headers that end the answer, or that only an empty DATA frame follows, are trailers.
            None if !self.touched => (HeaderMap::new(), Some(std::mem::take(&mut self.headers))),
            None => (self.headers, None),
        };
        let (status, trailers) = end(trailers, &self.frames)?;
        let message = if status.is_ok() {
            self.frames.check_end()?;
            self.message.ok_or_else(|| broken("The backend answered OK without a message."))?
        } else {
            Message::default()
        };
        metadata.remove(CONTENT_TYPE);
        Ok(Reply { metadata, message, status, trailers, stream: None })
    }
}

/// The status and the metadata of an answer's trailers.
pub(super) fn end(trailers: Option<HeaderMap>, frames: &Frames) -> Result<(Status, HeaderMap), Status> {
    let mut trailers = trailers.unwrap_or_default();
    let Some(status) = take_status(&mut trailers)? else {
        return Err(frames.check_end().err().unwrap_or_else(no_status));
    };
    trailers.remove(CONTENT_TYPE);
    Ok((status, trailers))
}

/// Whether this is a gRPC answer at all. A `grpc-status` in the headers counts more than what an HTTP
/// server or a proxy says beside it.
pub(super) fn check_head(head: &Parts) -> Result<(), Status> {
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

/// An answer that ends without a status.
pub(super) fn no_status() -> Status {
    broken("The backend's answer ended without a grpc-status.")
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

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
