//! Writing XML for people and programs: with indentation, and escaped.

/// XML text that is being written.
pub(super) struct Xml {
    text: String,
    /// The elements that are open, from the outside in.
    open: Vec<String>,
}

/// The name and the value of an attribute.
pub(super) type Attribute<'a> = (&'a str, &'a str);

impl Xml {
    /// A document in UTF-8.
    pub(super) fn new() -> Self {
        Self { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".into(), open: Vec::new() }
    }

    /// Starts an element that has others inside.
    pub(super) fn open(&mut self, name: &str, attributes: &[Attribute<'_>]) {
        self.tag(name, attributes);
        self.text.push_str(">\n");
        self.open.push(name.into());
    }

    /// Ends the element that was started last.
    pub(super) fn close(&mut self) {
        let Some(name) = self.open.pop() else { return };
        self.indent();
        self.text.extend(["</", &name, ">\n"]);
    }

    /// Adds an element with nothing inside.
    pub(super) fn empty(&mut self, name: &str, attributes: &[Attribute<'_>]) {
        self.tag(name, attributes);
        self.text.push_str("/>\n");
    }

    /// Adds an element with text inside.
    pub(super) fn with_text(&mut self, name: &str, text: &str) {
        self.tag(name, &[]);
        self.text.push('>');
        escape(text, &mut self.text);
        self.text.extend(["</", name, ">\n"]);
    }

    /// The document, whose elements are all closed.
    pub(super) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }

    fn tag(&mut self, name: &str, attributes: &[Attribute<'_>]) {
        self.indent();
        self.text.extend(["<", name]);
        for (name, value) in attributes {
            self.text.extend([" ", name, "=\""]);
            escape(value, &mut self.text);
            self.text.push('"');
        }
    }

    fn indent(&mut self) {
        for _ in 0..self.open.len() {
            self.text.push_str("  ");
        }
    }
}

/// Appends text for an element or an attribute. What XML 1.0 cannot carry becomes a replacement character.
fn escape(text: &str, out: &mut String) {
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'.. => out.push(char),
            _ => out.push('\u{fffd}'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_escaped_and_indented() {
        let mut xml = Xml::new();
        xml.open("a", &[("x", "1 < 2 & \"3\"")]);
        xml.empty("b", &[]);
        xml.with_text("c", "]]> \u{1}\u{ffff}\r\u{10000}");
        xml.open("d", &[]);
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<a x=\"1 &lt; 2 &amp; &quot;3&quot;\">\n  \
                        <b/>\n  <c>]]&gt; \u{fffd}\u{fffd}\u{fffd}\u{10000}</c>\n  <d>\n  </d>\n</a>\n";
        assert_eq!(xml.finish(), expected);
    }
}
