//! Backends that are slow: calls that are sent to two of them, and as many calls as one takes.

use rustix::process::Signal;
use transom::policy::new_key;

use super::Setting;
use super::load::{Load, Method};

#[tokio::test]
async fn a_backend_that_hangs_costs_the_time_until_another_one_is_asked() {
    let settings = "retries: {attempts: 2, hedge_after: 150ms, budget: 50%}
                    outliers: {consecutive_failures: 3, eject_for: 60s}";
    let setting = Setting::new(3, settings);
    let load = Load::start(setting.address(), 12, Method::Idempotent);
    load.wait_for(300).await;
    setting.backends[1].signal(Signal::STOP);
    setting.wait_for_targets(|targets| targets[1]["ejected_for_ms"].is_number()).await;
    load.wait_for(600).await;
    let tally = load.stop().await;
    assert_eq!(tally.failed, [], "none of {} waits for the end of its time", tally.asked());
    let values = setting.gateway.values().await;
    let hedged = values.of(r#"transom_upstream_retries_total{upstream="echo",reason="hedged"}"#);
    let won = values.of(r#"transom_upstream_hedges_won_total{upstream="echo"}"#);
    assert!(hedged >= won && won >= 3.0, "{won} of {hedged}");
    // Each try counts, the one that was cancelled as well.
    let calls = values.sum("rpc_client_call_duration_seconds_count");
    assert!(calls >= tally.asked() as f64 + won, "{calls} for {}", tally.asked());
    assert_eq!(setting.upstream().await["in_flight"].as_u64(), Some(0));
}

#[tokio::test]
async fn methods_with_effects_are_not_sent_twice() {
    let setting = Setting::with(2, "retries: {hedge_after: 10ms}", &["--delay", "60"]);
    let load = Load::start(setting.address(), 4, Method::Other);
    load.wait_for(40).await;
    let tally = load.stop().await;
    assert_eq!(tally.failed, []);
    let values = setting.gateway.values().await;
    assert_eq!(values.of(r#"transom_upstream_retries_total{upstream="echo",reason="hedged"}"#), 0.0);
    assert_eq!(values.sum("rpc_client_call_duration_seconds_count"), tally.asked() as f64);
}

/// Eight workers take 50 ms for each call, and there are many more callers. Those who pay are answered without delay, and
/// the others share what is left.
#[tokio::test]
async fn a_backend_with_too_many_callers_answers_those_who_matter() {
    let place = tempfile::tempdir().unwrap();
    let key = |key: &str, plan: &str| {
        format!("  - {{id: {plan}, hash: '{}', owner: acme, plan: {plan}}}\n", new_key::hash(key))
    };
    let keys = ["keys:\n", &key("pro-key", "pro"), &key("free-key", "free")].concat();
    std::fs::write(place.path().join("keys.yaml"), keys).unwrap();
    let rest = "services: [{service: '**', policy: [all]}]\n\
                identity: {api_keys: {file: keys.yaml}}\n\
                plans: {pro: {priority: high}, free: {priority: low}}\n\
                policies: {all: {require: {any: [api_key: {}]}, rate: by_plan}}\n";
    let setting =
        Setting::of(&[&["--workers", "8", "--delay", "50"]], "circuit: {adaptive: {}}", (place, rest));
    let high = Load::start_with(setting.address(), 3, Method::Other, Some("pro-key"));
    // Before there are too many, it is learnt how long a call takes.
    wait_until(&setting, |learnt| learnt["base_us"].as_u64().is_some_and(|base| base > 0)).await;
    let low = Load::start_with(setting.address(), 60, Method::Other, Some("free-key"));
    wait_until(&setting, |learnt| learnt["limit"].as_u64().is_some_and(|limit| limit <= 32)).await;
    low.wait_for(1_000).await;
    wait_until(&setting, |learnt| {
        let number = |name: &str| learnt[name].as_u64().unwrap();
        number("limit") <= 32 && (40_000..=150_000).contains(&number("base_us"))
    })
    .await;
    setting.gateway.reload_with("timeout: 7s");
    let kept = setting.upstream().await["adaptive"]["limit"].as_u64().unwrap();
    assert!(kept <= 60, "what was learnt is kept: {kept}");
    let (high, low) = (high.stop().await, low.stop().await);
    let refused = "This service has as many calls as it can answer without delay; try again shortly.";
    let is_refused = |(status, body): &(u16, String)| *status == 503 && body.contains(refused);
    assert!(high.failed.len() * 20 <= high.asked(), "{} of {}", high.failed.len(), high.asked());
    assert!(high.failed.iter().chain(&low.failed).all(is_refused), "{:?}", low.failed.first());
    assert!(low.answered > 50 && low.failed.len() * 2 > low.asked(), "{} of {}", low.answered, low.asked());
    let values = setting.gateway.values().await;
    let shed = |priority: &str| {
        let labels = format!(r#"{{upstream="echo",priority="{priority}"}}"#);
        values.of(&format!("transom_upstream_adaptive_refused_total{labels}"))
    };
    assert_eq!(shed("low"), low.failed.len() as f64);
    assert_eq!(shed("high"), high.failed.len() as f64);
    assert!(values.of(r#"transom_upstream_adaptive_limit{upstream="echo"}"#) >= 1.0);
    assert_eq!(values.of(r#"transom_upstream_adaptive_in_flight{upstream="echo"}"#), 0.0);
}

async fn wait_until(setting: &Setting, is_so: impl Fn(&serde_json::Value) -> bool) {
    let start = tokio::time::Instant::now();
    loop {
        let learnt = setting.upstream().await["adaptive"].clone();
        if is_so(&learnt) {
            return;
        }
        assert!(start.elapsed().as_secs() < 60, "{learnt}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
