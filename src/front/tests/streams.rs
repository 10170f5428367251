//! Methods that stream: how their requests are read and their answers written.

use futures_util::stream;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::*;
use crate::call::Part;
use crate::snapshot::StreamForm;
use crate::snapshot::surface::Surface;
use crate::status::Detail;

/// A reply of these messages, each a string, that ends with this status.
pub(super) fn streaming(messages: &[&str], end: Status) -> Reply {
    let parts: Vec<Part> = messages
        .iter()
        .map(|text| Part::Message(wire(&json!({ "string": text })).into()))
        .chain([Part::End(end, http::HeaderMap::new())])
        .collect();
    Reply { stream: Some(Box::pin(stream::iter(parts))), ..Reply::from(Status::ok()) }
}

pub(super) fn failed() -> Status {
    Status::backend(Code::NotFound, "no such \"thing\"")
}

const ERROR: &str = concat!(
    r#"{"error":{"@type":"type.googleapis.com/google.rpc.Status","code":5,"#,
    r#""message":"no such \"thing\"","details":[]}}"#
);

async fn watch(reply: Reply, accept: &str) -> Seen {
    let setting = Setting::replying(reply, &EndpointOptions::default());
    setting.send(request("GET", "/watch/x", &[("accept", accept)], "")).await
}

#[tokio::test]
async fn answers_are_written_as_the_caller_accepts() {
    let array = "application/json";
    let lines = "application/x-ndjson";
    let events = "text/event-stream";
    let end = "id: end\nevent: end\ndata: {}\n\n";
    let table: [(&str, &[&str], Status, &str, String); 9] = [
        ("*/*", &[], Status::ok(), array, "[]\n".into()),
        ("application/json", &["a"], Status::ok(), array, "[{\"string\":\"a\"}]\n".into()),
        ("*/*", &["a", "b"], Status::ok(), array, "[{\"string\":\"a\"},\n{\"string\":\"b\"}]\n".into()),
        ("*/*", &["a"], failed(), array, format!("[{{\"string\":\"a\"}},\n{ERROR}]\n")),
        (lines, &[], Status::ok(), lines, String::new()),
        (
            lines,
            &["a", "b"],
            failed(),
            lines,
            format!("{{\"string\":\"a\"}}\n{{\"string\":\"b\"}}\n{ERROR}\n"),
        ),
        (events, &[], Status::ok(), events, end.into()),
        (
            events,
            &["a", "b"],
            Status::ok(),
            events,
            format!("id: 1\ndata: {{\"string\":\"a\"}}\n\nid: 2\ndata: {{\"string\":\"b\"}}\n\n{end}"),
        ),
        (events, &[], failed(), events, format!("event: status\ndata: {ERROR}\n\n")),
    ];
    for (accept, messages, status, kind, text) in table {
        let seen = watch(streaming(messages, status), accept).await;
        assert_eq!((seen.status, seen.header("content-type")), (200, Some(kind)));
        assert_eq!(String::from_utf8_lossy(&seen.body), text);
        assert_eq!(seen.header("cache-control"), (kind == events).then_some("no-cache"));
    }
}

#[tokio::test]
async fn a_form_that_is_fixed_is_the_same_for_all() {
    let (array, lines, events) =
        ("[{\"string\":\"a\"}]\n", "{\"string\":\"a\"}\n", "id: 1\ndata: {\"string\":\"a\"}\n\n");
    for (form, kind, text) in [
        (StreamForm::Array, "application/json", array),
        (StreamForm::Lines, "application/x-ndjson", lines),
        (StreamForm::Events, "text/event-stream", events),
    ] {
        let options = EndpointOptions { streams: Some(form), ..EndpointOptions::default() };
        for accept in ["*/*", "application/json", "application/x-ndjson", "text/event-stream", "image/png"] {
            let setting = Setting::replying(streaming(&["a"], Status::ok()), &options);
            let seen = setting.send(request("GET", "/watch/x", &[("accept", accept)], "")).await;
            assert_eq!((seen.status, seen.header("content-type")), (200, Some(kind)), "{accept}");
            assert!(String::from_utf8_lossy(&seen.body).starts_with(text), "{seen:?}");
        }
        // What only events know: a browser that comes back.
        let setting = Setting::replying(streaming(&[], Status::ok()), &options);
        let seen = setting.send(request("GET", "/watch/x", &[("last-event-id", "end")], "")).await;
        assert_eq!(seen.status, if form == StreamForm::Events { 204 } else { 200 });
    }
}

