//! The example `etcd`: the same requests to Transom and to the JSON gateway that etcd itself has, on the same
//! server, get the same answers.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::backend::Etcd;
use crate::support::client::{self, Answer, Version};
use crate::support::gateway::Gateway;
use crate::support::{root, stream};

/// One etcd and both gateways in front of it.
struct Setting {
    etcd: Etcd,
    gateway: Gateway,
}

const LINES: [(&str, &str); 2] = [("content-type", "application/json"), ("accept", "application/x-ndjson")];

impl Setting {
    fn new() -> Self {
        let etcd = Etcd::start();
        let upstream = format!("http://{}", etcd.address());
        let environment = [("TRANSOM_ADDRESS", "127.0.0.1:0"), ("ETCD_URL", &*upstream)];
        let gateway = Gateway::with_file(&root().join("examples/etcd/transom.yaml"), &environment);
        Self { etcd, gateway }
    }

    /// etcd's own gateway, and Transom.
    fn both(&self) -> [SocketAddr; 2] {
        [self.etcd.address(), self.gateway.address()]
    }

    /// The answers of etcd's own gateway, and of Transom.
    async fn send(&self, path: &str, body: &str) -> [Answer; 2] {
        let [etcd, transom] = self.both();
        [send(etcd, path, body).await, send(transom, path, body).await]
    }

