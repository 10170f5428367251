//! Every dialect, every kind of call, every reason: the same rule holds for all.

use transom::call::Dialect;
use transom::policy::refusal::Reason;

use super::calls::{Kind, Outcome, call, carries, outcome, request};
use super::{BUYER, Counting, EXPIRED, PASSWORD, Place, REVOKED, VISITOR, WRONG_PASSWORD};

/// Where a reason is proved for every dialect and kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// Here: who calls, and from where.
    Callers,
    /// In `streams`: what ends calls that go on.
    Streams,
    /// With what limits calls before they begin.
    Limits,
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
    Key,
    KeyInQuery,
    Password,
}

impl Case {
    const ALL: [Self; 12] = [
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
    ];

    /// The header and the query that show who calls.
    const fn credentials(self) -> (Option<(&'static str, &'static str)>, Option<&'static str>) {
        match self {
            Self::Nothing => (None, None),
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

    const fn expected(self) -> Outcome {
        match self {
            Self::Nothing
            | Self::UnknownKey
            | Self::ExpiredKey
            | Self::RevokedKey
            | Self::UnknownKeyInQuery
            | Self::KeyInHeaderAndQuery
            | Self::WrongPassword => Outcome::Unauthenticated,
            Self::WrongRole | Self::BlockedAddress => Outcome::PermissionDenied,
            Self::Key | Self::KeyInQuery | Self::Password => Outcome::Answered,
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
    let gateway = place.gateway(
        &backend.address,
        "trusted_proxies: [127.0.0.1]\n\
         policies:\n  partners:\n    require: {any: [api_key: {}, basic: {}]}\n    allow: {roles: [buyer]}\n    \
         deny: {ips: [203.0.113.0/24]}\n\
         services: [{service: '**', policy: [partners]}]\n\
         telemetry: {access_log: json, log: 'info,transom::policy=debug'}\n",
    );
    let mut refused = 0;
    for dialect in Dialect::ALL {
        for kind in Kind::ALL.into_iter().filter(|kind| carries(dialect, *kind)) {
            for case in Case::ALL {
                let before = backend.count();
                let (header, query) = case.credentials();
                let headers: Vec<_> =
                    header.into_iter().chain([("x-forwarded-for", case.address())]).collect();
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
    assert_eq!(refused, (6 * 4 + 2) * 9);
    gateway.wait_for_log("\"principal\":\"legacy\"");
    let log = gateway.log();
    assert!(log.contains("\"reason\":\"forbidden\",\"principal\":\"visitor\""), "{log}");
    for secret in ["-key", "nobody", "bGVnYWN5"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}
