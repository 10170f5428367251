//! The name of a request, `x-request-id`, by which what is in logs about it can be found.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::telemetry::random;

/// The header.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest name of a caller that is believed, in bytes.
const MAX: usize = 128;

/// Whether a name can be passed on and written to a log: 1 to 128 letters, digits and marks that need no quotes.
pub fn is_usable(name: &HeaderValue) -> bool {
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~:/+=@#|".contains(byte);
    (1..=MAX).contains(&name.len()) && name.as_bytes().iter().all(legal)
}

/// The name that came with a request, if it is usable.
pub(super) fn of(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(&REQUEST_ID).filter(|name| is_usable(name))
}

/// A name for a request that has none.
pub fn made_up() -> HeaderValue {
    let mut name =
        HeaderValue::from_str(&format!("{:016x}", random::next())).unwrap_or(HeaderValue::from_static("-"));
    // Never the same again: HPACK's tables have better use for their room.
    name.set_sensitive(true);
    name
}
