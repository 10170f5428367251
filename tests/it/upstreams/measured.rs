//! Backends that are judged by what their calls come to, and what calls have in common.

use std::collections::BTreeSet;

use bytes::Bytes;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::Setting;
use super::load::{Load, Method};
use crate::support::client::{self, Version};

/// A setting of which the last backend is started with other arguments.
fn with_odd_one(settings: &str, odd: &[&str]) -> Setting {
    Setting::of(&[&[], &[], odd], settings, (tempfile::tempdir().unwrap(), "services: [\"**\"]\n"))
}

fn is_out(target: &Value) -> bool {
    target["ejected_for_ms"].is_number()
}

#[tokio::test]
async fn a_backend_of_which_half_the_calls_fail_is_left_alone() {
    let settings = "outliers: {consecutive_failures: 1000, failure_rate: 30%, min_calls: 20, eject_for: 60s}
                    retries: {attempts: 3, backoff: 1ms..5ms}";
    let setting = with_odd_one(settings, &["--fail-every", "2"]);
    let load = Load::start(setting.address(), 12, Method::Idempotent);
    let targets = setting.wait_for_targets(|targets| is_out(&targets[2])).await;
    assert!(!is_out(&targets[0]) && !is_out(&targets[1]), "{targets:#?}");
    assert!(targets[0]["recent"]["calls"].as_u64().unwrap() > 0, "{targets:#?}");
    load.wait_for(300).await;
    let tally = load.stop().await;
    assert!(tally.failed.len() * 1000 <= tally.asked(), "{} of {}", tally.failed.len(), tally.asked());
    let values = setting.gateway.values().await;
    let ejections = r#"transom_upstream_ejections_total{upstream="echo",reason="failure_rate"}"#;
    assert_eq!(values.of(ejections), 1.0);
}

#[tokio::test]
async fn a_backend_that_takes_much_longer_than_the_others_is_left_alone() {
    let settings = "balance: round_robin
                    outliers: {slower_than: 4, min_calls: 20, window: 60s, eject_for: 60s}";
    let setting = with_odd_one(settings, &["--delay", "300"]);
    let load = Load::start(setting.address(), 6, Method::Idempotent);
    let targets = setting.wait_for_targets(|targets| is_out(&targets[2])).await;
    assert!(!is_out(&targets[0]) && !is_out(&targets[1]), "{targets:#?}");
    assert!(targets[2]["recent"]["typical_ms"].as_f64().unwrap() >= 250.0, "{targets:#?}");
    assert_eq!(load.stop().await.failed, []);
    let values = setting.gateway.values().await;
    assert_eq!(values.of(r#"transom_upstream_ejections_total{upstream="echo",reason="slow"}"#), 1.0);
}

#[tokio::test]
async fn when_most_calls_fail_the_circuit_opens_and_three_calls_that_are_answered_close_it() {
    let setting = Setting::new(2, "circuit: {failure_rate: 50%, min_calls: 20, open_for: 1s}");
    for backend in &setting.backends {
        backend.signal(Signal::USR2);
    }
    let told = json!({"code": 14, "message": "Too many calls to this service fail, so it is spared for a while; try again \
                      later.", "details": []});
    let refused = loop {
        let answer = client::get(setting.address(), "/v1/echo/x").await;
        assert_eq!(answer.status, 503);
        if answer.json()["message"] != "Told to fail." {
            break answer;
        }
    };
    assert_eq!((refused.json(), refused.header("retry-after")), (told, Some("1")));
    let state = || async {
        let answer = client::get(setting.gateway.metrics, "/upstreams").await;
        answer.json()[0]["circuit_open_for_ms"].clone()
    };
    assert!(state().await.is_number());
    let values = setting.gateway.values().await;
    assert!(values.of(r#"transom_upstream_circuit_open_total{upstream="echo",bound="failure_rate"}"#) >= 1.0);
    let calls =
        |values: &crate::telemetry::scrape::Values| values.sum("rpc_client_call_duration_seconds_count");
    let sent = calls(&values);
    assert!((20.0..=22.0).contains(&sent), "{sent} calls reached a backend");
    for backend in &setting.backends {
        backend.signal(Signal::USR2);
    }
    let mut answered = 0;
    while !state().await.is_null() {
        answered += usize::from(client::get(setting.address(), "/v1/echo/x").await.status == 200);
    }
    assert_eq!(answered, 3);
    assert_eq!(client::get(setting.address(), "/v1/echo/x").await.status, 200);
}

#[tokio::test]
async fn when_few_are_well_all_are_used() {
    let settings = "balance: round_robin
                    health: {interval: 100ms, unhealthy: 1}
                    panic_threshold: 60%";
    let setting = Setting::new(2, settings);
    setting.backends[0].signal(Signal::USR1);
    setting.backends[0].signal(Signal::USR2);
    setting.wait_for_targets(|targets| targets[0]["healthy"] == false).await;
    let mut statuses = BTreeSet::new();
    for _ in 0..20 {
        statuses.insert(client::get(setting.address(), "/v1/echo/x").await.status.as_u16());
    }
    assert_eq!(statuses, [200, 503].into(), "both are used");
    assert_eq!(client::get(setting.gateway.metrics, "/upstreams").await.json()[0]["panics"], true);
    let values = setting.gateway.values().await;
    assert_eq!(values.of(r#"transom_upstream_panics{upstream="echo"}"#), 1.0);
    setting.gateway.reload_with("connect_timeout: 900ms");
    setting.backends[0].signal(Signal::USR1);
    setting.wait_for_targets(|targets| targets[0]["healthy"] == true).await;
    assert_eq!(client::get(setting.gateway.metrics, "/upstreams").await.json()[0]["panics"], false);
}

/// Which backend it is is seen by one of them failing all its calls.
#[tokio::test]
async fn calls_go_together_by_a_header_that_does_not_go_upstream_and_by_a_field() {
    for (common, path) in [
        ("{header: x-user}", "/v1/echo/x"),
        ("{cookie: session}", "/v1/echo/x"),
        ("{field: string}", "/v1/echo/USER"),
    ] {
        let setting = Setting::new(3, &format!("balance: {{consistent_hash: {common}}}"));
        setting.backends[0].signal(Signal::USR2);
        let (mut failed, mut answered) = (0, 0);
        for user in 0..30 {
            let path = path.replace("USER", &format!("user-{user}"));
            let headers =
                [("x-user", format!("user-{user}")), ("cookie", format!("other=1; session=user-{user}"))];
            let mut statuses = BTreeSet::new();
            for _ in 0..4 {
                let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
                let answer =
                    client::send(setting.address(), Version::Http1, "GET", &path, &headers, Bytes::new())
                        .await;
                statuses.insert(answer.status.as_u16());
            }
            assert_eq!(statuses.len(), 1, "{common}: all calls of user {user} go to one backend");
            if statuses.contains(&200) {
                answered += 1;
            } else {
                failed += 1;
            }
        }
        assert!(failed >= 2 && answered >= 10, "{common}: {failed} are with the first, {answered} are not");
    }
}
