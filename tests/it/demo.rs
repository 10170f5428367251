//! `transom demo`: its backends are broken by keys, and its dashboard shows what becomes of that.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{ChildStdin, Command, Stdio};

use crate::support::client::get;
use crate::support::gateway::{listening, transom};
use crate::support::process::{Server, python, run};
use crate::support::root;

/// A demo that is typed to.
struct Demo {
    server: Server,
    input: ChildStdin,
    /// How many keys were typed.
    typed: usize,
}

impl Demo {
    fn start(arguments: &[&str]) -> Self {
        let mut command = transom(&["demo", "--address", "127.0.0.1:0", "--log-format", "json"]);
        command.args(arguments);
        let (server, input) = Server::start_typed(command, listening);
        server.wait_for("Stop with Ctrl-C.");
        Self { server, input, typed: 0 }
    }

    /// Types a key that does something, and waits until it is done.
    fn key(&mut self, text: &str) {
        writeln!(self.input, "{text}").unwrap();
        self.typed += 1;
        // The introduction has no line that begins so.
        self.server.wait_for_count("Backend ", self.typed);
    }
}

#[tokio::test]
async fn a_killed_backend_is_missed_by_nobody() {
    let mut demo = Demo::start(&["--backends", "3"]);
    let address = demo.server.address();
    let shelf = async |id: &str| get(address, &format!("/v1/shelves/{id}")).await.status.as_u16();
    for key in ["k 1", "e 2", "r 1", "r 2", "k 3"] {
        demo.key(key);
        for _ in 0..20 {
            assert_eq!(shelf("crime").await, 200, "after {key}");
        }
    }
    // What one has taken in, the others know.
    let body = serde_json::json!({ "title": "New" });
    let answer = crate::support::client::post(address, "/v1/shelves?shelfId=new", &body).await;
    assert_eq!(answer.status.as_u16(), 200);
    demo.key("r 3");
    for _ in 0..20 {
        assert_eq!(shelf("new").await, 200);
    }
    // Whoever types no more has not stopped it.
    drop(demo.input);
    assert_eq!(shelf("new").await, 200);
    demo.server.terminate();
    assert!(demo.server.wait().success());
}

#[test]
fn what_cannot_be_started_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let reason = std::io::Error::from_raw_os_error(98);
    for (arguments, code, text) in [
        (
            &["--backend", &address][..],
            70,
            format!("Backend 1 of the demo cannot listen on {address}: {reason}."),
        ),
        (
            &["--shop", &address],
            70,
            format!("Backend users of the demo cannot listen on {address}: {reason}."),
        ),
        (
            &["--shop", "127.0.0.1:65535"],
            70,
            "Backend orders of the demo would need a port above 65535.".to_owned(),
        ),
        (&["--backends", "0"], 2, "0 is not in 1..=9".to_owned()),
        (&["--backends", "10"], 2, "10 is not in 1..=9".to_owned()),
    ] {
        let output = transom(&["demo", "--address", "127.0.0.1:0"]).args(arguments).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
        assert!(printed.contains(&text), "{arguments:?}: {printed}");
    }
}

#[test]
fn the_dashboard_is_there_by_soap_and_on_websockets() {
    let mut demo = Demo::start(&[]);
    let ask = || {
        let mut client = python("tests/python/demo_dashboard.py");
        client.arg(demo.server.address().to_string());
        client
    };
    run(&mut ask());
    let mut without = ask();
    demo.key("k offers");
    run(without.arg("stopped"));
}

/// What the README of the dashboard says of a name that is mistyped.
#[test]
fn a_mistyped_field_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let (dashboard, shop) = (folder.path().join("examples/dashboard"), folder.path().join("examples/shop"));
    std::fs::create_dir_all(&dashboard).unwrap();
    std::os::unix::fs::symlink(root().join("examples/shop"), shop).unwrap();
    let read = |name: &str| std::fs::read_to_string(root().join("examples/dashboard").join(name)).unwrap();
    let config = read("transom.yaml").replace("{user.segment}", "{user.segmnt}");
    std::fs::write(dashboard.join("transom.yaml"), config).unwrap();
    let mut check = transom(&["check", "-c", "examples/dashboard/transom.yaml"]);
    let output = check.current_dir(folder.path()).env("NO_COLOR", "1").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    let told: String = told.trim_end().lines().map(|line| format!("    {line}\n")).collect();
    assert!(read("README.md").contains(&told), "{told}");
}

#[test]
fn the_dashboard_fills_itself_in_chromium() {
    let mut demo = Demo::start(&[]);
    let url = format!("http://{}", demo.server.address());
    let mut browser = Command::new("node");
    browser.arg(root().join("tests/browser/dashboard.mjs")).arg(url);
    let mut browser = browser.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut done = browser.stdin.take().unwrap();
    let mut last = String::new();
    for line in BufReader::new(browser.stdout.take().unwrap()).lines().map_while(Result::ok) {
        if let Some(key) = line.strip_prefix("key ") {
            demo.key(key);
            writeln!(done, "done").unwrap();
        }
        last = line;
    }
    assert_eq!(last, "the page was served", "the test in the browser printed why");
    assert!(browser.wait().unwrap().success());
}
