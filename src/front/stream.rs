//! The answers of methods with server streaming: a JSON array, NDJSON, server-sent events or XML.
//!
//! An array and NDJSON end, when the call fails after the answer began, with an element of its own:
//! `{"error":{"@type":"type.googleapis.com/google.rpc.Status",…}}`. XML is an element `stream` in `urn:transom`, which
//! holds the element of each message and then, when the call fails, `error` with the status as an element. Server-sent events, by
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>, count their messages in `id`; a failure
//! is an event `status` with the same element, since `error` would be taken for the connection's; the end
//! is an event `end`, whose id a browser that reconnects sends back, so that the call is not run again.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep, sleep};

use super::accept::preferred;
use super::answer::{Answer, AnswerBody, Cut};
use super::error;
use super::meters::{CODEC_ERRORS, MESSAGES, SENT, WRITE};
use super::representation::{Name, Text};
use crate::call::service::BoxFuture;
use crate::call::{Dialect, Part, Replies, Reply};
use crate::codec::json::error::WriteError;
use crate::codec::json::write::WriteOptions;
use crate::codec::xml;
use crate::snapshot::{Route, StreamForm};
use crate::status::{Code, Status};

/// How long the backend may take before the answer starts without it.
const HEAD_START: Duration = Duration::from_secs(1);
/// How often server-sent events carry a comment while there is nothing to say, as proxies end silent
/// connections.
const COMMENT: Duration = Duration::from_secs(15);
/// What is ready together is written together, up to this many bytes.
const PACK: usize = 16 << 10;
/// The next text gets so many bytes more than the last one needed, since writing a message makes room for more
/// than it often takes.
const ROOM: usize = 256;

/// The root element of a stream of XML, in a namespace of Transom's own.
const XML_START: &[u8] = b"<stream xmlns=\"urn:transom\">\n";

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Asks nginx and others to pass events on as they come.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// How the messages of a stream are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON array.
    Array,
    /// One message on each line.
    Lines,
    /// Server-sent events.
    Events,
    /// One XML element that holds the messages.
    Xml(Name),
    /// The data of `google.api.HttpBody`, one behind the other.
    Raw,
}

/// The media types of streams of messages.
const STREAMS: [&str; 3] = [EVENTS, "application/x-ndjson", "application/ndjson"];
const EVENTS: &str = "text/event-stream";

/// Whether the caller asks for a stream of messages before anything else.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let [events, lines, other_lines] = STREAMS;
    let names = [events, lines, other_lines, "application/json", "application/xml", "text/xml"];
    preferred(headers, &names).is_some_and(|name| STREAMS.contains(&name))
}

impl Form {
    /// The form that the service fixes; else the one that the caller asks for in Accept, an array if it does not. What
    /// is no JSON stands for itself. A fixed form is also the answer for those whose Accept leaves it out: RFC 9110
    /// section 12.5.1 allows that, and it is what they would be told to ask for.
    pub(super) fn of_request(headers: &HeaderMap, route: &Route, text: Text) -> Self {
        if route.binding.gives_raw() {
            return Self::Raw;
        }
        if let Text::Xml(name) = text
            && (route.endpoint.options.streams.is_none() || !route.endpoint.speaks(Dialect::Rest))
        {
            return Self::Xml(name);
        }
        match route.endpoint.options.streams {
            None => {}
            Some(StreamForm::Array) => return Self::Array,
            Some(StreamForm::Lines) => return Self::Lines,
            Some(StreamForm::Events) => return Self::Events,
        }
        match preferred(headers, &STREAMS) {
            Some(EVENTS) => Self::Events,
            Some(_) => Self::Lines,
            None => Self::Array,
        }
    }

    const fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Array => "application/json",
            Self::Lines => "application/x-ndjson",
            Self::Events => "text/event-stream",
            Self::Xml(name) => return name.content_type(),
            Self::Raw => "application/octet-stream",
        })
    }
}

