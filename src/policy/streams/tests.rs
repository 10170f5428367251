//! Calls that last, in memory.

use std::num::NonZeroU32;
use std::sync::Mutex;

use futures_util::StreamExt;
use http::{HeaderName, HeaderValue};
use tokio::sync::mpsc;

use super::current::Current;
use super::limits::{Direction, Flow, Measure, Open, Passing};
use super::*;
use crate::call::service::CallService;
use crate::call::{Encodings, Method};
use crate::policy::api_key::{ApiKey, Key, Keys, parse_hash};
use crate::policy::guard::Guard;
use crate::policy::limit::store::{Demand, Outcome, Rate, Standings, Store, Taken};
use crate::policy::limit::subject::CountedBy;
use crate::policy::new_key;
use crate::policy::password::{Basic, Hash, User, Users};
use crate::policy::rule::{Allow, Require, Rule, Scope};
use crate::policy::verify::{Term, Verdict, Verifier};
use crate::status::Status;

const PATH: &str = "/shop.Echo/Chat";

/// Answers with what comes from a channel, and takes all messages.
#[derive(Default)]
struct Backend {
    streams: Mutex<Vec<mpsc::UnboundedReceiver<Part>>>,
    bodies: Mutex<Vec<Body>>,
}

impl CallService for Backend {
    fn call(&self, call: Call) -> BoxFuture<Reply> {
        let mut reply = Reply::from(Status::ok());
        self.bodies.lock().unwrap().push(call.body);
        if !call.method.server_streaming {
            return Box::pin(pending());
        }
        let mut parts = self.streams.lock().unwrap().pop().expect("an answer was laid out");
        reply.stream = Some(Box::pin(futures_util::stream::poll_fn(move |cx| parts.poll_recv(cx))));
        Box::pin(std::future::ready(reply))
    }
}

/// Says what it is told to, one after the other, and the last for good.
struct Told(Mutex<Vec<Result<Arc<Identity>, Reason>>>);

impl Verifier for Told {
    fn verify(&self, _: &Origin) -> Verdict {
        let mut told = self.0.lock().unwrap();
        let next = if told.len() > 1 { told.remove(0) } else { told[0].clone() };
        next.map_or_else(Verdict::Refused, Verdict::Known)
    }

    fn wanted(&self) -> &str {
        "a word"
    }

    fn challenge(&self, _: &Origin) -> &HeaderValue {
        static CHALLENGE: HeaderValue = HeaderValue::from_static("Word");
        &CHALLENGE
    }
}

fn somebody(name: &str) -> Arc<Identity> {
    Arc::new(Identity { principal: name.into(), ..Identity::default() })
}

fn told(words: Vec<Result<Arc<Identity>, Reason>>) -> Arc<dyn Verifier> {
    Arc::new(Told(Mutex::new(words)))
}

/// The key `key` of a buyer.
fn key(term: Term, role: &str) -> Arc<dyn Verifier> {
    let identity = Identity {
        principal: "key".into(),
        roles: vec![role.into()],
        expires: term.expires,
        ..Identity::default()
    };
    let hash = parse_hash(&new_key::hash("key")).unwrap();
    keys([Key { hash, identity: Arc::new(identity), term }].into_iter().collect())
}

fn keys(keys: Keys) -> Arc<dyn Verifier> {
    Arc::new(ApiKey::new(Arc::new(keys), HeaderName::from_static("x-api-key"), None, Vec::new()))
}

fn policy(proof: Arc<dyn Verifier>) -> Policy {
    Policy { require: Some(Require { all: false, proofs: vec![proof] }), ..Policy::default() }
}

fn limited(streams: Streams) -> Policy {
    Policy { streams: Some(streams), ..policy(told(vec![Ok(somebody("a"))])) }
}

fn rule(policy: Policy) -> Rule {
    Rule { policy: Arc::new(policy), scope: Scope::default(), weight: NonZeroU32::MIN }
}

/// A gateway whose policy may be replaced.
struct Gateway {
    current: Current,
    counters: Arc<Counters>,
    backend: Arc<Backend>,
    guard: Guard,
}

impl Gateway {
    fn new(policy: Policy) -> Self {
        Self::counting(policy, Counters::default())
    }

