//! `upstreams`

use std::time::Duration;

use super::descriptors::Descriptors;
use super::failing::{Balance, Circuit, Health, Outliers, Retries, warn};
use super::limits::DAY;
use super::place::Located;
use super::problem::Problem;
use super::settings::collection::NonEmpty;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::tls::UpstreamTls;
use super::value::address::Target;

const TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

settings! {
    /// A gRPC backend: the URL of its only target, or a mapping.
    pub struct Upstream, short for [targets] {
        /// Where the backend is reached: `http://host:port`, `https://host:port` or `unix:/path`. `balance`
        /// says how they share the calls. Or where it is found: all addresses of `dns://name:port`, the SRV records
        /// of `srv://_service._proto.name` (with TLS `dns+https` and `srv+https`), the list in `file:/path`.
        targets: NonEmpty<Located<Target>>,
        /// Where the descriptors of this upstream come from, in place of those at the top of the file.
        descriptors: Vec<Descriptors> = Vec::new(),
        /// How long a unary call may take.
        timeout: Located<Duration> = TIMEOUT.into() => Duration::from_millis(1)..=DAY,
        /// How long making a connection may take.
        connect_timeout: Located<Duration> = CONNECT_TIMEOUT.into()
            => Duration::from_millis(10)..=Duration::from_secs(60),
        /// How long a stream may go without a message in either direction.
        stream_idle_timeout: Located<Duration> = STREAM_IDLE_TIMEOUT.into() => Duration::from_secs(1)..=DAY,
        /// How `https` targets are trusted. Without, by the authorities that the system trusts.
        tls: Option<UpstreamTls> = None,
        /// Which of the targets a call goes to: `least_request` (of two targets the one with fewer calls in flight),
        /// `round_robin`, or `{consistent_hash: {header: NAME}}`.
        balance: Balance = Balance::default(),
        /// How targets are asked for their health. They are not if this is left out.
        health: Option<Health> = None,
        /// When targets are left alone because calls to them fail. They are not if this is left out.
        outliers: Option<Outliers> = None,
        /// How many calls there may be at a time. As many as come if this is left out.
        circuit: Option<Circuit> = None,
        /// Which calls are sent again, beside those that a backend cannot have acted on.
        retries: Option<Retries> = None,
    }
    check check(targets, tls, timeout, balance, outliers, retries)
    example "Write the URL of the backend, such as http://127.0.0.1:50051, or `targets: [URL, URL]`."
}

impl Upstream {
    /// An upstream with one target and otherwise defaults.
    pub fn at(target: Located<Target>) -> Self {
        Self {
            targets: NonEmpty::new(target, []),
            descriptors: Vec::new(),
            timeout: TIMEOUT.into(),
            connect_timeout: CONNECT_TIMEOUT.into(),
            stream_idle_timeout: STREAM_IDLE_TIMEOUT.into(),
            tls: None,
            balance: Balance::default(),
            health: None,
            outliers: None,
            circuit: None,
            retries: None,
        }
    }

    fn check(
        reader: &mut Reader<'_>,
        targets: Option<&NonEmpty<Located<Target>>>,
        tls: Option<&Option<UpstreamTls>>,
        timeout: Option<&Located<Duration>>,
        balance: Option<&Balance>,
        outliers: Option<&Option<Outliers>>,
        retries: Option<&Option<Retries>>,
    ) {
        if let Some(targets) = targets {
            check_tls(reader, targets, tls.and_then(Option::as_ref));
            if targets.iter().all(|target| !target.is_found()) {
                check_shares(reader, targets.len(), balance, outliers.and_then(Option::as_ref));
                check_hedges(reader, targets.len(), retries.and_then(Option::as_ref));
            }
        }
        if let (Some(timeout), Some(Some(retries))) = (timeout, retries) {
            check_times(reader, timeout.value, retries);
        }
    }
}

/// Reports settings of TLS that nothing uses: somebody who wrote them expects encryption.
fn check_tls(reader: &mut Reader<'_>, targets: &[Located<Target>], tls: Option<&UpstreamTls>) {
    if tls.is_none() {
        return;
    }
    let may_have_it = |target: &Target| target.is_secure() || matches!(target, Target::File(_));
    if targets.iter().all(|target| !may_have_it(target)) {
        let message =
            format!("{} has settings of TLS, but no target that begins with https://.", reader.path());
        let problem = Problem::error(message).at(targets.first().and_then(|target| target.place));
        let _: Option<()> = reader.error(problem.hint("Write the target with https://, or remove `tls`."));
    }
}

/// Warns of settings that need several targets.
fn check_shares(
    reader: &mut Reader<'_>,
    count: usize,
    balance: Option<&Balance>,
    outliers: Option<&Outliers>,
) {
    if let Some(place) = balance.and_then(Balance::place).filter(|_| count == 1) {
        let text = format!("{} has one target, so that there is nothing to balance.", reader.path());
        warn(reader, Problem::warning(text).at(place).hint("Add targets, or remove `balance`."));
    }
    if let Some(outliers) = outliers {
        let part = outliers.max_ejected.millionths();
        if count as u64 * u64::from(part) < 1_000_000 {
            let text = format!(
                "{} never leaves a target alone: `max_ejected` of {count} is less than one.",
                reader.path()
            );
            let hint = "Add targets, write a larger `max_ejected`, or remove `outliers`.";
            let place = outliers.max_ejected.place.or(outliers.consecutive_failures.place);
            warn(reader, Problem::warning(text).at(place.or(outliers.eject_for.place)).hint(hint));
        }
    }
}

/// Warns of calls that are sent once more to who is slow.
fn check_hedges(reader: &mut Reader<'_>, count: usize, retries: Option<&Retries>) {
    let Some(after) = retries.and_then(|retries| retries.hedge_after.as_ref()) else { return };
    if count == 1 {
        let text =
            format!("{} has one target, so that `hedge_after` sends calls to it twice.", reader.path());
        warn(reader, Problem::warning(text).at(after.place).hint("Add targets, or remove `hedge_after`."));
    }
}

/// Warns of retries that come after the end.
fn check_times(reader: &mut Reader<'_>, timeout: Duration, retries: &Retries) {
    let path = reader.path();
    if let Some(attempt) = retries.attempt_timeout.as_ref().filter(|attempt| attempt.value >= timeout) {
        let text = format!("{path} ends calls before the `attempt_timeout` of `retries` has passed.");
        let hint = "Write an `attempt_timeout` that is shorter than `timeout`, so that there is time for another attempt.";
        warn(reader, Problem::warning(text).at(attempt.place).hint(hint));
    }
    if let Some(after) = retries.hedge_after.as_ref().filter(|after| after.value >= timeout) {
        let text = format!("{path} ends calls before the `hedge_after` of `retries` has passed.");
        let hint =
            "Write a `hedge_after` that is shorter than `timeout`: about as long as nearly all calls take.";
        warn(reader, Problem::warning(text).at(after.place).hint(hint));
    }
    if retries.backoff.first >= timeout {
        let text = format!("{path} ends calls before the first pause of `retries` has passed.");
        let hint = "Write a `backoff` that begins with less than `timeout`.";
        warn(reader, Problem::warning(text).at(retries.backoff.place).hint(hint));
    }
}
