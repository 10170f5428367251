//! Targets that fail, and what becomes of their calls: other targets, other connections, bounds, and their own word.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::future::join_all;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::super::decide::balance::{Balance, Common};
use super::super::decide::circuit::Circuit;
use super::super::decide::health::Health;
use super::super::decide::outlier::Outliers;
use super::super::decide::retry::Retries;
use super::*;

/// A backend that answers each call with its own name, and counts them.
pub(super) async fn named(name: &'static str) -> (Target, Arc<AtomicUsize>) {
    counted(move |(_, mut respond): Stream| {
        let mut send = respond.send_response(head(), false).unwrap();
        send.send_data(frame(name.as_bytes()), false).unwrap();
        send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
    })
    .await
}

/// A backend that fails each call with these trailers, and counts them.
pub(super) async fn failing(trailers: &'static [(&'static str, &'static str)]) -> (Target, Arc<AtomicUsize>) {
    counted(move |(_, mut respond): Stream| {
        let mut response = head();
        response.headers_mut().extend(fields(trailers));
        respond.send_response(response, true).unwrap();
    })
    .await
}

pub(super) const UNAVAILABLE: &[(&str, &str)] = &[("grpc-status", "14"), ("grpc-message", "busy")];

pub(super) async fn counted(
    answer: impl Fn(Stream) + Clone + Send + Sync + 'static,
) -> (Target, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let target = backend(move |stream: Stream| {
        count.fetch_add(1, Relaxed);
        answer(stream);
        std::future::ready(())
    })
    .await;
    (target, calls)
}

/// A backend that never answers, and counts the calls that it gets and that are cancelled.
pub(super) async fn hanging() -> (Target, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let target = backend(move |(request, mut respond): Stream| {
        count.fetch_add(1, Relaxed);
        async move {
            let _ = std::future::poll_fn(|cx| respond.poll_reset(cx)).await;
            drop(request);
        }
    })
    .await;
    (target, calls)
}

fn retries() -> Retries {
    Retries {
        attempts: 3,
        on: [Code::Unavailable].into_iter().collect(),
        backoff: Duration::from_millis(1),
        max_backoff: Duration::from_millis(2),
        ..Retries::default()
    }
}

pub(super) fn tuned(targets: Vec<Target>, settings: Settings) -> Channel {
    Channel::new("shop", targets, settings, 0)
}

pub(super) fn idempotent(message: &'static str) -> Call {
    let method = Method { idempotent: true, ..method() };
    Call { method: Arc::new(method), ..request(message) }
}

pub(super) async fn repeat(channel: &Channel) -> Reply {
    let call = channel.call(idempotent("hello"));
    tokio::time::timeout(Duration::from_secs(20), call).await.expect("a call ends within its deadline")
}

#[tokio::test]
async fn what_a_target_refuses_another_answers_if_it_may_be_repeated() {
    let ((bad, refused), (good, _)) = (failing(UNAVAILABLE).await, named("good").await);
    let channel = tuned(vec![bad, good], Settings { retries: retries(), ..Settings::default() });
    for _ in 0..10 {
        assert_echo(&repeat(&channel).await, b"good");
    }
    assert!(refused.load(Relaxed) >= 4);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ask(&channel, "hello").await.status);
    }
    let told = statuses.iter().find(|status| !status.is_ok()).expect("a method with effects is not repeated");
    assert_status(told, Code::Unavailable, 503, "busy");

    let unsafe_methods = Retries { unsafe_methods: true, ..retries() };
    let channel = channel.tuned(Settings { retries: unsafe_methods, ..Settings::default() });
    for _ in 0..4 {
        assert_echo(&ask(&channel, "hello").await, b"good");
    }
}

#[tokio::test]
async fn attempts_count_all_and_the_last_answer_is_what_the_caller_gets() {
    for (trailers, expected) in [
        (UNAVAILABLE, 3),
        (&[("grpc-status", "14"), ("grpc-message", "busy"), ("grpc-retry-pushback-ms", "5")][..], 3),
        (&[("grpc-status", "14"), ("grpc-message", "busy"), ("grpc-retry-pushback-ms", "-1")][..], 1),
        // Longer than the caller waits: the answer is there at once.
        (&[("grpc-status", "14"), ("grpc-message", "busy"), ("grpc-retry-pushback-ms", "60000")][..], 1),
        (&[("grpc-status", "13"), ("grpc-message", "busy")][..], 1),
    ] {
        let (bad, calls) = failing(trailers).await;
        let channel = tuned(vec![bad], Settings { retries: retries(), ..Settings::default() });
        let started = Instant::now();
        let reply = repeat(&channel).await;
        assert_eq!((reply.status.message(), calls.load(Relaxed)), ("busy", expected), "{trailers:?}");
        assert!(started.elapsed() < Duration::from_secs(10));
    }
}

