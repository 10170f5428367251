//! Parts of a whole: `1%`, `0.1%`.

use std::fmt;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::size::decimal;
use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str = "Write a number from 0% to 100%, such as 1% or 0.1%.";

/// One percent, in units of a billionth.
const UNIT: u64 = 10_000_000;

/// A part of a whole, from nothing to all of it, in steps of a billionth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u64);

impl Percent {
    /// One percent.
    pub const ONE: Self = Self(UNIT);

    /// So many percent.
    pub const fn of(percent: u8) -> Self {
        Self(percent as u64 * UNIT)
    }

    /// The part in millionths.
    pub const fn millionths(self) -> u32 {
        (self.0 / 1_000) as u32
    }

    /// The part in billionths.
    pub const fn billionths(self) -> u32 {
        self.0 as u32
    }

    /// The part as a number from 0 to 1.
    pub fn ratio(self) -> f64 {
        self.0 as f64 / (100 * UNIT) as f64
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / UNIT, self.0 % UNIT);
        match rest {
            0 => write!(f, "{whole}%"),
            rest => write!(f, "{whole}.{}%", format!("{rest:07}").trim_end_matches('0')),
        }
    }
}

impl Scalar for Percent {
    const WHAT: &'static str = "a part such as 1%";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let Some(number) = text.strip_suffix('%') else {
            let flaw = if text.starts_with(|c: char| c.is_ascii_digit()) {
                "has no percent sign"
            } else {
                "is not a part"
            };
            return Err(Flaw::new(format!("{} {flaw}.", quote(text)), HINT));
        };
        if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return Err(Flaw::new(format!("{} is not a part.", quote(text)), HINT));
        }
        let value = decimal(number, UNIT).map_err(|flaw| flaw.flaw(text, "a part", "a billionth", HINT))?;
        if value > 100 * UNIT {
            return Err(Flaw::new(format!("{} is more than everything.", quote(text)), HINT));
        }
        Ok(Self(value))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?%$" })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::check;

    #[test]
    fn parts() {
        check::<Percent>(&[
            ("1%", Ok("1%")),
            ("0%", Ok("0%")),
            ("100%", Ok("100%")),
            ("0.10%", Ok("0.1%")),
            ("12.5%", Ok("12.5%")),
            ("0.0000001%", Ok("0.0000001%")),
            ("0.00000001%", Err(("`0.00000001%` is finer than a billionth.", HINT))),
            ("101%", Err(("`101%` is more than everything.", HINT))),
            ("99999999999999999999%", Err(("`99999999999999999999%` is too large.", HINT))),
            ("0.5", Err(("`0.5` has no percent sign.", HINT))),
            ("-1%", Err(("`-1%` is not a part.", HINT))),
            ("1e1%", Err(("`1e1%` is not a part.", HINT))),
            ("1 %", Err(("`1 %` is not a part.", HINT))),
            ("%", Err(("`%` is not a part.", HINT))),
            ("all", Err(("`all` is not a part.", HINT))),
            ("", Err(("`` is not a part.", HINT))),
        ]);
        let ratio = |text| Percent::parse(text, Path::new("")).unwrap().ratio();
        assert_eq!((ratio("100%"), ratio("1%"), ratio("0%")), (1.0, 0.01, 0.0));
        let parse = |text| Percent::parse(text, Path::new("")).unwrap();
        assert_eq!((parse("50%"), parse("1%")), (Percent::of(50), Percent::ONE));
        assert_eq!((parse("100%").billionths(), parse("0.0000001%").billionths()), (1_000_000_000, 1));
        assert_eq!((parse("100%").millionths(), parse("0.5%").millionths()), (1_000_000, 5_000));
    }
}
