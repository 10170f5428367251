//! The requests of methods with client streaming: NDJSON, JSON values one behind the other, one array, the children of
//! an XML element, or a multipart form whose files come in pieces.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::Body;
use tokio::sync::oneshot;

use super::body::{BoxError, broken};
use super::error::numbered;
use super::meters::{CODEC_ERRORS, READ};
use super::pulled::Pull;
use crate::call::Message;
use crate::codec::binding::{BodyFormat, FormUpload};
use crate::codec::json::split::{SplitError, SplitErrorKind, Splitter};
use crate::codec::xml::split::{XmlSplitError, XmlSplitErrorKind, XmlSplitter};
use crate::snapshot::Route;
use crate::status::{Code, Status};

/// What a request says outside its body. It is bound to the first message.
pub(super) struct Outside {
    /// The values of the path's variables.
    pub(super) values: Vec<String>,
    pub(super) query: String,
}

impl Outside {
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty() && self.query.is_empty()
    }
}

/// The format of a message that was cut out of a stream of XML.
const WRAPPED: BodyFormat = BodyFormat::Xml { charset: None, is_wrapped: true };

/// How a body becomes messages.
pub(super) enum Cut {
    /// It holds JSON messages.
    Json(Splitter),
    /// It holds XML messages.
    Xml(XmlSplitter),
    /// It is a form.
    Form(Box<FormUpload>),
    /// Each piece that arrives stands for itself, in this format: the data of one `google.api.HttpBody`. The
    /// first one has the media type.
    Pieces(BodyFormat),
}

impl Default for Cut {
    fn default() -> Self {
        Self::Json(Splitter::default())
    }
}

/// The messages of a request, read as they are pulled. Between two pulls one piece of the body and one
/// message at most are kept.
pub(super) struct Upload<B> {
    route: Arc<Route>,
    /// Absent once it was bound.
    outside: Option<Outside>,
    /// Absent once it has ended.
    body: Option<B>,
    cut: Cut,
    accepted: Option<oneshot::Sender<()>>,
}

impl<B> Upload<B> {
    /// `body` is absent where the rule binds none. `accepted` is told of the first pull.
    pub(super) const fn new(
        route: Arc<Route>,
        outside: Outside,
        body: Option<B>,
        cut: Cut,
        accepted: Option<oneshot::Sender<()>>,
    ) -> Self {
        Self { route, outside: Some(outside), body, cut, accepted }
    }
}

impl<B> Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Status>> {
        if let Some(accepted) = self.accepted.take() {
            // Whoever waited for it may be gone.
            let _ = accepted.send(());
        }
        loop {
            match &mut self.cut {
                Cut::Json(splitter) => {
                    if let Some(text) = splitter.next().map_err(uncut)? {
                        let message = bind(&self.route, &mut self.outside, text, &BodyFormat::Json);
                        let numbered = |status| numbered(&status, splitter.count());
                        return Poll::Ready(message.map(Some).map_err(numbered));
                    }
                }
                Cut::Xml(splitter) => {
                    if let Some(text) = splitter.next().map_err(uncut_xml)? {
                        let message = bind(&self.route, &mut self.outside, text, &WRAPPED);
                        let numbered = |status| numbered(&status, splitter.count());
                        return Poll::Ready(message.map(Some).map_err(numbered));
                    }
                }
                Cut::Form(form) => {
                    let (binding, schema) = (&self.route.binding, &self.route.endpoint.schema);
                    if let Some(body) = form.next(binding, schema)? {
                        return Poll::Ready(around(&self.route, &mut self.outside, body).map(Some));
                    }
                }
                Cut::Pieces(_) => {}
            }
            let Some(body) = &mut self.body else { return Poll::Ready(self.last()) };
            match ready!(Pin::new(body).poll_frame(cx)) {
                None => self.body = None,
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    match &mut self.cut {
                        Cut::Json(splitter) => splitter.push(&data),
                        Cut::Xml(splitter) => splitter.push(&data),
                        Cut::Form(form) => form.push(&data),
                        Cut::Pieces(_) if data.is_empty() => {}
                        Cut::Pieces(format) => {
                            let message = bind(&self.route, &mut self.outside, &data, format);
                            *format = BodyFormat::Raw { content_type: Vec::new() };
                            return Poll::Ready(message.map(Some));
                        }
                    }
                }
                Some(Err(error)) => return Poll::Ready(Err(broken(error.into()))),
            }
        }
    }

    /// What the end of the body leaves: a message that nothing else ended, or the one of path and query.
    fn last(&mut self) -> Result<Option<Bytes>, Status> {
        if let Cut::Json(splitter) = &mut self.cut
            && let Some(text) = splitter.finish().map_err(uncut)?
        {
            let message = bind(&self.route, &mut self.outside, text, &BodyFormat::Json);
            return message.map(Some).map_err(|status| numbered(&status, splitter.count()));
        }
        match &self.cut {
            Cut::Form(form) => form.finish()?,
            Cut::Xml(splitter) => splitter.finish().map_err(uncut_xml)?,
            Cut::Json(_) | Cut::Pieces(_) => {}
        }
        match &self.outside {
            Some(outside) if !outside.is_empty() => {
                bind(&self.route, &mut self.outside, &[], &BodyFormat::Json).map(Some)
            }
            _ => Ok(None),
        }
    }
}

fn bind(
    route: &Route,
    outside: &mut Option<Outside>,
    body: &[u8],
    format: &BodyFormat,
) -> Result<Bytes, Status> {
    let outside = outside.take();
    let (values, query) = outside.as_ref().map_or((&[][..], ""), |outside| (&outside.values, &outside.query));
    let values = values.iter().map(String::as_str);
    let message = route.binding.request_as(&route.endpoint.schema, values, query, body, format);
    message.map(Bytes::from).map_err(unreadable)
}

/// Counts a request that is no message.
pub(super) fn unreadable(status: Status) -> Status {
    CODEC_ERRORS.add(READ, 1);
    status
}

/// As [`bind`], of a body in wire form.
fn around(route: &Route, outside: &mut Option<Outside>, body: Vec<u8>) -> Result<Bytes, Status> {
    let outside = outside.take();
    let (values, query) = outside.as_ref().map_or((&[][..], ""), |outside| (&outside.values, &outside.query));
    let values = values.iter().map(String::as_str);
    route.binding.request_around(&route.endpoint.schema, values, query, body).map(Bytes::from)
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn uncut(error: SplitError) -> Status {
    let text = format!("The request body is not a stream of JSON messages: {error}.");
    match error.kind {
        SplitErrorKind::TooLong(_) => Status::caller(Code::ResourceExhausted, text).with_http(413),
        _ => Status::caller(Code::InvalidArgument, text),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn uncut_xml(error: XmlSplitError) -> Status {
    let text = format!("The request body is not a stream of XML messages: {error}.");
    match error.kind {
        XmlSplitErrorKind::TooLong(_) | XmlSplitErrorKind::LongRoot => {
            Status::caller(Code::ResourceExhausted, text).with_http(413)
        }
        _ => Status::caller(Code::InvalidArgument, text),
    }
}

impl<B> Pull for Upload<B>
where
    B: Body<Data = Bytes> + Send + Unpin,
    B::Error: Into<BoxError>,
{
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Status>> {
        self.poll_next(cx).map_ok(|message| message.map(Message::from))
    }
}
