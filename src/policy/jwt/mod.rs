//! Tokens that issuers sign (JWT, RFC 7519, with what RFC 8725 asks of those who verify them).
//!
//! ```text
//! token      a token in compact form, read strictly      algorithm   what it may be signed by
//! keys       the keys of a set                           source      where they come from, and those that were had last
//! ```
//!
//! Which algorithm is used is bound to the key: a key of RSA never verifies a code made with a secret. What a token says
//! about where its key is, is not looked at.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;

use super::bearer::{self, MAX_TOKEN};
use super::claims::{Mapping, Strange};
use super::meters::{Judged, TOKENS};
use super::refusal::Reason;
use super::verdicts::{Until, Verdicts};
use super::verify::{Verdict, Verifier};
use crate::call::Origin;
use crate::call::identity::Identity;

pub mod algorithm;
pub mod keys;
pub mod source;
pub mod token;

#[cfg(test)]
mod tests;

use algorithm::Algorithm;
use source::{Held, Source};
use token::Token;

/// What is asked of the tokens of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Who signs them: `iss` must be exactly this.
    pub issuer: Box<str>,
    /// Whom they are for: `aud` must name one of these. `*` means that it need not.
    pub audience: Vec<Box<str>>,
    /// The algorithms that are accepted.
    pub algorithms: Vec<Algorithm>,
    /// The kinds of tokens that are accepted, as [`token::kind`] writes them. Without any, those that say nothing, `jwt`
    /// and `at+jwt`.
    pub types: Vec<Box<str>>,
    /// How far the clocks may be apart.
    pub leeway: Duration,
    /// What is known of callers by which claim.
    pub mapping: Mapping,
}

/// An issuer, and what was found out about its tokens.
#[derive(Debug)]
pub struct Issuer {
    settings: Settings,
    source: Arc<Source>,
    verdicts: Verdicts<Arc<Identity>>,
}

/// Why a token is not good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// In a few words for the log.
    Wrong(&'static str),
    Expired,
    /// No key is known with which it could have been signed.
    NoKey,
}

impl From<Strange> for Flaw {
    fn from(_: Strange) -> Self {
        Self::Wrong("a claim is not of the kind that it should be")
    }
}

impl Issuer {
    /// An issuer with the keys of this source.
    pub fn new(settings: Settings, source: Arc<Source>) -> Self {
        Self { settings, source, verdicts: Verdicts::default() }
    }

    /// What is asked of its tokens.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its keys.
    pub const fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Who calls with a token.
    fn check(self: &Arc<Self>, token: &[u8]) -> Verdict {
        if token.len() > MAX_TOKEN {
            return self.refused(Flaw::Wrong("it is longer than 8 KiB"));
        }
        let held = self.source.held();
        if let Some(identity) = self.verdicts.find(token, held.mark) {
            TOKENS.add(Judged::Remembered as usize, 1);
            return Verdict::Known(identity);
        }
        match self.judge(token, &held) {
            Ok(identity) => Verdict::Known(identity),
            Err(Flaw::NoKey) => {
                let (issuer, token) = (Arc::clone(self), Box::<[u8]>::from(token));
                Verdict::Later(Box::pin(async move { issuer.check_again(&token).await }))
            }
            Err(flaw) => self.refused(flaw),
        }
    }

    /// Who calls with a token whose key was not known.
    async fn check_again(&self, token: &[u8]) -> Verdict {
        self.source.renew().await;
        let held = self.source.held();
        match self.judge(token, &held) {
            Ok(identity) => Verdict::Known(identity),
            // It may be good, but nobody can tell now.
            Err(Flaw::NoKey) if held.set.is_none() || self.source.is_away() => {
                Verdict::Refused(Reason::Unreachable)
            }
            Err(flaw) => self.refused(flaw),
        }
    }

    fn refused(&self, flaw: Flaw) -> Verdict {
        let (reason, why) = match flaw {
            Flaw::Wrong(why) => (Reason::Invalid, why),
            Flaw::Expired => (Reason::Expired, "it has expired"),
            Flaw::NoKey => (Reason::Invalid, "its key is none of the issuer's"),
        };
        tracing::debug!(issuer = &*self.settings.issuer, why, "a token is not accepted");
        Verdict::Refused(reason)
    }

    /// Finds out who calls with a token, and remembers it.
    fn judge(&self, text: &[u8], held: &Held) -> Result<Arc<Identity>, Flaw> {
        let settings = &self.settings;
        let token = Token::read(text).map_err(Flaw::Wrong)?;
        // First, so that the tokens of others have nobody asked for keys.
        if token.claims.text("iss")? != Some(&*settings.issuer) {
            return Err(Flaw::Wrong("it is of another issuer"));
        }
        if !settings.algorithms.contains(&token.algorithm) {
            return Err(Flaw::Wrong("its algorithm is not accepted"));
        }
        let is_accepted = match (token.typ.as_deref(), settings.types.is_empty()) {
            (typ, true) => matches!(typ, None | Some("jwt" | "at+jwt")),
            (typ, false) => settings.types.iter().any(|accepted| typ == Some(accepted)),
        };
        if !is_accepted {
            return Err(Flaw::Wrong("it is of a kind (typ) that is not accepted"));
        }
        let kid = token.kid.as_deref();
        let set = held.set.as_ref().ok_or(Flaw::NoKey)?;
        match set.verify((token.algorithm, kid), token.signed, &token.signature) {
            Some(true) => {}
            Some(false) if kid.is_some() => return Err(Flaw::Wrong("its signature is wrong")),
            // It may be of a key that is not known yet.
            Some(false) | None => return Err(Flaw::NoKey),
        }
        let expires = self.term(&token)?;
        if !settings.audience.iter().any(|one| &**one == "*") && !token.claims.is_for(&settings.audience)? {
            return Err(Flaw::Wrong("it is for another audience"));
        }
        let (identity, weight) = token.claims.identity(&["sub"], &settings.mapping, Some(expires))?;
        let identity = Arc::new(identity);
        TOKENS.add(Judged::Checked as usize, 1);
        let until = Until { time: Some(expires), instant: None };
        self.verdicts.remember(text, held.mark, Arc::clone(&identity), weight, until);
        Ok(identity)
    }

    /// Until when a token holds, if it does now.
    fn term(&self, token: &Token<'_>) -> Result<SystemTime, Flaw> {
        let (now, leeway) = (SystemTime::now(), self.settings.leeway);
        let expires =
            token.claims.time("exp")?.ok_or(Flaw::Wrong("it does not say when it expires (exp)"))?;
        let expires = expires.checked_add(leeway).ok_or(Strange)?;
        if expires <= now {
            return Err(Flaw::Expired);
        }
        let latest = now.checked_add(leeway).ok_or(Strange)?;
        if token.claims.time("nbf")?.is_some_and(|begin| begin > latest) {
            return Err(Flaw::Wrong("it is not valid yet (nbf)"));
        }
        if token.claims.time("iat")?.is_some_and(|issued| issued > latest) {
            return Err(Flaw::Wrong("it is from the future (iat)"));
        }
        Ok(expires)
    }
}

/// Asks for a token of an issuer.
#[derive(Debug)]
pub struct Jwt(pub Arc<Issuer>);

impl Verifier for Jwt {
    fn verify(&self, origin: &Origin) -> Verdict {
        bearer::verify(origin, |token| self.0.check(token))
    }

    fn wanted(&self) -> &str {
        bearer::WANTED
    }

    fn challenge(&self, origin: &Origin) -> &HeaderValue {
        bearer::challenge(origin)
    }
}
