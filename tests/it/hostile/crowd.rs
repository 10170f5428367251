//! Many connections.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::Instant;

use super::{assert_alive, connect, short};
use crate::support::backend;
use crate::support::frames::*;
use crate::support::gateway::Gateway;

const GET: &[u8] = b"GET /v1/shelves/crime HTTP/1.1\r\nhost: x\r\n\r\n";

/// Reads as much of an answer as shows that it is one.
fn is_answered(stream: &mut TcpStream) -> bool {
    let mut start = [0; 12];
    stream.read_exact(&mut start).is_ok() && &start == b"HTTP/1.1 200"
}

#[test]
fn two_thousand_idle_connections_take_little_memory() {
    const COUNT: usize = 2000;
    // As the gateway does for itself.
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }).unwrap();
    let mut gateway = Gateway::in_front_of(&[backend::bookstore()]);
    assert_alive(&gateway);
    let before = gateway.server().memory();
    let (mut silent, mut served, mut multiplexed) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..COUNT {
        match number % 4 {
            0 => silent.push(connect(&gateway)),
            1 | 2 => {
                let mut stream = connect(&gateway);
                stream.write_all(GET).unwrap();
                assert!(is_answered(&mut stream));
                served.push(stream);
            }
            _ => {
                let mut connection = Connection::open(gateway.address(), b"");
                assert!(connection.send(&get(1, "/v1/shelves/crime")));
                assert_eq!(connection.next_of(&[HEADERS]).unwrap().status(), 200);
                multiplexed.push(connection);
            }
        }
    }
    let start = Instant::now();
    assert_alive(&gateway);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    let each = gateway.server().memory().saturating_sub(before) / COUNT;
    assert!(each < 32 << 10, "{each} bytes for each");
    // They are still good for another request.
    for stream in served.iter_mut().step_by(100) {
        stream.write_all(GET).unwrap();
        let mut rest = [0; 40];
        stream.read_exact(&mut rest).unwrap();
    }
    for connection in multiplexed.iter_mut().step_by(100) {
        assert!(connection.send(&get(3, "/v1/shelves/crime")));
        assert_eq!(connection.next_of(&[HEADERS]).unwrap().status(), 200);
    }
}

/// Lets a gateway with so many places be full while others wait. Those cost nothing, and have their turn.
fn fill(mut gateway: Gateway, places: usize) {
    let mut inside: Vec<_> = (0..places).map(|_| connect(&gateway)).collect();
    for stream in &mut inside {
        stream.write_all(GET).unwrap();
        assert!(is_answered(stream));
    }
    let mut waiting: Vec<_> = (0..30).map(|_| connect(&gateway)).collect();
    for stream in &mut waiting {
        stream.write_all(GET).unwrap();
    }
    let before = gateway.server().cpu_time();
    waiting[0].set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    assert!(!is_answered(&mut waiting[0]), "there is no place for it");
    let spent = gateway.server().cpu_time() - before;
    assert!(spent < Duration::from_millis(500), "{spent:?} of two seconds");
    // Those inside go on.
    for stream in &mut inside {
        stream.write_all(GET).unwrap();
        stream.read_exact(&mut [0; 300]).unwrap();
    }
    // Each that leaves makes room for one that waits.
    drop(inside);
    waiting[0].set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    for mut stream in waiting {
        assert!(is_answered(&mut stream));
    }
    assert_alive(&gateway);
}

#[test]
fn connections_over_the_limit_wait_and_cost_nothing() {
    fill(short("connections: 10"), 10);
}

/// Half of the files are for connections to backends.
#[test]
fn connections_stay_below_half_of_the_files() {
    let config = format!(
        "{}upstreams: {{books: http://{}}}\nservices: [\"**\"]\n",
        Gateway::ANY_PORT,
        backend::bookstore()
    );
    fill(Gateway::with_few_files(&config, 64), 31);
}
