use std::future::poll_fn;

use h2::client::SendRequest;
use h2::{Reason, RecvStream};

use super::*;

/// A client and the task of its connection.
async fn client(
    harness: &Harness,
) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>, JoinHandle<()>) {
    client_of(harness, &h2::client::Builder::new()).await
}

async fn client_of(
    harness: &Harness,
    builder: &h2::client::Builder,
) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>, JoinHandle<()>) {
    let (stream, task) = harness.connect(1 << 16);
    let (client, connection) = builder.handshake(stream).await.expect("the server speaks HTTP/2");
    (client, tokio::spawn(connection), task)
}

fn request(method: &str, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(format!("http://a{path}"))
}

async fn send(client: &mut SendRequest<Bytes>, request: http::request::Builder) -> Response<RecvStream> {
    try_send(client, request).await.expect("there is an answer")
}

async fn try_send(
    client: &mut SendRequest<Bytes>,
    request: http::request::Builder,
) -> Result<Response<RecvStream>, h2::Error> {
    poll_fn(|cx| client.poll_ready(cx)).await?;
    let request = request.body(()).expect("the request is valid");
    client.send_request(request, true)?.0.await
}

async fn body(response: Response<RecvStream>) -> Result<Bytes, h2::Error> {
    let mut stream = response.into_body();
    let mut all = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        all.extend_from_slice(&data);
    }
    Ok(all.into())
}

