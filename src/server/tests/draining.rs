use tokio::net::TcpStream;

use super::*;

const WAIT: &str = "GET /wait HTTP/1.1\r\nhost: a\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn idle_connections_end_at_once_and_busy_ones_with_their_call() {
    let harness = Harness::new();
    let (mut idle, idle_task) = harness.connect(4_096);
    assert_answer(&ask(&mut idle, GET).await, 200, "at /a");
    tokio::time::sleep(SECOND).await;
    let (mut busy, busy_task) = harness.connect(4_096);
    busy.write_all(WAIT.as_bytes()).await.expect("the server reads");
    harness.site.waiting.acquire().await.expect("open").forget();
    let start = Instant::now();
    harness.drain.stop();
    assert_eq!(idle.read(&mut [0]).await.expect("the server closes"), 0);
    drop(idle);
    idle_task.await.expect("the connection ends");
    assert_eq!(start.elapsed(), Duration::ZERO);
    tokio::time::sleep(20 * SECOND).await;
    harness.site.go.add_permits(1);
    let answer = answer(&mut busy).await;
    assert_answer(&answer, 200, "waited");
    assert!(closes(&answer), "{answer}");
    drop(busy);
    busy_task.await.expect("the connection ends");
}

#[tokio::test(start_paused = true)]
async fn calls_that_do_not_end_are_cut_after_half_a_minute() {
    let harness = Harness::new();
    let (mut http1, task1) = harness.connect(4_096);
    http1.write_all(b"GET /never HTTP/1.1\r\nhost: a\r\n\r\n").await.expect("the server reads");
    let (http2, task2) = harness.connect(1 << 16);
    let (mut client, connection) = h2::client::handshake(http2).await.expect("the server speaks HTTP/2");
    tokio::spawn(connection);
    let request = Request::builder().uri("http://a/never").body(()).expect("the request is valid");
    let (response, _) = client.send_request(request, true).expect("the connection is open");
    tokio::time::sleep(SECOND).await;
    let start = Instant::now();
    harness.drain.stop();
    task1.await.expect("the connection ends");
    task2.await.expect("the connection ends");
    assert_eq!(start.elapsed(), 30 * SECOND);
    assert!(response.await.is_err());
    assert_eq!(harness.site.dropped.available_permits(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_new_may_bring_its_request() {
    let harness = Harness::new();
    let (mut stream, task) = harness.connect(4_096);
    harness.drain.stop();
    tokio::time::sleep(SECOND / 2).await;
    let answer = ask(&mut stream, WAIT.replace("/wait", "/a").as_str()).await;
    assert_answer(&answer, 200, "at /a");
    assert_eq!(stream.read(&mut [0]).await.expect("the server closes"), 0);
    drop(stream);
    task.await.expect("the connection ends");

    let start = Instant::now();
    let (_silent, task) = harness.connect(4_096);
    task.await.expect("the connection ends");
    assert_eq!(start.elapsed(), SECOND);
}

/// A client that asks again and again does so when the signal comes, too.
#[tokio::test(start_paused = true)]
async fn a_connection_that_was_just_used_may_bring_another_request() {
    let harness = Harness::new();
    let (mut stream, task) = harness.connect(4_096);
    assert_answer(&ask(&mut stream, GET).await, 200, "at /a");
    harness.drain.stop();
    tokio::time::sleep(SECOND / 2).await;
    stream.write_all(WAIT.as_bytes()).await.expect("the server reads");
    harness.site.waiting.acquire().await.expect("open").forget();
    harness.site.go.add_permits(1);
    let answer = answer(&mut stream).await;
    assert_answer(&answer, 200, "waited");
    assert!(closes(&answer), "{answer}");
    drop(stream);
    task.await.expect("the connection ends");

    let harness = Harness::new();
    let (mut silent, task) = harness.connect(4_096);
    assert_answer(&ask(&mut silent, GET).await, 200, "at /a");
    let start = Instant::now();
    harness.drain.stop();
    assert_eq!(silent.read(&mut [0]).await.expect("the server closes"), 0);
    drop(silent);
    task.await.expect("the connection ends");
    assert_eq!(start.elapsed(), SECOND);
}

#[tokio::test(start_paused = true)]
async fn http2_peers_finish_their_calls_and_start_no_more() {
    let harness = Harness::new();
    let (stream, task) = harness.connect(1 << 16);
    let (mut client, connection) = h2::client::handshake(stream).await.expect("the server speaks HTTP/2");
    let connection = tokio::spawn(connection);
    let request = || Request::builder().uri("http://a/wait").body(()).expect("the request is valid");
    let (response, _) = client.send_request(request(), true).expect("the connection is open");
    harness.site.waiting.acquire().await.expect("open").forget();
    harness.drain.stop();
    tokio::time::sleep(SECOND).await;
    assert!(client.send_request(request(), true).is_err(), "GOAWAY has come");
    harness.site.go.add_permits(1);
    assert_eq!(response.await.expect("there is an answer").status(), 200);
    connection.await.expect("the task ends").expect("GOAWAY is no error");
    task.await.expect("the connection ends");
}

#[test]
fn two_cores_share_a_port_and_stop_together() {
    let harness = Harness::new();
    let listeners = listen::bind("127.0.0.1:0".parse().expect("an address"), 2).expect("a free port");
    let address = listeners[0].local_addr().expect("an address");
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let cores: Vec<_> = listeners
        .into_iter()
        .map(|listener| {
            let server = harness.server.clone();
            std::thread::spawn(move || runtime().block_on(server.serve(listener)))
        })
        .collect();
    runtime().block_on(async {
        // As many as make it next to certain that both sockets get some.
        let mut streams = Vec::new();
        for _ in 0..8 {
            let mut stream = TcpStream::connect(address).await.expect("the server listens");
            stream.write_all(WAIT.as_bytes()).await.expect("the server reads");
            harness.site.waiting.acquire().await.expect("open").forget();
            streams.push(stream);
        }
        // It is in the queue of the kernel, or just accepted, when the signal comes.
        let mut late = TcpStream::connect(address).await.expect("the server listens");
        harness.drain.stop();
        late.write_all(GET.as_bytes()).await.expect("the server reads");
        assert_answer(&answer(&mut late).await, 200, "at /a");
        harness.site.go.add_permits(8);
        for stream in &mut streams {
            assert_answer(&answer(stream).await, 200, "waited");
        }
    });
    for core in cores {
        core.join().expect("the core does not panic").expect("the socket is fine");
    }
    let refused = std::net::TcpStream::connect(address).expect_err("nobody listens");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}
