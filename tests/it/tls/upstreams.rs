//! grpcio backends with TLS, and with TLS on both sides.

use serde_json::json;
use tokio::time::Instant;

use super::{Place, text};
use crate::support::authority::Authority;
use crate::support::backend::python_server_with;
use crate::support::client::{self, Version};
use crate::support::gateway::{Gateway, transom};
use crate::support::process::Server;

const SCRIPT: &str = "tests/python/echo_server.py";

/// A backend whose certificate is for `localhost` and, if `mutual`, that asks for one.
fn backend(place: &Place, mutual: bool) -> Server {
    place.write("backend", &place.authority.issue(&["localhost"]));
    let (certificate, key, ca) =
        (place.shown("backend.crt"), place.shown("backend.key"), place.shown("ca.crt"));
    let mut arguments = vec!["--tls", &certificate, &key];
    if mutual {
        arguments.extend(["--client-ca", &ca]);
    }
    python_server_with(SCRIPT, &arguments)
}

/// A configuration with one target and these settings of TLS. Its descriptors come by reflection.
fn config(host: &str, backend: &Server, tls: &str) -> String {
    let target = format!("https://{host}:{}", backend.address().port());
    format!(
        "{}upstreams: {{echo: {{targets: ['{target}'], connect_timeout: 5s, tls: {{{tls}}}}}}}\nservices: ['**']\n",
        Gateway::ANY_PORT
    )
}

#[tokio::test]
async fn backends_with_tls_are_called_and_reflected() {
    let place = Place::new();
    place.write("client", &place.authority.issue(&["gateway.example"]));
    let ca = format!("ca: {}", place.shown("ca.crt"));
    for (mutual, host, tls) in [
        (false, "localhost", ca.clone()),
        (false, "127.0.0.1", format!("{ca}, server_name: localhost")),
        (true, "localhost", format!("{ca}, {}", place.pair("client"))),
    ] {
        let backend = backend(&place, mutual);
        let gateway = Gateway::with_config(&config(host, &backend, &tls));
        for version in [Version::Http1, Version::Http2] {
            let answer = client::send(gateway.address(), version, "GET", "/v1/echo/x?int32=5", &[], "").await;
            assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"string": "x", "int32": 5})));
        }
        // Messages and streams that are larger than any buffer on the way.
        let large = json!({"string": "x".repeat(1 << 20)});
        let answer = client::post(gateway.address(), "/v1/echo", &large).await;
        assert_eq!((answer.status.as_u16(), answer.json() == large), (200, true));
        let headers = [("accept", "application/x-ndjson")];
        let target = "/v1/watch/tls?count=500&size=5000";
        let answer = client::send(gateway.address(), Version::Http2, "GET", target, &headers, "").await;
        assert_eq!(answer.body.split(|byte| *byte == b'\n').filter(|line| line.len() > 5000).count(), 500);
    }
}

/// Descriptors from a set, so that the gateway starts whatever the backend does.
fn with_set(place: &Place, target: &str, tls: &str) -> Gateway {
    let set = crate::support::root().join("examples/bookstore/bookstore.binpb");
    Gateway::with_config(&format!(
        "{}upstreams: {{shop: {{targets: ['{target}'], tls: {{ca: {}{tls}}}}}}}\ndescriptors: [{{set: {}}}]\n\
         services: ['**']\n",
        Gateway::ANY_PORT,
        place.shown("ca.crt"),
        set.display()
    ))
}

