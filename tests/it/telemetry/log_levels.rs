//! The level of the log, from the configuration and from the environment.

use serde_json::json;

use super::scrape::Metered;
use crate::support::client::Version;
use crate::support::gateway::{Gateway, transom};
use crate::support::{backend, client, process};

fn config(backend: std::net::SocketAddr, log: &str) -> String {
    format!(
        "{}upstreams: {{b: 'http://{backend}'}}\nservices: ['**']\ntelemetry: {{log: '{log}'}}\n",
        Gateway::ANY_PORT
    )
}

#[tokio::test]
async fn the_configuration_sets_it() {
    let backend = backend::bookstore();
    let mut gateway = Gateway::with_config(&config(backend, "info,h2=debug"));
    assert_eq!(client::get(gateway.address(), "/v1/shelves").await.status, 200);
    gateway.wait_for_log("\"target\":\"h2");
    gateway.server().terminate();
    gateway.server().wait();
}

#[test]
fn what_is_no_filter_is_an_error_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transom.yaml");
    std::fs::write(&file, config(backend::bookstore(), "info,h2=loud")).unwrap();
    let output = transom(&["check", "-c", file.to_str().unwrap()]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("transom.yaml:5:18") && text.contains("\"h2=loud\" is not a level"), "{text}");
}

#[test]
fn check_takes_every_setting_of_telemetry() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transom.yaml");
    let config = config(backend::bookstore(), "warn")
        .replace("log:", "access_log: json, paths: route, otlp: 'http://collector', traces: 0.5%, log:");
    std::fs::write(&file, config).unwrap();
    process::run(&mut transom(&["check", "-c", file.to_str().unwrap()]));
}

#[tokio::test]
async fn an_operator_changes_it_while_it_runs() {
    let gateway = Metered::in_front_of(&[("books", backend::bookstore())]);
    let put = async |filter: String| {
        client::send(gateway.metrics, Version::Http1, "PUT", "/log", &[], filter).await
    };
    let shown = client::get(gateway.metrics, "/log").await;
    assert_eq!(shown.json(), json!({"filter": "transom::admin=debug,info"}));
    let answer = put("warn,transom::admin=debug".into()).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()),
        (200, json!({"filter": "transom::admin=debug,warn"}))
    );
    let wrong = put("transom=loud".into()).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.json()["message"].as_str().unwrap().contains("loud"), "{wrong:?}");
    assert_eq!(put("x".repeat(1025)).await.status, 413);
}
