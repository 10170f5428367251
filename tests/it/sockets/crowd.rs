//! Very many sockets at once, each with right answers of its own.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Request, Response};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::raw::{FIN, TEXT, frame};
use crate::support::gateway::Gateway;
use crate::support::raw_backend::status;
use crate::support::{client, root};

const SOCKETS: usize = 5_000;

/// How many are in the middle of a handshake at a time: no more than the queue of a listening socket holds.
const OPENING: usize = 100;

/// What a socket and its call may take of the gateway's memory, in bytes. `bench/sockets` has the figure for the
/// program as it is shipped; this one has no optimisation and larger futures.
const EACH: usize = 32 << 10;

/// A backend on a thread of its own that sends back what comes, as it comes, on any number of streams.
fn echo() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream));
            }
        });
    });
    address
}

async fn serve(stream: TcpStream) {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(10_000).initial_connection_window_size(1 << 30);
    let Ok(mut connection) = builder.handshake::<_, Bytes>(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(send_back(request, respond));
    }
}

/// The messages of the benchmark are shorter than any window, so that nothing waits for room.
async fn send_back(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut body = request.into_body();
    let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
    let mut stream = respond.send_response(head, false)?;
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        stream.send_data(data, false)?;
    }
    stream.send_trailers(status("0"))
}

/// A socket of which little is asked but that there are many.
struct Client {
    stream: TcpStream,
    number: usize,
}

impl Client {
    async fn open(address: SocketAddr, number: usize) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let request = format!(
            "GET /v1/chat/socket-{number} HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAECAwQFBgcICQoLDA0ODw==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Self { stream, number }
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(&frame(FIN | TEXT, text.as_bytes())).await.unwrap();
    }

    /// The next frame, which is a short one.
    async fn hear(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).await.unwrap();
        let mut payload = vec![0; head[1].into()];
        assert!(payload.len() < 126);
        self.stream.read_exact(&mut payload).await.unwrap();
        (head[0], payload)
    }

    /// Says something that nobody else says, and hears it.
    async fn turn(&mut self, turn: usize) {
        let text = format!("{} in turn {turn}", self.number);
        self.say(&json!({"text": text}).to_string()).await;
        let (first, payload) = self.hear().await;
        assert_eq!(first, FIN | TEXT);
        let mut expected = json!({"text": text});
        if turn == 0 {
            // The path belongs to the first message.
            expected["id"] = json!(format!("socket-{}", self.number));
        }
        assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), expected);
    }

    async fn end(mut self) {
        self.say("").await;
        assert_eq!(self.hear().await, (FIN | 8, vec![0x03, 0xe8]), "closed with 1000");
        assert_eq!(self.stream.read(&mut [0]).await.unwrap(), 0);
    }
}

/// One that comes alone, and is served as well.
async fn one_more(address: SocketAddr) {
    let mut client = Client::open(address, SOCKETS).await;
    client.turn(0).await;
    client.end().await;
}

/// Lets all do the same at once.
async fn together<F: Future<Output = Client> + Send + 'static>(
    clients: Vec<Client>,
    one: impl Fn(Client) -> F,
) -> Vec<Client> {
    let running: Vec<_> = clients.into_iter().map(|client| tokio::spawn(one(client))).collect();
    let mut clients = Vec::with_capacity(running.len());
    for each in running {
        clients.push(each.await.unwrap());
    }
    clients
}

#[tokio::test]
async fn five_thousand_sockets_at_once() {
    // As the gateway does for itself.
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }).unwrap();
    assert!(
        files.maximum.is_none_or(|most| most >= 2 * SOCKETS as u64 + 1_000),
        "`ulimit -Hn` allows too few sockets"
    );
    let config = format!(
        "{}descriptors: [{{set: {}}}]\nupstreams: {{echo: http://{}}}\nservices: [\"echo.v1.*\"]\n",
        Gateway::ANY_PORT,
        root().join("fuzz/echo.binpb").display(),
        echo()
    );
    let mut gateway = Gateway::with_config(&config);
    let address = gateway.address();
    one_more(address).await;
    let before = gateway.server().memory();

    let opening = std::sync::Arc::new(Semaphore::new(OPENING));
    let clients: Vec<_> = (0..SOCKETS)
        .map(|number| {
            let opening = opening.clone();
            tokio::spawn(async move {
                let _turn = opening.acquire().await.unwrap();
                Client::open(address, number).await
            })
        })
        .collect();
    let mut open = Vec::with_capacity(SOCKETS);
    for client in clients {
        open.push(client.await.unwrap());
    }
    for turn in 0..4 {
        open = together(open, move |mut client| async move {
            client.turn(turn).await;
            client
        })
        .await;
    }
    let each = gateway.server().memory().saturating_sub(before) / SOCKETS;
    assert!(each < EACH, "{each} bytes for each");

    // Nothing is done for those that are silent, and others are served at once.
    let (start, spent) = (Instant::now(), gateway.server().cpu_time());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = gateway.server().cpu_time() - spent;
    assert!(spent < Duration::from_millis(100), "{spent:?} of {:?} for nothing", start.elapsed());
    let start = Instant::now();
    assert_eq!(client::get(address, "/v1/nothing").await.status, 404);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());

    // Half of them end well, and half just go.
    let mut ending = Vec::new();
    for (number, client) in open.into_iter().enumerate() {
        if number % 2 == 0 {
            ending.push(tokio::spawn(client.end()));
        }
    }
    for each in ending {
        each.await.unwrap();
    }
    gateway.server().wait_for_open_files(|files| files < 100);
    one_more(address).await;
}
