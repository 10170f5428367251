//! The forms of answers and requests, and errors at each time.

use serde_json::{Value, json};

use super::{LINES, Setting, VERSIONS, error};
use crate::support::backend;
use crate::support::client::{self, Version};
use crate::support::gateway::Gateway;
use crate::support::json::ANY;
use crate::support::{sse, stream};

#[tokio::test]
async fn answers_come_in_each_form() {
    let setting = Setting::new();
    let messages = [json!({"number": 1, "text": "xx"}), json!({"number": 2, "text": "xx"})];
    for version in VERSIONS {
        let get = async |accept: &str| {
            let target = "/v1/watch/forms?count=2&size=2&metadata=true";
            let answer = stream::get(setting.address(), version, target, &[("accept", accept)]).await;
            assert_eq!((answer.status, answer.header("content-length")), (200, None));
            // Events do not wait for the backend, so what it says first comes too late.
            let metadata = (accept != "text/event-stream").then_some("forms");
            assert_eq!(answer.header("x-stream"), metadata, "{accept}");
            (answer.header("content-type").unwrap().to_owned(), answer.rest().await)
        };
        let (kind, text) = get("*/*").await;
        assert_eq!(
            (&*kind, serde_json::from_str::<Value>(&text).unwrap()),
            ("application/json", json!(messages))
        );

        let (kind, text) = get("application/x-ndjson").await;
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&*kind, &lines[..]), ("application/x-ndjson", &messages[..]));

        let (kind, text) = get("text/event-stream").await;
        let events: Vec<_> = sse::events(&text).map(|event| event.value().unwrap()).collect();
        let expected = [
            json!({"id": "1", "data": messages[0]}),
            json!({"id": "2", "data": messages[1]}),
            json!({"id": "end", "event": "end", "data": {}}),
        ];
        assert_eq!((&*kind, &events[..]), ("text/event-stream", &expected[..]));
    }
}

#[tokio::test]
async fn errors_are_told_at_each_time_and_in_each_form() {
    let setting = Setting::new();
    let failed = error(5, "Told to fail.");
    for version in VERSIONS {
        let get = async |target: &str, accept: &str| {
            let answer = stream::get(setting.address(), version, target, &[("accept", accept)]).await;
            (answer.status, answer.rest().await)
        };
        for accept in ["application/json", "application/x-ndjson"] {
            let (status, text) = get("/v1/watch/before?code=5", accept).await;
            let found = serde_json::from_str::<Value>(&text).unwrap();
            assert_eq!((status, found), (404, json!({"code": 5, "message": "Told to fail.", "details": []})));
        }
        let (status, text) = get("/v1/watch/after?count=2&code=5", "*/*").await;
        let found = serde_json::from_str::<Value>(&text).unwrap();
        assert_eq!((status, found), (200, json!([{"number": 1}, {"number": 2}, failed])));
        assert!(text.contains("{\"error\":{\"@type\":"), "the type comes first: {text}");

        let (status, text) = get("/v1/watch/after?count=1&code=5", LINES.1).await;
        assert_eq!((status, text), (200, format!("{{\"number\":1}}\n{failed}\n")));

        for count in [0, 2] {
            let (status, text) = get(&format!("/v1/watch/x?count={count}&code=5"), "text/event-stream").await;
            let last = sse::events(&text).last().unwrap().value().unwrap();
            assert_eq!((status, last), (200, json!({"event": "status", "data": failed})), "{text}");
            assert_eq!(sse::events(&text).count(), count + 1);
        }
    }
}

#[tokio::test]
async fn head_of_a_stream_ends_the_call() {
    let setting = Setting::new();
    for version in VERSIONS {
        for kind in ["application/json", "application/x-ndjson", "text/event-stream"] {
            let id = format!("head-{version:?}-{}", kind.rsplit('/').next().unwrap());
            let target = format!("/v1/watch/{id}?count=1&hang=true");
            let headers = [("accept", kind), ("accept-encoding", "gzip")];
            let answer = client::send(setting.address(), version, "HEAD", &target, &headers, "").await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
            assert_eq!((answer.header("content-type"), answer.header("content-length")), (Some(kind), None));
            // Events begin before the backend does, which then may never learn of the call.
            if kind != "text/event-stream" {
                setting.reaches("CANCELLED", &id).await;
            }
        }
        // One that fails says so as GET does.
        let answer = client::send(setting.address(), version, "HEAD", "/v1/watch/head?code=5", &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (404, 0));
    }
}

/// A service whose streams have one form.
#[tokio::test]
async fn a_form_is_fixed_by_the_configuration() {
    let backend = backend::python_server("tests/python/echo_server.py");
    for (output, kind, start) in [
        ("by_accept", "text/event-stream", "id: 1\ndata: {"),
        ("array", "application/json", "[{\"number\":1}]"),
        ("ndjson", "application/x-ndjson", "{\"number\":1}\n"),
        ("sse", "text/event-stream", "id: 1\ndata: {"),
    ] {
        let config = format!(
            "{}upstreams:\n  echo: http://{}\nservices:\n  - {{service: \"**\", streams: {{output: {output}}}}}\n",
            Gateway::ANY_PORT,
            backend.address()
        );
        let gateway = Gateway::with_config(&config);
        for version in VERSIONS {
            let headers = [("accept", "text/event-stream, application/json;q=0")];
            let target = "/v1/watch/fixed?count=1";
            let answer = stream::get(gateway.address(), version, target, &headers).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{output}");
            assert!(answer.rest().await.starts_with(start), "{output}");
        }
        let unary = client::get(gateway.address(), "/v1/echo/x").await;
        assert_eq!(unary.header("content-type"), Some("application/json"));
    }
}

