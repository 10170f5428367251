//! What can be wrong with a template, and what to write instead.

use std::fmt;

use super::{MAX_FIELD_DEPTH, MAX_LENGTH, MAX_SEGMENTS};

/// How much of a template an error repeats, in characters.
pub(super) const SHOWN: usize = 100;

/// Why a template could not be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    template: Box<str>,
    column: usize,
    fault: Fault,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    TooLong,
    TooManySegments,
    NoLeadingSlash,
    EmptySegment,
    TrailingSlash,
    RestNotLast,
    PartialWildcard,
    PartialVariable,
    AfterVariable(char),
    SecondColon,
    Unclosed,
    StrayClose,
    Nested,
    FieldName,
    FieldDepth,
    Duplicate(Box<str>),
    EmptyVerb,
    ForeignVariable { written: Box<str>, name: Box<str> },
    VerbWildcard,
    Query(char),
    Character(char),
    Escape,
    Utf8,
    Nul,
    DotSegment,
}

impl TemplateError {
    /// `at` is the byte offset of the fault in `template`.
    pub(super) fn new(template: &str, at: usize, fault: Fault) -> Self {
        let column = template.char_indices().take_while(|&(offset, _)| offset < at).count() + 1;
        let mut shown: String = template.chars().take(SHOWN).collect();
        if shown.len() < template.len() {
            shown.push_str("...");
        }
        Self { template: shown.into(), column, fault }
    }

    /// The column of the fault in the template, in characters from 1.
    pub const fn column(&self) -> usize {
        self.column
    }

    /// What is wrong and what to write instead, without the template and the column.
    pub fn reason(&self) -> impl fmt::Display {
        Reason(&self.fault)
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { template, column, fault } = self;
        write!(
            f,
            "The path template `{}` is wrong at column {column}: {}",
            template.escape_debug(),
            Reason(fault)
        )
    }
}

impl std::error::Error for TemplateError {}

struct Reason<'a>(&'a Fault);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Fault::TooLong => {
                write!(f, "It is longer than {MAX_LENGTH} bytes. Shorten it.")
            }
            Fault::TooManySegments => write!(
                f,
                "It has more than {MAX_SEGMENTS} segments. Bind the end of the path with one `**`, as in \
                 `/v1/{{name=**}}`."
            ),
            Fault::Duplicate(name) => write!(
                f,
                "The variable `{name}` stands in it twice. Give each field one place; a place that needs no \
                 field is written `*`."
            ),
            Fault::ForeignVariable { written, name } => {
                write!(f, "`{}` is no variable. Write `{{{name}}}`", written.escape_debug())?;
                if !written.starts_with(':') {
                    return f.write_str(".");
                }
                f.write_str(
                    " for a variable. A verb follows its segment without a slash, as in \
                     `/v1/shelves:archive`, and a colon that is text is written `%3A`.",
                )
            }
            Fault::FieldDepth => write!(
                f,
                "The field path has more than {MAX_FIELD_DEPTH} names. Bind a field that lies less deep."
            ),
            Fault::AfterVariable(found) => write!(
                f,
                "`{found}` follows a variable. A variable is a whole segment: write `/` or `:` after it, or \
                 nothing."
            ),
            Fault::Query(found) => write!(
                f,
                "`{found}` ends a path. Leave it out with all that follows; fields that are not in the path \
                 bind from the query by themselves."
            ),
            Fault::Character(found) => write!(
                f,
                "`{}` cannot stand in a path. Write it percent-encoded, as `{}`.",
                found.escape_debug(),
                Encoded(*found)
            ),
            fault => f.write_str(fixed(fault)),
        }
    }
}

/// The texts without a part that varies.
const fn fixed(fault: &Fault) -> &'static str {
    match fault {
        Fault::NoLeadingSlash => "It does not begin with a slash. Write `/` first, as in `/v1/shelves`.",
        Fault::EmptySegment => {
            "A segment is empty. Write text, `*`, `**` or a `{variable}` between two slashes, or leave one \
             slash out."
        }
        Fault::TrailingSlash => {
            "It ends with a slash. Leave it out: trailing slashes are part of a path and no template matches \
             one outside of `**`."
        }
        Fault::RestNotLast => {
            "`**` takes all that is left, so nothing but a verb can follow. Move it to the end, or write `*` \
             for one segment."
        }
        Fault::PartialWildcard => {
            "`*` or `**` is a whole segment. Put slashes around it, or write `%2A` for a star that is text."
        }
        Fault::PartialVariable => "A variable is a whole segment. Put a slash before its `{`.",
        Fault::SecondColon => {
            "A second colon follows the variable. Write `%3A` for a colon that is part of the verb."
        }
        Fault::Unclosed => {
            "A variable is not closed. Write `}` after it, as in `{id}` or `{name=shelves/*}`."
        }
        Fault::StrayClose => "`}` closes nothing. Leave it out, or open the variable with `{`.",
        Fault::Nested => {
            "A variable stands inside another one. Close the first one before the second begins."
        }
        Fault::FieldName => {
            "A field name is missing or is not a name. Write names of letters, digits and `_` that do not begin \
             with a digit, joined by dots, as in `{book.author_id}`."
        }
        Fault::EmptyVerb => "The verb is empty. Write its name after the colon, or leave the colon out.",
        Fault::VerbWildcard => "A verb is plain text. Leave the star out.",
        Fault::Escape => {
            "A percent sign is not followed by two hexadecimal digits. Write `%25` for a percent sign that is text."
        }
        Fault::Utf8 => "The escapes are not UTF-8 once they are decoded. Encode the text as UTF-8 first.",
        Fault::Nul => "A path cannot carry a NUL character. Leave it out.",
        Fault::DotSegment => {
            "`.` and `..` are resolved before a request is sent and are refused in paths, so no request could \
             match. Leave the segment out."
        }
        // The rest is written with its values.
        _ => "It does not follow the grammar of google/api/http.proto.",
    }
}

/// A character percent-encoded as UTF-8.
struct Encoded(char);

impl fmt::Display for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut buffer = [0; 4];
        self.0.encode_utf8(&mut buffer).bytes().try_for_each(|byte| write!(f, "%{byte:02X}"))
    }
}
