//! The head of a request.

use std::sync::Arc;

use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Uri, Version};

use crate::call::asked::Asked;

/// The head of a request, whose headers policy may keep for as long as the call lasts.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) version: Version,
    pub(super) headers: Arc<HeaderMap>,
    pub(super) extensions: Extensions,
}

impl Head {
    /// What conditions look at.
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked::of(&self.uri, &self.headers)
    }
}

impl From<Parts> for Head {
    fn from(parts: Parts) -> Self {
        let Parts { method, uri, version, headers, extensions, .. } = parts;
        Self { method, uri, version, headers: Arc::new(headers), extensions }
    }
}
