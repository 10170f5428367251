//! How targets share the calls: by weights, by what calls have in common, by what their calls came to.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use super::super::decide::balance::{Balance, Common};
use super::super::decide::circuit::{Circuit, Trip};
use super::super::decide::outlier::Outliers;
use super::super::source::Feed;
use super::super::target::Endpoint;
use super::failing::{UNAVAILABLE, counted, failing, named};
use super::*;

fn weighted(endpoints: [(&Target, u32); 2], settings: Settings) -> Channel {
    let endpoints = endpoints.map(|(target, weight)| Endpoint { target: target.clone(), weight });
    Channel::new("shop", endpoints, settings, 0)
}

fn answer(respond: &mut SendResponse<Bytes>, is_good: bool) {
    let mut response = head();
    if is_good {
        let mut send = respond.send_response(response, false).unwrap();
        send.send_data(frame(b"odd"), false).unwrap();
        send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
    } else {
        response.headers_mut().extend(fields(UNAVAILABLE));
        respond.send_response(response, true).unwrap();
    }
}

/// Waits until all targets are connected to.
async fn connected(channel: &Channel) {
    while channel.report().targets.iter().any(|target| target.open == 0) {
        ask(channel, "hello").await;
    }
}

#[tokio::test]
async fn calls_are_shared_by_weights() {
    for balance in [Balance::RoundRobin, Balance::LeastRequest] {
        let ((heavy, at_heavy), (light, at_light)) = (named("heavy").await, named("light").await);
        let settings = Settings { balance: balance.clone(), ..Settings::default() };
        let channel = weighted([(&heavy, 3), (&light, 1)], settings.clone());
        connected(&channel).await;
        let count = || (at_heavy.load(Relaxed), at_light.load(Relaxed));
        let before = count();
        for _ in 0..40 {
            ask(&channel, "hello").await;
        }
        let after = count();
        assert_eq!((after.0 - before.0, after.1 - before.1), (30, 10), "{balance:?}");
        // Other weights hold for the same connections.
        let even = [&heavy, &light].map(|target| Endpoint { target: target.clone(), weight: 7 });
        let channel = channel.moved(settings, Feed::of(even));
        channel.take_up();
        for _ in 0..40 {
            ask(&channel, "hello").await;
        }
        let last = count();
        assert_eq!((last.0 - after.0, last.1 - after.1), (20, 20), "{balance:?}");
        assert_eq!(channel.report().opened, 2);
        let weights: Vec<_> = channel.report().targets.iter().map(|target| target.weight).collect();
        assert_eq!(weights, [7, 7]);
    }
}

#[tokio::test]
async fn a_target_that_comes_back_gets_its_share_little_by_little() {
    let fails = Arc::new(AtomicBool::new(true));
    let is_bad = Arc::clone(&fails);
    let (new, at_new) = counted(move |(_, mut respond): Stream| {
        answer(&mut respond, !is_bad.load(Relaxed));
    })
    .await;
    let outliers =
        Outliers { consecutive_failures: 1, eject_for: Duration::from_millis(1), ..Outliers::default() };
    let settings = Settings {
        outliers: Some(outliers),
        slow_start: Some(Duration::from_secs(3600)),
        balance: Balance::RoundRobin,
        ..Settings::default()
    };
    let channel = Channel::new("shop", [new, named("old").await.0], settings.clone(), 0);
    connected(&channel).await;
    assert_eq!(channel.report().targets[0].part, 1000, "at the beginning all are there");
    while channel.report().targets[0].ejected_for.is_none() {
        ask(&channel, "hello").await;
    }
    fails.store(false, Relaxed);
    while channel.report().targets[0].ejected_for.is_some() {
        ask(&channel, "hello").await;
    }
    assert_eq!(channel.report().targets[0].part, 100);
    let before = at_new.load(Relaxed);
    for _ in 0..110 {
        ask(&channel, "hello").await;
    }
    assert_eq!(at_new.load(Relaxed) - before, 10, "a tenth of its share is a tenth of what the other gets");
    let channel = channel.tuned(Settings { slow_start: None, ..settings });
    channel.take_up();
    assert_eq!(channel.report().targets[0].part, 1000);
}

#[tokio::test]
async fn a_target_that_fails_often_or_is_slow_is_left_alone() {
    let calls = Arc::new(AtomicUsize::new(0));
    let number = Arc::clone(&calls);
    let often = backend(move |(_, mut respond): Stream| {
        let number = number.fetch_add(1, Relaxed);
        async move { answer(&mut respond, !number.is_multiple_of(3)) }
    })
    .await;
    let slow = backend(|stream: Stream| async move {
        tokio::time::sleep(Duration::from_millis(30)).await;
        echo(stream).await;
    })
    .await;
    let rates = Outliers {
        consecutive_failures: 1000,
        window: Duration::from_secs(60),
        min_calls: 10,
        ..Outliers::default()
    };
    for (target, rates) in [
        (often, Outliers { failure_rate: Some(300_000), ..rates }),
        (slow, Outliers { slower_than: Some(5), window: Duration::from_secs(1), ..rates }),
    ] {
        let settings =
            Settings { outliers: Some(rates), balance: Balance::RoundRobin, ..Settings::default() };
        let channel = Channel::new("shop", [target, named("good").await.0], settings.clone(), 0);
        let mut asked = 0;
        while channel.report().targets[0].ejected_for.is_none() {
            ask(&channel, "hello").await;
            asked += 1;
            assert!(asked < 1000, "{:?}", channel.report());
        }
        let report = channel.report();
        assert!(report.targets[1].ejected_for.is_none(), "{report:?}");
        assert!(report.targets[0].recent.unwrap().calls >= 10, "{report:?}");
        assert!(asked >= 18, "not before there are enough calls");
        assert_echo(&ask(&channel, "hello").await, b"good");
        // Nothing of it is done any more.
        let channel = channel.tuned(Settings { outliers: None, ..settings });
        channel.take_up();
        assert_eq!(
            (channel.report().targets[0].ejected_for, channel.report().targets[0].recent),
            (None, None)
        );
    }
}