    fn counting(policy: Policy, counters: Counters) -> Self {
        let (current, counters) = (Current::default(), Arc::new(counters));
        let backend = Arc::<Backend>::default();
        let guard = guard(&current, &counters, &backend, policy);
        Self { current, counters, backend, guard }
    }

    /// Another generation has this policy.
    fn reload(&mut self, policy: Policy) {
        self.guard = guard(&self.current, &self.counters, &self.backend, policy);
        let mut guards = Guards::default();
        guards.add(PATH, &self.guard);
        self.current.replace(Arc::new(guards));
    }

    fn call(&self, [client, server]: [bool; 2], dialect: Dialect, body: Body) -> BoxFuture<Reply> {
        let method = Method {
            path: PATH.parse().unwrap(),
            client_streaming: client,
            server_streaming: server,
            idempotent: false,
            safe: false,
            meter: Arc::default(),
        };
        let headers = HeaderMap::from_iter([
            (HeaderName::from_static("x-api-key"), HeaderValue::from_static("key")),
            (http::header::AUTHORIZATION, HeaderValue::from_static("Basic dXNlcjpwYXNzd29yZA==")),
        ]);
        self.guard.call(Call {
            method: Arc::new(method),
            origin: Origin { headers: Some(Arc::new(headers)), ..Origin::new(dialect, "/chat".into()) },
            metadata: HeaderMap::new(),
            deadline: None,
            encodings: Encodings::default(),
            trace: None,
            body,
        })
    }

    /// A call whose answer is a stream: its reply, and what makes the answer.
    async fn stream(&self) -> (Reply, mpsc::UnboundedSender<Part>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.backend.streams.lock().unwrap().push(receiver);
        (self.call([false, true], Dialect::Grpc, Body::Message(Message::default())).await, sender)
    }
}

fn guard(current: &Current, counters: &Arc<Counters>, backend: &Arc<Backend>, policy: Policy) -> Guard {
    let backend = Arc::clone(backend) as Arc<dyn CallService>;
    Guard::following(current.clone(), vec![rule(policy)], Arc::default(), Arc::clone(counters), backend)
}

fn message(bytes: usize) -> Message {
    Message::from(bytes::Bytes::from(vec![0; bytes]))
}

/// How a stream goes on: a message, or its end.
async fn next(reply: &mut Reply) -> Result<usize, Status> {
    match reply.stream.as_mut().expect("a stream has begun").next().await {
        Some(Part::Message(message)) => Ok(message.bytes.len()),
        Some(Part::End(status, _)) => Err(status),
        None => panic!("a stream has an end"),
    }
}

fn soon() -> Term {
    Term { expires: Some(SystemTime::now() + Duration::from_millis(50)), revoked: false }
}

#[tokio::test]
async fn what_expires_ends_what_goes_on() {
    let gateway = Gateway::new(policy(key(soon(), "buyer")));
    let (mut reply, backend) = gateway.stream().await;
    backend.send(Part::Message(message(3))).unwrap();
    assert_eq!(next(&mut reply).await, Ok(3));
    let status = next(&mut reply).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::Unauthenticated,
            "The credentials of the call have expired. Send an API key in the header x-api-key."
        )
    );
    assert!(backend.is_closed(), "the call is cancelled");
    assert!(reply.stream.as_mut().unwrap().next().await.is_none());

    // While messages of the caller go on, too, and on a socket that waits for the only one.
    for (sides, dialect) in [([true, false], Dialect::Grpc), ([false, false], Dialect::WebSocket)] {
        let gateway = Gateway::new(policy(key(soon(), "buyer")));
        let body = Body::Stream(Box::pin(futures_util::stream::pending()));
        let reply = gateway.call(sides, dialect, body).await;
        assert_eq!(reply.status.code(), Code::Unauthenticated);
        assert_eq!(reply.hints.challenges.len(), 1);
    }
}

