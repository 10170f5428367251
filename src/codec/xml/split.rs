//! Where the messages of a stream of XML end: each is a child of the root element.
//!
//! It finds only the borders; whether what lies between is well-formed is for the reader of each message to say. The text
//! is UTF-8 and may come in pieces of any size. What is kept is the tag of the root and one message that is not complete
//! yet.

use std::fmt;

use memchr::memchr;
use memchr::memmem;

use super::error::shown;
use super::scan::is_space;

/// How many bytes the start tag of the root may have: it is read again with each message.
pub const MAX_ROOT: usize = 4 << 10;

/// Cuts a stream of XML into its messages.
#[derive(Debug)]
pub struct XmlSplitter {
    limit: usize,
    text: Vec<u8>,
    /// Where the part of `text` begins that was not given out.
    start: usize,
    /// How far behind `start` tokens were passed.
    seen: usize,
    /// How far behind the beginning of the token that is not complete it was looked through, and in which quotes that
    /// ended.
    looked: usize,
    quote: Option<u8>,
    place: Place,
    /// The start tag of the root.
    root: Vec<u8>,
    message: Vec<u8>,
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the root.
    Before,
    /// Between two messages.
    Between,
    /// So many elements deep in a message.
    Inside(usize),
    /// Behind the root.
    Behind,
}

/// Why a stream of XML cannot be cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XmlSplitError {
    /// Which message it is, counted from 1.
    pub message: usize,
    /// What is wrong.
    pub kind: XmlSplitErrorKind,
}

/// What is wrong with a stream of XML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum XmlSplitErrorKind {
    /// A message, or what stands between two of them, has more bytes than this.
    TooLong(usize),
    /// The start tag of the root has more than [`MAX_ROOT`] bytes.
    LongRoot,
    /// The stream ends before the root.
    NoRoot,
    /// The stream ends within the root, or within a message.
    Incomplete,
    /// Text stands outside of the messages.
    Text,
    /// There is more behind the end of the root.
    AfterRoot,
    /// A document type declaration, or something that looks like one.
    Declaration,
    /// The root ends with a tag of another name.
    WrongEnd(String),
    /// The XML declaration names an encoding that streams are not read in.
    Encoding,
}

impl fmt::Display for XmlSplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.message;
        match &self.kind {
            XmlSplitErrorKind::TooLong(limit) => {
                write!(f, "message {number} of the stream is longer than {limit} bytes")
            }
            XmlSplitErrorKind::LongRoot => {
                write!(
                    f,
                    "the start tag of its root element is longer than {MAX_ROOT} bytes; what only the messages need \
                     can be declared on their own elements"
                )
            }
            XmlSplitErrorKind::NoRoot => f.write_str("the stream ends before its root element"),
            XmlSplitErrorKind::Incomplete => {
                write!(
                    f,
                    "the stream ends before message {number} is complete and the root element is closed"
                )
            }
            XmlSplitErrorKind::Text => write!(f, "before message {number} text stands where elements belong"),
            XmlSplitErrorKind::AfterRoot => f.write_str("there is more text behind the root element"),
            XmlSplitErrorKind::Declaration => f.write_str("a document type declaration (DTD) is not allowed"),
            XmlSplitErrorKind::WrongEnd(name) => write!(f, "the root element ends with </{name}>"),
            XmlSplitErrorKind::Encoding => f.write_str(
                "its XML declaration names another encoding than UTF-8, in which streams are sent",
            ),
        }
    }
}

impl std::error::Error for XmlSplitError {}

/// A piece of markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Start,
    Empty,
    End,
    CData,
    /// A comment or a processing instruction.
    Other,
}

impl XmlSplitter {
    /// `limit` bounds a message, in bytes.
    pub const fn new(limit: usize) -> Self {
        Self {
            limit,
            text: Vec::new(),
            start: 0,
            seen: 0,
            looked: 0,
            quote: None,
            place: Place::Before,
            root: Vec::new(),
            message: Vec::new(),
            count: 0,
        }
    }

    /// How many messages were given out.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Takes the next piece, when [`XmlSplitter::next`] has found no more messages in the last.
    pub fn push(&mut self, piece: &[u8]) {
        self.text.drain(..self.start);
        self.start = 0;
        self.text.extend_from_slice(piece);
    }

