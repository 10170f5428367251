//! What a request is answered from.

use std::time::SystemTime;

use http::HeaderMap;

use super::error;
use super::seen::Seen;
use super::version::Asked;
use crate::snapshot::Snapshot;
use crate::snapshot::surface::Surface;
use crate::status::{Code, Status};

/// What a request is answered from: the snapshot, and what of it the request can reach.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'s> {
    pub(super) snapshot: &'s Snapshot,
    pub(super) surface: &'s Surface,
    /// The version that it asks for, where there are versions.
    pub(super) asked: Option<&'s Asked<'s>>,
}

impl View<'_> {
    /// Says of an answer what is to be said of every one: where the caller stands with its limits, and which version it
    /// has asked for. The request is counted for that version.
    pub(super) fn tell(&self, seen: &Seen, headers: &mut HeaderMap) {
        error::limits(seen.noted.as_ref(), headers);
        if let Some(asked) = self.asked {
            asked.count(seen, SystemTime::now);
            asked.tell(seen, headers);
        }
    }

    /// What is answered where there is nothing: 404, or 410 in a version that has ended.
    pub(super) fn nothing(&self, text: impl FnOnce() -> String) -> Status {
        match self.over() {
            Some(over) => over.clone(),
            None => Status::caller(Code::Unimplemented, text()).with_http(404),
        }
    }

    /// What is told of the version that is asked for if it has ended.
    pub(super) fn over(&self) -> Option<&Status> {
        self.asked.and_then(Asked::over)
    }
}
