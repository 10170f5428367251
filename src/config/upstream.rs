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
use super::value::percent::Percent;

const PANIC_THRESHOLD: Percent = Percent::of(25);
const TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const STREAM_IDLE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

settings! {
    /// A gRPC backend: the URL of its only target, or a mapping.
    pub struct Upstream, short for [targets] {
        /// Where the backend is reached: `http://host:port`, `https://host:port` or `unix:/path`. `balance`
        /// says how they share the calls. Or where it is found: all addresses of `dns://name:port`, the SRV records
        /// of `srv://_service._proto.name` (with TLS `dns+https` and `srv+https`), the list in `file:/path`.
        targets: NonEmpty<Backend>,
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
        /// `round_robin`, or `{consistent_hash: {header: NAME}}` with what calls have in common that go together.
        balance: Balance = Balance::default(),
        /// How long a target that has come, or come back, gets less than its share, from a tenth on. None if this is left
        /// out.
        slow_start: Option<Located<Duration>> = None
            => Duration::from_secs(1)..=Duration::from_secs(3600),
        /// When fewer of the targets than this are neither left alone nor unwell, all are used.
        panic_threshold: Located<Percent> = PANIC_THRESHOLD.into(),
        /// How old a connection gets until another one takes its calls, up to a tenth less or more. As old as it may if
        /// this is left out.
        connection_age: Option<Located<Duration>> = None => Duration::from_secs(1)..=DAY,
        /// How targets are asked for their health. They are not if this is left out.
        health: Option<Health> = None,
        /// When targets are left alone because calls to them fail. They are not if this is left out.
        outliers: Option<Outliers> = None,
        /// How many calls there may be at a time. As many as come if this is left out.
        circuit: Option<Circuit> = None,
        /// Which calls are sent again, beside those that a backend cannot have acted on.
        retries: Option<Retries> = None,
    }
    check check(targets, tls, timeout, retries)
    check check_balance(targets, balance, slow_start)
    check check_left_out(targets, panic_threshold, health, outliers)
    example "Write the URL of the backend, such as http://127.0.0.1:50051, or `targets: [URL, URL]`."
}

settings! {
    /// A target: its URL, or a mapping.
    pub struct Backend, short for url {
        /// Where it is reached, or found.
        url: Located<Target>,
        /// How large its share of the calls is, by those of the others. What is found comes with its own.
        weight: Located<u32> = 1.into() => 1..=1000,
    }
    check check_weight(url, weight)
    example "Write `{url: http://10.0.0.5:50051, weight: 3}`, or the URL alone."
}

impl Backend {
    /// Warns of a weight that nothing has.
    fn check_weight(reader: &mut Reader<'_>, url: Option<&Located<Target>>, weight: Option<&Located<u32>>) {
        let found = url.filter(|url| url.is_found());
        if let Some((_, place)) = found.zip(weight.and_then(|weight| weight.place)) {
            let text = format!(
                "The `weight` of {} has no effect: its targets are found, with their own.",
                reader.path()
            );
            let hint = "Remove it. Records of srv:// and the entries of a file have weights; addresses of dns:// share evenly.";
            warn(reader, Problem::warning(text).at(place).hint(hint));
        }
    }
}

impl From<Located<Target>> for Backend {
    fn from(url: Located<Target>) -> Self {
        Self { url, weight: 1.into() }
    }
}

impl Upstream {
    /// An upstream with one target and otherwise defaults.
    pub fn at(target: Located<Target>) -> Self {
        Self {
            targets: NonEmpty::new(target.into(), []),
            descriptors: Vec::new(),
            timeout: TIMEOUT.into(),
            connect_timeout: CONNECT_TIMEOUT.into(),
            stream_idle_timeout: STREAM_IDLE_TIMEOUT.into(),
            tls: None,
            balance: Balance::default(),
            slow_start: None,
            panic_threshold: PANIC_THRESHOLD.into(),
            connection_age: None,
            health: None,
            outliers: None,
            circuit: None,
            retries: None,
        }
    }

