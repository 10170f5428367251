//! Ranges of time: `25ms..1s`.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str = "Write the shortest and the longest time with two dots between them: 25ms..1s.";

/// From a shortest to a longest time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
pub struct Pauses {
    /// The shortest.
    pub first: Duration,
    /// The longest, which is not shorter.
    pub longest: Duration,
}

impl Scalar for Pauses {
    const WHAT: &'static str = "a range of times such as 25ms..1s";

    fn parse(text: &str, base: &Path) -> Result<Self, Flaw> {
        let Some((first, longest)) = text.split_once("..") else {
            return Err(Flaw::new(format!("{} is not a range of times.", quote(text)), HINT));
        };
        let (first, longest) =
            (<Duration as Scalar>::parse(first, base)?, <Duration as Scalar>::parse(longest, base)?);
        if longest < first {
            return Err(Flaw::new(format!("{} ends before it begins.", quote(text)), HINT));
        }
        Ok(Self { first, longest })
    }

    fn schema() -> Json {
        let time = "[0-9]+(\\.[0-9]+)?(ms|s|m|h)";
        json!({ "type": "string", "pattern": format!("^{time}\\.\\.{time}$") })
    }

    fn to_json(&self) -> Json {
        let time = |time: &Duration| time.to_json().as_str().unwrap_or_default().to_owned();
        format!("{}..{}", time(&self.first), time(&self.longest)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::value::check;

    #[test]
    fn ranges_of_time() {
        check::<Pauses>(&[
            ("25ms..1s", Ok("25ms..1s")),
            ("0.5s..1m", Ok("500ms..60s")),
            ("1s..1s", Ok("1s..1s")),
            ("0ms..0s", Ok("0s..0s")),
            ("1s..25ms", Err(("`1s..25ms` ends before it begins.", HINT))),
            ("25ms", Err(("`25ms` is not a range of times.", HINT))),
            ("25ms-1s", Err(("`25ms-1s` is not a range of times.", HINT))),
            ("25..1s", Err(("`25` has no unit.", "Write the unit, for example 25s or 25ms."))),
            ("", Err(("`` is not a range of times.", HINT))),
        ]);
    }
}
