//! `transom routes`

use std::process::ExitCode;

use super::{Source, output};
use crate::admin::routes::{Way, dialects, routes, ways};
use crate::snapshot::Snapshot;

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
    let rows = ways(snapshot).into_iter().map(|Way { verb, path, endpoint }| {
        let streams = match (endpoint.method.client_streaming, endpoint.method.server_streaming) {
            (false, false) => "-",
            (true, false) => "client",
            (false, true) => "server",
            (true, true) => "both",
        };
        [
            verb.to_owned(),
            path.to_owned(),
            endpoint.full_name.clone(),
            streams.to_owned(),
            dialects(endpoint).join(","),
            endpoint.upstream().unwrap_or("-").to_owned(),
        ]
    });
    let titles = ["VERB", "PATH", "METHOD", "STREAMS", "DIALECTS", "UPSTREAM"].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(titles).chain(rows).collect();
    let widths: [usize; 6] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0));
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        output::line(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}
