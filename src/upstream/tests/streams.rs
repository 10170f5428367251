//! Calls that stream in one direction or both.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::*;
use crate::call::{Message, Part, Replies};

fn call_of(client: bool, server: bool, body: Body) -> Call {
    let method = Method { client_streaming: client, server_streaming: server, ..method() };
    Call { method: Arc::new(method), body, ..request("") }
}

fn watch() -> Call {
    call_of(false, true, Body::Message(Bytes::from_static(b"go").into()))
}

/// Messages that are sent as they are put in, and how to put them in.
fn feed() -> (mpsc::UnboundedSender<Result<Bytes, Status>>, Body) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (
        sender,
        Body::Stream(Box::pin(
            UnboundedReceiverStream::new(receiver).map(|message| message.map(Message::from)),
        )),
    )
}

async fn next(replies: &mut Replies) -> Result<Bytes, (Status, HeaderMap)> {
    match replies.next().await.expect("a stream ends with its end") {
        Part::Message(message) => Ok(message.bytes),
        Part::End(status, trailers) => Err((status, trailers)),
    }
}

/// The messages and the end of a reply that streams.
async fn drain(reply: Reply) -> (Vec<Bytes>, Status, HeaderMap) {
    assert!(reply.status.is_ok(), "{reply:?}");
    let mut replies = reply.stream.expect("the reply streams");
    let mut messages = Vec::new();
    loop {
        match next(&mut replies).await {
            Ok(message) => messages.push(message),
            Err((status, trailers)) => {
                assert!(replies.next().await.is_none(), "nothing comes after the end");
                return (messages, status, trailers);
            }
        }
    }
}

#[tokio::test]
async fn messages_of_a_backend_come_with_its_metadata_on_both_ends() {
    let target = backend(|(_, mut respond): Stream| async move {
        let mut head = head();
        head.headers_mut().insert("x-cost", HeaderValue::from_static("1"));
        let mut send = respond.send_response(head, false).unwrap();
        // Frames cut in the middle of a prefix and of a message, and two in one.
        let all = [frame(b"one"), frame(b""), frame(b"three")].concat();
        for cut in [&all[..2], &all[2..6], &all[6..]] {
            send.send_data(Bytes::copy_from_slice(cut), false).unwrap();
        }
        send.send_trailers(fields(&[("grpc-status", "0"), ("x-rows", "3")])).unwrap();
    })
    .await;
    let reply = channel(vec![target]).call(watch()).await;
    assert_eq!(reply.metadata, fields(&[("x-cost", "1")]));
    let (messages, status, trailers) = drain(reply).await;
    assert_eq!(messages, [&b"one"[..], b"", b"three"]);
    assert_eq!((status, trailers), (Status::ok(), fields(&[("x-rows", "3")])));
}

#[tokio::test]
async fn the_end_says_what_went_wrong_after_any_number_of_messages() {
    type Case = (&'static [u8], Option<&'static [(&'static str, &'static str)]>, (Code, &'static str));
    let table: [Case; 6] = [
        (b"\0\0\0\0\x01a", Some(&[("grpc-status", "5"), ("grpc-message", "gone")]), (Code::NotFound, "gone")),
        (b"", Some(&[("grpc-status", "5"), ("grpc-message", "gone")]), (Code::NotFound, "gone")),
        (b"\0\0\0\0\x01a", None, (Code::Internal, "The backend's answer ended without a grpc-status.")),
        (
            b"\0\0\0\0\x01a",
            Some(&[("x-a", "b")]),
            (Code::Internal, "The backend's answer ended without a grpc-status."),
        ),
        (
            b"\0\0\0\0\x01a\0\0\0",
            Some(&[("grpc-status", "0")]),
            (Code::Internal, "The backend's answer ends in the middle of a message."),
        ),
        (
            b"\0\0\0\0\x01a\x07\0\0\0\0",
            Some(&[("grpc-status", "0")]),
            (Code::Internal, "The backend's message has the unknown frame flag 7."),
        ),
    ];
    for (data, trailers, (code, text)) in table {
        let target = backend(move |(_, mut respond): Stream| async move {
            let mut send = respond.send_response(head(), false).unwrap();
            send.send_data(Bytes::from_static(data), trailers.is_none()).unwrap();
            if let Some(trailers) = trailers {
                send.send_trailers(fields(trailers)).unwrap();
            }
        })
        .await;
        let (messages, status, _) = drain(channel(vec![target]).call(watch()).await).await;
        assert_eq!(messages.len(), usize::from(!data.is_empty()), "{data:?}");
        assert_eq!((status.code(), status.message()), (code, text), "{data:?}");
    }
}

#[tokio::test]
async fn a_stream_that_fails_before_it_begins_is_a_plain_reply() {
    let target = backend(|(_, mut respond): Stream| async move {
        let mut head = head();
        head.headers_mut().extend(fields(&[("grpc-status", "7"), ("grpc-message", "no"), ("x-a", "b")]));
        respond.send_response(head, true).unwrap();
    })
    .await;
    let reply = channel(vec![target]).call(watch()).await;
    assert!(reply.stream.is_none());
    assert_eq!((reply.status.code(), reply.status.message()), (Code::PermissionDenied, "no"));
    assert_eq!(reply.trailers, fields(&[("x-a", "b")]));

    let reply = channel(vec![dead().await]).call(watch()).await;
    assert_eq!(reply.status.code(), Code::Unavailable);
}

/// Answers each message with the same one, as they come.
async fn chat((request, mut respond): Stream) {
    let mut body = request.into_body();
    let mut send = respond.send_response(head(), false).unwrap();
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).unwrap();
        send.send_data(data, false).unwrap();
    }
    send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
}