    /// The next message that is there in full, as the only child of the root element.
    ///
    /// # Errors
    /// When what is there cannot be cut into messages, or a message is too long.
    #[expect(clippy::should_implement_trait, reason = "a message borrows the splitter")]
    pub fn next(&mut self) -> Result<Option<&[u8]>, XmlSplitError> {
        while let Some(from) = self.markup()? {
            let Some((token, end)) = self.token(from)? else { break };
            (self.looked, self.quote) = (0, None);
            self.seen = end - self.start;
            if self.pass(token, from, end)? {
                if self.seen > self.limit {
                    return Err(self.error(XmlSplitErrorKind::TooLong(self.limit)));
                }
                return Ok(Some(self.take()));
            }
        }
        if self.text.len() - self.start > self.limit {
            return Err(self.error(XmlSplitErrorKind::TooLong(self.limit)));
        }
        Ok(None)
    }

    /// Checks that the stream may end here.
    ///
    /// # Errors
    /// When it ends too early.
    pub fn finish(&self) -> Result<(), XmlSplitError> {
        match self.place {
            Place::Behind if self.start == self.text.len() => Ok(()),
            Place::Before => Err(self.error(XmlSplitErrorKind::NoRoot)),
            _ => Err(self.error(XmlSplitErrorKind::Incomplete)),
        }
    }

    const fn error(&self, kind: XmlSplitErrorKind) -> XmlSplitError {
        XmlSplitError { message: self.count + 1, kind }
    }

    /// Where the next markup begins; none if it is not there yet. Outside of messages only white space stands before it.
    fn markup(&mut self) -> Result<Option<usize>, XmlSplitError> {
        if let Place::Inside(_) = self.place {
            let from = self.start + self.seen;
            let length = memchr(b'<', &self.text[from..]);
            self.seen += length.unwrap_or(self.text.len() - from);
            return Ok(length.map(|length| from + length));
        }
        if self.place == Place::Before && self.root.is_empty() && self.count == 0 {
            self.skip_mark();
        }
        let rest = &self.text[self.start..];
        self.start += rest.iter().take_while(|&&byte| is_space(byte)).count();
        self.seen = 0;
        match (self.text.get(self.start), self.place) {
            (None, _) => Ok(None),
            (Some(b'<'), _) => Ok(Some(self.start)),
            // A byte order mark that is not complete.
            (Some(0xef), Place::Before) if self.text.len() - self.start < MARK.len() => Ok(None),
            (Some(_), Place::Behind) => Err(self.error(XmlSplitErrorKind::AfterRoot)),
            (Some(_), _) => Err(self.error(XmlSplitErrorKind::Text)),
        }
    }

    /// A byte order mark at the very start.
    fn skip_mark(&mut self) {
        if self.text[self.start..].starts_with(MARK) {
            self.start += MARK.len();
        }
    }

    /// The markup that begins at `from`, and its end; none if that is not there yet.
    fn token(&mut self, from: usize) -> Result<Option<(Token, usize)>, XmlSplitError> {
        let rest = &self.text[from..];
        let (token, open, close): (_, usize, &[u8]) = match rest {
            [b'<', b'?', ..] => (Token::Other, 2, b"?>"),
            [b'<', b'!', ..] if rest.starts_with(b"<!--") => (Token::Other, 4, b"-->"),
            [b'<', b'!', ..] if rest.starts_with(CDATA) => (Token::CData, CDATA.len(), b"]]>"),
            [b'<', b'!', ..] if b"<!--".starts_with(rest) || CDATA.starts_with(rest) => return Ok(None),
            [b'<', b'!', ..] => return Err(self.error(XmlSplitErrorKind::Declaration)),
            [b'<', _, ..] => {
                let found = self.tag(from);
                let length = found.map_or(self.text.len(), |(_, end)| end) - from;
                if self.place == Place::Before && length > MAX_ROOT {
                    return Err(self.error(XmlSplitErrorKind::LongRoot));
                }
                return Ok(found);
            }
            _ => return Ok(None),
        };
        // What was looked through may end with the first bytes of the close.
        let after = open.max(self.looked.saturating_sub(close.len() - 1)).min(rest.len());
        match memmem::find(&rest[after..], close) {
            Some(at) => Ok(Some((token, from + after + at + close.len()))),
            None => {
                self.looked = rest.len();
                Ok(None)
            }
        }
    }

    fn tag(&mut self, from: usize) -> Option<(Token, usize)> {
        let rest = &self.text[from..];
        for (at, &byte) in rest.iter().enumerate().skip(self.looked.max(1)) {
            match (self.quote, byte) {
                (Some(quote), byte) if quote == byte => self.quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => self.quote = Some(byte),
                (None, b'>') => {
                    let token = match (rest[1], rest[at - 1]) {
                        (b'/', _) => Token::End,
                        (_, b'/') => Token::Empty,
                        _ => Token::Start,
                    };
                    return Some((token, from + at + 1));
                }
                (None, _) => {}
            }
        }
        self.looked = rest.len();
        None
    }

