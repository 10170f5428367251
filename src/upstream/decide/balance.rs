//! Which of several targets a call goes to.

use std::cell::Cell;

use http::HeaderName;

use crate::telemetry::random::mix;

/// How targets share the calls of an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Of two targets, the next in turn and one at random, the one with fewer calls in flight for its share. Default.
    #[default]
    LeastRequest,
    /// One after the other, each as often as its share says.
    RoundRobin,
    /// Calls that have this in common go to the same target, as long as that has no more than a quarter above its share of
    /// the calls in flight. Calls without it are balanced by [`Balance::LeastRequest`].
    ConsistentHash(Common),
}

/// What calls have in common that go to the same target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Common {
    /// The value of this metadata as it goes upstream, or else of this header of the caller.
    Header(HeaderName),
    /// The value of this cookie.
    Cookie(Box<str>),
    /// What is said of the caller under this name.
    Claim(Box<str>),
    /// The value of a field of the request, of which each method knows its own.
    Field,
}

/// The one of `count` candidates with fewer calls in flight: the next in turn, or one at random among the others. Taking
/// turns for the first spreads calls evenly while nothing is in flight. `count` is not 0. All shares are equal.
pub(in crate::upstream) fn least_request(
    count: usize,
    turn: usize,
    random: u64,
    load: impl Fn(usize) -> u32,
) -> usize {
    let first = turn % count;
    if count == 1 {
        return first;
    }
    let second = another(first, count, random);
    if load(second) < load(first) { second } else { first }
}

/// One of so many at random that is not the first one. `count` is at least 2.
const fn another(first: usize, count: usize, random: u64) -> usize {
    (first + 1 + (random % (count as u64 - 1)) as usize) % count
}

/// A candidate with a share of its own.
#[derive(Clone, Copy, Debug)]
pub(in crate::upstream) struct Shared<'a> {
    /// Its share, by those of the others; not 0.
    pub(in crate::upstream) share: u32,
    /// Its calls in flight.
    pub(in crate::upstream) load: u32,
    /// What it has to get from turns before.
    pub(in crate::upstream) credit: &'a Cell<i64>,
}

/// The candidate whose turn it is, by smooth weighted round robin: each is given its share, the one with the most pays
/// the sum of all shares. So each comes as often as its share says, and as evenly as can be; shares may change at any
/// time. `None` only without candidates.
pub(in crate::upstream) fn smooth<'a>(candidates: impl Iterator<Item = Shared<'a>>) -> Option<usize> {
    let mut best: Option<(usize, &Cell<i64>)> = None;
    let mut total = 0;
    for (place, candidate) in candidates.enumerate() {
        let credit = candidate.credit.get() + i64::from(candidate.share);
        candidate.credit.set(credit);
        total += i64::from(candidate.share);
        if best.is_none_or(|(_, most)| credit > most.get()) {
            best = Some((place, candidate.credit));
        }
    }
    let (place, credit) = best?;
    credit.set(credit.get() - total);
    Some(place)
}

/// As [`least_request`], where shares differ: the one whose turn it is, unless one at random has so few calls in flight for
/// its share that it has no more with this one. `None` only without candidates.
pub(in crate::upstream) fn least_of_shares<'a>(
    candidates: &(impl Iterator<Item = Shared<'a>> + Clone),
    random: u64,
) -> Option<usize> {
    let first = smooth(candidates.clone())?;
    let count = candidates.clone().count();
    if count == 1 {
        return Some(first);
    }
    let second = another(first, count, random);
    let at = |place| candidates.clone().nth(place).map(|one| (u64::from(one.load), u64::from(one.share)));
    let ((load, share), (other_load, other_share)) = (at(first)?, at(second)?);
    Some(if (other_load + 1) * share <= load * other_share { second } else { first })
}

/// A candidate of [`consistent`].
#[derive(Clone, Copy, Debug)]
pub(in crate::upstream) struct Candidate {
    /// Which target it is.
    pub(in crate::upstream) index: usize,
    /// The [`hash`](crate::call::hash::hash) of its name.
    pub(in crate::upstream) seed: u64,
    /// Its share, by those of the others; not 0.
    pub(in crate::upstream) share: u32,
    /// Its calls in flight.
    pub(in crate::upstream) load: u32,
}

