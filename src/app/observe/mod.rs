//! How requests are seen from outside: each is measured, and where the configuration says so logged and traced, when
//! its answer has ended or was given up.
//!
//! ```text
//! observe   the head of a request -> an `Observed`, which goes on with the request
//! identify  its name and its place in a trace are settled, for those behind
//! body      the answer's body takes the `Observed` along; where that is dropped, everything is recorded
//! ```
//!
//! What is only measured costs no allocation: what else there is to say about a request is kept only where there is an
//! access log, or for a request that is sampled.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version};
use tokio::time::Instant;

use crate::call::parts::Parts;
use crate::config::telemetry::{self as settings, Paths, Telemetry};
use crate::front::request_id::{REQUEST_ID, is_usable, made_up};
use crate::front::{Seen, Socket};
use crate::server::access_log::{AccessLog, Form, PartRecord, Record};
use crate::snapshot::Route;
use crate::snapshot::meters::{METHOD_NAMES, RouteMeter, method_index, status_index};
use crate::status::Code;
use crate::telemetry::metrics::{Tally, Time};
use crate::telemetry::trace::context::{Context, TraceId, is_state};
use crate::telemetry::trace::export::Exporter;
use crate::telemetry::trace::span::{Open, Traced};
use crate::telemetry::trace::{Decision, Tracer};

pub(super) mod body;

#[cfg(test)]
mod tests;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// How much of a caller's text a span has, in bytes.
const MAX_TEXT: usize = 1024;
/// How long the spans that are left may take when the process ends.
const LAST: Duration = Duration::from_secs(3);

/// Requests that are being answered.
pub(super) static ACTIVE: Tally<{ METHOD_NAMES.len() }> = Tally::levels(
    "http_server_active_requests",
    "HTTP requests that are being answered.",
    [
        r#"http_request_method="GET""#,
        r#"http_request_method="HEAD""#,
        r#"http_request_method="POST""#,
        r#"http_request_method="PUT""#,
        r#"http_request_method="DELETE""#,
        r#"http_request_method="PATCH""#,
        r#"http_request_method="OPTIONS""#,
        r#"http_request_method="CONNECT""#,
        r#"http_request_method="TRACE""#,
        r#"http_request_method="_OTHER""#,
    ],
);

static NO_ROUTE: LazyLock<RouteMeter> = LazyLock::new(RouteMeter::of_no_route);

/// Observes requests as the configuration says.
#[derive(Debug)]
pub(super) struct Observer {
    log: Option<Arc<AccessLog>>,
    tracer: Option<Tracer>,
    /// Whether paths may be shown.
    shows_paths: bool,
}

impl Observer {
    /// Starts the access log, on standard output, and the export of traces.
    ///
    /// # Errors
    /// The operating system refuses threads.
    pub(super) fn start(settings: &Telemetry) -> io::Result<Self> {
        let form = match settings.access_log.value {
            settings::AccessLog::Off => None,
            settings::AccessLog::Text => Some(Form::Text),
            settings::AccessLog::Json => Some(Form::Json),
        };
        let log = form.map(|form| AccessLog::start(form, io::stdout())).transpose()?.map(Arc::new);
        let exporter =
            settings.otlp.as_ref().map(|collector| Exporter::start(&collector.url())).transpose()?;
        let tracer = exporter.map(|exporter| Tracer::new(settings.traces.ratio(), exporter));
        Ok(Self { log, tracer, shows_paths: settings.paths.value == Paths::Full })
    }

    /// Begins to observe a request by its head.
    pub(super) fn observe<B>(&self, request: &Request<B>, peer: Option<SocketAddr>) -> Observed {
        let method = method_index(request.method());
        let detail = self.log.as_ref().map(|log| {
            let mut detail = self.detail(request, peer);
            detail.log = Some(Arc::clone(log));
            detail.request_id = name_of(request.headers());
            detail
        });
        ACTIVE.add(method, 1);
        let seen = Seen::new(self.log.is_some());
        Observed { seen, started: Instant::now(), method, detail, outcome: None }
    }

