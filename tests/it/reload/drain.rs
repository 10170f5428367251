//! Many reloads, and the end, while clients ask without a pause.

use serde_json::json;

use super::load::Load;
use super::{Setting, eventually};
use crate::support::backend;
use crate::support::process::run;

fn config(upstream: &str, more: &str) -> String {
    format!("upstreams: {{shop: \"{upstream}\"}}\nservices: [\"**\"]\nreload: {{files: 1h}}\n{more}")
}

#[tokio::test]
async fn a_hundred_reloads_lose_no_request_and_no_memory() {
    let upstream = format!("http://{}", backend::bookstore());
    let setting = Setting::new(&config(&upstream, ""));
    let load = Load::start(setting.address(), "/v1/shelves", 4);
    let mut memory = Vec::new();
    for number in 1..=100 {
        let route = format!(
            "routes: [{{path: /number/{number}, method: GET, call: bookstore.v1.Bookstore/ListShelves}}]\n"
        );
        setting.write(&config(&upstream, &route));
        let (status, json) = setting.reload().await;
        assert_eq!((status, &json["generation"]), (200, &json!(number + 1)), "{json}");
        let before = load.answered();
        eventually("requests go on", async || load.answered() > before + 20).await;
        memory.push(setting.server.memory());
    }
    assert_eq!(setting.status("/number/100").await, 200);
    assert_eq!(setting.status("/number/99").await, 404);
    assert_eq!(load.end(false).await, 0);
    let (tenth, last) = (memory[9], memory[99]);
    assert!(last * 100 <= tenth * 105, "{tenth} bytes after the tenth, {last} after the last: {memory:?}");
}

#[tokio::test]
async fn reloads_under_h2load_lose_no_request() {
    let upstream = format!("http://{}", backend::bookstore());
    let setting = Setting::new(&config(&upstream, ""));
    for version in ["--h1", "--max-concurrent-streams=10"] {
        let mut h2load = std::process::Command::new("h2load");
        h2load.args(["--requests=5000", "--clients=8", version]);
        h2load.arg(format!("http://{}/v1/shelves", setting.address()));
        let mut running = tokio::task::spawn_blocking(move || run(&mut h2load));
        let before = setting.generation().await;
        let output = loop {
            tokio::select! {
                output = &mut running => break output.unwrap(),
                (status, json) = setting.reload() => assert_eq!(status, 200, "{json}"),
            }
        };
        let report = String::from_utf8(output.stdout).unwrap();
        assert!(report.contains("5000 succeeded, 0 failed, 0 errored, 0 timeout"), "{report}");
        assert!(setting.generation().await > before);
    }
}

/// However many ask, one configuration is loaded at a time, and the last one that was written is served.
#[tokio::test]
async fn a_storm_of_reloads_is_one_after_the_other() {
    let upstream = format!("http://{}", backend::bookstore());
    let setting = Setting::new(&config(&upstream, ""));
    let route = "routes: [{path: /last, method: GET, call: bookstore.v1.Bookstore/ListShelves}]\n";
    setting.write(&config(&upstream, route));
    let orders = (0..50).map(|number| {
        if number % 2 == 0 {
            setting.server.hang_up();
        }
        setting.reload()
    });
    for (status, json) in futures_util::future::join_all(orders).await {
        assert_eq!(status, 200, "{json}");
    }
    assert_eq!(setting.status("/last").await, 200);
    assert!(setting.generation().await < 50, "they were not loaded one by one");
}

#[tokio::test]
async fn sigterm_loses_no_request_of_busy_clients() {
    for delay in ["0s", "300ms"] {
        let upstream = format!("http://{}", backend::bookstore());
        let mut setting = Setting::new(&config(&upstream, &format!("http: {{drain_delay: {delay}}}\n")));
        let load = Load::start(setting.address(), "/v1/shelves", 8);
        eventually("clients are at work", async || load.answered() > 500).await;
        load.may_end();
        setting.server.terminate();
        assert_eq!(load.end(true).await, 0, "with a delay of {delay}");
        assert_eq!(setting.server.wait().code(), Some(0));
    }
}

#[tokio::test]
async fn readiness_fails_before_the_listeners_close() {
    let upstream = format!("http://{}", backend::bookstore());
    let mut setting = Setting::new(&config(&upstream, "http: {drain_delay: 5m}\n"));
    setting.server.terminate();
    eventually("not ready any more", async || setting.ask("/readyz").await.status == 503).await;
    assert_eq!(setting.ask("/readyz").await.json()["draining"], json!(true));
    assert_eq!(setting.ask("/livez").await.status, 200);
    assert_eq!(setting.status("/v1/shelves").await, 200, "those who do not know yet are served");
    let (status, json) = setting.reload().await;
    assert_eq!(status, 422);
    assert_eq!(json["errors"][0]["message"], "The process is stopping, so that it does not reload.");
    // Who cannot wait asks again.
    setting.server.terminate();
    assert_eq!(setting.server.wait().code(), Some(0));
}