#[tokio::test]
async fn a_failure_before_the_first_message_has_its_own_status() {
    for accept in ["*/*", "application/x-ndjson"] {
        watch(streaming(&[], failed()), accept).await.is_error(404, 5, "no such \"thing\"");
        watch(Reply::from(failed()), accept).await.is_error(404, 5, "no such \"thing\"");
    }
    let seen = watch(Reply::from(failed()), "text/event-stream").await;
    assert_eq!((seen.status, &*seen.body), (200, format!("event: status\ndata: {ERROR}\n\n").as_bytes()));

    // What is wrong with the request or forbidden is an ordinary error, also for events.
    let setting = Setting::new();
    let seen =
        setting.send(request("GET", "/watch/x?nothing=1", &[("accept", "text/event-stream")], "")).await;
    assert_eq!((seen.status, &seen.json()["code"]), (400, &json!(3)));
    let refusing = Setting::with(&EndpointOptions::default(), true);
    let seen = refusing.send(request("GET", "/watch/x", &[("accept", "text/event-stream")], "")).await;
    seen.is_error(403, 7, "You may not.");
}

#[tokio::test]
async fn a_browser_that_comes_back_after_the_end_is_sent_away() {
    let setting = Setting::new();
    let headers = [("accept", "text/event-stream"), ("last-event-id", "end")];
    let seen = setting.send(request("GET", "/watch/x", &headers, "")).await;
    assert_eq!((seen.status, &*seen.body), (204, &b""[..]));
    assert!(!setting.was_called());
}

#[tokio::test(start_paused = true)]
async fn the_answer_starts_after_a_second_or_at_once_for_events() {
    for (accept, patience) in [("*/*", Duration::from_secs(1)), ("text/event-stream", Duration::ZERO)] {
        let (sender, receiver) = mpsc::unbounded_channel();
        let setting = Setting::new();
        *setting.backend.delay.lock().unwrap() = Some(Duration::from_secs(20));
        let reply = Reply {
            stream: Some(Box::pin(UnboundedReceiverStream::new(receiver))),
            ..Reply::from(Status::ok())
        };
        *setting.backend.reply.lock().unwrap() = Some(reply);
        let started = Instant::now();
        let answer = setting
            .front
            .answer(
                request("GET", "/watch/x", &[("accept", accept)], ""),
                None,
                None,
                &mut crate::front::Seen::default(),
            )
            .await;
        assert_eq!(answer.status(), 200);
        assert_eq!(started.elapsed(), patience, "{accept}");
        let mut body = answer.into_body();
        if patience == Duration::ZERO {
            let comment =
                http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap().into_data().unwrap();
            assert_eq!((&*comment, started.elapsed()), (&b":\n\n"[..], Duration::from_secs(15)));
        }
        sender.send(Part::End(failed(), http::HeaderMap::new())).unwrap();
        let rest = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
        assert!(String::from_utf8_lossy(&rest).contains(ERROR), "{rest:?}");
    }
}

#[tokio::test]
async fn what_is_ready_together_leaves_together_and_the_rest_at_once() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let reply =
        Reply { stream: Some(Box::pin(UnboundedReceiverStream::new(receiver))), ..Reply::from(Status::ok()) };
    let setting = Setting::replying(reply, &EndpointOptions::default());
    let message = |text: &str| Part::Message(wire(&json!({ "string": text })).into());
    let headers = [("accept", "application/x-ndjson")];
    let answer = setting
        .front
        .answer(request("GET", "/watch/x", &headers, ""), None, None, &mut crate::front::Seen::default())
        .await;
    let mut body = answer.into_body();
    for texts in [&["a"][..], &["b", "c", "d"], &["e"]] {
        for text in texts {
            sender.send(message(text)).unwrap();
        }
        let data = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap().into_data().unwrap();
        let expected: String = texts.iter().map(|text| format!("{{\"string\":\"{text}\"}}\n")).collect();
        assert_eq!(String::from_utf8_lossy(&data), expected);
    }
    let large = "x".repeat(10_000);
    for _ in 0..4 {
        sender.send(message(&large)).unwrap();
    }
    let data = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap().into_data().unwrap();
    assert!(data.len() < 30_000, "a part is bounded: {}", data.len());
}

