//! Calls of each kind, in both subprotocols.

use super::*;

#[tokio::test]
async fn each_kind_of_call_on_its_route_and_by_its_name() {
    let setting = Setting::new();
    let done = closed(1000, "");
    let item = |number: u32, text: &str| json!({"number": number, "text": text});
    let table: [(&str, &[Value], Vec<Value>); 10] = [
        // A GET rule: the call begins with the socket.
        ("/v1/echo/a%20b?int32=7", &[], vec![json!({"string": "a b", "int32": 7})]),
        // A POST rule, reached by the GET of the handshake.
        ("/v1/echo", &[json!({"string": "x"})], vec![json!({"string": "x"})]),
        ("/ws/echo.v1.Echo/Echo", &[json!({"int64": "5"})], vec![json!({"int64": "5"})]),
        (
            "/ws/echo.v1.Echo/Echo?string=by+query&child.int32=1",
            &[],
            vec![json!({"string": "by query", "child": {"int32": 1}})],
        ),
        ("/v1/watch/w1?count=2&size=1", &[], vec![item(1, "x"), item(2, "x")]),
        ("/ws/echo.v1.Streams/Watch", &[json!({"id": "w2", "count": 1})], vec![json!({"number": 1})]),
        (
            "/v1/chat/c1",
            &[json!({"text": "a"}), json!({"text": "b"}), Value::Null],
            vec![item(1, "a"), item(2, "b")],
        ),
        (
            "/ws/echo.v1.Streams/Chat?text=first",
            &[json!({}), json!({"text": "b"}), Value::Null],
            vec![item(1, "first"), item(2, "b")],
        ),
        // What path and query say is a message, if no other comes.
        ("/v1/chat/c3", &[Value::Null], vec![json!({"number": 1})]),
        ("/ws/echo.v1.Streams/Chat", &[Value::Null], vec![]),
    ];
    for (target, messages, expected) in table {
        let mut socket = setting.open(target, &[]).await;
        for message in messages {
            let text = if message.is_null() { String::new() } else { message.to_string() };
            socket.send(Message::text(text)).await.unwrap();
        }
        assert_eq!(rest(&mut socket).await, (expected, done.clone()), "{target}");
    }

    let mut socket = setting.open("/v1/gather/g1", &[]).await;
    for text in ["a", "bc", "def"] {
        send(&mut socket, json!({"text": text})).await;
    }
    end(&mut socket).await;
    let (messages, close) = rest(&mut socket).await;
    assert_eq!((&messages[0]["count"], &messages[0]["size"], close), (&json!(3), &json!("6"), done));
}

#[tokio::test]
async fn messages_are_answered_as_they_come() {
    let setting = Setting::new();
    let mut socket = setting.open("/v1/chat/one-by-one", &[("sec-websocket-protocol", "transom.json")]).await;
    for number in 1..=100 {
        send(&mut socket, json!({"text": number.to_string()})).await;
        assert_eq!(next(&mut socket).await, json!({"number": number, "text": number.to_string()}));
    }
    // Many at once, each with its answer in order.
    for number in 101..=1000 {
        socket.feed(Message::text(json!({"text": number.to_string()}).to_string())).await.unwrap();
    }
    socket.flush().await.unwrap();
    for number in 101..=1000 {
        assert_eq!(next(&mut socket).await["text"], number.to_string());
    }
    end(&mut socket).await;
    assert_eq!(rest(&mut socket).await, (vec![], closed(1000, "")));
}

