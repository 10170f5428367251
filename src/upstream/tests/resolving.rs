//! Names that are looked up at a real name server.

#[path = "../../../tests/it/support/names.rs"]
#[allow(dead_code, reason = "the integration tests use the rest")]
mod names;

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::decide::discovery::Place;
use super::super::resolver::{Query, Resolver};
use super::super::source::{Feed, Origin, Source, Supply};
use super::failing::named;
use super::*;
use names::{Names, Record, Say};

fn resolver(names: &Names) -> Resolver {
    Resolver::new(&[names.address()], Duration::from_millis(200)).unwrap()
}

fn query(name: &str) -> Query {
    Query::Addresses { name: name.to_owned(), port: 50051 }
}

/// What is found, with shares that are not 1 behind the addresses, and for how many seconds it holds.
async fn ask(resolver: &Resolver, query: &Query, before: &[Place]) -> Result<(Vec<String>, u64), String> {
    let answer = resolver.ask(query, before).await?;
    let text = |place: &Place| match place.weight {
        1 => place.address.to_string(),
        weight => format!("{} x{weight}", place.address),
    };
    Ok((answer.places.iter().map(text).collect(), answer.ttl.as_secs()))
}

fn found(list: &[&str], ttl: u64) -> Result<(Vec<String>, u64), String> {
    Ok((list.iter().map(|text| (*text).to_owned()).collect(), ttl))
}

fn six(last: u16) -> Record {
    Record::Aaaa(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last))
}

#[tokio::test]
async fn names_have_all_their_addresses_or_a_reason_why_not() {
    let names = Names::start();
    let resolver = resolver(&names);
    let four = |ttl| Say::addresses(ttl, &[3, 2]);
    let by_kind = |four, six| Say::ByKind(Box::new(four), Box::new(six));
    let no = |why: &str| Err(why.to_owned());
    for (say, expected) in [
        (four(30), found(&["127.0.0.2:50051", "127.0.0.3:50051"], 30)),
        (four(0), found(&["127.0.0.2:50051", "127.0.0.3:50051"], 0)),
        (Say::Has(5, vec![six(1)]), found(&["[fd00::1]:50051"], 5)),
        (
            by_kind(four(9), Say::Has(5, vec![six(1)])),
            found(&["127.0.0.2:50051", "127.0.0.3:50051", "[fd00::1]:50051"], 5),
        ),
        (by_kind(four(9), Say::Fails), found(&["127.0.0.2:50051", "127.0.0.3:50051"], 9)),
        (by_kind(four(9), Say::Silent), found(&["127.0.0.2:50051", "127.0.0.3:50051"], 9)),
        (by_kind(Say::Missing, Say::Has(9, vec![six(2)])), found(&["[fd00::2]:50051"], 9)),
        (Say::Has(9, vec![Record::Cname("other.test")]), found(&["127.0.0.9:50051"], 4)),
        (Say::Missing, no("there is no such name")),
        (Say::Has(9, vec![]), no("it has no such record")),
        (Say::Fails, no("the name server failed (SERVFAIL)")),
        (Say::Refuses, no("the name server refuses to answer (REFUSED)")),
        (Say::Silent, no("no name server answers in time")),
    ] {
        names.set("other.test", Say::addresses(4, &[9]));
        names.set("shop.test", say.clone());
        assert_eq!(ask(&resolver, &query("shop.test"), &[]).await, expected, "{say:?}");
    }
}

#[tokio::test]
async fn what_could_not_be_learnt_is_as_before() {
    let names = Names::start();
    let resolver = resolver(&names);
    let before = Place { address: "[fd00::7]:50051".parse().unwrap(), host: "shop.test".into(), weight: 1 };
    let other = Place { address: "[fd00::8]:50051".parse().unwrap(), host: "else.test".into(), weight: 1 };
    names.set("shop.test", Say::ByKind(Box::new(Say::addresses(9, &[2])), Box::new(Say::Fails)));
    let expected = found(&["127.0.0.2:50051", "[fd00::7]:50051"], 9);
    assert_eq!(ask(&resolver, &query("shop.test"), &[before, other]).await, expected);
}

#[tokio::test]
async fn many_addresses_come_over_tcp_and_no_more_than_256_are_used() {
    let names = Names::start();
    let record = |index: u16| Record::A(Ipv4Addr::from([10, 0, (index >> 8) as u8, index as u8]));
    names.set("many.test", Say::Has(60, (0..300).rev().map(record).collect()));
    let (places, ttl) = ask(&resolver(&names), &query("many.test"), &[]).await.unwrap();
    assert_eq!((places.len(), ttl), (256, 60));
    assert_eq!((places[0].as_str(), places[255].as_str()), ("10.0.0.0:50051", "10.0.0.255:50051"));
    assert!(names.by_tcp() >= 1);
}

