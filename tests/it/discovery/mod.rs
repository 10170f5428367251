//! Targets that name servers and files say, while callers ask without a pause and look at every answer.
//!
//! The backends are grpcio servers in processes of their own, the name server is one of the tests.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::support::backend::python_server_with;
use crate::support::client;
use crate::support::names::{Names, Record, Say};
use crate::support::process::Server;
use crate::telemetry::scrape::Metered;
use crate::upstreams::load::{Load, Method, Tally};

mod files;
mod names;

const ECHO: &str = "tests/python/echo_server.py";

/// A backend at 127.0.0.1.
fn backend() -> Server {
    python_server_with(ECHO, &[])
}

/// A backend at 127.0.0.`last`, on this port.
fn backend_at(last: u8, port: u16) -> Server {
    let host = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last)).to_string();
    python_server_with(ECHO, &["--host", &host, "--port", &port.to_string()])
}

/// A gateway in front of one upstream.
struct Setting {
    gateway: Metered,
    names: Names,
    folder: TempDir,
}

impl Setting {
    /// With these targets and settings of the upstream. `DIR` is the folder, in which `prepare` writes.
    fn new(targets: &str, settings: &[&str], names: Names, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let targets = targets.replace("DIR", folder.path().to_str().unwrap());
        let settings: String = settings.iter().map(|line| format!("    {line}\n")).collect();
        let resolver = format!("resolver: {{servers: ['{}'], timeout: 500ms}}\n", names.address());
        let reload = "reload: {files: 100ms}\n";
        let upstreams = format!("  echo:\n    targets: [{targets}]\n{settings}{resolver}{reload}");
        Self { gateway: Metered::with_upstreams(&upstreams), names, folder }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Begins to ask for what may not be asked twice.
    fn load(&self) -> Load {
        Load::start(self.address(), 6, Method::Other)
    }

    /// What `/upstreams` says of the upstream.
    async fn upstream(&self) -> Value {
        client::get(self.gateway.metrics, "/upstreams").await.json()[0].clone()
    }

    /// Asks until that is as it should be.
    async fn wait_for(&self, is_right: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let upstream = self.upstream().await;
            if is_right(&upstream) {
                return upstream;
            }
            assert!(start.elapsed().as_secs() < 60, "{upstream:#}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until these are its targets, in any order.
    async fn wait_for_targets(&self, expected: &[String]) -> Value {
        let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        expected.sort_unstable();
        self.wait_for(|upstream| {
            let mut targets = targets(upstream);
            targets.sort_unstable();
            targets == expected
        })
        .await
    }
}

/// The names of its targets.
fn targets(upstream: &Value) -> Vec<&str> {
    upstream["targets"].as_array().unwrap().iter().map(|one| one["target"].as_str().unwrap()).collect()
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// What was printed, however its lines were broken.
fn unbroken(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

/// Fails unless every call was answered.
fn expect_none_lost(tally: &Tally) {
    assert!(tally.failed.is_empty(), "{:?}", tally.failed.iter().take(5));
}
