//! `transom check`

use std::process::ExitCode;

use super::{Source, output};
use crate::snapshot::Snapshot;

/// How many methods are named.
const MAX_NAMED: usize = 10;

/// The arguments of `transom check`.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let log = arguments.source.log;
    log.start_quiet();
    let (_, snapshot, problems) = match arguments.source.prepare() {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    log.format.report(&problems);
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    output::line(&format!(
        "The configuration is valid: {} by {}, {}.",
        count(snapshot.exposed().count(), "method"),
        count(snapshot.surface.routes.routes().len(), "route"),
        count(problems.warnings(), "warning"),
    ));
    output::line(&openness(&snapshot));
    ExitCode::SUCCESS
}

/// Which methods everybody may call.
fn openness(snapshot: &Snapshot) -> String {
    let mut open: Vec<_> = snapshot.open().collect();
    open.sort_unstable();
    match open.len() {
        0 => "Every method has a policy.".to_owned(),
        all if all == snapshot.exposed().count() => {
            "All methods are open to everybody who can connect.".to_owned()
        }
        1 => format!("This method has no policy and is open to everybody who can connect: {}.", open[0]),
        count if count <= MAX_NAMED => {
            format!(
                "These methods have no policy and are open to everybody who can connect: {}.",
                open.join(", ")
            )
        }
        count => format!(
            "{count} methods have no policy and are open to everybody who can connect, among them {}.",
            open[..MAX_NAMED].join(", ")
        ),
    }
}
