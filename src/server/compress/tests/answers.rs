//! Answers, for clients that accept encodings.

use super::*;

/// What a client accepts.
fn terms(method: &str, accepted: &str) -> Terms {
    let request = Request::builder().method(method).header(ACCEPT_ENCODING, accepted);
    Compression::default().open(request.body(Script::default()).unwrap()).1
}

fn answer(status: u16, headers: &[(&str, &str)], body: Script) -> Response<Script> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(body).unwrap()
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn header<'a, B>(answer: &'a Response<B>, name: &str) -> Option<&'a str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn answers_come_in_the_encoding_that_is_accepted() {
    let text = text(100_000);
    for coding in CODINGS {
        let found = terms("GET", coding.name()).close(answer(200, &[JSON], Script::whole(text.clone())));
        assert_eq!(header(&found, "content-encoding"), Some(coding.name()));
        assert_eq!(header(&found, "vary"), Some("accept-encoding"));
        assert_eq!(found.body().size_hint().exact(), None);
        let mut body = found.into_body();
        let given = pull(&mut body);
        assert!(decode(coding, &given.data()) == text, "{coding:?}");
        assert!(given.data().len() < text.len() / 2, "{coding:?}: {}", given.data().len());
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(pull(&mut body).frames.is_empty());
    }
}

#[test]
fn a_small_whole_body_is_one_frame() {
    let text = text(5_000);
    for coding in CODINGS {
        let mut body = Encoded::new(Script::whole(text.clone()), coding);
        let given = pull(&mut body);
        assert_eq!(given.frames.len(), 1, "{coding:?}");
        assert_eq!(decode(coding, &given.data()), text);
    }
}

#[test]
fn what_is_encoded() {
    let long = || Script::whole(vec![b'x'; 1024]);
    let types = [
        ("application/json", true),
        ("application/json; charset=utf-8", true),
        ("Application/JSON", true),
        ("application/problem+json", true),
        ("application/x-ndjson", true),
        ("text/event-stream", true),
        ("text/html", true),
        ("application/xml", true),
        ("application/soap+xml", true),
        ("image/svg+xml", true),
        ("application/octet-stream", false),
        ("application/pdf", false),
        ("application/zip", false),
        ("image/png", false),
        ("audio/mpeg", false),
        ("video/mp4", false),
        ("font/woff2", false),
        ("application/grpc", false),
        ("application/grpc-web-text", false),
        ("application/grpc+json", false),
        ("application/connect+json", false),
        ("json", false),
        ("", false),
    ];
    for (media, expected) in types {
        let found = terms("GET", "gzip").close(answer(200, &[("content-type", media)], long()));
        assert_eq!(header(&found, "content-encoding").is_some(), expected, "{media}");
        assert_eq!(header(&found, "vary").is_some(), expected, "{media}");
    }
    // Status, headers, size.
    let unknown = || Script::new([Step::Data("{}".into())]);
    type Case<'a> = (u16, &'a [(&'a str, &'a str)], Script, bool);
    let table: [Case<'_>; 13] = [
        (200, &[], long(), true),
        (404, &[], long(), true),
        (200, &[], Script::whole(vec![b'x'; 1023]), false),
        (200, &[], Script::whole(""), false),
        (200, &[], unknown(), true),
        (204, &[], unknown(), false),
        (206, &[], long(), false),
        (304, &[], unknown(), false),
        (200, &[("content-range", "bytes 0-1023/9999")], long(), false),
        (200, &[("content-encoding", "br")], long(), false),
        (200, &[("cache-control", "public, No-Transform")], long(), false),
        (200, &[("cache-control", "no-store")], long(), true),
        (200, &[("vary", "origin")], long(), true),
    ];
    for (status, headers, body, expected) in table {
        let context = format!("{status} {headers:?}");
        let headers = [&[JSON], headers].concat();
        let found = terms("GET", "gzip").close(answer(status, &headers, body));
        let is_encoded = header(&found, "content-encoding") == Some("gzip");
        assert_eq!(is_encoded, expected, "{context}");
        let varies = found.headers().get_all("vary").iter().any(|value| value == "accept-encoding");
        assert_eq!(varies, expected, "{context}");
    }
}

#[test]
fn a_client_that_refuses_plain_bodies_gets_none() {
    for (media, coded) in [("application/json", true), ("image/png", true), ("application/grpc", false)] {
        let small = answer(200, &[("content-type", media)], Script::whole("{}"));
        let found = terms("GET", "identity;q=0, br").close(small);
        assert_eq!(header(&found, "content-encoding"), coded.then_some("br"), "{media}");
        if coded {
            assert_eq!(decode(Coding::Brotli, &pull(&mut found.into_body()).data()), b"{}");
        }
    }
    // There is nothing that it would read.
    let found = terms("GET", "*;q=0").close(answer(200, &[JSON], Script::whole("{}")));
    assert_eq!(pull(&mut found.into_body()).data(), b"{}");
}

#[test]
fn who_does_not_ask_gets_the_answer_as_it_is() {
    let text = text(2_000);
    let request = || Request::new(Script::default());
    let fixed = answer(200, &[JSON, ("etag", "\"1\"")], Script::whole(text.clone()));
    let found = Compression::default().open(request()).1.close(fixed);
    assert_eq!(found.body().size_hint().exact(), Some(text.len() as u64));
    assert_eq!((header(&found, "content-encoding"), header(&found, "etag")), (None, Some("\"1\"")));
    // A cache must know that others may get it otherwise.
    assert_eq!(header(&found, "vary"), Some("accept-encoding"));
    assert_eq!(pull(&mut found.into_body()).data(), text);
    // Switched off, nobody does.
    let off = Compression { requests: true, answers: false };
    let asking = Request::builder().header(ACCEPT_ENCODING, "gzip").body(Script::default()).unwrap();
    let found = off.open(asking).1.close(answer(200, &[JSON], Script::whole(text)));
    assert_eq!((header(&found, "content-encoding"), header(&found, "vary")), (None, None));
}

