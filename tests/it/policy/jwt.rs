//! Tokens of issuers: where their keys come from, what becomes of them when those change or cannot be had, and tokens
//! that somebody made up.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use super::calls::{Kind, Outcome, call, outcome, request};
use super::issuer::{Answer, Issuer, Signer, claims, jwks};
use super::{Counting, Place};
use crate::support::authority::Authority;
use crate::support::client::{self, Version, send};
use crate::support::gateway::Gateway;
use crate::support::process::{python, run};
use transom::call::Dialect;

/// The policy of these tests, for everything.
const USERS: &str = "services: [{service: '**', policy: [users]}]\n\
    telemetry: {access_log: 'off', log: 'info,transom::policy=debug'}\nreload: {files: 100ms}\n\
    admin: {address: '127.0.0.1:0'}\n";

fn policy(names: &[&str]) -> String {
    let all: Vec<_> = names.iter().map(|name| format!("jwt: {name}")).collect();
    format!(
        "policies: {{users: {{require: {{any: [{}]}}, allow: {{roles: [buyer]}}}}}}\n{USERS}",
        all.join(", ")
    )
}

/// A configuration with this under `identity`.
fn config(place: &Place, backend: &Counting, identity: &str, rest: &str) -> String {
    let config = place.config(&backend.address, rest);
    config.replacen("identity: {", &format!("identity: {{{identity}, "), 1)
}

async fn post(gateway: &Gateway, headers: &[(&str, &str)]) -> client::Answer {
    let headers = [headers, &[("content-type", "application/json")]].concat();
    send(gateway.address(), Version::Http1, "POST", "/v1/echo", &headers, "{}").await
}

async fn with(gateway: &Gateway, token: &str) -> client::Answer {
    post(gateway, &[("authorization", &format!("Bearer {token}"))]).await
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    with(gateway, token).await.status.as_u16()
}

async fn identity(gateway: &Gateway) -> Value {
    let line =
        gateway.log().lines().find(|line| line.contains("operators are listened to")).unwrap().to_owned();
    let line: Value = serde_json::from_str(&line).unwrap();
    let address = line["address"].as_str().unwrap().parse().unwrap();
    send(address, Version::Http1, "GET", "/identity", &[], "").await.json()
}

#[tokio::test]
async fn keys_are_discovered_change_and_stay_while_the_issuer_is_away() {
    let (place, backend, mut issuer) = (Place::new(), Counting::start(), Issuer::start());
    let (old, new, other) = (Signer::new("old"), Signer::new("new"), Signer::new("other"));
    issuer.publish(&[&old]);
    let name = issuer.name();
    let main = format!("jwt: {{main: {{issuer: '{name}', audience: [shop]}}}}");
    place.write("transom.yaml", &config(&place, &backend, &main, &policy(&["main"])));
    let gateway = Gateway::with_file(&place.file("transom.yaml"), &[]);
    gateway.wait_for_log("the keys of an issuer are known");
    let token = old.token(&claims(&name, &json!({})));
    assert_eq!([status(&gateway, &token).await, status(&gateway, &token).await], [200, 200]);

    let missing = post(&gateway, &[]).await;
    assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"Transom\""));
    assert_eq!(
        missing.json()["message"],
        "The call needs credentials. Send a bearer token in the header authorization."
    );
    let expired = with(&gateway, &old.token(&claims(&name, &json!({"exp": 1_000_000_000})))).await;
    assert_eq!(expired.header("www-authenticate"), Some("Bearer realm=\"Transom\", error=\"invalid_token\""));
    assert!(
        expired.json()["message"].as_str().unwrap().starts_with("The credentials of the call have expired.")
    );
    assert_eq!(status(&gateway, &old.token(&claims(&name, &json!({"roles": ["visitor"]})))).await, 403);
    assert_eq!(status(&gateway, &other.token(&claims(&name, &json!({})))).await, 401);
    // Nobody looks for keys because of what others have signed.
    let asked = issuer.asked("/jwks").len();
    for _ in 0..20 {
        assert_eq!(
            status(&gateway, &Signer::new("x").token(&claims("https://other", &json!({})))).await,
            401
        );
        assert_eq!(status(&gateway, &Signer::new("x").token(&claims(&name, &json!({})))).await, 401);
    }
    assert_eq!(
        (asked, issuer.asked("/jwks").len()),
        (2, 2),
        "once at the start and once for a key that is not known"
    );

    // A reload asks again neither, and finds the keys changed only where it must.
    place.write(
        "transom.yaml",
        &config(&place, &backend, &main, &policy(&["main"]).replace("[buyer]", "[buyer, admin]")),
    );
    gateway.wait_for_log("\"generation\":2");
    assert_eq!((status(&gateway, &token).await, issuer.asked("/jwks").len()), (200, 2));

    issuer.stop();
    let again = old.token(&claims(&name, &json!({"sub": "user-2"})));
    assert_eq!([status(&gateway, &token).await, status(&gateway, &again).await], [200, 200]);
    let shown = identity(&gateway).await;
    assert_eq!((&shown["jwt"][0]["keys"], &shown["jwt"][0]["failure"]), (&json!(1), &Value::Null), "{shown}");

    // With other settings it is asked anew: first in vain, then for the new key.
    place.write(
        "transom.yaml",
        &config(&place, &backend, &main.replace("]}", "], refresh: 1m}"), &policy(&["main"])),
    );
    gateway.wait_for_log("\"generation\":3");
    gateway.wait_for_log("the keys of an issuer cannot be had");
    assert_eq!(status(&gateway, &token).await, 503);
    let shown = identity(&gateway).await;
    assert!(shown["jwt"][0]["failure"].as_str().unwrap().contains(" cannot be reached: "), "{shown}");
    issuer.publish(&[&new]);
    issuer.come_back();
    gateway.wait_for_log_count("the keys of an issuer are known", 2);
    let token = new.token(&claims(&name, &json!({})));
    assert_eq!(status(&gateway, &token).await, 200);
    assert_eq!(status(&gateway, &old.token(&claims(&name, &json!({})))).await, 401);
}

