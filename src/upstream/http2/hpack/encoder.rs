//! Writing blocks of headers.

use std::iter;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName};

use super::table::FIXED_COUNT;
use super::{ENTRY, TABLE_SIZE, put_integer};

/// The headers of a request. Its method is POST.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Whether the scheme is `https`.
    pub secure: bool,
    /// The value of `:authority`.
    pub authority: &'a str,
    /// The value of `:path`.
    pub path: &'a str,
    /// Fields that are the same for all requests of a connection. Their names are in small letters.
    pub constant: &'static [(&'static str, &'static str)],
    /// Fields that are different each time. Their names are in small letters.
    pub varying: [Option<(&'static str, &'a [u8])>; 4],
    /// What the caller sends along.
    pub metadata: &'a HeaderMap,
    /// Which of it is meant.
    pub keep: fn(&HeaderName) -> bool,
}

impl Request<'_> {
    /// In bytes, as RFC 9113 section 6.5.2 counts them.
    pub(in crate::upstream::http2) fn size(&self) -> usize {
        let pseudo = [":method".len() + 4, ":scheme".len() + 5, ":authority".len() + self.authority.len()];
        let constant = self.constant.iter().map(|(name, value)| name.len() + value.len());
        let varying = self.varying.iter().flatten().map(|(name, value)| name.len() + value.len());
        let metadata = self.metadata.iter().filter(|(name, _)| (self.keep)(name));
        let metadata = metadata.map(|(name, value)| name.as_str().len() + value.len());
        let all = pseudo.into_iter().chain(constant).chain(varying).chain(metadata);
        all.chain(iter::once(":path".len() + self.path.len())).map(|size| size + ENTRY).sum()
    }
}

/// Writes blocks, and remembers what was added to the peer's table.
///
/// Added are authority, path, and the constant fields, until the table is full: what came first stays, so that many
/// paths never push each other out. What a caller sends along is never added to any table, as it may be a secret
/// under whatever name (section 7.1.3).
#[derive(Debug)]
pub(in crate::upstream::http2) struct Encoder {
    /// What was added, the first first.
    entries: Vec<Added>,
    size: usize,
    limit: usize,
    /// Whether the peer must be told of a new size first.
    resized: bool,
}

#[derive(Debug)]
struct Added {
    name: &'static str,
    value: Box<str>,
}

/// Indices of names that always are.
const AUTHORITY: usize = 1;
const PATH: usize = 4;
/// Whole fields that always are.
const METHOD_POST: u8 = 0x83;
const SCHEME_HTTP: u8 = 0x86;
const SCHEME_HTTPS: u8 = 0x87;

impl Encoder {
    pub(in crate::upstream::http2) const fn new() -> Self {
        Self { entries: Vec::new(), size: 0, limit: TABLE_SIZE, resized: false }
    }

    /// Takes over the size that the peer allows.
    pub(in crate::upstream::http2) fn resize(&mut self, limit: usize) {
        let limit = limit.min(TABLE_SIZE);
        if limit != self.limit {
            self.limit = limit;
            self.resized = true;
            // Begun anew, the tables of both sides are surely the same.
            self.entries.clear();
            self.size = 0;
        }
    }

    /// Appends the block of a request.
    pub(in crate::upstream::http2) fn encode(&mut self, request: &Request<'_>, out: &mut Vec<u8>) {
        if self.resized {
            self.resized = false;
            put_integer(out, 0x20, 5, 0);
            put_integer(out, 0x20, 5, self.limit);
        }
        out.push(METHOD_POST);
        out.push(if request.secure { SCHEME_HTTPS } else { SCHEME_HTTP });
        self.indexed(":authority", AUTHORITY, request.authority, out);
        self.indexed(":path", PATH, request.path, out);
        for (name, value) in request.constant {
            self.indexed(name, 0, value, out);
        }
        for (name, value) in request.varying.into_iter().flatten() {
            out.push(0);
            string(name.as_bytes(), out);
            string(value, out);
        }
        for (name, value) in request.metadata {
            if (request.keep)(name) {
                if *name == AUTHORIZATION {
                    put_integer(out, 0x10, 4, 23);
                } else {
                    out.push(0x10);
                    string(name.as_str().as_bytes(), out);
                }
                string(value.as_bytes(), out);
            }
        }
    }

    /// Writes a field that comes again: as an entry of the table, or as one that becomes one if there is room.
    /// `known` is the index of its name, or 0.
    fn indexed(&mut self, name: &'static str, known: usize, value: &str, out: &mut Vec<u8>) {
        let found = self.entries.iter().position(|entry| *entry.value == *value && entry.name == name);
        if let Some(place) = found {
            put_integer(out, 0x80, 7, FIXED_COUNT + self.entries.len() - place);
            return;
        }
        let size = name.len() + value.len() + ENTRY;
        let has_room = self.size + size <= self.limit;
        if has_room {
            self.size += size;
            self.entries.push(Added { name, value: value.into() });
            put_integer(out, 0x40, 6, known);
        } else {
            put_integer(out, 0, 4, known);
        }
        if known == 0 {
            string(name.as_bytes(), out);
        }
        string(value.as_bytes(), out);
    }
}

/// Writes a string as it is: what comes again is an entry of the table, and the rest is not worth the Huffman code.
fn string(bytes: &[u8], out: &mut Vec<u8>) {
    put_integer(out, 0, 7, bytes.len());
    out.extend_from_slice(bytes);
}