    /// Goes past a token; true if it ends a message.
    fn pass(&mut self, token: Token, from: usize, end: usize) -> Result<bool, XmlSplitError> {
        match (self.place, token) {
            (Place::Inside(depth), Token::Start) => self.place = Place::Inside(depth + 1),
            (Place::Inside(1), Token::End) => return Ok(true),
            (Place::Inside(depth), Token::End) => self.place = Place::Inside(depth - 1),
            (Place::Inside(_), _) => {}
            (Place::Before, Token::Start | Token::Empty) => {
                self.root = self.text[from..end].to_vec();
                self.place = if token == Token::Start { Place::Between } else { Place::Behind };
                self.drop_to(end);
            }
            (Place::Before, Token::Other) => {
                if !is_utf8(&self.text[from..end]) {
                    return Err(self.error(XmlSplitErrorKind::Encoding));
                }
                self.drop_to(end);
            }
            (Place::Between, Token::Start) => self.place = Place::Inside(1),
            (Place::Between, Token::Empty) => return Ok(true),
            (Place::Between, Token::End) => {
                let name = name_of(&self.text[from + 2..end]);
                if name != name_of(&self.root[1..]) {
                    let name = shown(name);
                    return Err(self.error(XmlSplitErrorKind::WrongEnd(name)));
                }
                self.place = Place::Behind;
                self.drop_to(end);
            }
            (Place::Between | Place::Behind, Token::Other) => self.drop_to(end),
            (Place::Between, Token::CData) => return Err(self.error(XmlSplitErrorKind::Text)),
            (Place::Before, Token::End | Token::CData) => {
                return Err(self.error(XmlSplitErrorKind::NoRoot));
            }
            (Place::Behind, _) => return Err(self.error(XmlSplitErrorKind::AfterRoot)),
        }
        Ok(false)
    }

    const fn drop_to(&mut self, end: usize) {
        self.start = end;
        self.seen = 0;
    }

    /// Gives out the message that ends where was looked to.
    fn take(&mut self) -> &[u8] {
        let end = self.start + self.seen;
        self.message.clear();
        self.message.extend_from_slice(&self.root);
        self.message.extend_from_slice(&self.text[self.start..end]);
        self.message.extend_from_slice(b"</");
        self.message.extend_from_slice(name_of(&self.root[1..]));
        self.message.push(b'>');
        self.drop_to(end);
        self.place = Place::Between;
        self.count += 1;
        &self.message
    }
}

const MARK: &[u8] = b"\xef\xbb\xbf";
const CDATA: &[u8] = b"<![CDATA[";

/// The name at the start of a tag's inside.
fn name_of(tag: &[u8]) -> &[u8] {
    let length = tag.iter().take_while(|&&byte| !is_space(byte) && byte != b'>' && byte != b'/').count();
    &tag[..length]
}

