//! gRPC, gRPC-Web and Connect: what a request must be, and the form of each answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Version;
use http_body_util::BodyExt as _;

use super::*;
use crate::call::Message;

const ECHO_PATH: &str = "/echo.v1.Echo/Echo";

/// An answer with the trailers behind it.
struct Framed {
    seen: Seen,
    trailers: http::HeaderMap,
}

impl Framed {
    /// The status: in the trailers, or in the headers of an answer that has nothing else.
    fn status(&self) -> (&str, String) {
        let fields =
            if self.seen.headers.contains_key("grpc-status") { &self.seen.headers } else { &self.trailers };
        let text = |name: &str| fields.get(name).map_or("", |value| value.to_str().unwrap());
        (text("grpc-status"), text("grpc-message").to_owned())
    }
}

impl Setting {
    async fn grpc(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Framed {
        let mut all = vec![("content-type", "application/grpc"), ("te", "trailers")];
        all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
        all.extend_from_slice(headers);
        let mut request = with_body("POST", path, &all, Full::new(Bytes::copy_from_slice(body)));
        *request.version_mut() = Version::HTTP_2;
        self.framed(request).await
    }

    async fn framed(&self, request: Request<Full<Bytes>>) -> Framed {
        let (head, body) =
            self.front.answer(request, None, None, &mut crate::front::Seen::default()).await.into_parts();
        let body = body.collect().await.unwrap();
        let trailers = body.trailers().cloned().unwrap_or_default();
        let seen = Seen { status: head.status.as_u16(), headers: head.headers, body: body.to_bytes() };
        Framed { seen, trailers }
    }
}

/// Messages in envelopes.
fn framed(flags: u8, messages: &[&[u8]]) -> Vec<u8> {
    let mut data = Vec::new();
    for message in messages {
        data.push(flags);
        data.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        data.extend_from_slice(message);
    }
    data
}

#[tokio::test]
async fn grpc_passes_messages_as_they_are() {
    let setting = Setting::new();
    let headers = [
        ("x-custom", "1"),
        ("x-custom-bin", "AQI"),
        ("grpc-timeout", "5S"),
        ("grpc-encoding", "gzip"),
        ("grpc-accept-encoding", "gzip,br"),
        ("connection", "x-hop"),
        ("x-hop", "1"),
    ];
    // Bytes that are no protobuf.
    let answer = setting.grpc(ECHO_PATH, &headers, &framed(0, &[b"\xff\xff"])).await;
    assert_eq!(answer.seen.status, 200);
    assert_eq!(answer.seen.header("content-type"), Some("application/grpc"));
    assert_eq!((&*answer.seen.body, answer.status().0), (&*framed(0, &[b"\xff\xff"]), "0"));
    let call = setting.call();
    assert_eq!((call.origin.dialect, &*call.origin.route), (Dialect::Grpc, ECHO_PATH));
    let names: Vec<_> = call.metadata.keys().map(http::HeaderName::as_str).collect();
    assert_eq!(names, ["x-custom", "x-custom-bin"]);
    let left = call.deadline.unwrap() - Instant::now();
    assert!(left > 4 * SECOND && left <= 5 * SECOND, "{left:?}");
    assert_eq!(call.encodings.request.unwrap(), "gzip");
    assert_eq!(call.encodings.accepted.unwrap(), "gzip,br");
}

#[tokio::test]
async fn grpc_answers_carry_metadata_in_front_and_behind() {
    let mut reply = ok(Bytes::new());
    reply.message = Message { bytes: Bytes::from_static(b"zip"), compressed: true };
    for (name, value) in [("grpc-encoding", "gzip"), ("x-initial", "1"), ("grpc-other", "no")] {
        reply.metadata.insert(name, value.parse().unwrap());
    }
    reply.trailers.insert("x-trailing", "2".parse().unwrap());
    let setting = Setting::replying(reply, &EndpointOptions::default());
    let answer = setting.grpc(ECHO_PATH, &[], &framed(0, &[b""])).await;
    assert_eq!(&*answer.seen.body, framed(1, &[b"zip"]));
    let headers: Vec<_> = answer.seen.headers.keys().map(http::HeaderName::as_str).collect();
    assert_eq!(headers, ["grpc-encoding", "x-initial", "content-type"]);
    let trailers: Vec<_> = answer.trailers.keys().map(http::HeaderName::as_str).collect();
    assert_eq!(trailers, ["grpc-status", "x-trailing"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_grpc_request_is_its_status() {
    let one = framed(0, &[b""]);
    let long = framed(0, &[&[0; 4001]]);
    let not_one = |what: &str| format!("The method takes exactly one message, but {what}.");
    let not_valid = |what: &str| format!("The request is not valid: {what}.");
    let timeout = "The header grpc-timeout is not valid: at most eight digits and a unit of H, M, S, m, u or n are \
                   needed, such as 500m.";
    let json = "Messages are served as application/grpc+proto, not as application/grpc+json.";
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [u8], &'a str, String);
    let table: [Case<'_>; 16] = [
        (
            "/echo.v1.Echo/Nothing",
            &[],
            &one,
            "12",
            "There is no method /echo.v1.Echo/Nothing for gRPC.".into(),
        ),
        ("/", &[], &one, "12", "There is no method / for gRPC.".into()),
        (ECHO_PATH, &[("content-type", "application/grpc+json")], &one, "12", json.into()),
        (ECHO_PATH, &[], b"", "12", not_one("none came")),
        (ECHO_PATH, &[], &[one.clone(), one.clone()].concat(), "12", not_one("more than one came")),
        (ECHO_PATH, &[], b"\0\0\0\0\x02a", "3", not_valid("the data ends in the middle of a message")),
        (ECHO_PATH, &[], b"\0\0\0", "3", not_valid("the data ends in the middle of a message")),
        (ECHO_PATH, &[], b"\x02\0\0\0\0", "3", not_valid("a message has the unknown frame flags 2")),
        (ECHO_PATH, &[], b"\x80\0\0\0\0", "3", not_valid("a message has the unknown frame flags 128")),
        (
            ECHO_PATH,
            &[],
            b"\0\xff\xff\xff\xff",
            "8",
            not_valid("a message of 4294967295 bytes is larger than the limit of 4000 bytes"),
        ),
        (
            ECHO_PATH,
            &[],
            &long,
            "8",
            not_valid("a message of 4001 bytes is larger than the limit of 4000 bytes"),
        ),
        (
            ECHO_PATH,
            &[],
            b"\x01\0\0\0\0",
            "13",
            "A message is marked as compressed, but the header grpc-encoding does not say how.".into(),
        ),
        (ECHO_PATH, &[("grpc-timeout", "123456789S")], &one, "3", timeout.into()),
        (ECHO_PATH, &[("grpc-timeout", "-1S")], &one, "3", timeout.into()),
        (ECHO_PATH, &[("grpc-timeout", "1x")], &one, "3", timeout.into()),
        (
            ECHO_PATH,
            &[("x-bin", "!")],
            &one,
            "3",
            "The header x-bin is not valid: names that end in -bin carry base64.".into(),
        ),
    ];
    for (path, headers, body, code, message) in table {
        let setting = Setting::new();
        let answer = setting.grpc(path, headers, body).await;
        assert_eq!(answer.status(), (code, message.clone()), "{path} {headers:?} {body:?}");
        assert_eq!((answer.seen.status, answer.seen.body.len()), (200, 0), "{message}");
        assert_eq!(answer.seen.header("content-type"), Some("application/grpc"), "{message}");
        assert!(!setting.was_called(), "{message}");
    }
    // `te` says what is between client and server, and what carries the trailers knows that itself.
    let setting = Setting::new();
    let mut request = with_body("POST", ECHO_PATH, &[("content-type", "application/grpc")], Full::from(one));
    *request.version_mut() = Version::HTTP_2;
    assert_eq!(setting.framed(request).await.status().0, "0");
}

#[tokio::test]
async fn grpc_needs_post_and_http_2() {
    let setting = Setting::new();
    let grpc = [("content-type", "application/grpc")];
    let answer = setting.send(request("POST", ECHO_PATH, &grpc, "")).await;
    let text = "gRPC needs HTTP/2. Over HTTP/1.1, gRPC-Web, Connect and REST reach the same methods.";
    answer.is_error(505, 12, text);
    let mut get = request("GET", ECHO_PATH, &grpc, "");
    *get.version_mut() = Version::HTTP_2;
    let answer = setting.framed(get).await;
    assert_eq!(answer.status(), ("12", "gRPC calls are sent with POST, not with GET.".into()));
    assert_eq!((answer.seen.status, answer.seen.header("allow")), (405, Some("POST")));
}

#[tokio::test]
async fn a_method_speaks_only_what_its_service_offers() {
    let setting = Setting::new();
    let snapshot = setting.front.handle.load();
    let own = &snapshot.surface.methods["echo.v1.Echo/Echo"];
    assert!(own.endpoint.speaks(Dialect::Grpc) && own.endpoint.speaks(Dialect::Connect));

    let only_rest = Setting::speaking(&[Dialect::Rest]);
    let text = |dialect: &str| format!("There is no method {ECHO_PATH} for {dialect}.");
    let answer = only_rest.grpc(ECHO_PATH, &[], &framed(0, &[b""])).await;
    assert_eq!(answer.status(), ("12", text("gRPC")));
    let web = [("content-type", "application/grpc-web")];
    let answer = only_rest.send(request("POST", ECHO_PATH, &web, "")).await;
    assert!(String::from_utf8_lossy(&answer.body).contains(&text("gRPC-Web")), "{answer:?}");
    let connect = [("connect-protocol-version", "1"), ("content-type", "application/json")];
    let answer = only_rest.send(request("POST", ECHO_PATH, &connect, "{}")).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.json(), json!({"code": "unimplemented", "message": text("Connect")}));
}

#[tokio::test]
async fn grpc_web_ends_with_trailers_in_the_body() {
    let trailers = |text: &str| framed(0x80, &[text.as_bytes()]);
    let message = framed(0, &[b"\x72\x01a"]);
    for (kind, is_text) in [("application/grpc-web+proto", false), ("application/grpc-web-text", true)] {
        let written = |data: &[u8]| if is_text { STANDARD.encode(data).into_bytes() } else { data.to_vec() };
        let send = async |setting: &Setting, path: &str, body: &[u8]| {
            let headers = [("content-type", kind), ("x-grpc-web", "1"), ("sec-fetch-mode", "cors")];
            setting.send(with_body("POST", path, &headers, Full::from(body.to_vec()))).await
        };
        let setting = Setting::new();
        let answer = send(&setting, ECHO_PATH, &written(&message)).await;
        let expected: &str =
            if is_text { "application/grpc-web-text+proto" } else { "application/grpc-web+proto" };
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(expected)));
        let body = if is_text { decoded(&answer.body) } else { answer.body.to_vec() };
        assert_eq!(body, [message.clone(), trailers("grpc-status: 0\r\n")].concat());
        assert!(setting.call().metadata.is_empty());

        let status = Status::backend(Code::NotFound, "gone\r\ngrpc-status: 0");
        let setting = Setting::replying(Reply::from(status), &EndpointOptions::default());
        let answer = send(&setting, ECHO_PATH, &written(&message)).await;
        let body = if is_text { decoded(&answer.body) } else { answer.body.to_vec() };
        let expected = "grpc-status: 5\r\ngrpc-message: gone%0D%0Agrpc-status: 0\r\n";
        assert_eq!((answer.status, body), (200, trailers(expected)));

        // Trailers in a request, in any place.
        let setting = Setting::new();
        let answer =
            send(&setting, ECHO_PATH, &written(&[trailers("a: b\r\n"), message.clone()].concat())).await;
        let body = if is_text { decoded(&answer.body) } else { answer.body.to_vec() };
        let expected = "grpc-status: 3\r\ngrpc-message: The request is not valid: a message has the unknown frame \
                        flags 128.\r\n";
        assert_eq!(String::from_utf8_lossy(&body[5..]), expected);
        assert!(!setting.was_called());
    }
    let setting = Setting::new();
    let text = [("content-type", "application/grpc-web-text")];
    let answer = setting.send(request("POST", ECHO_PATH, &text, "AAAA*")).await;
    let expected = "grpc-status: 3\r\ngrpc-message: The request is not valid: its body is not base64, as its type \
                    says.\r\n";
    assert_eq!(decoded(&answer.body), trailers(expected));
    let answer = setting.send(request("PUT", ECHO_PATH, &text, "")).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
}

/// Base64 in pieces that may each be padded.
fn decoded(text: &[u8]) -> Vec<u8> {
    let groups = text.chunks(4).map(|group| STANDARD.decode(group).unwrap());
    groups.flatten().collect()
}

#[tokio::test]
async fn connect_without_streams_is_plain_http() {
    for headers in [
        &[("content-type", "application/json")][..],
        &[("content-type", "application/json; charset=utf-8"), ("connect-protocol-version", "1")],
        &[],
    ] {
        let setting = Setting::new();
        let answer = setting.send(request("POST", ECHO_PATH, headers, r#"{"string":"a"}"#)).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"string": "a"})), "{headers:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(setting.call().origin.dialect, Dialect::Connect);
    }
    let setting = Setting::new();
    let proto = [("content-type", "application/proto"), ("connect-timeout-ms", "5000")];
    let answer = setting.send(request("POST", ECHO_PATH, &proto, "\x72\x01a")).await;
    assert_eq!((answer.status, &*answer.body), (200, &b"\x72\x01a"[..]));
    assert!(setting.call().deadline.is_some());

    let detail = crate::status::details::bad_request(Vec::new());
    let mut reply = Reply::from(Status::backend(Code::Cancelled, "left").with_detail(detail));
    reply.trailers.insert("x-rows", "3".parse().unwrap());
    let setting = Setting::replying(reply, &EndpointOptions::default());
    let answer = setting.send(request("POST", ECHO_PATH, &[], "{}")).await;
    let details = json!([{"type": "google.rpc.BadRequest", "value": "", "debug": {}}]);
    assert_eq!(
        (answer.status, answer.json()),
        (499, json!({"code": "canceled", "message": "left", "details": details}))
    );
    assert_eq!(answer.header("trailer-x-rows"), Some("3"));
}

#[tokio::test]
async fn what_is_wrong_with_a_connect_request_is_an_http_status() {
    let version = "The header connect-protocol-version is not valid: the only version is 1.";
    let kind =
        "The content type \"text/plain\" is not supported here. Send application/json or application/proto.";
    let streams = "The method streams, so it is called with the content type application/connect+json or \
                   application/connect+proto.";
    let alone = "The method does not stream, so it is called with the content type application/json or \
                 application/proto.";
    let other =
        "The content type is not supported here. Send application/connect+json or application/connect+proto.";
    let large = "The request body is too large: at most 1000 bytes are accepted.";
    let v1 = ("connect-protocol-version", "1");
    let long = format!(r#"{{"string":"{}"}}"#, "x".repeat(1000));
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, u16, &'a str, &'a str);
    let table: [Case<'_>; 9] = [
        ("POST", ECHO_PATH, &[("connect-protocol-version", "2")], "{}", 400, "invalid_argument", version),
        ("POST", ECHO_PATH, &[v1, ("content-type", "text/plain")], "{}", 415, "invalid_argument", kind),
        ("POST", "/echo.v1.Echo/Watch", &[v1], "{}", 415, "invalid_argument", streams),
        ("POST", ECHO_PATH, &[("content-type", "application/connect+json")], "", 415, "unimplemented", alone),
        (
            "POST",
            "/echo.v1.Echo/Watch",
            &[("content-type", "application/connect+xml")],
            "",
            415,
            "unimplemented",
            other,
        ),
        ("POST", ECHO_PATH, &[v1], &long, 413, "resource_exhausted", large),
        (
            "PUT",
            ECHO_PATH,
            &[v1],
            "{}",
            405,
            "unimplemented",
            "The method is called with POST, not with PUT.",
        ),
        (
            "GET",
            "/echo.v1.Echo/Echo?connect=v1&encoding=json&message=%7B%7D",
            &[],
            "",
            405,
            "unimplemented",
            "The method is called with POST, not with GET.",
        ),
        (
            "PUT",
            "/echo.v1.Echo/Watch",
            &[("content-type", "application/connect+json")],
            "",
            405,
            "unimplemented",
            "Streams are called with POST, not with PUT.",
        ),
    ];
    for (verb, path, headers, body, status, code, message) in table {
        let setting = Setting::new();
        let answer = setting.send(request(verb, path, headers, body)).await;
        let body = json!({"code": code, "message": message});
        assert_eq!((answer.status, answer.json()), (status, body), "{verb} {path} {headers:?}");
        assert!(!setting.was_called());
    }
    let setting = Setting::new();
    let answer = setting.send(request("POST", ECHO_PATH, &[v1], r#"{"int32":"x"}"#)).await;
    assert_eq!((answer.status, &answer.json()["code"]), (400, &json!("invalid_argument")));
    assert_eq!(answer.json()["details"][0]["debug"]["fieldViolations"][0]["field"], "int32");
}

#[tokio::test]
async fn connect_streams_end_with_an_envelope_of_their_own() {
    let headers = [("content-type", "application/connect+json")];
    let body = [framed(0, &[br#"{"string":"a"}"#, b"{}"]), framed(2, &[b"{}"])].concat();
    let setting = Setting::new();
    let request = with_body("POST", "/echo.v1.Echo/Gather", &headers, Full::from(body.clone()));
    let answer = setting.send(request).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/connect+json")));
    let expected = [framed(0, &[br#"{"string":"a"}"#]), framed(2, &[b"{}"])].concat();
    assert_eq!(String::from_utf8_lossy(&answer.body), String::from_utf8_lossy(&expected));

    let mut reply = Reply::from(Status::backend(Code::NotFound, "gone"));
    reply.trailers.insert("x-rows", "3".parse().unwrap());
    let setting = Setting::replying(reply, &EndpointOptions::default());
    let request = with_body("POST", "/echo.v1.Echo/Gather", &headers, Full::from(body));
    let answer = setting.send(request).await;
    let end = br#"{"error":{"code":"not_found","message":"gone"},"metadata":{"x-rows":["3"]}}"#;
    assert_eq!(String::from_utf8_lossy(&answer.body), String::from_utf8_lossy(&framed(2, &[end])));

    let message = |text: &str| format!(r#"{{"error":{{"code":"invalid_argument","message":"{text}"}}}}"#);
    let flags = "Message 1 of the stream: A message is marked as compressed, but the header connect-content-encoding \
                 does not say how.";
    for (body, expected) in [
        (framed(1, &[b"{}"]), message(flags)),
        (framed(4, &[b"{}"]), message("The request is not valid: a message has the unknown frame flags 4.")),
        (
            b"\0\0\0\0\x09{}".to_vec(),
            message("The request is not valid: the data ends in the middle of a message."),
        ),
    ] {
        let setting = Setting::new();
        let request = with_body("POST", "/echo.v1.Echo/Gather", &headers, Full::from(body));
        let answer = setting.send(request).await;
        assert_eq!(String::from_utf8_lossy(&answer.body[5..]), expected);
        assert!(!setting.was_called());
    }
}

#[tokio::test]
async fn origins_are_compared_exactly() {
    let cors = crate::snapshot::Cors {
        origins: ["https://shop.example"].map(HeaderValue::from_static).into(),
        credentials: true,
        max_age: 600 * SECOND,
        ..Default::default()
    };
    let options = EndpointOptions { cors: Some(Arc::new(cors)), ..EndpointOptions::default() };
    let ask = |verb, origin| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "content-type, x-custom"),
        ];
        request(verb, ECHO_PATH, &headers, "{}")
    };
    let names = ["access-control-allow-origin", "access-control-allow-credentials"];
    let said = |answer: &Seen| names.map(|name| answer.header(name).map(str::to_owned));
    let allowed = [Some("https://shop.example".to_owned()), Some("true".to_owned())];

    let setting = Setting::with(&options, false);
    let answer = setting.send(ask("OPTIONS", "https://shop.example")).await;
    assert_eq!((answer.status, said(&answer)), (204, allowed.clone()));
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("content-type, x-custom"));
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
    assert!(!setting.was_called());
    let answer = setting.send(ask("POST", "https://shop.example")).await;
    assert_eq!((answer.status, said(&answer)), (200, allowed));
    assert_eq!(answer.header("vary"), Some("origin"));

    for origin in ["https://Shop.example", "https://shop.example:443", "http://shop.example", "null", "*"] {
        let answer = setting.send(ask("OPTIONS", origin)).await;
        assert_eq!((answer.status, said(&answer)), (204, [None, None]), "{origin}");
        assert_eq!(answer.header("access-control-allow-methods"), None);
        let answer = setting.send(ask("POST", origin)).await;
        assert_eq!((answer.status, said(&answer)), (200, [None, None]), "{origin}");
    }
    // A cache must not give an origin what nobody asked with one for.
    let answer = setting.send(request("POST", ECHO_PATH, &[], "{}")).await;
    assert_eq!((answer.status, answer.header("vary"), said(&answer)), (200, Some("origin"), [None, None]));
    // A script reads refusals too.
    let headers = [("origin", "https://shop.example"), ("content-type", "application/connect+xml")];
    let answer = setting.send(request("POST", "/echo.v1.Echo/Watch", &headers, "")).await;
    assert_eq!((answer.status, said(&answer)[0].as_deref()), (415, Some("https://shop.example")));
    // Without the setting, no word of it.
    let setting = Setting::new();
    for verb in ["OPTIONS", "POST"] {
        let answer = setting.send(ask(verb, "https://shop.example")).await;
        assert!(
            !answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn what_was_found_wrong_before_is_told_in_the_form_of_each_dialect() {
    let text = "Nothing is accepted.";
    let found = |path: &str, content_type: &str, body: &[u8]| {
        let headers = [("content-type", content_type), ("te", "trailers")];
        let mut request = with_body("POST", path, &headers, Full::new(Bytes::copy_from_slice(body)));
        *request.version_mut() = Version::HTTP_2;
        request.extensions_mut().insert(Status::caller(Code::InvalidArgument, text).with_http(406));
        request
    };
    let one = framed(0, &[b""]);
    for path in [ECHO_PATH, "/echo.v1.Echo/Watch", "/echo.v1.Echo/Gather"] {
        let setting = Setting::new();
        let answer = setting.framed(found(path, "application/grpc", &one)).await;
        assert_eq!((answer.seen.status, answer.status()), (200, ("3", text.into())), "{path}");
        let answer = setting.send(found(path, "application/grpc-web", &one)).await;
        let body = String::from_utf8_lossy(&answer.body);
        assert!(body.contains("grpc-status: 3\r\n"), "{path}: {body}");
        assert!(!setting.was_called(), "{path}");
    }
    let setting = Setting::new();
    let answer = setting.send(found(ECHO_PATH, "application/proto", b"")).await;
    let told = json!({"code": "invalid_argument", "message": text});
    assert_eq!((answer.status, answer.json()), (406, told.clone()));
    let answer =
        setting.send(found("/echo.v1.Echo/Watch", "application/connect+json", &framed(0, &[b"{}"]))).await;
    assert_eq!((answer.status, answer.body[0]), (200, 2));
    assert_eq!(serde_json::from_slice::<Value>(&answer.body[5..]).unwrap()["error"], told);
    assert!(!setting.was_called());
    // Who may not call learns that, and no more.
    let refusing = Setting::with(&EndpointOptions::default(), true);
    assert_eq!(refusing.send(found(ECHO_PATH, "application/proto", b"")).await.status, 403);
}
