//! A grpcio server behind the gateway, found by its reflection: all types of fields, metadata, errors,
//! deadlines, and a backend that misbehaves.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::support::client::{self, Answer, Version};
use crate::support::gateway::Gateway;
use crate::support::json::{ANY, compare};
use crate::support::process::Server;
use crate::support::{backend, process};

/// A gateway in front of the echo server of `tests/python`.
struct Setting {
    gateway: Gateway,
    backend: Server,
}

impl Setting {
    fn new() -> Self {
        let backend = backend::python_server("tests/python/echo_server.py");
        Self { gateway: Gateway::in_front_of(&[backend.address()]), backend }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Asks the gateway for the answer that the backend gives as these bytes.
    async fn raw(&self, wire: &[u8]) -> Answer {
        self.post("/v1/raw", &json!({"wire": STANDARD.encode(wire)})).await
    }

    async fn post(&self, target: &str, body: &Value) -> Answer {
        client::post(self.address(), target, body).await
    }
}

/// Fails unless an answer has this status and this body.
fn expect(answer: &Answer, status: u16, body: &Value) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
    if let Err(difference) = compare(body, &answer.json()) {
        panic!("{difference}\n{answer:?}");
    }
}

#[tokio::test]
async fn every_type_comes_back_canonical() {
    let setting = Setting::new();
    let table = [
        (json!({}), json!({})),
        (
            json!({"double": "NaN", "float": "-Infinity", "int32": "-1", "int64": 5, "bool": true, "string": "\u{0}é"}),
            json!({"double": "NaN", "float": "-Infinity", "int32": -1, "int64": "5", "bool": true, "string": "\u{0}é"}),
        ),
        (
            json!({"uint64": "18446744073709551615", "sfixed64": -9_007_199_254_740_993_i64, "float": 0.1}),
            json!({"uint64": "18446744073709551615", "sfixed64": "-9007199254740993", "float": 0.1}),
        ),
        (json!({"bytes": "-_8", "colour": -1}), json!({"bytes": "+/8=", "colour": "INFRARED"})),
        (
            json!({"optionalBool": false, "optional_string": "", "optionalColour": 77, "optionalInt64": null}),
            json!({"optionalBool": false, "optionalString": "", "optionalColour": 77}),
        ),
        (json!({"int32s": [1, 2.0, "3"], "strings": []}), json!({"int32s": [1, 2, 3]})),
        (
            json!({"byInt64": {"-5": "AA"}, "byBool": {"true": "1970-01-01T00:00:00.5Z"}, "byFixed64": {"7": {}}}),
            json!({"byInt64": {"-5": "AA=="}, "byBool": {"true": "1970-01-01T00:00:00.500Z"}, "byFixed64": {"7": {}}}),
        ),
        (json!({"choiceEmpty": {}}), json!({"choiceEmpty": {}})),
        (
            json!({"timestamp": "0001-01-01T00:00:00Z", "duration": "-0.000000001s", "mask": "a,bC.dE"}),
            json!({"timestamp": "0001-01-01T00:00:00Z", "duration": "-0.000000001s", "mask": "a,bC.dE"}),
        ),
        (
            json!({"value": null, "struct": {"a": [1, null]}, "list": [], "empty": {}}),
            json!({"value": null, "struct": {"a": [1, null]}, "list": [], "empty": {}}),
        ),
        (
            json!({"any": {"@type": "type.googleapis.com/echo.v1.Everything", "int64": 1}}),
            json!({"any": {"@type": "type.googleapis.com/echo.v1.Everything", "int64": "1"}}),
        ),
        (
            json!({"any": {"value": "1.5s", "@type": "type.googleapis.com/google.protobuf.Duration"}}),
            json!({"any": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1.500s"}}),
        ),
        (
            json!({"int64Value": 0, "boolValue": false, "bytesValue": "", "stringValues": ["", "x"]}),
            json!({"int64Value": "0", "boolValue": false, "bytesValue": "", "stringValues": ["", "x"]}),
        ),
        (
            json!({"a_name_of_many_words": "a", "@own": "b", "child": {"aNameOfManyWords": "c", "own_name": "d"}}),
            json!({"aNameOfManyWords": "a", "@own": "b", "child": {"aNameOfManyWords": "c", "@own": "d"}}),
        ),
    ];
    for (sent, expected) in table {
        expect(&setting.post("/v1/echo", &sent).await, 200, &expected);
    }
}

#[tokio::test]
async fn path_and_query_fill_the_message() {
    let setting = Setting::new();
    let table = [
        (
            "/v1/echo/a%2Fb%20c+d?int64=5&child.child.bool=true&colours=RED&colours=-1&optionalString=a+b%2Bc",
            json!({
                "string": "a/b c+d", "int64": "5", "child": {"child": {"bool": true}},
                "colours": ["RED", "INFRARED"], "optionalString": "a b+c",
            }),
        ),
        (
            "/v1/echo/x?timestamp=2026-01-05T09:00:00Z&doubleValue=0.5&mask=aB,c&byteses=-_8&byteses=%2B/8%3D&%40own=y",
            json!({
                "string": "x", "timestamp": "2026-01-05T09:00:00Z", "doubleValue": 0.5, "mask": "aB,c",
                "byteses": ["+/8=", "+/8="], "@own": "y",
            }),
        ),
        ("/v1/deep/a%20b//c%2Fd/", json!({"child": {"child": {"string": "a b//c%2Fd/"}}})),
    ];
    for (target, expected) in table {
        expect(&client::get(setting.address(), target).await, 200, &expected);
    }
    for target in [
        "/v1/echo/%ff",
        "/v1/echo/%zz",
        "/v1/echo/x?string=y&strin=z",
        "/v1/echo/x?int32=2147483648",
        "/v1/echo/x?byString=a",
        "/v1/echo/x?choiceInt32=1&choiceString=a",
    ] {
        let answer = client::get(setting.address(), target).await;
        assert_eq!(answer.json()["code"], 3, "{target}: {answer:?}");
        assert_eq!(answer.status, 400, "{target}: {answer:?}");
    }
}

#[tokio::test]
async fn statuses_become_http() {
    let setting = Setting::new();
    // The table of google/rpc/code.proto.
    let table = [
        (1, 499),
        (3, 400),
        (4, 504),
        (5, 404),
        (6, 409),
        (7, 403),
        (8, 429),
        (9, 400),
        (10, 409),
        (11, 400),
        (12, 501),
        (13, 500),
        (14, 503),
        (15, 500),
        (16, 401),
    ];
    for (code, status) in table {
        let message = format!("Nr. {code}: 100 % é");
        let answer = setting.post("/v1/fail", &json!({"status": {"code": code, "message": message}})).await;
        assert_eq!(answer.status, status, "code {code}: {answer:?}");
        let body = answer.json();
        assert_eq!((&body["code"], &body["message"]), (&json!(code), &json!(message)), "{answer:?}");
    }
    let secret = json!({"status": {"code": 2, "message": "a line of a stack trace"}});
    let answer = setting.post("/v1/fail", &secret).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (500, &json!(2)));
    assert!(
        !answer.json()["message"].as_str().unwrap().contains("stack"),
        "UNKNOWN may hold anything: {answer:?}"
    );
    setting.gateway.wait_for_log("a line of a stack trace");
}

#[tokio::test]
async fn details_of_errors_are_kept() {
    let setting = Setting::new();
    let known = json!([
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "R", "metadata": {"k": "v"}},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1.500s"},
        {"@type": "type.googleapis.com/echo.v1.LargeRequest", "size": 3},
    ]);
    let fail = json!({"status": {"code": 9, "message": "m", "details": known}});
    expect(
        &setting.post("/v1/fail", &fail).await,
        400,
        &json!({"code": 9, "message": "m", "details": known}),
    );

    let fail = json!({"status": {"code": 9, "message": "m", "details": [known[0]]}, "undeclared": "AAEC"});
    let unknown = json!({"@type": "type.googleapis.com/nowhere.v1.Declared", "value": "AAEC"});
    let expected = json!({"code": 9, "message": "m", "details": [known[0], unknown]});
    expect(&setting.post("/v1/fail", &fail).await, 400, &expected);

    let debug = json!({"@type": "type.googleapis.com/google.rpc.DebugInfo", "detail": "secret"});
    let fail = json!({"status": {"code": 13, "message": "m", "details": [debug]}});
    let answer = setting.post("/v1/fail", &fail).await;
    assert_eq!(answer.status, 500);
    assert!(
        !String::from_utf8_lossy(&answer.body).contains("secret"),
        "DebugInfo is not for callers: {answer:?}"
    );

    let fail = json!({"status": {"code": 5, "message": "m"}, "broken": "/w=="});
    let answer = setting.post("/v1/fail", &fail).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["message"]), (404, &json!("m")), "{answer:?}");
}

