//! What is answered without a call: redirects and pages that never change.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::meters::RouteMeter;
use crate::route::location::Location;

/// A route that is answered without a call, to everybody.
#[derive(Debug)]
pub struct Fixed {
    /// The path template, for logs and metrics.
    pub template: Arc<str>,
    /// What is answered.
    pub content: Content,
    meter: RouteMeter,
}

/// What is answered without a call.
#[derive(Debug)]
pub enum Content {
    /// The caller is sent elsewhere.
    Redirect(Redirect),
    /// The same for every caller.
    Page(Page),
}

/// Where callers are sent.
#[derive(Debug)]
pub struct Redirect {
    /// Where to.
    pub location: Location,
    /// 301, 302, 303, 307 or 308.
    pub status: StatusCode,
    /// Whether the query of the request goes along.
    pub keeps_query: bool,
}

/// An answer that is known before anybody asks.
#[derive(Debug)]
pub struct Page {
    /// The status.
    pub status: StatusCode,
    /// All headers, those of the content too.
    pub headers: HeaderMap,
    /// The content.
    pub body: Bytes,
    /// The name of this content among those of other configurations (`ETag` of RFC 9110), which is among the headers
    /// too; only where the status is 200.
    pub tag: Option<HeaderValue>,
}

impl Fixed {
    /// A route with this template.
    pub fn new(template: &str, content: Content) -> Self {
        Self { template: template.into(), content, meter: RouteMeter::of_fixed(template) }
    }

    /// Where its requests are counted.
    pub const fn meter(&self) -> &RouteMeter {
        &self.meter
    }
}
