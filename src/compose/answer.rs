//! The answer of the whole: the answers of its parts, and what went wrong with them.

use bytes::Bytes;
use http::HeaderMap;

use super::plan::{ERRORS, Part, Settings};
use crate::codec::json::status::details_text;
use crate::status::{Detail, Status};
use crate::wire::WireType;
use crate::wire::reader::Error;
use crate::wire::writer::{self, Length};

/// How much of hidden details the log gets, in bytes.
const MAX_LOGGED: usize = 16 << 10;

/// What a part has answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Its message, from which other parts take what they need.
    pub(super) raw: Bytes,
    /// What is kept of it for the caller, where that is not all.
    shown: Option<Bytes>,
}

impl Answer {
    /// A message of a part.
    pub(super) fn new(part: &Part, raw: Bytes) -> Result<Self, Error> {
        let shown = part.select.as_ref().map(|mask| mask.apply(&raw)).transpose()?;
        Ok(Self { raw, shown: shown.map(Bytes::from) })
    }

    fn shown(&self) -> &Bytes {
        self.shown.as_ref().unwrap_or(&self.raw)
    }
}

/// What went wrong with a part.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// The position of the part.
    pub(super) part: usize,
    /// The item of its list, if it was one.
    pub(super) item: Option<usize>,
    pub(super) status: Status,
}

/// Appends answers of a part.
pub(super) fn write<'a>(part: &Part, answers: impl IntoIterator<Item = &'a Answer>, out: &mut Vec<u8>) {
    for answer in answers {
        writer::bytes(out, part.number, answer.shown());
    }
}

/// How many bytes [`write()`] appends, or a few more.
pub(super) fn size<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> usize {
    answers.into_iter().map(|answer| answer.shown().len() + 12).sum()
}

/// Appends what went wrong with a part as far as the caller may read it: a `PartError`. The rest goes to the log.
pub(super) fn write_error(
    settings: &Settings,
    parts: &[Part],
    failure: &Failure,
    metadata: &HeaderMap,
    out: &mut Vec<u8>,
) {
    let Failure { part, item, status } = failure;
    let mut name = parts.get(*part).map_or_else(String::new, |part| part.name.to_string());
    let (status, hidden) = settings.exposure.split(status.clone());
    if let Some(hidden) = hidden {
        let details = details_text(&settings.schema, &hidden.details, MAX_LOGGED);
        let request_id = metadata.get("x-request-id").and_then(|id| id.to_str().ok());
        let (method, part, status, details) = (&*settings.method, &*name, &*hidden.status, &*details);
        tracing::warn!(
            request_id,
            method,
            part,
            status,
            details,
            "a part of a backend's error was not shown"
        );
    }
    if let Some(item) = item {
        name.push_str(&format!("[{item}]"));
    }
    writer::tag(out, ERRORS, WireType::Len);
    let length = Length::begin(out);
    writer::bytes(out, 1, name.as_bytes());
    writer::tag(out, 2, WireType::Varint);
    writer::varint(out, status.code().number().into());
    writer::bytes(out, 3, status.message().as_bytes());
    for Detail { type_url, value } in status.details() {
        writer::tag(out, 4, WireType::Len);
        let length = Length::begin(out);
        writer::bytes(out, 1, type_url.as_bytes());
        writer::bytes(out, 2, value);
        length.end(out);
    }
    length.end(out);
}
