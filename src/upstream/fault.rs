//! What went wrong between Transom and a backend, as a status for the caller.

use std::sync::Arc;
use std::time::Duration;

use h2::Reason;
use http::StatusCode;
use tokio::time::Instant;
use tracing::field::display;

use crate::call::Method;
use crate::status::{Code, Fault, Status, http as table};

use super::pool::Pool;
use super::target::Target;

/// Why an exchange with a backend has no reply of the backend's own.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) status: Status,
    pub(super) again: Again,
    /// What `h2` said, for the log.
    pub(super) cause: Option<h2::Error>,
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
    /// The connection broke before an answer, so only an idempotent method may be sent again.
    Lost,
}

/// What the log says a call was.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) pool: Arc<Pool>,
    pub(super) target: usize,
    pub(super) method: Arc<Method>,
}

impl Told {
    /// Notes that a call failed for good. What is wrong with the caller's messages is no warning: anybody
    /// could fill the log with it.
    pub(super) fn warn(&self, failure: &Failure, tries: usize) {
        let (upstream, target, method) = self.names();
        let (status, cause) = (&failure.status, failure.cause.as_ref().map(display));
        if status.fault() == Fault::Caller {
            tracing::debug!(upstream, %target, method, tries, %status, "a caller failed a call");
            return;
        }
        tracing::warn!(upstream, %target, method, tries, %status, cause, "a backend failed a call");
    }

    /// Notes that a call failed and is sent once more.
    pub(super) fn again(&self, failure: &Failure, tries: usize) {
        let (upstream, target, method) = self.names();
        let (status, cause) = (&failure.status, failure.cause.as_ref().map(display));
        tracing::debug!(upstream, %target, method, tries, %status, cause, "a call is sent again");
    }

    fn names(&self) -> (&str, &Target, &str) {
        (self.pool.name(), self.pool.target(self.target), self.method.path.as_str())
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

/// The backend answered with an HTTP status other than 200 and without a `grpc-status`.
pub(super) fn bare_http(status: StatusCode) -> Status {
    let code = table::code_of(status.as_u16());
    let text = format!("The backend answered with HTTP status {} instead of a gRPC status.", status.as_u16());
    at_bad_gateway(Status::backend(code, text))
}

/// Where a code alone would say 500, the caller learns that it was not the gateway.
fn at_bad_gateway(status: Status) -> Status {
    if status.http() == 500 { status.with_http(502) } else { status }
}

/// No stream could be opened on a connection.
pub(super) fn unopened(cause: h2::Error) -> Failure {
    Failure { status: unreachable(), again: Again::Unsent, cause: Some(cause) }
}

/// An error of `h2` on a stream. `answered` says whether the response headers had arrived.
pub(super) fn stream_error(cause: h2::Error, answered: bool) -> Failure {
    let (status, again) = classify(&cause);
    let again = if answered { Again::No } else { again };
    let status = if matches!(again, Again::Refused | Again::Unsent) { status.with_retry() } else { status };
    Failure { status, again, cause: Some(cause) }
}

fn classify(error: &h2::Error) -> (Status, Again) {
    let reason = error.reason().unwrap_or(Reason::INTERNAL_ERROR);
    match (error.is_remote(), error.is_library()) {
        // `h2` reports a GOAWAY only on the streams above the last one that the backend processed.
        (true, _) if error.is_go_away() => {
            let text = "The backend is going away; try again shortly.";
            (Status::backend(Code::Unavailable, text), Again::Unsent)
        }
        (true, _) if reason == Reason::REFUSED_STREAM => (reset(reason), Again::Refused),
        (true, _) => (reset(reason), Again::No),
        (_, true) if error.is_go_away() => {
            (broken("The backend does not keep to HTTP/2; is it a gRPC server?"), Again::No)
        }
        (_, true) => {
            let text = "The backend broke the HTTP/2 protocol or sent more than 64 KiB of headers.";
            (broken(text), Again::No)
        }
        _ => {
            let text = "The connection to the backend broke before it answered in full.";
            (Status::backend(Code::Unavailable, text), Again::Lost)
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
        other => return broken(format!("The backend reset the call with the HTTP/2 error {}.", name(other))),
    };
    Status::backend(code, text).with_http(http)
}

/// The name of an HTTP/2 error code in RFC 9113.
fn name(reason: Reason) -> &'static str {
    match reason {
        Reason::NO_ERROR => "NO_ERROR",
        Reason::PROTOCOL_ERROR => "PROTOCOL_ERROR",
        Reason::INTERNAL_ERROR => "INTERNAL_ERROR",
        Reason::FLOW_CONTROL_ERROR => "FLOW_CONTROL_ERROR",
        Reason::SETTINGS_TIMEOUT => "SETTINGS_TIMEOUT",
        Reason::STREAM_CLOSED => "STREAM_CLOSED",
        Reason::FRAME_SIZE_ERROR => "FRAME_SIZE_ERROR",
        Reason::COMPRESSION_ERROR => "COMPRESSION_ERROR",
        Reason::CONNECT_ERROR => "CONNECT_ERROR",
        Reason::HTTP_1_1_REQUIRED => "HTTP_1_1_REQUIRED",
        _ => "of an unknown number",
    }
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
            let status = bare_http(StatusCode::from_u16(http).unwrap());
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
            (Reason::from(99), Code::Internal, 502),
        ];
        for (reason, code, http) in table {
            let status = reset(reason);
            assert_eq!((status.code(), status.http()), (code, http), "{reason:?}");
            assert!(status.message().starts_with("The backend "));
        }
    }
}
