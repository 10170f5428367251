//! Failures as HTTP answers: `google.rpc.Status` in JSON or XML, or RFC 9457 problem details.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::accept::preferred;
use super::answer::{Answer, AnswerBody};
use super::representation::{Name, Text};
use super::request_id::{REQUEST_ID, made_up};
use crate::call::Hints;
use crate::call::identity::Noted;
use crate::codec::json::status::{details_text, write_details, write_status};
use crate::codec::json::write::WriteOptions;
use crate::codec::json::write_value::push_string;
use crate::codec::xml;
use crate::schema::Schema;
use crate::snapshot::{Endpoint, EndpointOptions};
use crate::status::Status;
use crate::status::exposure::{Exposure, Hidden};

/// How much of hidden details the log gets, in bytes: a stack trace is long, and nobody reads more.
const MAX_LOGGED: usize = 16 << 10;

/// How errors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `{"code":…,"message":…,"details":[…]}`.
    Status,
    /// `application/problem+json`.
    Problem,
    /// `google.rpc.Status` in XML.
    Xml(Name),
}

impl Form {
    /// XML where the caller is answered in it; problem details if the caller names them in Accept.
    pub(super) fn of_request(headers: &HeaderMap, text: Text) -> Self {
        if let Text::Xml(name) = text {
            return Self::Xml(name);
        }
        if preferred(headers, &["application/problem+json"]).is_some() { Self::Problem } else { Self::Status }
    }
}

/// The answer for a failed call.
pub(super) fn answer(schema: &Schema, status: &Status, form: Form) -> Answer {
    let options = WriteOptions::default();
    let mut text = Vec::with_capacity(128);
    let content_type = match form {
        Form::Status => {
            write_status(schema, status, &options, &mut text);
            HeaderValue::from_static("application/json")
        }
        Form::Problem => {
            write_problem(schema, status, &options, &mut text);
            HeaderValue::from_static("application/problem+json")
        }
        Form::Xml(name) => {
            xml::status::write_status(schema, status, &options, &mut text);
            name.content_type()
        }
    };
    let mut answer = Response::new(AnswerBody::from(text).with_code(status.code()));
    // Every status of the table is valid.
    *answer.status_mut() = StatusCode::from_u16(status.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer
}

/// Appends `{"error":{"@type":"type.googleapis.com/google.rpc.Status",…}}`, the element that ends a stream of messages
/// which failed. The type comes first, as callers look for it there.
pub(super) fn write_element(schema: &Schema, status: &Status, text: &mut Vec<u8>) {
    text.extend_from_slice(br#"{"error":{"@type":"type.googleapis.com/google.rpc.Status""#);
    let start = text.len();
    write_status(schema, status, &WriteOptions::default(), text);
    // The object goes on where the status would begin.
    if let Some(brace) = text.get_mut(start) {
        *brace = b',';
    }
    text.push(b'}');
}

/// Says how the caller may show who it is, where it has to, and when it may call again.
pub(super) fn hint(hints: Hints, headers: &mut HeaderMap) {
    for challenge in hints.challenges {
        headers.append(WWW_AUTHENTICATE, challenge);
    }
    retry(hints.retry_after, headers);
}

/// Says in how many seconds the caller may call again, if that is known. Whoever waits that long has waited enough.
pub(super) fn retry(wait: Option<Duration>, headers: &mut HeaderMap) {
    if let Some(wait) = wait {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
}

static POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static STATE: HeaderName = HeaderName::from_static("ratelimit");

/// Says where the caller stands with each of its limits, whatever it is answered. What a backend says of its own limits
/// would be taken for the same, and makes way.
pub(super) fn limits(noted: Option<&Arc<Noted>>, headers: &mut HeaderMap) {
    for (index, limit) in noted.map(|noted| noted.limits()).unwrap_or_default().iter().enumerate() {
        for (name, value) in [(&POLICY, &limit.policy), (&STATE, &limit.state)] {
            if index == 0 {
                headers.insert(name, value.clone());
            } else {
                headers.append(name, value.clone());
            }
        }
    }
}

/// Has the caller keep what its upstream was chosen by.
pub(super) fn cookies(noted: Option<&Arc<Noted>>, headers: &mut HeaderMap) {
    for cookie in noted.map(|noted| noted.cookies()).unwrap_or_default() {
        headers.append(SET_COOKIE, cookie);
    }
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

/// Says of an error which message of a stream it belongs to.
pub(super) fn numbered(status: &Status, number: usize) -> Status {
    let text = format!("Message {number} of the stream: {}", status.message());
    let numbered = Status::caller(status.code(), text).with_http(status.http());
    status.details().iter().cloned().fold(numbered, Status::with_detail)
}

/// What the caller may read of a failure. What it may not goes to the log, under the name of the request, which is
/// added to `fields` then.
pub(super) fn conceal(
    status: Status,
    endpoint: &Endpoint,
    request_id: Option<&HeaderValue>,
    fields: &mut HeaderMap,
) -> Status {
    let (status, hidden) = for_caller(status, &endpoint.options);
    if let Some(hidden) = hidden {
        let id = request_id.cloned().unwrap_or_else(made_up);
        log(&hidden, &endpoint.schema, &endpoint.full_name, id.to_str().unwrap_or_default());
        fields.insert(REQUEST_ID, id);
    }
    status
}

/// Splits a failure into what the caller may read and the rest.
pub(super) fn for_caller(status: Status, options: &EndpointOptions) -> (Status, Option<Hidden>) {
    let exposure = Exposure { unknown: options.expose_unknown, debug_info: options.expose_debug_info };
    exposure.split(status)
}

/// Writes what was hidden to the log, under the name by which the caller can ask for it.
pub(super) fn log(hidden: &Hidden, schema: &Schema, method: &str, request_id: &str) {
    let details = details_text(schema, &hidden.details, MAX_LOGGED);
    // As text and not by Display: a backend's line breaks must not look like lines of the log.
    let (status, details) = (&*hidden.status, &*details);
    tracing::warn!(request_id, method, status, details, "a part of a backend's error was not shown");
}
