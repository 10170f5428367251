//! Versions of an API, and how requests name them.

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderName, HeaderValue};

use super::surface::Surface;
use super::usage::Usage;
use crate::route::condition::Condition;
use crate::route::prefix::Prefix;
use crate::status::Status;

/// The versions of an API that are served side by side.
#[derive(Debug)]
pub struct Versions {
    /// All of them, in the order of the configuration.
    pub list: Vec<Version>,
    /// How requests name them. The first that holds for a request is the one that counts.
    pub ways: Vec<Way>,
    /// The position of the version of requests that name none, whose surface is that of the snapshot.
    pub default: Option<usize>,
    /// The headers that say of a request whether it names a version, for `Vary`; absent if none does.
    pub vary: Option<HeaderValue>,
}

/// A version of an API.
#[derive(Debug)]
pub struct Version {
    /// Its name.
    pub name: Arc<str>,
    /// What requests for it can reach.
    pub surface: Arc<Surface>,
    /// What its answers say of it: `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and `Link` (RFC 8288).
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Since when it is deprecated, or will be.
    pub deprecated: Option<SystemTime>,
    /// When it ends.
    pub sunset: Option<SystemTime>,
    /// Whether nothing is left of it, so that it has ended whatever the time is.
    pub is_empty: bool,
    /// What its callers are told then.
    pub gone: Status,
    /// How much it is used.
    pub usage: Arc<Usage>,
}

impl Version {
    /// Whether it has ended. The clock is read only for versions that do end.
    pub fn is_over(&self, now: impl FnOnce() -> SystemTime) -> bool {
        self.is_empty || self.sunset.is_some_and(|sunset| now() >= sunset)
    }

    /// Whether somebody wants to know who uses it still.
    pub fn is_deprecated(&self) -> bool {
        self.deprecated.is_some() || self.sunset.is_some()
    }
}

/// A way in which requests name a version. All of what it has must hold.
#[derive(Debug)]
pub struct Way {
    /// The position of the version.
    pub version: usize,
    /// The beginning of the path, in whole segments: `/v1`.
    pub prefix: Option<Prefix>,
    /// Whether routes are looked for without it.
    pub strips: bool,
    /// What the host, headers and the query have to say.
    pub condition: Condition,
    /// Parameters of the media type that a request sends or accepts, by their names in lower case.
    pub media_type: Vec<(Box<str>, Box<str>)>,
    /// The headers that were looked at before this way was found, for `Vary`.
    pub vary: Option<HeaderValue>,
}
