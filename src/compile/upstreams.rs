//! Upstreams: the channels to the backends.

use std::sync::Arc;

use http::HeaderName;

use super::live::Live;
use super::supplies::Supplies;
use crate::call::service::CallService;
use crate::config::Config;
use crate::config::failing;
use crate::config::place::Located;
use crate::config::problem::{Problem, Problems};
use crate::config::upstream;
use crate::status::Code;
use crate::tls::client::Connector;
use crate::upstream::channel::Channel;
use crate::upstream::decide::adaptive::Adaptive;
use crate::upstream::decide::balance::{Balance, Common};
use crate::upstream::decide::circuit::{Circuit, Trip};
use crate::upstream::decide::health::Health;
use crate::upstream::decide::outlier::Outliers;
use crate::upstream::decide::retry::Retries;
use crate::upstream::settings::Settings;

/// An upstream of the configuration, ready to be called.
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) channel: Channel,
    pub(super) service: Arc<dyn CallService>,
    /// What opens TLS to its targets, if one of them has it.
    pub(super) connector: Option<Arc<Connector>>,
}

impl Upstream {
    /// The same without sending anything again that may have arrived, for copies of calls.
    pub(super) fn once(&self) -> Arc<dyn CallService> {
        Arc::new(self.channel.once())
    }
}

/// Builds every upstream, in the order of the configuration. One that the last generation has, too, keeps its connections
/// and what is known of the targets, as far as those stay; nothing else is connected yet.
pub(super) fn build(
    config: &Config,
    problems: &mut Problems,
    cores: usize,
    live: Option<&Live>,
    supplies: &Supplies,
) -> Vec<Upstream> {
    let mut built = Vec::new();
    for (name, upstream) in config.upstreams.iter() {
        let (feed, connector) = supplies.of(name);
        let settings = settings(upstream, config.codec.message.as_usize(), problems);
        let channel = match live.and_then(|live| live.channel(name)) {
            Some(kept) => kept.moved(settings, feed),
            None => Channel::fed(name.as_str(), feed, settings, cores),
        };
        let service = Arc::new(channel.clone());
        built.push(Upstream { name: name.value.clone(), channel, service, connector });
    }
    built
}

fn settings(upstream: &upstream::Upstream, max_message: usize, problems: &mut Problems) -> Settings {
    Settings {
        timeout: upstream.timeout.value,
        connect_timeout: upstream.connect_timeout.value,
        max_message,
        idle: upstream.stream_idle_timeout.value,
        balance: balance(&upstream.balance, problems),
        slow_start: upstream.slow_start.as_ref().map(|time| time.value),
        panic_threshold: upstream.panic_threshold.value.millionths(),
        connection_age: upstream.connection_age.as_ref().map(|age| age.value),
        outliers: upstream.outliers.as_ref().map(outliers),
        circuit: upstream.circuit.as_ref().map(circuit).unwrap_or_default(),
        adaptive: upstream.circuit.as_ref().and_then(|circuit| circuit.adaptive.as_ref()).map(adaptive),
        retries: upstream.retries.as_ref().map(retries).unwrap_or_default(),
        health: upstream.health.as_ref().map(health),
    }
}

fn balance(balance: &failing::Balance, problems: &mut Problems) -> Balance {
    match balance {
        failing::Balance::Plain(shares) => match shares.value {
            failing::Shares::LeastRequest => Balance::LeastRequest,
            failing::Shares::RoundRobin => Balance::RoundRobin,
        },
        failing::Balance::Common(failing::Common::ConsistentHash(hashed)) => {
            common(hashed, problems).map_or(Balance::LeastRequest, Balance::ConsistentHash)
        }
    }
}

fn common(hashed: &failing::Hashed, problems: &mut Problems) -> Option<Common> {
    Some(match hashed {
        failing::Hashed::Header(name) => match HeaderName::from_bytes(name.as_bytes()) {
            Ok(name) => Common::Header(name),
            Err(error) => {
                problems.push(Problem::error(format!("{error}.")).at(name.place));
                return None;
            }
        },
        failing::Hashed::Cookie(name) => Common::Cookie((&***name).into()),
        failing::Hashed::Claim(name) => Common::Claim(name.as_str().into()),
        failing::Hashed::Field(_) => Common::Field,
    })
}

fn outliers(outliers: &failing::Outliers) -> Outliers {
    Outliers {
        consecutive_failures: outliers.consecutive_failures.value,
        failure_rate: outliers.failure_rate.as_ref().map(|rate| rate.millionths()),
        slower_than: outliers.slower_than.as_ref().map(|times| times.value),
        window: outliers.window.value,
        min_calls: outliers.min_calls.value,
        eject_for: outliers.eject_for.value,
        max_ejected: outliers.max_ejected.value.millionths(),
    }
}

fn circuit(circuit: &failing::Circuit) -> Circuit {
    let bound = |bound: &Option<Located<u32>>| bound.as_ref().map_or(u32::MAX, |bound| bound.value);
    let trip = circuit.failure_rate.as_ref().map(|rate| Trip {
        failure_rate: rate.millionths(),
        window: circuit.window.value,
        min_calls: circuit.min_calls.value,
        open_for: circuit.open_for.value,
    });
    Circuit { max_in_flight: bound(&circuit.max_in_flight), max_pending: bound(&circuit.max_pending), trip }
}

const fn adaptive(adaptive: &failing::Adaptive) -> Adaptive {
    Adaptive {
        min: adaptive.min.value,
        max: adaptive.max.value,
        tolerance: adaptive.tolerance.value.millionths(),
    }
}

fn retries(retries: &failing::Retries) -> Retries {
    Retries {
        attempts: retries.attempts.value,
        on: retries.on.iter().map(|code| code_of(code.value)).collect(),
        backoff: retries.backoff.first,
        max_backoff: retries.backoff.longest,
        budget: retries.budget.millionths(),
        attempt_timeout: retries.attempt_timeout.as_ref().map(|time| time.value),
        hedge_after: retries.hedge_after.as_ref().map(|time| time.value),
        unsafe_methods: retries.r#unsafe.value,
    }
}

const fn code_of(code: failing::RetryCode) -> Code {
    match code {
        failing::RetryCode::Unavailable => Code::Unavailable,
        failing::RetryCode::ResourceExhausted => Code::ResourceExhausted,
        failing::RetryCode::Aborted => Code::Aborted,
        failing::RetryCode::DeadlineExceeded => Code::DeadlineExceeded,
        failing::RetryCode::Unknown => Code::Unknown,
        failing::RetryCode::Internal => Code::Internal,
        failing::RetryCode::Cancelled => Code::Cancelled,
    }
}

fn health(health: &failing::Health) -> Health {
    Health {
        service: health.grpc.as_ref().map(|service| service.value.clone()).unwrap_or_default(),
        interval: health.interval.value,
        timeout: health.timeout.value,
        unhealthy: health.unhealthy.value,
        healthy: health.healthy.value,
    }
}
