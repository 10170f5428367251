//! A gateway whose metrics can be read.
//!
//! The test binary starts itself as another process, in which the library serves a configuration as the binary does, and
//! beside it the text of its metrics.

use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::gateway::Gateway;
use crate::support::process::Server;

const CONFIG: &str = "TRANSOM_TEST_CONFIG";

/// Not a test: the process that [`Metered`] starts.
#[test]
#[ignore = "a process that other tests start"]
fn gateway_with_metrics() {
    let file = env::var(CONFIG).unwrap();
    let Ok((config, mut problems)) = transom::config::load::load(Path::new(&file)) else {
        panic!("{file} is wrong")
    };
    let snapshot = transom::app::prepare(&config, &mut problems).unwrap().unwrap();
    transom::app::run(&config, snapshot, |addresses| {
        let metrics = TcpListener::bind("127.0.0.1:0").unwrap();
        println!("metered gateway {} metrics {}", addresses[0], metrics.local_addr().unwrap());
        std::thread::spawn(move || metrics.incoming().for_each(|stream| answer(stream.unwrap())));
    })
    .unwrap();
}

#[expect(clippy::print_stdout, reason = "it tells the test that it was scraped")]
fn answer(mut stream: TcpStream) {
    let head = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    if head.take_while(|line| !line.is_empty()).count() == 0 {
        return;
    }
    println!("scraped");
    let text = transom::app::meters::render();
    let (kind, length) = (transom::telemetry::metrics::text::CONTENT_TYPE, text.len());
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    // Whoever asked may be gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(text.as_bytes()));
}

/// A running gateway with metrics.
pub(super) struct Metered {
    pub(super) server: Server,
    pub(super) metrics: SocketAddr,
    _folder: TempDir,
}

impl Metered {
    /// In front of what the reflection of these backends shows.
    pub(super) fn in_front_of(backends: &[(&str, SocketAddr)]) -> Self {
        let upstreams: String =
            backends.iter().map(|(name, address)| format!("  {name}: http://{address}\n")).collect();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("transom.yaml");
        let config = format!("{}upstreams:\n{upstreams}services: [\"**\"]\n", Gateway::ANY_PORT);
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "telemetry::scrape::gateway_with_metrics", "--ignored", "--nocapture"])
            .env(CONFIG, &file);
        let server = Server::start(command, |line| addresses(line).map(|(gateway, _)| gateway));
        let (_, metrics) = server.printed().lines().find_map(addresses).unwrap();
        Self { server, metrics, _folder: folder }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The metrics as text.
    pub(super) fn text(&self) -> String {
        let mut stream = TcpStream::connect(self.metrics).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    }

    /// The metrics by name and labels, as they are written.
    pub(super) fn values(&self) -> Values {
        let text = self.text();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Values(
            lines
                .map(|line| line.rsplit_once(' ').unwrap())
                .map(|(k, v)| (k.into(), v.parse().unwrap()))
                .collect(),
        )
    }
}

fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (_, addresses) = line.split_once("metered gateway ")?;
    let (gateway, metrics) = addresses.split_once(" metrics ")?;
    Some((gateway.parse().ok()?, metrics.parse().ok()?))
}

/// What metrics said at one moment.
#[derive(Debug)]
pub(super) struct Values(pub(super) BTreeMap<String, f64>);

impl Values {
    /// The value of a series; 0 if there is none.
    pub(super) fn of(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or(0.0)
    }

    /// All values of a metric together, with all its labels.
    pub(super) fn sum(&self, name: &str) -> f64 {
        let of_name = |key: &&String| key.split('{').next() == Some(name);
        self.0.keys().filter(of_name).map(|key| self.0[key]).sum()
    }
}
