//! Which targets answers of name servers come to, and when it is asked again.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// How soon it is asked again at the earliest, whatever an answer says and however much fails.
pub(in crate::upstream) const SOONEST: Duration = Duration::from_secs(1);
/// How late it is asked again at the latest, however long an answer holds.
const LATEST: Duration = Duration::from_secs(300);
/// How late it is asked again at the latest after failures.
const LATEST_AFTER_FAILURES: Duration = Duration::from_secs(30);
/// How many places of one name are used. Those beyond are the last ones by their addresses.
pub(in crate::upstream) const MOST: usize = 256;

/// Where something listens, as name servers say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::upstream) struct Place {
    pub(in crate::upstream) address: SocketAddr,
    /// The name whose address it is.
    pub(in crate::upstream) host: Arc<str>,
    /// Its share of the calls, by those of the others.
    pub(in crate::upstream) weight: u32,
}

/// What is said of the addresses of one family that a name has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Said {
    /// These, at least one.
    Addresses(Vec<IpAddr>),
    /// There are none.
    Nothing,
    /// It could not be learnt.
    Failed,
}

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::upstream) struct Service {
    pub(in crate::upstream) priority: u16,
    pub(in crate::upstream) weight: u16,
    pub(in crate::upstream) port: u16,
    pub(in crate::upstream) host: Arc<str>,
}

/// How long to wait until it is asked again after an answer that holds for `ttl`.
pub(in crate::upstream) fn after_answer(ttl: Duration) -> Duration {
    ttl.clamp(SOONEST, LATEST)
}

/// How long to wait after so many failures in a row.
pub(in crate::upstream) fn after_failures(failures: u32) -> Duration {
    let doubled = SOONEST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    doubled.min(LATEST_AFTER_FAILURES)
}

/// When it is asked again after a target could not be reached: at once, if it was not asked just now.
pub(in crate::upstream) fn hurried(due: Instant, asked: Option<Instant>, now: Instant) -> Instant {
    let soonest = asked.map_or(now, |asked| asked + SOONEST);
    due.min(soonest.max(now))
}

/// The addresses of a name, by what is said of both families. Where one could not be learnt, those of before count on; they
/// are given up only when somebody says that they are gone. `None` when there is no address now.
pub(in crate::upstream) fn addresses(four: Said, six: Said, before: &[IpAddr]) -> Option<Vec<IpAddr>> {
    if !matches!(four, Said::Addresses(_)) && !matches!(six, Said::Addresses(_)) {
        return None;
    }
    let family = |said: Said, is_of: fn(&IpAddr) -> bool| match said {
        Said::Addresses(addresses) => addresses,
        Said::Nothing => Vec::new(),
        Said::Failed => before.iter().copied().filter(is_of).collect(),
    };
    let mut all = family(four, IpAddr::is_ipv4);
    all.extend(family(six, IpAddr::is_ipv6));
    Some(all)
}

/// Places in an order that does not depend on that of the answers, each once, and not too many.
pub(in crate::upstream) fn in_order(mut places: Vec<Place>) -> Vec<Place> {
    places.sort();
    places.dedup_by(|one, other| one.address == other.address);
    places.truncate(MOST);
    places
}

/// Those of the best priority for which there are addresses, with their shares. `addresses` gives them for each record.
/// A record with the weight 0 has a share of its own all the same, the smallest one (RFC 2782).
pub(in crate::upstream) fn services(records: &[(Service, Vec<IpAddr>)]) -> Vec<Place> {
    let reached = records.iter().filter(|(_, addresses)| !addresses.is_empty());
    let Some(best) = reached.clone().map(|(record, _)| record.priority).min() else { return Vec::new() };
    let places = reached.filter(|(record, _)| record.priority == best).flat_map(|(record, addresses)| {
        addresses.iter().map(|address| Place {
            address: SocketAddr::new(*address, record.port),
            host: Arc::clone(&record.host),
            weight: u32::from(record.weight).max(1),
        })
    });
    in_order(places.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn answers_hold_within_bounds_and_failures_double_the_pause() {
        for (ttl, expected) in [(0, 1), (1, 1), (30, 30), (300, 300), (86_400, 300)] {
            assert_eq!(after_answer(SECOND * ttl), SECOND * expected);
        }
        for (failures, expected) in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (40, 30), (u32::MAX, 30)] {
            assert_eq!(after_failures(failures), SECOND * expected, "{failures}");
        }
    }

    #[test]
    fn who_cannot_be_reached_is_a_reason_to_ask_but_not_more_than_once_a_second() {
        let now = Instant::now();
        let (later, soon) = (now + SECOND * 60, now + SECOND / 4);
        assert_eq!(hurried(later, None, now), now);
        assert_eq!(hurried(later, Some(now - SECOND * 5), now), now);
        assert_eq!(hurried(later, Some(now - SECOND / 4), now), now + SECOND * 3 / 4);
        assert_eq!(hurried(soon, Some(now), now), soon, "it is not put off");
    }

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_could_not_be_learnt_of_a_family_stays_as_it_was() {
        let before = ips(&["10.0.0.1", "::1"]);
        let four = || Said::Addresses(ips(&["10.0.0.2"]));
        let six = || Said::Addresses(ips(&["::2"]));
        for (one, other, expected) in [
            (four(), six(), Some(ips(&["10.0.0.2", "::2"]))),
            (four(), Said::Nothing, Some(ips(&["10.0.0.2"]))),
            (four(), Said::Failed, Some(ips(&["10.0.0.2", "::1"]))),
            (Said::Nothing, six(), Some(ips(&["::2"]))),
            (Said::Failed, six(), Some(ips(&["10.0.0.1", "::2"]))),
            (Said::Nothing, Said::Nothing, None),
            (Said::Nothing, Said::Failed, None),
            (Said::Failed, Said::Failed, None),
        ] {
            assert_eq!(addresses(one.clone(), other.clone(), &before), expected, "{one:?} {other:?}");
        }
    }

    fn place(address: &str, weight: u32) -> Place {
        Place { address: address.parse().unwrap(), host: "shop".into(), weight }
    }

    #[test]
    fn places_are_in_order_each_once_and_not_too_many() {
        let list = ["10.0.0.2:1", "10.0.0.1:2", "10.0.0.1:1", "10.0.0.2:1"];
        let sorted = in_order(list.iter().map(|address| place(address, 1)).collect());
        let expected = ["10.0.0.1:1", "10.0.0.1:2", "10.0.0.2:1"].map(|address| place(address, 1));
        assert_eq!(sorted, expected);
        let many = (0..1000).map(|port| place(&format!("10.0.0.1:{port}"), 1));
        assert_eq!(in_order(many.collect()).len(), 256);
    }

    #[test]
    fn services_are_those_of_the_best_priority_that_have_addresses() {
        let service = |priority, weight, port, texts: &[&str]| {
            (Service { priority, weight, port, host: "shop".into() }, ips(texts))
        };
        let records = [
            service(20, 1, 9, &["10.0.0.9"]),
            service(10, 3, 1, &["10.0.0.1", "::1"]),
            service(10, 0, 2, &["10.0.0.2"]),
            service(5, 7, 3, &[]),
        ];
        let expected = [place("10.0.0.1:1", 3), place("10.0.0.2:2", 1), place("[::1]:1", 3)];
        assert_eq!(services(&records), expected);
        assert_eq!(services(&records[..1]), [place("10.0.0.9:9", 1)]);
        assert_eq!(services(&records[3..]), []);
        assert_eq!(services(&[]), []);
    }
}