#[tokio::test]
async fn what_is_wrong_with_a_backend_is_in_the_log_and_unavailable_for_callers() {
    let place = Place::new();
    place.write("client", &Authority::new("Other").issue(&["gateway.example"]));
    let (backend, mutual) = (backend(&place, false), backend(&place, true));
    let plain = crate::support::backend::bookstore();
    let url = |server: &Server, host: &str| format!("https://{host}:{}", server.address().port());
    for (target, tls, told) in [
        (url(&backend, "127.0.0.1"), "", "name what it is valid for under `tls: {server_name: NAME}`"),
        (
            url(&backend, "localhost"),
            ", server_name: other.example",
            "certificate not valid for name \\\"other.example\\\"",
        ),
        (format!("https://{plain}"), "", "does the target speak TLS?"),
        (url(&mutual, "localhost"), "", "a connection to a backend ended"),
    ] {
        let gateway = with_set(&place, &target, tls);
        let answer = client::get(gateway.address(), "/v1/shelves/fiction").await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (503, &json!(14)), "{told}: {answer:?}");
        gateway.wait_for_log(told);
        let message = answer.json()["message"].as_str().unwrap().to_owned();
        assert!(!message.contains("TLS") && !message.contains("localhost"), "{message}");
    }
}

/// The authority of the backend is replaced, and so is the backend's certificate.
#[tokio::test]
async fn authorities_of_backends_are_read_again() {
    let place = Place::new();
    let backend = backend(&place, false);
    let target = format!("https://localhost:{}", backend.address().port());
    let other = Authority::new("Other");
    other.write(place.path(), "ca");
    let gateway = with_set(&place, &target, "");
    let answer = client::get(gateway.address(), "/v1/shelves/fiction").await;
    assert_eq!(answer.status, 503);
    gateway.wait_for_log("name the authority that signed it under `tls: {ca: FILE}`");
    place.authority.write(place.path(), "ca");
    gateway.wait_for_log("certificates were read again");
    // The backend knows no bookstore, but says so over TLS. It is tried again a second after it failed at most.
    let deadline = Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let answer = client::get(gateway.address(), "/v1/shelves/fiction").await;
        if answer.json()["code"] == 12 {
            break;
        }
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(Instant::now() < deadline, "the new authority is not used");
    }
}

#[test]
fn reflection_tells_what_is_wrong() {
    let place = Place::new();
    let backend = backend(&place, false);
    let file = place.file("transom.yaml");
    let other = Authority::new("Other").write(place.path(), "other").display().to_string();
    std::fs::write(&file, config("localhost", &backend, &format!("ca: {other}"))).unwrap();
    let output = transom(&["check", "-c", file.to_str().unwrap()]).output().unwrap();
    let told = text(&output.stderr).replace("| ", " ");
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(output.status.code(), Some(1), "{told}");
    for expected in [
        "TLS: invalid peer certificate: UnknownIssuer; name the authority that signed it under `tls: {ca: FILE}`",
        "Check that it runs there and takes gRPC with TLS, or give a descriptor set instead",
    ] {
        assert!(told.contains(expected), "{told}");
    }
}

/// Without a `ca` the authorities of the system count, which SSL_CERT_FILE can name.
#[test]
fn authorities_of_the_system_are_trusted() {
    let place = Place::new();
    let backend = backend(&place, false);
    let upstream = format!("https://localhost:{}", backend.address().port());
    let call = |file: &str| {
        let mut command = transom(&["call", "echo.v1.Echo/Echo", r#"{"int32": 7}"#, "--upstream", &upstream]);
        let output = command.env("SSL_CERT_FILE", file).env_remove("SSL_CERT_DIR").output().unwrap();
        let told = text(&output.stderr).replace("| ", " ");
        (output.status.code(), told.split_whitespace().collect::<Vec<_>>().join(" "), text(&output.stdout))
    };
    let (code, told, answer) = call(&place.shown("ca.crt"));
    assert_eq!((code, answer.contains("\"int32\": 7")), (Some(0), true), "{told}");
    let (code, told, _) = call(&Authority::new("Other").write(place.path(), "other").display().to_string());
    assert_eq!((code, told.contains("UnknownIssuer")), (Some(1), true), "{told}");
    let (code, told, _) = call("/nowhere.crt");
    assert_eq!(code, Some(1));
    assert!(told.contains("This system has no certificates of authorities that are trusted ("), "{told}");
}
