//! Tokens about which somebody is asked, and issuers that others wrote.

use serde_json::{Value, json};

use super::issuer::{Answer, Issuer};
use super::{Counting, Place};
use crate::support::backend::{python_server, python_server_with};
use crate::support::client::{Version, send};
use crate::support::gateway::Gateway;
use crate::support::process::Server;
use crate::support::root;

const REST: &str = "services: [{service: '**', policy: [users]}]\n\
    telemetry: {access_log: 'off', log: 'info,transom::policy=debug'}\n";

/// A gateway with this under `identity`, and callers who have to show `proof`.
fn gateway(place: &Place, backend: &str, identity: &str, proof: &str) -> Gateway {
    let policies = format!(
        "policies: {{users: {{require: {{any: [{proof}]}}, allow: {{roles: [buyer]}}, claims_to_metadata: {{sub: x-user, \
         scope: x-scope}}}}}}\n"
    );
    let config = place.config(backend, &format!("{policies}{REST}"));
    Gateway::with_config(&config.replacen("identity: {", &format!("identity: {{{identity}, "), 1))
}

async fn post(gateway: &Gateway, path: &str, token: &str) -> crate::support::client::Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("content-type", "application/json"), ("authorization", &*bearer)];
    send(gateway.address(), Version::Http1, "POST", path, &headers, "{}").await
}

async fn status(gateway: &Gateway, token: &str) -> u16 {
    post(gateway, "/v1/echo", token).await.status.as_u16()
}

fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

