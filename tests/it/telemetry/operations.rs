//! The dashboard and the alert rules, and Prometheus itself with a real gateway.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::scrape::Metered;
use crate::support::backend::python_server;
use crate::support::process::{Server, run};
use crate::support::{client, root};

/// The names of metrics in an expression.
fn metrics_in(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let is_metric = |word: &&str| {
        let prefixes = ["http_server_", "rpc_server_", "rpc_client_", "transom_", "process_"];
        prefixes.iter().any(|prefix| word.starts_with(prefix))
    };
    words.filter(is_metric).map(str::to_owned).collect()
}

/// All expressions of the dashboard.
fn dashboard_expressions() -> Vec<String> {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    match (key.as_str(), value) {
                        ("expr" | "definition", Value::String(text)) => found.push(text.clone()),
                        _ => collect(value, found),
                    }
                }
            }
            Value::Array(list) => list.iter().for_each(|value| collect(value, found)),
            _ => {}
        }
    }
    let text = fs::read_to_string(root().join("contrib/grafana/transom.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "each panel has an id of its own");
    let mut found = Vec::new();
    collect(&dashboard, &mut found);
    found
}

#[test]
fn rules_and_expressions_are_valid() {
    let folder = root().join("contrib/prometheus");
    run(Command::new("promtool").args(["check", "rules", "transom.rules.yml"]).current_dir(&folder));
    run(Command::new("promtool").args(["test", "rules", "transom.test.yml"]).current_dir(&folder));

    // promtool reads expressions only as rules.
    let rules: Vec<_> = dashboard_expressions()
        .iter()
        .filter(|expression| !expression.starts_with("label_values("))
        .map(|expression| {
            expression.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*")
        })
        .enumerate()
        .map(|(index, expression)| json!({"record": format!("panel:{index}"), "expr": expression}))
        .collect();
    assert!(rules.len() >= 30, "{}", rules.len());
    let temporary = tempfile::tempdir().unwrap();
    let file = temporary.path().join("dashboard.json");
    fs::write(&file, json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string()).unwrap();
    run(Command::new("promtool").args(["check", "rules"]).arg(&file));
}

#[tokio::test]
async fn every_metric_that_is_used_is_there_and_promtool_finds_no_fault() {
    let backend = python_server("tests/python/echo_server.py");
    let gateway = Metered::in_front_of(&[("echo", backend.address())]);
    for target in ["/v1/echo/x", "/nowhere", "/v1/watch/w?count=2"] {
        client::get(gateway.address(), target).await;
    }
    let text = gateway.text().await;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = promtool.wait_with_output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    assert_eq!(String::from_utf8_lossy(&checked.stderr), "");

    let kinds = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split_once(' ').unwrap());
    let mut names = BTreeSet::new();
    for (name, kind) in kinds {
        assert!(names.insert(name.to_owned()), "{name} is there twice");
        if kind == "histogram" {
            names.extend(["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}")));
        }
    }
    let rules = fs::read_to_string(root().join("contrib/prometheus/transom.rules.yml")).unwrap();
    // Comments name no metrics.
    let rules: String =
        rules.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let rules = rules.replace("transom.rules", "");
    let used: BTreeSet<_> =
        dashboard_expressions().iter().flat_map(|expression| metrics_in(expression)).collect();
    let used: BTreeSet<_> = used.union(&metrics_in(&rules)).cloned().collect();
    let missing: Vec<_> =
        used.difference(&names).filter(|name| *name != "rpc_client_call_duration_seconds").collect();
    assert!(missing.is_empty(), "these are used and not there: {missing:?}");
    // What the documents list is what there is.
    let documented = fs::read_to_string(root().join("docs/telemetry.md")).unwrap();
    let undocumented: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split_once(' ').unwrap().0)
        .filter(|name| !name.starts_with("process_") && !documented.contains(&format!("`{name}`")))
        .collect();
    assert!(undocumented.is_empty(), "docs/telemetry.md lacks {undocumented:?}");
}

/// Prometheus scrapes the gateway, loads the rules, and answers a query of the dashboard.
#[tokio::test]
async fn prometheus_scrapes_the_gateway() {
    let backend = python_server("tests/python/echo_server.py");
    let gateway = Metered::in_front_of(&[("echo", backend.address())]);
    for _ in 0..7 {
        assert_eq!(client::get(gateway.address(), "/v1/echo/x").await.status, 200);
    }
    let folder = tempfile::tempdir().unwrap();
    let rules = root().join("contrib/prometheus/transom.rules.yml");
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\n\
         scrape_configs: [{{job_name: transom, static_configs: [{{targets: ['{}']}}]}}]\n",
        rules.display(),
        gateway.metrics
    );
    let file = folder.path().join("prometheus.yml");
    fs::write(&file, config).unwrap();
    let mut command = Command::new("prometheus");
    command
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .args(["--web.listen-address=127.0.0.1:0", "--log.level=info"]);
    let prometheus = Server::start(command, |line| {
        let (_, rest) = line.split_once("msg=\"Listening on\" address=")?;
        rest.split_whitespace().next()?.parse::<SocketAddr>().ok()
    });
    // When the third scrape begins, the first is there and rules have been evaluated after it.
    gateway.server.wait_for_count("\"path\":\"/metrics\"", 3);

    let query = "sum(http_server_request_duration_seconds_count%7Bjob%3D%22transom%22%2Chttp_route%3D%22%2Fv1%2Fecho%2F%7Bstring%7D%22%7D)";
    let answer = client::get(prometheus.address(), &format!("/api/v1/query?query={query}")).await.json();
    assert_eq!(answer["data"]["result"][0]["value"][1], "7", "{answer}");
    let targets = client::get(prometheus.address(), "/api/v1/targets").await.json();
    assert_eq!(targets["data"]["activeTargets"][0]["health"], "up", "{targets}");
    let rules = client::get(prometheus.address(), "/api/v1/rules").await.json();
    let rules = rules["data"]["groups"][0]["rules"].as_array().unwrap().clone();
    assert_eq!(rules.len(), 17);
    for rule in rules {
        assert_eq!(rule["lastError"], Value::Null, "{rule}");
        assert_ne!(rule["state"], "firing", "{rule}");
    }
}
