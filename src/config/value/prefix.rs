//! Beginnings of paths: `/v1`.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::config::problem::{Flaw, quote};
use crate::config::settings::Scalar;

/// The beginning of a path, in whole segments: `/v1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Prefix(String);

impl Prefix {
    /// The path, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether all paths below it are below another one.
    pub fn is_below(&self, other: &Self) -> bool {
        self.0.strip_prefix(&other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Scalar for Prefix {
    const WHAT: &'static str = "the beginning of a path, such as /v1";

    fn parse(text: &str, _: &Path) -> Result<Self, Flaw> {
        const HINT: &str = "Write whole segments, such as /v1 or /shop/v1.";
        let refuse = |what: &str| Err(Flaw::new(format!("{} {what}.", quote(text)), HINT));
        let path = text.strip_suffix('/').unwrap_or(text);
        let Some(segments) = path.strip_prefix('/') else { return refuse("does not begin a path") };
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()+,;=:@".contains(&byte);
        if !segments.split('/').all(|segment| !segment.is_empty() && segment.bytes().all(is_plain)) {
            return refuse("is not the beginning of a path in whole segments");
        }
        if segments.split('/').any(|segment| matches!(segment, "." | "..")) {
            return refuse("has segments that no path keeps");
        }
        if matches!(segments.split('/').next(), Some("soap" | "ws" | "xsd")) {
            let hint = "Begin it with another segment, such as /v1.";
            return Err(Flaw::new(format!("{} has a meaning of its own.", quote(text)), hint));
        }
        Ok(Self(path.to_owned()))
    }

    fn schema() -> Json {
        json!({ "type": "string", "pattern": "^(/[A-Za-z0-9._~!$&'()+,;=:@-]+)+/?$" })
    }

    fn to_json(&self) -> Json {
        self.as_str().into()
    }
}

#[cfg(test)]
mod tests {
    use super::Prefix;
    use crate::config::value::check;

    #[test]
    fn prefixes_are_whole_segments() {
        let hint = "Write whole segments, such as /v1 or /shop/v1.";
        let no = |text: &str| format!("`{text}` is not the beginning of a path in whole segments.");
        check::<Prefix>(&[
            ("/v1", Ok("/v1")),
            ("/shop/v1/", Ok("/shop/v1")),
            ("/a.b:c", Ok("/a.b:c")),
            ("v1", Err(("`v1` does not begin a path.", hint))),
            ("", Err(("`` does not begin a path.", hint))),
            ("/", Err(("`/` does not begin a path.", hint))),
            ("/v1//x", Err((&no("/v1//x"), hint))),
            ("/{v}", Err((&no("/{v}"), hint))),
            ("/v1?x", Err((&no("/v1?x"), hint))),
            ("/%76", Err((&no("/%76"), hint))),
            ("/v1/*", Err((&no("/v1/*"), hint))),
            ("/v1/..", Err(("`/v1/..` has segments that no path keeps.", hint))),
            ("/ws", Err(("`/ws` has a meaning of its own.", "Begin it with another segment, such as /v1."))),
            (
                "/soap/v1",
                Err(("`/soap/v1` has a meaning of its own.", "Begin it with another segment, such as /v1.")),
            ),
        ]);
        let prefix = |text: &str| Prefix(text.to_owned());
        assert!(prefix("/v1/beta").is_below(&prefix("/v1")) && prefix("/v1").is_below(&prefix("/v1")));
        assert!(!prefix("/v10").is_below(&prefix("/v1")) && !prefix("/v1").is_below(&prefix("/v1/beta")));
    }
}
