//! The requests of a call: what comes through the pipe, read when it is pulled.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::super::error::numbered;
use super::super::pulled::{Pull, Pulled};
use super::super::upload::{Outside, unreadable};
use super::answers::Form;
use super::pipe::Receiver;
use crate::call::{Body, Message};
use crate::codec::binding::{Around, Content};
use crate::snapshot::Route;
use crate::status::{Code, Status};

/// The requests of one socket.
pub(super) struct Requests {
    route: Arc<Route>,
    form: Form,
    receiver: Receiver,
    /// Path and query, and whether the query may name fields of a body that is the whole message. Absent once read.
    outside: Option<(Outside, bool)>,
    /// The same, until the first message.
    around: Option<Around>,
    /// Told once path and query are right, which nobody asks before policy has let the call through.
    accepted: Option<oneshot::Sender<()>>,
    count: usize,
}

impl Requests {
    pub(super) fn new(
        route: Arc<Route>,
        form: Form,
        receiver: Receiver,
        outside: (Outside, bool),
        accepted: oneshot::Sender<()>,
    ) -> Self {
        let (outside, accepted) = (Some(outside), Some(accepted));
        Self { route, form, receiver, outside, around: None, accepted, count: 0 }
    }

    /// The body of the call. `starts_at_once` says that a single message is what path and query say.
    pub(super) fn into_body(self, starts_at_once: bool) -> Body {
        if self.route.endpoint.method.client_streaming {
            Body::Stream(Pulled::messages(self))
        } else {
            Body::Pending(Box::pin(self.one(starts_at_once)))
        }
    }

    async fn one(mut self, starts_at_once: bool) -> Result<Message, Status> {
        if starts_at_once {
            self.open()?;
            let wire = self.read(Content::Nothing)?;
            self.accept();
            return Ok(Message::from(Bytes::from(wire)));
        }
        self.open()?;
        self.accept();
        match poll_fn(|cx| self.poll_next(cx)).await? {
            Some(message) => Ok(Message::from(message)),
            None => Err(Status::caller(
                Code::InvalidArgument,
                "The method takes exactly one message, but none came.",
            )),
        }
    }

    /// Reads path and query, once.
    fn open(&mut self) -> Result<(), Status> {
        if let Some((Outside { values, query }, may_add)) = self.outside.take() {
            let is_empty = values.is_empty() && query.is_empty();
            let (binding, schema) = (&self.route.binding, &self.route.endpoint.schema);
            let around = binding.around(schema, values.iter().map(String::as_str), &query, may_add);
            self.around = Some(around.map_err(unreadable)?).filter(|_| !is_empty);
        }
        Ok(())
    }

    fn accept(&mut self) {
        if let Some(accepted) = self.accepted.take() {
            // Whoever waited for it may be gone.
            let _ = accepted.send(());
        }
    }

    fn poll_next(&mut self, cx: &Context<'_>) -> Poll<Result<Option<Bytes>, Status>> {
        self.open()?;
        self.accept();
        let Some(content) = ready!(self.receiver.poll_message(cx)).transpose()? else {
            // What path and query say is a message too, if no other came.
            let wire = self.around.is_some().then(|| self.read(Content::Nothing)).transpose()?;
            return Poll::Ready(Ok(wire.map(Bytes::from)));
        };
        self.count += 1;
        let is_stream = self.route.endpoint.method.client_streaming;
        if self.form == Form::Proto && self.around.is_none() {
            return Poll::Ready(Ok(Some(content)));
        }
        let read = match self.form {
            Form::Json => self.read(Content::Json(&content)),
            Form::Proto => self.read(Content::Wire(&content)),
        };
        let read = read.map_err(|status| if is_stream { numbered(&status, self.count) } else { status });
        Poll::Ready(read.map(|wire| Some(wire.into())))
    }

    fn read(&mut self, content: Content<'_>) -> Result<Vec<u8>, Status> {
        let around = self.around.take();
        let (binding, schema) = (&self.route.binding, &self.route.endpoint.schema);
        binding.framed(schema, around.as_ref(), content).map_err(unreadable)
    }
}

impl Pull for Requests {
    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Status>> {
        self.poll_next(cx).map_ok(|message| message.map(Message::from))
    }
}
