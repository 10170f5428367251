//! Sizes in bytes: `4MiB`, `60KiB`, `1MB`, `512`.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str = "Write bytes as a number, or a number with its unit, KiB, MiB or GiB (powers of 1024), or \
                    kB, MB or GB (powers of 1000): 512, 60KiB, 4MiB.";

/// The units, in bytes. The larger of each kind first; the first that divides a size writes it.
const UNITS: [(&str, u64); 8] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

impl ByteSize {
    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// The number of bytes, or the largest number that memory can have where it is smaller.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// So many times 1,024 bytes.
    pub const fn kib(count: u32) -> Self {
        Self((count as u64) << 10)
    }

    /// So many times 1,048,576 bytes.
    pub const fn mib(count: u32) -> Self {
        Self((count as u64) << 20)
    }

    /// So many times 1,073,741,824 bytes.
    pub const fn gib(count: u32) -> Self {
        Self((count as u64) << 30)
    }
}

impl Scalar for ByteSize {
    const WHAT: &'static str = "a size such as 4MiB or 60KiB";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        if number.is_empty() {
            return Err(Flaw::new(format!("{} is not a size.", quote(text)), HINT));
        }
        let known = UNITS.into_iter().find(|(name, _)| *name == unit || unit.is_empty() && *name == "B");
        let Some((_, bytes)) = known else {
            return Err(Flaw::new(format!("{} is not a unit of size.", quote(unit.trim())), HINT));
        };
        decimal(number, bytes).map(Self).map_err(|flaw| flaw.flaw(text, "a size", "a byte", HINT))
    }

    fn schema() -> Json {
        json!({
            "anyOf": [
                { "type": "integer", "minimum": 0 },
                { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(B|[kKMG]B|[KMG]iB)?$" },
            ]
        })
    }

    fn to_json(&self) -> Json {
        match UNITS.iter().find(|(_, unit)| *unit > 1 && self.0 > 0 && self.0.is_multiple_of(*unit)) {
            Some((name, unit)) => format!("{}{name}", self.0 / unit).into(),
            None => self.0.into(),
        }
    }
}

/// Why a decimal number cannot be taken.
pub(super) enum DecimalFlaw {
    Malformed,
    TooFine,
    TooLarge,
}

impl DecimalFlaw {
    pub(super) fn flaw(self, text: &str, what: &str, finest: &str, hint: &str) -> Flaw {
        let text = quote(text);
        let message = match self {
            Self::Malformed => format!("{text} is not {what}."),
            Self::TooFine => format!("{text} is finer than {finest}."),
            Self::TooLarge => format!("{text} is too large."),
        };
        Flaw::new(message, hint)
    }
}

/// `digits` or `digits.digits` times a unit, without rounding.
pub(super) fn decimal(number: &str, unit: u64) -> Result<u64, DecimalFlaw> {
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction.trim_end_matches('0')),
        Some(_) => return Err(DecimalFlaw::Malformed),
        None => (number, ""),
    };
    if whole.is_empty() || fraction.contains('.') {
        return Err(DecimalFlaw::Malformed);
    }
    let whole: u64 = whole.parse().map_err(|_| DecimalFlaw::TooLarge)?;
    let whole = whole.checked_mul(unit).ok_or(DecimalFlaw::TooLarge)?;
    // 13 digits times the largest unit stay within 128 bits, and no unit has a finer part that is whole.
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 13);
    let digits = digits.ok_or(DecimalFlaw::TooFine)?;
    let scaled = fraction.parse::<u128>().unwrap_or(0) * u128::from(unit);
    let scale = 10_u128.pow(digits);
    if !scaled.is_multiple_of(scale) {
        return Err(DecimalFlaw::TooFine);
    }
    let part = u64::try_from(scaled / scale).map_err(|_| DecimalFlaw::TooLarge)?;
    whole.checked_add(part).ok_or(DecimalFlaw::TooLarge)
}

#[cfg(test)]
mod tests {
    use super::{ByteSize, HINT};
    use crate::config::value::check;

    #[test]
    fn sizes() {
        check::<ByteSize>(&[
            ("4MiB", Ok("4MiB")),
            ("4194304", Ok("4MiB")),
            ("60KiB", Ok("60KiB")),
            ("1MB", Ok("1MB")),
            ("1kB", Ok("1kB")),
            ("1KB", Ok("1kB")),
            ("1GiB", Ok("1GiB")),
            ("512", Ok("512")),
            ("512B", Ok("512")),
            ("0", Ok("0")),
            ("1.5KiB", Ok("1536")),
            ("0.5GB", Ok("500MB")),
            ("4M", Err(("`M` is not a unit of size.", HINT))),
            ("4mib", Err(("`mib` is not a unit of size.", HINT))),
            ("4 MiB", Err(("`MiB` is not a unit of size.", HINT))),
            ("MiB", Err(("`MiB` is not a size.", HINT))),
            ("-1", Err(("`-1` is not a size.", HINT))),
            ("", Err(("`` is not a size.", HINT))),
            ("1..5KiB", Err(("`1..5KiB` is not a size.", HINT))),
            ("0.3B", Err(("`0.3B` is finer than a byte.", HINT))),
            ("0.00000000000001GiB", Err(("`0.00000000000001GiB` is finer than a byte.", HINT))),
            ("18446744073709551615", Ok("18446744073709551615")),
            ("18446744073709551616", Err(("`18446744073709551616` is too large.", HINT))),
            ("99999999999GiB", Err(("`99999999999GiB` is too large.", HINT))),
        ]);
    }
}