#[tokio::test]
async fn a_pushback_is_waited_for() {
    let (bad, calls) = failing(&[("grpc-status", "14"), ("grpc-retry-pushback-ms", "120")]).await;
    let channel = tuned(vec![bad], Settings { retries: retries(), ..Settings::default() });
    let started = Instant::now();
    repeat(&channel).await;
    assert_eq!(calls.load(Relaxed), 3);
    assert!(started.elapsed() >= Duration::from_millis(240));
}

#[tokio::test]
async fn streams_that_have_not_begun_are_opened_again() {
    let ((bad, _), (good, _)) = (failing(UNAVAILABLE).await, named("good").await);
    let channel = tuned(vec![bad, good], Settings { retries: retries(), ..Settings::default() });
    for _ in 0..4 {
        let method = Method { idempotent: true, server_streaming: true, ..method() };
        let reply = channel.call(Call { method: Arc::new(method), ..request("hello") }).await;
        assert!(reply.status.is_ok() && reply.stream.is_some(), "{}", reply.status);
    }
}

#[tokio::test]
async fn when_everything_fails_the_budget_bounds_what_is_sent() {
    let ((a, first), (b, second)) = (failing(UNAVAILABLE).await, failing(UNAVAILABLE).await);
    let channel = tuned(vec![a, b], Settings { retries: retries(), ..Settings::default() });
    for _ in 0..400 {
        assert_status(&repeat(&channel).await.status, Code::Unavailable, 503, "busy");
    }
    let sent = first.load(Relaxed) + second.load(Relaxed);
    assert!((440..=480).contains(&sent), "{sent} calls for 400");
}

#[tokio::test]
async fn a_hanging_target_is_given_up_for_another_and_then_left_alone() {
    let ((bad, asked), (good, _)) = (hanging().await, named("good").await);
    let settings = Settings {
        retries: Retries { attempt_timeout: Some(Duration::from_millis(50)), ..retries() },
        outliers: Some(Outliers { consecutive_failures: 2, ..Outliers::default() }),
        ..Settings::default()
    };
    let channel = tuned(vec![bad, good], settings);
    for _ in 0..20 {
        assert_echo(&repeat(&channel).await, b"good");
    }
    assert_eq!(asked.load(Relaxed), 2, "twice, and then not for 30 s");
    let report = channel.report();
    assert_eq!(report.targets[0].failed_calls, 2);
    assert!(report.targets[0].ejected_for.is_some() && report.targets[1].ejected_for.is_none());
}

#[tokio::test]
async fn an_attempt_is_not_given_up_without_another_one() {
    let respond_late = |(request, mut respond): Stream| async move {
        let frame = read_all(&mut request.into_body()).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut send = respond.send_response(head(), false).unwrap();
        send.send_data(frame, false).unwrap();
        send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
    };
    let short = Retries { attempt_timeout: Some(Duration::from_millis(10)), attempts: 2, ..retries() };
    for (retries, is_idempotent) in
        [(short.clone(), true), (short.clone(), false), (Retries { budget: 0, ..short }, true)]
    {
        let target = backend(respond_late).await;
        let channel = tuned(vec![target], Settings { retries, ..Settings::default() });
        let reply = if is_idempotent { repeat(&channel).await } else { ask(&channel, "hello").await };
        assert_echo(&reply, b"hello");
    }
}

#[tokio::test]
async fn a_silent_target_is_blamed_for_deadlines_and_a_slow_one_is_not() {
    let outliers = Some(Outliers { consecutive_failures: 1, ..Outliers::default() });
    let (silent, _) = hanging().await;
    let (good, _) = named("good").await;
    let channel = tuned(vec![silent, good], Settings { outliers, ..Settings::default() });
    let late = |time| {
        let mut call = idempotent("hello");
        call.deadline = Some(Instant::now() + Duration::from_millis(time));
        channel.call(call)
    };
    // The first calls bring SETTINGS and more; those that the caller ends soon say nothing.
    for _ in 0..6 {
        late(20).await;
    }
    assert_eq!(channel.report().targets[0].ejected_for, None);
    for _ in 0..6 {
        late(150).await;
    }
    assert!(channel.report().targets[0].ejected_for.is_some(), "{:?}", channel.report());
    for _ in 0..6 {
        assert_echo(&late(150).await, b"good");
    }
}

