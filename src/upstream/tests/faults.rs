//! Backends that answer wrongly. Each case checks code, HTTP status and text, and that the channel
//! serves the next call.

use std::sync::atomic::{AtomicUsize, Ordering};

use h2::Reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const OK: &[(&str, &str)] = &[("grpc-status", "0")];

/// What a backend sends: headers, DATA, and trailers if there are any.
#[derive(Clone)]
struct Answer {
    head: Response<()>,
    data: Vec<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Answer {
    async fn send(self, (request, mut respond): Stream) {
        read_all(&mut request.into_body()).await;
        let ends = self.data.is_empty() && self.trailers.is_none();
        let mut send = respond.send_response(self.head, ends).unwrap();
        let last = self.data.len();
        for (index, data) in self.data.into_iter().enumerate() {
            send.send_data(data, index + 1 == last && self.trailers.is_none()).unwrap();
        }
        if let Some(trailers) = self.trailers {
            send.send_trailers(trailers).unwrap();
        }
    }
}

/// The reply to an answer, after which the same backend still serves an ordinary call.
async fn reply_to(answer: Answer) -> Reply {
    let calls = Arc::new(AtomicUsize::new(0));
    let target = backend(move |stream| {
        let (answer, first) = (answer.clone(), calls.fetch_add(1, Ordering::Relaxed) == 0);
        async move { if first { answer.send(stream).await } else { echo(stream).await } }
    })
    .await;
    let channel = channel(vec![target]);
    let reply = ask(&channel, "hello").await;
    assert_echo(&ask(&channel, "still here").await, b"still here");
    reply
}

fn answer(data: &[&[u8]], trailers: Option<&[(&'static str, &str)]>) -> Answer {
    Answer {
        head: head(),
        data: data.iter().map(|data| Bytes::copy_from_slice(data)).collect(),
        trailers: trailers.map(fields),
    }
}

#[tokio::test]
async fn answers_without_exactly_one_message_and_a_status_are_internal() {
    let one = frame(b"a");
    let two = [&one[..], &one].concat();
    let cases = [
        (answer(&[], Some(OK)), "The backend answered OK without a message."),
        (answer(&[&one, &one], Some(OK)), "The backend sent more than one message for a unary call."),
        (answer(&[&two], Some(OK)), "The backend sent more than one message for a unary call."),
        (answer(&[&one, b"x"], Some(OK)), "The backend sent more than one message for a unary call."),
        (answer(&[&one[..3]], Some(OK)), "The backend's answer ends in the middle of a message."),
        (answer(&[&one[..5]], None), "The backend's answer ends in the middle of a message."),
        (answer(&[&one], None), "The backend's answer ended without a grpc-status."),
        (answer(&[], None), "The backend's answer ended without a grpc-status."),
        (answer(&[&one], Some(&[("x-a", "b")])), "The backend's answer ended without a grpc-status."),
        (answer(&[&one], Some(&[("grpc-status", "fine")])), "The backend's grpc-status is not a number."),
        (
            answer(&[b"\x01\0\0\0\x01a"], Some(OK)),
            "The backend compressed its message although it was not asked to.",
        ),
        (answer(&[b"<html></html>"], Some(OK)), "The backend's message has the unknown frame flag 60."),
    ];
    for (answer, text) in cases {
        let reply = reply_to(answer).await;
        assert_status(&reply.status, Code::Internal, 502, text);
        assert!(reply.message.bytes.is_empty());
    }
}

#[tokio::test]
async fn a_message_over_the_limit_is_refused_by_its_announcement() {
    let reply = reply_to(answer(&[b"\0\x00\x40\0\x01"], Some(OK))).await;
    let text = "The backend's message of 4194305 bytes is larger than the limit of 4194304 bytes.";
    assert_status(&reply.status, Code::ResourceExhausted, 502, text);
}

#[tokio::test]
async fn http_answers_of_others_are_recognised() {
    let html = |status: u16| Answer {
        head: Response::builder().status(status).header("content-type", "text/html").body(()).unwrap(),
        data: vec!["<h1>hello</h1>".into()],
        trailers: None,
    };
    let cases = [
        (503, Code::Unavailable, 503, "The backend answered with HTTP status 503 instead of a gRPC status."),
        (
            404,
            Code::Unimplemented,
            501,
            "The backend answered with HTTP status 404 instead of a gRPC status.",
        ),
        (500, Code::Unknown, 502, "The backend answered with HTTP status 500 instead of a gRPC status."),
        (
            200,
            Code::Unknown,
            502,
            "The backend answered with the content type `text/html` instead of application/grpc.",
        ),
    ];
    for (status, code, http, text) in cases {
        assert_status(&reply_to(html(status)).await.status, code, http, text);
    }
}

#[tokio::test]
async fn statuses_come_through_with_message_and_details_in_every_place() {
    let status = &[
        ("grpc-status", "5"),
        ("grpc-message", "no book %22x%22"),
        ("grpc-status-details-bin", "CAUaCAoDYS9iEgEB"),
        ("x-cost", "3"),
    ];
    let mut only = head();
    only.headers_mut().extend(fields(status));
    let mut proxied = only.clone();
    *proxied.status_mut() = http::StatusCode::NOT_FOUND;
    let cases = [
        answer(&[], Some(status)),
        answer(&[&frame(b"a")], Some(status)),
        answer(&[&frame(b"abc")[..6]], Some(status)),
        Answer { head: only.clone(), data: vec![], trailers: None },
        Answer { head: only, data: vec![Bytes::new()], trailers: None },
        Answer { head: proxied, data: vec![], trailers: None },
    ];
    for answer in cases {
        let reply = reply_to(answer).await;
        assert_status(&reply.status, Code::NotFound, 404, "no book \"x\"");
        assert_eq!(reply.status.details()[0].type_url, "a/b");
        assert_eq!(reply.trailers, fields(&[("x-cost", "3")]));
        assert!(reply.message.bytes.is_empty());
    }
}

#[tokio::test]
async fn metadata_of_both_ends_is_kept() {
    let mut with = answer(&[&frame(b"a")], Some(&[("grpc-status", "0"), ("x-end", "2")]));
    with.head.headers_mut().insert("x-start", HeaderValue::from_static("1"));
    let reply = reply_to(with).await;
    assert_echo(&reply, b"a");
    assert_eq!(reply.metadata, fields(&[("x-start", "1")]));
    assert_eq!(reply.trailers, fields(&[("x-end", "2")]));
}

#[tokio::test]
async fn resets_are_mapped() {
    let cases = [
        (Reason::CANCEL, Code::Cancelled, 502, "The backend cancelled the call."),
        (
            Reason::ENHANCE_YOUR_CALM,
            Code::ResourceExhausted,
            503,
            "The backend asks for fewer or smaller calls.",
        ),
        (
            Reason::INTERNAL_ERROR,
            Code::Internal,
            502,
            "The backend reset the call with the HTTP/2 error INTERNAL_ERROR.",
        ),
    ];
    for (reason, code, http, text) in cases {
        for after_head in [false, true] {
            let target = backend(move |(_, mut respond): Stream| async move {
                if after_head {
                    let mut send = respond.send_response(head(), false).unwrap();
                    send.send_data(frame(b"abc").slice(..6), false).unwrap();
                    send.send_reset(reason);
                } else {
                    respond.send_reset(reason);
                }
            })
            .await;
            assert_status(&refused(&channel(vec![target])).await, code, http, text);
        }
    }
}

#[tokio::test]
async fn headers_over_the_limit_are_refused() {
    let mut large = answer(&[&frame(b"a")], Some(OK));
    for index in 0..70 {
        let name = HeaderName::try_from(format!("x-{index}")).unwrap();
        large.head.headers_mut().insert(name, "y".repeat(1000).parse().unwrap());
    }
    let text = "The backend broke the HTTP/2 protocol or sent more than 64 KiB of headers.";
    assert_status(&reply_to(large).await.status, Code::Internal, 502, text);
}

#[tokio::test]
async fn headers_that_a_backend_does_not_take_are_not_sent() {
    let mut builder = h2::server::Builder::new();
    builder.max_header_list_size(500);
    let channel = channel(vec![backend_with(builder, echo).await]);
    // The backend's SETTINGS arrive with the first answer.
    assert_echo(&ask(&channel, "first").await, b"first");
    let mut call = request("hello");
    call.metadata = fields(&[("x-large", &"x".repeat(1000))]);
    let status = channel.call(call).await.status;
    let (start, end) = status.message().split_once(" bytes, ").unwrap();
    let size: usize = start.strip_prefix("The headers of the call have ").unwrap().parse().unwrap();
    // Beside 1039 for `x-large`.
    assert!((1300..1600).contains(&size), "{size}");
    assert_eq!(end, "and the backend takes no more than 500; send fewer or shorter ones.");
    assert_eq!((status.code(), status.http()), (Code::ResourceExhausted, 431));
    assert_echo(&ask(&channel, "still here").await, b"still here");
}

#[tokio::test]
async fn data_after_the_trailers_changes_no_answer() {
    let (listener, target) = listen().await;
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        let mut seen = 0;
        // The preface, SETTINGS, the connection's WINDOW_UPDATE, HEADERS and DATA.
        while seen < 100 {
            seen += socket.read(&mut buffer).await.unwrap();
        }
        let settings = b"\0\0\0\x04\0\0\0\0\0";
        // :status 200, content-type: application/grpc, both literal without indexing.
        let mut block = vec![0x88, 0x0f, 0x10, 16];
        block.extend_from_slice(b"application/grpc");
        let mut trailers = vec![0x00, 11];
        trailers.extend_from_slice(b"grpc-status\x010");
        let mut out = settings.to_vec();
        for (kind, flags, payload) in
            [(1, 4, &block[..]), (0, 0, b"\0\0\0\0\x01a"), (1, 5, &trailers), (0, 0, b"\0\0\0\0\0")]
        {
            out.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes()[1..]);
            out.extend_from_slice(&[kind, flags, 0, 0, 0, 1]);
            out.extend_from_slice(payload);
        }
        socket.write_all(&out).await.unwrap();
        socket.shutdown().await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = handshake(socket).await;
        while let Some(Ok(stream)) = connection.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    let channel = channel(vec![target]);
    assert_echo(&ask(&channel, "hello").await, b"a");
    assert_echo(&ask(&channel, "again").await, b"again");
}

#[tokio::test]
async fn a_server_that_speaks_no_http2_is_explained() {
    let (listener, target) = listen().await;
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        let _ = socket.read_to_end(&mut Vec::new()).await;
    });
    let text = "The backend does not keep to HTTP/2; is it a gRPC server?";
    assert_status(&refused(&channel(vec![target])).await, Code::Internal, 502, text);
}

#[tokio::test]
async fn noise_on_the_wire_never_passes_for_an_answer() {
    let (listener, target) = listen().await;
    tokio::spawn(async move {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut byte = move || {
            // xorshift64: the same noise in each run.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut noise = b"\0\0\0\x04\0\0\0\0\0".to_vec();
            for _ in 0..byte() % 8 + 1 {
                // A frame of a plausible length and type on stream 1, its content at random.
                let length = byte() % 64;
                noise.extend_from_slice(&[0, 0, length, byte() % 10, byte() & 0x2d, 0, 0, 0, byte() & 1]);
                noise.extend((0..length).map(|_| byte()));
            }
            let _ = socket.read(&mut [0; 1024]).await;
            let _ = socket.write_all(&noise).await;
            let _ = socket.shutdown().await;
            let _ = socket.read_to_end(&mut Vec::new()).await;
        }
    });
    for _ in 0..300 {
        let channel = channel(vec![target.clone()]);
        let status = refused(&channel).await;
        assert!(matches!(status.http(), 502 | 503), "{status}");
    }
}
