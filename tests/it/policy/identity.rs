//! What is known of a caller: upstream, in the log, and by certificates.

use std::process::Command;

use serde_json::{Value, json};

use super::{BUYER, PASSWORD, Place, VISITOR};
use crate::support::authority::Authority;
use crate::support::backend::python_server;
use crate::support::client::{Version, send};
use crate::support::gateway::Gateway;

/// What the echo server got as metadata, of names that begin with `x-` or are `authorization`.
fn received(answer: &Value) -> Vec<(String, String)> {
    let entries = answer["received"].as_array().unwrap().iter();
    let pair = |entry: &Value| {
        (entry["key"].as_str().unwrap().to_owned(), entry["text"].as_str().unwrap_or_default().to_owned())
    };
    let mut all: Vec<_> =
        entries.map(pair).filter(|(key, _)| key.starts_with("x-") || key == "authorization").collect();
    all.retain(|(key, _)| key != "x-request-id");
    all.sort();
    all
}

const FORGED: [(&str, &str); 6] = [
    ("content-type", "application/json"),
    ("x-user", "forged"),
    ("grpc-metadata-x-user", "forged"),
    ("Grpc-Metadata-X-Owner", "forged"),
    ("x-address", "forged"),
    ("x-region", "forged"),
];

#[tokio::test]
async fn what_is_known_of_a_caller_goes_upstream_and_nothing_forged_does() {
    let place = Place::new();
    let backend = python_server("tests/python/echo_server.py");
    let mut gateway = place.gateway(
        &backend.address().to_string(),
        "trusted_proxies: [127.0.0.1]\n\
         policies:\n  partners:\n    require: {any: [api_key: {}, basic: {}]}\n    \
         claims_to_metadata: {sub: x-user, owner: x-owner, region: x-region, scope: x-scope, nothing: x-nothing}\n    \
         address_to_metadata: x-address\n\
         services:\n  - {service: echo.v1.Echo, policy: [partners], metadata: {request: [x-user, x-region, x-kept]}}\n  \
         - {service: echo.v1.Streams}\n\
         telemetry: {access_log: json}\n",
    );
    let address = gateway.address();
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    };
    let with_key = pairs(&[
        ("x-address", "198.51.100.7"),
        ("x-kept", "yes"),
        ("x-owner", "acme"),
        ("x-region", "eu,%C3%BC%25"),
        ("x-scope", "read write"),
        ("x-user", "buyer"),
    ]);
    let rest: [(&str, &str); 4] = [
        ("x-api-key", BUYER),
        ("x-kept", "yes"),
        ("x-forwarded-for", "6.6.6.6, 198.51.100.7"),
        ("x-nothing", "forged"),
    ];
    for (target, more) in
        [("/v1/metadata", &[][..]), ("/echo.v1.Echo/Metadata", &[("connect-protocol-version", "1")])]
    {
        let headers = [&FORGED[..], &rest, more].concat();
        let answer = send(address, Version::Http1, "POST", target, &headers, "{}").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let mut found = received(&answer.json());
        // Connect passes all metadata on.
        found.retain(|(key, _)| key != "x-forwarded-for");
        assert_eq!(found, with_key, "{target}");
    }
    // A password stays here; what is for the backend does not.
    let headers = [&FORGED[..], &[("authorization", PASSWORD)]].concat();
    let answer = send(address, Version::Http1, "POST", "/v1/metadata", &headers, "{}").await;
    let expected = pairs(&[("x-address", "127.0.0.1"), ("x-owner", "initech"), ("x-user", "legacy")]);
    assert_eq!(received(&answer.json()), expected);
    let headers = [&FORGED[..], &[("authorization", "Bearer b"), ("x-api-key", VISITOR)]].concat();
    let answer = send(address, Version::Http1, "POST", "/v1/metadata", &headers, "{}").await;
    assert!(received(&answer.json()).contains(&("authorization".into(), "Bearer b".into())), "{answer:?}");

    // The method of a service without policies: what only the gateway may say is removed all the same.
    let headers = [&FORGED[..], &[("x-api-key", "anything"), ("connect-protocol-version", "1")]].concat();
    let answer = send(address, Version::Http1, "POST", "/v1/gather/g", &headers, "{}").await;
    assert_eq!(received(&answer.json()), [], "{answer:?}");

    gateway.wait_for_log("\"principal\":\"buyer\"");
    gateway.wait_for_log("\"principal\":\"legacy\"");
    let log = gateway.server().printed();
    let line = log.lines().find(|line| line.contains("\"principal\":\"buyer\"")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["peer"], &line["status"]), (&json!("198.51.100.7"), &json!(200)), "{line}");
}

#[test]
fn a_certificate_shows_who_calls() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Test authority");
    authority.write(folder.path(), "ca");
    for (name, names) in [
        ("server", &["gateway.example"][..]),
        ("partner", &["shop.partner.example"]),
        ("other", &["shop.other.example"]),
    ] {
        authority.issue(names).write(folder.path(), name);
    }
    let shown = |name: &str| folder.path().join(name).display().to_string();
    let backend = python_server("tests/python/echo_server.py");
    let gateway = Gateway::with_config(&format!(
        "listeners:\n  - address: 127.0.0.1:0\n    tls: {{certificate: {0}.crt, key: {0}.key, client_ca: {1}, \
         client_auth: optional}}\n\
         upstreams: {{echo: 'http://{2}'}}\n\
         policies:\n  mesh:\n    require:\n      any:\n        - certificate: {{dns: ['*.partner.example'], roles: \
         [buyer], owner: partner}}\n    allow: {{roles: [buyer]}}\n    claims_to_metadata: {{sub: x-user, owner: \
         x-owner}}\n\
         services: [{{service: echo.v1.Echo, policy: [mesh]}}]\n",
        shown("server"),
        shown("ca.crt"),
        backend.address()
    ));
    let curl = |client: Option<&str>| -> Value {
        let port = gateway.address().port();
        let mut curl = Command::new("curl");
        // Its HTTP/2 is not sure of an answer that comes before all of the request is sent.
        curl.args(["--http1.1", "--silent", "--show-error", "--cacert", &shown("ca.crt"), "--json", "{}"]);
        curl.args(["--connect-to", &format!("::127.0.0.1:{port}")]);
        if let Some(name) = client {
            curl.args(["--cert", &shown(&format!("{name}.crt")), "--key", &shown(&format!("{name}.key"))]);
        }
        let output = curl.arg(format!("https://gateway.example:{port}/v1/metadata")).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
    };
    let expected = [("x-owner".into(), "partner".into()), ("x-user".into(), "shop.partner.example".into())];
    assert_eq!(received(&curl(Some("partner"))), expected);
    for (client, text) in [
        (None, "The call needs credentials. Send a client certificate in TLS."),
        (Some("other"), "The credentials of the call are not valid. Send a client certificate in TLS."),
    ] {
        let answer = curl(client);
        assert_eq!((&answer["code"], &answer["message"]), (&json!(16), &json!(text)));
    }
}
