//! What of a reply becomes the answer.

use super::*;
use crate::status::Detail;

fn detail(name: &str, value: &'static [u8]) -> Detail {
    Detail { type_url: format!("type.googleapis.com/{name}"), value: Bytes::from_static(value) }
}

async fn answer_to(reply: Reply, options: &EndpointOptions, accept: &str) -> Seen {
    let setting = Setting::replying(reply, options);
    setting.post(&[("accept", accept), ("x-request-id", "r7")], "{}").await
}

async fn failing(status: Status, options: &EndpointOptions) -> Seen {
    answer_to(Reply::from(status), options, "*/*").await
}

const PROBLEM: &str = "application/problem+json";

#[tokio::test]
async fn a_message_is_written_as_the_service_wants() {
    let message = json!({"aNameOfManyWords": "x", "colour": "RED"});
    let write = WriteOptions { proto_names: true, enum_numbers: true, ..WriteOptions::default() };
    let options = EndpointOptions { write, ..Default::default() };
    let answer = answer_to(ok(wire(&message)), &options, "*/*").await;
    assert_eq!((answer.status, answer.json()), (200, json!({"a_name_of_many_words": "x", "colour": 1})));
}

#[tokio::test]
async fn metadata_becomes_headers() {
    let mut reply = ok(Bytes::new());
    for (name, value) in [
        ("x-cost", "1"),
        ("x-cost", "2"),
        ("content-type", "text/html"),
        ("content-length", "5"),
        ("transfer-encoding", "chunked"),
        ("connection", "close"),
        ("set-cookie", "a=b"),
        ("access-control-allow-origin", "*"),
    ] {
        reply.metadata.append(name, value.parse().unwrap());
    }
    reply.trailers.append("x-rows", "3".parse().unwrap());
    reply.trailers.append("grpc-status", "0".parse().unwrap());
    let answer = answer_to(reply, &EndpointOptions::default(), "*/*").await;
    let mut found: Vec<_> =
        answer.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    found.sort_unstable();
    let expected = [
        ("content-type", "application/json"),
        ("grpc-trailer-x-rows", "3"),
        ("x-cost", "1"),
        ("x-cost", "2"),
    ];
    assert_eq!(found, expected);

    // Errors carry them too.
    let mut reply = Reply::from(Status::backend(Code::NotFound, "gone"));
    reply.metadata.append("x-cost", "1".parse().unwrap());
    reply.trailers.append("x-rows", "0".parse().unwrap());
    let answer = answer_to(reply, &EndpointOptions::default(), "*/*").await;
    answer.is_error(404, 5, "gone");
    assert_eq!((answer.header("x-cost"), answer.header("grpc-trailer-x-rows")), (Some("1"), Some("0")));
}

#[tokio::test]
async fn errors_have_two_forms() {
    let status = || {
        Status::backend(Code::NotFound, "There is no \"x\".").with_detail(detail("nowhere.Type", b"\x08\x01"))
    };
    let opaque = json!([{"@type": "type.googleapis.com/nowhere.Type", "value": "CAE="}]);
    let plain = json!({"code": 5, "message": "There is no \"x\".", "details": opaque});
    let problem = json!({
        "type": "about:blank", "title": "Not Found", "status": 404, "detail": "There is no \"x\".",
        "code": 5, "details": opaque,
    });
    let always = || EndpointOptions { problem_details: true, ..Default::default() };
    let table = [
        (EndpointOptions::default(), "*/*", "application/json", &plain),
        (EndpointOptions::default(), "application/json", "application/json", &plain),
        (EndpointOptions::default(), "application/problem+json", PROBLEM, &problem),
        (EndpointOptions::default(), "application/json, Application/Problem+JSON;q=0.5", PROBLEM, &problem),
        (EndpointOptions::default(), "application/problem+json;q=0", "application/json", &plain),
        (always(), "*/*", PROBLEM, &problem),
    ];
    for (options, accept, content_type, expected) in table {
        let answer = answer_to(Reply::from(status()), &options, accept).await;
        assert_eq!((answer.status, answer.header("content-type")), (404, Some(content_type)), "{accept}");
        assert_eq!(&answer.json(), expected, "{accept}");
    }
    // Also where no route is known; success has one form.
    let setting = Setting::new();
    let answer = setting.send(request("GET", "/nothing", &[("accept", PROBLEM)], "")).await;
    assert_eq!(answer.header("content-type"), Some(PROBLEM));
    let expected = json!({
        "type": "about:blank", "title": "Not Found", "status": 404,
        "detail": "There is no route for GET /nothing.", "code": 12, "details": [],
    });
    assert_eq!(answer.json(), expected);
    let answer = setting.send(request("GET", "/echo/x", &[("accept", PROBLEM)], "")).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn http_statuses_without_a_name_have_the_code_as_title() {
    let answer =
        answer_to(Reply::from(Status::backend(Code::Cancelled, "")), &EndpointOptions::default(), PROBLEM)
            .await;
    assert_eq!((answer.status, &answer.json()["title"]), (499, &json!("CANCELLED")));
}

#[tokio::test]
async fn details_never_lose_the_rest() {
    let error_info = detail("google.rpc.ErrorInfo", b"\x0a\x01R");
    let status = Status::backend(Code::Aborted, "no")
        .with_detail(error_info)
        .with_detail(detail("nowhere.Type", b""))
        // Known, but no valid protobuf.
        .with_detail(detail("google.rpc.ErrorInfo", b"\xff"))
        .with_detail(Detail { type_url: "no \"url\"".into(), value: Bytes::from_static(b"\x01") })
        .with_detail(detail("google.protobuf.Duration", b"\x08\x02"));
    let expected = json!([
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "R"},
        {"@type": "type.googleapis.com/nowhere.Type", "value": ""},
        {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "value": "/w=="},
        {"@type": "no \"url\"", "value": "AQ=="},
        {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "2s"},
    ]);
    let answer = failing(status, &EndpointOptions::default()).await;
    assert_eq!((answer.status, &answer.json()["details"]), (409, &expected));
}

