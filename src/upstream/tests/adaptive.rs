//! Calls to an upstream of which it is learnt how many it takes.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use futures_util::future::join_all;

use super::super::decide::adaptive::Adaptive;
use super::failing::{counted, hanging, tuned};
use super::*;
use crate::call::priority::Priority;

#[tokio::test]
async fn an_upstream_that_has_as_many_calls_as_it_takes_refuses_by_priority() {
    let (target, asked) = hanging().await;
    let adaptive = Some(Adaptive { min: 10, max: 10, ..Adaptive::default() });
    let channel = tuned(vec![target], Settings { adaptive, ..Settings::default() });
    let begin = |priority: Priority| {
        let mut call = request("hello");
        call.origin.priority = priority;
        tokio::spawn(channel.call(call))
    };
    let mut calls = Vec::new();
    for (priority, count) in [(Priority::Low, 8), (Priority::Normal, 9), (Priority::High, 10)] {
        while calls.len() < count {
            calls.push(begin(priority));
        }
        until(|| asked.load(Relaxed) == count).await;
        let refused = begin(priority).await.unwrap().status;
        let text = "This service has as many calls as it can answer without delay; try again shortly.";
        assert_status(&refused, Code::Unavailable, 503, text);
        assert!(refused.is_retryable());
    }
    // A stream is no call of which it is learnt how long it takes.
    let method = Method { server_streaming: true, ..method() };
    let stream = tokio::spawn(channel.call(Call { method: Arc::new(method), ..request("hello") }));
    until(|| asked.load(Relaxed) == 11).await;
    stream.abort();
    let report = channel.report().adaptive.unwrap();
    assert_eq!((report.limit, report.in_flight), (10, 10));
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    until(|| channel.report().adaptive.unwrap().in_flight == 0).await;
    // Not learnt any more, and then anew.
    channel.tuned(Settings::default()).take_up();
    assert_eq!(channel.report().adaptive, None);
    channel.take_up();
    assert_eq!(channel.report().adaptive.unwrap().limit, 10);
}

#[tokio::test]
async fn answers_are_learnt_from() {
    let is_done = Arc::new(AtomicBool::new(false));
    let (target, _) = counted(move |(_, mut respond): Stream| {
        let mut send = respond.send_response(head(), false).unwrap();
        send.send_data(frame(b"x"), false).unwrap();
        send.send_trailers(fields(&[("grpc-status", "0")])).unwrap();
    })
    .await;
    let channel =
        tuned(vec![target], Settings { adaptive: Some(Adaptive::default()), ..Settings::default() });
    let work = async {
        while !is_done.load(Relaxed) {
            assert_echo(&ask(&channel, "hello").await, b"x");
        }
    };
    let see = async {
        until(|| channel.report().adaptive.unwrap().base > Duration::ZERO).await;
        is_done.store(true, Relaxed);
    };
    join_all([Box::pin(work) as std::pin::Pin<Box<dyn Future<Output = ()>>>, Box::pin(see)]).await;
    let learnt = channel.report().adaptive.unwrap();
    assert_eq!((learnt.limit, learnt.in_flight), (100, 0), "one at a time says nothing of the limit");
}