/// The candidate that a key belongs to, by weighted rendezvous hashing: the one for which key and target together score
/// highest. A target that comes or goes moves its own keys only, as does one whose share changes, and every gateway
/// chooses alike.
///
/// One that would have more than 5/4 of its share of the calls in flight is passed over for the next; as not all can be
/// above their shares, there is always one. `None` only without candidates.
pub(in crate::upstream) fn consistent(
    key: u64,
    candidates: impl Iterator<Item = Candidate> + Clone,
) -> Option<usize> {
    let (mut shares, mut total, mut is_even, mut one_share) = (0, 1, true, 0);
    for one in candidates.clone() {
        shares += u64::from(one.share);
        total += u64::from(one.load);
        is_even &= one_share == 0 || one_share == one.share;
        one_share = one.share;
    }
    if shares == 0 {
        return None;
    }
    let bound = |share: u32| (total * 5 * u64::from(share)).div_ceil(4 * shares);
    let fits = candidates.filter(|one| u64::from(one.load) < bound(one.share));
    let drawn = |one: &Candidate| mix(key ^ one.seed);
    let owner = if is_even {
        // Where all shares are equal, the scores are in the order of what is drawn.
        fits.max_by_key(|one| (drawn(one), one.index))
    } else {
        let scored = fits.map(|one| (score(drawn(&one), one.share), one));
        scored
            .max_by(|(a, one), (b, other)| a.total_cmp(b).then(one.index.cmp(&other.index)))
            .map(|(_, one)| one)
    };
    owner.map(|one| one.index)
}

