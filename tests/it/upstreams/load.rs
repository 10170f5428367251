//! Callers that ask without a pause and look at every answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long callers with keys wait who were refused.
const PAUSE: Duration = Duration::from_millis(50);

/// Which method is called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Method {
    /// `Echo`, which has no side effects.
    Idempotent,
    /// `Large`, of which nothing is declared.
    Other,
}

/// Callers at work.
pub(crate) struct Load {
    answered: watch::Sender<usize>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Tally>>,
}

/// What has become of the requests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) answered: usize,
    /// The status and the body of answers that are none.
    pub(crate) failed: Vec<(u16, String)>,
}

impl Tally {
    pub(crate) fn asked(&self) -> usize {
        self.answered + self.failed.len()
    }
}

impl Load {
    /// Begins to ask.
    pub(crate) fn start(address: SocketAddr, callers: usize, method: Method) -> Self {
        Self::start_with(address, callers, method, None)
    }

    /// The same with a key. Who is refused then waits a little before it asks again.
    pub(crate) fn start_with(
        address: SocketAddr,
        callers: usize,
        method: Method,
        key: Option<&'static str>,
    ) -> Self {
        let (answered, stop) = (watch::Sender::new(0), Arc::new(AtomicBool::new(false)));
        let tasks = (0..callers).map(|caller| {
            let caller = Caller { address, name: caller, method, key, sender: None };
            tokio::spawn(caller.run(answered.clone(), Arc::clone(&stop)))
        });
        Self { tasks: tasks.collect(), answered, stop }
    }

    /// Waits until so many more requests have come to an end.
    pub(crate) async fn wait_for(&self, more: usize) {
        let wanted = *self.answered.borrow() + more;
        let mut answered = self.answered.subscribe();
        let wait = answered.wait_for(|answered| *answered >= wanted);
        tokio::time::timeout(Duration::from_secs(120), wait).await.expect("the load goes on").unwrap();
    }

    /// Stops, and says what became of all requests.
    pub(crate) async fn stop(self) -> Tally {
        self.stop.store(true, Relaxed);
        let mut all = Tally::default();
        for task in self.tasks {
            let tally = task.await.unwrap();
            all.answered += tally.answered;
            all.failed.extend(tally.failed);
        }
        all
    }
}

struct Caller {
    address: SocketAddr,
    name: usize,
    method: Method,
    key: Option<&'static str>,
    sender: Option<SendRequest<Empty<Bytes>>>,
}

impl Caller {
    async fn run(mut self, ended: watch::Sender<usize>, stop: Arc<AtomicBool>) -> Tally {
        let mut tally = Tally::default();
        while !stop.load(Relaxed) {
            let number = tally.asked();
            match self.ask(number).await {
                Ok(()) => tally.answered += 1,
                Err(failure) => {
                    tally.failed.push(failure);
                    if self.key.is_some() {
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
            ended.send_modify(|count| *count += 1);
        }
        tally
    }

    /// Asks once. Something other than what was asked for is worse than a failure.
    async fn ask(&mut self, number: usize) -> Result<(), (u16, String)> {
        let word = format!("{}-{number}", self.name);
        let size = number % 50;
        let (target, expected) = match self.method {
            Method::Idempotent => (format!("/v1/echo/{word}"), word),
            Method::Other => (format!("/v1/large?size={size}"), "x".repeat(size)),
        };
        let (status, body) = self.send(&target).await;
        let text = String::from_utf8_lossy(&body).into_owned();
        if status != 200 {
            let error: Value = serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{status}: {text}"));
            assert!(error["code"].is_number() && error["message"].is_string(), "{status}: {text}");
            return Err((status, text));
        }
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(answer.get("string").and_then(Value::as_str).unwrap_or_default(), expected, "{target}");
        Ok(())
    }

    async fn send(&mut self, target: &str) -> (u16, Bytes) {
        if self.sender.as_ref().is_none_or(SendRequest::is_closed) {
            let stream = TcpStream::connect(self.address).await.unwrap();
            let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        let mut request = Request::get(target).header("host", "gateway");
        if let Some(key) = self.key {
            request = request.header("x-api-key", key);
        }
        let request = request.body(Empty::new()).unwrap();
        let sender = self.sender.as_mut().unwrap();
        sender.ready().await.unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.into_body().collect().await.unwrap().to_bytes())
    }
}