/// The answer to a browser that reconnects behind the end of a stream of events: 204 tells it to stay away.
pub(super) fn already_ended(form: Form, headers: &HeaderMap) -> Option<Answer> {
    let is_end = headers.get(LAST_EVENT_ID).is_some_and(|id| id == "end");
    (form == Form::Events && is_end).then(|| {
        let mut answer = Response::new(AnswerBody::empty());
        *answer.status_mut() = StatusCode::NO_CONTENT;
        answer
    })
}

/// The Content-Type of a body that stands for itself.
pub(super) fn media_type(text: &[u8]) -> HeaderValue {
    match HeaderValue::from_bytes(text) {
        Ok(value) if !text.is_empty() => value,
        _ => Form::Raw.content_type(),
    }
}

/// The status for a backend's message that cannot be written.
pub(super) fn unwritable(route: &Route, error: Box<WriteError>, is_xml: bool) -> Status {
    let method = &route.endpoint.full_name;
    CODEC_ERRORS.add(WRITE, 1);
    if is_xml {
        tracing::warn!(method, %error, "a backend's message cannot be written as XML");
        return xml::error::unwritable();
    }
    tracing::warn!(method, %error, "a backend's message cannot be written as JSON");
    error.into()
}

/// How a streaming call begins.
pub(super) enum Beginning {
    /// It failed before there was anything to answer with. The metadata is that of the reply.
    Failed(Reply),
    /// It goes on, after the initial metadata if there was any yet.
    Begun(HeaderMap, Source),
}

/// Waits for the beginning. `accepted` resolves when policy has let the call through and its request was
/// read.
pub(super) async fn begin(
    mut reply: BoxFuture<Reply>,
    mut accepted: oneshot::Receiver<()>,
    form: Form,
) -> Beginning {
    let mut is_accepted = false;
    let patience = async {
        match (&mut accepted).await {
            Ok(()) => is_accepted = true,
            Err(_) => pending().await,
        }
        match form {
            // A browser learns that it is connected as soon as that is true.
            Form::Events => {}
            // Only the first message says what it is.
            Form::Raw => pending().await,
            Form::Array | Form::Lines | Form::Xml(_) => sleep(HEAD_START).await,
        }
    };
    let mut reply = tokio::select! {
        biased;
        reply = &mut reply => reply,
        () = patience => return Beginning::Begun(HeaderMap::new(), Source::Waiting(reply)),
    };
    let is_accepted = is_accepted || accepted.try_recv().is_ok();
    let Some(mut stream) = reply.stream.take() else {
        let has_begun = reply.status.is_ok() || (form == Form::Events && is_accepted);
        if !has_begun {
            return Beginning::Failed(reply);
        }
        return Beginning::Begun(reply.metadata, Source::Part(Part::End(reply.status, reply.trailers), None));
    };
    // An end that is there already still decides the HTTP status.
    let first = poll_fn(|cx| match stream.as_mut().poll_next(cx) {
        Poll::Pending if form == Form::Raw => Poll::Pending,
        polled => Poll::Ready(polled),
    });
    match first.await {
        Poll::Ready(Some(Part::End(status, trailers))) if !status.is_ok() && form != Form::Events => {
            Beginning::Failed(Reply { status, trailers, ..reply })
        }
        Poll::Ready(Some(part)) => Beginning::Begun(reply.metadata, Source::Part(part, Some(stream))),
        _ => Beginning::Begun(reply.metadata, Source::Replies(stream)),
    }
}

/// Where the messages come from.
pub(super) enum Source {
    /// The backend has not begun to answer.
    Waiting(BoxFuture<Reply>),
    /// One part is there.
    Part(Part, Option<Replies>),
    /// The backend answers.
    Replies(Replies),
    /// The call has ended.
    Ended,
}

