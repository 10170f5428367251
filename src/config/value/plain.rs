//! Texts and whole numbers.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

impl Scalar for String {
    const WHAT: &'static str = "a text";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        if text.is_empty() {
            return Err(Flaw::new("The text is empty.", "Write a text, or remove the key."));
        }
        Ok(text.to_owned())
    }

    fn schema() -> Json {
        json!({ "type": "string" })
    }

    fn to_json(&self) -> Json {
        self.as_str().into()
    }
}

impl Scalar for u32 {
    const WHAT: &'static str = "a whole number such as 100";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| digits).ok_or_else(|| {
            let message = if digits {
                format!("{} is too large.", quote(text))
            } else {
                format!("{} is not a whole number.", quote(text))
            };
            Flaw::new(message, "Write a whole number in digits, such as 100.")
        })
    }

    fn schema() -> Json {
        json!({ "type": "integer" })
    }

    fn to_json(&self) -> Json {
        (*self).into()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::value::check;

    #[test]
    fn whole_numbers() {
        const HINT: &str = "Write a whole number in digits, such as 100.";
        check::<u32>(&[
            ("0", Ok("0")),
            ("0100", Ok("100")),
            ("4294967295", Ok("4294967295")),
            ("4294967296", Err(("`4294967296` is too large.", HINT))),
            ("-1", Err(("`-1` is not a whole number.", HINT))),
            ("+1", Err(("`+1` is not a whole number.", HINT))),
            ("1.0", Err(("`1.0` is not a whole number.", HINT))),
            ("0x10", Err(("`0x10` is not a whole number.", HINT))),
            ("1_000", Err(("`1_000` is not a whole number.", HINT))),
            ("ten\n", Err(("`ten\\n` is not a whole number.", HINT))),
            ("", Err(("`` is not a whole number.", HINT))),
        ]);
    }

    #[test]
    fn texts() {
        check::<String>(&[
            (" on ", Ok(" on ")),
            ("", Err(("The text is empty.", "Write a text, or remove the key."))),
        ]);
    }
}