#[tokio::test]
async fn a_target_that_is_left_alone_is_tried_again_and_comes_back() {
    let fails = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let is_bad = Arc::clone(&fails);
    let (other, calls) = counted(move |(_, mut respond): Stream| {
        let mut response = head();
        if is_bad.load(Relaxed) {
            response.headers_mut().extend(fields(UNAVAILABLE));
            respond.send_response(response, true).unwrap();
            return;
        }
        let mut send = respond.send_response(response, false).unwrap();
        send.send_data(frame(b"back"), false).unwrap();
        send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
    })
    .await;
    let outliers =
        Outliers { consecutive_failures: 3, eject_for: Duration::from_millis(50), ..Outliers::default() };
    let settings = Settings { retries: retries(), outliers: Some(outliers), ..Settings::default() };
    let channel = tuned(vec![other, named("good").await.0], settings);
    while calls.load(Relaxed) < 5 {
        // The third failure ejects; further ones are single calls that try it.
        assert_echo(&repeat(&channel).await, b"good");
    }
    fails.store(false, Relaxed);
    while repeat(&channel).await.message.bytes != "back" {}
    assert_eq!(channel.report().targets[0].ejected_for, None);
    let replies = join_all((0..10).map(|_| repeat(&channel))).await;
    assert!(replies.iter().any(|reply| reply.message.bytes == "back"));
}

#[tokio::test]
async fn when_all_targets_may_be_left_alone_and_are_they_are_used() {
    let ((a, first), (b, second)) = (failing(UNAVAILABLE).await, failing(UNAVAILABLE).await);
    let outliers = Outliers { consecutive_failures: 1, max_ejected: 1_000_000, ..Outliers::default() };
    let channel = tuned(vec![a, b], Settings { outliers: Some(outliers), ..Settings::default() });
    for _ in 0..20 {
        assert_status(&ask(&channel, "hello").await.status, Code::Unavailable, 503, "busy");
    }
    assert_eq!(first.load(Relaxed) + second.load(Relaxed), 20);
    assert!(channel.report().targets.iter().all(|target| target.ejected_for.is_some()));
}

#[tokio::test]
async fn a_target_that_takes_no_more_streams_gets_another_connection() {
    let release = Arc::new(Notify::new());
    let (begun, mut began) = mpsc::unbounded_channel();
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(2);
    let until = Arc::clone(&release);
    let target = backend_with(builder, move |stream: Stream| {
        let (until, begun) = (Arc::clone(&until), begun.clone());
        async move {
            begun.send(()).unwrap();
            until.notified().await;
            echo(stream).await;
        }
    })
    .await;
    let channel = tuned(vec![target], Settings::default());
    let first = tokio::spawn(channel.call(request("hello")));
    began.recv().await.unwrap();
    let others: Vec<_> = (0..4).map(|_| tokio::spawn(channel.call(request("hello")))).collect();
    for _ in 0..4 {
        began.recv().await.unwrap();
    }
    let report = channel.report();
    assert_eq!((report.targets[0].open, report.in_flight, report.pending), (3, 5, 0), "{report:?}");
    release.notify_waiters();
    for call in others.into_iter().chain([first]) {
        assert_echo(&call.await.unwrap(), b"hello");
    }
}

