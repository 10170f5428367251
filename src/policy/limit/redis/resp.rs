//! RESP2, the protocol of Redis: commands are written, replies are read.
//!
//! ```text
//! command = "*" count CRLF 1*("$" length CRLF bytes CRLF)
//! reply   = "+" text CRLF | "-" text CRLF | ":" number CRLF | "$" length CRLF bytes CRLF | "*" count CRLF *reply
//! ```
//!
//! A length or count of -1 stands for nothing at all.

use std::fmt;
use std::io::Write;

/// The largest reply, in bytes. What a cluster tells about its slots is the largest that is asked for.
pub(super) const MAX_REPLY: usize = 1 << 20;

/// How deep replies may be nested. Those about slots have four levels.
const MAX_DEPTH: usize = 6;

/// What a server replies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A word, such as `OK`.
    Word(Box<str>),
    /// What went wrong, as the server says it: a code in capitals and a text.
    Error(Box<str>),
    /// A number.
    Number(i64),
    /// Bytes.
    Bytes(Box<[u8]>),
    /// Several replies.
    List(Vec<Self>),
    /// Nothing.
    Nothing,
}

impl Reply {
    /// The text of words and of bytes.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Word(text) => Some(text),
            Self::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    pub(super) const fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(replies) => Some(replies),
            _ => None,
        }
    }
}

/// What was read is no reply of the protocol, or is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it does not speak the protocol of Redis")
    }
}

impl std::error::Error for Malformed {}

/// Appends the head of a command of so many arguments, its name included.
pub(super) fn begin(out: &mut Vec<u8>, arguments: usize) {
    // Writing to a vector cannot fail, here and below.
    let _ = write!(out, "*{arguments}\r\n");
}

/// Appends an argument.
pub(super) fn argument(out: &mut Vec<u8>, bytes: &[u8]) {
    let _ = write!(out, "${}\r\n", bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Appends a number as an argument.
pub(super) fn number(out: &mut Vec<u8>, number: u64) {
    argument(out, itoa::Buffer::new().format(number).as_bytes());
}

/// A whole command.
pub fn command(arguments: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    begin(&mut out, arguments.len());
    arguments.iter().for_each(|bytes| argument(&mut out, bytes));
    out
}

/// Reads the first reply, and says how many bytes it takes; nothing while it is not complete.
///
/// # Errors
/// If the bytes cannot become a reply.
pub fn read(bytes: &[u8]) -> Result<Option<(Reply, usize)>, Malformed> {
    let mut reader = Reader { bytes, at: 0 };
    match reader.reply(0)? {
        Some(reply) => Ok(Some((reply, reader.at))),
        None if bytes.len() > MAX_REPLY => Err(Malformed),
        None => Ok(None),
    }
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Reader<'b> {
    fn reply(&mut self, depth: usize) -> Result<Option<Reply>, Malformed> {
        let Some(line) = self.line()? else { return Ok(None) };
        let (kind, rest) = line.split_first().ok_or(Malformed)?;
        Ok(Some(match kind {
            b'+' => Reply::Word(text(rest).into()),
            b'-' => Reply::Error(text(rest).into()),
            b':' => Reply::Number(parse(rest)?),
            b'$' => {
                let Some(length) = length(rest)? else { return Ok(Some(Reply::Nothing)) };
                let Some(bytes) = self.bytes(length)? else { return Ok(None) };
                Reply::Bytes(bytes.into())
            }
            b'*' => {
                let Some(count) = length(rest)? else { return Ok(Some(Reply::Nothing)) };
                if depth == MAX_DEPTH {
                    return Err(Malformed);
                }
                // Nothing is allocated for what is only announced.
                let mut replies = Vec::with_capacity(count.min(16));
                for _ in 0..count {
                    let Some(reply) = self.reply(depth + 1)? else { return Ok(None) };
                    replies.push(reply);
                }
                Reply::List(replies)
            }
            _ => return Err(Malformed),
        }))
    }

    fn line(&mut self) -> Result<Option<&'b [u8]>, Malformed> {
        let rest = &self.bytes[self.at..];
        let Some(end) = memchr::memchr(b'\r', rest) else { return Ok(None) };
        match rest.get(end + 1) {
            Some(b'\n') => {
                self.at += end + 2;
                Ok(Some(&rest[..end]))
            }
            Some(_) => Err(Malformed),
            None => Ok(None),
        }
    }

    fn bytes(&mut self, length: usize) -> Result<Option<&'b [u8]>, Malformed> {
        let rest = &self.bytes[self.at..];
        let Some((bytes, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        match rest {
            [b'\r', b'\n', ..] => {
                self.at += length + 2;
                Ok(Some(bytes))
            }
            [] | [b'\r'] => Ok(None),
            _ => Err(Malformed),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn parse(digits: &[u8]) -> Result<i64, Malformed> {
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(Malformed)
}

fn length(digits: &[u8]) -> Result<Option<usize>, Malformed> {
    match parse(digits)? {
        -1 => Ok(None),
        length => {
            usize::try_from(length).ok().filter(|length| *length <= MAX_REPLY).map(Some).ok_or(Malformed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Reply {
        Reply::Bytes(text.as_bytes().into())
    }

    #[test]
    fn replies_are_read_however_they_are_cut() {
        for (wire, expected) in [
            ("+OK\r\n", Reply::Word("OK".into())),
            ("-ERR no\r\n", Reply::Error("ERR no".into())),
            (":-12\r\n", Reply::Number(-12)),
            ("$5\r\na\r\nb!\r\n", bytes("a\r\nb!")),
            ("$0\r\n\r\n", bytes("")),
            ("$-1\r\n", Reply::Nothing),
            ("*-1\r\n", Reply::Nothing),
            ("*0\r\n", Reply::List(Vec::new())),
            (
                "*2\r\n:1\r\n*1\r\n$1\r\nx\r\n",
                Reply::List(vec![Reply::Number(1), Reply::List(vec![bytes("x")])]),
            ),
        ] {
            for end in 0..wire.len() {
                assert_eq!(read(&wire.as_bytes()[..end]), Ok(None), "{wire:?} up to {end}");
            }
            let more = format!("{wire}:1\r\n");
            assert_eq!(read(more.as_bytes()), Ok(Some((expected, wire.len()))), "{wire:?}");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        let deep = "*1\r\n".repeat(MAX_DEPTH + 1);
        for wire in [
            "\r\n",
            "HTTP/1.1 400 Bad Request\r\n",
            "+a\rb\r\n",
            ":\r\n",
            ":9223372036854775808\r\n",
            "$1048577\r\n",
            "$-2\r\n",
            "*99999999999\r\n",
            "$1\r\nab\r\n",
            &deep,
        ] {
            assert_eq!(read(wire.as_bytes()), Err(Malformed), "{wire:?}");
        }
        // What never ends is given up, and nothing is allocated for what is announced.
        assert_eq!(read(&vec![b'+'; MAX_REPLY + 1]), Err(Malformed));
        assert_eq!(read(b"*1048576\r\n"), Ok(None));
    }

    #[test]
    fn commands() {
        assert_eq!(command(&[b"GET", b"a\r\n"]), b"*2\r\n$3\r\nGET\r\n$3\r\na\r\n\r\n");
        let mut out = Vec::new();
        begin(&mut out, 1);
        number(&mut out, u64::MAX);
        assert_eq!(out, b"*1\r\n$20\r\n18446744073709551615\r\n");
    }
}
