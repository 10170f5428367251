//! The opening handshake: RFC 6455 section 4.2 over HTTP/1.1, RFC 8441 over HTTP/2.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{
    ALLOW, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Version};
use hyper::ext::Protocol;

use super::super::head::Head;
use super::answers::Form;
use crate::front::caller::or_refusal;
use crate::front::shown;
use crate::route::query::pairs;
use crate::snapshot::{ACCESS_TOKEN, Cors, TRAILERS};
use crate::status::{Code, Status};

/// What section 1.3 puts behind the key.
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const JSON: &str = "transom.json";
const PROTO: &str = "transom.proto";
/// What stands before a token among the subprotocols.
const BEARER: &str = "bearer.";
/// The longest token, in bytes.
const MAX_TOKEN: usize = 8 << 10;

/// Whether a request asks for a WebSocket, rightly or not.
pub(in crate::front) fn is_asked(head: &Head) -> bool {
    if head.method == Method::CONNECT {
        return head.extensions.get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket");
    }
    head.headers.contains_key(UPGRADE)
        && head.version == Version::HTTP_11
        && names(&head.headers, &UPGRADE, "websocket")
        && (names(&head.headers, &CONNECTION, "upgrade") || head.headers.contains_key(SEC_WEBSOCKET_KEY))
}

/// Whether a header that is a list of names has this one, in any case.
fn names(headers: &HeaderMap, header: &HeaderName, name: &str) -> bool {
    elements(headers, header).any(|element| element.eq_ignore_ascii_case(name))
}

fn elements<'h>(headers: &'h HeaderMap, header: &HeaderName) -> impl Iterator<Item = &'h str> {
    let values = headers.get_all(header).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|element| !element.is_empty())
}

/// Why a handshake is refused, with the headers that say what would be right.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) status: Box<Status>,
    pub(super) headers: HeaderMap,
}

impl From<Status> for Refused {
    fn from(status: Status) -> Self {
        Self { status: Box::new(status), headers: HeaderMap::new() }
    }
}

impl Refused {
    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.insert(name, HeaderValue::from_static(value));
        self
    }
}

fn wrong(text: &str) -> Status {
    Status::caller(Code::InvalidArgument, text)
}

/// What a handshake agrees on.
#[derive(Debug)]
pub(super) struct Agreed {
    pub(super) form: Form,
    /// The headers of the answer.
    pub(super) headers: HeaderMap,
    /// The credentials that a browser offers among the subprotocols.
    pub(super) bearer: Option<String>,
}

/// Checks a handshake.
///
/// # Errors
/// 400 for what is not as the specification asks, 405 for another method than GET, 426 for another version, 431 for a
/// token that is too long.
pub(super) fn check(head: &Head) -> Result<Agreed, Refused> {
    let mut answer = HeaderMap::new();
    if head.method != Method::CONNECT {
        if head.method != Method::GET {
            let text = format!("A WebSocket is opened with GET, not with {}.", head.method);
            let status = Status::caller(Code::Unimplemented, text).with_http(405);
            return Err(Refused::from(status).with(ALLOW, "GET"));
        }
        if !names(&head.headers, &CONNECTION, "upgrade") {
            let text = "The WebSocket handshake has no `Connection: Upgrade`. If there is a proxy in front, let it \
                        pass the headers Connection and Upgrade on.";
            return Err(wrong(text).into());
        }
        let has_body = head.headers.contains_key(TRANSFER_ENCODING)
            || head.headers.get_all(CONTENT_LENGTH).iter().any(|length| length != "0");
        if has_body {
            return Err(
                wrong("The WebSocket handshake has a body. Send messages once the socket is open.").into()
            );
        }
        answer.insert(SEC_WEBSOCKET_ACCEPT, accept(&head.headers)?);
        answer.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        answer.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    check_version(&head.headers)?;
    let Offered { form, protocol, bearer } = offered(&head.headers)?;
    if let Some(protocol) = protocol {
        answer.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
    }
    Ok(Agreed { form, headers: answer, bearer })
}

fn check_version(headers: &HeaderMap) -> Result<(), Refused> {
    let mut versions = headers.get_all(SEC_WEBSOCKET_VERSION).iter();
    match (versions.next(), versions.next()) {
        (Some(version), None) if version == "13" => Ok(()),
        _ => {
            let text = "The WebSocket handshake must have `Sec-WebSocket-Version: 13` once.";
            Err(Refused::from(wrong(text).with_http(426)).with(SEC_WEBSOCKET_VERSION, "13"))
        }
    }
}

/// The answer to the key, by section 4.2.2.
fn accept(headers: &HeaderMap) -> Result<HeaderValue, Status> {
    let mut keys = headers.get_all(SEC_WEBSOCKET_KEY).iter();
    let key = keys.next().filter(|_| keys.next().is_none()).and_then(|key| key.to_str().ok());
    let key = key.filter(|key| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16));
    let key = key.ok_or_else(|| {
        wrong("The WebSocket handshake must have one Sec-WebSocket-Key, which is 16 bytes in base64.")
    })?;
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{KEY_SUFFIX}").as_bytes());
    Ok(HeaderValue::try_from(STANDARD.encode(hash)).expect("base64 is ASCII"))
}

/// What the subprotocols say.
#[derive(Debug, PartialEq, Eq)]
struct Offered {
    form: Form,
    /// The one that is answered; none if none was offered.
    protocol: Option<&'static str>,
    bearer: Option<String>,
}

