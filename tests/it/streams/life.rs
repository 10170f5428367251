//! How streams end before their time: callers that leave, and a gateway that stops.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::{LINES, Setting, VERSIONS};
use crate::support::client::Version;
use crate::support::stream;

#[tokio::test]
async fn callers_that_leave_cancel_their_calls() {
    let mut setting = Setting::new();
    let address = setting.address();
    for version in VERSIONS {
        // In the middle of the answer, and before it.
        let id = format!("watch-{version:?}");
        let target = format!("/v1/watch/{id}?count=1&hang=true");
        let mut answer = stream::get(address, version, &target, &[LINES]).await;
        assert_eq!(answer.line().await, Some(json!({"number": 1})));
        drop(answer);
        setting.reaches("CANCELLED", &id).await;

        let id = format!("early-{version:?}");
        let target = format!("/v1/watch/{id}?hang=true");
        let call = tokio::spawn(async move { stream::get(address, version, &target, &[LINES]).await.status });
        setting.reaches("STARTED", &id).await;
        call.abort();
        setting.reaches("CANCELLED", &id).await;

        // In the middle of the request, with and without an answer.
        let id = format!("chat-{version:?}");
        let (body, answer) = stream::upload(address, version, &format!("/v1/chat/{id}"), &[LINES]).await;
        body.send("{\"text\": \"a\"}").await;
        let mut answer = answer.await;
        assert_eq!(answer.line().await, Some(json!({"number": 1, "text": "a"})));
        drop(answer);
        setting.reaches("CANCELLED", &id).await;

        let id = format!("gather-{version:?}");
        let target = format!("/v1/gather/{id}");
        let (body, answer) = stream::upload(address, version, &target, &[]).await;
        let call = tokio::spawn(async move { answer.await.status });
        body.send("{\"text\": \"a\"}").await;
        setting.reaches("STARTED", &id).await;
        call.abort();
        setting.reaches("CANCELLED", &id).await;
    }
    let printed = setting.gateway.server().printed();
    assert!(!printed.contains("WARN"), "callers cannot fill the log: {printed}");
}

#[tokio::test]
async fn a_backend_that_dies_ends_its_streams_with_an_error() {
    let Setting { gateway, backend } = Setting::new();
    let mut answers = Vec::new();
    for version in VERSIONS {
        let target = "/v1/watch/dying?count=1&hang=true";
        let mut answer = stream::get(gateway.address(), version, target, &[LINES]).await;
        assert_eq!(answer.line().await, Some(json!({"number": 1})));
        let (body, chat) = stream::upload(gateway.address(), version, "/v1/chat/dying", &[LINES]).await;
        assert!(body.send("{}").await);
        let mut chat = chat.await;
        assert_eq!(chat.line().await, Some(json!({"number": 1})));
        answers.push((None, answer));
        answers.push((Some(body), chat));
    }
    drop(backend);
    for (_body, mut answer) in answers {
        let end = answer.line().await.unwrap();
        assert_eq!(end["error"]["code"], json!(14), "{end}");
        assert_eq!(answer.line().await, None);
    }
}

/// Backends take many cancellations at once for an attack, and end the connection that others share.
#[tokio::test]
async fn many_callers_that_leave_do_not_disturb_the_others() {
    let setting = Setting::new();
    let address = setting.address();
    // Some on the connection of each core.
    let mut others = Vec::new();
    for number in 0..8 {
        let target = format!("/v1/chat/other-{number}");
        let (body, answer) = stream::upload(address, Version::Http1, &target, &[LINES]).await;
        assert!(body.send("{\"text\": \"before\"}").await);
        let mut answer = answer.await;
        assert_eq!(answer.line().await, Some(json!({"number": 1, "text": "before"})));
        others.push((body, answer));
    }
    let mut leaving = Vec::new();
    for number in 0..200 {
        let target = format!("/v1/watch/leaving-{number}?count=1000000&size=100");
        let version = VERSIONS[number % 2];
        leaving.push(tokio::spawn(async move {
            let mut answer = stream::get(address, version, &target, &[LINES]).await;
            assert!(answer.line().await.is_some());
            answer
        }));
    }
    for answer in leaving {
        drop(answer.await.unwrap());
    }
    for round in 2..10 {
        for (body, answer) in &mut others {
            assert!(body.send("{\"text\": \"after\"}").await);
            assert_eq!(answer.line().await, Some(json!({"number": round, "text": "after"})));
        }
        setting.is_alive().await;
    }
}

#[tokio::test]
async fn streams_end_within_the_bound_when_the_gateway_stops() {
    for version in VERSIONS {
        let mut setting = Setting::with_limits("http: {drain_timeout: 1s}\n");
        let address = setting.address();
        let mut long = stream::get(address, version, "/v1/watch/long?count=1&hang=true", &[LINES]).await;
        assert_eq!(long.line().await, Some(json!({"number": 1})));
        let (body, short) = stream::upload(address, version, "/v1/chat/short", &[LINES]).await;
        assert!(body.send("{}").await);
        let mut short = short.await;
        assert_eq!(short.line().await, Some(json!({"number": 1})));

        setting.gateway.server().terminate();
        setting.gateway.wait_for_log("stopping");
        let started = Instant::now();
        // What can end, ends well.
        assert!(body.send("{\"text\": \"last\"}").await);
        assert_eq!(short.line().await, Some(json!({"number": 2, "text": "last"})));
        drop(body);
        assert_eq!(short.line().await, None);
        // The caller of the other learns that it is not complete.
        assert!(long.is_cut().await);
        assert_eq!(setting.gateway.server().wait().code(), Some(0));
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody listens any more");
    }
}
