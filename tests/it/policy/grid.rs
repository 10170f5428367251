//! Every dialect, every kind of call, every reason: the same rule holds for all.

use serde_json::json;
use transom::call::Dialect;
use transom::policy::refusal::Reason;

use super::calls::{Kind, Outcome, call, carries, outcome, request};
use super::issuer::{Signer, claims, jwks};
use super::{BUYER, Counting, DRAINED, EXPIRED, PASSWORD, Place, REVOKED, SPENT, VISITOR, WRONG_PASSWORD};
use crate::support::client::Answer;
use crate::support::gateway::Gateway;

/// Where a reason is proved for every dialect and kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Here: who calls, and from where.
    Callers,
    /// In `streams`: what ends calls that go on.
    Streams,
    /// With what limits calls before they begin.
    Limits,
    /// With those who say what tokens mean.
    Issuers,
    /// Where it is made up what cannot be made in time over a wire.
    Units,
}

/// Where a reason is proved. A new one has to say so.
pub(super) const fn proof(reason: Reason) -> Proof {
    match reason {
        Reason::Missing | Reason::Invalid | Reason::Several | Reason::Forbidden | Reason::Address => {
            Proof::Callers
        }
        // These are proved here too.
        Reason::Expired | Reason::Revoked => Proof::Streams,
        Reason::Streams | Reason::Duration | Reason::Messages | Reason::Bytes => Proof::Streams,
        Reason::Plan | Reason::Rate | Reason::Quota | Reason::Concurrency | Reason::Shed => Proof::Limits,
        Reason::Unreachable => Proof::Issuers,
        Reason::Busy | Reason::Uncounted => Proof::Units,
    }
}

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
    OverRate,
    OverQuota,
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
    const ALL: [Self; 19] = [
        Self::Nothing,
        Self::UnknownKey,
        Self::ExpiredKey,
        Self::RevokedKey,
        Self::WrongRole,
        Self::BlockedAddress,
        Self::UnknownKeyInQuery,
        Self::KeyInHeaderAndQuery,
        Self::WrongPassword,
        Self::OverRate,
        Self::OverQuota,
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
            Self::OverRate => (Some(("x-api-key", SPENT)), None),
            Self::OverQuota => (Some(("x-api-key", DRAINED)), None),
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
            Self::OverRate | Self::OverQuota => Outcome::ResourceExhausted,
            Self::Key | Self::KeyInQuery | Self::Password | Self::Token => Outcome::Answered,
        }
    }

    /// What the caller is told of its limits: nothing before it is known who it is, and whether it may call at all.
    fn told(self) -> Option<(String, bool, bool)> {
        match self.expected() {
            Outcome::Answered => Some(("open-1000000/s".to_owned(), false, false)),
            Outcome::ResourceExhausted => {
                let name = if matches!(self, Self::OverRate) { "spent-1/day" } else { "drained-1/month" };
                Some((name.to_owned(), true, true))
            }
            _ => None,
        }
    }

    const fn address(self) -> &'static str {
        if matches!(self, Self::BlockedAddress) { "203.0.113.66" } else { "198.51.100.1" }
    }
}

/// What an answer says of limits: the name of the limit, whether nothing is left, and whether it says when to call again.
fn told(answer: &Answer) -> Option<(String, bool, bool)> {
    let state = answer.header("ratelimit")?;
    let (name, rest) = state.strip_prefix('"').unwrap().split_once('"').unwrap();
    assert!(answer.header("ratelimit-policy").unwrap().starts_with(&format!("\"{name}\";q=")), "{answer:?}");
    Some((name.to_owned(), rest.starts_with(";r=0;t="), answer.header("retry-after").is_some()))
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
         deny: {ips: [203.0.113.0/24]}\n    rate: {by_plan: {default: open}}\n\
         plans: {open: {rates: [1000000/s]}, spent: {rates: [1/day]}, drained: {quotas: [1/month]}}\n\
         services: [{service: '**', policy: [partners]}]\n\
         telemetry: {access_log: json, log: 'info,transom::policy=debug'}\n",
    );
    let gateway =
        Gateway::with_config(&config.replacen("identity: {", &format!("identity: {{{issuer}, "), 1));
    for key in [SPENT, DRAINED] {
        let headers = [("x-api-key", key), ("x-forwarded-for", "198.51.100.1")];
        let first = call(gateway.address(), &request(Dialect::Rest, Kind::Unary), &headers, None).await;
        assert_eq!(first.status, 200, "{first:?}");
    }
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
                assert_eq!(told(&answer), case.told(), "{name}");
                let is_answered = case.expected() == Outcome::Answered;
                assert_eq!(backend.count() - before, usize::from(is_answered), "{name}");
                refused += usize::from(!is_answered);
            }
        }
    }
    // SOAP carries two of the four kinds.
    assert_eq!(refused, (6 * 4 + 2) * 15);
    gateway.wait_for_log("\"principal\":\"legacy\"");
    let log = gateway.log();
    assert!(log.contains("\"reason\":\"forbidden\",\"principal\":\"visitor\""), "{log}");
    for secret in ["-key", "nobody", "bGVnYWN5", "eyJ"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
