//! `transom routes`

use std::process::ExitCode;

use super::{Source, output};
use crate::admin::routes::{Leads, dialects, routes, soap, summary, ways};
use crate::call::Dialect;
use crate::snapshot::{Endpoint, Snapshot};

/// The arguments of `transom routes`.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// As a JSON list, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    arguments.source.log.start_quiet();
    let (_, snapshot, _) = match arguments.source.prepare() {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    if arguments.json {
        output::line(&format!("{:#}", routes(&snapshot)));
    } else {
        print_table(&snapshot);
    }
    ExitCode::SUCCESS
}

fn print_table(snapshot: &Snapshot) {
    let ways = ways(snapshot);
    let rows = ways.iter().map(|way| {
        let [method, streams, dialects, upstreams, policies] = match way.leads {
            Leads::Method(endpoint) => method(endpoint),
            Leads::Fixed(fixed) => [summary(fixed), "-".into(), "-".into(), "-".into(), "-".into()],
        };
        let when = way.condition.map_or_else(|| "-".to_owned(), ToString::to_string);
        let version = way.endpoint().map_or_else(|| "-".to_owned(), version);
        vec![
            way.verb.to_owned(),
            way.path.to_owned(),
            version,
            method,
            streams,
            dialects,
            upstreams,
            policies,
            when,
        ]
    });
    let services = soap(snapshot).map(|(path, method, endpoint)| {
        let dialect = Dialect::Soap.name().to_owned();
        let (version, upstreams) = (version(endpoint), upstreams(endpoint));
        let [streams, policies, when] = ["-", "-", "-"].map(str::to_owned);
        vec!["POST".to_owned(), path, version, method, streams, dialect, upstreams, policies, when]
    });
    let titles = ["VERB", "PATH", "VERSION", "METHOD", "STREAMS", "DIALECTS", "UPSTREAM", "POLICIES", "WHEN"];
    let titles = titles.map(str::to_owned).to_vec();
    let mut table: Vec<Vec<String>> = std::iter::once(titles).chain(rows).chain(services).collect();
    if ways.iter().all(|way| way.condition.is_none()) {
        table.iter_mut().for_each(|row| drop(row.pop()));
    }
    if snapshot.versions.is_none() {
        table.iter_mut().for_each(|row| drop(row.remove(2)));
    }
    output::table(&table);
}

fn version(endpoint: &Endpoint) -> String {
    endpoint.version.as_deref().unwrap_or("-").to_owned()
}

fn method(endpoint: &Endpoint) -> [String; 5] {
    let streams = match (endpoint.method.client_streaming, endpoint.method.server_streaming) {
        (false, false) => "-",
        (true, false) => "client",
        (false, true) => "server",
        (true, true) => "both",
    };
    [
        endpoint.full_name.clone(),
        streams.to_owned(),
        dialects(endpoint).join(","),
        upstreams(endpoint),
        if endpoint.policies.is_empty() { "-".to_owned() } else { endpoint.policies.join(",") },
    ]
}

fn upstreams(endpoint: &Endpoint) -> String {
    let names = endpoint.upstreams();
    let names = if names.is_empty() { "-".to_owned() } else { names.join(",") };
    if endpoint.split.is_empty() { names } else { format!("{names} ({})", endpoint.split) }
}
