//! Child processes that live no longer than their test.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::root;

/// How long a line of output may take. Generous: a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server in a process of its own, killed when this value is dropped.
pub(crate) struct Server {
    child: Child,
    printed: Arc<Printed>,
    address: SocketAddr,
}

impl Server {
    /// Starts a server and waits for a line of its output from which `address_in` reads an address.
    pub(crate) fn start(command: Command, address_in: fn(&str) -> Option<SocketAddr>) -> Self {
        Self::start_with(command, Stdio::null(), address_in).0
    }

    /// The same with what is typed to it.
    pub(crate) fn start_typed(
        command: Command,
        address_in: fn(&str) -> Option<SocketAddr>,
    ) -> (Self, ChildStdin) {
        let (server, input) = Self::start_with(command, Stdio::piped(), address_in);
        (server, input.unwrap())
    }

    fn start_with(
        mut command: Command,
        input: Stdio,
        address_in: fn(&str) -> Option<SocketAddr>,
    ) -> (Self, Option<ChildStdin>) {
        let what = format!("{command:?}");
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{what} does not start: {error}"));
        let printed = Arc::new(Printed::default());
        printed.follow(child.stdout.take().unwrap());
        printed.follow(child.stderr.take().unwrap());
        let Some(address) = printed.find(address_in) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{what} did not say where it listens. Its output:\n{}", printed.all());
        };
        let input = child.stdin.take();
        (Self { child, printed, address }, input)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks it to stop, as a service manager does.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGHUP.
    pub(crate) fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Sends a signal. One that stops has stopped all threads when this returns.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        if signal == Signal::STOP {
            let state = |task: std::io::Result<std::fs::DirEntry>| {
                std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap_or_default()
            };
            // The state stands behind the name, which is in parentheses.
            let is_stopped =
                |stat: String| stat.rsplit(") ").next().is_none_or(|rest| !rest.starts_with(['R', 'S', 'D']));
            let tasks = || std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
            while !tasks().all(|task| is_stopped(state(task))) {
                thread::yield_now();
            }
        }
    }

    /// How much memory it has, in bytes.
    pub(crate) fn memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// The most memory that it has had so far, in bytes.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() * 1024
    }

    /// How much time of a processor it has used so far.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // Behind the name in parentheses: utime and stime are the fields 14 and 15 (proc(5)), in ticks, which Linux
        // shows as hundredths of a second on every platform.
        let fields: Vec<_> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(10 * ticks)
    }

    /// How many files and sockets it has open.
    pub(crate) fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Waits until it has as many files and sockets open.
    pub(crate) fn wait_for_open_files(&self, is_right: impl Fn(usize) -> bool) {
        let start = Instant::now();
        while !is_right(self.open_files()) {
            assert!(start.elapsed() < PATIENCE, "it still has {} open files", self.open_files());
            // There is no event to wait for.
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it has printed so far.
    pub(crate) fn printed(&self) -> String {
        self.printed.all()
    }

    /// All that it has printed, once it has ended.
    pub(crate) fn finished(&self) -> String {
        let _: Option<()> = self.printed.find(|_| None);
        self.printed.all()
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Waits until it has printed a line with this text.
    pub(crate) fn wait_for(&self, text: &str) {
        let found = self.printed.find(|line| line.contains(text).then_some(()));
        assert!(found.is_some(), "the server at {} did not print {text:?}", self.address);
    }
}

impl Server {
    /// Waits until it has printed so many lines with this text.
    pub(crate) fn wait_for_count(&self, text: &str, count: usize) {
        let seen = std::cell::Cell::new(0);
        let found = self.printed.find(|line| {
            seen.set(seen.get() + usize::from(line.contains(text)));
            (seen.get() >= count).then_some(())
        });
        assert!(found.is_some(), "the server at {} printed {text:?} {} times", self.address, seen.get());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- output of the server at {}:\n{}", self.address, self.printed.all());
        }
    }
}

/// The lines that a process has printed.
#[derive(Default)]
struct Printed {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    /// How many of its streams are still open.
    open: usize,
}

impl Printed {
    /// Collects the lines of a stream on a thread of its own, so that the process never waits for us.
    fn follow(self: &Arc<Self>, stream: impl Read + Send + 'static) {
        self.update(|state| state.open += 1);
        let printed = Arc::clone(self);
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                printed.update(|state| state.lines.push(line));
            }
            printed.update(|state| state.open -= 1);
        });
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// What a line holds, waiting for lines to come until the process closes its output.
    fn find<T>(&self, in_line: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (mut seen, mut found) = (0, None);
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.changed.wait_timeout_while(state, PATIENCE, |state| {
            found = state.lines[seen..].iter().find_map(|line| in_line(line));
            seen = state.lines.len();
            found.is_none() && state.open > 0
        });
        found
    }

    fn all(&self) -> String {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).lines.join("\n")
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
