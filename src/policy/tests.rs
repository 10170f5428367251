//! Policy over calls in memory, around a service that records them.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::api_key::{ApiKey, Key, Keys, parse_hash};
use super::certificate::Certificate;
use super::guard::Guard;
use super::new_key;
use super::password::{Basic, Hash, User, Users};
use super::refusal::{Exceeded, REFUSED, Reason};
use super::rule::{Allow, Deny, Policy, Require, Rule, Scope};
use super::verify::{Term, Verdict, Verifier};
use crate::call::credential::Credential;
use crate::call::identity::{Identity, Noted};
use crate::call::network::{Network, Networks};
use crate::call::service::{BoxFuture, CallService};
use crate::call::{Body, Call, Dialect, Encodings, Method, Origin, Reply};
use crate::status::Status;
use crate::telemetry::metrics::Metric;
use crate::tls::certificate::Name;
use crate::tls::session::{self, Session};

/// A vector of the reference implementation of argon2, for the password `password`.
const PASSWORD: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
/// `user:password` and `user:wrong`.
const RIGHT: &str = "Basic dXNlcjpwYXNzd29yZA==";
const WRONG: &str = "Basic dXNlcjp3cm9uZw==";

/// Keeps the metadata of the last call.
#[derive(Default)]
struct Recorder(Mutex<Option<HeaderMap>>);

impl CallService for Recorder {
    fn call(&self, call: Call) -> BoxFuture<Reply> {
        *self.0.lock().unwrap() = Some(call.metadata);
        Box::pin(async { Reply::from(Status::ok()) })
    }
}

fn texts(texts: &[&str]) -> Vec<Box<str>> {
    texts.iter().map(|text| (*text).into()).collect()
}

fn identity(principal: &str, owner: &str, roles: &[&str]) -> Arc<Identity> {
    let (principal, owner, roles) = (principal.into(), Some(owner.into()), texts(roles));
    Arc::new(Identity { principal, owner, roles, ..Identity::default() })
}

fn keys() -> Arc<Keys> {
    let key = |text: &str, roles: &[&str], term| Key {
        hash: parse_hash(&new_key::hash(text)).unwrap(),
        identity: identity(&format!("id of {text}"), "acme", roles),
        term,
    };
    let now = SystemTime::now();
    let until = |expires| Term { expires: Some(expires), revoked: false };
    let all = [
        key("buyer", &["buyer"], until(now + Duration::from_secs(3600))),
        key("admin", &["admin", "buyer"], Term::default()),
        key("expired", &["buyer"], until(now - Duration::from_secs(1))),
        key("revoked", &["buyer"], Term { revoked: true, ..until(now - Duration::from_secs(1)) }),
    ];
    Arc::new(all.into_iter().collect())
}

fn api_key(owners: &[&str]) -> Arc<dyn Verifier> {
    Arc::new(ApiKey::new(keys(), HeaderName::from_static("x-api-key"), None, texts(owners)))
}

fn users() -> Arc<Users> {
    let user = User {
        hash: Hash::parse(PASSWORD).unwrap(),
        identity: identity("user", "initech", &["buyer"]),
        term: Term::default(),
    };
    Arc::new(Users::new([("user".into(), user)].into(), 1))
}

fn basic() -> Arc<dyn Verifier> {
    Arc::new(Basic::new(users(), "Shop", Vec::new()))
}

