//! `identity.jwt` and `identity.introspection`

use std::time::Duration;

use super::place::Located;
use super::problem::Problem;
use super::settings::collection::NonEmpty;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::value::endpoint::{Endpoint, KeysAt};
use super::value::path::FilePath;
use super::value::secret::Secret;

settings! {
    /// An issuer of tokens that are signed (JWT).
    pub struct Jwt {
        /// The issuer. `iss` of its tokens must be exactly this.
        issuer: Located<String>,
        /// Whom tokens must be for: `aud` must name one of these. `"*"` accepts tokens for others too.
        audience: NonEmpty<Located<String>>,
        /// Where its keys are (a JWK Set): a URL, or `file:PATH`, which is read again when it changes. Left out, they are
        /// found by OpenID Connect discovery at the issuer, `/.well-known/openid-configuration`.
        jwks: Option<Located<KeysAt>> = None,
        /// The secret that issuer and gateway share, in place of keys: `file:PATH` or `env:NAME`. Tokens are signed by
        /// HS256, HS384 or HS512 then, and whoever can verify them can make them.
        secret: Option<Located<Secret>> = None,
        /// The algorithms that are accepted. Left out, RS256, ES256 and EdDSA, or HS256 where there is a `secret`.
        algorithms: Vec<Located<Algorithm>> = Vec::new(),
        /// The kinds of tokens that are accepted, by their `typ`. Left out, `JWT`, `at+jwt` and those that say none.
        types: Vec<Located<String>> = Vec::new(),
        /// How far the clocks of the issuer and the gateway may be apart.
        leeway: Located<Duration> = Duration::from_secs(30).into() => Duration::ZERO..=Duration::from_secs(60),
        /// The claim that holds the roles of a caller, or the path to it, such as `realm_access.roles`.
        roles: Located<String> = "roles".to_owned().into(),
        /// The claim that holds the owner of a caller, or the path to it.
        owner: Option<Located<String>> = None,
        /// The claim that holds the plan of a caller, or the path to it.
        plan: Option<Located<String>> = None,
        /// How often its keys are asked for at least.
        refresh: Located<Duration> = Duration::from_secs(300).into() => Duration::from_secs(30)..=Duration::from_secs(86_400),
        /// The authorities that sign the certificate of the issuer, in PEM form. Without, those that the system trusts.
        ca: Option<Located<FilePath>> = None,
        /// Whether keys may be asked for by `http` beyond this machine. Whoever is on the way can let in whom they like.
        allow_http: Located<bool> = false.into(),
    }
    check check(issuer, jwks, secret, algorithms)
    example "Write `NAME: {issuer: https://id.example, audience: [shop]}`."
}

settings! {
    /// An algorithm by which tokens are signed.
    pub enum Algorithm {
        /// RSASSA-PKCS1-v1_5 with SHA-256.
        "RS256" => Rs256,
        /// RSASSA-PKCS1-v1_5 with SHA-384.
        "RS384" => Rs384,
        /// RSASSA-PKCS1-v1_5 with SHA-512.
        "RS512" => Rs512,
        /// RSASSA-PSS with SHA-256.
        "PS256" => Ps256,
        /// RSASSA-PSS with SHA-384.
        "PS384" => Ps384,
        /// RSASSA-PSS with SHA-512.
        "PS512" => Ps512,
        /// ECDSA on P-256 with SHA-256.
        "ES256" => Es256,
        /// ECDSA on P-384 with SHA-384.
        "ES384" => Es384,
        /// Ed25519.
        "EdDSA" => EdDsa,
        /// HMAC with SHA-256.
        "HS256" => Hs256,
        /// HMAC with SHA-384.
        "HS384" => Hs384,
        /// HMAC with SHA-512.
        "HS512" => Hs512,
    }
}

settings! {
    /// Somebody who is asked what tokens mean (OAuth 2.0 Token Introspection, RFC 7662).
    pub struct Introspection {
        /// Where it is asked.
        url: Located<Endpoint>,
        /// As which client the gateway asks.
        client_id: Located<String>,
        /// The secret of that client: `file:PATH` or `env:NAME`.
        client_secret: Located<Secret>,
        /// What `iss` of the answer must be.
        issuer: Option<Located<String>> = None,
        /// Whom tokens must be for: `aud` of the answer must name one of these. Left out, it is not looked at.
        audience: Vec<Located<String>> = Vec::new(),
        /// How long an answer is believed at most. A token that is taken back is accepted for so long.
        keep: Located<Duration> = Duration::from_secs(60).into() => Duration::from_secs(1)..=Duration::from_secs(3600),
        /// The part of the answer that holds the roles of a caller, or the path to it, such as `realm_access.roles`.
        roles: Located<String> = "roles".to_owned().into(),
        /// The part that holds the owner of a caller, or the path to it.
        owner: Option<Located<String>> = None,
        /// The part that holds the plan of a caller, or the path to it.
        plan: Option<Located<String>> = None,
        /// The authorities that sign its certificate, in PEM form. Without, those that the system trusts.
        ca: Option<Located<FilePath>> = None,
        /// Whether it may be asked by `http` beyond this machine. Whoever is on the way can read the tokens then.
        allow_http: Located<bool> = false.into(),
    }
    example "Write `NAME: {url: https://id.example/introspect, client_id: gateway, client_secret: file:secret}`."
}

impl Algorithm {
    /// Whether it needs a secret that both sides share.
    pub const fn is_shared(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }
}

impl Jwt {
    fn check(
        reader: &mut Reader<'_>,
        issuer: Option<&Located<String>>,
        jwks: Option<&Option<Located<KeysAt>>>,
        secret: Option<&Option<Located<Secret>>>,
        algorithms: Option<&Vec<Located<Algorithm>>>,
    ) {
        let (Some(jwks), Some(secret)) = (jwks, secret) else { return };
        if let (Some(jwks), Some(secret)) = (jwks, secret) {
            let text = format!("{} has keys and a secret.", reader.path());
            let problem = Problem::error(text).at(secret.place).related(jwks.place, "the keys are here");
            let _: Option<()> = reader.error(problem.hint("Keep one of the two."));
        }
        for algorithm in
            algorithms.into_iter().flatten().filter(|algorithm| algorithm.is_shared() != secret.is_some())
        {
            let (text, hint) = if secret.is_some() {
                (
                    "is to verify tokens by a secret, but accepts an algorithm that needs keys",
                    "Write HS256, HS384 or HS512, or `jwks` in place of `secret`.",
                )
            } else {
                (
                    "accepts an algorithm that needs a secret, but has none",
                    "Remove it, or name the secret: `secret: file:PATH`.",
                )
            };
            let text = format!("{} {text}.", reader.path());
            let _: Option<()> = reader.error(Problem::error(text).at(algorithm.place).hint(hint));
        }
        let is_discovered = jwks.is_none() && secret.is_none();
        if let Some(issuer) = issuer.filter(|issuer| is_discovered && !is_url(issuer)) {
            let text = format!(
                "{} says nothing of keys, and its issuer is no URL where they could be found.",
                reader.path()
            );
            let hint = "Write where its keys are: `jwks: https://id.example/jwks.json` or `jwks: file:PATH`.";
            let _: Option<()> = reader.error(Problem::error(text).at(issuer.place).hint(hint));
        }
    }
}

/// Whether documents can be looked for below this.
fn is_url(issuer: &str) -> bool {
    let rest = issuer.strip_prefix("https://").or_else(|| issuer.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(['?', '#', '@']))
}
