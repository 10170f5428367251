//! Random numbers for names: of traces, spans and requests. They are not secrets.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

thread_local! {
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(std::process::id()));
}

/// The next number of this thread, by SplitMix64. Threads and processes begin at places that the standard library
/// seeds for its hash tables.
pub fn next() -> u64 {
    STATE.with(|state| {
        let seed = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(seed);
        mix(seed)
    })
}

/// Makes of each number another one that differs in all of its bits: the last step of SplitMix64.
pub const fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::next;

    #[test]
    fn threads_go_their_own_ways() {
        let numbers = || (0..1000).map(|_| next()).collect::<Vec<_>>();
        let other = std::thread::spawn(numbers).join().unwrap();
        let all: HashSet<_> = numbers().into_iter().chain(other).collect();
        assert_eq!(all.len(), 2000);
    }
}
