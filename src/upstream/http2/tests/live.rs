//! The whole client against `h2`'s server, over a pipe in memory.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use h2::server::{Builder, SendResponse};
use http::{HeaderName, HeaderValue, Response};
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, DuplexStream, ReadBuf, duplex};

use super::super::driver::start;
use super::super::handle::{Sender, Stream};
use super::*;

/// A server that echoes content and metadata, the latter as headers and as trailers.
async fn echo(builder: Builder, far: impl AsyncRead + AsyncWrite + Unpin) {
    let mut connection = builder.handshake::<_, Bytes>(far).await.unwrap();
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(answer_to(request, respond));
    }
}

async fn answer_to(request: http::Request<h2::RecvStream>, mut respond: SendResponse<Bytes>) {
    let (head, mut body) = request.into_parts();
    let mut fields = head.headers;
    fields.remove("te");
    let mut response = Response::new(());
    *response.headers_mut() = fields.clone();
    let Ok(mut send) = respond.send_response(response, false) else { return };
    while let Some(Ok(data)) = body.data().await {
        body.flow_control().release_capacity(data.len()).unwrap();
        if send.send_data(data, false).is_err() {
            return;
        }
    }
    let _ = send.send_trailers(fields);
}

fn connect(builder: Builder) -> Sender {
    let (near, far) = duplex(1 << 16);
    tokio::spawn(echo(builder, far));
    let (sender, driver) = start(near);
    tokio::spawn(driver.run());
    sender
}

async fn begin(sender: &Sender, metadata: &HeaderMap, piece: Option<Piece>) -> Stream {
    sender.turn().await.unwrap().open(&request(metadata), piece).unwrap()
}

/// Headers, content and trailers.
async fn finish(mut stream: Stream) -> Result<(HeaderMap, Vec<u8>, HeaderMap), Error> {
    let (mut head, mut content) = (HeaderMap::new(), Vec::new());
    loop {
        match poll_fn(|cx| stream.poll_event(true, cx)).await? {
            Event::Head(Head { fields, .. }) => head = fields.into_map(),
            Event::Data(data) => content.extend_from_slice(&data),
            Event::End(trailers) => return Ok((head, content, trailers.unwrap_or_default().into_map())),
        }
    }
}

#[tokio::test]
async fn a_thousand_calls_share_ten_streams() {
    let mut builder = Builder::new();
    builder.max_concurrent_streams(10).initial_window_size(100);
    let sender = connect(builder);
    let none = HeaderMap::new();
    finish(begin(&sender, &none, Some(piece(1))).await).await.unwrap();
    let calls = (0..1000).map(|size| {
        let (sender, none) = (&sender, &none);
        async move {
            let stream = begin(sender, none, Some(piece(size))).await;
            // Some leave in the middle.
            if size % 7 == 3 {
                return;
            }
            assert_eq!(finish(stream).await.unwrap().1.len(), 5 + size);
        }
    });
    futures_util::future::join_all(calls).await;
}