#[tokio::test]
async fn both_directions_go_on_at_once() {
    let channel = channel(vec![backend(chat).await]);
    let (sender, body) = feed();
    let reply = channel.call(call_of(true, true, body)).await;
    let mut replies = reply.stream.unwrap();
    for text in ["a", "b", "c"] {
        sender.send(Ok(Bytes::from(text))).unwrap();
        assert_eq!(next(&mut replies).await.unwrap(), text);
    }
    drop(sender);
    assert_eq!(next(&mut replies).await.unwrap_err().0, Status::ok());
}

#[tokio::test]
async fn many_messages_larger_than_the_windows_become_one_answer() {
    let target = backend(echo).await;
    let messages: Vec<Bytes> = (0..20_u8).map(|i| vec![i; 30_000].into()).collect();
    let body =
        Body::Stream(Box::pin(stream::iter(messages.clone().into_iter().map(|message| Ok(message.into())))));
    // What is echoed is a stream of the same messages.
    let (back, status, _) = drain(channel(vec![target]).call(call_of(true, true, body)).await).await;
    assert!(status.is_ok());
    assert_eq!(back, messages);

    let count = backend(|(request, mut respond): Stream| async move {
        let frames = read_all(&mut request.into_body()).await;
        let mut send = respond.send_response(head(), false).unwrap();
        send.send_data(frame(frames.len().to_string().as_bytes()), false).unwrap();
        send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
    })
    .await;
    let body = Body::Stream(Box::pin(stream::iter(messages.into_iter().map(|message| Ok(message.into())))));
    let reply = channel(vec![count]).call(call_of(true, false, body)).await;
    assert_echo(&reply, b"600100");
}

#[tokio::test]
async fn a_flaw_of_the_callers_messages_ends_the_call_and_takes_it_back() {
    let (report, reset) = oneshot::channel();
    let report = Arc::new(Mutex::new(Some(report)));
    let target = backend(move |(request, respond): Stream| {
        let report = Arc::clone(&report);
        async move {
            let mut body = request.into_body();
            let mut seen = Vec::new();
            let end = loop {
                match body.data().await {
                    Some(Ok(data)) => seen.extend_from_slice(&data),
                    end => break end,
                }
            };
            let reason = end.and_then(|end| end.err()).and_then(|error| error.reason());
            report.lock().unwrap().take().unwrap().send((seen, reason)).unwrap();
            drop(respond);
        }
    })
    .await;
    let flaw = Status::caller(Code::InvalidArgument, "Message 2 is bad.");
    let body = Body::Stream(Box::pin(stream::iter([Ok(Bytes::from_static(b"a").into()), Err(flaw.clone())])));
    let reply = channel(vec![target]).call(call_of(true, false, body)).await;
    assert_eq!(reply.status, flaw);
    let (seen, reason) = reset.await.unwrap();
    assert!(frame(b"a").starts_with(&seen));
    assert_eq!(reason, Some(h2::Reason::CANCEL));
}

#[tokio::test]
async fn a_dropped_stream_is_cancelled_at_the_backend() {
    let (report, cancelled) = oneshot::channel();
    let report = Arc::new(Mutex::new(Some(report)));
    let target = backend(move |(_, mut respond): Stream| {
        let report = Arc::clone(&report);
        async move {
            let mut send = respond.send_response(head(), false).unwrap();
            send.send_data(frame(b"a"), false).unwrap();
            let reason = std::future::poll_fn(|cx| send.poll_reset(cx)).await.unwrap();
            report.lock().unwrap().take().unwrap().send(reason).unwrap();
        }
    })
    .await;
    let mut replies = channel(vec![target]).call(watch()).await.stream.unwrap();
    assert_eq!(next(&mut replies).await.unwrap(), "a");
    drop(replies);
    assert_eq!(cancelled.await.unwrap(), h2::Reason::CANCEL);
}