#[tokio::test]
async fn metadata_crosses_in_both_directions() {
    let setting = Setting::new();
    let body = json!({
        "initial": [{"key": "x-cost", "text": "3"}, {"key": "set-cookie", "text": "a=b"}],
        "trailing": [{"key": "x-total", "text": "4"}, {"key": "x-raw-bin", "binary": "AP8="}],
    });
    let headers = [
        ("content-type", "application/json"),
        ("authorization", "Bearer t"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("x-request-id", "r-1"),
        ("grpc-metadata-x-plain", "p"),
        ("grpc-metadata-x-data-bin", "AAEC"),
        ("grpc-timeout", "20S"),
        ("x-other", "stays outside"),
        ("cookie", "stays=outside"),
    ];
    let target = "/v1/metadata";
    let answer =
        client::send(setting.address(), Version::Http1, "POST", target, &headers, body.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let received = answer.json()["received"].as_array().unwrap().clone();
    let entry = |key: &str| received.iter().find(|entry| entry["key"] == key);
    assert_eq!(entry("authorization").unwrap()["text"], "Bearer t");
    assert_eq!(entry("x-request-id").unwrap()["text"], "r-1");
    assert_eq!(entry("x-plain").unwrap()["text"], "p");
    assert_eq!(entry("x-data-bin").unwrap()["binary"], "AAEC");
    assert!(entry("traceparent").is_some());
    for outside in ["x-other", "cookie", "grpc-metadata-x-plain", "content-length", "connection"] {
        assert!(entry(outside).is_none(), "{outside}: {received:?}");
    }

    assert_eq!(answer.header("x-cost"), Some("3"), "{answer:?}");
    assert_eq!(answer.header("set-cookie"), None, "a backend sets no cookie unless that is configured");
    assert_eq!(answer.header("grpc-trailer-x-total"), Some("4"), "{answer:?}");
    let raw = answer.header("grpc-trailer-x-raw-bin").map(|value| value.trim_end_matches('='));
    assert_eq!(raw, Some("AP8"), "{answer:?}");
}

#[tokio::test]
async fn deadlines_end_calls_on_both_sides() {
    let setting = Setting::new();
    for (id, header, value) in [("one", "x-request-timeout", "0.2"), ("two", "grpc-timeout", "200m")] {
        let target = format!("/v1/wait/{id}?time=50s");
        let answer =
            client::send(setting.address(), Version::Http1, "GET", &target, &[(header, value)], Bytes::new())
                .await;
        expect(&answer, 504, &json!({"code": 4, "message": ANY, "details": []}));
        let answer = client::get(setting.address(), &format!("/v1/await/CANCELLED/{id}")).await;
        expect(&answer, 200, &json!({"reached": true}));
    }
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_call() {
    let setting = Setting::new();
    let address = setting.address();
    // Aborted, it drops its connection.
    let call = tokio::spawn(async move { client::get(address, "/v1/wait/gone?time=50s").await });
    for state in ["STARTED", "CANCELLED"] {
        let answer = client::get(address, &format!("/v1/await/{state}/gone")).await;
        expect(&answer, 200, &json!({"reached": true}));
        call.abort();
    }
    assert!(call.await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn answers_that_are_no_messages_are_502() {
    let setting = Setting::new();
    let table: [(&str, &[u8]); 5] = [
        ("invalid UTF-8 in field 14, a string", b"\x72\x01\xff"),
        ("a field that is cut off", b"\x72\x05a"),
        ("a group that does not end", b"\x0b"),
        ("a field number of zero", b"\x00\x00"),
        ("a varint that does not end", b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    ];
    for (what, wire) in table {
        let answer = setting.raw(wire).await;
        assert_eq!(answer.status, 502, "{what}: {answer:?}");
        assert_eq!(answer.json()["code"], 13, "{what}: {answer:?}");
    }
}

#[tokio::test]
async fn legal_but_unusual_wire_is_read() {
    let setting = Setting::new();
    let table: [(&str, &[u8], Value); 6] = [
        ("singular field 3 twice", b"\x18\x01\x18\x02", json!({"int32": 2})),
        ("packed field 33 unpacked", b"\x88\x02\x01\x88\x02\x02", json!({"int32s": [1, 2]})),
        ("unpacked field 42 packed", b"\xd2\x02\x02\x01\x02", json!({"unpacked": [1, 2]})),
        (
            "message field 17 in two parts",
            b"\x8a\x01\x02\x18\x01\x8a\x01\x02\x20\x02",
            json!({"child": {"int32": 1, "int64": "2"}}),
        ),
        (
            "an entry of map field 51 without its value",
            b"\x9a\x03\x03\x0a\x01a",
            json!({"byString": {"a": ""}}),
        ),
        ("unknown field 4095", b"\xf8\xff\x01\x01\x18\x01", json!({"int32": 1})),
    ];
    for (what, wire, expected) in table {
        let answer = setting.raw(wire).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        expect(&answer, 200, &expected);
    }
}

#[tokio::test]
async fn sizes_are_bounded() {
    let setting = Setting::new();
    let answer = client::get(setting.address(), "/v1/large?size=4000000").await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 4_000_000 + "{\"string\":\"\"}".len()));
    let answer = client::get(setting.address(), "/v1/large?size=4200000").await;
    assert!(answer.status.is_server_error(), "an answer past 4 MiB: {}", answer.status);
    assert!(answer.json()["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer:?}");

    let answer = setting.post("/v1/echo", &json!({"string": "x".repeat(4_200_000)})).await;
    expect(&answer, 413, &json!({"code": 8, "message": ANY, "details": []}));
    let deep = format!("{}{}", "{\"child\":".repeat(65), "}".repeat(65)).replace(":}", ":{}}");
    let headers = [("content-type", "application/json")];
    let answer = client::send(setting.address(), Version::Http1, "POST", "/v1/echo", &headers, deep).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (400, &json!(3)), "{answer:?}");
    let target = format!("/v1/echo/{}", "x".repeat(9 << 10));
    let answer = client::get(setting.address(), &target).await;
    assert_eq!(answer.status, 414, "{answer:?}");
}

#[tokio::test]
async fn a_backend_that_is_gone_is_503() {
    let Setting { gateway, backend } = Setting::new();
    assert_eq!(client::get(gateway.address(), "/v1/echo/x").await.status, 200);
    drop(backend);
    let answer = client::get(gateway.address(), "/v1/echo/x").await;
    expect(&answer, 503, &json!({"code": 14, "message": ANY, "details": []}));
}

#[tokio::test]
async fn python_protobuf_agrees() {
    let setting = Setting::new();
    for (version, seed) in [("--http2", "1"), ("--count=300", "2")] {
        let mut oracle = process::python("tests/python/oracle.py");
        process::run(oracle.args([&setting.gateway.url(""), version, "--seed", seed]));
    }
}
