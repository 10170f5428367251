//! Which HTTP headers become gRPC metadata, and which metadata becomes headers.

use http::header::{AUTHORIZATION, CONNECTION, DATE, LOCATION, SERVER, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::request_id::{REQUEST_ID, is_usable};
use crate::call::metadata::{flaw, is_reserved};
use crate::codec::json::write_value::push_string;
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
        check(name, forwarded.as_str(), value)?;
        metadata.append(forwarded, value.clone());
    }
    Ok(metadata)
}

/// The metadata of a call in a dialect whose headers are metadata: all but reserved and hop-by-hop names, and
/// `from_browsers` but those that browsers and the protocols for them set by themselves.
///
/// # Errors
/// As for [`of_request`].
pub(super) fn custom(headers: &HeaderMap, from_browsers: bool) -> Result<HeaderMap, Status> {
    let mut metadata = HeaderMap::with_capacity(headers.len());
    let has_connection = headers.contains_key(CONNECTION);
    for (name, value) in headers {
        if is_reserved(name.as_str())
            || (has_connection && is_for_this_connection(headers, name))
            || (from_browsers && is_of_browsers(name.as_str()))
        {
            continue;
        }
        check(name, name.as_str(), value)?;
        metadata.append(name.clone(), value.clone());
    }
    Ok(metadata)
}

fn is_of_browsers(name: &str) -> bool {
    const PREFIXES: [&str; 7] =
        ["accept-", "access-control-", "connect-", "content-", "if-", "sec-", "upgrade-"];
    const NAMES: [&str; 10] = [
        "accept",
        "cache-control",
        "dnt",
        "origin",
        "pragma",
        "priority",
        "range",
        "referer",
        "x-grpc-web",
        "x-user-agent",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether metadata can carry the value of a header as `forwarded`.
fn check(name: &HeaderName, forwarded: &str, value: &HeaderValue) -> Result<(), Status> {
    flaw(forwarded, value.as_bytes()).map_or(Ok(()), |flaw| {
        Err(Status::caller(Code::InvalidArgument, format!("The header {name} is not valid: {flaw}.")))
    })
}

fn is_for_this_connection(headers: &HeaderMap, name: &HeaderName) -> bool {
    let named = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case(name.as_str()))
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
    pass(initial, configured, headers);
    prefixed(trailers, TRAILER_PREFIX, configured, headers);
}

/// Adds trailing metadata of a reply to the headers of an answer with something before each name, except what
/// [`to_answer`] leaves behind too.
pub(super) fn prefixed(
    trailers: HeaderMap,
    prefix: &str,
    configured: &[HeaderName],
    headers: &mut HeaderMap,
) {
    each(trailers, |name, value| {
        if crosses(name, configured)
            && let Ok(name) = HeaderName::try_from(format!("{prefix}{name}"))
        {
            headers.append(name, value);
        }
    });
}

/// Adds metadata of a reply to headers or trailers under its own names, except what [`to_answer`] leaves
/// behind too.
pub(super) fn pass(metadata: HeaderMap, configured: &[HeaderName], fields: &mut HeaderMap) {
    each(metadata, |name, value| {
        if crosses(name, configured) {
            fields.append(name, value);
        }
    });
}

/// Appends metadata as a JSON object: each name with the list of its values.
pub(super) fn write_json(fields: &HeaderMap, text: &mut Vec<u8>) {
    text.push(b'{');
    for (index, name) in fields.keys().enumerate() {
        if index > 0 {
            text.push(b',');
        }
        push_string(text, name.as_str());
        text.extend_from_slice(b":[");
        for (index, value) in fields.get_all(name).iter().enumerate() {
            if index > 0 {
                text.push(b',');
            }
            push_string(text, &String::from_utf8_lossy(value.as_bytes()));
        }
        text.push(b']');
    }
    text.push(b'}');
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
fn each(map: HeaderMap, mut visit: impl FnMut(&HeaderName, HeaderValue)) {
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
