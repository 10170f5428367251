//! Which of several upstreams a call goes to.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::FutureExt;
use http::header::COOKIE;
use http::{HeaderName, HeaderValue};

use super::super::split::{Choice, Part, Share, Split, Sticky, When};
use super::*;
use crate::call::identity::{Identity, Noted};
use crate::call::sticky::Cookie;
use crate::route::condition::{Condition, Host, Wanted};

/// Answers with its name, and notes the method under which it was called.
struct Named(&'static str, Arc<Mutex<Vec<String>>>);

impl CallService for Named {
    fn call(&self, call: Call) -> BoxFuture<Reply> {
        self.1.lock().unwrap().push(call.method.path.to_string());
        let message = Bytes::from_static(self.0.as_bytes()).into();
        Box::pin(std::future::ready(Reply { message, ..Reply::from(Status::ok()) }))
    }
}

fn choice(upstream: &'static str, when: When, share: Option<Share>, log: &Arc<Mutex<Vec<String>>>) -> Choice {
    Choice {
        upstream: upstream.into(),
        method: Arc::new(method(upstream, false)),
        service: Arc::new(Named(upstream, Arc::clone(log))),
        when,
        share,
    }
}

fn split(choices: Vec<Choice>, log: &Arc<Mutex<Vec<String>>>) -> Split {
    let service = Arc::new(Named("own", Arc::clone(log)));
    Split { choices, upstream: "own".into(), service, shadow: None }
}

/// Who answers a call from there.
fn answers(split: &Split, origin: Origin) -> String {
    let reply = split.call(Call { origin, ..call("") }).now_or_never().unwrap();
    String::from_utf8(reply.message.bytes.to_vec()).unwrap()
}

fn origin() -> Origin {
    Origin { noted: Some(Arc::default()), ..Origin::new(Dialect::Rest, "/whole".into()) }
}

fn known(principal: &str, roles: &[&str], claims: &[(&str, &[&str])]) -> Origin {
    let noted = Noted::default();
    noted.note(Arc::new(Identity {
        principal: principal.into(),
        roles: roles.iter().map(|role| (*role).into()).collect(),
        claims: claims
            .iter()
            .map(|(name, values)| ((*name).into(), values.iter().map(|value| (*value).into()).collect()))
            .collect::<BTreeMap<_, _>>(),
        ..Identity::default()
    }));
    Origin { noted: Some(Arc::new(noted)), ..origin() }
}

fn with_headers(headers: &[(HeaderName, &str)]) -> Origin {
    let headers =
        headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect();
    Origin { headers: Some(Arc::new(headers)), ..origin() }
}

#[test]
fn the_first_whose_conditions_all_hold_answers() {
    let log = Arc::default();
    let roles = |roles: &[&str]| roles.iter().map(|role| (*role).into()).collect::<Vec<_>>();
    let claims = vec![("tier".into(), roles(&["gold", "silver"])), ("region".into(), roles(&["eu"]))];
    let split = split(
        vec![
            choice("testers", When { roles: roles(&["tester", "qa"]), ..When::default() }, None, &log),
            choice(
                "both",
                When { roles: roles(&["buyer"]), claims: claims.clone(), ..When::default() },
                None,
                &log,
            ),
            choice("claimed", When { claims, ..When::default() }, None, &log),
        ],
        &log,
    );
    let (gold, eu) = (("tier", &["bronze", "gold"][..]), ("region", &["eu"][..]));
    for (origin, expected) in [
        (known("a", &["qa"], &[]), "testers"),
        (known("a", &["buyer", "tester"], &[gold, eu]), "testers"),
        (known("a", &["buyer"], &[gold, eu]), "both"),
        (known("a", &["seller"], &[gold, eu]), "claimed"),
        (known("a", &["buyer"], &[gold]), "own"),
        (known("a", &["buyer"], &[("tier", &["bronze"]), eu]), "own"),
        (known("a", &["Tester"], &[]), "own"),
        // Nobody knows who calls, or there is nobody who would have noted it.
        (origin(), "own"),
        (Origin::new(Dialect::Grpc, "/whole".into()), "own"),
    ] {
        let noted = origin.noted.clone();
        assert_eq!(answers(&split, origin), expected);
        assert_eq!(noted.as_ref().map_or(Some(expected), |noted| noted.chosen()), Some(expected));
    }
    // Calls are counted by the method of the upstream that has them.
    let log = log.lock().unwrap();
    assert_eq!(
        (&*log[0], &*log[2], &*log[8]),
        ("/test.v1.Service/testers", "/test.v1.Service/both", "/test.v1.Service/Whole")
    );
}

#[test]
fn the_head_of_a_request_decides() {
    let log = Arc::default();
    let beta = Condition {
        host: Host::parse("*.beta.example"),
        headers: vec![("x-beta".into(), Wanted::Is("1".into()))],
        query: vec![("preview".into(), Wanted::Any)],
        cookies: vec![("beta".into(), Wanted::Is("yes".into()))],
    };
    let one = |head: Condition| choice("next", When { head, ..When::default() }, None, &log);
    let origin = |uri: &str, headers: &[(&'static str, &str)]| {
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), *value)).collect();
        Origin { uri: Some(Arc::new(uri.parse().unwrap())), ..with_headers(&headers) }
    };
    let all = [("host", "a.beta.example"), ("x-beta", "1"), ("cookie", "beta=yes")];
    let whole = split(vec![one(beta.clone())], &log);
    for (uri, headers, expected) in [
        ("/a?preview=", &all[..], "next"),
        ("http://a.beta.example/a?preview=x", &all[1..], "next"),
        ("http://example/a?preview=x", &all, "own"),
        ("/a", &all, "own"),
        ("/a?preview=", &all[..2], "own"),
        ("/a?preview=", &all[1..], "own"),
        ("/a?preview=", &[all[0], all[2]], "own"),
    ] {
        assert_eq!(answers(&whole, origin(uri, headers)), expected, "{uri} {headers:?}");
    }
    // Where no head came along, nothing of it holds.
    assert_eq!(answers(&whole, with_headers(&[])), "own");
    let role = When { roles: vec!["beta".into()], head: beta, ..When::default() };
    let both = split(vec![choice("next", role, None, &log)], &log);
    assert_eq!(answers(&both, origin("/a?preview=", &all)), "own", "all must hold");
}