#[tokio::test]
async fn internals_of_a_backend_stay_inside() {
    let secret = || Status::backend(Code::Unknown, "NullPointerException at A.java:1");
    failing(secret(), &EndpointOptions::default()).await.is_error(500, 2, "The backend failed.");
    let open = EndpointOptions { expose_unknown: true, ..Default::default() };
    failing(secret(), &open).await.is_error(500, 2, "NullPointerException at A.java:1");
    // Nobody is told about a text that there never was.
    failing(Status::backend(Code::Unknown, ""), &EndpointOptions::default()).await.is_error(500, 2, "");

    let debug = || {
        Status::backend(Code::Internal, "no")
            .with_detail(detail("google.rpc.DebugInfo", b"\x12\x01x"))
            .with_detail(detail("google.rpc.ErrorInfo", b"\x0a\x01R"))
    };
    let answer = failing(debug(), &EndpointOptions::default()).await;
    answer.is_error(500, 13, "no");
    assert_eq!(
        answer.json()["details"],
        json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "R"}])
    );
    let open = EndpointOptions { expose_debug_info: true, ..Default::default() };
    let details = failing(debug(), &open).await.json()["details"].take();
    assert_eq!(details[0], json!({"@type": "type.googleapis.com/google.rpc.DebugInfo", "detail": "x"}));
    // The caller can ask for the rest by a name: its own, the backend's, or one that is made up.
    let answer = answer_to(Reply::from(debug()), &EndpointOptions::default(), "*/*").await;
    assert_eq!(answer.header("x-request-id"), Some("r7"));
    let nameless =
        |reply| async { Setting::replying(reply, &EndpointOptions::default()).post(&[], "{}").await };
    let mut named = Reply::from(debug());
    named.metadata.append("x-request-id", "b9".parse().unwrap());
    assert_eq!(nameless(named).await.header("x-request-id"), Some("b9"));
    let names = [nameless(Reply::from(debug())).await, nameless(Reply::from(debug())).await];
    let names = names.map(|answer| answer.header("x-request-id").unwrap().to_owned());
    assert!(names[0].len() == 16 && names[0] != names[1], "{names:?}");
    let shown = nameless(Reply::from(Status::backend(Code::Internal, "no"))).await;
    assert_eq!(shown.header("x-request-id"), None);
    // What Transom itself says is for callers.
    failing(Status::gateway(Code::Unknown, "said"), &EndpointOptions::default())
        .await
        .is_error(500, 2, "said");
    // The HTTP status is kept.
    let status = secret().with_http(502);
    failing(status, &EndpointOptions::default()).await.is_error(502, 2, "The backend failed.");
}

#[tokio::test]
async fn a_message_that_is_none_is_the_backends_fault() {
    let text = "The backend answered with a message that cannot be written as JSON.";
    let messages: [&'static [u8]; 4] = [
        b"\xff",
        b"\x72\x05a",
        // A string that is not UTF-8, and a time after the year 9999.
        b"\x72\x01\xff",
        b"\xba\x04\x0a\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    ];
    for message in messages {
        let answer = answer_to(ok(Bytes::from_static(message)), &EndpointOptions::default(), "*/*").await;
        answer.is_error(502, 13, text);
    }
}

#[tokio::test]
async fn a_refusal_before_any_route_is_json() {
    let answer = Setting::new().front.refuse(&Status::caller(Code::InvalidArgument, "No.").with_http(414));
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (414, &HeaderValue::from_static("application/json"))
    );
}
