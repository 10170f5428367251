//! How many bytes may pass: `1MiB/s`, `64KiB/s burst 1MiB`.

use std::fmt;
use std::num::NonZeroU32;
use std::path::Path;

use serde_json::{Value as Json, json};

use super::rate::{Rate, words};
use super::size::ByteSize;
use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str = "Write a size and s, min, h or day, with `burst` and how much may pass at once if that is another \
                    size: 1MiB/s, or 64KiB/s burst 1MiB.";

/// What bytes are counted in.
const UNIT: u64 = 1024;

/// So many KiB in a period, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ByteRate(pub Rate);

impl fmt::Display for ByteRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.0.to_string();
        let unit = rate.split_once('/').and_then(|(_, rest)| rest.split(' ').next()).unwrap_or_default();
        write!(f, "{}/{unit}", size(self.0.count))?;
        if self.0.burst == self.0.count { Ok(()) } else { write!(f, " burst {}", size(self.0.burst)) }
    }
}

/// A number of KiB as configuration files write it.
fn size(count: NonZeroU32) -> String {
    match ByteSize::kib(count.get()).to_json() {
        Json::String(text) => text,
        other => other.to_string(),
    }
}

impl Scalar for ByteRate {
    const WHAT: &'static str = "a rate of bytes such as 1MiB/s";

    fn parse(text: &str, path: &Path) -> Result<Self, Flaw> {
        let none = || Flaw::new(format!("{} is no rate of bytes.", quote(text)), HINT);
        let (count, unit, burst) = words(text).ok_or_else(none)?;
        let (count, burst) = (kib(count, path)?, kib(burst.unwrap_or(count), path)?);
        Rate::new(count, unit, burst).map(Self).map_err(|unfit| unfit.flaw(text, "1000000KiB", none))
    }

    fn schema() -> Json {
        let size = "[0-9]+(\\.[0-9]+)?(B|[kKMG]B|[KMG]iB)?";
        json!({ "type": "string", "pattern": format!("^{size}/(s|min|h|day)( +burst +{size})?$") })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

/// Whole KiB, rounded up.
fn kib(text: &str, path: &Path) -> Result<NonZeroU32, Flaw> {
    let size = ByteSize::parse(text, path)?;
    let count = u32::try_from(size.bytes().div_ceil(UNIT)).ok().and_then(NonZeroU32::new);
    count.ok_or_else(|| Flaw::new(format!("{} is nothing that could pass, or too much.", quote(text)), HINT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::check;

    #[test]
    fn rates_of_bytes() {
        let none = |text: &str| format!("`{text}` is no rate of bytes.");
        let nothing = "`0` is nothing that could pass, or too much.";
        check::<ByteRate>(&[
            ("1MiB/s", Ok("1MiB/s")),
            ("64KiB/s burst 1MiB", Ok("64KiB/s burst 1MiB")),
            ("1MiB/s burst 1024KiB", Ok("1MiB/s")),
            ("1GiB/day", Ok("1GiB/day")),
            // Rounded up to KiB.
            ("1/s", Ok("1KiB/s")),
            ("1MB/min", Ok("977KiB/min")),
            ("0/s", Err((nothing, HINT))),
            ("1MiB", Err((&none("1MiB"), HINT))),
            ("1MiB/m", Err((&none("1MiB/m"), HINT))),
            ("1MiB/s 2MiB", Err((&none("1MiB/s 2MiB"), HINT))),
            ("", Err((&none(""), HINT))),
            (
                "1GiB/s",
                Err(("`1GiB/s` is more than 1000000KiB in a second.", "Write a lower rate, or none at all.")),
            ),
            (
                "1KiB/day burst 1MiB",
                Err((
                    "`1KiB/day burst 1MiB` takes more than 366 days until all of its burst is there again.",
                    "Write a smaller burst or a higher rate.",
                )),
            ),
        ]);
    }
}
