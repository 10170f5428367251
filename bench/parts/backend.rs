//! The backend of the benchmarks: gRPC over HTTP/2 on one address, and the same answers as JSON over HTTP/1.1 on
//! another. It decodes nothing; it reads a request to its end and sends bytes that it has ready.
//!
//! `backend GRPC-ADDRESS HTTP-ADDRESS FOLDER`
//!
//! The folder holds `NAME.grpc`, the messages as gRPC frames, and `NAME.json` for each answer: `order`, `orders` and
//! `stream`. What is to be echoed is answered with what came.

#![allow(missing_docs, clippy::unwrap_used, reason = "a part of a benchmark, never shipped")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream::{self, Iter};
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

/// More than any message of the benchmarks, so that no flow control is measured.
const WINDOW: u32 = 64 * 1024 * 1024;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One answer in the two forms, in the pieces that are sent.
struct Answer {
    grpc: Pieces,
    json: Pieces,
}

type Pieces = Vec<Bytes>;

struct Answers {
    order: Answer,
    orders: Answer,
    /// A piece for each message.
    stream: Answer,
    /// The same in one piece.
    packed: Answer,
    /// An empty message.
    nothing: Answer,
}

/// What a request is answered with.
enum Wanted<'a> {
    Ready(&'a Answer),
    Echo,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [grpc, http, folder] = &arguments[..] else {
        return Err("backend GRPC-ADDRESS HTTP-ADDRESS FOLDER".into());
    };
    let folder = Path::new(folder);
    let answers = Arc::new(Answers {
        order: Answer::whole(folder, "order")?,
        orders: Answer::whole(folder, "orders")?,
        stream: Answer::whole(folder, "stream")?.cut(),
        packed: Answer::whole(folder, "stream")?,
        nothing: Answer { grpc: vec![Bytes::from_static(&[0; 5])], json: vec![Bytes::from_static(b"{}")] },
    });
    let grpc = TcpListener::bind(grpc.parse::<SocketAddr>()?).await?;
    let http = TcpListener::bind(http.parse::<SocketAddr>()?).await?;
    let for_http = Arc::clone(&answers);
    tokio::spawn(async move {
        while let Ok((stream, _)) = http.accept().await {
            tokio::spawn(serve_http(stream, Arc::clone(&for_http)));
        }
    });
    loop {
        let (stream, _) = grpc.accept().await?;
        tokio::spawn(serve_grpc(stream, Arc::clone(&answers)));
    }
}

impl Answer {
    fn whole(folder: &Path, name: &str) -> Result<Self, Failure> {
        let read = |kind: &str| std::fs::read(folder.join(format!("{name}.{kind}"))).map(Bytes::from);
        Ok(Self { grpc: vec![read("grpc")?], json: vec![read("json")?] })
    }

    /// A piece for each gRPC message, and for each line of the JSON, which are those of the messages.
    fn cut(self) -> Self {
        let frames = self.grpc.into_iter().flat_map(|mut grpc| {
            std::iter::from_fn(move || {
                let length = grpc.get(1..5)?.get_u32() as usize;
                Some(grpc.split_to(5 + length))
            })
        });
        let lines = self.json.iter().flat_map(|json| {
            json.split_inclusive(|byte| *byte == b'\n').map(|line| json.slice_ref(line)).collect::<Pieces>()
        });
        Self { json: lines.collect(), grpc: frames.collect() }
    }
}

impl Answers {
    /// The methods of `orders.proto`; those of the scale curves, whose services are many, all answer an order.
    fn for_method(&self, path: &str) -> Wanted<'_> {
        match path {
            "/bench.Orders/ListOrders" => Wanted::Ready(&self.orders),
            "/bench.Orders/WatchOrders" => Wanted::Ready(&self.stream),
            "/bench.Orders/ExportOrders" => Wanted::Ready(&self.packed),
            "/bench.Orders/EchoOrder" => Wanted::Echo,
            // A collector that takes all spans.
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Wanted::Ready(&self.nothing),
            _ => Wanted::Ready(&self.order),
        }
    }

    /// The same by the annotations of `orders.proto`.
    fn for_route(&self, method: &Method, path: &str) -> Wanted<'_> {
        match (method, path) {
            (&Method::GET, "/v1/orders") => Wanted::Ready(&self.orders),
            (&Method::GET, "/v1/orders:watch") => Wanted::Ready(&self.stream),
            (&Method::GET, "/v1/orders:export") => Wanted::Ready(&self.packed),
            (&Method::POST, "/v1/orders:echo") => Wanted::Echo,
            _ => Wanted::Ready(&self.order),
        }
    }
}

async fn serve_grpc(stream: TcpStream, answers: Arc<Answers>) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(WINDOW).max_concurrent_streams(10_000);
    let mut connection = builder.handshake::<_, Bytes>(stream).await?;
    while let Some(next) = connection.accept().await {
        let (request, respond) = next?;
        let answers = Arc::clone(&answers);
        tokio::spawn(async move { answer_grpc(request, respond, &answers).await });
    }
    Ok(())
}

async fn answer_grpc(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    answers: &Answers,
) -> Result<(), h2::Error> {
    let (head, body) = request.into_parts();
    let pieces = match answers.for_method(head.uri.path()) {
        Wanted::Ready(answer) => {
            read(body, None).await?;
            answer.grpc.clone()
        }
        Wanted::Echo => {
            let mut received = BytesMut::new();
            read(body, Some(&mut received)).await?;
            vec![received.freeze()]
        }
    };
    let mut response = Response::new(());
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let mut stream = respond.send_response(response, false)?;
    for piece in pieces {
        stream.send_data(piece, false)?;
    }
    let mut trailers = HeaderMap::with_capacity(1);
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    stream.send_trailers(trailers)
}

/// Reads a body to its end and keeps it, if it is wanted.
async fn read(mut body: RecvStream, mut kept: Option<&mut BytesMut>) -> Result<(), h2::Error> {
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(&data);
        }
    }
    Ok(())
}

async fn serve_http(stream: TcpStream, answers: Arc<Answers>) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let service = service_fn(|request| answer_http(request, &answers));
    Ok(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await?)
}

/// What is in one piece has a length; more pieces are a chunk each.
type Body = Either<Full<Bytes>, StreamBody<Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>>;

fn body(mut pieces: Pieces) -> Body {
    if pieces.len() == 1 {
        return Either::Left(Full::new(pieces.remove(0)));
    }
    let frames: Vec<_> = pieces.into_iter().map(|piece| Ok(Frame::data(piece))).collect();
    Either::Right(StreamBody::new(stream::iter(frames)))
}

async fn answer_http(request: Request<Incoming>, answers: &Answers) -> Result<Response<Body>, hyper::Error> {
    let (head, mut asked) = request.into_parts();
    let pieces = match answers.for_route(&head.method, head.uri.path()) {
        Wanted::Ready(answer) => {
            while let Some(frame) = asked.frame().await {
                frame?;
            }
            answer.json.clone()
        }
        Wanted::Echo => vec![asked.collect().await?.to_bytes()],
    };
    let mut response = Response::new(body(pieces));
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    Ok(response)
}