#[tokio::test]
async fn content_in_pieces_goes_through_windows_of_every_size() {
    for window in [1, 7, 100, 65_536] {
        let mut builder = Builder::new();
        builder.initial_window_size(window);
        let sender = connect(builder);
        let stream = begin(&sender, &HeaderMap::new(), None).await;
        let mut sink = stream.sink();
        let upload = tokio::spawn(async move {
            for size in [0, 1, 500, 3000] {
                assert!(sink.send(piece(size)).await);
            }
            sink.finish();
        });
        assert_eq!(finish(stream).await.unwrap().1.len(), 4 * 5 + 3501, "{window}");
        upload.await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_ends_with_its_last_stream_once_it_is_let_go() {
    let (near, far) = duplex(1 << 16);
    tokio::spawn(echo(Builder::new(), far));
    let (sender, driver) = start(near);
    let driver = tokio::spawn(driver.run());
    let stream = begin(&sender, &HeaderMap::new(), Some(piece(100_000))).await;
    drop(sender);
    assert_eq!(finish(stream).await.unwrap().1.len(), 100_005);
    let ending = driver.await.unwrap();
    assert!(ending.heard && ending.result.is_ok(), "{ending:?}");
}

#[tokio::test]
async fn streams_fail_with_their_connection() {
    let (near, mut far) = duplex(1 << 16);
    let (sender, driver) = start(near);
    let driver = tokio::spawn(driver.run());
    let stream = begin(&sender, &HeaderMap::new(), Some(piece(1))).await;
    far.read_u8().await.unwrap();
    drop(far);
    let error = finish(stream).await.unwrap_err();
    assert_eq!(error.to_string(), "the connection broke: the peer closed it");
    assert!(matches!(sender.turn().await, Err(Error::Broken(_))));
    assert!(driver.await.unwrap().result.is_ok());

    let (near, _far) = duplex(1 << 16);
    let (sender, driver) = start(near);
    let stream = begin(&sender, &HeaderMap::new(), Some(piece(1))).await;
    drop(driver);
    assert!(matches!(finish(stream).await, Err(Error::Broken(_))));
}

/// A peer that left: nothing can be written, and then what it said last is read, as TLS reads an alert.
struct Gone {
    was_written_to: bool,
    last: Option<&'static str>,
}

impl AsyncRead for Gone {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.last {
            _ if !self.was_written_to => Poll::Pending,
            Some(last) => Poll::Ready(Err(io::Error::other(last))),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Gone {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        self.was_written_to = true;
        Poll::Ready(Err(io::Error::other("nobody reads")))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn what_a_peer_said_last_is_why_it_cannot_be_written_to() {
    for (last, why) in
        [(Some("no certificate was shown"), "no certificate was shown"), (None, "nobody reads")]
    {
        let (sender, driver) = start(Gone { was_written_to: false, last });
        let stream = begin(&sender, &HeaderMap::new(), Some(piece(1))).await;
        let ending = driver.run().await;
        // Peers that close connections are no news; those that say why are.
        assert_eq!(
            ending.result.err().map(|error| error.to_string()),
            last.map(|why| format!("the connection broke: {why}"))
        );
        assert_eq!(finish(stream).await.unwrap_err().to_string(), format!("the connection broke: {why}"));
    }
}

/// Counts the writes that reach the transport.
struct Counted {
    io: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Relaxed);
        Pin::new(&mut self.io).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn calls_that_start_together_leave_in_one_write() {
    let (near, far) = duplex(1 << 20);
    let writes = Arc::new(AtomicUsize::new(0));
    tokio::spawn(echo(Builder::new(), far));
    let (sender, driver) = start(Counted { io: near, writes: Arc::clone(&writes) });
    tokio::spawn(driver.run());
    let sender = Arc::new(sender);
    let call = |size: usize| {
        let sender = Arc::clone(&sender);
        tokio::spawn(async move {
            let stream = begin(&sender, &HeaderMap::new(), Some(piece(size))).await;
            finish(stream).await.unwrap().1.len()
        })
    };
    // The first call also settles the SETTINGS of both sides.
    call(10).await.unwrap();
    for sizes in [&[10][..], &[10_000], &[10, 2_000, 5_000]] {
        tokio::task::yield_now().await;
        let before = writes.load(Relaxed);
        let calls: Vec<_> = sizes.iter().map(|&size| call(size)).collect();
        for (call, size) in calls.into_iter().zip(sizes) {
            assert_eq!(call.await.unwrap(), 5 + size);
        }
        assert_eq!(writes.load(Relaxed) - before, 1, "{sizes:?}");
    }
}

prop_compose! {
    fn field()(name in "[a-z][a-z0-9-]{0,20}", value in "[ -~\u{80}-\u{ff}]{0,60}") -> (HeaderName, HeaderValue) {
        let value: Vec<u8> = value.chars().map(|char| char as u8).collect();
        (HeaderName::try_from(format!("x-{name}")).unwrap(), HeaderValue::from_bytes(&value).unwrap())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Both tables of one connection, over several calls, with a table of any size at the server: `h2` reads what is
    /// written here, and what it writes, in its Huffman code and from its table, is read here.
    #[test]
    fn headers_are_what_h2_understands(
        calls in prop::collection::vec((prop::collection::vec(field(), 0..8), any::<bool>()), 1..8),
        table in prop::option::of(0_u32..5000),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut builder = Builder::new();
            if let Some(size) = table {
                builder.header_table_size(size);
            }
            let sender = connect(builder);
            let mut last = HeaderMap::new();
            for (fields, repeated) in calls {
                let metadata = if repeated { last } else { fields.into_iter().collect() };
                let (head, _, trailers) = finish(begin(&sender, &metadata, Some(piece(1))).await).await.unwrap();
                assert_eq!(head, metadata);
                assert_eq!(trailers, metadata);
                last = metadata;
            }
        });
    }
}
