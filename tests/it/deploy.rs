//! The files in `deploy`, each checked with the tool that knows it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::reload::admin_of;
use crate::support::gateway::{listening, transom};
use crate::support::process::{Server, python, run};
use crate::support::{backend, root};

/// Where the image has its configuration.
const CONFIGURATION: &str = "/etc/transom/transom.yaml";

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// The units as they are, but with the binary under test, as systemd looks for it.
#[test]
fn systemd_accepts_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let service = read("deploy/systemd/transom.service");
    let binary = env!("CARGO_BIN_EXE_transom");
    let installed = "\nExecStart=/usr/bin/transom serve -c /etc/transom/transom.yaml\n";
    assert!(service.contains(installed), "{service}");
    let unit = folder.path().join("transom.service");
    fs::write(&unit, service.replace("/usr/bin/transom", binary)).unwrap();
    let socket = folder.path().join("transom.socket");
    fs::write(&socket, read("deploy/systemd/transom.socket")).unwrap();

    let output = run(Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&unit).arg(&socket));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "nothing is unknown to it");
    // Of 100, where 0 is best. What is left is what a gateway is for: the network.
    let arguments = ["security", "--offline=true", "--threshold=12", "--no-pager"];
    run(Command::new("systemd-analyze").args(arguments).arg(&unit));
}

#[test]
fn the_container_file_builds_little_and_runs_as_nobody() {
    let text = read("deploy/container/Containerfile");
    let joined = text.replace("\\\n", " ");
    let lines: Vec<(&str, &str)> = joined
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .collect();
    let all = |wanted: &str| -> Vec<&str> {
        lines.iter().filter(|(word, _)| *word == wanted).map(|(_, rest)| *rest).collect()
    };
    let manifest = read("Cargo.toml");
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let build = format!("rust:{}-slim-trixie AS build", version.trim_matches('"'));
    assert_eq!(all("FROM"), [&build, "scratch"]);
    assert_eq!(all("USER"), ["65532:65532"]);
    assert_eq!(all("ADD"), [""; 0], "nothing is fetched");
    assert_eq!(all("COPY"), [". .", "--from=build /image /"]);
    let run = all("RUN");
    assert!(run.len() == 1 && run[0].contains("cargo build --locked --profile dist"), "{run:?}");
    assert!(run[0].ends_with("sh deploy/container/collect target/dist/transom /image"), "{run:?}");
    let (_, health) = all("HEALTHCHECK")[0].split_once(" CMD ").unwrap();
    assert_eq!(
        serde_json::from_str::<Vec<String>>(health).unwrap(),
        ["/usr/bin/transom", "health", "-c", CONFIGURATION]
    );
    // What it copies is not left out.
    for line in read(".dockerignore").lines().filter(|line| !line.starts_with('#')) {
        assert!(!["src", "descriptors", "deploy", "protos", "bench"].contains(&line), "{line}");
    }
}

/// What the container file copies into the image is all that the program needs: it runs there as its user, and
/// looks up names. Its health check is answered.
#[test]
fn the_image_is_complete() {
    let image = tempfile::tempdir().unwrap();
    let binary = env!("CARGO_BIN_EXE_transom");
    run(Command::new("sh").arg(root().join("deploy/container/collect")).arg(binary).arg(image.path()));
    let top: Vec<_> = fs::read_dir(image.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("lib"))
        .collect();
    assert!(top.iter().all(|name| ["etc", "tmp", "usr"].contains(&name.as_str())), "{top:?}");
    assert!(!image.path().join("bin/sh").exists());

    // As those who run containers write it.
    fs::write(image.path().join("etc/hosts"), "127.0.0.1 shop.internal\n").unwrap();
    fs::set_permissions(image.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let upstream = format!("http://shop.internal:{}", backend::bookstore().port());
    let config = |port: u16, admin: SocketAddr| {
        let text = format!(
            "listeners: [{{address: \"127.0.0.1:{port}\"}}]\nadmin: {admin}\n\
             upstreams: {{shop: \"{upstream}\"}}\nservices: [\"**\"]\n"
        );
        fs::write(image.path().join(&CONFIGURATION[1..]), text).unwrap();
    };
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    config(0, any);
    let output = run(inside(image.path()).args(["/usr/bin/transom", "check", "-c", CONFIGURATION]));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("The configuration is valid: "), "{said}");

    let mut serve = inside(image.path());
    serve.args(["/usr/bin/transom", "serve", "--log-format", "json", "-c", CONFIGURATION]);
    let server = Server::start(serve, listening);
    // As if its ports had been written in the first place.
    config(server.address().port(), admin_of(&server));
    let output = run(inside(image.path()).args(["/usr/bin/transom", "health", "-c", CONFIGURATION]));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"ready\": true"), "{output:?}");
}

/// Runs a command with a folder as its root: as the image's user where that is allowed, else as nobody's root.
fn inside(image: &Path) -> Command {
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new("chroot");
        command.arg("--userspec=65532:65532").arg(image);
        command
    } else {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "chroot"]).arg(image);
        command
    }
}

#[test]
fn kubernetes_accepts_the_manifests() {
    let file = "deploy/kubernetes/transom.yaml";
    let output = run(python("tests/python/kubernetes.py").arg(root().join(file)));
    let resources: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let kinds: Vec<_> = resources.iter().map(|resource| resource["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ConfigMap", "Deployment", "Service", "PodDisruptionBudget"]);
    // What belongs together finds each other.
    let pod = &resources[1]["spec"]["template"];
    for selector in ["/1/spec/selector/matchLabels", "/2/spec/selector", "/3/spec/selector/matchLabels"] {
        assert_eq!(json!(resources).pointer(selector), Some(&pod["metadata"]["labels"]), "{selector}");
    }
    let container = &pod["spec"]["containers"][0];
    let ports: Vec<_> = container["ports"].as_array().unwrap().iter().map(|port| &port["name"]).collect();
    assert_eq!(ports, ["http", "admin"]);
    assert_eq!(resources[2]["spec"]["ports"][0]["targetPort"], "http");
    for (probe, path) in
        [("livenessProbe", "/livez"), ("startupProbe", "/livez"), ("readinessProbe", "/readyz")]
    {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "admin"}));
    }
    assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true);
    let security = &container["securityContext"];
    assert_eq!(
        (&security["readOnlyRootFilesystem"], &security["allowPrivilegeEscalation"]),
        (&json!(true), &json!(false))
    );

    // The validator sees mistakes.
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("wrong.yaml");
    fs::write(&wrong, read(file).replace("readOnlyRootFilesystem", "readOnlyRootFileSystem")).unwrap();
    let output = python("tests/python/kubernetes.py").arg(wrong).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("readOnlyRootFileSystem"), "{output:?}");
}

/// The configuration in the ConfigMap.
pub(crate) fn kubernetes_configuration() -> String {
    let output = run(python("tests/python/kubernetes.py").arg(root().join("deploy/kubernetes/transom.yaml")));
    let resources: Value = serde_json::from_slice(&output.stdout).unwrap();
    resources[0]["data"]["transom.yaml"].as_str().unwrap().to_owned()
}

/// With a backend in place of its own.
#[test]
fn the_configuration_for_kubernetes_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transom.yaml");
    fs::write(&file, kubernetes_configuration()).unwrap();
    let mut check = transom(&["check", "--log-format", "json", "-c", file.to_str().unwrap()]);
    check.env("SHOP_URL", format!("http://{}", backend::bookstore())).env("TRANSOM_ADMIN_TOKEN", "t");
    let output = check.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
