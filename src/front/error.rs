//! Failures as HTTP answers: `google.rpc.Status` in JSON, or RFC 9457 problem details.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;

use super::Answer;
use crate::codec::json::status::{write_details, write_status};
use crate::codec::json::write::{WriteOptions, push_string};
use crate::schema::Schema;
use crate::snapshot::EndpointOptions;
use crate::status::{Code, Fault, Status};

/// How errors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `{"code":…,"message":…,"details":[…]}`.
    Status,
    /// `application/problem+json`.
    Problem,
}

impl Form {
    /// Problem details if the caller names them in Accept, with another weight than 0.
    pub(super) fn of_request(headers: &HeaderMap) -> Self {
        let asks =
            |value: &HeaderValue| value.to_str().unwrap_or_default().split(',').any(accepts_problem_details);
        if headers.get_all(ACCEPT).iter().any(asks) { Self::Problem } else { Self::Status }
    }
}

/// Whether a media range of Accept names problem details, by RFC 9110 section 12.5.1.
fn accepts_problem_details(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/problem+json"));
    let is_refused = |part: &str| {
        part.strip_prefix(['q', 'Q'])
            .and_then(|rest| rest.trim_start().strip_prefix('='))
            .is_some_and(|weight| weight.trim().parse() == Ok(0.0))
    };
    is_named && !parts.any(is_refused)
}

/// The answer for a failed call.
pub(super) fn answer(schema: &Schema, status: &Status, form: Form) -> Answer {
    let options = WriteOptions::default();
    let mut text = Vec::with_capacity(128);
    let content_type = match form {
        Form::Status => {
            write_status(schema, status, &options, &mut text);
            "application/json"
        }
        Form::Problem => {
            write_problem(schema, status, &options, &mut text);
            "application/problem+json"
        }
    };
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    // Every status of the table is valid.
    *answer.status_mut() = StatusCode::from_u16(status.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// RFC 9457: `type` is `about:blank`, so `title` is the meaning of the HTTP status; the extension members
/// `code` and `details` are those of `google.rpc.Status`.
fn write_problem(schema: &Schema, status: &Status, options: &WriteOptions, text: &mut Vec<u8>) {
    let http = status.http();
    let title = StatusCode::from_u16(http).ok().and_then(|status| status.canonical_reason());
    text.extend_from_slice(b"{\"type\":\"about:blank\",\"title\":");
    push_string(text, title.unwrap_or(status.code().name()));
    text.extend_from_slice(format!(",\"status\":{http},\"detail\":").as_bytes());
    push_string(text, status.message());
    text.extend_from_slice(format!(",\"code\":{},\"details\":", status.code().number()).as_bytes());
    write_details(schema, status.details(), options, text);
    text.push(b'}');
}

/// What of a failure the caller may read. A backend's UNKNOWN usually is an exception that nobody meant
/// for the outside, and `google.rpc.DebugInfo` holds stack traces: both go to the log instead.
pub(super) fn for_caller(status: Status, options: &EndpointOptions, request_id: &str) -> Status {
    if status.fault() != Fault::Backend {
        return status;
    }
    let hides_message =
        status.code() == Code::Unknown && !options.expose_unknown && !status.message().is_empty();
    let is_hidden =
        |type_url: &str| type_url.ends_with("/google.rpc.DebugInfo") && !options.expose_debug_info;
    let hides_detail = status.details().iter().any(|detail| is_hidden(&detail.type_url));
    if !hides_message && !hides_detail {
        return status;
    }
    tracing::warn!(request_id, %status, "a part of a backend's error was not shown to the caller");
    let message = if hides_message { "The backend failed." } else { status.message() };
    let shown = Status::backend(status.code(), message).with_http(status.http());
    status
        .details()
        .iter()
        .filter(|detail| !is_hidden(&detail.type_url))
        .fold(shown, |shown, detail| shown.with_detail(detail.clone()))
}
