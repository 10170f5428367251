//! A connection at work: demands are written as they come, and replies are matched to them in order.
//!
//! ```text
//!             the probe is answered in time
//!   Suspended -----------------------------> Serving
//!       ^                                       |
//!       +---------------------------------------+
//!             a reply does not come in time
//! ```
//!
//! A connection begins suspended, which is told only if its first probe is late. While it is, nobody is sent to it; only a
//! PING is, again and again with growing pauses, after all replies that were late have come. One that brings no reply for
//! long is given up.

use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::connect::Fault;
use super::resp::{self, Reply};

/// How many commands are taken at a time.
const BATCH: usize = 128;

/// How soon it is tried again whether the other side is in time, and the longest pause.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long a connection must have served for its next pauses to begin with the shortest.
const SETTLED: Duration = Duration::from_secs(10);

/// How long replies may stay away until the connection is given up: so many times the time of a demand, and at least
/// as long.
const PATIENCE: u32 = 10;
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// Commands for the other side.
#[derive(Debug)]
pub(super) struct Request {
    /// As the protocol writes them.
    pub(super) commands: Vec<u8>,
    /// How many replies come before the one that is waited for.
    pub(super) skip: usize,
    /// Where it goes. Whoever waits may have left.
    pub(super) answer: oneshot::Sender<Reply>,
    /// One of the places of those who wait. It is held until the reply has come.
    pub(super) place: OwnedSemaphorePermit,
}

/// What a connection tells about itself.
pub(super) trait Watcher {
    /// It serves from now on.
    fn serves(&mut self);

    /// It is suspended from now on.
    fn suspended(&mut self);
}

/// Runs a connection until it ends or is given up, which is a fault, or nobody can send requests any more. A demand may
/// take `time`.
pub(super) async fn run<I, W>(
    io: I,
    requests: &mut mpsc::UnboundedReceiver<Request>,
    watcher: &mut W,
    time: Duration,
) -> Result<(), Fault>
where
    I: AsyncRead + AsyncWrite,
    W: Watcher,
{
    let (mut reader, mut writer) = tokio::io::split(io);
    let (mut input, mut must_flush) = (BytesMut::with_capacity(8 * 1024), false);
    let mut batch = Vec::with_capacity(BATCH);
    let mut line = Line::new(watcher, time);
    // It is only moved when it is too late, or has fired: then what is due has mostly changed.
    let mut timer = pin!(sleep_until(Instant::now()));
    loop {
        let due = line.due();
        if let Some(due) = due.filter(|due| *due < timer.deadline() || timer.is_elapsed()) {
            timer.as_mut().reset(due);
        }
        tokio::select! {
            biased;
            count = requests.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return Ok(());
                }
                batch.drain(..).for_each(|request| line.send(request));
            }
            written = write(&mut writer, &line.output), if must_flush || !line.output.is_empty() => {
                let written = written?;
                line.output.advance(written);
                must_flush = written > 0;
            }
            read = reader.read_buf(&mut input) => {
                if read? == 0 {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
                while let Some((reply, length)) = resp::read(&input)? {
                    input.advance(length);
                    line.receive(reply)?;
                }
            }
            () = timer.as_mut(), if due.is_some() => line.look()?,
        }
    }
}

/// Writes a part of these bytes and says how many; without any, what was written before leaves.
async fn write<W: AsyncWrite + Unpin>(writer: &mut W, bytes: &[u8]) -> io::Result<usize> {
    if bytes.is_empty() {
        return writer.flush().await.map(|()| 0);
    }
    match writer.write(bytes).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        count => Ok(count),
    }
}

/// What is under way on a connection.
struct Line<'w, W> {
    watcher: &'w mut W,
    /// How long a demand may take.
    time: Duration,
    output: BytesMut,
    pending: VecDeque<Pending>,
    /// Since when it serves; absent while it does not.
    serving: Option<Instant>,
    /// Whether it was told that it does not.
    is_suspended: bool,
    pause: Duration,
    /// When the next probe is due; absent while it serves, or while replies are still to come.
    probe: Option<Instant>,
}

