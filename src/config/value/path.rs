//! Paths of files, relative to the directory of the configuration file.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use crate::config::problem::Flaw;
use crate::config::settings::Scalar;

/// The path of a file or directory. A relative one was resolved against the directory of the
/// configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FilePath {
    written: String,
    path: PathBuf,
}

impl FilePath {
    /// A path that is written nowhere.
    pub(crate) fn at(path: &Path) -> Self {
        Self { written: path.display().to_string(), path: path.to_owned() }
    }

    /// The path as the user wrote it.
    pub fn written_as(&self) -> &str {
        &self.written
    }
}

impl Deref for FilePath {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

impl Scalar for FilePath {
    const WHAT: &'static str = "the path of a file";

    fn parse(text: &str, base: &Path) -> Result<Self, Flaw> {
        if text.is_empty() || text.contains('\0') {
            let hint = "Write a path; a relative one begins at the directory of this file.";
            return Err(Flaw::new("The path is empty or holds a zero byte.", hint));
        }
        // Through its components, so that messages do not show `/./`.
        Ok(Self { written: text.to_owned(), path: base.join(text).components().collect() })
    }

    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }

    fn to_json(&self) -> Json {
        self.written.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{FilePath, Scalar};
    use crate::config::value::check;

    #[test]
    fn paths_start_at_the_directory_of_the_file() {
        let parse = |text| FilePath::parse(text, Path::new("/etc/transom")).unwrap();
        assert_eq!(&*parse("shop.binpb"), Path::new("/etc/transom/shop.binpb"));
        assert_eq!(&*parse("/srv/shop.binpb"), Path::new("/srv/shop.binpb"));
        assert_eq!(parse("shop.binpb").written_as(), "shop.binpb");
        let hint = "Write a path; a relative one begins at the directory of this file.";
        check::<FilePath>(&[
            ("a/b", Ok("a/b")),
            ("", Err(("The path is empty or holds a zero byte.", hint))),
            ("a\0b", Err(("The path is empty or holds a zero byte.", hint))),
        ]);
    }
}
