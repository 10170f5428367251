//! API keys in the query: they are taken out before anything else looks at it.

use http::Uri;
use http::uri::PathAndQuery;

use crate::call::credential::Credential;
use crate::route::query::pairs;

/// Takes the values of `name` out of the query of a target, however the name is spelt.
pub(super) fn take(name: &str, uri: &mut Uri) -> Vec<Credential> {
    let Some(query) = uri.query() else { return Vec::new() };
    let mut keys = Vec::new();
    let is_key = |part: &str| match pairs(part, 1).next() {
        Some(Ok((key, value))) if key == name => Some(value.into_owned()),
        // A value that is no text is no key, but must not be seen either.
        Some(Err(_)) if part.split_once('=').is_some_and(|(key, _)| is_name(key, name)) => {
            Some(String::new())
        }
        _ => None,
    };
    let mut rest = Vec::new();
    for part in query.split('&') {
        match is_key(part) {
            Some(key) => keys.push(Credential::ApiKey(key)),
            None => rest.push(part),
        }
    }
    if keys.is_empty() {
        return keys;
    }
    let target = match &*rest {
        [] => uri.path().to_owned(),
        rest => format!("{}?{}", uri.path(), rest.join("&")),
    };
    let mut parts = std::mem::take(uri).into_parts();
    // A part of a target that was valid is valid.
    parts.path_and_query = PathAndQuery::try_from(target).ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
    keys
}

fn is_name(key: &str, name: &str) -> bool {
    matches!(pairs(key, 1).next(), Some(Ok((key, _))) if key == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_out_of_the_query() {
        for (target, rest, keys) in [
            ("/a", "/a", &[][..]),
            ("/a?b=1&c", "/a?b=1&c", &[]),
            ("/a?api_key=x", "/a", &["x"]),
            ("/a?b=1&api_key=x%2By+z&c=2", "/a?b=1&c=2", &["x+y z"]),
            ("/a?api%5Fkey=x", "/a", &["x"]),
            ("/a?api_key=1&api_key=2", "/a", &["1", "2"]),
            ("/a?api_key", "/a", &[""]),
            ("/a?api_key=%zz&b", "/a?b", &[""]),
            ("/a?API_KEY=x&api_key.b=1&&", "/a?API_KEY=x&api_key.b=1&&", &[]),
            ("http://host:1/a?api_key=x&b", "http://host:1/a?b", &["x"]),
            ("*", "*", &[]),
        ] {
            let mut uri: Uri = target.parse().unwrap();
            let expected: Vec<_> = keys.iter().map(|key| Credential::ApiKey((*key).into())).collect();
            assert_eq!(take("api_key", &mut uri), expected, "{target}");
            assert_eq!(uri.to_string(), rest, "{target}");
        }
    }
}
