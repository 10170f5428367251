//! Reading a request's body as a whole, within bounds of size and time.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::{Instant, timeout, timeout_at};

use crate::codec::json::split::Splitter;
use crate::snapshot::Limits;
use crate::status::{Code, Status};

/// Any error of a body. If it is a [`Status`], it is what the caller gets.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Whether the body is one JSON text without an encoding: what the headers say of it. (An encoding that the
/// server undoes does not come this far.)
///
/// # Errors
/// 415 for another type, a charset that is not UTF-8, or an encoding; 413 for a length over the bound.
pub(super) fn check_headers(headers: &HeaderMap, limits: &Limits) -> Result<(), Status> {
    check_type(headers, is_json, "application/json")?;
    check_raw_headers(headers, limits)
}

/// Whether the body is without an encoding, whatever its type.
///
/// # Errors
/// 415 for an encoding; 413 for a length over the bound.
pub(super) fn check_raw_headers(headers: &HeaderMap, limits: &Limits) -> Result<(), Status> {
    check_encoding(headers)?;
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limits.body as u64) {
        Err(too_large(limits.body))
    } else {
        Ok(())
    }
}

/// How the messages of a streaming body are cut: what the headers say of it. Such a body may be of any
/// length.
///
/// # Errors
/// 415 for another type, a charset that is not UTF-8, or an encoding.
pub(super) fn splitter(headers: &HeaderMap, limits: &Limits) -> Result<Splitter, Status> {
    check_type(headers, |kind| is_json(kind) || is_lines(kind), "application/x-ndjson or application/json")?;
    check_encoding(headers)?;
    let is_lines = headers.get(CONTENT_TYPE).is_some_and(|value| value.to_str().is_ok_and(is_lines));
    Ok(if is_lines { Splitter::lines(limits.body) } else { Splitter::values(limits.body) })
}

fn check_type(headers: &HeaderMap, fits: impl Fn(&str) -> bool, wanted: &str) -> Result<(), Status> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let Some(value) = types.find(|value| !value.to_str().is_ok_and(&fits)) else { return Ok(()) };
    // What `curl -d` sends when nobody says otherwise deserves a word of its own.
    let is_form = value.as_bytes().starts_with(b"application/x-www-form-urlencoded");
    let hint = if is_form { " (with curl: --json in place of -d)" } else { "" };
    let text = format!("The content type {} is not supported here. Send {wanted}{hint}.", shown(value));
    Err(unsupported(text))
}

/// The media type of a body that stands for itself.
pub(super) fn content_type(headers: &HeaderMap) -> Bytes {
    headers.get(CONTENT_TYPE).map(|value| Bytes::copy_from_slice(value.as_bytes())).unwrap_or_default()
}

pub(super) fn check_encoding(headers: &HeaderMap) -> Result<(), Status> {
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if let Some(value) = encodings.find(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let text = format!(
            "The content encoding {} is not supported here. Send the body without one.",
            shown(value)
        );
        return Err(unsupported(text));
    }
    Ok(())
}

fn unsupported(text: String) -> Status {
    Status::caller(Code::InvalidArgument, text).with_http(415)
}

/// A header's value for an error text: it comes from the caller, so it is cut.
fn shown(value: &HeaderValue) -> String {
    format!("{:?}", String::from_utf8_lossy(value.as_bytes()).chars().take(100).collect::<String>())
}

/// `application/json` and its `+json` relatives, in UTF-8.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json =
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    is_json
        && parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
            let value = value.trim().trim_matches('"');
            !name.trim().eq_ignore_ascii_case("charset") || value.eq_ignore_ascii_case("utf-8")
        })
}

/// JSON with one message on each line, by its usual names.
fn is_lines(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    ["application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"]
        .iter()
        .any(|name| essence.eq_ignore_ascii_case(name))
}

/// Reads the body to its end.
///
/// # Errors
/// When it is too large, does not arrive in time, breaks off, or is not what its encoding says.
pub(super) async fn read<B>(mut body: B, limits: &Limits) -> Result<Bytes, Status>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let deadline = Instant::now() + limits.request;
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let frame = timeout_at(deadline, timeout(limits.body_pause, body.frame())).await;
        let data = match frame {
            Err(_) | Ok(Err(_)) => return Err(too_slow()),
            Ok(Ok(None)) => break,
            Ok(Ok(Some(Err(error)))) => return Err(broken(error.into())),
            Ok(Ok(Some(Ok(frame)))) => frame.into_data().unwrap_or_default(),
        };
        if first.len() + rest.len() + data.len() > limits.body {
            return Err(too_large(limits.body));
        }
        // A body in one piece, as most are, is not copied.
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&std::mem::take(&mut first));
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

fn too_large(limit: usize) -> Status {
    let text = format!("The request body is too large: at most {limit} bytes are accepted.");
    Status::caller(Code::ResourceExhausted, text).with_http(413)
}

fn too_slow() -> Status {
    Status::caller(Code::DeadlineExceeded, "The request body did not arrive in time.")
}

pub(super) fn broken(error: BoxError) -> Status {
    match error.downcast::<Status>() {
        Ok(status) => *status,
        Err(error) => {
            tracing::debug!(%error, "a request body broke off");
            let text = "The request body is incomplete or not framed as HTTP asks.";
            Status::caller(Code::InvalidArgument, text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn json_by_its_names() {
        for value in [
            "application/json",
            "Application/JSON; charset=UTF-8",
            "application/json;charset=\"utf-8\"",
            "application/merge-patch+json",
            "application/json; version=1",
        ] {
            assert!(is_json(value), "{value}");
        }
        for value in
            ["text/plain", "application/jsonp", "text/json", "application/json; charset=latin1", "", "json"]
        {
            assert!(!is_json(value), "{value}");
        }
    }
}