impl Source {
    /// The media type of a body that stands for itself, which its first message has.
    fn raw_content_type(&self, route: &Route) -> Option<HeaderValue> {
        match self {
            Self::Part(Part::Message(message), _) if route.binding.gives_raw() => {
                let body = route.binding.raw_answer(&route.endpoint.schema, &message.bytes).ok()?;
                Some(media_type(body.content_type))
            }
            _ => None,
        }
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Part> {
        loop {
            match self {
                Self::Replies(replies) => {
                    let part = ready!(replies.as_mut().poll_next(cx)).unwrap_or_else(ended);
                    if matches!(part, Part::End(..)) {
                        *self = Self::Ended;
                    }
                    return Poll::Ready(part);
                }
                Self::Waiting(reply) => {
                    *self = match ready!(reply.as_mut().poll(cx)) {
                        Reply { stream: Some(stream), .. } => Self::Replies(stream),
                        reply => Self::Part(Part::End(reply.status, reply.trailers), None),
                    };
                }
                Self::Part(..) | Self::Ended => return Poll::Ready(self.part()),
            }
        }
    }

    /// The part that is there, the end if there is none.
    fn part(&mut self) -> Part {
        match std::mem::replace(self, Self::Ended) {
            Self::Part(part, Some(rest)) => {
                *self = Self::Replies(rest);
                part
            }
            Self::Part(part, None) => part,
            _ => ended(),
        }
    }
}

fn ended() -> Part {
    Part::End(Status::ok(), HeaderMap::new())
}

/// A streaming answer that is being written.
pub(super) struct Streamed {
    route: Arc<Route>,
    form: Form,
    source: Source,
    request_id: HeaderValue,
    /// How many messages were written.
    count: u64,
    text: Vec<u8>,
    comment: Option<Pin<Box<Sleep>>>,
    ended: bool,
    /// How the call ended, once it has.
    code: Option<Code>,
    /// The call failed, and the form has no way to say so.
    is_cut: bool,
}

impl fmt::Debug for Streamed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streamed")
            .field("form", &self.form)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl Streamed {
    /// The answer; its headers are to be completed. `request_id` names what is in the log about it.
    pub(super) fn answer(route: Arc<Route>, form: Form, source: Source, request_id: HeaderValue) -> Answer {
        let content_type = source.raw_content_type(&route).unwrap_or_else(|| form.content_type());
        let comment = (form == Form::Events).then(|| Box::pin(sleep(COMMENT)));
        let body = Self {
            route,
            form,
            source,
            request_id,
            count: 0,
            text: Vec::new(),
            comment,
            ended: false,
            code: None,
            is_cut: false,
        };
        let mut answer = Response::new(AnswerBody::from(body));
        let headers = answer.headers_mut();
        headers.insert(CONTENT_TYPE, content_type);
        if form == Form::Events {
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
            headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
        }
        answer
    }

    /// How the call ended, once it has.
    pub(super) const fn code(&self) -> Option<Code> {
        self.code
    }

    pub(super) const fn has_ended(&self) -> bool {
        self.ended && self.text.is_empty() && !self.is_cut
    }

    /// The next part of the answer's text. What is ready together comes together.
    pub(super) fn poll_text(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        while !self.ended && self.text.len() < PACK {
            match self.source.poll_part(cx) {
                Poll::Pending => break,
                Poll::Ready(Part::Message(message)) => self.message(&message.bytes),
                Poll::Ready(Part::End(status, _)) => self.end(status),
            }
        }
        if self.text.is_empty() && !self.ended {
            ready!(self.poll_comment(cx));
            self.text.extend_from_slice(b":\n\n");
        }
        if self.text.is_empty() {
            return Poll::Ready(std::mem::take(&mut self.is_cut).then_some(Err(Cut)));
        }
        if let Some(comment) = &mut self.comment {
            comment.as_mut().reset(Instant::now() + COMMENT);
        }
        let next = if self.ended { 0 } else { self.text.len() + self.text.len() / 8 + ROOM };
        let text = std::mem::replace(&mut self.text, Vec::with_capacity(next));
        Poll::Ready(Some(Ok(Bytes::from(text))))
    }

    fn poll_comment(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.comment.as_mut().map_or(Poll::Pending, |comment| comment.as_mut().poll(cx))
    }

    fn message(&mut self, message: &[u8]) {
        let endpoint = &self.route.endpoint;
        let start = self.text.len();
        match self.form {
            Form::Array => self.text.extend_from_slice(if self.count == 0 { b"[" } else { b",\n" }),
            Form::Lines | Form::Raw => {}
            Form::Xml(_) => self.text.extend_from_slice(if self.count == 0 { XML_START } else { b"\n" }),
            Form::Events => {
                self.text.extend_from_slice(b"id: ");
                self.text.extend_from_slice(itoa::Buffer::new().format(self.count + 1).as_bytes());
                self.text.extend_from_slice(b"\ndata: ");
            }
        }
        let binding = &self.route.binding;
        let (schema, write) = (&endpoint.schema, &endpoint.options.write);
        let written = match self.form {
            Form::Raw => {
                let body = binding.raw_answer(schema, message);
                body.map(|body| self.text.extend_from_slice(body.data))
            }
            Form::Xml(_) => binding.answer_xml(schema, message, write, &mut self.text),
            _ => binding.answer(schema, message, write, &mut self.text),
        };
        match written {
            Ok(()) => {
                self.count += 1;
                MESSAGES.add(SENT, 1);
                self.text.extend_from_slice(match self.form {
                    Form::Array | Form::Raw | Form::Xml(_) => b"",
                    Form::Lines => b"\n",
                    Form::Events => b"\n\n",
                });
            }
            Err(error) => {
                self.text.truncate(start);
                let status = unwritable(&self.route, error, matches!(self.form, Form::Xml(_)));
                self.end(status);
            }
        }
    }

    fn end(&mut self, status: Status) {
        self.ended = true;
        self.source = Source::Ended;
        let is_ok = status.is_ok();
        self.code = Some(status.code());
        match self.form {
            Form::Array => {
                if self.count == 0 {
                    self.text.push(b'[');
                }
                if !is_ok {
                    self.text.extend_from_slice(if self.count == 0 { b"" } else { b",\n" });
                    self.failure(status);
                }
                self.text.extend_from_slice(b"]\n");
            }
            Form::Xml(_) => {
                self.text.extend_from_slice(if self.count == 0 { XML_START } else { b"\n" });
                if !is_ok {
                    self.failure(status);
                    self.text.push(b'\n');
                }
                self.text.extend_from_slice(b"</stream>\n");
            }
            Form::Lines => {
                if !is_ok {
                    self.failure(status);
                    self.text.push(b'\n');
                }
            }
            Form::Raw => {
                self.is_cut = !is_ok;
                if !is_ok {
                    let (method, request_id) = (&self.route.endpoint.full_name, &self.request_id);
                    tracing::warn!(method, ?request_id, %status, "an answer was cut, as its call failed");
                }
            }
            Form::Events if is_ok => self.text.extend_from_slice(b"id: end\nevent: end\ndata: {}\n\n"),
            Form::Events => {
                self.text.extend_from_slice(b"event: status\ndata: ");
                self.failure(status);
                self.text.extend_from_slice(b"\n\n");
            }
        }
    }

    /// The element that says how the call failed.
    fn failure(&mut self, status: Status) {
        let endpoint = &self.route.endpoint;
        let (status, hidden) = error::for_caller(status, &endpoint.options);
        if let Some(hidden) = hidden {
            let id = self.request_id.to_str().unwrap_or_default();
            error::log(&hidden, &endpoint.schema, &endpoint.full_name, id);
        }
        if let Form::Xml(_) = self.form {
            self.text.extend_from_slice(b"<error>");
            xml::status::write_status(&endpoint.schema, &status, &WriteOptions::default(), &mut self.text);
            return self.text.extend_from_slice(b"</error>");
        }
        error::write_element(&endpoint.schema, &status, &mut self.text);
    }
}
