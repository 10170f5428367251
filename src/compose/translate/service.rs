//! Calls of a translated method, and their answers.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderValue};

use super::names::Renaming;
use super::number::Unfit;
use super::run::{Bounds, Fault, Flaw};
use super::table::Tables;
use crate::call::service::{BoxFuture, CallService};
use crate::call::{Body, Call, Encodings, Message, Method, Part, Replies, Reply, encoding};
use crate::status::details::{FieldViolation, bad_request};
use crate::status::{Code, Status};

/// A method that is answered by one of another schema.
pub struct Translated(Arc<Settings>);

/// What a translated method is made of.
pub struct Settings {
    /// The method that answers.
    pub method: Arc<Method>,
    /// Its full name, for errors.
    pub name: Box<str>,
    /// What answers it, with the policy that holds for it.
    pub service: Arc<dyn CallService>,
    /// The route on which it is called, where policy holds for it; else the call keeps its own.
    pub route: Option<Arc<str>>,
    /// What becomes of requests.
    pub request: Side,
    /// What becomes of answers.
    pub answer: Side,
    /// What callers call the fields of requests that errors name.
    pub violations: Renaming,
    /// The longest message, in bytes.
    pub length: usize,
    /// How deep messages may lie in one another.
    pub depth: usize,
}

/// What becomes of messages in one direction.
#[derive(Clone, Debug)]
pub struct Side {
    /// The tables of all messages.
    pub tables: Arc<Tables>,
    /// The position of that of the message itself.
    pub table: usize,
}

impl Translated {
    /// A method of these.
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(settings))
    }
}

impl fmt::Debug for Translated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Translated").field(&self.0.name).finish()
    }
}

impl CallService for Translated {
    fn call(&self, mut call: Call) -> BoxFuture<Reply> {
        let settings = Arc::clone(&self.0);
        call.method = Arc::clone(&settings.method);
        if let Some(route) = &settings.route {
            call.origin.route = Arc::clone(route);
        }
        // What is compressed cannot be looked into, so the backend is asked for what is not.
        let encodings = std::mem::take(&mut call.encodings);
        call.body = settings.body(call.body, encodings);
        let reply = settings.service.call(call);
        Box::pin(async move { settings.reply(reply.await) })
    }
}

impl Settings {
    const fn bounds(&self) -> Bounds {
        Bounds { length: self.length, depth: self.depth }
    }

    /// The request, which is written anew when somebody asks for it, so only for those who may call.
    fn body(self: &Arc<Self>, body: Body, encodings: Encodings) -> Body {
        let (this, encoding) = (Arc::clone(self), encodings.request);
        match body {
            Body::Refused(status) => Body::Refused(status),
            Body::Stream(messages) => {
                Body::Stream(Box::pin(messages.map(move |message| this.request(message?, encoding.as_ref()))))
            }
            body => {
                Body::Pending(Box::pin(async move { this.request(body.message().await?, encoding.as_ref()) }))
            }
        }
    }

    fn request(&self, message: Message, encoding: Option<&HeaderValue>) -> Result<Message, Status> {
        let bytes = encoding::decode(message, encoding.map(HeaderValue::as_bytes), self.length)?;
        let Side { tables, table } = &self.request;
        if tables.is_same(*table) {
            return Ok(bytes.into());
        }
        match tables.translate(*table, &bytes, self.bounds()) {
            Ok(wire) => Ok(Bytes::from(wire).into()),
            Err(fault) => Err(self.refused(*fault)),
        }
    }

    fn answer(&self, message: Message) -> Result<Message, Status> {
        let Side { tables, table } = &self.answer;
        if tables.is_same(*table) {
            return Ok(message);
        }
        match tables.translate(*table, &message.bytes, self.bounds()) {
            Ok(wire) => Ok(Bytes::from(wire).into()),
            Err(fault) => Err(self.unshown(&fault)),
        }
    }