#[tokio::test]
async fn streams_that_nobody_reads_do_not_hold_up_the_others() {
    let channel = channel(vec![backend(endless).await]);
    let mut held = Vec::new();
    for _ in 0..150 {
        held.push(channel.call(watch()).await.stream.unwrap());
    }
    for _ in 0..10 {
        assert_echo(&ask(&channel, "hello").await, b"fine");
    }
}

/// Sends without end on "go"; answers "fine" otherwise.
async fn endless((request, mut respond): Stream) {
    let is_endless = read_first(&mut request.into_body()).await == frame(b"go");
    let mut send = respond.send_response(head(), false).unwrap();
    if !is_endless {
        send.send_data(frame(b"fine"), false).unwrap();
        send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
        return;
    }
    loop {
        send.reserve_capacity(16 * 1024);
        match std::future::poll_fn(|cx| send.poll_capacity(cx)).await {
            Some(Ok(granted)) => send.send_data(vec![0; granted].into(), false).unwrap(),
            _ => return,
        }
    }
}

/// They wait to be reset, and meanwhile take neither time nor the streams that a backend allows.
#[tokio::test]
async fn streams_that_wait_to_be_cancelled_do_not_hold_up_the_others() {
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let handler = move |(request, mut respond): Stream| {
        let count = Arc::clone(&count);
        async move {
            drop(request);
            let mut send = respond.send_response(head(), false).unwrap();
            send.send_data(frame(b"a"), false).unwrap();
            loop {
                send.reserve_capacity(16 * 1024);
                match std::future::poll_fn(|cx| send.poll_capacity(cx)).await {
                    Some(Ok(granted)) => {
                        count.fetch_add(granted, Relaxed);
                        send.send_data(vec![0; granted].into(), false).unwrap();
                    }
                    _ => return,
                }
            }
        }
    };
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(70);
    let channel = channel(vec![backend_with(builder, handler).await]);
    for _ in 0..3 {
        let mut streams = Vec::new();
        let opened = async {
            for _ in 0..70 {
                let mut replies = channel.call(watch()).await.stream.unwrap();
                assert_eq!(next(&mut replies).await.unwrap(), "a");
                streams.push(replies);
            }
        };
        // One after the other, 50 would take 10 s to be reset.
        tokio::time::timeout(Duration::from_secs(5), opened).await.expect("there are streams for all");
    }
    let most = 3 * 70 * 2 * 64 * 1024;
    assert!(sent.load(Relaxed) < most, "{} bytes were sent to nobody", sent.load(Relaxed));
}

async fn read_first(body: &mut RecvStream) -> Bytes {
    let mut all = Vec::new();
    while all.len() < 7
        && let Some(Ok(data)) = body.data().await
    {
        all.extend_from_slice(&data);
    }
    all.into()
}

#[tokio::test(start_paused = true)]
async fn streams_end_at_their_deadline_or_when_nothing_passes() {
    let target = backend(|(_, mut respond): Stream| async move {
        let send = respond.send_response(head(), false).unwrap();
        std::future::pending::<()>().await;
        drop(send);
    })
    .await;
    let channel = channel(vec![target]);
    let started = Instant::now();
    let mut call = watch();
    call.deadline = Some(started + Duration::from_secs(3));
    let (_, status, _) = drain(channel.call(call).await).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.message(), "The call was not answered within its deadline of 3000 ms.");

    let (_, status, _) = drain(channel.call(watch()).await).await;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.message(), "No message passed for 900 s, so the stream was ended.");
}

#[tokio::test]
async fn calls_given_up_for_their_callers_faults_are_reset_in_turn() {
    let (event, mut resets) = mpsc::unbounded_channel();
    let target = backend(move |(request, mut respond): Stream| {
        let event = event.clone();
        async move {
            if request.headers().contains_key("x-hang") {
                if std::future::poll_fn(|cx| respond.poll_reset(cx)).await.is_ok() {
                    let _ = event.send(());
                }
            } else {
                echo((request, respond)).await;
            }
        }
    })
    .await;
    let channel = channel(vec![target]);
    let calls: Vec<_> = (0..30)
        .map(|_| {
            let flaw = Status::caller(Code::InvalidArgument, "Message 2 is bad.");
            let messages = stream::iter([Ok(Bytes::from_static(b"a").into()), Err(flaw)]);
            let mut call = call_of(true, false, Body::Stream(Box::pin(messages)));
            call.metadata = fields(&[("x-hang", "1")]);
            tokio::spawn(channel.call(call))
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().status.message(), "Message 2 is bad.");
    }
    for _ in 0..5 {
        assert_echo(&ask(&channel, "still here").await, b"still here");
    }
    // 20 at once, and then one each 200 ms.
    let first = std::iter::from_fn(|| resets.try_recv().ok()).count();
    assert!(first <= 25, "{first} resets at once");
    for _ in first..30 {
        resets.recv().await.unwrap();
    }
}
