//! REST: a request in JSON or XML by a route of `google.api.http`, and the answer.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::Either;
use http::header::{CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Response};
use tokio::sync::oneshot;

use super::Caller;
use super::answer::{Answer, AnswerBody};
use super::body::RequestBody;
use super::caller::or_refusal;
use super::error::Form;
use super::head::Head;
use super::pulled::Pulled;
use super::representation::{Text, Wish};
use super::request_id::{self, REQUEST_ID};
use super::stream::{Beginning, Streamed, media_type, unwritable};
use super::upload::{Cut, Outside, Upload, unreadable};
use super::{body, error, metadata, stream};
use crate::call::{Body, Call, Dialect, Message, Reply};
use crate::codec::binding::{self, BodyFormat};
use crate::snapshot::{Limits, Route};
use crate::status::Status;
use crate::telemetry::trace::span::{Kind, Trace, Traced};

/// A request without its body, after its route was found.
pub(super) struct Parts<'a> {
    pub(super) head: &'a Head,
    /// The values of the path's variables.
    pub(super) values: Vec<String>,
    pub(super) caller: Caller,
    pub(super) wish: Wish,
    /// The dialect that is spoken on this route by that.
    pub(super) dialect: Dialect,
}

/// Calls the route's method and answers with its response.
pub(super) fn answer<'a, B: RequestBody>(
    route: &'a Arc<Route>,
    parts: Parts<'a>,
    body: B,
    limits: &'a Limits,
) -> impl Future<Output = Answer> + Send + use<'a, B> {
    let varies = route.endpoint.speaks(Dialect::Xml) && !route.binding.gives_raw();
    let answer = if route.endpoint.method.server_streaming {
        Either::Left(Box::pin(answer_stream(route, parts, body, limits)))
    } else {
        Either::Right(answer_message(route, parts, body, limits))
    };
    async move {
        let mut answer = answer.await;
        if varies {
            answer.headers_mut().append(VARY, HeaderValue::from_static("accept"));
        }
        answer
    }
}

/// The call is made before there is a future, which so has no place for a request.
fn answer_message<'a, B: RequestBody>(
    route: &'a Arc<Route>,
    parts: Parts<'a>,
    body: B,
    limits: &Limits,
) -> impl Future<Output = Answer> + Send + use<'a, B> {
    let teller = Teller::new(route, &parts);
    let reply = route.endpoint.service.call(call(route, parts, body, limits, None));
    async move {
        let reply = reply.await;
        if !reply.status.is_ok() {
            return teller.failure(reply);
        }
        match success(route, &reply.message.bytes, teller.text) {
            Ok(mut answer) => {
                teller.metadata(reply.metadata, reply.trailers, &mut answer);
                answer
            }
            Err(status) => teller.failure(Reply { status, ..reply }),
        }
    }
}

/// Calls a method with server streaming and answers with its messages as they come.
async fn answer_stream<B: RequestBody>(
    route: &Arc<Route>,
    parts: Parts<'_>,
    body: B,
    limits: &Limits,
) -> Answer {
    let teller = Teller::new(route, &parts);
    let form = stream::Form::of_request(&parts.head.headers, route, teller.text);
    if let Some(answer) = stream::already_ended(form, &parts.head.headers) {
        return answer;
    }
    let (sender, accepted) = oneshot::channel();
    let reply = route.endpoint.service.call(call(route, parts, body, limits, Some(sender)));
    match stream::begin(reply, accepted, form).await {
        Beginning::Failed(reply) => teller.failure(reply),
        Beginning::Begun(metadata, source) => {
            // What fails later cannot name itself in a header any more.
            let id = teller.request_id(&metadata);
            let mut answer = Streamed::answer(Arc::clone(route), form, source, id.clone());
            teller.metadata(metadata, HeaderMap::new(), &mut answer);
            answer.headers_mut().insert(REQUEST_ID, id);
            answer
        }
    }
}

/// What an answer says beside its messages.
struct Teller<'a> {
    route: &'a Route,
    text: Text,
    /// What the request says, looked at only where it matters.
    headers: &'a HeaderMap,
}

impl<'a> Teller<'a> {
    fn new(route: &'a Route, parts: &Parts<'a>) -> Self {
        Self { route, text: parts.wish.text(&route.endpoint), headers: &parts.head.headers }
    }

    fn form(&self) -> Form {
        match Form::of_request(self.headers, self.text) {
            Form::Status if self.route.endpoint.options.problem_details => Form::Problem,
            form => form,
        }
    }

    /// The answer for a call that failed.
    fn failure(&self, reply: Reply) -> Answer {
        let endpoint = &self.route.endpoint;
        let (status, hidden) = error::for_caller(reply.status, &endpoint.options);
        let mut answer = error::answer(&endpoint.schema, &status, self.form());
        let id = hidden.as_ref().map(|_| self.request_id(&reply.metadata));
        self.metadata(reply.metadata, reply.trailers, &mut answer);
        error::hint(reply.hints, answer.headers_mut());
        if let Some((hidden, id)) = hidden.zip(id) {
            hidden.log(&endpoint.schema, &endpoint.full_name, id.to_str().unwrap_or_default());
            answer.headers_mut().insert(REQUEST_ID, id);
        }
        answer
    }

