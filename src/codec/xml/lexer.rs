//! The elements of XML text (XML 1.0, fifth edition, with namespaces), pulled one after the other.
//!
//! There is no document type declaration and so no entity but the five that XML has by itself, nothing is read from
//! elsewhere, and nothing is kept but what is open: the depth, the number of elements, the attributes of an element and
//! the namespaces in scope are bounded.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

use super::error::{ReadError, Result, shown};
use super::scan::{forbidden, is_space, run_end};
use crate::schema::{Name, Schema};

/// Attributes that an element may have, declarations of namespaces included.
pub const MAX_ATTRIBUTES: usize = 64;
/// Namespaces that may be declared at one place in the text.
pub const MAX_NAMESPACES: usize = 256;

/// The namespace of `xsi:nil` and its relatives.
pub const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
pub(super) const XML: &str = "http://www.w3.org/XML/1998/namespace";
pub(super) const XMLNS: &str = "http://www.w3.org/2000/xmlns/";

/// What bounds a text.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many elements may lie inside one another, the root included.
    pub depth: usize,
    /// How many elements there may be.
    pub elements: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { depth: 64, elements: 100_000 }
    }
}

/// A namespace: the place of the first one in scope that is the same, plus one; zero for none.
pub(super) type Space = u16;
/// The namespace of the prefix `xml`, which is never declared.
pub(super) const XML_SPACE: Space = Space::MAX;

/// An element that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open<'t> {
    /// As the text spells it, with its prefix.
    pub(super) name: &'t [u8],
    /// How long the prefix is, with its colon.
    pub(super) prefix: usize,
    pub(super) space: Space,
    /// The state around it, which is restored at its end.
    pub(super) bindings: usize,
    pub(super) default: Space,
    pub(super) start: usize,
}

/// A prefix and the namespace that it stands for; an empty prefix is the default. Both are as long as the sender likes,
/// and are told from others by their hashes.
#[derive(Debug)]
pub(super) struct Binding<'t> {
    pub(super) prefix: Hashed<&'t [u8]>,
    pub(super) uri: Hashed<Cow<'t, [u8]>>,
    pub(super) space: Space,
}

/// Text with a seeded hash of it.
#[derive(Debug)]
pub(super) struct Hashed<T> {
    pub(super) text: T,
    hash: u64,
}

impl<T: AsRef<[u8]>> Hashed<T> {
    pub(super) fn new(text: T, hasher: &DefaultHashBuilder) -> Self {
        let hash = hasher.hash_one(text.as_ref());
        Self { text, hash }
    }

    pub(super) fn is<U: AsRef<[u8]>>(&self, other: &Hashed<U>) -> bool {
        self.hash == other.hash && compare(self.text.as_ref(), other.text.as_ref()).is_eq()
    }
}

/// Compares two texts that are as long as the sender likes.
#[inline]
pub(super) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    #[cfg(test)]
    COMPARED.set(COMPARED.get() + 1 + a.len().min(b.len()));
    a.cmp(b)
}

#[cfg(test)]
thread_local! {
    /// How many bytes were compared, and how many times.
    pub(super) static COMPARED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// An attribute that declares no namespace.
#[derive(Debug)]
pub struct Attribute<'t> {
    pub(super) name: &'t [u8],
    pub(super) prefix: usize,
    pub(super) space: Space,
    value: Cow<'t, [u8]>,
    pub(super) start: usize,
}

impl<'t> Attribute<'t> {
    pub(super) const fn new(name: &'t [u8], prefix: usize, value: Cow<'t, [u8]>, start: usize) -> Self {
        Self { name, prefix, space: 0, value, start }
    }

    /// The name without its prefix.
    pub fn local(&self) -> &'t [u8] {
        self.name.get(self.prefix..).unwrap_or_default()
    }

    /// The name as the text spells it.
    pub const fn name(&self) -> &'t [u8] {
        self.name
    }

    /// The value, its references resolved and its white space made spaces.
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

/// The text of an element: a part of the input, or what the buffer holds that it was decoded into.
#[derive(Clone, Copy, Debug)]
pub enum Leaf<'t> {
    /// As it stands.
    Plain(&'t [u8]),
    /// With references, CDATA sections or line ends resolved.
    Decoded,
}

impl<'t> Leaf<'t> {
    /// The text. `buffer` is the one that was given to [`Lexer::leaf`].
    #[inline]
    pub fn of<'r>(self, buffer: &'r [u8]) -> &'r [u8]
    where
        't: 'r,
    {
        match self {
            Self::Plain(text) => text,
            Self::Decoded => buffer,
        }
    }
}

