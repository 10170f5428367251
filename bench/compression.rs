//! What content encodings cost and give: answers and bodies of JSON through the layer, without a network.
//!
//! `cargo bench --profile dist --bench compression`
//!
//! Each time is the least of several rounds. The memory of a stream is what 100 of them hold after 64 KiB each, written
//! out every KiB.

#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark")]
#![allow(clippy::disallowed_types, reason = "real time is what is measured")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Frame};
use transom::server::compress::Compression;

const ROUNDS: usize = 7;
const CODINGS: [&str; 3] = ["gzip", "br", "zstd"];

fn main() {
    // First, while no memory is free that could be used again.
    let mut open = Vec::new();
    for coding in CODINGS {
        let before = resident();
        open.extend((0..100).map(|_| stream(coding)));
        println!("{coding:>8}   {} KiB for a stream", (resident() - before) / 100 / 1024);
    }
    drop(open);
    for size in [1_200, 4_096, 16_384, 65_536, 1 << 20] {
        let text = books(size);
        let plain = time(size, || drain(answer(None, text.clone())));
        let unasked = time(size, || drain(answer(Some("identity"), text.clone())));
        println!("{size:>8} B   not asked for {:.2} us, refused {:.2} us", plain.1, unasked.1);
        for coding in CODINGS {
            let (encoded, encode) = time(size, || drain(answer(Some(coding), text.clone())));
            let (decoded, decode) = time(size, || drain(request(coding, encoded.clone())));
            assert!(decoded == text);
            let ratio = 100.0 * encoded.len() as f64 / size as f64;
            println!("{coding:>8}   {ratio:4.1} %   encode {encode:8.1} us   decode {decode:8.1} us");
        }
    }
}

/// What it gives, and the least time in microseconds.
fn time<T>(size: usize, work: impl Fn() -> T) -> (T, f64) {
    let repeats = (2_000_000 / size).clamp(5, 500);
    let rounds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        for _ in 0..repeats {
            black_box(work());
        }
        start.elapsed().as_secs_f64() * 1e6 / repeats as f64
    });
    let least = rounds.fold(f64::INFINITY, f64::min);
    (work(), least)
}

fn answer<B>(accepted: Option<&str>, body: impl Into<Whole<B>>) -> impl Body<Data = Bytes> + Unpin
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut request = Request::builder();
    if let Some(accepted) = accepted {
        request = request.header("accept-encoding", accepted);
    }
    let (_, terms) = Compression::default().open(request.body(()).unwrap());
    let answer = Response::builder().header("content-type", "application/json").body(body.into().0).unwrap();
    terms.close(answer).into_body()
}

fn request(coding: &str, body: Bytes) -> impl Body<Data = Bytes> + Unpin {
    let request = Request::builder().header("content-encoding", coding).body(Full::new(body)).unwrap();
    Compression::default().open(request).0.into_body()
}

/// A stream that has given all that it has.
fn stream(coding: &str) -> impl Sized {
    let pieces = books(65_536).chunks(1_024).map(Bytes::copy_from_slice).collect();
    let mut body = answer(Some(coding), Whole(Pieces { pieces, waits: false }));
    let mut cx = Context::from_waker(Waker::noop());
    let mut waited = 0;
    while waited < 64 {
        waited += usize::from(Pin::new(&mut body).poll_frame(&mut cx).is_pending());
    }
    body
}

struct Whole<B>(B);

impl From<Bytes> for Whole<Full<Bytes>> {
    fn from(bytes: Bytes) -> Self {
        Self(Full::new(bytes))
    }
}

/// Waits after each piece.
struct Pieces {
    pieces: VecDeque<Bytes>,
    waits: bool,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.waits = !self.waits;
        let piece = if self.waits { self.pieces.pop_front() } else { None };
        piece.map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(Frame::data(piece)))))
    }
}

fn drain(mut body: impl Body<Data = Bytes> + Unpin) -> Bytes {
    let mut cx = Context::from_waker(Waker::noop());
    let mut frames = Vec::new();
    while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut cx) {
        frames.extend(frame.into_data());
    }
    if let [one] = &frames[..] { one.clone() } else { frames.concat().into() }
}

/// Books as an API lists them.
fn books(size: usize) -> Bytes {
    let mut text = String::from("{\"books\":[");
    let mut random = 1_u32;
    while text.len() < size {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (one, two) = (random >> 16, random >> 8);
        text.push_str(&format!(
            r#"{{"name":"shelves/fiction/books/{random}","title":"The {} of {}","authors":["Author {}"],"priceCents":"{}","createTime":"2026-01-{:02}T09:{:02}:00Z","genre":"{}","inPrint":{}}},"#,
            one % 977,
            two % 313,
            one % 57,
            two % 5_000,
            one % 28 + 1,
            two % 60,
            ["NOVEL", "POETRY", "CRIME"][one as usize % 3],
            one % 2 == 0,
        ));
    }
    text.truncate(size);
    text.into()
}

/// How much memory this process has resident, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
