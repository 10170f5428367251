//! Targets that come and go while calls go on.

use tokio::sync::{Notify, oneshot};

use super::super::decide::health::Health;
use super::super::decide::outlier::Outliers;
use super::super::source::Feed;
use super::failing::{UNAVAILABLE, counted, failing, named};
use super::*;
use crate::tls::client::{self, Connector};

/// Gives a channel other targets.
fn go(channel: &Channel, settings: &Settings, targets: &[&Target]) -> Channel {
    let channel = channel.moved(settings.clone(), Feed::of(targets.iter().copied().cloned()));
    channel.take_up();
    channel
}

#[tokio::test]
async fn what_stays_keeps_its_connections_and_what_goes_ends_with_its_calls() {
    let (entered, hold) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let slow = backend({
        let (entered, hold) = (Arc::clone(&entered), Arc::clone(&hold));
        move |stream| {
            let (entered, hold) = (Arc::clone(&entered), Arc::clone(&hold));
            async move {
                entered.notify_one();
                hold.notified().await;
                echo(stream).await;
            }
        }
    })
    .await;
    let ((kept, _), (new, _)) = (named("kept").await, named("new").await);
    let settings = Settings::default();
    let first = Channel::new("shop", vec![slow.clone(), kept.clone()], settings.clone(), 0);
    let asked = tokio::spawn({
        let channel = first.clone();
        // One of two goes to the one that waits.
        async move { [ask(&channel, "one").await, ask(&channel, "two").await] }
    });
    entered.notified().await;
    while first.report().targets.iter().any(|target| target.open == 0) {
        tokio::task::yield_now().await;
    }
    let second = go(&first, &settings, &[&kept, &new]);
    let report = second.report();
    let names: Vec<_> = report.targets.iter().map(|target| target.target.clone()).collect();
    assert_eq!(names, [kept.to_string(), new.to_string()]);
    assert_eq!(report.in_flight, 1, "a call goes on at the target that is gone");
    for _ in 0..10 {
        assert!(ask(&second, "hello").await.status.is_ok());
    }
    assert_eq!(second.report().opened, 3, "slow, kept and new");
    hold.notify_one();
    assert!(asked.await.unwrap().iter().all(|reply| reply.status.is_ok()));
    assert_eq!(second.report().in_flight, 0);
}

#[tokio::test]
async fn a_call_that_waits_for_a_target_that_goes_is_sent_to_one_that_comes() {
    // It takes connections and never says a word, as it should for TLS.
    let (silent, target) = listen().await;
    let (accepted, connecting) = oneshot::channel();
    tokio::spawn(async move {
        let socket = silent.accept().await.unwrap();
        accepted.send(()).unwrap();
        std::future::pending::<()>().await;
        drop(socket);
    });
    let closed = dead().await;
    let settings = Settings { connect_timeout: Duration::from_secs(60), ..Settings::default() };
    let connector = Connector::load(client::Settings::default(), &mut Vec::new()).unwrap();
    let text = target.to_string().replace("http", "https");
    let target = Target::secure(&text, Arc::new(connector), None).unwrap();
    let channel = Channel::new("shop", vec![target], settings.clone(), 0);
    let asked = tokio::spawn({
        let channel = channel.clone();
        async move { ask(&channel, "hello").await }
    });
    connecting.await.unwrap();
    let (new, _) = named("new").await;
    go(&channel, &settings, &[&closed, &new]);
    let reply = asked.await.unwrap();
    assert!(reply.status.is_ok(), "{}", reply.status);
}

#[tokio::test]
async fn what_is_known_of_a_target_goes_with_it() {
    let (bad, _) = failing(UNAVAILABLE).await;
    let ((good, _), (other, _)) = (named("good").await, named("other").await);
    let outliers = Outliers { consecutive_failures: 1, max_ejected: 1_000_000, ..Outliers::default() };
    let settings = Settings { outliers: Some(outliers), ..Settings::default() };
    let channel = Channel::new("shop", vec![bad.clone(), good.clone()], settings.clone(), 0);
    let ejected = |channel: &Channel| -> Vec<bool> {
        channel.report().targets.iter().map(|target| target.ejected_for.is_some()).collect()
    };
    while !ejected(&channel)[0] {
        ask(&channel, "hello").await;
    }
    let channel = go(&channel, &settings, &[&other, &bad]);
    assert_eq!(ejected(&channel), [false, true], "one that stays is left alone on");
    for _ in 0..5 {
        assert!(ask(&channel, "hello").await.status.is_ok());
    }
    let channel = go(&channel, &settings, &[&other, &good]);
    assert_eq!(ejected(&channel), [false, false]);
    let channel = go(&channel, &settings, &[&other, &bad]);
    assert_eq!(ejected(&channel), [false, false], "one that comes anew has nothing against it");
}

#[tokio::test]
async fn those_who_come_are_asked_for_their_health() {
    let (sick, _) = counted(|(_, mut respond): Stream| {
        let mut send = respond.send_response(head(), false).unwrap();
        send.send_data(frame(&[8, 2]), false).unwrap();
        send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
    })
    .await;
    let (well, _) = failing(&[("grpc-status", "12")]).await;
    let health = Health {
        service: String::new(),
        interval: Duration::from_millis(100),
        timeout: Duration::from_secs(5),
        unhealthy: 1,
        healthy: 1,
    };
    let settings = Settings { health: Some(health), ..Settings::default() };
    let channel = Channel::new("shop", vec![well.clone()], settings.clone(), 0);
    channel.take_up();
    let channel = go(&channel, &settings, &[&sick, &well]);
    while channel.report().targets[0].healthy {
        tokio::task::yield_now().await;
    }
    let channel = go(&channel, &settings, &[&well]);
    assert!(channel.report().targets[0].healthy);
}

#[tokio::test]
async fn without_targets_calls_fail_at_once() {
    let (target, _) = named("back").await;
    let settings = Settings::default();
    let channel = Channel::new("shop", Vec::<Target>::new(), settings.clone(), 0);
    assert!(channel.report().is_away());
    let status = refused(&channel).await;
    assert_status(
        &status,
        Code::Unavailable,
        503,
        "No backend of this service can be reached at the moment; try again shortly.",
    );
    let channel = go(&channel, &settings, &[&target]);
    assert!(!channel.report().is_away());
    assert!(ask(&channel, "hello").await.status.is_ok());
}
