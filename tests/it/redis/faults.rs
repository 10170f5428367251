//! One server, and what may happen to it.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use transom::policy::limit::redis::connect::{Address, Tls};
use transom::policy::limit::redis::resp::Reply;
use transom::policy::limit::redis::{OnError, Password, Servers, Settings};
use transom::policy::limit::store::Taken;
use transom::tls::client::{self, Connector, Protocol};

use super::server::{Client, Redis, text};
use super::{By, Setting, TIME, address, limit, settings};
use crate::support::authority::Authority;
use crate::support::backend::bookstore;

/// Also with many at once.
#[tokio::test]
async fn a_decision_is_one_round_trip() {
    let redis = Redis::start();
    let setting = Arc::new(Setting::of(&redis));
    let limit = limit("trips", 100);
    assert!(setting.take_from_servers(&limit, "first").await.is_admitted);
    redis.ask(&["CONFIG", "RESETSTAT"]);
    let mut tasks = JoinSet::new();
    for task in 0..20 {
        let (setting, limit) = (Arc::clone(&setting), Arc::clone(&limit));
        tasks.spawn(async move {
            let mut admitted = 0;
            for _ in 0..50 {
                let (outcome, by) = setting.take(&limit, &(task % 2).to_string()).await;
                assert_eq!(by, By::Servers);
                admitted += usize::from(outcome.is_admitted);
            }
            admitted
        });
    }
    let admitted: usize = tasks.join_all().await.into_iter().sum();
    assert_eq!(admitted, 200);
    assert_eq!(redis.calls("evalsha"), 1_000);
    // What the script itself calls, and the questions of this test, are all that there was beside.
    let all = redis.text(&["INFO", "commandstats"]);
    let names = all.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next());
    let mut names: Vec<_> = names.filter(|name| !["config|resetstat", "info"].contains(name)).collect();
    names.sort_unstable();
    assert_eq!(names, ["evalsha", "hmget", "hset", "pexpire", "time"]);
    // Subjects are not to be read in it, and keys go by themselves.
    let scanned = format!("{:?}", redis.ask(&["KEYS", "*"]));
    assert!(!scanned.contains("first"), "{scanned}");
    assert_eq!(redis.text(&["INFO", "keyspace"]).matches("keys=3,expires=3").count(), 1);
}

#[tokio::test]
async fn scripts_and_counts_may_be_flushed() {
    let redis = Redis::start();
    let (setting, limit) = (Setting::of(&redis), limit("flush", 3));
    assert_eq!(setting.drain(&limit, "a").await, 3);
    redis.ask(&["SCRIPT", "FLUSH"]);
    assert_eq!(setting.drain(&limit, "a").await, 0);
    redis.ask(&["FLUSHALL"]);
    assert_eq!(setting.drain(&limit, "a").await, 3);
    redis.ask(&["CLIENT", "KILL", "TYPE", "normal"]);
    assert!(!setting.take_from_servers(&limit, "a").await.is_admitted);
}

#[tokio::test]
async fn one_that_is_killed_is_done_without_until_it_is_back() {
    for (on_error, admitted) in [(OnError::Local, 3), (OnError::Deny, 0)] {
        let mut redis = Redis::start();
        let setting = Setting::new(settings(Servers::One(address(&redis))), on_error);
        let limit = limit("killed", 3);
        assert_eq!(setting.drain(&limit, "a").await, 3);
        redis.kill();
        setting.lose(&limit).await;
        let mut count = 0;
        for _ in 0..10 {
            // Nobody waits.
            let Taken::Now(outcome) = setting.ask(&limit, "a") else { panic!("it was asked") };
            assert_eq!(outcome.standings.as_slice().is_empty(), on_error == OnError::Deny);
            count += usize::from(outcome.is_admitted);
        }
        assert_eq!(count, admitted, "{on_error:?}");
        redis.start_again();
        // It has lost what it knew.
        assert!(setting.take_from_servers(&limit, "a").await.is_admitted);
        assert_eq!(setting.drain(&limit, "a").await, 2);
    }
}

