//! The request of `transom call`: an argument, a file or standard input, whole or as it comes.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};
use std::thread;

use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;

use crate::call::{Message, Messages};
use crate::codec::json::split::Splitter;
use crate::status::{Code, Status};

/// The largest request, or message of a stream, in bytes.
const MAX: usize = 64 << 20;
/// How much of a stream is read at once.
const PIECE: usize = 16 << 10;

/// Where a request comes from.
pub(super) enum Input {
    /// The argument itself.
    Text(Vec<u8>),
    /// A file or standard input, and what it is called.
    Reader(Box<dyn Read + Send>, String),
}

impl Input {
    /// Opens what the argument names: `-` is standard input, `@FILE` a file, anything else the request
    /// itself. No JSON begins with `@`.
    ///
    /// # Errors
    /// Why the file cannot be opened.
    pub(super) fn open(argument: &str) -> Result<Self, String> {
        match argument.strip_prefix('@') {
            _ if matches!(argument, "-" | "@-") => {
                Ok(Self::Reader(Box::new(io::stdin()), "Standard input".into()))
            }
            Some(path) => match File::open(path) {
                Ok(file) => Ok(Self::Reader(Box::new(file), format!("The file {path}"))),
                Err(error) => Err(unreadable(&format!("The file {path}"), &error)),
            },
            None => Ok(Self::Text(argument.as_bytes().to_vec())),
        }
    }

    /// All of it.
    ///
    /// # Errors
    /// Why it cannot be read, or that it is too large.
    pub(super) fn whole(self) -> Result<Vec<u8>, String> {
        let (reader, name) = match self {
            Self::Text(text) => return Ok(text),
            Self::Reader(reader, name) => (reader, name),
        };
        let mut text = Vec::new();
        let read = reader.take(MAX as u64 + 1).read_to_end(&mut text);
        read.map_err(|error| unreadable(&name, &error))?;
        if text.len() > MAX {
            return Err(format!(
                "{name} holds more than {MAX} bytes, which is the most that a request may have."
            ));
        }
        Ok(text)
    }
}

fn unreadable(name: &str, error: &io::Error) -> String {
    format!("{name} cannot be read: {error}.")
}

/// Makes a message of its JSON, or says what is wrong with it.
pub(super) type Decode = Box<dyn FnMut(&[u8]) -> Result<Message, String> + Send>;

/// The messages of a text, all of which must be right.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn messages(text: &[u8], mut decode: Decode) -> Result<Messages, String> {
    let mut cutter = Cutter::new(text.len());
    cutter.splitter.push(text);
    cutter.ended = true;
    let mut messages = Vec::new();
    while let Some(message) = cutter.next(&mut decode)? {
        messages.push(Ok(message));
    }
    Ok(Box::pin(stream::iter(messages)))
}

/// The messages of a reader, each as soon as it is there. What is wrong with one is left in `failure` and
/// ends the call.
pub(super) fn live(
    reader: Box<dyn Read + Send>,
    name: String,
    decode: Decode,
    failure: Arc<OnceLock<String>>,
) -> io::Result<Messages> {
    let pieces = follow(reader)?;
    let start = (Cutter::new(MAX), pieces, decode);
    Ok(Box::pin(stream::unfold(Some(start), move |state| {
        let (name, failure) = (name.clone(), Arc::clone(&failure));
        async move {
            let (mut cutter, mut pieces, mut decode) = state?;
            match cutter.next_from(&mut pieces, &name, &mut decode).await {
                Ok(message) => message.map(|message| (Ok(message), Some((cutter, pieces, decode)))),
                Err(text) => {
                    let status = Status::caller(Code::InvalidArgument, text.clone());
                    // Only the first failure is the reason, and after it there are no messages.
                    let _ = failure.set(text);
                    Some((Err(status), None))
                }
            }
        }
    })))
}

/// Reads on a thread of its own, which ends with the process at the latest.
fn follow(mut reader: Box<dyn Read + Send>) -> io::Result<mpsc::Receiver<io::Result<Bytes>>> {
    let (sender, pieces) = mpsc::channel(1);
    let read = move || {
        let mut piece = vec![0; PIECE];
        loop {
            let read = match reader.read(&mut piece) {
                Ok(0) => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map(|length| Bytes::copy_from_slice(&piece[..length])),
            };
            let failed = read.is_err();
            if sender.blocking_send(read).is_err() || failed {
                return;
            }
        }
    };
    thread::Builder::new().name("input".into()).spawn(read)?;
    Ok(pieces)
}

