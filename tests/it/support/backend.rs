//! Backends: the embedded bookstore, and Python servers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};

use tempfile::TempDir;
use transom::demo::{Backend, Kind, World};

use super::process::{Server, python};

/// Starts the embedded bookstore on a thread of its own. It runs until the tests end.
pub(crate) fn bookstore() -> SocketAddr {
    of_the_demo(Kind::Bookstore)
}

/// Starts one of the backends of the demo. It runs until the tests end.
pub(crate) fn of_the_demo(kind: Kind) -> SocketAddr {
    let backend =
        Backend::start(kind, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), &World::default()).unwrap();
    let address = backend.address();
    std::mem::forget(backend);
    address
}

/// Starts a Python server of this repository. It takes `--port`, 0 for any, and prints
/// `listening 127.0.0.1:PORT`.
pub(crate) fn python_server(script: &str) -> Server {
    python_server_with(script, &[])
}

/// Like [`python_server`], with further arguments.
pub(crate) fn python_server_with(script: &str, arguments: &[&str]) -> Server {
    let mut command = python(script);
    command.args(["--port", "0"]).args(arguments);
    Server::start(command, |line| line.strip_prefix("listening ")?.parse().ok())
}

/// A running etcd with a store of its own.
pub(crate) struct Etcd {
    server: Server,
    _store: TempDir,
}

impl Etcd {
    /// Starts it and waits until it serves.
    pub(crate) fn start() -> Self {
        let store = tempfile::tempdir().unwrap();
        let url = format!("http://{}", address_for_etcd());
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(store.path()).args(["--logger", "zap", "--log-outputs", "stderr"]);
        command.args(["--listen-client-urls", &url, "--advertise-client-urls", &url]);
        command.args(["--listen-peer-urls", "http://127.0.0.1:0"]);
        // Names the address of the client port, and comes when it is open.
        let server = Server::start(command, |line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            let serves = line["msg"].as_str()?.starts_with("serving client traffic insecurely");
            line["address"].as_str().filter(|_| serves)?.parse().ok()
        });
        Self { server, _store: store }
    }

    /// Where it listens, for gRPC and for its own JSON gateway.
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }
}

/// Etcd must be told its port, as its gateway dials the address that it was given. So it gets a loopback
/// address that no other process uses, and a port that is free there.
fn address_for_etcd() -> SocketAddr {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, high | 128, low, COUNT.fetch_add(1, Ordering::Relaxed));
    TcpListener::bind((host, 0)).unwrap().local_addr().unwrap()
}
