//! Where the messages of a stream of JSON end: lines (NDJSON), values one behind the other, or the
//! elements of one array.
//!
//! It finds only the borders; whether what lies between is JSON is for the reader of each message to say.
//! The text may come in pieces of any size. What is kept is one message that is not complete yet.

use std::fmt;

use memchr::{memchr, memchr2};

/// Cuts a stream of JSON into its messages.
#[derive(Debug)]
pub struct Splitter {
    form: Form,
    limit: usize,
    text: Vec<u8>,
    /// Where the part of `text` begins that was not given out.
    start: usize,
    /// How far behind `start` the message was looked through.
    seen: usize,
    value: Value,
    count: usize,
}

/// How the messages are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One on each line; empty lines are none.
    Lines,
    /// Not known before the first character.
    Open,
    /// One behind the other, with or without space between.
    Values,
    /// The elements of an array, of which the next thing is this.
    Array(Next),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// An element or the end, directly behind the bracket.
    First,
    Element,
    /// A comma or the end.
    Comma,
    /// Nothing any more.
    Nothing,
}

/// The value that is looked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// None has begun.
    Outside,
    /// A number or a name.
    Plain,
    /// An object or array, or a string when `depth` is 0.
    Nested { depth: usize, in_string: bool },
}

/// Why a stream of JSON cannot be cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitError {
    /// Which message it is, counted from 1.
    pub message: usize,
    /// What is wrong.
    pub kind: SplitErrorKind,
}

/// What is wrong with a stream of JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitErrorKind {
    /// A message has more bytes than this.
    TooLong(usize),
    /// The stream ends within a message.
    Incomplete,
    /// The stream ends within the array.
    OpenArray,
    /// This character cannot begin a value.
    NoValue(char),
    /// Behind an element stands this instead of a comma or the end of the array.
    NoComma(char),
    /// There is more behind the end of the array.
    AfterArray,
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.message;
        match self.kind {
            SplitErrorKind::TooLong(limit) => {
                write!(f, "message {number} of the stream is longer than {limit} bytes")
            }
            SplitErrorKind::Incomplete => write!(f, "the stream ends within message {number}"),
            SplitErrorKind::OpenArray => {
                write!(f, "the stream ends before message {number} without a `]` for the array")
            }
            SplitErrorKind::NoValue(found) => {
                write!(f, "message {number} of the stream cannot begin with {found:?}")
            }
            SplitErrorKind::NoComma(found) => {
                write!(f, "before message {number} stands {found:?} instead of `,` or `]`")
            }
            SplitErrorKind::AfterArray => {
                f.write_str("there is more text behind the array that holds the messages")
            }
        }
    }
}

impl std::error::Error for SplitError {}

impl Default for Splitter {
    /// Finds no message.
    fn default() -> Self {
        Self::values(0)
    }
}

impl Splitter {
    /// For one message on each line. `limit` bounds a message, in bytes.
    pub const fn lines(limit: usize) -> Self {
        Self::new(Form::Lines, limit)
    }

    /// For values one behind the other, or one array if the first character is a bracket.
    pub const fn values(limit: usize) -> Self {
        Self::new(Form::Open, limit)
    }

    const fn new(form: Form, limit: usize) -> Self {
        Self { form, limit, text: Vec::new(), start: 0, seen: 0, value: Value::Outside, count: 0 }
    }

    /// How many messages were given out.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Takes the next piece, when [`Splitter::next`] has found no more messages in the last.
    pub fn push(&mut self, piece: &[u8]) {
        self.text.drain(..self.start);
        self.start = 0;
        self.text.extend_from_slice(piece);
    }

