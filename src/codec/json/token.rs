//! The tokens of JSON text (RFC 8259, without extensions).

use super::error::ReadError;
use super::read::Reader;
use super::scan::{Result, plain_end, unescape};
use crate::codec::error::shown;

impl<'a> Reader<'a> {
    /// A string; its text stays valid until the next one is read.
    #[inline]
    pub(super) fn string(&mut self) -> Result<Text<'a>> {
        let start = self.at + 1;
        let end = plain_end(self.text, start);
        if self.text.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Ok(Text::Plain(&self.text[start..end]));
        }
        self.scratch.clear();
        self.at = unescape(self.text, start, &mut self.scratch)?;
        Ok(Text::Unescaped)
    }

    pub(super) fn literal(&mut self, word: &[u8]) -> Result<()> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(word) || rest.get(word.len()).is_some_and(u8::is_ascii_alphanumeric) {
            return Err(self.expected("a JSON value"));
        }
        self.at += word.len();
        Ok(())
    }

    #[inline]
    pub(super) fn skip_space(&mut self) {
        if self.text.get(self.at).is_some_and(|&byte| byte > b' ') {
            return;
        }
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    /// Enters an object or a list.
    #[inline]
    pub(super) fn open(&mut self, bracket: u8, what: &str) -> Result<()> {
        if self.text.get(self.at) != Some(&bracket) {
            return Err(self.expected(what));
        }
        if self.depth >= self.options.max_depth {
            let text = format!("objects and lists are nested more than {} deep", self.options.max_depth);
            return Err(self.error(text));
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// Goes to the next member or element; false behind the last one, whose bracket is passed.
    #[inline]
    pub(super) fn next_member(&mut self, bracket: u8, is_first: &mut bool) -> Result<bool> {
        self.skip_space();
        let is_first = std::mem::replace(is_first, false);
        match self.text.get(self.at) {
            Some(&byte) if byte == bracket => {
                self.depth -= 1;
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !is_first => {
                self.at += 1;
                self.skip_space();
                if self.text.get(self.at) == Some(&bracket) {
                    return Err(self.error("a comma stands before the closing bracket"));
                }
                Ok(true)
            }
            Some(_) if is_first => Ok(true),
            _ => Err(self.expected(if bracket == b'}' { "a comma or }" } else { "a comma or ]" })),
        }
    }

    /// Passes over a value, checking that it is JSON.
    pub(super) fn skip_value(&mut self) -> Result<()> {
        self.skip_space();
        match self.text.get(self.at) {
            Some(b'"') => self.string().map(drop),
            Some(b'{') => {
                self.open(b'{', "an object")?;
                let mut is_first = true;
                while self.next_member(b'}', &mut is_first)? {
                    self.key()?;
                    self.skip_value()?;
                }
                Ok(())
            }
            Some(b'[') => {
                self.open(b'[', "a list")?;
                let mut is_first = true;
                while self.next_member(b']', &mut is_first)? {
                    self.skip_value()?;
                }
                Ok(())
            }
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            _ => self.number_text("a value").map(drop),
        }
    }

    #[cold]
    pub(super) fn error(&self, message: impl Into<String>) -> Box<ReadError> {
        ReadError::new(self.at, message)
    }

    #[cold]
    pub(super) fn expected(&self, what: &str) -> Box<ReadError> {
        let found = match self.text.get(self.at) {
            None => return self.error(format!("the text ends where {what} is needed")),
            Some(b'"') => "a string",
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b'-' | b'0'..=b'9') => "a number",
            Some(b'A'..=b'Z' | b'a'..=b'z' | b'_') => match self.word() {
                b"null" => "null",
                b"true" | b"false" => "a bool",
                word => {
                    let word = shown(word);
                    return self.error(format!("{what} is needed, found the word {word:?} without quotes"));
                }
            },
            Some(&byte) if byte.is_ascii_graphic() => {
                return self.error(format!("{what} is needed, found {:?}", char::from(byte)));
            }
            Some(_) => "something that is no JSON",
        };
        self.error(format!("{what} is needed, found {found}"))
    }

    /// The letters, digits and underscores from here on.
    fn word(&self) -> &'a [u8] {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        &rest[..length]
    }
}

/// The text of a string: a part of the input, or what [`Reader::scratch`] holds.
#[derive(Clone, Copy)]
pub(super) enum Text<'a> {
    Plain(&'a [u8]),
    Unescaped,
}

impl<'a> Text<'a> {
    pub(super) fn bytes<'r>(self, reader: &'r Reader<'a>) -> &'r [u8] {
        self.of(&reader.scratch)
    }

    pub(super) fn of<'r>(self, scratch: &'r [u8]) -> &'r [u8]
    where
        'a: 'r,
    {
        match self {
            Self::Plain(text) => text,
            Self::Unescaped => scratch,
        }
    }
}
