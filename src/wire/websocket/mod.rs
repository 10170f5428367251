//! The frames of WebSockets (RFC 6455), as a server reads and writes them: without I/O, and whatever the pieces in which
//! they come.
//!
//! What is not as the specification asks is a [`Flaw`] as soon as the bytes that show it are there. No extension is
//! spoken, so reserved bits are always one.

use bytes::{Bytes, BytesMut};

/// How many frames a message may come in. Each costs work, however little it holds.
const MAX_FRAGMENTS: usize = 4_096;

/// The most that a control frame holds, in bytes.
pub const MAX_CONTROL: usize = 125;

/// What a frame is, by section 5.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Opcode {
    /// More of a message.
    Continuation = 0,
    /// The beginning of a message in UTF-8.
    Text = 1,
    /// The beginning of a message.
    Binary = 2,
    /// The end.
    Close = 8,
    /// A question whether the peer is there.
    Ping = 9,
    /// The answer to it.
    Pong = 10,
}

impl Opcode {
    const fn parse(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    const fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// What came from a client.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// A message, which is UTF-8.
    Text(Bytes),
    /// A message.
    Binary(Bytes),
    /// A question whether the server is there, with what the answer repeats.
    Ping(Bytes),
    /// An answer, or a sign of life that nobody asked for.
    Pong,
    /// The client ends the connection, with a code if it names one.
    Close(Option<u16>),
}

/// What is wrong with what a client sent, or another reason to close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// The code of the close frame (section 7.4).
    pub code: u16,
    /// Its reason, a sentence.
    pub reason: &'static str,
}

impl Flaw {
    const RESERVED_BITS: Self = Self::protocol("A frame has reserved bits set; no extension is spoken.");
    const OPCODE: Self = Self::protocol("A frame has an opcode that is not defined.");
    const UNMASKED: Self = Self::protocol("A frame is not masked, as those of clients must be.");
    const LENGTH: Self = Self::protocol("The length of a frame is not written in its shortest form.");
    const FRAGMENTED_CONTROL: Self = Self::protocol("A control frame must come in one piece.");
    const LONG_CONTROL: Self = Self::protocol("A control frame is longer than 125 bytes.");
    const NOTHING_TO_CONTINUE: Self = Self::protocol("A frame continues a message that has not begun.");
    const NOT_CONTINUED: Self = Self::protocol("A message begins within another one.");
    const CLOSE_CODE: Self = Self::protocol("A close frame has a code that is not allowed there.");
    const NOT_UTF8: Self = Self { code: 1007, reason: "A text is not valid UTF-8." };
    const TOO_LARGE: Self = Self { code: 1009, reason: "A message is larger than is accepted." };
    const FRAGMENTS: Self = Self { code: 1008, reason: "A message comes in too many frames." };

    const fn protocol(reason: &'static str) -> Self {
        Self { code: 1002, reason }
    }
}

