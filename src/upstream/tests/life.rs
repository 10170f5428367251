//! Connections that come and go, deadlines, cancellation, flow control, and several targets.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use h2::Reason;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::super::core;
use super::*;

const UNREACHABLE: &str = "No backend of this service can be reached at the moment; try again shortly.";

/// A backend that answers each call with the number of its connection, unless `leave` lets it go away
/// from that connection before any call.
async fn numbered(leave: impl Fn(usize) -> Option<Reason> + Send + 'static) -> (Target, Arc<AtomicUsize>) {
    let (listener, target) = listen().await;
    let connections = Arc::new(AtomicUsize::new(0));
    let opened = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let number = opened.fetch_add(1, Ordering::Relaxed);
            let mut connection = handshake(socket).await;
            if let Some(reason) = leave(number) {
                connection.abrupt_shutdown(reason);
            }
            tokio::spawn(async move {
                while let Some(Ok((_, mut respond))) = connection.accept().await {
                    let mut send = respond.send_response(head(), false).unwrap();
                    send.send_data(frame(number.to_string().as_bytes()), false).unwrap();
                    send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
                }
            });
        }
    });
    (target, connections)
}

#[tokio::test]
async fn one_connection_carries_all_calls_of_a_core() {
    let (target, connections) = numbered(|_| None).await;
    let channel = channel(vec![target]);
    let calls = (0..50).map(|_| ask(&channel, "hello"));
    for reply in futures_util::future::join_all(calls).await {
        assert_echo(&reply, b"0");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 1);
}

#[test]
fn each_core_has_a_connection_of_its_own() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime();
    let (target, connections) = server.block_on(numbered(|_| None));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = std::thread::spawn(move || server.block_on(stopped));
    let channel = Channel::new("shop", vec![target], Settings::default(), 2);
    let mut seen = Vec::new();
    for index in [Some(0), Some(1), None] {
        let channel = channel.clone();
        let work = move || {
            if let Some(index) = index {
                core::enter(index);
            }
            runtime().block_on(async {
                let first = ask(&channel, "hello").await.message.bytes;
                assert_eq!(ask(&channel, "hello").await.message.bytes, first);
                first
            })
        };
        seen.push(std::thread::spawn(work).join().unwrap());
    }
    assert_eq!(seen, ["0", "1", "2"]);
    // The runtime of the first thread is gone, and its connection with it.
    let again = std::thread::spawn(move || {
        core::enter(0);
        runtime().block_on(ask(&channel, "hello"))
    });
    assert_echo(&again.join().unwrap(), b"3");
    assert_eq!(connections.load(Ordering::Relaxed), 4);
    drop(stop);
    let _ = server.join().unwrap();
}

