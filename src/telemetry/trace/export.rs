//! Spans on their way to the collector, by OTLP over gRPC.
//!
//! Each core has a bounded queue. A thread of its own sends what is in them in batches, and sends a batch again for a
//! while if the collector is gone. What does not fit into the queues meanwhile is dropped and counted; no call waits.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::uri::PathAndQuery;
use tokio::runtime::{Builder, Runtime};
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tonic_prost::ProstCodec;

use super::otlp::{ExportRequest, ExportResponse, Resource, attribute};
use super::span::Span;
use crate::telemetry::hopper::Hopper;
use crate::telemetry::metrics::Tally;

/// How many spans one core keeps at most.
const MAX_WAITING: usize = 2048;
/// How many spans go out at once at most.
const BATCH: usize = 512;
/// How long spans are collected before they go out.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the collector may take for one batch.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long the first pause before a batch is sent again is; it doubles each time.
const FIRST_REST: Duration = Duration::from_millis(500);
/// How often a batch is sent at most.
const TRIES: u32 = 4;
const METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

const EXPORTED: usize = 0;
const QUEUE_FULL: usize = 1;
const REFUSED: usize = 2;

/// What became of the spans of sampled calls.
pub static SPANS: Tally<3> = Tally::counters(
    "transom_trace_spans_total",
    "Spans by what became of them: exported, dropped as the queue was full, or given up as the collector did not take them.",
    [r#"outcome="exported""#, r#"outcome="queue_full""#, r#"outcome="not_taken""#],
);

/// Takes spans and exports them.
#[derive(Debug)]
pub struct Exporter(Hopper<Vec<Span>>);

impl Exporter {
    /// Starts to export to the collector at this URL, `http://host:port`. Nothing is connected before there are spans.
    ///
    /// # Errors
    /// The URL is none, or the system has no thread left.
    pub fn start(collector: &str) -> io::Result<Arc<Self>> {
        let endpoint = Endpoint::from_shared(collector.to_owned()).map_err(io::Error::other)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut sender = Sender { runtime, endpoint, channel: None, resource: resource(), is_failing: false };
        let hopper = Hopper::start("traces", PAUSE, move |spans| sender.send_all(spans))?;
        Ok(Arc::new(Self(hopper)))
    }

    /// Takes a span, or drops it if there are too many.
    pub(super) fn take(&self, span: Span) {
        let is_full = self.0.fill(|spans| {
            let is_full = spans.len() >= MAX_WAITING;
            if !is_full {
                spans.push(span);
            }
            is_full
        });
        if is_full {
            SPANS.add(QUEUE_FULL, 1);
        }
    }

    /// Exports what is left, for no longer than this.
    pub fn finish(&self, limit: Duration) {
        self.0.finish(limit);
    }
}

fn resource() -> Resource {
    let instance = format!("{:016x}", crate::telemetry::random::next());
    let attributes = vec![
        attribute("service.name", "transom".into()),
        attribute("service.version", env!("CARGO_PKG_VERSION").into()),
        attribute("service.instance.id", instance.into()),
        attribute("process.pid", i64::from(std::process::id()).into()),
    ];
    Resource { attributes }
}

/// The thread's end.
struct Sender {
    runtime: Runtime,
    endpoint: Endpoint,
    channel: Option<Channel>,
    resource: Resource,
    is_failing: bool,
}

impl Sender {
    fn send_all(&mut self, mut spans: Vec<Span>) {
        while !spans.is_empty() {
            let rest = spans.split_off(spans.len().min(BATCH));
            let request = ExportRequest::new(&self.resource, std::mem::replace(&mut spans, rest));
            self.send(&request);
        }
    }

    /// Sends a batch until it is taken, refused for good, or was sent too often.
    fn send(&mut self, request: &ExportRequest) {
        let count = request.count() as u64;
        let mut rest = FIRST_REST;
        for tries in 1.. {
            let failure = match self.runtime.block_on(export(&self.endpoint, &mut self.channel, request)) {
                Ok(answer) => return self.taken(count, answer),
                Err(failure) => failure,
            };
            if !self.is_failing {
                self.is_failing = true;
                let (code, error) = (failure.code(), failure.message());
                tracing::warn!(
                    ?code,
                    error,
                    "the collector does not take spans; what it does not take is dropped"
                );
            }
            if !may_be_sent_again(failure.code()) || tries == TRIES {
                break;
            }
            // Made inside the runtime, whose clock it needs.
            self.runtime.block_on(async { tokio::time::sleep(rest).await });
            rest *= 2;
        }
        SPANS.add(REFUSED, count);
    }

    fn taken(&mut self, count: u64, answer: ExportResponse) {
        if self.is_failing {
            self.is_failing = false;
            tracing::info!("the collector takes spans again");
        }
        let partial = answer.partial_success.unwrap_or_default();
        let rejected = u64::try_from(partial.rejected_spans).unwrap_or(0).min(count);
        if rejected > 0 {
            // As a field, since it is the collector's text.
            let reason = partial.error_message.as_str();
            tracing::debug!(rejected, reason, "the collector rejected spans");
        }
        SPANS.add(EXPORTED, count - rejected);
        SPANS.add(REFUSED, rejected);
    }
}

/// Sends one request. The channel lives on the runtime that runs only during this, and connects again by itself.
async fn export(
    endpoint: &Endpoint,
    channel: &mut Option<Channel>,
    request: &ExportRequest,
) -> Result<ExportResponse, Status> {
    let channel = channel.get_or_insert_with(|| endpoint.connect_lazy()).clone();
    let mut client = Grpc::new(channel);
    let work = async {
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let codec = ProstCodec::<ExportRequest, ExportResponse>::default();
        let path = PathAndQuery::from_static(METHOD);
        client.unary(tonic::Request::new(request.clone()), path, codec).await
    };
    let late = |_| Err(Status::deadline_exceeded("the collector did not answer in time"));
    tokio::time::timeout(TIMEOUT, work).await.unwrap_or_else(late).map(tonic::Response::into_inner)
}

/// By the table of OTLP's specification.
const fn may_be_sent_again(code: Code) -> bool {
    matches!(
        code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
    )
}
