//! `transom init`: what it writes can be used at once.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::gateway::{Gateway, transom};
use crate::support::process::run;
use crate::support::{backend, client, root};

fn init(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = transom(&["init"]);
    command.args(arguments).current_dir(folder);
    command
}

fn refused(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn a_backend_that_reflects_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = format!("http://{}", backend::bookstore());
    let said = run(&mut init(folder.path(), &["--upstream", &upstream]));
    let routes = run(&mut transom(&["routes", "--json", "--upstream", &upstream])).stdout;
    let mut routes: Vec<Value> = serde_json::from_slice(&routes).unwrap();
    // What the gateway answers itself needs no configuration.
    routes.retain(|route| !route["upstream"].is_null());
    let of = |service: &str| {
        let methods = routes.iter().filter_map(|route| route["method"].as_str());
        // A service in SOAP is one route for all its methods.
        let methods = methods.filter(|method| !method.ends_with("/*"));
        let methods: Vec<_> = methods.filter(|method| method.starts_with(service)).collect();
        (methods.iter().collect::<HashSet<_>>().len(), methods.len())
    };
    let (methods, _) = of("");
    let expected = format!(
        "transom.yaml exposes 2 services with {methods} methods; transom.schema.json explains its keys to editors.\n\
         Next: `transom routes -c transom.yaml` lists what is reachable, `transom serve -c transom.yaml` runs it.\n"
    );
    assert_eq!(String::from_utf8(said.stdout).unwrap(), expected);
    assert_eq!(String::from_utf8(said.stderr).unwrap(), "");

    let file = folder.path().join("transom.yaml");
    let text = fs::read_to_string(&file).unwrap();
    // The first shows which settings there are.
    for (form, service) in [("service: bookstore.v1.Bookstore", "bookstore"), ("chat.v1.Chat", "chat")] {
        let (methods, routes) = of(service);
        let listed = format!("\n  - {form}    # {methods} methods, {routes} routes\n");
        assert!(text.contains(&listed), "{text}");
    }
    // The schema that the first line names is there, whole.
    let schema = text.lines().next().unwrap().strip_prefix("# yaml-language-server: $schema=").unwrap();
    let schema = fs::read(folder.path().join(schema)).unwrap();
    assert_eq!(schema, run(&mut transom(&["schema"])).stdout);

    run(transom(&["check"]).current_dir(folder.path()));
    let gateway = Gateway::with_file(&file, &[("TRANSOM_ADDRESS", "127.0.0.1:0")]);
    assert_eq!(client::get(gateway.address(), "/v1/shelves/crime").await.status, 200);
}

#[test]
fn a_descriptor_set_needs_no_backend() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(root().join("examples/bookstore/bookstore.binpb"), folder.path().join("shop.binpb")).unwrap();
    fs::create_dir(folder.path().join("conf")).unwrap();
    for (output, set) in [
        ("transom.yaml", "shop.binpb"),
        ("conf/other.yaml", folder.path().canonicalize().unwrap().join("shop.binpb").to_str().unwrap()),
    ] {
        run(&mut init(folder.path(), &["--descriptors", "shop.binpb", "--output", output]));
        let text = fs::read_to_string(folder.path().join(output)).unwrap();
        assert!(text.contains(&format!("\n  - set: \"{set}\"\n")), "{text}");
        assert!(text.contains("\n    targets: [\"http://127.0.0.1:50051\"]\n"), "{text}");
        run(transom(&["check", "-c", output]).current_dir(folder.path()));
    }
}

#[test]
fn nothing_is_overwritten_unless_told() {
    let folder = tempfile::tempdir().unwrap();
    let set = root().join("examples/bookstore/bookstore.binpb");
    let arguments = ["--descriptors", set.to_str().unwrap()];
    for name in ["transom.yaml", "transom.schema.json"] {
        let file = folder.path().join(name);
        fs::write(&file, "mine").unwrap();
        let expected = format!(
            "The file {name} exists already. Name another one with --output, or replace it with --force.\n"
        );
        assert_eq!(refused(&mut init(folder.path(), &arguments), 1), expected);
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        fs::remove_file(file).unwrap();
    }
    fs::write(folder.path().join("transom.yaml"), "mine").unwrap();
    run(init(folder.path(), &arguments).arg("--force"));
    run(transom(&["check"]).current_dir(folder.path()));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn what_is_missing_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let table: [(&[&str], i32, &[&str]); 5] = [
        (&[], 2, &["--upstream <URL>"]),
        (&["--upstream", "127.0.0.1:1"], 1, &["Did you mean `http://127.0.0.1:1`?"]),
        (
            &["--upstream", "http://127.0.0.1:1"],
            1,
            &["Connection refused", "\n`transom init --descriptors FILE` works without reflection.\n"],
        ),
        (&["--descriptors", "none.binpb"], 1, &["The file none.binpb cannot be read: it does not exist."]),
        (
            &["--descriptors", "/proc/self/exe", "--output", "none/transom.yaml", "--log-format", "json"],
            1,
            &["\"level\":\"ERROR\"", "The descriptors cannot be used: "],
        ),
    ];
    for (arguments, code, expected) in table {
        let text = refused(&mut init(folder.path(), arguments), code);
        for expected in expected {
            assert!(text.contains(expected), "{arguments:?}: {text}");
        }
    }
    let set = root().join("examples/bookstore/bookstore.binpb");
    let arguments = ["--descriptors", set.to_str().unwrap(), "--output", "none/transom.yaml"];
    let expected = "The file none/transom.yaml cannot be written: No such file or directory (os error 2). Name another one \
                    with --output.\n";
    assert_eq!(refused(&mut init(folder.path(), &arguments), 1), expected);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