#[tokio::test]
async fn services_say_ports_and_shares_and_the_best_priority_is_used() {
    let names = Names::start();
    let resolver = resolver(&names);
    let srv = |priority, weight, port, host| Record::Srv { priority, weight, port, host };
    names.set("one.test", Say::addresses(60, &[1]));
    names.set("two.test", Say::addresses(20, &[2, 3]));
    let query = Query::Services("_grpc._tcp.shop.test".to_owned());
    let no = |why: &str| Err(why.to_owned());
    let records = vec![srv(10, 3, 7, "one.test"), srv(10, 0, 8, "two.test"), srv(20, 9, 9, "one.test")];
    for (records, expected) in [
        (records, found(&["127.0.0.1:7 x3", "127.0.0.2:8", "127.0.0.3:8"], 20)),
        // The best one has no address, so it is the next one.
        (vec![srv(1, 1, 1, "gone.test"), srv(2, 1, 2, "one.test")], found(&["127.0.0.1:2"], 30)),
        (vec![srv(1, 1, 1, "gone.test")], no("\"gone.test\" cannot be looked up: there is no such name")),
        // "Not at this domain" (RFC 2782).
        (vec![srv(0, 0, 0, "")], no("it names no server")),
    ] {
        names.set("_grpc._tcp.shop.test", Say::Has(30, records.clone()));
        assert_eq!(ask(&resolver, &query, &[]).await, expected, "{records:?}");
    }
    names.set("_grpc._tcp.shop.test", Say::addresses(30, &[1]));
    assert_eq!(ask(&resolver, &query, &[]).await, no("it has no such record"));
}

#[tokio::test]
async fn a_channel_follows_its_sources_and_names_who_found_a_target() {
    let names = Names::start();
    let ((one, _), (other, _)) = (named("one").await, named("other").await);
    let port = |target: &Target| target.to_string().rsplit_once(':').unwrap().1.parse().unwrap();
    let srv = |target: &Target| Record::Srv { priority: 1, weight: 5, port: port(target), host: "host.test" };
    names.set("host.test", Say::addresses(300, &[1]));
    names.set("_grpc._tcp.shop.test", Say::Has(300, vec![srv(&one)]));
    let origin = || Origin::Names(Query::Services("_grpc._tcp.shop.test".to_owned()));
    let source = || Source::new("shop", "srv://_grpc._tcp.shop.test".into(), origin(), None, None).unwrap();
    let (first, resolver) = (Arc::new(source()), Arc::new(resolver(&names)));
    first.ask(&resolver, Duration::from_secs(5)).await;
    let feed = |source: &Arc<Source>| Feed {
        supplies: vec![Supply::Fixed(one.clone().into()), Supply::Found(Arc::clone(source))],
        resolver: Some(Arc::clone(&resolver)),
    };
    let channel = Channel::fed("shop", feed(&first), Settings::default(), 0);
    channel.take_up();
    let report = channel.report();
    let seen: Vec<_> =
        report.targets.iter().map(|target| (target.source.as_deref(), target.weight)).collect();
    // Its authority is the name, so it is not the same target.
    assert_eq!(seen, [(None, 1), (Some("srv://_grpc._tcp.shop.test"), 5)]);
    assert_eq!((report.sources[0].targets, report.sources[0].failure.as_deref()), (1, None));

    // Nothing listens there any more: it is asked again long before the answer is too old.
    names.set("_grpc._tcp.shop.test", Say::Has(300, vec![srv(&dead().await)]));
    first.ask(&resolver, Duration::from_secs(5)).await;
    names.set("_grpc._tcp.shop.test", Say::Has(300, vec![srv(&other)]));
    let until = |expected: &'static [u8]| {
        let channel = channel.clone();
        async move { while super::ask(&channel, "hello").await.message.bytes != expected {} }
    };
    tokio::time::timeout(Duration::from_secs(20), until(b"other")).await.expect("it is found");

    // What another generation asks for is known already.
    let second = Arc::clone(channel.like(&source()).expect("it is the same source"));
    assert!(Arc::ptr_eq(&first, &second));
    let server_name = Source::new("shop", String::new(), origin(), None, Some("other.test")).unwrap();
    assert!(channel.like(&server_name).is_none());

    // What fails changes nothing.
    names.set("_grpc._tcp.shop.test", Say::Fails);
    second.ask(&resolver, Duration::from_secs(5)).await;
    let report = channel.report();
    assert_eq!(report.sources[0].failure.as_deref(), Some("the name server failed (SERVFAIL)"));
    assert_eq!(report.targets.len(), 2);
    assert!(channel.report().sources[0].answered.is_some());
}
