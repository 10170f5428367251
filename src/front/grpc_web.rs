//! gRPC-Web, over HTTP/1.1 too: messages pass as they are, and trailers are the last envelope.
//!
//! As `application/grpc-web-text` both directions are base64, in pieces that may each end with padding.
//!
//! Specification: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use hyper::body::{Body, Frame};

use super::answer::Answer;
use super::body::{BoxError, RequestBody};
use super::classify::content_type;
use super::envelope::{self, Framed, Framing};
use super::grpc_fields::{check_subtype, end, initial};
use super::head::Head;
use super::view::View;
use super::{Caller, Seen, error, grpc_message, method, request_id};
use crate::call::{Dialect, Message, Part, Reply};
use crate::snapshot::Route;
use crate::status::{Code, Status};
use crate::wire::envelope::prefix;

/// The flag of the envelope that holds the trailers.
const TRAILERS: u8 = 0x80;

/// What the content type of a gRPC-Web request says.
#[derive(Default)]
pub(super) struct Form<'a> {
    is_text: bool,
    /// What stands behind the name of the dialect.
    subtype: &'a [u8],
}

/// Whether a request speaks gRPC-Web.
pub(super) fn form(content_type: &[u8]) -> Option<Form<'_>> {
    let (name, rest) = content_type.split_at_checked("application/grpc-web".len())?;
    if !name.eq_ignore_ascii_case(b"application/grpc-web") {
        return None;
    }
    let text = rest.split_at_checked(5).filter(|(text, _)| text.eq_ignore_ascii_case(b"-text"));
    let (is_text, subtype) = text.map_or((false, rest), |(_, subtype)| (true, subtype));
    matches!(subtype, [] | [b'+' | b';' | b' ', ..]).then_some(Form { is_text, subtype })
}

/// Calls the method that the path names.
pub(super) async fn answer<B: RequestBody>(
    view: View<'_>,
    head: &Head,
    body: B,
    mut caller: Caller,
    seen: &mut Seen,
) -> Answer {
    let Form { is_text, subtype } = form(content_type(head)).unwrap_or_default();
    if head.method != Method::POST {
        let text = format!("gRPC-Web calls are sent with POST, not with {}.", head.method);
        let mut answer =
            write(Reply::from(Status::caller(Code::Unimplemented, text)), Web::without_method(is_text));
        *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return answer;
    }
    let route = match method::find(view.surface, head.uri.path(), Dialect::GrpcWeb) {
        Ok(route) => seen.found(route, Dialect::GrpcWeb, &mut caller),
        Err(status) => return write(Reply::from(status), Web::without_method(is_text)),
    };
    let name = if is_text { "application/grpc-web-text" } else { "application/grpc-web" };
    let body = check_subtype(name, subtype).map(|()| body);
    let endpoint = &route.endpoint;
    let limits = &view.snapshot.limits;
    let call = if is_text {
        grpc_message::call(route, Dialect::GrpcWeb, head, caller, body.map(Decoded::new), limits)
    } else {
        grpc_message::call(route, Dialect::GrpcWeb, head, caller, body, limits)
    };
    let reply = endpoint.service.call(call).await;
    let request_id = request_id::of(&head.headers).cloned();
    let web = Web { is_text, route: Some(Arc::clone(route)), request_id };
    write(reply, web)
}

/// The answer for a reply. Its status is always the last envelope, never a header, which a script of
/// another origin may not read.
fn write(reply: Reply, web: Web) -> Answer {
    let Reply { metadata, message, status, trailers, stream, hints } = reply;
    let is_stream = web.route.as_ref().is_none_or(|route| route.endpoint.method.server_streaming);
    let replies = stream.unwrap_or_else(|| {
        let message = (status.is_ok() && !is_stream).then_some(Part::Message(message));
        Box::pin(stream::iter(message.into_iter().chain([Part::End(status, trailers)])))
    });
    let mut fields = HeaderMap::new();
    initial(metadata, web.listed(), &mut fields);
    let content_type =
        if web.is_text { "application/grpc-web-text+proto" } else { "application/grpc-web+proto" };
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    error::retry(hints.retry_after, &mut fields);
    let mut answer = Response::new(Framed::new(replies, Box::new(web)).into());
    *answer.headers_mut() = fields;
    answer
}

/// How the parts of an answer are written.
struct Web {
    is_text: bool,
    /// Absent where the path names no method.
    route: Option<Arc<Route>>,
    request_id: Option<HeaderValue>,
}

impl Web {
    const fn without_method(is_text: bool) -> Self {
        Self { is_text, route: None, request_id: None }
    }

    fn listed(&self) -> &[HeaderName] {
        self.route.as_ref().map_or(&[], |route| &route.endpoint.options.response_metadata)
    }

