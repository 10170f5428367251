//! Where a redirect leads: a path or a URL in which variables of the path that was asked for stand.
//!
//! ```text
//! Location = [ Origin ] Path [ "?" Query ] [ "#" Fragment ] ;
//! Origin   = ( "http://" | "https://" ) HOST [ ":" PORT ] ;
//! Path     = "/" { pchar | "/" | Variable } ;
//! Query    = { pchar | "/" | "?" | Variable } ;
//! Variable = "{" FieldPath "}" ;
//! ```
//!
//! A variable is one of the template that the redirect is for. Its value is taken as it was sent, so that an escape means
//! the same where it comes to stand, and what could mean something else there is escaped: no value leads to another host,
//! opens a query or ends a header.

use std::fmt;

use super::template::Template;

/// Longest location, in bytes.
pub const MAX_LENGTH: usize = 2_048;

/// How much of a location an error repeats, in characters.
const SHOWN: usize = 100;

/// A parsed location.
///
/// ```
/// use transom::route::location::Location;
/// use transom::route::template::Template;
///
/// let old = Template::parse("/old/{id}")?;
/// let location = Location::parse("/v2/users/{id}", &old)?;
/// assert_eq!(location.write(&["7%2F8"], Some("page=2")), "/v2/users/7%2F8?page=2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    text: Box<str>,
    /// Scheme and host; empty for a path of the host that was asked.
    origin: Box<str>,
    path: Box<[Piece]>,
    /// Absent without a question mark.
    query: Option<Box<[Piece]>>,
    /// With its `#`; empty without one.
    fragment: Box<str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// As it is written.
    Text(Box<str>),
    /// The variable at this index.
    Variable(usize),
}

/// Why a location cannot be parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocationError {
    text: Box<str>,
    fault: Fault,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    TooLong,
    NoPath,
    NoScheme,
    Host,
    Character(char),
    Escape,
    DotSegment,
    Unclosed,
    InFragment,
    /// A name that no variable has, and those that there are.
    Unknown(Box<str>, Box<[Box<str>]>),
}

impl fmt::Display for LocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, fault } = self;
        write!(f, "The location `{}` ", shown(text))?;
        match fault {
            Fault::TooLong => {
                write!(f, "is longer than {MAX_LENGTH} bytes. Shorten it.")
            }
            Fault::NoPath => f.write_str(
                "begins with neither a slash nor a scheme. Write a path such as /v2/users/{id}, or a URL such as \
                 https://docs.example/{id}.",
            ),
            Fault::NoScheme => f.write_str(
                "begins with two slashes, which clients read as another host. Write one slash for a path, or the scheme \
                 before the host.",
            ),
            Fault::Host => f.write_str(
                "has no valid host. Write letters, digits, `-`, `.` and a port if there is one, before any variable: \
                 https://docs.example/{id}.",
            ),
            Fault::Character(found) => write!(
                f,
                "has the character {found:?}, which no URL has there. Percent-encode it."
            ),
            Fault::Escape => f.write_str(
                "has a percent sign without two hexadecimal digits after it. Write %25 for one that is meant as such.",
            ),
            Fault::DotSegment => {
                f.write_str("has a segment `.` or `..`. Write the path that it stands for.")
            }
            Fault::Unclosed => f.write_str(
                "has a brace that belongs to no variable. Write a variable as {name}, and percent-encode other braces.",
            ),
            Fault::InFragment => {
                f.write_str("has a variable behind `#`, where none is replaced. Move it into the path or the query.")
            }
            Fault::Unknown(name, known) if known.is_empty() => {
                write!(f, "names the variable {name:?}, but the path of the route has none.")
            }
            Fault::Unknown(name, known) => {
                write!(f, "names the variable {name:?}. The path of the route has {}.", known.join(", "))
            }
        }
    }
}

impl std::error::Error for LocationError {}

impl Location {
    /// Parses a location for a route with this template.
    ///
    /// # Errors
    /// Text that does not follow the grammar, or names a variable that the template has not.
    pub fn parse(text: &str, template: &Template) -> Result<Self, LocationError> {
        parse(text, template).map_err(|fault| LocationError { text: text.into(), fault })
    }

    /// The text that was parsed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme and host in lower case, such as `https://docs.example`; empty for a path of the host that is asked.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The location for a request. `values` are what [`Route::raw`](super::table::Route::raw) says of its path, and
    /// `query` is its query, if that is to be kept. All of it is visible ASCII.
    pub fn write(&self, values: &[&str], query: Option<&str>) -> String {
        let mut path =
            String::with_capacity(self.text.len() + values.iter().map(|value| value.len()).sum::<usize>());
        write_pieces(&self.path, values, Part::Path, &mut path);
        if self.origin.is_empty() {
            // Two slashes would begin a host.
            let slashes = path.bytes().take_while(|byte| *byte == b'/').count();
            path.drain(..slashes.saturating_sub(1));
        }
        let mut out = format!("{}{path}", self.origin);
        if let Some(pieces) = &self.query {
            out.push('?');
            write_pieces(pieces, values, Part::Query, &mut out);
        }
        if let Some(query) = query.filter(|query| !query.is_empty()) {
            out.push(if self.query.is_some() { '&' } else { '?' });
            escape(query, |byte| is_pchar(byte) || matches!(byte, b'/' | b'?'), &mut out);
        }
        out.push_str(&self.fragment);
        out
    }
}

