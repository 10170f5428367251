//! Child processes that live no longer than their test.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::root;

/// How long a server may take until it says where it listens. Generous: a busy machine is no failure.
const START: Duration = Duration::from_secs(60);

/// A server in a process of its own, killed when this value is dropped.
pub(crate) struct Server {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    address: SocketAddr,
}

impl Server {
    /// Starts a server and waits for a line of its output from which `address_in` reads an address.
    pub(crate) fn start(mut command: Command, address_in: fn(&str) -> Option<SocketAddr>) -> Self {
        let what = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{what} does not start: {error}"));
        let lines = Arc::default();
        let (sender, receiver) = channel();
        follow(child.stdout.take().unwrap(), &lines, &sender);
        follow(child.stderr.take().unwrap(), &lines, &sender);
        drop(sender);
        let Some(address) = wait_for(&receiver, address_in) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{what} did not say where it listens. Its output:\n{}", printed(&lines));
        };
        Self { child, lines, address }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All that it has printed so far.
    pub(crate) fn output(&self) -> String {
        printed(&self.lines)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- output of the server at {}:\n{}", self.address, self.output());
        }
    }
}

/// Runs a tool to its end and returns what it printed; a tool that fails, or is missing, fails the test.
pub(crate) fn run(command: &mut Command) -> Output {
    let what = format!("{command:?}");
    let output = command.output().unwrap_or_else(|error| {
        panic!("{what} does not start: {error}. `./test` installs what the tests need.")
    });
    assert!(
        output.status.success(),
        "{what} failed with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    output
}

/// A Python script of this repository, to be run in the environment that `./test` makes.
pub(crate) fn python(script: &str) -> Command {
    let python: PathBuf = root().join(".venv/bin/python");
    assert!(python.exists(), "{} is missing. `./test setup` makes it.", python.display());
    let mut command = Command::new(python);
    command.arg("-u").arg(root().join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// Collects the lines of a stream and hands them on, on a thread of its own, so that the child never
/// waits for us.
fn follow(stream: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>, sender: &Sender<String>) {
    let (lines, sender) = (Arc::clone(lines), sender.clone());
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
            let _ = sender.send(line);
        }
    });
}

fn wait_for(lines: &Receiver<String>, address_in: fn(&str) -> Option<SocketAddr>) -> Option<SocketAddr> {
    let end = std::time::SystemTime::now() + START;
    loop {
        let left = end.duration_since(std::time::SystemTime::now()).ok()?;
        if let Some(address) = address_in(&lines.recv_timeout(left).ok()?) {
            return Some(address);
        }
    }
}

fn printed(lines: &Mutex<Vec<String>>) -> String {
    lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
}
