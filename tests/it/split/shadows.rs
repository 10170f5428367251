//! Copies of calls for upstreams of every mood, while every answer is as it should be.

use std::time::Duration;

use serde_json::{Value, json};

use super::{KNOWN, Setting, config, stage};
use crate::support::client::{self, Version, send};
use crate::support::gateway::transom;
use crate::support::stream;

const ADMIN: &str = "admin: 127.0.0.1:0\n";

fn service(shadow: &str) -> String {
    format!("    shadow: {{upstream: shadow, {shadow}}}\n")
}

impl Setting {
    /// Asks the gateway so often, and each time gets what it should.
    async fn is_answered(&self, count: usize) {
        for number in 0..count {
            let answer = self.get(&format!("/v1/items/i{number}")).await;
            let expected = json!({ "server": "stable", "id": format!("i{number}") });
            assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
        }
    }

    /// Waits until so many copies had this outcome.
    async fn counted(&self, outcome: &str, count: u64) {
        let line =
            format!("transom_shadow_calls_total{{upstream=\"shadow\",outcome=\"{outcome}\"}} {count}\n");
        let wait = async {
            loop {
                if self.metrics().await.contains(&line) {
                    return;
                }
                // There is no event to wait for.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(20), wait).await;
        assert!(reached.is_ok(), "{line}: {}", self.metrics().await);
    }
}

#[tokio::test]
async fn copies_are_marked_and_hold_what_the_calls_do() {
    let setting = Setting::new(&[("shadow", "plain")], &service("share: 100%"), ADMIN);
    setting.is_answered(5).await;
    let watched = stream::get(
        setting.gateway.address(),
        Version::Http2,
        "/v1/watch/w",
        &[("accept", "application/x-ndjson")],
    );
    assert_eq!(watched.await.rest().await.lines().count(), 2);
    // Nobody can say that something is a copy.
    let forged = [("grpc-metadata-x-transom-shadow", "1"), ("x-transom-shadow", "1")];
    let answer = send(setting.gateway.address(), Version::Http1, "GET", "/v1/items/f", &forged, "").await;
    assert_eq!(answer.json(), json!({ "server": "stable", "id": "f" }));
    let connect = [("content-type", "application/json"), ("connect-protocol-version", "1"), forged[1]];
    let answer = send(
        setting.gateway.address(),
        Version::Http2,
        "POST",
        "/split.v1.Shop/Get",
        &connect,
        "{\"id\":\"g\"}",
    )
    .await;
    assert_eq!(answer.json(), json!({ "server": "stable", "id": "g" }));
    // What is refused before it has a message is not copied, and neither are streams of requests.
    assert_eq!(setting.get("/v1/items/a?what=1").await.status, 400);
    let gathered = "{\"id\":\"a\"}\n{\"id\":\"b\"}\n";
    let lines = [("content-type", "application/x-ndjson")];
    let answer =
        send(setting.gateway.address(), Version::Http1, "POST", "/split.v1.Shop/Gather", &lines, gathered)
            .await;
    assert_eq!(answer.json(), json!({ "server": "stable", "id": "a+b" }));

    let seen = stage(setting.other("shadow"), 8, 8).await;
    let mut ids: Vec<_> = seen["ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["f", "g", "i0", "i1", "i2", "i3", "i4", "w"]);
    assert!(seen["marks"].as_array().unwrap().iter().all(|mark| mark == "1"), "{seen}");
    let seen = stage(&setting.stable, 9, 9).await;
    assert!(seen["marks"].as_array().unwrap().iter().all(|mark| mark == ""), "{seen}");
    setting.counted("ok", 8).await;
}

#[tokio::test]
async fn a_shadow_that_hangs_holds_up_nobody() {
    let setting = Setting::new(&[("shadow", "hanging")], &service("max_in_flight: 7, timeout: 60s"), ADMIN);
    // The answers are there while none of the copies has one.
    setting.is_answered(30).await;
    let seen = stage(setting.other("shadow"), 7, 0).await;
    assert_eq!((&seen["calls"], &seen["atOnce"]), (&json!(7), &json!(7)));
    setting.counted("unsent", 23).await;
    assert!(setting.metrics().await.contains("transom_shadow_calls_in_flight{upstream=\"shadow\"} 7\n"));
}

#[tokio::test]
async fn copies_have_a_time_of_their_own() {
    let setting = Setting::new(&[("shadow", "hanging")], &service("timeout: 50ms"), ADMIN);
    setting.is_answered(3).await;
    setting.counted("late", 3).await;
    // They are cancelled there.
    stage(setting.other("shadow"), 3, 3).await;
}

#[tokio::test]
async fn what_a_shadow_answers_is_nothing_to_callers() {
    for (mood, get, watch) in [("failing", "failed", "failed"), ("huge", "failed", "cut")] {
        let setting = Setting::new(&[("shadow", mood)], &service("share: 100%"), ADMIN);
        setting.is_answered(4).await;
        setting.counted(get, 4).await;
        let answer = setting.get("/v1/watch/w").await;
        let expected = json!([{ "server": "stable", "id": "w" }, { "id": "last" }]);
        assert_eq!((answer.status.as_u16(), answer.json()), (200, expected));
        setting.counted(watch, if get == watch { 5 } else { 1 }).await;
        // Nothing was sent again.
        assert_eq!(stage(setting.other("shadow"), 5, 5).await["calls"], 5, "{mood}");
    }
}

#[tokio::test]
async fn a_shadow_that_is_gone_is_missed_by_nobody() {
    let mut setting = Setting::new(&[("shadow", "plain")], &service("share: 100%"), ADMIN);
    setting.is_answered(2).await;
    setting.counted("ok", 2).await;
    let (_, shadow) = &mut setting.others[0];
    shadow.terminate();
    shadow.wait();
    setting.is_answered(10).await;
    setting.counted("failed", 10).await;
}

#[tokio::test]
async fn a_part_of_the_calls_is_copied_and_not_those_that_it_answers() {
    let shadow = "    split: [{upstream: shadow, headers: {x-beta: '1'}}]\n    shadow: {upstream: shadow, share: 30%}\n";
    let setting = Setting::new(&[("shadow", "plain")], shadow, ADMIN);
    for _ in 0..3 {
        assert_eq!(super::answering(&setting.gateway, &[("x-beta", "1")]).await, "shadow");
    }
    setting.is_answered(400).await;
    let text = setting.metrics().await;
    let count = |outcome: &str| {
        let start = format!("transom_shadow_calls_total{{upstream=\"shadow\",outcome=\"{outcome}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&start)?.parse::<u64>().ok()).unwrap()
    };
    let copied = count("ok") + count("failed");
    // Four standard deviations around 120; the last ones may be on their way.
    assert!((80..=157).contains(&copied), "{copied}");
    let seen = stage(setting.other("shadow"), 3, 3).await;
    let marks = seen["marks"].as_array().unwrap();
    assert_eq!(marks.iter().filter(|mark| **mark == "").count(), 3);
}

#[tokio::test]
async fn check_says_what_is_not_copied_and_what_does_not_fit() {
    let setting = Setting::new(&[("shadow", "plain")], "", "");
    let check = |service: &str, rest: &str| {
        let file = setting.folder.path().join("transom.yaml");
        std::fs::write(&file, config(&setting.stable, &setting.others, &setting.folder, service, rest))
            .unwrap();
        let output = transom(&["check", "-c", file.to_str().unwrap()]).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        said.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ")
    };
    let said = check(&service("share: 1%"), "");
    assert!(
        said.contains("The method split.v1.Shop/Gather takes a stream of messages, which is not copied."),
        "{said}"
    );
    assert!(!check(&service("methods: [Get, W*]"), "").contains("not copied"));
    let said = check(&service("methods: [Got]"), "");
    assert!(said.contains("No method of these services has the name `Got`."), "{said}");
    let nobody = "    split: [{upstream: shadow, share: 1%, sticky: principal}]\n";
    let said = check(nobody, "");
    assert!(
        said.contains("The upstream \"shadow\" is chosen by who calls, but nothing asks who that is."),
        "{said}"
    );
    let said = check(&format!("    policy: [known]\n{nobody}"), KNOWN);
    assert!(said.contains("The configuration is valid"), "{said}");
    let _: Value = client::get(setting.gateway.address(), "/v1/items/a").await.json();
}
