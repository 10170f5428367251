//! Which upstream answers, by who calls, by what is asked for and by shares.

use std::fmt::Write as _;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{KNOWN, Setting, answering, config, stage};
use crate::support::client::{self, Version, get};
use crate::support::gateway::{Gateway, transom};
use crate::support::process::{Server, python, run};

/// One entry for each condition that there is.
const CONDITIONS: &str = "    policy: [known]
    split:
      - {upstream: beta, roles: [beta]}
      - {upstream: gold, claims: {tier: [gold]}}
      - {upstream: beta, headers: {x-beta: '1'}}
      - {upstream: beta, cookies: {beta: '1'}}
      - {upstream: beta, host: beta.example}
      - {upstream: beta, query: {preview: 'yes'}}
";

#[tokio::test]
async fn each_condition_decides_in_every_dialect() {
    let setting = Setting::new(
        &[("beta", "plain"), ("gold", "plain")],
        CONDITIONS,
        &format!("{KNOWN}telemetry: {{access_log: json}}\n"),
    );
    let address = setting.gateway.address().to_string();
    run(python("tests/python/split_clients.py").args(["conditions", &address, "beta-key", "plain-key"]));
    assert_eq!(answering(&setting.gateway, &[("x-api-key", "gold-key")]).await, "gold");
    // The first that takes a call has it.
    let both = [("x-api-key", "gold-key"), ("x-beta", "1")];
    assert_eq!(answering(&setting.gateway, &both).await, "gold");
    // A parameter that is neither a field nor said to decide is wrong still.
    let key = [("x-api-key", "plain-key")];
    for (target, expected) in [
        ("/v1/items/a?preview=x&region=eu", 200),
        ("/v1/items/a?previe=yes", 400),
        ("/v1/items/a?preview=%zz", 400),
    ] {
        let answer = client::send(setting.gateway.address(), Version::Http1, "GET", target, &key, "").await;
        assert_eq!(answer.status, expected, "{target}: {answer:?}");
    }
    // Who may not call is sent nowhere.
    let answer = setting.get("/v1/items/refused?preview=yes").await;
    assert_eq!(answer.status, 401);

    // The log says who answered.
    let upstreams = |log: &str| {
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let lines = lines.filter(|line| line["route"] == "/v1/items/{id}" && line["dialect"] == "rest");
        lines.map(|line| (line["status"].clone(), line["upstream"].clone())).collect::<Vec<_>>()
    };
    setting.gateway.wait_for_log("\"status\":401");
    let logged = upstreams(&setting.gateway.log());
    for expected in [(200, "stable"), (200, "beta"), (200, "gold"), (401, "stable")] {
        assert!(logged.contains(&(json!(expected.0), json!(expected.1))), "{expected:?}: {logged:?}");
    }
}