    /// Settles the name of a request and its place in a trace, and writes both into its header for those behind.
    pub(super) fn identify<B>(&self, request: &mut Request<B>, observed: &mut Observed) {
        self.name(request.headers_mut(), observed);
        let Some(tracer) = &self.tracer else { return };
        let trace = match tracer.start(parent_of(request.headers_mut())) {
            Decision::Unsampled(context) => context.trace_id(),
            Decision::NewUnsampled(context) => {
                observed.seen.trace = Some(Traced::Unsampled(context));
                context.trace_id()
            }
            Decision::Sampled(trace) => {
                let mut span = trace.root("");
                span.span().state = state_of(request.headers());
                let id = trace.context().trace_id();
                observed.seen.trace = Some(Traced::Sampled(Box::new(trace)));
                observed.detail.get_or_insert_with(|| self.detail(request, None)).span = Some(span);
                id
            }
        };
        if let Some(detail) = &mut observed.detail {
            detail.trace = Some(trace);
        }
    }

    /// Where there is a log in which a name can be found, every request gets one, in place of one that is not usable.
    fn name(&self, headers: &mut HeaderMap, observed: &mut Observed) {
        if self.log.is_some()
            && let Some(detail) = &mut observed.detail
            && detail.request_id.is_none()
        {
            let name = made_up();
            headers.insert(REQUEST_ID, name.clone());
            detail.request_id = Some(name);
        }
    }

    fn detail<B>(&self, request: &Request<B>, peer: Option<SocketAddr>) -> Box<Detail> {
        Box::new(Detail {
            log: None,
            method: request.method().clone(),
            path: self.shows_paths.then(|| request.uri().path().into()),
            version: request.version(),
            peer,
            agent: request.headers().get(USER_AGENT).cloned(),
            request_id: None,
            trace: None,
            span: None,
            received: Arc::default(),
        })
    }

    /// Writes and exports what is left.
    pub(super) fn finish(&self) {
        if let Some(log) = &self.log {
            log.finish();
        }
        if let Some(tracer) = &self.tracer {
            tracer.exporter().finish(LAST);
        }
    }
}

/// The name of a request that its caller gave, if there is one and it is usable.
fn name_of(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut names = headers.get_all(REQUEST_ID).iter();
    let name = names.next().filter(|name| is_usable(name))?;
    names.next().is_none().then(|| name.clone())
}

/// The place in a trace that a request comes with. Headers that are not valid are removed: without `traceparent`,
/// `tracestate` means nothing.
fn parent_of(headers: &mut HeaderMap) -> Option<Context> {
    let parent = {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let first = values.next();
        first.filter(|_| values.next().is_none()).and_then(|value| Context::parse(value.as_bytes()))
    };
    if parent.is_none() {
        headers.remove(TRACEPARENT);
    }
    if headers.contains_key(TRACESTATE) {
        let is_valid =
            parent.is_some() && is_state(headers.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes));
        if !is_valid {
            headers.remove(TRACESTATE);
        }
    }
    parent
}

/// The lines of `tracestate` as one.
fn state_of(headers: &HeaderMap) -> String {
    let lines = headers.get_all(TRACESTATE).iter().filter_map(|line| line.to_str().ok());
    lines.collect::<Vec<_>>().join(",")
}

/// A request that is observed, until it is dropped: then everything is recorded.
#[derive(Debug)]
pub(super) struct Observed {
    /// What the front finds out.
    pub(super) seen: Seen,
    started: Instant,
    /// A [`method_index`].
    method: usize,
    /// Only where there is an access log, or for a request that is sampled.
    detail: Option<Box<Detail>>,
    /// How it ended; absent until then.
    outcome: Option<Outcome>,
}

/// How a request ended.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    status: StatusCode,
    code: Code,
    /// Bytes of the answer's body.
    sent: u64,
    /// What is known of a WebSocket.
    socket: Option<Socket>,
}

impl Outcome {
    /// Bytes of the answer's body, or of a socket's messages.
    fn sent(&self) -> u64 {
        self.socket.map_or(self.sent, |socket| socket.sent)
    }
}

