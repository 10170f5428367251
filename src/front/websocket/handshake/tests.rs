use std::collections::HashSet;

use http::Request;

use super::*;

/// The handshake of RFC 6455 section 1.3, with changes: a value of none removes a header.
fn head(changes: &[(&'static str, Option<&'static str>)]) -> Head {
    let mut request = Request::get("/chat?a=1").body(()).unwrap();
    let headers = request.headers_mut();
    for (name, value) in [
        ("host", "server.example.com"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-version", "13"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in changes {
        headers.remove(*name);
        if let Some(value) = value {
            headers.append(*name, HeaderValue::from_static(value));
        }
    }
    request.into_parts().0.into()
}

#[test]
fn the_example_of_the_specification() {
    let head = head(&[]);
    assert!(is_asked(&head));
    let agreed = check(&head).unwrap();
    assert_eq!(agreed.headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_eq!(agreed.headers["upgrade"], "websocket");
    assert_eq!(agreed.headers["connection"], "Upgrade");
    assert!(!agreed.headers.contains_key("sec-websocket-protocol"));
    assert_eq!((agreed.form, agreed.bearer), (Form::Json, None));
}

#[test]
fn who_asks_for_a_socket_is_known() {
    for (changes, expected) in [
        (&[("upgrade", Some("WebSocket"))][..], true),
        (&[("connection", Some("keep-alive, UPGRADE"))], true),
        (&[("upgrade", Some("h2c, websocket"))], true),
        // Wrong, but meant so.
        (&[("connection", None)], true),
        (&[("upgrade", None)], false),
        (&[("upgrade", Some("h2c"))], false),
        (&[("connection", None), ("sec-websocket-key", None)], false),
    ] {
        assert_eq!(is_asked(&head(changes)), expected, "{changes:?}");
    }
    let mut http10 = head(&[]);
    http10.version = Version::HTTP_10;
    assert!(!is_asked(&http10));
    let mut connect = head(&[("upgrade", None), ("connection", None), ("sec-websocket-key", None)]);
    connect.method = Method::CONNECT;
    assert!(!is_asked(&connect));
    connect.extensions.insert(Protocol::from_static("websocket"));
    assert!(is_asked(&connect));
    let agreed = check(&connect).unwrap();
    assert!(agreed.headers.is_empty(), "HTTP/2 has neither key nor upgrade: {agreed:?}");
}

#[test]
fn wrong_handshakes_are_refused() {
    let key = "The WebSocket handshake must have one Sec-WebSocket-Key, which is 16 bytes in base64.";
    let version = "The WebSocket handshake must have `Sec-WebSocket-Version: 13` once.";
    let body = "The WebSocket handshake has a body. Send messages once the socket is open.";
    let table = [
        (("sec-websocket-key", None), 400, key),
        (("sec-websocket-key", Some("")), 400, key),
        (("sec-websocket-key", Some("dGhlIHNhbXBsZSBub25jZQ")), 400, key),
        (("sec-websocket-key", Some("c2hvcnQ=")), 400, key),
        (("sec-websocket-key", Some("!!!!IHNhbXBsZSBub25jZQ==")), 400, key),
        (("sec-websocket-version", None), 426, version),
        (("sec-websocket-version", Some("8")), 426, version),
        (("sec-websocket-version", Some("13, 8")), 426, version),
        (("content-length", Some("1")), 400, body),
        (("transfer-encoding", Some("chunked")), 400, body),
        (
            ("connection", Some("close")),
            400,
            "The WebSocket handshake has no `Connection: Upgrade`. If there is a proxy in front, let it pass the headers \
             Connection and Upgrade on.",
        ),
    ];
    for (change, http, text) in table {
        let refused = check(&head(&[change])).unwrap_err();
        assert_eq!((refused.status.http(), refused.status.message()), (http, text), "{change:?}");
        let right = refused.headers.get("sec-websocket-version");
        assert_eq!(right.is_some_and(|version| version == "13"), http == 426);
    }
    let mut post = head(&[]);
    post.method = Method::POST;
    let refused = check(&post).unwrap_err();
    assert_eq!(refused.status.message(), "A WebSocket is opened with GET, not with POST.");
    assert_eq!((refused.status.http(), &refused.headers["allow"]), (405, &HeaderValue::from_static("GET")));
}

#[test]
fn subprotocols_are_chosen() {
    let offer = |lines: &[&'static str]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(line));
        }
        offered(&headers)
            .map(|offered| (offered.form, offered.protocol, offered.bearer))
            .map_err(|status| status.message().to_owned())
    };
    let bearer = |token: &str| Some(token.to_owned());
    let alone =
        "Offer transom.json or transom.proto beside the subprotocol bearer.TOKEN: it is never answered.";
    let unknown =
        "None of the subprotocols that were offered is known. Offer transom.json or transom.proto, or none.";
    let token = "Offer one subprotocol bearer.TOKEN at most, with a token.";
    type Chosen<'a> = (Form, Option<&'a str>, Option<String>);
    let table: [(&[&'static str], Result<Chosen<'_>, &str>); 12] = [
        (&[], Ok((Form::Json, None, None))),
        (&["transom.json"], Ok((Form::Json, Some(JSON), None))),
        (&["transom.proto, transom.json"], Ok((Form::Proto, Some(PROTO), None))),
        (&["graphql-ws", " transom.json ,"], Ok((Form::Json, Some(JSON), None))),
        (&["transom.json, bearer.a.b-c"], Ok((Form::Json, Some(JSON), bearer("a.b-c")))),
        (&["bearer.x", "transom.proto"], Ok((Form::Proto, Some(PROTO), bearer("x")))),
        (&["bearer.x"], Err(alone)),
        (&["graphql-ws, bearer.x"], Err(alone)),
        (&["graphql-ws"], Err(unknown)),
        (&["Transom.JSON"], Err(unknown)),
        (&["transom.json, bearer."], Err(token)),
        (&["transom.json, bearer.x, bearer.y"], Err(token)),
    ];
    for (lines, expected) in table {
        assert_eq!(offer(lines), expected.map_err(str::to_owned), "{lines:?}");
    }
}

#[test]
fn words_for_the_socket_leave_the_query() {
    let read = |text: &str| {
        let (query, check) = query(text);
        check
            .map(|()| (query.rest, query.access_token, query.trailers))
            .map_err(|status| status.message().to_owned())
    };
    let token = |token: &str| Some(token.to_owned());
    for (text, expected) in [
        ("", (String::new(), None, false)),
        ("a=1&b=%zz&&c", ("a=1&b=%zz&&c".into(), None, false)),
        ("access_token=x.y%2Fz&a=1", ("a=1".into(), token("x.y/z"), false)),
        ("a=1&access%5Ftoken=x&trailers=1&b=2", ("a=1&b=2".into(), token("x"), true)),
        ("trailers=0", (String::new(), None, false)),
        ("accessToken=x", ("accessToken=x".into(), None, false)),
    ] {
        assert_eq!(read(text), Ok(expected), "{text}");
    }
    let twice =
        "The query parameter access_token must stand once at most, with a token of at most 8192 bytes.";
    for (text, expected) in [
        ("access_token=", twice),
        ("access_token=secret&access_token=secret", twice),
        ("trailers", "The query parameter trailers must be 1 or 0."),
        ("trailers=1&trailers=1", "The query parameter trailers must stand once at most."),
    ] {
        assert_eq!(read(text), Err(expected.into()), "{text}");
    }
}

#[test]
fn tokens_become_authorization() {
    let mut headers = HeaderMap::new();
    authorize(&mut headers, Some("a.b")).unwrap();
    assert_eq!(headers["authorization"], "Bearer a.b");
    assert!(headers["authorization"].is_sensitive());
    authorize(&mut headers, Some("other")).unwrap();
    assert_eq!(headers["authorization"], "Bearer a.b", "the header stays");
    for token in ["a b", "a\n", "\u{e9}"] {
        let status = authorize(&mut HeaderMap::new(), Some(token)).unwrap_err();
        assert_eq!(status.message(), "The token that was offered has characters that no token has.");
    }
}

#[test]
fn origins_are_held_against_the_list_and_the_host() {
    let cors = |any, origins: &[&'static str]| Cors {
        any,
        origins: origins.iter().map(|origin| HeaderValue::from_static(origin)).collect::<HashSet<_>>(),
        ..Cors::default()
    };
    let listed = cors(false, &["https://shop.example"]);
    for (origin, cors, expected) in [
        (None, None, true),
        (Some("https://shop.example"), Some(&listed), true),
        (Some("https://evil.example"), Some(&listed), false),
        (Some("https://evil.example"), Some(&cors(true, &[])), true),
        (Some("https://evil.example"), None, false),
        (Some("null"), None, false),
        // The page came from here.
        (Some("http://server.example.com"), None, true),
        (Some("https://SERVER.example.com:443"), Some(&listed), true),
        (Some("http://server.example.com:8080"), None, false),
        (Some("http://server.example.com.evil.example"), None, false),
        (Some("http://"), None, false),
    ] {
        let outcome = check_origin(&head(&[("origin", origin)]), cors);
        assert_eq!(outcome.is_ok(), expected, "{origin:?}");
    }
    let status = check_origin(&head(&[("origin", Some("https://evil.example"))]), None).unwrap_err();
    let text = "Scripts of the origin \"https://evil.example\" may not open this WebSocket. It must be one of `cors: {origins: \
                [...]}` of the service.";
    assert_eq!((status.http(), status.message()), (403, text));
}
