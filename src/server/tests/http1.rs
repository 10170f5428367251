use super::*;

#[tokio::test(start_paused = true)]
async fn requests_on_one_connection_are_answered_in_order() {
    let harness = Harness::new();
    let (mut stream, _task) = harness.connect(4_096);
    assert_answer(&ask(&mut stream, GET).await, 200, "at /a");
    let pipelined = "GET /b HTTP/1.1\r\nhost: a\r\n\r\n\
                     POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello\
                     GET /c HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_answer(&ask(&mut stream, pipelined).await, 200, "at /b");
    assert_answer(&answer(&mut stream).await, 200, "hello");
    assert_answer(&answer(&mut stream).await, 200, "at /c");
}

#[tokio::test(start_paused = true)]
async fn http_1_0_is_answered_and_closed() {
    let harness = Harness::new();
    let (mut stream, task) = harness.connect(4_096);
    stream.write_all(b"GET /old HTTP/1.0\r\n\r\n").await.expect("the server reads");
    let mut all = String::new();
    stream.read_to_string(&mut all).await.expect("the server closes");
    assert!(all.starts_with("HTTP/1.0 200 OK\r\n") && all.ends_with("\r\n\r\nat /old"), "{all}");
    drop(stream);
    task.await.expect("the connection ends");
}

#[tokio::test(start_paused = true)]
async fn what_hyper_lets_through_is_refused_in_our_form() {
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "u".repeat(8 * 1024));
    let large = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "v".repeat(60 * 1024));
    for (request, status, body) in [
        (&*long, 414, "refused: UriTooLong(8192)"),
        (&*large, 431, "refused: HeadersTooLarge(61440)"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400, "refused: SeveralHosts"),
        ("GET / HTTP/1.1\r\n\r\n", 400, "refused: NoHost"),
        ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", 400, "refused: BadHost"),
        ("TRACE / HTTP/1.1\r\nhost: a\r\n\r\n", 501, "refused: Trace"),
        ("CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n\r\n", 501, "refused: Connect"),
    ] {
        let harness = Harness::new();
        let (mut stream, task) = harness.connect(1 << 17);
        let answer = ask(&mut stream, request).await;
        assert_answer(&answer, status, body);
        assert!(closes(&answer), "{answer}");
        drop(stream);
        task.await.expect("the connection ends");
    }
}

