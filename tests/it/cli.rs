//! The commands of the binary, as somebody at a terminal sees them.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::gateway::{Gateway, transom};
use crate::support::process::run;
use crate::support::{backend, root};

/// What a command printed for programs.
fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command that fails with this exit code, and returns what it says about it.
fn failure(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "errors go to standard error");
    text
}

fn bookstore_config() -> String {
    root().join("examples/bookstore/transom.yaml").to_str().unwrap().to_owned()
}

#[test]
fn help_names_the_commands() {
    let output = run(&mut transom(&["--help"]));
    let help = String::from_utf8(output.stdout).unwrap();
    for command in ["serve", "check", "routes", "call", "demo", "schema"] {
        assert!(help.contains(command), "{command} is missing:\n{help}");
    }
    failure(&mut transom(&["serve", "--no-such-flag"]), 2);
}

#[test]
fn check_accepts_the_example() {
    let output = run(&mut transom(&["check", "-c", &bookstore_config()]));
    let warnings = String::from_utf8(output.stderr).unwrap();
    assert!(
        warnings.contains("bookstore.v1.Bookstore/WatchShelf"),
        "it streams, which is not served: {warnings}"
    );
}

#[test]
fn check_reports_everything_at_once_with_places() {
    let text = failure(&mut transom(&["check", "-c", "no-such-file.yaml"]), 1);
    assert!(text.contains("no-such-file.yaml"), "{text}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("broken.yaml");
    let config = "listeners:\n  - address: nowhere\nupstream: {}\ndescriptors:\n  - set: missing.binpb\n\
                  upstreams:\n  shop: 127.0.0.1\nservices: [\"**\"]\n";
    std::fs::write(&file, config).unwrap();
    let text = failure(&mut transom(&["check", "-c", file.to_str().unwrap()]), 1);
    for (place, what) in [(2, "nowhere"), (3, "`upstream`"), (7, "127.0.0.1")] {
        assert!(text.contains(&format!("broken.yaml:{place}:")), "no place in line {place}:\n{text}");
        assert!(text.contains(what), "{what} is not named:\n{text}");
    }
    let fine = config
        .replace("nowhere", "127.0.0.1:0")
        .replace("upstream: {}\n", "")
        .replace("shop: ", "shop: http://");
    std::fs::write(&file, fine.replace("127.0.0.1\n", "127.0.0.1:1\n")).unwrap();
    let text = failure(&mut transom(&["check", "-c", file.to_str().unwrap()]), 1);
    assert!(text.contains("missing.binpb"), "{text}");
}

#[test]
fn routes_are_those_of_the_proto() {
    let routes = json_of(&run(&mut transom(&["routes", "--json", "-c", &bookstore_config()])));
    let routes = routes.as_array().unwrap();
    // 16 methods, one with two bindings.
    assert_eq!(routes.len(), 17);
    let archive =
        routes.iter().find(|route| route["method"] == "bookstore.v1.Bookstore/ArchiveBook").unwrap();
    assert_eq!(archive["verb"], "POST");
    assert_eq!(archive["path"], "/v1/{name=shelves/*/books/*}:archive");
    assert_eq!(archive["upstream"], "bookstore");
}

#[test]
fn call_reaches_a_method() {
    let upstream = format!("http://{}", backend::bookstore());
    let call = |arguments: &[&str]| {
        let mut command = transom(&["call", "-c", &bookstore_config()]);
        command.args(arguments).env("BOOKSTORE_URL", &upstream);
        command
    };
    let request = r#"{"name": "shelves/fiction/books/the-time-machine", "readMask": "title,priceCents"}"#;
    let answer = json_of(&run(&mut call(&["bookstore.v1.Bookstore/GetBook", request])));
    assert_eq!(answer, json!({"title": "The Time Machine", "priceCents": "800"}));
    let text = failure(&mut call(&["bookstore.v1.Bookstore/GetShelf", r#"{"name": "shelves/x"}"#]), 1);
    assert!(text.contains("There is no Shelf shelves/x."), "{text}");
    let text = failure(&mut call(&["bookstore.v1.Bookstore/GetShelf", r#"{"nam": 1}"#]), 1);
    assert!(text.contains("nam"), "{text}");
    let text = failure(&mut call(&["bookstore.v1.Bookstore/GetShelv"]), 1);
    assert!(text.contains("GetShelv"), "{text}");
}

#[test]
fn schema_describes_the_configuration() {
    let schema = json_of(&run(&mut transom(&["schema"])));
    assert!(schema["$schema"].as_str().is_some_and(|url| url.contains("json-schema.org")), "{schema}");
}

#[test]
fn serve_refuses_a_port_that_is_taken() {
    let taken = Gateway::in_front_of(&[backend::bookstore()]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transom.yaml");
    let config = format!(
        "listeners:\n  - address: {}\nupstreams:\n  shop: http://{}\nservices: [\"**\"]\n",
        taken.address(),
        backend::bookstore()
    );
    std::fs::write(&file, config).unwrap();
    let output = transom(&["serve", "-c", file.to_str().unwrap()]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(text.contains(&format!("Cannot listen on {}", taken.address())), "{text}");
}
