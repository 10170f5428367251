//! Secrets, read from where the configuration says that they are kept.

use crate::config::files::read_named;
use crate::config::place::Located;
use crate::config::problem::{Problem, Problems};
use crate::config::value::secret::Secret;

/// The largest file of a secret, in bytes.
const MAX_SECRET: u64 = 4_096;

/// Reads a secret, without a line break at its end. When there is nothing, an error at the place was added.
pub fn read(secret: &Located<Secret>, problems: &mut Problems) -> Option<Vec<u8>> {
    let mut bytes = match &secret.value {
        Secret::File(path) => {
            let path = Located { value: path.clone(), place: secret.place };
            read_named(&path, MAX_SECRET, problems)?
        }
        Secret::Variable(name) => match std::env::var(name) {
            Ok(text) => text.into_bytes(),
            Err(_) => {
                let text = format!("The environment variable `{name}` is not set, or not in UTF-8.");
                problems
                    .push(Problem::error(text).at(secret.place).hint("Set it, or name a file: file:PATH."));
                return None;
            }
        },
    };
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
    Some(bytes)
}

/// The same for one that is text.
pub(super) fn text(secret: &Located<Secret>, problems: &mut Problems) -> Option<String> {
    let text = String::from_utf8(read(secret, problems)?).ok().filter(|text| !text.is_empty());
    if text.is_none() {
        let message = "The secret is empty, or not text in UTF-8.";
        let hint = "Write the password alone into the file or the variable.";
        problems.push(Problem::error(message).at(secret.place).hint(hint));
    }
    text
}
