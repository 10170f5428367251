//! Clients that others wrote.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::Setting;
use crate::support::process::{python, run};
use crate::support::sse;

fn curl(version: &str) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--no-buffer", version]);
    curl
}

const VERSIONS: [&str; 2] = ["--http1.1", "--http2-prior-knowledge"];

#[test]
fn curl_reads_each_form() {
    let setting = Setting::new();
    for version in VERSIONS {
        let get = |accept: &str| {
            let mut curl = curl(version);
            curl.args(["--header", &format!("accept: {accept}")]);
            let output = run(curl.arg(setting.gateway.url("/v1/watch/curl?count=3")));
            String::from_utf8(output.stdout).unwrap()
        };
        let array: Value = serde_json::from_str(&get("application/json")).unwrap();
        assert_eq!(array, json!([{"number": 1}, {"number": 2}, {"number": 3}]));
        assert_eq!(get("application/x-ndjson"), "{\"number\":1}\n{\"number\":2}\n{\"number\":3}\n");
        assert_eq!(sse::events(&get("text/event-stream")).count(), 4);
    }
}

/// `-T .` sends what is typed as it is typed, and shows the answers meanwhile.
#[test]
fn curl_talks_in_both_directions() {
    let setting = Setting::new();
    for version in VERSIONS {
        let mut curl = curl(version);
        curl.args(["--request", "POST", "--upload-file", ".", "--header", "accept: application/x-ndjson"]);
        curl.arg(setting.gateway.url("/v1/chat/curl"));
        let mut curl =
            curl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut typed = curl.stdin.take().unwrap();
        let mut shown = BufReader::new(curl.stdout.take().unwrap()).lines();
        for number in 1..=5 {
            writeln!(typed, "{{\"text\": \"{number}\"}}").unwrap();
            let line: Value = serde_json::from_str(&shown.next().unwrap().unwrap()).unwrap();
            assert_eq!(line, json!({"number": number, "text": number.to_string()}));
        }
        drop(typed);
        assert!(shown.next().is_none());
        assert!(curl.wait().unwrap().success());
    }
}

#[test]
fn httpx_and_h2_from_python() {
    let setting = Setting::new();
    run(python("tests/python/stream_clients.py").arg(setting.gateway.url("")));
}
