//! Days and months in UTC, by the Gregorian calendar, and how much of a quota is used in one.
//!
//! A window has a number: days since 1970-01-01, or months since January 1970. What is used is kept as one number, with
//! that of its window above it: what belongs to an earlier window is used no more.

use std::time::Duration;

use super::store::{Quota, Standing, Window};

const DAY: u64 = 24 * 60 * 60;
/// The days in 400 years.
const ERA: u64 = 146_097;

/// Of the number that is kept, the bits for what is used; the rest are those of the window: enough for days up to the year
/// 9999.
pub(super) const USED_BITS: u32 = 41;
/// The most of a quota that can be told apart.
pub const MAX_USED: u64 = (1 << USED_BITS) - 1;

/// What is kept of a quota of which so much is used in the window of this number.
pub const fn kept(number: u64, used: u64) -> u64 {
    let used = if used < MAX_USED { used } else { MAX_USED };
    number << USED_BITS | used
}

/// What time it is.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// Nanoseconds of a clock that only goes on.
    pub nanos: u64,
    /// The date.
    pub date: Date,
}

/// A moment in UTC, in seconds since 1970, with the numbers of its windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    seconds: u64,
    day: u64,
    month: u64,
}

impl Date {
    /// The date so many seconds after 1970.
    pub const fn of(seconds: u64) -> Self {
        let day = seconds / DAY;
        Self { seconds, day, month: month_of(day) }
    }

    const fn number(&self, window: Window) -> u64 {
        match window {
            Window::Day => self.day,
            Window::Month => self.month,
        }
    }

    /// The seconds from now to the end of a window with this number.
    const fn until_end(&self, window: Window, number: u64) -> u64 {
        let days = match window {
            Window::Day => number + 1,
            Window::Month => first_day(number + 1),
        };
        (days * DAY).saturating_sub(self.seconds)
    }

    /// Takes a weight from a quota of which this is kept: what is to be kept then.
    ///
    /// # Errors
    /// There is not so much left. How many seconds it takes until there is; absent if the quota is never that much.
    pub fn take(&self, quota: &Quota, kept: u64, weight: u32) -> Result<u64, Option<u64>> {
        let (number, used) = self.present(quota.window, kept);
        let (weight, most) = (u64::from(weight), quota.count.get().min(MAX_USED));
        if weight > most {
            return Err(None);
        }
        match used + weight {
            used if used <= most => Ok(number << USED_BITS | used),
            _ => Err(Some(self.until_end(quota.window, number))),
        }
    }

    /// Where a quota stands of which this is kept.
    pub fn standing(&self, quota: &Quota, kept: u64) -> Standing {
        let (number, used) = self.present(quota.window, kept);
        let reset = if used == 0 { 0 } else { self.until_end(quota.window, number) };
        let remaining = quota.count.get().min(MAX_USED).saturating_sub(used);
        Standing { remaining, reset: Duration::from_secs(reset) }
    }

    /// The window that counts now, and how much of it is used. It is never one before that of what is kept, whatever the
    /// clock says: set back, it gives nobody more.
    const fn present(&self, window: Window, kept: u64) -> (u64, u64) {
        let (number, held) = (self.number(window), kept >> USED_BITS);
        if held < number { (number, 0) } else { (held, kept & MAX_USED) }
    }

    /// After how many seconds what is kept means nothing any more, and how much is used; nothing if that is so now.
    pub const fn left(&self, window: Window, kept: u64) -> Option<(u64, u64)> {
        match self.present(window, kept) {
            (_, 0) => None,
            (number, used) => Some((self.until_end(window, number), used)),
        }
    }
}

/// The months from January 1970 to a day. Years begin in March here, so that the day that is sometimes missing is the
/// last one.
const fn month_of(day: u64) -> u64 {
    // 719,468 days from March of the year 0 to 1970.
    let day = day + 719_468;
    let (era, day) = (day / ERA, day % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // From March of the year 0; January 1970 is 1969 years and 10 months later.
    (era * 400 + year) * 12 + (5 * day + 2) / 153 - (1969 * 12 + 10)
}

/// The days from 1970-01-01 to the first of a month.
const fn first_day(month: u64) -> u64 {
    let months = month + 1969 * 12 + 10;
    let (year, month) = (months / 12, months % 12);
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 - 719_468
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    fn quota(count: u64, window: Window) -> Quota {
        Quota { count: NonZeroU64::new(count).unwrap(), window }
    }

    /// Counts the months one by one, with the lengths that everybody knows.
    #[test]
    fn months_are_those_of_the_calendar() {
        let mut day = 0;
        let mut month = 0;
        for year in 1970..2420_u64 {
            let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
            for length in [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
                assert_eq!(first_day(month), day, "{year}, month {month}");
                assert_eq!((month_of(day), month_of(day + length - 1)), (month, month), "{year}");
                (day, month) = (day + length, month + 1);
            }
        }
    }

    #[test]
    fn quotas_begin_anew_with_their_window() {
        // `date -u -d 2028-02-29T23:59:50Z +%s`
        let leap = 1_835_481_590;
        let (day, month) = (quota(3, Window::Day), quota(3, Window::Month));
        for (quota, wait) in [(day, 10), (month, 10)] {
            let before = Date::of(leap);
            let mut kept = 0;
            for weight in [1, 2] {
                kept = before.take(&quota, kept, weight).unwrap();
            }
            assert_eq!(before.take(&quota, kept, 1), Err(Some(wait)));
            assert_eq!(
                before.standing(&quota, kept),
                Standing { remaining: 0, reset: Duration::from_secs(wait) }
            );
            assert_eq!(Date::of(leap + 9).take(&quota, kept, 1), Err(Some(1)));
            let after = Date::of(leap + 10);
            assert_eq!(after.standing(&quota, kept), Standing { remaining: 3, reset: Duration::ZERO });
            assert_eq!(after.left(quota.window, kept), None);
            let fresh = after.take(&quota, kept, 3).unwrap();
            assert!(after.take(&quota, fresh, 1).is_err());
            // The clock is set back: what was used stays used, and nothing is given again.
            assert_eq!(before.take(&quota, fresh, 1).map_err(|wait| wait > Some(10)), Err(true));
            assert!(after.take(&quota, fresh, 1).is_err());
        }
        assert_eq!(Date::of(leap).take(&day, 0, 4), Err(None));
        // The first of March is 31 days before the end of its month.
        let march = Date::of(leap + 10);
        let kept = march.take(&month, 0, 3).unwrap();
        assert_eq!(march.take(&month, kept, 1), Err(Some(31 * DAY)));
    }

    #[test]
    fn numbers_at_their_ends_are_harmless() {
        let most = quota(u64::MAX, Window::Day);
        let date = Date::of(253_402_300_799);
        let kept = date.take(&most, date.day << USED_BITS | (MAX_USED - 1), 1).unwrap();
        assert!(matches!(date.take(&most, kept, 1), Err(Some(_))));
        assert_eq!(date.standing(&most, kept).remaining, 0);
        assert_eq!(Date::of(0).take(&quota(1, Window::Month), 0, 1), Ok(1));
        assert!(Date::of(0).take(&most, u64::MAX, u32::MAX).is_err());
    }
}
