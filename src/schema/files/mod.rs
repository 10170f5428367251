//! Descriptor files in their own bytes, kept to be given to those who ask for them.
//!
//! A [`Files`] is what was loaded, without comments. It costs nothing but its bytes: what is in it is looked for when
//! a [`Published`] is made of it, for the services that others may know of.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::descriptor::Fields;
use super::load::BUILT_IN;
use crate::wire::writer;

mod find;
mod published;
mod same;

#[cfg(test)]
mod tests;

pub use published::{FileId, Published};
pub use same::are_same;

/// `FileDescriptorSet.file`.
const FILE: u32 = 1;
/// `FileDescriptorProto.source_code_info`: comments, and where everything stood in its source.
const SOURCE: u32 = 9;

/// The files of some descriptor sets. Clones share them.
#[derive(Clone, Default)]
pub struct Files {
    /// `FileDescriptorSet`s.
    sets: Arc<[Bytes]>,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Files {{ {} sets }}", self.sets.len())
    }
}

impl Files {
    /// Keeps the files of sets that a [`Schema`](super::Schema) could be loaded from. Comments and positions are left
    /// out, as compilers leave them out of the code that they make: they are written for colleagues.
    pub fn new(sets: impl IntoIterator<Item = Bytes>) -> Self {
        Self { sets: sets.into_iter().map(without_sources).collect() }
    }

    /// What every [`Schema`](super::Schema) has built in.
    pub fn built_in() -> Self {
        Self::new([Bytes::from_static(BUILT_IN)])
    }

    /// These files and others.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self { sets: self.sets.iter().chain(&*other.sets).cloned().collect() }
    }

    /// Every file. One that is broken, which none is that a schema was loaded from, ends its set.
    fn all(&self) -> impl Iterator<Item = Bytes> {
        self.sets.iter().flat_map(|set| {
            let files = Fields::new(set).map_while(Result::ok).filter(|field| field.number == FILE);
            files.map(|field| set.slice_ref(field.bytes()))
        })
    }
}

/// A set without the sources of its files; itself, if it has none.
fn without_sources(set: Bytes) -> Bytes {
    let files = || Fields::new(&set).map_while(Result::ok).filter(|field| field.number == FILE);
    let has_sources =
        |file: &[u8]| Fields::new(file).map_while(Result::ok).any(|field| field.number == SOURCE);
    if !files().any(|file| has_sources(file.bytes())) {
        return set;
    }
    let mut kept = Vec::new();
    for file in files() {
        writer::bytes(&mut kept, FILE, &without(file.bytes(), |number, _| number == SOURCE));
    }
    kept.shrink_to_fit();
    kept.into()
}

/// A message without some of its fields; all others stay byte by byte.
fn without(message: &[u8], is_left_out: impl Fn(u32, &[u8]) -> bool) -> Vec<u8> {
    let mut kept = Vec::with_capacity(message.len());
    let (mut fields, mut start) = (Fields::new(message), 0);
    while let Some(Ok(field)) = fields.next() {
        let end = fields.position();
        if !is_left_out(field.number, field.bytes()) {
            kept.extend_from_slice(&message[start..end]);
        }
        start = end;
    }
    kept
}