    fn metadata(&self, metadata: HeaderMap, trailers: HeaderMap, answer: &mut Answer) {
        let configured = &self.route.endpoint.options.response_metadata;
        metadata::to_answer(metadata, trailers, configured, answer.headers_mut());
    }

    /// The name of the request: the caller's, the backend's or one that is made up.
    fn request_id(&self, metadata: &HeaderMap) -> HeaderValue {
        request_id::of(self.headers)
            .cloned()
            .or_else(|| metadata.get(&REQUEST_ID).cloned())
            .unwrap_or_else(request_id::made_up)
    }
}

/// The answer for a reply's message.
fn success(route: &Route, message: &Bytes, text: Text) -> Result<Answer, Status> {
    let (binding, schema, write) = (&route.binding, &route.endpoint.schema, &route.endpoint.options.write);
    let written = if binding.gives_raw() {
        binding.raw_answer(schema, message).map(|body| {
            let content_type = media_type(body.content_type);
            (AnswerBody::from(message.slice_ref(body.data)), content_type)
        })
    } else if let Text::Xml(name) = text {
        let mut text = Vec::new();
        let written = binding.answer_xml(schema, message, write, &mut text);
        written.map(|()| (AnswerBody::from(text), name.content_type()))
    } else {
        let mut text = Vec::new();
        let written = binding.answer(schema, message, write, &mut text);
        written.map(|()| (AnswerBody::from(text), HeaderValue::from_static("application/json")))
    };
    let (body, content_type) = written.map_err(|error| unwritable(route, error, text != Text::Json))?;
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    Ok(answer)
}

/// The call. Its message is read and decoded only when a layer asks for it, and only then the caller
/// learns what is wrong with its request: whether it may call at all is decided before.
///
/// `accepted` is told when that time has come and the request is right.
fn call<B: RequestBody>(
    route: &Arc<Route>,
    parts: Parts<'_>,
    body: B,
    limits: &Limits,
    accepted: Option<oneshot::Sender<()>>,
) -> Call {
    let Parts { head, values, caller, wish, dialect } = parts;
    let endpoint = &route.endpoint;
    let metadata = metadata::of_request(&head.headers, &endpoint.options.request_metadata);
    let trace = caller.trace.as_ref().and_then(Traced::sampled).cloned();
    caller.call(route, dialect, head, metadata, |check| {
        // A body that stands for itself has a type of its own.
        let is_text = !route.binding.gives_raw();
        let check = check.and_then(|()| if is_text { wish.check(endpoint) } else { Ok(()) });
        let outside = Outside { values, query: head.uri.query().unwrap_or_default().to_owned() };
        let rest = Rest { outside, trace, accepted };
        request(Arc::clone(route), check, head, body, rest, limits.clone())
    })
}

/// What belongs to a request beside its head and its body.
struct Rest {
    outside: Outside,
    /// The trace, if it is sampled.
    trace: Option<Trace>,
    /// Is told when the message is asked for and is right.
    accepted: Option<oneshot::Sender<()>>,
}

/// The request, unless `check` found something wrong already.
fn request<B: RequestBody>(
    route: Arc<Route>,
    mut check: Result<(), Status>,
    head: &Head,
    body: B,
    rest: Rest,
    limits: Limits,
) -> Body {
    let Rest { outside, trace, accepted } = rest;
    // A body that the rule does not bind is neither read nor looked at.
    let is_bound = *route.binding.body() != binding::Body::None && !body.is_end_stream();
    let takes_raw = route.binding.takes_raw();
    if route.endpoint.method.client_streaming {
        let cut = if !is_bound {
            Cut::Pieces(BodyFormat::default())
        } else if takes_raw {
            Cut::Pieces(or_refusal(body::raw_stream(&head.headers), &mut check))
        } else {
            or_refusal(body::cut(&head.headers, &limits, !outside.is_empty(), &route.endpoint), &mut check)
        };
        let body = is_bound.then_some(body);
        return match check {
            Ok(()) => Body::Stream(Pulled::messages(Upload::new(route, outside, body, cut, accepted))),
            Err(status) => Body::Refused(Box::new(status)),
        };
    }
    let format = match (is_bound, takes_raw) {
        (false, _) => BodyFormat::default(),
        (true, true) => or_refusal(body::raw_format(&head.headers, &limits), &mut check),
        (true, false) => or_refusal(body::format(&head.headers, &limits, &route.endpoint), &mut check),
    };
    if let Err(status) = check {
        return Body::Refused(Box::new(status));
    }
    let trace = trace.map(Box::new);
    Body::Pending(Box::pin(async move {
        let mut span = trace.map(|trace| trace.begin("decode", Kind::Internal));
        let body = if is_bound { body::read(body, &limits).await? } else { Bytes::new() };
        let values = outside.values.iter().map(String::as_str);
        let wire = route.binding.request_as(&route.endpoint.schema, values, &outside.query, &body, &format);
        let wire = wire.map_err(unreadable)?;
        if let Some(span) = &mut span {
            span.span().set("rpc.message.uncompressed_size", wire.len() as i64);
        }
        if let Some(accepted) = accepted {
            // Whoever waited for it may be gone.
            let _ = accepted.send(());
        }
        Ok(Message::from(Bytes::from(wire)))
    }))
}