#[tokio::test]
async fn several_issuers_may_be_asked_for() {
    let (place, backend) = (Place::new(), Counting::start());
    let (first, second) = (Issuer::start(), Issuer::start());
    let signers = [Signer::new("k"), Signer::new("k")];
    first.publish(&[&signers[0]]);
    second.answer("/keys?x", Answer::Text(String::new()));
    second.answer("/keys", Answer::Text(jwks(&[&signers[1]])));
    let issuers = format!(
        "jwt: {{a: {{issuer: '{}', audience: [shop]}}, b: {{issuer: accounts, audience: [shop, '*'], jwks: '{}/keys'}}}}",
        first.name(),
        second.name()
    );
    let gateway = Gateway::with_config(&config(&place, &backend, &issuers, &policy(&["a", "b"])));
    let tokens = [claims(&first.name(), &json!({})), claims("accounts", &json!({"aud": "other"}))];
    for (by, token) in tokens.iter().enumerate() {
        for (key, signer) in signers.iter().enumerate() {
            assert_eq!(
                status(&gateway, &signer.token(token)).await,
                if by == key { 200 } else { 401 },
                "{token}"
            );
        }
    }
    // Which of the two says why.
    for token in &tokens {
        let mut token = token.clone();
        token["exp"] = json!(1);
        let by = usize::from(token["iss"] == "accounts");
        let answer = with(&gateway, &signers[by].token(&token)).await;
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(
            message.starts_with(
                "The credentials of the call have expired. Send a bearer token in the header authorization."
            ),
            "{message}"
        );
        assert_eq!(answer.headers.get_all("www-authenticate").iter().count(), 1);
    }
}

