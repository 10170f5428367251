//! The tables of names and values.

use std::collections::VecDeque;
use std::sync::LazyLock;

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE};

use super::{ENTRY, TABLE_SIZE};

/// The name of a field, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// `:status`
    Status,
    /// `content-length`
    Length,
    Field(HeaderName),
    /// One that an answer must not have: a pseudo-header of requests, a field of HTTP/1's connections, or what is
    /// no name at all (RFC 9113 section 8.2).
    Wrong,
}

impl Name {
    pub(super) fn read(bytes: &[u8]) -> Self {
        if bytes == b":status" {
            return Self::Status;
        }
        // This takes no capital letters.
        let Ok(name) = HeaderName::from_lowercase(bytes) else { return Self::Wrong };
        if name == CONTENT_LENGTH {
            Self::Length
        } else if [CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(&name)
            || matches!(name.as_str(), "keep-alive" | "proxy-connection")
        {
            Self::Wrong
        } else {
            Self::Field(name)
        }
    }
}

/// A field as the table keeps it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) name_length: usize,
    /// Absent where the bytes are none that a value may have.
    pub(super) value: Option<HeaderValue>,
    /// In bytes, as section 4.1 counts them.
    pub(super) size: usize,
}

impl Entry {
    pub(super) fn new((name, name_length): (Name, usize), value: &[u8]) -> Self {
        let size = name_length + value.len() + ENTRY;
        Self { name, name_length, value: HeaderValue::from_bytes(value).ok(), size }
    }
}

/// The entries that were added, the last first.
#[derive(Debug)]
pub(super) struct Table {
    entries: VecDeque<Entry>,
    size: usize,
    limit: usize,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self { entries: VecDeque::new(), size: 0, limit: TABLE_SIZE }
    }

    /// An entry by its index.
    pub(super) fn entry(&self, index: usize) -> Option<&Entry> {
        let index = index.checked_sub(1)?;
        FIXED.get(index).or_else(|| self.entries.get(index - FIXED.len()))
    }

    /// Adds an entry. One that is larger than the table empties it (section 4.4).
    pub(super) fn add(&mut self, entry: Entry) {
        self.make_room(entry.size);
        if entry.size <= self.limit {
            self.size += entry.size;
            self.entries.push_front(entry);
        }
    }

    /// Changes how large the table may be.
    pub(super) fn resize(&mut self, limit: usize) {
        self.limit = limit;
        self.make_room(0);
    }

    fn make_room(&mut self, size: usize) {
        while self.size + size > self.limit
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= entry.size;
        }
    }

    #[cfg(test)]
    pub(super) const fn size(&self) -> usize {
        self.size
    }
}

static FIXED: LazyLock<[Entry; 61]> = LazyLock::new(|| {
    TEXTS.map(|(name, value)| Entry::new((Name::read(name.as_bytes()), name.len()), value.as_bytes()))
});

/// How many entries always are.
pub(super) const FIXED_COUNT: usize = TEXTS.len();

/// RFC 7541 appendix A.
#[rustfmt::skip]
const TEXTS: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""),
    ("cache-control", ""), ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""),
    ("content-length", ""), ("content-location", ""), ("content-range", ""), ("content-type", ""),
    ("cookie", ""), ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""),
    ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
    ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""), ("max-forwards", ""),
    ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""), ("referer", ""), ("refresh", ""),
    ("retry-after", ""), ("server", ""), ("set-cookie", ""), ("strict-transport-security", ""),
    ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""), ("www-authenticate", ""),
];