/// Whether a close frame may have this code.
const fn is_legal(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The first bytes of a frame.
#[derive(Clone, Copy, Debug)]
struct Head {
    is_final: bool,
    opcode: Opcode,
    mask: [u8; 4],
    length: usize,
}

/// The frame of a message of which a part is to come.
#[derive(Clone, Copy, Debug)]
struct Open {
    is_final: bool,
    mask: [u8; 4],
    /// How many bytes have come.
    at: usize,
    left: usize,
}

/// Finds messages and control frames in what a client sends. It keeps the message that has begun.
#[derive(Debug)]
pub struct Reader {
    /// The largest message, in bytes.
    limit: usize,
    open: Option<Open>,
    /// Whether the message that has begun is text; absent between messages.
    is_text: Option<bool>,
    message: BytesMut,
    /// How much of it is known to be UTF-8.
    checked: usize,
    fragments: usize,
}

impl Reader {
    /// `limit` bounds each message, in bytes.
    pub fn new(limit: usize) -> Self {
        Self { limit, open: None, is_text: None, message: BytesMut::new(), checked: 0, fragments: 0 }
    }

    /// Whether a message has begun that is not complete.
    pub const fn is_within(&self) -> bool {
        self.is_text.is_some()
    }

    /// Takes what comes next from the beginning of `input`; nothing if more is needed.
    ///
    /// # Errors
    /// What is wrong with it. Nothing is to be read after that.
    pub fn next(&mut self, input: &mut BytesMut) -> Result<Option<Event>, Flaw> {
        loop {
            if self.open.is_some() {
                match self.go_on(input)? {
                    Some(event) => return Ok(Some(event)),
                    None if self.open.is_some() => return Ok(None),
                    None => continue,
                }
            }
            let Some((head, size)) = self.head(input)? else { return Ok(None) };
            let is_whole = input.len() - size >= head.length;
            if head.opcode.is_control() {
                if !is_whole {
                    return Ok(None);
                }
                let payload = take(input, size, head);
                return control(head.opcode, payload.freeze()).map(Some);
            }
            let is_text = match self.is_text {
                Some(is_text) => is_text,
                None => head.opcode == Opcode::Text,
            };
            if is_whole && head.is_final && self.is_text.is_none() {
                // A message in one piece, as most are, is not copied.
                let message = take(input, size, head);
                if is_text && simdutf8::basic::from_utf8(&message).is_err() {
                    return Err(Flaw::NOT_UTF8);
                }
                return Ok(Some(message_of(is_text, message.freeze())));
            }
            let _ = input.split_to(size);
            self.is_text = Some(is_text);
            self.fragments += 1;
            if self.fragments > MAX_FRAGMENTS {
                return Err(Flaw::FRAGMENTS);
            }
            self.open = Some(Open { is_final: head.is_final, mask: head.mask, at: 0, left: head.length });
        }
    }

    /// Takes more of the frame that has begun, and gives the message if it is complete.
    fn go_on(&mut self, input: &mut BytesMut) -> Result<Option<Event>, Flaw> {
        let (Some(open), Some(is_text)) = (&mut self.open, self.is_text) else { return Ok(None) };
        let mut part = input.split_to(open.left.min(input.len()));
        let mut mask = open.mask;
        mask.rotate_left(open.at % 4);
        unmask(&mut part, mask);
        self.message.extend_from_slice(&part);
        open.at += part.len();
        open.left -= part.len();
        let open = *open;
        if is_text {
            self.check_text()?;
        }
        if open.left > 0 {
            return Ok(None);
        }
        self.open = None;
        if !open.is_final {
            return Ok(None);
        }
        if is_text && self.checked < self.message.len() {
            return Err(Flaw::NOT_UTF8);
        }
        self.is_text = None;
        self.fragments = 0;
        self.checked = 0;
        Ok(Some(message_of(is_text, std::mem::take(&mut self.message).freeze())))
    }

    /// Fails as soon as no continuation could make the text valid.
    fn check_text(&mut self) -> Result<(), Flaw> {
        match simdutf8::compat::from_utf8(&self.message[self.checked..]) {
            Ok(text) => self.checked += text.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(Flaw::NOT_UTF8),
        }
        Ok(())
    }

    /// The head of the next frame with its size, if all of it has come.
    fn head(&self, input: &[u8]) -> Result<Option<(Head, usize)>, Flaw> {
        let [first, rest @ ..] = input else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Flaw::RESERVED_BITS);
        }
        let is_final = first & 0x80 != 0;
        let opcode = Opcode::parse(first & 0x0f).ok_or(Flaw::OPCODE)?;
        match opcode {
            _ if opcode.is_control() && !is_final => return Err(Flaw::FRAGMENTED_CONTROL),
            Opcode::Continuation if self.is_text.is_none() => return Err(Flaw::NOTHING_TO_CONTINUE),
            Opcode::Text | Opcode::Binary if self.is_text.is_some() => return Err(Flaw::NOT_CONTINUED),
            _ => {}
        }
        let [second, rest @ ..] = rest else { return Ok(None) };
        if second & 0x80 == 0 {
            return Err(Flaw::UNMASKED);
        }
        let short = usize::from(second & 0x7f);
        if opcode.is_control() && short > MAX_CONTROL {
            return Err(Flaw::LONG_CONTROL);
        }
        let Some((length, wide)) = length(short, rest)? else { return Ok(None) };
        let kept = if opcode.is_control() { 0 } else { self.message.len() };
        let length = usize::try_from(length).ok().filter(|length| *length <= self.limit - kept);
        let length = length.ok_or(Flaw::TOO_LARGE)?;
        let Some(&mask) = rest[wide..].first_chunk() else { return Ok(None) };
        Ok(Some((Head { is_final, opcode, mask, length }, 2 + wide + mask.len())))
    }
}

