//! What all URLs of the file have in common.

use http::Uri;

use crate::config::problem::{Flaw, quote};

/// Reads an absolute URL of `http` or `https` that holds no user name, as those end up in logs. What comes behind the host is
/// for the caller to look at.
pub(super) fn read(text: &str, hint: &str) -> Result<Uri, Flaw> {
    let refuse = |what: &str| Err(Flaw::new(format!("{} {what}.", quote(text)), hint));
    let Ok(uri) = text.parse::<Uri>() else { return refuse("is not a URL") };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return refuse("has no scheme");
    };
    if !["http", "https"].contains(&scheme) {
        return refuse("is neither http nor https");
    }
    if authority.as_str().contains('@') {
        // Not repeated, as it may be a password.
        return Err(Flaw::new("A URL cannot carry a user name or password here.", hint));
    }
    let has_port = authority.as_str() != authority.host();
    if authority.host().is_empty() || (has_port && authority.port_u16().is_none()) {
        return refuse("is not a URL");
    }
    Ok(uri)
}
