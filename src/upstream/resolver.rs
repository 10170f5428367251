//! Asks name servers where something listens.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};
use tokio::time::timeout;

use super::decide::discovery::{Place, Said, Service, addresses, in_order, services};

/// How long the other family is waited for once there are addresses of one: some name servers never answer for IPv6.
const PATIENCE: Duration = Duration::from_millis(500);
/// How many records of a service are used, and how many of their hosts are looked up at a time.
const MOST_SERVICES: usize = 64;
const AT_A_TIME: usize = 8;

/// Looks names up.
pub struct Resolver {
    inner: TokioResolver,
    /// For one question, however many servers are asked, and however often.
    longest: Duration,
}

/// What is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// All addresses of a name.
    Addresses {
        /// The name.
        name: String,
        /// The port that is used with each of them.
        port: u16,
    },
    /// What SRV records of this name say (RFC 2782).
    Services(String),
}

/// An answer, and how long it holds.
#[derive(Debug)]
pub(super) struct Answer {
    /// In order, at least one.
    pub(super) places: Vec<Place>,
    pub(super) ttl: Duration,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// One that asks these servers, or those of the system (`/etc/resolv.conf`, and `/etc/hosts` before them) if there are
    /// none. A server has `time` to answer, and is asked twice.
    ///
    /// # Errors
    /// A sentence that says why the settings of the system cannot be used.
    pub fn new(servers: &[SocketAddr], time: Duration) -> Result<Self, String> {
        let provider = TokioRuntimeProvider::default();
        let mut builder = if servers.is_empty() {
            TokioResolver::builder(provider)
                .map_err(|error| format!("What the system says of name servers cannot be used: {error}."))?
        } else {
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect());
            TokioResolver::builder_with_config(config, provider)
        };
        let options = builder.options_mut();
        options.timeout = time;
        options.attempts = 1;
        // When it is asked again is decided elsewhere.
        options.cache_size = 0;
        options.use_hosts_file = if servers.is_empty() { ResolveHosts::Always } else { ResolveHosts::Never };
        let inner = builder.build().map_err(|error| format!("Names cannot be looked up: {error}."))?;
        Ok(Self { inner, longest: time.saturating_mul(4) })
    }

    /// Looks up. `before` is what was found the last time.
    ///
    /// # Errors
    /// Why there is no place, in words that follow a colon.
    pub(super) async fn ask(&self, query: &Query, before: &[Place]) -> Result<Answer, String> {
        match query {
            Query::Addresses { name, port } => {
                let (found, ttl) = self.addresses(name, before).await?;
                let host: Arc<str> = name.as_str().into();
                let place = |address| Place {
                    address: SocketAddr::new(address, *port),
                    host: Arc::clone(&host),
                    weight: 1,
                };
                Ok(Answer { places: in_order(found.into_iter().map(place).collect()), ttl })
            }
            Query::Services(name) => self.services(name, before).await,
        }
    }

    async fn services(&self, name: &str, before: &[Place]) -> Result<Answer, String> {
        let lookup = self.look_up(name, RecordType::SRV).await.map_err(|error| reason(&error))?;
        let records = lookup.answers().iter().filter_map(|record| match &record.data {
            RData::SRV(service) if !service.target.is_root() => Some(Service {
                priority: service.priority,
                weight: service.weight,
                port: service.port,
                host: service.target.to_utf8().trim_end_matches('.').into(),
            }),
            _ => None,
        });
        let mut records: Vec<_> = records.filter(|record| record.port != 0).collect();
        records.sort_by(|one, other| (one.priority, &one.host).cmp(&(other.priority, &other.host)));
        records.truncate(MOST_SERVICES);
        let found = stream::iter(records).map(|record| async move {
            let found = self.addresses(&format!("{}.", record.host), before).await;
            (record, found)
        });
        let found: Vec<_> = found.buffered(AT_A_TIME).collect().await;
        let mut failure = "it names no server".to_owned();
        let mut shortest = ttl(&lookup);
        let mut known = Vec::new();
        for (record, found) in found {
            let addresses = match found {
                Ok((addresses, ttl)) => {
                    shortest = shortest.min(ttl);
                    addresses
                }
                Err(why) => {
                    failure = format!("{:?} cannot be looked up: {why}", &*record.host);
                    Vec::new()
                }
            };
            known.push((record, addresses));
        }
        let places = services(&known);
        if places.is_empty() { Err(failure) } else { Ok(Answer { places, ttl: shortest }) }
    }

    /// The addresses of a name and how long they hold.
    async fn addresses(&self, name: &str, before: &[Place]) -> Result<(Vec<IpAddr>, Duration), String> {
        let (four, mut six) = self.families(name).await;
        if let (Ok(one), Ok(other)) = (&four, &six)
            && one.query().name() != other.query().name()
        {
            // Found by different parts of the search list, so they are two names.
            six = Err(NetError::Msg("another name has them".to_owned()));
        }
        let host = name.trim_end_matches('.');
        let before: Vec<_> = before.iter().filter(|place| place.host.trim_end_matches('.') == host).collect();
        let before: Vec<_> = before.into_iter().map(|place| place.address.ip()).collect();
        let holds = [&four, &six].into_iter().flatten().map(ttl).min().unwrap_or_default();
        let why = [&four, &six].into_iter().filter_map(|family| family.as_ref().err());
        // What fails tells more than that there is nothing.
        let why = why.min_by_key(|error| error.is_no_records_found()).map(reason);
        addresses(said(four), said(six), &before)
            .map(|found| (found, holds))
            .ok_or_else(|| why.unwrap_or_else(|| "it has no address".to_owned()))
    }

    /// Asks for both families at a time.
    async fn families(&self, name: &str) -> (Result<Lookup, NetError>, Result<Lookup, NetError>) {
        let late = |_| Err(NetError::Timeout);
        let mut four = Box::pin(self.look_up(name, RecordType::A));
        let mut six = Box::pin(self.look_up(name, RecordType::AAAA));
        tokio::select! {
            first = &mut four => {
                let second = if first.is_ok() { timeout(PATIENCE, six).await.unwrap_or_else(late) } else { six.await };
                (first, second)
            }
            first = &mut six => {
                let second = if first.is_ok() { timeout(PATIENCE, four).await.unwrap_or_else(late) } else { four.await };
                (second, first)
            }
        }
    }

    async fn look_up(&self, name: &str, kind: RecordType) -> Result<Lookup, NetError> {
        // What does not hold for any time may be kept for a moment still.
        self.inner.clear_lookup_cache(name, kind);
        timeout(self.longest, self.inner.lookup(name, kind)).await.map_err(|_| NetError::Timeout)?
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let mut connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
    connections.iter_mut().for_each(|connection| connection.port = address.port());
    let mut server = NameServerConfig::udp_and_tcp(address.ip());
    server.connections = connections.into();
    server
}