#[tokio::test]
async fn a_token_is_asked_about_once_and_what_is_said_holds() {
    let (place, backend, issuer) = (Place::new(), Counting::start(), Issuer::start());
    place.write("secret", "p:s w\n");
    let written = format!(
        "introspection: {{old: {{url: '{}/introspect', client_id: 'gate way', client_secret: 'file:{}', issuer: id, audience: \
         [shop], roles: groups}}}}",
        issuer.name(),
        place.file("secret").display()
    );
    let gateway = gateway(&place, &backend.address, &written, "introspection: old");
    let active = |more: Value| {
        let mut answer = json!({"active": true, "sub": "u", "iss": "id", "aud": "shop", "groups": ["buyer"], "exp": now() + 60});
        more.as_object().unwrap().iter().for_each(|(name, value)| answer[name] = value.clone());
        Answer::Text(answer.to_string())
    };
    let said = |answer: &Answer| issuer.answer("/introspect", answer.clone());
    let asked = || issuer.asked("/introspect").len();

    said(&active(json!({})));
    // Twenty at once are one question.
    let calls = futures_util::future::join_all((0..20).map(|_| status(&gateway, "good+/=~.-_")));
    assert_eq!((calls.await, asked()), (vec![200; 20], 1));
    let question = issuer.asked("/introspect").remove(0);
    assert_eq!(question.body, "token=good%2B%2F%3D%7E.-_&token_type_hint=access_token");
    // "gate+way:p%3As+w", by RFC 6749 section 2.3.1.
    assert_eq!(question.headers["authorization"], "Basic Z2F0ZSt3YXk6cCUzQXMrdw==");
    assert_eq!(question.headers["content-type"], "application/x-www-form-urlencoded");
    said(&Answer::Text(r#"{"active": false}"#.into()));
    assert_eq!((status(&gateway, "good+/=~.-_").await, asked()), (200, 1), "it is remembered");
    assert_eq!([status(&gateway, "bad").await, status(&gateway, "bad").await], [401, 401]);
    assert_eq!(asked(), 2, "that it is not good is remembered too");

    for (token, answer, expected) in [
        ("a1", active(json!({"exp": now() - 1})), 401),
        ("a2", active(json!({"nbf": now() + 100})), 401),
        ("a3", active(json!({"iss": "other"})), 401),
        ("a4", active(json!({"aud": ["other"]})), 401),
        ("a5", active(json!({"aud": ["other", "shop"]})), 200),
        ("a6", active(json!({"groups": ["visitor"]})), 403),
        ("a7", active(json!({"sub": null, "username": "u"})), 401),
        ("a8", active(json!({"exp": "soon"})), 401),
        ("a9", active(json!({"active": "true"})), 503),
        ("b1", active(json!({"active": 1})), 503),
        ("b2", Answer::Text("<html>".into()), 503),
        ("b3", Answer::Text("[true]".into()), 503),
        (
            "b4",
            Answer::Text(
                r#"{"active": false, "active": true, "sub": "u", "iss": "id", "aud": "shop"}"#.into(),
            ),
            503,
        ),
        ("b5", Answer::Text(format!("{{\"active\": true, \"x\": \"{}\"}}", "x".repeat(70_000))), 503),
        ("b6", Answer::Full(401, Vec::new(), String::new()), 503),
        ("b7", Answer::Full(302, vec![("location", "/elsewhere".into())], String::new()), 503),
        ("b8", Answer::Full(500, Vec::new(), r#"{"active": true}"#.into()), 503),
        ("b9", Answer::Never, 503),
    ] {
        said(&answer);
        assert_eq!(status(&gateway, token).await, expected, "{token}");
    }
    assert!(issuer.asked("/elsewhere").is_empty());
    let before = asked();
    for token in ["", "a b", "\u{e4}", "a,b", &"x".repeat(9000)] {
        assert_eq!(status(&gateway, token).await, 401, "{token:?}");
    }
    assert_eq!(asked(), before, "nobody is asked about what is no token");
    said(&active(json!({})));
    assert_eq!(status(&gateway, "c1").await, 200);
    let log = gateway.log();
    for (text, count) in [("nobody says what tokens mean", 1), ("it is said again what tokens mean", 1)] {
        assert_eq!(log.matches(text).count(), count, "{log}");
    }
    assert!(!log.contains("good+") && !log.contains("p:s w"), "{log}");
}

/// A script of `tests/browser` as a server.
fn node(place: &Place, script: &str, arguments: &[&str]) -> Server {
    let packages = root().join(".node/node_modules");
    assert!(packages.exists(), "{} is missing. `./test setup` makes it.", packages.display());
    std::os::unix::fs::symlink(packages, place.file("node_modules")).unwrap();
    std::fs::copy(root().join("tests/browser").join(script), place.file(script)).unwrap();
    let mut command = std::process::Command::new("node");
    command.arg(place.file(script)).args(arguments);
    Server::start(command, |line| line.strip_prefix("listening ")?.parse().ok())
}

#[tokio::test]
async fn oauth2_mock_server_signs_tokens_changes_keys_and_knows_tokens() {
    let (place, backend) = (Place::new(), python_server("tests/python/echo_server.py"));
    let issuer = node(&place, "issuer.mjs", &["PS256"]);
    place.write("secret", "anything");
    let url = format!("http://{}", issuer.address());
    let written = format!(
        "jwt: {{main: {{issuer: '{url}', audience: [shop], algorithms: [PS256], roles: realm_access.roles}}}}, introspection: \
         {{old: {{url: '{url}/introspect', client_id: g, client_secret: 'file:{}', roles: realm_access.roles}}}}",
        place.file("secret").display()
    );
    let gateway = gateway(&place, &backend.address().to_string(), &written, "jwt: main, introspection: old");
    let token = async |role: &str| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let form = format!("grant_type=client_credentials&scope={role}");
        let answer = send(issuer.address(), Version::Http1, "POST", "/token", &headers, form).await;
        answer.json()["access_token"].as_str().unwrap().to_owned()
    };
    let (first, visitor) = (token("buyer").await, token("visitor").await);
    let answer = post(&gateway, "/v1/metadata", &first).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let received = answer.json()["received"].as_array().unwrap().clone();
    assert!(
        received.iter().any(|entry| entry["key"] == "x-user" && entry["text"] == "node-user"),
        "{received:?}"
    );
    assert_eq!(status(&gateway, &visitor).await, 403);
    send(issuer.address(), Version::Http1, "POST", "/rotate", &[], "").await;
    let second = token("buyer").await;
    assert_eq!(status(&gateway, &second).await, 200);
    assert_eq!(status(&gateway, &first).await, 401, "its key is gone");
    let answer = post(&gateway, "/v1/metadata", "opaque-1").await;
    let received = answer.json()["received"].as_array().unwrap().clone();
    assert!(
        received.iter().any(|entry| entry["key"] == "x-scope" && entry["text"] == "read write"),
        "{received:?}"
    );
    assert_eq!(status(&gateway, "transparent-1").await, 401);
}

#[tokio::test]
async fn oidc_provider_mock_signs_tokens_in_a_login() {
    let (place, backend) = (Place::new(), Counting::start());
    let provider = python_server_with(
        "tests/python/oidc_provider.py",
        &[
            "--user",
            r#"{"sub": "alice", "roles": ["buyer"]}"#,
            "--user",
            r#"{"sub": "bob", "roles": ["visitor"]}"#,
        ],
    );
    let url = format!("http://{}", provider.address());
    let written = format!("jwt: {{main: {{issuer: '{url}', audience: [shop]}}}}");
    let gateway = gateway(&place, &backend.address, &written, "jwt: main");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let login = async |user: &str, client: &str| {
        let target = format!(
            "/oauth2/authorize?client_id={client}&redirect_uri=http://localhost/&response_type=code&scope=openid"
        );
        let answer =
            send(provider.address(), Version::Http1, "POST", &target, &form, format!("sub={user}")).await;
        let location = answer.header("location").unwrap_or_else(|| panic!("{answer:?}")).to_owned();
        let code = location.split_once("code=").unwrap().1.split('&').next().unwrap();
        let body = format!(
            "grant_type=authorization_code&code={code}&redirect_uri=http://localhost/&client_id={client}&client_secret=s"
        );
        let answer = send(provider.address(), Version::Http1, "POST", "/oauth2/token", &form, body).await;
        answer.json()["id_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    };
    let alice = login("alice", "shop").await;
    assert_eq!([status(&gateway, &alice).await, status(&gateway, &alice).await], [200, 200]);
    assert_eq!(status(&gateway, &login("bob", "shop").await).await, 403);
    assert_eq!(status(&gateway, &login("alice", "other").await).await, 401);
}
