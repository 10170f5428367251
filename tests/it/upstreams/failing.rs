//! One of three backends fails, or all do.

use rustix::process::Signal;
use serde_json::json;

use super::Setting;
use super::load::{Load, Method};
use crate::support::client;

#[tokio::test]
async fn of_a_backend_that_is_killed_only_calls_in_flight_fail_that_may_have_acted() {
    let setting = Setting::new(3, "");
    let safe = Load::start(setting.address(), 12, Method::Idempotent);
    let other = Load::start(setting.address(), 4, Method::Other);
    safe.wait_for(300).await;
    setting.backends[0].signal(Signal::KILL);
    safe.wait_for(600).await;
    other.wait_for(50).await;
    let (safe, other) = (safe.stop().await, other.stop().await);
    assert_eq!(safe.failed, []);
    // Each caller had at most one with that backend when it was killed.
    assert!(other.failed.len() <= 4, "{:?}", other.failed);
    assert!(other.failed.iter().all(|(status, _)| *status == 503), "{:?}", other.failed);
}

#[tokio::test]
async fn a_backend_that_hangs_costs_the_time_of_an_attempt() {
    let settings = "retries: {attempts: 2, attempt_timeout: 250ms}
                    outliers: {consecutive_failures: 3, eject_for: 60s}";
    let setting = Setting::new(3, settings);
    let load = Load::start(setting.address(), 12, Method::Idempotent);
    load.wait_for(300).await;
    setting.backends[1].signal(Signal::STOP);
    load.wait_for(900).await;
    let targets = setting.wait_for_targets(|targets| targets[1]["ejected_for_ms"].is_number()).await;
    assert!(targets[0]["ejected_for_ms"].is_null() && targets[2]["ejected_for_ms"].is_null(), "{targets:#?}");
    let tally = load.stop().await;
    assert!(tally.failed.len() * 200 <= tally.asked(), "{} of {}", tally.failed.len(), tally.asked());
    let values = setting.gateway.values().await;
    assert_eq!(values.of(r#"transom_upstream_targets_ejected{upstream="echo"}"#), 1.0);
    assert_eq!(values.of(r#"transom_upstream_ejections_total{upstream="echo",reason="in_a_row"}"#), 1.0);
    assert!(values.of(r#"transom_upstream_retries_total{upstream="echo",reason="hung"}"#) >= 1.0);
}

#[tokio::test]
async fn a_backend_that_refuses_is_left_alone_and_its_calls_are_answered_by_others() {
    let settings = "retries: {attempts: 3, backoff: 1ms..20ms}
                    outliers: {consecutive_failures: 5, eject_for: 60s}";
    let setting = Setting::new(3, settings);
    let load = Load::start(setting.address(), 12, Method::Idempotent);
    load.wait_for(300).await;
    setting.backends[2].signal(Signal::USR2);
    setting.wait_for_targets(|targets| targets[2]["ejected_for_ms"].is_number()).await;
    load.wait_for(700).await;
    let tally = load.stop().await;
    assert!(tally.failed.len() * 1000 <= tally.asked(), "{} of {}", tally.failed.len(), tally.asked());
    let values = setting.gateway.values().await;
    assert!(values.of(r#"transom_upstream_retries_total{upstream="echo",reason="answered"}"#) >= 5.0);
    assert!(
        setting.gateway.server.printed().contains("so it is left alone for a while"),
        "it is in the log as well"
    );
}

#[tokio::test]
async fn when_all_backends_fail_they_get_a_fifth_more_calls_at_most() {
    let settings = "retries: {attempts: 3, backoff: 1ms..5ms}
                    outliers: {consecutive_failures: 5, eject_for: 300ms}";
    let setting = Setting::with(3, settings, &["--unavailable"]);
    let load = Load::start(setting.address(), 8, Method::Idempotent);
    load.wait_for(1500).await;
    let tally = load.stop().await;
    assert_eq!(tally.answered, 0);
    let is_told = |(status, body): &(u16, String)| *status == 503 && body.contains("Told to fail.");
    assert!(tally.failed.iter().all(is_told), "{:?}", tally.failed.iter().find(|failure| !is_told(failure)));
    let values = setting.gateway.values().await;
    let calls = values.sum("rpc_client_call_duration_seconds_count");
    let asked = tally.asked() as f64;
    assert!(calls <= 1.2 * asked, "{calls} calls for {asked} requests");
    assert!(calls >= 1.1 * asked, "{calls} calls for {asked} requests");
    assert!(values.of(r#"transom_upstream_retries_denied_total{upstream="echo"}"#) > 0.0);
}

#[tokio::test]
async fn too_many_calls_fail_at_once() {
    let setting = Setting::new(1, "circuit: {max_in_flight: 2}");
    let address = setting.address();
    let wait = |id: &'static str| {
        tokio::spawn(async move { client::get(address, &format!("/v1/wait/{id}?time=60s")).await })
    };
    let calls = [wait("a"), wait("b")];
    loop {
        let answer = client::get(setting.gateway.metrics, "/upstreams").await;
        if answer.json()[0]["in_flight"] == 2 {
            break;
        }
    }
    let answer = client::get(address, "/v1/echo/x").await;
    let message = "This service has as many calls in flight as it may; try again shortly.";
    let expected = json!({"code": 14, "message": message, "details": []});
    assert_eq!((answer.status.as_u16(), answer.json()), (503, expected));
    let values = setting.gateway.values().await;
    let tripped = r#"transom_upstream_circuit_open_total{upstream="echo",bound="in_flight"}"#;
    assert_eq!(values.of(tripped), 1.0);
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    loop {
        let answer = client::get(setting.gateway.metrics, "/upstreams").await;
        if answer.json()[0]["in_flight"] == 0 {
            break;
        }
    }
    assert_eq!(client::get(address, "/v1/echo/x").await.status, 200);
}

#[tokio::test]
async fn backends_that_say_that_they_are_not_well_are_left_out_unless_all_do() {
    let settings = "health: {interval: 100ms, unhealthy: 1}\nbalance: round_robin";
    let setting = Setting::new(2, settings);
    let is_healthy = |expected: [bool; 2]| {
        move |targets: &[serde_json::Value]| {
            targets.iter().zip(expected).all(|(target, expected)| target["healthy"] == expected)
        }
    };
    setting.backends[0].signal(Signal::USR1);
    // It fails the calls that it gets, too.
    setting.backends[0].signal(Signal::USR2);
    setting.wait_for_targets(is_healthy([false, true])).await;
    for _ in 0..50 {
        assert_eq!(client::get(setting.address(), "/v1/echo/x").await.status, 200);
    }
    setting.backends[1].signal(Signal::USR1);
    setting.wait_for_targets(is_healthy([false, false])).await;
    let mut statuses = Vec::new();
    for _ in 0..50 {
        statuses.push(client::get(setting.address(), "/v1/echo/x").await.status.as_u16());
    }
    assert!(statuses.contains(&200) && statuses.contains(&503), "both are used again: {statuses:?}");
    setting.backends[1].signal(Signal::USR1);
    setting.wait_for_targets(is_healthy([false, true])).await;
    let values = setting.gateway.values().await;
    assert_eq!(values.of(r#"transom_upstream_targets_unhealthy{upstream="echo"}"#), 1.0);
}
