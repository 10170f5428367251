//! Beginnings of paths that stand for others: `/api` for `/`.

use super::decode::{Slash, decode};
use super::template::{Segment, Template, TemplateError};

/// Some whole segments at the beginning of a path. `/` has none and begins every path.
///
/// Segments are compared decoded, as those of templates are.
///
/// ```
/// use transom::route::prefix::Prefix;
///
/// let api = Prefix::parse("/api")?;
/// assert_eq!(api.rest("/api/v1/orders%2F1"), Some("/v1/orders%2F1"));
/// assert_eq!(api.rest("/apis"), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    text: Box<str>,
    segments: Box<[Box<str>]>,
}

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrefixError {
    /// It is not even a template.
    Template(TemplateError),
    /// It has something that stands for more than one path.
    Open(Box<str>),
}

impl std::fmt::Display for PrefixError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Template(error) => error.fmt(f),
            Self::Open(text) => write!(
                f,
                "The prefix `{text}` has a variable, `*` or `:word`. Write whole segments of text, such as /api/internal."
            ),
        }
    }
}

impl std::error::Error for PrefixError {}

impl Prefix {
    /// Parses a prefix.
    ///
    /// # Errors
    /// Text that is no path of whole segments, with a slash first and none at the end.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        let template = Template::parse(text).map_err(PrefixError::Template)?;
        let literal = |segment: &Segment| match segment {
            Segment::Literal(text) => Some(text.clone()),
            Segment::Any | Segment::Rest => None,
        };
        let segments: Option<Box<[_]>> = template.segments().iter().map(literal).collect();
        match segments.filter(|_| template.verb().is_none()) {
            Some(segments) => Ok(Self { text: text.into(), segments }),
            None => Err(PrefixError::Open(text.into())),
        }
    }

    /// The text that was parsed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The segments, decoded.
    pub fn segments(&self) -> &[Box<str>] {
        &self.segments
    }

    /// What stands behind the prefix in a path that begins with it: nothing, or a slash and the rest as it was sent.
    pub fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        let mut rest = path;
        for segment in &self.segments {
            let behind = rest.strip_prefix('/')?;
            let end = behind.find('/').unwrap_or(behind.len());
            let (found, behind) = behind.split_at(end);
            let is_same = match found.contains('%') {
                false => found == &**segment,
                true => decode(found, Slash::Decode).is_ok_and(|found| found == **segment),
            };
            if !is_same {
                return None;
            }
            rest = behind;
        }
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// A path that begins with this one and goes on with a [`Prefix::rest`].
    pub fn with(&self, rest: &str) -> String {
        match (&*self.text, rest) {
            ("/", "") => "/".to_owned(),
            ("/", rest) => rest.to_owned(),
            (text, rest) => format!("{text}{rest}"),
        }
    }

    /// Whether every path that begins with the other one begins with this one.
    pub fn covers(&self, other: &Self) -> bool {
        self.covers_segments(other.segments.iter().map(|segment| Some(&**segment)))
    }

    /// Whether a path of these segments, of which those that may be anything are absent, surely begins with this.
    pub fn covers_segments<'s>(&self, segments: impl Iterator<Item = Option<&'s str>>) -> bool {
        let found: Vec<_> = segments.take(self.segments.len()).collect();
        let own = self.segments.iter().map(|segment| Some(&**segment));
        found.len() == self.segments.len() && own.eq(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_segments_are_compared_decoded() {
        for (prefix, path, rest) in [
            ("/api", "/api/v1", Some("/v1")),
            ("/api", "/api", Some("")),
            ("/api", "/api/", Some("/")),
            ("/api", "/api//v1", Some("//v1")),
            ("/api", "/%61pi/v%31", Some("/v%31")),
            ("/api", "/apis/v1", None),
            ("/api", "/ap", None),
            ("/api", "/", None),
            ("/api", "/API/v1", None),
            ("/api", "/api%2Fv1", None),
            ("/api", "/api%zz", None),
            ("/api", "//api/v1", None),
            ("/api", "*", None),
            ("/a/b", "/a/b/c", Some("/c")),
            ("/a/b", "/a/c", None),
            ("/a/b", "/a", None),
            ("/f%C3%BCr", "/für/x", Some("/x")),
            ("/", "/v1/x", Some("/v1/x")),
            ("/", "/", Some("/")),
            ("/", "*", None),
        ] {
            assert_eq!(Prefix::parse(prefix).unwrap().rest(path), rest, "{prefix} {path}");
        }
    }

    #[test]
    fn another_beginning_takes_the_place() {
        for (to, rest, expected) in [
            ("/", "", "/"),
            ("/", "/", "/"),
            ("/", "/v1", "/v1"),
            ("/", "//evil", "//evil"),
            ("/v2", "", "/v2"),
            ("/v2", "/", "/v2/"),
            ("/v2/x", "/a%2Fb", "/v2/x/a%2Fb"),
        ] {
            assert_eq!(Prefix::parse(to).unwrap().with(rest), expected, "{to} {rest}");
        }
    }

    #[test]
    fn what_is_covered_begins_so() {
        for (prefix, other, expected) in [
            ("/", "/a", true),
            ("/a", "/a", true),
            ("/a", "/a/b", true),
            ("/a/b", "/a", false),
            ("/a", "/ab", false),
        ] {
            let [prefix, other] = [prefix, other].map(|text| Prefix::parse(text).unwrap());
            assert_eq!(prefix.covers(&other), expected, "{prefix:?} {other:?}");
        }
        let prefix = Prefix::parse("/a/b").unwrap();
        assert!(prefix.covers_segments([Some("a"), Some("b"), None].into_iter()));
        assert!(!prefix.covers_segments([Some("a"), None].into_iter()));
    }

    #[test]
    fn errors_say_what_to_do() {
        for text in ["/a/{b}", "/a/*", "/**", "/a:b"] {
            let expected = format!(
                "The prefix `{text}` has a variable, `*` or `:word`. Write whole segments of text, such as /api/internal."
            );
            assert_eq!(Prefix::parse(text).unwrap_err().to_string(), expected);
        }
        for text in ["", "api", "/api/", "/a//b", "/a/../b", "/a?b"] {
            assert!(matches!(Prefix::parse(text), Err(PrefixError::Template(_))), "{text}");
        }
    }
}