    fn check(
        reader: &mut Reader<'_>,
        targets: Option<&NonEmpty<Backend>>,
        tls: Option<&Option<UpstreamTls>>,
        timeout: Option<&Located<Duration>>,
        retries: Option<&Option<Retries>>,
    ) {
        if let Some(targets) = targets {
            check_tls(reader, targets, tls.and_then(Option::as_ref));
            if targets.iter().all(|target| !target.url.is_found()) {
                check_hedges(reader, targets.len(), retries.and_then(Option::as_ref));
            }
        }
        if let (Some(timeout), Some(Some(retries))) = (timeout, retries) {
            check_times(reader, timeout.value, retries);
        }
    }

    /// Warns of settings that need several targets.
    fn check_balance(
        reader: &mut Reader<'_>,
        targets: Option<&NonEmpty<Backend>>,
        balance: Option<&Balance>,
        slow_start: Option<&Option<Located<Duration>>>,
    ) {
        let Some([target]) = targets.map(|targets| &**targets) else { return };
        if target.url.is_found() {
            return;
        }
        let keys = [
            ("balance", balance.and_then(Balance::place)),
            ("weight", target.weight.place),
            ("slow_start", slow_start.and_then(Option::as_ref).and_then(|time| time.place)),
        ];
        for (key, place) in keys.into_iter().filter(|(_, place)| place.is_some()) {
            let text = format!("{} has one target, so that there is nothing to balance.", reader.path());
            warn(reader, Problem::warning(text).at(place).hint(format!("Add targets, or remove `{key}`.")));
        }
    }

    /// Warns of targets that are never left out, or are used all the same.
    fn check_left_out(
        reader: &mut Reader<'_>,
        targets: Option<&NonEmpty<Backend>>,
        panic_threshold: Option<&Located<Percent>>,
        health: Option<&Option<Health>>,
        outliers: Option<&Option<Outliers>>,
    ) {
        if let (Some(targets), Some(Some(outliers))) = (targets, outliers)
            && targets.iter().all(|target| !target.url.is_found())
        {
            check_share(reader, targets.len(), outliers);
        }
        if let (Some(threshold), Some(health), Some(outliers)) = (panic_threshold, health, outliers) {
            check_panic(reader, threshold, health.is_some(), outliers.as_ref());
        }
    }
}

/// Reports settings of TLS that nothing uses: somebody who wrote them expects encryption.
fn check_tls(reader: &mut Reader<'_>, targets: &[Backend], tls: Option<&UpstreamTls>) {
    if tls.is_none() {
        return;
    }
    let may_have_it = |target: &Target| target.is_secure() || matches!(target, Target::File(_));
    if targets.iter().all(|target| !may_have_it(&target.url)) {
        let message =
            format!("{} has settings of TLS, but no target that begins with https://.", reader.path());
        let problem = Problem::error(message).at(targets.first().and_then(|target| target.url.place));
        let _: Option<()> = reader.error(problem.hint("Write the target with https://, or remove `tls`."));
    }
}

/// Warns of a share of the targets that is less than one.
fn check_share(reader: &mut Reader<'_>, count: usize, outliers: &Outliers) {
    let part = outliers.max_ejected.millionths();
    if count as u64 * u64::from(part) < 1_000_000 {
        let text = format!(
            "{} never leaves a target alone: `max_ejected` of {count} is less than one.",
            reader.path()
        );
        let hint = "Add targets, write a larger `max_ejected`, or remove `outliers`.";
        let place = outliers.max_ejected.place.or(outliers.place());
        warn(reader, Problem::warning(text).at(place).hint(hint));
    }
}

/// Warns of a threshold that is never met, and of one that takes back what `outliers` do.
fn check_panic(
    reader: &mut Reader<'_>,
    threshold: &Located<Percent>,
    has_health: bool,
    outliers: Option<&Outliers>,
) {
    let Some(outliers) = outliers else {
        if threshold.place.is_some() && !has_health {
            let text =
                format!("The `panic_threshold` of {} is never met: no target is left out.", reader.path());
            let hint = "Write `health` or `outliers`, or remove it.";
            warn(reader, Problem::warning(text).at(threshold.place).hint(hint));
        }
        return;
    };
    if threshold.millionths() + outliers.max_ejected.millionths() > 1_000_000 {
        let text = format!(
            "{} uses all targets, those that are left alone too, before `max_ejected` of them are left alone.",
            reader.path()
        );
        let hint = "Write a `panic_threshold` and a `max_ejected` that are 100% together at most.";
        let place = threshold.place.or(outliers.max_ejected.place).or(outliers.place());
        warn(reader, Problem::warning(text).at(place).hint(hint));
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
