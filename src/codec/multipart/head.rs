//! The headers of a part, and the grammar of parameters that they share with content types.

use super::MultipartError;

/// How many characters of a name error texts repeat: it comes from the caller.
const MAX_SHOWN: usize = 100;

/// What the headers of a part say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHead {
    /// The name of the form's field.
    pub name: String,
    /// The name of the file, if the part is one. It comes from the client and names no file here.
    pub filename: Option<String>,
    /// The content type as it was sent.
    pub content_type: Option<String>,
}

impl PartHead {
    /// Whether the part is a file: it has the name of one, or a content type of its own that is no plain text.
    pub fn is_file(&self) -> bool {
        self.filename.is_some()
            || self
                .content_type
                .as_deref()
                .is_some_and(|value| !essence(value).eq_ignore_ascii_case("text/plain"))
    }

    /// From lines of `name: value` without the empty one at their end.
    pub(super) fn parse(head: &[u8]) -> Result<Self, MultipartError> {
        let head = std::str::from_utf8(head).map_err(|_| MultipartError::Head)?;
        let (mut disposition, mut content_type, mut encoding) = (None, None, None);
        for line in head.split("\r\n") {
            let (name, value) = line.split_once(':').ok_or(MultipartError::Head)?;
            let value = value.trim_matches([' ', '\t']);
            let is_valid =
                is_token(name) && !value.contains(|char: char| char.is_ascii_control() && char != '\t');
            if !is_valid {
                return Err(MultipartError::Head);
            }
            let known = match () {
                () if name.eq_ignore_ascii_case("content-disposition") => &mut disposition,
                () if name.eq_ignore_ascii_case("content-type") => &mut content_type,
                () if name.eq_ignore_ascii_case("content-transfer-encoding") => &mut encoding,
                () => continue,
            };
            if known.replace(value).is_some() {
                return Err(MultipartError::Head);
            }
        }
        let (name, filename) = disposition.and_then(names).ok_or(MultipartError::Nameless)?;
        let shown = || name.chars().take(MAX_SHOWN).collect();
        if content_type.is_some_and(|value| has_prefix(value, "multipart/")) {
            return Err(MultipartError::Nested { name: shown() });
        }
        let as_is =
            |value: &str| ["7bit", "8bit", "binary"].iter().any(|known| value.eq_ignore_ascii_case(known));
        if encoding.is_some_and(|value| !as_is(value)) {
            return Err(MultipartError::Encoded { name: shown() });
        }
        Ok(Self { name, filename, content_type: content_type.map(str::to_owned) })
    }
}

/// The name of the field and of the file in the value of a `content-disposition`.
fn names(value: &str) -> Option<(String, Option<String>)> {
    let (kind, parameters) = parameters(value)?;
    let (mut name, mut filename) = (None, None);
    for (key, value) in parameters {
        let known = match () {
            () if key.eq_ignore_ascii_case("name") => &mut name,
            // Not for forms by RFC 7578 section 4.2, but sent: as it is, since it only says that this is a file.
            () if key.eq_ignore_ascii_case("filename") || key.eq_ignore_ascii_case("filename*") => {
                filename.get_or_insert(value);
                continue;
            }
            () => continue,
        };
        if known.replace(value).is_some() {
            return None;
        }
    }
    kind.eq_ignore_ascii_case("form-data").then_some((name?, filename))
}

/// The boundary in a content type, if that is `multipart/form-data`.
///
/// # Errors
/// When it names none, several, or one that is not valid.
pub fn boundary_of(content_type: &str) -> Option<Result<String, MultipartError>> {
    if !essence(content_type).eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut boundaries = parameters(content_type)
        .into_iter()
        .flat_map(|(_, parameters)| parameters)
        .filter(|(key, _)| key.eq_ignore_ascii_case("boundary"));
    let boundary = boundaries.next().filter(|(_, value)| is_boundary(value) && boundaries.next().is_none());
    Some(boundary.map(|(_, value)| value).ok_or(MultipartError::Boundary))
}

/// `boundary := 0*69<bchars> bcharsnospace` of RFC 2046 section 5.1.1.
pub(super) fn is_boundary(text: &str) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    (1..=70).contains(&text.len()) && text.bytes().all(is_valid) && !text.ends_with(' ')
}

/// The media type of a content type, without its parameters.
pub fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim_matches([' ', '\t'])
}

/// Names and values. Names are as they were sent, in any case.
pub type Parameters = Vec<(String, String)>;

/// The parts of `essence; name=token; name="quoted string"` (RFC 9110 section 5.6.6), or nothing if it is not that. A value
/// without quotes may hold what no token can, up to the next semicolon or space.
pub fn parameters(value: &str) -> Option<(&str, Parameters)> {
    let space = [' ', '\t'];
    let first = essence(value);
    let mut parameters = Vec::new();
    let mut rest = value.split_once(';').map_or("", |(_, rest)| rest).trim_matches(space);
    while !rest.is_empty() {
        if let Some(next) = rest.strip_prefix(';') {
            rest = next.trim_start_matches(space);
            continue;
        }
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = after.find([';', ' ', '\t']).unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        if !is_token(name) {
            return None;
        }
        parameters.push((name.to_owned(), value));
        rest = after.trim_start_matches(space);
        if !rest.is_empty() && !rest.starts_with(';') {
            return None;
        }
    }
    Some((first, parameters))
}

/// The text up to the quote that ends it, and what follows that. Backslashes before quotes and backslashes are taken
/// out; others stay, as in names of files that are paths.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => {
                let escaped = chars.next_if(|(_, next)| matches!(next, '"' | '\\'));
                value.push(escaped.map_or('\\', |(_, char)| char));
            }
            char => value.push(char),
        }
    }
    None
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

fn has_prefix(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}