#[tokio::test]
async fn the_newest_rules_hold_for_what_goes_on() {
    let revoked = Term { revoked: true, expires: None };
    let buyers = || Policy {
        allow: Allow { roles: vec!["buyer".into()], ..Allow::default() },
        ..policy(key(Term::default(), "visitor"))
    };
    for (replaced, code) in [
        (policy(key(revoked, "buyer")), Code::Unauthenticated),
        (policy(keys(std::iter::empty().collect())), Code::Unauthenticated),
        (buyers(), Code::PermissionDenied),
    ] {
        let mut gateway = Gateway::new(policy(key(Term::default(), "buyer")));
        let (mut reply, backend) = gateway.stream().await;
        let pending_reply = gateway.call([true, false], Dialect::Grpc, Body::Message(Message::default()));
        // Another generation with the same keys changes nothing.
        gateway.reload(policy(key(Term::default(), "buyer")));
        backend.send(Part::Message(message(1))).unwrap();
        assert_eq!(next(&mut reply).await, Ok(1));
        gateway.reload(replaced);
        assert_eq!(next(&mut reply).await.unwrap_err().code(), code);
        assert!(backend.is_closed());
        assert_eq!(pending_reply.await.status.code(), code);
    }
    // Who has ended is not asked.
    let mut gateway = Gateway::new(policy(key(Term::default(), "buyer")));
    let (mut reply, backend) = gateway.stream().await;
    backend.send(Part::End(Status::ok(), HeaderMap::new())).unwrap();
    gateway.reload(policy(key(revoked, "buyer")));
    assert!(next(&mut reply).await.unwrap_err().is_ok());
}

