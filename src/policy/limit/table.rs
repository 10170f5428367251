//! Counts by their keys, in memory that has a bound.
//!
//! Open addressing with linear probing, within 64 places of the one where a key belongs. What has come to mean the same
//! as nothing (a rate whose burst is all there, a quota of a window that is over) stays where it is until its place is
//! needed, so that there is nothing to sweep. A table grows when 64 places in a row are needed, to its bound; what
//! it holds moves along bit by bit. At the bound the count makes way that will mean nothing soonest: it is lost, and
//! whoever it belongs to begins anew.
//!
//! Keys are hashes that nobody outside can calculate, so that nobody can aim at a place.

use super::calendar::Now;
use super::store::Window;

/// How many places a key may stand in.
const WINDOW: usize = 64;
/// How many counts move to the table's larger place at a time.
const MOVES: usize = 32;
/// The largest number of places, of 16 bytes each.
pub(super) const MAX_PLACES: usize = 1 << 14;

/// What is counted: the two lowest bits of a key. None of them is 0, so that no key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Tag {
    Rate = 1,
    Day = 2,
    Month = 3,
}

impl From<Window> for Tag {
    fn from(window: Window) -> Self {
        match window {
            Window::Day => Self::Day,
            Window::Month => Self::Month,
        }
    }
}

/// The key of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(u64);

impl Key {
    pub(super) const fn new(hash: u64, tag: Tag) -> Self {
        Self(hash & !3 | tag as u64)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// 0 as long as nothing was here.
    key: u64,
    count: u64,
}

impl Place {
    /// How long it still means something, and how much; nothing if it does not any more.
    fn left(self, now: &Now) -> Option<(u64, u64)> {
        let window = match self.key & 3 {
            0 => return None,
            1 => return self.count.checked_sub(now.nanos).filter(|left| *left > 0).map(|left| (left, 0)),
            2 => Window::Day,
            _ => Window::Month,
        };
        let (seconds, used) = now.date.left(window, self.count)?;
        Some((seconds.saturating_mul(1_000_000_000), used))
    }
}

/// Counts by their keys.
#[derive(Debug, Default)]
pub(super) struct Table {
    places: Vec<Place>,
    /// Where the counts were before the table grew.
    before: Vec<Place>,
    /// How many of those have moved.
    moved: usize,
}

impl Table {
    /// How many places it has.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    /// The count of a key, 0 if there is none.
    pub(super) fn count(&self, key: Key) -> u64 {
        let found = find(&self.places, key).or_else(|| find(&self.before, key));
        found.unwrap_or_default()
    }

    /// Sets the count of a key.
    pub(super) fn set(&mut self, key: Key, count: u64, now: &Now) {
        if !self.before.is_empty() {
            self.move_some(now);
        }
        let place = Place { key: key.0, count };
        if self.places.is_empty() {
            self.places = vec![Place::default(); WINDOW];
        }
        let room = room(&self.places, key, now);
        if room.is_lost && self.before.is_empty() && self.places.len() < MAX_PLACES {
            let more = vec![Place::default(); 2 * self.places.len()];
            self.before = std::mem::replace(&mut self.places, more);
            self.moved = 0;
            return self.set(key, count, now);
        }
        self.places[room.at] = place;
    }

