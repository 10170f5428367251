//! Reading a request's body as a whole, within bounds of size and time.

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::time::Instant;

use crate::call::deadline::before;
use crate::snapshot::Limits;
use crate::status::{Code, Status};

/// Whether the body is JSON without an encoding: what the headers say of it.
///
/// # Errors
/// 415 for another type, a charset that is not UTF-8, or an encoding; 413 for a length over the bound.
pub(super) fn check_headers(headers: &HeaderMap, limits: &Limits) -> Result<(), Status> {
    let unsupported = |text: String| Status::caller(Code::InvalidArgument, text).with_http(415);
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    if let Some(value) = types.find(|value| !value.to_str().is_ok_and(is_json)) {
        // What `curl -d` sends when nobody says otherwise deserves a word of its own.
        let is_form = value.as_bytes().starts_with(b"application/x-www-form-urlencoded");
        let hint = if is_form { " (with curl: --json in place of -d)" } else { "" };
        let text =
            format!("The content type {} is not supported here. Send application/json{hint}.", shown(value));
        return Err(unsupported(text));
    }
    let mut encodings = headers.get_all(CONTENT_ENCODING).iter();
    if let Some(value) = encodings.find(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        let text = format!(
            "The content encoding {} is not supported here. Send the body without one.",
            shown(value)
        );
        return Err(unsupported(text));
    }
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limits.body as u64) {
        Err(too_large(limits.body))
    } else {
        Ok(())
    }
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

/// Reads the body to its end.
///
/// # Errors
/// When it is too large, does not arrive in time, or breaks off.
pub(super) async fn read<B>(mut body: B, limits: &Limits) -> Result<Bytes, Status>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let deadline = Instant::now() + limits.request;
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let pause = Instant::now() + limits.body_pause;
        let data = match before(Some(deadline.min(pause)), body.frame()).await {
            None => return Err(too_slow()),
            Some(None) => break,
            Some(Some(Err(error))) => return Err(broken(&error)),
            Some(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
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

fn broken(error: &impl std::fmt::Display) -> Status {
    tracing::debug!(%error, "a request body broke off");
    Status::caller(Code::InvalidArgument, "The request body is incomplete or not framed as HTTP asks.")
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