#[tokio::test]
async fn whatever_an_issuer_answers_nobody_gets_in_by_it() {
    let (place, backend) = (Place::new(), Counting::start());
    let good = Signer::new("k");
    let huge = format!("{{\"keys\": [{}]}}", "0,".repeat(600_000));
    let redirect = || vec![("location", "/elsewhere".to_owned())];
    let cases: [(&str, Answer, &str); 9] = [
        ("huge", Answer::Text(huge), "/jwks answered with more than 1048576 bytes"),
        ("silent", Answer::Never, "/jwks did not answer within 2 s"),
        (
            "page",
            Answer::Text("<html>".into()),
            "/jwks has no keys: it is not a JWK Set: JSON with a list `keys`",
        ),
        (
            "useless",
            Answer::Text(
                r#"{"keys": [{"kty": "oct", "k": "AAAA"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, 7]}"#
                    .into(),
            ),
            "/jwks has no keys: it has no key with which a signature could be verified",
        ),
        (
            "moved",
            Answer::Full(302, redirect(), String::new()),
            "/jwks answered with 302, but redirects are not followed; name the place itself",
        ),
        ("broken", Answer::Full(500, Vec::new(), String::new()), "/jwks answered with 500"),
        (
            "packed",
            Answer::Full(200, vec![("content-encoding", "gzip".to_owned())], String::new()),
            "/jwks answered with a content encoding that was not asked for",
        ),
        ("other", Answer::Never, "is the document of the issuer \"https://other\", which is another one"),
        ("plain", Answer::Never, "names a jwks_uri that is a URL of http, over which everybody on the way"),
    ];
    let mut issuers = Vec::new();
    for (name, answer, _) in &cases {
        let issuer = Issuer::start();
        issuer.publish(&[]);
        issuer.answer("/jwks", answer.clone());
        let document = match *name {
            "other" => {
                Some(json!({"issuer": "https://other", "jwks_uri": format!("{}/jwks", issuer.name())}))
            }
            "plain" => Some(json!({"issuer": issuer.name(), "jwks_uri": "http://id.example/jwks"})),
            _ => None,
        };
        if let Some(document) = document {
            issuer.answer("/.well-known/openid-configuration", Answer::Text(document.to_string()));
        }
        issuers.push(issuer);
    }
    let written: Vec<_> = cases
        .iter()
        .zip(&issuers)
        .map(|((name, ..), issuer)| format!("{name}: {{issuer: '{}', audience: [shop]}}", issuer.name()))
        .collect();
    let written = format!("jwt: {{{}}}", written.join(", "));
    let names: Vec<_> = cases.iter().map(|(name, ..)| *name).collect();
    let gateway = Gateway::with_config(&config(&place, &backend, &written, &policy(&names)));
    for ((name, _, why), issuer) in cases.iter().zip(&issuers) {
        let answer = with(&gateway, &good.token(&claims(&issuer.name(), &json!({})))).await;
        assert_eq!(answer.status, 503, "{name}");
        assert_eq!(answer.header("www-authenticate"), None);
        gateway.wait_for_log(&format!("\"jwt\":\"{name}\""));
        let log = gateway.log();
        assert!(log.contains(&why.replace('"', "\\\"")), "{name}: {log}");
        assert_eq!(log.matches(&format!("\"jwt\":\"{name}\"")).count(), 1, "{name} is told once: {log}");
        assert!(issuer.asked("/elsewhere").is_empty());
    }
    assert_eq!(backend.count(), 0);
    for issuer in &issuers {
        issuer.publish(&[&good]);
    }
    gateway.wait_for_log_count("the keys of an issuer are known", cases.len());
    for issuer in &issuers {
        assert_eq!(status(&gateway, &good.token(&claims(&issuer.name(), &json!({})))).await, 200);
    }
}

#[tokio::test]
async fn made_up_tokens_let_nobody_in() {
    let (place, backend) = (Place::new(), Counting::start());
    let made = run(python("tests/python/tokens.py").arg(place.path()));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let issuer = "jwt: {main: {issuer: 'https://id.example', audience: [shop], jwks: 'file:jwks.json', algorithms: [RS256, \
                  PS384, ES256, ES384, EdDSA], types: [JWT, at+jwt]}}"
        .replace("file:", &format!("file:{}/", place.path().display()));
    let gateway = Gateway::with_config(&config(&place, &backend, &issuer, &policy(&["main"])));
    let tokens = made["tokens"].as_array().unwrap();
    assert!(tokens.len() > 40, "{}", tokens.len());
    let mut good = 0;
    for token in tokens {
        let (name, text) = (token["name"].as_str().unwrap(), token["token"].as_str().unwrap());
        let expected = token["status"].as_u64().unwrap();
        let before = backend.count();
        let answer = with(&gateway, text).await;
        // What does not fit into a head does not come to policy.
        let found = u64::from(answer.status.as_u16());
        assert!(found == expected || (text.len() > 60_000 && found == 431), "{name}: {answer:?}");
        assert_eq!(backend.count() - before, usize::from(expected == 200), "{name}");
        good += u64::from(expected == 200);
    }
    assert!(good >= 6, "{good}");
    let token = tokens[0]["token"].as_str().unwrap();
    assert_eq!(tokens[0]["status"], 200);
    let bearer = format!("Bearer {token}");
    for headers in [
        &[("authorization", &*bearer), ("authorization", &*bearer)][..],
        &[("authorization", &bearer), ("authorization", "Basic bGVnYWN5OnBhc3N3b3Jk")],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer ")],
        &[("authorization", token)],
        &[("authorization", &bearer.replace("Bearer", "Token"))],
        &[("x-authorization", &bearer)],
    ] {
        assert_eq!(post(&gateway, headers).await.status, 401, "{headers:?}");
    }
    for scheme in ["bearer", "BEARER"] {
        assert_eq!(post(&gateway, &[("authorization", &bearer.replace("Bearer", scheme))]).await.status, 200);
    }
    let log = gateway.log();
    assert!(log.contains("a token is not accepted") && !log.contains(token), "{log}");
}

