//! The parser: one pass over the text, no recursion.

use super::error::{Fault, SHOWN};
use super::{MAX_FIELD_DEPTH, MAX_LENGTH, MAX_SEGMENTS, Segment, Template, TemplateError, Variable};
use crate::route::decode::{self, Slash, decode};

/// A fault and the byte offset at which it stands.
type Located<T> = Result<T, (usize, Fault)>;

pub(super) fn template(text: &str) -> Result<Template, TemplateError> {
    parse(text).map_err(|(at, fault)| TemplateError::new(text, at, fault))
}

fn parse(text: &str) -> Located<Template> {
    if text.len() > MAX_LENGTH {
        return Err((0, Fault::TooLong));
    }
    if !text.starts_with('/') {
        return Err((0, Fault::NoLeadingSlash));
    }
    if let Some(found) = foreign_variable(text) {
        return Err(found);
    }
    let (body, verb) = split_verb(text);
    let mut parser = Parser { text: body, at: 0, segments: Vec::new(), variables: Vec::new() };
    if body != "/" {
        parser.segments_and_variables()?;
    }
    let verb = verb.map(|(at, verb)| parse_verb(verb, at)).transpose()?;
    Ok(Template {
        text: text.into(),
        segments: parser.segments.into(),
        variables: parser.variables.into(),
        verb,
    })
}

/// A segment outside of braces that is a variable in the templates of others: `:name`, `<name>`,
/// `<type:name>`, `[name]`. As a literal the first would never match what was meant, and the others are none.
fn foreign_variable(text: &str) -> Option<(usize, Fault)> {
    let mut depth = 0_usize;
    let mut at = 0;
    for segment in text.split('/') {
        if depth == 0
            && let Some((written, name)) = foreign_name(segment)
        {
            let name = if is_identifier(name) { name } else { "name" };
            return Some((at, Fault::ForeignVariable { written: shown(written), name: shown(name) }));
        }
        depth = (depth + segment.matches('{').count()).saturating_sub(segment.matches('}').count());
        at += segment.len() + 1;
    }
    None
}

/// The variable with its mark, and its name.
fn foreign_name(segment: &str) -> Option<(&str, &str)> {
    let identifier = |text: &str| {
        text.find(|found: char| !found.is_ascii_alphanumeric() && found != '_').unwrap_or(text.len())
    };
    if let Some(rest) = segment.strip_prefix(':') {
        let end = identifier(rest);
        return Some((&segment[..=end], &rest[..end]));
    }
    let (rest, close) = match segment.as_bytes().first()? {
        b'<' => (&segment[1..], '>'),
        b'[' => (&segment[1..], ']'),
        _ => return None,
    };
    let (inside, _) = rest.split_once(close)?;
    let name = inside.rsplit(':').next().unwrap_or(inside);
    is_identifier(name).then_some((&segment[..inside.len() + 2], name))
}

/// As much of a text as an error repeats.
fn shown(text: &str) -> Box<str> {
    text.chars().take(SHOWN).collect()
}

/// The template without its verb, and the verb with its offset. The verb begins at the last colon after the
/// last slash and the last brace.
fn split_verb(text: &str) -> (&str, Option<(usize, &str)>) {
    let from = text.rfind(['/', '}']).map_or(0, |at| at + 1);
    match text[from..].rfind(':') {
        Some(colon) => (&text[..from + colon], Some((from + colon + 1, &text[from + colon + 1..]))),
        None => (text, None),
    }
}

fn parse_verb(verb: &str, at: usize) -> Located<Box<str>> {
    if verb.is_empty() {
        return Err((at - 1, Fault::EmptyVerb));
    }
    if let Some(star) = verb.find('*') {
        return Err((at + star, Fault::VerbWildcard));
    }
    literal(verb, at)
}