#[test]
fn a_part_is_a_stretch_of_the_line() {
    for (part, point, expected) in [
        (Part(0), 0, false),
        (Part(1), 0, true),
        (Part(1), u64::MAX / 1_000_000_000 + 1, false),
        (Part(500_000_000), (1 << 63) - 1, true),
        (Part(500_000_000), 1 << 63, false),
        (Part(999_999_999), u64::MAX, false),
        (Part::WHOLE, u64::MAX, true),
    ] {
        assert_eq!(part.includes(point), expected, "{part:?} {point}");
    }
}

/// Who of ten thousand callers is in a share of so many billionths, by their names.
fn members(part: u32, upstream: &str) -> Vec<bool> {
    let share = Share::new(Part(part), Sticky::Principal, upstream);
    (0..10_000).map(|number| share.includes(&known(&format!("caller-{number}"), &[], &[]))).collect()
}

#[test]
fn shares_are_as_large_as_they_say_and_only_grow() {
    let mut before = vec![false; 10_000];
    for (part, least, most) in [
        // Four standard deviations of the binomial distribution around the mean: n p (1 - p) is their square.
        (0, 0, 0),
        (1_000_000, 0, 22),
        (10_000_000, 61, 139),
        (50_000_000, 413, 587),
        (100_000_000, 880, 1120),
        (500_000_000, 4800, 5200),
        (990_000_000, 9861, 9939),
        (1_000_000_000, 10_000, 10_000),
    ] {
        let members = members(part, "next");
        let count = members.iter().filter(|is_member| **is_member).count();
        assert!((least..=most).contains(&count), "{part}: {count}");
        assert!(before.iter().zip(&members).all(|(before, now)| *now || !before), "nobody leaves at {part}");
        before = members;
    }
    // Two upstreams have nothing to do with each other: a tenth of a tenth is in both.
    let (a, b) = (members(100_000_000, "a"), members(100_000_000, "b"));
    let both = a.iter().zip(&b).filter(|(a, b)| **a && **b).count();
    assert!((60..=140).contains(&both), "{both}");
    // The same callers as yesterday, on another gateway, after an upgrade.
    let first: Vec<_> =
        (0..).zip(&a).filter(|(_, is_member)| **is_member).map(|(number, _)| number).take(5).collect();
    assert_eq!(first, EXPECTED_FIRST);
}