#[tokio::test]
async fn hidden_failures_of_streams_are_named_by_the_answers_request_id() {
    let debug = Detail { type_url: "type.googleapis.com/google.rpc.DebugInfo".into(), value: Bytes::new() };
    let status = Status::backend(Code::Unknown, "null at A.java").with_detail(debug);
    let seen = watch(streaming(&["a"], status), "*/*").await;
    assert!(!String::from_utf8_lossy(&seen.body).contains("java"));
    assert!(String::from_utf8_lossy(&seen.body).contains("The backend failed."));
    assert_eq!(seen.header("x-request-id").map(str::len), Some(16));
}

#[tokio::test]
async fn a_message_that_json_cannot_hold_ends_the_stream() {
    let parts = [
        Part::Message(wire(&json!({"string": "a"})).into()),
        Part::Message(Bytes::from_static(&[0xff]).into()),
        Part::Message(wire(&json!({"string": "never"})).into()),
    ];
    let reply = Reply { stream: Some(Box::pin(stream::iter(parts))), ..Reply::from(Status::ok()) };
    let seen = watch(reply, "application/x-ndjson").await;
    let text = String::from_utf8_lossy(&seen.body).into_owned();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[1]["error"]["code"], json!(13));
}

#[tokio::test]
async fn requests_are_streams_in_each_form_however_they_arrive() {
    // Strings are kept from the last message, lists are joined: what protobuf merges shows each message.
    let lines = "{\"string\":\"a\",\"int32s\":[1]}\n\n{\"string\":\"b\",\"int32s\":[2,3]}\n";
    let array = "[{\"string\":\"a\",\"int32s\":[1]}, {\"string\":\"b\",\"int32s\":[2,3]}]";
    for (kind, text) in [
        ("application/x-ndjson", lines),
        ("application/jsonl; charset=utf-8", lines),
        ("application/json", lines),
        ("application/json", array),
    ] {
        for cut in 0..text.len() {
            let setting = Setting::new();
            let pieces = [&text[..cut], &text[cut..]].map(|piece| Bytes::from(piece.to_owned()));
            let body = Pieces(pieces.into());
            let seen = setting.send(with_body("POST", "/gather", &[("content-type", kind)], body)).await;
            assert_eq!(seen.status, 200, "{seen:?}");
            assert_eq!(setting.message(), json!({"string": "b", "int32s": [1, 2, 3]}));
        }
    }
}

/// A body of these pieces.
struct Pieces(VecDeque<Bytes>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.pop_front().map(|data| Ok(Frame::data(data))))
    }
}

#[tokio::test]
async fn path_and_query_belong_to_the_first_message() {
    let table = [
        (
            "POST",
            "/gather/p?int32=7",
            "{\"string\":\"x\"}{\"string\":\"y\"}",
            json!({"string": "p", "int32": 7, "child": {"string": "y"}}),
        ),
        ("POST", "/gather/p?int32=7", "", json!({"string": "p", "int32": 7})),
        ("GET", "/gather/p?int32=7", "", json!({"string": "p", "int32": 7})),
        ("GET", "/gather/p", "this is not looked at", json!({"string": "p"})),
        ("POST", "/gather", "", json!({})),
    ];
    for (verb, target, body, expected) in table {
        let setting = Setting::new();
        let seen = setting.send(request(verb, target, &[], body)).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        assert_eq!(setting.message(), expected, "{verb} {target}");
    }
}

