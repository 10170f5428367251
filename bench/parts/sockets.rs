//! The parts of the comparison of WebSockets with streams of lines: a load that talks, and the backend it talks to.
//!
//! `sockets backend ADDRESS` sends every gRPC message back as it comes.
//!
//! `sockets load websocket|lines ADDRESS CONNECTIONS MESSAGES FILE` opens the connections, each with a stream of
//! `POST /v1/talk`, and prints `ready`. When it reads a line it sends the JSON of the file so many times in all, on each
//! connection the next when the one before was answered, prints `done SECONDS` and the first answer, and keeps the
//! connections open until its input ends. It fails when one answer is not like the first one.

#![allow(missing_docs, clippy::unwrap_used, reason = "a part of a benchmark, never shipped")]
#![allow(clippy::print_stdout, reason = "it prints what it measured")]

use std::io::BufRead;
use std::net::SocketAddr;

use bytes::{Buf, Bytes, BytesMut};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

/// More than any message, so that no flow control is measured.
const WINDOW: u32 = 64 * 1024 * 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["backend", address] => backend(address.parse()?).await,
        ["load", kind, address, connections, messages, file] => {
            let kind = match kind {
                "websocket" => Kind::WebSocket,
                "lines" => Kind::Lines,
                _ => return Err("websocket or lines".into()),
            };
            let message = std::fs::read(file)?;
            load(kind, address.parse()?, connections.parse()?, messages.parse()?, message).await
        }
        _ => Err("backend ADDRESS, or load KIND ADDRESS CONNECTIONS MESSAGES FILE".into()),
    }
}

async fn backend(address: SocketAddr) -> Result<(), Failure> {
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream));
    }
}

async fn serve(stream: TcpStream) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW).max_concurrent_streams(20_000);
    let mut connection = builder.handshake::<_, Bytes>(stream).await?;
    while let Some(next) = connection.accept().await {
        let (request, respond) = next?;
        tokio::spawn(send_back(request, respond));
    }
    Ok(())
}

async fn send_back(request: Request<RecvStream>, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let mut body = request.into_body();
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut stream = respond.send_response(response, false)?;
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        stream.send_data(data, false)?;
    }
    stream.send_trailers(HeaderMap::from_iter([(
        "grpc-status".parse().unwrap(),
        HeaderValue::from_static("0"),
    )]))
}

#[derive(Clone, Copy)]
enum Kind {
    WebSocket,
    Lines,
}

async fn load(
    kind: Kind,
    address: SocketAddr,
    connections: usize,
    messages: usize,
    message: Vec<u8>,
) -> Result<(), Failure> {
    let wire = Bytes::from(kind.wire(&message));
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(kind, address).await?);
    }
    // The first turn begins the call and shows the answer.
    let mut first = None;
    for connection in &mut open {
        let answer = connection.turn(&wire).await?;
        let known = first.get_or_insert_with(|| answer.clone());
        if *known != answer {
            return Err("two connections were answered differently".into());
        }
    }
    let answer = first.ok_or("there must be a connection")?;
    let mut input = std::io::stdin().lock();
    println!("ready");
    input.read_line(&mut String::new())?;

    let start = Instant::now();
    let each = messages / connections;
    let running: Vec<_> = open
        .into_iter()
        .map(|mut connection| {
            let (wire, answer) = (wire.clone(), answer.clone());
            tokio::spawn(async move {
                for _ in 0..each {
                    if connection.turn(&wire).await? != answer {
                        return Err(Failure::from("an answer is not like the first one"));
                    }
                }
                Ok(connection)
            })
        })
        .collect();
    let mut open = Vec::with_capacity(connections);
    for one in running {
        open.push(one.await??);
    }
    println!("done {}", start.elapsed().as_secs_f64());
    println!("{}", String::from_utf8(answer)?);
    input.read_line(&mut String::new())?;
    Ok(())
}

