//! Clients that others wrote, over HTTP/1.1 and over HTTP/2 by prior knowledge.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::backend;
use crate::support::gateway::Gateway;
use crate::support::process::run;

fn in_front_of_bookstore() -> Gateway {
    Gateway::in_front_of(&[backend::bookstore()])
}

#[test]
fn curl() {
    let gateway = in_front_of_bookstore();
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", version, "--json", r#"{"title": "Cooking"}"#]);
        let id = version.trim_matches('-').replace('.', "-");
        let output = run(curl.arg(gateway.url(&format!("/v1/shelves?shelfId={id}"))));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer, json!({"name": format!("shelves/{id}"), "title": "Cooking"}));
    }
}

#[test]
fn curl_waits_for_100_continue() {
    let gateway = in_front_of_bookstore();
    let body = format!(r#"{{"filter": {{"author": "{}"}}}}"#, "x".repeat(50_000));
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--http1.1", "--expect100-timeout", "60"]);
    curl.args(["--json", &body, "--header", "expect: 100-continue"]);
    let output = run(curl.arg(gateway.url("/bookstore.v1.Bookstore/CountBooks")));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{}");
}

#[test]
fn h2load() {
    let gateway = in_front_of_bookstore();
    for version in ["--h1", "--max-concurrent-streams=10"] {
        let mut h2load = Command::new("h2load");
        h2load.args(["--requests=2000", "--clients=8", version]);
        let output = run(h2load.arg(gateway.url("/v1/shelves/fiction/books/frankenstein")));
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(report.contains("2000 succeeded, 0 failed, 0 errored, 0 timeout"), "{report}");
        assert!(report.contains("2000 2xx"), "{report}");
    }
}
