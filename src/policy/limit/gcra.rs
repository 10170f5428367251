//! The generic cell rate algorithm (ITU-T I.371, as virtual scheduling), over nanoseconds of a clock that only goes on.
//!
//! All that has to be kept for a rate is one moment: when all of its burst will be there again, as long as nothing more
//! is taken. Each that is taken puts it off by what one of them lasts; what would put it off by more than the burst lasts
//! is refused. From that follows that in no stretch of time more is admitted than the burst and what the rate makes of
//! the time, to the nanosecond: whoever took `n` has put the moment off by `n` times what one lasts, and that is never
//! more than the burst lasts and the time that went by.

use std::time::Duration;

use super::store::{Rate, Standing};

/// A rate, as it is calculated with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// How long one of them lasts, rounded up, so that there is never more than the rate says.
    each: u64,
    /// How long the burst does.
    room: u64,
}

impl Gcra {
    /// The numbers of a rate.
    pub fn of(rate: &Rate) -> Self {
        let period = u64::try_from(rate.period.as_nanos()).unwrap_or(u64::MAX);
        let each = period.div_ceil(rate.count.get().into()).max(1);
        Self { each, room: each.saturating_mul(rate.burst.get().into()) }
    }

    /// How long so many last, in nanoseconds.
    pub const fn cost(&self, weight: u32) -> u64 {
        self.each.saturating_mul(weight as u64)
    }

    /// Takes a weight: the moment when all of the burst will be there again then, in place of `full`.
    ///
    /// # Errors
    /// It is too early. How long it takes until it is not, if nothing else is taken; absent if the burst never holds
    /// that much.
    pub const fn take(&self, full: u64, now: u64, weight: u32) -> Result<u64, Option<u64>> {
        let cost = self.cost(weight);
        if cost > self.room {
            return Err(None);
        }
        let begin = if full > now { full } else { now };
        let next = begin.saturating_add(cost);
        match (next - now).checked_sub(self.room) {
            None | Some(0) => Ok(next),
            Some(early) => Err(Some(early)),
        }
    }

    /// Where the rate stands.
    pub fn standing(&self, full: u64, now: u64) -> Standing {
        let reset = full.saturating_sub(now);
        let remaining = self.room.saturating_sub(reset) / self.each;
        Standing { remaining, reset: Duration::from_nanos(reset) }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn rate(count: u32, period: Duration, burst: u32) -> Rate {
        let number = |number| NonZeroU32::new(number).unwrap();
        Rate { count: number(count), period, burst: number(burst) }
    }

    const SECOND: u64 = 1_000_000_000;

    /// The example of a burst and then one at a time, by hand: 10 in a second, 3 at once.
    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let gcra = Gcra::of(&rate(10, Duration::from_secs(1), 3));
        let tenth = SECOND / 10;
        let (mut full, start) = (0, 5 * SECOND);
        for (after, weight, expected) in [
            (0, 1, Ok(())),
            (0, 1, Ok(())),
            (0, 1, Ok(())),
            (0, 1, Err(Some(tenth))),
            (tenth - 1, 1, Err(Some(1))),
            (tenth, 1, Ok(())),
            (tenth, 1, Err(Some(tenth))),
            (3 * tenth, 2, Ok(())),
            (3 * tenth, 2, Err(Some(2 * tenth))),
            (3 * tenth, 4, Err(None)),
            (3 * tenth, u32::MAX, Err(None)),
            // The burst is there again and no more than it.
            (100 * tenth, 3, Ok(())),
            (100 * tenth, 1, Err(Some(tenth))),
        ] {
            let taken = gcra.take(full, start + after, weight);
            assert_eq!(taken.map(|_| ()), expected, "{weight} after {after}");
            full = taken.unwrap_or(full);
        }
        let standing = |after| {
            let Standing { remaining, reset } = gcra.standing(full, start + after);
            (remaining, reset.as_nanos() as u64)
        };
        assert_eq!(standing(100 * tenth), (0, 3 * tenth));
        assert_eq!(standing(101 * tenth - 1), (0, 2 * tenth + 1));
        assert_eq!(standing(101 * tenth), (1, 2 * tenth));
        assert_eq!(standing(200 * tenth), (3, 0));
        // A clock that was set back would only make the wait longer.
        assert_eq!(standing(0).0, 0);
    }

