//! The pages of `docs` that go through something on one machine, typed into a shell from top to bottom as an operator would.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::support::root;

/// How long a line of output may take. Generous: a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is behind the last output of a command.
const END: &str = "--- the end of the output ---";

#[test]
fn the_page_for_operators_works() {
    assert!(type_in("docs/operating.md", &[":8080", ":8443", ":9901", ":50051"]) > 30);
}

#[test]
fn the_page_about_who_may_call_works() {
    assert!(type_in("docs/access.md", &[":8080", ":8081", ":9400", ":9901", ":50051"]) > 20);
}

#[test]
fn the_page_about_aggregates_works() {
    assert!(type_in("docs/aggregates.md", &[":8080", ":8081", ":8082", ":50051", ":50052"]) > 15);
}

#[test]
fn the_page_about_routing_works() {
    assert!(type_in("docs/routing.md", &[":8080", ":8081", ":9901", ":50051"]) > 20);
}

#[test]
fn the_page_about_versions_works() {
    assert!(type_in("docs/versions.md", &[":8080", ":8081", ":8082", ":9901", ":50051", ":50052"]) > 12);
}

#[test]
fn the_page_about_canaries_works() {
    let ports = [":8080", ":8081", ":8082", ":9901", ":50051", ":50052"];
    assert!(type_in("docs/canary.md", &ports) > 15);
}

#[test]
fn the_page_about_translations_works() {
    assert!(type_in("docs/translations.md", &[":8080", ":8081", ":50051"]) > 10);
}

/// Types the steps of a page that uses these ports, and says how many there are.
pub(crate) fn type_in(page: &str, ports: &[&str]) -> usize {
    let mut page = std::fs::read_to_string(root().join(page)).unwrap();
    for (port, free) in ports.iter().zip(free_ports(ports.len())) {
        assert!(page.contains(port), "{port} is not on the page");
        page = page.replace(port, &format!(":{free}"));
        page = page.replace(&format!("--port {}", &port[1..]), &format!("--port {free}"));
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["examples", "protos", "contrib"] {
        std::os::unix::fs::symlink(root().join(name), folder.path().join(name)).unwrap();
    }
    let steps = steps(&page);
    let mut shell = Shell::start(folder.path());
    for step in &steps {
        shell.take(step);
    }
    steps.len()
}

/// Commands and what follows from them.
#[derive(Default, Debug, PartialEq)]
struct Step {
    commands: String,
    /// What is in their output.
    answers: Vec<String>,
    /// What is in lines of the log, one after the other.
    logged: Vec<String>,
}

/// The steps in the shell blocks of a page.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let blocks = page.split("```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
    for block in blocks {
        let mut step = Step::default();
        for line in block.lines() {
            if let Some(answer) = line.strip_prefix("# => ") {
                step.answers.push(answer.to_owned());
            } else if let Some(logged) = line.strip_prefix("# log: ") {
                step.logged.push(logged.to_owned());
            } else {
                if !step.answers.is_empty() || !step.logged.is_empty() {
                    steps.push(std::mem::take(&mut step));
                }
                step.commands.push_str(line);
                step.commands.push('\n');
            }
        }
        steps.push(step);
    }
    steps
}

/// Ports that nobody listens on. They are below those that systems give away by themselves (from 32768 on Linux), so
/// that no other test gets one between here and the command that uses it.
fn free_ports(count: usize) -> Vec<u16> {
    // Each call begins behind the last one's, as pages are typed at the same time.
    static PAGES: AtomicU16 = AtomicU16::new(0);
    let page = PAGES.fetch_add(1, Relaxed);
    let first = 10_000 + u16::try_from(std::process::id() % 20_000).unwrap() + 100 * page;
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (first..32_768).filter(is_free).take(count).collect()
}

/// A shell that is typed into. It ends with all that it has started.
struct Shell {
    process: Child,
    input: ChildStdin,
    output: Receiver<String>,
    log: Receiver<String>,
}

impl Shell {
    fn start(folder: &Path) -> Self {
        let binary = Path::new(env!("CARGO_BIN_EXE_transom")).parent().unwrap();
        let python = root().join(".venv/bin");
        let path = format!("{}:{}:{}", binary.display(), python.display(), std::env::var("PATH").unwrap());
        let mut process = Command::new("bash")
            .current_dir(folder)
            .env("PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let input = process.stdin.take().unwrap();
        let output = lines(process.stdout.take().unwrap());
        let log = lines(process.stderr.take().unwrap());
        Self { process, input, output, log }
    }

    /// Types the commands of a step, and compares what they answer and what is logged.
    fn take(&mut self, step: &Step) {
        let commands = &step.commands;
        // What a server prints to standard error is the log; what other commands print there, they answer.
        let errors = if commands.contains(" & ") { "" } else { "2>&1" };
        writeln!(self.input, "{{ {commands}}} {errors} </dev/null\nprintf '\\n%s\\n' '{END}'").unwrap();
        let mut output = String::new();
        loop {
            let line = self.output.recv_timeout(PATIENCE);
            match line.unwrap_or_else(|error| panic!("{error} after {output}\nof {commands}")) {
                line if line == END => break,
                line => output.extend([&line, "\n"]),
            }
        }
        for answer in &step.answers {
            assert!(output.contains(answer), "{answer:?} is not in the output of\n{commands}\n{output}");
        }
        for expected in &step.logged {
            let mut seen = String::new();
            while !seen.contains(expected) {
                let line = self.log.recv_timeout(PATIENCE);
                let line =
                    line.unwrap_or_else(|error| panic!("{error}: {expected:?} is not in the log:\n{seen}"));
                seen.extend([&line, "\n"]);
            }
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let _ = self.process.wait();
    }
}

/// The lines that somebody writes, as they come.
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    thread::spawn(move || {
        BufReader::new(stream).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
    });
    receive
}

#[test]
fn steps_are_read() {
    let page = "Prose.\n\n```yaml\na: b\n```\n```sh\none\ntwo\n# => 2\n# log: x\nthree\n```\n```sh\n# a note\nfour\n# => 4\n```\n";
    let step = |commands: &str, answers: &[&str], logged: &[&str]| Step {
        commands: commands.to_owned(),
        answers: answers.iter().map(|&text| text.to_owned()).collect(),
        logged: logged.iter().map(|&text| text.to_owned()).collect(),
    };
    let expected = [
        step("one\ntwo\n", &["2"], &["x"]),
        step("three\n", &[], &[]),
        step("# a note\nfour\n", &["4"], &[]),
    ];
    assert_eq!(steps(page), expected);
}
