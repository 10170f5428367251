//! Tags, references, comments, processing instructions and CDATA sections.

use std::borrow::Cow;

use super::error::{ReadError, Result, shown};
use super::lexer::{
    Attribute, Binding, Hashed, Lexer, MAX_ATTRIBUTES, MAX_NAMESPACES, Open, Space, XML, XML_SPACE, XMLNS,
    compare,
};
use super::scan::{is_space, run_end};
use crate::schema::xml_name::{is_part, is_start};

impl<'t> Lexer<'t> {
    // Tags.

    /// A start tag, with its attributes and the namespaces that it declares.
    pub(super) fn start_tag(&mut self) -> Result<()> {
        let start = self.at;
        self.at += 1;
        let (name, prefix) = self.qualified_name("a tag needs a name behind its <")?;
        self.attributes.clear();
        let (bindings, default) = (self.bindings.len(), self.default);
        let mut declared = 0;
        let is_empty = loop {
            let had_space = self.text.get(self.at).is_some_and(|&byte| is_space(byte));
            self.skip_space();
            match self.text.get(self.at..) {
                Some([b'>', ..]) => {
                    self.at += 1;
                    break false;
                }
                Some([b'/', b'>', ..]) => {
                    self.at += 2;
                    break true;
                }
                Some([]) | None => {
                    return Err(self.error(format!("the text ends inside the tag <{}>", shown(name))));
                }
                Some(_) if had_space => {
                    if self.attributes.len() + declared >= MAX_ATTRIBUTES {
                        let text = format!("<{}> has more than {MAX_ATTRIBUTES} attributes", shown(name));
                        return Err(self.error(text));
                    }
                    declared += usize::from(self.attribute_or_declaration(bindings)?);
                }
                Some(_) => {
                    return Err(self.error(format!("the tag <{}> is not well-formed here", shown(name))));
                }
            }
        };
        self.resolve_attributes(name)?;
        let space = match prefix {
            0 => self.default,
            length => self.resolve(&name[..length - 1], start + 1)?,
        };
        self.push(Open { name, prefix, space, bindings, default, start })?;
        self.is_empty = is_empty;
        Ok(())
    }

    /// One attribute, or true for the declaration of a namespace. `bindings` were declared before this tag.
    fn attribute_or_declaration(&mut self, bindings: usize) -> Result<bool> {
        let start = self.at;
        let (name, prefix) = self.qualified_name("an attribute needs a name")?;
        self.skip_space();
        if self.text.get(self.at) != Some(&b'=') {
            return Err(self.error(format!("the attribute {} needs = and a value in quotes", shown(name))));
        }
        self.at += 1;
        self.skip_space();
        let value = self.attribute_value(name)?;
        let declared = match (&name[..prefix], name) {
            (b"", b"xmlns") => Some(&b""[..]),
            (b"xmlns:", _) => Some(&name[prefix..]),
            _ => None,
        };
        match declared {
            Some(declared) => self.declare(declared, value, start, bindings).map(|()| true),
            None => {
                self.attributes.push(Attribute::new(name, prefix, value, start));
                Ok(false)
            }
        }
    }

    fn declare(&mut self, prefix: &'t [u8], uri: Cow<'t, [u8]>, start: usize, bindings: usize) -> Result<()> {
        let (prefix, uri) = (Hashed::new(prefix, &self.hasher), Hashed::new(uri, &self.hasher));
        let (name, namespace) = (prefix.text, &*uri.text);
        let problem = if self.bindings[bindings..].iter().any(|binding| binding.prefix.is(&prefix)) {
            "it is declared twice here"
        } else if name == b"xmlns" || namespace == XMLNS.as_bytes() {
            "xmlns and its namespace are never declared"
        } else if (name == b"xml") != (namespace == XML.as_bytes()) {
            "the prefix xml and its namespace belong to each other"
        } else if namespace.is_empty() && !name.is_empty() {
            "only the default namespace can be none"
        } else if self.bindings.len() >= MAX_NAMESPACES {
            let text = format!("more than {MAX_NAMESPACES} namespaces are declared");
            return Err(self.error_at(start, text));
        } else {
            let space = if namespace.is_empty() { 0 } else { self.space_of(&uri) };
            if name.is_empty() {
                self.default = space;
            }
            self.bindings.push(Binding { prefix, uri, space });
            return Ok(());
        };
        let text = format!("the namespace prefix {:?} cannot be declared so: {problem}", shown(name));
        Err(self.error_at(start, text))
    }

    /// What a namespace is known by that is declared now.
    fn space_of(&self, uri: &Hashed<Cow<'t, [u8]>>) -> Space {
        let same = self.bindings.iter().position(|binding| binding.uri.is(uri));
        same.unwrap_or(self.bindings.len()) as Space + 1
    }

