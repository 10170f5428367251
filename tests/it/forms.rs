//! Forms that others wrote.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::backend;
use crate::support::gateway::Gateway;
use crate::support::process::{python, run};

#[test]
fn forms_of_python() {
    let backend = backend::python_server("tests/python/echo_server.py");
    let gateway = Gateway::in_front_of(&[backend.address()]);
    run(python("tests/python/forms.py").args(["--port", &gateway.address().port().to_string()]));
}

#[test]
fn forms_of_curl() {
    let backend = backend::python_server("tests/python/echo_server.py");
    let gateway = Gateway::in_front_of(&[backend.address()]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a \"file\".png");
    // It holds what curl's boundaries begin with.
    let data = [&b"\r\n--------------------------"[..], &[0, 0xff], b"\r\n"].concat();
    std::fs::write(&file, &data).unwrap();
    // A file in a part of text is a text for curl.
    let text = folder.path().join("text");
    std::fs::write(&text, "some text\n").unwrap();
    let escaped = format!("\"{}\"", file.to_str().unwrap().replace('"', "\\\""));
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let curl = |arguments: &[&str]| -> Value {
            let mut curl = Command::new("curl");
            curl.args(["--silent", "--show-error", version]).args(arguments);
            serde_json::from_slice(&run(curl.arg(gateway.url("/v1/echo"))).stdout).unwrap()
        };
        let form = curl(&["--data", "child.int32=5&strings=a", "--data-urlencode", "string=é &+"]);
        assert_eq!(form, json!({"child": {"int32": 5}, "strings": ["a"], "string": "é &+"}));
        let multipart = curl(&[
            "--form",
            &format!("bytes=@{escaped}"),
            "--form",
            &format!("string=<{}", text.to_str().unwrap()),
            "--form",
            r#"child={"int32": 5};type=application/json"#,
        ]);
        let expected =
            json!({"bytes": STANDARD.encode(&data), "string": "some text\n", "child": {"int32": 5}});
        assert_eq!(multipart, expected);
        let wrong = curl(&["--form", "int32=x"]);
        let message = wrong["message"].as_str().unwrap();
        assert!(message.starts_with("The form field \"int32\" is not valid: "), "{message}");
        // What is easily forgotten with curl: that --data is a form.
        let hint = curl(&["--data", r#"{"string": "a"}"#]);
        assert!(hint["message"].as_str().unwrap().ends_with("(with curl: --json in place of -d)."), "{hint}");
    }
}
