//! The status of a gRPC answer, from its trailers.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::HeaderName;
use prost::Message;

use crate::status::rpc::RpcStatus;
use crate::status::{Code, Detail, Status};

use super::fault::broken;
use super::http2::fields::Fields;

/// Names and not texts: a map looks those up without reading them first.
pub(super) static STATUS: HeaderName = HeaderName::from_static("grpc-status");
static MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
static DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");

/// Base64 as gRPC writes binary metadata: with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Takes the status out of trailers, or of headers that are trailers too. `None` if there is none.
///
/// A number that gRPC does not know is UNKNOWN. Of a code in `grpc-status-details-bin` that differs,
/// `grpc-status` wins.
///
/// # Errors
/// A status that is no number is a fault of the backend.
pub(super) fn take_status(fields: &mut Fields) -> Result<Option<Status>, Status> {
    let Some(status) = fields.take(&STATUS) else { return Ok(None) };
    let message = fields.take(&MESSAGE);
    let details = fields.take(&DETAILS);
    let Some(number) = number(status.as_bytes()) else {
        return Err(broken("The backend's grpc-status is not a number."));
    };
    let code = Code::from_number(number);
    if code == Code::Ok {
        return Ok(Some(Status::ok()));
    }
    let rpc = details.map(|value| rpc_status(value.as_bytes())).unwrap_or_default();
    let message = match message {
        Some(text) => percent_decode(text.as_bytes()),
        None => rpc.message,
    };
    let mut status = Status::backend(code, message);
    for any in rpc.details {
        status = status.with_detail(Detail { type_url: any.type_url, value: any.value });
    }
    Ok(Some(status))
}

fn number(text: &[u8]) -> Option<u32> {
    if text.is_empty() || text.len() > 9 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0')))
}

/// Details that cannot be read are left out: the code and the message still reach the caller.
fn rpc_status(text: &[u8]) -> RpcStatus {
    let decoded = BASE64.decode(text).map_err(|error| error.to_string());
    let status =
        decoded.and_then(|bytes| RpcStatus::decode(Bytes::from(bytes)).map_err(|error| error.to_string()));
    status.unwrap_or_else(|error| {
        tracing::warn!(error, "a backend sent a grpc-status-details-bin that cannot be read");
        RpcStatus::default()
    })
}

/// Percent-decoding as gRPC asks: an escape that is none stays as it is, and bytes that are no UTF-8
/// are replaced, since a status must not be lost over its message.
fn percent_decode(text: &[u8]) -> String {
    let mut bytes = Cow::Borrowed(text);
    if text.contains(&b'%') {
        let mut out = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((&byte, after)) = rest.split_first() {
            let escaped = match (byte, after) {
                (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
                _ => None,
            };
            match escaped {
                Some((high, low)) => {
                    out.push(high << 4 | low);
                    rest = &after[2..];
                }
                None => {
                    out.push(byte);
                    rest = after;
                }
            }
        }
        bytes = Cow::Owned(out);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::status::Fault;

    fn fields(pairs: &[(&'static str, &str)]) -> Fields {
        pairs.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn take(fields: &mut Fields) -> Status {
        take_status(fields).unwrap().unwrap()
    }

    #[test]
    fn statuses_are_read_and_taken_out() {
        let mut map = fields(&[("grpc-status", "5"), ("grpc-message", "no%20such%20book"), ("x-cost", "3")]);
        let status = take(&mut map);
        assert_eq!((status.code(), status.message(), status.http()), (Code::NotFound, "no such book", 404));
        assert_eq!(status.fault(), Fault::Backend);
        assert_eq!(map, fields(&[("x-cost", "3")]));
        assert_eq!(take_status(&mut map), Ok(None));
        assert_eq!(take(&mut fields(&[("grpc-status", "0")])), Status::ok());
    }

    #[test]
    fn numbers_beyond_the_table_are_unknown_and_other_texts_a_fault() {
        for (text, code) in
            [("17", Code::Unknown), ("999999999", Code::Unknown), ("016", Code::Unauthenticated)]
        {
            assert_eq!(take(&mut fields(&[("grpc-status", text)])).code(), code, "{text}");
        }
        for text in ["", "x", "-1", "+5", "5 5", "0x5", "4294967296"] {
            let status = take_status(&mut fields(&[("grpc-status", text)])).unwrap_err();
            assert_eq!((status.code(), status.http()), (Code::Internal, 502), "{text}");
            assert_eq!(status.message(), "The backend's grpc-status is not a number.");
        }
    }

    #[test]
    fn messages_are_percent_decoded_leniently() {
        let table = [
            ("plain", "plain"),
            ("caf%C3%A9 %e2%82%ac", "café €"),
            ("100% sure", "100% sure"),
            ("%zz%4", "%zz%4"),
            ("%", "%"),
            ("%25%32%35", "%25"),
            ("%FF!", "\u{FFFD}!"),
        ];
        for (text, expected) in table {
            assert_eq!(percent_decode(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn details_are_read_with_and_without_padding_and_the_header_code_wins() {
        // code 3, message "bad", details [{type_url "a/b", value 01}]: 08 03 12 03 62 61 64 1a 08 ...
        let padded = "CAMSA2JhZBoICgNhL2ISAQE=";
        for text in [padded, padded.trim_end_matches('=')] {
            let mut map = fields(&[("grpc-status", "9"), ("grpc-status-details-bin", text)]);
            let status = take(&mut map);
            assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "bad"));
            let detail = Detail { type_url: "a/b".into(), value: Bytes::from_static(&[1]) };
            assert_eq!(status.details(), [detail]);
            assert!(map.is_empty());
        }
    }

    #[test]
    fn details_that_cannot_be_read_do_not_hide_the_status() {
        for text in ["***", "CAMSA2Jh", "/////w"] {
            let mut map =
                fields(&[("grpc-status", "7"), ("grpc-message", "no"), ("grpc-status-details-bin", text)]);
            let status = take(&mut map);
            assert_eq!(
                (status.code(), status.message(), status.details()),
                (Code::PermissionDenied, "no", &[][..])
            );
        }
        let mut map = fields(&[("grpc-status", "2")]);
        map.push(MESSAGE.clone(), HeaderValue::from_bytes(b"caf\xe9").unwrap());
        assert_eq!(take(&mut map).message(), "caf\u{FFFD}");
    }
}