/// What is known only of requests that are logged or sampled.
#[derive(Debug)]
struct Detail {
    /// Absent where there is none.
    log: Option<Arc<AccessLog>>,
    method: Method,
    /// Absent where it must not be shown.
    path: Option<Box<str>>,
    version: Version,
    peer: Option<SocketAddr>,
    agent: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
    trace: Option<TraceId>,
    /// The span of the request, if that is sampled.
    span: Option<Open>,
    received: Arc<AtomicU64>,
}

impl Observed {
    /// Where the bytes of its body are counted, if anybody wants to know.
    pub(super) fn received(&self) -> Option<Arc<AtomicU64>> {
        self.detail.as_ref().map(|detail| Arc::clone(&detail.received))
    }

    /// The name that its answer should carry.
    fn request_id(&self) -> Option<&HeaderValue> {
        self.detail.as_ref()?.request_id.as_ref()
    }

    /// A WebSocket was opened, about which there is a line at once.
    fn opened(&self, status: StatusCode) {
        if let Some(detail) = &self.detail {
            let outcome = Outcome { status, code: Code::Ok, sent: 0, socket: None };
            detail.write(&self.seen, outcome, self.started.elapsed(), Some("open"));
        }
    }

    fn record(&mut self) {
        let duration = self.started.elapsed();
        let outcome = self.outcome.unwrap_or_else(|| {
            // Only a panic drops it while the request is still with the front; else the caller has left.
            let (status, code) = if std::thread::panicking() {
                (StatusCode::INTERNAL_SERVER_ERROR, Code::Internal)
            } else {
                (left(), Code::Cancelled)
            };
            Outcome { status, code, sent: 0, socket: None }
        });
        let meter = self.seen.meter().unwrap_or(&NO_ROUTE);
        let time = Time::from(duration);
        meter.requests(self.method).record(status_index(outcome.status), time);
        if let Some(calls) = meter.calls() {
            calls.record(outcome.code.number().into(), time);
        }
        if let Some(detail) = self.detail.take() {
            detail.tell(&self.seen, outcome, duration);
        }
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        self.record();
        ACTIVE.subtract(self.method, 1);
    }
}

/// 499: the caller has left. No registry knows it, but everybody else does.
fn left() -> StatusCode {
    StatusCode::from_u16(499).expect("499 is a status")
}

impl Detail {
    /// Ends the span and writes the line.
    fn tell(mut self, seen: &Seen, outcome: Outcome, duration: Duration) {
        let close = outcome.socket.map(|socket| {
            self.received.store(socket.received, Relaxed);
            itoa::Buffer::new().format(socket.close).to_owned()
        });
        if let Some(span) = self.span.take() {
            self.describe(span, seen, outcome);
        }
        self.write(seen, outcome, duration, close.as_deref());
    }

    /// Writes a line of the access log, if there is one. `socket` says what became of a WebSocket.
    fn write(&self, seen: &Seen, outcome: Outcome, duration: Duration, socket: Option<&str>) {
        let Some(log) = &self.log else { return };
        let route = seen.route.as_ref().map(|(route, _)| &**route);
        // What has only begun has nothing to tell.
        let parts = seen.parts.as_ref().filter(|_| socket != Some("open"));
        let parts = parts.zip(route).map(|(parts, route)| told(parts, route));
        log.write(&Record {
            time: SystemTime::now(),
            request_id: self.request_id.as_ref().map(HeaderValue::as_bytes),
            peer: seen.peer.or(self.peer),
            method: self.method.as_str(),
            path: self.path.as_deref(),
            route: seen.template(),
            status: outcome.status.as_u16(),
            code: outcome.code.name(),
            dialect: seen.route.as_ref().map(|(_, dialect)| dialect.name()),
            duration,
            received: self.received.load(Relaxed),
            sent: outcome.sent(),
            rpc: route.map(|route| &*route.endpoint.full_name),
            upstream: upstream(seen),
            trace: self.trace,
            socket,
            agent: self.agent.as_ref().map(HeaderValue::as_bytes),
            principal: principal(seen),
            parts: parts.as_deref(),
        });
    }

