use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use tokio::sync::mpsc;

use super::accept::{Acceptor, run};
use super::*;

/// Gives out what the test puts in.
struct Queue {
    items: tokio::sync::Mutex<mpsc::UnboundedReceiver<io::Result<DuplexStream>>>,
    last: Mutex<Vec<DuplexStream>>,
    asked: Arc<AtomicUsize>,
}

impl Acceptor for Queue {
    type Io = DuplexStream;

    async fn accept(&self) -> io::Result<(DuplexStream, Option<SocketAddr>)> {
        self.asked.fetch_add(1, Relaxed);
        match self.items.lock().await.recv().await {
            Some(item) => item.map(|io| (io, None)),
            None => pending().await,
        }
    }

    fn accept_now(&self) -> Option<io::Result<(DuplexStream, Option<SocketAddr>)>> {
        self.last.lock().expect("not poisoned").pop().map(|io| Ok((io, None)))
    }
}

fn queue() -> (mpsc::UnboundedSender<io::Result<DuplexStream>>, Queue) {
    let (sender, items) = mpsc::unbounded_channel();
    (sender, Queue { items: items.into(), last: Mutex::default(), asked: Arc::default() })
}

#[tokio::test(start_paused = true)]
async fn errors_of_accepting_are_waited_out() {
    let harness = Harness::new();
    let (sender, queue) = queue();
    let asked = queue.asked.clone();
    let server = tokio::spawn(run(harness.server.clone(), queue));
    let start = Instant::now();
    // Too many open files: 10, 20, 40, ... 640 ms and a second from then on.
    for _ in 0..9 {
        sender.send(Err(io::Error::from_raw_os_error(24))).expect("the server runs");
    }
    sender.send(Err(io::ErrorKind::ConnectionAborted.into())).expect("the server runs");
    let (mut client, io) = duplex(4_096);
    sender.send(Ok(io)).expect("the server runs");
    assert_answer(&ask(&mut client, GET).await, 200, "at /a");
    assert_eq!(start.elapsed(), Duration::from_millis(1_270 + 2 * 1_000));
    // Twelve: ten errors, one connection, and the one that waits now.
    assert!(asked.load(Relaxed) <= 12, "{asked:?}");
    harness.drain.stop();
    drop(client);
    server.await.expect("the server ends");
}

#[tokio::test(start_paused = true)]
async fn accepting_pauses_when_all_places_are_taken() {
    let harness = Harness::with(Limits::default(), 2);
    let places = harness.server.places.clone();
    let (sender, queue) = queue();
    let asked = queue.asked.clone();
    let server = tokio::spawn(run(harness.server.clone(), queue));
    let mut clients = Vec::new();
    for _ in 0..4 {
        let (client, io) = duplex(4_096);
        clients.push(client);
        sender.send(Ok(io)).expect("the server runs");
    }
    for client in &mut clients[..2] {
        assert_answer(&ask(client, GET).await, 200, "at /a");
    }
    assert_eq!(places.free(), 0);
    clients[2].write_all(GET.as_bytes()).await.expect("there is room");
    let waited = tokio::time::timeout(20 * SECOND, clients[2].read_u8()).await;
    assert!(waited.is_err(), "the third has no place");
    assert!(asked.load(Relaxed) <= 6, "{asked:?}");
    drop(clients.remove(0));
    assert_answer(&answer(&mut clients[1]).await, 200, "at /a");
    harness.drain.stop();
    drop(clients);
    server.await.expect("the server ends");
    assert_eq!(places.free(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_the_kernel_has_accepted_is_taken_when_the_server_stops() {
    let harness = Harness::new();
    let (_sender, queue) = queue();
    let (mut client, io) = duplex(4_096);
    queue.last.lock().expect("not poisoned").push(io);
    let server = tokio::spawn(run(harness.server.clone(), queue));
    harness.drain.stop();
    assert_answer(&ask(&mut client, GET).await, 200, "at /a");
    drop(client);
    server.await.expect("the server ends");
}