struct Pending {
    sent: Instant,
    skip: usize,
    /// Absent for a probe.
    answer: Option<(oneshot::Sender<Reply>, OwnedSemaphorePermit)>,
}

impl<'w, W: Watcher> Line<'w, W> {
    fn new(watcher: &'w mut W, time: Duration) -> Self {
        Self {
            watcher,
            time,
            output: BytesMut::with_capacity(8 * 1024),
            pending: VecDeque::new(),
            serving: None,
            is_suspended: false,
            pause: FIRST_PAUSE,
            probe: Some(Instant::now()),
        }
    }

    /// When something is to be done if nothing happens.
    fn due(&self) -> Option<Instant> {
        match self.pending.front() {
            Some(first) if self.is_suspended => Some(first.sent + self.patience()),
            Some(first) => Some(first.sent + self.time),
            None => self.probe,
        }
    }

    fn patience(&self) -> Duration {
        self.time.saturating_mul(PATIENCE).max(LEAST_PATIENCE)
    }

    fn send(&mut self, request: Request) {
        // Whoever does not wait any more is not to be counted.
        if !request.answer.is_closed() {
            self.output.extend_from_slice(&request.commands);
            let Request { skip, answer, place, .. } = request;
            self.pending.push_back(Pending { sent: Instant::now(), skip, answer: Some((answer, place)) });
        }
    }

    fn receive(&mut self, reply: Reply) -> Result<(), Fault> {
        // Nothing was asked: these are not the replies that they seem to be.
        let first = self.pending.front_mut().ok_or(Fault::Malformed)?;
        if let Some(left) = first.skip.checked_sub(1) {
            first.skip = left;
            return Ok(());
        }
        let Some(Pending { sent, answer, .. }) = self.pending.pop_front() else { return Ok(()) };
        match answer {
            // Whoever has asked may have left.
            Some((answer, _place)) => drop(answer.send(reply)),
            None => self.probed(sent),
        }
        if self.pending.is_empty() && self.serving.is_none() && self.probe.is_none() {
            // What was late has come.
            self.probe = Some(Instant::now() + self.pause);
        }
        Ok(())
    }

    /// The answer to a probe that was sent then has come.
    fn probed(&mut self, sent: Instant) {
        let now = Instant::now();
        if now.duration_since(sent) <= self.time / 2 {
            self.serving = Some(now);
            self.is_suspended = false;
            self.watcher.serves();
        } else {
            self.suspend(now);
        }
    }

    fn suspend(&mut self, now: Instant) {
        let is_settled = self.serving.take().is_some_and(|since| now.duration_since(since) >= SETTLED);
        self.pause = if is_settled { FIRST_PAUSE } else { self.pause.saturating_mul(2).min(LONGEST_PAUSE) };
        if !self.is_suspended {
            self.is_suspended = true;
            self.watcher.suspended();
        }
    }