/// `-share / ln(u)`, where `u` between 0 and 1 was drawn: the highest of several belongs to each as often as its share
/// says (Schindelhauer and Schomaker, "Weighted distributed hash tables").
fn score(drawn: u64, share: u32) -> f64 {
    // The upper bits, as many as a float holds, and a half of the last, so that it is neither 0 nor 1.
    let part = ((drawn >> 12) as f64 + 0.5) / (1_u64 << 52) as f64;
    -f64::from(share) / part.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::hash::hash;

    #[test]
    fn the_one_with_fewer_calls_of_two_is_taken() {
        let loads = [3_u32, 1, 2];
        let load = |index: usize| loads[index];
        for (turn, random, expected) in
            [(0, 0, 1), (0, 1, 2), (1, 0, 1), (1, 1, 1), (2, 0, 2), (2, 1, 1), (3, 0, 1), (5, u64::MAX, 1)]
        {
            assert_eq!(least_request(3, turn, random, load), expected, "turn {turn}, random {random}");
        }
        assert_eq!(least_request(1, 7, 9, |_| 5), 0);
        // Without anything in flight they take turns, whatever the random number is.
        for turn in 0..9 {
            assert_eq!(least_request(3, turn, turn as u64 * 7, |_| 0), turn % 3);
        }
    }

    #[test]
    fn the_slowest_of_many_gets_the_fewest() {
        // Two choices: the one with the most in flight is never taken while the others have less.
        let loads = [0_u32, 0, 50, 0, 0];
        for turn in 0..100 {
            let chosen = least_request(5, turn, hash(&turn.to_le_bytes()), |index| loads[index]);
            assert_ne!(chosen, 2);
        }
    }

    fn candidates(loads: &[u32]) -> Vec<Candidate> {
        let candidate = |(index, load): (usize, &u32)| Candidate {
            index,
            seed: hash(format!("http://10.0.0.{index}:1").as_bytes()),
            share: 1,
            load: *load,
        };
        loads.iter().enumerate().map(candidate).collect()
    }

    fn owner(key: u32, of: &[Candidate]) -> usize {
        consistent(hash(&key.to_le_bytes()), of.iter().copied()).unwrap()
    }

    #[test]
    fn keys_are_spread_and_move_only_with_their_target() {
        let four = candidates(&[0; 4]);
        let mut counts = [0; 4];
        let mut moved = 0;
        for key in 0..4000 {
            let before = owner(key, &four);
            counts[before] += 1;
            let without = owner(key, &four[..3]);
            if before < 3 {
                assert_eq!(without, before, "key {key} has its target still");
            } else {
                moved += 1;
            }
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(moved, counts[3]);
        assert_eq!(consistent(1, [].into_iter()), None);
    }

    #[test]
    fn a_target_takes_no_more_than_five_quarters_of_its_share() {
        let mut three = candidates(&[0; 3]);
        let home = owner(7, &three);
        for _ in 0..90 {
            let chosen = owner(7, &three);
            three[chosen].load += 1;
        }
        assert_eq!(three.iter().map(|one| one.load).sum::<u32>(), 90);
        assert!(three[home].load >= 37, "{three:?}");
        assert!(three.iter().all(|one| one.load <= 38), "{three:?}");
        // Once the others are done, the key is at home again.
        three.iter_mut().for_each(|one| one.load = 0);
        assert_eq!(owner(7, &three), home);
    }

    #[test]
    fn keys_are_spread_by_shares_and_a_share_that_grows_takes_only_its_own() {
        let shared = |shares: [u32; 3]| {
            let mut three = candidates(&[0; 3]);
            three.iter_mut().zip(shares).for_each(|(one, share)| one.share = share);
            three
        };
        let (few, more, all) =
            (shared([1000, 3000, 100]), shared([1000, 3000, 500]), shared([1000, 3000, 1000]));
        let mut counts = [0; 3];
        for key in 0..5000 {
            let owners = [&few, &more, &all].map(|of| owner(key, of));
            counts[owners[2]] += 1;
            for pair in owners.windows(2) {
                assert!(
                    pair[0] == pair[1] || pair[1] == 2,
                    "key {key} moves to the one that grows: {owners:?}"
                );
            }
        }
        for (count, expected) in counts.iter().zip([1000_i32, 3000, 1000]) {
            assert!((count - expected).abs() < 150, "{counts:?}");
        }
        // Equal shares, however large, are no shares.
        let (ones, large) = (candidates(&[0; 3]), shared([700; 3]));
        assert!((0..200).all(|key| owner(key, &ones) == owner(key, &large)));
        // Each takes five quarters of its share at most.
        let mut loaded = shared([1, 3, 1]);
        for key in 0..100 {
            let chosen = owner(key % 2, &loaded);
            loaded[chosen].load += 1;
        }
        assert_eq!(loaded.iter().map(|one| one.load).sum::<u32>(), 100);
        assert!(loaded.iter().all(|one| one.load <= 25 * one.share), "{loaded:?}");
    }

    /// The places that are chosen one after the other.
    fn turns(
        shares: &[u32],
        loads: &[u32],
        count: usize,
        choose: impl Fn(Vec<Shared<'_>>) -> usize,
    ) -> Vec<usize> {
        let credits: Vec<_> = shares.iter().map(|_| Cell::new(0)).collect();
        let all = || {
            let each = shares.iter().zip(loads).zip(&credits);
            each.map(|((share, load), credit)| Shared { share: *share, load: *load, credit }).collect()
        };
        (0..count).map(|_| choose(all())).collect()
    }

    #[test]
    fn turns_come_as_often_as_shares_say_and_evenly() {
        let smooth = |all: Vec<Shared<'_>>| smooth(all.into_iter()).unwrap();
        assert_eq!(turns(&[5, 1, 1], &[0; 3], 14, smooth), [0, 0, 1, 0, 2, 0, 0, 0, 0, 1, 0, 2, 0, 0]);
        assert_eq!(turns(&[1, 1, 1], &[0; 3], 6, smooth), [0, 1, 2, 0, 1, 2]);
        assert_eq!(turns(&[3, 1], &[0; 2], 8, smooth), [0, 0, 1, 0, 0, 0, 1, 0]);
        assert_eq!(turns(&[1000], &[9], 2, smooth), [0, 0]);
        assert_eq!(super::smooth([].into_iter()), None);
    }

    #[test]
    fn a_call_goes_where_fewer_are_in_flight_for_the_share() {
        let least = |all: Vec<Shared<'_>>| least_of_shares(&all.iter().copied(), 0).unwrap();
        for (shares, loads, expected) in [
            // Nothing in flight: by turns.
            (&[3, 1][..], &[0, 0][..], &[0, 0, 1, 0][..]),
            // As much as there is for each part of their shares, and nearly so: by turns.
            (&[3, 1], &[3, 1], &[0, 0, 1, 0]),
            (&[3, 1], &[5, 1], &[0, 0, 1, 0]),
            (&[3, 1], &[6, 1], &[1, 1, 1, 1]),
            (&[3, 1], &[2, 5], &[0, 0, 0, 0]),
            (&[1, 1], &[9, 8], &[1, 1, 1, 1]),
            (&[7], &[9], &[0, 0, 0, 0]),
        ] {
            assert_eq!(turns(shares, loads, 4, least), expected, "{shares:?} {loads:?}");
        }
        assert_eq!(least_of_shares(&[].into_iter(), 5), None);
    }
}
