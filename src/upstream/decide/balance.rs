//! Which of several targets a call goes to.

use http::HeaderName;

/// How targets share the calls of an upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Of two targets, the next in turn and one at random, the one with fewer calls in flight. Default.
    #[default]
    LeastRequest,
    /// One after the other.
    RoundRobin,
    /// Calls with the same value of this metadata go to the same target, as long as that has no more than a quarter
    /// above its share of the calls in flight. Calls without it are balanced by [`Balance::LeastRequest`].
    ConsistentHash(HeaderName),
}

/// The one of `count` candidates with fewer calls in flight: the next in turn, or one at random among the others. Taking
/// turns for the first spreads calls evenly while nothing is in flight. `count` is not 0.
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
    let others = count as u64 - 1;
    let second = (first + 1 + (random % others) as usize) % count;
    if load(second) < load(first) { second } else { first }
}

/// A candidate of [`consistent`].
#[derive(Clone, Copy, Debug)]
pub(in crate::upstream) struct Candidate {
    /// Which target it is.
    pub(in crate::upstream) index: usize,
    /// The [`hash`] of its name.
    pub(in crate::upstream) seed: u64,
    /// Its calls in flight.
    pub(in crate::upstream) load: u32,
}

/// The candidate that a key belongs to, by rendezvous hashing: the one for which key and target together hash highest.
/// A target that comes or goes moves its own keys only, and every gateway chooses alike.
///
/// One that would have more than 5/4 of the mean of the calls in flight is passed over for the next; as not all can be
/// above the mean, there is always one. `None` only without candidates.
pub(in crate::upstream) fn consistent(
    key: u64,
    candidates: impl Iterator<Item = Candidate> + Clone,
) -> Option<usize> {
    let (count, total) =
        candidates.clone().fold((0, 1), |(count, total), one| (count + 1, total + u64::from(one.load)));
    if count == 0 {
        return None;
    }
    let bound = (total * 5).div_ceil(4 * count);
    let fits = candidates.filter(|one| u64::from(one.load) < bound);
    fits.max_by_key(|one| (mix(key ^ one.seed), one.index)).map(|one| one.index)
}

/// A hash that is the same in every process: FNV-1a, and its bits mixed. Whoever chooses values that fall together gets
/// one target for them, up to its bound.
pub(in crate::upstream) fn hash(bytes: &[u8]) -> u64 {
    let fnv = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mix(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fnv))
}

/// The last step of SplitMix64.
fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn hashes_are_those_of_every_process() {
        // FNV-1a has 0xcbf29ce484222325 for nothing and 0xaf63dc4c8601ec8c for "a".
        assert_eq!(hash(b""), mix(0xcbf2_9ce4_8422_2325));
        assert_eq!(hash(b"a"), mix(0xaf63_dc4c_8601_ec8c));
    }
}
