//! `transom serve`

use std::process::ExitCode;

use super::{Source, failure_code, log};
use crate::app;

/// The arguments of `transom serve`.
#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// How log lines look.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    log_format: log::Format,
}

pub(super) fn run(arguments: &Arguments) -> ExitCode {
    let format = arguments.log_format;
    log::start(format);
    let (config, snapshot, problems) = match arguments.source.prepare(|problems| format.report(problems)) {
        Ok(prepared) => prepared,
        Err(code) => return code,
    };
    format.report(&problems);
    let routes = snapshot.routes.routes().len();
    let methods = snapshot.endpoints.len();
    tracing::info!(methods, routes, "the services are open to everybody who can connect: there is no policy");
    match app::run(&config, snapshot, |_| ()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            format.fail(&error);
            ExitCode::from(failure_code(&error))
        }
    }
}
