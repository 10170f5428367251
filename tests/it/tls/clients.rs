//! Clients: curl, httpx and Python's ssl.

use std::process::Command;

use serde_json::Value;

use super::{Place, text};
use crate::support::backend;
use crate::support::gateway::{Gateway, listening};
use crate::support::process::{python, run};

/// Fails unless curl got the shelf; returns what it told of the connection.
fn served(place: &Place, gateway: &Gateway, host: &str, arguments: &[&str]) -> String {
    let output = place.curl(gateway, host, arguments);
    let told = text(&output.stderr);
    assert!(output.status.success(), "{host} {arguments:?}: {told}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["name"], "shelves/fiction");
    told
}

/// Fails unless curl was refused for this reason.
fn refused(place: &Place, gateway: &Gateway, host: &str, arguments: &[&str], reason: &str) {
    let output = place.curl(gateway, host, arguments);
    let told = text(&output.stderr);
    assert!(!output.status.success() && told.contains(reason), "{host} {arguments:?}: {told}");
}

#[test]
fn curl_speaks_all_versions() {
    let place = Place::new();
    place.write("a", &place.authority.issue(&["a.example"]));
    let gateway = place.gateway(&place.pair("a"));
    for (http, tls, expected) in [
        ("--http1.1", "--tlsv1.3", ["TLSv1.3 /", "HTTP/1.1 200"]),
        ("--http2", "--tlsv1.3", ["TLSv1.3 /", "HTTP/2 200"]),
        ("--http1.1", "--tls-max=1.2", ["TLSv1.2 /", "HTTP/1.1 200"]),
        ("--http2", "--tls-max=1.2", ["TLSv1.2 /", "HTTP/2 200"]),
    ] {
        let tls = tls.split('=').collect::<Vec<_>>();
        let told = served(&place, &gateway, "a.example", &[&[http], tls.as_slice()].concat());
        assert!(expected.iter().all(|expected| told.contains(expected)), "{http} {tls:?}: {told}");
    }
    let gateway = place.gateway(&format!("{}, min_version: '1.3'", place.pair("a")));
    served(&place, &gateway, "a.example", &["--tlsv1.3"]);
    refused(&place, &gateway, "a.example", &["--tls-max", "1.2"], "alert protocol version");
}

#[test]
fn the_certificate_fits_the_name_that_is_asked_for() {
    let place = Place::new();
    for (name, names) in [
        ("a", &["a.example"][..]),
        ("b", &["*.b.example", "b.example"]),
        ("c", &["c.b.example", "c.example"]),
    ] {
        place.write(name, &place.authority.issue(names));
    }
    let gateway = place.gateway(&format!(
        "{}, certificates: [{{{}}}, {{{}}}]",
        place.pair("a"),
        place.pair("b"),
        place.pair("c")
    ));
    for (host, names) in [
        ("a.example", "a.example"),
        ("x.b.example", "*.b.example"),
        ("b.example", "b.example"),
        ("c.b.example", "c.b.example"),
        ("c.example", "c.example"),
    ] {
        let told = served(&place, &gateway, host, &[]);
        assert!(told.contains(names), "{host}: {told}");
    }
    // The first is shown to all others, which see that it is not what they asked for.
    for host in ["other.example", "x.y.b.example"] {
        refused(&place, &gateway, host, &[], "no alternative certificate subject name matches");
        served(&place, &gateway, host, &["--insecure"]);
    }
}

#[test]
fn client_certificates_are_verified() {
    let place = Place::new();
    place.write("a", &place.authority.issue(&["a.example"]));
    place.write("good", &place.authority.issue(&["client.example"]));
    place.write("bad", &crate::support::authority::Authority::new("Other").issue(&["client.example"]));
    let (good, bad) = (place.shown("good"), place.shown("bad"));
    let pair = |name: &str| [format!("--cert={name}.crt"), format!("--key={name}.key")];
    let show = |name: &str| {
        pair(name).iter().flat_map(|text| text.split('=').map(str::to_owned)).collect::<Vec<_>>()
    };
    let (good, bad) = (show(&good), show(&bad));
    let (good, bad): (Vec<_>, Vec<_>) =
        (good.iter().map(String::as_str).collect(), bad.iter().map(String::as_str).collect());
    for (client_auth, nobody) in
        [(", client_auth: optional", true), (", client_auth: required", false), ("", false)]
    {
        let ca = place.shown("ca.crt");
        let gateway = place.gateway(&format!("{}, client_ca: {ca}{client_auth}", place.pair("a")));
        for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
            served(&place, &gateway, "a.example", &[version, &good].concat());
            refused(&place, &gateway, "a.example", &[version, &bad].concat(), "alert unknown ca");
            if nobody {
                served(&place, &gateway, "a.example", version);
            } else {
                refused(&place, &gateway, "a.example", version, "alert certificate required");
            }
        }
    }
}

#[test]
fn python_clients_are_served() {
    let place = Place::new();
    place.write("a", &place.authority.issue(&["localhost", "127.0.0.1"]));
    place.write("client", &place.authority.issue(&["client.example"]));
    let ca = place.shown("ca.crt");
    for (tls, arguments) in [
        (place.pair("a"), &[][..]),
        (format!("{}, min_version: '1.3'", place.pair("a")), &["--min-version", "1.3"]),
        (
            format!("{}, client_ca: {ca}", place.pair("a")),
            &["--pair", &place.shown("client.crt"), &place.shown("client.key")],
        ),
    ] {
        let gateway = place.gateway(&tls);
        let mut clients = python("tests/python/tls_clients.py");
        clients.args([&gateway.address().port().to_string(), &ca]).args(arguments);
        run(&mut clients);
    }
}

#[test]
fn h2load_is_served() {
    let place = Place::new();
    place.write("a", &place.authority.issue(&["localhost"]));
    let gateway = place.gateway(&place.pair("a"));
    let url = format!("https://localhost:{}/v1/shelves/fiction", gateway.address().port());
    for version in ["--h1", "--max-concurrent-streams=10"] {
        let output = run(Command::new("h2load").args(["--requests=2000", "--clients=8", version, &url]));
        let report = text(&output.stdout);
        assert!(report.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{report}");
        assert!(report.contains("2000 2xx") && report.contains("TLS Protocol: TLSv1.3"), "{report}");
    }
}

#[test]
fn listeners_with_and_without_tls_stand_side_by_side() {
    let place = Place::new();
    place.write("a", &place.authority.issue(&["a.example"]));
    let gateway = Gateway::with_config(&format!(
        "listeners: [{{address: '127.0.0.1:0'}}, {{address: '127.0.0.1:0', tls: {{{}}}}}]\n\
         upstreams: {{shop: 'http://{}'}}\nservices: ['**']\n",
        place.pair("a"),
        backend::bookstore()
    ));
    gateway.wait_for_log("\"tls\":true");
    let log = gateway.log();
    let secure = log.lines().find(|line| line.contains("\"tls\":true")).and_then(listening).unwrap();
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--cacert", &place.shown("ca.crt"), "--connect-to"]);
    curl.arg(format!("a.example:443:{secure}"));
    curl.args(["https://a.example/v1/shelves/fiction", &gateway.url("/v1/shelves/fiction")]);
    assert_eq!(text(&run(&mut curl).stdout).matches("\"shelves/fiction\"").count(), 2);
}
