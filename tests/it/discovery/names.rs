//! `dns://` and `srv://`.

use super::*;

/// Backends at 127.0.0.2 and the next addresses, all on one port.
fn backends(count: u8) -> (Vec<Server>, u16) {
    let first = backend_at(2, 0);
    let port = first.address().port();
    let others = (3..2 + count).map(|last| backend_at(last, port));
    (std::iter::once(first).chain(others).collect(), port)
}

fn at(last: u8, port: u16) -> String {
    format!("http://127.0.0.{last}:{port}")
}

/// An SRV record of something at 127.0.0.1, which `host.test` has to be.
fn service(backend: &Server, priority: u16, weight: u16) -> Record {
    Record::Srv { priority, weight, port: backend.address().port(), host: "host.test" }
}

#[tokio::test]
async fn addresses_come_and_go_without_a_lost_call() {
    let (_backends, port) = backends(3);
    let names = Names::start();
    names.set("echo.test", Say::addresses(0, &[2]));
    let setting = Setting::new(&format!("dns://echo.test:{port}"), &[], names, |_| {});
    let load = setting.load();
    load.wait_for(100).await;
    // One comes, one goes, all are replaced, and nothing changes but the order.
    for parts in [&[3, 2][..], &[3], &[2, 4], &[4, 3, 2], &[2, 3, 4]] {
        setting.names.set("echo.test", Say::addresses(0, parts));
        let expected: Vec<_> = parts.iter().map(|part| at(*part, port)).collect();
        let upstream = setting.wait_for_targets(&expected).await;
        assert_eq!(upstream["targets"][0]["source"], format!("dns://echo.test:{port}"));
        assert_eq!(upstream["sources"][0]["targets"], parts.len());
        load.wait_for(300).await;
    }
    let upstream = setting.upstream().await;
    assert!(upstream["targets"].as_array().unwrap().iter().all(|target| target["open"] != 0), "{upstream:#}");
    expect_none_lost(&load.stop().await);
    let values = setting.gateway.values().await;
    assert_eq!(values.of("transom_upstream_target_changes_total{upstream=\"echo\"}"), 4.0);
    assert_eq!(values.of("transom_upstream_targets{upstream=\"echo\"}"), 3.0);
    let answered = "transom_upstream_resolutions_total{upstream=\"echo\",result=\"answered\"}";
    assert!(values.of(answered) >= 5.0, "{values:?}");
    assert!(setting.gateway.server.printed().contains("calls go to other targets than before"));
}

#[tokio::test]
async fn services_are_replaced_one_after_the_other_without_a_lost_call() {
    let (old, new) = ([backend(), backend()], [backend(), backend()]);
    let names = Names::start();
    names.set("host.test", Say::addresses(1, &[1]));
    let say = |list: &[(&Server, u16, u16)]| {
        let records = list.iter().map(|(server, priority, weight)| service(server, *priority, *weight));
        Say::Has(1, records.collect())
    };
    let name = "_grpc._tcp.echo.test";
    names.set(name, say(&[(&old[0], 1, 2), (&old[1], 1, 1)]));
    let setting = Setting::new("srv://_grpc._tcp.echo.test", &[], names, |_| {});
    let load = setting.load();
    let of = |list: &[&Server]| list.iter().map(|server| url(server.address())).collect::<Vec<_>>();
    let upstream = setting.wait_for_targets(&of(&[&old[0], &old[1]])).await;
    let mut weights: Vec<_> =
        upstream["targets"].as_array().unwrap().iter().map(|one| one["weight"].as_u64()).collect();
    weights.sort_unstable();
    assert_eq!(weights, [Some(1), Some(2)]);
    load.wait_for(100).await;
    setting.names.set(name, say(&[(&old[1], 1, 1), (&new[0], 1, 1)]));
    setting.wait_for_targets(&of(&[&old[1], &new[0]])).await;
    load.wait_for(200).await;
    // Only those of the best priority count.
    setting.names.set(name, say(&[(&old[0], 5, 1), (&new[0], 1, 1), (&new[1], 1, 1)]));
    setting.wait_for_targets(&of(&[&new[0], &new[1]])).await;
    // Nobody needs the old ones any more, once those who were with them are done.
    load.wait_for(100).await;
    drop(old);
    load.wait_for(300).await;
    expect_none_lost(&load.stop().await);
}

