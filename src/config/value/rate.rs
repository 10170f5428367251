//! How often something may be done: `100/min`, `10/s burst 20`; and how much of it in a day or a month: `10000/day`.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const RATE_HINT: &str = "Write a number and s, min, h or day, with `burst` and how many may come at once if that is \
                         another number: 100/min, or 10/s burst 20.";
const QUOTA_HINT: &str = "Write a number and day or month: 10000/day or 100000/month.";

/// The units of rates, in seconds.
const UNITS: [(&str, u64); 4] = [("s", 1), ("min", 60), ("h", 60 * 60), ("day", DAY)];
const DAY: u64 = 24 * 60 * 60;

/// The most in a second. Beyond, what is counted would be coarser than clocks are.
const MAX_PER_SECOND: u64 = 1_000_000;
/// The longest that it may take until all of a burst is there again, in seconds.
const MAX_REFILL: u64 = 366 * DAY;
/// The largest quota.
const MAX_QUOTA: u64 = 1_000_000_000_000;

/// So many in a period, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many in a period.
    pub count: NonZeroU32,
    /// The period.
    pub period: Duration,
    /// How many at once. As many as in a period unless it is written.
    pub burst: NonZeroU32,
}

/// Why numbers are no rate.
pub(super) enum Unfit {
    /// There is no such unit of time.
    Unit,
    /// It is more than a million in a second.
    Often,
    /// It takes more than 366 days until all of the burst is there again.
    Long,
}

impl Unfit {
    /// What is wrong with a text, of which there may be `most` in a second.
    pub(super) fn flaw(self, text: &str, most: &str, unit: impl FnOnce() -> Flaw) -> Flaw {
        let text = quote(text);
        match self {
            Self::Unit => unit(),
            Self::Often => Flaw::new(
                format!("{text} is more than {most} in a second."),
                "Write a lower rate, or none at all.",
            ),
            Self::Long => Flaw::new(
                format!("{text} takes more than 366 days until all of its burst is there again."),
                "Write a smaller burst or a higher rate.",
            ),
        }
    }
}

impl Rate {
    /// So many in a unit of time, and so many at once.
    pub(super) fn new(count: NonZeroU32, unit: &str, burst: NonZeroU32) -> Result<Self, Unfit> {
        let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or(Unfit::Unit)?;
        let (each, all) = (u64::from(count.get()), u64::from(burst.get()));
        if each > MAX_PER_SECOND * seconds {
            return Err(Unfit::Often);
        }
        if all * seconds / each > MAX_REFILL {
            return Err(Unfit::Long);
        }
        Ok(Self { count, period: Duration::from_secs(seconds), burst })
    }
}

/// Takes `COUNT/UNIT` or `COUNT/UNIT burst BURST` apart.
pub(super) fn words(text: &str) -> Option<(&str, &str, Option<&str>)> {
    let mut words = text.split_ascii_whitespace();
    let (count, unit) = words.next()?.split_once('/')?;
    match (words.next(), words.next(), words.next()) {
        (None, ..) => Some((count, unit, None)),
        (Some("burst"), burst @ Some(_), None) => Some((count, unit, burst)),
        _ => None,
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.period.as_secs();
        let unit = UNITS.iter().find(|(_, unit)| *unit == seconds).map_or("?", |(name, _)| name);
        write!(f, "{}/{unit}", self.count)?;
        if self.burst == self.count { Ok(()) } else { write!(f, " burst {}", self.burst) }
    }
}

impl Scalar for Rate {
    const WHAT: &'static str = "a rate such as 100/min";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let none = || Flaw::new(format!("{} is no rate.", quote(text)), RATE_HINT);
        let (count, unit, burst) = words(text).ok_or_else(none)?;
        let is_unit = UNITS.iter().any(|(name, _)| *name == unit);
        let numbers = || Some((number(count)?, burst.map_or_else(|| number(count), number)?));
        let (count, burst) = match numbers() {
            Some(numbers) => numbers,
            None if is_unit => return Err(none()),
            None => (NonZeroU32::MIN, NonZeroU32::MIN),
        };
        Self::new(count, unit, burst).map_err(|unfit| {
            unfit.flaw(text, "a million", || {
                let hint = match unit {
                    "month" => "Write it under `quotas`, which begin anew with each month: 100000/month.",
                    _ => RATE_HINT,
                };
                Flaw::new(format!("{} is not a unit of rates.", quote(unit)), hint)
            })
        })
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+/(s|min|h|day)( +burst +[0-9]+)?$" })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

/// So many from the beginning of a day or a month to its end, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Quota {
    /// How many.
    pub count: NonZeroU64,
    /// In what.
    pub window: Window,
}