    /// The next message that is there in full.
    ///
    /// # Errors
    /// When what is there cannot be cut into messages, or a message is too long.
    #[expect(clippy::should_implement_trait, reason = "a message borrows the splitter")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, SplitError> {
        let end = match self.form {
            Form::Lines => self.line(),
            _ => self.value_end()?,
        };
        let longest = end.unwrap_or(self.text.len()) - self.start;
        if longest > self.limit {
            return Err(self.error(SplitErrorKind::TooLong(self.limit)));
        }
        Ok(end.map(|end| self.take(end)))
    }

    /// The last message, which nothing but the end of the stream ends.
    ///
    /// # Errors
    /// When the stream ends too early.
    pub fn finish(&mut self) -> Result<Option<&[u8]>, SplitError> {
        let end = self.text.len();
        match (self.form, self.value) {
            (Form::Lines, _) if !self.text[self.start..].trim_ascii().is_empty() => Ok(Some(self.take(end))),
            (Form::Open | Form::Values, Value::Plain) => Ok(Some(self.take(end))),
            (_, Value::Nested { .. }) => Err(self.error(SplitErrorKind::Incomplete)),
            (Form::Array(next), _) if next != Next::Nothing => Err(self.error(SplitErrorKind::OpenArray)),
            _ => Ok(None),
        }
    }

    /// Gives out the text up to `end`.
    fn take(&mut self, end: usize) -> &[u8] {
        let message = self.start..end;
        self.start = end;
        self.seen = 0;
        self.value = Value::Outside;
        self.count += 1;
        if let Form::Array(next) = &mut self.form {
            *next = Next::Comma;
        }
        &self.text[message]
    }

    const fn error(&self, kind: SplitErrorKind) -> SplitError {
        SplitError { message: self.count + 1, kind }
    }

    /// The end of the next line that is not empty.
    fn line(&mut self) -> Option<usize> {
        loop {
            let from = self.start + self.seen;
            let Some(length) = memchr(b'\n', &self.text[from..]) else {
                self.seen = self.text.len() - self.start;
                return None;
            };
            let end = from + length + 1;
            if !self.text[self.start..end].trim_ascii().is_empty() {
                return Some(end);
            }
            self.start = end;
            self.seen = 0;
        }
    }

    /// The end of the next value.
    fn value_end(&mut self) -> Result<Option<usize>, SplitError> {
        if self.value == Value::Outside && !self.begin()? {
            return Ok(None);
        }
        let rest = &self.text[self.start + self.seen..];
        let (length, is_end) = match &mut self.value {
            Value::Outside => (0, false),
            Value::Plain => {
                let end = rest.iter().position(|&byte| ends_plain(byte));
                (end.unwrap_or(rest.len()), end.is_some())
            }
            Value::Nested { depth, in_string } => nested(rest, depth, in_string),
        };
        self.seen += length;
        Ok(is_end.then_some(self.start + self.seen))
    }

    /// Goes to the first character of the next value; false when it is not there yet.
    fn begin(&mut self) -> Result<bool, SplitError> {
        loop {
            let rest = &self.text[self.start..];
            let space = rest.iter().position(|byte| !is_space(*byte)).unwrap_or(rest.len());
            self.start += space;
            let Some(&first) = self.text.get(self.start) else { return Ok(false) };
            self.form = match (self.form, first) {
                (Form::Open, b'[') => Form::Array(Next::First),
                (Form::Open, _) => Form::Values,
                (Form::Array(Next::First | Next::Comma), b']') => Form::Array(Next::Nothing),
                (Form::Array(Next::Comma), b',') => Form::Array(Next::Element),
                (Form::Array(Next::Comma), _) => {
                    return Err(self.error(SplitErrorKind::NoComma(shown(first))));
                }
                (Form::Array(Next::Nothing), _) => return Err(self.error(SplitErrorKind::AfterArray)),
                _ => {
                    self.value = match first {
                        b'{' | b'[' | b'"' => Value::Nested { depth: 0, in_string: false },
                        _ if ends_plain(first) => {
                            return Err(self.error(SplitErrorKind::NoValue(shown(first))));
                        }
                        _ => Value::Plain,
                    };
                    self.seen = 0;
                    return Ok(true);
                }
            };
            // What stands between the values was gone past; the first character of a value stays.
            if self.form != Form::Values {
                self.start += 1;
            }
        }
    }
}

/// Looks through an object, an array or a string up to its end: how far, and whether it ends there.
fn nested(text: &[u8], depth: &mut usize, in_string: &mut bool) -> (usize, bool) {
    let mut at = 0;
    loop {
        if *in_string {
            let Some(length) = memchr2(b'"', b'\\', &text[at..]) else { return (text.len(), false) };
            at += length;
            if text[at] == b'\\' {
                // The character behind it may not be there yet; then the backslash is looked at again.
                if at + 2 > text.len() {
                    return (at, false);
                }
                at += 2;
                continue;
            }
            at += 1;
            *in_string = false;
            if *depth == 0 {
                return (at, true);
            }
        }
        let Some(length) =
            text[at..].iter().position(|byte| matches!(byte, b'"' | b'{' | b'[' | b'}' | b']'))
        else {
            return (text.len(), false);
        };
        at += length + 1;
        match text[at - 1] {
            b'"' => *in_string = true,
            b'{' | b'[' => *depth += 1,
            _ => {
                *depth = depth.saturating_sub(1);
                if *depth == 0 {
                    return (at, true);
                }
            }
        }
    }
}

const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether a number or a name ends before this byte.
const fn ends_plain(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b',' | b'[' | b']' | b'{' | b'}' | b'"' | b':')
}

