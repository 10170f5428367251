//! How much may be called: plans and limits of policies, by a gateway that runs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};
use transom::call::Dialect;

use super::calls::{Kind, call, request};
use super::{BUYER, Counting, Place, SPENT, VISITOR};
use crate::support::client::{Answer, Version, send};
use crate::support::gateway::{Gateway, transom};
use crate::support::raw_backend::{self, item};
use crate::support::stream;

const PLANS: &str =
    "plans: {pro: {rates: [3/day, 9/day burst 5], quotas: [4/month]}, spent: {rates: [1000/min]}}\n";
const BY_PLAN: &str = "policies: {partners: {require: {any: [api_key: {}]}, rate: {by_plan: {default: spent}}}}\n\
                       services: [{service: '**', policy: [partners]}]\n";

async fn echo(gateway: &Gateway, headers: &[(&str, &str)]) -> Answer {
    let all = [&[("content-type", "application/json")], headers].concat();
    send(gateway.address(), Version::Http1, "POST", "/v1/echo", &all, "{}").await
}

/// How many of these calls are answered, and the last answer.
async fn answered(gateway: &Gateway, headers: &[(&str, &str)], count: usize) -> (usize, Answer) {
    let mut answered = 0;
    let mut last = None;
    for _ in 0..count {
        let answer = echo(gateway, headers).await;
        answered += usize::from(answer.status == 200);
        last = Some(answer);
    }
    (answered, last.unwrap())
}

#[tokio::test]
async fn callers_have_what_their_plan_says_and_a_reload_keeps_it() {
    let place = Place::new();
    let backend = Counting::start();
    let config = |more: &str| {
        let rest = format!("{PLANS}{BY_PLAN}reload: {{files: 100ms}}\n{more}");
        place.write("transom.yaml", &place.config(&backend.address, &rest));
    };
    config("");
    let gateway = Gateway::with_file(&place.file("transom.yaml"), &[]);
    let first = echo(&gateway, &[("x-api-key", BUYER)]).await;
    assert_eq!(
        first.header("ratelimit-policy"),
        Some("\"pro-3/day\";q=3;w=86400, \"pro-9/day burst 5\";q=5;w=48000, \"pro-4/month\";q=4")
    );
    let state = first.header("ratelimit").unwrap();
    let starts: Vec<_> = state.split(", ").map(|item| item.rsplit_once(";t=").unwrap().0).collect();
    assert_eq!(starts, ["\"pro-3/day\";r=2", "\"pro-9/day burst 5\";r=4", "\"pro-4/month\";r=3"]);
    assert!(first.header("retry-after").is_none());
    assert_eq!(echo(&gateway, &[("x-api-key", BUYER)]).await.status, 200);
    // Another generation, in which the limits are the same.
    config("http: {uri: 4KiB}\n");
    gateway.wait_for_log("\"generation\":2");
    let (count, refused) = answered(&gateway, &[("x-api-key", BUYER)], 3).await;
    assert_eq!((count, refused.status.as_u16()), (1, 429));
    let body = refused.json();
    assert_eq!(body["code"], 8);
    let message = body["message"].as_str().unwrap();
    assert!(message.starts_with("The limit 3/day of \"pro\" is used up. Call again in "), "{message}");
    let details = body["details"].as_array().unwrap();
    let violation = json!([{"subject": "caller", "description": "3/day of \"pro\""}]);
    assert_eq!(
        details[0],
        json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": violation})
    );
    assert_eq!(details[1]["@type"], "type.googleapis.com/google.rpc.RetryInfo");
    let delay: f64 = details[1]["retryDelay"].as_str().unwrap().trim_end_matches('s').parse().unwrap();
    let after: f64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(delay <= after && after < delay + 1.0 && after <= 28_800.0, "{delay} {after}");
    // Another caller, by the plan that is for all others.
    assert_eq!(answered(&gateway, &[("x-api-key", VISITOR)], 5).await.0, 5);
    assert_eq!(backend.count(), 8);
    // The rates are others now, and the quota goes on: 3 of 4 were used.
    let plans = PLANS.replace("3/day, 9/day burst 5", "1000/min");
    place.write(
        "transom.yaml",
        &place.config(&backend.address, &format!("{plans}{BY_PLAN}reload: {{files: 100ms}}\n")),
    );
    gateway.wait_for_log("\"generation\":3");
    let (count, refused) = answered(&gateway, &[("x-api-key", BUYER)], 3).await;
    assert_eq!(count, 1);
    let text = refused.json()["message"].as_str().unwrap().to_owned();
    assert!(text.starts_with("The limit 4/month of \"pro\" is used up."), "{text}");
}

