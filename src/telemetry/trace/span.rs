//! Spans: what took time in a call that is sampled.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::context::Context;
use super::export::Exporter;

/// Which side of a call a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Work inside the process.
    Internal,
    /// A call that was received.
    Server,
    /// A call that was made.
    Client,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Int(i64),
    /// Whether something is so.
    Bool(bool),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<bool> for Value {
    fn from(is_so: bool) -> Self {
        Self::Bool(is_so)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

/// A span that has ended.
#[derive(Debug)]
pub struct Span {
    /// Its place in the trace.
    pub context: Context,
    /// The span that it is a part of.
    pub parent: Option<[u8; 8]>,
    /// Whether that one is of another process.
    pub parent_is_remote: bool,
    /// The `tracestate` of the trace.
    pub state: String,
    /// What it is called, one of few.
    pub name: Cow<'static, str>,
    /// Which side it is.
    pub kind: Kind,
    /// When it began, in nanoseconds since 1970.
    pub start: u64,
    /// When it ended.
    pub end: u64,
    /// What is said about it, by OpenTelemetry's names.
    pub attributes: Vec<(&'static str, Value)>,
    /// Whether it failed.
    pub failed: bool,
}

/// The trace that a call belongs to.
#[derive(Clone, Debug)]
pub enum Traced {
    /// One that is not sampled and that began here. The backend learns that from this context.
    Unsampled(Context),
    /// One that is sampled.
    Sampled(Box<Trace>),
}

impl Traced {
    /// The trace, if it is sampled.
    pub fn sampled(&self) -> Option<&Trace> {
        match self {
            Self::Unsampled(_) => None,
            Self::Sampled(trace) => Some(trace),
        }
    }
}

/// The trace of a call that is sampled, at the span that the call is here. Clones are the same.
#[derive(Clone, Debug)]
pub struct Trace {
    context: Context,
    parent: Option<Context>,
    exporter: Arc<Exporter>,
}

impl Trace {
    pub(super) const fn new(context: Context, parent: Option<Context>, exporter: Arc<Exporter>) -> Self {
        Self { context, parent, exporter }
    }

    /// The span of the call here.
    pub const fn context(&self) -> Context {
        self.context
    }

    /// Begins the span of the call here. Once for a trace.
    pub fn root(&self, name: impl Into<Cow<'static, str>>) -> Open {
        let parent = self.parent.map(|parent| *parent.ids().span());
        self.open(self.context, parent, self.parent.is_some(), name.into(), Kind::Server)
    }

    /// Begins a span within that of the call.
    pub fn begin(&self, name: impl Into<Cow<'static, str>>, kind: Kind) -> Open {
        self.open(self.context.child(), Some(*self.context.ids().span()), false, name.into(), kind)
    }

    /// The same trace at a span that was begun within it, so that what begins there is a part of that one.
    #[must_use]
    pub fn within(&self, open: &Open) -> Self {
        Self { context: open.context(), parent: None, exporter: Arc::clone(&self.exporter) }
    }

    fn open(
        &self,
        context: Context,
        parent: Option<[u8; 8]>,
        parent_is_remote: bool,
        name: Cow<'static, str>,
        kind: Kind,
    ) -> Open {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, nanos);
        let span = Span {
            context,
            parent,
            parent_is_remote,
            state: String::new(),
            name,
            kind,
            start: now,
            end: now,
            attributes: Vec::with_capacity(16),
            failed: false,
        };
        let started = Instant::now();
        Open(Some(Box::new(Inner { span, started, exporter: Arc::clone(&self.exporter) })))
    }
}

/// A span that has not ended. It ends when it is dropped.
#[derive(Debug)]
pub struct Open(Option<Box<Inner>>);

#[derive(Debug)]
struct Inner {
    span: Span,
    started: Instant,
    exporter: Arc<Exporter>,
}

impl Open {
    /// The span, to be described.
    pub fn span(&mut self) -> &mut Span {
        &mut self.0.as_mut().expect("only dropping takes it").span
    }

    /// Its place in the trace, for the `traceparent` of what it calls.
    pub fn context(&self) -> Context {
        self.0.as_ref().expect("only dropping takes it").span.context
    }
}

impl Span {
    /// Adds an attribute.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.attributes.push((name, value.into()));
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(inner) = self.0.take() {
            let Inner { mut span, started, exporter } = *inner;
            // By the clock that does not jump.
            span.end = span.start.saturating_add(nanos(started.elapsed()));
            exporter.take(span);
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
