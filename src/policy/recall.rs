//! Which keys were found before, so that a key is looked up by its SHA-256 hash once and not for every call.
//!
//! A key is recalled by a mark of 128 bits, made by SipHash with a secret of this table: nobody can tell which texts have the
//! same mark as a key that they do not know, and no mark ever leaves the table. What never fitted in is looked up again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;

use aws_lc_rs::constant_time::verify_slices_are_equal;

/// How many keys are recalled at most, a power of two. Each takes 32 bytes.
const MAX_SLOTS: usize = 1 << 17;
/// How many places there are for a key.
const PLACES: usize = 4;

/// The keys that were found, by their marks. It is only ever added to, and dropped together with the keys.
#[derive(Debug)]
pub(super) struct Recall {
    secret: RandomState,
    /// As many as a power of two.
    slots: Box<[OnceLock<(Mark, usize)>]>,
}

/// What a key is recalled by.
pub(super) type Mark = [u8; 16];

impl Recall {
    /// Room for so many keys, within bounds.
    pub(super) fn new(keys: usize) -> Self {
        let count = keys.saturating_mul(2).min(MAX_SLOTS).next_power_of_two();
        let slots = std::iter::repeat_with(OnceLock::new).take(count).collect();
        Self { secret: RandomState::new(), slots }
    }

    /// The mark of a key.
    pub(super) fn mark(&self, key: &[u8]) -> Mark {
        let mut hasher = self.secret.build_hasher();
        hasher.write(key);
        let first = hasher.finish();
        // The hash of the key with one byte more, of which the first one tells nothing.
        hasher.write_u8(0xff);
        (u128::from(first) << 64 | u128::from(hasher.finish())).to_be_bytes()
    }

    /// What was noted for a mark.
    pub(super) fn find(&self, mark: &Mark) -> Option<usize> {
        let mut known = self.places(mark).map_while(OnceLock::get);
        known.find(|(other, _)| verify_slices_are_equal(other, mark).is_ok()).map(|(_, position)| *position)
    }

    /// Notes the position of a key, if there is a place for it.
    pub(super) fn note(&self, mark: Mark, position: usize) {
        let _ = self.places(&mark).find(|slot| slot.set((mark, position)).is_ok());
    }

    /// Where a mark may be, one place after the other. Behind one that is free there is nothing.
    fn places(&self, mark: &Mark) -> impl Iterator<Item = &OnceLock<(Mark, usize)>> {
        let first = mark.first_chunk().map_or(0, |first| usize::from_be_bytes(*first));
        (0..PLACES).map(move |step| &self.slots[first.wrapping_add(step) & (self.slots.len() - 1)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_recalled_and_nothing_else() {
        let recall = Recall::new(1000);
        let key = |number: usize| format!("trk_{number:043}").into_bytes();
        for number in 0..1000 {
            assert_eq!(recall.find(&recall.mark(&key(number))), None, "{number}");
            recall.note(recall.mark(&key(number)), number);
        }
        let found: Vec<_> =
            (0..1000).filter_map(|number| Some((number, recall.find(&recall.mark(&key(number)))?))).collect();
        assert!(found.iter().all(|(number, found)| number == found));
        // Half of the places are free, so that few find all of theirs taken.
        assert!(found.len() > 900, "{}", found.len());
        assert!((1000..2000).all(|number| recall.find(&recall.mark(&key(number))).is_none()));
        // Another process, or the next generation, has other marks.
        assert_ne!(recall.mark(b"a"), Recall::new(1000).mark(b"a"));
    }

    #[test]
    fn the_room_is_bounded() {
        for (keys, slots) in [(0, 1), (1, 2), (3, 8), (1 << 16, MAX_SLOTS), (usize::MAX, MAX_SLOTS)] {
            assert_eq!(Recall::new(keys).slots.len(), slots, "{keys}");
        }
        let recall = Recall::new(1);
        (0..100_u32).for_each(|number| recall.note(recall.mark(&number.to_be_bytes()), number as usize));
        let found = (0..100_u32).filter(|number| recall.find(&recall.mark(&number.to_be_bytes())).is_some());
        assert_eq!(found.count(), 2);
    }
}
