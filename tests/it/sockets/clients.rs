//! Clients that others wrote: for Python, for Node.js, and a browser.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use super::{ORIGIN, Setting};
use crate::support::gateway::{listening, transom};
use crate::support::process::{Server, python, run};
use crate::support::root;

/// What must be in no log.
const TOKEN: &str = "an-example-token.of-2026_x";

#[test]
fn websockets_from_python() {
    let mut setting = Setting::new();
    let mut client = python("tests/python/websocket_clients.py");
    client.arg(setting.gateway.url("")).args(["--token", TOKEN, "--origin", ORIGIN]);
    run(&mut client);
    // All were written down, and none of what they showed.
    setting.gateway.server().terminate();
    assert_eq!(setting.gateway.server().wait().code(), Some(0));
    let log = setting.gateway.server().finished();
    assert!(log.contains("/v1/metadata"), "{log}");
    assert!(!log.contains(TOKEN), "a token was logged");
}

#[test]
fn h2_from_python() {
    let setting = Setting::new();
    run(python("tests/python/websocket_h2.py").arg(setting.gateway.url("")));
}

#[test]
fn ws_from_node_and_chromium() {
    let setting = Setting::new();
    run(Command::new("node").arg(root().join("tests/browser/websocket.mjs")).arg(setting.gateway.url("")));
}

/// The client for terminals that comes with the library: what the README has.
#[test]
fn websockets_in_a_terminal() {
    let demo = demo();
    let mut client = Command::new(root().join(".venv/bin/python"));
    client.args(["-m", "websockets", &format!("ws://{}/v1/rooms/lobby:join", demo.address())]);
    let mut client = client.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut typed = client.stdin.take().unwrap();
    let mut shown = BufReader::new(client.stdout.take().unwrap()).lines().map_while(Result::ok);
    for (line, answer) in [
        (r#"{"name": "Ada"}"#, r#""members":[{"name":"Ada"}]"#),
        (r#"{"text": "Hello"}"#, r#""text":"Hello""#),
    ] {
        writeln!(typed, "{line}").unwrap();
        assert!(shown.any(|line| line.contains(answer)), "no answer to {line}");
    }
    drop(typed);
    assert!(client.wait().unwrap().success());
}

fn demo() -> Server {
    Server::start(transom(&["demo", "--address", "127.0.0.1:0", "--log-format", "json"]), listening)
}

#[test]
fn the_page_of_the_chat_works_in_chromium() {
    let demo = demo();
    let url = format!("http://{}", demo.address());
    demo.wait_for(&format!("{url}/chat"));
    let mut browser = Command::new("node");
    browser.arg(root().join("tests/browser/chat.mjs")).arg(url);
    let mut browser = browser.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(browser.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert_eq!(lines.next().as_deref(), Some("ready"), "the test in the browser printed why");
    demo.terminate();
    assert_eq!(lines.next().as_deref(), Some("the page was served"));
    assert!(browser.wait().unwrap().success());
}