#[tokio::test]
async fn bounds_make_calls_fail_at_once() {
    let (target, asked) = hanging().await;
    let circuit = Circuit { max_in_flight: 2, max_pending: 0, trip: None };
    let channel = tuned(vec![target], Settings { circuit, ..Settings::default() });
    let status = ask(&channel, "hello").await.status;
    assert_status(
        &status,
        Code::Unavailable,
        503,
        "As many calls wait for this service as may; try again shortly.",
    );
    assert!(status.is_retryable());

    let circuit = Circuit { max_pending: 10, ..circuit };
    let channel = channel.tuned(Settings { circuit, ..Settings::default() });
    channel.take_up();
    let calls = [tokio::spawn(channel.call(request("a"))), tokio::spawn(channel.call(request("b")))];
    while asked.load(Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    let text = "This service has as many calls in flight as it may; try again shortly.";
    assert_status(&ask(&channel, "hello").await.status, Code::Unavailable, 503, text);
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    while channel.report().in_flight != 0 {
        tokio::task::yield_now().await;
    }
    let third = tokio::spawn(channel.call(request("c")));
    while asked.load(Relaxed) < 3 {
        tokio::task::yield_now().await;
    }
    third.abort();
}

#[tokio::test]
async fn calls_that_have_something_in_common_go_to_the_same_target() {
    let targets = vec![named("a").await.0, named("b").await.0, named("c").await.0];
    let balance = Balance::ConsistentHash(Common::Header(HeaderName::from_static("x-user")));
    let channel = tuned(targets, Settings { balance, ..Settings::default() });
    let by = |user: String| {
        let channel = channel.clone();
        async move {
            let mut call = request("hello");
            call.metadata = fields(&[("x-user", &user)]);
            channel.call(call).await.message.bytes
        }
    };
    let mut seen = std::collections::BTreeSet::new();
    // The ports are others each time, so that fewer could all fall to two of three.
    for user in 0..60 {
        let first = by(user.to_string()).await;
        assert!(!first.is_empty());
        for _ in 0..3 {
            assert_eq!(by(user.to_string()).await, first, "user {user}");
        }
        seen.insert(first);
    }
    assert_eq!(seen.len(), 3, "sixty users are on all targets");
    // Without the metadata, calls go where few are in flight.
    let others: std::collections::BTreeSet<_> = join_all((0..6).map(|_| ask(&channel, "hello")))
        .await
        .into_iter()
        .map(|reply| reply.message.bytes)
        .collect();
    assert!(others.len() >= 2, "{others:?}");
}

#[tokio::test]
async fn the_target_with_fewer_calls_in_flight_gets_the_next() {
    let ((slow, asked), (quick, answered)) = (hanging().await, named("quick").await);
    let channel = tuned(vec![slow, quick], Settings::default());
    let deadline = Instant::now() + Duration::from_secs(20);
    let hung: Vec<_> = (0..40)
        .map(|_| {
            let mut call = request("hello");
            call.deadline = Some(deadline);
            tokio::spawn(channel.call(call))
        })
        .collect();
    while answered.load(Relaxed) + asked.load(Relaxed) < 40 {
        tokio::task::yield_now().await;
    }
    let before = asked.load(Relaxed);
    for _ in 0..40 {
        assert_echo(&ask(&channel, "hello").await, b"quick");
    }
    assert_eq!(asked.load(Relaxed), before, "it has {before} in flight already");
    hung.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn targets_are_left_out_by_their_own_word() {
    let says = Arc::new(Mutex::new(1_u8));
    let word = Arc::clone(&says);
    let (sick, _) = counted(move |(request, mut respond): Stream| {
        let is_check = request.uri().path() == "/grpc.health.v1.Health/Check";
        let answer = if is_check { vec![8, *word.lock().unwrap()] } else { b"sick".to_vec() };
        let mut send = respond.send_response(head(), false).unwrap();
        send.send_data(frame(&answer), false).unwrap();
        send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
    })
    .await;
    // Its answer to the question is one to no question, but it is one that says that it knows of none.
    let (well, _) = counted(move |(request, mut respond): Stream| {
        let mut response = head();
        if request.uri().path() == "/grpc.health.v1.Health/Check" {
            response.headers_mut().extend(fields(&[("grpc-status", "12")]));
            respond.send_response(response, true).unwrap();
            return;
        }
        let mut send = respond.send_response(response, false).unwrap();
        send.send_data(frame(b"well"), false).unwrap();
        send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
    })
    .await;
    let health = Health {
        service: "shop.Echo".into(),
        interval: Duration::from_millis(10),
        timeout: Duration::from_secs(5),
        unhealthy: 2,
        healthy: 1,
    };
    let settings = Settings { health: Some(health), balance: Balance::RoundRobin, ..Settings::default() };
    let channel = tuned(vec![sick, well], settings.clone());
    channel.take_up();
    let until = |is_healthy: bool| {
        let channel = channel.clone();
        async move {
            while channel.report().targets[0].healthy != is_healthy {
                tokio::task::yield_now().await;
            }
        }
    };
    *says.lock().unwrap() = 2;
    until(false).await;
    for _ in 0..10 {
        assert_echo(&ask(&channel, "hello").await, b"well");
    }
    *says.lock().unwrap() = 1;
    until(true).await;
    let mut seen = Vec::new();
    for _ in 0..10 {
        seen.push(ask(&channel, "hello").await.message.bytes);
    }
    assert!(seen.iter().any(|answer| answer == "sick"));
    *says.lock().unwrap() = 2;
    until(false).await;
    // Nobody is asked any more, and so it is well.
    channel.tuned(Settings { health: None, ..settings }).take_up();
    until(true).await;
}

/// Beyond some 1,000 bytes in an optimized build, where it is a quarter smaller, memory for a call costs more.
#[tokio::test]
async fn calls_are_small() {
    let (target, _) = named("a").await;
    let channel = tuned(vec![target], Settings::default());
    let size = size_of_val(&*channel.call(idempotent("hello")));
    assert!(size <= 1_280, "{size}");
}
