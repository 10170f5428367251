//! Backends that fail in the middle of a stream, or not at all; and what callers that leave do to those that stay.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use h2::Reason;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use crate::support::client::{self, Version};
use crate::support::gateway::Gateway;
use crate::support::json::{ANY, compare};
use crate::support::raw_backend::{self, Call, End, item, status};
use crate::support::{sse, stream};

/// What a backend does behind the second message of a stream.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Ends(End),
    Reset(Reason),
    NoStatus,
    BadStatus,
    /// Less than its five bytes announce.
    CutMessage,
    /// More than any message may have.
    HugeMessage,
    /// Compressed, which was not agreed upon.
    Compressed,
    /// Not protobuf.
    Garbage,
    /// No such flag.
    BadFlag,
}

async fn misbehave(mut call: Call, fault: Fault) {
    if call.path != "/echo.v1.Streams/Watch" {
        call.echo();
        return;
    }
    let mut stream = call.begin().unwrap();
    let mut send = |data: Vec<u8>, is_end| stream.send_data(data.into(), is_end).unwrap();
    send(item(1), false);
    send(item(2), false);
    match fault {
        Fault::Ends(end) => {
            // What was sent before shall arrive before.
            tokio::time::sleep(Duration::from_millis(50)).await;
            call.end_connection(end);
            if end == End::Graceful {
                send(item(3), false);
                stream.send_trailers(status("0")).unwrap();
            } else {
                // What is dropped would be reset.
                std::future::pending::<()>().await;
            }
            return;
        }
        Fault::Reset(reason) => {
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream.send_reset(reason);
            return;
        }
        Fault::NoStatus => send(Vec::new(), true),
        Fault::CutMessage => send(item(3)[..6].to_vec(), false),
        Fault::HugeMessage => send(vec![0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3], false),
        Fault::Compressed => send([&[1][..], &item(3)[1..]].concat(), false),
        Fault::BadFlag => send([&[7][..], &item(3)[1..]].concat(), false),
        Fault::Garbage => send(vec![0, 0, 0, 0, 2, 0x12, 9], false),
        Fault::BadStatus => {}
    }
    if !matches!(fault, Fault::NoStatus) {
        let code = if matches!(fault, Fault::BadStatus) { "fine" } else { "0" };
        // The gateway may have reset the call already.
        let _ = stream.send_trailers(status(code));
    }
}

/// The answer's elements in each form.
async fn elements(gateway: &Gateway, version: Version, accept: &str) -> Vec<Value> {
    let answer = stream::get(gateway.address(), version, "/v1/watch/fault", &[("accept", accept)]).await;
    assert_eq!(answer.status, 200);
    let text = answer.rest().await;
    match accept {
        "text/event-stream" => sse::events(&text)
            .map(|event| event.value().unwrap())
            .filter(|event| event["event"] != "end")
            .map(|event| event["data"].clone())
            .collect(),
        "application/json" => serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")),
        _ => text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
    }
}

/// The messages that came, and the typed element that says why there are no more.
#[tokio::test]
async fn streams_that_fail_in_the_middle_end_with_the_reason() {
    let table = [
        (Fault::Ends(End::Abrupt(Reason::NO_ERROR)), 14),
        (Fault::Ends(End::Abrupt(Reason::ENHANCE_YOUR_CALM)), 14),
        (Fault::Ends(End::Closed), 14),
        (Fault::Reset(Reason::INTERNAL_ERROR), 13),
        (Fault::Reset(Reason::REFUSED_STREAM), 14),
        (Fault::Reset(Reason::ENHANCE_YOUR_CALM), 8),
        (Fault::NoStatus, 13),
        (Fault::BadStatus, 13),
        (Fault::CutMessage, 13),
        (Fault::HugeMessage, 8),
        (Fault::Compressed, 13),
        (Fault::BadFlag, 13),
        (Fault::Garbage, 13),
    ];
    let mut wrong = Vec::new();
    for (fault, code) in table {
        let gateway = raw_backend::gateway(raw_backend::start(1000, move |call| misbehave(call, fault)));
        for version in [Version::Http1, Version::Http2] {
            for accept in ["application/json", "application/x-ndjson", "text/event-stream"] {
                let found = elements(&gateway, version, accept).await;
                let kind = "type.googleapis.com/google.rpc.Status";
                let error = json!({"error": {"@type": kind, "code": code, "message": ANY, "details": []}});
                let expected = json!([{"number": 1}, {"number": 2}, error]);
                if let Err(place) = compare(&expected, &json!(found)) {
                    wrong.push(format!("{fault:?} {accept}: {place}: {}", json!(found)));
                }
                let answer = client::get(gateway.address(), "/v1/echo/alive").await;
                assert_eq!(answer.json(), json!({"string": "alive"}), "behind {fault:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_stream_below_a_graceful_goaway_ends_well() {
    let fault = Fault::Ends(End::Graceful);
    let gateway = raw_backend::gateway(raw_backend::start(1000, move |call| misbehave(call, fault)));
    for version in [Version::Http1, Version::Http2] {
        let found = elements(&gateway, version, "application/x-ndjson").await;
        assert_eq!(found, [json!({"number": 1}), json!({"number": 2}), json!({"number": 3})]);
    }
}

/// A peer that takes everything and says nothing, not even SETTINGS.
#[tokio::test]
async fn a_backend_that_says_nothing_meets_the_deadline() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            std::thread::spawn(move || stream.read_to_end(&mut Vec::new()));
        }
    });
    let gateway = raw_backend::gateway(address);
    for version in [Version::Http1, Version::Http2] {
        let start = Instant::now();
        let headers = [("x-request-timeout", "0.5")];
        let answer = client::send(gateway.address(), version, "GET", "/v1/echo/x", &headers, "").await;
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (504, &json!(4)));
        let time = start.elapsed();
        assert!(time >= Duration::from_millis(500) && time < Duration::from_secs(5), "{time:?}");
        assert_eq!(client::get(gateway.address(), "/nowhere").await.status, 404);
    }
}