#[tokio::test(start_paused = true)]
async fn what_hyper_refuses_has_a_status_and_nothing_else() {
    let many = format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(100));
    let endless = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}", "v".repeat(140 * 1024));
    let target = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "u".repeat(65_534));
    for (request, status) in [
        (&*many, 431),
        (&*endless, 431),
        (&*target, 414),
        ("GET / HTTP/1.1\r\nhost a\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", 400),
        ("\u{17}\u{3}\u{1}", 400),
    ] {
        let harness = Harness::new();
        let (mut stream, _task) = harness.connect(1 << 18);
        assert_answer(&ask(&mut stream, request).await, status, "");
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_headers_as_the_limit_says() {
    let request =
        |count: usize| format!("GET /a HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(count - 1));
    let harness = Harness::new();
    let (mut stream, _task) = harness.connect(1 << 14);
    assert_answer(&ask(&mut stream, &request(100)).await, 200, "at /a");

    let harness = Harness::with(Limits { headers: 150, ..Limits::default() }, 1);
    let (mut stream, _task) = harness.connect(1 << 14);
    assert_answer(&ask(&mut stream, &request(150)).await, 200, "at /a");
    assert_answer(&ask(&mut stream, &request(151)).await, 431, "");

    let harness = Harness::with(Limits { headers: 10, ..Limits::default() }, 1);
    let (mut stream, _task) = harness.connect(1 << 14);
    assert_answer(&ask(&mut stream, &request(11)).await, 431, "refused: TooManyHeaders(10)");
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_one_call() {
    let harness = Harness::new();
    let (mut stream, task) = harness.connect(4_096);
    let panic = "GET /panic HTTP/1.1\r\nhost: a\r\n\r\n";
    assert_answer(&ask(&mut stream, panic).await, 500, "refused: Panicked");
    assert_answer(&ask(&mut stream, GET).await, 200, "at /a");
    // Once the answer has begun it can only be cut.
    let cut = ask(&mut stream, "GET /panic-in-body HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(cut.is_empty() || cut.contains("\r\ntransfer-encoding: chunked\r\n"), "{cut}");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.expect("the server closes");
    assert!(!rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
    task.await.expect("the task does not panic");
}

#[tokio::test(start_paused = true)]
async fn a_head_has_ten_seconds_from_its_first_byte() {
    for prefix in ["", GET] {
        let harness = Harness::new();
        let (mut stream, task) = harness.connect(4_096);
        if !prefix.is_empty() {
            assert_answer(&ask(&mut stream, prefix).await, 200, "at /a");
        }
        tokio::time::sleep(30 * SECOND).await;
        let start = Instant::now();
        for byte in b"GET / HT" {
            stream.write_all(&[*byte]).await.expect("the server reads");
            tokio::time::sleep(SECOND).await;
        }
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.expect("the server closes");
        assert_eq!(rest, b"", "a head that is not complete gets no answer");
        assert_eq!(start.elapsed(), 10 * SECOND);
        task.await.expect("the connection ends");
    }
}

#[tokio::test(start_paused = true)]
async fn half_a_preface_has_ten_seconds() {
    let harness = Harness::new();
    let (mut stream, task) = harness.connect(4_096);
    let start = Instant::now();
    stream.write_all(b"PRI * HTTP/2.0\r\n").await.expect("the server reads");
    task.await.expect("the connection ends");
    assert_eq!(start.elapsed(), 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_connection_without_calls_ends_after_a_minute() {
    let harness = Harness::new();
    let (_stream, task) = harness.connect(4_096);
    let start = Instant::now();
    task.await.expect("the connection ends");
    assert_eq!(start.elapsed(), 60 * SECOND, "one that never carried a call");

    let (mut stream, _task) = harness.connect(4_096);
    tokio::time::sleep(59 * SECOND).await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("the server reads");
    tokio::time::sleep(200 * SECOND).await;
    harness.site.go.add_permits(1);
    assert_answer(&answer(&mut stream).await, 200, "waited");
    let start = Instant::now();
    assert_eq!(stream.read(&mut [0]).await.expect("the server closes"), 0);
    assert_eq!(start.elapsed(), 60 * SECOND, "a call in flight is no idleness");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stops_loses_the_connection() {
    let harness = Harness::new();
    let (mut stream, task) = harness.connect(4_096);
    stream.write_all(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("the server reads");
    let start = Instant::now();
    task.await.expect("the connection ends");
    assert_eq!(start.elapsed(), 10 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_keeps_the_connection() {
    let harness = Harness::new();
    let (mut stream, _task) = harness.connect(1 << 17);
    stream.write_all(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("the server reads");
    let mut count = 0;
    while count < 1 << 20 {
        tokio::time::sleep(9 * SECOND).await;
        let read = stream.read(&mut vec![0; 1 << 17]).await.expect("the server writes");
        assert_ne!(read, 0, "the server closes after {count} bytes");
        count += read;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_takes_its_call_back() {
    let harness = Harness::new();
    let (mut stream, task) = harness.connect(4_096);
    stream.write_all(b"GET /never HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("the server reads");
    tokio::time::sleep(SECOND).await;
    drop(stream);
    harness.site.dropped.acquire().await.expect("open").forget();
    task.await.expect("the connection ends");
}

#[tokio::test]
async fn an_early_answer_survives_a_body_that_nobody_reads() {
    let harness = Harness::new();
    let listener =
        listen::bind("127.0.0.1:0".parse().expect("an address"), 1).expect("a free port").remove(0);
    let address = listener.local_addr().expect("an address");
    let server = tokio::spawn(harness.server.clone().serve(listener));
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("the server listens");
    let head = b"POST /early HTTP/1.1\r\nhost: a\r\ncontent-length: 16777216\r\n\r\n";
    stream.write_all(head).await.expect("the server reads");
    // A client that reads only when it has sent everything. A reset would take the answer away from it.
    stream.write_all(&vec![0; 16 << 20]).await.expect("the server takes what it does not need");
    assert_answer(&answer(&mut stream).await, 413, &"e".repeat(1 << 18));
    drop(stream);
    harness.drain.stop();
    server.await.expect("the server ends").expect("the socket is fine");
}
