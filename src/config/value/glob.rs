//! Patterns for the names of files.
//!
//! ```text
//! *     any part of a name, within one directory
//! ?     one character of a name
//! **    any number of directories, also none
//! ```

use std::fmt;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

/// The most parts of a pattern.
const MAX_PARTS: usize = 64;

const HINT: &str = "Write a path with `/`, relative to the include directories, in which * and ? stand for parts \
                    of a name and ** for directories: shop/**/*.proto.";

/// A pattern for relative paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Glob {
    pub(in crate::config) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::config) enum Part {
    /// A name, perhaps with `*` and `?`.
    Name(String),
    /// `**`
    Directories,
}

impl Scalar for Glob {
    const WHAT: &'static str = "a path or pattern such as shop/v1/*.proto";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        let mut parts = Vec::new();
        for part in text.split('/') {
            match part {
                "" | "." | ".." => {
                    let message =
                        format!("{} is not a relative path without empty and dot parts.", quote(text));
                    return Err(Flaw::new(message, HINT));
                }
                "**" if parts.last() == Some(&Part::Directories) => {}
                "**" => parts.push(Part::Directories),
                name if name.contains("**") || name.contains(['[', ']', '{', '}', '\\', '\0']) => {
                    let message = format!("{} is not a part that Transom can match.", quote(name));
                    return Err(Flaw::new(message, HINT));
                }
                name => parts.push(Part::Name(name.to_owned())),
            }
        }
        if parts.last() == Some(&Part::Directories) {
            return Err(Flaw::new(format!("{} ends with directories, not with files.", quote(text)), HINT));
        }
        if parts.len() > MAX_PARTS {
            return Err(Flaw::new(format!("The path has more than {MAX_PARTS} parts."), HINT));
        }
        Ok(Self { parts })
    }

    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }

    fn to_json(&self) -> Json {
        self.to_string().into()
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            let slash = if index > 0 { "/" } else { "" };
            match part {
                Part::Name(name) => write!(f, "{slash}{name}")?,
                Part::Directories => write!(f, "{slash}**")?,
            }
        }
        Ok(())
    }
}

/// Whether a name fits a pattern of `*` and `?`, in time proportional to the product of their lengths:
/// only the last `*` ever has to be tried again.
pub(in crate::config) fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                n += character(name, n);
            }
            Some(byte) if *byte == name[n] => {
                p += 1;
                n += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    n = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// The bytes of the UTF-8 character that begins at an offset.
fn character(name: &[u8], at: usize) -> usize {
    1 + name[at + 1..].iter().take_while(|byte| **byte & 0xc0 == 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::{Glob, HINT, matches};
    use crate::config::value::check;

    #[test]
    fn globs() {
        let dots = |text: &str| format!("`{text}` is not a relative path without empty and dot parts.");
        for text in ["", "/a.proto", "a//b", "a/", "../a", "./a", "a/./b"] {
            check::<Glob>(&[(text, Err((&dots(text), HINT)))]);
        }
        check::<Glob>(&[
            ("shop/v1/*.proto", Ok("shop/v1/*.proto")),
            ("**/**/a?.proto", Ok("**/a?.proto")),
            ("a/**", Err(("`a/**` ends with directories, not with files.", HINT))),
            ("a/b**/c", Err(("`b**` is not a part that Transom can match.", HINT))),
            ("[ab].proto", Err(("`[ab].proto` is not a part that Transom can match.", HINT))),
            ("a\\b.proto", Err(("`a\\b.proto` is not a part that Transom can match.", HINT))),
            (&["a"; 65].join("/"), Err(("The path has more than 64 parts.", HINT))),
        ]);
    }

    #[test]
    fn names_match_patterns() {
        for (pattern, name, expected) in [
            ("*.proto", "a.proto", true),
            ("*.proto", ".proto", true),
            ("*.proto", "a.protos", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("a*", "a", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a?c", "abc", true),
            ("a?c", "aéc", true),
            ("a?c", "ac", false),
            ("?", "é", true),
            ("??", "é", false),
            ("*é?", "xxéy", true),
            ("", "", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_do_not_take_long() {
        let (pattern, name) = ("*a".repeat(100) + "b", "a".repeat(10_000));
        assert!(!matches(pattern.as_bytes(), name.as_bytes()));
    }
}
