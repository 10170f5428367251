//! All metrics of the process.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::SystemTime;

use super::observe::ACTIVE;
use crate::call::meters::{CLIENT, PARTS, SERVER};
use crate::compose::shadow::{COPIES, IN_FLIGHT};
use crate::front::meters::{CODEC_ERRORS, MESSAGES, SOCKET_CLOSES, SOCKET_MESSAGES, SOCKETS, STREAMS};
use crate::policy::limit::redis::health::{CONNECTIONS as STORE_CONNECTIONS, DEMANDS as STORE_DEMANDS};
use crate::policy::meters::{ASKED, TOKENS};
use crate::policy::refusal::REFUSED as POLICY_REFUSALS;
use crate::server::access_log::LINES;
use crate::server::meters::{ACCEPTED, BYTES, CONNECTIONS, REFUSALS};
use crate::snapshot::maintenance::MAINTENANCE;
use crate::snapshot::meters::REQUESTS;
use crate::snapshot::usage::REQUESTS as VERSIONS;
use crate::telemetry::metrics::text::{self, Head, Kind};
use crate::telemetry::metrics::{self, Metric, Tally};
use crate::telemetry::process::Process;
use crate::telemetry::trace::export::SPANS;
use crate::upstream::meters as upstream;

/// All metrics, in the text format 0.0.4 of Prometheus.
pub fn render() -> String {
    metrics::render(&[
        &Build,
        &Process,
        &Configuration,
        &RELOADS,
        &MAINTENANCE,
        &CONNECTIONS,
        &ACCEPTED,
        &BYTES,
        &REFUSALS,
        &POLICY_REFUSALS,
        &TOKENS,
        &ASKED,
        &STORE_DEMANDS,
        &STORE_CONNECTIONS,
        &ACTIVE,
        &REQUESTS,
        &VERSIONS,
        &SERVER,
        &PARTS,
        &STREAMS,
        &MESSAGES,
        &SOCKETS,
        &SOCKET_MESSAGES,
        &SOCKET_CLOSES,
        &CODEC_ERRORS,
        &CLIENT,
        &COPIES,
        &IN_FLIGHT,
        &upstream::CONNECTIONS,
        &upstream::RETRIES,
        &upstream::DENIED,
        &upstream::EJECTIONS,
        &upstream::EJECTED,
        &upstream::PANICS,
        &upstream::UNHEALTHY,
        &upstream::TRIPPED,
        &upstream::TARGETS,
        &upstream::RESOLUTIONS,
        &upstream::MOVES,
        &upstream::HEDGES_WON,
        &upstream::LIMIT,
        &upstream::LIMITED,
        &upstream::SHED,
        &LINES,
        &SPANS,
    ])
}

/// Which program it is.
struct Build;

impl Metric for Build {
    fn render(&self, out: &mut String) {
        let help = "Which build of the program it is; always 1.";
        let head = Head { name: "transom_build_info", help, kind: Kind::Gauge };
        head.render(out);
        let mut labels = String::new();
        text::label(&mut labels, "version", env!("CARGO_PKG_VERSION"));
        text::line(out, head.name, "", &labels, 1);
    }
}

/// Attempts to load a configuration while the process runs.
static RELOADS: Tally<2> = Tally::counters(
    "transom_config_loads_total",
    "Configurations that were loaded, the first one included, and that were refused.",
    [r#"result="loaded""#, r#"result="refused""#],
);

static LOADED: AtomicU64 = AtomicU64::new(0);
static IS_REFUSED: AtomicBool = AtomicBool::new(false);

/// Notes that a configuration is served from now on.
pub fn loaded() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    LOADED.store(now, Relaxed);
    IS_REFUSED.store(false, Relaxed);
    RELOADS.add(0, 1);
}

/// Notes that a configuration was refused, so that the one before goes on.
pub fn refused() {
    IS_REFUSED.store(true, Relaxed);
    RELOADS.add(1, 1);
}

/// What is served.
struct Configuration;

impl Metric for Configuration {
    fn render(&self, out: &mut String) {
        let mut gauge = |name, help, value: u64| {
            Head { name, help, kind: Kind::Gauge }.render_single(value, out);
        };
        let help = "How many configurations were loaded; the first is 1.";
        gauge("transom_config_generation", help, RELOADS.value(0));
        let help = "Whether the last attempt to load a configuration succeeded.";
        gauge("transom_config_last_load_successful", help, u64::from(!IS_REFUSED.load(Relaxed)));
        let help = "When the configuration that is served was loaded, in Unix seconds.";
        gauge("transom_config_last_load_success_timestamp_seconds", help, LOADED.load(Relaxed));
    }
}