#[test]
fn headers_fit_the_encoded_body() {
    let headers = [
        JSON,
        ("etag", "\"strong\""),
        ("content-length", "2000"),
        ("accept-ranges", "bytes"),
        ("vary", "origin"),
    ];
    let found = terms("GET", "gzip").close(answer(200, &headers, Script::whole(vec![b'x'; 2000])));
    assert_eq!(header(&found, "etag"), Some("W/\"strong\""));
    assert_eq!((header(&found, "content-length"), header(&found, "accept-ranges")), (None, None));
    let vary: Vec<_> = found.headers().get_all("vary").iter().collect();
    assert_eq!(vary, ["origin", "accept-encoding"]);
    for (name, kept) in [("etag", "W/\"weak\""), ("vary", "*"), ("vary", "origin, Accept-Encoding")] {
        let found =
            terms("GET", "gzip").close(answer(200, &[JSON, (name, kept)], Script::whole(vec![b'x'; 2000])));
        assert_eq!(found.headers().get_all(name).iter().collect::<Vec<_>>(), [kept]);
    }
}

#[test]
fn head_has_the_headers_of_get() {
    let whole = || answer(200, &[JSON, ("etag", "\"1\"")], Script::whole(text(2_000)));
    let [get, head] = ["GET", "HEAD"].map(|method| terms(method, "zstd").close(whole()));
    assert_eq!(head.headers(), get.headers());
    assert_eq!(head.body().size_hint().exact(), None, "the size would be that of another body");
    let small = terms("HEAD", "zstd").close(answer(200, &[JSON], Script::whole("{}")));
    assert_eq!(small.body().size_hint().exact(), Some(2));
}

#[test]
fn a_message_does_not_wait_for_the_next() {
    let messages = [&b"{\"number\":1}\n"[..], b"{\"number\":2}\n", b"{\"number\":3}\n"];
    for coding in CODINGS {
        let steps = messages.iter().flat_map(|message| {
            [Step::Data(Bytes::from_static(message)), Step::Waits, Step::Waits, Step::Waits]
        });
        let stream = answer(200, &[("content-type", "application/x-ndjson")], Script::new(steps));
        let mut body = terms("GET", coding.name()).close(stream).into_body();
        let arriving = Script::default();
        let mut client = Arriving { decoded: Decoded::new(arriving, coding.into()) };
        for message in messages {
            let given = pull(&mut body);
            assert_eq!((given.frames.len(), given.waits), (1, true), "{coding:?}");
            assert_eq!(client.gets(given.data()), message, "{coding:?}");
            // Nothing is written while there is nothing to say.
            let given = pull(&mut body);
            assert_eq!((given.frames.len(), given.waits), (0, true), "{coding:?}");
        }
        let end = pull(&mut body);
        assert!(!end.waits && end.error.is_none());
        assert_eq!(client.gets(end.data()), b"");
    }
}

/// A client that decodes what arrives.
struct Arriving {
    decoded: Decoded<Script>,
}

impl Arriving {
    fn gets(&mut self, data: Vec<u8>) -> Vec<u8> {
        self.decoded.inner_mut().steps.extend([Step::Data(data.into()), Step::Waits]);
        pull(&mut self.decoded).data()
    }
}

#[test]
fn messages_that_are_ready_together_leave_together() {
    let message = Bytes::from_static(b"data: {\"number\":1}\n\n");
    for coding in CODINGS {
        let steps = std::iter::repeat_n(Step::Data(message.clone()), 200).chain([Step::Waits, Step::Waits]);
        let mut body = Encoded::new(Script::new(steps), coding);
        let given = pull(&mut body);
        assert_eq!(given.frames.len(), 1, "{coding:?}");
        let rest = pull(&mut body);
        assert_eq!(decode(coding, &[given.data(), rest.data()].concat()), message.repeat(200));
    }
}

#[test]
fn large_pieces_leave_in_parts() {
    let text = text(700_000);
    for coding in CODINGS {
        let given = pull(&mut Encoded::new(Script::whole(text.clone()), coding));
        let largest = given.frames.iter().map(Bytes::len).max().unwrap();
        assert!(largest <= 160 << 10, "{coding:?}: {largest}");
        assert!(given.frames.len() > 5, "{coding:?}");
        assert!(decode(coding, &given.data()) == text);
    }
}

#[test]
fn what_follows_the_data_still_does() {
    for coding in CODINGS {
        let with_trailers = Script::new([Step::Data("{}".into()), Step::Trailers]);
        let mut body = Encoded::new(with_trailers, coding);
        let given = pull(&mut body);
        assert_eq!((decode(coding, &given.data()).as_slice(), given.trailers), (&b"{}"[..], true));
        assert!(body.is_end_stream());
        // A body that fails is cut: what was there before comes first, and the data has no end.
        let mut body = Encoded::new(Script::new([Step::Data("{}".into()), Step::Fails]), coding);
        let given = pull(&mut body);
        assert_eq!(given.error, Some(("reset by peer".into(), 0)), "{coding:?}");
        let mut cut = Decoded::new(Script::new([Step::Data(given.data().into())]), coding.into());
        let decoded = pull(&mut cut);
        assert_eq!(decoded.data(), b"{}");
        assert!(decoded.error.unwrap().0.starts_with("The request body ends in the middle"));
        assert!(body.is_end_stream());
        // Nothing at all is also something in an encoding.
        let given = pull(&mut Encoded::new(Script::new([]), coding));
        assert!(!given.frames.is_empty() && decode(coding, &given.data()).is_empty());
    }
}
