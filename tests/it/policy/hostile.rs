//! Callers who try to get past policy, or to make it work.

use std::net::SocketAddr;

use http::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use transom::call::Dialect;

use super::calls::{self, Kind, Outcome, Request, carries, framed, outcome, request};
use super::{BUYER, Counting, PASSWORD, Place};
use crate::support::client::{Answer, Version, send};
use crate::support::stream::upload;

const PARTNERS: &str = "policies: {partners: {require: {any: [api_key: {}, basic: {}]}}}\n\
                        services: [{service: '**', policy: [partners]}]\n";

/// Headers of a request.
type Headers<'a> = &'a [(&'a str, &'a str)];

async fn echo(address: SocketAddr, target: &str, headers: &[(&str, &str)]) -> Answer {
    let all = [&[("content-type", "application/json")], headers].concat();
    send(address, Version::Http1, "POST", target, &all, json!({"string": "a"}).to_string()).await
}

#[tokio::test]
async fn what_could_be_read_in_two_ways_shows_nobody() {
    let place = Place::new();
    let backend = Counting::start();
    let gateway = place.gateway(&backend.address, PARTNERS);
    let address = gateway.address();
    let long = "x".repeat(20 << 10);
    let several = "The call offers several credentials of one kind, of which one is to be sent.";
    let invalid = "The credentials of the call are not valid.";
    let missing = "The call needs credentials.";
    let table: [(&str, Headers<'_>, &str); 18] = [
        ("/v1/echo", &[("authorization", PASSWORD), ("authorization", PASSWORD)], several),
        ("/v1/echo", &[("authorization", "Bearer x"), ("authorization", PASSWORD)], several),
        ("/v1/echo", &[("x-api-key", BUYER), ("x-api-key", BUYER)], several),
        ("/v1/echo", &[("x-api-key", BUYER), ("X-API-KEY", "other")], several),
        ("/v1/echo?api_key=buyer-key&api_key=buyer-key", &[], several),
        ("/v1/echo?api%5Fkey=buyer-key", &[("x-api-key", BUYER)], several),
        ("/v1/echo", &[("x-api-key", "buyer-key, buyer-key")], invalid),
        ("/v1/echo", &[("x-api-key", "BUYER-KEY")], invalid),
        ("/v1/echo", &[("x-api-key", "")], invalid),
        ("/v1/echo?api_key=", &[], invalid),
        ("/v1/echo?api_key=%ff", &[], invalid),
        ("/v1/echo", &[("x-api-key", &long)], invalid),
        ("/v1/echo", &[("authorization", "Basic ????")], invalid),
        ("/v1/echo", &[("authorization", "Basic")], invalid),
        ("/v1/echo", &[("authorization", "Basic bGVnYWN5")], invalid),
        ("/v1/echo", &[("authorization", "Basicx bGVnYWN5OnBhc3N3b3Jk")], missing),
        ("/v1/echo", &[("authorization", "Bearer buyer-key")], missing),
        ("/v1/echo", &[("x-api_key", BUYER), ("api-key", BUYER), ("cookie", "x-api-key=buyer-key")], missing),
    ];
    for (target, headers, text) in table {
        let answer = echo(address, target, headers).await;
        assert_eq!(answer.status, 401, "{target} {headers:?}: {answer:?}");
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with(text), "{target} {headers:?}: {message}");
        assert!(message.ends_with(
            " Send an API key in the header x-api-key or the query parameter api_key, or a name and a password by \
             HTTP Basic."
        ));
    }
    assert_eq!(backend.count(), 0);
    for (target, headers) in [
        ("/v1/echo", [("X-Api-Key", BUYER)]),
        ("/v1/echo", [("authorization", "bAsIc  bGVnYWN5OnBhc3N3b3Jk")]),
        ("/v1/echo?api_key=buyer%2Dkey&", [("x-other", "")]),
    ] {
        let answer = echo(address, target, &headers).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"string": "a"})), "{target}");
    }
    // A megabyte does not even come in.
    let answer = echo(address, "/v1/echo", &[("x-api-key", &"x".repeat(100 << 10))]).await;
    assert_eq!(answer.status, 431, "{answer:?}");
}