impl Kind {
    /// What is sent for a message.
    fn wire(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::WebSocket => {
                const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
                let mut frame = vec![0x81];
                match message.len() {
                    length @ 0..126 => frame.push(0x80 | length as u8),
                    length => {
                        frame.push(0x80 | 126);
                        frame.extend(u16::try_from(length).unwrap().to_be_bytes());
                    }
                }
                frame.extend(MASK);
                frame.extend(message.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
                frame
            }
            Self::Lines => {
                let mut chunk = format!("{:x}\r\n", message.len() + 1).into_bytes();
                chunk.extend(message);
                chunk.extend(b"\n\r\n");
                chunk
            }
        }
    }

    fn head(self) -> &'static str {
        match self {
            Self::WebSocket => {
                "GET /v1/talk HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: AAECAwQFBgcICQoLDA0ODw==\r\n\
                 sec-websocket-protocol: transom.json\r\n\r\n"
            }
            Self::Lines => {
                "POST /v1/talk HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n\
                 accept: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
            }
        }
    }
}

struct Connection {
    kind: Kind,
    stream: TcpStream,
    received: BytesMut,
    /// Whether the answer's head is still to come.
    begins: bool,
}

impl Connection {
    async fn open(kind: Kind, address: SocketAddr) -> Result<Self, Failure> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(kind.head().as_bytes()).await?;
        Ok(Self { kind, stream, received: BytesMut::new(), begins: true })
    }

    /// Sends a message and returns the answer.
    async fn turn(&mut self, wire: &[u8]) -> Result<Vec<u8>, Failure> {
        if self.begins && matches!(self.kind, Kind::WebSocket) {
            self.skip_head("HTTP/1.1 101").await?;
        }
        self.stream.write_all(wire).await?;
        if self.begins {
            self.skip_head("HTTP/1.1 200").await?;
        }
        loop {
            let whole = match self.kind {
                Kind::WebSocket => frame(&mut self.received),
                Kind::Lines => chunk(&mut self.received)?,
            };
            match whole {
                Some(answer) => return Ok(answer),
                None => self.read().await?,
            }
        }
    }

    async fn skip_head(&mut self, status: &str) -> Result<(), Failure> {
        loop {
            if let Some(end) = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                let head = self.received.split_to(end + 4);
                self.begins = false;
                let is_right = head.starts_with(status.as_bytes());
                return if is_right { Ok(()) } else { Err(String::from_utf8_lossy(&head).into()) };
            }
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), Failure> {
        match self.stream.read_buf(&mut self.received).await? {
            0 => Err("a connection was closed".into()),
            _ => Ok(()),
        }
    }
}

/// The text of the next frame; pings, which come after 30 s, are skipped.
fn frame(received: &mut BytesMut) -> Option<Vec<u8>> {
    loop {
        let (first, length) = (*received.first()?, *received.get(1)?);
        let (head, length) = match length {
            126 => (4, received.get(2..4)?.get_u16().into()),
            127 => (10, usize::try_from(received.get(2..10)?.get_u64()).ok()?),
            length => (2, usize::from(length)),
        };
        if received.len() < head + length {
            return None;
        }
        received.advance(head);
        let payload = received.split_to(length);
        if first & 8 == 0 {
            return Some(payload.to_vec());
        }
    }
}

/// The line in the next chunk.
fn chunk(received: &mut BytesMut) -> Result<Option<Vec<u8>>, Failure> {
    let Some(end) = received.windows(2).position(|bytes| bytes == b"\r\n") else { return Ok(None) };
    let length = usize::from_str_radix(std::str::from_utf8(&received[..end])?, 16)?;
    if received.len() < end + 2 + length + 2 {
        return Ok(None);
    }
    received.advance(end + 2);
    let line = received.split_to(length);
    received.advance(2);
    line.strip_suffix(b"\n").map(|line| Some(line.to_vec())).ok_or_else(|| "a chunk is no line".into())
}
