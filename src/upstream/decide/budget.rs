//! How many of an upstream's calls may be sent again.
//!
//! When everything fails, calls that are sent again are load on backends that have too much of it. So they may be a
//! part of what was asked for in the last seconds and no more, all causes and all cores together.

use super::window::{CELLS, Window};

/// How many seconds are looked back at.
pub const SECONDS: u64 = CELLS;

/// How many calls may be sent again in a second, however few calls there are.
pub const FLOOR: u64 = 3;

/// Calls that were sent again.
#[derive(Debug, Default)]
pub(in crate::upstream) struct Budget {
    spent: Window,
}

impl Budget {
    /// Takes one of what may be sent again: `millionths` of the `requests` of the last [`SECONDS`], or [`FLOOR`] for each
    /// second if that is more. False when all was taken.
    pub(in crate::upstream) fn take(&self, second: u64, requests: u64, millionths: u32) -> bool {
        self.spent.add(second);
        let share = requests.saturating_mul(millionths.into()) / 1_000_000;
        let floor = if millionths == 0 { 0 } else { FLOOR * SECONDS };
        if self.spent.sum(second) <= share.max(floor) {
            return true;
        }
        self.spent.take_back(second);
        false
    }

    /// Counts one that goes out whatever is left, so that others find less.
    pub(in crate::upstream) fn note(&self, second: u64) {
        self.spent.add(second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_calls_may_be_sent_again_and_three_a_second_in_any_case() {
        let take = |budget: &Budget, second, requests, millionths| {
            (0..10_000).take_while(|_| budget.take(second, requests, millionths)).count()
        };
        for (requests, millionths, expected) in [
            (0, 200_000, 30),
            (100, 200_000, 30),
            (150, 200_000, 30),
            (500, 200_000, 100),
            (5000, 200_000, 1000),
            (5000, 0, 0),
            (u64::MAX, 1_000_000, 10_000),
        ] {
            assert_eq!(take(&Budget::default(), 7, requests, millionths), expected, "{requests}");
        }
        let budget = Budget::default();
        assert_eq!(take(&budget, 0, 500, 200_000), 100);
        assert_eq!(take(&budget, 9, 500, 200_000), 0);
        assert_eq!(take(&budget, 10, 500, 200_000), 100, "ten seconds later");
    }

    #[test]
    fn what_goes_out_by_itself_leaves_less_for_others() {
        let budget = Budget::default();
        (0..25).for_each(|_| budget.note(3));
        assert_eq!((0..10).filter(|_| budget.take(4, 0, 200_000)).count(), 5);
    }

    /// 50 calls a second that all fail: what is sent stays within 1.2 times what was asked for.
    #[test]
    fn under_full_failure_at_most_a_fifth_is_added() {
        let (budget, requests) = (Budget::default(), Window::default());
        let (mut asked, mut sent) = (0_u64, 0_u64);
        for second in 0..60 {
            for _ in 0..50 {
                requests.add(second);
                asked += 1;
                sent += 1 + u64::from(budget.take(second, requests.sum(second), 200_000));
            }
        }
        assert!(sent * 10 <= asked * 12, "{sent} for {asked}");
        assert!(sent * 100 >= asked * 118, "{sent} for {asked}");
    }
}