#[tokio::test]
async fn parts_of_an_aggregated_route_are_split_too() {
    let route = "  - path: /v1/pair/{id}
    method: GET
    name: split.v2.Pairs/GetPair
    aggregate:
      first: {call: split.v1.Shop/Get, request: {id: \"{id}\"}}
      second: {call: split.v1.Shop/Get, request: {id: \"{first.id}\"}}
";
    let service = "    split:
      - {upstream: beta, headers: {x-beta: '1'}}
      - {upstream: beta, query: {preview: 'yes'}}
      - {upstream: next, share: 50%, sticky: {cookie: canary, for: 1m}}
";
    let setting = Setting::new(&[("beta", "plain"), ("next", "plain")], service, route);
    let pair = |answer: &client::Answer| {
        let answer = answer.json();
        [&answer["first"]["server"], &answer["second"]["server"]]
            .map(|server| server.as_str().unwrap().to_owned())
    };
    let headers = [("x-beta", "1")];
    let answer =
        client::send(setting.gateway.address(), Version::Http2, "GET", "/v1/pair/a", &headers, "").await;
    assert_eq!(pair(&answer), ["beta", "beta"]);
    assert_eq!(pair(&setting.get("/v1/pair/a?preview=yes").await), ["beta", "beta"]);
    // Both parts see the same mark, which the caller is given once.
    for _ in 0..20 {
        let answer = setting.get("/v1/pair/a").await;
        let [first, second] = pair(&answer);
        assert_eq!(first, second);
        let set: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
        let [set] = &*set else { panic!("{set:?}") };
        let (cookie, attributes) = set.to_str().unwrap().split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
        assert_eq!(answering(&setting.gateway, &[("cookie", cookie)]).await, first);
    }
}

#[tokio::test]
async fn a_share_of_callers_is_as_large_as_it_says_and_the_same_on_every_gateway() {
    let service = |share: &str| {
        format!("    split: [{{upstream: next, share: {share}, sticky: {{header: x-user}}}}]\n")
    };
    let setting = Setting::new(&[("next", "plain")], &service("5%"), "");
    let others = [setting.another(&service("5%"), ""), setting.another(&service("20%"), "")];
    let all = |gateway: &Gateway| {
        let address = gateway.address();
        async move {
            let calls = (0..2000).map(|number| async move {
                let user = format!("user-{number}");
                let headers = [("x-user", &*user)];
                let answer = client::send(address, Version::Http1, "GET", "/v1/items/a", &headers, "").await;
                answer.json()["server"] == "next"
            });
            stream::iter(calls).buffered(16).collect::<Vec<bool>>().await
        }
    };
    let (first, same, more) = (all(&setting.gateway).await, all(&others[0]).await, all(&others[1]).await);
    let count = |found: &[bool]| found.iter().filter(|is_next| **is_next).count();
    // Four standard deviations around 100 and 400.
    assert!((61..=139).contains(&count(&first)), "{}", count(&first));
    assert!((329..=471).contains(&count(&more)), "{}", count(&more));
    assert_eq!(first, same);
    assert!(
        first.iter().zip(&more).all(|(before, now)| *now || !before),
        "a share that grows only adds callers"
    );
}

#[tokio::test]
async fn clients_that_keep_cookies_stay_where_they_are() {
    let service = "    split: [{upstream: next, share: 30%, sticky: {cookie: transom-canary, for: 1h}}]\n";
    let setting = Setting::new(&[("next", "plain")], service, "");
    run(python("tests/python/split_clients.py").args(["keeping", &setting.gateway.address().to_string()]));
    // Where a proxy in front has TLS, the cookie is for TLS alone.
    let behind = setting.another(service, "public_url: https://shop.example\n");
    let answer = get(behind.address(), "/v1/items/a").await;
    assert!(answer.header("set-cookie").unwrap().ends_with("; SameSite=Lax; Secure"), "{answer:?}");
}

#[tokio::test]
async fn what_is_split_is_told() {
    let service = "    policy: [known]
    split:
      - {upstream: beta, roles: [beta], headers: {x-beta: '*'}}
      - {upstream: next, share: 5%, sticky: {cookie: canary, for: 1h}}
    shadow: {upstream: next, share: 10%, methods: [Get]}
";
    let setting = Setting::new(
        &[("beta", "plain"), ("next", "plain")],
        service,
        &format!("{KNOWN}admin: 127.0.0.1:0\n"),
    );
    let config = config(
        &setting.stable,
        &setting.others,
        &setting.folder,
        service,
        &format!("{KNOWN}admin: 127.0.0.1:0\n"),
    );
    let file = setting.folder.path().join("transom.yaml");
    std::fs::write(&file, config).unwrap();
    let file = file.to_str().unwrap();
    let shown = String::from_utf8(run(&mut transom(&["routes", "-c", file])).stdout).unwrap();
    let split = "stable (beta by role beta and header x-beta=*, 5% next, shadow 10% next)";
    assert!(shown.contains(split), "{shown}");
    assert!(
        shown.contains("stable (beta by role beta and header x-beta=*, 5% next)"),
        "not of every method: {shown}"
    );
    let shown = run(&mut transom(&["routes", "--json", "-c", file])).stdout;
    let routes: Value = serde_json::from_slice(&shown).unwrap();
    let route = routes.as_array().unwrap().iter().find(|route| route["path"] == "/v1/items/{id}").unwrap();
    assert_eq!(
        route["split"],
        json!([
            { "upstream": "beta", "when": ["role beta", "header x-beta=*"], "share": null, "sticky": null },
            { "upstream": "next", "when": [], "share": "5%", "sticky": "cookie canary" },
        ])
    );
    assert_eq!(route["shadow"], json!({ "upstream": "next", "share": "10%" }));
    // Each upstream's calls are counted by its own name.
    let mut text = String::new();
    for (headers, expected) in
        [(&[("x-api-key", "beta-key"), ("x-beta", "")][..], "beta"), (&[("x-api-key", "beta-key")], "")]
    {
        let found = answering(&setting.gateway, headers).await;
        assert!(found == expected || expected.is_empty() && found != "beta", "{found}");
        writeln!(text, "{found}").unwrap();
    }
    let metrics = setting.metrics().await;
    for upstream in text.lines() {
        let series = format!(
            "rpc_client_call_duration_seconds_count{{upstream=\"{upstream}\",rpc_method=\"split.v1.Shop/Get\""
        );
        assert!(metrics.contains(&series), "{series}: {metrics}");
    }
}

#[tokio::test]
async fn traces_say_who_answered_and_who_had_a_copy() {
    let mut command = python("tests/python/otlp_receiver.py");
    command.args(["--port", "0"]);
    let mut collector = Server::start(command, |line| line.strip_prefix("listening ")?.parse().ok());
    let service = "    split: [{upstream: beta, headers: {x-beta: '1'}}]\n    shadow: {upstream: next}\n";
    let telemetry = format!("telemetry: {{otlp: 'http://{}', traces: 100%}}\n", collector.address());
    let mut setting = Setting::new(&[("beta", "plain"), ("next", "plain")], service, &telemetry);
    assert_eq!(answering(&setting.gateway, &[("x-beta", "1")]).await, "beta");
    stage(setting.other("next"), 1, 1).await;
    setting.gateway.server().terminate();
    assert_eq!(setting.gateway.server().wait().code(), Some(0));
    collector.terminate();
    collector.wait();
    let spans: Vec<Value> = (collector.finished().lines())
        .filter_map(|line| line.strip_prefix("span "))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let find = |name: &str, upstream: &str| {
        let is_it =
            |span: &&Value| span["name"] == name && span["attributes"]["transom.upstream"] == upstream;
        spans.iter().find(is_it).unwrap_or_else(|| panic!("{name} {upstream}: {spans:#?}"))
    };
    let server = find("GET /v1/items/{id}", "beta");
    let shadow = find("shadow", "next");
    assert_eq!(shadow["attributes"]["transom.shadow.outcome"], "ok");
    for span in [find("split.v1.Shop/Get", "beta"), find("split.v1.Shop/Get", "next"), shadow] {
        assert_eq!((&span["trace"], &span["parent"]), (&server["trace"], &server["id"]));
    }
}
