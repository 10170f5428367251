//! A call of each kind in each dialect, and what becomes of it.

use std::net::SocketAddr;

use serde_json::Value;
use transom::call::Dialect;

use crate::support::client::{Answer, Version, send};

/// A kind of method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unary,
    ServerStream,
    ClientStream,
    BothStreams,
}

impl Kind {
    pub(super) const ALL: [Self; 4] =
        [Self::Unary, Self::ServerStream, Self::ClientStream, Self::BothStreams];

    fn path(self) -> &'static str {
        match self {
            Self::Unary => "/echo.v1.Echo/Echo",
            Self::ServerStream => "/echo.v1.Streams/Watch",
            Self::ClientStream => "/echo.v1.Streams/Gather",
            Self::BothStreams => "/echo.v1.Streams/Chat",
        }
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered,
    Unauthenticated,
    PermissionDenied,
    Other,
}

/// A request without its credentials.
pub(super) struct Request {
    pub(super) version: Version,
    pub(super) verb: &'static str,
    pub(super) target: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// Whether a dialect carries calls of a kind. A new dialect has to say so.
pub(super) fn carries(dialect: Dialect, _: Kind) -> bool {
    match dialect {
        Dialect::Rest | Dialect::Grpc | Dialect::GrpcWeb | Dialect::Connect => true,
    }
}

/// A call as a client of the dialect sends it.
pub(super) fn request(dialect: Dialect, kind: Kind) -> Request {
    // `text` or `string` "a" of the messages.
    let wire: &[u8] = match kind {
        Kind::Unary => &[0x72, 1, b'a'],
        Kind::ServerStream => &[0x0a, 1, b'w'],
        Kind::ClientStream | Kind::BothStreams => &[0x1a, 1, b'a'],
    };
    let post = |version, content_type: &str, body: Vec<u8>| Request {
        version,
        verb: "POST",
        target: kind.path().to_owned(),
        headers: vec![("content-type", content_type.to_owned())],
        body,
    };
    match dialect {
        Dialect::Rest => {
            let (verb, target, content_type, body) = match kind {
                Kind::Unary => ("POST", "/v1/echo", "application/json", r#"{"string":"a"}"#),
                Kind::ServerStream => ("GET", "/v1/watch/w?count=1", "application/json", ""),
                Kind::ClientStream => ("POST", "/v1/gather/g", "application/x-ndjson", "{\"text\":\"a\"}\n"),
                Kind::BothStreams => ("POST", "/v1/chat/c", "application/x-ndjson", "{\"text\":\"a\"}\n"),
            };
            let request = post(Version::Http1, content_type, body.into());
            Request { verb, target: target.to_owned(), ..request }
        }
        Dialect::Grpc => {
            let mut request = post(Version::Http2, "application/grpc", framed(0, wire));
            request.headers.push(("te", "trailers".to_owned()));
            request
        }
        Dialect::GrpcWeb => post(Version::Http1, "application/grpc-web+proto", framed(0, wire)),
        Dialect::Connect if kind == Kind::Unary => post(Version::Http1, "application/proto", wire.to_vec()),
        Dialect::Connect => {
            post(Version::Http1, "application/connect+proto", [framed(0, wire), framed(2, b"{}")].concat())
        }
    }
}

/// A message behind its five bytes.
pub(super) fn framed(flags: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&[flags], &length[..], bytes].concat()
}

/// The last of the messages in a body, with its flags.
fn last_frame(mut body: &[u8]) -> Option<(u8, &[u8])> {
    let mut last = None;
    while let Some((prefix, rest)) = body.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        let (message, rest) = rest.split_at_checked(length)?;
        (last, body) = (Some((prefix[0], message)), rest);
    }
    last.filter(|_| body.is_empty())
}

/// Sends a request with these headers and this in its query.
pub(super) async fn call(
    address: SocketAddr,
    request: &Request,
    headers: &[(&str, &str)],
    query: Option<&str>,
) -> Answer {
    let own = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let all: Vec<_> = own.chain(headers.iter().copied()).collect();
    let mark = if request.target.contains('?') { '&' } else { '?' };
    let target =
        query.map_or_else(|| request.target.clone(), |query| format!("{}{mark}{query}", request.target));
    send(address, request.version, request.verb, &target, &all, request.body.clone()).await
}

/// How a call ended, by the form of its dialect alone: whatever else is in the answer is a failure of the test.
pub(super) fn outcome(dialect: Dialect, kind: Kind, answer: &Answer) -> Outcome {
    let of_number = |number: &str| match number {
        "16" => Outcome::Unauthenticated,
        "7" => Outcome::PermissionDenied,
        _ => Outcome::Other,
    };
    let of_name = |name: &str| match name {
        "unauthenticated" => Outcome::Unauthenticated,
        "permission_denied" => Outcome::PermissionDenied,
        _ => Outcome::Other,
    };
    // The HTTP forms say how a caller may show who it is, and only where that is the matter.
    let in_http = |outcome: Outcome| {
        let status = match outcome {
            Outcome::Answered => 200,
            Outcome::Unauthenticated => 401,
            Outcome::PermissionDenied => 403,
            Outcome::Other => return outcome,
        };
        assert_eq!(answer.status, status, "{answer:?}");
        let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
        assert_eq!(challenges.len(), if status == 401 { 2 } else { 0 }, "{answer:?}");
        outcome
    };
    match dialect {
        Dialect::Rest if answer.status == 200 => in_http(Outcome::Answered),
        Dialect::Rest => {
            let code = answer.json()["code"].to_string();
            in_http(of_number(&code))
        }
        Dialect::Grpc => {
            assert_eq!(
                (answer.status.as_u16(), answer.header("content-type")),
                (200, Some("application/grpc"))
            );
            match answer.header("grpc-status") {
                // It comes behind the messages.
                None if last_frame(&answer.body).is_some() => Outcome::Answered,
                None => Outcome::Other,
                Some(number) => {
                    assert!(answer.body.is_empty(), "{answer:?}");
                    of_number(number)
                }
            }
        }
        Dialect::GrpcWeb => {
            assert_eq!(answer.status, 200, "{answer:?}");
            let Some((0x80, trailers)) = last_frame(&answer.body) else { return Outcome::Other };
            let trailers = std::str::from_utf8(trailers).unwrap();
            let number =
                trailers.split("\r\n").find_map(|line| line.strip_prefix("grpc-status:")).unwrap().trim();
            if number == "0" { Outcome::Answered } else { of_number(number) }
        }
        Dialect::Connect if kind == Kind::Unary => match answer.status.as_u16() {
            200 => in_http(Outcome::Answered),
            _ => in_http(of_name(answer.json()["code"].as_str().unwrap())),
        },
        Dialect::Connect => {
            assert_eq!(answer.status, 200, "{answer:?}");
            let Some((2, end)) = last_frame(&answer.body) else { return Outcome::Other };
            let end: Value = serde_json::from_slice(end).unwrap();
            end.get("error").map_or(Outcome::Answered, |error| of_name(error["code"].as_str().unwrap()))
        }
    }
}
