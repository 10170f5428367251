//! What went wrong between Transom and a backend, as a status for the caller.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::field::display;

use crate::call::{Hints, Method, Reply};
use crate::status::{Code, Fault, Status, http as table};

use super::decide::retry::Cause;
use super::group::Member;
use super::http2::reason::{Error, Reason};
use super::pool::Pool;
use super::target::Target;

/// Why an exchange with a backend has no reply of the backend's own.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: Status,
    pub(super) again: Again,
    /// What became of the stream, for the log.
    pub(super) cause: Option<Error>,
}

/// Whether the same call may be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// The backend may have acted on it.
    No,
    /// The backend refused the stream before any processing.
    Refused,
    /// The request surely did not reach the backend's code.
    Unsent,
    /// The connection broke before an answer, so only an idempotent method may be sent again. `served` says whether the
    /// backend had answered on it before.
    Lost { served: bool },
    /// There was no answer in the time of an attempt, and another one may be made.
    Hung,
}

impl Again {
    /// Why the call could be sent again, if it could.
    pub(super) const fn cause(self) -> Option<Cause> {
        match self {
            Self::No => None,
            Self::Refused => Some(Cause::Refused),
            Self::Unsent => Some(Cause::Unsent),
            Self::Lost { served } => Some(Cause::Lost { served }),
            Self::Hung => Some(Cause::Hung),
        }
    }
}

impl Failure {
    /// Whether it is the target that fails. What becomes of a connection is noted with the connection.
    pub(super) fn blames_the_target(&self) -> bool {
        let is_answer = self.cause.is_none() && !self.status.is_retryable();
        self.again == Again::Hung || is_answer && self.status.code() == Code::Unavailable
    }
}

/// What the log says a call was.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) pool: Arc<Pool>,
    pub(super) member: Arc<Member>,
    pub(super) method: Arc<Method>,
}

impl Told {
    /// Notes that a call failed for good. What is wrong with the caller's messages is no warning: anybody
    /// could fill the log with it.
    pub(super) fn warn(&self, failure: &Failure, tries: u32) {
        let (upstream, target, method) = self.names();
        let (status, cause) = (&failure.status, failure.cause.as_ref().map(display));
        if status.fault() == Fault::Caller {
            tracing::debug!(upstream, %target, method, tries, %status, "a caller failed a call");
            return;
        }
        tracing::warn!(upstream, %target, method, tries, %status, cause, "a backend failed a call");
    }

    /// Notes that a call failed and is sent once more.
    pub(super) fn again(&self, status: &Status, cause: Option<&Error>, tries: u32) {
        let (upstream, target, method) = self.names();
        let cause = cause.map(display);
        tracing::debug!(upstream, %target, method, tries, %status, cause, "a call is sent again");
    }

    fn names(&self) -> (&str, &Target, &str) {
        (self.pool.name(), self.member.target(), self.method.path.as_str())
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self { status, again: Again::No, cause: None }
    }
}

/// The deadline passed.
pub(super) fn late(started: Instant, deadline: Option<Instant>) -> Status {
    let allowed = deadline.map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(started));
    let millis = allowed.as_nanos().div_ceil(1_000_000);
    let text = format!("The call was not answered within its deadline of {millis} ms.");
    Status::backend(Code::DeadlineExceeded, text)
}

/// The backend does not keep to the protocol.
pub(super) fn broken(what: impl Into<String>) -> Status {
    Status::backend(Code::Internal, what).with_http(502)
}

/// The backend cannot be reached.
pub(super) fn unreachable() -> Status {
    Status::backend(
        Code::Unavailable,
        "No backend of this service can be reached at the moment; try again shortly.",
    )
    .with_retry()
}

/// There was no answer in the time of an attempt.
pub(super) fn hung(time: Duration) -> Failure {
    let text = format!("The backend did not answer within {} ms.", time.as_millis());
    let status = Status::backend(Code::DeadlineExceeded, text);
    Failure { status, again: Again::Hung, cause: None }
}

/// There are as many calls with the backends as there may be.
pub(super) fn full() -> Status {
    let text = "This service has as many calls in flight as it may; try again shortly.";
    Status::backend(Code::Unavailable, text).with_retry()
}

/// There are as many calls with the backends as they take without delay.
pub(super) fn saturated() -> Status {
    let text = "This service has as many calls as it can answer without delay; try again shortly.";
    Status::backend(Code::Unavailable, text).with_retry()
}

/// Most calls fail, so that none is let through for this time.
pub(super) fn tripped(left: Duration) -> Reply {
    let text = "Too many calls to this service fail, so it is spared for a while; try again later.";
    let status = Status::backend(Code::Unavailable, text).with_retry();
    Reply { hints: Hints { retry_after: Some(left), ..Hints::default() }, ..Reply::from(status) }
}

/// As many calls wait for the backends as may.
pub(super) fn crowded() -> Status {
    let text = "As many calls wait for this service as may; try again shortly.";
    Status::backend(Code::Unavailable, text).with_retry()
}

/// The backend answered with an HTTP status other than 200 and without a `grpc-status`.
pub(super) fn bare_http(status: u16) -> Status {
    let code = table::code_of(status);
    let text = format!("The backend answered with HTTP status {status} instead of a gRPC status.");
    at_bad_gateway(Status::backend(code, text))
}