/// Whether a processing instruction is no XML declaration, or one of UTF-8.
fn is_utf8(instruction: &[u8]) -> bool {
    super::encoding::declared(instruction).is_none_or(|name| {
        ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|known| name.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 40;

    fn split(text: &str, cuts: [usize; 2]) -> Result<Vec<String>, String> {
        let mut splitter = XmlSplitter::new(LIMIT);
        let mut messages = Vec::new();
        let bytes = text.as_bytes();
        for piece in [&bytes[..cuts[0]], &bytes[cuts[0]..cuts[1]], &bytes[cuts[1]..]] {
            splitter.push(piece);
            while let Some(message) = splitter.next().map_err(|error| error.to_string())? {
                messages.push(String::from_utf8_lossy(message).into_owned());
            }
        }
        splitter.finish().map_err(|error| error.to_string())?;
        Ok(messages)
    }

    #[test]
    fn messages_are_cut_however_they_arrive() {
        let dtd = "a document type declaration (DTD) is not allowed";
        let incomplete = |number: usize| {
            format!("the stream ends before message {number} is complete and the root element is closed")
        };
        let table: Vec<(&str, Result<&[&str], String>)> = vec![
            ("<s/>", Ok(&[])),
            ("<s></s>", Ok(&[])),
            ("\u{feff}<?xml version='1.0'?><!--<a>--> <s >\n</s >\n<?p ?>", Ok(&[])),
            ("<s><a/><b></b></s>", Ok(&["<s><a/></s>", "<s><b></b></s>"])),
            ("<x:s y='>'><a b=\"/>\">1</a>\n</x:s>", Ok(&["<x:s y='>'><a b=\"/>\">1</a></x:s>"])),
            ("<s><a><a><!--</a>--></a></a></s>", Ok(&["<s><a><a><!--</a>--></a></a></s>"])),
            ("<s><a><![CDATA[</a>]]]></a></s>", Ok(&["<s><a><![CDATA[</a>]]]></a></s>"])),
            ("<s><!-- - --><?p </s>?><a/></s>", Ok(&["<s><a/></s>"])),
            ("", Err("the stream ends before its root element".into())),
            ("x", Err("before message 1 text stands where elements belong".into())),
            ("<s>x</s>", Err("before message 1 text stands where elements belong".into())),
            ("<s><a/>x</s>", Err("before message 2 text stands where elements belong".into())),
            ("<s><a/><![CDATA[ ]]></s>", Err("before message 2 text stands where elements belong".into())),
            ("<!DOCTYPE s><s/>", Err(dtd.into())),
            ("<s><!ENTITY a></s>", Err(dtd.into())),
            ("</s>", Err("the stream ends before its root element".into())),
            ("<s><a/></t>", Err("the root element ends with </t>".into())),
            ("<s/>x", Err("there is more text behind the root element".into())),
            ("<s/><s/>", Err("there is more text behind the root element".into())),
            ("<s>", Err(incomplete(1))),
            ("<s><a/><a>", Err(incomplete(2))),
            ("<s><a/></s", Err(incomplete(2))),
            ("<s", Err("the stream ends before its root element".into())),
            (
                "<s><a>12345678901234567890123456789012345</a></s>",
                Err("message 1 of the stream is longer than 40 bytes".into()),
            ),
            (
                "<?xml version='1.0' encoding='latin1'?><s/>",
                Err("its XML declaration names another encoding than UTF-8, in which streams are sent".into()),
            ),
        ];
        for (text, expected) in table {
            let is_long = text.len() > 100;
            for first in 0..=text.len() {
                for second in first..=text.len() {
                    if is_long || !text.is_char_boundary(first) {
                        continue;
                    }
                    let found = split(text, [first, second]);
                    let found =
                        found.as_ref().map(|found| found.iter().map(String::as_str).collect::<Vec<_>>());
                    let expected = expected.as_ref().map(|messages| messages.to_vec());
                    assert_eq!(found, expected, "{text:?} cut at {first} and {second}");
                }
            }
        }
    }

    #[test]
    fn the_start_tag_of_the_root_is_short() {
        let root = |length: usize| format!("<s a='{}'>", "x".repeat(length - "<s a=''>".len()));
        for is_cut in [false, true] {
            let split = |length: usize| {
                let mut splitter = XmlSplitter::new(1 << 20);
                let text = root(length) + "<a/>";
                let (first, rest) = text.split_at(if is_cut { length - 1 } else { 0 });
                splitter.push(first.as_bytes());
                assert_eq!(splitter.next()?, None);
                splitter.push(rest.as_bytes());
                splitter.next().map(|message| message.map(<[u8]>::len))
            };
            assert_eq!(split(MAX_ROOT), Ok(Some(MAX_ROOT + "<a/></s>".len())));
            for length in [MAX_ROOT + 1, 100_000] {
                let error = split(length).unwrap_err();
                assert_eq!(error.kind, XmlSplitErrorKind::LongRoot);
                let text = "the start tag of its root element is longer than 4096 bytes; what only the messages need \
                            can be declared on their own elements";
                assert_eq!(error.to_string(), text);
            }
        }
        // A comment before it, and the tags of messages, may be longer.
        let mut splitter = XmlSplitter::new(1 << 20);
        let long = "x".repeat(10_000);
        splitter.push(format!("<!--{long}--><s><a b='{long}").as_bytes());
        assert_eq!(splitter.next(), Ok(None));
        splitter.push(b"'/></s>");
        assert_eq!(splitter.next().unwrap().map(<[u8]>::len), Some("<s><a b=''/></s>".len() + 10_000));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut splitter = XmlSplitter::new(100);
        splitter.push(b"<s>");
        for _ in 0..10_000 {
            splitter.push(b"<a>1</a> <!-- x -->");
            while splitter.next().unwrap().is_some() {}
        }
        assert_eq!(splitter.count(), 10_000);
        assert!(splitter.text.capacity() < 1000 && splitter.message.capacity() < 1000);
        splitter.push(&[b' '; 1000]);
        assert_eq!(splitter.next(), Ok(None), "space is no message");
        for _ in 0..100 {
            splitter.push(b"<!-- ");
            if splitter.next().is_err() {
                return;
            }
        }
        panic!("an endless comment is refused");
    }
}
