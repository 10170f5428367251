//! Backends that come back.

use std::time::Duration;

use tokio::time::Instant;

use super::Setting;
use super::load::{Load, Method};
use crate::support::client;

#[tokio::test]
async fn the_only_backend_may_be_restarted_twenty_times() {
    let mut setting = Setting::new(1, "");
    let load = Load::start(setting.address(), 4, Method::Other);
    let mut waits = Vec::new();
    for _ in 0..20 {
        load.wait_for(20).await;
        setting.restart(0);
        let returned = Instant::now();
        // Several in a row, so that each core has found it.
        let mut good = 0;
        while good < 4 {
            let is_good = client::get(setting.address(), "/v1/echo/x").await.status == 200;
            good = if is_good { good + 1 } else { 0 };
            assert!(returned.elapsed() < Duration::from_secs(5), "it is not served again");
        }
        waits.push(returned.elapsed());
    }
    load.wait_for(20).await;
    // The load has looked at every answer: it is right, or it is an error that says so.
    let tally = load.stop().await;
    assert!(tally.failed.iter().all(|(status, _)| *status == 503), "{:?}", tally.failed.iter().take(5));
    assert!(tally.answered >= 400);
    // One may have met with something else that the machine did.
    waits.sort();
    assert!(waits[18] < Duration::from_secs(1), "served again after {waits:?}");
}

/// A server that leaves sends GOAWAY, takes no more connections, and answers what it has taken.
#[tokio::test]
async fn no_call_is_lost_when_backends_leave_in_good_order() {
    let mut setting = Setting::new(3, "");
    // Of these methods nothing is declared, so that what a backend may have begun is not sent again.
    let load = Load::start(setting.address(), 8, Method::Other);
    for index in 0..3 {
        load.wait_for(150).await;
        setting.leave_and_return(index);
        setting.wait_for_targets(|targets| targets[index]["open"] != 0).await;
    }
    load.wait_for(150).await;
    let mut failed = load.stop().await.failed;
    // A server of grpcio takes calls that come between the two GOAWAYs of its end, and cancels them itself. What the gateway
    // loses is UNAVAILABLE.
    failed.retain(|(status, _)| *status != 499);
    assert_eq!(failed, []);
}

#[tokio::test]
async fn connections_that_are_old_are_replaced_without_a_lost_call() {
    let setting = Setting::new(2, "connection_age: 1s");
    let load = Load::start(setting.address(), 4, Method::Other);
    let opened = || async {
        let answer = client::get(setting.gateway.metrics, "/upstreams").await;
        answer.json()[0]["opened"].as_u64().unwrap()
    };
    load.wait_for(50).await;
    let before = opened().await;
    while opened().await < before + 6 {}
    let values = setting.gateway.values().await;
    // One for each core and backend, and those that are just being replaced.
    let open = values.of(r#"transom_upstream_connections{upstream="echo"}"#);
    let cores = std::thread::available_parallelism().unwrap().get() as f64;
    assert!(open <= 4.0 * (cores + 1.0), "{open} connections are open");
    assert_eq!(load.stop().await.failed, []);
}

#[tokio::test]
async fn backends_are_restarted_one_after_the_other_without_a_lost_call() {
    let mut setting = Setting::new(3, "retries: {attempts: 2}\noutliers: {}");
    let load = Load::start(setting.address(), 8, Method::Idempotent);
    for index in 0..3 {
        load.wait_for(150).await;
        setting.restart(index);
        setting.wait_for_targets(|targets| targets[index]["open"] != 0).await;
    }
    load.wait_for(150).await;
    let tally = load.stop().await;
    assert!(tally.failed.len() * 1000 <= tally.asked(), "{} of {}", tally.failed.len(), tally.asked());
}

#[tokio::test]
async fn other_settings_leave_connections_and_what_is_known_of_targets_as_they_are() {
    let setting = Setting::new(2, "outliers: {consecutive_failures: 1, eject_for: 60s}");
    let load = Load::start(setting.address(), 4, Method::Idempotent);
    load.wait_for(50).await;
    setting.backends[0].signal(rustix::process::Signal::USR2);
    setting.wait_for_targets(|targets| targets[0]["ejected_for_ms"].is_number()).await;
    let opened =
        || async { client::get(setting.gateway.metrics, "/upstreams").await.json()[0]["opened"].clone() };
    let before = opened().await;
    setting.gateway.reload_with("timeout: 7s");
    load.wait_for(50).await;
    assert_eq!(opened().await, before);
    let targets = setting.targets().await;
    assert!(targets[0]["ejected_for_ms"].is_number(), "it is left alone still: {targets:#?}");
    drop(load.stop().await);
}