/// Reads XML text element by element: inside of an element, [`Lexer::child`] goes into its next child or behind its end,
/// and [`Lexer::leaf`] and [`Lexer::skip`] take all that is left of it.
#[derive(Debug)]
pub struct Lexer<'t> {
    pub(super) text: &'t [u8],
    pub(super) at: usize,
    /// Where lines and columns are counted from.
    origin: usize,
    limits: Limits,
    elements: usize,
    pub(super) open: Vec<Open<'t>>,
    /// Whether the innermost element was written as an empty one, so that its end is here.
    pub(super) is_empty: bool,
    pub(super) bindings: Vec<Binding<'t>>,
    pub(super) hasher: DefaultHashBuilder,
    /// The namespace of elements without prefix.
    pub(super) default: Space,
    /// Those of the element that was opened last.
    pub(super) attributes: Vec<Attribute<'t>>,
}

impl<'t> Lexer<'t> {
    /// A lexer of a whole text, which is UTF-8 without a byte order mark, as [`decode`](super::encoding::decode) makes
    /// it.
    ///
    /// # Errors
    /// When the text holds a character that XML cannot hold.
    pub fn new(text: &'t [u8], limits: Limits) -> Result<Self> {
        let lexer = Self {
            text,
            at: 0,
            origin: 0,
            limits,
            elements: 0,
            open: Vec::with_capacity(16),
            is_empty: false,
            bindings: Vec::new(),
            hasher: DefaultHashBuilder::default(),
            default: 0,
            attributes: Vec::new(),
        };
        match forbidden(text) {
            None => Ok(lexer),
            Some(at) => {
                let rest = String::from_utf8_lossy(text.get(at..at + 3).unwrap_or(&text[at..]));
                let code = rest.chars().next().map_or(0, u32::from);
                Err(lexer.error_at(at, format!("the character U+{code:04X} is not allowed in XML")))
            }
        }
    }

    /// Goes into the root element.
    ///
    /// # Errors
    /// When no element follows, or what stands before it is not well-formed. There must be no document type declaration.
    pub fn root(&mut self) -> Result<()> {
        self.declaration()?;
        loop {
            self.skip_space();
            match self.text.get(self.at) {
                Some(b'<') if self.is_start_tag() => return self.start_tag(),
                Some(b'<') => self.misc("the root element is needed")?,
                Some(_) => return Err(self.error("the root element is needed, found text")),
                None => return Err(self.error("the root element is needed, found the end of the text")),
            }
        }
    }

    /// What may follow the root element, to the end of the text.
    ///
    /// # Errors
    /// When there is more than comments, processing instructions and white space.
    pub fn finish(&mut self) -> Result<()> {
        loop {
            self.skip_space();
            match self.text.get(self.at) {
                None => return Ok(()),
                Some(b'<') if !self.is_start_tag() => {
                    self.misc("there is more text behind the root element")?;
                }
                Some(_) => return Err(self.error("there is more text behind the root element")),
            }
        }
    }

    /// Goes into the next child of the innermost element, or behind its end; false if that was the end.
    ///
    /// # Errors
    /// When the text is not well-formed, or text stands between the children.
    #[inline]
    pub fn child(&mut self) -> Result<bool> {
        if self.is_empty {
            self.is_empty = false;
            self.close();
            return Ok(false);
        }
        loop {
            self.skip_space();
            match self.text.get(self.at..) {
                Some([b'<', b'/', ..]) => return self.end_tag().map(|()| false),
                Some([b'<', b'!' | b'?', ..]) => self.between()?,
                Some([b'<', ..]) => return self.start_tag().map(|()| true),
                Some([]) | None => return Err(self.broken_off()),
                Some(_) => return Err(self.misplaced_text(self.at)),
            }
        }
    }

