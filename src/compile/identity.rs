//! What callers can be known by: keys, users and certificates become proofs that policies ask for.

use std::num::NonZero;
use std::sync::Arc;
use std::thread::available_parallelism;

use super::limits::Planned;
use super::policies::header;
use super::tokens::Tokens;
use crate::call::identity::Identity;
use crate::config::Config;
use crate::config::callers::{self, Callers};
use crate::config::identity::{ApiKeys, Basic};
use crate::config::place::{Located, Place};
use crate::config::policy::{CertificateProof, Proof};
use crate::config::problem::{Problem, Problems};
use crate::config::settings::collection::{Named, NonEmpty};
use crate::config::value::moment::Moment;
use crate::policy::api_key::{ApiKey, Key, Keys, parse_hash};
use crate::policy::certificate::Certificate;
use crate::policy::introspection::Introspection;
use crate::policy::jwt::Jwt;
use crate::policy::password::{self, Hash, User, Users};
use crate::policy::pattern::Pattern;
use crate::policy::verify::{Term, Verifier};

/// What callers can be known by.
pub(super) struct Known<'c> {
    keys: Option<(&'c ApiKeys, Arc<Keys>)>,
    users: Option<(&'c Basic, Arc<Users>)>,
    /// Whether a listener asks for certificates.
    certificates: bool,
    /// The keys and users of the files, with their plans.
    pub(super) planned: Vec<Planned>,
    /// Those who know tokens.
    tokens: &'c Tokens,
}

impl<'c> Known<'c> {
    /// Reads the files of keys and users.
    pub(super) fn of(config: &'c Config, tokens: &'c Tokens, problems: &mut Problems) -> Self {
        let identity = &config.identity;
        let mut planned = Vec::new();
        let keys = identity.api_keys.as_ref();
        let users = identity.basic.as_ref();
        Self {
            keys: keys.map(|keys| (keys, Arc::new(keys_of(keys, &mut planned, problems)))),
            users: users.map(|basic| (basic, Arc::new(users_of(basic, &mut planned, problems)))),
            certificates: config
                .listeners
                .iter()
                .flat_map(|listener| &listener.tls)
                .any(|tls| tls.client_ca.is_some()),
            planned,
            tokens,
        }
    }

    /// What a policy asks callers to show.
    pub(super) fn proof(&self, proof: &Proof, problems: &mut Problems) -> Option<Arc<dyn Verifier>> {
        let mut lacks = |what: &str, hint: &str, place: Option<Place>| {
            problems.push(Problem::error(format!("A policy asks for {what}.")).at(place).hint(hint));
            None
        };
        match proof {
            Proof::ApiKey(wanted) => {
                let place = wanted.owners.first().and_then(|owner| owner.place);
                let Some((settings, keys)) = &self.keys else {
                    let hint = "Name the file of keys: `identity: {api_keys: {file: keys.yaml}}`. `transom keys new` makes it.";
                    return lacks("API keys, but `identity` says nothing of any", hint, place);
                };
                let query = settings.query.as_ref().map(|query| query.as_str());
                Some(Arc::new(ApiKey::new(
                    Arc::clone(keys),
                    header(&settings.header)?,
                    query,
                    texts(&wanted.owners),
                )))
            }
            Proof::Basic(wanted) => {
                let place = wanted.owners.first().and_then(|owner| owner.place);
                let Some((settings, users)) = &self.users else {
                    let hint = "Name the file of users: `identity: {basic: {file: users.yaml}}`.";
                    return lacks("passwords, but `identity` says nothing of any", hint, place);
                };
                Some(Arc::new(password::Basic::new(
                    Arc::clone(users),
                    &settings.realm,
                    texts(&wanted.owners),
                )))
            }
            Proof::Certificate(wanted) => {
                if !self.certificates {
                    let hint = "Name the authorities that sign them: `listeners: [{address: ..., tls: {client_ca: FILE, ...}}]`.";
                    return lacks("certificates of callers, but no listener does", hint, None);
                }
                Some(Arc::new(certificate(wanted)))
            }
            // That there is none of the name was reported before.
            Proof::Jwt(name) => Some(Arc::new(Jwt(Arc::clone(self.tokens.issuer(name)?)))),
            Proof::Introspection(name) => {
                Some(Arc::new(Introspection(Arc::clone(self.tokens.introspector(name)?))))
            }
        }
    }
}

fn certificate(wanted: &CertificateProof) -> Certificate {
    let patterns =
        |texts: &[Located<String>], make: fn(&str) -> Pattern| texts.iter().map(|text| make(text)).collect();
    Certificate {
        subjects: patterns(&wanted.subjects, Certificate::subject),
        dns: patterns(&wanted.dns, Certificate::dns),
        uris: patterns(&wanted.uris, Certificate::uri),
        emails: patterns(&wanted.emails, Certificate::email),
        identity: Identity {
            owner: text(&wanted.owner),
            plan: text(&wanted.plan),
            roles: texts(&wanted.roles),
            scopes: texts(&wanted.scopes),
            ..Identity::default()
        },
    }
}

fn keys_of(settings: &ApiKeys, planned: &mut Vec<Planned>, problems: &mut Problems) -> Keys {
    let Callers { keys, .. } = callers::load(&settings.file, problems).unwrap_or_default();
    let valid = keys.iter().filter(|key| key.revoked.is_none());
    planned.extend(valid.map(|key| (key.id.clone(), key.plan.clone())));
    let made = keys.iter().filter_map(|key| {
        let Some(hash) = parse_hash(&key.hash) else {
            let text =
                format!("The hash of the key {:?} is not `sha256:` and 64 hexadecimal digits.", key.id.value);
            let hint =
                "`transom keys new` writes it. For a key from elsewhere: printf %s \"$KEY\" | sha256sum";
            problems.push(Problem::error(text).at(key.hash.place).hint(hint));
            return None;
        };
        let lists = [&*key.roles, &*key.scopes];
        let identity = identity(&key.id, &key.owner, &key.plan, lists, &key.claims, &key.expires);
        Some(Key { hash, term: term(&identity, &key.revoked), identity })
    });
    made.collect()
}

fn users_of(settings: &Basic, planned: &mut Vec<Planned>, problems: &mut Problems) -> Users {
    let Callers { users, .. } = callers::load(&settings.file, problems).unwrap_or_default();
    let valid = users.iter().filter(|user| user.revoked.is_none());
    planned.extend(valid.map(|user| (user.name.clone(), user.plan.clone())));
    let made = users.iter().filter_map(|user| {
        let hash = match Hash::parse(&user.password) {
            Ok(hash) => hash,
            Err(flaw) => {
                // The text is not repeated: somebody may have written the password itself.
                let text = format!("The password of the user {:?} cannot be used: {flaw}.", user.name.value);
                let hint = "Write what argon2 makes of it: printf %s \"$PASSWORD\" | argon2 \"$(openssl rand -hex 8)\" -id -e";
                problems.push(Problem::error(text).at(user.password.place).hint(hint));
                return None;
            }
        };
        let lists = [&*user.roles, &*user.scopes];
        let identity = identity(&user.name, &user.owner, &user.plan, lists, &user.claims, &user.expires);
        Some((user.name.as_str().into(), User { hash, term: term(&identity, &user.revoked), identity }))
    });
    Users::new(made.collect(), available_parallelism().map_or(1, NonZero::get))
}

/// What a file says of a caller.
fn identity(
    name: &str,
    owner: &Option<Located<String>>,
    plan: &Option<Located<String>>,
    [roles, scopes]: [&[Located<String>]; 2],
    said: &Claims,
    expires: &Option<Located<Moment>>,
) -> Arc<Identity> {
    Arc::new(Identity {
        principal: name.into(),
        owner: text(owner),
        plan: text(plan),
        roles: texts(roles),
        scopes: texts(scopes),
        claims: claims(said).collect(),
        expires: expires.as_ref().map(|moment| moment.time()),
    })
}

fn term(identity: &Identity, revoked: &Option<Located<Moment>>) -> Term {
    Term { expires: identity.expires, revoked: revoked.is_some() }
}

pub(super) fn text(text: &Option<Located<String>>) -> Option<Box<str>> {
    text.as_ref().map(|text| text.as_str().into())
}

pub(super) fn texts(texts: &[Located<String>]) -> Vec<Box<str>> {
    texts.iter().map(|text| text.as_str().into()).collect()
}

type Claims = Option<Named<NonEmpty<Located<String>>>>;

pub(super) fn claims(claims: &Claims) -> impl Iterator<Item = (Box<str>, Vec<Box<str>>)> {
    let all = claims.iter().flat_map(|claims| claims.iter());
    all.map(|(name, values)| (name.as_str().into(), texts(values)))
}