#[tokio::test]
async fn streams_above_a_goaway_are_sent_again_on_a_new_connection() {
    let (target, connections) = numbered(|number| (number == 0).then_some(Reason::NO_ERROR)).await;
    let channel = channel(vec![target]);
    let calls = (0..10).map(|_| ask(&channel, "hello"));
    for reply in futures_util::future::join_all(calls).await {
        assert_echo(&reply, b"1");
    }
    assert_eq!(connections.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn streams_below_a_goaway_are_answered_while_new_calls_use_a_new_connection() {
    let (listener, target) = listen().await;
    let (seen, mut started) = mpsc::unbounded_channel();
    let (finish, finished) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut old = handshake(socket).await;
        let stream = old.accept().await.unwrap().unwrap();
        old.graceful_shutdown();
        tokio::spawn(async move {
            finished.await.unwrap();
            echo(stream).await;
        });
        tokio::spawn(async move { while old.accept().await.is_some() {} });
        seen.send(()).unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        let mut new = handshake(socket).await;
        while let Some(Ok(stream)) = new.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    let channel = channel(vec![target]);
    let old = tokio::spawn({
        let channel = channel.clone();
        async move { ask(&channel, "old").await }
    });
    started.recv().await.unwrap();
    // The calls before the GOAWAY is seen go to the old connection, where nobody takes them, or are sent again.
    let mut reply = ask(&channel, "new").await;
    while reply.status.code() == Code::Cancelled {
        reply = ask(&channel, "new").await;
    }
    assert_echo(&reply, b"new");
    finish.send(()).unwrap();
    assert_echo(&old.await.unwrap(), b"old");
}

#[tokio::test]
async fn a_backend_that_always_goes_away_is_tried_three_times() {
    let (target, connections) = numbered(|_| Some(Reason::NO_ERROR)).await;
    let status = refused(&channel(vec![target])).await;
    assert_eq!((status.code(), status.http()), (Code::Unavailable, 503));
    assert!(status.is_retryable());
    assert_eq!(connections.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_restarted_backend_is_connected_to_again() {
    let (listener, target) = listen().await;
    let address = listener.local_addr().unwrap();
    let serve = |listener: TcpListener| async move {
        let (socket, _) = listener.accept().await.unwrap();
        drop(listener);
        let mut connection = handshake(socket).await;
        let stream = connection.accept().await.unwrap().unwrap();
        tokio::join!(echo(stream), async {
            connection.graceful_shutdown();
            while connection.accept().await.is_some() {}
        });
    };
    let channel = channel(vec![target]);
    let first = tokio::spawn(serve(listener));
    assert_echo(&ask(&channel, "one").await, b"one");
    first.await.unwrap();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(address).unwrap();
    tokio::spawn(serve(socket.listen(8).unwrap()));
    assert_echo(&ask(&channel, "two").await, b"two");
}

#[tokio::test]
async fn a_connection_that_breaks_fails_the_call_and_an_idempotent_one_is_sent_again() {
    for idempotent in [false, true] {
        let (listener, target) = listen().await;
        tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let mut connection = handshake(socket).await;
            let stream = connection.accept().await;
            drop(connection);
            drop(stream);
            let (socket, _) = listener.accept().await.unwrap();
            let mut connection = handshake(socket).await;
            while let Some(Ok(stream)) = connection.accept().await {
                tokio::spawn(echo(stream));
            }
        });
        let channel = channel(vec![target]);
        let mut call = request("hello");
        call.method = Arc::new(Method { idempotent, ..method() });
        let reply = channel.call(call).await;
        if idempotent {
            assert_echo(&reply, b"hello");
        } else {
            let text = "The connection to the backend broke before it answered in full.";
            assert_status(&reply.status, Code::Unavailable, 503, text);
            assert!(!reply.status.is_retryable());
            assert_echo(&ask(&channel, "next").await, b"next");
        }
    }
}

#[tokio::test]
async fn a_connection_closed_in_the_middle_of_a_message_is_an_error() {
    let (listener, target) = listen().await;
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = handshake(socket).await;
        let (_, mut respond) = connection.accept().await.unwrap().unwrap();
        let mut send = respond.send_response(head(), false).unwrap();
        send.send_data(frame(b"abcdef").slice(..8), false).unwrap();
        // Polling once writes what is queued.
        std::future::poll_fn(|cx| {
            let _ = connection.poll_closed(cx);
            Poll::Ready(())
        })
        .await;
    });
    let text = "The connection to the backend broke before it answered in full.";
    assert_status(&refused(&channel(vec![target])).await, Code::Unavailable, 503, text);
}

#[tokio::test]
async fn a_refused_stream_is_sent_again_once() {
    for refusals in [1, 2] {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let target = backend(move |(request, mut respond): Stream| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            async move {
                if number < refusals {
                    respond.send_reset(Reason::REFUSED_STREAM);
                } else {
                    echo((request, respond)).await;
                }
            }
        })
        .await;
        let reply = ask(&channel(vec![target]), "hello").await;
        if refusals == 1 {
            assert_echo(&reply, b"hello");
        } else {
            let text = "The backend refused the call; try again shortly.";
            assert_status(&reply.status, Code::Unavailable, 503, text);
            assert!(reply.status.is_retryable());
        }
        assert_eq!(calls.load(Ordering::Relaxed), 2);
    }
}

#[tokio::test]
async fn a_refused_stream_moves_to_another_target() {
    let refusing =
        backend(|(_, mut respond): Stream| async move { respond.send_reset(Reason::REFUSED_STREAM) }).await;
    let channel = channel(vec![refusing, backend(echo).await]);
    for _ in 0..6 {
        assert_echo(&ask(&channel, "hello").await, b"hello");
    }
}

#[tokio::test]
async fn nobody_listening_is_unavailable_at_once() {
    let channel = channel(vec![dead().await, dead().await]);
    for _ in 0..3 {
        let started = Instant::now();
        let status = refused(&channel).await;
        assert_status(&status, Code::Unavailable, 503, UNREACHABLE);
        assert!(status.is_retryable());
        assert!(started.elapsed() < Duration::from_millis(900));
    }
    assert_status(&refused(&self::channel(vec![])).await, Code::Unavailable, 503, UNREACHABLE);
}