/// A window of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// A day.
    Day,
    /// A month.
    Month,
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let window = match self.window {
            Window::Day => "day",
            Window::Month => "month",
        };
        write!(f, "{}/{window}", self.count)
    }
}

impl Scalar for Quota {
    const WHAT: &'static str = "a quota such as 10000/day";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let none = || Flaw::new(format!("{} is no quota.", quote(text)), QUOTA_HINT);
        let (count, window) = text.split_once('/').ok_or_else(none)?;
        let window = match window {
            "day" => Window::Day,
            "month" => Window::Month,
            other if UNITS.iter().any(|(unit, _)| *unit == other) => {
                let text = format!("{} is too short for a quota.", quote(text));
                return Err(Flaw::new(text, "Write it under `rates`, or with day or month: 10000/day."));
            }
            other => {
                return Err(Flaw::new(format!("{} is not a unit of quotas.", quote(other)), QUOTA_HINT));
            }
        };
        let count: NonZeroU64 = number(count).ok_or_else(none)?;
        if count.get() > MAX_QUOTA {
            let hint = format!("Write {MAX_QUOTA} at most, or no quota at all.");
            return Err(Flaw::new(format!("{} is too large.", quote(text)), hint));
        }
        Ok(Self { count, window })
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+/(day|month)$" })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

/// A number of digits alone, which may not be nothing.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::check;

    #[test]
    fn rates() {
        let none = |text: &str| format!("`{text}` is no rate.");
        let month = "Write it under `quotas`, which begin anew with each month: 100000/month.";
        check::<Rate>(&[
            ("100/min", Ok("100/min")),
            ("50/s", Ok("50/s")),
            ("1/h", Ok("1/h")),
            ("1000/day", Ok("1000/day")),
            ("10/s burst 20", Ok("10/s burst 20")),
            ("10/s  burst  1", Ok("10/s burst 1")),
            ("10/s burst 10", Ok("10/s")),
            ("1000000/s", Ok("1000000/s")),
            ("60000000/min", Ok("60000000/min")),
            ("1/day burst 366", Ok("1/day burst 366")),
            ("100/m", Err(("`m` is not a unit of rates.", RATE_HINT))),
            ("100/month", Err(("`month` is not a unit of rates.", month))),
            ("100/", Err(("`` is not a unit of rates.", RATE_HINT))),
            ("100", Err((&none("100"), RATE_HINT))),
            ("/s", Err((&none("/s"), RATE_HINT))),
            ("0/s", Err((&none("0/s"), RATE_HINT))),
            ("-1/s", Err((&none("-1/s"), RATE_HINT))),
            ("+1/s", Err((&none("+1/s"), RATE_HINT))),
            ("1.5/s", Err((&none("1.5/s"), RATE_HINT))),
            ("10 /s", Err((&none("10 /s"), RATE_HINT))),
            ("10/s burst", Err((&none("10/s burst"), RATE_HINT))),
            ("10/s burst 0", Err((&none("10/s burst 0"), RATE_HINT))),
            ("10/s burst 1 2", Err((&none("10/s burst 1 2"), RATE_HINT))),
            ("10/s 20", Err((&none("10/s 20"), RATE_HINT))),
            ("99999999999/s", Err((&none("99999999999/s"), RATE_HINT))),
            ("", Err((&none(""), RATE_HINT))),
            (
                "1000001/s",
                Err((
                    "`1000001/s` is more than a million in a second.",
                    "Write a lower rate, or none at all.",
                )),
            ),
            (
                "1/day burst 367",
                Err((
                    "`1/day burst 367` takes more than 366 days until all of its burst is there again.",
                    "Write a smaller burst or a higher rate.",
                )),
            ),
        ]);
        let rate = Rate::parse("10/min burst 20", Path::new("")).unwrap();
        assert_eq!((rate.count.get(), rate.period.as_secs(), rate.burst.get()), (10, 60, 20));
    }

    #[test]
    fn quotas() {
        let none = |text: &str| format!("`{text}` is no quota.");
        let short = "Write it under `rates`, or with day or month: 10000/day.";
        check::<Quota>(&[
            ("10000/day", Ok("10000/day")),
            ("1/month", Ok("1/month")),
            ("1000000000000/month", Ok("1000000000000/month")),
            (
                "1000000000001/month",
                Err((
                    "`1000000000001/month` is too large.",
                    "Write 1000000000000 at most, or no quota at all.",
                )),
            ),
            ("100/min", Err(("`100/min` is too short for a quota.", short))),
            ("100/year", Err(("`year` is not a unit of quotas.", QUOTA_HINT))),
            ("0/day", Err((&none("0/day"), QUOTA_HINT))),
            ("many", Err((&none("many"), QUOTA_HINT))),
            ("", Err((&none(""), QUOTA_HINT))),
        ]);
    }
}
