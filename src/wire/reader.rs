//! Reading wire bytes.

use std::fmt;

use super::{MAX_FIELD_NUMBER, WireType};

/// A position in wire bytes. It never reads past its buffer and reports absolute offsets.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    wire: &'a [u8],
    position: usize,
    /// `wire` and what lies behind it, in which a copy of a fixed size may end.
    whole: &'a [u8],
}

/// Bytes that are not valid protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// Where the wrong value starts, in bytes from the start of the message.
    pub offset: usize,
    /// What is wrong.
    pub kind: ErrorKind,
}

/// What is wrong with wire bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A value goes on after the end of the bytes.
    Truncated,
    /// A varint has more than ten bytes.
    Varint,
    /// A tag has the field number 0 or one above 2^29 - 1.
    FieldNumber,
    /// A tag has the wire type 6 or 7.
    WireType,
    /// A group ends that did not start, or not with this number.
    EndGroup,
    /// Groups are nested deeper than allowed.
    Depth,
    /// Text is not UTF-8.
    Utf8,
}

impl Error {
    /// Messages are nested deeper than allowed.
    pub const TOO_DEEP: Self = Self { offset: 0, kind: ErrorKind::Depth };
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::Truncated => "a value goes on after the end of the message",
            ErrorKind::Varint => "a varint is longer than ten bytes",
            ErrorKind::FieldNumber => "a field number is out of range",
            ErrorKind::WireType => "a wire type is unknown",
            ErrorKind::EndGroup => "a group ends that did not start",
            ErrorKind::Depth => "groups are nested too deeply",
            ErrorKind::Utf8 => "a text is not UTF-8",
        };
        write!(f, "{what}, at byte {}", self.offset)
    }
}

impl std::error::Error for Error {}

impl<'a> Reader<'a> {
    /// A reader at the start of `wire`.
    pub const fn new(wire: &'a [u8]) -> Self {
        Self { wire, position: 0, whole: wire }
    }

    /// A reader of the part of `wire` from `position` on.
    pub const fn at(wire: &'a [u8], position: usize) -> Self {
        Self { wire, position, whole: wire }
    }

    /// The offset of the next byte.
    pub const fn position(&self) -> usize {
        self.position
    }

    /// Goes to another offset.
    #[inline]
    pub const fn seek(&mut self, position: usize) {
        self.position = position;
    }

