//! What callers are told of how much more they may call.

use http::HeaderValue;

/// The fields `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers) of a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// What there is: `"free-100/min";q=100;w=60`.
    pub policy: HeaderValue,
    /// What is left of it: `"free-100/min";r=99;t=1`.
    pub state: HeaderValue,
}