#[tokio::test]
async fn an_open_circuit_spares_the_targets() {
    let (bad, calls) = failing(UNAVAILABLE).await;
    let trip = Trip {
        failure_rate: 1_000_000,
        window: Duration::from_secs(60),
        min_calls: 10,
        open_for: Duration::from_secs(3600),
    };
    let settings =
        Settings { circuit: Circuit { trip: Some(trip), ..Circuit::default() }, ..Settings::default() };
    let channel = Channel::new("shop", [bad], settings.clone(), 0);
    for _ in 0..10 {
        assert_status(&ask(&channel, "hello").await.status, Code::Unavailable, 503, "busy");
    }
    let text = "Too many calls to this service fail, so it is spared for a while; try again later.";
    for _ in 0..5 {
        let reply = ask(&channel, "hello").await;
        assert_status(&reply.status, Code::Unavailable, 503, text);
        assert!(reply.hints.retry_after.unwrap() > Duration::from_secs(3500) && reply.status.is_retryable());
    }
    assert_eq!(calls.load(Relaxed), 10);
    assert!(channel.report().open_for.is_some());
    // A reload that changes something else leaves it open; one without it closes it.
    let channel = channel.tuned(Settings { timeout: Duration::from_secs(7), ..settings });
    channel.take_up();
    assert_status(&refused(&channel).await, Code::Unavailable, 503, text);
    let channel = channel.tuned(Settings::default());
    channel.take_up();
    assert_status(&refused(&channel).await, Code::Unavailable, 503, "busy");
}

#[tokio::test]
async fn when_few_are_left_those_that_are_left_alone_are_used_as_well() {
    let ((bad, at_bad), (good, _)) = (failing(UNAVAILABLE).await, named("good").await);
    let outliers = Some(Outliers { consecutive_failures: 1, ..Outliers::default() });
    let settings = Settings { outliers, balance: Balance::RoundRobin, ..Settings::default() };
    let channel = Channel::new("shop", [bad, good], settings.clone(), 0);
    while channel.report().targets[0].ejected_for.is_none() {
        ask(&channel, "hello").await;
    }
    let before = at_bad.load(Relaxed);
    for _ in 0..10 {
        assert_echo(&ask(&channel, "hello").await, b"good");
    }
    assert_eq!((at_bad.load(Relaxed), channel.report().panics), (before, false));
    let channel = channel.tuned(Settings { panic_threshold: 510_000, ..settings });
    channel.take_up();
    assert!(channel.report().panics);
    for _ in 0..10 {
        ask(&channel, "hello").await;
    }
    assert_eq!(at_bad.load(Relaxed), before + 5);
}

#[tokio::test]
async fn old_connections_are_replaced_once_others_are_up() {
    let (target, _) = named("good").await;
    let settings = Settings { connection_age: Some(Duration::from_millis(20)), ..Settings::default() };
    let channel = Channel::new("shop", [target], settings.clone(), 0);
    while channel.report().opened < 5 {
        assert_echo(&ask(&channel, "hello").await, b"good");
        assert!(channel.report().targets[0].open <= 1);
    }
    // Connections that are up get no older than they were to get.
    let channel = channel.tuned(Settings { connection_age: None, ..settings });
    channel.take_up();
    let mut opened = 0;
    while opened != channel.report().opened {
        opened = channel.report().opened;
        tokio::time::sleep(Duration::from_millis(50)).await;
        for _ in 0..10 {
            assert_echo(&ask(&channel, "hello").await, b"good");
        }
    }
}

#[tokio::test]
async fn an_old_connection_stays_as_long_as_there_is_no_other() {
    let (listener, target) = listen().await;
    let settings = Settings { connection_age: Some(Duration::from_millis(10)), ..Settings::default() };
    let channel = Channel::new("shop", [target], settings, 0);
    let serve = tokio::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        // Nobody listens from here on.
        drop(listener);
        let mut connection = handshake(socket).await;
        while let Some(Ok(stream)) = connection.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    for _ in 0..20 {
        assert_echo(&ask(&channel, "hello").await, b"hello");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(channel.report().opened, 1);
    serve.abort();
}

#[tokio::test]
async fn calls_go_together_by_a_field_of_the_request() {
    let targets = [named("a").await.0, named("b").await.0, named("c").await.0];
    let settings = Settings { balance: Balance::ConsistentHash(Common::Field), ..Settings::default() };
    let channel = Channel::new("shop", targets, settings, 0);
    let by_field = channel.by_field([2, 1].into());
    let message = |user: u8| vec![0x12, 2, 0x08, user];
    let mut seen = std::collections::BTreeSet::new();
    for user in 0..20 {
        let first = ask(&by_field, message(user)).await.message.bytes;
        for _ in 0..3 {
            assert_eq!(ask(&by_field, message(user)).await.message.bytes, first, "user {user}");
        }
        seen.insert(first);
    }
    assert_eq!(seen.len(), 3, "twenty users are on all targets");
    // A method that has no such field.
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..6 {
        seen.insert(ask(&channel, message(1)).await.message.bytes);
    }
    assert!(seen.len() >= 2, "{seen:?}");
}