/// The length of a payload, and how many bytes say it beside the first.
fn length(short: usize, rest: &[u8]) -> Result<Option<(u64, usize)>, Flaw> {
    match short {
        126 => {
            let Some(bytes) = rest.first_chunk() else { return Ok(None) };
            let length = u16::from_be_bytes(*bytes);
            if length < 126 { Err(Flaw::LENGTH) } else { Ok(Some((length.into(), 2))) }
        }
        127 => {
            let Some(bytes) = rest.first_chunk() else { return Ok(None) };
            let length = u64::from_be_bytes(*bytes);
            let is_minimal = length > u64::from(u16::MAX) && length >> 63 == 0;
            if is_minimal { Ok(Some((length, 8))) } else { Err(Flaw::LENGTH) }
        }
        short => Ok(Some((short as u64, 0))),
    }
}

/// Takes a whole frame and gives its payload.
fn take(input: &mut BytesMut, size: usize, head: Head) -> BytesMut {
    let _ = input.split_to(size);
    let mut payload = input.split_to(head.length);
    unmask(&mut payload, head.mask);
    payload
}

fn message_of(is_text: bool, message: Bytes) -> Event {
    if is_text { Event::Text(message) } else { Event::Binary(message) }
}

fn control(opcode: Opcode, payload: Bytes) -> Result<Event, Flaw> {
    match opcode {
        Opcode::Ping => Ok(Event::Ping(payload)),
        Opcode::Close => close(&payload).map(Event::Close),
        _ => Ok(Event::Pong),
    }
}

fn close(payload: &[u8]) -> Result<Option<u16>, Flaw> {
    match payload {
        [] => Ok(None),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !is_legal(code) {
                return Err(Flaw::CLOSE_CODE);
            }
            if simdutf8::basic::from_utf8(reason).is_err() {
                return Err(Flaw::NOT_UTF8);
            }
            Ok(Some(code))
        }
        [_] => Err(Flaw::CLOSE_CODE),
    }
}

/// Undoes the mask, by section 5.3.
fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= mask;
    }
}

/// How much room [`begin`] leaves for the head of a frame, in bytes: that of most.
const ROOM: usize = 4;

/// Begins a frame whose payload is written behind it. What is returned is for [`finish`].
pub fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; ROOM]);
    start
}

/// Ends a frame: writes its head before what was written since [`begin`].
pub fn finish(out: &mut Vec<u8>, start: usize, opcode: Opcode) {
    let payload = start + ROOM;
    let length = out.len() - payload;
    let (head, size) = head(opcode, length);
    if size <= ROOM {
        out.copy_within(payload.., start + size);
        out.truncate(start + size + length);
    } else {
        let end = out.len();
        out.resize(end + size - ROOM, 0);
        out.copy_within(payload..end, start + size);
    }
    out[start..start + size].copy_from_slice(&head[..size]);
}

/// Adds a frame with a payload in two parts.
pub fn write(out: &mut Vec<u8>, opcode: Opcode, payload: [&[u8]; 2]) {
    let (head, size) = head(opcode, payload[0].len() + payload[1].len());
    out.reserve(size + payload[0].len() + payload[1].len());
    out.extend_from_slice(&head[..size]);
    out.extend_from_slice(payload[0]);
    out.extend_from_slice(payload[1]);
}

/// The head of a frame without a mask, with its size.
fn head(opcode: Opcode, length: usize) -> ([u8; 10], usize) {
    let mut head = [0; 10];
    head[0] = 0x80 | opcode as u8;
    let size = if length <= MAX_CONTROL {
        head[1] = length as u8;
        2
    } else if let Ok(length) = u16::try_from(length) {
        head[1] = 126;
        head[2..4].copy_from_slice(&length.to_be_bytes());
        4
    } else {
        head[1] = 127;
        head[2..].copy_from_slice(&(length as u64).to_be_bytes());
        10
    };
    (head, size)
}

#[cfg(test)]
mod tests;
