//! Those who know what bearer tokens mean: issuers with their keys, and introspection endpoints. They live on with the
//! next generation where their settings are the same.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::identity::{text, texts};
use super::tls;
use crate::config::Config;
use crate::config::files::{read_named, read_secret};
use crate::config::place::{Located, Place};
use crate::config::problem::{Problem, Problems};
use crate::config::tokens::{self, Algorithm as Written};
use crate::config::value::endpoint::KeysAt;
use crate::config::value::path::FilePath;
use crate::policy::claims::Mapping;
use crate::policy::introspection::{self, Introspector, credentials};
use crate::policy::jwt::algorithm::Algorithm;
use crate::policy::jwt::keys::{KeySet, MAX_SET};
use crate::policy::jwt::source::{self, Source};
use crate::policy::jwt::token::kind;
use crate::policy::jwt::{self, Issuer};
use crate::policy::remote::{Remote, Url};

/// Those who know tokens, by their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens {
    issuers: Vec<KeptIssuer>,
    introspectors: Vec<KeptIntrospector>,
}

#[derive(Clone, Debug)]
struct KeptIssuer {
    name: String,
    origin: Origin,
    issuer: Arc<Issuer>,
}

#[derive(Clone, Debug)]
struct KeptIntrospector {
    name: String,
    reach: Reach,
    introspector: Arc<Introspector>,
}

/// Where the keys of an issuer come from.
#[derive(Clone, Debug, PartialEq)]
enum Origin {
    /// They are there, and have this digest.
    Fixed([u8; 32]),
    Asked {
        place: source::Place,
        refresh: Duration,
        reach: Reach,
    },
}

/// How somebody is reached.
#[derive(Clone, Debug, PartialEq)]
struct Reach {
    ca: Option<PathBuf>,
    plain: bool,
}

impl Tokens {
    /// Makes what the configuration names, or takes over what there was of it `before`. Nobody is asked yet.
    pub(super) fn build(config: &Config, before: &Self, problems: &mut Problems) -> Self {
        let (issuers, introspections) = (&config.identity.jwt, &config.identity.introspection);
        let issuers = issuers.iter().flat_map(|named| named.iter());
        let issuers =
            issuers.filter_map(|(name, settings)| before.issuer_of(name, settings, problems)).collect();
        let introspections = introspections.iter().flat_map(|named| named.iter());
        let introspectors = introspections
            .filter_map(|(name, settings)| before.introspector_of(name, settings, problems))
            .collect();
        Self { issuers, introspectors }
    }

    /// The issuer of this name.
    pub(super) fn issuer(&self, name: &str) -> Option<&Arc<Issuer>> {
        self.issuers.iter().find(|kept| kept.name == name).map(|kept| &kept.issuer)
    }

    /// Who is asked about tokens under this name.
    pub(super) fn introspector(&self, name: &str) -> Option<&Arc<Introspector>> {
        self.introspectors.iter().find(|kept| kept.name == name).map(|kept| &kept.introspector)
    }

    /// Asks for the keys whose time has come.
    pub(super) fn tend(&self) {
        self.issuers.iter().for_each(|kept| kept.issuer.source().tend());
    }

    /// What is told of issuers, and of those who are asked about tokens.
    pub(super) fn reports(&self) -> (Vec<source::Report>, Vec<introspection::Report>) {
        let issuers = self.issuers.iter().map(|kept| kept.issuer.source().report());
        let introspectors = self.introspectors.iter().map(|kept| kept.introspector.report());
        (issuers.collect(), introspectors.collect())
    }

    fn issuer_of(
        &self,
        name: &Located<String>,
        written: &tokens::Jwt,
        problems: &mut Problems,
    ) -> Option<KeptIssuer> {
        let algorithms = algorithms(written);
        let (origin, source) = keys(name, written, &algorithms, problems)?;
        let settings = jwt::Settings {
            issuer: written.issuer.as_str().into(),
            audience: texts(&written.audience),
            algorithms,
            types: written.types.iter().map(|text| kind(text).into()).collect(),
            leeway: written.leeway.value,
            mapping: mapping(&written.roles, &written.owner, &written.plan),
        };
        let kept = self.issuers.iter().find(|kept| kept.name == name.value && kept.origin == origin);
        let issuer = match kept {
            None => Arc::new(Issuer::new(settings, Arc::new(source))),
            Some(kept) => {
                take_over(kept.issuer.source().remote_side(), source.remote_side());
                if *kept.issuer.settings() == settings {
                    Arc::clone(&kept.issuer)
                } else {
                    Arc::new(Issuer::new(settings, Arc::clone(kept.issuer.source())))
                }
            }
        };
        Some(KeptIssuer { name: name.value.clone(), origin, issuer })
    }

    fn introspector_of(
        &self,
        name: &Located<String>,
        written: &tokens::Introspection,
        problems: &mut Problems,
    ) -> Option<KeptIntrospector> {
        let secret = read_secret(&written.client_secret, problems);
        let place = written.url.place;
        let url = url(&written.url.to_string(), place, written.allow_http.value, problems)?;
        let (reach, remote) = reach(&url, place, &written.ca, written.allow_http.value, problems)?;
        let settings = introspection::Settings {
            url,
            authorization: credentials(&written.client_id, &secret?),
            issuer: text(&written.issuer),
            audience: texts(&written.audience),
            keep: written.keep.value,
            mapping: mapping(&written.roles, &written.owner, &written.plan),
        };
        let kept = self.introspectors.iter().find(|kept| {
            kept.name == name.value && kept.reach == reach && *kept.introspector.settings() == settings
        });
        let introspector = match kept {
            None => Arc::new(Introspector::new(name, settings, remote)),
            Some(kept) => {
                take_over(Some(kept.introspector.remote_side()), Some(&remote));
                Arc::clone(&kept.introspector)
            }
        };
        Some(KeptIntrospector { name: name.value.clone(), reach, introspector })
    }
}

