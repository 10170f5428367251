//! Backends that come back.

use std::time::Duration;

use tokio::time::Instant;

use super::Setting;
use super::load::{Load, Method};
use crate::support::client;

#[tokio::test]
async fn the_only_backend_may_be_restarted_again_and_again() {
    let mut setting = Setting::new(1, "");
    let load = Load::start(setting.address(), 4, Method::Other);
    for _ in 0..5 {
        load.wait_for(20).await;
        setting.restart(0);
        let returned = Instant::now();
        while client::get(setting.address(), "/v1/echo/x").await.status != 200 {
            // A target that cannot be reached rests for a second at most; the rest is for a busy machine.
            assert!(returned.elapsed() < Duration::from_secs(3), "it is not served again");
        }
    }
    load.wait_for(20).await;
    // The load has looked at every answer: it is right, or it is an error that says so.
    let tally = load.stop().await;
    assert!(tally.failed.iter().all(|(status, _)| *status == 503), "{:?}", tally.failed.iter().take(5));
    assert!(tally.answered >= 100);
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
