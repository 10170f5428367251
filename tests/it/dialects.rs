//! gRPC, gRPC-Web and Connect, by clients that others wrote.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::backend;
use crate::support::gateway::Gateway;
use crate::support::process::{Server, python, run};
use crate::support::root;

struct Setting {
    gateway: Gateway,
    backend: Server,
}

impl Setting {
    /// With more settings of the services.
    fn with(settings: &str) -> Self {
        let backend = backend::python_server("tests/python/echo_server.py");
        let config = format!(
            "{}upstreams: {{echo: \"http://{}\"}}\nservices: [{{service: \"**\"{settings}}}]\n",
            Gateway::ANY_PORT,
            backend.address()
        );
        Self { gateway: Gateway::with_config(&config), backend }
    }
}

/// The scripts of `tests/browser` beside the packages that they import.
fn scripts() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for script in std::fs::read_dir(root().join("tests/browser")).unwrap() {
        let script = script.unwrap().path();
        if script.extension().is_some_and(|extension| extension == "mjs") {
            std::fs::copy(&script, folder.path().join(script.file_name().unwrap())).unwrap();
        }
    }
    let packages = root().join(".node/node_modules");
    assert!(packages.exists(), "{} is missing. `./test setup` makes it.", packages.display());
    std::os::unix::fs::symlink(packages, folder.path().join("node_modules")).unwrap();
    folder
}

fn node(script: &Path, gateway: &Gateway) -> Command {
    let mut node = Command::new("node");
    node.arg(script).arg(gateway.url("").trim_end_matches('/')).arg(root().join("fuzz/echo.binpb"));
    node
}

#[test]
fn a_grpcio_client_sees_what_it_sees_of_the_backend() {
    let setting = Setting::with("");
    let addresses = [setting.backend.address().to_string(), setting.gateway.address().to_string()];
    run(python("tests/python/grpc_client.py").args(addresses));
}

/// Most servers end a connection that pings more often than every five minutes without a call.
#[test]
fn grpcio_may_ping_on_both_sides() {
    let backend = backend::python_server_with("tests/python/echo_server.py", &["--ping", "100"]);
    let gateway = Gateway::in_front_of(&[backend.address()]);
    run(python("tests/python/keepalive.py").arg(gateway.address().to_string()));
    // The backend has left no connection either.
    assert!(!gateway.log().contains("connection to a backend"), "{}", gateway.log());
}

#[test]
fn clients_of_connect_call_every_kind_in_each_protocol() {
    let setting = Setting::with("");
    let scripts = scripts();
    run(&mut node(&scripts.path().join("dialects.mjs"), &setting.gateway));
}

#[test]
fn a_python_client_of_connect_calls_every_kind() {
    let setting = Setting::with("");
    run(python("tests/python/connect_client.py").arg(setting.gateway.url("").trim_end_matches('/')));
}

#[test]
fn buf_curl_speaks_its_three_protocols() {
    let setting = Setting::with("");
    for protocol in ["connect", "grpc", "grpcweb"] {
        for (method, data, expected) in [
            ("Echo/Echo", r#"{"string": "a"}"#, r#"{"string":"a"}"#),
            (
                "Streams/Chat",
                r#"{"text": "a", "id": "buf"} {"text": "b"}"#,
                r#"{"number":1,"text":"a"}{"number":2,"text":"b"}"#,
            ),
        ] {
            let mut buf = Command::new(root().join(".venv/bin/buf"));
            buf.args(["curl", "--protocol", protocol, "--http2-prior-knowledge", "--schema"]);
            buf.arg(root().join("fuzz/echo.binpb")).args(["--data", data]);
            let output = run(buf.arg(setting.gateway.url(&format!("/echo.v1.{method}"))));
            let answer = String::from_utf8(output.stdout).unwrap();
            assert_eq!(answer.split_whitespace().collect::<String>(), expected, "{protocol} {method}");
        }
    }
}

#[test]
fn chromium_calls_from_the_origins_that_may() {
    let setting = Setting::with(", cors: {origins: [http://shop.example]}");
    let scripts = scripts();
    run(node(&scripts.path().join("cors.mjs"), &setting.gateway).arg(scripts.path()));
}