    /// Puts a key, past both gateways' watches.
    async fn put(&self, key: &str, value: &str) {
        let answer = send(self.etcd.address(), "/v3/kv/put", &put(key, value).to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

async fn send(address: SocketAddr, path: &str, body: &str) -> Answer {
    client::send(address, Version::Http1, "POST", path, &LINES, body.to_owned()).await
}

/// What the README of the example tells people to type.
#[tokio::test]
async fn the_readme_works() {
    let setting = Setting::new();
    let readme = fs::read_to_string(root().join("examples/etcd/README.md")).unwrap();
    let readme = readme.replace("localhost:8080", &setting.gateway.address().to_string());
    let typed = readme.lines().filter_map(|line| line.strip_prefix("    "));
    let (mut calls, mut watches) = (0, 0);
    for line in typed.filter(|line| line.starts_with("curl ") || line.starts_with("transom call ")) {
        // A watch has no end, so it is cut off after what comes at once.
        let is_watch = line.contains(" -N ");
        let limit = if is_watch { "--max-time 2" } else { "--fail-with-body" };
        let line = line.replacen("curl ", &format!("curl --silent {limit} "), 1);
        let line = line.replacen("transom ", &format!("{} ", env!("CARGO_BIN_EXE_transom")), 1);
        let mut shell = Command::new("sh");
        shell.args(["-c", &line]).current_dir(root());
        shell.env("ETCD_URL", format!("http://{}", setting.etcd.address()));
        let output = shell.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        // Curl's code for what took too long is 28.
        assert_eq!(output.status.code(), Some(if is_watch { 28 } else { 0 }), "{line}\n{said}");
        assert!(said.contains("raft_term"), "{line}\n{said}");
        if is_watch { watches += 1 } else { calls += 1 }
    }
    assert_eq!((calls, watches), (5, 2));
}

/// Base64, as JSON has bytes.
fn b64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn put(key: &str, value: &str) -> Value {
    json!({"key": b64(key), "value": b64(value)})
}

/// The messages of a stream: etcd's gateway puts each under `result`, Transom does not.
fn messages(answer: &Answer) -> Vec<Value> {
    let text = std::str::from_utf8(&answer.body).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line.get("result").cloned().unwrap_or(line)).collect()
}

#[tokio::test]
async fn reads_are_equal_to_the_byte() {
    let setting = Setting::new();
    for number in 0..5 {
        setting.put(&format!("k{number}"), &format!("v{} <&> é", 5 - number)).await;
    }
    let (k, l, k1) = (b64("k"), b64("l"), b64("k1"));
    let lease = send(setting.etcd.address(), "/v3/lease/grant", r#"{"TTL": 1000, "ID": "77"}"#).await;
    assert_eq!(lease.status, 200, "{lease:?}");
    let version = |version| json!([{"key": k1, "target": "VERSION", "result": "EQUAL", "version": version}]);
    let table = [
        ("range", json!({"key": k1})),
        ("range", json!({"key": k, "range_end": l})),
        (
            "range",
            json!({"key": k, "rangeEnd": l, "limit": "2", "sort_order": "DESCEND", "sort_target": "VALUE"}),
        ),
        (
            "range",
            json!({"key": k, "range_end": l, "limit": 2, "sort_order": 1, "sort_target": 2, "keys_only": true}),
        ),
        ("range", json!({"key": k, "range_end": l, "count_only": true, "serializable": true})),
        ("range", json!({"key": k, "range_end": l, "min_mod_revision": "3", "max_create_revision": "4"})),
        ("range", json!({"key": "AA==", "range_end": "AA=="})),
        ("range", json!({"key": k1, "revision": 3, "sortOrder": null})),
        ("range", json!({"key": b64("none")})),
        (
            "txn",
            json!({"compare": version(1), "success": [{"request_range": {"key": k1}}, {"request_range": {"key": l}}]}),
        ),
        (
            "txn",
            json!({"compare": version(9), "failure": [{"request_txn": {"success": [{"request_range": {"key": k1}}]}}]}),
        ),
        ("txn", json!({})),
        ("lease/leases", json!({})),
        ("lease/timetolive", json!({"ID": "78"})),
    ];
    for (path, body) in table {
        let [expected, found] = setting.send(&format!("/v3/kv/{path}"), &body.to_string()).await;
        assert_eq!((expected.status.as_u16(), found.status.as_u16()), (200, 200), "{path} {body}: {found:?}");
        let text = |answer: &Answer| String::from_utf8(answer.body.to_vec()).unwrap();
        assert_eq!(text(&found), text(&expected), "{path} {body}");
    }
}

#[tokio::test]
async fn errors_have_the_same_code_and_message() {
    let setting = Setting::new();
    let lease = send(setting.etcd.address(), "/v3/lease/grant", r#"{"TTL": 1000, "ID": 77}"#).await;
    assert_eq!(lease.status, 200, "{lease:?}");
    let (a, twice) = (b64("a"), json!({"request_put": put("a", "1")}));
    // etcd's gateway is of a version that has 412 for FAILED_PRECONDITION; google.rpc.Code says 400.
    let table = [
        ("kv/put", json!({}), 3, [400, 400]),
        ("kv/range", json!({"key": a, "revision": "999"}), 11, [400, 400]),
        ("kv/compaction", json!({"revision": 999}), 11, [400, 400]),
        ("kv/put", json!({"key": a, "lease": 78}), 5, [404, 404]),
        ("kv/put", json!({"key": a, "value": a, "ignore_value": true}), 3, [400, 400]),
        ("kv/put", json!({"key": a, "ignore_value": true}), 3, [400, 400]),
        ("kv/txn", json!({"success": [twice, twice]}), 3, [400, 400]),
        ("lease/grant", json!({"TTL": 1000, "ID": 77}), 9, [412, 400]),
        ("lease/revoke", json!({"ID": "78"}), 5, [404, 404]),
    ];
    for (path, body, code, statuses) in table {
        let answers = setting.send(&format!("/v3/{path}"), &body.to_string()).await;
        assert_eq!(answers.each_ref().map(|answer| answer.status.as_u16()), statuses, "{path} {body}");
        let [expected, found] = answers.map(|answer| answer.json());
        assert_eq!((&expected["code"], &found["code"]), (&json!(code), &json!(code)), "{path} {body}");
        assert_eq!(found["message"], expected["message"], "{path} {body}");
        // The shapes: etcd says the message twice, Transom has google.rpc.Status whole.
        assert_eq!(expected["error"], expected["message"]);
        assert_eq!(found["details"], json!([]));
    }
    // What is no request is 400 and INVALID_ARGUMENT with both; the texts are each gateway's own.
    for body in
        ["{", "[]", r#"{"key": "!"}"#, r#"{"key": 7}"#, r#"{"limit": "x"}"#, r#"{"sort_order": "UP"}"#]
    {
        let answers = setting.send("/v3/kv/range", body).await;
        for answer in answers {
            assert_eq!(
                (answer.status.as_u16(), &answer.json()["code"]),
                (400, &json!(3)),
                "{body}: {answer:?}"
            );
        }
    }
    // Where they differ: etcd ignores what a message does not have.
    let [expected, found] = setting.send("/v3/kv/range", &json!({"key": a, "nokey": 1}).to_string()).await;
    assert_eq!((expected.status.as_u16(), found.status.as_u16()), (200, 400), "{found:?}");
}

/// What changes the store changes the answers to what comes later, so each gateway gets the whole list, on an
/// empty store, and revisions are counted from where the list begins.
#[tokio::test]
async fn changes_have_the_same_answers() {
    let setting = Setting::new();
    let [etcd, transom] = setting.both();
    let expected = changes(etcd).await;
    let found = changes(transom).await;
    for (expected, found) in expected.iter().zip(&found) {
        assert_eq!(found, expected);
    }
    assert_eq!((expected.len(), found.len()), (20, 20));
}

async fn changes(gateway: SocketAddr) -> Vec<(String, u16, Vec<Value>)> {
    let everything = json!({"key": "AA==", "range_end": "AA=="}).to_string();
    let answer = send(gateway, "/v3/kv/deleterange", &everything).await;
    let base = revision(&answer.json()["header"]["revision"]);
    let mut answers = Vec::new();
    for (path, body) in requests(base) {
        let answer = send(gateway, &format!("/v3/{path}"), &body).await;
        let mut values = messages(&answer);
        for value in &mut values {
            relative(value, base);
            settle(value);
        }
        answers.push((
            format!("{path} {}", body.replace(&(base + 2).to_string(), "2")),
            answer.status.as_u16(),
            values,
        ));
    }
    answers
}

fn requests(base: i64) -> Vec<(&'static str, String)> {
    let (a, b, c, d, z) = (b64("a"), b64("b"), b64("c"), b64("d"), b64("z"));
    let compare = |result| json!({"key": a, "target": "VERSION", "result": result, "version": "2"});
    let by_value = json!({"key": a, "range_end": b, "target": "VALUE", "result": "NOT_EQUAL", "value": z});
    let read = json!({"request_range": {"key": a, "range_end": z}});
    let remove = json!({"request_delete_range": {"key": b, "prev_kv": true}});
    let write = json!({"request_put": {"key": a, "value": c, "prev_kv": true}});
    let table = [
        ("kv/put", put("a", "1")),
        ("kv/put", json!({"key": a, "value": b, "prev_kv": true})),
        ("kv/put", json!({"key": a, "ignore_value": true})),
        ("kv/put", put("b", "2")),
        ("kv/range", json!({"key": a, "range_end": z, "sort_order": "DESCEND", "sort_target": "MOD"})),
        (
            "kv/txn",
            json!({"compare": [compare("GREATER"), by_value], "success": [write, remove, read], "failure": [read]}),
        ),
        (
            "kv/txn",
            json!({"compare": [compare("LESS")], "success": [write], "failure": [{"request_txn": {"success": [read]}}]}),
        ),
        ("lease/grant", json!({"TTL": 600, "ID": "4242"})),
        ("kv/put", json!({"key": c, "value": d, "lease": 4242})),
        ("kv/put", json!({"key": c, "value": a, "ignore_lease": true, "prev_kv": true})),
        ("lease/timetolive", json!({"ID": 4242, "keys": true})),
        ("lease/keepalive", json!({"ID": 4242})),
        ("lease/leases", json!({})),
        ("lease/revoke", json!({"ID": "4242"})),
        ("kv/lease/revoke", json!({"ID": "4242"})),
        ("kv/range", json!({"key": c})),
        ("kv/compaction", json!({"revision": base + 2, "physical": true})),
        ("kv/compaction", json!({"revision": base + 2})),
        ("kv/deleterange", json!({"key": a, "range_end": z, "prev_kv": true})),
        ("kv/deleterange", json!({"key": a})),
    ];
    table.map(|(path, body)| (path, body.to_string())).into()
}

fn revision(value: &Value) -> i64 {
    value.as_str().unwrap_or_else(|| panic!("{value} is no revision")).parse().unwrap()
}

/// Counts revisions from `base`.
fn relative(value: &mut Value, base: i64) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| relative(value, base)),
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "revision" | "create_revision" | "mod_revision" => {
                        *value = (revision(value) - base).to_string().into();
                    }
                    _ => relative(value, base),
                }
            }
        }
        _ => {}
    }
}