/// Cuts text into messages.
struct Cutter {
    splitter: Splitter,
    /// No more text comes.
    ended: bool,
    /// The last message was given out.
    finished: bool,
}

impl Cutter {
    fn new(limit: usize) -> Self {
        Self { splitter: Splitter::values(limit), ended: false, finished: false }
    }

    /// The next message of what is there.
    fn next(&mut self, decode: &mut Decode) -> Result<Option<Message>, String> {
        let uncut = |error| format!("The request is not a stream of JSON messages: {error}.");
        if let Some(text) = self.splitter.next().map_err(uncut)? {
            return decode(text).map(Some);
        }
        if !self.ended || std::mem::replace(&mut self.finished, true) {
            return Ok(None);
        }
        self.splitter.finish().map_err(uncut)?.map(decode).transpose()
    }

    async fn next_from(
        &mut self,
        pieces: &mut mpsc::Receiver<io::Result<Bytes>>,
        name: &str,
        decode: &mut Decode,
    ) -> Result<Option<Message>, String> {
        loop {
            if let Some(message) = self.next(decode)? {
                return Ok(Some(message));
            }
            if self.ended {
                return Ok(None);
            }
            match pieces.recv().await {
                Some(Ok(piece)) => self.splitter.push(&piece),
                Some(Err(error)) => return Err(unreadable(name, &error)),
                None => self.ended = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    /// Takes numbers below 10, and gives the text.
    fn decode() -> Decode {
        Box::new(|text| match text {
            [b'0'..=b'9'] => Ok(Bytes::copy_from_slice(text).into()),
            _ => Err(format!("{} is not below 10.", String::from_utf8_lossy(text))),
        })
    }

    /// What a reader gives that hands out one byte at a time.
    async fn read(text: &'static str) -> (Vec<Option<Message>>, Option<String>) {
        struct Slow(&'static [u8]);
        impl Read for Slow {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
                self.0 = rest;
                buffer[0] = *first;
                Ok(1)
            }
        }
        let failure = Arc::new(OnceLock::new());
        let reader = Box::new(Slow(text.as_bytes()));
        let messages = live(reader, "It".into(), decode(), Arc::clone(&failure)).unwrap();
        let messages = messages.map(Result::ok).collect().await;
        (messages, failure.get().cloned())
    }

    #[tokio::test]
    async fn messages_are_cut_in_both_ways() {
        let wrong = "The request is not a stream of JSON messages: ";
        let table: [(&'static str, &[&str], Option<String>); 7] = [
            ("", &[], None),
            ("1", &["1"], None),
            ("1 2\n3", &["1", "2", "3"], None),
            ("[1,2]", &["1", "2"], None),
            (
                "[1,",
                &["1"],
                Some(format!("{wrong}the stream ends before message 2 without a `]` for the array.")),
            ),
            ("1 {", &["1"], Some(format!("{wrong}the stream ends within message 2."))),
            ("1 77 2", &["1"], Some("77 is not below 10.".into())),
        ];
        for (text, expected, failure) in table {
            let mut expected: Vec<_> =
                expected.iter().map(|text| Some(Bytes::from_static(text.as_bytes()).into())).collect();
            match messages(text.as_bytes(), decode()) {
                Ok(found) => {
                    assert_eq!(found.map(Result::ok).collect::<Vec<_>>().await, expected, "{text}");
                }
                Err(error) => assert_eq!(Some(error), failure, "{text}"),
            }
            if failure.is_some() {
                expected.push(None);
            }
            assert_eq!(read(text).await, (expected, failure), "{text}");
        }
    }

    #[test]
    fn requests_come_from_arguments_and_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("request.json");
        std::fs::write(&file, "{}").unwrap();
        let read = |argument: &str| Input::open(argument).and_then(Input::whole);
        assert_eq!(read("[1]").unwrap(), b"[1]");
        assert_eq!(read(&format!("@{}", file.display())).unwrap(), b"{}");
        let missing = folder.path().join("none");
        let expected =
            format!("The file {} cannot be read: No such file or directory (os error 2).", missing.display());
        assert_eq!(read(&format!("@{}", missing.display())).unwrap_err(), expected);
        let expected =
            format!("The file {} cannot be read: Is a directory (os error 21).", folder.path().display());
        assert_eq!(read(&format!("@{}", folder.path().display())).unwrap_err(), expected);
    }
}
