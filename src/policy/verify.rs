//! How a caller shows who it is.

use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderValue, header};

use super::refusal::Reason;
use crate::call::Origin;
use crate::call::identity::Identity;
use crate::call::service::BoxFuture;

/// One way to show who a caller is.
pub trait Verifier: Send + Sync {
    /// Looks for what it knows among what a call offers, and whether that is good.
    fn verify(&self, origin: &Origin) -> Verdict;

    /// What callers send to satisfy it, for a sentence: `an API key in the header x-api-key`.
    fn wanted(&self) -> &str;

    /// The same for the header `www-authenticate` (RFC 9110 section 11.6.1), to a call that showed nobody.
    fn challenge(&self, origin: &Origin) -> &HeaderValue;

    /// A mark of what was offered and found good just now, where checking it takes so much that it is not to be done
    /// again: to a call with it in [`Origin::proven`] the same is known without. It changes with what it was checked
    /// against.
    fn mark(&self, origin: &Origin) -> Option<[u8; 32]> {
        let _ = origin;
        None
    }

    /// Removes the proof from what goes upstream, where it is of no use to others and could be misused by them.
    fn withdraw(&self, metadata: &mut HeaderMap) {
        let _ = metadata;
    }
}

/// What a [`Verifier`] finds.
pub enum Verdict {
    /// The caller is known.
    Known(Arc<Identity>),
    /// Nothing of this kind was offered.
    Absent,
    /// What was offered is not good.
    Refused(Reason),
    /// It takes time to say. What it comes to is not this again.
    Later(BoxFuture<Self>),
}

impl std::fmt::Debug for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(identity) => f.debug_tuple("Known").field(identity).finish(),
            Self::Absent => f.write_str("Absent"),
            Self::Refused(reason) => f.debug_tuple("Refused").field(reason).finish(),
            Self::Later(_) => f.write_str("Later"),
        }
    }
}

/// From when to when something holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Term {
    /// From when on it does not hold.
    pub expires: Option<SystemTime>,
    /// Whether it was taken back.
    pub revoked: bool,
}

impl Term {
    /// Why it does not hold now.
    pub fn flaw(self) -> Option<Reason> {
        if self.revoked {
            return Some(Reason::Revoked);
        }
        // The clock is asked only where it matters.
        self.expires.filter(|expires| *expires <= SystemTime::now()).map(|_| Reason::Expired)
    }
}

/// Something of which there may be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum One<T> {
    None,
    Single(T),
    Several,
}

impl<T> One<T> {
    pub(super) fn of(mut values: impl Iterator<Item = T>) -> Self {
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(value), None) => Self::Single(value),
            (Some(_), Some(_)) => Self::Several,
        }
    }
}

/// The headers of a call, none if they are not known.
pub(super) fn headers(origin: &Origin) -> impl Iterator<Item = &HeaderMap> {
    origin.headers.as_deref().into_iter()
}

/// The parameter of the `authorization` header with this scheme, which is compared without case (RFC 9110 section
/// 11.1). Several such headers are none that could be trusted, whatever their schemes: the next one who looks may take
/// another of them.
pub(super) fn authorization<'o>(origin: &'o Origin, scheme: &str) -> One<&'o [u8]> {
    let values = headers(origin).flat_map(|headers| headers.get_all(header::AUTHORIZATION));
    match One::of(values.map(HeaderValue::as_bytes)) {
        One::None => One::None,
        One::Several => One::Several,
        One::Single(value) => with_scheme(value, scheme).map_or(One::None, One::Single),
    }
}

/// The parameter of an `authorization` header, if it has this scheme.
pub(super) fn with_scheme<'v>(value: &'v [u8], scheme: &str) -> Option<&'v [u8]> {
    let (name, rest) = value.split_at_checked(scheme.len())?;
    let is_whole = matches!(rest, [] | [b' ', ..]);
    (is_whole && name.eq_ignore_ascii_case(scheme.as_bytes())).then(|| rest.trim_ascii())
}