/// A byte for an error text; a part of a longer character stands for it as a whole.
const fn shown(byte: u8) -> char {
    if byte.is_ascii() { byte as char } else { char::REPLACEMENT_CHARACTER }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 20;

    /// The messages of `text` in pieces that are cut at two places, without the space around them.
    fn split(mut splitter: Splitter, text: &str, cuts: [usize; 2]) -> Result<Vec<String>, String> {
        let mut messages = Vec::new();
        let mut add =
            |message: &[u8]| messages.push(String::from_utf8_lossy(message.trim_ascii()).into_owned());
        let bytes = text.as_bytes();
        for piece in [&bytes[..cuts[0]], &bytes[cuts[0]..cuts[1]], &bytes[cuts[1]..]] {
            splitter.push(piece);
            while let Some(message) = splitter.next().map_err(|error| error.to_string())? {
                add(message);
            }
        }
        if let Some(message) = splitter.finish().map_err(|error| error.to_string())? {
            add(message);
        }
        Ok(messages)
    }

    fn assert_split(new: fn(usize) -> Splitter, text: &str, expected: Result<&[&str], &str>) {
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let found = split(new(LIMIT), text, [first, second]);
                let found =
                    found.as_ref().map(|messages| messages.iter().map(String::as_str).collect::<Vec<_>>());
                let expected = expected.map(<[_]>::to_vec).map_err(str::to_owned);
                assert_eq!(found.map_err(Clone::clone), expected, "{text:?} cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn values_and_arrays_are_cut_however_they_arrive() {
        let table: [(&str, Result<&[&str], &str>); 22] = [
            ("", Ok(&[])),
            (" \r\n\t", Ok(&[])),
            ("{}", Ok(&["{}"])),
            ("{\"a\":[1,{}]}{}\n{\"}\":1}", Ok(&["{\"a\":[1,{}]}", "{}", "{\"}\":1}"])),
            ("\"a\\\"b\" \"\\\\\"\"\"", Ok(&["\"a\\\"b\"", "\"\\\\\"", "\"\""])),
            ("1 -2.5\ntrue null", Ok(&["1", "-2.5", "true", "null"])),
            ("1{}2\"x\"", Ok(&["1", "{}", "2", "\"x\""])),
            ("[]", Ok(&[])),
            (" [ ] ", Ok(&[])),
            ("[{},{\"a\":\"]\"} , [1,2],3,\"x\" ]\n", Ok(&["{}", "{\"a\":\"]\"}", "[1,2]", "3", "\"x\""])),
            ("{} [1]", Ok(&["{}", "[1]"])),
            ("{", Err("the stream ends within message 1")),
            ("{} \"a\\", Err("the stream ends within message 2")),
            ("[{}", Err("the stream ends before message 2 without a `]` for the array")),
            ("[", Err("the stream ends before message 1 without a `]` for the array")),
            ("[1,", Err("the stream ends before message 2 without a `]` for the array")),
            ("[,1]", Err("message 1 of the stream cannot begin with ','")),
            ("[1,]", Err("message 2 of the stream cannot begin with ']'")),
            ("[{}{}]", Err("before message 2 stands '{' instead of `,` or `]`")),
            ("[1][2]", Err("there is more text behind the array that holds the messages")),
            ("{},{}", Err("message 2 of the stream cannot begin with ','")),
            ("{\"123456789\":\"12345678\"}", Err("message 1 of the stream is longer than 20 bytes")),
        ];
        for (text, expected) in table {
            assert_split(Splitter::values, text, expected);
        }
    }

    #[test]
    fn lines_are_cut_however_they_arrive() {
        let table: [(&str, Result<&[&str], &str>); 7] = [
            ("", Ok(&[])),
            ("\n\r\n  \n", Ok(&[])),
            ("{}\n{\"a\":1}\r\n\n[1]\n", Ok(&["{}", "{\"a\":1}", "[1]"])),
            ("{}\n{}", Ok(&["{}", "{}"])),
            // A line is a message, whatever it holds: its reader says what is wrong.
            ("{} {}\n{\n}\n", Ok(&["{} {}", "{", "}"])),
            ("1234567890123456789\n", Ok(&["1234567890123456789"])),
            ("{}\n123456789012345678901", Err("message 2 of the stream is longer than 20 bytes")),
        ];
        for (text, expected) in table {
            assert_split(Splitter::lines, text, expected);
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut splitter = Splitter::values(100);
        for _ in 0..10_000 {
            splitter.push(b"{\"a\":1}  ");
            while splitter.next().unwrap().is_some() {}
        }
        assert_eq!(splitter.count(), 10_000);
        assert!(splitter.text.capacity() < 1000, "{}", splitter.text.capacity());
        splitter.push(&[b' '; 1000]);
        assert_eq!(splitter.next(), Ok(None), "space is no message");
    }
}