#[tokio::test]
async fn tokens_come_in_the_ways_of_each_dialect() {
    let (place, backend) = (Place::new(), Counting::start());
    let (good, bad) = (Signer::new("k"), Signer::new("k"));
    place.write("jwks.json", &jwks(&[&good]));
    let file = place.file("jwks.json").display().to_string();
    let issuer = format!("jwt: {{main: {{issuer: id, audience: [shop], jwks: 'file:{file}'}}}}");
    let gateway = Gateway::with_config(&config(&place, &backend, &issuer, &policy(&["main"])));
    let [token, wrong] = [&good, &bad].map(|signer| signer.token(&claims("id", &json!({}))));
    let socket = |token: &str, headers: &[(&'static str, &str)]| {
        let mut socket = request(Dialect::WebSocket, Kind::Unary);
        socket.target = format!("{}?access_token={token}", socket.target);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        (socket, headers)
    };
    let [bearer, forged] = [&token, &wrong].map(|token| format!("Bearer {token}"));
    for (token, headers, expected) in [
        (&token, &[][..], Outcome::Answered),
        (&wrong, &[], Outcome::Unauthenticated),
        // A header is what is meant, whatever the query says.
        (&wrong, &[("authorization", &*bearer)], Outcome::Answered),
        (&token, &[("authorization", &*forged)], Outcome::Unauthenticated),
    ] {
        let (socket, headers) = socket(token, headers);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = call(gateway.address(), &socket, &headers, None).await;
        assert_eq!(outcome(Dialect::WebSocket, Kind::Unary, &answer), expected, "{answer:?}");
    }
    for (token, expected) in [(&token, Outcome::Answered), (&wrong, Outcome::Unauthenticated)] {
        let mut soap = request(Dialect::Soap, Kind::Unary);
        let wsse = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
        let header = format!(
            "<e:Header><w:Security xmlns:w=\"{wsse}\"><w:BinarySecurityToken ValueType=\"urn:ietf:params:oauth:token-type:jwt\">\
             {token}</w:BinarySecurityToken></w:Security></e:Header><e:Body>"
        );
        soap.body = String::from_utf8(soap.body).unwrap().replacen("<e:Body>", &header, 1).into();
        let answer = call(gateway.address(), &soap, &[], None).await;
        assert_eq!(outcome(Dialect::Soap, Kind::Unary, &answer), expected, "{answer:?}");
    }
}

#[tokio::test]
async fn keys_and_secrets_in_files_are_read_again() {
    let (place, backend) = (Place::new(), Counting::start());
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    place.write("jwks.json", &jwks(&[&old]));
    let file = place.file("jwks.json").display().to_string();
    let issuer = format!("jwt: {{main: {{issuer: id, audience: [shop], jwks: 'file:{file}'}}}}");
    place.write("transom.yaml", &config(&place, &backend, &issuer, &policy(&["main"])));
    let gateway = Gateway::with_file(&place.file("transom.yaml"), &[]);
    let tokens = [&old, &new].map(|signer| signer.token(&claims("id", &json!({}))));
    assert_eq!([status(&gateway, &tokens[0]).await, status(&gateway, &tokens[1]).await], [200, 401]);
    place.write("jwks.json", "{\"keys\": []}");
    gateway.wait_for_log("the new configuration is refused");
    assert_eq!([status(&gateway, &tokens[0]).await, status(&gateway, &tokens[1]).await], [200, 401]);
    place.write("jwks.json", &jwks(&[&new]));
    gateway.wait_for_log("\"generation\":2");
    assert_eq!([status(&gateway, &tokens[0]).await, status(&gateway, &tokens[1]).await], [401, 200]);
}

#[tokio::test]
async fn an_issuer_is_known_by_its_certificate() {
    let (place, backend) = (Place::new(), Counting::start());
    let (authority, stranger) = (Authority::new("Issuers"), Authority::new("Others"));
    authority.write(place.path(), "ca");
    stranger.write(place.path(), "other");
    let leaf = authority.issue(&["localhost"]);
    let key = PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(transom::tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.certificate.der().clone()], key)
        .unwrap();
    let issuer = Issuer::secure(TlsAcceptor::from(Arc::new(config)));
    let signer = Signer::new("k");
    issuer.publish(&[&signer]);
    let ca = |name: &str| place.file(name).display().to_string();
    let written = format!(
        "jwt: {{trusted: {{issuer: '{0}', audience: [shop], ca: {1}}}, stranger: {{issuer: '{0}', audience: [shop], ca: {2}, \
         jwks: '{0}/jwks'}}}}",
        issuer.name(),
        ca("ca.crt"),
        ca("other.crt")
    );
    let gateway = Gateway::with_config(&self::config(&place, &backend, &written, &policy(&["trusted"])));
    gateway.wait_for_log("the keys of an issuer are known");
    gateway.wait_for_log("name the authority that signed it");
    assert_eq!(status(&gateway, &signer.token(&claims(&issuer.name(), &json!({})))).await, 200);
}
