//! Which HTTP headers become gRPC metadata, and which metadata becomes headers.

use base64::Engine;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use http::header::{AUTHORIZATION, CONNECTION, DATE, LOCATION, SERVER, SET_COOKIE};
use http::{HeaderMap, HeaderName};

use super::request_id::{REQUEST_ID, is_usable};
use crate::call::metadata::is_reserved;
use crate::status::{Code, Status};

/// What a caller puts before a name to send it as metadata.
const REQUEST_PREFIX: &str = "grpc-metadata-";
/// What stands before the names of trailing metadata in a unary answer.
const TRAILER_PREFIX: &str = "grpc-trailer-";

/// The headers that always go upstream.
const FORWARDED: [HeaderName; 4] = [
    AUTHORIZATION,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    REQUEST_ID,
];

/// The metadata of a call from the headers of an HTTP request: what is always forwarded, what
/// `configured` names, and `grpc-metadata-NAME` as NAME. Reserved and hop-by-hop names never cross, nor
/// do those that the Connection header names (RFC 9110 section 7.6.1).
///
/// # Errors
/// When a value is not what gRPC carries: base64 for `-bin` names, visible ASCII and spaces for others.
pub(super) fn of_request(headers: &HeaderMap, configured: &[HeaderName]) -> Result<HeaderMap, Status> {
    let mut metadata = HeaderMap::new();
    for (name, value) in headers {
        let forwarded = if FORWARDED.contains(name) || configured.contains(name) {
            name.clone()
        } else {
            match name.as_str().strip_prefix(REQUEST_PREFIX).map(str::parse) {
                Some(Ok(name)) => name,
                _ => continue,
            }
        };
        let unusable = forwarded == REQUEST_ID && !is_usable(value);
        if unusable || is_reserved(forwarded.as_str()) || is_for_this_connection(headers, name) {
            continue;
        }
        let flaw = if forwarded.as_str().ends_with("-bin") {
            (!is_base64(value.as_bytes())).then_some("names that end in -bin carry base64")
        } else {
            (!is_ascii(value.as_bytes())).then_some("metadata carries visible ASCII characters and spaces")
        };
        if let Some(flaw) = flaw {
            let text = format!("The header {name} is not valid: {flaw}.");
            return Err(Status::caller(Code::InvalidArgument, text));
        }
        metadata.append(forwarded, value.clone());
    }
    Ok(metadata)
}

fn is_for_this_connection(headers: &HeaderMap, name: &HeaderName) -> bool {
    let named = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case(name.as_str()))
}

fn is_ascii(value: &[u8]) -> bool {
    value.iter().all(|byte| (0x20..=0x7e).contains(byte))
}

fn is_base64(value: &[u8]) -> bool {
    const ENGINE: GeneralPurpose = GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    // Several values may be joined by commas.
    value.split(|&byte| byte == b',').all(|part| ENGINE.decode(part.trim_ascii()).is_ok())
}

/// Adds the initial metadata of a reply to the headers of an answer, and its trailing metadata as
/// `grpc-trailer-NAME`. What belongs to the connection or would change how the answer is read stays
/// behind; cookies and locations cross only when `configured` names them.
pub(super) fn to_answer(
    initial: HeaderMap,
    trailers: HeaderMap,
    configured: &[HeaderName],
    headers: &mut HeaderMap,
) {
    each(initial, |name, value| {
        if crosses(name, configured) {
            headers.append(name, value);
        }
    });
    each(trailers, |name, value| {
        if crosses(name, configured)
            && let Ok(name) = HeaderName::try_from(format!("{TRAILER_PREFIX}{name}"))
        {
            headers.append(name, value);
        }
    });
}

fn crosses(name: &HeaderName, configured: &[HeaderName]) -> bool {
    let text = name.as_str();
    if is_reserved(text)
        || text.starts_with("content-")
        || text.starts_with("access-control-")
        || text.starts_with("strict-")
        || [DATE, SERVER].contains(name)
    {
        return false;
    }
    ![SET_COOKIE, LOCATION].contains(name) || configured.contains(name)
}

/// Visits every value; the map itself gives the name only with the first value of each.
fn each(map: HeaderMap, mut visit: impl FnMut(&HeaderName, http::HeaderValue)) {
    let mut last = None;
    for (name, value) in map {
        last = name.or(last);
        if let Some(name) = &last {
            visit(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, value);
        }
        map
    }

    #[test]
    fn requests_forward_what_is_meant_to_cross_and_nothing_else() {
        let headers = map(&[
            ("authorization", "Bearer x"),
            ("traceparent", "00-a"),
            ("x-request-id", "7"),
            ("x-tenant", "t"),
            ("x-other", "no"),
            ("cookie", "no"),
            ("grpc-metadata-color", "red"),
            ("grpc-metadata-color", "blue"),
            ("grpc-metadata-grpc-timeout", "1S"),
            ("grpc-metadata-te", "no"),
            ("grpc-metadata-connection", "no"),
            ("grpc-metadata-data-bin", "AQID"),
            ("grpc-metadata-", "no"),
            ("connection", "close, Tracestate"),
            ("connection", "grpc-metadata-hop"),
            ("tracestate", "no"),
            ("grpc-metadata-hop", "no"),
        ]);
        let configured = [HeaderName::from_static("x-tenant")];
        let expected = map(&[
            ("authorization", "Bearer x"),
            ("traceparent", "00-a"),
            ("x-request-id", "7"),
            ("x-tenant", "t"),
            ("color", "red"),
            ("color", "blue"),
            ("data-bin", "AQID"),
        ]);
        assert_eq!(of_request(&headers, &configured).unwrap(), expected);

        let unusable = map(&[("x-request-id", "a b")]);
        assert_eq!(of_request(&unusable, &[]).unwrap(), HeaderMap::new(), "it is left out");

        let ascii = "metadata carries visible ASCII characters and spaces";
        let table: [(&str, &[u8], &str); 4] = [
            ("grpc-metadata-x-bin", b"!", "names that end in -bin carry base64"),
            ("grpc-metadata-x", b"\xe9", ascii),
            ("tracestate", b"\xc3\xa9", ascii),
            ("authorization", b"a\tb", ascii),
        ];
        for (name, value, flaw) in table {
            let mut headers = HeaderMap::new();
            headers.insert(HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap());
            let status = of_request(&headers, &[]).unwrap_err();
            let text = format!("The header {name} is not valid: {flaw}.");
            assert_eq!((status.http(), status.message()), (400, &*text));
        }
    }

    #[test]
    fn answers_carry_metadata_but_nothing_that_changes_how_they_are_read() {
        let initial = map(&[
            ("x-cost", "1"),
            ("x-cost", "2"),
            ("content-language", "no"),
            ("content-length", "no"),
            ("access-control-allow-origin", "no"),
            ("strict-transport-security", "no"),
            ("connection", "no"),
            ("set-cookie", "no"),
            ("location", "yes"),
            ("server", "no"),
        ]);
        let trailers = map(&[("x-rows", "3"), ("grpc-status", "0"), ("set-cookie", "no")]);
        let mut headers = HeaderMap::new();
        to_answer(initial, trailers, &[LOCATION], &mut headers);
        let expected =
            map(&[("x-cost", "1"), ("x-cost", "2"), ("location", "yes"), ("grpc-trailer-x-rows", "3")]);
        assert_eq!(headers, expected);
    }
}
