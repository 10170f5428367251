//! Who calls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use http::HeaderValue;

use super::sticky::{Cookie, Mark};
use super::told::RateLimit;

/// Who calls, by credentials that were found to be good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The name of what was shown: the id of a key, the name of a user, the name in a certificate. It is no secret.
    pub principal: Box<str>,
    /// Whom it belongs to, where that is known: several keys may have one owner.
    pub owner: Option<Box<str>>,
    /// The plan under which it calls.
    pub plan: Option<Box<str>>,
    /// The roles that it has.
    pub roles: Vec<Box<str>>,
    /// What it was granted.
    pub scopes: Vec<Box<str>>,
    /// What else is said about it, each by a name, with one value or several.
    pub claims: BTreeMap<Box<str>, Vec<Box<str>>>,
    /// From when on what was shown holds no more, where that is known. Streams end then.
    pub expires: Option<SystemTime>,
}

impl Identity {
    /// What is said about the caller under a name: `sub` (the principal), `owner`, `plan`, `roles` and `scope`, or else
    /// a claim.
    pub fn claim(&self, name: &str) -> &[Box<str>] {
        match name {
            "sub" => std::slice::from_ref(&self.principal),
            "owner" => self.owner.as_slice(),
            "plan" => self.plan.as_slice(),
            "roles" => &self.roles,
            "scope" => &self.scopes,
            _ => self.claims.get(name).map_or(&[], Vec::as_slice),
        }
    }

    /// Adds what another proof of the same caller says. What both say once is as this one says it.
    pub fn join(&mut self, other: &Self) {
        self.owner = self.owner.take().or_else(|| other.owner.clone());
        self.plan = self.plan.take().or_else(|| other.plan.clone());
        self.expires = self.expires.into_iter().chain(other.expires).min();
        for (mine, theirs) in [(&mut self.roles, &other.roles), (&mut self.scopes, &other.scopes)] {
            for value in theirs {
                if !mine.contains(value) {
                    mine.push(value.clone());
                }
            }
        }
        for (name, values) in &other.claims {
            self.claims.entry(name.clone()).or_insert_with(|| values.clone());
        }
    }
}

/// Where policy notes who calls, and what the caller is told of its limits, and where is noted which upstream was chosen.
/// Each is written once.
#[derive(Debug, Default)]
pub struct Noted {
    identity: OnceLock<Arc<Identity>>,
    limits: OnceLock<Vec<RateLimit>>,
    upstream: OnceLock<Arc<str>>,
    /// What the caller is to keep, by the names of cookies. Absent where there is nothing.
    kept: OnceLock<Box<Mutex<Vec<Kept>>>>,
}

/// A mark that the caller does not have yet.
#[derive(Debug)]
struct Kept {
    name: Box<str>,
    mark: Mark,
    cookie: Option<HeaderValue>,
}

impl Noted {
    /// Notes who calls, unless that was noted before.
    pub fn note(&self, identity: Arc<Identity>) {
        let _ = self.identity.set(identity);
    }

    /// Who calls, if that is known.
    pub fn identity(&self) -> Option<&Arc<Identity>> {
        self.identity.get()
    }

    /// Notes where the caller stands with each of its limits, unless that was noted before.
    pub fn tell(&self, limits: Vec<RateLimit>) {
        let _ = self.limits.set(limits);
    }

    /// Where the caller stands with each of its limits; nothing as long as that is not known. Answers of every dialect
    /// carry it in their headers, whatever they answer.
    pub fn limits(&self) -> &[RateLimit] {
        self.limits.get().map(Vec::as_slice).unwrap_or_default()
    }

    /// Notes which upstream answers a call that several could, unless that was noted before.
    pub fn chose(&self, upstream: &Arc<str>) {
        let _ = self.upstream.set(Arc::clone(upstream));
    }

    /// The upstream that was chosen, where there was a choice.
    pub fn chosen(&self) -> Option<&str> {
        self.upstream.get().map(|upstream| &**upstream)
    }

    /// The mark of a caller that brought none: the same for all who ask for it by the name of this cookie, such as the parts
    /// of an aggregated answer. The answer has the caller keep it, as long as its head has not left; `has_tls` says whether
    /// the caller speaks TLS here.
    pub fn mark(&self, cookie: &Cookie, has_tls: bool) -> Mark {
        let mut kept = self.kept.get_or_init(Box::default).lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.iter().find(|known| known.name == cookie.name) {
            return known.mark;
        }
        let mark = Mark::draw();
        kept.push(Kept { name: cookie.name.clone(), mark, cookie: cookie.set(mark, has_tls) });
        mark
    }

    /// The values of `set-cookie` that the answer has for that.
    pub fn cookies(&self) -> Vec<HeaderValue> {
        let Some(kept) = self.kept.get() else { return Vec::new() };
        let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().filter_map(|kept| kept.cookie.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<Box<str>> {
        texts.iter().map(|text| (*text).into()).collect()
    }

    #[test]
    fn a_caller_without_a_mark_gets_one_for_each_cookie() {
        let noted = Noted::default();
        assert_eq!((noted.cookies(), noted.chosen()), (Vec::new(), None));
        let cookie = |name: &str| Cookie {
            name: name.into(),
            max_age: std::time::Duration::from_secs(60),
            secure: false,
        };
        let (a, b) = (noted.mark(&cookie("a"), false), noted.mark(&cookie("b"), true));
        assert_eq!(noted.mark(&cookie("a"), true), a);
        let set = [
            format!("a={a}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"),
            format!("b={b}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"),
        ];
        assert_eq!(noted.cookies(), set);
        noted.chose(&"next".into());
        noted.chose(&"other".into());
        assert_eq!(noted.chosen(), Some("next"));
    }

    #[test]
    fn claims_are_found_by_name_and_joined() {
        let mut first = Identity {
            principal: "key".into(),
            owner: Some("acme".into()),
            roles: texts(&["buyer"]),
            claims: [("region".into(), texts(&["eu"]))].into(),
            ..Identity::default()
        };
        let second = Identity {
            principal: "CN=acme".into(),
            owner: Some("other".into()),
            plan: Some("pro".into()),
            roles: texts(&["buyer", "admin"]),
            scopes: texts(&["read"]),
            claims: [("region".into(), texts(&["us"])), ("team".into(), texts(&["a", "b"]))].into(),
            expires: Some(SystemTime::UNIX_EPOCH),
        };
        first.join(&second);
        assert_eq!(first.expires, second.expires, "the earlier end is that of both");
        for (name, expected) in [
            ("sub", &["key"][..]),
            ("owner", &["acme"]),
            ("plan", &["pro"]),
            ("roles", &["buyer", "admin"]),
            ("scope", &["read"]),
            ("region", &["eu"]),
            ("team", &["a", "b"]),
            ("nothing", &[]),
        ] {
            assert_eq!(first.claim(name), texts(expected), "{name}");
        }
    }
}
