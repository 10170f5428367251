//! A call of each kind in each dialect, and what becomes of it.

use std::net::SocketAddr;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
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
    ResourceExhausted,
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
pub(super) fn carries(dialect: Dialect, kind: Kind) -> bool {
    match dialect {
        Dialect::Rest
        | Dialect::Xml
        | Dialect::Grpc
        | Dialect::GrpcWeb
        | Dialect::Connect
        | Dialect::WebSocket => true,
        Dialect::Soap => matches!(kind, Kind::Unary | Kind::ServerStream),
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
        Dialect::Xml => {
            let mut request = request(Dialect::Rest, kind);
            request.headers.push(("accept", "application/xml".to_owned()));
            request
        }
        Dialect::Soap => {
            let (service, method, content) = match kind {
                Kind::Unary => ("echo.v1.Echo", "Echo", "<string>a</string>"),
                _ => ("echo.v1.Streams", "Watch", "<id>w</id>"),
            };
            let envelope = format!(
                "<e:Envelope xmlns:e=\"http://schemas.xmlsoap.org/soap/envelope/\"><e:Body>\
                 <{method} xmlns=\"urn:{service}\">{content}</{method}></e:Body></e:Envelope>"
            );
            let request = post(Version::Http1, "text/xml; charset=utf-8", envelope.into());
            Request { target: format!("/soap/{service}"), ..request }
        }
        // What is to be sent on the socket.
        Dialect::WebSocket => Request {
            version: Version::Http1,
            verb: "GET",
            target: format!("/ws{}", kind.path()),
            headers: vec![("upgrade", "websocket".to_owned())],
            body: match kind {
                Kind::Unary => r#"{"string":"a"}"#.into(),
                Kind::ServerStream => r#"{"id":"w","count":1}"#.into(),
                Kind::ClientStream | Kind::BothStreams => r#"{"text":"a"}"#.into(),
            },
        },
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
pub(super) fn last_frame(mut body: &[u8]) -> Option<(u8, &[u8])> {
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
    let mark = if request.target.contains('?') { '&' } else { '?' };
    let target =
        query.map_or_else(|| request.target.clone(), |query| format!("{}{mark}{query}", request.target));
    if request.headers.iter().any(|(name, _)| *name == "upgrade") {
        return talk(address, &target, headers, &request.body).await;
    }
    let own = request.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let all: Vec<_> = own.chain(headers.iter().copied()).collect();
    send(address, request.version, request.verb, &target, &all, request.body.clone()).await
}

/// Sends one message on a new socket and reads to its end: its last message stands for the body. What is answered in
/// place of a socket is as it is.
async fn talk(address: SocketAddr, target: &str, headers: &[(&str, &str)], message: &[u8]) -> Answer {
    let mut request = format!("ws://{address}{target}").into_client_request().unwrap();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    let answer = |response: Response<Option<Vec<u8>>>, body: Bytes| {
        let (head, _) = response.into_parts();
        Answer { status: head.status, headers: head.headers, body, trailers: HeaderMap::new() }
    };
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut socket, response) = match client_async(request, stream).await {
        Ok(opened) => opened,
        Err(Error::Http(mut response)) => {
            let body = response.body_mut().take().unwrap_or_default().into();
            return answer(*response, body);
        }
        Err(error) => panic!("{target}: {error}"),
    };
    for text in [str::from_utf8(message).unwrap(), ""] {
        socket.send(Message::text(text)).await.unwrap();
    }
    let mut last = Bytes::new();
    while let Some(Ok(message)) = socket.next().await {
        match message {
            Message::Text(text) => last = text.into(),
            Message::Close(frame) => assert_eq!(frame.map(|frame| frame.code.into()), Some(1000_u16)),
            _ => {}
        }
    }
    answer(response, last)
}

/// The code in an error that is written in XML.
pub(super) fn code_in_xml(answer: &Answer) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let (_, rest) = text.split_once("<code>").unwrap_or_else(|| panic!("{text}"));
    rest.split_once("</code>").unwrap().0.to_owned()
}

/// How a call ended, by the form of its dialect alone: whatever else is in the answer is a failure of the test.
pub(super) fn outcome(dialect: Dialect, kind: Kind, answer: &Answer) -> Outcome {
    let of_number = |number: &str| match number {
        "16" => Outcome::Unauthenticated,
        "7" => Outcome::PermissionDenied,
        "8" => Outcome::ResourceExhausted,
        _ => Outcome::Other,
    };
    let of_name = |name: &str| match name {
        "unauthenticated" => Outcome::Unauthenticated,
        "permission_denied" => Outcome::PermissionDenied,
        "resource_exhausted" => Outcome::ResourceExhausted,
        _ => Outcome::Other,
    };
    // The HTTP forms say how a caller may show who it is, and only where that is the matter.
    let in_http = |outcome: Outcome| {
        let status = match outcome {
            Outcome::Answered => 200,
            Outcome::Unauthenticated => 401,
            Outcome::PermissionDenied => 403,
            Outcome::ResourceExhausted => 429,
            Outcome::Other => return outcome,
        };
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401, "{answer:?}");
        outcome
    };
    match dialect {
        Dialect::Rest | Dialect::Xml if answer.status == 200 => in_http(Outcome::Answered),
        Dialect::Xml => {
            assert_eq!(answer.header("content-type"), Some("application/xml"));
            in_http(of_number(&code_in_xml(answer)))
        }
        Dialect::Soap => {
            assert_eq!(answer.header("content-type"), Some("text/xml; charset=utf-8"));
            if answer.status == 200 {
                return Outcome::Answered;
            }
            assert_eq!(answer.status, 500, "{answer:?}");
            of_number(&code_in_xml(answer))
        }
        Dialect::WebSocket if answer.status == 101 => {
            if answer.body.is_empty() {
                Outcome::Other
            } else {
                Outcome::Answered
            }
        }
        Dialect::Rest | Dialect::WebSocket => {
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
