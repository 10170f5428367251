//! Content encodings (RFC 9110 section 8.4): the bodies of requests are decoded, those of answers encoded, in gzip
//! (RFC 1952), br (RFC 7932) and zstd (RFC 8878). Requests may also come in deflate (RFC 1950), and in up to three
//! encodings one around the other.
//!
//! It is a layer around a handler, which knows HTTP and no method:
//!
//! ```text
//! open   request  -> the request as if it came without an encoding, and what the client accepts
//! close  answer   -> the answer in an encoding, if the client accepts one and the answer gains by it
//! ```
//!
//! Both ways are pulled and bounded. A body is decoded piece by piece as it is read ([`request::Decoded`]); what is
//! wrong with it is an error of the body, which is a [`Status`]. An answer is encoded as it is
//! written ([`answer::Encoded`]), and nothing waits in an encoder while the body of the answer waits for its next
//! message. A client that accepts no body which could be made here gets 406: the request carries a
//! [`Status`] among its extensions, with which the handler answers in the caller's form, after
//! policy and in place of the call.
//!
//! The layers of tower-http are not used: their encoders keep what was written until enough came or the body ends
//! (tower-rs/tower-http#292), so they leave `text/event-stream` out, and a message of a stream in JSON would wait for the
//! next ones.

use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};

pub mod answer;
pub mod request;

mod accept;
mod decoder;
mod encoder;
mod layers;

#[cfg(test)]
mod tests;

use accept::Accepted;
use answer::Encoded;
use request::{Announced, Decoded};

use crate::status::{Code, Status};

/// A content encoding of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gzip,
    Brotli,
    Zstd,
}

impl Coding {
    /// By its name in any case; `x-gzip` is gzip, as RFC 9110 section 8.4.1.3 asks.
    fn by_name(name: &str) -> Option<Self> {
        [("gzip", Self::Gzip), ("br", Self::Brotli), ("zstd", Self::Zstd), ("x-gzip", Self::Gzip)]
            .into_iter()
            .find_map(|(known, coding)| name.eq_ignore_ascii_case(known).then_some(coding))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// What is encoded. Both ways by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// The bodies of requests are decoded. Otherwise the handler gets them as they came.
    pub requests: bool,
    /// The bodies of answers are encoded for those who accept it.
    pub answers: bool,
}

impl Default for Compression {
    fn default() -> Self {
        Self { requests: true, answers: true }
    }
}

impl Compression {
    /// Takes the encoding from a request. With it go `content-encoding` and, as it counts other bytes,
    /// `content-length`. The body of a request whose encoding is not known is an error when it is read, so that
    /// whoever may not call at all learns that first.
    pub fn open<B>(self, request: Request<B>) -> (Request<Decoded<B>>, Terms) {
        let (mut head, body) = request.into_parts();
        let announced = Announced::by(&head.headers);
        let accepted = Accepted::by(&head.headers);
        if accepted.nothing_of(self.answers) {
            head.extensions.insert(not_acceptable(self.answers));
        }
        let terms = Terms {
            accepted,
            answers: self.answers,
            head_only: head.method == Method::HEAD,
            refused: match announced {
                Announced::Nothing => None,
                Announced::Known(_) if self.requests => None,
                _ if self.requests => Some("gzip, br, zstd, deflate"),
                _ => Some("identity"),
            },
        };
        let body = match announced {
            Announced::Nothing => Decoded::plain(body),
            _ if !self.requests => Decoded::plain(body),
            announced => {
                head.headers.remove(CONTENT_ENCODING);
                head.headers.remove(CONTENT_LENGTH);
                Decoded::new(body, announced)
            }
        };
        (Request::from_parts(head, body), terms)
    }
}

/// Why a request that takes neither a body without an encoding nor one in an encoding of `answers` is refused.
fn not_acceptable(answers: bool) -> Status {
    let served = if answers { "gzip, br, zstd or identity" } else { "identity" };
    let text = format!(
        "The request refuses every content encoding that an answer can have here, and bodies without one as well. Accept \
         {served} in its Accept-Encoding."
    );
    Status::caller(Code::InvalidArgument, text).with_http(406)
}

/// What a request says about the encoding of its answer.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    accepted: Accepted,
    answers: bool,
    head_only: bool,
    /// What would be accepted in place of the request's encoding, where that is not.
    refused: Option<&'static str>,
}

impl Terms {
    /// Encodes an answer. See [`answer`] for which ones.
    pub fn close<B: hyper::body::Body>(self, answer: Response<B>) -> Response<Encoded<B>> {
        let (mut head, body) = answer.into_parts();
        if let Some(accepted) = self.refused
            && head.status == StatusCode::UNSUPPORTED_MEDIA_TYPE
        {
            // RFC 7694: which encodings a client may use instead.
            head.headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepted));
        }
        let encoded = self.answers.then(|| answer::encoding(&mut head, &body, self.accepted)).flatten();
        let body = match encoded {
            // Nobody reads it.
            Some(_) if self.head_only => Encoded::unknown(body),
            Some(coding) => Encoded::new(body, coding),
            None => Encoded::plain(body),
        };
        Response::from_parts(head, body)
    }
}

/// The elements of a header that is a list, over all lines of it, without empty ones.
fn elements<'h>(headers: &'h HeaderMap, name: &http::HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).into_iter();
    // What is not ASCII names nothing that is known here, and is shown as such.
    lines
        .flat_map(|value| value.to_str().unwrap_or("?").split(','))
        .map(|element| element.trim_matches([' ', '\t']))
        .filter(|element| !element.is_empty())
}
