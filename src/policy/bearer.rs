//! Bearer tokens, wherever a call carries them (RFC 6750).

use http::HeaderValue;

use super::refusal::Reason;
use super::verify::{One, Verdict, authorization};
use crate::call::Origin;
use crate::call::credential::Credential;

const SCHEME: &str = "bearer";

/// The longest token, in bytes. What is longer is not even looked at.
pub(super) const MAX_TOKEN: usize = 8 * 1024;

/// The token that a call offers.
fn offered(origin: &Origin) -> One<&[u8]> {
    let others = origin.credentials.iter().filter_map(|credential| match credential {
        Credential::Bearer(token) => Some(token.as_bytes()),
        Credential::Password { .. } | Credential::ApiKey(_) => None,
    });
    match authorization(origin, SCHEME) {
        One::Several => One::Several,
        One::None => One::of(others),
        One::Single(token) => One::of(std::iter::once(token).chain(others)),
    }
}

/// What `check` says of the token that a call offers.
pub(super) fn verify(origin: &Origin, check: impl FnOnce(&[u8]) -> Verdict) -> Verdict {
    match offered(origin) {
        One::None => Verdict::Absent,
        One::Several => Verdict::Refused(Reason::Several),
        One::Single(token) => check(token),
    }
}

/// What callers are told who offer no token, or one that is not good (RFC 6750 section 3).
pub(super) fn challenge(origin: &Origin) -> &'static HeaderValue {
    static MISSING: HeaderValue = HeaderValue::from_static("Bearer realm=\"Transom\"");
    static INVALID: HeaderValue =
        HeaderValue::from_static("Bearer realm=\"Transom\", error=\"invalid_token\"");
    if matches!(offered(origin), One::None) { &MISSING } else { &INVALID }
}

/// What callers are asked for.
pub(super) const WANTED: &str = "a bearer token in the header authorization";