#[tokio::test]
async fn flaws_of_a_stream_name_the_message() {
    let table = [
        ("{} {\"nothing\":1}", 400, 3, "Message 2 of the stream: The request body is not valid: nothing: "),
        (
            "{} {",
            400,
            3,
            "The request body is not a stream of JSON messages: the stream ends within message 2.",
        ),
        (
            "[{}",
            400,
            3,
            "The request body is not a stream of JSON messages: the stream ends before message 2 without a `]` for the array.",
        ),
        (
            "[{}]{}",
            400,
            3,
            "The request body is not a stream of JSON messages: there is more text behind the array that holds the messages.",
        ),
    ];
    for (body, http, code, text) in table {
        for target in ["/gather", "/chat"] {
            let seen = Setting::new().send(request("POST", target, &[], body)).await;
            assert_eq!((seen.status, &seen.json()["code"]), (http, &json!(code)), "{body}");
            let message = seen.json()["message"].as_str().unwrap().to_owned();
            assert!(message.starts_with(text), "{message}");
        }
    }
    let long = format!("{{\"string\":\"{}\"}}", "x".repeat(1000));
    let seen = Setting::new().send(request("POST", "/gather", &[], &long)).await;
    seen.is_error(413, 8, "The request body is not a stream of JSON messages: message 1 of the stream is longer than 1000 bytes.");
    let seen = Setting::new().send(request("POST", "/gather", &[("content-type", "text/csv")], "1")).await;
    seen.is_error(
        415,
        3,
        "The content type \"text/csv\" is not supported here. Send application/x-ndjson, application/json or \
         multipart/form-data.",
    );
    // A stream as a whole may be longer than a body.
    let many = "{\"string\":\"x\"}\n".repeat(1000);
    assert_eq!(Setting::new().send(request("POST", "/gather", &[], &many)).await.status, 200);
}

#[tokio::test]
async fn a_form_is_a_stream_however_it_arrives() {
    let part =
        |head: &str, data: &str| format!("--b\r\ncontent-disposition: form-data; {head}\r\n\r\n{data}\r\n");
    let fields = part("name=int32s", "1") + &part("name=strings", "a");
    let form = fields + &part("name=bytes; filename=f", &"x".repeat(3000)) + "--b--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    for cut in (0..form.len()).step_by(100) {
        let setting = Setting::new();
        let pieces = [&form[..cut], &form[cut..]].map(|piece| Bytes::from(piece.to_owned()));
        let seen = setting.send(with_body("POST", "/gather", &headers, Pieces(pieces.into()))).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        // Merged, the last piece is what stays: messages have half of what one may have, which is 4,000 bytes.
        let last = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, "x".repeat(1000));
        assert_eq!(setting.message(), json!({"int32s": [1], "strings": ["a"], "bytes": last}));
    }
    // The path belongs to the first message, also where the form holds nothing.
    let setting = Setting::new();
    let body = part("name=int32", "5") + "--b--";
    assert_eq!(setting.send(request("POST", "/gather/p?int32=7", &headers, &body)).await.status, 200);
    assert_eq!(setting.message(), json!({"string": "p", "int32": 7, "child": {"int32": 5}}));
    assert_eq!(setting.send(request("POST", "/gather/p", &headers, "--b--")).await.status, 200);
    assert_eq!(setting.message(), json!({"string": "p"}));

    let seen = Setting::new().send(request("POST", "/gather", &headers, &part("name=nothing", "x"))).await;
    let text = "The form field \"nothing\" is not valid: echo.v1.Everything has no field \"nothing\".";
    assert_eq!((seen.status, seen.json()["message"].as_str()), (400, Some(text)));
    assert_eq!(seen.json()["details"][0]["fieldViolations"][0]["field"], json!("nothing"));
    let seen = Setting::new().send(request("POST", "/gather", &headers, &form[..form.len() - 10])).await;
    seen.is_error(
        400,
        3,
        "The multipart body is not valid behind the start of the part \"bytes\": it ends before its last boundary.",
    );
    for kind in ["multipart/form-data", "multipart/mixed; boundary=b", "application/x-www-form-urlencoded"] {
        let seen = Setting::new().send(request("POST", "/gather", &[("content-type", kind)], "--b--")).await;
        let status = if kind == "multipart/form-data" { 400 } else { 415 };
        assert_eq!((seen.status, &seen.json()["code"]), (status, &json!(3)), "{kind}");
    }
    let twice = [headers[0], ("content-type", "application/json")];
    let seen = Setting::new().send(request("POST", "/gather", &twice, "--b--")).await;
    let text = "The content type \"application/json\" is not supported here. Send one content type.";
    seen.is_error(415, 3, text);
}