#[tokio::test]
async fn what_is_known_goes_on_while_names_cannot_be_looked_up() {
    let (_backends, port) = backends(2);
    let names = Names::start();
    names.set("echo.test", Say::addresses(0, &[2, 3]));
    let setting = Setting::new(&format!("dns://echo.test:{port}"), &[], names, |_| {});
    let load = setting.load();
    let expected = [at(2, port), at(3, port)];
    setting.wait_for_targets(&expected).await;
    for (say, why) in [
        (Say::Missing, "there is no such name"),
        (Say::Fails, "the name server failed (SERVFAIL)"),
        (Say::Silent, "no name server answers in time"),
        (Say::Has(0, Vec::new()), "it has no such record"),
    ] {
        setting.names.set("echo.test", say);
        let upstream = setting.wait_for(|upstream| upstream["sources"][0]["failure"] == why).await;
        assert_eq!(targets(&upstream), expected);
        load.wait_for(50).await;
    }
    let failed = "transom_upstream_resolutions_total{upstream=\"echo\",result=\"failed\"}";
    assert!(setting.gateway.values().await.of(failed) >= 4.0);
    setting.names.set("echo.test", Say::addresses(0, &[3]));
    let upstream = setting.wait_for_targets(&expected[1..]).await;
    assert!(upstream["sources"][0]["failure"].is_null());
    expect_none_lost(&load.stop().await);
    let log = setting.gateway.server.printed();
    assert!(log.contains("where targets are cannot be learnt; those that are known go on"), "{log}");
    assert!(log.contains("where targets are can be learnt again"), "{log}");
}

#[tokio::test]
async fn a_target_that_is_gone_is_looked_for_at_once_and_not_all_the_time() {
    let (mut backends, port) = backends(2);
    let names = Names::start();
    names.set("echo.test", Say::addresses(300, &[2]));
    let setting = Setting::new(&format!("dns://echo.test:{port}"), &[], names, |_| {});
    let load = Load::start(setting.address(), 4, Method::Idempotent);
    load.wait_for(50).await;
    assert!(setting.names.asked("echo.test") <= 4, "it holds for five minutes");
    setting.names.set("echo.test", Say::addresses(300, &[3]));
    let killed = Instant::now();
    backends[0].signal(rustix::process::Signal::KILL);
    backends[0].wait();
    setting.wait_for_targets(&[at(3, port)]).await;
    assert!(killed.elapsed() < Duration::from_secs(20), "it is not found");
    // A question for each family, once a second at most.
    let most = 4 + 2 * (killed.elapsed().as_secs() as usize + 1);
    assert!(setting.names.asked("echo.test") <= most, "{} questions", setting.names.asked("echo.test"));
    load.wait_for(100).await;
    // It was the only one, so calls failed until it was found; all of them said so.
    let tally = load.stop().await;
    assert!(tally.failed.iter().all(|(status, _)| *status == 503), "{:?}", tally.failed.iter().take(5));
}

#[tokio::test]
async fn it_begins_without_an_answer_and_serves_when_there_is_one() {
    let backend = backend();
    let names = Names::start();
    let target = format!("dns://echo.test:{}", backend.address().port());
    let setting = Setting::new(&target, &[], names, |_| {});
    let log = unbroken(&setting.gateway.server.printed());
    assert!(log.contains("is known: there is no such name"), "{log}");
    assert_eq!(client::get(setting.gateway.metrics, "/livez").await.status, 200);
    setting.names.set("echo.test", Say::addresses(60, &[1]));
    let start = Instant::now();
    while client::get(setting.address(), "/v1/echo/x").await.status != 200 {
        assert!(start.elapsed() < Duration::from_secs(60), "it is not served");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_reload_takes_over_what_is_known_and_lists_may_be_mixed() {
    let (written, found) = (backend(), backend());
    let names = Names::start();
    names.set("host.test", Say::addresses(300, &[1]));
    names.set("_grpc._tcp.echo.test", Say::Has(300, vec![service(&found, 1, 1)]));
    let targets = format!("{}, srv://_grpc._tcp.echo.test", url(written.address()));
    let setting = Setting::new(&targets, &["outliers: {}"], names, |_| {});
    let load = setting.load();
    load.wait_for(200).await;
    let before = setting.upstream().await;
    let asked = setting.names.asked("_grpc._tcp.echo.test");
    let sources: Vec<_> =
        before["targets"].as_array().unwrap().iter().map(|one| one["source"].as_str()).collect();
    assert_eq!(sources, [None, Some("srv://_grpc._tcp.echo.test")]);
    setting.gateway.server.hang_up();
    setting.gateway.server.wait_for("\"reloaded\"");
    load.wait_for(200).await;
    let after = setting.upstream().await;
    assert_eq!(after["opened"], before["opened"], "all connections are those of before");
    assert_eq!(setting.names.asked("_grpc._tcp.echo.test"), asked, "nothing was asked again");
    expect_none_lost(&load.stop().await);
}