#[tokio::test]
async fn no_spelling_of_path_or_method_gets_past_a_policy() {
    let place = Place::new();
    let backend = Counting::start();
    let gateway = place.gateway(&backend.address, PARTNERS);
    for (verb, target, headers) in [
        ("POST", "/v1/echo/", &[][..]),
        ("POST", "//v1/echo", &[]),
        ("POST", "/v1//echo", &[]),
        ("POST", "/v1/%65cho", &[]),
        ("POST", "/V1/ECHO", &[]),
        ("POST", "/x/../v1/echo", &[]),
        ("POST", "/v1/echo;x", &[]),
        ("GET", "/v1/echo/a", &[]),
        ("HEAD", "/v1/echo/a", &[]),
        ("OPTIONS", "/v1/echo/a", &[]),
        ("POST", "/echo.v1.Echo/Echo", &[]),
        ("POST", "/echo.v1.Echo/%45cho", &[]),
        ("POST", "/v1/echo", &[("x-http-method-override", "OPTIONS")]),
        ("POST", "/v1/echo", &[("x-original-url", "/health"), ("x-rewrite-url", "/health")]),
        ("GET", "/echo.v1.Echo/Echo?connect=v1&encoding=json&message=%7B%7D", &[]),
        ("POST", "/v1/echo", &[("x-forwarded-for", "127.0.0.1"), ("forwarded", "for=127.0.0.1")]),
        ("POST", "/v1/echo", &[("connect-protocol-version", "1")]),
        ("POST", "/v1/echo", &[("origin", "http://evil.example"), ("access-control-request-method", "POST")]),
    ] {
        let body = if verb == "POST" { "{\"string\":\"a\"}" } else { "" };
        let answer = send(gateway.address(), Version::Http1, verb, target, headers, body).await;
        let refused = [400, 401, 404, 405];
        let is_refused =
            refused.contains(&answer.status.as_u16()) || (verb == "OPTIONS" && answer.status == 204);
        assert!(is_refused && backend.count() == 0, "{verb} {target} {headers:?}: {answer:?}");
    }
}

/// Who shows nothing good is answered when the head is there, whatever is to follow.
#[tokio::test]
async fn a_caller_without_credentials_costs_no_parsing() {
    let place = Place::new();
    let backend = Counting::start();
    let gateway = place.gateway(&backend.address, &format!("{PARTNERS}telemetry: {{access_log: json}}\n"));
    for dialect in Dialect::ALL {
        // SOAP names the method in its envelope, whose beginning so has to be read.
        if dialect == Dialect::Soap {
            continue;
        }
        for kind in Kind::ALL.into_iter().filter(|kind| carries(dialect, *kind)) {
            let call = request(dialect, kind);
            let refused = match call.version {
                Version::Http1 if call.verb == "GET" => continue,
                Version::Http1 => begun(gateway.address(), &call.target, &call.headers).await,
                Version::Http2 => {
                    let headers: Vec<_> =
                        call.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                    let headers = [&headers[..], &[("x-api-key", "bad")]].concat();
                    let (body, answer) =
                        upload(gateway.address(), Version::Http2, &call.target, &headers).await;
                    assert!(body.send(framed(0, &[0xff; 1000])[..100].to_vec()).await);
                    let answer = answer.await;
                    // The rest of the body is still to come.
                    let number = answer.header("grpc-status").unwrap().to_owned();
                    drop(body);
                    number == "16"
                }
            };
            assert!(refused, "{dialect} {kind:?}");
        }
    }
    assert_eq!(backend.count(), 0);
    let printed = gateway.log();
    let lines: Vec<serde_json::Value> = printed
        .lines()
        .filter(|line| line.contains("bytes_in"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(lines.iter().all(|line| line["bytes_in"] == 0), "{printed}");
}

/// What is wrong with an envelope is for who may call.
#[tokio::test]
async fn a_caller_without_credentials_learns_nothing_of_its_envelope() {
    let place = Place::new();
    let backend = Counting::start();
    let gateway = place.gateway(&backend.address, PARTNERS);
    for kind in [Kind::Unary, Kind::ServerStream] {
        let body = String::from_utf8(request(Dialect::Soap, kind).body).unwrap();
        let header = "<e:Header><x:Odd xmlns:x=\"urn:x\" e:mustUnderstand=\"1\"/></e:Header><e:Body>";
        let with_header = body.replace("<e:Body>", header);
        for (action, body, flaw) in
            [("\"urn:other/Method\"", body, "is not that of"), ("\"\"", with_header, "soap:MustUnderstand")]
        {
            let envelope = Request { body: body.into(), ..request(Dialect::Soap, kind) };
            let answer = calls::call(gateway.address(), &envelope, &[("soapaction", action)], None).await;
            assert_eq!(outcome(Dialect::Soap, kind, &answer), Outcome::Unauthenticated);
            assert!(answer.header("www-authenticate").is_some(), "{answer:?}");
            assert!(!String::from_utf8_lossy(&answer.body).contains(flaw), "{answer:?}");
            let headers = [("soapaction", action), ("x-api-key", BUYER)];
            let answer = calls::call(gateway.address(), &envelope, &headers, None).await;
            assert!(String::from_utf8_lossy(&answer.body).contains(flaw), "{answer:?}");
        }
    }
    assert_eq!(backend.count(), 0);
}

/// Sends the head of a request with 4 MiB and the beginning of what is no message, and says whether it is refused.
async fn begun(address: SocketAddr, target: &str, headers: &[(&str, String)]) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let fields: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "POST {target} HTTP/1.1\r\nhost: a\r\n{fields}x-api-key: bad\r\ncontent-length: 4194304\r\n\r\n\
         {{{{{{{{ no message"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        if text.contains("grpc-status: 16")
            || text.contains("grpc-status:16")
            || text.contains("unauthenticated")
            || text.contains("\"code\":16")
            || text.contains("<code>16<")
        {
            return true;
        }
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return false,
            Ok(length) => answer.extend_from_slice(&piece[..length]),
        }
    }
}