#[tokio::test]
async fn what_was_found_wrong_before_is_told_in_place_of_the_call() {
    let found = || Status::caller(Code::InvalidArgument, "Nothing is accepted.").with_http(406);
    for (verb, target) in [("POST", "/echo"), ("GET", "/watch/x"), ("POST", "/gather"), ("POST", "/chat")] {
        let with = |mut request: Request<Full<Bytes>>| {
            request.extensions_mut().insert(found());
            request
        };
        let setting = Setting::new();
        let seen = setting.send(with(request(verb, target, &[], "{}"))).await;
        seen.is_error(406, 3, "Nothing is accepted.");
        assert!(!setting.was_called());
        // Who may not call learns that, and no more.
        let refusing = Setting::with(&EndpointOptions::default(), true);
        refusing.send(with(request(verb, target, &[], "{}"))).await.is_error(403, 7, "You may not.");
        let seen = setting.send(with(request(verb, "/nowhere", &[], "{}"))).await;
        assert_eq!(seen.status, 404);
    }
}

/// A front of methods that take and give files.
fn files(reply: Option<Reply>) -> (Front, Arc<Backend>) {
    const PROTO: &str = r#"
        syntax = "proto3";
        package files;
        import "google/api/httpbody.proto";
        message File { string name = 1; google.api.HttpBody body = 2; }
    "#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("files.proto"), PROTO).unwrap();
    let includes = [folder.path().to_owned(), concat!(env!("CARGO_MANIFEST_DIR"), "/protos").into()];
    let set = prost::Message::encode_to_vec(&protox::compile(["files.proto"], includes).unwrap());
    let schema = Arc::new(Schema::load(&[&set]).unwrap());
    let backend = Arc::new(Backend {
        refuses: false,
        delay: Mutex::default(),
        reply: Mutex::new(reply),
        seen: Mutex::default(),
    });
    let find = |name: &str| schema.find_message(name).unwrap();
    let (file, raw) = (find("files.File"), find("google.api.HttpBody"));
    let mut routes = Table::new();
    for (verb, template, [input, output], [body, response_body], [client, server]) in [
        ("POST", "/echo", [raw, raw], ["*", ""], [false, false]),
        ("POST", "/files/{name}", [file, file], ["body", "body"], [false, false]),
        ("PUT", "/files/{name}", [file, file], ["body", ""], [true, false]),
        ("GET", "/files/{name}", [file, raw], ["", ""], [false, true]),
    ] {
        let endpoint = Endpoint {
            method: Arc::new(call::Method {
                path: "/files.Files/Any".parse().unwrap(),
                client_streaming: client,
                server_streaming: server,
                idempotent: false,
                safe: false,
                meter: Default::default(),
            }),
            service: Arc::new(Shared(Arc::clone(&backend))),
            schema: Arc::clone(&schema),
            full_name: "files.Files/Any".into(),
            upstream: "files".into(),
            policies: Vec::new(),
            parts: Vec::new(),
            dialects: vec![Dialect::Rest],
            options: EndpointOptions::default(),
        };
        let parsed = Template::parse(template).unwrap();
        let variables: Vec<_> = parsed.variables().iter().map(ToString::to_string).collect();
        let rule = Rule { variables: &variables, body, response_body };
        let binding = Binding::new(&schema, [input, output], rule, BindingOptions::default()).unwrap();
        let route = Route::new(Arc::new(endpoint), binding, template);
        assert!(matches!(routes.insert(verb, parsed, Arc::new(route)), Ok(Inserted::New)));
    }
    let limits = Limits { body: 1000, body_pause: SECOND, request: SECOND, message: 4000 };
    let snapshot = Snapshot {
        access: Default::default(),
        surface: Arc::new(Surface { routes, documents: Some(Default::default()), ..Default::default() }),
        schema,
        limits,
        sockets: Default::default(),
        tls: Default::default(),
        missing: Vec::new(),
        public_url: None,
    };
    (Front::new(Arc::new(Handle::new(snapshot))), backend)
}

fn raw(kind: &str, data: &[u8]) -> Bytes {
    let mut wire = vec![0x0a, u8::try_from(kind.len()).unwrap()];
    wire.extend_from_slice(kind.as_bytes());
    wire.extend_from_slice(&[0x12, u8::try_from(data.len()).unwrap()]);
    wire.extend_from_slice(data);
    wire.into()
}