#[tokio::test]
async fn a_backend_that_closes_every_connection_is_left_alone_for_a_while() {
    let (listener, target) = listen().await;
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        loop {
            drop(listener.accept().await.unwrap());
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let channel = channel(vec![target]);
    let mut calls = 0;
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(300) {
        assert_eq!(refused(&channel).await.http(), 503);
        calls += 1;
        tokio::task::yield_now().await;
    }
    let accepted = accepted.load(Ordering::Relaxed);
    // The rests add up to at least 10, 20, 40, 80, 160 ms.
    assert!(accepted <= 8 && accepted < calls, "{accepted} connections for {calls} calls");
}

#[tokio::test]
async fn targets_take_turns_and_a_dead_one_costs_nothing() {
    let named = |name: &'static [u8]| {
        backend(move |(_, mut respond): Stream| async move {
            let mut send = respond.send_response(head(), false).unwrap();
            send.send_data(frame(name), false).unwrap();
            send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
        })
    };
    let channel = channel(vec![named(b"a").await, dead().await, named(b"b").await]);
    let mut seen = [0, 0];
    let mut last = Bytes::new();
    let mut together = 0;
    for _ in 0..40 {
        let reply = ask(&channel, "hello").await;
        assert!(reply.status.is_ok(), "{}", reply.status);
        seen[usize::from(reply.message.bytes == "b")] += 1;
        together += usize::from(reply.message.bytes == last);
        last = reply.message.bytes;
    }
    // Only the calls before both were connected may have met the same target twice in a row.
    assert!(seen[0] >= 15 && seen[1] >= 15 && together <= 10, "{seen:?}, {together} repeats");
}

#[tokio::test]
async fn a_hanging_backend_meets_the_deadline_and_sees_a_cancel() {
    let (seen, mut resets) = mpsc::unbounded_channel();
    let (begun, mut began) = mpsc::unbounded_channel();
    let target = backend(move |(request, mut respond): Stream| {
        let (seen, begun) = (seen.clone(), begun.clone());
        async move {
            begun.send(request.headers()["grpc-timeout"].clone()).unwrap();
            let reason = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            seen.send(reason.unwrap()).unwrap();
        }
    })
    .await;
    let settings = Settings { timeout: Duration::from_millis(300), ..Settings::default() };
    let channel = Channel::new("shop", vec![target], settings, 0);
    let text = "The call was not answered within its deadline of 300 ms.";
    assert_status(&refused(&channel).await, Code::DeadlineExceeded, 504, text);
    assert_eq!(resets.recv().await, Some(Reason::CANCEL));

    let mut call = request("hello");
    call.deadline = Some(Instant::now() + Duration::from_millis(200));
    assert_eq!(channel.call(call).await.status.http(), 504);
    assert_eq!(resets.recv().await, Some(Reason::CANCEL));
    let timeouts = [began.recv().await.unwrap(), began.recv().await.unwrap()];
    for (timeout, most) in timeouts.iter().zip([300_000_000, 200_000_000]) {
        let text = timeout.to_str().unwrap();
        let (amount, unit) = text.split_at(text.len() - 1);
        let nanos = amount.parse::<u64>().unwrap() * if unit == "n" { 1 } else { 1000 };
        assert!(nanos <= most && nanos > most / 10, "{text}");
    }

    // A call that is late from the start is not sent.
    let mut call = request("hello");
    call.deadline = Some(Instant::now());
    assert_eq!(channel.call(call).await.status.http(), 504);
    tokio::time::timeout(Duration::from_millis(100), began.recv()).await.expect_err("nothing is sent");
}

#[tokio::test]
async fn dropping_a_call_cancels_it_at_the_backend() {
    for size in [10, 1 << 20] {
        let (seen, mut resets) = mpsc::unbounded_channel();
        let (begun, mut began) = mpsc::unbounded_channel();
        let target = backend(move |(_request, mut respond): Stream| {
            let (seen, begun) = (seen.clone(), begun.clone());
            async move {
                begun.send(()).unwrap();
                seen.send(std::future::poll_fn(|cx| respond.poll_reset(cx)).await.unwrap()).unwrap();
            }
        })
        .await;
        let channel = channel(vec![target]);
        let call = tokio::spawn(channel.call(request(vec![1; size])));
        began.recv().await.unwrap();
        call.abort();
        assert_eq!(resets.recv().await, Some(Reason::CANCEL), "{size} bytes");
    }
}

