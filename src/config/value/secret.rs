//! Where a secret is kept. The secret itself is never part of a configuration.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::path::FilePath;
use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

const HINT: &str =
    "Write file:PATH, the file that holds it, or env:NAME, the environment variable that does.";

/// The place of a secret: `file:PATH` or `env:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Secret {
    /// A file that holds it, with or without a line break at the end.
    File(FilePath),
    /// The environment variable of this name.
    Variable(String),
}

impl Scalar for Secret {
    const WHAT: &'static str = "the place of a secret such as file:/run/secrets/token";

    // No message repeats the text: it may be the secret.
    fn parse(text: &str, base: &Path) -> Result<Self, Flaw> {
        match text.split_once(':') {
            Some(("file", path)) => FilePath::parse(path, base).map(Self::File),
            Some(("env", name)) => {
                let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
                if name.is_empty() || !name.bytes().all(legal) || name.as_bytes()[0].is_ascii_digit() {
                    let message = format!("{} does not name an environment variable.", quote(name));
                    return Err(Flaw::new(message, HINT));
                }
                Ok(Self::Variable(name.to_owned()))
            }
            _ => Err(Flaw::new("A secret must not stand in the configuration itself.", HINT)),
        }
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^(file:.+|env:[A-Za-z_][A-Za-z0-9_]*)$" })
    }

    fn to_json(&self) -> Json {
        match self {
            Self::File(path) => format!("file:{}", path.written_as()).into(),
            Self::Variable(name) => format!("env:{name}").into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{HINT, Secret};
    use crate::config::value::check;

    #[test]
    fn places_of_secrets() {
        let path = "Write a path; a relative one begins at the directory of this file.";
        check::<Secret>(&[
            ("file:token", Ok("file:token")),
            ("file:/run/secrets/token", Ok("file:/run/secrets/token")),
            ("env:TOKEN_1", Ok("env:TOKEN_1")),
            ("file:", Err(("The path is empty or holds a zero byte.", path))),
            ("env:", Err(("`` does not name an environment variable.", HINT))),
            ("env:1A", Err(("`1A` does not name an environment variable.", HINT))),
            ("hunter2", Err(("A secret must not stand in the configuration itself.", HINT))),
            ("pass:hunter2", Err(("A secret must not stand in the configuration itself.", HINT))),
        ]);
    }
}
