//! Names kept once: an arena of text and the indexes that find a field or an enum value by name or number.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::TypeId;

/// A name in the arena of a [`Schema`](super::Schema).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    start: u32,
    length: u32,
}

impl Name {
    /// How many bytes it has.
    #[inline]
    pub const fn length(self) -> usize {
        self.length as usize
    }
}

/// The text of all names.
#[derive(Debug, Default)]
pub(super) struct Arena {
    text: String,
}

impl Arena {
    #[inline]
    pub(super) fn text(&self, name: Name) -> &str {
        let start = name.start as usize;
        self.text.get(start..start + name.length as usize).unwrap_or_default()
    }

    #[inline]
    pub(super) fn bytes(&self, name: Name) -> &[u8] {
        let start = name.start as usize;
        self.text.as_bytes().get(start..start + name.length as usize).unwrap_or_default()
    }

    #[inline]
    pub(super) fn chunk(&self, name: Name) -> Option<&[u8; 32]> {
        if name.length > 32 {
            return None;
        }
        let start = name.start as usize;
        self.text.as_bytes().get(start..start + 32)?.first_chunk()
    }

    /// Whether the name stands in `text` at the place `at`.
    #[inline]
    pub(super) fn stands_at(&self, text: &[u8], at: usize, name: Name) -> bool {
        let length = name.length as usize;
        let (Some(text), Some(own)) = (text.get(at..), self.text.as_bytes().get(name.start as usize..))
        else {
            return false;
        };
        let is_there = || text.get(..length) == own.get(..length);
        let (Some(there), Some(here)) = (text.first_chunk(), own.first_chunk()) else { return is_there() };
        let [there, here] = [there, here].map(|chunk| u64::from_le_bytes(*chunk));
        // Two words that overlap for up to sixteen bytes; the first alone tells most names apart.
        match length {
            1..8 => (there ^ here) << (64 - 8 * length) == 0,
            8..=16 => there == here && last_word(text, length) == last_word(own, length),
            _ => there == here && is_there(),
        }
    }
}

/// The last word of the first `length` bytes.
#[inline]
fn last_word(text: &[u8], length: usize) -> Option<&[u8; 8]> {
    text.get(..length)?.last_chunk()
}

/// Fills an [`Arena`]; equal names share one place.
#[derive(Default)]
pub(super) struct Interner {
    arena: Arena,
    table: HashTable<Name>,
    hasher: DefaultHashBuilder,
    scratch: String,
}

impl Interner {
    /// The arena holds at most 4 GiB, as offsets have 32 bits; the loader bounds its input far below.
    pub(super) fn intern(&mut self, text: &str) -> Name {
        let Self { arena, table, hasher, .. } = self;
        let hash = hasher.hash_one(text);
        if let Some(&name) = table.find(hash, |&name| arena.text(name) == text) {
            return name;
        }
        let name = Name { start: arena.text.len() as u32, length: text.len() as u32 };
        arena.text.push_str(text);
        table.insert_unique(hash, name, |&name| hasher.hash_one(arena.text(name)));
        name
    }

    /// Interns the text that `write` appends to an empty string.
    pub(super) fn intern_with(&mut self, write: impl FnOnce(&mut String)) -> Name {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        write(&mut scratch);
        let name = self.intern(&scratch);
        self.scratch = scratch;
        name
    }

    pub(super) fn text(&self, name: Name) -> &str {
        self.arena.text(name)
    }

    pub(super) fn finish(mut self) -> Arena {
        // Room to copy and compare the last name in chunks.
        self.arena.text.push_str(&" ".repeat(32));
        self.arena.text.shrink_to_fit();
        self.arena
    }
}

/// The names of a field. Fields are many, so all are in one piece of the arena: the proto name as a JSON
/// key, the JSON name as a JSON key unless it is the same, each behind a comma, and once more the JSON
/// name if it has escapes.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldNames {
    start: u32,
    name: u16,
    /// Where the JSON key starts in the piece.
    json_offset: u16,
    json_key: u16,
    json_name: u16,
}

/// The two quotes and the colon of a key.
const AROUND: u16 = 3;

impl Name {
    /// A key with the comma that stands before it.
    #[inline]
    const fn with_comma(self) -> Self {
        Self { start: self.start - 1, length: self.length + 1 }
    }
}

impl FieldNames {
    /// The longest name in bytes: escapes can make it six times as long.
    pub(super) const MAX: usize = 8_000;