/// How long an answer holds: as long as the record that holds for the shortest time.
fn ttl(lookup: &Lookup) -> Duration {
    let shortest = lookup.answers().iter().map(|record| record.ttl).min();
    Duration::from_secs(shortest.unwrap_or(0).into())
}

fn said(family: Result<Lookup, NetError>) -> Said {
    match family {
        Ok(lookup) => {
            let address = |data: &RData| match data {
                RData::A(address) => Some(IpAddr::V4(address.0)),
                RData::AAAA(address) => Some(IpAddr::V6(address.0)),
                _ => None,
            };
            let found: Vec<_> = lookup.answers().iter().filter_map(|record| address(&record.data)).collect();
            if found.is_empty() { Said::Nothing } else { Said::Addresses(found) }
        }
        Err(error) if error.is_no_records_found() => Said::Nothing,
        Err(_) => Said::Failed,
    }
}

/// What went wrong, in words that follow a colon.
fn reason(error: &NetError) -> String {
    use hickory_resolver::net::DnsError;
    match error {
        error if error.is_nx_domain() => "there is no such name".to_owned(),
        error if error.is_no_records_found() => "it has no such record".to_owned(),
        NetError::Timeout => "no name server answers in time".to_owned(),
        NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)) => {
            "the name server failed (SERVFAIL)".to_owned()
        }
        NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused)) => {
            "the name server refuses to answer (REFUSED)".to_owned()
        }
        other => other.to_string(),
    }
}