/// How callers leave.
#[derive(Clone, Copy, Debug)]
enum Leaving {
    /// They close their connection.
    Disconnect,
    /// Their time is over.
    Deadline,
}

/// Starts a backend that answers a call of `other` when it gets a permit and never one of `leaving`, and tells of each
/// that has come.
fn patient() -> (Gateway, Arc<Semaphore>, mpsc::UnboundedReceiver<()>) {
    let go = Arc::new(Semaphore::new(0));
    let (come, comes) = mpsc::unbounded_channel();
    let permits = Arc::clone(&go);
    // Twice what the gateway resets at once, as its own connections are replaced meanwhile.
    let backend = raw_backend::start(45, move |mut call: Call| {
        let (go, come) = (Arc::clone(&permits), come.clone());
        async move {
            let is_leaving = call.body.windows(7).any(|part| part == b"leaving");
            let is_other = call.body.windows(5).any(|part| part == b"other");
            if is_leaving || is_other {
                come.send(()).unwrap();
            }
            if is_leaving {
                let streams = call.path == "/echo.v1.Streams/Watch";
                let mut answer = if streams { call.begin() } else { None };
                if let Some(answer) = &mut answer {
                    let _ = answer.send_data(item(1).into(), false);
                }
                call.reset(answer).await;
                return;
            }
            if is_other {
                go.acquire().await.unwrap().forget();
            }
            call.echo();
        }
    });
    (raw_backend::gateway(backend), go, comes)
}

/// Two hundred callers leave while others wait. None of these may notice, although their calls share connections.
async fn storm(leaving: Leaving, target: &'static str) {
    let (gateway, go, mut comes) = patient();
    let address = gateway.address();
    // Some on the connection of each core.
    let others: Vec<_> =
        (0..16).map(|_| tokio::spawn(async move { client::get(address, "/v1/echo/other").await })).collect();
    for _ in &others {
        comes.recv().await.unwrap();
    }
    let mut leavers = Vec::new();
    for number in 0..200 {
        let version = [Version::Http1, Version::Http2][number % 2];
        leavers.push(tokio::spawn(async move {
            let timeout = if matches!(leaving, Leaving::Disconnect) { "14" } else { "1" };
            let headers = [("x-request-timeout", timeout)];
            stream::get(address, version, target, &headers).await.rest().await
        }));
    }
    for _ in &leavers {
        comes.recv().await.unwrap();
    }
    for leaver in leavers {
        match leaving {
            Leaving::Disconnect => leaver.abort(),
            Leaving::Deadline => {
                let text = leaver.await.unwrap();
                assert!(text.contains("\"code\":4"), "{text}");
            }
        }
    }
    // For as long as the backend counts.
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(2500) {
        let answer = client::get(address, "/v1/echo/alive").await;
        assert_eq!(answer.status, 200, "{leaving:?} {target}: {:?}", answer.body);
    }
    go.add_permits(others.len());
    for other in others {
        let answer = other.await.unwrap();
        assert_eq!(answer.status, 200, "{leaving:?} {target}: {:?}", answer.body);
    }
}

/// Backends take many resets at once for an attack and end the connection, which is everybody's.
#[tokio::test]
async fn callers_that_leave_never_cost_the_others_their_connection() {
    tokio::join!(
        storm(Leaving::Disconnect, "/v1/echo/leaving"),
        storm(Leaving::Disconnect, "/v1/watch/leaving")
    );
}

/// Nor do those whose time is over, at a backend that does not look at the time itself.
#[tokio::test]
async fn calls_that_are_late_never_cost_the_others_their_connection() {
    tokio::join!(storm(Leaving::Deadline, "/v1/echo/leaving"), storm(Leaving::Deadline, "/v1/watch/leaving"));
}