    /// Interns the names of a field: at most [`FieldNames::MAX`] bytes each, the proto name without
    /// anything that JSON escapes.
    pub(super) fn intern(names: &mut Interner, name: &str, json_name: &str) -> Self {
        let mut json_key = String::with_capacity(json_name.len() + usize::from(AROUND));
        push_quoted(&mut json_key, json_name);
        json_key.push(':');
        let is_same = name == json_name;
        let is_plain = json_key.len() == json_name.len() + usize::from(AROUND);
        let piece = names.intern_with(|text| {
            text.extend([",\"", name, "\":"]);
            if !is_same {
                text.push(',');
                text.push_str(&json_key);
            }
            if !is_plain {
                text.push_str(json_name);
            }
        });
        let [name, json_name, json_key] =
            [name.len(), json_name.len(), json_key.len()].map(|length| length as u16);
        let json_offset = if is_same { 0 } else { 1 + name + AROUND };
        Self { start: piece.start, name, json_offset, json_key, json_name }
    }

    pub(super) const fn name(&self) -> Name {
        Name { start: self.start + 2, length: self.name as u32 }
    }

    pub(super) const fn json_name(&self) -> Name {
        let key = self.json_key();
        let is_plain = self.json_key == self.json_name + AROUND;
        let start = key.start + if is_plain { 1 } else { key.length };
        Name { start, length: self.json_name as u32 }
    }

    #[inline]
    pub(super) const fn name_key(&self) -> Name {
        Name { start: self.start + 1, length: (self.name + AROUND) as u32 }
    }

    #[inline]
    pub(super) const fn json_key(&self) -> Name {
        Name { start: self.start + 1 + self.json_offset as u32, length: self.json_key as u32 }
    }

    /// The key of a member behind the first one: a comma, and the key.
    #[inline]
    pub(super) const fn member(&self, proto_name: bool) -> Name {
        if proto_name { self.name_key().with_comma() } else { self.json_key().with_comma() }
    }

    /// Whether the proto name and the JSON name are one.
    #[inline]
    pub(super) const fn are_same(&self) -> bool {
        self.json_offset == 0
    }
}

/// Appends text as a JSON string, quotes included.
pub(super) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for char in text.chars() {
        match char {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0'..='\x1f' => out.push_str(&format!("\\u{:04x}", u32::from(char))),
            _ => out.push(char),
        }
    }
    out.push('"');
}

/// Finds a message or an enum by its full name.
pub(super) type TypeIndex = FullNameIndex<TypeId>;

/// Finds the position of a service by its full name.
pub(super) type ServiceIndex = FullNameIndex<u32>;

/// Finds something by its full name, which it knows itself.
pub(super) struct FullNameIndex<Id> {
    table: HashTable<Id>,
    hasher: DefaultHashBuilder,
}

impl<Id> Default for FullNameIndex<Id> {
    fn default() -> Self {
        Self { table: HashTable::default(), hasher: DefaultHashBuilder::default() }
    }
}

impl<Id: Copy> FullNameIndex<Id> {
    pub(super) fn find<'a>(&self, name: &str, name_of: impl Fn(Id) -> &'a str) -> Option<Id> {
        self.table.find(self.hasher.hash_one(name), |&id| name_of(id) == name).copied()
    }

    /// Adds one, unless one of this name is there already.
    pub(super) fn insert<'a>(&mut self, id: Id, name_of: impl Fn(Id) -> &'a str) -> bool {
        let name = name_of(id);
        let is_new = self.find(name, &name_of).is_none();
        if is_new {
            self.table.insert_unique(self.hasher.hash_one(name), id, |&id| self.hasher.hash_one(name_of(id)));
        }
        is_new
    }
}

/// A hash that is cheap for short names. The names in an index come from the descriptors, so a caller
/// cannot make them collide; a lookup visits at most one cluster of them.
#[inline]
fn hash(name: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = name.len() as u64;
    let mut chunks = name.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        hash = (hash ^ word).wrapping_mul(FACTOR).rotate_left(23);
    }
    for &byte in chunks.remainder() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(FACTOR).rotate_left(23);
    }
    hash ^ (hash >> 32)
}

/// Finds a position in a list by name: open addressing, at most half full.
#[derive(Debug, Default)]
pub(super) struct NameIndex {
    /// Position plus one; zero is an empty slot.
    slots: Box<[u16]>,
}

