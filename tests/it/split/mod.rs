//! One method that several upstreams answer: who is sent where, and copies of calls that nobody waits for.

use std::fmt::Write as _;

use serde_json::{Value, json};
use tempfile::TempDir;
use transom::policy::new_key;

use crate::support::backend::python_server_with;
use crate::support::client::{self, Answer, Version};
use crate::support::gateway::Gateway;
use crate::support::process::Server;

mod choices;
mod shadows;

/// A backend of a mood.
fn backend(name: &str, mood: &str) -> Server {
    python_server_with("tests/python/split_server.py", &["--name", name, "--mood", mood])
}

/// Three backends of the same service, and a gateway in front of them.
struct Setting {
    gateway: Gateway,
    stable: Server,
    others: Vec<(&'static str, Server)>,
    folder: TempDir,
}

/// Callers by their keys: one with the role beta, one of the tier gold, one with neither.
const KEYS: [(&str, &str); 3] =
    [("beta-key", "roles: [beta]"), ("gold-key", "claims: {tier: [gold]}"), ("plain-key", "roles: [buyer]")];

/// That they are asked for.
const KNOWN: &str =
    "identity: {api_keys: {file: KEYS}}\npolicies: {known: {require: {any: [api_key: {}]}}}\n";

impl Setting {
    /// Backends `stable`, and others with their moods. `service` is what is said of the service beside its upstream, `rest`
    /// the rest of the configuration.
    fn new(others: &[(&'static str, &str)], service: &str, rest: &str) -> Self {
        let stable = backend("stable", "plain");
        let others: Vec<_> = others.iter().map(|(name, mood)| (*name, backend(name, mood))).collect();
        let folder = tempfile::tempdir().unwrap();
        let gateway = Gateway::with_config(&config(&stable, &others, &folder, service, rest));
        Self { gateway, stable, others, folder }
    }

    /// Another gateway in front of the same backends.
    fn another(&self, service: &str, rest: &str) -> Gateway {
        Gateway::with_config(&config(&self.stable, &self.others, &self.folder, service, rest))
    }

    fn other(&self, name: &str) -> &Server {
        &self.others.iter().find(|(other, _)| *other == name).unwrap().1
    }

    /// The metrics of the gateway, whose configuration has to have `admin`.
    async fn metrics(&self) -> String {
        self.gateway.wait_for_log("operators are listened to");
        let address = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == "operators are listened to")
                .then(|| line["address"].as_str()?.parse().ok())?
        };
        let admin = self.gateway.log().lines().find_map(address).unwrap();
        String::from_utf8(client::get(admin, "/metrics").await.body.to_vec()).unwrap()
    }

    async fn get(&self, path: &str) -> Answer {
        client::get(self.gateway.address(), path).await
    }
}

fn config(
    stable: &Server,
    others: &[(&'static str, Server)],
    folder: &TempDir,
    service: &str,
    rest: &str,
) -> String {
    let mut upstreams = format!("  stable: http://{}\n", stable.address());
    for (name, server) in others {
        let address = server.address();
        let retries = "{attempts: 3, on: [UNAVAILABLE], unsafe: true}";
        writeln!(upstreams, "  {name}: {{targets: ['http://{address}'], retries: {retries}}}").unwrap();
    }
    let mut keys = "keys:\n".to_owned();
    for (key, about) in KEYS {
        let id = key.trim_end_matches("-key");
        writeln!(keys, "  - {{id: {id}, hash: '{}', owner: {id}, {about}}}", new_key::hash(key)).unwrap();
    }
    let file = folder.path().join("keys.yaml");
    std::fs::write(&file, keys).unwrap();
    let config = format!(
        "{}upstreams:\n{upstreams}services:\n  - service: split.v1.Shop\n    upstream: stable\n{service}routes:\n  - {{path: \
         \"/v1/items/{{id}}\", method: GET, call: split.v1.Shop/Get}}\n  - {{path: \"/v1/watch/{{id}}\", method: GET, call: \
         split.v1.Shop/Watch}}\n{rest}",
        Gateway::ANY_PORT
    );
    config.replace("KEYS", &file.display().to_string())
}

/// What a backend has seen, once so many calls have reached it and so many of them have ended.
async fn stage(server: &Server, calls: u32, ended: u32) -> Value {
    let config = format!(
        "{}upstreams: {{one: 'http://{}'}}\nservices: [split.v1.Stage]\n",
        Gateway::ANY_PORT,
        server.address()
    );
    let gateway = Gateway::with_config(&config);
    let asked = json!({ "calls": calls, "ended": ended });
    let answer = client::post(gateway.address(), "/split.v1.Stage/Await", &asked).await.json();
    assert_eq!(answer["reached"], true, "{calls} calls and {ended} ends: {answer}");
    answer
}

/// Which backend answers a request with these headers.
async fn answering(gateway: &Gateway, headers: &[(&str, &str)]) -> String {
    let answer = client::send(gateway.address(), Version::Http1, "GET", "/v1/items/a", headers, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["server"].as_str().unwrap().to_owned()
}