    /// Finds the namespaces of the attributes of an element and checks that none is there twice.
    #[inline]
    fn resolve_attributes(&mut self, element: &'t [u8]) -> Result<()> {
        for at in 0..self.attributes.len() {
            let Attribute { name, prefix, start, .. } = self.attributes[at];
            if prefix > 0 {
                self.attributes[at].space = self.resolve(&name[..prefix - 1], start)?;
            }
        }
        if self.attributes.len() > 1
            && let Some(Attribute { name, start, .. }) = self.doubled()
        {
            let text = format!("<{}> has the attribute {} twice", shown(element), shown(name));
            return Err(self.error_at(*start, text));
        }
        Ok(())
    }

    /// The first attribute that stands behind another one of its name.
    fn doubled(&self) -> Option<&Attribute<'t>> {
        // Sorted, as names can be many, and long, and alike up to their last character.
        let mut order: [usize; MAX_ATTRIBUTES] = std::array::from_fn(|at| at);
        let order = &mut order[..self.attributes.len()];
        let by_name = |a: &Attribute<'_>, b: &Attribute<'_>| {
            a.space.cmp(&b.space).then_with(|| compare(a.local(), b.local()))
        };
        order.sort_unstable_by(|&a, &b| by_name(&self.attributes[a], &self.attributes[b]).then(a.cmp(&b)));
        let pairs = order.windows(2).map(|pair| [0, 1].map(|of| &self.attributes[pair[of]]));
        let doubled = pairs.filter(|[a, b]| by_name(a, b).is_eq()).map(|[_, b]| b);
        doubled.min_by_key(|attribute| attribute.start)
    }

    fn resolve(&self, prefix: &[u8], at: usize) -> Result<Space> {
        if prefix == b"xml" {
            return Ok(XML_SPACE);
        }
        let prefix = Hashed::new(prefix, &self.hasher);
        match self.bindings.iter().rev().find(|binding| binding.prefix.is(&prefix)) {
            Some(binding) => Ok(binding.space),
            None => {
                let text = format!("the namespace prefix {:?} is not declared", shown(prefix.text));
                Err(self.error_at(at, text))
            }
        }
    }

    /// A name and the length of its prefix, with the colon.
    #[inline]
    pub(super) fn qualified_name(&mut self, needed: &str) -> Result<(&'t [u8], usize)> {
        let start = self.at;
        let mut prefix = 0;
        let mut part = start;
        loop {
            match self.text.get(self.at) {
                Some(&byte) if byte.is_ascii() && is_part(char::from(byte)) => {
                    if self.at == part && !is_start(char::from(byte)) {
                        return Err(self.error(format!("a name cannot begin with {:?}", char::from(byte))));
                    }
                    self.at += 1;
                }
                Some(b':') if prefix == 0 && self.at > start => {
                    self.at += 1;
                    prefix = self.at - start;
                    part = self.at;
                }
                Some(0x80..) => self.at += self.wide_name_character(self.at == part)?,
                _ => break,
            }
        }
        if self.at == part {
            return Err(self.error(needed));
        }
        Ok((&self.text[start..self.at], prefix))
    }

    /// The length of a character that is not ASCII and may stand in a name.
    fn wide_name_character(&self, is_first: bool) -> Result<usize> {
        let rest = self.text.get(self.at..self.at + 4).unwrap_or_else(|| &self.text[self.at..]);
        let text = match std::str::from_utf8(rest) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&rest[..error.valid_up_to()]).unwrap_or_default(),
        };
        match text.chars().next() {
            Some(char) if is_start(char) || (!is_first && is_part(char)) => Ok(char.len_utf8()),
            Some(char) => Err(self.error(format!("a name cannot hold {char:?}"))),
            None => Err(self.error("the text is not UTF-8")),
        }
    }

    /// A value in quotes: references are resolved, each white space becomes a space.
    fn attribute_value(&mut self, name: &[u8]) -> Result<Cow<'t, [u8]>> {
        let Some(&quote @ (b'"' | b'\'')) = self.text.get(self.at) else {
            return Err(self.error(format!("the value of the attribute {} needs quotes", shown(name))));
        };
        self.at += 1;
        let start = self.at;
        let mut decoded: Option<Vec<u8>> = None;
        loop {
            let byte = self.text.get(self.at).copied();
            match byte {
                Some(byte) if byte == quote => {
                    self.at += 1;
                    return Ok(match decoded {
                        Some(decoded) => Cow::Owned(decoded),
                        None => Cow::Borrowed(&self.text[start..self.at - 1]),
                    });
                }
                Some(b'<') => {
                    return Err(self.error(format!("the value of the attribute {} holds a <", shown(name))));
                }
                None => {
                    let text = format!("the text ends inside the value of the attribute {}", shown(name));
                    return Err(self.error(text));
                }
                Some(b'&') => {
                    let decoded = decoded.get_or_insert_with(|| self.text[start..self.at].to_vec());
                    self.reference(decoded)?;
                }
                Some(byte @ (b'\t' | b'\n' | b'\r')) => {
                    let decoded = decoded.get_or_insert_with(|| self.text[start..self.at].to_vec());
                    decoded.push(b' ');
                    let is_pair = byte == b'\r' && self.text.get(self.at + 1) == Some(&b'\n');
                    self.at += 1 + usize::from(is_pair);
                }
                Some(byte) => {
                    if let Some(decoded) = &mut decoded {
                        decoded.push(byte);
                    }
                    self.at += 1;
                }
            }
        }
    }

    // Content.

    /// The text to the end of the innermost element, and that end.
    pub(super) fn decode_leaf(&mut self, buffer: &mut Vec<u8>) -> Result<()> {
        loop {
            let start = self.at;
            self.at = run_end(self.text, start);
            buffer.extend_from_slice(&self.text[start..self.at]);
            match self.text.get(self.at..) {
                Some([b'<', b'/', ..]) => return self.end_tag(),
                Some([b'<', next, ..]) if !matches!(next, b'!' | b'?') => {
                    let text = format!("the element <{}> stands where text belongs", self.next_name());
                    return Err(self.error(text));
                }
                Some([]) | None => return Err(self.broken_off()),
                Some(_) => self.decode(buffer)?,
            }
        }
    }

    /// What stands where a run of content ends, and is no tag.
    pub(super) fn decode(&mut self, buffer: &mut Vec<u8>) -> Result<()> {
        match self.text.get(self.at..) {
            Some([b'&', ..]) => self.reference(buffer),
            Some([b']', b']', b'>', ..]) => Err(self.error("]]> must be written as ]]&gt; in text")),
            Some([b']', ..]) => {
                buffer.push(b']');
                self.at += 1;
                Ok(())
            }
            Some([b'\r', rest @ ..]) => {
                buffer.push(b'\n');
                self.at += 1 + usize::from(rest.first() == Some(&b'\n'));
                Ok(())
            }
            Some([b'<', b'?', ..]) => self.instruction(),
            Some(rest) if rest.starts_with(b"<!--") => self.comment(),
            Some(rest) if rest.starts_with(CDATA) => {
                push_lines(self.cdata()?, buffer);
                Ok(())
            }
            _ => Err(self.declared()),
        }
    }

    /// The name of the tag that stands here, for an error.
    fn next_name(&self) -> String {
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let length = rest.iter().take_while(|&&byte| !is_space(byte) && byte != b'>' && byte != b'/').count();
        shown(&rest[..length])
    }

    /// What may stand between elements: comments, processing instructions, and CDATA sections of white space.
    pub(super) fn between(&mut self) -> Result<()> {
        let start = self.at;
        if self.text[start..].starts_with(CDATA) {
            let is_space = self.cdata()?.iter().all(|&byte| is_space(byte));
            return if is_space { Ok(()) } else { Err(self.misplaced_text(start)) };
        }
        self.decode(&mut Vec::new())
    }

    /// What may stand outside the root element.
    pub(super) fn misc(&mut self, otherwise: &str) -> Result<()> {
        match self.text.get(self.at..) {
            Some([b'<', b'?', ..]) => self.instruction(),
            Some(rest) if rest.starts_with(b"<!--") => self.comment(),
            Some(rest) if rest.starts_with(b"<!") && !rest.starts_with(CDATA) => Err(self.declared()),
            _ => Err(self.error(otherwise)),
        }
    }

    /// The error for `<!` that is neither a comment nor CDATA.
    fn declared(&self) -> Box<ReadError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if rest.starts_with(b"<!DOCTYPE") {
            self.error("a document type declaration (DTD) is not allowed")
        } else {
            self.error("<! begins neither a comment nor a CDATA section here")
        }
    }

    /// The content of a CDATA section.
    fn cdata(&mut self) -> Result<&'t [u8]> {
        let start = self.at + CDATA.len();
        let end = self.end_of(start, b"]]>", "a CDATA section")?;
        self.at = end + 3;
        Ok(&self.text[start..end])
    }

    fn comment(&mut self) -> Result<()> {
        let end = self.end_of(self.at + 4, b"--", "a comment")?;
        if self.text.get(end + 2) != Some(&b'>') {
            return Err(self.error_at(end, "-- must not stand inside a comment"));
        }
        self.at = end + 3;
        Ok(())
    }

    fn instruction(&mut self) -> Result<()> {
        let start = self.at;
        self.at += 2;
        let (target, prefix) = self.qualified_name("a processing instruction needs a name")?;
        if target.eq_ignore_ascii_case(b"xml") {
            let text = match start {
                0 => "the XML declaration must begin with <?xml and white space",
                _ => "an XML declaration can only stand at the very start of the text",
            };
            return Err(self.error_at(start, text));
        }
        if prefix > 0 {
            return Err(self.error_at(start, "the name of a processing instruction cannot hold a colon"));
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !rest.starts_with(b"?>") && !rest.first().is_some_and(|&byte| is_space(byte)) {
            return Err(self.error("a processing instruction needs white space behind its name"));
        }
        self.at = self.end_of(self.at, b"?>", "a processing instruction")? + 2;
        Ok(())
    }

    /// Where `end` stands next.
    fn end_of(&self, from: usize, end: &[u8], what: &str) -> Result<usize> {
        let rest = self.text.get(from..).unwrap_or_default();
        match memchr::memmem::find(rest, end) {
            Some(at) => Ok(from + at),
            None => Err(self.error(format!("the text ends inside {what} that begins here"))),
        }
    }

    /// A reference to a character or to one of the five entities.
    fn reference(&mut self, out: &mut Vec<u8>) -> Result<()> {
        /// Longer than any that is allowed, leading zeros apart.
        const LONGEST: usize = 32;
        let rest = self.text.get(self.at + 1..).unwrap_or_default();
        let rest = rest.get(..LONGEST).unwrap_or(rest);
        let Some(length) = rest.iter().position(|&byte| byte == b';') else {
            return Err(self.error("& begins a reference such as &amp; here, but there is no ; to end it"));
        };
        let name = &rest[..length];
        match name {
            b"lt" => out.push(b'<'),
            b"gt" => out.push(b'>'),
            b"amp" => out.push(b'&'),
            b"apos" => out.push(b'\''),
            b"quot" => out.push(b'"'),
            [b'#', b'x', digits @ ..] => self.character(digits, 16, out)?,
            [b'#', digits @ ..] => self.character(digits, 10, out)?,
            _ => {
                let text =
                    format!("the entity &{}; is not known; XML has lt, gt, amp, apos and quot", shown(name));
                return Err(self.error(text));
            }
        }
        self.at += length + 2;
        Ok(())
    }

    fn character(&self, digits: &[u8], radix: u32, out: &mut Vec<u8>) -> Result<()> {
        let text = std::str::from_utf8(digits).unwrap_or_default();
        let is_number = !text.is_empty() && text.bytes().all(|digit| char::from(digit).is_digit(radix));
        let code = if is_number { u32::from_str_radix(text, radix).ok() } else { None };
        let char = code.and_then(char::from_u32).filter(|&char| is_allowed(char));
        match char {
            Some(char) => {
                out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                Ok(())
            }
            None => Err(self.error("the reference stands for no character that XML allows")),
        }
    }

    // The start of the text.

    /// The XML declaration, if there is one. The encoding that it names was looked at before.
    pub(super) fn declaration(&mut self) -> Result<()> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        if !(rest.starts_with(b"<?xml") && rest.get(5).is_some_and(|&byte| is_space(byte))) {
            return Ok(());
        }
        let end = self.end_of(0, b"?>", "the XML declaration")?;
        self.at = 5;
        let version = self.pseudo_attribute(b"version")?;
        if !version.is_some_and(|version| version.starts_with(b"1.")) {
            return Err(self.error("the XML declaration needs version=\"1.0\""));
        }
        self.pseudo_attribute(b"encoding")?;
        let standalone = self.pseudo_attribute(b"standalone")?;
        self.skip_space();
        if self.at != end || standalone.is_some_and(|value| value != b"yes" && value != b"no") {
            return Err(self.error("the XML declaration is not well-formed here"));
        }
        self.at = end + 2;
        Ok(())
    }

    /// The value of a part of the XML declaration, if this is the next one.
    fn pseudo_attribute(&mut self, name: &[u8]) -> Result<Option<&'t [u8]>> {
        let before = self.at;
        self.skip_space();
        if self.at == before || !self.text[self.at..].starts_with(name) {
            self.at = before;
            return Ok(None);
        }
        self.at += name.len();
        self.skip_space();
        if self.text.get(self.at) != Some(&b'=') {
            return Err(self.error("the XML declaration is not well-formed here"));
        }
        self.at += 1;
        self.skip_space();
        let start = self.at + 1;
        self.attribute_value(name)?;
        Ok(self.text.get(start..self.at - 1))
    }
}

const CDATA: &[u8] = b"<![CDATA[";

/// Appends text with its line ends made LF.
fn push_lines(text: &[u8], out: &mut Vec<u8>) {
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte == b'\r' {
            out.push(b'\n');
            bytes.next_if_eq(&b'\n');
        } else {
            out.push(byte);
        }
    }
}

/// Whether XML can hold a character.
pub(super) const fn is_allowed(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
