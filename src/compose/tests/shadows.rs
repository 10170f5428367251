//! Copies of calls: when they are sent, and that the calls themselves know nothing of them.

use std::time::Duration;

use futures_util::FutureExt;
use http::HeaderValue;
use tokio::task::yield_now;
use tokio::time::advance;

use super::super::shadow::{COPIES, IN_FLIGHT, Shadow, Terms};
use super::super::split::{Part, Split};
use super::*;
use crate::call::identity::Noted;
use crate::call::{self, Message};
use crate::telemetry::metrics::Metric;

const SECOND: Duration = Duration::from_secs(1);

/// A call that was made, and who waits for its answer; gone once it is answered.
type Made = (Call, Option<oneshot::Sender<Reply>>);

/// Keeps the calls that reach it, and answers each as it is told or never.
#[derive(Clone, Default)]
struct Upstream {
    calls: Arc<Mutex<Vec<Made>>>,
}

impl CallService for Upstream {
    fn call(&self, mut call: Call) -> BoxFuture<Reply> {
        let calls = Arc::clone(&self.calls);
        Box::pin(async move {
            let body = std::mem::replace(&mut call.body, Body::Message(Message::default()));
            if !matches!(body, Body::Stream(_)) {
                match body.message().await {
                    Ok(message) => call.body = Body::Message(message),
                    Err(status) => return status.into(),
                }
            }
            let (sender, receiver) = oneshot::channel();
            calls.lock().unwrap().push((call, Some(sender)));
            receiver.await.unwrap_or_else(|_| Status::gateway(Code::Internal, "").into())
        })
    }
}

impl Upstream {
    fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    fn answer(&self, call: usize, reply: impl Into<Reply>) {
        let sender = self.calls.lock().unwrap()[call].1.take().unwrap();
        assert!(sender.send(reply.into()).is_ok(), "nobody waits for call {call}");
    }
}

/// A method with a shadow, and the two upstreams. Each test has a name of its own, by which things are counted.
fn shadowed(name: &'static str, max_in_flight: u32) -> (Split, Upstream, Upstream) {
    let (own, other) = (Upstream::default(), Upstream::default());
    let terms = Terms { part: Part::WHOLE, max_in_flight, timeout: 5 * SECOND };
    let idempotent = Method { idempotent: true, ..method("Copied", false) };
    let shadow = Shadow::new(name, idempotent, Arc::new(other.clone()), terms);
    let split = Split {
        choices: Vec::new(),
        upstream: "own".into(),
        service: Arc::new(own.clone()),
        shadow: Some(Arc::new(shadow)),
    };
    (split, own, other)
}

fn counted(name: &str, outcome: &str) -> u64 {
    COPIES.series(&[name, outcome]).value()
}

fn in_flight(name: &str) -> String {
    let mut text = String::new();
    IN_FLIGHT.render(&mut text);
    let line = text.lines().find(|line| line.contains(&format!("{name:?}"))).unwrap();
    line.rsplit(' ').next().unwrap().to_owned()
}

