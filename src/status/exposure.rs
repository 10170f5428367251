//! What callers may read of a backend's error.

use super::{Code, Detail, Fault, Status};

/// What callers may read that usually stays inside. A backend's UNKNOWN usually is an exception that nobody meant for
/// the outside, and `google.rpc.DebugInfo` holds stack traces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// The message of errors with the code UNKNOWN.
    pub unknown: bool,
    /// `google.rpc.DebugInfo`.
    pub debug_info: bool,
}

/// The part of a backend's error that the caller does not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// The status as it was, in one line.
    pub status: String,
    /// The details that were taken out.
    pub details: Vec<Detail>,
}

impl Exposure {
    /// Splits a failure into what the caller may read and the rest, if there is any.
    pub fn split(self, status: Status) -> (Status, Option<Hidden>) {
        let is_hidden =
            |detail: &Detail| detail.type_url.ends_with("/google.rpc.DebugInfo") && !self.debug_info;
        let hides_message = status.code() == Code::Unknown && !self.unknown && !status.message().is_empty();
        let hides = hides_message || status.details().iter().any(is_hidden);
        if status.fault() != Fault::Backend || !hides {
            return (status, None);
        }
        let (details, shown): (Vec<_>, Vec<_>) = status.details().iter().cloned().partition(is_hidden);
        let message = if hides_message { "The backend failed." } else { status.message() };
        let cut = Status::backend(status.code(), message).with_http(status.http());
        let cut = shown.into_iter().fold(cut, Status::with_detail);
        (cut, Some(Hidden { status: status.to_string(), details }))
    }
}
