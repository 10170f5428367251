//! `telemetry`

use super::place::Located;
use super::problem::Problem;
use super::settings::declare::settings;
use super::settings::read::Reader;
use super::value::collector::Collector;
use super::value::percent::Percent;

settings! {
    /// What Transom tells about the calls that it carries.
    pub struct Telemetry default {
        /// One line for each call, on standard output.
        access_log: Located<AccessLog> = AccessLog::Off.into(),
        /// What the access log and traces say of a request's path. Its query is in neither.
        paths: Located<Paths> = Paths::Full.into(),
        /// The collector that traces go to, by OTLP over gRPC. Without one nothing is traced.
        otlp: Option<Located<Collector>> = None,
        /// How many of the traces that begin here are sampled. A call that comes with a trace is sampled if its caller
        /// says so.
        traces: Located<Percent> = Percent::ONE.into(),
        /// What the log on standard error shows, such as `info` or `info,transom::upstream=debug`. The environment
        /// variable TRANSOM_LOG comes before it.
        log: Option<Located<String>> = None,
    }
    check check(otlp, traces)
}

settings! {
    /// The form of the access log.
    pub enum AccessLog {
        /// None is written.
        "off" => Off,
        /// Names and values, for people.
        "text" => Text,
        /// A JSON object on each line.
        "json" => Json,
    }
}

settings! {
    /// What is said of a path.
    pub enum Paths {
        /// All of it.
        "full" => Full,
        /// Only the template of its route, where paths hold what is personal.
        "route" => Route,
    }
}

impl Telemetry {
    /// Whether the access log and traces are the same, wherever that is written.
    pub fn is_like(&self, other: &Self) -> bool {
        let collector = |telemetry: &Self| telemetry.otlp.as_ref().map(|collector| collector.url());
        self.access_log.value == other.access_log.value
            && self.paths.value == other.paths.value
            && collector(self) == collector(other)
            && self.traces.value == other.traces.value
    }

    fn check(
        reader: &mut Reader<'_>,
        otlp: Option<&Option<Located<Collector>>>,
        traces: Option<&Located<Percent>>,
    ) {
        if let (Some(None), Some(traces)) = (otlp, traces)
            && traces.place.is_some()
        {
            let text = format!("{} says how much is traced, but not where traces go.", reader.path());
            let hint = "Write `otlp: http://HOST:4317` beside it, or remove `traces`.";
            let _: Option<()> = reader.error(Problem::error(text).at(traces.place).hint(hint));
        }
    }
}