    /// Says of a span what OpenTelemetry's conventions for HTTP and RPC ask for.
    fn describe(&self, mut open: Open, seen: &Seen, outcome: Outcome) {
        let route = seen.route.as_ref().map(|(route, _)| &**route);
        let template = seen.template();
        let method = METHOD_NAMES[method_index(&self.method)];
        let span = open.span();
        // A method that is not known could be anything, and names must be few.
        let shown = if method == "_OTHER" { "HTTP" } else { method };
        span.name = template.map_or_else(|| shown.into(), |template| format!("{shown} {template}").into());
        span.set("http.request.method", method);
        if method == "_OTHER" {
            span.set("http.request.method_original", cut(self.method.as_str()));
        }
        if let Some(path) = &self.path {
            span.set("url.path", cut(path));
        }
        span.set("url.scheme", "http");
        span.set("network.protocol.version", if self.version == Version::HTTP_2 { "2" } else { "1.1" });
        span.set("http.response.status_code", i64::from(outcome.status.as_u16()));
        span.set("http.response.body.size", i64::try_from(outcome.sent()).unwrap_or(i64::MAX));
        span.set("http.request.body.size", i64::try_from(self.received.load(Relaxed)).unwrap_or(i64::MAX));
        if let Some(socket) = outcome.socket {
            span.set("transom.websocket.close_code", i64::from(socket.close));
        }
        if let Some(peer) = seen.peer.or(self.peer) {
            span.set("client.address", peer.ip().to_string());
        }
        if let Some(principal) = principal(seen) {
            span.set("enduser.id", cut(principal));
        }
        if let Some(agent) = &self.agent {
            span.set("user_agent.original", cut(&String::from_utf8_lossy(agent.as_bytes())));
        }
        if let Some(id) = self.request_id.as_ref().and_then(|id| id.to_str().ok()) {
            span.set("transom.request_id", id.to_owned());
        }
        if let Some((_, dialect)) = &seen.route {
            span.set("transom.dialect", dialect.name());
        }
        if let Some(template) = template {
            span.set("http.route", template.to_owned());
        }
        if let Some(route) = route {
            span.set("rpc.system.name", "grpc");
            span.set("rpc.method", route.endpoint.full_name.clone());
            if let Some(upstream) = chosen(route, seen) {
                span.set("transom.upstream", upstream.to_owned());
            }
        }
        span.set("rpc.response.status_code", outcome.code.name());
        // The conventions: what the caller did wrong is no error of a server.
        span.failed = outcome.status.is_server_error() || is_fault(outcome.code);
        if span.failed {
            span.set("error.type", outcome.code.name());
        }
    }
}

/// What became of the parts of a method.
fn told<'r>(parts: &Parts, route: &'r Route) -> Vec<PartRecord<'r>> {
    let names = route.endpoint.parts.iter().map(|part| &*part.name).enumerate();
    let told = names.map(|(position, name)| PartRecord {
        name,
        outcome: parts.outcome(position).map(|(code, duration)| (code.name(), duration)),
    });
    told.collect()
}

/// Who has called, where policy has found it out.
fn principal(seen: &Seen) -> Option<&str> {
    Some(&seen.noted.as_ref()?.identity()?.principal)
}

/// The upstream that answered, where there was a choice.
fn chosen<'s>(route: &Route, seen: &'s Seen) -> Option<&'s str> {
    // Parts of an aggregated answer choose each for itself.
    route.endpoint.upstream().and(seen.noted.as_ref()?.chosen())
}

/// The upstream of the route, unless another one was chosen.
fn upstream(seen: &Seen) -> Option<&str> {
    let (route, _) = seen.route.as_ref()?;
    chosen(route, seen).or_else(|| route.endpoint.upstream())
}

/// The codes that are errors of a server by OpenTelemetry's conventions for gRPC.
const fn is_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_TEXT)].to_owned()
}
