//! The parts of an aggregated method, and what they need of one another.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use tokio::time::Instant;

use super::mask::Mask;
use super::run::Run;
use super::source::{Root, Source};
use super::template::Template;
use crate::call::meters::Calls;
use crate::call::service::{BoxFuture, CallService};
use crate::call::{Body, Call, Method, Reply, encoding};
use crate::schema::Schema;
use crate::status::exposure::Exposure;
use crate::status::{Code, Status};

/// The field of the answer that says what went wrong with parts.
pub const ERRORS: u32 = 100;
/// How many parts there may be.
pub const MAX_PARTS: usize = 64;

/// A method whose answer is put together from the answers of others.
pub struct Plan {
    shared: Arc<Shared>,
    form: Form,
}

/// How a plan is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// By one message, when all parts are there.
    Whole,
    /// By a stream of messages, each with a part that is ready, or a message of a part that is a stream.
    AsTheyCome,
}

/// What does not change.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) parts: Vec<Part>,
    /// For each part those that it takes something from.
    pub(super) needs: Vec<Vec<usize>>,
    /// For each part whether others take something from its answer.
    pub(super) is_needed: Vec<bool>,
}

/// What holds for all parts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The full name of the method, for the log.
    pub method: Box<str>,
    /// How long the answers of all parts together may be, and how long all requests of one part may be, in bytes.
    pub limit: usize,
    /// How long all may take once the request is there, unless the answer is a stream with parts that are streams.
    pub patience: Option<Duration>,
    /// What callers may read of the errors of parts.
    pub exposure: Exposure,
    /// The schema of the details of errors, for the log.
    pub schema: Arc<Schema>,
}

/// A part.
pub struct Part {
    /// Its name, which errors have.
    pub name: Box<str>,
    /// The number of its field in the answer.
    pub number: u32,
    /// The method that is called.
    pub method: Arc<Method>,
    /// What answers it, with the policy that holds for it.
    pub service: Arc<dyn CallService>,
    /// The path of the method, which is the route on which it is called.
    pub route: Arc<str>,
    /// Its request.
    pub request: Template,
    /// Whether the whole is answered without it if it fails.
    pub is_optional: bool,
    /// How long a call may take.
    pub timeout: Option<Duration>,
    /// The value without which it is left out.
    pub when: Option<Source>,
    /// The list for the items of which it is called.
    pub for_each: Option<ForEach>,
    /// What is kept of its answer; all of it without.
    pub select: Option<Mask>,
    /// Where its calls are counted.
    pub meter: Arc<Calls>,
}

/// A list for the items of which a part is called.
#[derive(Clone, Debug)]
pub struct ForEach {
    /// The list.
    pub list: Source,
    /// How many calls are made at a time.
    pub at_once: usize,
    /// How many items there may be.
    pub max_items: usize,
}

impl Part {
    /// The positions of the parts that it takes something from, each once.
    pub fn needs(&self) -> Vec<usize> {
        let sources = self.request.sources().into_iter();
        let sources = sources.chain(&self.when).chain(self.for_each.as_ref().map(|each| &each.list));
        let mut needs: Vec<_> = sources
            .filter_map(|source| match source.root {
                Root::Part(part) => Some(part),
                Root::Request | Root::Item => None,
            })
            .collect();
        needs.sort_unstable();
        needs.dedup();
        needs
    }
}

impl Plan {
    /// A plan of parts, which must not need one another in a circle. It is answered as a whole.
    pub fn new(settings: Settings, parts: Vec<Part>) -> Self {
        let needs: Vec<_> = parts.iter().map(Part::needs).collect();
        let is_needed =
            (0..parts.len()).map(|part| needs.iter().flatten().any(|need| *need == part)).collect();
        Self { shared: Arc::new(Shared { settings, parts, needs, is_needed }), form: Form::Whole }
    }

    /// The same plan in another form.
    #[must_use]
    pub fn as_form(&self, form: Form) -> Self {
        Self { shared: Arc::clone(&self.shared), form }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.shared.parts.iter().map(|part| &part.name);
        f.debug_list().entries(names).finish()
    }
}

impl CallService for Plan {
    fn call(&self, mut call: Call) -> BoxFuture<Reply> {
        let (shared, form) = (Arc::clone(&self.shared), self.form);
        Box::pin(async move {
            let body = std::mem::replace(&mut call.body, Body::Message(Bytes::new().into()));
            let encoding = call.encodings.request.take();
            let request = match read(body, encoding, shared.settings.limit).await {
                Ok(request) => request,
                Err(status) => return status.into(),
            };
            let patience = shared.patience(form).and_then(|patience| Instant::now().checked_add(patience));
            call.deadline = call.deadline.into_iter().chain(patience).min();
            let mut run = Run::new(shared, call, request, form);
            if form == Form::Whole {
                return run.whole().await;
            }
            // What fails before anything is there has a status of its own.
            let first = match run.next().await {
                Err(reply) => return *reply,
                first => run.told(first),
            };
            let parts = stream::unfold((run, Some(first)), |(mut run, first)| async move {
                let part = match first {
                    Some(part) => part,
                    None => run.part().await?,
                };
                Some((part, (run, None)))
            });
            Reply { stream: Some(Box::pin(parts)), ..Reply::from(Status::ok()) }
        })
    }
}

impl Shared {
    fn patience(&self, form: Form) -> Option<Duration> {
        let is_endless =
            form == Form::AsTheyCome && self.parts.iter().any(|part| part.method.server_streaming);
        self.settings.patience.filter(|_| !is_endless)
    }
}

/// The request, which may be compressed.
async fn read(body: Body, encoding: Option<HeaderValue>, limit: usize) -> Result<Bytes, Status> {
    let message = body.message().await?;
    let request = encoding::decode(message, encoding.as_ref().map(HeaderValue::as_bytes), limit)?;
    if request.len() > limit {
        let text = format!("The request is larger than {limit} bytes.");
        return Err(Status::caller(Code::ResourceExhausted, text).with_http(413));
    }
    Ok(request)
}
