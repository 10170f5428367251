//! What a service manager is told, and the sockets that it hands over.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::HEAD;
use crate::support::gateway::{listening, serve};
use crate::support::process::{Server, python};
use crate::support::{backend, client};

#[test]
fn the_service_manager_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket).unwrap();
    manager.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let wait_for = |wanted: &str| {
        loop {
            let mut buffer = [0; 4_096];
            let length = manager.recv(&mut buffer).unwrap();
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            if text.lines().any(|line| line == wanted) {
                return text;
            }
            assert_eq!(text, "WATCHDOG=1", "while waiting for {wanted}");
        }
    };
    let file = folder.path().join("transom.yaml");
    let config =
        format!("{HEAD}upstreams: {{shop: \"http://{}\"}}\nservices: [\"**\"]\n", backend::bookstore());
    std::fs::write(&file, config).unwrap();
    let mut command = serve(&["-c", file.to_str().unwrap()]);
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "200000");
    let mut server = Server::start(command, listening);
    assert_eq!(wait_for("READY=1"), "READY=1\nSTATUS=Serving 23 methods.");
    wait_for("WATCHDOG=1");
    server.hang_up();
    let text = wait_for("RELOADING=1");
    let time = text.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
    assert!(time.parse::<u64>().unwrap() > 0, "{text}");
    wait_for("READY=1");
    std::fs::write(&file, "upstreams: 1").unwrap();
    server.hang_up();
    wait_for("RELOADING=1");
    let text = wait_for("READY=1");
    assert!(text.ends_with("STATUS=The last reload was refused; see the log. Serving 23 methods."), "{text}");
    server.terminate();
    wait_for("STOPPING=1");
    assert_eq!(server.wait().code(), Some(0));
}

#[tokio::test]
async fn sockets_of_the_service_manager_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("transom.yaml");
    let config = format!(
        "listeners: [{{address: \"127.0.0.1:${{PORT}}\"}}]\nupstreams: {{shop: \"http://{}\"}}\nservices: [\"**\"]\n",
        backend::bookstore()
    );
    std::fs::write(&file, config).unwrap();
    let mut command = python("tests/python/activate.py");
    command.arg(env!("CARGO_BIN_EXE_transom"));
    command.args(["serve", "--log-format", "json", "-c", file.to_str().unwrap()]);
    let mut server = Server::start(command, listening);
    for _ in 0..8 {
        assert_eq!(client::get(server.address(), "/v1/shelves").await.status, 200);
    }
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    assert!(!server.printed().contains("LISTEN_FDS"), "{}", server.printed());
}
