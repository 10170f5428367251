//! Backends: the embedded bookstore, and Python servers.

use std::net::SocketAddr;

use super::process::{Server, python};

/// Starts the embedded bookstore on a thread of its own. It runs until the tests end.
pub(crate) fn bookstore() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            transom::demo::serve(listener).await.unwrap();
        });
    });
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