#[tokio::test]
async fn a_call_that_began_by_old_rules_is_held_against_the_new_at_once() {
    let holds = || policy(key(Term::default(), "buyer"));
    let mut gateway = Gateway::new(holds());
    gateway.reload(policy(keys(std::iter::empty().collect())));
    let old = guard(&gateway.current, &gateway.counters, &gateway.backend, holds());
    let newest = std::mem::replace(&mut gateway.guard, old);
    let (mut reply, _backend) = gateway.stream().await;
    assert_eq!(next(&mut reply).await.unwrap_err().code(), Code::Unauthenticated);
    // Of a method that is not served any more nothing is known, and what goes on does.
    drop(newest);
    let (mut reply, backend) = gateway.stream().await;
    backend.send(Part::Message(message(1))).unwrap();
    assert_eq!(next(&mut reply).await, Ok(1));
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_asked_now_is_asked_again() {
    let words = vec![Err(Reason::Busy), Err(Reason::Busy), Err(Reason::Revoked)];
    let mut gateway = Gateway::new(policy(told(vec![Ok(somebody("a"))])));
    let (mut reply, backend) = gateway.stream().await;
    gateway.reload(policy(told(words)));
    let start = Instant::now();
    backend.send(Part::Message(message(1))).unwrap();
    assert_eq!(next(&mut reply).await, Ok(1));
    assert_eq!(next(&mut reply).await.unwrap_err().code(), Code::Unauthenticated);
    assert!((SOON * 2..SOON * 3).contains(&start.elapsed()), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_password_that_was_checked_is_not_checked_again_by_another_generation() {
    let hash = |text: &str| Hash::parse(text).unwrap();
    let first = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let other = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF6h7TKyQwu9U1bMCHGi/4";
    let users = |text: &str, revoked| {
        let term = Term { expires: None, revoked };
        let user = User { hash: hash(text), identity: somebody("user"), term };
        Basic::new(Arc::new(Users::new([("user".into(), user)].into(), 1)), "Shop", Vec::new())
    };
    let before = users(first, false);
    let headers = HeaderMap::from_iter([(
        http::header::AUTHORIZATION,
        HeaderValue::from_static("Basic dXNlcjpwYXNzd29yZA=="),
    )]);
    let mut origin =
        Origin { headers: Some(Arc::new(headers)), ..Origin::new(Dialect::Grpc, "/chat".into()) };
    assert_eq!(before.mark(&origin), None, "it was not checked yet");
    let Verdict::Later(verdict) = before.verify(&origin) else { panic!("it takes time") };
    assert!(matches!(verdict.await, Verdict::Known(_)));
    origin.proven = before.mark(&origin).into_iter().collect();
    assert_eq!(origin.proven.len(), 1);
    assert!(matches!(users(first, false).verify(&origin), Verdict::Known(_)));
    assert!(matches!(users(first, true).verify(&origin), Verdict::Refused(Reason::Revoked)));
    assert!(matches!(users(other, false).verify(&origin), Verdict::Later(_)), "it is another password");
}

fn flow(measure: Measure, count: u32) -> Arc<Flow> {
    let number = NonZeroU32::new(count).unwrap();
    let rate = Rate { count: number, period: Duration::from_secs(86_400), burst: number };
    Arc::new(Flow::new(measure, "chat", &[(rate, format!("{count}/day"))]))
}

fn passing(direction: Direction, flows: Vec<Arc<Flow>>) -> Policy {
    let passing = Passing { counted_by: CountedBy::Principal, direction, flows };
    limited(Streams { passing: Some(passing), ..Streams::default() })
}

#[tokio::test]
async fn messages_sent_are_counted_over_all_streams_of_a_caller() {
    for (direction, sent) in [(Direction::Both, 4), (Direction::Sent, 4), (Direction::Received, 9)] {
        let gateway = Gateway::new(passing(direction, vec![flow(Measure::Messages, 4)]));
        let (mut first, one) = gateway.stream().await;
        let (mut second, two) = gateway.stream().await;
        for _ in 0..3 {
            one.send(Part::Message(message(0))).unwrap();
            assert_eq!(next(&mut first).await, Ok(0));
        }
        let mut count = 3;
        let end = loop {
            if count == 9 {
                break None;
            }
            two.send(Part::Message(message(0))).unwrap();
            match next(&mut second).await {
                Ok(_) => count += 1,
                Err(status) => break Some(status),
            }
        };
        assert_eq!(count, sent, "{direction:?}");
        let Some(status) = end else { continue };
        let text = "More messages passed in streams than the limit 4/day of \"chat\" allows. Call again in 21600 seconds.";
        assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, text));
        let details: Vec<_> = status.details().iter().map(|detail| &*detail.type_url).collect();
        let types =
            ["QuotaFailure", "RetryInfo"].map(|name| format!("type.googleapis.com/google.rpc.{name}"));
        assert_eq!(details, types);
        assert!(two.is_closed());
    }
}

#[tokio::test]
async fn messages_received_are_counted() {
    for (direction, passed) in
        [(Direction::Both, Some(4)), (Direction::Received, Some(4)), (Direction::Sent, None)]
    {
        let gateway = Gateway::new(passing(direction, vec![flow(Measure::Messages, 4)]));
        let messages = futures_util::stream::iter((0..9).map(|_| Ok(message(10))));
        let mut reply = gateway.call([true, false], Dialect::Grpc, Body::Stream(Box::pin(messages)));
        let mut body = gateway.backend.bodies.lock().unwrap().pop().unwrap().messages();
        let mut count = 0;
        // What is over the limit is never seen, and the call ends.
        let status = tokio::select! {
            biased;
            () = async { while let Some(Ok(_)) = body.next().await { count += 1; } } => None,
            reply = &mut reply => Some(reply),
        };
        assert_eq!(status.as_ref().map(|_| count), passed, "{direction:?}");
        if let Some(reply) = status {
            assert_eq!(reply.status.code(), Code::ResourceExhausted);
            // The rate gives one back in a quarter of a day.
            assert_eq!(reply.hints.retry_after.map(|wait| wait.as_secs().div_ceil(60)), Some(6 * 60));
        }
    }
}

#[tokio::test]
async fn bytes_are_counted_in_both_directions_and_small_ones_are_added_up() {
    let gateway = Gateway::new(passing(Direction::Both, vec![flow(Measure::Bytes, 4)]));
    let (mut reply, backend) = gateway.stream().await;
    // 4 KiB, and what is less than one.
    for size in [0, 600, 600, 2048, 848, 1, 1022] {
        backend.send(Part::Message(message(size))).unwrap();
        assert_eq!(next(&mut reply).await, Ok(size));
    }
    backend.send(Part::Message(message(1))).unwrap();
    let status = next(&mut reply).await.unwrap_err();
    let text =
        "More bytes passed in streams than the limit 4/day of \"chat\" allows. Call again in 21600 seconds.";
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, text));

    let gateway = Gateway::new(passing(Direction::Both, vec![flow(Measure::Bytes, 4)]));
    let (mut reply, backend) = gateway.stream().await;
    backend.send(Part::Message(message(5 * 1024))).unwrap();
    let status = next(&mut reply).await.unwrap_err();
    let text = "A message is larger than what the limit 4/day of \"chat\" ever lets pass at once.";
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, text));
}

