//! `multipart/form-data` (RFC 7578, RFC 2046 section 5.1) as it comes: bytes in, events out.
//!
//! ```text
//! --boundary CRLF  headers CRLF CRLF  data CRLF  --boundary CRLF ...  CRLF --boundary--
//!                  Part               Data       PartEnd                    PartEnd  End
//! ```
//!
//! [`Multipart::push`] takes pieces of any size, cut anywhere; [`Multipart::next_event`] gives what they hold until it
//! needs more. Data is handed on as it comes: what is kept are the headers of the part that begins, or as much as
//! might be the start of a boundary.
//!
//! Limits: [`MAX_PARTS`] parts, [`MAX_HEAD`] bytes of headers for each, a boundary of 70 characters, and as much text
//! before the first boundary or after the last one as headers may have, which is passed over. How much data comes is
//! for whoever pushes it to bound. Lines end with CR LF, as the RFCs ask; a boundary at the start of a line is one
//! whatever follows it. A part that is multipart itself is refused, as RFC 7578 section 4.3 does without those.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::{self, Finder};

use crate::status::{Code, Status};

mod head;

pub use head::{Parameters, PartHead, boundary_of, essence, parameters};

/// How many parts there may be.
pub const MAX_PARTS: usize = 1_000;

/// How many bytes the headers of a part may have.
pub const MAX_HEAD: usize = 8 * 1024;

/// How many spaces and tabs may follow a boundary.
const MAX_PADDING: usize = 100;

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A part begins.
    Part(PartHead),
    /// A piece of the part's data, never empty.
    Data(Bytes),
    /// The part ends.
    PartEnd,
    /// The last part has ended.
    End,
}

/// Why a body is not valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MultipartError {
    /// The content type has no boundary, or one that is not valid.
    Boundary,
    /// The first boundary does not come.
    Start,
    /// A boundary is followed by something else than the end of its line.
    Line,
    /// There are more than [`MAX_PARTS`] parts.
    TooManyParts,
    /// The headers of a part have more than [`MAX_HEAD`] bytes.
    LongHead,
    /// The headers of a part are not lines of `name: value` in UTF-8.
    Head,
    /// A part has no `content-disposition: form-data` with a name, or several.
    Nameless,
    /// A part is multipart itself.
    Nested {
        /// The name of the part, cut to a readable length.
        name: String,
    },
    /// A part is in an encoding that RFC 7578 section 4.7 abolished.
    Encoded {
        /// The name of the part, cut to a readable length.
        name: String,
    },
    /// The body ends before its last boundary.
    Truncated,
    /// The body goes on after its last boundary.
    Trailing,
}

impl fmt::Display for MultipartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boundary => write!(f, "its content type names no valid boundary"),
            Self::Start => write!(f, "it does not begin with the boundary that its content type names"),
            Self::Line => write!(f, "a boundary is not followed by the end of its line"),
            Self::TooManyParts => write!(f, "it has more than {MAX_PARTS} parts"),
            Self::LongHead => write!(f, "the headers of a part have more than {MAX_HEAD} bytes"),
            Self::Head => write!(f, "the headers of a part cannot be read"),
            Self::Nameless => {
                write!(f, "a part needs one header `content-disposition: form-data; name=\"...\"`")
            }
            Self::Nested { name } => {
                write!(
                    f,
                    "the part {name:?} is multipart itself; send each file as a part of this name instead"
                )
            }
            Self::Encoded { name } => {
                write!(
                    f,
                    "the part {name:?} has a content-transfer-encoding; send its bytes as they are instead"
                )
            }
            Self::Truncated => write!(f, "it ends before its last boundary"),
            Self::Trailing => write!(f, "it goes on after its last boundary"),
        }
    }
}

impl std::error::Error for MultipartError {}

impl From<MultipartError> for Status {
    fn from(error: MultipartError) -> Self {
        Self::caller(Code::InvalidArgument, format!("The multipart body is not valid: {error}."))
    }
}

/// Reads the parts of a body.
///
/// ```
/// use transom::codec::multipart::{Event, Multipart};
///
/// let mut multipart = Multipart::new("x")?;
/// multipart.push(b"--x\r\ncontent-disposition: form-data; name=\"title\"\r\n\r\nFaust\r\n--x--");
/// let Some(Event::Part(head)) = multipart.next_event()? else { panic!("a part begins") };
/// assert_eq!(head.name, "title");
/// assert_eq!(multipart.next_event()?, Some(Event::Data("Faust".into())));
/// assert_eq!(multipart.next_event()?, Some(Event::PartEnd));
/// assert_eq!(multipart.next_event()?, Some(Event::End));
/// multipart.finish()?;
/// # Ok::<(), transom::codec::multipart::MultipartError>(())
/// ```
pub struct Multipart {
    /// What was pushed and is not handed on.
    buffer: BytesMut,
    /// CR LF, two dashes and the boundary.
    delimiter: Finder<'static>,
    state: State,
    parts: usize,
    /// How much of the buffer was looked through for the end of headers.
    searched: usize,
    /// How many bytes before the first boundary, or after the last one, were passed over.
    passed: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first boundary.
    Preamble,
    /// Right after a boundary.
    Line,
    Head,
    Data,
    /// After the last boundary.
    Epilogue,
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart")
            .field("state", &self.state)
            .field("parts", &self.parts)
            .finish_non_exhaustive()
    }
}