    fn reply(self: Arc<Self>, mut reply: Reply) -> Reply {
        if !reply.status.is_ok() {
            reply.status = self.renamed(reply.status);
            return reply;
        }
        if let Some(replies) = reply.stream.take() {
            reply.stream = Some(self.stream(replies));
            return reply;
        }
        match self.answer(std::mem::take(&mut reply.message)) {
            Ok(message) => Reply { message, ..reply },
            Err(status) => Reply { metadata: reply.metadata, hints: reply.hints, ..Reply::from(status) },
        }
    }

    /// The messages of a stream. One that cannot be shown ends it, and the call behind it.
    fn stream(self: Arc<Self>, replies: Replies) -> Replies {
        Box::pin(stream::unfold(Some(replies), move |replies| {
            let this = Arc::clone(&self);
            async move {
                let mut replies = replies?;
                Some(match replies.next().await? {
                    Part::Message(message) => match this.answer(message) {
                        Ok(message) => (Part::Message(message), Some(replies)),
                        Err(status) => (Part::End(status, HeaderMap::new()), None),
                    },
                    Part::End(status, trailers) => (Part::End(this.renamed(status), trailers), None),
                })
            }
        }))
    }

    /// A backend's error, in which fields are called as the caller calls them.
    fn renamed(&self, status: Status) -> Status {
        if status.details().is_empty() {
            return status;
        }
        status.map_details(|mut detail| {
            if detail.type_url.ends_with("/google.rpc.BadRequest")
                && let Some(value) = self.violations.violations(&detail.value)
            {
                detail.value = value.into();
            }
            detail
        })
    }

    /// What a caller is told whose request cannot be passed on.
    fn refused(&self, fault: Fault) -> Status {
        let field = path(&fault);
        let what = match fault.flaw {
            Flaw::Long => {
                let text = format!("The request is longer than {} bytes once it is translated.", self.length);
                return Status::caller(Code::ResourceExhausted, text).with_http(413);
            }
            Flaw::Deep => {
                let text =
                    format!("Messages of the request lie more than {} deep in one another.", self.depth);
                return Status::caller(Code::InvalidArgument, text);
            }
            Flaw::Value(Unfit::Wire(error)) => {
                let text = format!("The request is not valid protobuf: {error}.");
                return Status::caller(Code::InvalidArgument, text);
            }
            Flaw::Value(unfit) => said(&unfit),
            Flaw::Mask(path) => format!("names {path:?}, which this service cannot change or show by itself"),
        };
        let text = format!("The field {field:?} {what}.");
        let violation = FieldViolation { field, description: text.clone() };
        Status::caller(Code::InvalidArgument, text).with_detail(bad_request(vec![violation]))
    }

    /// What a caller is told when an answer cannot be shown.
    fn unshown(&self, fault: &Fault) -> Status {
        let name = &self.name;
        let text = match &fault.flaw {
            Flaw::Long => {
                let text = format!(
                    "The answer of {name} is longer than {} bytes once it is translated.",
                    self.length
                );
                return Status::backend(Code::ResourceExhausted, text).with_http(502);
            }
            Flaw::Deep => {
                format!("Messages in the answer of {name} lie more than {} deep in one another.", self.depth)
            }
            Flaw::Value(Unfit::Wire(error)) => {
                format!("The answer of {name} is not valid protobuf: {error}.")
            }
            Flaw::Value(unfit) => {
                format!("The answer of {name} cannot be shown: the field {:?} {}.", path(fault), said(unfit))
            }
            Flaw::Mask(mask) => {
                format!("The answer of {name} cannot be shown: the field {:?} names {mask:?}.", path(fault))
            }
        };
        Status::backend(Code::Internal, text).with_http(502)
    }
}

/// The path to the field that a fault is about.
fn path(fault: &Fault) -> String {
    let names: Vec<&str> = fault.path.iter().rev().map(|name| &**name).collect();
    names.join(".")
}

fn said(unfit: &Unfit) -> String {
    match unfit {
        Unfit::Wire(error) => format!("is not valid: {error}"),
        Unfit::Range(value, into) => format!("is {value}, which does not fit into {}", into.name()),
        Unfit::Unknown(number) => format!("is {number}, which is no value of its enum"),
        Unfit::Text => "is not UTF-8".to_owned(),
    }
}