#[tokio::test]
async fn a_flood_of_dropped_calls_reaches_the_backend_in_turn() {
    let (event, mut events) = mpsc::unbounded_channel();
    let resets = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&resets);
    let target = backend(move |(request, mut respond): Stream| {
        let (event, count) = (event.clone(), Arc::clone(&count));
        async move {
            if request.headers().contains_key("x-hang") {
                event.send(()).unwrap();
                if std::future::poll_fn(|cx| respond.poll_reset(cx)).await.is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                    let _ = event.send(());
                }
            } else {
                echo((request, respond)).await;
            }
        }
    })
    .await;
    let channel = channel(vec![target]);
    let calls: Vec<_> = (0..60)
        .map(|_| {
            let mut call = request("hang");
            call.metadata = fields(&[("x-hang", "1")]);
            call.deadline = Some(Instant::now() + Duration::from_secs(2));
            tokio::spawn(channel.call(call))
        })
        .collect();
    for _ in &calls {
        events.recv().await.unwrap();
    }
    for call in &calls {
        call.abort();
    }
    for _ in 0..5 {
        assert_echo(&ask(&channel, "still here").await, b"still here");
    }
    let first = resets.load(Ordering::Relaxed);
    assert!((20..=40).contains(&first), "{first} resets at once");
    // Those whose turn does not come are reset soon after their deadline.
    for _ in &calls {
        events.recv().await.unwrap();
    }
    assert_eq!(resets.load(Ordering::Relaxed), 60);
}

#[tokio::test]
async fn a_backend_that_cancels_at_the_deadline_is_a_deadline() {
    let target = backend(|(request, mut respond): Stream| async move {
        let text = request.headers()["grpc-timeout"].to_str().unwrap().to_owned();
        let nanos = text.strip_suffix('n').unwrap().parse().unwrap();
        tokio::time::sleep(Duration::from_nanos(nanos)).await;
        respond.send_reset(Reason::CANCEL);
    })
    .await;
    let settings = Settings { timeout: Duration::from_millis(50), ..Settings::default() };
    let reply = ask(&Channel::new("shop", vec![target], settings, 0), "hello").await;
    assert_eq!(reply.status.http(), 504);
}

#[tokio::test]
async fn large_messages_pass_through_small_windows_both_ways() {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(1000).initial_connection_window_size(70_000);
    let target = backend_with(builder, echo).await;
    let channel = channel(vec![target]);
    let message: Bytes = (0..1u32 << 20).map(|index| (index % 251) as u8).collect::<Vec<_>>().into();
    let calls = (0..3).map(|_| ask(&channel, message.clone()));
    for reply in futures_util::future::join_all(calls).await {
        assert_echo(&reply, &message);
    }
}

#[tokio::test]
async fn an_answer_before_the_request_is_read_ends_the_call_and_frees_the_stream() {
    for size in [0, 100, 1 << 20] {
        let mut builder = h2::server::Builder::new();
        builder.initial_window_size(0).max_concurrent_streams(1);
        let target = backend_with(builder, |(request, mut respond): Stream| async move {
            let mut head = head();
            head.headers_mut().extend(fields(&[("grpc-status", "7"), ("grpc-message", "go away")]));
            respond.send_response(head, true).unwrap();
            // The body stays unread until the caller takes it back.
            let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            drop(request);
        })
        .await;
        let channel = channel(vec![target]);
        for _ in 0..5 {
            let status = refused(&channel).await;
            assert_status(&status, Code::PermissionDenied, 403, "go away");
            let reply = ask(&channel, vec![0; size]).await;
            assert_status(&reply.status, Code::PermissionDenied, 403, "go away");
        }
    }
}

#[tokio::test]
async fn an_early_answer_stands_when_the_backend_then_resets_the_rest_of_the_request() {
    let target = backend(|(request, mut respond): Stream| async move {
        let mut head = head();
        head.headers_mut().extend(fields(&[("grpc-status", "16"), ("grpc-message", "who are you")]));
        respond.send_response(head, true).unwrap();
        // `h2` sends RST_STREAM with NO_ERROR for the body that nobody reads, as RFC 9113 section 8.1 has it.
        drop(request);
    })
    .await;
    let channel = channel(vec![target]);
    for _ in 0..20 {
        let reply = ask(&channel, vec![0; 1 << 20]).await;
        assert_status(&reply.status, Code::Unauthenticated, 401, "who are you");
    }
}