    /// Does what is due.
    fn look(&mut self) -> Result<(), Fault> {
        let now = Instant::now();
        if self.due().is_none_or(|due| now < due) {
            return Ok(());
        }
        if self.pending.is_empty() {
            self.probe = None;
            self.output.extend_from_slice(&resp::command(&[b"PING"]));
            self.pending.push_back(Pending { sent: now, skip: 0, answer: None });
        } else if self.is_suspended {
            return Err(Fault::Late);
        } else {
            self.suspend(now);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{DuplexStream, duplex};
    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;
    use tokio::time::sleep;

    use super::*;

    const TIME: Duration = Duration::from_millis(50);
    const PING: &str = "*1\r\n$4\r\nPING\r\n";

    struct Tell(mpsc::UnboundedSender<&'static str>);

    impl Watcher for Tell {
        fn serves(&mut self) {
            self.0.send("serves").unwrap();
        }

        fn suspended(&mut self) {
            self.0.send("suspended").unwrap();
        }
    }

    struct Setting {
        far: DuplexStream,
        requests: mpsc::UnboundedSender<Request>,
        told: mpsc::UnboundedReceiver<&'static str>,
        places: Arc<Semaphore>,
        run: JoinHandle<Result<(), Fault>>,
    }

    impl Setting {
        fn new() -> Self {
            let (near, far) = duplex(1024);
            let (requests, mut receiver) = mpsc::unbounded_channel();
            let (tell, told) = mpsc::unbounded_channel();
            let run = tokio::spawn(async move { run(near, &mut receiver, &mut Tell(tell), TIME).await });
            Self { far, requests, told, places: Arc::new(Semaphore::new(100)), run }
        }

        /// One that serves.
        async fn serving() -> Self {
            let mut setting = Self::new();
            setting.expect(PING).await;
            setting.answer("+PONG\r\n").await;
            assert_eq!(setting.told.recv().await, Some("serves"));
            setting
        }

        async fn expect(&mut self, text: &str) {
            let mut read = vec![0; text.len()];
            self.far.read_exact(&mut read).await.unwrap();
            assert_eq!(str::from_utf8(&read).unwrap(), text);
        }

        async fn answer(&mut self, text: &str) {
            self.far.write_all(text.as_bytes()).await.unwrap();
        }

        fn ask(&self, commands: &str, skip: usize) -> oneshot::Receiver<Reply> {
            let (answer, receiver) = oneshot::channel();
            let place = Arc::clone(&self.places).try_acquire_owned().unwrap();
            let request = Request { commands: commands.into(), skip, answer, place };
            self.requests.send(request).unwrap();
            receiver
        }
    }

    #[tokio::test(start_paused = true)]
    async fn replies_go_to_those_who_asked_in_order() {
        let mut setting = Setting::serving().await;
        let (a, b, c) = (setting.ask("a", 0), setting.ask("bb", 1), setting.ask("c", 0));
        drop(c);
        setting.expect("abb").await;
        assert_eq!(setting.places.available_permits(), 98, "who has left takes no place");
        setting.answer(":1\r\n+skipped\r\n:").await;
        assert_eq!(a.await.unwrap(), Reply::Number(1));
        setting.answer("2\r\n").await;
        assert_eq!(b.await.unwrap(), Reply::Number(2));
        assert_eq!(setting.places.available_permits(), 100);
        drop(setting.requests);
        setting.run.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_late_is_suspended_until_it_is_in_time_again() {
        let mut setting = Setting::serving().await;
        let (start, late) = (Instant::now(), setting.ask("a", 0));
        assert_eq!(setting.told.recv().await, Some("suspended"));
        assert_eq!(start.elapsed().as_millis(), 50);
        setting.expect("a").await;
        sleep(Duration::from_millis(500)).await;
        setting.answer(":1\r\n").await;
        assert_eq!(late.await.unwrap(), Reply::Number(1));
        // Probes that are answered late do not help, and become rarer.
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let asked = Instant::now();
            setting.expect(PING).await;
            pauses.push(asked.elapsed().as_millis());
            sleep(TIME).await;
            setting.answer("+PONG\r\n").await;
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000]);
        setting.expect(PING).await;
        setting.answer("+PONG\r\n").await;
        assert_eq!(setting.told.recv().await, Some("serves"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_never_answers_is_given_up() {
        let mut setting = Setting::serving().await;
        let (start, asked) = (Instant::now(), setting.ask("a", 0));
        assert!(matches!(setting.run.await.unwrap(), Err(Fault::Late)));
        assert_eq!((start.elapsed().as_millis(), setting.told.recv().await), (1000, Some("suspended")));
        assert!(asked.await.is_err());
        assert_eq!(setting.places.available_permits(), 100);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_not_asked_for_or_is_no_reply_ends_the_connection() {
        for text in [":1\r\n", "HTTP/1.1 400\r\n"] {
            let mut setting = Setting::serving().await;
            setting.answer(text).await;
            assert!(matches!(setting.run.await.unwrap(), Err(Fault::Malformed)), "{text}");
        }
        let setting = Setting::serving().await;
        drop(setting.far);
        assert!(matches!(setting.run.await.unwrap(), Err(Fault::Io(_))));
    }
}
