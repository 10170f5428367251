//! Calls that are sent to another target as well.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use futures_util::StreamExt;
use tokio::time::Instant;

use super::super::decide::balance::Balance;
use super::super::decide::circuit::Circuit;
use super::super::decide::outlier::Outliers;
use super::super::decide::retry::Retries;
use super::failing::{UNAVAILABLE, failing, hanging, idempotent, named, repeat, tuned};
use super::*;
use crate::call::Part;

fn hedges(after: u64) -> Retries {
    Retries {
        attempts: 2,
        on: [Code::Unavailable].into_iter().collect(),
        hedge_after: Some(Duration::from_millis(after)),
        ..Retries::default()
    }
}

/// In turn, so that half of the calls begin at each of two targets.
fn settings(retries: Retries) -> Settings {
    Settings { retries, balance: Balance::RoundRobin, ..Settings::default() }
}

/// A backend that answers after a while, and counts its calls and those that were cancelled before.
async fn slow(name: &'static str, time: u64) -> (Target, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (calls, cancelled) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (began, ended) = (Arc::clone(&calls), Arc::clone(&cancelled));
    let target = backend(move |(_, mut respond): Stream| {
        began.fetch_add(1, Relaxed);
        let ended = Arc::clone(&ended);
        async move {
            let reset = std::future::poll_fn(|cx| respond.poll_reset(cx));
            if tokio::time::timeout(Duration::from_millis(time), reset).await.is_ok() {
                ended.fetch_add(1, Relaxed);
                return;
            }
            let mut send = respond.send_response(head(), false).unwrap();
            send.send_data(frame(name.as_bytes()), false).unwrap();
            send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
        }
    })
    .await;
    (target, calls, cancelled)
}

#[tokio::test]
async fn the_first_answer_wins_and_the_other_try_is_cancelled() {
    let (hung, asked) = hanging().await;
    let (quick, _) = named("quick").await;
    let channel = tuned(vec![hung, quick], settings(hedges(20)));
    for _ in 0..10 {
        let started = Instant::now();
        assert_echo(&repeat(&channel).await, b"quick");
        assert!(started.elapsed() < Duration::from_secs(5), "nobody waits for the deadline");
    }
    assert!(asked.load(Relaxed) >= 4, "{}", asked.load(Relaxed));
    until(|| channel.report().in_flight == 0).await;

    let (late, calls, cancelled) = slow("late", 10_000).await;
    let (other, _) = named("other").await;
    let channel = tuned(vec![late, other], settings(hedges(20)));
    for _ in 0..4 {
        assert_echo(&repeat(&channel).await, b"other");
    }
    until(|| calls.load(Relaxed) > 0 && cancelled.load(Relaxed) == calls.load(Relaxed)).await;
}

#[tokio::test]
async fn the_first_try_may_still_be_the_one_that_answers() {
    let (first, _, _) = slow("first", 60).await;
    let (second, calls, cancelled) = slow("second", 10_000).await;
    let channel = tuned(vec![first, second], settings(hedges(20)));
    for _ in 0..4 {
        // Whichever is first, the other one is asked 20 ms later.
        assert_echo(&repeat(&channel).await, b"first");
    }
    assert_eq!(calls.load(Relaxed), 4);
    until(|| cancelled.load(Relaxed) == 4).await;
}

#[tokio::test]
async fn only_what_may_be_repeated_is_sent_twice() {
    let (a, first, _) = slow("a", 60).await;
    let (b, second, _) = slow("a", 60).await;
    let channel = tuned(vec![a, b], settings(hedges(10)));
    for _ in 0..4 {
        assert_echo(&ask(&channel, "hello").await, b"a");
    }
    let sent = || first.load(Relaxed) + second.load(Relaxed);
    assert_eq!(sent(), 4);
    let channel = channel.tuned(settings(Retries { unsafe_methods: true, ..hedges(10) }));
    for _ in 0..4 {
        assert_echo(&ask(&channel, "hello").await, b"a");
    }
    assert_eq!(sent(), 12);
    let channel = channel.tuned(settings(Retries { budget: 0, ..hedges(10) }));
    assert_echo(&repeat(&channel).await, b"a");
    assert_eq!(sent(), 13, "the budget holds for it");
}