#[tokio::test]
async fn calls_wait_for_a_free_stream() {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(1);
    let running = Arc::new(AtomicUsize::new(0));
    let target = backend_with(builder, move |stream| {
        let running = Arc::clone(&running);
        async move {
            // One on each connection, of which there are no more than eight.
            assert!(running.fetch_add(1, Ordering::SeqCst) < 8);
            tokio::task::yield_now().await;
            running.fetch_sub(1, Ordering::SeqCst);
            echo(stream).await;
        }
    })
    .await;
    let channel = channel(vec![target]);
    assert_echo(&ask(&channel, "first").await, b"first");
    let calls = (0..30).map(|index| ask(&channel, vec![index; 30_000]));
    for (index, reply) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
        assert_echo(&reply, &vec![index as u8; 30_000]);
    }
}

/// A backend that takes one call at a time and holds it until the test lets it go on. It tells the test
/// how many it has taken.
async fn one_at_a_time() -> (Target, mpsc::UnboundedReceiver<usize>, Arc<Notify>) {
    let (taken, takes) = mpsc::unbounded_channel();
    let (go, count) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let gone = Arc::clone(&go);
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(1);
    let target = backend_with(builder, move |stream| {
        let (taken, go) = (taken.clone(), Arc::clone(&go));
        let number = count.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            taken.send(number).unwrap();
            go.notified().await;
            echo(stream).await;
        }
    })
    .await;
    (target, takes, gone)
}

#[tokio::test]
async fn calls_that_leave_before_their_stream_is_open_never_reach_the_backend() {
    let (target, mut taken, go) = one_at_a_time().await;
    let channel = channel(vec![target]);
    // The backend's SETTINGS arrive with the first answer.
    go.notify_one();
    assert_echo(&ask(&channel, "first").await, b"first");
    let calls: Vec<_> = (0..60).map(|_| tokio::spawn(channel.call(request("hello")))).collect();
    assert_eq!((taken.recv().await, taken.recv().await), (Some(1), Some(2)));
    // All are on their way: those that were spawned have run before this task runs again.
    for call in &calls[1..] {
        call.abort();
    }
    go.notify_one();
    for call in calls {
        let _ = call.await;
    }
    let last = tokio::spawn(channel.call(request("last")));
    // Before it, the backend may see the one whose stream was next, taken back.
    let number = taken.recv().await.unwrap();
    go.notify_one();
    go.notify_one();
    assert_echo(&last.await.unwrap(), b"last");
    assert!(number <= 4, "{number}");
}

#[tokio::test]
async fn a_call_that_waits_for_a_stream_survives_the_connection() {
    let (listener, target) = listen().await;
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        let mut builder = h2::server::Builder::new();
        let builder = builder.max_concurrent_streams(1);
        let mut connection = builder.handshake::<_, Bytes>(socket).await.unwrap();
        tokio::spawn(echo(connection.accept().await.unwrap().unwrap()));
        let held = connection.accept().await;
        // The second call is held, the others wait.
        let _ = tokio::time::timeout(Duration::from_millis(100), connection.accept()).await;
        drop(connection);
        drop(held);
        let (socket, _) = listener.accept().await.unwrap();
        let mut connection = handshake(socket).await;
        while let Some(Ok(stream)) = connection.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    let channel = channel(vec![target]);
    assert_echo(&ask(&channel, "first").await, b"first");
    let calls = (0..10).map(|_| ask(&channel, "hello"));
    let replies = futures_util::future::join_all(calls).await;
    let failed = replies.iter().filter(|reply| !reply.status.is_ok()).count();
    // The one in flight, and the one whose stream was next.
    assert!(failed <= 2, "{failed} of 10 failed");
}

#[tokio::test]
async fn what_must_not_be_sent_is_answered_here() {
    let channel = channel(vec![dead().await]);
    let settings = Settings { max_message: 10, ..Settings::default() };
    let small = Channel::new("shop", vec![dead().await], settings, 0);
    let text = "The request of 11 bytes is larger than the limit of 10 bytes; send less at once.";
    assert_status(&ask(&small, "hello world").await.status, Code::ResourceExhausted, 413, text);

    let mut call = request("");
    call.body = Body::Pending(Box::pin(async { Err(Status::caller(Code::InvalidArgument, "Bad JSON.")) }));
    assert_status(&channel.call(call).await.status, Code::InvalidArgument, 400, "Bad JSON.");

    let mut call = request("");
    call.body = Body::Pending(Box::pin(std::future::pending()));
    call.deadline = Some(Instant::now() + Duration::from_millis(10));
    assert_eq!(channel.call(call).await.status.code(), Code::DeadlineExceeded);
}