struct Parser<'t> {
    text: &'t str,
    /// The offset of the next byte.
    at: usize,
    segments: Vec<Segment>,
    variables: Vec<Variable>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn segments_and_variables(&mut self) -> Located<()> {
        while self.peek() == Some('/') {
            self.at += 1;
            if self.peek() == Some('{') {
                self.variable()?;
            } else {
                self.segment(false)?;
            }
        }
        match self.peek() {
            None => Ok(()),
            Some('{') => Err((self.at, Fault::PartialVariable)),
            Some('}') => Err((self.at, Fault::StrayClose)),
            Some(':') => Err((self.at, Fault::SecondColon)),
            Some(found) => Err((self.at, Fault::AfterVariable(found))),
        }
    }

    fn variable(&mut self) -> Located<()> {
        let open = self.at;
        self.at += 1;
        let field_path = self.field_path(open)?;
        let start = self.segments.len();
        if self.peek() == Some('=') {
            loop {
                // After `=` or `/`.
                self.at += 1;
                if self.peek().is_none() {
                    return Err((open, Fault::Unclosed));
                }
                self.segment(true)?;
                if self.peek() != Some('/') {
                    break;
                }
            }
        } else {
            self.push(Segment::Any, open)?;
        }
        match self.peek() {
            Some('}') => self.at += 1,
            Some('{') => return Err((self.at, Fault::Nested)),
            _ => return Err((open, Fault::Unclosed)),
        }
        if let Some(twice) = self.variables.iter().find(|variable| variable.field_path == field_path) {
            return Err((open + 1, Fault::Duplicate(twice.to_string().into())));
        }
        let open = self.segments.last() == Some(&Segment::Rest);
        self.variables.push(Variable { field_path, span: start..self.segments.len(), open });
        Ok(())
    }

    fn field_path(&mut self, open: usize) -> Located<Box<[Box<str>]>> {
        let rest = &self.text[self.at..];
        let Some(length) = rest.find(['=', '}', '/', '{']) else {
            return Err((open, Fault::Unclosed));
        };
        let mut names = Vec::new();
        for name in rest[..length].split('.') {
            if !is_identifier(name) {
                return Err((self.at, Fault::FieldName));
            }
            if names.len() == MAX_FIELD_DEPTH {
                return Err((self.at, Fault::FieldDepth));
            }
            names.push(name.into());
            self.at += name.len() + 1;
        }
        // The last name has no dot after it.
        self.at -= 1;
        match self.peek() {
            Some('{') => Err((self.at, Fault::Nested)),
            Some('/') => Err((open, Fault::Unclosed)),
            _ => Ok(names.into()),
        }
    }

    /// One segment that is not a variable, up to the slash or brace after it.
    fn segment(&mut self, inside: bool) -> Located<()> {
        let start = self.at;
        let rest = &self.text[start..];
        let token = &rest[..rest.find(['/', '{', '}']).unwrap_or(rest.len())];
        self.at += token.len();
        let segment = match token {
            "*" => Segment::Any,
            "**" => Segment::Rest,
            "" if inside && self.peek() == Some('{') => return Err((self.at, Fault::Nested)),
            "" if !inside && self.peek() == Some('}') => return Err((self.at, Fault::StrayClose)),
            "" if self.peek().is_none() => return Err((start - 1, Fault::TrailingSlash)),
            "" => return Err((start, Fault::EmptySegment)),
            _ => match token.find('*') {
                Some(star) => return Err((start + star, Fault::PartialWildcard)),
                None => Segment::Literal(segment_literal(token, start)?),
            },
        };
        self.push(segment, start)
    }

    fn push(&mut self, segment: Segment, at: usize) -> Located<()> {
        if self.segments.last() == Some(&Segment::Rest) {
            return Err((at, Fault::RestNotLast));
        }
        if self.segments.len() == MAX_SEGMENTS {
            return Err((at, Fault::TooManySegments));
        }
        self.segments.push(segment);
        Ok(())
    }
}

fn segment_literal(token: &str, at: usize) -> Located<Box<str>> {
    let text = literal(token, at)?;
    if matches!(&*text, "." | "..") { Err((at, Fault::DotSegment)) } else { Ok(text) }
}

/// A literal, decoded.
fn literal(token: &str, at: usize) -> Located<Box<str>> {
    for (offset, found) in token.char_indices() {
        match found {
            '?' | '#' => return Err((at + offset, Fault::Query(found))),
            '{' => return Err((at + offset, Fault::PartialVariable)),
            _ if is_path_character(found) => {}
            _ => return Err((at + offset, Fault::Character(found))),
        }
    }
    let decoded = decode(token, Slash::Decode).map_err(|error| {
        let fault = match error.fault() {
            decode::Fault::Utf8 => Fault::Utf8,
            decode::Fault::Nul => Fault::Nul,
            _ => Fault::Escape,
        };
        (at + error.position(), fault)
    })?;
    Ok(decoded.into())
}

/// RFC 3986 `pchar`, the percent sign of an escape, and visible text beyond ASCII (RFC 3987).
fn is_path_character(found: char) -> bool {
    match found {
        '-' | '.' | '_' | '~' | '!' | '$' | '&' | '\'' | '(' | ')' | '+' | ',' | ';' | '=' | ':' | '@'
        | '%' => true,
        _ if found.is_ascii() => found.is_ascii_alphanumeric(),
        _ => !found.is_control() && !found.is_whitespace(),
    }
}

/// `IDENT` as protobuf defines it.
fn is_identifier(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