/// By an own calculation: FNV-1a over `a`, 0xff and the name, mixed by SplitMix64's last step, below a tenth of 2^64.
const EXPECTED_FIRST: [usize; 5] = [3, 22, 27, 32, 39];

/// What a share of a half says of each, so often that chance would show.
fn settled(sticky: Sticky, origins: impl Fn(usize) -> Origin) -> Vec<bool> {
    let share = Share::new(Part(500_000_000), sticky, "next");
    (0..64)
        .map(|number| {
            let first = share.includes(&origins(number));
            assert!((0..20).all(|_| share.includes(&origins(number)) == first), "caller {number}");
            first
        })
        .collect()
}

fn is_mixed(members: &[bool]) -> bool {
    members.contains(&true) && members.contains(&false)
}

#[test]
fn what_is_sticky_stays() {
    let at = |address: String| Origin { peer: Some(address.parse::<SocketAddr>().unwrap()), ..origin() };
    let v4 = settled(Sticky::Address, |number| at(format!("192.0.2.{number}:{number}")));
    let mapped = settled(Sticky::Address, |number| at(format!("[::ffff:192.0.2.{number}]:80")));
    assert!(is_mixed(&v4) && v4 == mapped);
    let v6 = settled(Sticky::Address, |number| at(format!("[2001:db8:0:{number:x}::1]:80")));
    let same = settled(Sticky::Address, |number| at(format!("[2001:db8:0:{number:x}:a:b:c:d]:80")));
    assert!(is_mixed(&v6) && v6 == same, "hosts change the last 64 bits");
    let name = HeaderName::from_static("x-user");
    let by_header = settled(Sticky::Header(name.clone()), |number| {
        with_headers(&[(name.clone(), &format!("user-{number}"))])
    });
    assert!(is_mixed(&by_header));
    // Where nothing tells a caller apart, chance decides each time.
    let share = |sticky| Share::new(Part(500_000_000), sticky, "next");
    for sticky in [Sticky::No, Sticky::Principal, Sticky::Address, Sticky::Header(name)] {
        let share = share(sticky);
        let members: Vec<_> = (0..200).map(|_| share.includes(&with_headers(&[]))).collect();
        assert!(is_mixed(&members), "{share:?}");
    }
}

#[test]
fn a_cookie_holds_who_somebody_is_and_not_what_is_chosen() {
    let cookie = Arc::new(Cookie { name: "canary".into(), max_age: Duration::from_secs(60), secure: false });
    let by_cookie = Sticky::Cookie(Arc::clone(&cookie));
    let brought =
        settled(by_cookie.clone(), |number| with_headers(&[(COOKIE, &format!("canary={number:016x}"))]));
    assert!(is_mixed(&brought));
    let share = Share::new(Part(500_000_000), by_cookie, "next");
    for wrong in ["", "a=b", "canary=next", "canary=0", "canary=ffffffffffffffffff"] {
        let origin = with_headers(&[(COOKIE, wrong)]);
        let first = share.includes(&origin);
        // The mark that was drawn holds for the whole call, and is what comes back.
        assert_eq!(share.includes(&origin), first);
        let set = origin.noted.unwrap().cookies();
        let (pair, _) = set[0].to_str().unwrap().split_once(';').unwrap();
        assert_eq!((set.len(), share.includes(&with_headers(&[(COOKIE, pair)]))), (1, first), "{wrong:?}");
    }
    // Who has a mark is not given another one, and who does not come into question for the share is given none.
    let origin = with_headers(&[(COOKIE, "canary=00000000000000aa")]);
    share.includes(&origin);
    assert_eq!(origin.noted.unwrap().cookies(), Vec::<HeaderValue>::new());
    let log = Arc::default();
    let when = When { roles: vec!["beta".into()], ..When::default() };
    let split = split(vec![choice("next", when, Some(share), &log)], &log);
    let stranger = with_headers(&[]);
    let noted = stranger.noted.clone().unwrap();
    assert_eq!((answers(&split, stranger), noted.cookies()), ("own".to_owned(), Vec::new()));
}
