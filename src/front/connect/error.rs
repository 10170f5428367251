//! Failures as Connect writes them in JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::codec::json::write::{WriteOptions, write};
use crate::codec::json::write_value::push_string;
use crate::schema::Schema;
use crate::status::{Code, Detail, Status};

/// Appends `{"code":…,"message":…,"details":[…]}`. Details keep their bytes; those whose type the schema knows are
/// shown in `debug` too.
pub(super) fn write_error(schema: &Schema, status: &Status, text: &mut Vec<u8>) {
    text.extend_from_slice(b"{\"code\":");
    push_string(text, name(status.code()));
    if !status.message().is_empty() {
        text.extend_from_slice(b",\"message\":");
        push_string(text, status.message());
    }
    for (index, detail) in status.details().iter().enumerate() {
        text.extend_from_slice(if index == 0 { b",\"details\":[" } else { b"," });
        write_detail(schema, detail, text);
    }
    if !status.details().is_empty() {
        text.push(b']');
    }
    text.push(b'}');
}

fn write_detail(schema: &Schema, detail: &Detail, text: &mut Vec<u8>) {
    let kind = detail.type_url.rsplit('/').next().unwrap_or_default();
    text.extend_from_slice(b"{\"type\":");
    push_string(text, kind);
    text.extend_from_slice(b",\"value\":\"");
    text.extend_from_slice(STANDARD_NO_PAD.encode(&detail.value).as_bytes());
    text.push(b'"');
    let mut debug = Vec::new();
    let known = schema.find_message(kind);
    let written = known.map(|id| write(schema, id, &detail.value, &WriteOptions::default(), &mut debug));
    if matches!(written, Some(Ok(()))) {
        text.extend_from_slice(b",\"debug\":");
        text.extend_from_slice(&debug);
    }
    text.push(b'}');
}

/// The name of a code in Connect.
const fn name(code: Code) -> &'static str {
    match code {
        // A success is never written as a failure.
        Code::Ok | Code::Unknown => "unknown",
        Code::Cancelled => "canceled",
        Code::InvalidArgument => "invalid_argument",
        Code::DeadlineExceeded => "deadline_exceeded",
        Code::NotFound => "not_found",
        Code::AlreadyExists => "already_exists",
        Code::PermissionDenied => "permission_denied",
        Code::ResourceExhausted => "resource_exhausted",
        Code::FailedPrecondition => "failed_precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out_of_range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data_loss",
        Code::Unauthenticated => "unauthenticated",
    }
}
