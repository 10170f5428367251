//! What a backend that hangs is to those that have nothing to do with it.

use std::net::SocketAddr;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::ECHO;
use crate::support::backend::python_server_with;
use crate::support::client;
use crate::telemetry::scrape::Metered;

/// How often each is asked in a round.
const ROUND: usize = 200;

/// Two upstreams: that of `Echo`, which is looked at, and that of `Streams`, which will hang. Rounds without and with a
/// neighbour that hangs are taken in turns, so that whatever else the machine does is in both.
#[tokio::test]
async fn a_backend_that_hangs_takes_neither_time_nor_memory_from_others() {
    let (good, bad) = (python_server_with(ECHO, &[]), python_server_with(ECHO, &[]));
    let upstreams = format!(
        "  good: http://{}\n  bad: {{targets: [http://{}], timeout: 60s}}\n",
        good.address(),
        bad.address()
    );
    let services = "services:\n  - {service: echo.v1.Echo, upstream: good}\n  - {service: echo.v1.Streams, upstream: bad}\n";
    let gateway = Metered::with(tempfile::tempdir().unwrap(), &upstreams, services);
    let address = gateway.address();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    ask(address, &mut Vec::new()).await;
    let mut hanging = Vec::new();
    for round in 0..4 {
        ask(address, &mut without).await;
        if round == 0 {
            // What the first rounds have filled is filled from here on.
            ask(address, &mut without).await;
        }
        let memory = gateway.server.memory();
        bad.signal(Signal::STOP);
        for number in 0..100 {
            hanging.push(tokio::spawn(async move {
                client::get(address, &format!("/v1/watch/{round}-{number}?count=1")).await
            }));
        }
        in_flight(&gateway, 100).await;
        ask(address, &mut with).await;
        // A hundred calls that wait cost what a hundred calls cost, wherever they wait: 10 % and 64 KiB for each.
        let grown = gateway.server.memory().saturating_sub(memory);
        assert!(grown <= memory / 10 + 100 * 64 * 1024, "{grown} bytes more than {memory}");
        bad.signal(Signal::CONT);
        for call in hanging.drain(..) {
            assert_eq!(call.await.unwrap().status, 200, "it was only late");
        }
        in_flight(&gateway, 0).await;
    }
    let (without, with) = (p99(without), p99(with));
    // A fifth more, and as much as the clock of a busy machine is worth.
    assert!(
        with <= without.mul_f64(1.2) + Duration::from_millis(10),
        "{with:?} with it, {without:?} without"
    );
}

/// Asks the good one, and looks at each answer.
async fn ask(address: SocketAddr, times: &mut Vec<Duration>) {
    for number in 0..ROUND {
        let started = Instant::now();
        let answer = client::get(address, &format!("/v1/echo/{number}")).await;
        times.push(started.elapsed());
        assert_eq!((answer.status.as_u16(), &answer.json()["string"]), (200, &number.to_string().into()));
    }
}

/// Waits until so many calls are with the one that hangs.
async fn in_flight(gateway: &Metered, wanted: u64) {
    loop {
        let answer = client::get(gateway.metrics, "/upstreams").await.json();
        let bad = answer.as_array().unwrap().iter().find(|upstream| upstream["name"] == "bad").unwrap();
        if bad["in_flight"].as_u64().unwrap() == wanted {
            return;
        }
    }
}

fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() * 99 / 100]
}