/// Admits so many, each after a while, and then cannot be asked.
#[derive(Debug)]
struct Slow(Mutex<u32>);

impl Store for Slow {
    fn take(&self, _: &Demand<'_>) -> Taken {
        let mut left = self.0.lock().unwrap();
        let outcome = Outcome { is_admitted: *left > 0, wait: None, standings: Standings::default() };
        *left = left.saturating_sub(1);
        Taken::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            outcome
        }))
    }
}

#[tokio::test]
async fn a_store_that_has_to_ask_is_waited_for() {
    let counters = Counters { store: Arc::new(Slow(Mutex::new(3))), ..Counters::default() };
    let flows = vec![flow(Measure::Messages, 9), flow(Measure::Bytes, 9)];
    let gateway = Gateway::counting(passing(Direction::Sent, flows), counters);
    let (mut reply, backend) = gateway.stream().await;
    for size in [1, 1024, 1] {
        backend.send(Part::Message(message(size))).unwrap();
    }
    // The first takes one, the second two, and the third is one too many.
    assert_eq!(next(&mut reply).await, Ok(1));
    assert_eq!(next(&mut reply).await, Ok(1024));
    assert_eq!(next(&mut reply).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn so_many_streams_are_open_at_a_time() {
    let open = Open {
        name: "chat".into(),
        key: "streams:chat".into(),
        counted_by: CountedBy::Principal,
        most: NonZeroU32::new(2).unwrap(),
    };
    let gateway = Gateway::new(limited(Streams { open: Some(open), ..Streams::default() }));
    let (first, _one) = gateway.stream().await;
    let socket = gateway.call([false; 2], Dialect::WebSocket, Body::Message(Message::default()));
    let (refused, _two) = gateway.stream().await;
    let text = "The limit 2 streams at a time of \"chat\" is reached. Call again when one of them has ended.";
    assert_eq!((refused.status.code(), refused.status.message()), (Code::ResourceExhausted, text));
    assert_eq!(refused.hints.retry_after, Some(Duration::from_secs(1)));
    // A call with one message and one answer is none of them.
    let mut plain = gateway.call([false; 2], Dialect::Grpc, Body::Message(Message::default()));
    assert!(plain.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
    drop(first);
    let (mut third, three) = gateway.stream().await;
    assert!(third.status.is_ok());
    drop(socket);
    let (fourth, _four) = gateway.stream().await;
    assert!(fourth.status.is_ok());
    // One that has ended holds nothing, though its answer may still be there.
    three.send(Part::End(Status::ok(), HeaderMap::new())).unwrap();
    assert!(next(&mut third).await.unwrap_err().is_ok());
    let (fifth, _five) = gateway.stream().await;
    assert!(fifth.status.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_open_for_as_long_as_it_may() {
    let hour = Duration::from_secs(3600);
    let gateway = Gateway::new(limited(Streams { duration: Some(hour), ..Streams::default() }));
    let start = Instant::now();
    let (mut reply, backend) = gateway.stream().await;
    let status = next(&mut reply).await.unwrap_err();
    let text = "The call went on for 3600 seconds, which is as long as it may. Call again to go on.";
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, text));
    assert!(start.elapsed() >= hour && start.elapsed() < hour + SOON, "{:?}", start.elapsed());
    assert!(backend.is_closed());
}

#[tokio::test]
async fn who_answers_without_a_pause_is_interrupted_too() {
    let mut gateway = Gateway::new(policy(key(Term::default(), "buyer")));
    let (mut reply, backend) = gateway.stream().await;
    for _ in 0..1000 {
        backend.send(Part::Message(message(1))).unwrap();
    }
    assert_eq!(next(&mut reply).await, Ok(1));
    gateway.reload(policy(keys(std::iter::empty().collect())));
    let mut count = 0;
    let status = loop {
        match next(&mut reply).await {
            Ok(_) => count += 1,
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::Unauthenticated);
    assert!(count <= ASK_AFTER, "{count}");
}