fn ok() -> Reply {
    Reply::from(Status::ok())
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_sent_when_the_call_has_its_message_and_is_waited_for_by_nobody() {
    let (split, own, other) = shadowed("hanging", 10);
    let (sender, receiver) = oneshot::channel::<Message>();
    let mut asked = call("");
    asked.metadata.insert("x-tenant", HeaderValue::from_static("a"));
    asked.origin.noted = Some(Arc::new(Noted::default()));
    asked.body = Body::Pending(Box::pin(async { Ok(receiver.await.unwrap()) }));
    let mut reply = split.call(asked);
    assert!(reply.as_mut().now_or_never().is_none());
    yield_now().await;
    assert_eq!((own.count(), other.count()), (0, 0), "there is nothing to copy yet");
    sender.send(Bytes::from_static(b"hello").into()).unwrap();
    // The call goes on in the poll in which its message is there; the copy is for later.
    assert!(reply.as_mut().now_or_never().is_none());
    assert_eq!((own.count(), other.count()), (1, 0));
    yield_now().await;
    assert_eq!((own.count(), other.count()), (1, 1));
    own.answer(0, Reply { message: Bytes::from_static(b"answer").into(), ..ok() });
    assert_eq!(&*reply.now_or_never().unwrap().message.bytes, b"answer");
    {
        let calls = other.calls.lock().unwrap();
        let copy = &calls[0].0;
        let Body::Message(message) = &copy.body else { panic!("{:?}", copy.body) };
        assert_eq!(&*message.bytes, b"hello");
        let metadata = ["x-tenant", "x-transom-shadow"].map(|name| copy.metadata[name].to_str().unwrap());
        assert_eq!((metadata, copy.metadata.len()), (["a", "1"], 2));
        assert!(!copy.method.idempotent && copy.origin.noted.is_none());
        assert_eq!(copy.deadline.unwrap(), tokio::time::Instant::now() + 5 * SECOND);
        assert!(!own.calls.lock().unwrap()[0].0.metadata.contains_key("x-transom-shadow"));
    }
    // What never answers is given up.
    assert_eq!(in_flight("hanging"), "1");
    advance(5 * SECOND).await;
    yield_now().await;
    yield_now().await;
    assert_eq!((in_flight("hanging").as_str(), counted("hanging", "late")), ("0", 1));
}

#[tokio::test(start_paused = true)]
async fn no_more_are_on_their_way_than_may_be() {
    let (split, own, other) = shadowed("bounded", 2);
    let mut replies: Vec<_> = (0..5).map(|_| split.call(call("a"))).collect();
    for reply in &mut replies {
        assert!(reply.as_mut().now_or_never().is_none());
    }
    yield_now().await;
    assert_eq!((own.count(), other.count(), counted("bounded", "unsent")), (5, 2, 3));
    // The next configuration counts those of this one.
    let (next, next_own, next_other) = shadowed("bounded", 2);
    assert!(next.call(call("b")).as_mut().now_or_never().is_none());
    yield_now().await;
    assert_eq!((next_own.count(), next_other.count()), (1, 0));
    other.answer(0, ok());
    other.answer(1, Status::backend(Code::Unavailable, "It is away."));
    yield_now().await;
    yield_now().await;
    assert_eq!((counted("bounded", "ok"), counted("bounded", "failed")), (1, 1));
    assert!(split.call(call("c")).as_mut().now_or_never().is_none());
    yield_now().await;
    assert_eq!((other.count(), in_flight("bounded").as_str()), (3, "1"));
    for (position, reply) in replies.into_iter().enumerate() {
        own.answer(position, ok());
        assert!(reply.now_or_never().unwrap().status.is_ok());
    }
    // Too much at a time is too many: 64 MiB together.
    let large = vec![0; 40 << 20];
    let (split, _, other) = shadowed("large", 10);
    for _ in 0..2 {
        assert!(split.call(call(large.clone())).as_mut().now_or_never().is_none());
    }
    yield_now().await;
    assert_eq!((other.count(), counted("large", "unsent"), in_flight("large").as_str()), (1, 1, "1"));
}

#[tokio::test(start_paused = true)]
async fn what_has_no_message_or_takes_many_is_not_copied() {
    let (split, own, other) = shadowed("uncopied", 10);
    let refused = || Status::caller(Code::InvalidArgument, "No.");
    for body in
        [Body::Refused(Box::new(refused())), Body::Pending(Box::pin(std::future::ready(Err(refused()))))]
    {
        let reply = split.call(Call { body, ..call("") }).now_or_never().unwrap();
        assert_eq!(reply.status.code(), Code::InvalidArgument);
    }
    let messages = futures_util::stream::iter([Ok(Message::default())]);
    let mut reply = split.call(Call { body: Body::Stream(Box::pin(messages)), ..call("") });
    assert!(reply.as_mut().now_or_never().is_none());
    yield_now().await;
    assert_eq!((own.count(), other.count()), (1, 0));
    // An upstream gets no copy of what it answers, and nobody one of no part.
    let (split, own, other) = shadowed("own", 10);
    assert!(split.call(call("")).as_mut().now_or_never().is_none());
    yield_now().await;
    assert_eq!((own.count(), other.count()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn of_streams_so_much_is_read_and_nothing_kept() {
    let stream = |length: usize, count: usize, end: bool| {
        let message = Message::from(Bytes::from(vec![0; length]));
        let messages = (0..count).map(move |_| call::Part::Message(message.clone()));
        let end = end.then(|| call::Part::End(Status::ok(), HeaderMap::new()));
        Reply { stream: Some(Box::pin(futures_util::stream::iter(messages.chain(end)))), ..ok() }
    };
    for (name, reply, outcome) in [
        ("short", stream(1 << 20, 16, true), "ok"),
        ("long", stream(1 << 20, 17, true), "cut"),
        ("empty", stream(0, (16 << 20) + 1, true), "cut"),
        ("broken", stream(1, 1, false), "failed"),
    ] {
        let (split, _, other) = shadowed(name, 1);
        assert!(split.call(call("")).as_mut().now_or_never().is_none());
        yield_now().await;
        other.answer(0, reply);
        yield_now().await;
        yield_now().await;
        assert_eq!((counted(name, outcome), in_flight(name).as_str()), (1, "0"), "{name}");
    }
}