/// A text as one segment of a path, or one word of a query: everything but letters, digits and `-._~` is
/// percent-encoded.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_unreserved(byte) { out.push(char::from(byte)) } else { push_escape(byte, &mut out) }
    }
    out
}

fn write_pieces(pieces: &[Piece], values: &[&str], part: Part, out: &mut String) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Variable(index) => {
                let value = values.get(*index).copied().unwrap_or_default();
                match part {
                    Part::Path => escape(value, |byte| is_pchar(byte) || byte == b'/', out),
                    Part::Query => escape(value, is_unreserved, out),
                }
            }
        }
    }
}

/// Where in a location a text stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Query,
}

fn parse(text: &str, template: &Template) -> Result<Location, Fault> {
    if text.len() > MAX_LENGTH {
        return Err(Fault::TooLong);
    }
    let (origin, rest) = split_origin(text)?;
    let (rest, fragment) = match rest.find('#') {
        Some(at) => (&rest[..at], &rest[at..]),
        None => (rest, ""),
    };
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (rest, None),
    };
    if path.split('/').any(|segment| matches!(segment, "." | "..")) {
        return Err(Fault::DotSegment);
    }
    let path = pieces(if path.is_empty() { "/" } else { path }, Part::Path, template)?;
    let query = query.map(|query| pieces(query, Part::Query, template)).transpose()?;
    if fragment.contains(['{', '}']) {
        return Err(Fault::InFragment);
    }
    let mut written = String::with_capacity(fragment.len());
    if let Some(fragment) = fragment.strip_prefix('#') {
        written.push('#');
        literal(fragment, Part::Query, &mut written)?;
    }
    Ok(Location { text: text.into(), origin, path, query, fragment: written.into() })
}

/// Scheme and host, and the rest.
fn split_origin(text: &str) -> Result<(Box<str>, &str), Fault> {
    if text.starts_with("//") {
        return Err(Fault::NoScheme);
    }
    if text.starts_with('/') {
        return Ok(("".into(), text));
    }
    let (scheme, rest) = text.split_once("://").ok_or(Fault::NoPath)?;
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(&*scheme, "http" | "https") {
        return Err(Fault::NoPath);
    }
    let (host, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if !is_host(host) {
        return Err(Fault::Host);
    }
    Ok((format!("{scheme}://{}", host.to_ascii_lowercase()).into(), rest))
}

/// A name or an address, and a port if there is one.
fn is_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<std::net::Ipv6Addr>().is_ok() => ("v6", port),
            _ => return false,
        },
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_port = |port: &str| port.parse::<u16>().is_ok() && port.bytes().all(|byte| byte.is_ascii_digit());
    !name.is_empty()
        && name.bytes().all(is_name)
        && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn pieces(text: &str, part: Part, template: &Template) -> Result<Box<[Piece]>, Fault> {
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        let open = rest.find(['{', '}']).unwrap_or(rest.len());
        if open > 0 {
            let mut written = String::with_capacity(open);
            literal(&rest[..open], part, &mut written)?;
            pieces.push(Piece::Text(written.into()));
        }
        let Some(inside) = rest[open..].strip_prefix('{') else {
            return if open == rest.len() { Ok(pieces.into()) } else { Err(Fault::Unclosed) };
        };
        let (name, behind) = inside.split_once('}').ok_or(Fault::Unclosed)?;
        pieces.push(Piece::Variable(variable(name, template)?));
        rest = behind;
    }
}

fn variable(name: &str, template: &Template) -> Result<usize, Fault> {
    let mut names = template.variables().iter().map(ToString::to_string);
    names.position(|known| known == name).ok_or_else(|| {
        let known = template.variables().iter().map(|variable| variable.to_string().into());
        Fault::Unknown(shown(name).into(), known.collect())
    })
}

/// Appends a text that stands in a location. What is not ASCII is percent-encoded.
fn literal(text: &str, part: Part, out: &mut String) -> Result<(), Fault> {
    for (at, found) in text.char_indices() {
        match found {
            '%' if !is_escape(text.as_bytes(), at) => return Err(Fault::Escape),
            '%' | '/' => {}
            '?' if part == Part::Query => {}
            _ if found.is_ascii() && !is_pchar(found as u8) => return Err(Fault::Character(found)),
            _ if !found.is_ascii() && (found.is_control() || found.is_whitespace()) => {
                return Err(Fault::Character(found));
            }
            _ => {}
        }
    }
    escape(text, |byte| is_pchar(byte) || matches!(byte, b'/' | b'?'), out);
    Ok(())
}

/// Appends a text in which escapes stay, and all but the bytes that are plain become some.
fn escape(text: &str, is_plain: impl Fn(u8) -> bool, out: &mut String) {
    let bytes = text.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        if is_plain(byte) || (byte == b'%' && is_escape(bytes, at)) {
            out.push(char::from(byte));
        } else {
            push_escape(byte, out);
        }
    }
}

fn push_escape(byte: u8, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// Whether the percent sign at this offset has two hexadecimal digits behind it.
fn is_escape(bytes: &[u8], at: usize) -> bool {
    bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// RFC 3986 `unreserved`.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 `pchar` without the percent sign of an escape.
fn is_pchar(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte)
}

fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