    /// The text of the innermost element, and goes behind its end. What is no plain run of text is decoded into
    /// `buffer`, which is emptied then.
    ///
    /// # Errors
    /// When the text is not well-formed, or the element has child elements.
    #[inline]
    pub fn leaf(&mut self, buffer: &mut Vec<u8>) -> Result<Leaf<'t>> {
        if self.is_empty {
            self.is_empty = false;
            self.close();
            return Ok(Leaf::Plain(&[]));
        }
        let start = self.at;
        let end = run_end(self.text, start);
        if let Some([b'<', b'/']) = self.text.get(end..end + 2) {
            self.at = end;
            self.end_tag()?;
            return Ok(Leaf::Plain(&self.text[start..end]));
        }
        buffer.clear();
        self.decode_leaf(buffer)?;
        Ok(Leaf::Decoded)
    }

    /// Passes over all that is left of the innermost element, which is checked to be well-formed.
    ///
    /// # Errors
    /// When it is not.
    pub fn skip(&mut self) -> Result<()> {
        let depth = self.open.len();
        let mut buffer = Vec::new();
        while self.open.len() >= depth {
            if self.is_empty {
                self.is_empty = false;
                self.close();
                continue;
            }
            self.at = run_end(self.text, self.at);
            match self.text.get(self.at..) {
                Some([b'<', b'/', ..]) => self.end_tag()?,
                Some([b'<', next, ..]) if !matches!(next, b'!' | b'?') => self.start_tag()?,
                Some([]) | None => return Err(self.broken_off()),
                Some(_) => {
                    buffer.clear();
                    self.decode(&mut buffer)?;
                }
            }
        }
        Ok(())
    }

    /// Has errors count lines and columns from here.
    pub(super) const fn count_from_here(&mut self) {
        self.origin = self.at;
    }

    /// How many bytes are left to read.
    pub(super) const fn left(&self) -> usize {
        self.text.len() - self.at
    }

    /// How many elements are open.
    pub const fn depth(&self) -> usize {
        self.open.len()
    }

    /// The name of the innermost element as the text spells it; empty outside the root.
    pub fn name(&self) -> &'t [u8] {
        self.open.last().map_or(&[], |open| open.name)
    }

    /// The name of the innermost element without its prefix.
    pub fn local(&self) -> &'t [u8] {
        self.open.last().map_or(&[], |open| open.name.get(open.prefix..).unwrap_or_default())
    }

    /// The namespace of the innermost element, empty for none.
    pub fn namespace(&self) -> &[u8] {
        self.open.last().map_or(&[], |open| self.uri(open.space))
    }

    /// Whether the innermost element has this name and namespace.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.local() == local.as_bytes() && self.namespace() == namespace.as_bytes()
    }

    /// The local name of the child element that follows, if only white space stands before it.
    pub(super) fn next_local(&self) -> Option<&'t [u8]> {
        if self.is_empty {
            return None;
        }
        let rest = self.text.get(self.at..)?;
        let rest = &rest[rest.iter().take_while(|&&byte| is_space(byte)).count()..];
        let rest =
            rest.strip_prefix(b"<").filter(|rest| !matches!(rest.first(), Some(b'/' | b'!' | b'?')))?;
        let length = rest.iter().take_while(|&&byte| !is_space(byte) && byte != b'>' && byte != b'/').count();
        rest[..length].rsplit(|&byte| byte == b':').next()
    }

    /// The attributes of the element that was opened last, without declarations of namespaces. They are gone as soon as
    /// another element is opened.
    pub fn attributes(&self) -> &[Attribute<'t>] {
        &self.attributes
    }

    /// The attribute of this name of the element that was opened last; one without prefix has no namespace.
    pub fn attribute(&self, namespace: &str, local: &str) -> Option<&Attribute<'t>> {
        self.attributes.iter().find(|attribute| {
            attribute.local() == local.as_bytes() && self.uri(attribute.space) == namespace.as_bytes()
        })
    }

    /// The namespace of an attribute of the element that was opened last, empty for none.
    pub fn namespace_of(&self, attribute: &Attribute<'_>) -> &[u8] {
        self.uri(attribute.space)
    }

    /// An error at the start tag of the innermost element.
    #[cold]
    pub fn refused(&self, message: impl Into<String>) -> Box<ReadError> {
        self.error_at(self.start(), message)
    }

    /// Where the start tag of the innermost element stands.
    pub(super) fn start(&self) -> usize {
        self.open.last().map_or(self.at, |open| open.start)
    }

    /// The namespace that elements without prefix have here.
    pub(super) fn default_namespace(&self) -> &[u8] {
        self.uri(self.default)
    }

    pub(super) fn uri(&self, space: Space) -> &[u8] {
        match space {
            0 => &[],
            XML_SPACE => XML.as_bytes(),
            space => self.bindings.get(usize::from(space) - 1).map_or(&[], |binding| &binding.uri.text),
        }
    }

    // The usual text, without white space inside of tags, prefixes and attributes.

    /// Whether the start tag of an element of this name follows, without prefix and attributes. Goes past white space.
    #[inline]
    pub(super) fn is_at(&mut self, schema: &Schema, name: Name) -> bool {
        self.skip_space();
        self.text.get(self.at) == Some(&b'<')
            && schema.stands_at(self.text, self.at + 1, name)
            && self.text.get(self.at + 1 + name.length()) == Some(&b'>')
            && !self.is_empty
    }

    /// Goes into the element whose start tag [`Lexer::is_at`] has seen.
    #[inline]
    pub(super) fn enter(&mut self, name: Name) -> Result<()> {
        let start = self.at;
        self.at += name.length() + 2;
        self.attributes.clear();
        let name = &self.text[start + 1..self.at - 1];
        self.push(Open {
            name,
            prefix: 0,
            space: self.default,
            bindings: self.bindings.len(),
            default: self.default,
            start,
        })
    }

    /// The text of the element whose start tag [`Lexer::is_at`] has seen, if it is a plain run: then all of the element is
    /// passed.
    #[inline]
    pub(super) fn plain_leaf(&mut self, schema: &Schema, name: Name) -> Option<&'t [u8]> {
        let start = self.at + name.length() + 2;
        let end = run_end(self.text, start);
        let after = end + 2 + name.length();
        let ends = self.text.get(end..end + 2) == Some(b"</")
            && schema.stands_at(self.text, end + 2, name)
            && self.text.get(after) == Some(&b'>');
        if !ends || self.elements >= self.limits.elements || self.open.len() >= self.limits.depth {
            return None;
        }
        self.elements += 1;
        self.at = after + 1;
        Some(&self.text[start..end])
    }

    // Parts.

    #[inline]
    pub(super) fn skip_space(&mut self) {
        while self.text.get(self.at).is_some_and(|&byte| is_space(byte)) {
            self.at += 1;
        }
    }

    fn is_start_tag(&self) -> bool {
        !matches!(self.text.get(self.at + 1), Some(b'!' | b'?' | b'/'))
    }

    #[inline]
    pub(super) fn push(&mut self, open: Open<'t>) -> Result<()> {
        if self.open.len() >= self.limits.depth {
            let text = format!("elements are nested more than {} deep", self.limits.depth);
            return Err(self.error_at(open.start, text));
        }
        if self.elements >= self.limits.elements {
            let text = format!("there are more than {} elements", self.limits.elements);
            return Err(self.error_at(open.start, text));
        }
        self.elements += 1;
        self.open.push(open);
        Ok(())
    }

    #[inline]
    pub(super) fn close(&mut self) {
        if let Some(open) = self.open.pop() {
            self.bindings.truncate(open.bindings);
            self.default = open.default;
        }
    }

    #[inline]
    pub(super) fn end_tag(&mut self) -> Result<()> {
        let name = self.name();
        let after = self.at + 2 + name.len();
        let rest = self.text.get(after..).unwrap_or_default();
        if self.text.get(self.at + 2..after) == Some(name) && rest.first() == Some(&b'>') {
            self.at = after + 1;
            self.close();
            return Ok(());
        }
        self.unusual_end_tag()
    }

    /// With white space in it, or another one than the one that is needed.
    fn unusual_end_tag(&mut self) -> Result<()> {
        let start = self.at;
        self.at += 2;
        let (found, _) = self.qualified_name("an end tag needs a name")?;
        if found != self.name() {
            let text = format!("</{}> stands where </{}> is needed", shown(found), shown(self.name()));
            return Err(self.error_at(start, text));
        }
        self.skip_space();
        if self.text.get(self.at) != Some(&b'>') {
            return Err(self.error(format!("the end tag </{}> needs its >", shown(found))));
        }
        self.at += 1;
        self.close();
        Ok(())
    }

    #[cold]
    pub(super) fn broken_off(&self) -> Box<ReadError> {
        self.error_at(self.text.len(), format!("the text ends before </{}>", shown(self.name())))
    }

    #[cold]
    pub(super) fn misplaced_text(&self, at: usize) -> Box<ReadError> {
        self.error_at(at, "text stands where elements belong")
    }

    #[cold]
    pub(super) fn error(&self, message: impl Into<String>) -> Box<ReadError> {
        self.error_at(self.at, message)
    }

    #[cold]
    pub(super) fn error_at(&self, at: usize, message: impl Into<String>) -> Box<ReadError> {
        self.error_in(at, self.name(), message)
    }

    /// An error at a byte, inside an element of this name.
    #[cold]
    pub(super) fn error_in(&self, at: usize, name: &[u8], message: impl Into<String>) -> Box<ReadError> {
        ReadError::new(&self.text[self.origin..], at.saturating_sub(self.origin), name, message)
    }
}