/// Who is not known has an address: of IPv6 all of one network are one.
#[tokio::test]
async fn addresses_and_headers_are_counted_and_weights_count() {
    let place = Place::new();
    let backend = Counting::start();
    let gateway = place.gateway(
        &backend.address,
        "trusted_proxies: [127.0.0.1]\n\
         policies:\n  open: {rate: {key: ip, rates: [4/day]}}\n  tenants: {rate: {key: header x-tenant, rates: [6/day]}}\n\
         services: [{service: '**', policy: [open, tenants, {name: open, methods: [Echo], weight: 2}]}]\n",
    );
    let from = async |address: &str, tenant: &str, count| {
        answered(&gateway, &[("x-forwarded-for", address), ("x-tenant", tenant)], count).await.0
    };
    assert_eq!(from("192.0.2.1", "a", 5).await, 2);
    assert_eq!(from("192.0.2.2", "a", 5).await, 2);
    assert_eq!(from("2001:db8::1", "b", 1).await, 1);
    assert_eq!(from("2001:db8::2:1", "c", 5).await, 1);
    assert_eq!(from("2001:db8:0:1::1", "d", 5).await, 2);
    // What its address refused took nothing from the tenant: 4 of 6 are taken.
    assert_eq!(from("192.0.2.3", "a", 1).await, 1);
    assert_eq!(from("192.0.2.4", "a", 2).await, 1);
    assert_eq!(from("192.0.2.5", "a", 1).await, 0);
}

/// The details of gRPC: `google.rpc.Status` with RetryInfo, and the fields as metadata.
#[tokio::test]
async fn native_callers_are_told_as_well() {
    let place = Place::new();
    let backend = Counting::start();
    let rest = format!("{}{BY_PLAN}", PLANS.replace("1000/min", "1/day"));
    let gateway = place.gateway(&backend.address, &rest);
    let headers = [("x-api-key", SPENT)];
    assert_eq!(echo(&gateway, &headers).await.status, 200);
    let refused = call(gateway.address(), &request(Dialect::Grpc, Kind::Unary), &headers, None).await;
    assert_eq!(refused.header("grpc-status"), Some("8"));
    let details = STANDARD_NO_PAD.decode(refused.header("grpc-status-details-bin").unwrap()).unwrap();
    let details = String::from_utf8_lossy(&details);
    assert!(
        details.contains("google.rpc.RetryInfo") && details.contains("google.rpc.QuotaFailure"),
        "{details}"
    );
    assert!(refused.header("ratelimit").unwrap().starts_with("\"spent-1/day\";r=0;t="), "{refused:?}");
    let soap = call(gateway.address(), &request(Dialect::Soap, Kind::Unary), &headers, None).await;
    let fault = String::from_utf8_lossy(&soap.body);
    assert!(fault.contains("Client</faultcode>") || fault.contains("Server</faultcode>"), "{fault}");
    assert!(fault.contains("retryDelay") && fault.contains("1/day of"), "{fault}");
}

