//! Bodies in content encodings, made and read by others.

use std::process::Command;

use serde_json::Value;

use crate::support::backend;
use crate::support::gateway::Gateway;
use crate::support::process::{python, run};

/// How much memory the gateway may take at most, in bytes. 24 bombs at a time hold 6 GiB.
const MEMORY: u64 = 80 << 20;

#[test]
fn encoders_and_decoders_of_python() {
    let backend = backend::python_server("tests/python/echo_server.py");
    let mut gateway = Gateway::in_front_of(&[backend.address()]);
    let mut client = python("tests/python/compression.py");
    run(client.args(["--port", &gateway.address().port().to_string()]));
    let peak = gateway.server().peak_memory();
    assert!(peak < MEMORY, "the gateway took {peak} bytes of memory");
}

#[test]
fn curl_decodes_answers() {
    let backend = backend::python_server("tests/python/echo_server.py");
    let gateway = Gateway::in_front_of(&[backend.address()]);
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail", "--compressed", version]);
        curl.args(["--write-out", "\n%{size_download}\n%header{content-encoding}"]);
        let output = run(curl.arg(gateway.url("/v1/large?size=50000")));
        let output = String::from_utf8(output.stdout).unwrap();
        let mut lines = output.lines();
        let answer: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(answer["string"].as_str().unwrap().len(), 50_000);
        let size: usize = lines.next().unwrap().parse().unwrap();
        assert!(size < 2_000, "{size}");
        assert!(["zstd", "br", "gzip"].contains(&lines.next().unwrap()), "{output}");
    }
}

#[test]
fn compression_can_be_switched_off() {
    let backend = backend::python_server("tests/python/echo_server.py");
    let config = format!(
        "{}upstreams: {{echo: http://{}}}\nservices: [\"**\"]\nhttp: {{compression: none}}\n",
        Gateway::ANY_PORT,
        backend.address()
    );
    let gateway = Gateway::with_config(&config);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--compressed", "--write-out", "\n%header{vary}%{http_code}"]);
    let output = run(curl.arg(gateway.url("/v1/large?size=50000")));
    assert!(String::from_utf8(output.stdout).unwrap().ends_with("\naccept200"));
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--header", "content-encoding: gzip", "--json", "{}"]);
    let output = run(curl.args(["--write-out", "\n%header{accept-encoding}"]).arg(gateway.url("/v1/echo")));
    let output = String::from_utf8(output.stdout).unwrap();
    let (body, accepted) = output.split_once('\n').unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let text = "The content encoding \"gzip\" is not supported here. Send the body without one.";
    assert_eq!((body["message"].as_str(), accepted), (Some(text), "identity"));
}
