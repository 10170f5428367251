//! What gRPC and gRPC-Web say in headers and trailers beside metadata.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;

use super::metadata;
use crate::call::Encodings;
use crate::status::rpc::RpcStatus;
use crate::status::{Code, Status};

static ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
static ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
static STATUS: HeaderName = HeaderName::from_static("grpc-status");
static MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
static DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// The longest text of a status, in bytes. It travels in a header, which peers bound.
const MAX_MESSAGE: usize = 4 << 10;
/// The largest details, in bytes before base64. With more of them the whole answer could be refused.
const MAX_DETAILS: usize = 16 << 10;

/// The message encodings that the caller names.
pub(super) fn encodings(headers: &HeaderMap) -> Encodings {
    let request = headers.get(&ENCODING).filter(|encoding| *encoding != "identity");
    Encodings { request: request.cloned(), accepted: headers.get(&ACCEPT_ENCODING).cloned() }
}

/// Whether messages come as protobuf: `subtype` is what the content type says behind the name of the dialect.
///
/// # Errors
/// UNIMPLEMENTED for another form.
pub(super) fn check_subtype(dialect: &str, subtype: &[u8]) -> Result<(), Status> {
    let essence = subtype.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.is_empty() || essence.eq_ignore_ascii_case(b"+proto") {
        return Ok(());
    }
    let other = String::from_utf8_lossy(essence.get(..100).unwrap_or(essence));
    let text = format!("Messages are served as {dialect}+proto, not as {dialect}{other}.");
    Err(Status::caller(Code::Unimplemented, text).with_http(415))
}

/// Adds the initial metadata of a reply to the headers of an answer, with what it says of encodings.
pub(super) fn initial(mut metadata: HeaderMap, listed: &[HeaderName], headers: &mut HeaderMap) {
    for name in [&ENCODING, &ACCEPT_ENCODING] {
        if let Some(value) = metadata.remove(name) {
            headers.insert(name, value);
        }
    }
    metadata::pass(metadata, listed, headers);
}

/// The trailers that end a call.
pub(super) fn end(status: &Status, trailers: HeaderMap, listed: &[HeaderName]) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(trailers.len() + 3);
    insert(status, &mut fields);
    metadata::pass(trailers, listed, &mut fields);
    fields
}

/// Writes a status as the fields that end a call.
fn insert(status: &Status, fields: &mut HeaderMap) {
    fields.insert(&STATUS, HeaderValue::from(u16::from(status.code().number())));
    if status.is_ok() {
        return;
    }
    if !status.message().is_empty() {
        fields.insert(&MESSAGE, percent_encode(status.message()));
    }
    if status.details().is_empty() {
        return;
    }
    let details = RpcStatus::from(status).encode_to_vec();
    if details.len() > MAX_DETAILS {
        tracing::warn!(
            bytes = details.len(),
            "the details of an error are too large for gRPC and were left out"
        );
        return;
    }
    // Base64 is valid in a header.
    if let Ok(value) = HeaderValue::try_from(STANDARD_NO_PAD.encode(details)) {
        fields.insert(&DETAILS, value);
    }
}

/// A text with all but visible ASCII and spaces, and the percent sign itself, as `%XX`; cut at a bound.
fn percent_encode(text: &str) -> HeaderValue {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let cut = text.floor_char_boundary(MAX_MESSAGE);
    let mut encoded = Vec::with_capacity(cut);
    for &byte in &text.as_bytes()[..cut] {
        if (b' '..=b'~').contains(&byte) && byte != b'%' {
            encoded.push(byte);
        } else {
            encoded.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
    HeaderValue::from_maybe_shared(bytes::Bytes::from(encoded)).expect("visible ASCII is a header value")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::status::Detail;

    fn fields(status: &Status) -> Vec<(String, String)> {
        let mut fields = HeaderMap::new();
        insert(status, &mut fields);
        fields.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }

    #[test]
    fn a_status_is_up_to_three_fields() {
        let named = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(fields(&Status::ok()), [named("grpc-status", "0")]);
        assert_eq!(fields(&Status::backend(Code::NotFound, "")), [named("grpc-status", "5")]);
        let status = Status::backend(Code::Unknown, "100 % wrong:\n\t☺ and ~");
        assert_eq!(
            fields(&status),
            [named("grpc-status", "2"), named("grpc-message", "100 %25 wrong:%0A%09%E2%98%BA and ~")]
        );
        // google.rpc.Status {code: 3, message: "no", details: {type_url: "t/x", value: "\x01"}}
        let detail = Detail { type_url: "t/x".into(), value: Bytes::from_static(&[1]) };
        let status = Status::backend(Code::InvalidArgument, "no").with_detail(detail);
        let wire = b"\x08\x03\x12\x02no\x1a\x08\x0a\x03t/x\x12\x01\x01";
        assert_eq!(fields(&status)[2], named("grpc-status-details-bin", &STANDARD_NO_PAD.encode(wire)));
    }

    #[test]
    fn what_is_too_large_for_a_header_is_cut() {
        let long = fields(&Status::backend(Code::Internal, "é".repeat(10_000)));
        assert_eq!(long[1].1.len(), MAX_MESSAGE * 3);
        let detail = Detail { type_url: "t/x".into(), value: vec![0; MAX_DETAILS].into() };
        assert_eq!(fields(&Status::backend(Code::Internal, "x").with_detail(detail)).len(), 2);
    }
}