/// A stream counts until it ends, or its caller goes away.
#[tokio::test]
async fn streams_hold_their_places() {
    let place = Place::new();
    let backend = raw_backend::start(1000, |mut call| async move {
        if call.path != "/echo.v1.Streams/Watch" {
            return call.echo();
        }
        let Some(mut stream) = call.begin() else { return };
        let _ = stream.send_data(item(1).into(), false);
        call.reset(Some(stream)).await;
    });
    let rest = format!(
        "plans: {{pro: {{concurrency: 2, priority: low}}, spent: {{priority: high}}}}\n\
         rate_limits: {{max_in_flight: 5}}\n{BY_PLAN}"
    );
    let gateway = place.gateway(&backend.to_string(), &rest);
    let ndjson = [("accept", "application/x-ndjson")];
    let watch = async |key| {
        let headers = [ndjson[0], ("x-api-key", key)];
        let mut streaming = stream::get(gateway.address(), Version::Http1, "/v1/watch/w", &headers).await;
        if streaming.status == 200 {
            assert!(streaming.line().await.is_some());
        }
        streaming
    };
    let (first, second) = (watch(BUYER).await, watch(BUYER).await);
    let third = watch(BUYER).await;
    assert_eq!((third.status, third.header("retry-after")), (429, Some("1")));
    let body: Value = serde_json::from_str(&third.rest().await).unwrap();
    let expected =
        "The limit 2 calls at a time of \"pro\" is reached. Call again when one of them has ended.";
    assert_eq!(body["message"], expected);
    // Others go on, and with them all low ones are refused when four of five places are taken, high ones when all are.
    let mut others = vec![watch(VISITOR).await, watch(VISITOR).await];
    drop(first);
    until(async || gateway_answers(&gateway, BUYER).await == 200).await;
    others.push(watch(VISITOR).await);
    let shed = echo(&gateway, &[("x-api-key", BUYER)]).await;
    assert_eq!((shed.status.as_u16(), shed.header("retry-after")), (503, Some("1")));
    assert_eq!(shed.json()["message"], "Too many calls go on at the moment. Call again in a second.");
    others.push(watch(VISITOR).await);
    assert_eq!(gateway_answers(&gateway, VISITOR).await, 503);
    // The gateway's own word on its health is not among them.
    let health = send(
        gateway.address(),
        Version::Http1,
        "POST",
        "/grpc.health.v1.Health/Check",
        &[("content-type", "application/json")],
        "{}",
    );
    assert_eq!(health.await.status, 200);
    drop((second, others));
    until(async || gateway_answers(&gateway, BUYER).await == 200).await;
}

async fn gateway_answers(gateway: &Gateway, key: &str) -> u16 {
    echo(gateway, &[("x-api-key", key)]).await.status.as_u16()
}

/// Asks until it is so: the end of a connection is noticed when it is, and what the test waits for is the outcome.
async fn until(so: impl AsyncFn() -> bool) {
    for _ in 0..1000 {
        if so().await {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("it never was");
}

/// What `transom check` says of limits that are not what they seem.
#[test]
fn plans_are_checked() {
    let place = Place::new();
    let partners =
        |rate: &str| format!("policies: {{partners: {{require: {{any: [api_key: {{}}]}}, rate: {rate}}}}}\n");
    let services = "services: [{service: '**', policy: [partners]}]\n";
    let weighed = "services: [{service: '**', policy: [{name: partners, weight: 4}]}]\n";
    let two = "plans: {pro: {rates: [3/s]}, spent: {rates: [9/s]}}\n";
    for (rest, is_valid, expected) in [
        (
            format!("{}{services}", partners("by_plan")),
            false,
            &["The policy \"partners\" goes by plans, but there are none."][..],
        ),
        (
            format!("{two}{}{services}", partners("by_plan")),
            true,
            &[
                "\"drained\" has the plan \"drained\", which is none.",
                "The plans are: pro, spent.",
                "\"visitor\" and 2 others have no plan, and the policy \"partners\" goes by plans: they are refused.",
            ],
        ),
        (
            format!("{two}{}{services}", partners("{key: owner, rates: [9/s]}")),
            true,
            &["No policy goes by plans, so that they limit nobody."],
        ),
        (
            format!(
                "plans: {{pro: {{rates: [3/s]}}, idle: {{rates: [9/s]}}}}\n{}{services}",
                partners("by_plan")
            ),
            true,
            &["Nobody has the plan \"idle\"."],
        ),
        (
            format!("{two}{}{weighed}", partners("by_plan")),
            false,
            &["A call that counts as 4 can never be made: of \"pro\" there are 3 at once."],
        ),
        (
            format!("policies: {{partners: {{require: {{any: [api_key: {{}}]}}}}}}\n{weighed}"),
            false,
            &["The policy \"partners\" has no rate for which a weight would count."],
        ),
        (
            format!("policies: {{partners: {{rate: {{rates: [1/s]}}}}}}\n{services}"),
            false,
            &["The policy \"partners\" asks what the caller is, but nothing asks who it is."],
        ),
    ] {
        place.write("transom.yaml", &place.config("127.0.0.1:1", &rest));
        let output =
            transom(&["check", "-c", place.file("transom.yaml").to_str().unwrap()]).output().unwrap();
        let said =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        let said = said.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.success(), is_valid, "{rest}: {said}");
        for text in expected {
            assert!(said.contains(text), "{rest}: {text}: {said}");
        }
    }
}
