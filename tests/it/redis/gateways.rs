//! Whole gateways on one server.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::server::Redis;
use crate::support::backend::bookstore;
use crate::support::client::get;
use crate::support::gateway::Gateway;

const PATH: &str = "/v1/shelves/fiction";

fn config(backend: SocketAddr, store: &str, rate: &str) -> String {
    format!(
        "{}admin: 127.0.0.1:0\nupstreams: {{shop: 'http://{backend}'}}\n\
         rate_limits: {{{store}}}\n\
         policies: {{all: {{rate: {{key: everybody, rates: [{rate}]}}}}}}\n\
         services: [{{service: '**', policy: [all]}}]\n",
        Gateway::ANY_PORT
    )
}

/// What was asked and answered: when, and whether it was admitted.
struct Seen {
    sent: Instant,
    answered: Instant,
    is_admitted: bool,
}

#[tokio::test]
async fn two_gateways_admit_what_one_would() {
    let (redis, backend) = (Redis::start(), bookstore());
    // Nothing is to be counted elsewhere, however busy the machine is.
    let store = format!("store: {{redis: {{url: '{}', timeout: 5s}}}}, on_store_error: deny", redis.url());
    let config = config(backend, &store, "100/s burst 100");
    let gateways = [Gateway::with_config(&config), Gateway::with_config(&config)];
    let (all, is_over) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::new(AtomicBool::new(false)));
    let mut tasks = JoinSet::new();
    for task in 0..8 {
        let (address, all, is_over) = (gateways[task % 2].address(), Arc::clone(&all), Arc::clone(&is_over));
        tasks.spawn(async move {
            while !is_over.load(Relaxed) {
                let sent = Instant::now();
                let answer = get(address, PATH).await;
                assert!(answer.status == 200 || answer.status == 429, "{answer:?}");
                let seen = Seen { sent, answered: Instant::now(), is_admitted: answer.status == 200 };
                all.lock().unwrap().push(seen);
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    is_over.store(true, Relaxed);
    tasks.join_all().await;
    let all = std::mem::take(&mut *all.lock().unwrap());
    let admitted = all.iter().filter(|seen| seen.is_admitted).count() as f64;
    let first_sent = all.iter().map(|seen| seen.sent).min().unwrap();
    let last_answered = all.iter().map(|seen| seen.answered).max().unwrap();
    let most = 100.0 + 100.0 * last_answered.duration_since(first_sent).as_secs_f64();
    assert!(admitted <= most, "{admitted} of {most}");
    // Whoever was refused last found nothing left, and what there was until then had been taken.
    let first_answered = all.iter().map(|seen| seen.answered).min().unwrap();
    let last_refused = all.iter().filter(|seen| !seen.is_admitted).map(|seen| seen.sent).max().unwrap();
    let least = 100.0 + 100.0 * last_refused.duration_since(first_answered).as_secs_f64();
    assert!(admitted >= 0.99 * least, "{admitted} of {least} at least");
    eprintln!(
        "{admitted} calls of {} were admitted, of {most:.1} at most and {least:.1} at least",
        all.len()
    );
}

async fn until(mut is_right: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !is_right().await {
        assert!(start.elapsed() < Duration::from_secs(60), "it does not come to that");
        // There is no event to wait for.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_said_once_and_recovered_from() {
    let (mut redis, backend) = (Redis::start(), bookstore());
    for (word, status, said) in [
        ("local", 200, "counted in this process alone"),
        ("deny", 503, "the calls that it would decide about are refused"),
    ] {
        let store = format!("store: {{redis: '{}'}}, on_store_error: {word}", redis.url());
        let gateway = Gateway::with_config(&config(backend, &store, "1000/h"));
        until(async || {
            assert_eq!(get(gateway.address(), PATH).await.status, 200);
            redis.calls("evalsha") > 0
        })
        .await;
        redis.kill();
        until(async || gateway.log().contains(said)).await;
        for _ in 0..20 {
            let answer = get(gateway.address(), PATH).await;
            assert_eq!(answer.status, status, "{answer:?}");
            if word == "deny" {
                assert_eq!(
                    (answer.json()["code"].as_u64(), answer.header("retry-after")),
                    (Some(14), Some("1"))
                );
            }
        }
        redis.start_again();
        gateway.wait_for_log("the store of limits answers again");
        until(async || {
            get(gateway.address(), PATH).await;
            redis.calls("evalsha") > 0
        })
        .await;
        let log = gateway.log();
        assert_eq!((log.matches(said).count(), log.matches("answers again").count()), (1, 1), "{log}");
        redis.ask(&["CONFIG", "RESETSTAT"]);
    }
}

/// The connections of gateways: those on which something was counted.
fn connections(redis: &Redis) -> BTreeSet<String> {
    let all = redis.text(&["CLIENT", "LIST"]);
    let counting = all.lines().filter(|line| line.contains(" cmd=evalsha "));
    counting.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn connections_and_counts_outlive_a_reload() {
    let (redis, backend) = (Redis::start(), bookstore());
    let with = |time: &str| {
        let store = format!("store: {{redis: {{url: '{}', timeout: {time}}}}}", redis.url());
        config(backend, &store, "1/h burst 1000")
    };
    let mut gateway = Gateway::with_config(&with("5s"));
    gateway.wait_for_log("operators are listened to");
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains("operators are listened to")).unwrap();
    let admin = serde_json::from_str::<Value>(line).unwrap()["address"].as_str().unwrap().parse().unwrap();
    for _ in 0..20 {
        assert_eq!(get(gateway.address(), PATH).await.status, 200);
    }
    let before = connections(&redis);
    assert!(!before.is_empty());
    gateway.server().hang_up();
    gateway.wait_for_log("\"reloaded\"");
    let answer = get(gateway.address(), PATH).await;
    assert!(answer.header("ratelimit").unwrap().contains("r=979"), "{answer:?}");
    assert!(connections(&redis).is_superset(&before));
    let metrics = String::from_utf8(get(admin, "/metrics").await.body.to_vec()).unwrap();
    assert!(metrics.contains("transom_limit_store_demands_total{result=\"answered\"} 21\n"), "{metrics}");
    assert!(metrics.contains("transom_limit_store_connections{state=\"down\"} 0\n"), "{metrics}");
}

/// The password is neither in what operators see nor in what is logged.
#[tokio::test]
async fn a_wrong_password_is_said_and_not_shown() {
    let redis = Redis::with(&["--requirepass", "right"]);
    let store = format!("store: {{redis: 'redis://:hunter2@{}'}}", redis.address());
    let gateway = Gateway::with_config(&config(bookstore(), &store, "3/h"));
    gateway.wait_for_log("operators are listened to");
    let log = gateway.log();
    let line = log.lines().find(|line| line.contains("operators are listened to")).unwrap();
    let admin = serde_json::from_str::<Value>(line).unwrap()["address"].as_str().unwrap().parse().unwrap();
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(get(gateway.address(), PATH).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 429], "it is counted in the process");
    gateway.wait_for_log("it refuses the user or the password: WRONGPASS");
    let shown = get(admin, "/config").await.json()["rate_limits"]["store"]["redis"]["url"].clone();
    assert_eq!(shown, format!("redis://:...@{}", redis.address()));
    assert!(!gateway.log().contains("hunter2"));
}