impl NameIndex {
    /// Builds the index of `(name, position)` pairs. Where a name comes twice the first one stays.
    pub(super) fn new(arena: &Arena, names: &[(Name, u16)], name_of: impl Fn(u16) -> [Name; 2]) -> Self {
        let mut slots = vec![0; (names.len() * 2).next_power_of_two().max(2)].into_boxed_slice();
        let mask = slots.len() - 1;
        for &(name, position) in names {
            let text = arena.text(name);
            let mut slot = hash(text.as_bytes()) as usize & mask;
            while let Some(&taken) = slots.get(slot).filter(|&&taken| taken != 0) {
                if name_of(taken - 1).iter().any(|&name| arena.text(name) == text) {
                    break;
                }
                slot = (slot + 1) & mask;
            }
            if slots[slot] == 0 {
                slots[slot] = position + 1;
            }
        }
        Self { slots }
    }

    /// The position for which `is_match` holds among those whose name may be `name`.
    #[inline]
    pub(super) fn find(&self, name: &[u8], is_match: impl Fn(u16) -> bool) -> Option<u16> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash(name) as usize & mask;
        loop {
            match self.slots[slot] {
                0 => return None,
                taken if is_match(taken - 1) => return Some(taken - 1),
                _ => slot = (slot + 1) & mask,
            }
        }
    }
}

/// Finds a position in a list by number.
#[derive(Debug)]
pub(super) enum NumberIndex {
    /// Position plus one at the number's place; for numbers that lie close together.
    Dense(Box<[u16]>),
    /// Sorted by number.
    Sparse(Box<[(i32, u16)]>),
}

impl Default for NumberIndex {
    fn default() -> Self {
        Self::Dense(Box::default())
    }
}

impl NumberIndex {
    /// Builds the index. Where a number comes twice the first position stays.
    pub(super) fn new(numbers: impl Iterator<Item = i32> + Clone) -> Self {
        let count = numbers.clone().count();
        let dense = usize::try_from(numbers.clone().max().unwrap_or(0)).unwrap_or(usize::MAX);
        if numbers.clone().all(|number| number >= 0) && dense <= 4 * count + 16 {
            let mut positions = vec![0; if count == 0 { 0 } else { dense + 1 }].into_boxed_slice();
            for (position, number) in numbers.enumerate() {
                let slot = &mut positions[number as usize];
                if *slot == 0 {
                    *slot = position as u16 + 1;
                }
            }
            return Self::Dense(positions);
        }
        let mut sorted: Vec<_> =
            numbers.enumerate().map(|(position, number)| (number, position as u16)).collect();
        sorted.sort_unstable();
        sorted.dedup_by_key(|&mut (number, _)| number);
        Self::Sparse(sorted.into())
    }

    #[inline]
    pub(super) fn find(&self, number: i32) -> Option<u16> {
        match self {
            Self::Dense(positions) => positions.get(usize::try_from(number).ok()?)?.checked_sub(1),
            Self::Sparse(sorted) => {
                let at = sorted.binary_search_by_key(&number, |&(number, _)| number).ok()?;
                sorted.get(at).map(|&(_, position)| position)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_share_one_place() {
        let mut interner = Interner::default();
        let [a, b, again] = ["name", "names", "name"].map(|text| interner.intern(text));
        assert_eq!(a, again);
        assert_ne!(a, b);
        assert_eq!(interner.finish().text(b), "names");
    }

    #[test]
    fn names_are_found_among_many() {
        let mut interner = Interner::default();
        let names: Vec<_> =
            (0..1000).map(|i| (interner.intern_with(|s| *s = format!("field_number_{i}")), i)).collect();
        let arena = interner.finish();
        let index = NameIndex::new(&arena, &names, |i| [names[i as usize].0; 2]);
        let find = |text: &str| index.find(text.as_bytes(), |i| arena.text(names[i as usize].0) == text);
        for i in 0..1000 {
            assert_eq!(find(&format!("field_number_{i}")), Some(i));
        }
        assert_eq!(find("field_number_1000"), None);
        assert_eq!(find(""), None);
        assert_eq!(NameIndex::default().find(b"x", |_| true), None);
    }

    #[test]
    fn numbers_are_found_dense_or_sparse() {
        for numbers in [vec![1, 2, 3, 9], vec![1, 536_870_911], vec![-1, 0, 1], vec![5, 5, 1], vec![]] {
            let index = NumberIndex::new(numbers.iter().copied());
            for number in -2..12 {
                let expected = numbers.iter().position(|&n| n == number).map(|p| p as u16);
                assert_eq!(index.find(number), expected, "{number} in {numbers:?}");
            }
        }
    }
}
