//! Lengths of time: `15s`, `300ms`, `1.5m`, `2h`.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::size::decimal;
use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str = "Write a number with its unit, ms, s, m or h: 300ms, 15s, 1m or 2h.";

/// The units, in nanoseconds, the largest first.
const UNITS: [(&str, u64); 4] =
    [("h", 3_600_000_000_000), ("m", 60_000_000_000), ("s", 1_000_000_000), ("ms", 1_000_000)];

/// The longest time that can be written; a bound for arithmetic, keys have narrower ones.
const MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A decimal number directly followed by `ms`, `s`, `m` or `h`, up to 366 days. A bare number is
/// refused, because whoever reads the file cannot see its unit.
/// Reads a duration from the command line, in the form that configuration files have.
///
/// # Errors
/// What is wrong with the text, and what to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    <Duration as Scalar>::parse(text, Path::new("")).map_err(|flaw| format!("{} {}", flaw.message, flaw.hint))
}

impl Scalar for Duration {
    const WHAT: &'static str = "a duration such as 15s or 300ms";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        if number.is_empty() {
            return Err(Flaw::new(format!("{} is not a duration.", quote(text)), HINT));
        }
        if unit.is_empty() {
            let hint = format!("Write the unit, for example {number}s or {number}ms.");
            return Err(Flaw::new(format!("{} has no unit.", quote(text)), hint));
        }
        let Some((_, nanos)) = UNITS.into_iter().find(|(name, _)| *name == unit) else {
            return Err(Flaw::new(format!("{} is not a unit of time.", quote(unit.trim())), HINT));
        };
        let value =
            decimal(number, nanos).map_err(|flaw| flaw.flaw(text, "a duration", "a nanosecond", HINT))?;
        let value = Self::from_nanos(value);
        if value > MAX {
            return Err(Flaw::new(format!("{} is longer than 366 days.", quote(text)), HINT));
        }
        Ok(value)
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(ms|s|m|h)$" })
    }

    fn to_json(&self) -> Json {
        let nanos = self.as_nanos();
        let whole = |(_, unit): &(&str, u64)| nanos.is_multiple_of(u128::from(*unit));
        // One of a unit is written in the next smaller one, as people write it: 60s, 60m.
        let fits = |(_, unit): &(&str, u64)| nanos >= 2 * u128::from(*unit) || *unit <= 1_000_000_000;
        if let Some((name, unit)) = UNITS.iter().find(|unit| whole(unit) && fits(unit)) {
            return format!("{}{name}", nanos / u128::from(*unit)).into();
        }
        let exact = format!("{}.{:06}", nanos / 1_000_000, nanos % 1_000_000);
        format!("{}ms", exact.trim_end_matches('0')).into()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use super::{HINT, Scalar};
    use crate::config::value::check;

    #[test]
    fn durations() {
        check::<Duration>(&[
            ("15s", Ok("15s")),
            ("300ms", Ok("300ms")),
            ("1m", Ok("60s")),
            ("2h", Ok("2h")),
            ("1.5s", Ok("1500ms")),
            ("0.25h", Ok("15m")),
            ("0s", Ok("0s")),
            ("1.5ms", Ok("1.5ms")),
            ("1.000000001s", Ok("1000.000001ms")),
            ("1h", Ok("60m")),
            ("8784h", Ok("8784h")),
            ("15", Err(("`15` has no unit.", "Write the unit, for example 15s or 15ms."))),
            ("1.5", Err(("`1.5` has no unit.", "Write the unit, for example 1.5s or 1.5ms."))),
            ("15 s", Err(("`s` is not a unit of time.", HINT))),
            ("15sec", Err(("`sec` is not a unit of time.", HINT))),
            ("2d", Err(("`d` is not a unit of time.", HINT))),
            ("1m30s", Err(("`m30s` is not a unit of time.", HINT))),
            ("-5s", Err(("`-5s` is not a duration.", HINT))),
            ("soon", Err(("`soon` is not a duration.", HINT))),
            ("", Err(("`` is not a duration.", HINT))),
            ("1.2.3s", Err(("`1.2.3s` is not a duration.", HINT))),
            (".5s", Err(("`.5s` is not a duration.", HINT))),
            ("5.s", Err(("`5.s` is not a duration.", HINT))),
            ("0.0000000001s", Err(("`0.0000000001s` is finer than a nanosecond.", HINT))),
            ("8785h", Err(("`8785h` is longer than 366 days.", HINT))),
            ("99999999999999999999h", Err(("`99999999999999999999h` is too large.", HINT))),
        ]);
    }

    #[test]
    fn decimals_are_exact() {
        let parse = |text| Duration::parse(text, Path::new("")).unwrap();
        assert_eq!(parse("0.1s"), Duration::from_millis(100));
        assert_eq!(parse("1.000000001s"), Duration::from_nanos(1_000_000_001));
        assert_eq!(parse("1.50m"), Duration::from_secs(90));
    }
}
