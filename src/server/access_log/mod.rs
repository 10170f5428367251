//! The access log: one line for each request, when its answer has ended, and one more when a WebSocket is opened.
//!
//! Lines are written by each core into a buffer of its own and go out in batches on a thread of their own, so that no
//! core waits for whoever reads them. What does not fit is dropped and counted.
//!
//! A line holds nothing of bodies, of the query, or of header fields but `user-agent` and `x-request-id`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

mod line;

use crate::telemetry::hopper::Hopper;
use crate::telemetry::metrics::Tally;
use crate::telemetry::trace::context::TraceId;

/// How many bytes of lines a core keeps at most.
const MAX_WAITING: usize = 1 << 20;
/// How long lines are collected before they go out.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the lines that are left may take when the process ends.
const LAST: Duration = Duration::from_secs(2);

const WRITTEN: usize = 0;
const DROPPED: usize = 1;

/// Lines of the access log.
pub static LINES: Tally<2> = Tally::counters(
    "transom_access_log_lines_total",
    "Lines of the access log that were written, and that were dropped as nobody reads them fast enough.",
    [r#"outcome="written""#, r#"outcome="dropped""#],
);

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Names and values.
    Text,
    /// JSON objects.
    Json,
}

/// What there is to say about a request.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// When it ended.
    pub time: SystemTime,
    /// Its name, that of `x-request-id`.
    pub request_id: Option<&'a [u8]>,
    /// The other end of the connection.
    pub peer: Option<SocketAddr>,
    /// The HTTP method.
    pub method: &'a str,
    /// The path without the query, as it was sent.
    pub path: Option<&'a str>,
    /// The template of the route, if one was found.
    pub route: Option<&'a str>,
    /// The HTTP status; 499 if the caller left before the end.
    pub status: u16,
    /// The name of the gRPC code.
    pub code: &'a str,
    /// The dialect of the caller, if a route was found.
    pub dialect: Option<&'a str>,
    /// From the request's head to the end of the answer.
    pub duration: Duration,
    /// Bytes of the request's body that were read.
    pub received: u64,
    /// Bytes of the answer's body.
    pub sent: u64,
    /// The gRPC method, `package.Service/Method`.
    pub rpc: Option<&'a str>,
    /// The upstream of the configuration.
    pub upstream: Option<&'a str>,
    /// The trace.
    pub trace: Option<TraceId>,
    /// What became of a WebSocket: `open`, or the code that it was closed with. Absent for other requests.
    pub socket: Option<&'a str>,
    /// What `user-agent` says.
    pub agent: Option<&'a [u8]>,
    /// Who has called, where policy has found it out.
    pub principal: Option<&'a str>,
    /// What became of the parts of a method that has parts, in their order; a line has the first 32.
    pub parts: Option<&'a [PartRecord<'a>]>,
}

/// What became of a part.
#[derive(Clone, Copy, Debug)]
pub struct PartRecord<'a> {
    /// Its name.
    pub name: &'a str,
    /// The name of its gRPC code, and how long it took; absent if it was not called.
    pub outcome: Option<(&'a str, Duration)>,
}

/// The log.
#[derive(Debug)]
pub struct AccessLog {
    form: Form,
    lines: Hopper<Vec<u8>>,
}

impl AccessLog {
    /// Starts a log that is written to `out`.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(form: Form, mut out: impl Write + Send + 'static) -> io::Result<Self> {
        let mut is_broken = false;
        let take = move |lines: Vec<u8>| {
            let count = memchr::memchr_iter(b'\n', &lines).count() as u64;
            match out.write_all(&lines).and_then(|()| out.flush()) {
                Ok(()) => LINES.add(WRITTEN, count),
                Err(error) => {
                    LINES.add(DROPPED, count);
                    if !is_broken {
                        tracing::warn!(%error, "the access log cannot be written; its lines are lost");
                        is_broken = true;
                    }
                }
            }
        };
        Ok(Self { form, lines: Hopper::start("access-log", PAUSE, take)? })
    }

    /// Writes a line.
    pub fn write(&self, record: &Record<'_>) {
        let is_full = self.lines.fill(|lines| {
            let is_full = lines.len() >= MAX_WAITING;
            if !is_full {
                line::write(lines, record, self.form);
            }
            is_full
        });
        if is_full {
            LINES.add(DROPPED, 1);
        }
    }

    /// Writes what is left, unless nobody reads it.
    pub fn finish(&self) {
        self.lines.finish(LAST);
    }
}

#[cfg(test)]
mod tests;