/// What is wrong with the head of a request is for who may call, and reaches no backend.
#[tokio::test]
async fn who_may_not_call_learns_that_before_anything_else() {
    let place = Place::new();
    let backend = Counting::start();
    let gateway = place.gateway(&backend.address, PARTNERS);
    for dialect in Dialect::ALL {
        let wrong = match dialect {
            Dialect::Rest | Dialect::Xml => &["text/csv"][..],
            Dialect::Grpc => &["application/grpc+json"],
            Dialect::GrpcWeb => &["application/grpc-web+json", "application/grpc-web+thrift"],
            Dialect::Connect => &["application/connect+xml", "application/xml"],
            // A message has to be an envelope before it says what is called, and a handshake has no content.
            Dialect::Soap | Dialect::WebSocket => continue,
        };
        for kind in Kind::ALL {
            let mut call = request(dialect, kind);
            if call.verb == "GET" {
                continue;
            }
            for wrong in wrong {
                call.headers.retain(|(name, _)| *name != "content-type");
                call.headers.push(("content-type", (*wrong).to_owned()));
                call.headers.push(("connect-protocol-version", "1".to_owned()));
                // Without a stream that could be answered, a failure of Connect is one of HTTP.
                let form = if dialect == Dialect::Connect { Kind::Unary } else { kind };
                let stranger = calls::call(gateway.address(), &call, &[], None).await;
                let name = format!("{dialect} {kind:?} {wrong}");
                assert_eq!(
                    outcome(dialect, form, &stranger),
                    Outcome::Unauthenticated,
                    "{name}: {stranger:?}"
                );
                let known = calls::call(gateway.address(), &call, &[("x-api-key", BUYER)], None).await;
                let told = format!("{:?} {}", known.headers, String::from_utf8_lossy(&known.body));
                assert_eq!(outcome(dialect, form, &known), Outcome::Other, "{name}: {known:?}");
                let is_told = ["not supported here", "so it is called with", "Messages are served as"];
                assert!(is_told.iter().any(|text| told.contains(text)), "{name}: {told}");
            }
        }
    }
    assert_eq!(backend.count(), 0);
}