fn origin(headers: &[(&'static str, &str)]) -> Origin {
    let headers = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(name, value);
    }
    Origin {
        peer: Some("198.51.100.1:4000".parse().unwrap()),
        headers: Some(Arc::new(map)),
        noted: Some(Arc::<Noted>::default()),
        ..Origin::new(Dialect::Rest, "/v1/say".into())
    }
}

fn call(origin: Origin, metadata: HeaderMap) -> Call {
    let method = Method {
        path: "/shop.Echo/Say".parse().unwrap(),
        client_streaming: false,
        server_streaming: false,
        idempotent: false,
        safe: false,
        meter: Arc::default(),
    };
    Call {
        method: Arc::new(method),
        origin,
        metadata,
        deadline: None,
        encodings: Encodings::default(),
        trace: None,
        // Nobody asks for it before the caller is let in.
        body: Body::Pending(Box::pin(std::future::pending())),
    }
}

fn everywhere(policy: Policy) -> Rule {
    Rule { policy: Arc::new(policy), scope: Scope::default(), weight: NonZeroU32::MIN }
}

fn require(all: bool, proofs: Vec<Arc<dyn Verifier>>) -> Option<Require> {
    Some(Require { all, proofs })
}

/// The reply to a call, and what went on as metadata if it did.
async fn ask(rules: Vec<Rule>, origin: Origin, metadata: HeaderMap) -> (Reply, Option<HeaderMap>) {
    let recorder = Arc::<Recorder>::default();
    let reserved = ["x-user", "x-address", "x-api-key"].map(HeaderName::from_static);
    let guard = Guard::new(rules, Arc::new(reserved), Arc::default(), Arc::clone(&recorder) as _);
    let reply = guard.call(call(origin, metadata)).await;
    let seen = recorder.0.lock().unwrap().take();
    (reply, seen)
}

/// How a call ends: 200, or the status and the text of its refusal, without what is to be sent.
async fn ends(rules: Vec<Rule>, headers: &[(&'static str, &str)]) -> (u16, String) {
    let (reply, seen) = ask(rules, origin(headers), HeaderMap::new()).await;
    assert_eq!(seen.is_some(), reply.status.is_ok());
    let text = reply.status.message().split('.').next().unwrap_or_default().to_owned();
    (reply.status.http(), text)
}

#[tokio::test]
async fn proofs_are_asked_for_one_or_all() {
    let any = || {
        vec![everywhere(Policy { require: require(false, vec![api_key(&[]), basic()]), ..Policy::default() })]
    };
    let all = || {
        vec![everywhere(Policy { require: require(true, vec![api_key(&[]), basic()]), ..Policy::default() })]
    };
    let (key, bad) = (("x-api-key", "buyer"), ("x-api-key", "nobody"));
    let (right, wrong) = (("authorization", RIGHT), ("authorization", WRONG));
    let (missing, invalid) = ("The call needs credentials", "The credentials of the call are not valid");
    for (headers, for_any, for_all) in [
        (&[][..], (401, missing), (401, missing)),
        (&[key], (200, ""), (401, missing)),
        (&[right], (200, ""), (401, missing)),
        (&[key, right], (200, ""), (200, "")),
        (&[bad], (401, invalid), (401, invalid)),
        (&[wrong], (401, invalid), (401, missing)),
        (&[bad, right], (200, ""), (401, invalid)),
        (&[key, wrong], (200, ""), (401, invalid)),
        (&[bad, wrong], (401, invalid), (401, invalid)),
        (
            &[("x-api-key", "expired")],
            (401, "The credentials of the call have expired"),
            (401, "The credentials of the call have expired"),
        ),
        (
            &[("x-api-key", "revoked")],
            (401, "The credentials of the call were revoked"),
            (401, "The credentials of the call were revoked"),
        ),
    ] {
        assert_eq!(ends(any(), headers).await, (for_any.0, for_any.1.to_owned()), "any {headers:?}");
        assert_eq!(ends(all(), headers).await, (for_all.0, for_all.1.to_owned()), "all {headers:?}");
    }
    let (reply, _) = ask(all(), origin(&[]), HeaderMap::new()).await;
    assert_eq!(
        reply.status.message(),
        "The call needs credentials. Send an API key in the header x-api-key and a name and a password by HTTP Basic."
    );
    let expected =
        ["ApiKey realm=\"Transom\", header=\"x-api-key\"", "Basic realm=\"Shop\", charset=\"UTF-8\""];
    assert_eq!(reply.hints.challenges, expected);
}

/// Says a word about a caller, or nothing, after it was asked for some time.
struct Slow(Option<Reason>);

impl Verifier for Slow {
    fn verify(&self, _: &Origin) -> Verdict {
        let verdict = match self.0 {
            Some(reason) => Verdict::Refused(reason),
            None => Verdict::Known(identity("slow", "acme", &["admin"])),
        };
        Verdict::Later(Box::pin(async {
            tokio::task::yield_now().await;
            verdict
        }))
    }

    fn wanted(&self) -> &str {
        "patience"
    }

    fn challenge(&self, _: &Origin) -> &HeaderValue {
        static CHALLENGE: HeaderValue = HeaderValue::from_static("Patience");
        &CHALLENGE
    }
}

#[tokio::test]
async fn what_takes_time_is_waited_for_and_nothing_else_is() {
    let slow = |refused| Arc::new(Slow(refused)) as Arc<dyn Verifier>;
    let asks = |all, proofs| everywhere(Policy { require: require(all, proofs), ..Policy::default() });
    let admins = || {
        everywhere(Policy {
            allow: Allow { roles: texts(&["admin"]), ..Allow::default() },
            ..Policy::default()
        })
    };
    let key = || api_key(&[]);
    let (expired, busy) = (Some(Reason::Expired), Some(Reason::Busy));
    for (name, rules, expected) in [
        ("the second of two", vec![asks(true, vec![key(), slow(None)]), admins()], 200),
        ("one after the other", vec![asks(true, vec![slow(None), slow(None), key()])], 200),
        ("of two policies", vec![asks(false, vec![slow(None)]), asks(false, vec![slow(None), key()])], 200),
        ("one that is of use after one that is not", vec![asks(false, vec![slow(expired), key()])], 200),
        ("not after one that is of use", vec![asks(false, vec![key(), slow(busy)])], 200),
        ("the first of two refusals", vec![asks(false, vec![slow(expired), slow(busy)])], 401),
        ("the one that counts", vec![asks(true, vec![slow(None), slow(busy)])], 503),
        ("in the second policy", vec![asks(true, vec![slow(None)]), asks(true, vec![slow(busy)])], 503),
    ] {
        let headers = [("x-api-key", "buyer")];
        assert_eq!(ends(rules, &headers).await.0, expected, "{name}");
    }
    // What is known at once needs nobody to poll.
    let recorder = Arc::<Recorder>::default();
    let service = Arc::clone(&recorder) as Arc<dyn CallService>;
    let guard = Guard::new(vec![asks(false, vec![key()])], Arc::default(), Arc::default(), service);
    drop(guard.call(call(origin(&[("x-api-key", "buyer")]), HeaderMap::new())));
    assert!(recorder.0.lock().unwrap().is_some());
}

#[tokio::test]
async fn what_is_known_of_a_caller_is_written_as_headers_carry_it() {
    let several = Identity {
        principal: "ü, 100 %".into(),
        roles: texts(&["a", "b"]),
        scopes: texts(&["read", "write"]),
        ..Identity::default()
    };
    let names = [
        ("sub", "x-sub"),
        ("sub", "x-sub-bin"),
        ("roles", "x-roles"),
        ("scope", "x-scope"),
        ("owner", "x-owner"),
    ];
    let policy = Policy {
        claims: names.map(|(claim, name)| (claim.into(), HeaderName::from_static(name))).into(),
        ..Policy::default()
    };
    let written: Vec<_> = policy.assertions(Some(&several), None).collect();
    let expected = [
        ("x-sub", "%C3%BC, 100 %25"),
        ("x-sub-bin", "w7wsIDEwMCAl"),
        ("x-roles", "a,b"),
        ("x-scope", "read write"),
    ];
    let written: Vec<_> =
        written.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(written, expected);
}

#[tokio::test]
async fn all_policies_that_hold_must_agree_and_who_calls_is_asked_first() {
    let known = || everywhere(Policy { require: require(false, vec![api_key(&[])]), ..Policy::default() });
    let allow = |allow: Allow| everywhere(Policy { allow, ..Policy::default() });
    let deny = |deny: Deny| everywhere(Policy { deny, ..Policy::default() });
    let networks = |text: &str, prefix| Networks(vec![Network::new(text.parse().unwrap(), prefix).unwrap()]);
    let forbidden =
        "The caller is known, but may not call this: it lacks a role, scope or claim that is asked for";
    let address = "This may not be called from the address of the caller";
    let admins = || allow(Allow { roles: texts(&["admin", "root"]), ..Allow::default() });
    let (buyer, admin) = (&[("x-api-key", "buyer")][..], &[("x-api-key", "admin")][..]);
    let away = || allow(Allow { networks: networks("10.0.0.0", 8), ..Allow::default() });
    let near = || allow(Allow { networks: networks("198.51.100.0", 24), ..Allow::default() });
    for (rules, headers, expected) in [
        (vec![known(), admins()], buyer, (403, forbidden)),
        (vec![known(), admins()], admin, (200, "")),
        // Whatever the order of the policies, nobody learns what it lacks before it is known.
        (vec![admins(), known()], &[], (401, "The call needs credentials")),
        (vec![away(), known()], &[], (401, "The call needs credentials")),
        (vec![away(), known()], buyer, (403, address)),
        (vec![near(), known()], buyer, (200, "")),
        (vec![away()], &[], (403, address)),
        (vec![near()], &[], (200, "")),
        (vec![admins()], &[], (401, "The call needs credentials")),
        (
            vec![deny(Deny { networks: networks("198.51.100.1", 32), ..Deny::default() }), known()],
            buyer,
            (403, address),
        ),
        (vec![known(), deny(Deny { roles: texts(&["admin"]), ..Deny::default() })], admin, (403, forbidden)),
        (vec![known(), deny(Deny { roles: texts(&["admin"]), ..Deny::default() })], buyer, (200, "")),
        (vec![known(), deny(Deny { owners: texts(&["acme"]), ..Deny::default() })], buyer, (403, forbidden)),
        (
            vec![known(), allow(Allow { scopes: texts(&["read"]), ..Allow::default() })],
            buyer,
            (403, forbidden),
        ),
        (
            vec![
                known(),
                allow(Allow { claims: vec![("owner".into(), texts(&["acme"]))], ..Allow::default() }),
            ],
            buyer,
            (200, ""),
        ),
        (
            vec![known(), allow(Allow { claims: vec![("owner".into(), texts(&["x"]))], ..Allow::default() })],
            buyer,
            (403, forbidden),
        ),
        (
            vec![Rule { scope: Scope { routes: texts(&["/v1/other"]), ..Scope::default() }, ..known() }],
            &[],
            (200, ""),
        ),
        (
            vec![Rule {
                scope: Scope { routes: texts(&["/v1/other", "/v1/say"]), ..Scope::default() },
                ..known()
            }],
            &[],
            (401, "The call needs credentials"),
        ),
        (
            vec![Rule { scope: Scope { dialects: vec![Dialect::Grpc], ..Scope::default() }, ..known() }],
            &[],
            (200, ""),
        ),
        (
            vec![Rule { scope: Scope { dialects: vec![Dialect::Rest], ..Scope::default() }, ..known() }],
            &[],
            (401, "The call needs credentials"),
        ),
    ] {
        let names: Vec<_> = headers.iter().map(|(_, value)| *value).collect();
        assert_eq!(ends(rules, headers).await, (expected.0, expected.1.to_owned()), "{names:?}");
    }
    let mut text = String::new();
    REFUSED.render(&mut text);
    assert!(text.contains("# TYPE transom_policy_refusals_total counter\n"), "{text}");
    let forbidden = "transom_policy_refusals_total{reason=\"forbidden\",dialect=\"rest\"} ";
    let count = text.split(forbidden).nth(1).and_then(|rest| rest.split('\n').next()).unwrap();
    assert!(count.parse::<u64>().unwrap() >= 4, "{text}");
}

#[tokio::test]
async fn only_what_is_known_of_a_caller_goes_on_about_it() {
    let policy = Policy {
        require: require(false, vec![api_key(&[]), basic()]),
        claims: vec![("sub".into(), HeaderName::from_static("x-user"))],
        address: Some(HeaderName::from_static("x-address")),
        ..Policy::default()
    };
    let forged = || {
        let names = ["x-user", "x-address", "x-api-key", "x-kept"].map(HeaderName::from_static);
        let mut map: HeaderMap =
            names.into_iter().map(|name| (name, HeaderValue::from_static("forged"))).collect();
        map.append("x-user", HeaderValue::from_static("forged again"));
        map.insert(header::AUTHORIZATION, HeaderValue::from_static(RIGHT));
        map
    };
    let (_, seen) = ask(vec![everywhere(policy)], origin(&[("authorization", RIGHT)]), forged()).await;
    let seen = seen.unwrap();
    let all: Vec<_> = seen.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert!(all.contains(&("x-user", "user")) && all.contains(&("x-address", "198.51.100.1")), "{all:?}");
    assert!(all.contains(&("x-kept", "forged")) && all.len() == 3, "{all:?}");
    // Also where everybody may call.
    let (_, seen) = ask(Vec::new(), origin(&[]), forged()).await;
    let seen = seen.unwrap();
    assert!(seen.len() == 2 && seen.contains_key("x-kept") && seen.contains_key("authorization"), "{seen:?}");
}

#[tokio::test]
async fn who_calls_is_noted_also_for_a_call_that_is_refused() {
    let policy = Policy {
        require: require(true, vec![api_key(&["acme"]), basic()]),
        allow: Allow { roles: texts(&["nobody"]), ..Allow::default() },
        ..Policy::default()
    };
    let origin = origin(&[("x-api-key", "buyer"), ("authorization", RIGHT)]);
    let noted = Arc::clone(origin.noted.as_ref().unwrap());
    let (reply, _) = ask(vec![everywhere(policy)], origin, HeaderMap::new()).await;
    assert_eq!((reply.status.http(), reply.hints.challenges.len()), (403, 0));
    let identity = noted.identity().unwrap();
    assert_eq!((&*identity.principal, identity.owner.as_deref()), ("id of buyer", Some("acme")));
}

async fn verdict(verifier: &dyn Verifier, origin: &Origin) -> Result<Box<str>, Option<Reason>> {
    let verdict = match verifier.verify(origin) {
        Verdict::Later(verdict) => verdict.await,
        verdict => verdict,
    };
    match verdict {
        Verdict::Known(identity) => Ok(identity.principal.clone()),
        Verdict::Absent => Err(None),
        Verdict::Refused(reason) => Err(Some(reason)),
        Verdict::Later(_) => panic!("a verdict that is late again"),
    }
}

#[tokio::test]
async fn credentials_come_from_where_a_dialect_has_them() {
    let password = |password: &str| Credential::Password { user: "user".into(), password: password.into() };
    let with = |headers: &[(&'static str, &str)], credentials: Vec<Credential>| Origin {
        credentials,
        ..origin(headers)
    };
    for (origin, by_key, by_password) in [
        (with(&[], vec![Credential::ApiKey("buyer".into())]), Ok("id of buyer"), Err(None)),
        (with(&[], vec![password("password")]), Err(None), Ok("user")),
        (with(&[], vec![password("wrong")]), Err(None), Err(Some(Reason::Invalid))),
        (with(&[], vec![Credential::Bearer("buyer".into())]), Err(None), Err(None)),
        (
            with(&[("authorization", RIGHT)], vec![password("password")]),
            Err(None),
            Err(Some(Reason::Several)),
        ),
        (
            with(&[("x-api-key", "buyer")], vec![Credential::ApiKey("buyer".into())]),
            Err(Some(Reason::Several)),
            Err(None),
        ),
        (Origin::new(Dialect::Grpc, "".into()), Err(None), Err(None)),
    ] {
        assert_eq!(verdict(&*api_key(&[]), &origin).await, by_key.map(Into::into), "{origin:?}");
        assert_eq!(verdict(&*basic(), &origin).await, by_password.map(Into::into), "{origin:?}");
    }
    let origin = with(&[("x-api-key", "buyer")], Vec::new());
    assert_eq!(verdict(&*api_key(&["acme", "x"]), &origin).await, Ok("id of buyer".into()));
    assert_eq!(verdict(&*api_key(&["x"]), &origin).await, Err(Some(Reason::Invalid)));
}

#[tokio::test]
async fn verdicts_on_passwords_are_remembered_and_few_are_checked_at_a_time() {
    let users = users();
    let basic = Basic::new(Arc::clone(&users), "Shop", Vec::new());
    let of = |name: &str, password: &str| {
        use base64::Engine;
        let text = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
        origin(&[("authorization", &format!("Basic {text}"))])
    };
    for (name, password, expected) in [
        ("user", "password", Ok("user")),
        ("user", "wrong", Err(Some(Reason::Invalid))),
        ("nobody", "password", Err(Some(Reason::Invalid))),
    ] {
        let origin = of(name, password);
        assert!(matches!(basic.verify(&origin), Verdict::Later(_)), "{name}");
        assert_eq!(verdict(&basic, &origin).await, expected.map(Into::into), "{name}");
        assert!(!matches!(basic.verify(&origin), Verdict::Later(_)), "{name} is remembered");
        assert_eq!(verdict(&basic, &origin).await, expected.map(Into::into), "{name}");
    }
    // What is too long is not even looked at.
    for (name, password) in [("", "x".to_owned()), ("user", "x".repeat(1025)), ("a\0b", "x".to_owned())] {
        assert!(matches!(basic.verify(&of(name, &password)), Verdict::Refused(Reason::Invalid)), "{name:?}");
    }
    let many: Vec<_> = (0..200).map(|index| basic.verify(&of("user", &index.to_string()))).collect();
    let many = many.into_iter().map(|verdict| match verdict {
        Verdict::Later(verdict) => verdict,
        other => panic!("{other:?}"),
    });
    let verdicts = futures_util::future::join_all(many).await;
    let busy = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Refused(Reason::Busy))).count();
    assert_eq!(busy, 200 - 64, "64 wait for their turn");
    assert_eq!(Reason::Busy.status("", &Exceeded::default()).http(), 503);
}

#[test]
fn passwords_are_read_in_phc_form() {
    for (text, flaw) in [
        (PASSWORD, None),
        ("$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZwcHKfbftvj+qf+YFY4NeBbtA", None),
        ("password", Some("it is not in PHC form")),
        ("$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR", Some("it is not in PHC form")),
        ("$2b$12$abc", Some("it is not in PHC form")),
        (
            "$argon2d$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR",
            Some("it is of neither argon2id nor argon2i"),
        ),
        ("$argon2id$v=19$t=2,m=256,p=1$c29tZXNhbHQ$nf65", Some("it has other parameters than m, t and p")),
        ("$argon2id$v=19$m=4294967295,t=2,p=1$c29tZXNhbHQ$nf65", Some("checking it would take too much")),
        ("$argon2id$v=19$m=256,t=4294967295,p=1$c29tZXNhbHQ$nf65", Some("checking it would take too much")),
        (
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf6",
            Some("its salt or hash is not base64 without padding"),
        ),
        (
            "$argon2id$v=19$m=256,t=2,p=1$c29t$nf65EOgLrQMR/uIPnA4rEsF5",
            Some("it has a salt outside 8 to 64 bytes"),
        ),
        (
            "$argon2id$v=19$m=4,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5",
            Some("argon2 does not take its parameters"),
        ),
    ] {
        let read = Hash::parse(text).err();
        assert_eq!(read.is_some(), flaw.is_some(), "{text}: {read:?}");
        assert!(read.unwrap_or_default().starts_with(flaw.unwrap_or_default()), "{text}: {read:?}");
    }
}

#[tokio::test]
async fn certificates_fit_patterns_of_each_kind() {
    let session = |subject: &str, names: &[Name]| {
        let client = session::Identity {
            subject: subject.into(),
            names: names.to_vec(),
            certificate: rustls::pki_types::CertificateDer::from(Vec::new()),
        };
        let tls = Session { version: "1.3", server_name: None, client: Some(client) };
        Origin { tls: Some(Arc::new(tls)), ..Origin::new(Dialect::Rest, "".into()) }
    };
    let dns = |name: &str| Name::Dns(name.into());
    let uri = |name: &str| Name::Uri(name.into());
    let certificate = Certificate {
        subjects: vec![Certificate::subject("CN=*,O=Partner")],
        dns: vec![Certificate::dns("*.Partner.example"), Certificate::dns("other.example")],
        ..Certificate::default()
    };
    for (origin, expected) in [
        (session("CN=a,O=Partner", &[dns("a.partner.example")]), Ok("a.partner.example")),
        (
            session("CN=a,O=Partner", &[dns("x.example"), dns("other.example"), uri("spiffe://a/b")]),
            Ok("spiffe://a/b"),
        ),
        (session("CN=a,O=Partner", &[dns("x.example")]), Err(Some(Reason::Invalid))),
        (session("CN=a,O=Evil", &[dns("other.example")]), Err(Some(Reason::Invalid))),
        // A name of another kind is no DNS name.
        (session("CN=a,O=Partner", &[uri("other.example")]), Err(Some(Reason::Invalid))),
        (session("", &[]), Err(Some(Reason::Invalid))),
        (Origin::new(Dialect::Rest, "".into()), Err(None)),
    ] {
        assert_eq!(verdict(&certificate, &origin).await, expected.map(Into::into), "{origin:?}");
    }
    let any = Certificate::default();
    assert_eq!(verdict(&any, &session("CN=a", &[])).await, Ok("CN=a".into()));
}
