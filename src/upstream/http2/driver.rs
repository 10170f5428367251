//! The task that moves the bytes of a connection.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;

use super::engine::Engine;
use super::frame::{HEAD, MAX_FRAME};
use super::handle::{Sender, Shared};
use super::reason::Error;

/// How long a connection that cannot be written to is still read, and how long the last bytes may take to leave.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// How much is read at once at first, and at most. The buffer grows when it was filled.
const FIRST_READ: usize = 8 * 1024;
const MAX_READ: usize = 64 * 1024;

const _: () = assert!(MAX_READ > HEAD + MAX_FRAME, "the beginning of a frame never fills the buffer");

/// A byte stream both ways.
pub trait Transport: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Transport for T {}

/// How a connection ended.
#[derive(Debug)]
pub struct Ending {
    /// Whether the peer ever sent a byte.
    pub heard: bool,
    /// What ended it, if that was not expected.
    pub result: Result<(), Error>,
}

/// Moves the bytes of one connection until it ends.
#[derive(Debug)]
pub struct Driver<T> {
    io: T,
    shared: Arc<Shared>,
    input: Input,
    heard: bool,
    /// What is being written, and how much of it was.
    out: Vec<u8>,
    written: usize,
    is_flushed: bool,
    is_finished: bool,
    /// Empty but while tasks are woken; kept for its memory.
    woken: Vec<Waker>,
}

/// Why a connection does not go on.
enum Stop {
    /// There is nothing left to do.
    Finished,
    /// Nothing more comes.
    Read(Result<(), Error>),
    /// The peer broke the protocol, and is told so.
    Flaw(Error),
    Unwritable(io::Error),
}

/// Begins HTTP/2 with prior knowledge on a connection that is up. The [`Driver`] must be run for it to make any
/// progress.
pub fn start<T: Transport>(io: T) -> (Sender, Driver<T>) {
    let shared = Shared::new(Engine::new());
    let driver = Driver {
        io,
        shared: Arc::clone(&shared),
        input: Input::default(),
        heard: false,
        out: Vec::new(),
        written: 0,
        is_flushed: true,
        is_finished: false,
        woken: Vec::new(),
    };
    (Sender::new(shared), driver)
}

impl<T: Transport> Driver<T> {
    /// Runs the connection to its end. Streams that are open when this future is dropped fail.
    pub async fn run(mut self) -> Ending {
        let result = match poll_fn(|cx| self.poll(cx)).await {
            Stop::Finished => {
                let result = self.shared.with(Engine::farewell);
                self.close().await;
                result
            }
            Stop::Flaw(error) => {
                self.close().await;
                Err(error)
            }
            Stop::Read(Ok(())) => self.shared.with(|engine| {
                let result = engine.farewell();
                engine.fail_all(&Error::Broken("the peer closed it".into()));
                result
            }),
            Stop::Read(Err(error)) => {
                self.shared.with(|engine| engine.fail_all(&error));
                Err(error)
            }
            Stop::Unwritable(error) => {
                tracing::debug!(%error, "a connection to a backend broke while writing");
                let error = broken(&error);
                self.shared.with(|engine| engine.refuse(error.clone()));
                // A GOAWAY that came before, by which calls may be sent again, has perhaps not been read yet; nor
                // an alert of TLS, which says why the peer left.
                let last = timeout(LAST_WORDS, poll_fn(|cx| self.poll_read(cx))).await;
                let told = match last {
                    Ok(Stop::Read(Err(told))) => Err(told),
                    _ => Ok(()),
                };
                let why = told.as_ref().err().unwrap_or(&error);
                self.shared.with(|engine| engine.fail_all(why));
                told
            }
        };
        Ending { heard: self.heard, result }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        if let Poll::Ready(stop) = self.poll_read(cx) {
            return Poll::Ready(stop);
        }
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            return Poll::Ready(Stop::Unwritable(error));
        }
        if self.is_finished { Poll::Ready(Stop::Finished) } else { Poll::Pending }
    }

    /// Reads until there is nothing more for now. Ready when nothing more will come.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        loop {
            let mut room = ReadBuf::new(self.input.room());
            if let Err(error) = ready!(Pin::new(&mut self.io).poll_read(cx, &mut room)) {
                return Poll::Ready(Stop::Read(Err(broken(&error))));
            }
            let count = room.filled().len();
            if count == 0 {
                return Poll::Ready(Stop::Read(Ok(())));
            }
            self.heard = true;
            let unread = self.input.filled(count);
            let received = self.shared.with_woken(&mut self.woken, |engine| engine.receive(unread));
            match received {
                Ok(used) => self.input.used(used),
                Err(flaw) => return Poll::Ready(Stop::Flaw(Error::Connection(flaw))),
            }
        }
    }

    /// Writes until there is nothing more for now.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.out.len() {
                match ready!(Pin::new(&mut self.io).poll_write(cx, &self.out[self.written..]))? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    count => self.written += count,
                }
                self.is_flushed = false;
            }
            self.written = 0;
            self.out.clear();
            let out = &mut self.out;
            self.is_finished = self.shared.with_woken(&mut self.woken, |engine| {
                engine.driven_by(cx);
                engine.take_output(out);
                engine.is_finished()
            });
            if self.out.is_empty() {
                break;
            }
        }
        if !self.is_flushed {
            ready!(Pin::new(&mut self.io).poll_flush(cx))?;
            self.is_flushed = true;
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the last bytes, if the peer takes them, and says that they were the last.
    async fn close(&mut self) {
        let close = async {
            poll_fn(|cx| self.poll_write(cx)).await?;
            poll_fn(|cx| Pin::new(&mut self.io).poll_shutdown(cx)).await
        };
        if let Ok(Err(error)) = timeout(LAST_WORDS, close).await {
            tracing::debug!(%error, "a connection to a backend broke while it was closed");
        }
    }
}

impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        self.shared.with(|engine| engine.fail_all(&Error::Broken("nobody drives it".into())));
    }
}

fn broken(error: &io::Error) -> Error {
    Error::Broken(error.to_string().into())
}

/// What was read and not used yet.
#[derive(Debug, Default)]
struct Input {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// Where more can be read to, never nothing.
    fn room(&mut self) -> &mut [u8] {
        if self.start == self.end {
            let was_filled = self.end == self.bytes.len();
            (self.start, self.end) = (0, 0);
            if was_filled {
                self.grow();
            }
        } else if self.end == self.bytes.len() {
            // What is left is the beginning of a frame.
            self.bytes.copy_within(self.start.., 0);
            (self.start, self.end) = (0, self.end - self.start);
            self.grow();
        }
        &mut self.bytes[self.end..]
    }

    fn grow(&mut self) {
        let size = (2 * self.bytes.len()).clamp(FIRST_READ, MAX_READ);
        self.bytes.resize(size, 0);
    }

    /// Takes note of what was read, and gives all that is not used yet.
    fn filled(&mut self, count: usize) -> &[u8] {
        self.end += count;
        &self.bytes[self.start..self.end]
    }

    fn used(&mut self, count: usize) {
        self.start += count;
    }
}