/// Keeps of errors what both gateways have, and of time what does not pass meanwhile.
fn settle(value: &mut Value) {
    if let Some(code) = value.get("code") {
        *value = json!({"code": code, "message": value["message"]});
    }
    if value.get("grantedTTL").is_some() {
        let left = revision(&value["TTL"]);
        assert!((500..=600).contains(&left), "{value}");
        value["TTL"] = "some".into();
    }
}

#[tokio::test]
async fn leases_are_kept_alive_by_a_stream() {
    let setting = Setting::new();
    let lease = send(setting.etcd.address(), "/v3/lease/grant", r#"{"TTL": 1000, "ID": 77}"#).await;
    assert_eq!(lease.status, 200, "{lease:?}");
    for body in [r#"{"ID": 77}{"ID": "78"} {"ID": 77}"#, ""] {
        let [expected, found] =
            setting.send("/v3/lease/keepalive", body).await.map(|answer| messages(&answer));
        assert_eq!(found, expected, "{body}");
        assert_eq!(found.len(), body.matches("ID").count());
    }
    // Transom takes an array as well.
    let [_, transom] = setting.both();
    let found = messages(&send(transom, "/v3/lease/keepalive", r#"[{"ID": 77}]"#).await);
    assert_eq!((found.len(), &found[0]["TTL"]), (1, &json!("1000")));
}

/// Both watch the same keys at the same time, and see the same.
#[tokio::test]
async fn watches_see_the_same_events() {
    let setting = Setting::new();
    setting.put("a", "before").await;
    let create = json!({"key": b64("a"), "range_end": b64("c"), "start_revision": 2, "prev_kv": true});
    let create = json!({"create_request": create}).to_string();
    let mut watches = Vec::new();
    for gateway in setting.both() {
        watches.push(watch(gateway, &create).await);
    }
    // Transom has a route of its own for it, which needs no request body.
    let target = format!(
        "/keys/{}:watch?create_request.range_end={}&create_request.start_revision=2&create_request.prev_kv=true",
        b64("a").trim_end_matches('='),
        b64("c")
    );
    watches.push(stream::get(setting.gateway.address(), Version::Http1, &target, &LINES[1..]).await);
    for watch in &mut watches {
        assert_eq!(next(watch).await["created"], true);
        assert_eq!(next(watch).await["events"][0]["kv"]["value"], b64("before"));
    }

    setting.put("a", "one").await;
    setting.put("d", "unseen").await;
    let both = json!({"success": [
        {"request_put": put("b", "two")},
        {"request_delete_range": {"key": b64("a")}},
    ]});
    let answer = send(setting.etcd.address(), "/v3/kv/txn", &both.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");

    let [etcd, others @ ..] = &mut watches[..] else { panic!("no watch") };
    for count in [1, 2] {
        let expected = next(etcd).await;
        assert_eq!(expected["events"].as_array().map(Vec::len), Some(count), "{expected}");
        for other in &mut *others {
            assert_eq!(next(other).await, expected);
        }
    }
}

/// Several requests on one stream, and a revision that is no longer known.
#[tokio::test]
async fn watches_are_cancelled_alike() {
    let setting = Setting::new();
    for value in ["1", "2", "3"] {
        setting.put("a", value).await;
    }
    let compacted = send(setting.etcd.address(), "/v3/kv/compaction", r#"{"revision": 3}"#).await;
    assert_eq!(compacted.status, 200, "{compacted:?}");
    let key = b64("a");
    let table = [
        format!(
            r#"{{"create_request": {{"key": "{key}", "watch_id": 9}}}} {{"cancel_request": {{"watch_id": "9"}}}}"#
        ),
        format!(r#"{{"create_request": {{"key": "{key}", "start_revision": "1"}}}}"#),
    ];
    for requests in table {
        let [etcd, transom] = setting.both();
        let (mut expected, mut found) = (watch(etcd, &requests).await, watch(transom, &requests).await);
        for number in [1, 2] {
            let expected = next(&mut expected).await;
            assert_eq!(next(&mut found).await, expected, "{requests}");
            assert_eq!(expected.get("canceled").is_some(), number == 2, "{expected}");
        }
    }
}

/// Opens a watch. Its requests are all sent before the answer begins: etcd's gateway reads them first.
async fn watch(gateway: SocketAddr, requests: &str) -> stream::Streaming {
    let (upload, answer) = stream::upload(gateway, Version::Http1, "/v3/watch", &LINES).await;
    assert!(upload.send(requests.to_owned()).await);
    drop(upload);
    answer.await
}

/// The next message of a watch.
async fn next(watch: &mut stream::Streaming) -> Value {
    let line = watch.line().await.expect("a watch has no end");
    line.get("result").cloned().unwrap_or(line)
}
