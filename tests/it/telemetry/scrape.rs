//! A gateway whose metrics are read.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::client;
use crate::support::gateway::{listening, transom};
use crate::support::process::Server;

/// A running gateway with an admin listener.
pub(crate) struct Metered {
    pub(crate) server: Server,
    pub(crate) metrics: SocketAddr,
    folder: TempDir,
}

impl Metered {
    /// In front of what the reflection of these backends shows.
    pub(crate) fn in_front_of(backends: &[(&str, SocketAddr)]) -> Self {
        let upstreams: String =
            backends.iter().map(|(name, address)| format!("  {name}: http://{address}\n")).collect();
        Self::with_upstreams(&upstreams)
    }

    /// In front of the upstreams of a configuration.
    pub(crate) fn with_upstreams(upstreams: &str) -> Self {
        Self::with_services(upstreams, "  - \"**\"\n")
    }

    /// The same with these services, each on a line.
    pub(crate) fn with_services(upstreams: &str, services: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("transom.yaml");
        let listeners = "listeners: [{address: 127.0.0.1:0}]\nadmin: 127.0.0.1:0\n";
        let config = format!("{listeners}upstreams:\n{upstreams}services:\n{services}");
        std::fs::write(&file, config).unwrap();
        let mut command = transom(&["serve", "--log-format", "json", "-c", file.to_str().unwrap()]);
        command.env("TRANSOM_LOG", "info,transom::admin=debug");
        let server = Server::start(command, listening);
        server.wait_for("operators are listened to");
        let metrics = server.printed().lines().find_map(operators).unwrap();
        Self { server, metrics, folder }
    }

    /// Adds a line to the settings of the last upstream, and waits until the process has taken it up.
    pub(crate) fn reload_with(&self, setting: &str) {
        let file = self.folder.path().join("transom.yaml");
        let config = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, config.replace("services:", &format!("    {setting}\nservices:"))).unwrap();
        self.server.hang_up();
        self.server.wait_for("\"reloaded\"");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The metrics as text.
    pub(crate) async fn text(&self) -> String {
        let answer = client::get(self.metrics, "/metrics").await;
        assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        String::from_utf8(answer.body.to_vec()).unwrap()
    }

    /// The metrics by name and labels, as they are written.
    pub(crate) async fn values(&self) -> Values {
        let text = self.text().await;
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Values(
            lines
                .map(|line| line.rsplit_once(' ').unwrap())
                .map(|(k, v)| (k.into(), v.parse().unwrap()))
                .collect(),
        )
    }
}

/// The address in the log line about the admin listener.
fn operators(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    let is_it = line.get("message")? == "operators are listened to";
    is_it.then(|| line.get("address")?.as_str()?.parse().ok()).flatten()
}

/// What metrics said at one moment.
#[derive(Debug)]
pub(crate) struct Values(pub(crate) BTreeMap<String, f64>);

impl Values {
    /// The value of a series; 0 if there is none.
    pub(crate) fn of(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or(0.0)
    }

    /// All values of a metric together, with all its labels.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let of_name = |key: &&String| key.split('{').next() == Some(name);
        self.0.keys().filter(of_name).map(|key| self.0[key]).sum()
    }
}
