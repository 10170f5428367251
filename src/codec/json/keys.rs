//! Which keys of a map were there before: each key is remembered as a place in the output.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Maps with more keys than this are checked with a hash set; its hash is seeded, as keys come from
/// outside.
const FEW: usize = 12;

/// No more room than for so many keys is made before they are there.
const MANY: usize = 4096;

/// Start and length of a key in the output.
pub(in crate::codec) type Place = (usize, usize);

/// The keys of all maps that are open.
#[derive(Default)]
pub(in crate::codec) struct Keys {
    /// Those of maps with few keys, the innermost map last.
    few: [Place; 2 * FEW],
    length: usize,
    /// Those of all other maps, each with the number of its map. What closed maps leave behind stays until
    /// the outermost one is closed.
    many: HashTable<Key>,
    hasher: Option<DefaultHashBuilder>,
    /// How many maps were opened, and how many of them are open.
    opened: u32,
    open: usize,
}

/// A key in the hash set, kept small as there can be many.
#[derive(Clone, Copy)]
struct Key {
    start: usize,
    length: u32,
    map: u32,
}

impl Key {
    /// No key has 4 GiB: those that had would be told apart by their first 4 GiB.
    fn new(map: u32, (start, length): Place) -> Self {
        Self { start, length: u32::try_from(length).unwrap_or(u32::MAX), map }
    }

    #[inline]
    fn bytes<'o>(&self, output: &'o [u8]) -> &'o [u8] {
        bytes(output, (self.start, self.length as usize))
    }

    #[inline]
    fn hash(&self, hasher: &DefaultHashBuilder, output: &[u8]) -> u64 {
        hasher.hash_one(self.bytes(output)) ^ u64::from(self.map).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// One open map.
pub(in crate::codec) struct OpenMap {
    number: u32,
    base: usize,
    /// How much of the input was left behind its first key.
    left: usize,
    is_hashed: bool,
}

impl Keys {
    pub(in crate::codec) const fn open(&mut self) -> OpenMap {
        self.opened = self.opened.wrapping_add(1);
        self.open += 1;
        OpenMap { number: self.opened, base: self.length, left: 0, is_hashed: false }
    }

    #[inline]
    pub(in crate::codec) fn close(&mut self, map: &OpenMap) {
        self.length = map.base;
        self.open -= 1;
        if self.open == 0 && !self.many.is_empty() {
            self.forget();
        }
    }

    fn forget(&mut self) {
        if self.many.capacity() <= 2 * MANY {
            self.many.clear();
        } else {
            self.many = HashTable::new();
        }
    }

    /// Remembers a key of the innermost open map, behind which `left` bytes of input are left to read.
    /// Returns false if it was there before.
    #[inline]
    pub(in crate::codec) fn insert(
        &mut self,
        map: &mut OpenMap,
        output: &[u8],
        place: Place,
        left: usize,
    ) -> bool {
        if map.is_hashed {
            return self.insert_among_many(map.number, output, place);
        }
        let key = bytes(output, place);
        let before = self.few.get(map.base..self.length).unwrap_or_default();
        if before.iter().any(|&place| bytes(output, place) == key) {
            return false;
        }
        if before.is_empty() {
            map.left = left;
        }
        match self.few.get_mut(self.length) {
            Some(free) if self.length - map.base < FEW => {
                *free = place;
                self.length += 1;
                true
            }
            _ => {
                self.hash_all(map, output, left);
                self.insert_among_many(map.number, output, place)
            }
        }
    }

    fn insert_among_many(&mut self, map: u32, output: &[u8], place: Place) -> bool {
        let key = Key::new(map, place);
        let hasher = self.hasher.get_or_insert_default();
        let hash = key.hash(hasher, output);
        let is_same = |other: &Key| other.map == map && other.bytes(output) == key.bytes(output);
        if self.many.find(hash, is_same).is_some() {
            return false;
        }
        self.many.insert_unique(hash, key, |key| key.hash(hasher, output));
        true
    }

    /// Moves the keys of the innermost map to the hash set.
    #[cold]
    fn hash_all(&mut self, map: &mut OpenMap, output: &[u8], left: usize) {
        let hasher = self.hasher.get_or_insert_default();
        let hash_of = |key: &Key| key.hash(hasher, output);
        let keys = self.few.get(map.base..self.length).unwrap_or_default();
        // As many more as there will be if the others take as much of the input.
        let size = (map.left.saturating_sub(left) / keys.len().max(1)).max(1);
        self.many.reserve(2 * FEW + (left / size).min(MANY), hash_of);
        for &place in keys {
            let key = Key::new(map.number, place);
            self.many.insert_unique(hash_of(&key), key, hash_of);
        }
        self.length = map.base;
        map.is_hashed = true;
    }
}

#[inline]
fn bytes(output: &[u8], (start, length): Place) -> &[u8] {
    output.get(start..start + length).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_again_among_few_and_many_and_in_maps_inside_maps() {
        let output: Vec<u8> = (0..2000_u32).flat_map(u32::to_le_bytes).collect();
        let place = |key: usize| (key * 4, 4);
        for count in [1, FEW, FEW + 1, 2000] {
            let mut keys = Keys::default();
            let mut map = keys.open();
            for key in 0..count {
                assert!(keys.insert(&mut map, &output, place(key), 100), "{key} of {count}");
                let mut inner = keys.open();
                assert!(keys.insert(&mut inner, &output, place(0), 0));
                assert!(!keys.insert(&mut inner, &output, place(0), 0));
                if key % 100 == 0 {
                    // As many as make it a hash set of its own.
                    assert!((1..20).all(|key| keys.insert(&mut inner, &output, place(key), 0)));
                    assert!((0..20).all(|key| !keys.insert(&mut inner, &output, place(key), 0)));
                }
                keys.close(&inner);
            }
            for key in 0..count {
                assert!(!keys.insert(&mut map, &output, place(key), 100), "{key} of {count}");
            }
        }
    }
}
