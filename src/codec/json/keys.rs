//! Which keys of a map were there before: each key is remembered as a place in the output.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Maps with more keys than this are checked with a hash set; its hash is seeded, as keys come from
/// outside.
const FEW: usize = 12;

/// No more room than for so many keys is made before they are there.
const MANY: usize = 4096;

/// Start and length of a key in the output.
pub(super) type Place = (usize, usize);

/// The keys of all maps that are open, the innermost last.
#[derive(Default)]
pub(super) struct Keys {
    /// The first ones, so that a message with a small map needs no memory for it.
    first: [Place; FEW + 1],
    more: Vec<Place>,
    length: usize,
    hasher: Option<DefaultHashBuilder>,
    /// The table of a map that was closed, for the next one.
    spare: Option<HashTable<Place>>,
}

/// One open map.
pub(super) struct OpenMap {
    base: usize,
    /// Where its first key was put.
    start: usize,
    table: Option<HashTable<Place>>,
}

impl Keys {
    pub(super) const fn open(&self) -> OpenMap {
        OpenMap { base: self.length, start: 0, table: None }
    }

    pub(super) fn close(&mut self, map: OpenMap) {
        self.length = map.base;
        self.more.truncate(self.length.saturating_sub(self.first.len()));
        if let Some(mut table) = map.table
            && table.capacity() <= MANY
        {
            table.clear();
            self.spare = Some(table);
        }
    }

    /// Remembers a key of the innermost open map, behind which `left` bytes of input are left to read.
    /// Returns false if it was there before.
    #[inline]
    pub(super) fn insert(&mut self, map: &mut OpenMap, output: &[u8], place: Place, left: usize) -> bool {
        if map.table.is_some() {
            return self.insert_among_many(map, output, place);
        }
        let key = bytes(output, place);
        if (map.base..self.length).any(|at| bytes(output, self.place(at)) == key) {
            return false;
        }
        if self.length == map.base {
            map.start = place.0;
        }
        match self.first.get_mut(self.length) {
            Some(first) => *first = place,
            None => self.more.push(place),
        }
        self.length += 1;
        if self.length - map.base > FEW {
            // As many more as there will be if the others are as long.
            let length = (place.0 - map.start).max(FEW) / FEW;
            map.table = Some(self.hashed(map.base, output, (left / length).min(MANY)));
        }
        true
    }

    fn place(&self, at: usize) -> Place {
        self.first.get(at).or_else(|| self.more.get(at - self.first.len())).copied().unwrap_or_default()
    }

    fn insert_among_many(&mut self, map: &mut OpenMap, output: &[u8], place: Place) -> bool {
        let key = bytes(output, place);
        let Some(table) = &mut map.table else { return true };
        let hasher = self.hasher.get_or_insert_default();
        let hash = hasher.hash_one(key);
        if table.find(hash, |&other| bytes(output, other) == key).is_some() {
            return false;
        }
        table.insert_unique(hash, place, |&place| hasher.hash_one(bytes(output, place)));
        true
    }

    fn hashed(&mut self, base: usize, output: &[u8], more: usize) -> HashTable<Place> {
        let hasher = self.hasher.get_or_insert_default().clone();
        let hash = |&place: &Place| hasher.hash_one(bytes(output, place));
        let mut table = self.spare.take().unwrap_or_else(|| HashTable::with_capacity(2 * FEW + more));
        for place in (base..self.length).map(|at| self.place(at)) {
            table.insert_unique(hash(&place), place, hash);
        }
        table
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
                keys.close(inner);
            }
            for key in 0..count {
                assert!(!keys.insert(&mut map, &output, place(key), 100), "{key} of {count}");
            }
        }
    }
}