/// Where a code alone would say 500, the caller learns that it was not the gateway.
fn at_bad_gateway(status: Status) -> Status {
    if status.http() == 500 { status.with_http(502) } else { status }
}

/// No stream could be opened on a connection.
pub(super) fn unopened(cause: Error) -> Failure {
    if let Error::HeadersTooLarge { size, limit } = cause {
        let text = format!(
            "The headers of the call have {size} bytes, and the backend takes no more than {limit}; send fewer or \
             shorter ones."
        );
        let status = Status::caller(Code::ResourceExhausted, text).with_http(431);
        return Failure { status, again: Again::No, cause: Some(cause) };
    }
    Failure { status: unreachable(), again: Again::Unsent, cause: Some(cause) }
}

/// An error on a stream. `answered` says whether the response headers had arrived.
pub(super) fn stream_error(cause: Error, answered: bool) -> Failure {
    let (status, again) = classify(&cause);
    let again = if answered { Again::No } else { again };
    let status = if matches!(again, Again::Refused | Again::Unsent) { status.with_retry() } else { status };
    Failure { status, again, cause: Some(cause) }
}

fn classify(error: &Error) -> (Status, Again) {
    match error {
        // Only streams above the last one that the backend processed end so.
        Error::GoneAway(_) => {
            let text = "The backend is going away; try again shortly.";
            (Status::backend(Code::Unavailable, text), Again::Unsent)
        }
        Error::Reset(Reason::REFUSED_STREAM) => (reset(Reason::REFUSED_STREAM), Again::Refused),
        Error::Reset(reason) => (reset(*reason), Again::No),
        Error::Connection(_) => {
            (broken("The backend does not keep to HTTP/2; is it a gRPC server?"), Again::No)
        }
        Error::Stream(_) => {
            let text = "The backend broke the HTTP/2 protocol or sent more than 64 KiB of headers.";
            (broken(text), Again::No)
        }
        Error::Broken(_) | Error::Full | Error::HeadersTooLarge { .. } => {
            let text = "The connection to the backend broke before it answered in full.";
            (Status::backend(Code::Unavailable, text), Again::Lost { served: false })
        }
    }
}

/// The backend reset the stream: the table of error codes in "gRPC over HTTP2".
fn reset(reason: Reason) -> Status {
    let (code, http, text) = match reason {
        Reason::REFUSED_STREAM => {
            (Code::Unavailable, 503, "The backend refused the call; try again shortly.")
        }
        Reason::CANCEL => (Code::Cancelled, 502, "The backend cancelled the call."),
        Reason::ENHANCE_YOUR_CALM => {
            (Code::ResourceExhausted, 503, "The backend asks for fewer or smaller calls.")
        }
        Reason::INADEQUATE_SECURITY => {
            let text = "The backend does not accept the call over a connection without TLS.";
            (Code::PermissionDenied, 502, text)
        }
        other => return broken(format!("The backend reset the call with the HTTP/2 error {other}.")),
    };
    Status::backend(code, text).with_http(http)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_http_statuses_keep_their_meaning() {
        let table = [
            (400, Code::Internal, 502),
            (401, Code::Unauthenticated, 401),
            (403, Code::PermissionDenied, 403),
            (404, Code::Unimplemented, 501),
            (429, Code::Unavailable, 503),
            (502, Code::Unavailable, 503),
            (500, Code::Unknown, 502),
            (302, Code::Unknown, 502),
        ];
        for (http, code, answer) in table {
            let status = bare_http(http);
            assert_eq!((status.code(), status.http()), (code, answer), "HTTP {http}");
            assert_eq!(
                status.message(),
                format!("The backend answered with HTTP status {http} instead of a gRPC status.")
            );
        }
    }

    #[test]
    fn resets_follow_the_grpc_table() {
        let table = [
            (Reason::NO_ERROR, Code::Internal, 502),
            (Reason::PROTOCOL_ERROR, Code::Internal, 502),
            (Reason::INTERNAL_ERROR, Code::Internal, 502),
            (Reason::FLOW_CONTROL_ERROR, Code::Internal, 502),
            (Reason::SETTINGS_TIMEOUT, Code::Internal, 502),
            (Reason::STREAM_CLOSED, Code::Internal, 502),
            (Reason::FRAME_SIZE_ERROR, Code::Internal, 502),
            (Reason::REFUSED_STREAM, Code::Unavailable, 503),
            (Reason::CANCEL, Code::Cancelled, 502),
            (Reason::COMPRESSION_ERROR, Code::Internal, 502),
            (Reason::CONNECT_ERROR, Code::Internal, 502),
            (Reason::ENHANCE_YOUR_CALM, Code::ResourceExhausted, 503),
            (Reason::INADEQUATE_SECURITY, Code::PermissionDenied, 502),
            (Reason(99), Code::Internal, 502),
        ];
        for (reason, code, http) in table {
            let status = reset(reason);
            assert_eq!((status.code(), status.http()), (code, http), "{reason:?}");
            assert!(status.message().starts_with("The backend "));
        }
    }
}