fn offered(headers: &HeaderMap) -> Result<Offered, Status> {
    let (mut chosen, mut bearer, mut is_any) = (None, None, false);
    for name in elements(headers, &SEC_WEBSOCKET_PROTOCOL) {
        is_any = true;
        if let Some(token) = name.strip_prefix(BEARER) {
            if token.is_empty() || bearer.is_some() {
                return Err(wrong("Offer one subprotocol bearer.TOKEN at most, with a token."));
            }
            if token.len() > MAX_TOKEN {
                let text = format!("The token among the subprotocols is longer than {MAX_TOKEN} bytes.");
                return Err(wrong(&text).with_http(431));
            }
            bearer = Some(token.to_owned());
        } else if chosen.is_none() {
            chosen = match name {
                JSON => Some((Form::Json, JSON)),
                PROTO => Some((Form::Proto, PROTO)),
                _ => None,
            };
        }
    }
    match chosen {
        Some((form, protocol)) => Ok(Offered { form, protocol: Some(protocol), bearer }),
        None if !is_any => Ok(Offered { form: Form::Json, protocol: None, bearer }),
        // A browser gives a socket up whose server chooses none of what it offers, and a token is not for an answer.
        None if bearer.is_some() => Err(wrong(
            "Offer transom.json or transom.proto beside the subprotocol bearer.TOKEN: it is never answered.",
        )),
        None => Err(wrong(
            "None of the subprotocols that were offered is known. Offer transom.json or transom.proto, or none.",
        )),
    }
}

/// A query without the words that are meant for the socket.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// What is left of it, as it was sent.
    pub(super) rest: String,
    pub(super) access_token: Option<String>,
    pub(super) trailers: bool,
}

/// Takes the words for the socket out of a query, and says what is wrong with them: one that stands twice or cannot be
/// read counts as not there. No error repeats a token.
pub(super) fn query(text: &str) -> (Query, Result<(), Status>) {
    let (mut query, mut trailers, mut check) = (Query::default(), None, Ok(()));
    for part in text.split('&') {
        // What cannot be decoded stays, and is refused with the rest.
        match pairs(part, 1).next().and_then(Result::ok) {
            Some((name, value)) if name == ACCESS_TOKEN => {
                let token = token(&value, query.access_token.take().is_some());
                query.access_token = or_refusal(token.map(Some), &mut check);
            }
            Some((name, value)) if name == TRAILERS => {
                trailers = or_refusal(switch(&value, trailers).map(Some), &mut check);
            }
            _ => {
                if !query.rest.is_empty() {
                    query.rest.push('&');
                }
                query.rest.push_str(part);
            }
        }
    }
    query.trailers = trailers.unwrap_or_default();
    (query, check)
}

fn token(value: &str, is_again: bool) -> Result<String, Status> {
    if value.is_empty() || value.len() > MAX_TOKEN || is_again {
        return Err(wrong(&format!(
            "The query parameter {ACCESS_TOKEN} must stand once at most, with a token of at most {MAX_TOKEN} bytes."
        )));
    }
    Ok(value.to_owned())
}

fn switch(value: &str, before: Option<bool>) -> Result<bool, Status> {
    match value {
        _ if before.is_some() => Err(wrong("The query parameter trailers must stand once at most.")),
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(wrong("The query parameter trailers must be 1 or 0.")),
    }
}

/// Puts a token where the other dialects have it. A header that is there already stays.
///
/// # Errors
/// When the token is nothing that a header carries.
pub(super) fn authorize(headers: &mut HeaderMap, token: Option<&str>) -> Result<(), Status> {
    let Some(token) = token.filter(|_| !headers.contains_key(AUTHORIZATION)) else { return Ok(()) };
    let is_usable = token.bytes().all(|byte| byte.is_ascii_graphic());
    let value = HeaderValue::try_from(format!("Bearer {token}")).ok().filter(|_| is_usable);
    let mut value =
        value.ok_or_else(|| wrong("The token that was offered has characters that no token has."))?;
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
    Ok(())
}

/// Whether the scripts of the origin that a browser names may open the socket: those of the service's list, and those
/// that came from this very host. What is no browser names none.
///
/// # Errors
/// PERMISSION_DENIED for others. A browser would let them use the user's credentials.
pub(super) fn check_origin(head: &Head, cors: Option<&Cors>) -> Result<(), Status> {
    let mut origins = head.headers.get_all(ORIGIN).iter();
    let Some(origin) = origins.next() else { return Ok(()) };
    let is_listed = cors.is_some_and(|cors| cors.any || cors.origins.contains(origin));
    if origins.next().is_none() && (is_listed || is_same(head, origin)) {
        return Ok(());
    }
    let text = format!(
        "Scripts of the origin {:?} may not open this WebSocket. It must be one of `cors: {{origins: [...]}}` of the \
         service.",
        shown(origin)
    );
    Err(Status::caller(Code::PermissionDenied, text))
}

/// Whether an origin is the host that the request is for. Its scheme is not looked at, as TLS may end before.
fn is_same(head: &Head, origin: &HeaderValue) -> bool {
    let host = match head.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => head.headers.get(HOST).and_then(|host| host.to_str().ok()),
    };
    let origin = origin.to_str().ok().and_then(|origin| {
        let (scheme, host) = origin.split_once("://")?;
        Some((if scheme == "https" { ":443" } else { ":80" }, host))
    });
    let Some((host, (port, origin))) = host.zip(origin) else { return false };
    let host = host.strip_suffix(port).unwrap_or(host);
    !host.is_empty() && host.eq_ignore_ascii_case(origin.strip_suffix(port).unwrap_or(origin))
}

#[cfg(test)]
mod tests;