    /// Moves a few counts to where they belong now, unless that is known there already.
    fn move_some(&mut self, now: &Now) {
        let until = self.before.len().min(self.moved + MOVES);
        for at in self.moved..until {
            let place = self.before[at];
            let key = Key(place.key);
            if place.left(now).is_some() && find(&self.places, key).is_none() {
                let room = room(&self.places, key, now);
                self.places[room.at] = place;
            }
        }
        self.moved = until;
        if until == self.before.len() {
            self.before = Vec::new();
        }
    }
}

/// The positions where a key may stand.
fn positions(places: &[Place], key: Key) -> impl Iterator<Item = usize> {
    let mask = places.len().wrapping_sub(1);
    let home = (key.0 >> 2) as usize;
    (0..WINDOW.min(places.len())).map(move |step| home.wrapping_add(step) & mask)
}

fn find(places: &[Place], key: Key) -> Option<u64> {
    for at in positions(places, key) {
        match places[at].key {
            found if found == key.0 => return Some(places[at].count),
            0 => return None,
            _ => {}
        }
    }
    None
}

/// Where the count of a key goes.
struct Room {
    at: usize,
    /// Whether what is there still means something.
    is_lost: bool,
}

fn room(places: &[Place], key: Key, now: &Now) -> Room {
    let mut free = None;
    let mut soonest = ((u64::MAX, u64::MAX), 0);
    for at in positions(places, key) {
        let place = places[at];
        if place.key == key.0 {
            return Room { at, is_lost: false };
        }
        match place.left(now) {
            None => free = free.or(Some(at)),
            Some(left) if left < soonest.0 => soonest = (left, at),
            Some(_) => {}
        }
        // Nothing was ever behind a place that is empty.
        if place.key == 0 {
            break;
        }
    }
    free.map_or(Room { at: soonest.1, is_lost: true }, |at| Room { at, is_lost: false })
}

#[cfg(test)]
mod tests {
    use super::super::calendar::{Date, USED_BITS};
    use super::*;
    use crate::telemetry::random::mix;

    fn now(nanos: u64) -> Now {
        Now { nanos, date: Date::of(1_800_000_000 + nanos / 1_000_000_000) }
    }

    fn key(number: u64) -> Key {
        Key::new(mix(number), Tag::Rate)
    }

    /// While there is room nothing is lost, however the table grows meanwhile.
    #[test]
    fn counts_are_found_while_the_table_grows() {
        let mut table = Table::default();
        for number in 1..=(MAX_PLACES as u64 / 2) {
            table.set(key(number), number << 40, &now(1));
            if number.is_power_of_two() {
                for number in 1..=number {
                    assert_eq!(table.count(key(number)), number << 40);
                }
            }
        }
        assert_eq!(table.places(), MAX_PLACES);
        assert_eq!(table.count(key(u64::MAX)), 0);
        table.set(key(7), 8 << 40, &now(1));
        assert_eq!(table.count(key(7)), 8 << 40);
    }

    /// Keys that come and go need no more room than those that are there at a time.
    #[test]
    fn what_means_nothing_takes_no_room() {
        let mut table = Table::default();
        for number in 1..200_000 {
            // Each lasts for 50 steps.
            table.set(key(number), number + 50, &now(number));
            assert_eq!(table.count(key(number)), number + 50);
        }
        assert!(table.places() <= 256, "{}", table.places());
    }

    /// At the bound those stay that have the longest to go.
    #[test]
    fn at_the_bound_the_soonest_makes_way() {
        let mut table = Table::default();
        // Some who have used up a lot, and then a flood of others who have done so little.
        let heavy = 500;
        for number in 1..=heavy {
            table.set(key(number), u64::MAX >> 2, &now(1));
        }
        for number in heavy..heavy + 20 * MAX_PLACES as u64 {
            table.set(key(1 << 40 | number), 1_000 + number, &now(1));
        }
        assert_eq!(table.places(), MAX_PLACES);
        assert!(table.before.is_empty());
        for number in 1..=heavy {
            assert_eq!(table.count(key(number)), u64::MAX >> 2, "{number}");
        }
        // The last of the flood are known too.
        let last = heavy + 20 * MAX_PLACES as u64 - 1;
        assert_eq!(table.count(key(1 << 40 | last)), 1_000 + last);
    }

    /// Of quotas those make way of which the least is used.
    #[test]
    fn quotas_stay_that_are_used_most() {
        let mut table = Table::default();
        let today = 1_800_000_000 / 86_400;
        let quota = |number| Key::new(mix(number), Tag::Day);
        for number in 1..=100 {
            table.set(quota(number), today << USED_BITS | 10_000, &now(1));
        }
        for number in 101..10 * MAX_PLACES as u64 {
            table.set(quota(number), today << USED_BITS | 1, &now(1));
        }
        for number in 1..=100 {
            assert_eq!(table.count(quota(number)), today << USED_BITS | 10_000, "{number}");
        }
    }
}
