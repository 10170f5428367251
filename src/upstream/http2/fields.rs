//! The fields of an answer.

use http::header::{HeaderMap, HeaderName, HeaderValue};

/// Names and values in the order in which they came. Most answers have two or three, of which none is left for the
/// caller, so that a map would cost more than it gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<(HeaderName, HeaderValue)>);

impl Fields {
    /// Adds a field after the others.
    pub fn push(&mut self, name: HeaderName, value: HeaderValue) {
        self.0.push((name, value));
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first value of a name.
    pub fn value(&self, name: &HeaderName) -> Option<&HeaderValue> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// Takes all values of a name out and gives the first.
    pub fn take(&mut self, name: &HeaderName) -> Option<HeaderValue> {
        let place = self.0.iter().position(|(other, _)| other == name)?;
        let (_, value) = self.0.remove(place);
        self.0.retain(|(other, _)| other != name);
        Some(value)
    }

    /// The fields in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// All fields as a map.
    pub fn into_map(self) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in self.0 {
            map.append(name, value);
        }
        map
    }
}

impl FromIterator<(HeaderName, HeaderValue)> for Fields {
    fn from_iter<I: IntoIterator<Item = (HeaderName, HeaderValue)>>(fields: I) -> Self {
        Self(fields.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &'static str)]) -> Fields {
        let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn values_are_found_taken_and_left() {
        let mut all = fields(&[("a", "1"), ("b", "2"), ("a", "3"), ("c", "4")]);
        let [a, b, d] = ["a", "b", "d"].map(HeaderName::from_static);
        assert_eq!((all.value(&a).unwrap(), all.value(&d)), (&HeaderValue::from_static("1"), None));
        assert_eq!((all.take(&a).unwrap(), all.take(&a)), (HeaderValue::from_static("1"), None));
        assert_eq!(all, fields(&[("b", "2"), ("c", "4")]));
        all.push(b.clone(), HeaderValue::from_static("5"));
        let map = all.into_map();
        assert_eq!(map.get_all(b).iter().collect::<Vec<_>>(), ["2", "5"]);
        assert_eq!(map.len(), 3);
    }
}