/// Has who is kept trust those authorities whom the files hold now.
fn take_over(kept: Option<&Remote>, made: Option<&Remote>) {
    if let (Some(kept), Some(made)) = (kept.and_then(Remote::tls), made.and_then(Remote::tls)) {
        kept.replace(made);
    }
}

/// The keys of an issuer, which may be still to be asked for.
fn keys(
    name: &Located<String>,
    written: &tokens::Jwt,
    algorithms: &[Algorithm],
    problems: &mut Problems,
) -> Option<(Origin, Source)> {
    let fixed = |set: KeySet| Some((Origin::Fixed(set.digest()), Source::fixed(name, set)));
    let plain = written.allow_http.value;
    let (place, at) = match (&written.secret, &written.jwks) {
        (Some(secret), _) => {
            let text = read_secret(secret, problems)?;
            let least =
                algorithms.iter().filter_map(|algorithm| algorithm.secret()).map(|(_, least)| least).max();
            if text.len() < least.unwrap_or(0) {
                let text = format!(
                    "The secret of the issuer {:?} is shorter than its algorithms ask for.",
                    name.value
                );
                let hint = "HS256 asks for 32 bytes, HS384 for 48, HS512 for 64: `openssl rand -hex 32`, for example.";
                problems.push(Problem::error(text).at(secret.place).hint(hint));
                return None;
            }
            return fixed(KeySet::secret(&text, algorithms));
        }
        (None, Some(Located { value: KeysAt::File(path), place })) => {
            let text = read_named(&Located { value: path.clone(), place: *place }, MAX_SET as u64, problems)?;
            let set = KeySet::parse(&text).map_err(|why| {
                let text = format!("The keys in {} cannot be used: {why}.", path.display());
                let hint = "Write a JWK Set with the public keys of the issuer: {\"keys\": [{\"kty\": \"RSA\", ...}]}.";
                problems.push(Problem::error(text).at(*place).hint(hint));
            });
            return fixed(set.ok()?);
        }
        (None, Some(Located { value: KeysAt::Url(at), place })) => {
            (source::Place::Jwks(url(&at.to_string(), *place, plain, problems)?), *place)
        }
        (None, None) => {
            let issuer = written.issuer.as_str();
            let document = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
            let url = url(&document, written.issuer.place, plain, problems)?;
            (source::Place::Discovery { issuer: issuer.into(), url }, written.issuer.place)
        }
    };
    let (source::Place::Jwks(url) | source::Place::Discovery { url, .. }) = &place;
    let (reach, remote) = reach(url, at, &written.ca, plain, problems)?;
    let refresh = written.refresh.value;
    let origin = Origin::Asked { place: place.clone(), refresh, reach };
    Some((origin, Source::remote(name, place, remote, refresh)))
}

fn url(written: &str, place: Option<Place>, plain: bool, problems: &mut Problems) -> Option<Url> {
    Url::parse(written, plain)
        .map_err(|why| {
            let hint = "Write https, or allow it where the way is safe: `allow_http: true`.";
            problems.push(Problem::error(format!("{written:?} {why}.")).at(place).hint(hint));
        })
        .ok()
}

/// Whatever reaches a URL.
fn reach(
    url: &Url,
    place: Option<Place>,
    ca: &Option<Located<FilePath>>,
    plain: bool,
    problems: &mut Problems,
) -> Option<(Reach, Remote)> {
    let tls = if url.is_secure() { Some(tls::asking(ca, place, problems)?) } else { None };
    let ca = ca.as_ref().map(|path| path.to_path_buf());
    Some((Reach { ca, plain }, Remote::new(tls, plain)))
}

fn mapping(
    roles: &Located<String>,
    owner: &Option<Located<String>>,
    plan: &Option<Located<String>>,
) -> Mapping {
    Mapping { roles: roles.as_str().into(), owner: text(owner), plan: text(plan) }
}

fn algorithms(written: &tokens::Jwt) -> Vec<Algorithm> {
    if !written.algorithms.is_empty() {
        return written.algorithms.iter().map(|algorithm| algorithm_of(algorithm.value)).collect();
    }
    match written.secret {
        Some(_) => vec![Algorithm::Hs256],
        None => vec![Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa],
    }
}

const fn algorithm_of(written: Written) -> Algorithm {
    match written {
        Written::Rs256 => Algorithm::Rs256,
        Written::Rs384 => Algorithm::Rs384,
        Written::Rs512 => Algorithm::Rs512,
        Written::Ps256 => Algorithm::Ps256,
        Written::Ps384 => Algorithm::Ps384,
        Written::Ps512 => Algorithm::Ps512,
        Written::Es256 => Algorithm::Es256,
        Written::Es384 => Algorithm::Es384,
        Written::EdDsa => Algorithm::EdDsa,
        Written::Hs256 => Algorithm::Hs256,
        Written::Hs384 => Algorithm::Hs384,
        Written::Hs512 => Algorithm::Hs512,
    }
}
