//! Changes while the gateway runs: configurations, files, upstreams, and its end.

mod admin;
mod clients;
mod drain;
mod load;
mod reflection;
mod systemd;
mod ways;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::client::{self, Answer, Version};
use crate::support::gateway::{listening, serve};
use crate::support::process::Server;

/// How long something may take that must happen. Generous: a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway with an admin listener, whose configuration can be changed.
struct Setting {
    folder: TempDir,
    server: Server,
    admin: SocketAddr,
}

/// What every configuration of these tests begins with.
const HEAD: &str = "listeners: [{address: 127.0.0.1:0}]\nadmin: 127.0.0.1:0\n";

impl Setting {
    /// Serves a configuration behind [`HEAD`].
    fn new(config: &str) -> Self {
        Self::prepared(config, |_| ())
    }

    /// Serves it once the folder around it is prepared.
    fn prepared(config: &str, prepare: impl FnOnce(&TempDir)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(&folder);
        let file = folder.path().join("transom.yaml");
        if !file.exists() {
            std::fs::write(&file, format!("{HEAD}{config}")).unwrap();
        }
        let server = Server::start(serve(&["-c", file.to_str().unwrap()]), listening);
        let admin = admin_of(&server);
        Self { folder, server, admin }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("transom.yaml")
    }

    /// Writes another configuration behind [`HEAD`].
    fn write(&self, config: &str) {
        std::fs::write(self.file(), format!("{HEAD}{config}")).unwrap();
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Orders a reload.
    async fn reload(&self) -> (u16, Value) {
        let answer = client::send(self.admin, Version::Http1, "POST", "/reload", &[], "").await;
        (answer.status.as_u16(), answer.json())
    }

    async fn status(&self, target: &str) -> u16 {
        client::get(self.address(), target).await.status.as_u16()
    }

    async fn ask(&self, target: &str) -> Answer {
        client::get(self.admin, target).await
    }

    async fn generation(&self) -> u64 {
        self.ask("/readyz").await.json()["generation"].as_u64().unwrap()
    }
}

/// The address in the line about the admin listener, which was logged before anybody could ask.
pub(crate) fn admin_of(server: &Server) -> SocketAddr {
    server.wait_for("operators are listened to");
    let printed = server.printed();
    let line = printed.lines().rfind(|line| line.contains("operators are listened to")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    line["address"].as_str().unwrap().parse().unwrap()
}

/// Asks again and again until it is so.
async fn eventually<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "{what}: this did not happen within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
