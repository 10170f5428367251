//! The head of a request.

use std::sync::Arc;

use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Uri, Version};

/// The head of a request, whose headers policy may keep for as long as the call lasts.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) headers: Arc<HeaderMap>,
    pub(super) extensions: Extensions,
}

impl From<Parts> for Head {
    fn from(parts: Parts) -> Self {
        let Parts { method, uri, version, headers, extensions, .. } = parts;
        Self { method, uri, version, headers: Arc::new(headers), extensions }
    }
}
