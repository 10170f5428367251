//! Names with `*`.

/// A pattern for names: `*` stands for any text, even none, without one of the marks that separate parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// What stands between the stars.
    parts: Vec<Box<str>>,
    marks: &'static [char],
}

impl Pattern {
    /// A pattern whose stars do not reach over any of these marks.
    pub fn new(text: &str, marks: &'static [char]) -> Self {
        Self { parts: text.split('*').map(Into::into).collect(), marks }
    }

    /// Whether a name fits.
    pub fn fits(&self, name: &str) -> bool {
        let [first, rest @ ..] = &*self.parts else { return false };
        let Some(name) = name.strip_prefix(&**first) else { return false };
        let [middle @ .., last] = rest else { return name.is_empty() };
        let Some(mut name) = name.strip_suffix(&**last) else { return false };
        // The leftmost place for each part leaves the most for the next ones; as what lies between must hold no mark, and
        // marks only come closer the longer one waits, an earlier place is never worse.
        for part in middle {
            let Some(at) = name.find(&**part) else { return false };
            if name[..at].contains(self.marks) {
                return false;
            }
            name = &name[at + part.len()..];
        }
        !name.contains(self.marks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stay_within_a_part() {
        for (pattern, marks, name, fits) in [
            ("partner.example", &['.'][..], "partner.example", true),
            ("partner.example", &['.'], "partner.example.evil", false),
            ("*.partner.example", &['.'], "a.partner.example", true),
            ("*.partner.example", &['.'], "a.b.partner.example", false),
            ("*.partner.example", &['.'], "partner.example", false),
            ("*.partner.example", &['.'], ".partner.example", true),
            ("spiffe://x/*/shop", &['/'], "spiffe://x/prod/shop", true),
            ("spiffe://x/*/shop", &['/'], "spiffe://x/prod/y/shop", false),
            ("spiffe://x/*/*", &['/'], "spiffe://x/prod/shop", true),
            ("spiffe://x/*/*", &['/'], "spiffe://x/prod", false),
            ("*@x.example", &['@'], "a.b@x.example", true),
            ("*@x.example", &['@'], "a@evil@x.example", false),
            ("CN=*,O=Partner", &[',', '+'], "CN=shop,O=Partner", true),
            ("CN=*,O=Partner", &[',', '+'], "CN=shop,O=Evil,O=Partner", false),
            ("CN=*,O=Partner", &[',', '+'], "CN=shop\\,O=Evil,O=Partner", false),
            ("CN=*,O=Partner", &[',', '+'], "CN=a+O=b,O=Partner", false),
            ("a*b*c", &[], "aXbYbc", true),
            ("a*bb*c", &[], "abc", false),
            ("a*a", &[], "a", false),
            ("**", &[], "anything", true),
            ("Get*", &[], "GetOrder", true),
            ("*", &['.'], "", true),
            ("", &['.'], "a", false),
        ] {
            let pattern = Pattern { marks, ..Pattern::new(pattern, &[]) };
            assert_eq!(pattern.fits(name), fits, "{pattern:?} {name}");
        }
    }
}