#[tokio::test]
async fn requests_come_in_each_form() {
    let setting = Setting::new();
    let lines = "{\"text\": \"a\"}\r\n\n{\"text\": \"bc\"}\n{}";
    let array = "[{\"text\": \"a\"},\n{\"text\": \"bc\"} , {}]";
    for version in VERSIONS {
        for (kind, text) in
            [("application/x-ndjson", lines), ("application/json", lines), ("application/json", array)]
        {
            let headers = [("content-type", kind), ("grpc-metadata-x-who", "me")];
            let send = client::send(setting.address(), version, "POST", "/v1/gather/forms", &headers, text);
            let answer = send.await.json();
            assert_eq!((&answer["count"], &answer["size"]), (&json!(3), &json!("3")), "{kind} {text}");
            let received = answer["received"].as_array().unwrap();
            assert!(received.contains(&json!({"key": "x-who", "text": "me"})), "{received:?}");
        }
        // Without a message there is one: that of the path.
        let answer =
            client::send(setting.address(), version, "POST", "/v1/gather/none", &[], "").await.json();
        assert_eq!(answer["count"], json!(1));
    }
}

#[tokio::test]
async fn uploads_that_fail_are_answered_with_the_reason() {
    let setting = Setting::new();
    let table = [
        ("{\"text\": \"a\"}\n{\"text\": \"b\", \"code\": 9}\n", 400, 9, "Told to fail at message 2."),
        ("{}\n{\"code\": 5}\n{}\n", 404, 5, "Told to fail at message 2."),
        ("{}\n{\"text\": 1}\n", 400, 3, "Message 2 of the stream: "),
        ("{}\n{\"text\": \"a\n", 400, 3, "Message 2 of the stream: "),
    ];
    for version in VERSIONS {
        for (text, status, code, message) in table {
            let headers = [("content-type", "application/x-ndjson")];
            for target in ["/v1/gather/fails", "/v1/chat/fails"] {
                let answer = client::send(setting.address(), version, "POST", target, &headers, text).await;
                let body = answer.json();
                // What was answered before stays; then the error is the last element.
                let status_of =
                    |body: &Value| (body["code"].clone(), body["message"].as_str().unwrap().to_owned());
                let ((found, text), is_stream) = match body.as_array() {
                    Some(elements) => (status_of(&elements.last().unwrap()["error"]), true),
                    None => (status_of(&body), false),
                };
                assert_eq!(found, json!(code), "{body}");
                assert!(text.starts_with(message), "{text}");
                let expected = if is_stream { 200 } else { status };
                assert_eq!(answer.status.as_u16(), expected, "{body}");
                assert!(!is_stream || target.contains("chat"));
            }
        }
    }
    setting.is_alive().await;
}

/// On HTTP/1.1 too, where the request may go on after its answer has begun.
#[tokio::test]
async fn each_message_is_answered_before_the_next_is_sent() {
    let setting = Setting::new();
    for version in VERSIONS {
        let headers = [LINES, ("content-type", "application/x-ndjson")];
        let (body, answer) = stream::upload(setting.address(), version, "/v1/chat/both", &headers).await;
        assert!(body.send("{\"text\": \"0\"}\n").await);
        let mut answer = answer.await;
        assert_eq!(answer.status, 200);
        for round in 1..20 {
            let expected = json!({"number": round, "text": (round - 1).to_string()});
            assert_eq!(answer.line().await, Some(expected));
            // In pieces, which only together are a message.
            assert!(body.send("{\"text\":").await);
            assert!(body.send(format!(" \"{round}\"}}\n")).await);
        }
        drop(body);
        assert_eq!(answer.line().await, Some(json!({"number": 20, "text": "19"})));
        assert_eq!(answer.line().await, None);
    }
}

/// The answer of a call that nobody has begun to answer begins after a second.
#[tokio::test]
async fn an_answer_begins_without_the_backend() {
    let setting = Setting::new();
    let target = "/v1/watch/late?hang=true";
    for version in VERSIONS {
        let answer = stream::get(setting.address(), version, target, &[LINES]).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(LINES.1)));
    }
    // Events at once: a browser is told that it is connected.
    let answer =
        stream::get(setting.address(), Version::Http1, target, &[("accept", "text/event-stream")]).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn deadlines_end_streams_on_both_sides() {
    let setting = Setting::new();
    for version in VERSIONS {
        let headers = [LINES, ("x-request-timeout", "0.5")];
        let id = format!("deadline-{version:?}");
        let target = format!("/v1/watch/{id}?count=2&hang=true");
        let mut answer = stream::get(setting.address(), version, &target, &headers).await;
        assert_eq!(answer.line().await, Some(json!({"number": 1})));
        assert_eq!(answer.line().await, Some(json!({"number": 2})));
        let end = answer.line().await.unwrap();
        assert!(crate::support::json::compare(&error(4, ANY), &end).is_ok(), "{end}");
        assert_eq!(answer.line().await, None);
        setting.reaches("CANCELLED", &id).await;

        let id = format!("upload-{version:?}");
        let headers = [("x-request-timeout", "0.5")];
        let (body, answer) =
            stream::upload(setting.address(), version, &format!("/v1/gather/{id}"), &headers).await;
        assert!(body.send("{}").await);
        let answer = answer.await;
        assert_eq!(answer.status, 504);
        assert_eq!(serde_json::from_str::<Value>(&answer.rest().await).unwrap()["code"], json!(4));
        setting.reaches("CANCELLED", &id).await;
    }
}