async fn of_files(setting: &(Front, Arc<Backend>), request: Request<Full<Bytes>>) -> Seen {
    let (head, body) =
        setting.0.answer(request, None, None, &mut crate::front::Seen::default()).await.into_parts();
    let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    Seen { status: head.status.as_u16(), headers: head.headers, body }
}

#[tokio::test]
async fn http_bodies_stand_for_themselves() {
    // The backend echoes, so what comes back is what went in.
    for (verb, target) in [("POST", "/echo"), ("POST", "/files/a")] {
        let kind = "text/csv; header=present";
        let seen = of_files(&files(None), request(verb, target, &[("content-type", kind)], "a,b\n")).await;
        assert_eq!((seen.status, seen.header("content-type")), (200, Some(kind)), "{target}");
        assert_eq!(seen.body, "a,b\n");
    }
    // Their type is not the gateway's to choose, so that nothing is refused for it.
    for accept in ["application/xml", "text/xml", "application/json"] {
        for target in ["/echo", "/files/a"] {
            let headers = [("content-type", "text/csv"), ("accept", accept)];
            let seen = of_files(&files(None), request("POST", target, &headers, "a,b\n")).await;
            assert_eq!((seen.status, seen.header("content-type")), (200, Some("text/csv")), "{target}");
            assert_eq!((&*seen.body, seen.header("vary")), (&b"a,b\n"[..], None));
        }
    }
    let seen = of_files(&files(None), request("POST", "/echo", &[], "no type")).await;
    assert_eq!(seen.header("content-type"), Some("application/octet-stream"));
    let seen = of_files(&files(None), request("POST", "/echo", &[], &"x".repeat(1001))).await;
    seen.is_error(413, 8, "The request body is too large: at most 1000 bytes are accepted.");
}

#[tokio::test]
async fn pieces_of_an_upload_are_messages_of_which_the_first_has_the_type_and_the_path() {
    let setting = files(None);
    let pieces = Pieces([Bytes::from_static(b"one "), Bytes::from_static(b"two")].into());
    let request = with_body("PUT", "/files/a", &[("content-type", "image/png")], pieces);
    assert_eq!(setting.0.answer(request, None, None, &mut crate::front::Seen::default()).await.status(), 200);
    let seen = setting.1.seen.lock().unwrap().take().unwrap().1.unwrap();
    // name (1) stands behind the body (2) of the first message, as the path wins.
    let first = raw("image/png", b"one ");
    let expected =
        [&[0x12, u8::try_from(first.len()).unwrap()][..], &first, b"\x0a\x01a", b"\x12\x05\x12\x03two"]
            .concat();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_download_has_the_type_of_its_first_message_and_is_cut_when_it_fails() {
    let reply = |end: Status| {
        let end = Part::End(end, http::HeaderMap::new());
        let parts = [
            Part::Message(raw("image/png", b"abc").into()),
            Part::Message(raw("ignored", b"def").into()),
            end,
        ];
        Reply { stream: Some(Box::pin(stream::iter(parts))), ..Reply::from(Status::ok()) }
    };
    let accepting = |accept| request("GET", "/files/a", &[("accept", accept)], "");
    let get = || accepting("text/event-stream");
    for request in [get(), accepting("application/xml")] {
        let seen = of_files(&files(Some(reply(Status::ok()))), request).await;
        assert_eq!(
            (seen.status, seen.header("content-type"), &*seen.body),
            (200, Some("image/png"), &b"abcdef"[..])
        );
    }

    let answer =
        files(Some(reply(failed()))).0.answer(get(), None, None, &mut crate::front::Seen::default()).await;
    assert_eq!(answer.status(), 200);
    let mut body = answer.into_body();
    let data = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(data, "abcdef");
    let error = http_body_util::BodyExt::frame(&mut body).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), "the backend failed in the middle of the answer");

    let none = Reply {
        stream: Some(Box::pin(stream::iter([Part::End(failed(), http::HeaderMap::new())]))),
        ..Reply::from(Status::ok())
    };
    of_files(&files(Some(none)), get()).await.is_error(404, 5, "no such \"thing\"");
}