    /// The bytes that this reader reads, from their start.
    pub const fn wire(&self) -> &'a [u8] {
        self.wire
    }

    /// So many bytes from an offset on, those behind the end of a nested reader included; none if there are
    /// fewer.
    #[inline]
    pub fn chunk_at<const N: usize>(&self, offset: usize) -> Option<&'a [u8; N]> {
        self.whole.get(offset..)?.first_chunk()
    }

    /// Whether all is read.
    pub const fn is_at_end(&self) -> bool {
        self.position >= self.wire.len()
    }

    /// Reads a varint of at most ten bytes; bits above the 64th are dropped, as all parsers do.
    ///
    /// # Errors
    /// When it is truncated or too long.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, Error> {
        match self.wire.get(self.position) {
            Some(&byte) if byte < 0x80 => {
                self.position += 1;
                Ok(u64::from(byte))
            }
            _ => self.long_varint(),
        }
    }

    /// Goes past a tag if it is this one.
    #[inline]
    pub fn take_tag(&mut self, tag: u64) -> bool {
        if tag >= 0x80 {
            return self.take_long_tag(tag);
        }
        if self.wire.get(self.position).is_none_or(|&byte| u64::from(byte) != tag) {
            // Where the next value lies is not to wait for this byte.
            std::hint::cold_path();
            return false;
        }
        self.position += 1;
        true
    }

    fn take_long_tag(&mut self, tag: u64) -> bool {
        let mut ahead = *self;
        let is_this = ahead.varint() == Ok(tag);
        if is_this {
            *self = ahead;
        }
        is_this
    }

    #[inline]
    fn long_varint(&mut self) -> Result<u64, Error> {
        // Only what it needs, so that the reader itself can stay in registers.
        let (value, end) = long_varint(self.whole, self.position, self.wire.len())?;
        self.position = end;
        Ok(value)
    }

    /// Reads a field's tag.
    ///
    /// # Errors
    /// When it is truncated, or its number or wire type does not exist.
    #[inline]
    pub fn tag(&mut self) -> Result<(u32, WireType), Error> {
        let start = self.position;
        let tag = self.varint()?;
        let Some(wire_type) = WireType::of_tag(tag) else {
            return Err(Error { offset: start, kind: ErrorKind::WireType });
        };
        let number = tag >> 3;
        if number == 0 || number > u64::from(MAX_FIELD_NUMBER) {
            return Err(Error { offset: start, kind: ErrorKind::FieldNumber });
        }
        Ok((number as u32, wire_type))
    }

    /// Reads four bytes.
    ///
    /// # Errors
    /// When there are fewer.
    #[inline]
    pub fn fixed32(&mut self) -> Result<u32, Error> {
        let (bytes, _) =
            self.rest().split_first_chunk::<4>().ok_or_else(|| self.error(ErrorKind::Truncated))?;
        let value = u32::from_le_bytes(*bytes);
        self.position += 4;
        Ok(value)
    }

    /// Reads eight bytes.
    ///
    /// # Errors
    /// When there are fewer.
    #[inline]
    pub fn fixed64(&mut self) -> Result<u64, Error> {
        let (bytes, _) =
            self.rest().split_first_chunk::<8>().ok_or_else(|| self.error(ErrorKind::Truncated))?;
        let value = u64::from_le_bytes(*bytes);
        self.position += 8;
        Ok(value)
    }

    /// Reads a length and returns that many bytes.
    ///
    /// # Errors
    /// When there are fewer.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Error> {
        let start = self.position;
        let length = self.varint()?;
        self.take(length).ok_or(Error { offset: start, kind: ErrorKind::Truncated })
    }

    /// Returns so many bytes; none if there are fewer.
    #[inline]
    pub fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let end = self.position.saturating_add(usize::try_from(length).ok()?);
        let bytes = self.wire.get(self.position..end)?;
        self.position = end;
        Some(bytes)
    }

    /// Reads a length and returns a reader that ends after that many bytes and still reports offsets
    /// from the start of the whole message.
    ///
    /// # Errors
    /// When there are fewer bytes.
    #[inline]
    pub fn nested(&mut self) -> Result<Self, Error> {
        let start = self.position;
        let length = self.varint()?;
        self.take_nested(length).ok_or(Error { offset: start, kind: ErrorKind::Truncated })
    }

    /// Returns a reader of so many bytes, as [`Reader::nested`] does; none if there are fewer.
    #[inline]
    pub fn take_nested(&mut self, length: u64) -> Option<Self> {
        let position = self.position;
        let end = position.saturating_add(usize::try_from(length).ok()?);
        let wire = self.wire.get(..end)?;
        self.position = end;
        Some(Self { wire, position, whole: self.whole })
    }

    /// Skips the value behind a tag; a group with all that it holds, at most `depth` groups deep.
    ///
    /// # Errors
    /// When the value is not valid.
    pub fn skip(&mut self, number: u32, wire_type: WireType, depth: usize) -> Result<(), Error> {
        match wire_type {
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.fixed64().map(drop),
            WireType::Fixed32 => self.fixed32().map(drop),
            WireType::Len => self.bytes().map(drop),
            WireType::StartGroup => self.group(number, depth).map(drop),
            WireType::EndGroup => Err(self.error(ErrorKind::EndGroup)),
        }
    }

    /// Reads a group whose start tag was just read and returns a reader of its content, without the
    /// end tag.
    ///
    /// # Errors
    /// When the content is not valid, or groups are nested deeper than `depth`.
    pub fn group(&mut self, number: u32, depth: usize) -> Result<Self, Error> {
        let start = self.position;
        let depth = depth.checked_sub(1).ok_or_else(|| self.error(ErrorKind::Depth))?;
        loop {
            let end = self.position;
            if self.is_at_end() {
                return Err(Error { offset: start, kind: ErrorKind::Truncated });
            }
            let (inner, wire_type) = self.tag()?;
            if wire_type == WireType::EndGroup {
                if inner != number {
                    return Err(Error { offset: end, kind: ErrorKind::EndGroup });
                }
                let wire = self.wire.get(..end).unwrap_or_default();
                return Ok(Self { wire, position: start, whole: self.whole });
            }
            self.skip(inner, wire_type, depth)?;
        }
    }

    fn rest(&self) -> &'a [u8] {
        self.wire.get(self.position..).unwrap_or_default()
    }

    const fn error(&self, kind: ErrorKind) -> Error {
        Error { offset: self.position, kind }
    }
}

