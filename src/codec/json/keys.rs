//! Which keys of a map were there before: each key is remembered as a place in the output.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use hashbrown::HashTable;

/// Maps with more keys than this are checked with a hash set; its hash is seeded, as keys come from
/// outside.
const FEW: usize = 12;

/// Start and length of a key in the output.
pub(super) type Place = (usize, usize);

/// The keys of all maps that are open, the innermost last.
#[derive(Default)]
pub(super) struct Keys {
    places: Vec<Place>,
    hasher: Option<RandomState>,
}

/// One open map.
pub(super) struct OpenMap {
    base: usize,
    table: Option<HashTable<Place>>,
}

impl Keys {
    pub(super) const fn open(&self) -> OpenMap {
        OpenMap { base: self.places.len(), table: None }
    }

    pub(super) fn close(&mut self, map: &OpenMap) {
        self.places.truncate(map.base);
    }

    /// Remembers a key of the innermost open map. Returns false if it was there before.
    pub(super) fn insert(&mut self, map: &mut OpenMap, output: &[u8], place: Place) -> bool {
        let bytes = |(start, length): Place| output.get(start..start + length).unwrap_or_default();
        let key = bytes(place);
        let Some(table) = &mut map.table else {
            let places = &self.places[map.base..];
            if places.iter().any(|&other| bytes(other) == key) {
                return false;
            }
            self.places.push(place);
            if self.places.len() - map.base > FEW {
                map.table = Some(self.hashed(map.base, bytes));
            }
            return true;
        };
        let hasher = self.hasher.get_or_insert_with(RandomState::new);
        let hash = hasher.hash_one(key);
        if table.find(hash, |&other| bytes(other) == key).is_some() {
            return false;
        }
        table.insert_unique(hash, place, |&place| hasher.hash_one(bytes(place)));
        true
    }

    fn hashed<'o>(&mut self, base: usize, bytes: impl Fn(Place) -> &'o [u8]) -> HashTable<Place> {
        let hasher = self.hasher.get_or_insert_with(RandomState::new);
        let hash = |&place: &Place| hasher.hash_one(bytes(place));
        let mut table = HashTable::with_capacity(4 * FEW);
        for &place in &self.places[base..] {
            table.insert_unique(hash(&place), place, hash);
        }
        table
    }
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
                assert!(keys.insert(&mut map, &output, place(key)), "{key} of {count}");
                let mut inner = keys.open();
                assert!(keys.insert(&mut inner, &output, place(0)));
                assert!(!keys.insert(&mut inner, &output, place(0)));
                keys.close(&inner);
            }
            for key in 0..count {
                assert!(!keys.insert(&mut map, &output, place(key)), "{key} of {count}");
            }
        }
    }
}
