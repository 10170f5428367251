//! `upstreams`

use std::time::Duration;

use super::descriptors::Descriptors;
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
        /// Where the backend is reached: `http://host:port`, `https://host:port` or `unix:/path`. Calls go to each
        /// in turn.
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
    }
    later { balance, health, outliers, circuit, retries }
    check check(targets, tls)
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
        }
    }

    /// Reports settings of TLS that nothing uses: somebody who wrote them expects encryption.
    fn check(
        reader: &mut Reader<'_>,
        targets: Option<&NonEmpty<Located<Target>>>,
        tls: Option<&Option<UpstreamTls>>,
    ) {
        let (Some(targets), Some(Some(_))) = (targets, tls) else { return };
        if targets.iter().all(|target| !matches!(target.value, Target::Tls { .. })) {
            let message =
                format!("{} has settings of TLS, but no target that begins with https://.", reader.path());
            let problem = Problem::error(message).at(targets.first().and_then(|target| target.place));
            let _: Option<()> =
                reader.error(problem.hint("Write the target with https://, or remove `tls`."));
        }
    }
}
