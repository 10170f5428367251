//! Several servers: a primary that a sentinel watches, and a cluster.

use std::time::Duration;

use tokio::time::Instant;
use transom::policy::limit::redis::{OnError, Servers};

use super::server::{Redis, text};
use super::{By, Setting, address, limit, settings};

#[tokio::test]
async fn a_replica_that_is_promoted_goes_on_counting() {
    let mut primary = Redis::start();
    let (host, port) = (primary.address().ip().to_string(), primary.address().port().to_string());
    let replica = Redis::with(&["--replicaof", &format!("{host} {port}"), "--replica-announce-ip", "HOST"]);
    let sentinel = Redis::sentinel(&primary, "shop");
    sentinel.wait_for(&["INFO", "sentinel"], |text| text.contains("slaves=1"));
    // One that is not there costs no more than its share of the time.
    let mut gone = Redis::start();
    gone.kill();
    let servers =
        Servers::Sentinels { sentinels: [address(&gone), address(&sentinel)].into(), name: "shop".into() };
    let (setting, limit) = (Setting::new(settings(servers), OnError::Local), limit("failover", 3));
    assert_eq!(setting.drain(&limit, "a").await, 3);
    // The replica has it too.
    assert_eq!(text(primary.ask(&["WAIT", "1", "10000"])), "1");
    primary.kill();
    setting.lose(&limit).await;
    // As soon as the sentinel has promoted it. What was taken stays taken.
    assert!(!setting.take_from_servers(&limit, "a").await.is_admitted);
    assert!(replica.text(&["INFO", "replication"]).contains("role:master"));
    // The old one comes back as another master and is made a replica: what was connected to it is not used.
    primary.start_again();
    assert!(!setting.take_from_servers(&limit, "a").await.is_admitted);
}

#[tokio::test]
async fn what_no_sentinel_knows_is_done_without() {
    let primary = Redis::start();
    let sentinel = Redis::sentinel(&primary, "shop");
    let servers = Servers::Sentinels { sentinels: [address(&sentinel)].into(), name: "other".into() };
    let (setting, limit) = (Setting::new(settings(servers), OnError::Local), limit("unknown", 1));
    assert_eq!(setting.take(&limit, "a").await.1, By::Others);
    setting.lose(&limit).await;
}

/// Three servers with a third of the slots each.
fn cluster() -> [Redis; 3] {
    let servers = [(); 3].map(|()| {
        let timeout = ["--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no"];
        Redis::with(&[&["--cluster-enabled", "yes", "--cluster-announce-ip", "HOST"][..], &timeout].concat())
    });
    for (index, server) in servers.iter().enumerate() {
        let (first, last) = (index * 16_384 / 3, (index + 1) * 16_384 / 3 - 1);
        server.ask(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]);
        server.ask(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]);
        if index > 0 {
            let first = servers[0].address();
            server.ask(&["CLUSTER", "MEET", &first.ip().to_string(), &first.port().to_string()]);
        }
    }
    for server in &servers {
        server.wait_for(&["CLUSTER", "INFO"], |text| {
            text.contains("cluster_slots_ok:16384") && text.contains("cluster_state:ok")
        });
    }
    servers
}

#[tokio::test]
async fn a_cluster_counts_wherever_its_slots_are() {
    let mut servers = cluster();
    let seeds = Servers::Cluster([address(&servers[1])].into());
    let (setting, limit) = (Setting::new(settings(seeds), OnError::Local), limit("cluster", 2));
    for who in 0..30 {
        assert_eq!(setting.drain(&limit, &who.to_string()).await, 2, "{who}");
    }
    for server in &servers {
        let size: u32 = server.text(&["DBSIZE"]).parse().unwrap();
        assert!(size > 0, "{size} of 30 subjects");
    }
    // The slot of a subject moves while it is asked for.
    let key = servers.iter().enumerate().find_map(|(index, server)| {
        let key = server.text(&["RANDOMKEY"]);
        (index != 2).then_some((index, key))
    });
    let (from, key) = key.unwrap();
    let slot = servers[from].text(&["CLUSTER", "KEYSLOT", &key]);
    let names = servers.each_ref().map(|server| server.text(&["CLUSTER", "MYID"]));
    let is_asked = |who: &str| {
        let hash =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &[&[1][..], who.as_bytes()].concat());
        let hash: String = hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        key.contains(&hash)
    };
    let who = (0..30).map(|who| who.to_string()).find(|who| is_asked(who)).unwrap();
    servers[2].ask(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &names[from]]);
    servers[from].ask(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &names[2]]);
    assert_eq!(setting.drain(&limit, &who).await, 0, "the key has not moved yet");
    let to = servers[2].address();
    let moved =
        servers[from].text(&["MIGRATE", &to.ip().to_string(), &to.port().to_string(), &key, "0", "5000"]);
    assert_eq!(moved, "OK");
    // The slot is there still and the key is not: the answer is ASK, where the script is not known.
    servers[2].ask(&["SCRIPT", "FLUSH"]);
    assert_eq!(setting.drain(&limit, &who).await, 0);
    for server in [&servers[2], &servers[from]] {
        assert_eq!(server.text(&["CLUSTER", "SETSLOT", &slot, "NODE", &names[2]]), "OK");
    }
    // MOVED, and then straight to where it is.
    assert_eq!(setting.drain(&limit, &who).await, 0);
    let start = Instant::now();
    loop {
        servers[from].ask(&["CONFIG", "RESETSTAT"]);
        assert_eq!(setting.drain(&limit, &who).await, 0);
        if servers[from].calls("evalsha") == 0 {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "the slots are not asked for again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Without one of them the others go on, and nobody waits for it.
    servers[2].kill();
    let start = Instant::now();
    while setting.take(&limit, &who).await.1 == By::Servers {
        assert!(start.elapsed() < Duration::from_secs(60));
    }
    let mut by_servers = 0;
    for who in 0..30 {
        by_servers += usize::from(setting.take(&limit, &who.to_string()).await.1 == By::Servers);
    }
    assert!((1..30).contains(&by_servers), "{by_servers}");
}
