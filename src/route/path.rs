//! A request's path cut into segments, decoded once.

use std::borrow::Cow;
use std::ops::Range;

use memchr::memchr_iter;

use super::decode::{Fault, PathError, Slash, decode};
use super::template::MAX_SEGMENTS;

/// Longest path that is looked at, in bytes. An HTTP server has its own, lower limit.
pub(super) const MAX_PATH: usize = 65_535;

/// The segments of a path.
///
/// Only as many are kept as a template can have; what comes after them can only be matched by `**`.
/// Nothing is allocated unless the path has escapes.
pub(super) struct Segments<'p> {
    path: &'p str,
    /// Where the data ends: the length of the path, or the colon of a verb.
    end: usize,
    /// Where the first segments begin, each after its slash.
    starts: [u16; MAX_SEGMENTS + 1],
    /// How many segments there are, kept or not. The path `/` has none.
    count: usize,
    /// The kept segments, decoded; empty when the path has no escapes at all.
    decoded: Vec<Cow<'p, str>>,
}

impl<'p> Segments<'p> {
    /// Cuts a path; `None` for one that does not begin with a slash (`*`, or nothing).
    pub(super) fn split(path: &'p str) -> Result<Option<Self>, PathError> {
        if path.len() > MAX_PATH {
            return Err(PathError::new(MAX_PATH, Fault::TooLong));
        }
        if !path.starts_with('/') {
            return Ok(None);
        }
        let escapes = memchr::memchr2(b'%', 0, path.as_bytes()).is_some();
        let mut segments =
            Self { path, end: path.len(), starts: [0; MAX_SEGMENTS + 1], count: 0, decoded: Vec::new() };
        if path == "/" {
            return Ok(Some(segments));
        }
        let mut start = 1;
        for end in memchr_iter(b'/', &path.as_bytes()[1..]).map(|at| at + 1).chain([path.len()]) {
            segments.push(start..end, escapes)?;
            start = end + 1;
        }
        Ok(Some(segments))
    }

    fn push(&mut self, range: Range<usize>, escapes: bool) -> Result<(), PathError> {
        let start = range.start;
        let raw = &self.path[range];
        let text = if escapes {
            decode(raw, Slash::Decode).map_err(|error| error.shifted(start))?
        } else {
            Cow::Borrowed(raw)
        };
        refuse_dots(&text, start)?;
        if let Some(slot) = self.starts.get_mut(self.count) {
            // A path is at most MAX_PATH long, which fits.
            *slot = start as u16;
        }
        if escapes && self.count < MAX_SEGMENTS {
            self.decoded.push(text);
        }
        self.count += 1;
        Ok(())
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// The segment, decoded. The index is below both [`Self::count`] and [`MAX_SEGMENTS`].
    pub(super) fn segment(&self, index: usize) -> &str {
        match self.decoded.get(index) {
            Some(text) => text,
            None => &self.path[self.range(index)],
        }
    }

    fn range(&self, index: usize) -> Range<usize> {
        usize::from(self.starts[index])..self.segment_end(index)
    }

    fn segment_end(&self, index: usize) -> usize {
        if index + 1 < self.count { usize::from(self.starts[index + 1]) - 1 } else { self.end }
    }

    /// The verb that the path could end with and the offset of its colon.
    ///
    /// The colon is the last one of the last segment, as sent: `%3A` is always data.
    pub(super) fn verb(&self) -> Option<(usize, Cow<'p, str>)> {
        let last = self.path.rfind('/')? + 1;
        let colon = last + memchr::memrchr(b':', &self.path.as_bytes()[last..])?;
        // The segment was decoded without a fault, and a colon never stands inside of an escape.
        let verb = decode(&self.path[colon + 1..], Slash::Decode).ok()?;
        (!verb.is_empty()).then_some((colon, verb))
    }

    /// The same path without the verb whose colon is at `colon`.
    pub(super) fn without_verb(&self, colon: usize) -> Result<Self, PathError> {
        let start = self.path[..colon].rfind('/').map_or(0, |slash| slash + 1);
        let last = decode(&self.path[start..colon], Slash::Decode).map_err(|error| error.shifted(start))?;
        refuse_dots(&last, start)?;
        let mut decoded = self.decoded.clone();
        if let Some(slot) = decoded.get_mut(self.count - 1) {
            *slot = last;
        }
        Ok(Self { path: self.path, end: colon, starts: self.starts, count: self.count, decoded })
    }

    /// What a variable that spans these segments stands for, as it was sent.
    pub(super) fn raw(&self, span: Range<usize>, open: bool) -> &'p str {
        let Range { start, end } = span;
        if start >= self.count || end > MAX_SEGMENTS {
            return "";
        }
        let till = if open { self.end } else { self.segment_end((end - 1).min(self.count - 1)) };
        &self.path[usize::from(self.starts[start])..till]
    }

    /// The value of a variable that spans these segments of a template; `open` when its last one is `**`.
    pub(super) fn value(&self, span: Range<usize>, open: bool) -> Cow<'p, str> {
        let Range { start, end } = span;
        if end - start == 1 && !open {
            return match self.decoded.get(start) {
                Some(text) => text.clone(),
                None => Cow::Borrowed(&self.path[self.range(start)]),
            };
        }
        // `**` may have nothing to match.
        let raw = self.raw(start..end, open);
        // Each segment was decoded without a fault, so the whole has none either.
        decode(raw, Slash::Keep).unwrap_or(Cow::Borrowed(raw))
    }
}

/// A dot segment would name another path to everything that resolves paths before or after us.
fn refuse_dots(segment: &str, position: usize) -> Result<(), PathError> {
    if matches!(segment, "." | "..") { Err(PathError::new(position, Fault::DotSegment)) } else { Ok(()) }
}