    fn add(&self, envelope: BytesMut, data: &mut BytesMut) {
        if !self.is_text {
            data.unsplit(envelope);
            return;
        }
        let start = data.len();
        data.resize(start + envelope.len().div_ceil(3) * 4, 0);
        // The room is that of padded base64.
        let _ = STANDARD.encode_slice(&envelope, &mut data[start..]);
    }
}

impl Framing for Web {
    fn message(&mut self, message: Message, data: &mut BytesMut) -> Result<(), Status> {
        if !self.is_text {
            return envelope::write(&message, data);
        }
        let mut envelope = BytesMut::new();
        envelope::write(&message, &mut envelope)?;
        self.add(envelope, data);
        Ok(())
    }

    fn end(&mut self, status: Status, trailers: HeaderMap, data: &mut BytesMut) -> Option<HeaderMap> {
        let mut told = HeaderMap::new();
        let status = match &self.route {
            Some(route) => error::conceal(status, &route.endpoint, self.request_id.as_ref(), &mut told),
            None => status,
        };
        let mut fields = end(&status, trailers, self.listed());
        fields.extend(told);
        let mut block = Vec::new();
        for (name, value) in &fields {
            block.extend_from_slice(name.as_str().as_bytes());
            block.extend_from_slice(b": ");
            block.extend_from_slice(value.as_bytes());
            block.extend_from_slice(b"\r\n");
        }
        let mut envelope = BytesMut::with_capacity(block.len() + 5);
        // Trailers were received within the bounds of headers.
        envelope.extend_from_slice(&prefix(TRAILERS, block.len()).unwrap_or_default());
        envelope.extend_from_slice(&block);
        self.add(envelope, data);
        None
    }
}

/// A body without its base64. Each group of four characters may be padded.
struct Decoded<B> {
    body: B,
    /// The beginning of a group.
    rest: Vec<u8>,
    ended: bool,
}

impl<B> Decoded<B> {
    const fn new(body: B) -> Self {
        Self { body, rest: Vec::new(), ended: false }
    }

    fn decode(&mut self, text: &[u8]) -> Result<Bytes, Status> {
        self.rest.extend_from_slice(text);
        let whole = self.rest.len() / 4 * 4;
        let mut decoded = Vec::with_capacity(whole / 4 * 3);
        let mut groups = &self.rest[..whole];
        while !groups.is_empty() {
            // Up to the first group with padding, which ends a piece.
            let padding = groups.iter().position(|&byte| byte == b'=');
            let (piece, rest) = groups.split_at(padding.map_or(groups.len(), |at| at / 4 * 4 + 4));
            STANDARD.decode_vec(piece, &mut decoded).map_err(|_| not_base64())?;
            groups = rest;
        }
        self.rest.drain(..whole);
        Ok(decoded.into())
    }
}

fn not_base64() -> Status {
    Status::caller(
        Code::InvalidArgument,
        "The request is not valid: its body is not base64, as its type says.",
    )
}

impl<B> Body for Decoded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let data = self.decode(&frame.into_data().unwrap_or_default());
                data.map(Frame::data).map_err(Into::into)
            }
            Some(Err(error)) => Err(error.into()),
            None if self.rest.is_empty() => return Poll::Ready(None),
            None => Err(not_base64().into()),
        };
        self.ended = frame.is_err();
        Poll::Ready(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_by_their_names() {
        let table: [(&str, Option<(bool, &str)>); 9] = [
            ("application/grpc-web", Some((false, ""))),
            ("application/grpc-web+proto", Some((false, "+proto"))),
            ("Application/gRPC-Web-Text", Some((true, ""))),
            ("application/grpc-web-text+proto; charset=utf-8", Some((true, "+proto; charset=utf-8"))),
            ("application/grpc-web-textual", None),
            ("application/grpc-website", None),
            ("application/grpc", None),
            ("application/grpc+proto", None),
            ("", None),
        ];
        for (content_type, expected) in table {
            let form = form(content_type.as_bytes());
            let expected = expected.map(|(is_text, subtype)| (is_text, subtype.as_bytes()));
            assert_eq!(form.map(|form| (form.is_text, form.subtype)), expected, "{content_type}");
        }
    }

    #[test]
    fn base64_is_undone_however_it_is_cut_and_padded() {
        // "hello" as one piece, and as "he", "l" and "lo".
        for text in ["aGVsbG8=", "aGU=bA==bG8="] {
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    let mut decoded = Decoded::new(());
                    let mut all = Vec::new();
                    for part in [&text[..first], &text[first..second], &text[second..]] {
                        all.extend_from_slice(&decoded.decode(part.as_bytes()).unwrap());
                    }
                    assert_eq!(
                        (&*all, &*decoded.rest),
                        (&b"hello"[..], &[][..]),
                        "{text} at {first}, {second}"
                    );
                }
            }
        }
        for text in ["aGVs=G8=", "a*Vs", "====", "aGVsbG\n="] {
            assert!(Decoded::new(()).decode(text.as_bytes()).is_err(), "{text}");
        }
    }
}
