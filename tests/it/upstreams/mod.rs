//! Backends that are killed, hang, refuse and come back, under load: what can be answered is answered.
//!
//! The backends are grpcio servers in processes of their own. Every answer of the load is looked at.

use std::net::SocketAddr;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::backend::python_server_with;
use crate::support::client;
use crate::support::process::Server;
use crate::telemetry::scrape::Metered;

mod failing;
mod limits;
pub(crate) mod load;
mod measured;
mod neighbours;
mod page;
mod returning;

const ECHO: &str = "tests/python/echo_server.py";

/// A gateway in front of several backends of one upstream.
struct Setting {
    backends: Vec<Server>,
    gateway: Metered,
}

impl Setting {
    /// As many backends, with these settings of the upstream, each on a line.
    fn new(count: usize, settings: &str) -> Self {
        Self::with(count, settings, &[])
    }

    /// The same with arguments for each backend.
    fn with(count: usize, settings: &str, arguments: &[&str]) -> Self {
        let place = tempfile::tempdir().unwrap();
        Self::of(&vec![arguments; count], settings, (place, "services: [\"**\"]\n"))
    }

    /// A backend for each of these arguments, with what else the configuration says, and where it lies.
    fn of(arguments: &[&[&str]], settings: &str, (place, rest): (TempDir, &str)) -> Self {
        let backends: Vec<_> =
            arguments.iter().map(|arguments| python_server_with(ECHO, arguments)).collect();
        let targets: Vec<_> =
            backends.iter().map(|backend| format!("http://{}", backend.address())).collect();
        let settings: String = settings.lines().map(|line| format!("    {}\n", line.trim())).collect();
        let upstreams = format!("  echo:\n    targets: [{}]\n{settings}", targets.join(", "));
        Self { backends, gateway: Metered::with(place, &upstreams, rest) }
    }

    fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    /// Kills a backend and starts it again where it was.
    fn restart(&mut self, index: usize) {
        let port = self.backends[index].address().port().to_string();
        self.backends[index].signal(rustix::process::Signal::KILL);
        self.backends[index].wait();
        self.backends[index] = python_server_with(ECHO, &["--port", &port]);
    }

    /// Lets a backend end in its own way, and starts it again where it was.
    fn leave_and_return(&mut self, index: usize) {
        let port = self.backends[index].address().port().to_string();
        self.backends[index].hang_up();
        self.backends[index].wait();
        self.backends[index] = python_server_with(ECHO, &["--port", &port]);
    }

    /// What `/upstreams` says.
    async fn upstream(&self) -> Value {
        client::get(self.gateway.metrics, "/upstreams").await.json()[0].clone()
    }

    /// What it says of the targets.
    async fn targets(&self) -> Vec<Value> {
        self.upstream().await["targets"].as_array().unwrap().clone()
    }

    /// Asks until the targets are as they should be.
    async fn wait_for_targets(&self, is_right: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let start = tokio::time::Instant::now();
        loop {
            let targets = self.targets().await;
            if is_right(&targets) {
                return targets;
            }
            assert!(start.elapsed().as_secs() < 60, "{targets:#?}");
        }
    }
}
