//! Places in configuration files, and the texts they point into.

use std::ops::Deref;
use std::sync::Arc;

/// A stretch of text in one of the sources that the configuration was read from.
///
/// Twelve bytes and `Copy`; line and column are computed when they are needed, by
/// [`Sources::position`]. Places are ordered by source and then by offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    source: u32,
    start: u32,
    len: u32,
}

impl Place {
    /// The place of `len` bytes from byte `start` of a source. Offsets past 4 GiB are cut.
    pub fn new(source: SourceId, start: usize, len: usize) -> Self {
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Self { source: source.0, start: narrow(start), len: narrow(len) }
    }

    /// The source that the place lies in.
    pub fn source(self) -> SourceId {
        SourceId(self.source)
    }

    /// The first byte of the place.
    pub fn start(self) -> usize {
        self.start as usize
    }

    /// The length in bytes.
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// Whether the place is a point between two bytes.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// Names a source within [`Sources`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceId(u32);

/// A text that configuration was read from.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// What the user calls it: the path of a file, or `--upstream`.
    pub name: String,
    /// The whole text.
    pub text: String,
    /// The text as a terminal may show it, where that differs; byte for byte as long.
    shown: Option<String>,
}

impl Source {
    /// The text without control characters, which could act on a terminal. Places hold in it too.
    pub fn shown(&self) -> &str {
        self.shown.as_deref().unwrap_or(&self.text)
    }
}

/// Replaces each byte of a control character by a question mark.
fn harmless(text: &str) -> Option<String> {
    let harmful = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    text.contains(harmful).then(|| {
        let mut shown = String::with_capacity(text.len());
        for c in text.chars() {
            if harmful(c) { shown.extend(std::iter::repeat_n('?', c.len_utf8())) } else { shown.push(c) }
        }
        shown
    })
}

/// All texts that a configuration was read from. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    list: Vec<Arc<Source>>,
}

impl Sources {
    /// Adds a text under the name that problems will show.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> SourceId {
        let id = SourceId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        let text = text.into();
        let shown = harmless(&text);
        self.list.push(Arc::new(Source { name: name.into(), text, shown }));
        id
    }

    /// The source with this id; absent when the id comes from other `Sources`.
    pub fn source(&self, id: SourceId) -> Option<&Arc<Source>> {
        self.list.get(id.0 as usize)
    }

    /// The text at a place.
    pub fn text(&self, place: Place) -> Option<&str> {
        let end = place.start().checked_add(place.len())?;
        self.source(place.source())?.text.get(place.start()..end)
    }

    /// Name of the source, line and column of a place; both count from 1, columns in characters.
    pub fn position(&self, place: Place) -> Option<(&str, usize, usize)> {
        let source = self.source(place.source())?;
        let before = source.text.get(..place.start())?;
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        Some((&source.name, line, column))
    }
}

/// A value and the place where it was written.
///
/// A default has no place. Two located values are equal when their values are: where something was
/// written does not change what it means.
#[derive(Clone, Debug)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Where it was written; absent for a default.
    pub place: Option<Place>,
}

impl<T> Located<T> {
    /// A value that was written at `place`.
    pub fn new(value: T, place: Place) -> Self {
        Self { value, place: Some(place) }
    }
}

impl<T> From<T> for Located<T> {
    fn from(value: T) -> Self {
        Self { value, place: None }
    }
}

impl<T> Deref for Located<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: PartialEq> PartialEq for Located<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

#[cfg(test)]
mod tests {
    use super::{Place, Sources};

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let mut sources = Sources::default();
        let other = sources.add("other", "x");
        let id = sources.add("file", "a: ä\nbö: c\r\nd");
        for (start, line, column) in [(0, 1, 1), (3, 1, 4), (6, 2, 1), (9, 2, 3), (14, 3, 1), (15, 3, 2)] {
            assert_eq!(sources.position(Place::new(id, start, 1)), Some(("file", line, column)), "{start}");
        }
        assert_eq!(sources.position(Place::new(id, 4, 1)), None, "inside a character");
        assert_eq!(sources.position(Place::new(id, 99, 1)), None, "behind the end");
        assert_eq!(sources.text(Place::new(other, 0, 1)), Some("x"));
        assert_eq!(sources.text(Place::new(other, 1, usize::MAX)), None);
    }
}
