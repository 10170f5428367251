//! Texts, whole numbers, yes and no.

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

impl Scalar for bool {
    const WHAT: &'static str = "true or false";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => {
                let message = format!("{} is neither true nor false.", quote(text));
                Err(Flaw::new(message, "Write true or false."))
            }
        }
    }

    fn schema() -> Json {
        json!({ "type": "boolean" })
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
    fn yes_and_no() {
        const HINT: &str = "Write true or false.";
        check::<bool>(&[
            ("true", Ok("true")),
            ("false", Ok("false")),
            ("yes", Err(("`yes` is neither true nor false.", HINT))),
            ("", Err(("`` is neither true nor false.", HINT))),
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
