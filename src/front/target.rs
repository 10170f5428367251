//! Targets of requests, of which something is taken out.

use http::Uri;
use http::uri::PathAndQuery;

/// A path with parts of a query.
pub(super) fn joined(path: &str, query: &[&str]) -> String {
    if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.join("&")) }
}

/// Puts what is left of a target in its place.
pub(super) fn put(uri: &mut Uri, rest: String) {
    let mut parts = std::mem::take(uri).into_parts();
    // A part of a target that was valid is valid.
    parts.path_and_query = PathAndQuery::try_from(rest).ok();
    *uri = Uri::from_parts(parts).unwrap_or_default();
}