impl Multipart {
    /// A reader for a body whose parts stand between lines with this boundary. [`boundary_of`] finds it in a content
    /// type.
    ///
    /// # Errors
    /// When it is no boundary by the grammar of RFC 2046 section 5.1.1.
    pub fn new(boundary: &str) -> Result<Self, MultipartError> {
        if !head::is_boundary(boundary) {
            return Err(MultipartError::Boundary);
        }
        let delimiter = Finder::new(&[b"\r\n--", boundary.as_bytes()].concat()).into_owned();
        // The first boundary may stand at the very start, where no line ends before it.
        let buffer = BytesMut::from(&b"\r\n"[..]);
        Ok(Self { buffer, delimiter, state: State::Preamble, parts: 0, searched: 0, passed: 0 })
    }

    /// Takes the next piece of the body.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// What comes next; absent when more is needed, and after the end.
    ///
    /// # Errors
    /// When the body is not valid. Nothing of it can be used then.
    pub fn next_event(&mut self) -> Result<Option<Event>, MultipartError> {
        loop {
            match self.state {
                State::Preamble => {
                    if !self.reaches_boundary()? {
                        return Ok(None);
                    }
                    self.state = State::Line;
                }
                State::Line => match self.line()? {
                    Some(State::Epilogue) => {
                        self.state = State::Epilogue;
                        return Ok(Some(Event::End));
                    }
                    Some(next) => self.state = next,
                    None => return Ok(None),
                },
                State::Head => return Ok(self.head()?.map(Event::Part)),
                State::Data => return Ok(self.data()),
                State::Epilogue => {
                    let size = self.buffer.len();
                    self.pass(size, MultipartError::Trailing)?;
                    return Ok(None);
                }
            }
        }
    }

    /// Nothing more is pushed.
    ///
    /// # Errors
    /// When the last boundary did not come.
    pub fn finish(&self) -> Result<(), MultipartError> {
        if self.state == State::Epilogue { Ok(()) } else { Err(MultipartError::Truncated) }
    }

    /// Passes over what stands before the first boundary, and the boundary.
    fn reaches_boundary(&mut self) -> Result<bool, MultipartError> {
        let Some(at) = self.delimiter.find(&self.buffer) else {
            self.pass(self.buffer.len() - self.pending(), MultipartError::Start)?;
            return Ok(false);
        };
        self.pass(at, MultipartError::Start)?;
        self.buffer.advance(self.delimiter.needle().len());
        self.passed = 0;
        Ok(true)
    }

    fn pass(&mut self, size: usize, error: MultipartError) -> Result<(), MultipartError> {
        self.passed += size;
        self.buffer.advance(size);
        if self.passed > MAX_HEAD { Err(error) } else { Ok(()) }
    }

    /// The rest of a boundary's line, and what it says comes next.
    fn line(&mut self) -> Result<Option<State>, MultipartError> {
        if self.buffer.starts_with(b"--") {
            self.buffer.advance(2);
            return Ok(Some(State::Epilogue));
        }
        let padding = self.buffer.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match &self.buffer[padding..] {
            _ if padding > MAX_PADDING => Err(MultipartError::Line),
            [] | [b'\r'] => Ok(None),
            [b'-'] if padding == 0 => Ok(None),
            [b'\r', b'\n', ..] if self.parts >= MAX_PARTS => Err(MultipartError::TooManyParts),
            [b'\r', b'\n', ..] => {
                self.buffer.advance(padding + 2);
                self.parts += 1;
                Ok(Some(State::Head))
            }
            _ => Err(MultipartError::Line),
        }
    }

    fn head(&mut self) -> Result<Option<PartHead>, MultipartError> {
        const END: &[u8] = b"\r\n\r\n";
        let found = memmem::find(&self.buffer[self.searched..], END).map(|at| self.searched + at);
        if found.unwrap_or(self.buffer.len()) > MAX_HEAD {
            return Err(MultipartError::LongHead);
        }
        if self.buffer.starts_with(b"\r\n") {
            // An empty line: there are no headers.
            return Err(MultipartError::Nameless);
        }
        let Some(end) = found else {
            self.searched = self.buffer.len().saturating_sub(END.len() - 1);
            return Ok(None);
        };
        let head = PartHead::parse(&self.buffer[..end])?;
        self.buffer.advance(end + END.len());
        self.searched = 0;
        self.state = State::Data;
        Ok(Some(head))
    }

    fn data(&mut self) -> Option<Event> {
        let size = match self.delimiter.find(&self.buffer) {
            Some(0) => {
                self.buffer.advance(self.delimiter.needle().len());
                self.state = State::Line;
                return Some(Event::PartEnd);
            }
            Some(at) => at,
            None => self.buffer.len() - self.pending(),
        };
        (size > 0).then(|| Event::Data(self.buffer.split_to(size).freeze()))
    }

    /// How many bytes at the end of the buffer may be the start of a boundary.
    fn pending(&self) -> usize {
        let delimiter = self.delimiter.needle();
        let tail = &self.buffer[self.buffer.len().saturating_sub(delimiter.len() - 1)..];
        // A boundary has only one CR, its first byte.
        let start = memchr::memrchr(b'\r', tail).filter(|&at| delimiter.starts_with(&tail[at..]));
        start.map_or(0, |at| tail.len() - at)
    }
}

#[cfg(test)]
mod tests;
