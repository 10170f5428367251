//! Path templates, the `path` patterns of `google.api.HttpRule`.
//!
//! The grammar, from `google/api/http.proto`:
//!
//! ```text
//! Template = "/" Segments [ Verb ] ;
//! Segments = Segment { "/" Segment } ;
//! Segment  = "*" | "**" | LITERAL | Variable ;
//! Variable = "{" FieldPath [ "=" Segments ] "}" ;
//! FieldPath = IDENT { "." IDENT } ;
//! Verb     = ":" LITERAL ;
//! ```
//!
//! Where it is silent:
//! - `**` is the last segment before the verb, variables do not nest, and a field is bound only once.
//! - A literal is what RFC 3986 allows in a path segment, without `*`; text beyond ASCII may stand as it is
//!   or be percent-encoded. It is decoded once and compared with decoded segments.
//! - The last colon of the last segment, outside of braces, begins the verb; write `%3A` for one that is data.
//! - `/` alone is the template of the root path.

use std::fmt;
use std::ops::Range;

mod error;
mod parse;

pub use error::TemplateError;

/// Longest template, in bytes.
pub const MAX_LENGTH: usize = 2_048;

/// Most segments in a template.
pub const MAX_SEGMENTS: usize = 64;

/// Most names in the field path of a variable, `a.b.c` having three.
pub const MAX_FIELD_DEPTH: usize = 32;

/// What one segment of a path must be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Segment {
    /// This text, percent-decoded.
    Literal(Box<str>),
    /// `*`: any one segment that is not empty.
    Any,
    /// `**`: any number of segments, none included.
    Rest,
}

/// A variable: the field that a part of the path is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    field_path: Box<[Box<str>]>,
    span: Range<usize>,
    open: bool,
}

impl Variable {
    /// The names on the way to the field, for `{a.b=*}` `a` and `b`; at least one.
    pub fn field_path(&self) -> &[Box<str>] {
        &self.field_path
    }

    /// The segments of the template that it spans; at least one.
    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Whether its last segment is `**`.
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Whether it spans several segments or `**`, so that `%2F` in its value stays as it was sent.
    pub const fn is_multi_segment(&self) -> bool {
        self.open || self.span.end - self.span.start > 1
    }
}

impl fmt::Display for Variable {
    /// The field path with dots, as it stands in the template.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.field_path.join("."))
    }
}

/// A parsed path template.
///
/// ```
/// use transom::route::template::{Segment, Template};
///
/// let template = Template::parse("/v1/{name=shelves/*/books/*}:archive")?;
/// assert_eq!(template.segments().len(), 5);
/// assert_eq!(template.segments()[2], Segment::Any);
/// assert_eq!(template.variables()[0].to_string(), "name");
/// assert_eq!(template.verb(), Some("archive"));
/// # Ok::<(), transom::route::template::TemplateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: Box<str>,
    segments: Box<[Segment]>,
    variables: Box<[Variable]>,
    verb: Option<Box<str>>,
}

impl Template {
    /// Parses a template.
    ///
    /// # Errors
    /// Text that does not follow the grammar, or is over [`MAX_LENGTH`], [`MAX_SEGMENTS`] or
    /// [`MAX_FIELD_DEPTH`]. The error names the column and what to write instead.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        parse::template(text)
    }

    /// The text that was parsed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The segments, variables resolved into what they match. Only `/` has none.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The variables in the order in which they stand.
    pub fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The verb without its colon, percent-decoded.
    pub fn verb(&self) -> Option<&str> {
        self.verb.as_deref()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