#[tokio::test(start_paused = true)]
async fn prior_knowledge_is_enough() {
    let harness = Harness::new();
    let (mut client, _connection, _task) = client(&harness).await;
    let response = send(&mut client, request("GET", "/a")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(body(response).await.expect("a body"), "at /a");
    // Larger than all windows and pieces.
    let response = send(&mut client, request("GET", "/big")).await;
    assert_eq!(response.headers()["content-length"], "1048576");
    assert_eq!(body(response).await.expect("a body"), vec![b'x'; 1 << 20]);
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_head_keeps_its_length_only() {
    let harness = Harness::new();
    let (mut client, _connection, _task) = client(&harness).await;
    for (path, length) in [("/abc", Some("7")), ("/empty", Some("0")), ("/panic-in-body", None)] {
        let response = send(&mut client, request("HEAD", path)).await;
        assert_eq!(
            response.headers().get("content-length").map(|value| value.to_str().expect("text")),
            length
        );
        assert!(response.body().is_end_stream(), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_h2_lets_through_is_refused_in_our_form() {
    let harness = Harness::new();
    let (mut client, _connection, _task) = client(&harness).await;
    let many = (0..101).fold(request("GET", "/"), |request, n| request.header(format!("x{n}"), "y"));
    let long = request("GET", &format!("/{}", "u".repeat(8 * 1024)));
    for (request, status, text) in [
        (many, 431, "refused: TooManyHeaders(100)"),
        (long, 414, "refused: UriTooLong(8192)"),
        (request("GET", "/").header("host", "b"), 400, "refused: HostConflict"),
        (request("GET", "/").header("host", "a").header("host", "a"), 400, "refused: SeveralHosts"),
        (request("TRACE", "/"), 501, "refused: Trace"),
        (request("GET", "/panic"), 500, "refused: Panicked"),
        (request("GET", "/a"), 200, "at /a"),
    ] {
        let response = send(&mut client, request).await;
        assert_eq!(response.status(), status, "{text}");
        assert_eq!(body(response).await.expect("a body"), text);
    }
    let connect = Request::builder().method("CONNECT").uri("a:80");
    let response = send(&mut client, connect).await;
    assert_eq!(response.status(), 501);
}

#[tokio::test(start_paused = true)]
async fn a_header_list_over_the_limit_gets_a_bare_431() {
    let harness = Harness::new();
    let (mut client, _connection, _task) = client(&harness).await;
    let large =
        (0..70).fold(request("GET", "/"), |request, n| request.header(format!("x{n}"), "v".repeat(1_000)));
    let response = send(&mut client, large).await;
    assert_eq!(response.status(), 431);
    assert!(response.body().is_end_stream());
    let response = send(&mut client, request("GET", "/a")).await;
    assert_eq!(response.status(), 200, "the connection goes on");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_an_answer_resets_its_call_only() {
    let harness = Harness::new();
    let (mut client, _connection, _task) = client(&harness).await;
    // The reset may overtake the head of the answer.
    let error = match try_send(&mut client, request("GET", "/panic-in-body")).await {
        Ok(response) => body(response).await.expect_err("the answer is cut"),
        Err(error) => error,
    };
    assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR));
    assert_eq!(send(&mut client, request("GET", "/a")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_loses_its_call_only() {
    let harness = Harness::new();
    // The window of the connection is large enough for both calls.
    let mut builder = h2::client::Builder::new();
    builder.initial_connection_window_size(1 << 20);
    let (mut client, _connection, _task) = client_of(&harness, &builder).await;
    let start = Instant::now();
    // Nothing of the body is read, so its window of 65,535 bytes is never opened again.
    let stalled = send(&mut client, request("GET", "/big")).await;
    let waiting = tokio::spawn({
        let mut client = client.clone();
        async move { body(send(&mut client, request("GET", "/wait")).await).await.expect("a body") }
    });
    harness.site.waiting.acquire().await.expect("open").forget();
    let mut stream = stalled.into_body();
    let error = loop {
        // Data that is read and not released opens no window.
        match stream.data().await.expect("the call does not end well") {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert_eq!(error.reason(), Some(Reason::CANCEL));
    assert_eq!(start.elapsed(), 10 * SECOND);
    harness.site.go.add_permits(1);
    assert_eq!(waiting.await.expect("the task ends"), "waited");
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_calls_is_told_to_go() {
    let harness = Harness::new();
    let (mut client, connection, task) = client(&harness).await;
    let start = Instant::now();
    let waited = tokio::spawn({
        let mut client = client.clone();
        async move { send(&mut client, request("GET", "/wait")).await.status() }
    });
    tokio::time::sleep(100 * SECOND).await;
    harness.site.go.add_permits(1);
    assert_eq!(waited.await.expect("the task ends"), 200);
    connection.await.expect("the task ends").expect("GOAWAY is no error");
    assert_eq!(start.elapsed(), 160 * SECOND);
    assert!(try_send(&mut client, request("GET", "/a")).await.is_err());
    task.await.expect("the connection ends");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_says_nothing_ends_too() {
    let harness = Harness::new();
    let (mut stream, task) = harness.connect(1 << 16);
    let start = Instant::now();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("the server reads");
    task.await.expect("the connection ends");
    // The peer does not answer to the farewell.
    assert_eq!(start.elapsed(), 65 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_resets_more_than_it_completes_is_sent_away() {
    let harness = Harness::with(Limits { resets: 20, ..Limits::default() }, 1);
    let (mut client, connection, task) = client(&harness).await;
    let mut sent = 0;
    while let Ok(()) = poll_fn(|cx| client.poll_ready(cx)).await
        && sent < 1_000
    {
        let request = request("GET", "/never").body(()).expect("the request is valid");
        let Ok((response, _)) = client.send_request(request, true) else { break };
        sent += 1;
        // The server sees the call before the reset.
        tokio::time::sleep(Duration::from_millis(1)).await;
        drop(response);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(sent, 21, "the connection goes on");
    assert_eq!(harness.site.dropped.available_permits(), sent, "a call goes on without its caller");
    drop(client);
    connection.await.expect("the task ends").expect("GOAWAY is no error");
    task.await.expect("the connection ends");
}

#[tokio::test(start_paused = true)]
async fn the_number_of_calls_at_a_time_is_bounded() {
    let harness = Harness::with(Limits { streams: 3, ..Limits::default() }, 1);
    let (mut client, _connection, _task) = client(&harness).await;
    assert_eq!(send(&mut client, request("GET", "/a")).await.status(), 200);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..5 {
        let mut client = client.clone();
        calls.spawn(async move { send(&mut client, request("GET", "/wait")).await.status() });
    }
    tokio::time::sleep(SECOND).await;
    assert_eq!(harness.site.waiting.available_permits(), 3);
    harness.site.go.add_permits(5);
    assert_eq!(calls.join_all().await, [200; 5]);
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short payload");
    [&length.to_be_bytes()[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_on_resetting_is_cut() {
    let harness = Harness::with(Limits { resets: 20, ..Limits::default() }, 1);
    let (stream, task) = harness.connect(1 << 16);
    let (mut reader, mut writer) = tokio::io::split(stream);
    // What the server says, GOAWAY too, is read and ignored.
    tokio::spawn(async move { tokio::io::copy(&mut reader, &mut tokio::io::sink()).await });
    // :method GET, :scheme http, and literal values for :path and :authority.
    let head = [&b"\x82\x86\x04\x06"[..], b"/never", b"\x01\x01a"].concat();
    let settings = frame(4, 0, 0, b"");
    writer.write_all(&[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat()).await.expect("room");
    let start = Instant::now();
    let mut sent = 0;
    for call in 0..1_000 {
        let id = 2 * call + 1;
        if writer.write_all(&frame(1, 5, id, &head)).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        let _ = writer.write_all(&frame(3, 0, id, &8_u32.to_be_bytes())).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        sent += 1;
    }
    let served = harness.site.dropped.available_permits();
    assert!(sent < 1_000 && served <= 2 * 20 + 1, "{served} calls in {:?}", start.elapsed());
    task.await.expect("the connection ends");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_never_opens_its_window_loses_its_call() {
    let harness = Harness::new();
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(0);
    let (mut client, _connection, _task) = client_of(&harness, &builder).await;
    let start = Instant::now();
    let response = send(&mut client, request("GET", "/a")).await;
    let error = body(response).await.expect_err("the call is reset");
    assert_eq!((error.reason(), start.elapsed()), (Some(Reason::CANCEL), 10 * SECOND));
}
