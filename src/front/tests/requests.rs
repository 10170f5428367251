//! What of a request becomes the call.

use super::*;

#[tokio::test]
async fn a_request_becomes_a_call() {
    let setting = Setting::new();
    let peer = "192.0.2.1:5000".parse().unwrap();
    let tls = Arc::new(Session { version: "1.3", server_name: None, client: None });
    let sent = request("GET", "/echo/a%20b?int32=5", &[], "");
    let answer = setting
        .front
        .answer(sent, Some(peer), Some(Arc::clone(&tls)), &mut crate::front::Seen::default())
        .await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json");
    let call = setting.call();
    assert_eq!(call.method.path, "/echo.v1.Echo/Echo");
    assert_eq!(call.origin.dialect, Dialect::Rest);
    assert_eq!(&*call.origin.route, "/echo/{string}");
    assert_eq!((call.origin.peer, call.origin.tls), (Some(peer), Some(tls)));
    assert!(call.metadata.is_empty());
    assert_eq!(call.deadline, None);

    let answer = setting.get("/echo/a%20b?int32=5").await;
    assert_eq!(answer.json(), json!({"string": "a b", "int32": 5}));
    assert_eq!(setting.message(), json!({"string": "a b", "int32": 5}));
    let answer = setting.send(request("PUT", "/echo/x?int32=5", &[], r#"{"bool":true}"#)).await;
    assert_eq!(answer.json(), json!({"string": "x", "int32": 5, "child": {"bool": true}}));
}

#[tokio::test]
async fn routes_decide() {
    let setting = Setting::new();
    let nothing = |verb: &str, path: &str| format!("There is no route for {verb} {path}.");
    for path in ["/", "/nothing", "/echo/", "/echo/a/b", "/Echo", "/echo.v1.Echo/Echo"] {
        setting.get(path).await.is_error(404, 12, &nothing("GET", path));
    }
    let long = format!("/{}", "x".repeat(5000));
    setting.get(&long).await.is_error(404, 12, &nothing("GET", &format!("{}…", &long[..100])));
    setting.send(request("OPTIONS", "/nothing", &[], "")).await.is_error(
        404,
        12,
        &nothing("OPTIONS", "/nothing"),
    );

    let answer = setting.send(request("DELETE", "/echo/x", &[], "")).await;
    let text = "This path does not answer DELETE. It answers GET, HEAD, OPTIONS, PUT.";
    answer.is_error(405, 12, text);
    assert_eq!(answer.header("allow"), Some("GET, HEAD, OPTIONS, PUT"));

    let answer = setting.send(request("OPTIONS", "/echo", &[], "")).await;
    assert_eq!((answer.status, answer.header("allow")), (204, Some("OPTIONS, POST")));
    assert_eq!(answer.header("content-type"), None);
    assert!(answer.body.is_empty());
    assert!(!setting.was_called());

    for verb in ["HEAD", "GET"] {
        let answer = setting.send(request(verb, "/echo/x", &[], "")).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"string": "x"})));
    }
    for verb in ["GET", "HEAD", "OPTIONS", "BREW"] {
        assert_eq!(setting.send(request(verb, "/any", &[], "")).await.status, 200, "{verb}");
    }
    for path in ["/echo/%zz", "/echo/%ff", "/echo/%2e%2e", "/echo/.."] {
        let answer = setting.get(path).await;
        assert_eq!((answer.status, &answer.json()["code"]), (400, &json!(3)), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn headers_become_metadata() {
    let options =
        EndpointOptions { request_metadata: vec!["x-tenant".parse().unwrap()], ..Default::default() };
    let setting = Setting::with(&options, false);
    let headers = [
        ("authorization", "Bearer x"),
        ("x-tenant", "blue"),
        ("cookie", "secret"),
        ("grpc-metadata-colour", "red"),
        ("grpc-metadata-grpc-status", "0"),
        ("grpc-metadata-host", "evil"),
        ("grpc-metadata-content-type", "text/plain"),
        ("content-type", "application/json"),
        ("te", "trailers"),
        ("user-agent", "curl"),
    ];
    assert_eq!(setting.post(&headers, "{}").await.status, 200);
    let found = setting.call().metadata;
    let mut found: Vec<_> =
        found.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    found.sort_unstable();
    assert_eq!(found, [("authorization", "Bearer x"), ("colour", "red"), ("x-tenant", "blue")]);

    let text = "The header grpc-metadata-x-bin is not valid: names that end in -bin carry base64.";
    setting.post(&[("grpc-metadata-x-bin", "!")], "{}").await.is_error(400, 3, text);
    assert!(!setting.was_called());
}

#[tokio::test(start_paused = true)]
async fn the_smallest_timeout_is_the_deadline() {
    let options = EndpointOptions { timeout: Some(2 * SECOND), ..Default::default() };
    let setting = Setting::with(&options, false);
    let table: [(&[(&str, &str)], Duration); 4] = [
        (&[], 2 * SECOND),
        (&[("x-request-timeout", "1.5")], 3 * SECOND / 2),
        (&[("x-request-timeout", "5"), ("grpc-timeout", "4S")], 2 * SECOND),
        (&[("connect-timeout-ms", "0")], Duration::ZERO),
    ];
    for (headers, expected) in table {
        setting.post(headers, "{}").await;
        assert_eq!(setting.call().deadline, Some(Instant::now() + expected), "{headers:?}");
    }
    let text = "The header x-request-timeout is not valid: seconds are needed, such as 2.5.";
    setting.post(&[("x-request-timeout", "soon")], "{}").await.is_error(400, 3, text);

    let setting = Setting::new();
    setting.post(&[("grpc-timeout", "99999999H")], "{}").await;
    assert!(setting.call().deadline.is_some());
}

#[tokio::test]
async fn forms_are_read() {
    let setting = Setting::new();
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let answer = setting.post(&form, "string=a+b&child.int32=5&strings=x&strings=y").await;
    assert_eq!(answer.json(), json!({"string": "a b", "child": {"int32": 5}, "strings": ["x", "y"]}));
    let answer = setting.post(&form, "int32=x").await;
    assert_eq!((answer.status, &answer.json()["code"]), (400, &json!(3)));
    let text = answer.json()["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with("The form field \"int32\" is not valid: "), "{text}");
    assert_eq!(answer.json()["details"][0]["fieldViolations"][0]["field"], "int32");
    let json = "The request body looks like JSON, but its content type says that it is a form. Send it as \
                application/json (with curl: --json in place of -d).";
    setting.post(&form, "{\"string\": \"a\"}").await.is_error(415, 3, json);

    let multipart = [("content-type", "multipart/form-data; boundary=b")];
    let body = "--b\r\ncontent-disposition: form-data; name=string\r\n\r\na\r\n\
                --b\r\ncontent-disposition: form-data; name=bytes; filename=f\r\n\r\nfile\r\n--b--\r\n";
    let answer = setting.post(&multipart, body).await;
    assert_eq!(answer.json(), json!({"string": "a", "bytes": "ZmlsZQ=="}));
    let cut = "The multipart body is not valid: it ends before its last boundary.";
    setting.post(&multipart, &body[..body.len() - 4]).await.is_error(400, 3, cut);
    let none = "The multipart body is not valid: its content type names no valid boundary.";
    setting.post(&[("content-type", "multipart/form-data")], body).await.is_error(400, 3, none);
}

#[tokio::test]
async fn only_json_and_forms_are_read() {
    let setting = Setting::new();
    for content_type in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/vnd.api+json",
        "application/json;",
    ] {
        assert_eq!(setting.post(&[("content-type", content_type)], "{}").await.status, 200, "{content_type}");
    }
    assert_eq!(setting.post(&[], "{}").await.status, 200, "without a type");
    let unsupported = |what: &str| {
        format!(
            "The content type {what} is not supported here. Send application/json, or a form as \
             application/x-www-form-urlencoded or multipart/form-data."
        )
    };
    let long = format!("text/{}", "x".repeat(200));
    let table: [(&str, &str); 6] = [
        ("text/plain", "\"text/plain\""),
        ("application/json; charset=latin1", "\"application/json; charset=latin1\""),
        ("application/x-ndjson", "\"application/x-ndjson\""),
        ("multipart/mixed; boundary=a", "\"multipart/mixed; boundary=a\""),
        ("", "\"\""),
        (&long, &format!("\"{}…\"", &long[..100])),
    ];
    for (content_type, shown) in table {
        let answer = setting.post(&[("content-type", content_type)], "{}").await;
        answer.is_error(415, 3, &unsupported(shown));
    }
    for other in ["text/plain", "application/x-www-form-urlencoded"] {
        let two = [("content-type", "application/json"), ("content-type", other)];
        setting.post(&two, "{}").await.is_error(415, 3, &unsupported(&format!("{other:?}")));
    }

    let encoded = |what: &str| {
        format!("The content encoding {what:?} is not supported here. Send the body without one.")
    };
    for encoding in ["gzip", "br", "identity, gzip"] {
        setting.post(&[("content-encoding", encoding)], "{}").await.is_error(415, 3, &encoded(encoding));
    }
    assert_eq!(setting.post(&[("content-encoding", "Identity")], "{}").await.status, 200);

    // Where there is no body, or it is not looked at, its headers say nothing.
    assert_eq!(setting.post(&[("content-type", "text/plain")], "").await.status, 200);
    let get = request("GET", "/echo/x", &[("content-type", "text/plain")], "not looked at");
    assert_eq!(setting.send(get).await.status, 200);
}