/// Reads a varint that starts at `start` and returns where it ends, at most at `end`.
#[inline(never)]
fn long_varint(whole: &[u8], start: usize, end: usize) -> Result<(u64, usize), Error> {
    let rest = whole.get(start..).unwrap_or_default();
    let mut value = 0;
    let mut size = 0;
    if let Some(bytes) = rest.first_chunk::<10>() {
        // A loop of a fixed length becomes one without counting.
        for (index, &byte) in bytes.iter().enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                size = index + 1;
                break;
            }
        }
    } else {
        for (index, &byte) in rest.iter().enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                size = index + 1;
                break;
            }
        }
    }
    if size > 0 && start + size <= end {
        return Ok((value, start + size));
    }
    let is_long = end.saturating_sub(start) >= 10;
    Err(Error { offset: start, kind: if is_long { ErrorKind::Varint } else { ErrorKind::Truncated } })
}

/// The signed number behind a zigzag-encoded `sint32` or `sint64`.
#[inline]
pub const fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints() {
        let table: [(&[u8], Result<u64, ErrorKind>); 6] = [
            (&[0x00], Ok(0)),
            (&[0x96, 0x01], Ok(150)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Ok(u64::MAX)),
            (&[0x80], Err(ErrorKind::Truncated)),
            (&[], Err(ErrorKind::Truncated)),
            (&[0x80; 11], Err(ErrorKind::Varint)),
        ];
        for (wire, expected) in table {
            assert_eq!(Reader::new(wire).varint().map_err(|e| e.kind), expected, "{wire:x?}");
        }
    }

    #[test]
    fn varints_of_every_length_are_read_whatever_stands_behind_them() {
        for size in 1..=10_usize {
            for high in [0, 1, 0x55, 0x7f] {
                for (behind, count) in [(0, 0), (0, 9), (0x80, 9), (0xff, 9), (0x7f, 1)] {
                    let mut wire: Vec<u8> = (1..size).map(|index| 0x80 | (index * 37) as u8).collect();
                    wire.push(high);
                    let expected =
                        wire.iter().rev().fold(0_u64, |value, byte| value << 7 | u64::from(byte & 0x7f));
                    wire.resize(size + count, behind);
                    let mut reader = Reader::new(&wire);
                    assert_eq!((reader.varint(), reader.position()), (Ok(expected), size), "{wire:x?}");
                    // Not beyond the end of what is read, though the bytes are there.
                    let mut outer = Reader::new(&wire);
                    let mut nested = outer.take_nested(size as u64 - 1).unwrap();
                    assert_eq!(nested.varint().map_err(|error| error.kind), Err(ErrorKind::Truncated));
                }
            }
        }
    }

    #[test]
    fn tags_that_do_not_exist_are_refused() {
        assert_eq!(Reader::new(&[0x00]).tag().map_err(|e| e.kind), Err(ErrorKind::FieldNumber));
        assert_eq!(Reader::new(&[0x0e]).tag().map_err(|e| e.kind), Err(ErrorKind::WireType));
        assert_eq!(
            Reader::new(&[0x80, 0x80, 0x80, 0x80, 0x10]).tag().map_err(|e| e.kind),
            Err(ErrorKind::FieldNumber)
        );
    }

    #[test]
    fn a_length_never_reaches_past_the_end() {
        assert_eq!(Reader::new(&[0x05, 1, 2]).bytes(), Err(Error { offset: 0, kind: ErrorKind::Truncated }));
        let mut huge = Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        assert!(huge.bytes().is_err());
    }

    #[test]
    fn groups_end_with_their_own_number_and_are_bounded() {
        let mut reader = Reader::new(&[0x0b, 0x10, 0x05, 0x0c, 0x18]);
        assert_eq!(reader.tag(), Ok((1, WireType::StartGroup)));
        let content = reader.group(1, 1).unwrap();
        assert_eq!((content.position(), content.wire().len(), reader.position()), (1, 3, 4));

        let nested = [[0x0b; 50], [0x0c; 50]].concat();
        let skip = |depth| {
            let mut reader = Reader::new(&nested);
            let (number, wire_type) = reader.tag().unwrap();
            reader.skip(number, wire_type, depth).map_err(|e| e.kind)
        };
        assert_eq!(skip(50), Ok(()));
        assert_eq!(skip(49), Err(ErrorKind::Depth));
        assert_eq!(Reader::new(&[0x14]).group(1, 5).map(drop).map_err(|e| e.kind), Err(ErrorKind::EndGroup));
        assert_eq!(Reader::new(&[0x10]).group(1, 5).map(drop).map_err(|e| e.kind), Err(ErrorKind::Truncated));
    }

    #[test]
    fn zigzag() {
        for (encoded, decoded) in [(0, 0), (1, -1), (2, 1), (u64::MAX, i64::MIN), (u64::MAX - 1, i64::MAX)] {
            assert_eq!(unzigzag(encoded), decoded);
        }
    }
}