#[tokio::test]
async fn one_that_hangs_under_load_holds_up_nobody_for_long() {
    let redis = Redis::start();
    let setting = Arc::new(Setting::of(&redis));
    let limit = limit("hangs", 1_000_000);
    setting.take_from_servers(&limit, "a").await;
    redis.pause();
    let mut tasks = JoinSet::new();
    for task in 0..50 {
        let (setting, limit) = (Arc::clone(&setting), Arc::clone(&limit));
        tasks.spawn(async move {
            let start = Instant::now();
            let (outcome, by) = setting.take(&limit, &task.to_string()).await;
            (outcome.is_admitted, by, start.elapsed())
        });
    }
    for (is_admitted, by, elapsed) in tasks.join_all().await {
        assert_eq!((is_admitted, by), (true, By::Others));
        assert!(elapsed < TIME * 4, "{elapsed:?}");
    }
    // From now on nobody waits, for as long as it hangs: also not when the connection is given up and made anew, as the
    // system still takes connections for it.
    let start = Instant::now();
    while start.elapsed() < 4 * TIME {
        assert!(matches!(setting.ask(&limit, "b"), Taken::Now(_)));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    redis.resume();
    setting.take_from_servers(&limit, "c").await;
}

/// One that answers, but not what it should.
#[tokio::test]
async fn one_that_cannot_decide_is_done_without() {
    let redis = Redis::with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let (setting, limit) = (Setting::of(&redis), limit("oom", 2));
    for admitted in [true, true, false] {
        let (outcome, by) = setting.take(&limit, "a").await;
        assert_eq!((outcome.is_admitted, by), (admitted, By::Others));
    }
    redis.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    assert!(setting.take_from_servers(&limit, "a").await.is_admitted);
    // Somebody else's key.
    let mut client = Client::of(redis.address());
    redis.ask(&["CONFIG", "RESETSTAT"]);
    let Reply::List(keys) = client.ask(&["KEYS", "*"]) else { panic!() };
    let key = text(keys[0].clone());
    client.ask(&["SET", &key, "x"]);
    assert_eq!(setting.take(&limit, "a").await.1, By::Others);
    assert_eq!(redis.calls("evalsha"), 1, "an error is not asked for again");
}

#[tokio::test]
async fn passwords_users_and_databases() {
    let redis = Redis::with(&["--requirepass", "a b\"\\"]);
    let limit = limit("login", 1);
    let mut right = settings(Servers::One(address(&redis)));
    right.password = Some(Password("a b\"\\".into()));
    right.database = 3;
    assert_eq!(Setting::new(right.clone(), OnError::Local).drain(&limit, "a").await, 1);
    let mut client = Client::of(redis.address());
    client.ask(&["AUTH", "a b\"\\"]);
    let keyspace = text(client.ask(&["INFO", "keyspace"]));
    assert!(keyspace.contains("db3:keys=1"), "{keyspace}");
    // No more than is needed.
    let rules =
        ["on", ">pw", "~shop:*", "+evalsha", "+script|load", "+time", "+hmget", "+hset", "+pexpire", "+ping"];
    client.ask(&[&["ACL", "SETUSER", "gate"][..], &rules].concat());
    let mut user = settings(Servers::One(address(&redis)));
    (user.user, user.password, user.prefix) =
        (Some("gate".into()), Some(Password("pw".into())), "shop".into());
    assert_eq!(Setting::new(user, OnError::Local).drain(&limit, "a").await, 1);
    for password in [None, Some(Password("wrong".into()))] {
        let setting = Setting::new(Settings { password, ..right.clone() }, OnError::Local);
        assert_eq!(setting.take(&limit, "a").await.1, By::Others);
        setting.lose(&limit).await;
    }
}

/// What accepts connections and is no Redis, or says nothing.
#[tokio::test]
async fn strangers_are_done_without() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap();
    for port in [silent.port(), bookstore().port()] {
        let server = Address { host: "127.0.0.1".into(), port };
        let setting = Setting::new(settings(Servers::One(server)), OnError::Local);
        let limit = limit("strange", 1);
        let start = Instant::now();
        assert_eq!(setting.take(&limit, "a").await.1, By::Others);
        setting.lose(&limit).await;
        assert!(start.elapsed() < TIME * 4, "{:?}", start.elapsed());
    }
}

#[tokio::test]
async fn connections_may_be_encrypted() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new("Redis");
    let ca = authority.write(folder.path(), "ca");
    let (certificate, key) = authority.issue(&["redis.internal"]).write(folder.path(), "redis");
    let shown = |path: &std::path::Path| path.display().to_string();
    // The port is that of TLS, and there is none without.
    let redis = Redis::with(&[
        "--port",
        "0",
        "--tls-port",
        "PORT",
        "--tls-cert-file",
        &shown(&certificate),
        "--tls-key-file",
        &shown(&key),
        "--tls-ca-cert-file",
        &shown(&ca),
        "--tls-auth-clients",
        "no",
    ]);
    let made = client::Settings { ca: Some(ca), certificate: None, protocol: Protocol::Other };
    let connector = Arc::new(Connector::load(made, &mut Vec::new()).unwrap());
    let limit = limit("tls", 2);
    for (name, by) in
        [(Some("redis.internal"), By::Servers), (Some("other.internal"), By::Others), (None, By::Others)]
    {
        let name = name.map(|name| rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap());
        let tls = Tls { connector: Arc::clone(&connector), name };
        let settings = Settings { tls: Some(tls), ..settings(Servers::One(address(&redis))) };
        assert_eq!(Setting::new(settings, OnError::Local).take(&limit, "a").await.1, by);
    }
}