    /// A bucket of tokens, counted in whole parts of one: `count` parts come in each unit of `period`.
    struct Bucket {
        parts: u128,
        most: u128,
        at: u64,
    }

    /// An independent model: with periods that `count` divides both must always say the same.
    #[test]
    fn it_is_a_bucket_of_tokens() {
        let mut random = 88_172_645_463_325_252_u64;
        let mut next = |bound: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % bound
        };
        for (count, period, burst) in [(1, 7, 1), (10, 1000, 3), (5, 60, 5), (100, 100, 250), (3, 30_000, 1)]
        {
            let gcra = Gcra::of(&rate(count, Duration::from_nanos(period), burst));
            let (count, burst) = (u128::from(count), u128::from(burst));
            let mut bucket =
                Bucket { parts: burst * u128::from(period), most: burst * u128::from(period), at: 0 };
            let (mut now, mut full) = (0, 0);
            for _ in 0..20_000 {
                now += next(3) * next(period / count as u64 + 2);
                let weight = 1 + next(4) as u32;
                bucket.parts = bucket.most.min(bucket.parts + count * u128::from(now - bucket.at));
                bucket.at = now;
                let cost = u128::from(weight) * u128::from(period);
                let taken = gcra.take(full, now, weight);
                assert_eq!(taken.is_ok(), bucket.parts >= cost, "{count}/{period} at {now}");
                if let Ok(next) = taken {
                    (full, bucket.parts) = (next, bucket.parts - cost);
                }
                assert_eq!(u128::from(gcra.standing(full, now).remaining), bucket.parts / u128::from(period));
            }
        }
    }

    /// Also where the period cannot be divided: never more than the burst and what the rate makes of the time, and hardly
    /// less where somebody always wants more.
    #[test]
    fn never_more_than_the_burst_and_the_rate() {
        for (count, seconds, burst) in
            [(7, 1, 7), (1_000_000, 1, 1), (999_983, 1, 50), (13, 60, 4), (1, 86_400, 2)]
        {
            let gcra = Gcra::of(&rate(count, Duration::from_secs(seconds), burst));
            let (mut now, mut full, mut admitted) = (SECOND, 0, 0_u64);
            let start = now;
            for step in 0..10_000_u64 {
                now += step * step % 977 * (seconds * SECOND / u64::from(count) / 1_000).max(1);
                while let Ok(next) = gcra.take(full, now, 1) {
                    (full, admitted) = (next, admitted + 1);
                }
                let elapsed = u128::from(now - start) * u128::from(count) / u128::from(seconds * SECOND);
                let most = u128::from(burst) + elapsed;
                assert!(u128::from(admitted) <= most, "{admitted} of {most}");
                // One that may not wait for the next step is lost.
                let is_enough = burst == 1 || u128::from(admitted) * 1000 + 2000 >= most * 999;
                assert!(is_enough, "{admitted} of {most}");
            }
        }
    }

    #[test]
    fn numbers_at_their_ends_are_harmless() {
        let most = rate(1, Duration::MAX, u32::MAX);
        let gcra = Gcra::of(&most);
        assert!(gcra.take(u64::MAX, u64::MAX, u32::MAX).is_ok());
        assert!(gcra.take(u64::MAX, 0, u32::MAX).is_ok());
        let gcra = Gcra::of(&rate(u32::MAX, Duration::from_nanos(1), 1));
        assert_eq!(gcra.take(0, 0, 1), Ok(1));
        assert_eq!(Gcra::of(&rate(1, Duration::ZERO, 1)).take(0, 0, 1), Ok(1));
    }
}
