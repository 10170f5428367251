//! `transom check`

use std::process::ExitCode;

use super::{Source, output};

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
        count(snapshot.routes.routes().len(), "route"),
        count(problems.warnings(), "warning"),
    ));
    ExitCode::SUCCESS
}
