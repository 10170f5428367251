//! The binary under test.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::process::Server;

/// A running `transom serve`.
pub(crate) struct Gateway {
    server: Server,
    _folder: Option<TempDir>,
}

impl Gateway {
    /// Serves a configuration given as text. Its listener should be [`Gateway::ANY_PORT`].
    pub(crate) fn with_config(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("transom.yaml");
        std::fs::write(&file, config).unwrap();
        let server = Server::start(serve(&["-c", file.to_str().unwrap()]), listening);
        Self { server, _folder: Some(folder) }
    }

    /// As [`Gateway::with_config`], but it may have no more files and sockets open than this.
    pub(crate) fn with_few_files(config: &str, files: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("transom.yaml");
        std::fs::write(&file, config).unwrap();
        let serve = serve(&["-c", file.to_str().unwrap()]);
        let mut command = Command::new("sh");
        command.args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")]);
        command.arg(serve.get_program()).args(serve.get_args());
        Self { server: Server::start(command, listening), _folder: Some(folder) }
    }

    /// Serves a configuration file of this repository, which may use environment variables.
    pub(crate) fn with_file(file: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = serve(&["-c", file.to_str().unwrap()]);
        command.envs(environment.iter().copied());
        Self { server: Server::start(command, listening), _folder: None }
    }

    /// Serves everything that the reflection of the backends at these addresses shows.
    pub(crate) fn in_front_of(backends: &[SocketAddr]) -> Self {
        let upstreams: String = (backends.iter().enumerate())
            .map(|(index, address)| format!("  backend{index}: http://{address}\n"))
            .collect();
        Self::with_config(&format!("{}upstreams:\n{upstreams}services: [\"**\"]\n", Self::ANY_PORT))
    }

    /// The part of a configuration that lets the system choose the port.
    pub(crate) const ANY_PORT: &'static str = "listeners:\n  - address: 127.0.0.1:0\n";

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Where operators are answered.
    pub(crate) fn admin(&self) -> SocketAddr {
        self.server.wait_for("operators are listened to");
        let log = self.log();
        let line = log.lines().find(|line| line.contains("operators are listened to")).unwrap();
        serde_json::from_str::<Value>(line).unwrap()["address"].as_str().unwrap().parse().unwrap()
    }

    /// The process.
    pub(crate) fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.server.printed()
    }

    /// Waits until it has logged so many lines with this text.
    pub(crate) fn wait_for_log_count(&self, text: &str, count: usize) {
        self.server.wait_for_count(text, count);
    }

    /// Waits until it has logged a line with this text.
    pub(crate) fn wait_for_log(&self, text: &str) {
        self.server.wait_for(text);
    }
}

/// The binary, with a command.
pub(crate) fn transom(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_transom"));
    command.args(arguments);
    command
}

/// `transom serve` with its log for programs.
pub(crate) fn serve(arguments: &[&str]) -> Command {
    let mut command = transom(&["serve", "--log-format", "json"]);
    command.args(arguments);
    command
}

/// The address in the log line that a listening socket writes.
pub(crate) fn listening(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    if line.get("message")? != "listening" {
        return None;
    }
    line.get("address")?.as_str()?.parse().ok()
}