#[tokio::test]
async fn failures_are_an_element_and_a_code() {
    let setting = Setting::new();
    let failed =
        |code: u8, message: &str| (vec![error(code, message)], closed(4000 + u16::from(code), message));
    let fail = |code: u8, message: &str| json!({"status": {"code": code, "message": message}});
    let target = "/ws/echo.v1.Echo/Fail";
    assert_eq!(setting.talk(target, &[fail(5, "Not here.")]).await, failed(5, "Not here."));
    assert_eq!(setting.talk(target, &[fail(16, "Who?")]).await, failed(16, "Who?"));
    // What a backend means by UNKNOWN stays in the log.
    assert_eq!(setting.talk(target, &[fail(2, "secret")]).await, failed(2, "The backend failed."));
    let long = "\u{2603}".repeat(100);
    let (messages, close) = setting.talk(target, &[fail(9, &long)]).await;
    assert_eq!((messages, close), (vec![error(9, &long)], closed(4009, &long[..123])));

    let chat = |messages: &'static [&'static str]| {
        let setting = &setting;
        async move {
            let mut socket = setting.open("/v1/chat/f", &[]).await;
            for message in messages {
                socket.send(Message::text(*message)).await.unwrap();
            }
            let (mut messages, close) = rest(&mut socket).await;
            (messages.pop().unwrap()["error"]["message"].as_str().unwrap().to_owned(), close.unwrap().0)
        }
    };
    let text = "Message 2 of the stream: The request body is not valid: nope: this field is unknown";
    let (message, code) = chat(&["{}", r#"{"nope": 1}"#]).await;
    assert!(
        message.contains("Message 2 of the stream: ") && message.contains("nope"),
        "{message} and not {text}"
    );
    assert_eq!(code, 4003);
    assert_eq!(chat(&[r#"{"code": 7}"#]).await, ("Told to fail at message 1.".to_owned(), 4007));
    let after = "A message came after the last one. Open another WebSocket for another call.";
    // The call must not end by itself before that.
    assert_eq!(chat(&[r#"{"hang": true}"#, "", "{}"]).await, (after.to_owned(), 4003));

    // A call with one message takes no other.
    let (messages, close) = setting.talk("/v1/echo/x", &[json!({})]).await;
    assert!(
        messages.contains(&error(3, after)) || messages == [json!({"string": "x"})],
        "{messages:?} {close:?}"
    );
    let mut socket = setting.open("/v1/wait/further?time=10s", &[]).await;
    setting.reaches("STARTED", "further").await;
    send(&mut socket, json!({})).await;
    assert_eq!(rest(&mut socket).await, failed(3, after));
    setting.reaches("CANCELLED", "further").await;
    let none = "The method takes exactly one message, but none came.";
    let mut socket = setting.open("/v1/echo", &[]).await;
    end(&mut socket).await;
    assert_eq!(rest(&mut socket).await, failed(3, none));
}

#[tokio::test]
async fn trailing_metadata_comes_when_it_is_asked_for() {
    let setting = Setting::new();
    let request = json!({
        "initial": [{"key": "x-first", "text": "1"}],
        "trailing": [{"key": "x-cost", "text": "3"}, {"key": "x-cost", "text": "4"}],
    });
    let (messages, close) =
        setting.talk("/ws/echo.v1.Echo/Metadata?trailers=1", std::slice::from_ref(&request)).await;
    assert_eq!(
        (&messages[1], messages.len(), close),
        (&json!({"@end": {"x-cost": ["3", "4"]}}), 2, closed(1000, ""))
    );
    let (messages, _) = setting.talk("/ws/echo.v1.Echo/Metadata", &[request]).await;
    assert_eq!(messages.len(), 1);
    let (messages, close) = setting
        .talk("/ws/echo.v1.Echo/Fail?trailers=1", &[json!({"status": {"code": 5, "message": "No."}})])
        .await;
    assert_eq!((&messages[0], &messages[1]["@end"].is_object()), (&error(5, "No."), &true));
    assert_eq!(close, closed(4005, "No."));
}

fn envelope(flags: u8, content: &[u8]) -> Vec<u8> {
    [&[flags][..], &u32::try_from(content.len()).unwrap().to_be_bytes(), content].concat()
}

#[tokio::test]
async fn protobuf_in_envelopes() {
    let setting = Setting::new();
    let protocol = [("sec-websocket-protocol", "transom.proto")];
    let talk = |target: &'static str, frames: Vec<Vec<u8>>| {
        let setting = &setting;
        async move {
            let mut socket = setting.open(target, &protocol).await;
            for frame in frames {
                socket.send(Message::binary(frame)).await.unwrap();
            }
            let mut answers = Vec::new();
            loop {
                match socket.next().await.unwrap().unwrap() {
                    Message::Binary(data) => answers.push(data.to_vec()),
                    Message::Close(frame) => return (answers, u16::from(frame.unwrap().code)),
                    _ => {}
                }
            }
        }
    };
    let ok = envelope(2, br#"{"code":0,"message":"","details":[]}"#);
    // The field string = 14, and in Item text = 3 and number = 2.
    let (answers, code) = talk("/ws/echo.v1.Echo/Echo", vec![envelope(0, b"\x72\x01a")]).await;
    assert_eq!((answers, code), (vec![envelope(0, b"\x72\x01a"), ok.clone()], 1000));
    // Several in one frame; the query belongs to the first.
    let both = [envelope(0, b""), envelope(0, b"\x1a\x01b")].concat();
    let (answers, code) = talk("/ws/echo.v1.Streams/Chat?text=q", vec![both, envelope(2, b"")]).await;
    let expected = vec![envelope(0, b"\x10\x01\x1a\x01q"), envelope(0, b"\x10\x02\x1a\x01b"), ok];
    assert_eq!((answers, code), (expected, 1000));
    let (answers, code) =
        talk("/ws/echo.v1.Echo/Fail", vec![envelope(0, b"\x0a\x07\x08\x05\x12\x03No.")]).await;
    assert_eq!((answers, code), (vec![envelope(2, br#"{"code":5,"message":"No.","details":[]}"#)], 4005));
    for (frame, message) in [
        (envelope(1, b"x"), "A binary frame is not valid: a message has the unknown frame flags 1."),
        (b"\0\0\0".to_vec(), "A binary frame is not valid: the data ends in the middle of a message."),
        (
            b"\0\xff\xff\xff\xff".to_vec(),
            "A binary frame is not valid: a message of 4294967295 bytes is larger than the limit of 1048576 bytes.",
        ),
    ] {
        let (answers, code) = talk("/ws/echo.v1.Streams/Chat", vec![frame]).await;
        let status = json!({"code": 3, "message": message, "details": []});
        assert_eq!(serde_json::from_slice::<Value>(&answers[0][5..]).unwrap(), status);
        assert_eq!(code, 4003);
    }
}

#[tokio::test]
async fn credentials_of_browsers_go_upstream() {
    let setting = Setting::with("telemetry: {access_log: json, log: debug}");
    let sent = |target: &'static str, protocol: &'static str| {
        let setting = &setting;
        async move {
            let mut socket = setting.open(target, &[("sec-websocket-protocol", protocol)]).await;
            send(&mut socket, json!({})).await;
            let (messages, _) = rest(&mut socket).await;
            let received = messages[0]["received"].as_array().unwrap().clone();
            let found = received.into_iter().find(|entry| entry["key"] == "authorization");
            found.map(|entry| entry["text"].as_str().unwrap().to_owned())
        }
    };
    let target = "/ws/echo.v1.Echo/Metadata";
    assert_eq!(sent(target, "bearer.to.ken-1, transom.json").await.unwrap(), "Bearer to.ken-1");
    let by_query = "/ws/echo.v1.Echo/Metadata?access_token=to.ken-2";
    assert_eq!(sent(by_query, "transom.json").await.unwrap(), "Bearer to.ken-2");
    assert_eq!(sent(target, "transom.json").await, None);
    setting.is_alive().await;
    setting.gateway.wait_for_log("/v1/echo/alive");
    assert!(!setting.gateway.log().contains("to.ken"), "a token is in the log");
}