#[tokio::test]
async fn a_quick_answer_costs_one_call() {
    let ((a, first), (b, second)) = (named("a").await, named("a").await);
    let channel = tuned(vec![a, b], settings(hedges(5_000)));
    for _ in 0..20 {
        assert_echo(&repeat(&channel).await, b"a");
    }
    assert_eq!(first.load(Relaxed) + second.load(Relaxed), 20);
}

#[tokio::test]
async fn a_try_that_fails_is_replaced_and_the_last_error_is_the_callers() {
    let ((bad, refused), (good, _)) = (failing(UNAVAILABLE).await, named("good").await);
    let channel = tuned(vec![bad, good], settings(hedges(5_000)));
    for _ in 0..10 {
        assert_echo(&repeat(&channel).await, b"good");
    }
    assert!(refused.load(Relaxed) >= 4);
    let not_found = &[("grpc-status", "5"), ("grpc-message", "gone")][..];
    let never = &[("grpc-status", "14"), ("grpc-message", "busy"), ("grpc-retry-pushback-ms", "-1")][..];
    for (trailers, expected, text) in [(UNAVAILABLE, 2, "busy"), (not_found, 1, "gone"), (never, 1, "busy")] {
        let (bad, calls) = failing(trailers).await;
        let channel = tuned(vec![bad], settings(hedges(5_000)));
        assert_eq!((repeat(&channel).await.status.message(), calls.load(Relaxed)), (text, expected));
    }
}

/// The caller learns what the target that it waits for says, not that another one could not help.
#[tokio::test]
async fn an_error_that_others_could_change_waits_for_them() {
    let (late, _, _) = slow("late", 150).await;
    let (bad, refused) = failing(UNAVAILABLE).await;
    let channel = tuned(vec![late, bad], settings(hedges(20)));
    for _ in 0..4 {
        assert_echo(&repeat(&channel).await, b"late");
    }
    assert_eq!(refused.load(Relaxed), 4);
}

#[tokio::test]
async fn deadlines_hold_for_all_tries_together() {
    let ((a, _), (b, _)) = (hanging().await, hanging().await);
    let channel = tuned(vec![a, b], settings(hedges(10)));
    let mut call = idempotent("hello");
    call.deadline = Some(Instant::now() + Duration::from_millis(100));
    let status = channel.call(call).await.status;
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().starts_with("The call was not answered within its deadline of "), "{status}");
    until(|| channel.report().in_flight == 0).await;
}

#[tokio::test]
async fn who_always_loses_and_says_nothing_is_left_alone() {
    let (hung, asked) = hanging().await;
    let (quick, _) = named("quick").await;
    let outliers = Some(Outliers { consecutive_failures: 3, ..Outliers::default() });
    let channel = tuned(vec![hung, quick], Settings { outliers, ..settings(hedges(20)) });
    for _ in 0..30 {
        assert_echo(&repeat(&channel).await, b"quick");
    }
    // The first call may have seen the beginning of the connection.
    assert!(asked.load(Relaxed) <= 4, "{}", asked.load(Relaxed));
    assert!(channel.report().targets[0].ejected_for.is_some());
    assert!(channel.report().targets[1].ejected_for.is_none());
}

#[tokio::test]
async fn streams_are_hedged_until_they_begin() {
    let (hung, _) = hanging().await;
    let (quick, _) = named("quick").await;
    let channel = tuned(vec![hung, quick], settings(hedges(20)));
    for _ in 0..4 {
        let method = Method { idempotent: true, server_streaming: true, ..method() };
        let reply = channel.call(Call { method: Arc::new(method), ..request("hello") }).await;
        assert!(reply.status.is_ok(), "{}", reply.status);
        let parts: Vec<_> = reply.stream.unwrap().collect().await;
        assert!(matches!(&parts[..], [Part::Message(message), Part::End(status, _)]
            if message.bytes == "quick" && status.is_ok()));
    }
    until(|| channel.report().in_flight == 0).await;
}

#[tokio::test]
async fn a_hedge_takes_no_place_that_is_not_there() {
    let (late, _, _) = slow("late", 100).await;
    let (other, calls) = named("other").await;
    let circuit = Circuit { max_in_flight: 1, ..Circuit::default() };
    let channel = tuned(vec![late, other], Settings { circuit, ..settings(hedges(10)) });
    let replies = [repeat(&channel).await, repeat(&channel).await].map(|reply| reply.message.bytes);
    assert!(replies.contains(&"late".into()) && replies.contains(&"other".into()), "{replies:?}");
    assert_eq!(calls.load(Relaxed), 1);
}
