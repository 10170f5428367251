//! Real servers: Debian's `redis-server`.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;
use transom::policy::limit::redis::resp::{self, Reply};

use crate::support::process::Server;

/// A Redis that keeps nothing on the disk.
pub(super) struct Redis {
    server: Option<Server>,
    address: SocketAddr,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Redis {
    /// Starts it and waits until it serves.
    pub(super) fn start() -> Self {
        Self::with(&[])
    }

    /// The same with further arguments, in which `HOST` and `PORT` stand for its address.
    pub(super) fn with(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut redis =
            Self { server: None, address: free_address(), arguments, folder: tempfile::tempdir().unwrap() };
        redis.start_again();
        redis
    }

    /// A sentinel that watches this primary, with one alone to agree.
    pub(super) fn sentinel(primary: &Self, name: &str) -> Self {
        let mut sentinel = Self {
            server: None,
            address: free_address(),
            arguments: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
        };
        let file = sentinel.folder.path().join("sentinel.conf");
        let (host, port) = (primary.address.ip(), primary.address.port());
        let text = format!(
            "sentinel monitor {name} {host} {port} 1\nsentinel down-after-milliseconds {name} 300\n\
             sentinel failover-timeout {name} 2000\n"
        );
        std::fs::write(&file, text).unwrap();
        sentinel.arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
        sentinel.start_again();
        sentinel
    }

    /// Starts it again at the same address.
    pub(super) fn start_again(&mut self) {
        let mut command = Command::new("redis-server");
        let is_sentinel = self.arguments.iter().any(|argument| argument == "--sentinel");
        let (file, rest) = if is_sentinel { self.arguments.split_at(1) } else { self.arguments.split_at(0) };
        command.args(file).args(["--bind", &self.address.ip().to_string()]);
        command.args(["--bind-source-addr", &self.address.ip().to_string()]);
        if !self.arguments.iter().any(|argument| argument == "--tls-port") {
            command.args(["--port", &self.address.port().to_string()]);
        }
        if !is_sentinel {
            command.args(["--save", "", "--appendonly", "no", "--protected-mode", "no"]);
        }
        let port = self.address.port().to_string();
        let host = self.address.ip().to_string();
        let rest = rest.iter().map(|argument| match argument.as_str() {
            "HOST" => &host,
            "PORT" => &port,
            _ => argument,
        });
        command.arg("--dir").arg(self.folder.path()).args(rest);
        // The address is known, and what matters is when it is open.
        let server = Server::start(command, |line| {
            let is_open = line.contains("Ready to accept connections") || line.contains("Sentinel ID is");
            is_open.then_some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        });
        self.server = Some(server);
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Ends it at once.
    pub(super) fn kill(&mut self) {
        self.server = None;
    }

    /// Lets it do nothing.
    pub(super) fn pause(&self) {
        self.server.as_ref().unwrap().signal(Signal::STOP);
    }

    /// Lets it go on.
    pub(super) fn resume(&self) {
        self.server.as_ref().unwrap().signal(Signal::CONT);
    }

    /// Asks it something over a new connection.
    pub(super) fn ask(&self, words: &[&str]) -> Reply {
        Client::of(self.address).ask(words)
    }

    /// The same for what is answered with text.
    pub(super) fn text(&self, words: &[&str]) -> String {
        text(self.ask(words))
    }

    /// How often a command was called since the statistics began.
    pub(super) fn calls(&self, command: &str) -> u64 {
        let all = self.text(&["INFO", "commandstats"]);
        let start = format!("cmdstat_{command}:calls=");
        let line = all.lines().find_map(|line| line.strip_prefix(&start));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    }

    /// Waits until something that it is asked is answered with text that is right.
    pub(super) fn wait_for(&self, words: &[&str], is_right: impl Fn(&str) -> bool) {
        for _ in 0..2_000 {
            if is_right(&self.text(words)) {
                return;
            }
            // There is no event to wait for.
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("{words:?} is answered with {}", self.text(words));
    }
}

/// A connection that asks one thing after the other.
pub(super) struct Client(TcpStream);

impl Client {
    pub(super) fn of(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(stream)
    }

    pub(super) fn ask(&mut self, words: &[&str]) -> Reply {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        self.send(&resp::command(&words))
    }

    /// Sends a command as it is written.
    pub(super) fn send(&mut self, command: &[u8]) -> Reply {
        self.0.write_all(command).unwrap();
        let (mut input, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            if let Some((reply, _)) = resp::read(&input).unwrap() {
                return reply;
            }
            let count = self.0.read(&mut buffer).unwrap();
            assert!(count > 0, "the connection ended");
            input.extend_from_slice(&buffer[..count]);
        }
    }
}

pub(super) fn text(reply: Reply) -> String {
    match reply {
        Reply::Word(text) | Reply::Error(text) => text.into(),
        Reply::Bytes(bytes) => String::from_utf8(bytes.into()).unwrap(),
        Reply::Number(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// Redis must be told its port. So it gets a loopback address that no other process uses, and a port that is free there,
/// as is the one 10,000 above, on which servers of a cluster talk.
fn free_address() -> SocketAddr {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let host = Ipv4Addr::new(127, high | 64, low, COUNT.fetch_add(1, Ordering::Relaxed));
    loop {
        let address = TcpListener::bind((host, 0)).unwrap().local_addr().unwrap();
        if address.port() < 55_000 && TcpListener::bind((host, address.port() + 10_000)).is_ok() {
            return address;
        }
    }
}
