//! Reading blocks of headers.

use http::header::HeaderValue;

use super::table::{Entry, Name, Table};
use super::{TABLE_SIZE, compression, huffman, integer};
use crate::upstream::http2::fields::Fields;
use crate::upstream::http2::reason::Flaw;

/// The headers of an answer, or its trailers.
#[derive(Debug, Default)]
pub(in crate::upstream::http2) struct Block {
    /// The value of `:status`.
    pub(in crate::upstream::http2) status: Option<u16>,
    /// The value of `content-length`.
    pub(in crate::upstream::http2) length: Option<u64>,
    pub(in crate::upstream::http2) fields: Fields,
    /// What is wrong with it; then the rest need not be complete.
    pub(in crate::upstream::http2) flaw: Option<Flaw>,
}

/// What the peer's blocks say and what it added to the table.
#[derive(Debug)]
pub(in crate::upstream::http2) struct Decoder {
    table: Table,
    scratch: Vec<u8>,
    /// The size that the block may still have.
    left: usize,
}

impl Decoder {
    pub(in crate::upstream::http2) const fn new() -> Self {
        Self { table: Table::new(), scratch: Vec::new(), left: 0 }
    }

    #[cfg(test)]
    pub(super) const fn table(&self) -> &Table {
        &self.table
    }

    /// Reads a whole block. Of one that has more than `limit` bytes, as section 4.1 counts them, nothing more than
    /// that is kept.
    ///
    /// # Errors
    /// When the table of this side is not that of the peer any more, so that no further block could be read.
    pub(in crate::upstream::http2) fn decode(
        &mut self,
        mut input: &[u8],
        limit: usize,
    ) -> Result<Block, Flaw> {
        let mut block = Block::default();
        self.left = limit;
        let mut begun = false;
        while let Some((&first, rest)) = input.split_first() {
            input = rest;
            if first & 0xe0 == 0x20 {
                self.resize(first, &mut input, begun)?;
                continue;
            }
            begun = true;
            if first & 0x80 != 0 {
                let index = integer(first, 7, &mut input)?;
                let entry = self.table.entry(index).ok_or(NO_ENTRY)?;
                block.add(entry, &mut self.left);
            } else {
                let is_added = first & 0x40 != 0;
                let entry = self.literal(first, if is_added { 6 } else { 4 }, &mut input)?;
                block.add(&entry, &mut self.left);
                if is_added {
                    self.table.add(entry);
                }
            }
        }
        Ok(block)
    }

    fn resize(&mut self, first: u8, input: &mut &[u8], begun: bool) -> Result<(), Flaw> {
        let size = integer(first, 5, input)?;
        if begun || size > TABLE_SIZE {
            return Err(compression("changed the size of its table of headers against the rules"));
        }
        self.table.resize(size);
        Ok(())
    }

    fn literal(&mut self, first: u8, prefix: u32, input: &mut &[u8]) -> Result<Entry, Flaw> {
        let name = match integer(first, prefix, input)? {
            0 => {
                let name = self.string(input)?;
                (Name::read(name), name.len())
            }
            index => {
                let entry = self.table.entry(index).ok_or(NO_ENTRY)?;
                (entry.name.clone(), entry.name_length)
            }
        };
        Ok(Entry::new(name, self.string(input)?))
    }

    fn string<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Result<&'s [u8], Flaw> {
        const EARLY: Flaw = compression("sent headers that end too early");
        let (&first, rest) = input.split_first().ok_or(EARLY)?;
        *input = rest;
        let length = integer(first, 7, input)?;
        let (string, rest) = input.split_at_checked(length).ok_or(EARLY)?;
        *input = rest;
        if first & 0x80 == 0 {
            return Ok(string);
        }
        self.scratch.clear();
        huffman::decode(string, &mut self.scratch)
            .ok_or(compression("sent a header in a Huffman code that is none"))?;
        Ok(&self.scratch)
    }
}

const NO_ENTRY: Flaw = compression("named a header that its table does not have");

impl Block {
    fn add(&mut self, entry: &Entry, left: &mut usize) {
        if self.flaw.is_some() {
            return;
        }
        match left.checked_sub(entry.size) {
            Some(rest) => *left = rest,
            None => {
                self.flaw = Some(Flaw::protocol("sent more headers than were allowed"));
                return;
            }
        }
        if let Err(what) = self.try_add(entry) {
            self.flaw = Some(Flaw::protocol(what));
        }
    }

    fn try_add(&mut self, entry: &Entry) -> Result<(), &'static str> {
        let value = entry.value.as_ref().ok_or("sent a header whose value no header may have")?;
        match &entry.name {
            Name::Field(name) => {
                self.fields.push(name.clone(), value.clone());
                Ok(())
            }
            Name::Status => {
                if self.status.is_some() || self.length.is_some() || !self.fields.is_empty() {
                    return Err("sent a status that is not the first header");
                }
                self.status = Some(status(value).ok_or("sent a status that is none")?);
                Ok(())
            }
            Name::Length => {
                let length = number(value).ok_or("sent a content-length that is no number")?;
                if self.length.is_some_and(|other| other != length) {
                    return Err("sent two lengths of its content");
                }
                self.length = Some(length);
                Ok(())
            }
            Name::Wrong => Err("sent a header that no answer may have"),
        }
    }
}

fn status(value: &HeaderValue) -> Option<u16> {
    let digits: [u8; 3] = value.as_bytes().try_into().ok()?;
    let is_number = digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| digits.iter().fold(0, |all, digit| all * 10 + u16::from(digit - b'0')))
}

fn number(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok()
}
