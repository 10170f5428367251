//! Every dialect, every kind of call, every reason: the same rule holds for all.

use serde_json::json;
use transom::call::Dialect;

use super::calls::{Kind, Outcome, call, carries, outcome, request};
use super::issuer::{Signer, claims, jwks};
use super::{BUYER, Counting, EXPIRED, PASSWORD, Place, REVOKED, VISITOR, WRONG_PASSWORD};
use crate::support::gateway::Gateway;

/// What a caller offers, and where it calls from.
#[derive(Clone, Copy, Debug)]
enum Case {
    Nothing,
    UnknownKey,
    ExpiredKey,
    RevokedKey,
    WrongRole,
    BlockedAddress,
    UnknownKeyInQuery,
    KeyInHeaderAndQuery,
    WrongPassword,
    Key,
    KeyInQuery,
    Password,
    ExpiredToken,
    ForgedToken,
    TokenOfWrongRole,
    SeveralTokens,
    Token,
}

impl Case {
    const ALL: [Self; 17] = [
        Self::Nothing,
        Self::UnknownKey,
        Self::ExpiredKey,
        Self::RevokedKey,
        Self::WrongRole,
        Self::BlockedAddress,
        Self::UnknownKeyInQuery,
        Self::KeyInHeaderAndQuery,
        Self::WrongPassword,
        Self::Key,
        Self::KeyInQuery,
        Self::Password,
        Self::ExpiredToken,
        Self::ForgedToken,
        Self::TokenOfWrongRole,
        Self::SeveralTokens,
        Self::Token,
    ];

    /// The header and the query that show who calls.
    const fn credentials(self) -> (Option<(&'static str, &'static str)>, Option<&'static str>) {
        match self {
            Self::Nothing
            | Self::ExpiredToken
            | Self::ForgedToken
            | Self::TokenOfWrongRole
            | Self::SeveralTokens
            | Self::Token => (None, None),
            Self::UnknownKey => (Some(("x-api-key", "nobody's")), None),
            Self::ExpiredKey => (Some(("x-api-key", EXPIRED)), None),
            Self::RevokedKey => (Some(("x-api-key", REVOKED)), None),
            Self::WrongRole => (Some(("x-api-key", VISITOR)), None),
            Self::BlockedAddress | Self::Key => (Some(("x-api-key", BUYER)), None),
            Self::UnknownKeyInQuery => (None, Some("api_key=nobody%27s")),
            Self::KeyInHeaderAndQuery => (Some(("x-api-key", BUYER)), Some("api_key=buyer-key")),
            Self::WrongPassword => (Some(("authorization", WRONG_PASSWORD)), None),
            Self::KeyInQuery => (None, Some("api_key=buyer-key")),
            Self::Password => (Some(("authorization", PASSWORD)), None),
        }
    }

    /// The token that shows who calls, and whether it is sent twice.
    fn token(self, [good, forger]: [&Signer; 2]) -> Option<(String, bool)> {
        match self {
            Self::ExpiredToken => Some((good.token(&claims("id", &json!({"exp": 1}))), false)),
            Self::ForgedToken => Some((forger.token(&claims("id", &json!({}))), false)),
            Self::TokenOfWrongRole => {
                Some((good.token(&claims("id", &json!({"roles": ["visitor"]}))), false))
            }
            Self::SeveralTokens => Some((good.token(&claims("id", &json!({}))), true)),
            Self::Token => Some((good.token(&claims("id", &json!({}))), false)),
            _ => None,
        }
    }

    const fn expected(self) -> Outcome {
        match self {
            Self::Nothing
            | Self::UnknownKey
            | Self::ExpiredKey
            | Self::RevokedKey
            | Self::UnknownKeyInQuery
            | Self::KeyInHeaderAndQuery
            | Self::WrongPassword
            | Self::ExpiredToken
            | Self::ForgedToken
            | Self::SeveralTokens => Outcome::Unauthenticated,
            Self::WrongRole | Self::BlockedAddress | Self::TokenOfWrongRole => Outcome::PermissionDenied,
            Self::Key | Self::KeyInQuery | Self::Password | Self::Token => Outcome::Answered,
        }
    }

    const fn address(self) -> &'static str {
        if matches!(self, Self::BlockedAddress) { "203.0.113.66" } else { "198.51.100.1" }
    }
}

#[tokio::test]
async fn one_policy_holds_on_every_path() {
    let place = Place::new();
    let backend = Counting::start();
    let signers = [Signer::new("k"), Signer::new("k")];
    let signers = signers.each_ref();
    place.write("jwks.json", &jwks(&signers[..1]));
    let issuer = format!(
        "jwt: {{main: {{issuer: id, audience: [shop], jwks: 'file:{}'}}}}",
        place.file("jwks.json").display()
    );
    let config = place.config(
        &backend.address,
        "trusted_proxies: [127.0.0.1]\n\
         policies:\n  partners:\n    require: {any: [api_key: {}, basic: {}, jwt: main]}\n    allow: {roles: [buyer]}\n    \
         deny: {ips: [203.0.113.0/24]}\n\
         services: [{service: '**', policy: [partners]}]\n\
         telemetry: {access_log: json, log: 'info,transom::policy=debug'}\n",
    );
    let gateway =
        Gateway::with_config(&config.replacen("identity: {", &format!("identity: {{{issuer}, "), 1));
    let mut refused = 0;
    for dialect in Dialect::ALL {
        for kind in Kind::ALL.into_iter().filter(|kind| carries(dialect, *kind)) {
            for case in Case::ALL {
                let before = backend.count();
                let (header, query) = case.credentials();
                let token = case.token(signers).map(|(token, twice)| (format!("Bearer {token}"), twice));
                let bearer = token.iter().flat_map(|(token, twice)| {
                    std::iter::repeat_n(("authorization", token.as_str()), if *twice { 2 } else { 1 })
                });
                let headers: Vec<_> =
                    header.into_iter().chain(bearer).chain([("x-forwarded-for", case.address())]).collect();
                let answer = call(gateway.address(), &request(dialect, kind), &headers, query).await;
                let name = format!("{dialect} {kind:?} {case:?}: {answer:?}");
                assert_eq!(outcome(dialect, kind, &answer), case.expected(), "{name}");
                let is_answered = case.expected() == Outcome::Answered;
                assert_eq!(backend.count() - before, usize::from(is_answered), "{name}");
                refused += usize::from(!is_answered);
            }
        }
    }
    // SOAP carries two of the four kinds.
    assert_eq!(refused, (6 * 4 + 2) * 13);
    gateway.wait_for_log("\"principal\":\"legacy\"");
    let log = gateway.log();
    assert!(log.contains("\"reason\":\"forbidden\",\"principal\":\"visitor\""), "{log}");
    for secret in ["-key", "nobody", "bGVnYWN5", "eyJ"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
